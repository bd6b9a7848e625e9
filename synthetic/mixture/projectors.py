"""Projectors trained from the identity by gradient descent, and the gradient of the losses at the identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neural import info_nce, spectral, torch_generator
from synthetic.mixture.samples import mixture_views, random_direction, signal_gain
from synthetic.store.sweep import sweep

BLOCK = 8
"""Replicates that are trained side by side."""

AVERAGED_SHARE = 0.4
"""Share of the steps, the last ones, whose metrics are averaged: it removes most of the gradient noise."""

Loss = Literal["spectral", "inner", "euclidean", "cosine"]


def train_from_identity(
    layers: list[Tensor],
    losses: Callable[[Tensor, Tensor], Tensor],
    views: Callable[[], tuple[Tensor, Tensor]],
    *,
    steps: int,
    lr: float,
) -> np.ndarray:
    """Train several projectors side by side with Adam; its step falls linearly to a tenth.

    Parameters
    ----------
    layers : list of (members, out, in) tensors
        One layer is a linear projector W. Two layers are a ReLU network, whose W is its Jacobian.
    losses : callable
        Loss of every member, (members,), from the two projected views.
    views : callable
        Returns two fresh views (members, batch, in) at every call.
    steps : int
    lr : float

    Returns
    -------
    (members, in, in) array
        Metrics W^T W, averaged over the last steps and, for a ReLU network, over the inputs.

    Raises
    ------
    FloatingPointError
        If a projector diverges.
    """
    optimizer = torch.optim.Adam(layers, lr=lr)
    first = int((1 - AVERAGED_SHARE) * steps)
    metrics = torch.zeros(())
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - 0.9 * step / steps)
        pair = views()
        total = losses(*(project(layers, view) for view in pair)).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if step >= first:
            metrics = metrics + layer_metrics(layers, pair[0]) / (steps - first)
    if not torch.isfinite(metrics).all():
        raise FloatingPointError(f"a projector diverged at the learning rate {lr:g}")
    return metrics.double().numpy()


def identity_layers(dim: int, members: int) -> list[Tensor]:
    """Linear projectors that are equal to the identity."""
    return [torch.eye(dim).repeat(members, 1, 1).requires_grad_()]


def projector_losses(loss: Loss, temperature, z1: Tensor, z2: Tensor) -> Tensor:
    """Spectral loss, which has no temperature, or InfoNCE with a similarity, (members,)."""
    return spectral(z1, z2) if loss == "spectral" else info_nce(z1, z2, temperature, loss)


def project(layers: list[Tensor], x: Tensor) -> Tensor:
    """Output of one linear layer, or of two with a ReLU between them."""
    out = x @ layers[0].mT
    return out if len(layers) == 1 else out.relu() @ layers[1].mT


@torch.no_grad()
def layer_metrics(layers: list[Tensor], inputs: Tensor) -> Tensor:
    """W^T W of a linear projector; for a ReLU network J^T J of its Jacobian, averaged over the inputs."""
    if len(layers) == 1:
        return layers[0].mT @ layers[0]
    first, second = layers
    active = (inputs @ first.mT > 0).float()  # (members, batch, hidden)
    overlap = active.mT @ active / inputs.shape[1]
    return first.mT @ (second.mT @ second * overlap) @ first


@dataclass(frozen=True)
class ProjectorTraining:
    """One block of projectors, trained from the identity on fresh views of a Gaussian mixture.

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean", "cosine"}
        Spectral loss, or InfoNCE with that similarity.
    signal_norm : float
        Norm r of the class mean; the within-class covariance is I.
    sigma : (float, float)
        Standard deviations of the augmentation of the anchor and of the other view.
    temperature : float
        Not used by the spectral loss.
    dim, batch, steps : int
    lr : float
    hidden : int
        0: a full dim x dim matrix. Otherwise a two-layer ReLU network with so many hidden units (>= 2 dim), equal to
        the identity at the start.
    seed, block, members : int
        Root seed, which block of replicates, how many. Each has its own data and direction.
    """

    loss: Loss
    signal_norm: float
    sigma: tuple[float, float]
    temperature: float = 1.0
    dim: int = 8
    batch: int = 192
    steps: int = 260
    lr: float = 0.03
    hidden: int = 0
    seed: int = 0
    block: int = 0
    members: int = BLOCK


def train_projectors(point: ProjectorTraining) -> np.ndarray:
    """Gains (members,) of the signal direction after training.

    Raises
    ------
    FloatingPointError
        If a projector diverges.
    """
    views, directions = _world(point)
    layers = _start(point)
    metrics = train_from_identity(layers, _losses(point), views, steps=point.steps, lr=point.lr)
    return np.array([signal_gain(m, u) for m, u in zip(metrics, directions, strict=True)])


def identity_gradient(point: ProjectorTraining) -> np.ndarray:
    """Descent (members, 2) of the loss at W = I by the metric along the signal and, per direction, across it.

    `steps` batches are averaged; `lr` and `hidden` are not used.
    """
    views, directions = _world(point)
    total = torch.zeros(point.members, point.dim, point.dim)
    for _ in range(point.steps):
        layers = identity_layers(point.dim, point.members)
        loss = _losses(point)(*(project(layers, view) for view in views())).sum()
        total -= torch.autograd.grad(loss, layers)[0] / 2  # dL/dW = 2 dL/dM at W = I
    descent = total.double().numpy() / point.steps
    along = np.einsum("mi,mij,mj->m", directions, descent, directions)
    across = (np.trace(descent, axis1=1, axis2=2) - along) / (point.dim - 1)
    return np.stack([along, across], axis=1)


def projector_gains(
    trainings: Sequence[ProjectorTraining], replicates: int, *, jobs: int | None = None, progress: bool = True
) -> np.ndarray:
    """Gains (trainings, replicates) of projectors; `block` and `members` of the trainings are set here."""
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    points = [replace(t, block=block, members=size) for t in trainings for block, size in enumerate(sizes)]
    results = sweep(train_projectors, points, jobs=jobs, progress=progress, label="projectors")
    return np.concatenate(results).reshape(len(trainings), replicates)


def measure_gains(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Gains (replicates, trainings) at another seed."""
    seeded = [replace(training, seed=seed) for training in trainings]
    return projector_gains(seeded, replicates).T


def measure_log_gains(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Logarithms of the gains (replicates, trainings): positive for expansion, negative for shrinkage."""
    return np.log(measure_gains(trainings, replicates, seed))


def measure_descent_ratio(trainings: Sequence[ProjectorTraining], seed: int) -> np.ndarray:
    """Descent along the signal minus descent across it at W = I, (members, trainings)."""
    descents = [identity_gradient(replace(training, seed=seed)) for training in trainings]
    return np.stack([descent[:, 0] - descent[:, 1] for descent in descents], axis=1)


def _world(point):
    """Sampler of two views (members, batch, dim), and the directions (members, dim) of the class means."""
    generator = torch_generator(point.seed, "projector", point.block)
    directions = torch.stack([random_direction(point.dim, generator) for _ in range(point.members)])
    means = (point.signal_norm * directions).float()

    def views():
        pairs = [mixture_views(mean, point.sigma, (point.batch,), generator) for mean in means]
        return tuple(torch.stack(views) for views in zip(*pairs, strict=True))

    return views, directions.numpy()


def _losses(point):
    return lambda z1, z2: projector_losses(point.loss, point.temperature, z1, z2)


def _start(point):
    if point.hidden == 0:
        return identity_layers(point.dim, point.members)
    if point.hidden < 2 * point.dim:
        raise ValueError(f"hidden must be 0 or at least {2 * point.dim}, got {point.hidden}")
    eye, rest = torch.eye(point.dim), point.hidden - 2 * point.dim
    spare = torch.randn(rest, point.dim, generator=torch_generator(point.seed, "spare", point.block))
    first = torch.cat([eye, -eye, spare / point.dim**0.5])
    second = torch.cat([eye, -eye, torch.zeros(point.dim, rest)], dim=1)
    return [layer.repeat(point.members, 1, 1).requires_grad_() for layer in (first, second)]
