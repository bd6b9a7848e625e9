"""Diagonal networks w2 S_b(w1 x) with symmetrised ReLUs, trained on noise-free inputs by exact expected gradients.

The loss is summed over all sign patterns of a positive pair and differentiated automatically; no conserved quantity
or limit is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp

from neural.models.heads import symmetrised_relu


@dataclass(frozen=True)
class ThresholdedStart:
    """Strengths, retentions and starting weights, one entry for each feature; a scalar `b` is shared by all."""

    phi: tuple[float, ...]
    retention: tuple[float, ...]
    w1: tuple[float, ...]
    w2: tuple[float, ...]
    b: tuple[float, ...] | float


def train_thresholded(start: ThresholdedStart, time: float, *, rtol: float = 1e-10):
    """Weights w1 (k,), w2 (k,) and thresholds, (k,) or scalar, after gradient flow.

    Raises
    ------
    RuntimeError
        If the integrator fails.
    """
    k = len(start.phi)
    loss = _PairLoss(start)

    def velocity(_, flat):
        parameters = torch.from_numpy(flat.copy()).requires_grad_()
        (gradient,) = torch.autograd.grad(
            loss(parameters[:k], parameters[k : 2 * k], parameters[2 * k :]), parameters
        )
        return -gradient.numpy()

    flat = np.concatenate([start.w1, start.w2, np.atleast_1d(start.b)]).astype(float)
    solution = solve_ivp(velocity, (0, time), flat, "LSODA", rtol=rtol, atol=rtol / 100)
    if not solution.success:
        raise RuntimeError(f"thresholded flow failed at time {solution.t[-1]:g}: {solution.message}")
    end = solution.y[:, -1]
    return end[:k], end[k : 2 * k], end[2 * k :] if np.ndim(start.b) else end[2 * k]


class _PairLoss:
    """Spectral contrastive loss, all 4^k pairs of sign patterns weighted by their probability."""

    def __init__(self, start):
        k = len(start.phi)
        signs = torch.tensor(1.0 - 2 * ((np.arange(2**k)[:, None] >> np.arange(k)) & 1))
        self.x = signs * torch.tensor(start.phi, dtype=torch.float64)
        agree = 1 + signs[:, None] * signs[None] * torch.tensor(start.retention, dtype=torch.float64)
        self.pairs = agree.prod(-1) / 4**k

    def __call__(self, w1, w2, b):
        gram = self._features(w1, w2, b)
        gram = gram @ gram.T
        return -2 * torch.sum(self.pairs * gram) + torch.mean(gram**2)

    def _features(self, w1, w2, b):
        return w2 * symmetrised_relu(w1 * self.x, b)
