"""Descent at the top of an image network."""

from dataclasses import replace

import numpy as np
import pytest

from neural.training.schedules import AdamConfig, SGDConfig
from synthetic.images.top_training import (
    TopTraining,
    measure_drift,
    measure_first_order_change,
    measure_null_space_energy,
    train_top,
)

SMALL = TopTraining(SGDConfig(0.05), steps=4, units=6, embed_dim=2, width=2, batch=8)


def test_plain_descent_leaves_the_difference_of_the_layers_alone_and_adam_does_not(seed):
    """At the same time the change halves with the step; Adam's change is that of the layers themselves."""
    coarse = train_top(replace(SMALL, optimizer=SGDConfig(2e-3), steps=4, seed=seed))
    fine = train_top(replace(SMALL, optimizer=SGDConfig(1e-3), steps=8, seed=seed))
    # First order up to a relative error of the order of the step times the curvature.
    assert measure_drift(coarse) / measure_drift(fine) == pytest.approx(2, abs=0.3)
    assert measure_drift(
        train_top(replace(SMALL, optimizer=AdamConfig(2e-3), steps=4, seed=seed))
    ) > 20 * measure_drift(coarse)


def test_one_step_cancels_to_first_order(seed):
    end = train_top(replace(SMALL, steps=1, seed=seed))
    # Round-off of float64; the parts that cancel are not zero.
    assert measure_first_order_change(end) < 1e-10
    (w1, _), (v1, _) = end["start"], end["end"]
    assert np.linalg.norm(w1 @ (v1 - w1).T) > 1e-6
    # A head that stayed where it was would leave all of the change.
    alone = {"start": end["start"], "end": (v1, end["start"][1])}
    assert measure_first_order_change(alone) == pytest.approx(1)


def test_energy_is_that_of_the_rows_which_the_head_does_not_see():
    head = np.eye(2, 4)
    encoder = np.arange(12.0).reshape(4, 3)
    energy = measure_null_space_energy({"start": None, "end": (encoder, head)})
    assert energy == pytest.approx(np.sum(encoder[2:] ** 2))


def test_scale_and_seed_set_the_start(seed):
    one, twice, other = (
        train_top(replace(SMALL, steps=1, **more))["start"]
        for more in ({"seed": seed}, {"seed": seed, "scale": 2.0}, {"seed": seed + 1})
    )
    for single, double, different in zip(one, twice, other, strict=True):
        np.testing.assert_array_equal(2 * single, double)
        assert not np.array_equal(single, different)
