"""A claim: one sentence of theory, held against a measurement that does not know the formula."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from synthetic.claims.rule import (
    AGREES,
    DISAGREES,
    MIN_RESOLUTION,
    UNCLEAR,
    Check,
    Estimate,
    Unsupported,
    replicates_to_decide,
)
from synthetic.store.versions import recorded_versions

SOURCES = ("paper", "reconstructed", "derived", "identity")
"""Where a statement is from.

A `paper` states it; it is `reconstructed` where the paper names it without the formula; `derived` here. An `identity`
is true of any matrices at any time, so that training cannot break it: its claim tests the code and nothing else.
"""

VERDICTS = (
    "holds",
    "holds within stated limits",
    "counterexample",
    "not supported",
    "undecided",
    "fails",
)


class Prediction(NamedTuple):
    """What theory says, and what its nearest plausible error would say (`control`), comparison by comparison."""

    value: np.ndarray
    control: np.ndarray


def predict_signs(seed: int, *, signs: Sequence[int]) -> Prediction:
    """Sides of zero (+1 or -1) of all comparisons; the control is the opposite side of each."""
    return Prediction(np.array(signs), -np.array(signs))


@dataclass(frozen=True)
class Claim:
    """One statement with its evidence.

    The default control is a prediction: the nearest error that would matter to a user, which the check must reject.
    Two kinds of claims have another one. An expected counterexample has a measured control, a case in which the
    statement is true, and the check must accept it. A sentence that is expected to be not supported has a planted
    one: an effect of the smallest size is added to the replicates, and the check must see it.

    Parameters
    ----------
    id : str
    statement : str
        One sentence of plain English.
    latex : str
        The same as a formula.
    source : {"paper", "reconstructed", "derived", "identity"}
    reference : str
        Paper and theorem, or where the derivation is.
    assumptions : str
    control : str
        What the control is, in words.
    check : Check
        See `synthetic.claims.rule`.
    measure : callable
        `measure(seed)` returns values (m,) or replicates (n, m), and knows no formula.
    predict : callable
        `predict(seed)` returns a `Prediction` of m values. It is called after `measure`; only a prediction from a
        random start uses the seed.
    expected : str
        The declared verdict, one of `VERDICTS`.
    limits : str
        Where it holds, exactly for "holds within stated limits".
    reason : str
        Why the measurement does not decide, exactly for "undecided". The ledger adds how many replicates would.
    quantity : str
        What is measured and in which unit, such as "difference of accuracies".
    control_measure : callable, optional
        The measured control of a counterexample.
    untrained : callable, optional
        The same measurement on networks before training, replicate by replicate, which the check must reject:
        otherwise the claim says nothing about training.
    """

    id: str
    statement: str
    latex: str
    source: str
    reference: str
    assumptions: str
    control: str
    check: Check
    measure: Callable[[int], np.ndarray]
    predict: Callable[[int], Prediction]
    expected: str = "holds"
    limits: str = ""
    reason: str = ""
    quantity: str = ""
    control_measure: Callable[[int], np.ndarray] | None = None
    untrained: Callable[[int], np.ndarray] | None = None

    def __post_init__(self):
        planted = isinstance(self.check, Unsupported)
        if self.source not in SOURCES:
            raise ValueError(f"source must be one of {SOURCES}, got {self.source!r}")
        if self.expected not in VERDICTS:
            raise ValueError(f"expected must be one of {VERDICTS}, got {self.expected!r}")
        if (self.expected == "holds within stated limits") != bool(self.limits):
            raise ValueError(f"{self.id}: limits are stated exactly when the claim holds within them")
        if (self.expected == "undecided") != bool(self.reason):
            raise ValueError(f"{self.id}: a reason is given exactly when the claim is undecided")
        if (self.expected == "counterexample") != (self.control_measure is not None):
            raise ValueError(f"{self.id}: a counterexample needs a measured control, and only it does")
        if self.expected != "undecided" and (self.expected == "not supported") != planted:
            raise ValueError(f"{self.id}: 'not supported' is expected exactly when the check is Unsupported")
        if self.expected == "not supported" and self.source != "paper":
            raise ValueError(
                f"{self.id}: only a paper's sentence can be not supported, this is {self.source}"
            )
        if self.source == "identity" and self.untrained is not None:
            raise ValueError(
                f"{self.id}: an identity holds on untrained networks too, so they are no control"
            )


class Control(NamedTuple):
    """The control of a claim, comparison by comparison.

    Attributes
    ----------
    values : (m,) array
        Predicted, planted or measured.
    differs : (m,) array of bool
        Where the check rejects the control (sees the planted effect, accepts the true case).
    rejected : bool
        Whether the check rejects the control as a whole.
    """

    values: np.ndarray
    differs: np.ndarray
    rejected: bool


class Untrained(NamedTuple):
    """The measurement before training, and whether the check rejects it."""

    estimate: Estimate
    rejected: bool


@dataclass(frozen=True)
class ClaimResult:
    """Outcome of one claim at one seed."""

    claim: Claim
    seed: int
    predicted: np.ndarray
    estimate: Estimate
    verdict: str
    resolution: np.ndarray | None
    control: Control
    untrained: Untrained | None
    power: float | None
    replicates_needed: int | None
    seconds: float = field(compare=False)

    @property
    def ok(self) -> bool:
        """Declared verdict, control rejected with enough resolution, untrained networks rejected.

        Of an undecided claim only the verdict is asked.
        """
        if self.verdict != self.claim.expected:
            return False
        if self.verdict == "undecided":
            return True
        # One comparison is enough to reject an error. An effect is absent only where every comparison would show it.
        decisive = np.min if isinstance(self.claim.check, Unsupported) else np.max
        enough = self.resolution is None or decisive(self.resolution) >= MIN_RESOLUTION
        trained = self.untrained is None or self.untrained.rejected
        return bool(self.control.rejected and enough and trained)

    def to_json(self) -> dict:
        """Everything but the wall time, and the versions in use, as plain values: an entry of the ledger."""
        claim, estimate = self.claim, self.estimate
        return {
            "id": claim.id,
            "statement": claim.statement,
            "latex": claim.latex,
            "source": claim.source,
            "reference": claim.reference,
            "assumptions": claim.assumptions,
            "limits": claim.limits,
            "reason": claim.reason,
            "quantity": claim.quantity,
            "check": f"{claim.check!r}",
            "expected": claim.expected,
            "verdict": self.verdict,
            "asked": [claim.check.describe(value) for value in self.predicted],
            "predicted": self.predicted.tolist(),
            "measured": estimate.mean.tolist(),
            "standard_error": estimate.se.tolist(),
            "interval": [estimate.low.tolist(), estimate.high.tolist()],
            "replicates": estimate.replicates,
            "replicates_needed": self.replicates_needed,
            "resolution": None if self.resolution is None else self.resolution.tolist(),
            "power": self.power,
            "control": {
                "what": claim.control,
                "values": self.control.values.tolist(),
                "differs": self.control.differs.tolist(),
                "rejected": self.control.rejected,
            },
            "untrained": self.untrained
            and {
                "measured": self.untrained.estimate.mean.tolist(),
                "standard_error": self.untrained.estimate.se.tolist(),
                "rejected": self.untrained.rejected,
            },
            "seed": self.seed,
            "versions": recorded_versions(),
            "ok": self.ok,
        }


def run_claim(claim: Claim, seed: int = 0) -> ClaimResult:
    """Measure, then predict, then judge prediction, control and untrained networks by the same check."""
    started = time.perf_counter()
    check = claim.check
    measured = np.asarray(claim.measure(seed), dtype=float)
    estimate = Estimate.of(measured, check.replicated)
    predicted, control = (np.asarray(values, dtype=float) for values in claim.predict(seed))
    if predicted.shape != estimate.mean.shape:
        raise ValueError(
            f"{claim.id}: predicted {predicted.shape} but measured {estimate.mean.shape} comparisons"
        )
    outcome = check.outcome(estimate, predicted)
    planted = isinstance(check, Unsupported)
    if planted:
        case = check.planted(estimate, predicted)
        judged = _judge_control(check, case, predicted, AGREES)._replace(values=case.mean)
    elif claim.control_measure is not None:
        case = Estimate.of(claim.control_measure(seed), check.replicated)
        control = estimate.mean
        judged = _judge_control(check, case, predicted, AGREES)._replace(values=case.mean)
    else:
        judged = _judge_control(check, estimate, control, DISAGREES)
    return ClaimResult(
        claim=claim,
        seed=seed,
        predicted=predicted,
        estimate=estimate,
        verdict=_verdict(claim, outcome),
        resolution=check.resolution(estimate, predicted, control),
        control=judged,
        untrained=claim.untrained and _judge_untrained(claim, measured, predicted, seed),
        power=check.power(estimate) if planted else None,
        replicates_needed=replicates_to_decide(check, estimate, predicted) if outcome == UNCLEAR else None,
        seconds=time.perf_counter() - started,
    )


def _judge_control(check, estimate, values, wanted):
    """Hold values against an estimate, all together and one comparison at a time."""
    differs = [check.outcome(estimate.at(i), values[i : i + 1]) == wanted for i in range(len(values))]
    return Control(values, np.array(differs), check.outcome(estimate, values) == wanted)


def _judge_untrained(claim, measured, predicted, seed):
    """Untrained networks are rejected where the check does not accept them and training changed the measurement.

    The second part keeps noise from passing as a rejection: the interval of the paired differences of trained and
    untrained networks excludes zero in some comparison.
    """
    before = np.asarray(claim.untrained(seed), dtype=float)
    if before.shape != measured.shape:
        raise ValueError(f"{claim.id}: untrained {before.shape} but trained {measured.shape} measurements")
    estimate, change = (Estimate.of(values, claim.check.replicated) for values in (before, measured - before))
    changed = np.any((change.low > 0) | (change.high < 0))
    return Untrained(estimate, bool(changed and claim.check.outcome(estimate, predicted) != AGREES))


def _verdict(claim: Claim, outcome: str) -> str:
    if outcome == AGREES:
        return "holds within stated limits" if claim.limits else "holds"
    if outcome == DISAGREES:
        return claim.expected if claim.expected in ("counterexample", "not supported") else "fails"
    return "undecided"
