"""A measured number with its spread and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Measure:
    """Median of repeated measurements.

    Attributes
    ----------
    value, low, high : float
        Median, smallest and largest measurement.
    unit : str
        Empty for a ratio.
    goal : float, optional
        Value to be reached.
    less_is_better : bool
        Whether the goal is an upper bound (of a time) instead of a lower bound (of a rate).
    """

    value: float
    low: float
    high: float
    unit: str = ""
    goal: float | None = None
    less_is_better: bool = False

    @classmethod
    def of(
        cls, samples: Sequence[float], unit: str = "", goal: float | None = None, less_is_better: bool = False
    ) -> Measure:
        """Median, smallest and largest of some samples.

        Parameters
        ----------
        samples : sequence of float
            At least one.
        unit : str
        goal : float, optional
        less_is_better : bool
        """
        value, low, high = (float(f(samples)) for f in (np.median, np.min, np.max))
        return cls(value, low, high, unit, goal, less_is_better)

    @property
    def short_of_goal(self) -> bool:
        """Whether there is a goal that the median does not reach."""
        if self.goal is None:
            return False
        return self.value > self.goal if self.less_is_better else self.value < self.goal

    def moved_from(self, old: Measure) -> str:
        """Describe the change since an older measurement; empty where the two spreads overlap.

        Parameters
        ----------
        old : Measure
        """
        if self.low <= old.high and old.low <= self.high:
            return ""
        word = "better" if (self.value < old.value) == self.less_is_better else "worse"
        return f"{word}: {number(old.value)} -> {number(self.value)} {self.unit}".rstrip()

    def text(self) -> str:
        """Median, spread and goal, such as ``8.9 [8.7 to 9.1] of 8.5``; ``!`` follows a goal that is not reached."""
        spread = "" if self.low == self.high else f" [{number(self.low)} to {number(self.high)}]"
        goal = "" if self.goal is None else f" of {number(self.goal)}{'!' * self.short_of_goal}"
        return number(self.value) + spread + goal

    def to_json(self) -> dict:
        """Fields as plain values, rounded to four digits."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def number(value: float) -> str:
    """Write a number with three digits, without an exponent between 0.0001 and 10 million.

    Parameters
    ----------
    value : float
    """
    if 1000 <= abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.3g}"
