"""Deep linear networks trained on the population spectral contrastive loss: exact gradients, no sampling noise.

Nothing here knows the minimiser: the loss is written in terms of the two moment matrices alone. Layers are matrices
(out, into), or stacks (members, out, into) of many networks that are trained at once, under one model or one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from scipy.integrate import solve_ivp

from neural.seeds import torch_generator
from synthetic.features.newton import newton_minimum
from theory.features.model import FeatureModel


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


def population_loss(model: FeatureModel | Sequence[FeatureModel], layers: Sequence[np.ndarray]) -> np.ndarray:
    r"""Population spectral contrastive loss :math:`-2\,tr(FCF^T)+\|FSF^T\|_F^2`, a float or (members,)."""
    return _loss(*_moments(model), layers)


def population_gradient(
    model: FeatureModel | Sequence[FeatureModel], layers: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Gradient of `population_loss` in every layer; the shapes are those of the layers."""
    return _gradient(*_moments(model), layers)


class Descent(NamedTuple):
    """Where `population_descent` stopped.

    Attributes
    ----------
    layers : list of (members, out, into) arrays
    gap : (members,) array
        Loss above the minimum.
    steps : (members,) array of int
    """

    layers: list[np.ndarray]
    gap: np.ndarray
    steps: np.ndarray


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused below
def population_descent(
    model: FeatureModel | Sequence[FeatureModel],
    start: Sequence[np.ndarray],
    minimum: float | np.ndarray,
    *,
    rate: float = 0.005,
    momentum: float = 0.9,
    tolerance: float = 1e-8,
    steps: int = 50_000,
) -> Descent:
    """Gradient descent with momentum of many networks at once, each until its loss is `tolerance` above `minimum`.

    A member that has arrived is left alone, so its result depends on no other member.

    Parameters
    ----------
    model : FeatureModel, or one for each member
    start : sequence of (members, out, into) arrays
        First layer first.
    minimum : float or (members,) array
        Loss to reach, as `theory.spectral_minimum` has it; the training itself does not use it.
    rate : float > 0
        Step size.
    momentum : float in [0, 1)
    tolerance : float > 0
    steps : int >= 1
        Steps after which a network that has not arrived is an error; looked at every 50 steps.

    Raises
    ------
    ValueError
        If the start is not a stack, or rate, momentum or tolerance are outside their range.
    RuntimeError
        If a network does not arrive, with its index, gap and number of steps.
    """
    _check_descent(start, rate, momentum, tolerance)
    members = len(start[0])
    cov, cross = (np.broadcast_to(part, (members, *part.shape[-2:])) for part in _moments(model))
    minimum = np.broadcast_to(minimum, members)
    layers = [np.array(layer, dtype=float) for layer in start]
    moving = [layer.copy() for layer in layers]
    speed = [np.zeros_like(layer) for layer in layers]
    gap, taken, open_members = np.full(members, np.inf), np.zeros(members, dtype=int), np.arange(members)
    for step in range(steps + 1):
        if step % _LOOK == 0 or step == steps:
            left = _loss(cov[open_members], cross[open_members], moving) - minimum[open_members]
            gap[open_members], taken[open_members] = left, step
            for layer, now in zip(layers, moving, strict=True):
                layer[open_members] = now
            going = (left > tolerance) & np.isfinite(left)
            open_members = open_members[going]
            if not open_members.size:
                break
            moving, speed = ([part[going] for part in parts] for parts in (moving, speed))
        gradients = _gradient(cov[open_members], cross[open_members], moving)
        for now, pace, gradient in zip(moving, speed, gradients, strict=True):
            pace *= momentum
            gradient *= rate
            pace -= gradient
            now += pace
    if not np.all(gap <= tolerance):
        worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
        raise RuntimeError(
            f"population descent: member {worst} is {gap[worst]:.1e} above the minimum after {taken[worst]} steps, "
            f"wanted {tolerance:g} (rate {rate:g}, momentum {momentum:g})"
        )
    return Descent(layers, gap, taken)


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
    solution = solve_ivp(velocity, (0, time), flat, method=method, rtol=rtol, atol=rtol / 100, t_eval=[time])
    if not solution.success:
        raise RuntimeError(f"gradient flow failed at time {solution.t[-1]:g}: {solution.message}")
    return _unflatten(solution.y[:, -1], start)


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused below
def population_runge_kutta(
    model: FeatureModel | Sequence[FeatureModel],
    start: Sequence[np.ndarray],
    time: float,
    *,
    steps: int,
    head_rate: float = 1.0,
) -> list[np.ndarray]:
    """`population_flow` by `steps` equal steps of the classical fourth-order rule: the error falls as steps^-4.

    For stacks: members do not share a step control, so each result is that of its own network. Stable while
    time / steps is below 2.7 over the largest curvature.

    Raises
    ------
    RuntimeError
        If a layer is no longer finite.
    """
    cov, cross = _moments(model)
    stride, rates = time / steps, [1.0] * (len(start) - 1) + [head_rate]

    def slope(layers):
        return [-rate * g for rate, g in zip(rates, _gradient(cov, cross, layers), strict=True)]

    def moved(layers, slopes, by):
        return [layer + by * change for layer, change in zip(layers, slopes, strict=True)]

    layers = [np.array(layer, dtype=float) for layer in start]
    for _ in range(steps):
        k1 = slope(layers)
        k2 = slope(moved(layers, k1, stride / 2))
        k3 = slope(moved(layers, k2, stride / 2))
        k4 = slope(moved(layers, k3, stride))
        layers = [
            layer + stride / 6 * (a + 2 * (b + c) + d)
            for layer, a, b, c, d in zip(layers, k1, k2, k3, k4, strict=True)
        ]
    if not all(np.all(np.isfinite(layer)) for layer in layers):
        raise RuntimeError(f"population flow: not finite with steps of {stride:g}, take more than {steps}")
    return layers


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


_LOOK = 50  # steps between looks at the loss


def _moments(model):
    if isinstance(model, FeatureModel):
        return model.cov, model.cross_cov
    return np.stack([one.cov for one in model]), np.stack([one.cross_cov for one in model])


def _loss(cov, cross, layers):
    network = end_to_end(layers)
    gram = network @ cov @ network.mT
    return np.sum(gram * gram, (-2, -1)) - 2 * np.sum(network @ cross * network, (-2, -1))


def _gradient(cov, cross, layers):
    outputs = list(accumulate(layers, lambda product, layer: layer @ product))
    seen = outputs[-1] @ cov
    signal = 4 * ((seen @ outputs[-1].mT) @ seen - outputs[-1] @ cross)
    gradients = []
    for layer, below in zip(layers[:0:-1], outputs[-2::-1], strict=True):
        gradients.append(signal @ below.mT)
        signal = layer.mT @ signal
    return [signal, *reversed(gradients)]


def _check_descent(start, rate, momentum, tolerance):
    if any(np.ndim(layer) != 3 or len(layer) != len(start[0]) for layer in start):
        shapes = [np.shape(layer) for layer in start]
        raise ValueError(f"start must be stacks (members, out, into) of equal length, got shapes {shapes}")
    for name, value, low, high in (("rate", rate, 0, np.inf), ("tolerance", tolerance, 0, np.inf)):
        if not low < value < high:
            raise ValueError(f"{name} must lie in (0, inf), got {value}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}")


def _unflatten(flat, like):
    ends = np.cumsum([layer.size for layer in like])
    return [flat[end - layer.size : end].reshape(layer.shape) for end, layer in zip(ends, like, strict=True)]
