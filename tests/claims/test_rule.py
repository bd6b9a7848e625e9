"""The rule must be able to reject: what it accepts, what it refuses and what it leaves open."""

import numpy as np
import pytest
from scipy import stats

from synthetic.claims.ledger import table_row
from synthetic.claims.registry import Claim, Prediction, run_claim
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
)


def estimate(mean, se, n=16):
    """Estimate with exactly this mean and standard error in every comparison."""
    shape = stats.norm.ppf((np.arange(n) + 0.5) / n)
    shape = (shape - shape.mean()) / shape.std(ddof=1) * np.sqrt(n)
    return Estimate.of(np.asarray(mean) + np.asarray(se) * shape[:, None], replicated=True)


def test_interval_is_students_at_the_corrected_level():
    result = estimate([1.0, 2.0], [0.1, 0.2], n=16)
    reach = stats.t.isf(0.01 / 500 / 2, 15)
    np.testing.assert_allclose(result.se, [0.1, 0.2])
    np.testing.assert_allclose(result.high - result.mean, reach * result.se)
    np.testing.assert_allclose(result.mean - result.low, reach * result.se)


def test_coverage_of_the_whole_ledger():
    """500 comparisons of true predictions: some interval misses in about one ledger of a hundred."""
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(400):
        result = Estimate.of(rng.normal(size=(16, 500)), replicated=True)
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
    assert AtMost(0.1).resolution(estimate([mean], [0.01]), np.ones(1), np.zeros(1)) == pytest.approx(
        100 * mean
    )


@pytest.mark.parametrize(
    ("mean", "se", "expected"),
    [
        ([0.0, 0.01], 0.004, DISAGREES),  # 16 replicates: the intervals reach 6.11 SE = .024
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


def test_resolution_is_the_best_distance_in_standard_errors():
    result = estimate([0.0, 0.0], [0.1, 0.01])
    control = np.array([0.5, 0.2])
    assert Equivalent(0.1).resolution(result, np.zeros(2), control) == pytest.approx(20)


def test_few_replicates_and_lost_measurements_are_refused():
    with pytest.raises(ValueError, match="at least 8 replicates, got 7"):
        Estimate.of(np.zeros((7, 2)), replicated=True)
    with pytest.raises(ValueError, match="not finite"):
        Estimate.of([np.nan], replicated=False)


def claim(**changes):
    fields = dict(
        id="test",
        statement="s",
        latex="l",
        source="derived",
        reference="r",
        assumptions="a",
        control="c",
        check=Exact(1e-9),
        measure=lambda seed: [1.0],
        predict=lambda seed: Prediction([1.0], [2.0]),
    )
    return Claim(**{**fields, **changes})


def test_a_claim_holds_only_with_its_control_rejected():
    assert run_claim(claim()).ok
    wrong = run_claim(claim(predict=lambda seed: Prediction([1.5], [2.0])))
    assert wrong.verdict == "fails" and not wrong.ok
    toothless = run_claim(claim(predict=lambda seed: Prediction([1.0], [1.0])))
    assert toothless.verdict == "holds" and not toothless.control_rejected and not toothless.ok
    assert table_row(toothless.to_json())["control"] == "NOT REJECTED"


def test_low_resolution_is_not_ok():
    noise = stats.norm.ppf((np.arange(16) + 0.5) / 16)[:, None]
    result = run_claim(
        claim(
            check=Equivalent(20.0),
            measure=lambda seed: noise,
            predict=lambda seed: Prediction([0.0], [1.0]),
        )
    )
    assert result.verdict == "holds" and result.resolution < 8 and not result.ok


def test_counterexample_needs_a_case_where_the_statement_is_true():
    shape = dict(check=Equivalent(0.1), expected="counterexample")
    spread = np.linspace(-0.01, 0.01, 16)[:, None]
    parts = dict(measure=lambda seed: 1.5 + spread, predict=lambda seed: Prediction([1.0], [0.0]))
    found = run_claim(claim(control_measure=lambda seed: 1.0 + spread, **parts, **shape))
    assert found.verdict == "counterexample" and found.ok
    crying_wolf = run_claim(claim(control_measure=lambda seed: 1.5 + spread, **parts, **shape))
    assert not crying_wolf.control_rejected and not crying_wolf.ok
    true_statement = run_claim(
        claim(
            control_measure=lambda seed: 1.0 + spread,
            **{**parts, "measure": lambda seed: 1.0 + spread},
            **shape,
        )
    )
    assert true_statement.verdict == "holds" and not true_statement.ok


def unsupported(effect, spread=0.02):
    """Claim on a paper's sentence that some effect is positive, by .1 if it matters; 16 replicates."""
    noise = stats.norm.ppf((np.arange(16) + 0.5) / 16)[:, None]
    return claim(
        source="paper",
        check=Unsupported(0.1),
        expected="not supported",
        measure=lambda seed: effect + spread * noise,
        predict=lambda seed: Prediction([1.0], [np.nan]),
    )


def test_a_sentence_is_not_supported_when_an_effect_of_its_size_would_have_been_seen():
    absent = run_claim(unsupported(0.0))
    assert absent.verdict == "not supported" and absent.ok and absent.power > 0.9
    np.testing.assert_allclose(absent.control, 0.1)  # the planted effect
    assert table_row(absent.to_json())["control"] == "seen"
    noisy = run_claim(unsupported(0.0, spread=0.1))
    assert noisy.verdict == "undecided" and not noisy.control_rejected and not noisy.ok
    assert table_row(noisy.to_json())["control"] == "NOT SEEN" and noisy.power < 0.9
    present = run_claim(unsupported(0.1))
    assert present.verdict == "holds" and not present.ok
