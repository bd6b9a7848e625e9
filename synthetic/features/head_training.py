"""Encoder and linear head trained on the population loss, in every way that a head can be trained.

As in `synthetic.features.population`, nothing here knows a minimiser or a law: full matrices follow exact gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from neural.seeds import stream_seed
from neural.training.schedules import exact_spectral_head
from synthetic.features.newton import newton_minimum
from synthetic.features.population import feature_norms, population_gradient, population_loss, random_start
from theory.features.model import FeatureModel

DROPPED = 5e-3  # columns of the head below this (times the largest, if that is above 1) are set to zero


def bilevel_flow(
    model: FeatureModel, encoder: np.ndarray, embed_dim: int, time: float, *, rtol: float = 1e-10
) -> list[np.ndarray]:
    """Encoder after gradient flow on min over heads of the loss, and the minimising head.

    Raises
    ------
    RuntimeError
        If the integrator fails.
    """

    def head_of(first):
        moments = [torch.from_numpy(first @ moment @ first.T) for moment in (model.cov, model.cross_cov)]
        return exact_spectral_head(*moments, embed_dim).numpy()

    def velocity(_, flat):
        first = flat.reshape(encoder.shape)
        return -population_gradient(model, [first, head_of(first)])[0].ravel()

    solution = solve_ivp(
        velocity, (0, time), encoder.ravel(), method="DOP853", rtol=rtol, atol=rtol / 100, t_eval=[time]
    )
    if not solution.success:
        raise RuntimeError(f"bilevel flow failed at time {solution.t[-1]:g}: {solution.message}")
    first = solution.y[:, -1].reshape(encoder.shape)
    return [first, head_of(first)]


@dataclass(frozen=True)
class Alternation:
    """Gradient descent with `inner_steps` steps on the head, held near its place, for each on the encoder."""

    inner_steps: int
    step_size: float
    proximal: float = 0.0


def alternating_descent(
    model: FeatureModel, start: Sequence[np.ndarray], schedule: Alternation, time: float
) -> list[np.ndarray]:
    """Both layers after time / step_size outer steps."""
    first, second = (layer.copy() for layer in start)
    step = schedule.step_size
    for _ in range(round(time / step)):
        place = second
        for _ in range(schedule.inner_steps):
            pull = 2 * schedule.proximal * (second - place)
            second = second - step * (population_gradient(model, [first, second])[1] + pull)
        first = first - step * population_gradient(model, [first, second])[0]
    return [first, second]


@dataclass(frozen=True)
class Penalty:
    """encoder |W_1|_F^2 + group |W_2|_{2,1} (columns) + head |W_2|_F^2."""

    encoder: float
    group: float = 0.0
    head: float = 0.0

    def value(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Penalty of two layers."""
        total = self.encoder * torch.sum(first**2) + self.head * torch.sum(second**2)
        return total + self.group * torch.linalg.norm(second, dim=0).sum() if self.group else total


def penalised_minimizer(
    model: FeatureModel, width: int, embed_dim: int, penalty: Penalty, seed: int, *, starts: int = 8
) -> tuple[list[np.ndarray], float]:
    """Lowest minimum of loss plus penalty over both matrices, from several random starts.

    L-BFGS with smoothed column norms from every start. At the best, columns of the head that vanish are set to
    exactly zero, with their units, and the others are refined by Newton steps without smoothing.

    Returns
    -------
    layers : list of two arrays
    value : float
        Loss plus penalty.
    """
    found = []
    for start in range(starts):
        first, second = random_start(
            [model.dim, width, embed_dim], 0.7, stream_seed(seed, "penalised", start)
        )
        for smoothing in (1e-2, 1e-3) if penalty.group else (0.0,):
            first, second, value = _descended(model, first, second, penalty, smoothing)
        found.append((value, start, first, second))
    _, _, first, second = min(found)
    norms = np.linalg.norm(second, axis=0)
    alive = norms > DROPPED * max(norms.max(), 1.0)
    refined = _refined(model, first[alive], second[:, alive], penalty) if alive.any() else (0.0, 0.0)
    first, second = np.zeros_like(first), np.zeros_like(second)
    first[alive], second[:, alive] = refined
    value = _objective(model, penalty, torch.from_numpy(first), torch.from_numpy(second))
    return [first, second], float(value)


def _objective(model, penalty, first, second):
    return population_loss(model, [first, second]) + penalty.value(first, second)


def _descended(model, first, second, penalty, smoothing):
    """Layers after L-BFGS on the smoothed objective."""

    def value_and_gradient(flat):
        one, two = _split(flat, first, second)
        to_one, to_two = population_gradient(model, [one, two])
        norms = np.sqrt(np.sum(two**2, axis=0) + smoothing**2) if penalty.group else np.ones(two.shape[1])
        value = population_loss(model, [one, two]) + penalty.group * norms.sum()
        value += penalty.encoder * np.sum(one**2) + penalty.head * np.sum(two**2)
        to_one = to_one + 2 * penalty.encoder * one
        to_two = to_two + 2 * penalty.head * two + penalty.group * two / norms
        return value, np.concatenate([to_one.ravel(), to_two.ravel()])

    found = minimize(
        value_and_gradient,
        np.concatenate([first.ravel(), second.ravel()]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000, "maxfun": 4000, "ftol": 1e-15, "gtol": 1e-7},
    )
    return *_split(found.x, first, second), found.fun


def _refined(model, first, second, penalty):
    """Stationary layers near the given ones, no column of the head vanishing."""
    found = newton_minimum(
        lambda flat: _objective(model, penalty, *_split(flat, first, second)),
        np.concatenate([first.ravel(), second.ravel()]),
    )
    return _split(found, first, second)


def _split(flat, first, second):
    return flat[: first.size].reshape(first.shape), flat[first.size :].reshape(second.shape)


def frozen_head_minimizer(model: FeatureModel, head: np.ndarray, seed: int) -> np.ndarray:
    """Feature weights (2, k) before and after a fixed head A, at the minimum with vanishing decay of the encoder.

    Minimises L(A W_1) + epsilon |W_1|_F^2 for falling epsilon, each minimisation starting from the last; the squared
    weights of the last two are extrapolated to epsilon = 0.
    """
    (first,) = random_start([model.dim, head.shape[1]], 0.5, seed)
    frozen, squares = torch.from_numpy(head), []
    for strength in (1e-2, 1e-3, 1e-4, 2e-5, 1e-5):

        def loss(flat, strength=strength, shape=first.shape):
            encoder = flat.reshape(shape)
            return population_loss(model, [encoder, frozen]) + strength * torch.sum(encoder**2)

        first = newton_minimum(loss, first.ravel()).reshape(first.shape)
        squares.append(feature_norms(model, [first, head]) ** 2)
    return np.sqrt(np.maximum(2 * squares[-1] - squares[-2], 0))


def squared_loss_flow(
    model: FeatureModel, codes: np.ndarray, start: Sequence[np.ndarray], time: float, *, rtol: float = 1e-10
) -> list[np.ndarray]:
    """Layers after gradient flow of E|W x - C u|^2 on augmented views, moments by enumeration of all signs."""
    k = model.num_features
    signs = 1.0 - 2 * ((np.arange(2**k)[:, None] >> np.arange(k)) & 1)
    label_cov = np.zeros((len(codes), model.dim))
    label_cov[:, :k] = codes @ (signs.T @ (signs * (1 - model.alpha) * model.phi)) / len(signs)
    sizes = np.cumsum([layer.size for layer in start])[:-1]

    def velocity(_, flat):
        first, second = (
            part.reshape(layer.shape) for part, layer in zip(np.split(flat, sizes), start, strict=True)
        )
        outer = 2 * (second @ first @ model.cov - label_cov)
        return -np.concatenate([(second.T @ outer).ravel(), (outer @ first.T).ravel()])

    flat = np.concatenate([layer.ravel() for layer in start])
    solution = solve_ivp(velocity, (0, time), flat, method="DOP853", rtol=rtol, atol=rtol / 100)
    return [
        part.reshape(layer.shape)
        for part, layer in zip(np.split(solution.y[:, -1], sizes), start, strict=True)
    ]


def sampled_descent(
    loss: Callable[[torch.Tensor], torch.Tensor],
    start: Sequence[np.ndarray],
    x: torch.Tensor,
    *,
    step_size: float,
    time: float,
    penalty: float = 0.0,
) -> list[np.ndarray]:
    """Two linear layers after plain gradient descent of any loss of the embeddings of a fixed sample.

    Parameters
    ----------
    loss : callable
        (n, p) embeddings to scalar.
    start : two arrays
    x : (n, d) tensor
    step_size, time : float
        time / step_size steps.
    penalty : float
        Of penalty (|W_1|_F^2 + |W_2|_F^2).
    """
    layers = [torch.from_numpy(layer.copy()).requires_grad_() for layer in start]
    for _ in range(round(time / step_size)):
        gradients = torch.autograd.grad(loss(x @ layers[0].T @ layers[1].T), layers)
        with torch.no_grad():
            for layer, gradient in zip(layers, gradients, strict=True):
                layer -= step_size * (gradient + 2 * penalty * layer)
    return [layer.detach().numpy() for layer in layers]
