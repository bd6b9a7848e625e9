"""Parts of h that a head sees and does not see, and descent at the top of an image network."""

from dataclasses import replace

import numpy as np
import pytest

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, SGDConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.null_space import NullSpaceScores, TopTraining, train_top


@pytest.fixture
def features(seed):
    """Six units; the head reads the first two; the digit is written into the last one."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(2, 6, dtype=np.float32)

    def side(n):
        h = rng.standard_normal((n, 6)).astype(np.float32)
        digit = rng.integers(2, size=n)
        h[:, 5] += 8 * digit
        null = h.copy()
        null[:, :2] = 0
        return Features({"h": h, "z": h[:, :2], "h_r": h - null, "h_n": null}, {"digit": digit})

    return TrainedFeatures(PretrainConfig(), side(300), side(200), matrix, 2, ())


def test_the_digit_is_read_where_it_is_written(features):
    found = NullSpaceScores()(features)
    assert found["linear_h"] > 0.99 and found["linear_h_n"] > 0.99
    # Chance, five standard errors of 200 fair draws.
    assert abs(found["linear_z"] - 0.5) < 0.18 and abs(found["linear_h_r"] - 0.5) < 0.18


def test_energy_is_the_share_of_the_variance(features):
    found = NullSpaceScores()(features)
    variances = features.train.layers["h"].var(axis=0)
    assert found["energy_h_n"] == pytest.approx(variances[2:].sum() / variances.sum(), rel=1e-4)
    assert 0 < found["energy_random_n"] < 1


def test_the_random_parts_depend_on_the_member(features):
    other = replace(features, config=replace(features.config, member=1))
    assert NullSpaceScores()(features)["energy_random_n"] != NullSpaceScores()(other)["energy_random_n"]


SMALL = TopTraining(SGDConfig(0.05), steps=4, units=6, embed_dim=2, width=2, batch=8)


def change(end):
    """Relative change of W1 W1' - W2' W2."""
    before, after = (w1 @ w1.T - w2.T @ w2 for w1, w2 in (end["start"], end["end"]))
    return np.linalg.norm(after - before) / np.linalg.norm(before)


def test_plain_descent_leaves_the_difference_of_the_layers_alone_and_adam_does_not(seed):
    """At the same time the change halves with the step; Adam's change is that of the layers themselves."""
    coarse = train_top(replace(SMALL, optimizer=SGDConfig(2e-3), steps=4, seed=seed))
    fine = train_top(replace(SMALL, optimizer=SGDConfig(1e-3), steps=8, seed=seed))
    # First order up to a relative error of the order of the step times the curvature.
    assert change(coarse) / change(fine) == pytest.approx(2, abs=0.3)
    assert change(train_top(replace(SMALL, optimizer=AdamConfig(2e-3), steps=4, seed=seed))) > 20 * change(
        coarse
    )


def test_one_step_cancels_to_first_order(seed):
    end = train_top(replace(SMALL, steps=1, seed=seed))
    (w1, w2), (v1, v2) = end["start"], end["end"]
    encoder, head = w1 @ (v1 - w1).T, w2.T @ (v2 - w2)
    assert np.linalg.norm(encoder) > 1e-6
    # Round-off of float64.
    np.testing.assert_allclose(encoder + encoder.T, head + head.T, atol=1e-12)


def test_scale_and_seed_set_the_start(seed):
    one, twice, other = (
        train_top(replace(SMALL, steps=1, **more))["start"]
        for more in ({"seed": seed}, {"seed": seed, "scale": 2.0}, {"seed": seed + 1})
    )
    for single, double, different in zip(one, twice, other, strict=True):
        np.testing.assert_array_equal(2 * single, double)
        assert not np.array_equal(single, different)
