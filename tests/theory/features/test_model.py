"""Definitions 3.1 and 3.2: the feature model and its moments."""

import numpy as np
import pytest

import theory

MODEL = dict(phi=[0.5, 1.0, 2.0], alpha=[0.1, 0.4, 1.0], sigma=0.3)


def test_def_3_1_moments_by_enumeration():
    """Second and cross moments of the definition, summed over signs and redraws, without the formulas."""
    phi, alpha, sigma = 0.7, 0.3, 0.4
    kept, other = 1 - alpha / 2, alpha / 2  # probability that a view shows +1 or -1 when u = +1
    agree = kept**2 + other**2
    two = theory.FeatureModel([phi], [alpha], sigma, dim=3)
    one = theory.FeatureModel([phi], [alpha], sigma, dim=3, two_sided=False)
    expected = np.diag([phi**2 + sigma**2, sigma**2, sigma**2])
    np.testing.assert_allclose(two.cov, expected, atol=1e-15)
    np.testing.assert_allclose(two.cross_cov, np.diag([phi**2 * (2 * agree - 1), 0, 0]), atol=1e-15)
    np.testing.assert_allclose(one.cross_cov, np.diag([phi**2 * (kept - other), 0, 0]), atol=1e-15)
    np.testing.assert_allclose(two.correlation, [two.cross_cov[0, 0] / two.cov[0, 0]], rtol=1e-14)


def test_scalars_are_shared_and_arrays_frozen():
    model = theory.FeatureModel([1.0, 2.0], 0.2, 0.1)
    np.testing.assert_array_equal(model.alpha, [0.2, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        model.phi[0] = 3.0
    assert (
        model == theory.FeatureModel([1, 2], [0.2, 0.2], 0.1, 2) and len({model, model.with_feature(0)}) == 1
    )
    assert model != theory.FeatureModel([1, 2], [0.2, 0.2], 0.1, two_sided=False)


def test_with_feature_changes_one_entry():
    model = theory.FeatureModel(**MODEL).with_feature(1, phi=5.0, alpha=0.0)
    np.testing.assert_array_equal(model.phi, [0.5, 5.0, 2.0])
    np.testing.assert_array_equal(model.alpha, [0.1, 0.0, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(alpha=[0.1, 0.4, 1.2]), r"alpha must lie in \[0, 1\]"),
        (dict(alpha=[-0.1, 0.4, 1.0]), r"alpha must lie in \[0, 1\]"),
        (dict(phi=[0.0, 1.0, 2.0]), r"phi must lie in \(0, inf\)"),
        (dict(phi=[np.nan, 1.0, 2.0]), "phi must be finite"),
        (dict(phi="big"), "phi must be real numbers"),
        (dict(sigma=-0.1), r"sigma must lie in \[0, inf\)"),
        (dict(sigma=[0.1, 0.2]), "sigma must be a scalar"),
        (dict(alpha=[0.1, 0.4]), r"one length, got shapes \(3,\) and \(2,\)"),
        (dict(phi=[], alpha=[]), "at least one feature"),
        (dict(dim=2), "dim must be an integer >= 3, got 2"),
        (dict(dim=3.5), "dim must be an integer >= 3, got 3.5"),
        (dict(sigma=0.0, dim=4), "sigma must be > 0 when dim"),
        (dict(two_sided="no"), "two_sided must be True or False"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        theory.FeatureModel(**{**MODEL, **change})


def _views(rng, n, phi, alpha, sigma, dim):
    """Two augmented views straight from the definition, features along the first coordinates."""
    u = rng.choice([-1.0, 1.0], (n, len(phi)))
    out = []
    for _ in range(2):
        redraw = rng.random(u.shape) < alpha
        signs = np.where(redraw, rng.choice([-1.0, 1.0], u.shape), u)
        x = sigma * rng.normal(size=(n, dim))
        x[:, : len(phi)] += signs * phi
        out.append(x)
    return out


def test_from_views_recovers_the_model(seed):
    """Moment estimates within 6 of their own standard errors, which shrink as 1 / sqrt(n)."""
    rng = np.random.default_rng([seed, 1])
    phi, alpha, sigma, n = np.array([0.6, 1.0, 1.5]), np.array([0.0, 0.3, 0.9]), 0.5, 100_000
    x1, x2 = _views(rng, n, phi, alpha, sigma, 6)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    model = theory.FeatureModel.from_views(x1 @ rotation.T, x2 @ rotation.T, rotation[:, :3])
    np.testing.assert_allclose(model.sigma, sigma, atol=6 * sigma / np.sqrt(2 * n))
    np.testing.assert_allclose(model.phi, phi, atol=6 * 2 * sigma / np.sqrt(n))
    sd = (phi**2 + sigma**2) / phi**2
    np.testing.assert_allclose(model.retention, (1 - alpha) ** 2, atol=6 * 2 * sd.max() / np.sqrt(n))


def test_from_views_needs_the_noise_when_features_fill_the_space(seed):
    x1, x2 = _views(np.random.default_rng([seed, 2]), 1000, np.ones(2), np.full(2, 0.2), 0.3, 2)
    with pytest.raises(theory.AssumptionError, match="pass sigma"):
        theory.FeatureModel.from_views(x1, x2, np.eye(2))
    assert theory.FeatureModel.from_views(x1, x2, np.eye(2), sigma=0.3).dim == 2


def test_from_views_refuses_data_of_another_model(seed):
    x1, x2 = _views(np.random.default_rng([seed, 3]), 5000, np.ones(2), np.full(2, 0.2), 0.3, 4)
    with pytest.raises(theory.AssumptionError, match="cross moments"):
        theory.FeatureModel.from_views(x1, -x2, np.eye(4)[:, :2])
    with pytest.raises(ValueError, match="orthonormal"):
        theory.FeatureModel.from_views(x1, x2, np.ones((4, 2)))
    with pytest.raises(ValueError, match="basis must have shape"):
        theory.FeatureModel.from_views(x1, x2, np.eye(3))
    with pytest.raises(ValueError, match="one shape"):
        theory.FeatureModel.from_views(x1, x2[:10], np.eye(4))


def test_view_moments_are_symmetric_moments():
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(2, 50, 3)) + 1.0
    cov, cross = theory.view_moments(x1, x2)
    np.testing.assert_allclose(cov, (x1.T @ x1 + x2.T @ x2) / 100, rtol=1e-13)
    np.testing.assert_allclose(cross, cross.T)
    np.testing.assert_allclose(np.trace(cross), np.mean(np.sum(x1 * x2, axis=1)), rtol=1e-13)
