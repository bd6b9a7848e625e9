"""Ridge after a projector with a spectrum: closed forms it contains, simulation, refusals."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, ndtr

import theory

STRENGTHS, GAINS, SHARES = np.array([0.8, 0.9, 0.4]), np.array([0.3, 1.0, 3.0]), np.array([0.5, 0.3, 0.2])


def between(rng, low, high, n=100):
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def test_one_spike_in_a_flat_spectrum_is_the_closed_form(seed):
    rng = np.random.default_rng([seed, 90])
    r, delta, grown, penalty = (
        between(rng, *ends) for ends in ((0.2, 3), (0.2, 30), (0.05, 20), (1e-6, 100))
    )
    strengths, gains = np.stack([r, 0 * r], 1), np.stack([grown, 1 + 0 * r], 1)
    np.testing.assert_allclose(
        theory.spectrum_accuracy(strengths, gains, [0, 1], delta, penalty),
        theory.downstream_accuracy("ridge", r, delta, grown - 1, penalty),
        rtol=1e-11,
    )


def test_spikes_beside_a_flat_spectrum_and_groups_that_can_be_split():
    spikes = theory.spiked_accuracy("ridge", [1.0, 0.6], 2.0, [0.5, -0.5], 0.2)
    assert theory.spectrum_accuracy([1.0, 0.6, 0.0], [1.5, 0.5, 1.0], [0, 0, 1], 2.0, 0.2) == pytest.approx(
        spikes, abs=1e-12
    )
    split = theory.spectrum_accuracy(
        [0.8, 0.0, 0.9, 0.4], [0.3, 0.3, 1.0, 3.0], [0.1, 0.4, 0.3, 0.2], 2.0, 0.2
    )
    assert theory.spectrum_accuracy(STRENGTHS, GAINS, SHARES, 2.0, 0.2) == pytest.approx(split, abs=1e-12)


def test_the_scale_of_the_projector_is_that_of_the_penalty():
    scaled = theory.spectrum_accuracy(STRENGTHS, 5 * GAINS, SHARES, [0.5, 4.0], 0.2)
    np.testing.assert_allclose(
        scaled, theory.spectrum_accuracy(STRENGTHS, GAINS, SHARES, [0.5, 4.0], 0.2 / 25), atol=1e-12
    )


@pytest.mark.parametrize(("delta", "penalty"), [(0.6, 0.05), (2.0, 0.3)])
def test_against_trained_ridge(delta, penalty, seed):
    """160 sets in 200 dimensions, exact accuracy given w: 4 standard errors and 1e-3 for the finite dimension."""
    p, sets = 200, 160
    n, rng = int(delta * p), np.random.default_rng([seed, 91])
    counts = np.round(SHARES * p).astype(int)
    gains = np.repeat(GAINS, counts)
    mean = np.repeat(STRENGTHS / np.sqrt(counts), counts)

    def trained_accuracy():
        seen = (mean + rng.normal(size=(n, p))) * gains
        weights = np.linalg.solve(seen.T @ seen / n + penalty * np.eye(p), seen.mean(0)) * gains
        return ndtr(weights @ mean / np.linalg.norm(weights))

    accuracies = [trained_accuracy() for _ in range(sets)]
    allowed = 4 * np.std(accuracies) / np.sqrt(sets) + 1e-3

    def gap(gains):
        predicted = theory.spectrum_accuracy(STRENGTHS, gains, SHARES, delta, penalty)
        return abs(np.mean(accuracies) - predicted)

    assert gap(GAINS) < allowed
    assert gap([1, 1, 1]) > 2 * allowed  # without the projector


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_every_loss_contains_the_spike_and_its_limits(classifier, seed):
    """One spike in a flat spectrum, with any penalty, none and an infinite one."""
    rng = np.random.default_rng([seed, 92])
    r, delta, grown = (between(rng, *ends) for ends in ((0.2, 3), (0.2, 30), (0.05, 20)))
    strengths, gains = np.stack([r, 0 * r], 1), np.stack([grown, 1 + 0 * r], 1)
    for penalty in (between(rng, 1e-4, 100), 0.0, np.inf):
        found = theory.spectrum_accuracy(strengths, gains, [0, 1], delta, penalty, classifier)
        expected = theory.downstream_accuracy(classifier, r, delta, grown - 1, penalty)
        np.testing.assert_allclose(found, expected, atol=2e-11)


def test_averaging_after_spikes_and_spectra():
    """The classifier is A^2 times the mean of the labelled inputs, so every direction counts with its gain squared."""
    q, r, delta = GAINS**2, STRENGTHS, 1.7
    signal, length = r**2 @ q, np.sqrt(r**2 @ q**2 + SHARES @ q**2 / delta)
    for arguments in ((None, "averaging"), (np.inf, "hinge")):
        found = theory.spectrum_accuracy(r, GAINS, SHARES, delta, *arguments)
        assert found == pytest.approx(ndtr(signal / length), abs=1e-14)
    flat = np.sqrt(r**2 @ q**2 + 1 / delta)
    assert theory.spiked_accuracy("averaging", r, delta, GAINS - 1) == pytest.approx(
        ndtr(signal / flat), abs=1e-14
    )


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_extreme_gains_are_limits(classifier):
    """Gain 0 removes a group; infinite gains too few to fit the data alone are the limit of large ones."""
    ends = [
        theory.spectrum_accuracy(STRENGTHS, [*GAINS[:2], gain], SHARES, 3.0, 0.2, classifier)
        for gain in (np.inf, 1e4, 0.0, 1e-5)
    ]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6) and ends[2] == pytest.approx(ends[3], abs=1e-6)
    removed = theory.spectrum_accuracy(
        STRENGTHS[:2], GAINS[:2], [0.625, 0.375], 3.0 / 0.8, 0.2 / 1.0, classifier
    )
    assert ends[2] == pytest.approx(removed, abs=1e-9)
    assert abs(ends[0] - ends[2]) > 2e-3
    alone = theory.spectrum_accuracy([0.9], [1.0], [1.0], 0.6 / 0.7, 0.0, classifier)
    infinite = theory.spectrum_accuracy([0.5, 0.9], [1.0, np.inf], [0.3, 0.7], 0.6, 0.2, classifier)
    assert infinite == pytest.approx(alone, abs=1e-9)  # 70 percent of the dimensions fit all labels


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_no_failure_on_random_points(classifier, seed):
    rng = np.random.default_rng([seed, 93])
    n = 10_000 if classifier != "logistic" else 2000
    strengths, gains = (np.exp(rng.uniform(*np.log(ends), (n, 3))) for ends in ((0.1, 2), (0.05, 20)))
    shares = rng.dirichlet([1, 1, 1], n)
    delta, penalty = between(rng, 0.2, 30, n), between(rng, 1e-6, 100, n)
    found = theory.spectrum_accuracy(strengths, gains, shares, delta, penalty, classifier)
    assert np.all((found > 0.5) & (found < ndtr(np.linalg.norm(strengths, axis=1))))


@pytest.mark.parametrize("delta", [0.6, 2.0])
def test_logistic_against_training(delta, seed):
    """60 sets in 150 dimensions, exact accuracy given w: 4 standard errors and 2e-3 for the finite dimension."""
    p, sets, penalty = 150, 60, 0.05
    n, rng = int(delta * p), np.random.default_rng([seed, 94])
    counts = np.round(SHARES * p).astype(int)
    gains, mean = np.repeat(GAINS, counts), np.repeat(STRENGTHS / np.sqrt(counts), counts)

    def trained_accuracy():
        seen = (mean + rng.normal(size=(n, p))) * gains

        def objective(w):
            margin = seen @ w
            slope = seen.T @ expit(-margin) / -n + penalty * w
            return np.mean(np.logaddexp(0, -margin)) + penalty / 2 * w @ w, slope

        beta = minimize(objective, np.zeros(p), jac=True, method="L-BFGS-B").x * gains
        return ndtr(beta @ mean / np.linalg.norm(beta))

    accuracies = [trained_accuracy() for _ in range(sets)]
    allowed = 4 * np.std(accuracies) / np.sqrt(sets) + 2e-3
    found = theory.spectrum_accuracy(STRENGTHS, GAINS, SHARES, delta, penalty, "logistic")
    assert abs(np.mean(accuracies) - found) < allowed
    flat = theory.spectrum_accuracy(STRENGTHS, [1, 1, 1], SHARES, delta, penalty, "logistic")
    assert abs(np.mean(accuracies) - flat) > 2 * allowed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1], [1], [1], 1, 1), "strengths must lie in"),
        (([1], [-1], [1], 1, 1), r"gains must lie in \[0, inf\]"),
        (([1, 0], [1, 0], [0, 1], 1, 1), "gains must be > 0 for a positive share"),
        (([1], [1], [0.9], 1, 1), "shares must add up to 1"),
        (([1], [1], [1], 0, 1), "sample_ratio must lie in"),
        (([1], [1], [1], 1, -1), r"penalty must lie in \[0, inf\]"),
        (([1], [1], [1], 1, 1, "hard-margin"), "classifier must be a convex loss"),
        (([1], [1], [1], [1, 2], [1, 2, 3]), "must broadcast against"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.spectrum_accuracy(*arguments)
