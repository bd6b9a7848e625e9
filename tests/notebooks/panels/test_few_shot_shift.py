from dataclasses import replace

import numpy as np
import pytest

from neural.models.heads import FixedReweightingConfig, IdentityConfig
from neural.training.methods import CrossEntropy, SupCon
from notebooks.panels import few_shot_shift as shift
from synthetic.images.runs import BASE

PER_GROUP = (5, 20)


@pytest.fixture
def base(seed):
    return replace(BASE, seed=seed)


@pytest.fixture
def coarse_runs(base):
    return shift.coarse_runs(base, (1.2,))


@pytest.fixture
def shift_runs(base):
    return shift.shift_runs(base, (0.3, 0.5), (1.2,))


@pytest.fixture
def coarse(coarse_runs):
    """Before the head .7 + .01 for each earlier run, after it .1 less; the coarse label .9 in both layers."""
    scores = {}
    for i, name in enumerate(coarse_runs):
        before = 0.7 + 0.01 * i + np.array([0.0, 0.02])
        for probe in ("linear", "knn", "few_shot"):
            scores.setdefault(name, {}).update({f"digit_{probe}_h": before, f"digit_{probe}_z": before - 0.1})
        scores[name] |= {"coarse_linear_h": np.full(2, 0.9), "coarse_linear_z": np.full(2, 0.9)}
    return shift.summarise_coarse(scores)


@pytest.fixture
def shifted(shift_runs):
    scores = {}
    for i, (method, strength, head) in enumerate(shift_runs):
        values = {}
        for m in PER_GROUP:
            before = np.array([0.5, 0.52]) + 0.01 * i + 0.001 * m
            values |= {f"worst_{m}_h": before, f"worst_{m}_z": before - 0.03}
            values |= {f"mean_{m}_h": before + 0.1, f"mean_{m}_z": before + 0.11}
        if method == "CE":
            values["worst_own"] = np.array([0.4, 0.5])
        scores[method, strength, head] = values
    return shift.summarise_shift(scores, PER_GROUP)


def test_runs_of_coarse_labels(coarse_runs):
    assert list(coarse_runs) == [
        ("SupCon", "none"),
        ("SupCon", "MLP"),
        ("SupCon", "fixed 1.2"),
        ("CE", "none"),
        ("CE", "MLP"),
        ("CE", "fixed 1.2"),
        ("SupCon", "none", "linear"),
        ("SupCon", "MLP", "linear"),
        ("untrained", "MLP"),
    ]
    assert coarse_runs["CE", "none"].method == CrossEntropy("coarse")
    assert coarse_runs["SupCon", "fixed 1.2"].head == FixedReweightingConfig(1.2)
    assert not coarse_runs["SupCon", "none", "linear"].encoder.last_relu
    assert coarse_runs["untrained", "MLP"].epochs == 0
    assert {run.data.strength for run in coarse_runs.values()} == {0.6}


def test_runs_of_shifted_backgrounds(shift_runs):
    assert shift_runs["SupCon", 0.3, "none"].head == IdentityConfig()
    assert shift_runs["SupCon", 0.5, "MLP"].method == SupCon("parity")
    assert ("CE", 0.5, "none") not in shift_runs
    assert {run.data.agreement for run in shift_runs.values()} == {0.95}
    assert all(run.data.strength == strength for (_, strength, _), run in shift_runs.items())


def test_heads_are_compared_with_none_of_the_same_method_and_encoder(coarse):
    # Runs in order; none of SupCon is 0, of cross-entropy 3, without ReLU 6.
    expected = [0, 0.01, 0.02, 0, 0.01, 0.02, 0, 0.01, 0]
    assert np.allclose(coarse["minus_none"]["knn"]["mean"], expected)
    assert np.allclose(coarse["minus_none"]["knn"]["half_width"], 0, atol=1e-12)
    assert np.allclose(coarse["accuracy"]["digit_knn_gap"]["mean"], 0.1)
    table = shift.format_coarse(coarse).splitlines()
    assert len(table) == 1 + len(coarse["run"])
    fixed = next(line for line in table if "CE, fixed 1.2" in line)
    assert fixed.count("+0.020 +- 0.000") == 2
    # Three gaps, and for a head two differences to no head.
    assert fixed.count("+-") == 5 and next(line for line in table if "CE, none" in line).count("+-") == 3


def test_worst_groups_by_number_of_labels(shifted):
    assert shifted["per_group"] == [5, 20]
    first = shifted["run"][0]
    assert (first["method"], first["strength"], first["head"]) == ("SupCon", 0.3, "none")
    assert np.allclose(first["before"]["mean"], [0.515, 0.53])
    assert np.allclose(first["gap"]["mean"], 0.03) and np.allclose(first["gap"]["half_width"], 0, atol=1e-12)
    assert np.allclose(first["mean_gap"]["mean"], -0.01)
    assert [run["method"] for run in shifted["run"] if "own" in run] == ["CE"] * 4
    table = shift.format_shift(shifted)
    assert "CE, s = 0.5, MLP" in table and "0.450" in table


def test_figures_show_every_series(coarse, shifted):
    lost, added = shift.draw_coarse(coarse).axes
    assert len(lost.containers) == 4 and len(added.containers) == 3
    shown = [1, 2, 4, 5, 7, 8]
    assert np.allclose(
        lost.containers[1].lines[0].get_xdata(), coarse["accuracy"]["digit_knn_gap"]["mean"][shown]
    )
    assert np.allclose(added.containers[1].lines[0].get_xdata(), [0.01, 0.02] * 2 + [0.01])
    assert [text.get_text() for text in lost.get_yticklabels()][-2:] == [
        "SupCon, MLP,\nno ReLU",
        "untrained, MLP",
    ]
    figure = shift.draw_shift(shifted)
    assert [len(axes.containers) for axes in figure.axes] == [3, 3]
    assert np.allclose(figure.axes[1].containers[0].lines[0].get_ydata(), 0.03)
    figure = shift.draw_heads(shifted)
    assert [len(axes.containers) for axes in figure.axes] == [2, 2]
    assert np.allclose(figure.axes[0].containers[1].lines[0].get_ydata(), 0.02)


def test_heads_are_compared_with_none_at_the_same_strength(shifted):
    differences = {
        (run["method"], run["head"]): run["minus_none"]["mean"]
        for run in shifted["run"]
        if "minus_none" in run
    }
    assert set(differences) == {
        (method, head) for method in ("SupCon", "CE") for head in ("MLP", "fixed 1.2")
    }
    assert np.allclose(differences["CE", "MLP"], 0.01)
