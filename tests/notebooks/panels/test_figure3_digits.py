from dataclasses import replace

import numpy as np
import pytest

from notebooks.panels import figure3_digits as figure3
from synthetic.images.runs import BASE, with_data

STRENGTHS = (0.1, 0.3, 0.9)


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
def strength(base):
    runs = figure3.strength_runs(base, STRENGTHS)
    gaps = dict(zip(runs, (0.05, 0.0, 0.2, 0.1, 0.02, 0.01), strict=True))
    scores = {name: made_up(gap) for name, gap in gaps.items()}
    return figure3.summarise_strength(scores, test_images=10)


@pytest.fixture
def exchange(base):
    values = ((0.1, 0.03), (0.02, 0.01), (0.02, 0.12), (0.01, 0.02))
    runs = figure3.exchange_runs(base)
    assert [name[0] for name in runs] == ["trained", "untrained"] * 2
    return figure3.summarise_exchange(
        {name: made_up(digit, photo=photo) for name, (digit, photo) in zip(runs, values, strict=True)}
    )


@pytest.fixture
def decay(base):
    runs = figure3.decay_runs(base, (1e-6, 1e-2))
    ranks = (15.0, 12.0)
    return figure3.summarise_decay(
        {name: made_up(0.1, rank=rank) for name, rank in zip(runs, ranks, strict=True)}
    )


def test_runs_differ_in_what_their_panel_is_about_alone(base):
    strength = figure3.strength_runs(base, STRENGTHS)
    assert [run.data.strength for run in strength.values()] == [0.1, 0.1, 0.3, 0.3, 0.9, 0.9]
    assert {run.data.p_drop for run in strength.values()} == {0.75}
    assert strength["untrained", 0.9].epochs == 0 and strength["trained", 0.9].epochs == base.epochs
    decay = figure3.decay_runs(base, (1e-6, 1e-2))
    assert decay[1e-6] == with_data(base, p_drop=0.75)
    assert decay[1e-2].schedule.optimizer.weight_decay == 1e-2


def test_strength_contrasts(strength):
    assert np.allclose(strength["weak_minus"]["linear"]["mean"], [0.15, 0, 0.18])
    # errors .2 before and .2 + gap after, of 10 test images: (.3 + gap) / .3
    assert np.allclose(strength["error_ratio"]["mean"], 1 + np.array([0.06, 0.21, 0.03]) / 0.3)
    # Trained gaps .05, .2, .02 over untrained ones .0, .1, .01.
    assert np.allclose(strength["added"]["linear"]["mean"], [0.05, 0.1, 0.01])
    assert np.allclose(strength["added"]["knn"]["half_width"], 0, atol=1e-12)
    table = figure3.format_strength(strength)
    assert "gap at s = 0.3 minus gap at s = 0.9: linear probe +0.180 +- 0.000" in table
    assert "gap at s = 0.3 minus gap at s = 0.3" not in table


def test_what_training_adds_to_the_weak_feature(exchange):
    assert np.allclose(exchange["added"]["digit"]["mean"], [0.08, 0.01])
    assert np.allclose(exchange["added"]["photo"]["mean"], [0.02, 0.1])
    assert np.allclose([exchange["change"][f]["mean"] for f in ("digit", "photo")], [0.07, 0.08])
    table = figure3.format_exchange(exchange)
    assert "photograph, s = 0.75" in table and table.endswith(
        "digit +0.070 +- 0.000; photograph +0.080 +- 0.000"
    )


def test_decay_contrasts(decay):
    assert np.allclose(decay["smaller_minus"]["linear"]["mean"], 0)
    assert np.allclose(decay["smaller_minus"]["effective_rank_z"]["mean"], [0, 3])
    assert "effective rank of z +3.000 +- 0.000" in figure3.format_decay(decay)


def test_figures_show_every_series(strength, exchange, decay):
    figure = figure3.draw_strength(strength)
    assert [len(axes.containers) for axes in figure.axes] == [3, 1]
    assert np.allclose(figure.axes[0].containers[0].lines[0].get_ydata(), [0.05, 0.1, 0.01])
    figure = figure3.draw_exchange(exchange)
    assert np.allclose(figure.axes[0].containers[1].lines[0].get_ydata(), [0.02, 0.1])
    figure = figure3.draw_decay(decay)
    assert [len(axes.containers) for axes in figure.axes] == [3, 2]
    assert np.allclose(figure.axes[1].containers[1].lines[0].get_ydata(), [15, 12])
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel()
