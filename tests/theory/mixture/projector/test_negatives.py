"""InfoNCE with finitely many negatives: sampling, the limit, published gains."""

import numpy as np
import pytest
from scipy.special import roots_genlaguerre

import theory
from theory.mixture.projector.negatives import _gamma_nodes

METRIC = theory.Metric(0.25, 0.3)


def test_loss_against_sampling(seed):
    r, sigma, p, negatives = 1.2, 0.7, 4, 7
    rng = np.random.default_rng([seed, 41])
    n, root = 40_000, np.sqrt([METRIC.signal] + [METRIC.noise] * (p - 1))

    def inputs(*shape):
        sign = rng.choice([-1.0, 1.0], (*shape, 1))
        return sign * np.array([r] + [0] * (p - 1)) + rng.normal(size=(*shape, p))

    h, other = inputs(n), inputs(n, negatives)
    one, two, other = ((x + sigma * rng.normal(size=x.shape)) * root for x in (h, h, other))
    positive, negative = np.sum(one * two, -1), np.einsum("np,njp->nj", one, other)
    terms = np.log((np.exp(positive) + np.exp(negative).sum(1)) / (negatives + 1)) - positive
    found = theory.finite_negatives_loss(r, sigma, p, negatives, METRIC)
    assert abs(terms.mean() - found) < 5 * terms.std() / np.sqrt(n)
    assert abs(
        terms.mean() - theory.projector_loss("inner", r, sigma, METRIC, p)
    ) > 8 * terms.std() / np.sqrt(n)


def test_many_negatives_give_the_population_loss():
    limit = theory.projector_loss("inner", 1.2, 0.7, METRIC, 5)
    gaps = [theory.finite_negatives_loss(1.2, 0.7, 5, n, METRIC) - limit for n in (10**4, 10**5)]
    assert abs(gaps[0]) < 2e-3 and gaps[1] == pytest.approx(gaps[0] / 10, rel=0.05)


def test_few_negatives_change_the_scale_more_than_the_gain():
    found = theory.finite_negatives_metric(1.5, 0.8, 20, 31)
    assert found.gain == pytest.approx(0.859, abs=1e-3)
    limit = theory.projector_metric("inner", 1.5, 0.8)
    assert found.noise / limit.noise > found.gain / limit.gain > 1


def test_arrays_broadcast():
    metric = theory.Metric(np.array([0.25, 0.2]), 0.3)
    found = theory.finite_negatives_loss(1.2, 0.7, [[4], [6]], 7, metric)
    assert found.shape == (2, 2)
    alone = theory.finite_negatives_loss(1.2, 0.7, 6, 7, theory.Metric(0.2, 0.3))
    assert isinstance(alone, float) and found[1, 1] == pytest.approx(alone, abs=1e-13)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="dim must be whole numbers, got 2.5"):
        theory.finite_negatives_loss(1.0, 1.0, 2.5, 3, METRIC)
    with pytest.raises(ValueError, match=r"negatives must lie in \[1, 9.0072e\+15\], got 0"):
        theory.finite_negatives_loss(1.0, 1.0, 5, 0, METRIC)
    with pytest.raises(ValueError, match="metric.noise"):
        theory.finite_negatives_loss(1.0, 1.0, 5, 3, theory.Metric(0.1, 0.0))
    with pytest.raises(ValueError, match="signal_norm, sigma, dim and metric must be smaller"):
        theory.finite_negatives_loss(0.8, 10.0, 5, 4, METRIC)
    with pytest.raises(ValueError, match="signal_norm, sigma, dim and metric must be smaller"):
        theory.finite_negatives_loss(1e6, 10.0, 5, 4, METRIC)


@pytest.mark.parametrize("shape", [0.5, 40.0, 250.0, 1e6])
def test_nodes_of_the_gamma_law_have_its_moments(shape):
    nodes, weights = _gamma_nodes(shape)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    mean = weights @ nodes
    assert mean == pytest.approx(shape, rel=1e-12)
    assert weights @ (nodes - mean) ** 2 == pytest.approx(shape, rel=1e-9)
    if shape < 171:
        known, share = roots_genlaguerre(nodes.size, shape - 1)
        np.testing.assert_allclose(nodes, known, rtol=1e-11)
        np.testing.assert_allclose(weights, share / share.sum(), rtol=1e-8)


def test_many_dimensions_have_a_loss_near_that_of_few():
    losses = [
        theory.finite_negatives_loss(2.0, 0.3, dim, 3, theory.Metric(0.3, 1 / dim)) for dim in (300, 400)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3) and losses[0] != losses[1]
