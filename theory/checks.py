"""Argument checks and the errors that the whole of `theory` raises.

Every message of a check names the argument, the value that was given and the range that is allowed.
"""

from __future__ import annotations

import numpy as np


class AssumptionError(ValueError):
    """A formula was asked for outside the hypotheses under which it is true."""


class ConvergenceError(RuntimeError):
    """A solver did not reach its tolerance; the message gives the residual and the parameters."""


def show(value) -> str:
    """Short printable form of a scalar or an array."""
    return np.array2string(np.asarray(value), threshold=8, precision=6)


def real(name: str, value) -> np.ndarray:
    """`value` as a finite float64 array.

    Raises
    ------
    ValueError
        If it is not numeric or not finite.
    """
    array = numeric(name, value)
    if some(~np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {show(value)}")
    return array


def numeric(name: str, value) -> np.ndarray:
    """`value` as a float64 array; infinity and nan are allowed.

    A float becomes a float64 scalar, which is cheaper and has the methods of an array.

    Raises
    ------
    ValueError
        If it is not numeric.
    """
    if isinstance(value, float):
        return np.float64(value)  # type: ignore[return-value]
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, got {value!r}") from None


def some(mask) -> bool:
    """Whether any entry is true; for a scalar without `any`, which would take longer than the check itself."""
    return bool(mask) if mask.ndim == 0 else bool(mask.any())


def in_range(
    name: str, value, low: float = -np.inf, high: float = np.inf, *, open_low: bool = False
) -> np.ndarray:
    """`value` as a finite float64 array with every entry in [low, high] ((low, high] if `open_low`)."""
    array = real(name, value)
    if some(array <= low if open_low else array < low) or some(array > high):
        left = f"({low:g}" if open_low or np.isneginf(low) else f"[{low:g}"
        right = f"{high:g})" if np.isposinf(high) else f"{high:g}]"
        raise ValueError(f"{name} must lie in {left}, {right}, got {show(value)}")
    return array


def scalar(name: str, value, low: float = -np.inf, *, open_low: bool = False) -> float:
    """`value` as a finite float of at least `low` (above it if `open_low`)."""
    array = in_range(name, value, low, open_low=open_low)
    if array.ndim:
        raise ValueError(f"{name} must be a scalar, got shape {array.shape}")
    return float(array)


def integer(name: str, value, low: int, high: int | None = None) -> int:
    """`value` as an int in low..high."""
    wanted = f"an integer >= {low}" if high is None else f"an integer in {low}..{high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {wanted}, got {value}")
    return int(value)


def choice(name: str, value, options: tuple[str, ...]) -> str:
    """`value` if it is one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return value
