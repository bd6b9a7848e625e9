from dataclasses import replace

import numpy as np
import pytest

from notebooks.panels.null_space_images import (
    OPTIMIZERS,
    PARTS,
    TOPS,
    draw_contrasts,
    draw_laws,
    draw_parts,
    draw_variance,
    format_laws,
    format_parts,
    law_data,
    null_space_runs,
    summarise,
)
from synthetic.images.runs import BASE

DIMS = (8, 2)
PLAIN, ADAM = OPTIMIZERS
ACCURACY = {"h": 0.9, "h_r": 0.8, "h_n": 0.6, "z": 0.79, "random_r": 0.7, "random_n": 0.65}


@pytest.fixture
def summary():
    """Made-up runs: ACCURACY, .1 less untrained, .05 less with two outputs; member m has .01 m more."""
    scores = {}
    for top in TOPS:
        for dim in DIMS:
            for trained in (True, False):
                less = 0.1 * (not trained) + 0.05 * (dim == 2)
                table = {f"linear_{p}": a - less + 0.01 * np.arange(3) for p, a in ACCURACY.items()}
                scores[top, dim, trained] = table | {
                    "energy_h_n": np.full(3, 1 - dim / 16),
                    "energy_random_n": np.full(3, 0.5),
                }
    return summarise(scores)


@pytest.fixture
def laws():
    drift = {name: np.outer([4.0, 2.0, 1.0], np.ones(2)) * 1e-3 for name in OPTIMIZERS}
    energy = {"measured": [1.0, 2.0], "predicted": [1.0, 2.02], "without_head": [1.1, 2.2]}
    slope = {name: {"mean": np.array(1.0), "half_width": np.array(0.1)} for name in OPTIMIZERS}
    return {
        "step": [0.04, 0.02, 0.01],
        "drift": drift,
        "slope": slope,
        "energy": dict.fromkeys(OPTIMIZERS, energy),
    }


def test_runs_come_with_their_untrained_control(seed):
    runs = null_space_runs(replace(BASE, seed=seed), DIMS)
    assert set(runs) == {(top, dim, trained) for top in TOPS for dim in DIMS for trained in (True, False)}
    for (top, dim, trained), config in runs.items():
        assert config.head.embed_dim == dim and (config.epochs > 0) == trained
        assert config.encoder.last_relu == (top == "ReLU")


def test_contrasts_are_paired_by_member(summary):
    contrasts = summary["contrasts"]["ReLU"]
    np.testing.assert_allclose(contrasts["h - h_r"]["mean"], 0.1)
    np.testing.assert_allclose(contrasts["h_n - z"]["mean"], -0.19)
    np.testing.assert_allclose(contrasts["h_n - h_n untrained"]["mean"], 0.1)
    assert all(np.max(value["half_width"]) < 1e-12 for value in contrasts.values())
    assert summary["embed_dim"] == list(DIMS)


def test_table_names_the_paper_and_every_contrast(summary):
    table = format_parts(summary)
    assert table.startswith("paper: h best") and "untrained" in table
    assert [line.split() for line in table.splitlines() if line.startswith("h_r - z")] == [
        ["h_r", "-", "z", *["+0.010", "+-", "0.000"] * 2]
    ] * 2


def test_parts_are_drawn_trained_and_untrained(summary):
    figure = draw_parts(summary)
    assert [len(axes.containers) for axes in figure.axes] == [len(PARTS)] * 2
    trained, untrained = (axes.containers[0].lines[0].get_ydata() for axes in figure.axes[:2])
    np.testing.assert_allclose(trained - untrained, 0.1)


def test_leads_and_unseen_variance_have_the_untrained_network_beside(summary):
    leads = draw_contrasts(summary)
    assert [len(axes.containers) for axes in leads.axes] == [2, 2]
    np.testing.assert_allclose(leads.axes[1].containers[1].lines[0].get_ydata(), -0.19)
    variance = draw_variance(summary)
    assert [len(axes.containers) for axes in variance.axes] == [3, 3]
    np.testing.assert_allclose(variance.axes[0].containers[0].lines[0].get_ydata(), [0.5, 0.875])


def test_laws_are_drawn_with_lines_of_slope_one(laws):
    figure = draw_laws(laws)
    drift, energy = figure.axes
    assert len(drift.containers) == 2 and len(energy.get_legend_handles_labels()[1]) == 3
    np.testing.assert_allclose(drift.containers[0].lines[0].get_ydata(), [4e-3, 2e-3, 1e-3])
    assert "largest relative error 0.99%" in format_laws(laws)


def test_law_data_measures_what_it_predicts(seed):
    axes = {"steps": (0.004, 0.002), "time": 0.016, "members": 2, "starts": 1}
    data = law_data(seed, **axes, energy_step=0.002, energy_time=0.016, jobs=1, label="test")
    assert np.shape(data["drift"][PLAIN]) == (2, 2)
    # First order, up to the step times the curvature; Adam's drift does not vanish.
    assert data["slope"][PLAIN]["mean"] == pytest.approx(1, abs=0.3)
    assert np.min(data["drift"][ADAM]) > 5 * np.max(data["drift"][PLAIN])
    energy = data["energy"][PLAIN]
    assert energy["measured"][0] == pytest.approx(energy["predicted"][0], rel=1e-3)
