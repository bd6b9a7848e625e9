"""Accuracy of networks trained on N pairs, against minimisers of the sampled loss and exact derivatives."""

import numpy as np
import pytest
from scipy.special import ndtr

import theory

MODEL = theory.FeatureModel([1.0, 0.7, 1.5], [0.4, 0.1, 0.1], 0.4, dim=5)


def sampled_pairs(model, pairs, rng):
    signs = rng.choice([-1.0, 1.0], (pairs, model.num_features))
    views = []
    for _ in range(2):
        redrawn = np.where(rng.random(signs.shape) < model.alpha, rng.choice([-1.0, 1.0], signs.shape), signs)
        view = model.sigma * rng.standard_normal((pairs, model.dim))
        view[:, : model.num_features] += redrawn * model.phi
        views.append(view)
    return views


def accuracy_by_sampling(model, target, n, pairs, sets, rng):
    """Mean over sets of pairs of the normal law of the score, after each of two layers of explicit networks."""
    mean = np.zeros(model.dim)
    mean[target] = model.phi[target]
    within = model.cov - np.outer(mean, mean)
    found = []
    for _ in range(sets):
        moments = theory.view_moments(*sampled_pairs(model, pairs, rng))
        values, vectors = np.linalg.eigh(
            theory.spectral_minimizer(*moments, np.count_nonzero(model.retention))
        )
        for power in (0.25, 0.5):
            network = vectors * np.maximum(values, 0) ** power
            seen, spread = network.T @ mean, network.T @ within @ network
            noise = seen @ spread @ seen * (1 + 1 / n) + np.trace(spread @ spread) / n
            found.append(ndtr(seen @ seen / np.sqrt(noise)))
    found = np.reshape(found, (sets, 2))
    return found.mean(0), found.std(0) / np.sqrt(sets)


def test_against_minimisers_of_sampled_losses(seed):
    pairs, n = 1000, 8
    mean, error = accuracy_by_sampling(MODEL, 0, n, pairs, 1500, np.random.default_rng([seed, 14]))
    found = theory.accuracy_from_pairs(MODEL, 0, n, pairs)
    endless = theory.accuracy_from_pairs(MODEL, 0, n, np.inf)
    cost = endless - found
    assert np.all(np.abs(mean - found) < 4 * error + 0.12 * cost)  # the next order is cost times 10 % here
    assert abs(mean - endless)[0] > 10 * error[0] and cost[0] > 2 * cost[1]


def test_infinitely_many_pairs_are_the_population():
    weights = theory.layer_weights(MODEL, 3)
    for layer, row in enumerate(theory.accuracy_from_pairs(MODEL, 2, [4, 64], np.inf, 3)):
        mean = np.append(weights[layer] * MODEL.phi * [0, 0, 1], [0.0, 0.0])
        spread = np.diag(np.append(weights[layer] ** 2 * MODEL.variance, [0.0, 0.0])) - np.outer(mean, mean)
        np.testing.assert_allclose(row, theory.moment_accuracy(mean, spread, [4, 64]), rtol=1e-12)


def test_one_feature_in_closed_form():
    """With one feature and no other direction the weight cancels: pairs cost nothing."""
    model = theory.FeatureModel([1.0], [0.2], 0.5)
    np.testing.assert_allclose(
        theory.accuracy_from_pairs(model, 0, 4, 100),
        theory.accuracy_from_pairs(model, 0, 4, np.inf),
        atol=1e-9,
    )


def test_the_cost_falls_as_one_over_the_pairs_and_shapes_broadcast():
    found = theory.accuracy_from_pairs(MODEL, 0, [[4], [16]], [1000, 2000, np.inf])
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[..., 0] - found[..., 2], 2 * (found[..., 1] - found[..., 2]), rtol=1e-9)
    assert theory.accuracy_from_pairs(MODEL, 0, 4, 1000).shape == (2,)


def test_the_covariance_of_one_pair_is_that_of_samples(seed):
    from theory.features.pairs import _spread_of_one_pair

    x, y = sampled_pairs(MODEL, 400_000, np.random.default_rng([seed, 15]))
    variance = np.diag(MODEL.cov)
    correlation = np.diag(MODEL.cross_cov) / variance
    for i, j in [(0, 0), (0, 1), (1, 2), (2, 4), (3, 3), (3, 4)]:
        terms = (x[:, i] * x[:, j] + y[:, i] * y[:, j]) / 2, (x[:, i] * y[:, j] + y[:, i] * x[:, j]) / 2
        root = _spread_of_one_pair(MODEL, variance, correlation, i, j)
        sampled = np.cov(terms)
        np.testing.assert_allclose(root @ root.T, sampled, atol=0.02 * sampled.max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": 20}, "pairs must be so many"),
        ({"pairs": 0}, "pairs must be whole numbers"),
        ({"pairs": 10.5}, "pairs must be whole numbers"),
        ({"n": 0}, "n must lie in"),
        ({"target": 3}, "target must be"),
        ({"model": theory.FeatureModel([1.0, 0.7], [1.0, 0.1], 0.4)}, "retention 0"),
    ],
)
def test_what_the_expansion_does_not_cover_is_refused(change, message):
    arguments = {"model": MODEL, "target": 0, "n": 8, "pairs": 1000} | change
    with pytest.raises(ValueError, match=message):
        theory.accuracy_from_pairs(**arguments)
