"""Ridge after a projector with a spectrum: closed forms it contains, simulation, refusals."""

import numpy as np
import pytest
from scipy.special import ndtr

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1], [1], [1], 1, 1), "strengths must lie in"),
        (([1], [0], [1], 1, 1), r"gains must lie in \(0, inf\)"),
        (([1], [1], [0.9], 1, 1), "shares must add up to 1"),
        (([1], [1], [1], 0, 1), "sample_ratio must lie in"),
        (([1], [1], [1], 1, 0), r"penalty must lie in \(0, inf\)"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.spectrum_accuracy(*arguments)
