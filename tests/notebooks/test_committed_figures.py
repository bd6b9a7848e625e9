"""The committed figures keep the house rules, and a wrong formula would show in each of them."""

import copy
import json

import pytest
from matplotlib.colors import to_hex

from notebooks.catalogue import FOLDER, notebook_names
from notebooks.committed import compare_records
from notebooks.figure import NARROW, WIDE
from notebooks.panels.shared import AFTER, BEFORE

EARLIER = {"20"}
"""Notebooks whose figures were drawn before there were rules."""
RECORDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER.parent / "figures" / "quick").glob("*.json"))
    if path.stem[:2] not in EARLIER
}
SMALLEST_TICKS = 9.0
SMALLEST_TEXT = 7.5
MOST_PANELS = 3


@pytest.mark.parametrize("name", RECORDS)
def test_a_figure_keeps_the_house_rules(name):
    look = RECORDS[name]["look"]
    assert look["width"] in (WIDE, NARROW)
    assert look["tick_size"] >= SMALLEST_TICKS
    assert look["text_size"] >= SMALLEST_TEXT
    assert look["panels"] <= MOST_PANELS
    for style in (BEFORE, AFTER):
        assert look["colors"].get(style["label"], to_hex(style["color"])) == to_hex(style["color"])


@pytest.mark.parametrize("name", RECORDS)
def test_a_figure_has_its_texts(name):
    record = RECORDS[name]
    assert len(record["caption"].split()) >= 8 and record["caption"].rstrip().endswith((".", "?"))
    assert len(record["alt"].split()) >= 8


@pytest.mark.parametrize("name", RECORDS)
def test_a_figure_belongs_to_a_notebook(name):
    assert name.partition("-")[0] in notebook_names()


def closed_numbers(value, place, simulated):
    """Places of the numbers, other than 0, that count as closed forms."""
    if isinstance(value, dict):
        if not {"mean", "half_width"} <= value.keys():
            for key, item in value.items():
                if key not in simulated:
                    yield from closed_numbers(item, [*place, key], simulated)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from closed_numbers(item, [*place, index], simulated)
    elif isinstance(value, float) and value:
        yield place


@pytest.mark.parametrize("name", RECORDS)
def test_a_closed_form_that_moves_by_one_percent_is_a_difference(name):
    record = RECORDS[name]
    places = list(closed_numbers(record["data"], [], record["simulated"]))
    for place in places[:: max(1, len(places) // 20)]:
        moved = copy.deepcopy(record)
        inside = moved["data"]
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] *= 1.01
        assert len(compare_records(record, moved)) == (abs(inside[place[-1]]) > 1.1e-6)
    assert compare_records(record, copy.deepcopy(record)) == []
