"""The rule must be able to reject: what it accepts, what it refuses and what it leaves open."""

import numpy as np
import pytest
from scipy import stats

from synthetic.claims.rule import (
    AGREES,
    DISAGREES,
    UNCLEAR,
    AtMost,
    Equivalent,
    Estimate,
    Exact,
    Sign,
    Unsupported,
    replicates_to_decide,
)


def estimate(mean, se, n=16):
    """Estimate with exactly this mean and standard error in every comparison."""
    shape = stats.norm.ppf((np.arange(n) + 0.5) / n)
    shape = (shape - shape.mean()) / shape.std(ddof=1) * np.sqrt(n)
    return Estimate.of(np.asarray(mean) + np.asarray(se) * shape[:, None], replicated=True)


def test_interval_is_students_at_the_corrected_level():
    result = estimate([1.0, 2.0], [0.1, 0.2], n=16)
    reach = stats.t.isf(0.01 / 1000 / 2, 15)
    np.testing.assert_allclose(result.se, [0.1, 0.2])
    np.testing.assert_allclose(result.high - result.mean, reach * result.se)
    np.testing.assert_allclose(result.mean - result.low, reach * result.se)


def test_coverage_of_the_whole_ledger():
    """1,000 comparisons of true predictions: some interval misses in about one ledger of a hundred."""
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(400):
        result = Estimate.of(rng.normal(size=(16, 1000)), replicated=True)
        false_alarms += bool(np.any((result.low > 0) | (result.high < 0)))
    assert false_alarms <= stats.binom.ppf(0.999, 400, 0.01)


def test_exact():
    check = Exact(1e-6)
    assert check.outcome(Estimate.of([1.0, 2.0], False), np.array([1.0, 2.0 + 5e-7])) == AGREES
    assert check.outcome(Estimate.of([1.0, 2.0], False), np.array([1.0, 2.0 + 2e-6])) == DISAGREES


@pytest.mark.parametrize(
    ("mean", "se", "unbiased", "expected"),
    [
        (0.0, 0.001, False, AGREES),
        (0.04, 0.001, False, AGREES),  # a bias inside the margin is allowed
        (0.04, 0.001, True, DISAGREES),  # but not where there is none
        (-0.04, 0.001, True, DISAGREES),  # nor below
        (0.001, 0.001, True, AGREES),  # an interval across the prediction is as it should be
        (0.0, 0.1, True, UNCLEAR),
        (0.0, 0.1, False, UNCLEAR),  # too noisy to tell
        (0.2, 0.001, False, DISAGREES),
        (-0.2, 0.001, False, DISAGREES),
    ],
)
def test_equivalence(mean, se, unbiased, expected):
    result = estimate([mean, 0.0], [se, 1e-4])
    assert Equivalent(0.05, unbiased).outcome(result, np.zeros(2)) == expected


@pytest.mark.parametrize(
    ("mean", "predicted", "expected"),
    [(0.5, 1, AGREES), (0.5, -1, DISAGREES), (-0.5, -1, AGREES), (0.05, 1, UNCLEAR), (0.0, 1, UNCLEAR)],
)
def test_sign(mean, predicted, expected):
    assert Sign().outcome(estimate([mean], [0.05]), np.array([predicted])) == expected


def test_sign_of_too_small_an_effect():
    assert Sign(smallest=0.4).outcome(estimate([0.5], [0.001]), np.array([1])) == AGREES
    assert Sign(smallest=0.6).outcome(estimate([0.5], [0.001]), np.array([1])) == DISAGREES


@pytest.mark.parametrize(
    ("mean", "expected"), [(0.5, AGREES), (1.02, AGREES), (1.3, DISAGREES), (1.1, UNCLEAR)]
)
def test_at_most(mean, expected):
    """Bound 1 with slack .1; the interval reaches .06."""
    assert AtMost(0.1).outcome(estimate([0.0, mean], [0.01, 0.01]), np.ones(2)) == expected
    resolution = AtMost(0.1).resolution(estimate([mean], [0.01]), np.ones(1), np.zeros(1))
    np.testing.assert_allclose(resolution, [100 * mean])


@pytest.mark.parametrize(
    ("mean", "se", "expected"),
    [
        ([0.0, 0.01], 0.004, DISAGREES),  # 16 replicates: the intervals reach 6.61 SE = 0.026
        ([-0.5, 0.0], 0.004, DISAGREES),  # the effect is there, on the other side
        ([0.0, 0.03], 0.004, UNCLEAR),  # an effect of .05 is not excluded in the second comparison
        ([0.0, 0.0], 0.007, UNCLEAR),  # it is excluded, but would have been missed too often
        ([0.03, 0.03], 0.004, AGREES),  # the sentence is supported, by less than .05
        ([0.03, 0.01], 0.004, UNCLEAR),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_unsupported(mean, se, expected, side):
    result = estimate(side * np.array(mean), [se, se])
    assert Unsupported(0.05).outcome(result, np.array([side, side])) == expected


def test_power_is_the_share_of_experiments_that_see_an_effect_of_the_smallest_size():
    """5,000 simulated experiments of 16 replicates, at an effect of 7.2 standard errors."""
    rng = np.random.default_rng(1)
    result = Estimate.of(7.2 / 4 + rng.normal(size=(16, 5000)), replicated=True)
    power = Unsupported(7.2 / 4).power(estimate([0.0], [1 / 4]))
    assert 0.7 < power < 0.9
    # four standard errors of a share of 5,000 at a probability of .8
    assert np.mean(result.low > 0) == pytest.approx(power, abs=4 * np.sqrt(0.8 * 0.2 / 5000))


def test_power_is_that_of_the_noisiest_comparison():
    check = Unsupported(1.0)
    both, noisier = estimate([0.0, 5.0], [0.01, 0.14]), estimate([0.0], [0.14])
    assert check.power(both) == pytest.approx(check.power(noisier), rel=1e-9)
    assert check.power(estimate([0.0], [0.0])) == 1


@pytest.mark.parametrize("smallest", [0, -0.1, np.inf, np.nan])
def test_smallest_effect_must_be_positive(smallest):
    with pytest.raises(ValueError, match="smallest must be > 0 and finite"):
        Unsupported(smallest)


def test_resolution_is_the_distance_in_standard_errors():
    result = estimate([0.0, 0.0], [0.1, 0.01])
    control = np.array([0.5, 0.2])
    np.testing.assert_allclose(Equivalent(0.1).resolution(result, np.zeros(2), control), [5, 20])


def test_few_replicates_and_lost_measurements_are_refused():
    with pytest.raises(ValueError, match="at least 8 replicates, got 7"):
        Estimate.of(np.zeros((7, 2)), replicated=True)
    with pytest.raises(ValueError, match="not finite"):
        Estimate.of([np.nan], replicated=False)


def test_smallest_effect_may_not_exceed_the_published_one():
    assert Unsupported(0.02, published=0.02).smallest == 0.02
    with pytest.raises(ValueError, match="smallest must be at most the published effect"):
        Unsupported(0.05, published=0.02)


@pytest.mark.parametrize(
    ("check", "predicted", "words"),
    [
        (Sign(), 1, "> 0"),
        (Sign(), -1, "< 0"),
        (Sign(0.05), -1, "< -0.05"),
        (Unsupported(0.1), 1, "> 0"),
        (Equivalent(0.04), 0.58824, "0.5882 ± 0.04"),
        (Exact(1e-10), 0.5, "0.5 ± 1e-10"),
        (Exact(0.0), 0.0, "0"),
        (AtMost(0.15), 0.8, "≤ 0.8 + 0.15"),
    ],
)
def test_a_prediction_in_words(check, predicted, words):
    assert check.describe(predicted) == words


def test_one_comparison_alone_has_its_own_interval():
    both = estimate([1.0, 2.0], [0.1, 0.2])
    alone = both.at(1)
    assert (alone.mean, alone.se, alone.low, alone.high) == tuple(
        values[1:] for values in (both.mean, both.se, both.low, both.high)
    )


@pytest.mark.parametrize("check", [Sign(), Equivalent(0.3), AtMost(0.0), Unsupported(0.3)])
def test_replicates_to_decide_is_the_first_number_that_decides(check):
    predicted = np.array([1.0 if isinstance(check, Sign | Unsupported) else 0.0])
    found = estimate([0.2], [0.2])
    assert check.outcome(found, predicted) == UNCLEAR
    needed = replicates_to_decide(check, found, predicted)
    assert check.outcome(found.with_replicates(needed), predicted) != UNCLEAR
    assert check.outcome(found.with_replicates(needed - 1), predicted) == UNCLEAR
