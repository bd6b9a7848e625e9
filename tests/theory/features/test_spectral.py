"""Minimisers of the spectral contrastive loss and layer weights (Theorems 3.3 to 3.5)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import theory


def random_moments(seed, d):
    """A positive definite cov and a symmetric indefinite cross_cov that do not commute."""
    rng = np.random.default_rng(seed)
    factor, symmetric = rng.normal(size=(2, d, d))
    return factor @ factor.T + 0.3 * np.eye(d), symmetric + symmetric.T


def loss_and_gradient(flat, p, cov, cross):
    w = flat.reshape(p, -1)
    gradient = -4 * w @ cross + 4 * w @ cov @ w.T @ w @ cov
    return theory.spectral_loss(w, cov, cross), gradient.ravel()


def root_of(gram, p):
    """Rows W with W^T W = gram; eigenvalues at round-off (whose roots are not) count as 0."""
    values, vectors = np.linalg.eigh(gram)
    return (np.sqrt(np.where(values > 1e-13 * values[-1], values, 0)) * vectors).T[::-1][:p]


@pytest.mark.parametrize(("d", "p"), [(2, 1), (4, 2), (5, 5), (5, 9)])
@pytest.mark.parametrize("case", range(3))
def test_minimizer_is_stationary(case, d, p):
    cov, cross = random_moments(case, d)
    w = root_of(theory.spectral_minimizer(cov, cross, p), p)
    loss, gradient = loss_and_gradient(w.ravel(), len(w), cov, cross)
    assert np.linalg.norm(gradient) < 1e-10 * (1 + np.linalg.norm(cov) ** 2)
    assert loss <= 0


@pytest.mark.parametrize("p", [1, 2, 4])
def test_minimizer_beats_an_optimiser_that_is_not_given_it(p, seed):
    cov, cross = random_moments(seed + 10, 4)
    rng = np.random.default_rng([seed, p])
    runs = [
        minimize(loss_and_gradient, rng.normal(size=4 * p), (p, cov, cross), jac=True, options={"gtol": 1e-9})
        for _ in range(8)
    ]
    best = min(runs, key=lambda run: run.fun)
    w = best.x.reshape(p, 4)
    expected = theory.spectral_minimizer(cov, cross, p)
    np.testing.assert_allclose(w.T @ w, expected, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(best.fun, theory.spectral_loss(root_of(expected, p), cov, cross), rtol=1e-10)


def test_a_sampled_cross_moment_is_symmetrised(seed):
    """The antisymmetric part K of the cross moment drops out of the loss: tr(W K W^T) = 0."""
    rng = np.random.default_rng([seed, 7])
    cov, cross = random_moments(seed, 4)
    rest = rng.normal(size=(4, 4))
    rest = 0.4 * (rest - rest.T) / np.linalg.norm(rest - rest.T) * np.linalg.norm(cross)
    np.testing.assert_allclose(
        theory.spectral_minimizer(cov, cross + rest, 2), theory.spectral_minimizer(cov, cross, 2), rtol=1e-12
    )
    network = rng.normal(size=(2, 4))
    sampled = -2 * np.trace(network @ (cross + rest) @ network.T) + np.sum((network @ cov @ network.T) ** 2)
    assert theory.spectral_loss(network, cov, cross + rest) == pytest.approx(sampled, rel=1e-12)
    x = rng.normal(size=(2, 500, 3)) + rng.normal(size=(500, 3))
    gram = theory.spectral_minimizer((x[0].T @ x[0] + x[1].T @ x[1]) / 1000, x[0].T @ x[1] / 500, 3)
    np.testing.assert_allclose(gram, theory.spectral_minimizer(*theory.view_moments(*x), 3), rtol=1e-9)


def test_negative_eigenvalues_are_never_kept():
    gram = theory.spectral_minimizer(np.eye(3), np.diag([0.5, -0.9, -0.1]), 3)
    np.testing.assert_allclose(gram, np.diag([0.5, 0, 0]), atol=1e-15)


def test_tie_at_the_cut_is_refused():
    with pytest.raises(theory.AssumptionError, match="embed_dim = 1 cuts between"):
        theory.spectral_minimizer(np.eye(3), np.diag([0.5, 0.5, 0.1]), 1)
    theory.spectral_minimizer(np.eye(3), np.diag([0.5, 0.5, 0.1]), 2)
    theory.spectral_minimizer(np.eye(3), np.diag([0.5, 0.0, 0.0]), 2)  # zeros are not kept, so no tie


@pytest.mark.parametrize(
    ("cov", "cross", "p", "message"),
    [
        (np.eye(2), np.eye(3), 1, r"one shape \(d, d\)"),
        (np.diag([1.0, 0.0]), np.eye(2), 1, "cov must be positive definite"),
        (np.array([[1, 0.5], [0, 1]]), np.eye(2), 1, "cov must be symmetric"),
        (np.eye(2), np.array([[1, 2], [0, 1]]), 1, "cross_cov must be symmetric up to sampling error"),
        (np.eye(2), np.array([[0, 1], [-1, 0]]), 1, "cross_cov must be symmetric up to sampling error"),
        (np.eye(2), np.full((2, 2), np.nan), 1, "cross_cov must be finite"),
        (np.eye(2), np.eye(2), 0, "embed_dim must be an integer >= 1, got 0"),
    ],
)
def test_bad_moments(cov, cross, p, message):
    with pytest.raises(ValueError, match=message):
        theory.spectral_minimizer(cov, cross, p)


MODEL = theory.FeatureModel([0.3, 0.6, 1.0, 1.8], [0.1, 0.0, 0.5, 0.3], 0.4, dim=6)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("p", [1, 2, 3, 4, 7])
def test_thm_3_5_layer_weights_agree_with_the_matrix_minimizer(p, two_sided):
    model = theory.FeatureModel(MODEL.phi, MODEL.alpha, MODEL.sigma, 6, two_sided)
    after = theory.layer_weights(model, embed_dim=p)[-1]
    gram = theory.spectral_minimizer(model.cov, model.cross_cov, p)
    np.testing.assert_allclose(gram, np.diag([*after**2, 0, 0]), atol=1e-13)
    loss = theory.spectral_loss(np.diag([*after, 0, 0]), model.cov, model.cross_cov)
    np.testing.assert_allclose(theory.spectral_minimum(model, p), loss, atol=1e-13)


def test_selection_goes_by_correlation_not_by_weight():
    """A strong feature has a large c but a small s: with one output it is kept, the heavier one is not."""
    model = theory.FeatureModel([0.5, 2.0], [0.0, 0.1], 0.4)
    weights = theory.layer_weights(model)[-1]
    assert weights[0] > weights[1] and model.correlation[0] < model.correlation[1]
    np.testing.assert_allclose(theory.layer_weights(model, embed_dim=1)[-1], [0, weights[1]])
    losses = [theory.spectral_loss(np.diag(w), model.cov, model.cross_cov) for w in np.diag(weights)]
    assert losses[1] < losses[0]


def test_thm_3_5_ratio_after_is_the_square_of_the_ratio_before():
    before, after = theory.layer_weights(MODEL)
    for i, j in itertools.combinations(range(4), 2):
        np.testing.assert_allclose(after[i] / after[j], (before[i] / before[j]) ** 2, rtol=1e-13)


def test_thm_3_3_balanced_split_has_the_smallest_norm(seed):
    """Among factors W_2 G^-1, G W_1 of one minimiser, the sum of |W_l^T W_l|^2 is least at the balanced one."""
    rng = np.random.default_rng(seed)
    before, after = theory.layer_weights(MODEL)

    def norm(g):
        first, second = g @ np.diag(before), np.diag(after / before) @ np.linalg.inv(g)
        return np.sum((first.T @ first) ** 2) + np.sum((second.T @ second) ** 2)

    balanced = norm(np.eye(4))
    assert all(norm(np.eye(4) + size * rng.normal(size=(4, 4))) > balanced for size in (1e-3, 1e-2, 0.1, 0.3))


def test_figure_1_right_weight_peaks_where_strength_equals_noise():
    phi = np.linspace(0.1, 1.0, 91)
    after = theory.layer_weights(theory.FeatureModel(phi, 0.2, 0.4))[-1]
    assert phi[np.argmax(after)] == pytest.approx(0.4, abs=0.005)


def test_deep_layers_interpolate_and_drop_absent_features():
    model = theory.FeatureModel([1.0, 2.0, 1.0], [0.2, 0.2, 1.0], 0.3)
    weights = theory.layer_weights(model, depth=4)
    assert weights.shape == (4, 3) and np.all(weights[:, 2] == 0)
    np.testing.assert_allclose(weights[0] ** 4, weights[-1], rtol=1e-13)
    np.testing.assert_allclose(weights[1], theory.layer_weights(model)[0], rtol=1e-13)


def test_layer_weights_refuses_bad_arguments():
    with pytest.raises(ValueError, match="depth must be an integer in 1..1000000, got 0"):
        theory.layer_weights(MODEL, depth=0)
    with pytest.raises(ValueError, match="embed_dim must be an integer >= 1, got 0"):
        theory.layer_weights(MODEL, embed_dim=0)
    with pytest.raises(theory.AssumptionError, match="equal correlation"):
        theory.layer_weights(theory.FeatureModel([1.0, 1.0], 0.2, 0.3), embed_dim=1)
    with pytest.raises(ValueError, match="network must have shape"):
        theory.spectral_loss(np.eye(2), MODEL.cov, MODEL.cross_cov)


@settings(max_examples=50, deadline=None)
@given(
    phi=st.lists(st.floats(0.05, 20), min_size=1, max_size=6),
    alpha=st.floats(0, 1),
    sigma=st.floats(0.01, 10),
)
def test_properties_over_random_models(phi, alpha, sigma):
    model = theory.FeatureModel(phi, alpha, sigma)
    before, after = theory.layer_weights(model)
    np.testing.assert_allclose(before**2, after, rtol=1e-12)
    assert np.all(after <= (1 - alpha) / (2 * sigma) * (1 + 1e-12))  # the peak over phi
    assert -model.num_features <= theory.spectral_minimum(model) <= 0
