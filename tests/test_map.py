"""docs/map.md is what the code says, and nothing is missing from it."""

import json
import re

import pytest

from notebooks.catalogue import notebook_names
from notebooks.map import (
    anchor,
    code_of,
    public_functions,
    render_map,
)
from synthetic.claims import CLAIMS
from synthetic.store.files import clone_root

ROOT = clone_root()
FUNCTIONS = public_functions()
UNUSED = set()
"""Public functions that no claim and no notebook uses yet. Take names out, never put one in."""


def test_the_map_is_fresh():
    fresh = (ROOT / "docs" / "map.md").read_text(encoding="utf-8") == render_map(ROOT)
    assert fresh, "docs/map.md is outdated; run projhead map"


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
