from dataclasses import replace

import numpy as np
import pytest

from notebooks.panels import figure3_digits as figure3
from synthetic.images.runs import BASE

P_DROPS, STRENGTHS, MEMBERS = (0.0, 0.5, 1.0), (0.1, 0.3, 0.9), 2


def made_up(linear, *, photo=None, rank=10.0):
    """Scores of two members: this linear gap of the digit, .02 more in member 1; half of it for the other probes."""
    gap = linear + np.array([0.0, 0.02])
    scores = {"effective_rank_h": np.full(2, 30.0), "effective_rank_z": np.full(2, rank)}
    for stem, value in {
        "digit_linear": gap,
        "digit_knn": gap / 2,
        "digit_few_shot": gap / 2,
        "photo_linear": np.full(2, photo or 0.0),
    }.items():
        scores |= {f"{stem}_h": np.full(2, 0.8), f"{stem}_z": 0.8 - value}
    return scores


@pytest.fixture
def base(seed):
    return replace(BASE, seed=seed)


@pytest.fixture
def drop(base):
    """Gap .1, .2, .4 with a ReLU and .1 more without; untrained .15."""
    gaps = {("ReLU", p): g for p, g in zip((*P_DROPS, None), (0.1, 0.2, 0.4, 0.15), strict=True)}
    gaps |= {("linear", p): g + 0.1 for (_, p), g in gaps.items()}
    assert gaps.keys() == figure3.drop_runs(base, P_DROPS).keys()
    return figure3.summarise_drop({name: made_up(gap) for name, gap in gaps.items()})


@pytest.fixture
def strength(base):
    runs = figure3.strength_runs(base, STRENGTHS)
    gaps = dict(zip(runs, (0.05, 0.0, 0.2, 0.1, 0.02, 0.01), strict=True))
    exchange = {0.3: made_up(0.1, photo=0.03), 0.75: made_up(0.02, photo=0.12)}
    assert exchange.keys() == figure3.exchange_runs(base).keys()
    scores = {name: made_up(gap) for name, gap in gaps.items()}
    return figure3.summarise_strength(scores, exchange, test_images=10)


@pytest.fixture
def decay(base):
    runs = figure3.decay_runs(base, (1e-6, 1e-2))
    ranks = (15.0, 12.0)
    return figure3.summarise_decay(
        {name: made_up(0.1, rank=rank) for name, rank in zip(runs, ranks, strict=True)}
    )


def test_runs_differ_in_what_their_panel_is_about_alone(base):
    drop = figure3.drop_runs(base, P_DROPS)
    assert drop["ReLU", 0.0] == base
    assert drop["linear", 1.0].data.p_drop == 1.0 and not drop["linear", 1.0].encoder.last_relu
    assert drop["ReLU", None].epochs == 0
    strength = figure3.strength_runs(base, STRENGTHS)
    assert [run.data.strength for run in strength.values()] == [0.1, 0.1, 0.3, 0.3, 0.9, 0.9]
    assert {run.data.p_drop for run in strength.values()} == {0.75}
    assert strength["untrained", 0.9].epochs == 0 and strength["trained", 0.9].epochs == base.epochs
    decay = figure3.decay_runs(base, (1e-6, 1e-2))
    assert decay[1e-6] == figure3.drop_runs(base, (0.75,))["ReLU", 0.75]
    assert decay[1e-2].schedule.optimizer.weight_decay == 1e-2


def test_growth_and_distance_from_the_untrained_are_paired(drop):
    for top, more in (("ReLU", 0.0), ("linear", 0.1)):
        assert np.allclose(
            drop[top]["trained"]["digit_linear_gap"]["mean"], np.array([0.11, 0.21, 0.41]) + more
        )
        assert np.allclose(drop[top]["growth"]["linear"]["mean"], 0.3)
        assert np.allclose(drop[top]["growth"]["linear"]["half_width"], 0, atol=1e-12)
        assert np.allclose(drop[top]["above_untrained"]["knn"]["mean"], [-0.025, 0.025, 0.125])
    table = figure3.format_drop(drop)
    assert "p = 0.5" in table and "untrained" in table
    assert (
        "linear probe: growth of the gap +0.300 +- 0.000; last gap minus untrained +0.250 +- 0.000" in table
    )


def test_strength_contrasts(strength):
    assert np.allclose(strength["weak_minus"]["linear"]["mean"], [0.15, 0, 0.18])
    # errors .2 before and .2 + gap after, of 10 test images: (.3 + gap) / .3
    assert np.allclose(strength["error_ratio"]["mean"], 1 + np.array([0.06, 0.21, 0.03]) / 0.3)
    exchange = strength["exchange"]
    assert np.allclose(exchange["digit_change"]["mean"], 0.08)
    assert np.allclose(exchange["photo_change"]["mean"], 0.09)
    table = figure3.format_strength(strength)
    assert "gap at s = 0.3 minus gap at s = 0.9: linear probe +0.180 +- 0.000" in table
    assert "gap at s = 0.3 minus gap at s = 0.3" not in table


def test_decay_contrasts(decay):
    assert np.allclose(decay["smaller_minus"]["linear"]["mean"], 0)
    assert np.allclose(decay["smaller_minus"]["effective_rank_z"]["mean"], [0, 3])
    assert "effective rank of z +3.000 +- 0.000" in figure3.format_decay(decay)


def test_figures_show_every_series(drop, strength, decay):
    figure = figure3.draw_drop(drop)
    assert [len(axes.containers) for axes in figure.axes] == [2, 2]
    assert [len(axes.patches) for axes in figure.axes] == [2, 2]
    line = figure.axes[0].containers[1].lines[0]
    assert np.allclose(line.get_ydata(), drop["linear"]["trained"]["digit_linear_gap"]["mean"])
    figure = figure3.draw_strength(strength)
    assert [len(axes.containers) for axes in figure.axes] == [6, 1, 2]
    assert np.allclose(figure.axes[2].containers[1].lines[0].get_ydata(), [0.03, 0.12])
    figure = figure3.draw_decay(decay)
    assert [len(axes.containers) for axes in figure.axes] == [3, 2]
    assert np.allclose(figure.axes[1].containers[1].lines[0].get_ydata(), [15, 12])
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel() and axes.get_legend()
