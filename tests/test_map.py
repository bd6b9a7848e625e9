"""docs/map.md is what the code says, and nothing is missing from it."""

import inspect
import json
import re
from collections import Counter

import pytest

import theory
from notebooks.catalogue import notebook_names
from notebooks.map import (
    anchor,
    claims_by_notebook,
    claims_by_paper,
    code_of,
    first_sentence,
    functions_of_notebooks,
    functions_of_predictions,
    functions_of_tests,
    public_functions,
    render_map,
    source_of,
)
from synthetic.claims import CLAIMS
from synthetic.store.files import clone_root

ROOT = clone_root()
FUNCTIONS = public_functions()


def test_the_map_is_fresh():
    fresh = (ROOT / "docs" / "map.md").read_text(encoding="utf-8") == render_map(ROOT)
    assert fresh, "docs/map.md is outdated; run projhead map"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_statement_and_a_source(name):
    function = getattr(theory, name)
    assert 10 < len(first_sentence(inspect.getdoc(function))) < 200
    assert source_of(function)


def test_every_function_has_a_test():
    used = Counter(name for tests in functions_of_tests(ROOT).values() for names in tests for name in names)
    assert [name for name, qualified in FUNCTIONS.items() if not used[qualified]] == []


def test_every_function_has_a_claim_or_a_notebook():
    used = set().union(*functions_of_predictions().values(), *functions_of_notebooks().values())
    assert {name for name, qualified in FUNCTIONS.items() if qualified not in used} == set()


def test_every_claim_is_on_the_map_once():
    assert Counter(c.id for claims in claims_by_paper().values() for c in claims) == Counter(list(CLAIMS))


def test_a_claim_is_named_by_one_notebook_at_most():
    named = claims_by_notebook()
    counts = Counter(claim for claims in named.values() for claim in claims)
    assert counts.keys() <= CLAIMS.keys() and set(counts.values()) == {1}


def test_every_notebook_is_on_the_map():
    page = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    assert [notebook for notebook in notebook_names() if f"notebooks/{notebook}.ipynb" not in page] == []


@pytest.mark.parametrize("notebook", notebook_names())
def test_every_figure_of_a_notebook_is_there_with_its_numbers(notebook):
    saved = set(re.findall(r"\{NAME\}-(\w+)", code_of(notebook)))
    folder = ROOT / "figures" / "quick"
    assert saved and saved == {path.stem.partition("-")[2] for path in folder.glob(f"{notebook}-*.json")}
    for figure in saved:
        numbers = json.loads((folder / f"{notebook}-{figure}.json").read_text(encoding="utf-8"))
        assert numbers["name"] == f"{notebook}-{figure}" and numbers["profile"] == "quick" and numbers["data"]
        for ending in ("png", "svg"):
            assert (folder / f"{notebook}-{figure}.{ending}").stat().st_size > 1000


def test_every_claim_has_its_heading_in_the_ledger():
    headings = re.findall(r"^#+ (.*)", (ROOT / "CLAIMS.md").read_text(encoding="utf-8"), re.M)
    assert set(map(anchor, CLAIMS)) <= set(map(anchor, headings))


def _derivations():
    """Every mention of a derivation page in the docstrings and comments of `theory`."""
    for path in sorted((ROOT / "theory").rglob("*.py")):
        for link in re.findall(r"docs/derivations/[\w#.-]*[\w-]", path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT), link


def test_every_derivation_that_theory_names_is_there():
    missing = []
    for path, link in _derivations():
        page, _, section = link.partition("#")
        text = (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).exists() else ""
        anchors = {anchor(heading) for heading in re.findall(r"^#+ (.*)", text, re.M)}
        if not text or (section and section not in anchors):
            missing.append(f"{path}: {link}")
    assert missing == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_derived_statement_says_where(name):
    source = source_of(getattr(theory, name))
    if "derived" in source:
        assert "derived here" in source or re.search(r"derivations/[\w-]+\.md#[\w-]+", source), source
