"""The map in README.md: every function, claim, test, notebook and figure in it exists."""

import importlib
import json
import subprocess
import sys
from collections import Counter

import pytest

from notebooks.catalogue import notebook_names
from synthetic.claims import CLAIMS
from synthetic.store.files import clone_root

ROOT = clone_root()
COLUMNS = ("statement", "function", "claims", "test", "notebook", "figure", "boundary")


def rows():
    """Rows of the map as dicts, code marks removed."""
    text = (ROOT / "README.md").read_text()
    lines = text.partition("<!-- map -->")[2].partition("<!-- end of map -->")[0].strip().splitlines()
    assert tuple(cell.strip() for cell in lines[0].strip("|").split("|")) == COLUMNS
    for line in lines[2:]:
        cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        yield dict(zip(COLUMNS, cells, strict=True))


ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["statement"][:40])
def test_function_notebook_and_figure_exist(row):
    module, _, name = row["function"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert row["notebook"] in notebook_names()
    assert row["figure"].startswith(row["notebook"] + "-")
    numbers = json.loads((ROOT / "figures" / "quick" / f"{row['figure']}.json").read_text())
    assert numbers["name"] == row["figure"] and numbers["profile"] == "quick" and numbers["data"]
    for ending in ("png", "svg"):
        assert (ROOT / "figures" / "quick" / f"{row['figure']}.{ending}").stat().st_size > 1000
    assert row["statement"] and row["boundary"]


def test_every_claim_is_on_the_map_once():
    listed = Counter(claim for row in ROWS for claim in row["claims"].split())
    assert listed == Counter(list(CLAIMS))


def test_every_notebook_is_on_the_map():
    assert {row["notebook"] for row in ROWS} == set(notebook_names())


def test_every_test_can_be_collected():
    tests = sorted({row["test"] for row in ROWS})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
