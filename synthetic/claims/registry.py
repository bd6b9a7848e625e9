"""A claim: one sentence of theory, held against a measurement that does not know the formula."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from synthetic.claims.rule import AGREES, DISAGREES, MIN_RESOLUTION, Check, Estimate, Unsupported
from synthetic.store.versions import recorded_versions

SOURCES = ("paper", "reconstructed", "derived")
VERDICTS = ("holds", "holds within stated limits", "counterexample", "not supported", "fails")


class Prediction(NamedTuple):
    """What theory says, and what its nearest plausible error would say (`control`), comparison by comparison."""

    value: np.ndarray
    control: np.ndarray


@dataclass(frozen=True)
class Claim:
    """One statement with its evidence.

    `measure(seed)` returns the measured values (m,) or replicates (n, m) and knows no formula; `predict(seed)` is
    called after it (only a prediction from a random start uses the seed). For an expected counterexample the
    prediction's `control` is not used: `control_measure` gives the measurement in a case where the statement is
    true, and the same check must accept it. Nor is it for a sentence that is expected to be not supported: there the
    check plants an effect of its smallest size in the replicates, and must see it.
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
    control_measure: Callable[[int], np.ndarray] | None = None

    def __post_init__(self):
        if self.source not in SOURCES:
            raise ValueError(f"source must be one of {SOURCES}, got {self.source!r}")
        if self.expected not in VERDICTS:
            raise ValueError(f"expected must be one of {VERDICTS}, got {self.expected!r}")
        if (self.expected == "holds within stated limits") != bool(self.limits):
            raise ValueError(f"{self.id}: limits are stated exactly when the claim holds within them")
        if (self.expected == "counterexample") != (self.control_measure is not None):
            raise ValueError(f"{self.id}: a counterexample needs a measured control, and only it does")
        if (self.expected == "not supported") != isinstance(self.check, Unsupported):
            raise ValueError(f"{self.id}: 'not supported' is expected exactly when the check is Unsupported")
        if self.expected == "not supported" and self.source == "derived":
            raise ValueError(f"{self.id}: only a paper's sentence can be not supported, this one is derived")


@dataclass(frozen=True)
class ClaimResult:
    """Outcome of one claim at one seed."""

    claim: Claim
    seed: int
    predicted: np.ndarray
    control: np.ndarray
    estimate: Estimate
    verdict: str
    resolution: float | None
    control_rejected: bool
    power: float | None
    seconds: float = field(compare=False)

    @property
    def ok(self) -> bool:
        """Declared verdict, control rejected (a planted effect seen), and resolution enough to tell them apart."""
        enough = self.resolution is None or self.resolution >= MIN_RESOLUTION
        return self.verdict == self.claim.expected and self.control_rejected and enough

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
            "check": f"{claim.check!r}",
            "expected": claim.expected,
            "verdict": self.verdict,
            "predicted": self.predicted.tolist(),
            "measured": estimate.mean.tolist(),
            "standard_error": estimate.se.tolist(),
            "interval": [estimate.low.tolist(), estimate.high.tolist()],
            "replicates": estimate.replicates,
            "resolution": self.resolution,
            "power": self.power,
            "control": {
                "what": claim.control,
                "values": self.control.tolist(),
                "rejected": self.control_rejected,
            },
            "seed": self.seed,
            "versions": recorded_versions(),
            "ok": self.ok,
        }


def run_claim(claim: Claim, seed: int = 0) -> ClaimResult:
    """Measure, then predict, then judge prediction and control by the same check."""
    started = time.perf_counter()
    measured = np.asarray(claim.measure(seed), dtype=float)
    estimate = Estimate.of(measured, claim.check.replicated)
    predicted, control = (np.asarray(values, dtype=float) for values in claim.predict(seed))
    if predicted.shape != estimate.mean.shape:
        raise ValueError(
            f"{claim.id}: predicted {predicted.shape} but measured {estimate.mean.shape} comparisons"
        )
    outcome = claim.check.outcome(estimate, predicted)
    resolution, power = claim.check.resolution(estimate, predicted, control), None
    if isinstance(claim.check, Unsupported):
        planted = claim.check.planted(estimate, predicted)
        control, power = planted.mean, claim.check.power(estimate)
        control_rejected = claim.check.outcome(planted, predicted) == AGREES
    elif claim.control_measure is not None:
        true_case = Estimate.of(claim.control_measure(seed), claim.check.replicated)
        control = true_case.mean
        control_rejected = claim.check.outcome(true_case, predicted) == AGREES
        resolution = claim.check.resolution(estimate, predicted, estimate.mean)
    else:
        control_rejected = claim.check.outcome(estimate, control) == DISAGREES
    return ClaimResult(
        claim,
        seed,
        predicted,
        control,
        estimate,
        _verdict(claim, outcome),
        resolution,
        control_rejected,
        power,
        time.perf_counter() - started,
    )


def _verdict(claim: Claim, outcome: str) -> str:
    if outcome == AGREES:
        return "holds within stated limits" if claim.limits else "holds"
    if outcome == DISAGREES:
        return claim.expected if claim.expected in ("counterexample", "not supported") else "fails"
    return "undecided"
