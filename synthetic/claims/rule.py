r"""The rule by which a measurement is held against a prediction.

Exact checks compare at a tolerance written beside them. Statistical checks take independent replicates (own
data, own initial weights); the interval of a comparison is mean :math:`\pm\, t_{n-1}\,\mathrm{SE}` with Student's
quantile at level 0.01 / 1000 two-sided: the whole ledger holds at most 1,000 comparisons, so that one run of all
claims raises a false alarm with probability at most 0.01 (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import stats

LEDGER_COMPARISONS = 1000
FALSE_ALARM = 0.01
MIN_RESOLUTION = 8.0
MAX_RESOLUTION = 1e6
MIN_POWER = 0.9
MIN_REPLICATES, MAX_REPLICATES = 8, 10_000

AGREES, DISAGREES, UNCLEAR = "agrees", "disagrees", "unclear"


@dataclass(frozen=True)
class Estimate:
    """Mean, standard error and corrected interval of each comparison, and how many replicates are behind them.

    Exact values have standard error 0 and one replicate.
    """

    mean: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    replicates: int = 1

    @classmethod
    def of(cls, measured: np.ndarray, replicated: bool) -> Estimate:
        """From values (m,), or from replicates (n, m) when `replicated`."""
        measured = np.asarray(measured, dtype=float)
        if not np.all(np.isfinite(measured)):
            raise ValueError("a measurement is not finite")
        if not replicated:
            return cls(measured, np.zeros_like(measured), measured, measured)
        n = len(measured)
        if n < MIN_REPLICATES:
            raise ValueError(f"a statistical claim needs at least {MIN_REPLICATES} replicates, got {n}")
        return cls._around(measured.mean(0), measured.std(0, ddof=1) / np.sqrt(n), n)

    @classmethod
    def _around(cls, mean, se, n):
        reach = _quantile(n) * se
        return cls(mean, se, mean - reach, mean + reach, n)

    def with_replicates(self, n: int) -> Estimate:
        """What n replicates of the same mean and spread would give."""
        return self._around(self.mean, self.se * np.sqrt(self.replicates / n), n)

    def at(self, comparison: int) -> Estimate:
        """One of the comparisons alone."""
        chosen = slice(comparison, comparison + 1)
        return Estimate(
            self.mean[chosen], self.se[chosen], self.low[chosen], self.high[chosen], self.replicates
        )

    def moved_to(self, mean: np.ndarray) -> Estimate:
        """What the same replicates would have given around another mean."""
        shift = np.asarray(mean, dtype=float) - self.mean
        return replace(self, mean=self.mean + shift, low=self.low + shift, high=self.high + shift)


class Check(Protocol):
    """How an estimate is held against a prediction."""

    replicated: bool

    def outcome(self, estimate: Estimate, predicted: np.ndarray) -> str:
        """AGREES, DISAGREES or UNCLEAR."""

    def resolution(self, estimate: Estimate, predicted: np.ndarray, control: np.ndarray) -> np.ndarray | None:
        """Distance of control and prediction in standard errors, by comparison; None where there is no noise."""

    def describe(self, predicted: float) -> str:
        """What the prediction asks of the measurement, such as "> 0"."""


@dataclass(frozen=True)
class Exact:
    """Equal up to `tolerance` (absolute)."""

    tolerance: float
    replicated: bool = False

    def outcome(self, estimate, predicted):
        """AGREES when every comparison is within the tolerance, else DISAGREES."""
        return AGREES if np.all(np.abs(estimate.mean - predicted) <= self.tolerance) else DISAGREES

    def resolution(self, estimate, predicted, control):
        """None: there is no noise."""
        return None

    def describe(self, predicted):
        """The prediction and its tolerance."""
        return _number(predicted) + (f" ± {self.tolerance:.2g}" if self.tolerance else "")


@dataclass(frozen=True)
class Equivalent:
    """Interval inside prediction +- `margin`; if `unbiased`, it must also contain the prediction.

    Unbiased is for measurements whose expectation is the prediction itself. Where the prediction is a limit (infinite
    training, no sampling noise in the gradients), the interval must only lie inside the margin.
    """

    margin: float
    unbiased: bool = False
    replicated: bool = True

    def outcome(self, estimate, predicted):
        """AGREES inside the margin everywhere, DISAGREES when some interval excludes it, else UNCLEAR."""
        low, high = estimate.low - predicted, estimate.high - predicted
        inside = np.all((low >= -self.margin) & (high <= self.margin))
        if inside and not (self.unbiased and np.any((low > 0) | (high < 0))):
            return AGREES
        outside = (low > self.margin) | (high < -self.margin)
        if self.unbiased:
            outside |= (low > 0) | (high < 0)
        return DISAGREES if np.any(outside) else UNCLEAR

    def resolution(self, estimate, predicted, control):
        """Distance of prediction and control over the standard error."""
        return _in_errors(np.abs(np.asarray(control) - predicted), estimate.se)

    def describe(self, predicted):
        """The prediction and its margin."""
        return f"{_number(predicted)} ± {self.margin:.2g}"


@dataclass(frozen=True)
class Sign:
    """Interval on the predicted side (+1 or -1) of zero, by at least `smallest`."""

    smallest: float = 0.0
    replicated: bool = True

    def outcome(self, estimate, predicted):
        """AGREES when every interval lies on its side, DISAGREES when one lies on the other, else UNCLEAR."""
        near, far = _towards(predicted, estimate)
        if np.all(near > self.smallest):
            return AGREES
        return DISAGREES if np.any(far < self.smallest) else UNCLEAR

    def resolution(self, estimate, predicted, control):
        """Size of the effect over its standard error where the control predicts the other sign, 0 elsewhere."""
        opposed = np.sign(control) != np.sign(predicted)
        return _in_errors(np.where(opposed, np.abs(estimate.mean), 0), estimate.se)

    def describe(self, predicted):
        """The side of zero."""
        return _side(predicted, self.smallest)


@dataclass(frozen=True)
class AtMost:
    """Interval not above the predicted bound by more than `slack`."""

    slack: float = 0.0
    replicated: bool = True

    def outcome(self, estimate, predicted):
        """AGREES when every interval ends below its bound, DISAGREES when one begins above it, else UNCLEAR."""
        if np.all(estimate.high <= predicted + self.slack):
            return AGREES
        return DISAGREES if np.any(estimate.low > predicted + self.slack) else UNCLEAR

    def resolution(self, estimate, predicted, control):
        """Excess over the control's bound in standard errors."""
        return _in_errors(np.maximum(estimate.mean - control, 0), estimate.se)

    def describe(self, predicted):
        """The bound and its slack."""
        return f"≤ {_number(predicted)}" + (f" + {self.slack:.2g}" if self.slack else "")


@dataclass(frozen=True)
class Unsupported:
    """For a sentence that a paper states and that does not appear: no effect of the size `smallest` is there.

    The replicates are the effect, its predicted sign that of the sentence. The sentence is supported where every
    interval lies on its side of zero. It is not supported where every interval ends before an effect of `smallest`
    on that side, provided that such an effect would have been seen (`power`); anything else is undecided.

    Attributes
    ----------
    smallest : float > 0
        The published effect, or the smallest that would matter; written before the run.
    published : float > 0, optional
        The effect that the paper reports, where it reports one; `smallest` may not exceed it, because the check
        could then exclude less than the paper says.
    """

    smallest: float
    published: float | None = None
    replicated: bool = True

    def __post_init__(self):
        if not 0 < self.smallest < np.inf:
            raise ValueError(f"smallest must be > 0 and finite, got {self.smallest}")
        if self.published is not None and not self.smallest <= self.published < np.inf:
            raise ValueError(
                f"smallest must be at most the published effect, got smallest = {self.smallest} and "
                f"published = {self.published}"
            )

    def outcome(self, estimate, predicted):
        """AGREES when the sentence is supported, DISAGREES when it is not, else UNCLEAR."""
        near, far = _towards(predicted, estimate)
        if np.all(near > 0):
            return AGREES
        excluded = np.all(far < self.smallest) and self.power(estimate) >= MIN_POWER
        return DISAGREES if excluded else UNCLEAR

    def planted(self, estimate, predicted):
        """The positive control: the replicates with an effect of `smallest` in place of their own."""
        return estimate.moved_to(np.sign(predicted) * self.smallest)

    def power(self, estimate):
        """Probability that the interval of an effect of `smallest` excludes zero, at the noisiest comparison.

        Student's statistic with n - 1 degrees of freedom and noncentrality smallest / SE, SE as measured.
        """
        n = estimate.replicates
        noncentrality = np.min(_in_errors(self.smallest, estimate.se))
        return float(stats.nct.sf(_quantile(n), n - 1, noncentrality))

    def resolution(self, estimate, predicted, control):
        """`smallest` in standard errors."""
        return _in_errors(np.full_like(estimate.se, self.smallest), estimate.se)

    def describe(self, predicted):
        """The side of zero that the sentence states."""
        return _side(predicted)


def replicates_to_decide(check: Check, estimate: Estimate, predicted: np.ndarray) -> int | None:
    """Replicates with which the check would decide if means and spreads stay as they are; None above 10,000."""

    def decides(n):
        return check.outcome(estimate.with_replicates(n), predicted) != UNCLEAR

    low, high = MIN_REPLICATES - 1, MAX_REPLICATES
    if not decides(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def _quantile(n: int) -> float:
    """Student's, of the mean of n replicates, at the corrected level."""
    return stats.t.isf(FALSE_ALARM / LEDGER_COMPARISONS / 2, n - 1)


def _towards(predicted, estimate):
    """Ends of each interval, measured towards the predicted side: the one nearer to the other side, and the far one."""
    positive = np.sign(predicted) > 0
    near = np.where(positive, estimate.low, -estimate.high)
    return near, np.where(positive, estimate.high, -estimate.low)


def _in_errors(distance, se):
    """Distances in standard errors, at most 1e6 (replicates that do not differ at all)."""
    return np.minimum(distance / np.maximum(se, 1e-300), MAX_RESOLUTION)


def _number(value):
    return f"{value:.4g}"


def _side(predicted, smallest=0.0):
    return f"> {smallest:g}" if predicted > 0 else f"< {-smallest if smallest else 0:g}"
