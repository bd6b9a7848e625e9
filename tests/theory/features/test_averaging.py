"""Accuracy of the averaging classifier: exact law, approximation, crossings."""

import re

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

import theory
from theory.features.averaging import _mean_signs

MODEL = theory.FeatureModel([0.7, 1.0, 0.5, 1.5], [0.1, 0.2, 0.0, 0.3], 0.4)


@pytest.mark.parametrize("n", [1, 3, 10, 1000])
def test_one_feature_is_a_product_of_two_normals(n):
    """With the target alone the score is a product of independent normals: its sign law is elementary."""
    model = theory.FeatureModel([0.7], [0.0], 0.4)
    fitted, seen = ndtr(0.7 * np.sqrt(n) / 0.4), ndtr(0.7 / 0.4)
    exact = fitted * seen + (1 - fitted) * (1 - seen)
    assert theory.averaging_accuracy(model, [2.0], 0, n) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize("n", [1, 2])
def test_two_features_by_direct_quadrature(n):
    """One or two samples, two features: enumerate signs, integrate the fitted vector on a fine grid."""
    phi, sigma, w = np.array([0.8, 0.6]), 0.5, np.array([1.0, 0.7])
    model = theory.FeatureModel(phi, 0.0, sigma)
    grid, step = np.linspace(-9, 9, 721, retstep=True)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi) * step
    total = 0.0
    for pull in range(n + 1):  # samples whose other sign agrees with the label
        probability = [1, 1][pull] / 2 if n == 1 else [1, 2, 1][pull] / 4
        mean = np.array([phi[0], phi[1] * (2 * pull - n) / n])
        a = w**2 * (mean + sigma / np.sqrt(n) * np.stack(np.meshgrid(grid, grid, indexing="ij"), -1))
        for sign in (-1, 1):
            shift = a[..., 0] * phi[0] + sign * a[..., 1] * phi[1]
            accuracy = ndtr(shift / (sigma * np.linalg.norm(a, axis=-1)))
            total += probability / 2 * density @ accuracy @ density
    # the integrand jumps where the fitted vector vanishes, one grid cell of probability < 1e-4
    assert theory.averaging_accuracy(model, w, 0, n) == pytest.approx(total, abs=2e-5)


def test_exact_law_against_simulation(seed):
    rng = np.random.default_rng([seed, 5])
    weights, n, draws = theory.layer_weights(MODEL)[1], 6, 200_000

    def sample(*shape):
        u = rng.choice([-1.0, 1.0], (*shape, 4))
        return u, weights * (u * MODEL.phi + MODEL.sigma * rng.normal(size=u.shape))

    u, g = sample(draws, n)
    classifier = np.mean(u[..., :1] * g, axis=1)
    u, g = sample(draws)
    hits = np.sum(classifier * g, axis=1) * u[:, 0] > 0
    expected = theory.averaging_accuracy(MODEL, weights, 0, n)
    assert abs(hits.mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / draws)
    wrong = theory.averaging_accuracy(MODEL, np.sqrt(weights), 0, n)
    assert abs(hits.mean() - wrong) > 8 * np.sqrt(expected * (1 - expected) / draws)


def test_scale_of_the_representation_does_not_matter():
    w = theory.layer_weights(MODEL)[0]
    np.testing.assert_allclose(
        theory.averaging_accuracy(MODEL, [w, 1e3 * w, 1e-3 * w], 1, 7),
        theory.averaging_accuracy(MODEL, w, 1, 7),
        atol=1e-12,
    )


def test_broadcasts_weights_against_samples():
    w = theory.layer_weights(MODEL)
    table = theory.averaging_accuracy(MODEL, w[:, None], 0, [1, 5, 50])
    assert table.shape == (2, 3) and np.all(np.diff(table, axis=1) > 0)
    assert table[1, 2] == theory.averaging_accuracy(MODEL, w[1], 0, 50)
    assert isinstance(theory.averaging_accuracy(MODEL, w[1], 0, 50), float)


def test_limits_in_the_number_of_samples():
    """Infinitely many labels leave the test noise alone: the averaged direction is the target's."""
    w = theory.layer_weights(MODEL)[1]
    assert theory.averaging_accuracy(MODEL, w, 0, 10**6) == pytest.approx(ndtr(0.7 / 0.4), abs=1e-3)
    assert theory.averaging_accuracy(MODEL, [0, 1, 1, 1], 0, 5) == 0.5


def error_of_the_approximation(model, n):
    weights = theory.layer_weights(model)[1]
    exact, rough = (theory.averaging_accuracy(model, weights, 0, n, exact) for exact in (True, False))
    return np.abs(exact - rough).max()


def test_approximation_improves_with_many_features():
    errors = [
        error_of_the_approximation(
            theory.FeatureModel(([1.0] + [0.8, 1.2, 1.0] * 4)[:k], 0.2, 0.3), [1, 4, 16, 64]
        )
        for k in (4, 12)
    ]
    assert errors[1] < 0.003 < 0.01 < errors[0] < 0.02


def test_approximation_is_as_good_and_as_bad_as_its_docstring_says(seed):
    rng = np.random.default_rng([seed, 6])
    errors = []
    for _ in range(100):
        k = rng.integers(2, 9)
        model = theory.FeatureModel(rng.uniform(0.3, 2, k), rng.uniform(0, 0.8, k), rng.uniform(0.1, 1))
        errors.append(error_of_the_approximation(model, int(rng.integers(1, 33))))
    assert np.median(errors) < 0.005 < 0.02 < max(errors)
    two = theory.FeatureModel([1.0, 1.05], 0.0, 0.02)
    exact, rough = (theory.averaging_accuracy(two, [1.0, 1.0], 0, 1, exact) for exact in (True, False))
    assert 0.25 < abs(exact - rough) < 0.35


def test_crossing_moves_with_n_exactly_but_not_in_the_approximation():
    model = theory.FeatureModel([1.0, 0.5, 1.5], [0.1, 0.1, 0.5], 0.3)
    search = dict(vary="alpha", low=0.0, high=0.9)
    exact = [theory.averaging_crossings(model, 0, n, **search) for n in (4, 40)]
    rough = [theory.averaging_crossings(model, 0, n, **search, exact=False) for n in (4, 40)]
    assert all(len(c) == 1 for c in exact + rough)
    assert rough[0] == pytest.approx(rough[1], abs=1e-9) and exact[0] - exact[1] > 0.05
    crossing = model.with_feature(0, alpha=exact[0][0])
    before, after = theory.averaging_accuracy(crossing, theory.layer_weights(crossing), 0, 4)
    assert before == pytest.approx(after, abs=1e-11)


def test_noise_free_score_has_ties():
    model = theory.FeatureModel([1.0, 1.0], 0.2, 0.0)
    with pytest.raises(theory.AssumptionError, match="sigma > 0"):
        theory.averaging_accuracy(model, [1, 1], 0, 4)
    assert theory.averaging_accuracy(model, [1, 1], 0, 4, exact=False) == pytest.approx(ndtr(2.0))
    assert theory.averaging_accuracy(model, [1, 0], 0, 4, exact=False) == 1.0


def test_integral_that_does_not_settle_is_reported():
    model = theory.FeatureModel([3e5, 1.0], 0.0, 1e-3)
    with pytest.raises(theory.ConvergenceError, match="n = 1, phi = "):
        theory.averaging_accuracy(model, [1.0, 1.0], 1, 1)


@pytest.mark.parametrize("n", [0, -3, 2.5, np.nan])
def test_bad_sample_size(n):
    with pytest.raises(ValueError, match="n must"):
        theory.averaging_accuracy(MODEL, np.ones(4), 0, n)


def test_bad_search_range():
    with pytest.raises(ValueError, match="high must exceed low"):
        theory.averaging_crossings(MODEL, 0, 4, low=0.5, high=0.5)


def test_approximation_by_hand_for_unequal_strengths():
    """Signal 2^2; noise 2^2 0.5^2 of the target and (1 + 0.25)^2 / 10 of the other feature."""
    model = theory.FeatureModel([2.0, 1.0], [0.1, 0.2], 0.5)
    found = theory.averaging_accuracy(model, [1.0, 1.0], 0, 10, exact=False)
    assert found == pytest.approx(ndtr(4 / np.sqrt(1 + 1.25**2 / 10)), abs=1e-14)


@pytest.mark.parametrize(
    ("n", "exact", "upper"), [(10**6 + 1, True, "1e+06"), (1e160, True, "1e+06"), (1e16, False, "9.0072e+15")]
)
def test_more_samples_than_the_formula_can_take_are_refused(n, exact, upper):
    with pytest.raises(ValueError, match=re.escape(f"n must lie in [1, {upper}]")):
        theory.averaging_accuracy(MODEL, np.ones(4), 0, n, exact)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 9999, 10**6])
@pytest.mark.parametrize("signal_to_noise", [0.1, 2.0, 20.0, 1e3])
def test_few_mean_signs_replace_the_binomial_average(n, signal_to_noise):
    """Against SciPy's binomial, for the factor that a feature has at frequencies from far below to far above 1."""
    signs, weights = _mean_signs(n, signal_to_noise)
    middle, reach = n // 2, 9 * round(np.sqrt(n)) + 1
    count = np.arange(max(0, middle - reach), min(n, middle + reach) + 1)
    probability, mean = stats.binom.pmf(count, n, 0.5), (2 * count - n) / n
    for frequency in np.exp(np.linspace(-6, 12, 10)) * np.sqrt(n):
        decay, turn = np.array([(frequency * signal_to_noise) ** 2 / 2, frequency * signal_to_noise**2]) / (
            1 + frequency**2 / n
        )
        averages = [
            w @ (np.exp(-decay * m**2) * np.cos(turn * m)) for m, w in ((mean, probability), (signs, weights))
        ]
        assert averages[0] == pytest.approx(averages[1], abs=1e-13)
    assert signs.size <= n // 2 + 1
    if n >= 9999 and signal_to_noise <= 2:
        assert signs.size < 50


def test_accuracy_rises_smoothly_up_to_the_largest_number_of_samples():
    """Logarithms of factorials are only good to 1e-9 there; the probabilities of the signs may not come from them."""
    model = theory.FeatureModel([0.5, 2.0, 2.5], 0.0, 2.5)
    accuracy = theory.averaging_accuracy(model, [1.0, 1.0, 1.0], 0, 10**6 - np.arange(4)[::-1])
    rise = np.diff(accuracy)
    assert np.all(rise > 6e-12) and np.ptp(rise) < 1e-13
