from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    before_after,
    errorbars,
    estimate,
    estimates,
    layer_cells,
    layer_scores,
    plus_minus,
    text_table,
)
from synthetic.images.runs import BASE, base_config


def test_estimate_is_the_student_interval():
    value = estimate(np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [7.0] * 5]))
    # t(0.975; 4) = 2.776445105, sd = sqrt(2.5)
    assert np.allclose(value["mean"], [3, 7])
    assert np.allclose(value["half_width"], [2.776445105 * (2.5 / 5) ** 0.5, 0], atol=1e-8)
    with pytest.raises(ValueError, match="values must have at least 2 repetitions, got 1"):
        estimate(np.ones(1))


def test_gap_is_before_minus_after_by_member():
    scores = [{"a_h": np.array([0.9, 0.8]), "a_z": np.array([0.5, 0.6])}] * 3
    table = layer_scores(scores, ["a"])
    assert table["a_gap"].shape == (3, 2)
    assert np.allclose(table["a_gap"][1], [0.4, 0.2])
    values = estimates(table)
    assert np.allclose(values["a_gap"]["mean"], 0.3)
    # t(0.975; 1) = 12.7062, sd / sqrt(2) = 0.1
    assert plus_minus(values["a_gap"], 2) == "+0.300 +- 1.271"
    assert plus_minus(values["a_gap"], 2, digits=1) == "+0.3 +- 1.3"
    assert layer_cells(values, {"a": "A"}, 1) == {
        "A h": "0.850",
        "A z": "0.550",
        "A h - z": "+0.300 +- 1.271",
    }


def test_a_table_lines_up_and_leaves_missing_cells_empty():
    lines = text_table([{"run": "a", "x": "1"}, {"run": "long", "y": "2.5"}]).splitlines()
    assert lines == ["run   x    y", "a     1", "long     2.5"]


def test_markers_stand_at_their_means_with_their_half_widths():
    axes = Figure().subplots()
    value = {"mean": np.array([1.0, 2.0]), "half_width": np.array([0.1, 0.2])}
    errorbars(axes, [5, 6], value, marker="o")
    errorbars(axes, [5, 6], value, horizontal=True, marker="o")
    upright, flat = axes.containers
    assert np.allclose(upright.lines[0].get_xydata(), [[5, 1], [6, 2]])
    assert np.allclose(flat.lines[0].get_xydata(), [[1, 5], [2, 6]])
    assert np.allclose(upright.lines[2][0].get_segments()[1], [[6, 1.8], [6, 2.2]])
    assert upright.lines[0].get_linestyle() == "None"


def test_before_and_after_stand_to_both_sides_of_their_place():
    axes = Figure().subplots()
    values = {f"a_{layer}": estimate(np.full((2, 3), y)) for layer, y in (("h", 0.9), ("z", 0.4))}
    before_after(axes, [0, 1], values, "a", 0.2)
    before, after = axes.containers
    assert np.allclose(before.lines[0].get_xydata(), [[-0.2, 0.9], [0.8, 0.9]])
    assert np.allclose(after.lines[0].get_xydata(), [[0.2, 0.4], [1.2, 0.4]])
    assert (before.get_label(), after.get_label()) == ("before the head", "after the head")


def test_the_quick_profile_and_the_claims_train_the_same_networks():
    """The notebooks keep learning curves, which change no weight."""
    assert replace(base_config(0, "cpu", **IMAGE_BASE["quick"]), monitor=0) == BASE
    assert IMAGE_MEMBERS.keys() == IMAGE_BASE.keys()
