"""Deep linear networks trained on the population spectral contrastive loss: exact gradients, no sampling noise.

Nothing here knows the minimiser: the loss is written in terms of the two moment matrices alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from scipy.integrate import solve_ivp

from neural.seeds import torch_generator
from synthetic.newton import newton_minimum
from theory.features import FeatureModel


def random_start(widths: Sequence[int], scale: float, seed: int) -> list[np.ndarray]:
    """Gaussian layers W_l of shape (widths[l], widths[l-1]), entries of standard deviation `scale`."""
    generator = torch_generator(seed, "random start")
    return [
        scale * torch.randn(out, into, generator=generator, dtype=torch.float64).numpy()
        for into, out in zip(widths[:-1], widths[1:], strict=True)
    ]


def balanced_start(widths: Sequence[int], scale: float, seed: int) -> list[np.ndarray]:
    """Layers with W_l W_l^T = W_{l+1}^T W_{l+1}, random directions and singular values `scale` times 0.5 to 1.5."""
    generator = torch_generator(seed, "balanced start")
    rank = min(widths)
    frames = [
        torch.linalg.qr(torch.randn(width, rank, generator=generator, dtype=torch.float64))[0].numpy()
        for width in widths
    ]
    values = scale * (0.5 + torch.rand(rank, generator=generator, dtype=torch.float64).numpy())
    return [(right * values) @ left.T for left, right in zip(frames[:-1], frames[1:], strict=True)]


def population_gradient(model: FeatureModel, layers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Gradient of the population spectral contrastive loss in every layer."""
    network = end_to_end(layers)
    outer = -4 * network @ model.cross_cov + 4 * network @ model.cov @ network.T @ network @ model.cov
    gradients = []
    for position in range(len(layers)):
        above = reduce(np.matmul, layers[:position:-1], np.eye(layers[-1].shape[0]))
        below = reduce(lambda product, layer: layer @ product, layers[:position], np.eye(layers[0].shape[1]))
        gradients.append(above.T @ outer @ below.T)
    return gradients


def population_flow(
    model: FeatureModel,
    start: Sequence[np.ndarray],
    time: float,
    *,
    head_rate: float = 1.0,
    rtol: float = 1e-10,
    method: str = "DOP853",
) -> list[np.ndarray]:
    """Layers after gradient flow for `time` from `start`.

    Parameters
    ----------
    model : FeatureModel
    start : sequence of arrays
        First layer first; shapes chain from d upwards.
    time : float > 0
    head_rate : float >= 0
        Learning rate of the last layer relative to the others; 0 freezes it.
    rtol : float
        Relative tolerance of the integrator; the absolute one is a hundredth of it.
    method : str
        Of `scipy.integrate.solve_ivp`; "LSODA" for long times, where features that are learnt make the flow stiff.

    Raises
    ------
    RuntimeError
        If the integrator fails.
    """
    rates = [1.0] * (len(start) - 1) + [head_rate]

    def velocity(_, flat):
        gradients = population_gradient(model, _unflatten(flat, start))
        return np.concatenate([-rate * g.ravel() for rate, g in zip(rates, gradients, strict=True)])

    flat = np.concatenate([layer.ravel() for layer in start])
    solution = solve_ivp(velocity, (0, time), flat, method=method, rtol=rtol, atol=rtol / 100, t_eval=[time])
    if not solution.success:
        raise RuntimeError(f"gradient flow failed at time {solution.t[-1]:g}: {solution.message}")
    return _unflatten(solution.y[:, -1], start)


def smallest_norm_minimizer(
    model: FeatureModel, width: int, embed_dim: int, seed: int, *, strength: float, head_factor: float = 1.0
) -> list[np.ndarray]:
    """Two layers that minimise the loss plus a small multiple of the norm of Theorem 3.3.

    Minimises L(W_2 W_1) + strength (|W_1^T W_1|_F^2 + head_factor |W_2^T W_2|_F^2) over both matrices by a
    trust-region Newton method with exact Hessian from a random start; the smallest-norm global minimiser is the
    limit strength -> 0.

    Raises
    ------
    RuntimeError
        If the gradient does not fall below 1e-9.
    """
    start = random_start([model.dim, width, embed_dim], 0.5, seed)
    cov, cross = torch.from_numpy(model.cov), torch.from_numpy(model.cross_cov)

    def loss(flat):
        first, second = _unflatten(flat, start)
        network = second @ first
        fit = -2 * torch.sum(network @ cross * network) + torch.sum((network @ cov @ network.T) ** 2)
        norm = torch.sum((first.T @ first) ** 2) + head_factor * torch.sum((second.T @ second) ** 2)
        return fit + strength * norm

    found = newton_minimum(loss, np.concatenate([layer.ravel() for layer in start]))
    return _unflatten(found, start)


def end_to_end(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Product W_L ... W_1."""
    return reduce(lambda product, layer: layer @ product, layers)


def _unflatten(flat, like):
    ends = np.cumsum([layer.size for layer in like])
    return [flat[end - layer.size : end].reshape(layer.shape) for end, layer in zip(ends, like, strict=True)]
