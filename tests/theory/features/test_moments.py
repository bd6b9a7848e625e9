"""Weights and accuracy from second moments, against gradient flow, the exact law for Gaussian features, simulation."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import theory


def gaussian_law(mean, cov, n):
    """P(w.x > 0) for independent w ~ N(mean, cov/n), x ~ N(mean, cov), by Gil-Pelaez in the basis of cov."""
    values, vectors = np.linalg.eigh(cov)
    m = vectors.T @ mean

    def psi(t):
        q = 1 + t**2 * values**2 / n
        return np.prod(q**-0.5 * np.exp((1j * t * m**2 - t**2 * m**2 * values * (1 + 1 / n) / 2) / q))

    integral = quad(lambda u: psi(np.exp(u)).imag, -40, 12, limit=2000, epsabs=1e-11)[0]
    return 0.5 + integral / np.pi


def random_moments(seed, m):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(m, m)) / np.sqrt(m)
    return rng.normal(size=m) * 1.5 / np.sqrt(m), root @ root.T + 0.1 * np.eye(m)


@pytest.mark.parametrize("n", [2, 8, 64])
def test_near_the_exact_law_of_gaussian_features(n):
    for seed in range(5):
        mean, cov = random_moments(seed, 40)
        assert theory.moment_accuracy(mean, cov, n) == pytest.approx(gaussian_law(mean, cov, n), abs=0.01)


def test_exact_in_the_limit_of_many_labels():
    mean, cov = random_moments(0, 6)
    assert theory.moment_accuracy(mean, cov, 10**9) == pytest.approx(gaussian_law(mean, cov, 10**9), abs=1e-8)


def test_mean_and_variance_of_the_score_are_those_of_any_features():
    """Scores of skewed features: the standardised mean that the formula puts into the normal law."""
    rng, n, draws = np.random.default_rng(0), 4, 200_000
    mean, scale = np.array([0.8, -0.3, 0.5]), np.array([1.0, 0.5, 2.0])
    noise = (rng.exponential(size=(draws, n + 1, 3)) - 1) * scale
    weights = mean + noise[:, :n].mean(1)
    score = np.sum(weights * (mean + noise[:, n]), axis=1)
    cov = np.diag(scale**2)
    quotient = mean @ mean / np.sqrt(mean @ cov @ mean * (1 + 1 / n) + np.trace(cov @ cov) / n)
    from scipy.special import ndtri

    assert ndtri(theory.moment_accuracy(mean, cov, n)) == pytest.approx(quotient, rel=1e-12)
    assert score.mean() / score.std() == pytest.approx(quotient, rel=0.02)


def test_isotropic_features_agree_with_the_averaging_law_of_one_feature():
    model = theory.FeatureModel(phi=[1.2], alpha=0.0, sigma=0.7)
    exact = theory.averaging_accuracy(model, [1.0], 0, 10**6)
    assert theory.moment_accuracy([1.2], [[0.49]], 10**6) == pytest.approx(exact, abs=1e-6)


def test_does_not_depend_on_units_or_on_the_basis():
    mean, cov = random_moments(3, 5)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    value = theory.moment_accuracy(mean, cov, 8)
    assert theory.moment_accuracy(1e150 * mean, 1e300 * cov, 8) == pytest.approx(value, abs=1e-14)
    assert theory.moment_accuracy(1e-150 * mean, 1e-300 * cov, 8) == pytest.approx(value, abs=1e-14)
    assert theory.moment_accuracy(turn @ mean, turn @ cov @ turn.T, 8) == pytest.approx(value, abs=1e-12)


def test_broadcasts_means_against_numbers_of_labels():
    mean, cov = random_moments(4, 3)
    both = theory.moment_accuracy(np.stack([mean, 2 * mean])[:, None], cov, np.array([2, 8, 32]))
    assert both.shape == (2, 3)
    assert both[1, 2] == theory.moment_accuracy(2 * mean, cov, 32)


def test_ends():
    assert theory.moment_accuracy([0.0, 0.0], np.eye(2), 4) == 0.5
    assert theory.moment_accuracy([1.0, 0.0], np.zeros((2, 2)), 4) == 1.0


@pytest.mark.parametrize(
    ("mean", "cov", "n", "message"),
    [
        ([1.0, np.nan], np.eye(2), 4, "mean must be finite"),
        ([1.0, 0.0], np.eye(3), 4, r"cov must have shape \(2, 2\)"),
        ([1.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], 4, "cov must be symmetric"),
        ([1.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], 4, "no negative eigenvalue"),
        ([1.0, 0.0], np.eye(2), 0, "n must lie in"),
        ([1.0, 0.0], np.eye(2), 1.5, "n must be whole numbers"),
        (np.ones((2, 2)), np.eye(2), [1, 2, 3], "n must fit the leading shape"),
        (1.0, np.eye(1), 4, "mean must have shape"),
    ],
)
def test_bad_input_is_named(mean, cov, n, message):
    with pytest.raises(ValueError, match=message):
        theory.moment_accuracy(mean, cov, n)


def moments_that_do_not_commute(seed, d=3):
    """Correlated features in anisotropic noise: the views share a part with covariance C, the rest is their own."""
    rng = np.random.default_rng([seed, 11])
    one, other = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    cross = one @ np.diag([0.6, 0.9, 1.3]) @ one.T
    return cross + other @ np.diag([0.1, 0.5, 1.5]) @ other.T, cross


@pytest.mark.parametrize("depth, outputs", [(2, 3), (2, 2), (3, 3)])
def test_layer_weights_of_any_moments_are_the_end_of_the_flow(depth, outputs, seed):
    """Balanced linear layers from a random start, all entries free; the law is not used."""
    cov, cross = moments_that_do_not_commute(seed)
    assert np.abs(cov @ cross - cross @ cov).max() > 0.01
    rng = np.random.default_rng([seed, depth, outputs])
    left, _, right = np.linalg.svd(rng.standard_normal((outputs, 3)), full_matrices=False)
    root = np.diag(np.linspace(0.5, 0.8, outputs) ** (1 / depth))
    layers = [root @ right, *[root] * (depth - 2), left @ root]
    sizes = np.cumsum([layer.size for layer in layers])[:-1]

    def split(flat):
        return [part.reshape(layer.shape) for part, layer in zip(np.split(flat, sizes), layers, strict=True)]

    def product(matrices, width):
        for matrix in matrices:
            width = matrix @ width
        return width

    def velocity(_, flat):
        now = split(flat)
        w = product(now, np.eye(3))
        outer = -4 * w @ cross + 4 * w @ cov @ w.T @ w @ cov
        rates = []
        for i in range(depth):
            behind = product(now[:i], np.eye(3))
            ahead = product(now[i + 1 :], np.eye(now[i].shape[0]))
            rates.append((ahead.T @ outer @ behind.T).ravel())
        return -np.concatenate(rates)

    flat = np.concatenate([layer.ravel() for layer in layers])
    end = split(solve_ivp(velocity, (0, 3000), flat, "LSODA", rtol=1e-10, atol=1e-13).y[:, -1])
    directions = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    reached = [np.linalg.norm(product(end[: i + 1], directions), axis=0) for i in range(depth)]
    law = theory.moment_layer_weights(cov, cross, depth, outputs, directions)
    np.testing.assert_allclose(law, reached, atol=2e-5)
    powers = law[-1] ** (np.arange(1, depth + 1)[:, None] / depth)  # right on common axes only
    assert np.abs(powers - reached).max() > 1e-3


@pytest.mark.parametrize("outputs", [None, 2])
def test_layer_weights_of_the_feature_model(outputs):
    model = theory.FeatureModel([0.4, 0.8, 1.2], [0.1, 0.3, 1.0], 0.4, dim=5)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    cov, cross = (rotation @ moment @ rotation.T for moment in (model.cov, model.cross_cov))
    weights = theory.moment_layer_weights(cov, cross, 3, outputs, rotation)
    np.testing.assert_allclose(weights[:, :3], theory.layer_weights(model, 3, outputs), atol=1e-7)
    np.testing.assert_allclose(weights[:, 3:], 0, atol=1e-7)
    axes = theory.moment_layer_weights(model.cov, model.cross_cov)
    np.testing.assert_allclose(axes[:, :3], theory.layer_weights(model), atol=1e-14)


def test_bad_directions_are_refused():
    cov, cross = moments_that_do_not_commute(0)
    with pytest.raises(ValueError, match=r"basis must have shape \(3, k\)"):
        theory.moment_layer_weights(cov, cross, basis=np.eye(2))
    with pytest.raises(ValueError, match="columns of length 1"):
        theory.moment_layer_weights(cov, cross, basis=2 * np.eye(3))
    with pytest.raises(ValueError, match="depth must be"):
        theory.moment_layer_weights(cov, cross, depth=0)
    with pytest.raises(ValueError, match="one shape"):
        theory.moment_layer_weights(1.0, cross)


def test_indicator_of_any_moments_is_that_of_the_representation(seed):
    """Radius and margin of explicit layers whose product has the Gram matrix of the minimum."""
    cov, cross = moments_that_do_not_commute(seed)
    means = np.random.default_rng(seed).standard_normal((4, 3))
    gram = theory.spectral_minimizer(cov, cross, 3)
    values, vectors = np.linalg.eigh(gram)
    found = theory.moment_sample_complexity(cov, cross, means, 4)
    for layer in range(1, 5):
        network = (
            np.diag(values ** (layer / 8)) @ vectors.T
        )  # the product of the first `layer` balanced layers
        radius = np.trace(network @ cov @ network.T)
        np.testing.assert_allclose(found[layer - 1], radius / np.sum((means @ network.T) ** 2, axis=1))
    best = theory.moment_best_layer(cov, cross, means, 4)
    np.testing.assert_array_equal(best, np.argmin(found, axis=0) + 1)
    assert theory.moment_best_layer(cov, cross, means[0], 4) == best[0]


def test_moments_of_the_feature_model_give_its_indicator_and_its_boundary():
    model = theory.FeatureModel([0.4, 0.8, 1.2], [0.1, 0.3, 0.6], 0.4, dim=5)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((5, 5)))[0]
    moments = [turn @ moment @ turn.T for moment in (model.cov, model.cross_cov)]
    cone = theory.before_head_directions(*moments)
    assert np.trace(cone @ moments[0]) == pytest.approx(0, abs=1e-12)
    for j in range(3):
        mean = model.phi[j] * turn[:, j]
        law = theory.sample_complexity(model, theory.layer_weights(model, 6), j)
        np.testing.assert_allclose(theory.moment_sample_complexity(*moments, mean, 6), law, rtol=1e-10)
        assert theory.moment_best_layer(*moments, mean, 6) == theory.best_layer(model, j, 6)
        assert (mean @ cone @ mean > 0) == theory.before_head_boundary(model, j).before_wins


def test_the_cone_is_where_the_two_layers_are_equally_good(seed):
    cov, cross = moments_that_do_not_commute(seed)
    cone = theory.before_head_directions(cov, cross)
    values, vectors = np.linalg.eigh(cone)
    assert values[0] < 0 < values[-1]
    edge = np.sqrt(values[-1]) * vectors[:, 0] + np.sqrt(-values[0]) * vectors[:, -1]
    before, after = theory.moment_sample_complexity(cov, cross, edge)
    assert before == pytest.approx(after, rel=1e-10)
    for mean in np.random.default_rng(seed).standard_normal((50, 3)):
        before, after = theory.moment_sample_complexity(cov, cross, mean)
        assert (mean @ cone @ mean > 0) == (before < after)
    diagonal = theory.before_head_directions(np.diag(np.diag(cov)), np.diag(np.diag(cross)))
    sides = [
        [m @ b @ m > 0 for m in np.random.default_rng(9).standard_normal((200, 3))] for b in (cone, diagonal)
    ]
    assert np.mean(np.not_equal(*sides)) > 0.02  # dropping the correlations gives wrong answers


def test_what_is_not_held_cannot_be_learnt():
    model = theory.FeatureModel([0.4, 0.8], [0.1, 1.0], 0.4)
    with pytest.raises(theory.AssumptionError, match="a direction that the network holds"):
        theory.moment_sample_complexity(model.cov, model.cross_cov, [0.0, 1.0])
    with pytest.raises(ValueError, match="mean must have shape"):
        theory.moment_sample_complexity(model.cov, model.cross_cov, [1.0, 0.0, 0.0])
    with pytest.raises(theory.AssumptionError, match="share nothing"):
        theory.before_head_directions(np.eye(2), -np.eye(2))
