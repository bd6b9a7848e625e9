"""Slopes by kappa and penalty, best penalty, onset of the reversal."""

import numpy as np
import pytest

import theory


def log_tau(classifier, r, delta, kappa, penalty):
    found = theory.downstream_overlaps(classifier, r, delta, kappa, penalty)
    return np.log(found.signal / found.noise)


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
@pytest.mark.parametrize("point", [(1.0, 2.0, 0.3, 0.1), (1.5, 8.0, 0.5, 1e-3), (2.0, 20.0, -0.3, 1e-3)])
def test_slopes_are_derivatives(classifier, point):
    r, delta, kappa, penalty = point
    ends = theory.downstream_accuracy(classifier, r, delta, kappa + np.array([-1e-5, 1e-5]), penalty)
    assert theory.expansion_slope(classifier, *point) == pytest.approx(np.diff(ends)[0] / 2e-5, rel=1e-5)
    ends = log_tau(classifier, r, delta, kappa, penalty * np.exp([-1e-4, 1e-4]))
    assert theory.penalty_slope(classifier, *point) == pytest.approx(np.diff(ends)[0] / 2e-4, rel=1e-6)


@pytest.mark.parametrize("classifier", ["logistic", "hinge"])
def test_where_expansion_hurts_a_larger_penalty_helps(seed, classifier):
    rng = np.random.default_rng([seed, 12])

    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), 500))

    points = between(0.2, 3), between(0.2, 60), between(0.14, 7) - 1, between(1e-5, 5)
    hurts = theory.expansion_slope(classifier, *points) < 0
    assert np.count_nonzero(hurts) >= 5
    assert np.all(theory.penalty_slope(classifier, *points)[hurts] > 0)


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_optimal_penalty_is_a_maximum_and_keeps_expansion_helpful(classifier):
    kappas = np.array([-0.5, -0.35, -0.2])
    best = theory.optimal_penalty(classifier, 1.0, 1.2, kappas)
    top = theory.downstream_accuracy(classifier, 1.0, 1.2, kappas, best)
    for factor in (0.97, 1.03):
        assert np.all(theory.downstream_accuracy(classifier, 1.0, 1.2, kappas, best * factor) < top)
    assert np.all(np.diff(top) > 0)
    assert theory.optimal_penalty(classifier, 1.0, 1.2, 0.5) == np.inf


def test_ridge_is_best_unregularised_when_strongly_shrunk():
    """c >= delta (1 + r^2) / (delta - 1) = 4 at r = 1, delta = 2."""
    penalties = theory.optimal_penalty("ridge", 1.0, 2.0, np.array([-0.51, -0.49]))
    assert penalties[0] == 0 and penalties[1] > 0


def test_reversal_onset():
    assert 1.251 < theory.reversal_onset("logistic", 1000.0) < np.sqrt(np.pi / 2)
    found = [theory.reversal_onset("logistic", delta) for delta in (5.0, 8.0, 20.0, 100.0)]
    np.testing.assert_allclose(found, [0.974, 1.089, 1.191, 1.241], atol=1e-3)
    found_logistic = found
    found = [theory.reversal_onset("hinge", delta) for delta in (5.0, 20.0, 100.0, 1e4)]
    np.testing.assert_allclose(found, [0.974, 1.169, 1.213, 1.2239], atol=1e-3)
    np.testing.assert_array_equal(theory.reversal_onset("logistic", [5.0, 8.0]), found_logistic[:2])
    for delta in (2.03, 2.05):  # the crossing lies within 1e-2 to 1e-6 of the separability limit
        onset, limit = theory.reversal_onset("logistic", delta), theory.separability_signal(delta)
        assert 0.99 * limit < onset < limit
    assert theory.reversal_onset("hinge", 2.05) < theory.separability_signal(2.05)
    for r, sign in ((1.1, 1), (1.25, -1)):
        assert np.sign(theory.expansion_slope("logistic", r, 20.0, 0.0, 1e-6)) == sign


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="classifier must be one of 'ridge', 'logistic', 'hinge'"):
        theory.expansion_slope("hard-margin", 1.0, 1.0, 0.0, None)
    for classifier in ("ridge", "logistic", "hinge"):
        with pytest.raises(ValueError, match="penalty must be > 0 for slopes, got 0"):
            theory.expansion_slope(classifier, 1.0, 8.0, 0.0, 0.0)
    with pytest.raises(theory.ConvergenceError, match="no crossing found"):
        theory.reversal_onset("hinge", 2.001)
    with pytest.raises(ValueError, match=r"sample_ratio must lie in \(2"):
        theory.reversal_onset("logistic", 1.5)
