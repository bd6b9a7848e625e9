"""Population training: gradients against finite differences, starts, flow and smallest norm."""

import numpy as np
import pytest

from synthetic.population import (
    balanced_start,
    end_to_end,
    population_flow,
    population_gradient,
    random_start,
    smallest_norm_minimizer,
)
from theory.features import FeatureModel
from theory.spectral import spectral_loss

MODEL = FeatureModel([0.5, 1.0, 1.5], [0.1, 0.2, 0.3], 0.4, dim=4)


@pytest.mark.parametrize("widths", [[4, 3], [4, 5, 3], [4, 5, 6, 2]])
def test_gradient_is_that_of_the_loss(widths, seed):
    layers = random_start(widths, 0.5, seed)
    gradient = population_gradient(MODEL, layers)
    for position, entry in ((0, (0, 1)), (len(layers) - 1, (1, 2))):
        losses = []
        for step in (1e-5, -1e-5):
            moved = [layer.copy() for layer in layers]
            moved[position][entry] += step
            losses.append(spectral_loss(end_to_end(moved), MODEL.cov, MODEL.cross_cov))
        slope = (losses[0] - losses[1]) / 2e-5
        assert slope == pytest.approx(gradient[position][entry], rel=1e-6, abs=1e-8)


def test_balanced_start_is_balanced(seed):
    layers = balanced_start([4, 6, 5, 3], 0.3, seed)
    assert [layer.shape for layer in layers] == [(6, 4), (5, 6), (3, 5)]
    for lower, upper in zip(layers[:-1], layers[1:], strict=True):
        np.testing.assert_allclose(lower @ lower.T, upper.T @ upper, atol=1e-14)


def test_flow_descends_and_the_heads_rate_counts(seed):
    start = random_start([4, 4, 3], 0.3, seed)
    loss = [spectral_loss(end_to_end(start), MODEL.cov, MODEL.cross_cov)]
    for time in (0.5, 2.0):
        loss.append(
            spectral_loss(end_to_end(population_flow(MODEL, start, time)), MODEL.cov, MODEL.cross_cov)
        )
    assert loss[0] > loss[1] > loss[2]
    fast = population_flow(MODEL, start, 1.0, head_rate=4.0)

    def conserved(layers, rate):
        return layers[0] @ layers[0].T - layers[1].T @ layers[1] / rate

    np.testing.assert_allclose(conserved(fast, 4.0), conserved(start, 4.0), atol=1e-8)
    assert np.abs(conserved(fast, 1.0) - conserved(start, 1.0)).max() > 1e-3


def test_smallest_norm_does_not_depend_on_the_start():
    model = FeatureModel([0.5, 1.0], [0.1, 0.3], 0.4)
    grams = [end_to_end(smallest_norm_minimizer(model, 2, 2, seed, strength=1e-3)) for seed in (0, 1)]
    np.testing.assert_allclose(grams[0].T @ grams[0], grams[1].T @ grams[1], atol=1e-9)
