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
        Median, smallest and largest.
    unit : str
        Empty for a ratio.
    goal : float, optional
    less_is_better : bool
        The goal is an upper bound, as of a time, and not a lower one, as of a rate.
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
        """Whether there is a goal and the median does not reach it."""
        if self.goal is None:
            return False
        return self.value > self.goal if self.less_is_better else self.value < self.goal

    def moved_from(self, old: Measure) -> str:
        """Change against an older measurement, in words; empty where the spreads overlap.

        Parameters
        ----------
        old : Measure
        """
        if self.low <= old.high and old.low <= self.high:
            return ""
        word = "better" if (self.value < old.value) == self.less_is_better else "worse"
        return f"{word}: {number(old.value)} -> {number(self.value)} {self.unit}".rstrip()

    def text(self) -> str:
        """Median, spread and goal: ``8.9 [8.7 to 9.1] of 8.5``, with ``!`` where the goal is not reached."""
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
    """Three digits, without an exponent above a thousandth.

    Parameters
    ----------
    value : float
    """
    if 1000 <= abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.3g}"
