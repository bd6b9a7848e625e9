"""Deep linear networks trained on the population spectral contrastive loss: exact gradients, no sampling noise.

Nothing here knows the minimiser: the loss is written in terms of the two moment matrices alone. Layers are matrices
(out, into), or stacks (members, out, into) of many networks that are trained at once, under one model or each under
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import accumulate

import numpy as np
import torch
from scipy.integrate import solve_ivp

from neural.seeds import torch_generator
from synthetic.features.newton import newton_minimum
from theory.features.model import FeatureModel


@dataclass(frozen=True, eq=False)
class ViewMoments:
    """Second moments of the views where no feature model is behind them, or a sample; the flows take it for a model.

    Parameters
    ----------
    cov, cross_cov : (d, d) arrays
    """

    cov: np.ndarray
    cross_cov: np.ndarray

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return len(self.cov)


Moments = FeatureModel | ViewMoments
LEAST_RTOL = 1e-13  # the integrator takes no relative tolerance below 100 round-off errors


def random_start(widths: Sequence[int], scale: float, seed: int) -> list[np.ndarray]:
    """Gaussian layers W_l of shape (widths[l], widths[l-1]), entries of standard deviation `scale`."""
    generator = torch_generator(seed, "random start")
    return [
        scale * torch.randn(out, into, generator=generator, dtype=torch.float64).numpy()
        for into, out in zip(widths[:-1], widths[1:], strict=True)
    ]


def balanced_start(widths: Sequence[int], scale: float, seed: int, *, power: float = 1.0) -> list[np.ndarray]:
    """Layers with W_l W_l^T = W_{l+1}^T W_{l+1} and random directions.

    The singular values are `scale` times 0.5 to 1.5, raised to `power`; with 2 / depth for it, the product of the
    layers has the same law at every depth.
    """
    generator = torch_generator(seed, "balanced start")
    rank = min(widths)
    frames = [
        torch.linalg.qr(torch.randn(width, rank, generator=generator, dtype=torch.float64))[0].numpy()
        for width in widths
    ]
    values = (scale * (0.5 + torch.rand(rank, generator=generator, dtype=torch.float64).numpy())) ** power
    return [(right * values) @ left.T for left, right in zip(frames[:-1], frames[1:], strict=True)]


def isotropic_start(dim: int, width: int, scale: float, seed: int) -> np.ndarray:
    """Encoder `scale` Q of shape (width, dim), Q with orthonormal rows (or columns, if there are more rows)."""
    (gaussian,) = random_start([max(dim, width), min(dim, width)], 1.0, seed)
    frame = np.linalg.qr(gaussian.T)[0]
    return scale * (frame.T if width < dim else frame)


def aligned_start(dim: int, weight: float, seed: int) -> list[np.ndarray]:
    """Balanced layers whose product is `weight` times the identity, the units between them rotated at random."""
    first = isotropic_start(dim, dim, np.sqrt(weight), seed)
    return [first, first.T]


def population_loss(model: Moments | Sequence[Moments], layers: Sequence):
    r"""Population loss :math:`-2\,tr(W\tilde\Sigma W^T)+\|W\Sigma W^T\|_F^2` of the product W of the layers.

    This is the spectral contrastive loss. The layers may be numpy arrays, or torch tensors where the loss is to be
    differentiated automatically; the result is a scalar, or (members,) for stacks.
    """
    network = end_to_end(layers)
    cov, cross = _moments(model)
    if isinstance(network, torch.Tensor):
        cov, cross = torch.tensor(cov), torch.tensor(cross)
    gram = network @ cov @ network.mT
    return (gram * gram).sum((-2, -1)) - 2 * (network @ cross * network).sum((-2, -1))


def population_gradient(model: Moments | Sequence[Moments], layers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Gradient of `population_loss` with respect to every layer, in the shapes of the layers."""
    cov, cross = _moments(model)
    outputs = list(accumulate(layers, lambda product, layer: layer @ product))
    seen = outputs[-1] @ cov
    signal = 4 * ((seen @ outputs[-1].mT) @ seen - outputs[-1] @ cross)
    gradients = []
    for layer, below in zip(layers[:0:-1], outputs[-2::-1], strict=True):
        gradients.append(signal @ below.mT)
        signal = layer.mT @ signal
    return [signal, *reversed(gradients)]


def population_flow(
    model: Moments | Sequence[Moments],
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
    model : FeatureModel or ViewMoments, or one for each member of a stack
    start : sequence of arrays
        First layer first; shapes chain from d upwards. Stacks share the integrator's steps.
    time : float > 0
    head_rate : float >= 0
        Learning rate of the last layer relative to the others; 0 freezes it.
    rtol : float
        Relative tolerance of the integrator; the absolute one is a hundredth of it.
    method : str
        Of `scipy.integrate.solve_ivp`; the explicit default takes about time times the largest curvature steps.

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
    with np.errstate(over="ignore", invalid="ignore"):  # trial steps that the integrator rejects may overflow
        solution = solve_ivp(
            velocity, (0, time), flat, method=method, rtol=rtol, atol=rtol / 100, t_eval=[time]
        )
    if not solution.success:
        raise RuntimeError(f"gradient flow failed at time {solution.t[-1]:g}: {solution.message}")
    return _unflatten(solution.y[:, -1], start)


def population_path(
    model: FeatureModel, start: Sequence[np.ndarray], times: Sequence[float], **settings
) -> list[list[np.ndarray]]:
    """Layers at each of the increasing `times` of one gradient flow; `settings` are those of `population_flow`."""
    path, now, state = [], 0.0, list(start)
    for time in times:
        if time > now:
            state, now = population_flow(model, state, time - now, **settings), time
        path.append(state)
    return path


def train_to_rest(
    model: Moments | Sequence[Moments],
    start: Sequence[np.ndarray],
    *,
    tolerance: float = 1e-6,
    longest: float = 5000.0,
) -> list[np.ndarray]:
    """Layers after gradient flow until every entry of the gradient is below `tolerance`.

    Raises
    ------
    RuntimeError
        If the gradient is still larger after the time `longest`, or the integrator fails.
    """
    state, time, stride = list(start), 0.0, 25.0
    while time < longest:
        state = population_flow(model, state, stride, rtol=max(tolerance / 100, LEAST_RTOL))
        time, stride = time + stride, min(2 * stride, 200.0)
        size = max(np.abs(gradient).max() for gradient in population_gradient(model, state))
        if size < tolerance:
            return state
    raise RuntimeError(f"train_to_rest: gradient {size:.1e} after time {time:g}, wanted {tolerance:g}")


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

    def loss(flat):
        first, second = _unflatten(flat, start)
        norm = torch.sum((first.T @ first) ** 2) + head_factor * torch.sum((second.T @ second) ** 2)
        return population_loss(model, [first, second]) + strength * norm

    found = newton_minimum(loss, np.concatenate([layer.ravel() for layer in start]))
    return _unflatten(found, start)


def end_to_end(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Product W_L ... W_1."""
    return reduce(lambda product, layer: layer @ product, layers)


def feature_norms(model: FeatureModel, layers: Sequence[np.ndarray]) -> np.ndarray:
    """Weight |W_l ... W_1 v_i| of each feature after each layer: (depth, k), or (depth, members, k) for stacks."""
    products = accumulate(layers, lambda product, layer: layer @ product)
    return np.array([np.linalg.norm(product[..., : model.num_features], axis=-2) for product in products])


def weights_along_flow(
    model: FeatureModel, start: Sequence[np.ndarray], times: Sequence[float], **settings
) -> np.ndarray:
    """Feature weights (times, depth, k) along one gradient flow; `settings` are those of `population_flow`."""
    path = population_path(model, start, times, **settings)
    return np.array([feature_norms(model, layers) for layers in path])


def layer_difference(layers: Sequence[np.ndarray]) -> np.ndarray:
    """W_1 W_1^T - W_2^T W_2 of two layers or stacks: zero where the layers are balanced."""
    first, second = layers
    return first @ np.swapaxes(first, -1, -2) - np.swapaxes(second, -1, -2) @ second


def layer_norm(layers: Sequence[np.ndarray]) -> float:
    """Norm |W_1^T W_1|_F^2 + |W_2^T W_2|_F^2 of Theorem 3.3."""
    return sum(float(np.sum((layer.T @ layer) ** 2)) for layer in layers)


def stack_starts(
    start: Callable, widths: Sequence[int], scale: float, seeds: Sequence[int], **settings
) -> list[np.ndarray]:
    """Layers (members, out, into) of many networks, one for each seed, by either of the two starts above."""
    starts = (start(widths, scale, seed, **settings) for seed in seeds)
    return [np.stack(layers) for layers in zip(*starts, strict=True)]


@lru_cache(maxsize=64)
def _moments_of(model):
    return model.cov, model.cross_cov


def _moments(model):
    if not isinstance(model, Sequence):
        return _moments_of(model)
    return tuple(np.stack(parts) for parts in zip(*map(_moments_of, model), strict=True))


def _unflatten(flat, like):
    ends = np.cumsum([layer.size for layer in like])
    return [flat[end - layer.size : end].reshape(layer.shape) for end, layer in zip(ends, like, strict=True)]
