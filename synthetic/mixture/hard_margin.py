"""The largest-margin classifier of separable data, through the origin."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls


def hard_margin(signed: np.ndarray) -> np.ndarray:
    """Smallest vector w (p,) with `signed` @ w >= 1, as the least-distance problem of Lawson and Hanson.

    Parameters
    ----------
    signed : (n, p) array
        Inputs times their labels; they must be separable.
    """
    scale = np.linalg.norm(signed, axis=1).mean()
    stacked = np.vstack([signed.T / scale, np.ones(len(signed))])
    wanted = np.append(np.zeros(signed.shape[1]), 1.0)
    multipliers, _ = nnls(stacked, wanted, maxiter=100 * len(signed))
    residual = stacked @ multipliers - wanted
    return -residual[:-1] / (residual[-1] * scale)
