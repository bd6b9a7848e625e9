"""Roots of many scalar equations at once."""

from __future__ import annotations

import numpy as np

from theory.checks import ConvergenceError

_ITERATIONS = 120


def falling_root(function, low, high, name: str) -> np.ndarray:
    """Roots, to round-off, of functions that are >= 0 at `low` and <= 0 at `high` and cross once.

    Newton's step where it stays inside the bracket and the bracket shrinks, else bisection.

    Parameters
    ----------
    function : callable
        Takes the points (n,), returns values and derivatives (n,).
    low, high : (n,) arrays
    name : str
        What is solved for, for the message.

    Raises
    ------
    ConvergenceError
        If a bracket does not close, or a value is not a number.
    """
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    point, before = (low + high) / 2, high - low
    done = np.zeros(point.shape, dtype=bool)
    for _ in range(_ITERATIONS):
        value, slope = function(point)
        if np.any(np.isnan(value)):
            raise ConvergenceError(f"{name}: the equation is not a number at {point[np.isnan(value)][0]:g}")
        positive = value > 0
        low, high = np.where(positive, point, low), np.where(positive, high, point)
        step = -value / np.where(slope < 0, slope, -np.inf)
        newton = point + step
        usable = (slope < 0) & (newton > low) & (newton < high) & (2 * np.abs(step) <= before)
        width = 4e-16 * np.maximum(np.abs(low), np.abs(high))
        done |= (value == 0) | (high - low <= width) | ((slope < 0) & (np.abs(step) <= 1e-15 * np.abs(point)))
        before = np.where(usable, np.abs(step), (high - low) / 2)
        point = np.where(done, point, np.where(usable, newton, (low + high) / 2))
        if np.all(done):
            return point
    raise ConvergenceError(f"{name}: a bracket of width {np.max(high - low):.1e} is left")
