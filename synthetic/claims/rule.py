r"""The rule by which a measurement is held against a prediction.

Exact checks compare at a tolerance written beside them. Statistical checks take independent replicates (own
data, own initial weights); the interval of a comparison is mean :math:`\pm\, t_{n-1}\,\mathrm{SE}` with Student's
quantile at level .01 / 500 two-sided: the whole ledger holds at most 500 comparisons, so that one run of all
claims raises a false alarm with probability at most .01 (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import stats

LEDGER_COMPARISONS = 500
FALSE_ALARM = 0.01
MIN_RESOLUTION = 8.0
MIN_POWER = 0.9

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
        if n < 8:
            raise ValueError(f"a statistical claim needs at least 8 replicates, got {n}")
        mean, se = measured.mean(0), measured.std(0, ddof=1) / np.sqrt(n)
        reach = _quantile(n) * se
        return cls(mean, se, mean - reach, mean + reach, n)

    def moved_to(self, mean: np.ndarray) -> Estimate:
        """What the same replicates would have given around another mean."""
        shift = np.asarray(mean, dtype=float) - self.mean
        return replace(self, mean=self.mean + shift, low=self.low + shift, high=self.high + shift)


class Check(Protocol):
    """How an estimate is held against a prediction."""

    replicated: bool

    def outcome(self, estimate: Estimate, predicted: np.ndarray) -> str:
        """AGREES, DISAGREES or UNCLEAR."""

    def resolution(self, estimate: Estimate, predicted: np.ndarray, control: np.ndarray) -> float | None:
        """Largest distance of control and prediction in standard errors, None where there is no noise."""


@dataclass(frozen=True)
class Exact:
    """Equal up to `tolerance` (absolute)."""

    tolerance: float
    replicated: bool = False

    def outcome(self, estimate, predicted):
        """AGREES when every comparison is within the tolerance, else DISAGREES."""
        return AGREES if np.all(np.abs(estimate.mean - predicted) <= self.tolerance) else DISAGREES

    def resolution(self, estimate, predicted, control):
        """None: no noise."""
        return None


@dataclass(frozen=True)
class Equivalent:
    """Interval inside prediction +- `margin`; if `unbiased`, it must also contain the prediction.

    Unbiased is for measurements whose expectation is the prediction itself; where the prediction is a limit
    (infinite training, no sampling noise in the gradients) only the margin is asked.
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
        """Distance of prediction and control over the standard error, at the comparison that tells them apart best."""
        return _separation(np.abs(np.asarray(control) - predicted), estimate.se)


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
        """Size of the effect over its standard error, at the comparison where the control predicts the other sign."""
        return _separation(
            np.where(np.sign(control) != np.sign(predicted), np.abs(estimate.mean), 0), estimate.se
        )


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
        """Largest excess over the control's bound in standard errors."""
        return _separation(np.maximum(estimate.mean - control, 0), estimate.se)


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
    """

    smallest: float
    replicated: bool = True

    def __post_init__(self):
        if not 0 < self.smallest < np.inf:
            raise ValueError(f"smallest must be > 0 and finite, got {self.smallest}")

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
        return float(stats.nct.sf(_quantile(n), n - 1, _separation(self.smallest, np.max(estimate.se))))

    def resolution(self, estimate, predicted, control):
        """`smallest` in standard errors, at the noisiest comparison."""
        return _separation(self.smallest, np.max(estimate.se))


def _quantile(n: int) -> float:
    """Student's, of the mean of n replicates, at the corrected level."""
    return stats.t.isf(FALSE_ALARM / LEDGER_COMPARISONS / 2, n - 1)


def _towards(predicted, estimate):
    """Ends of each interval, measured towards the predicted side: the one nearer to the other side, and the far one."""
    positive = np.sign(predicted) > 0
    near = np.where(positive, estimate.low, -estimate.high)
    return near, np.where(positive, estimate.high, -estimate.low)


def _separation(distance, se):
    """Largest distance in standard errors, at most 1e6 (replicates that do not differ at all)."""
    return float(np.max(np.minimum(distance / np.maximum(se, 1e-300), 1e6)))
