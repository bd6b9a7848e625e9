"""Arguments that the functions on downstream accuracy share."""

from __future__ import annotations

import numpy as np

from theory import checks
from theory.checks import AssumptionError

NOT_COVERED = {
    "bias": "a bias term",
    "class_balance": "unequal class frequencies",
    "noise_covariance": "anisotropic noise",
}

VIEWS = ("both", "clean anchor", "clean negatives")


def cost_of(kappa) -> np.ndarray:
    r"""What the penalty charges for the signal direction, :math:`c = (1+\kappa)^{-2}`; 0 for infinite kappa."""
    kappa = checks.numeric("kappa", kappa)
    if checks.some(~(kappa > -1)):
        raise ValueError(f"kappa must lie in (-1, inf], got {checks.show(kappa)}")
    return 1 / (1 + kappa) ** 2


def signal(value) -> np.ndarray:
    """`signal_norm`, checked."""
    return checks.in_range("signal_norm", value, 0.0)


def ratio(value) -> np.ndarray:
    """`sample_ratio`, checked."""
    return checks.in_range("sample_ratio", value, 0.0, open_low=True)


def view_variances(sigma, views):
    """Variance across the signal of the anchor and of the other views, 1 plus that of their augmentation."""
    views = checks.choice("views", views, VIEWS)
    noisy, clean = 1 + sigma**2, np.ones_like(sigma)
    return clean if views == "clean anchor" else noisy, clean if views == "clean negatives" else noisy


def flattened(*arrays):
    """Common shape of the arrays, and each broadcast to it and flattened."""
    if all(isinstance(a, float) for a in arrays):
        return (), *np.array(arrays, dtype=np.float64)[:, None]
    spread = np.broadcast_arrays(*arrays)
    return (spread[0].shape, *(np.array(a, dtype=np.float64).ravel() for a in spread))


def refuse(not_covered: dict) -> None:
    """Raise for keyword arguments: AssumptionError for what theory here does not cover, else TypeError."""
    for name in not_covered:
        if name in NOT_COVERED:
            raise AssumptionError(
                f"{name}: {NOT_COVERED[name]} is not covered by the asymptotic equations here"
            )
        raise TypeError(f"unexpected argument {name!r}")
