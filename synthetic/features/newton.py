"""Minimisation to round-off: trust-region Newton with exact Hessian, for losses of a few dozen parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize

SMALLEST_GRADIENT = 1e-9


def newton_minimum(loss: Callable[[torch.Tensor], torch.Tensor], start: np.ndarray) -> np.ndarray:
    """Local minimiser of a smooth loss reached from `start`.

    Parameters
    ----------
    loss : callable
        Flat float64 tensor to scalar tensor.
    start : (n,) array

    Raises
    ------
    RuntimeError
        If the gradient does not fall below 1e-9.
    """
    gradient = _on_array(lambda flat: torch.autograd.functional.jacobian(loss, flat))
    hessian = _on_array(lambda flat: torch.autograd.functional.hessian(loss, flat, vectorize=True))
    found = minimize(
        _on_array(loss),
        start,
        jac=gradient,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-8, "maxiter": 500},
    ).x
    for _ in range(5):  # beyond the round-off of the loss; directions in which it is flat are left alone
        found = found - np.linalg.lstsq(hessian(found), gradient(found), rcond=1e-10)[0]
    size = np.linalg.norm(gradient(found))
    if not size <= SMALLEST_GRADIENT:
        raise RuntimeError(f"newton_minimum: gradient {size:.1e} after the last step")
    return found


def _on_array(function):
    return lambda flat: function(torch.from_numpy(flat)).numpy()
