"""Roots of many scalar equations at once, as SciPy finds them, with the errors of this package."""

from __future__ import annotations

import numpy as np

from theory.checks import ConvergenceError

_TO_ROUND_OFF = {"xatol": 0.0, "xrtol": 4e-16, "fatol": 0.0, "frtol": 0.0}
_BRACKET_WITHOUT_SIGN_CHANGE = -1  # SciPy's status


def find_roots(function, low, high, args=(), *, name: str) -> np.ndarray:
    """Root of each equation between `low` and `high`, to round-off, by Chandrupatla's method.

    Parameters
    ----------
    function : callable
        Takes the points and the matching entries of every argument, all of one shape (k,); returns values (k,).
    low, high : (n,) arrays
        The function has opposite signs at the two ends, or is zero at one of them.
    args : tuple of (n,) arrays
    name : str
        What is solved for, for the message.

    Raises
    ------
    ConvergenceError
        If a bracket holds no change of sign, or does not close.
    """
    from scipy.optimize.elementwise import find_root  # here, as it takes longer to load than all of `theory`

    low, high, *args = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float), *args)
    if not low.size:
        return low.copy()
    found = find_root(function, (low, high), args=tuple(args), tolerances=_TO_ROUND_OFF)
    if not np.all(found.success):
        worst = int(np.argmin(found.success))
        problem = (
            "no change of sign"
            if found.status[worst] == _BRACKET_WITHOUT_SIGN_CHANGE
            else f"residual {found.f_x[worst]:.1e}"
        )
        point = ", ".join(f"{value[worst]:.6g}" for value in args)
        raise ConvergenceError(
            f"{name}: {problem} between {low[worst]:.6g} and {high[worst]:.6g} at parameters ({point})"
        )
    return found.x
