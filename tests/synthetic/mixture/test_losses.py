"""Sampled losses: what each of them averages."""

from dataclasses import replace

import numpy as np

from synthetic.mixture.losses import SampledLosses, measure_calibration, measure_losses

SMALL = SampledLosses(anchors=400, negatives=300)


def test_losses_at_a_metric_of_zero():
    """All scores are 0: the mean of exp(0) is 1, so every loss but the spectral one vanishes, and it does too."""
    zero = replace(
        SMALL, metric=(0.0, 0.0), losses=("spectral", "inner", "euclidean", "decoupled", "few negatives")
    )
    np.testing.assert_allclose(measure_losses(zero, 8, 0), 0, atol=1e-12)


def test_the_logarithm_outside_the_mean_gives_the_larger_loss(seed):
    """Jensen: log E E' e^s >= E log E' e^s; and few negatives bring the positive in, which raises the sum."""
    point = replace(SMALL, losses=("inner", "decoupled", "few negatives"))
    inner, decoupled, few = measure_losses(point, 16, seed).mean(0)
    assert decoupled > inner + 0.05 and few > inner


def test_replicates_differ_and_repeat(seed):
    values = measure_losses(SMALL, 3, seed)
    assert values.shape == (3, 6) and len(set(values[:, 0])) == 3
    np.testing.assert_array_equal(values, measure_losses(SMALL, 3, seed))


def test_the_posterior_mean_is_calibrated_only_at_the_true_noise(seed):
    found = measure_calibration(1.5, (1.0, 4.0), 8, seed)
    assert found.shape == (8, 2)
    np.testing.assert_allclose(found.mean(0), 1, atol=0.02)
