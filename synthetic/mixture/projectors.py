"""Projectors trained from the identity on views of a mixture, and the gradient at the identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from neural import info_nce, spectral, torch_generator
from synthetic.mixture.samples import mixture_views, random_direction, signal_gain
from synthetic.store.sweep import sweep

BLOCK = 8  # replicates trained side by side
LAST = 0.4  # share of the steps whose metrics are averaged


@dataclass(frozen=True)
class ProjectorTraining:
    """One block of projectors: Adam with a step that falls linearly to a tenth, fresh batches, start at the identity.

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean", "cosine"}
        Spectral loss, or InfoNCE with that similarity.
    signal_norm : float
    sigma : (float, float)
        Augmentation of the anchor and of the other view.
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

    loss: Literal["spectral", "inner", "euclidean", "cosine"]
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
    """Gains (members,) of the signal direction: metrics W^T W averaged over the last steps.

    For the ReLU projector W is its Jacobian, averaged over inputs of the last batches.

    Raises
    ------
    FloatingPointError
        If a projector diverges.
    """
    generator, directions, means = _world(point)
    layers = _start(point)
    optimizer = torch.optim.Adam(layers, lr=point.lr)
    metrics = torch.zeros(point.members, point.dim, point.dim)
    first = int((1 - LAST) * point.steps)
    for step in range(point.steps):
        optimizer.param_groups[0]["lr"] = point.lr * (1 - 0.9 * step / point.steps)
        views = _views(point, means, generator)
        loss = _loss(point, *(_project(layers, view) for view in views)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step >= first:
            metrics += _metric(layers, views[0])
    if not torch.isfinite(metrics).all():
        raise FloatingPointError(f"a projector of {point} diverged")
    return np.array([signal_gain(m, u) for m, u in zip(metrics.double().numpy(), directions, strict=True)])


def identity_gradient(point: ProjectorTraining) -> np.ndarray:
    """Descent (members, 2) of the loss at W = I by the metric along the signal and, per direction, across it.

    `steps` batches are averaged; `lr` and `hidden` are not used.
    """
    generator, directions, means = _world(point)
    total = torch.zeros(point.members, point.dim, point.dim)
    for _ in range(point.steps):
        layers = _start(replace(point, hidden=0))
        loss = _loss(point, *(_project(layers, view) for view in _views(point, means, generator))).sum()
        total -= torch.autograd.grad(loss, layers)[0] / 2  # dL/dW = 2 dL/dM at W = I
    descent = total.double().numpy() / point.steps
    along = np.einsum("mi,mij,mj->m", directions, descent, directions)
    across = (np.trace(descent, axis1=1, axis2=2) - along) / (point.dim - 1)
    return np.stack([along, across], axis=1)


def projector_gains(
    trainings: Sequence[ProjectorTraining], replicates: int, *, jobs: int = 1, progress: bool = True
):
    """Gains (trainings, replicates) of projectors; `block` and `members` of the trainings are set here."""
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    points = [replace(t, block=block, members=size) for t in trainings for block, size in enumerate(sizes)]
    results = sweep(train_projectors, points, jobs=jobs, progress=progress, label="projectors")
    return np.concatenate(results).reshape(len(trainings), replicates)


def _world(point):
    generator = torch_generator(point.seed, "projector", point.block)
    directions = torch.stack([random_direction(point.dim, generator) for _ in range(point.members)])
    return generator, directions.numpy(), (point.signal_norm * directions).float()


def _views(point, means, generator):
    """Two views (members, batch, dim)."""
    pairs = [mixture_views(mean, point.sigma, (point.batch,), generator) for mean in means]
    return [torch.stack(views) for views in zip(*pairs, strict=True)]


def _start(point):
    eye = torch.eye(point.dim)
    if point.hidden == 0:
        return [eye.repeat(point.members, 1, 1).requires_grad_()]
    if point.hidden < 2 * point.dim:
        raise ValueError(f"hidden must be 0 or at least {2 * point.dim}, got {point.hidden}")
    rest = point.hidden - 2 * point.dim
    spare = (
        torch.randn(rest, point.dim, generator=torch_generator(point.seed, "spare", point.block))
        / point.dim**0.5
    )
    first = torch.cat([eye, -eye, spare])
    second = torch.cat([eye, -eye, torch.zeros(point.dim, rest)], dim=1)
    return [layer.repeat(point.members, 1, 1).requires_grad_() for layer in (first, second)]


def _project(layers, x):
    out = x @ layers[0].mT
    return out if len(layers) == 1 else out.relu() @ layers[1].mT


def _loss(point, z1, z2):
    if point.loss == "spectral":
        return spectral(z1, z2)
    return info_nce(z1, z2, point.temperature, point.loss)


@torch.no_grad()
def _metric(layers, inputs):
    if len(layers) == 1:
        return layers[0].mT @ layers[0]
    first, second = layers
    active = (inputs @ first.mT > 0).float()  # (members, batch, hidden)
    overlap = active.mT @ active / inputs.shape[1]
    return first.mT @ (second.mT @ second * overlap) @ first
