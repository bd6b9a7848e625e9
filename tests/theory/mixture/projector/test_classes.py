"""More than two classes: common mean and contrasts."""

import numpy as np
import pytest

import theory


def test_common_mean_of_many_classes():
    assert theory.common_mean_gain("inner", 3.0, 1.1, 4) == pytest.approx(0.70393, abs=6e-6)
    assert theory.common_mean_gain("euclidean", 3.0, 1.1, 4) == 1
    sigma = np.sqrt(np.sqrt(1 + 9 / 4))
    assert theory.common_mean_gain("spectral", 3.0, sigma, 4) == pytest.approx(1, abs=1e-12)


def test_contrasts_of_four_classes():
    """Published predictions of a softmax expectation by sampling, and the threshold at r = 1, 2, 3."""
    found = theory.contrast_gain(3.0, np.array([0.7, 1.1, 1.6, 2.5]), 4)
    np.testing.assert_allclose(found, [0.761, 0.918, 1.114, 1.377], atol=2e-3)
    sigma = np.sqrt([1.093, 1.346, 1.697])
    np.testing.assert_allclose(theory.contrast_gain(np.array([1.0, 2.0, 3.0]), sigma, 4), 1, atol=5e-4)


@pytest.mark.parametrize("loss", ["spectral", "inner", "euclidean"])
def test_two_classes_are_the_mixture_about_its_mean(loss):
    """Means r e_1, r e_2: half their distance is r / sqrt(2), which is the mixture's signal norm."""
    sigma = np.array([0.6, 1.5])
    expected = theory.projector_gain(loss, 2.0 / np.sqrt(2), sigma)
    np.testing.assert_allclose(theory.contrast_gain(2.0, sigma, 2, loss=loss), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["spectral", "inner", "euclidean"])
def test_simplex_means_of_two_classes_are_the_mixture(loss):
    expected = theory.projector_gain(loss, 1.5, 0.8)
    assert theory.contrast_gain(1.5, 0.8, 2, loss=loss, means="simplex") == pytest.approx(expected, rel=1e-6)
    orthogonal = theory.contrast_gain(1.5 * np.sqrt(3 / 2), 0.8, 3, loss=loss)
    assert theory.contrast_gain(1.5, 0.8, 3, loss=loss, means="simplex") == pytest.approx(
        orthogonal, rel=1e-9
    )
    assert abs(orthogonal - theory.contrast_gain(1.5, 0.8, 3, loss=loss)) > 1e-3


def test_gain_and_accuracy_of_three_classes_in_one_convention(seed):
    """Ridge on projected samples of means r e_k: 4 standard errors and 5e-3 for 200 dimensions."""
    classes, r, sigma, delta, penalty, p, sets = 3, 1.5, 0.8, 2.0, 0.1, 200, 20
    gain = theory.contrast_gain(r, sigma, classes)
    found = theory.multiclass_ridge_accuracy(classes, r, delta, gain - 1, penalty, means="orthogonal")
    simplex = theory.multiclass_ridge_accuracy(
        classes,
        r * np.sqrt(2 / 3),
        delta,
        theory.contrast_gain(r * np.sqrt(2 / 3), sigma, classes, means="simplex") - 1,
        penalty,
    )
    assert found == pytest.approx(simplex, abs=1e-9)
    rng, n = np.random.default_rng([seed, 32]), int(delta * p)
    means = _centred(r * np.eye(classes, p)[:, :classes].T).T  # centred over the classes
    means = np.pad(means, ((0, 0), (0, p - classes)))
    span = np.pad(np.eye(classes) - 1 / classes, ((0, p - classes), (0, p - classes)))
    projector = np.eye(p) + (gain - 1) * span

    def trained_accuracy():
        y, test = rng.integers(classes, size=n), rng.integers(classes, size=4000)
        seen = (means[y] + rng.normal(size=(n, p))) @ projector
        weights = np.linalg.solve(
            seen.T @ seen / n + penalty * np.eye(p), seen.T @ (np.eye(classes)[y] - 1 / classes)
        )
        scores = (means[test] + rng.normal(size=(4000, p))) @ projector @ weights
        return np.mean(scores.argmax(1) == test)

    accuracies = [trained_accuracy() for _ in range(sets)]
    allowed = 4 * np.std(accuracies) / np.sqrt(sets) + 5e-3
    assert abs(np.mean(accuracies) - found) < allowed
    assert abs(theory.multiclass_ridge_accuracy(classes, r, delta, gain - 1, penalty) - found) > 2 * allowed


def test_euclidean_contrasts_of_four_classes():
    """Published predictions of a softmax expectation by sampling."""
    found = theory.contrast_gain(3.0, np.array([0.7, 1.1, 1.6, 2.5]), 4, loss="euclidean")
    np.testing.assert_allclose(found, [1.050, 1.188, 1.364, 1.556], atol=2e-3)


def test_euclidean_contrasts_always_expand():
    signals, sigma = np.array([0.3, 1.0, 3.0, 8.0])[:, None], np.array([0.1, 0.5, 1.5, 4.0])
    for classes in (3, 10):
        grid = theory.contrast_gain(signals, sigma, classes, loss="euclidean")
        # class overlap, the size of the effect, vanishes when a strong signal is hardly augmented
        assert np.all(grid > 1 - 1e-7) and np.all(grid[:3, 1:] > 1 + 1e-4)
    assert theory.contrast_gain(0.0, 1.0, 4, loss="euclidean") == pytest.approx(1, abs=1e-9)


def test_euclidean_contrast_loss_is_least_at_the_gain(seed):
    """Slope of the sampled loss by log alpha with common random numbers: 0 at the gain, negative at gain 1."""
    r, sigma, classes, n = 2.0, 1.0, 3, 200_000
    v = 1 + sigma**2
    across = (np.sqrt(v**2 + 8 * v * (v - 1)) - v) / (2 * v)  # 1 / (1 + v beta)
    beta = (1 / across - 1) / v
    rng = np.random.default_rng([seed, 31])
    x = np.sqrt(v) * rng.normal(size=(n, classes))
    x[:, 0] += r
    squares = np.stack([np.sum(_centred(x - r * mean) ** 2, 1) for mean in np.eye(classes)], 1)
    steps = sigma**2 * np.sum(_centred(rng.normal(size=(n, classes))) ** 2, 1)

    def losses(a):
        kernel = np.log(np.mean(np.exp(-a / (2 * (1 + v * a)) * squares), 1))
        return a * steps + kernel - (classes - 1) / 2 * np.log1p(v * a)

    gain = theory.contrast_gain(r, sigma, classes, loss="euclidean")
    slopes = [(losses(g**2 * beta * 1.01) - losses(g**2 * beta / 1.01)) / 0.02 for g in (gain, 1.0)]
    scores = [s.mean() / (s.std() / np.sqrt(n)) for s in slopes]
    assert abs(scores[0]) < 4 and scores[1] < -8


def _centred(x):
    return x - x.mean(1, keepdims=True)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="loss must be one of 'spectral', 'inner', 'euclidean'"):
        theory.contrast_gain(1.0, 1.0, 3, loss="triplet")
    for call in (theory.common_mean_gain, lambda loss, *rest: theory.contrast_gain(*rest, loss=loss)):
        with pytest.raises(theory.AssumptionError, match="'cosine' is not covered"):
            call("cosine", 1.0, 1.0, 3)
    with pytest.raises(ValueError, match="means must be one of 'simplex', 'orthogonal'"):
        theory.contrast_gain(1.0, 1.0, 3, means="corners")
    with pytest.raises(theory.AssumptionError, match="sigma must be > 0"):
        theory.contrast_gain(1.0, 0.0, 3, loss="euclidean")


def test_large_signals_are_right_or_refused():
    found = theory.contrast_gain([50.0, 200.0], 0.5, 2, means="simplex")
    np.testing.assert_allclose(found, theory.projector_gain("inner", [50.0, 200.0], 0.5), rtol=1e-5)
    assert theory.contrast_gain(200.0, 0.5, 15) == pytest.approx(0.022570, abs=2e-6)
    with pytest.raises(ValueError, match="signal_norm and sigma must be smaller"):
        theory.contrast_gain(1e12, 2.0, 3)
