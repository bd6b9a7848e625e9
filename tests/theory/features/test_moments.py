"""The accuracy from second moments against the exact law for Gaussian features and against simulation."""

import numpy as np
import pytest
from scipy.integrate import quad

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
