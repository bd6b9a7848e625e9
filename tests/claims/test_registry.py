"""What a claim must state, and how its result is judged."""

import numpy as np
import pytest
from scipy import stats

from synthetic.claims.ledger import table_row
from synthetic.claims.registry import Claim, Prediction, run_claim
from synthetic.claims.rule import Equivalent, Exact, Sign, Unsupported

NOISE = stats.norm.ppf((np.arange(16) + 0.5) / 16)[:, None]


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
    assert toothless.verdict == "holds" and not toothless.control.rejected and not toothless.ok
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
    assert result.verdict == "holds" and np.max(result.resolution) < 8 and not result.ok


def test_counterexample_needs_a_case_where_the_statement_is_true():
    shape = dict(check=Equivalent(0.1), expected="counterexample")
    spread = np.linspace(-0.01, 0.01, 16)[:, None]
    parts = dict(measure=lambda seed: 1.5 + spread, predict=lambda seed: Prediction([1.0], [0.0]))
    found = run_claim(claim(control_measure=lambda seed: 1.0 + spread, **parts, **shape))
    assert found.verdict == "counterexample" and found.ok
    crying_wolf = run_claim(claim(control_measure=lambda seed: 1.5 + spread, **parts, **shape))
    assert not crying_wolf.control.rejected and not crying_wolf.ok
    true_statement = run_claim(
        claim(
            control_measure=lambda seed: 1.0 + spread,
            **{**parts, "measure": lambda seed: 1.0 + spread},
            **shape,
        )
    )
    assert true_statement.verdict == "holds" and not true_statement.ok


def unsupported(effect, spread=0.02):
    """Claim on a paper's sentence that some effect is positive, by 0.1 if it matters; 16 replicates."""
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
    np.testing.assert_allclose(absent.control.values, 0.1)  # the planted effect
    assert table_row(absent.to_json())["control"] == "seen"
    noisy = run_claim(unsupported(0.0, spread=0.1))
    assert noisy.verdict == "undecided" and not noisy.control.rejected and not noisy.ok
    assert table_row(noisy.to_json())["control"] == "NOT SEEN" and noisy.power < 0.9
    present = run_claim(unsupported(0.1))
    assert present.verdict == "holds" and not present.ok


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(expected="not supported", source="paper"), "exactly when the check is Unsupported"),
        (dict(check=Unsupported(0.1), source="paper"), "exactly when the check is Unsupported"),
        (dict(check=Unsupported(0.1), expected="not supported"), "only a paper's sentence"),
        (dict(source="rumour"), "source must be one of"),
        (dict(expected="maybe"), "expected must be one of"),
        (dict(limits="small n"), "limits are stated exactly when"),
        (dict(expected="counterexample"), "needs a measured control"),
        (dict(expected="undecided"), "a reason is given exactly when"),
        (dict(reason="too noisy"), "a reason is given exactly when"),
        (dict(source="identity", untrained=lambda seed: [1.0]), "an identity holds on untrained networks"),
    ],
)
def test_malformed_claims(changes, message):
    with pytest.raises(ValueError, match=message):
        claim(**changes)


def test_prediction_and_measurement_must_match_in_shape():
    with pytest.raises(ValueError, match="predicted"):
        run_claim(claim(predict=lambda seed: Prediction([1.0, 2.0], [0.0, 0.0])))
    with pytest.raises(ValueError, match="untrained"):
        run_claim(claim(untrained=lambda seed: [1.0, 2.0]))


def test_every_comparison_says_whether_the_control_differs_there():
    result = run_claim(
        claim(
            check=Equivalent(0.1),
            measure=lambda seed: np.array([1.0, 2.0, 3.0]) + 0.01 * NOISE,
            predict=lambda seed: Prediction([1.0, 2.0, 3.0], [1.5, 2.0, 2.95]),
        )
    )
    assert result.control.differs.tolist() == [True, False, False] and result.ok
    np.testing.assert_allclose(result.resolution, np.array([0.5, 0.0, 0.05]) / result.estimate.se)


def test_a_planted_effect_is_looked_for_in_every_comparison():
    spread = np.array([0.02, 0.2])
    result = run_claim(
        claim(
            source="paper",
            check=Unsupported(0.1),
            expected="not supported",
            measure=lambda seed: spread * NOISE,
            predict=lambda seed: Prediction([1.0, 1.0], [np.nan, np.nan]),
        )
    )
    assert result.control.differs.tolist() == [True, False] and not result.control.rejected


def undecided(effect, spread):
    return claim(
        check=Sign(),
        expected="undecided",
        reason="sixteen replicates are too few",
        measure=lambda seed: effect + spread * NOISE,
        predict=lambda seed: Prediction([1.0], [-1.0]),
    )


def test_an_undecided_claim_says_how_many_replicates_would_decide():
    result = run_claim(undecided(0.1, 0.1))
    assert result.verdict == "undecided" and result.ok and result.replicates_needed > 16
    needed, spread = result.replicates_needed, result.estimate.se[0] * 4
    for n, decided in ((needed, True), (needed - 1, False)):
        reach = stats.t.isf(0.01 / 1000 / 2, n - 1) * spread / np.sqrt(n)
        assert (0.1 > reach) == decided


def test_an_undecided_claim_that_is_decided_is_not_as_declared():
    result = run_claim(undecided(0.1, 0.01))
    assert result.verdict == "holds" and not result.ok and result.replicates_needed is None


def test_no_number_of_replicates_is_promised_where_there_is_no_effect():
    assert run_claim(undecided(0.0, 0.1)).replicates_needed is None


def trained(effect, untrained):
    return claim(
        check=Sign(),
        measure=lambda seed: effect + 0.01 * NOISE,
        predict=lambda seed: Prediction([1.0], [-1.0]),
        untrained=lambda seed: untrained + 0.01 * NOISE[::-1],
    )


def test_untrained_networks_must_be_rejected():
    assert run_claim(trained(0.5, 0.0)).ok
    assert run_claim(trained(0.5, -0.5)).ok
    without_training = run_claim(trained(0.5, 0.4))
    assert without_training.verdict == "holds"
    assert not without_training.untrained.rejected and not without_training.ok


def test_noise_in_untrained_networks_is_no_rejection():
    """The check is unclear on the untrained networks, but nothing says that training changed anything."""
    noisy = claim(
        check=Sign(),
        measure=lambda seed: 0.05 + 0.01 * NOISE,
        predict=lambda seed: Prediction([1.0], [-1.0]),
        untrained=lambda seed: 0.04 + 0.5 * NOISE[::-1],
    )
    assert not run_claim(noisy).untrained.rejected


def test_the_untrained_measurement_of_an_exact_claim_is_judged_too():
    assert run_claim(claim(untrained=lambda seed: [0.5])).ok
    assert not run_claim(claim(untrained=lambda seed: [1.0])).ok
