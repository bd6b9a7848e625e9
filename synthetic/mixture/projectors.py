"""Projectors trained from the identity by gradient descent, and the gradient of the losses at the identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neural import info_nce, spectral, torch_generator
from neural.losses import barlow_twins, vicreg
from synthetic.mixture.samples import (
    class_views,
    mixture_views,
    random_basis,
    random_direction,
    same_class_views,
)
from synthetic.store.sweep import sweep

BLOCK = 8
"""Replicates that are trained side by side."""

AVERAGED_SHARE = 0.4
"""Share of the steps, the last ones, whose metrics are averaged: it removes most of the gradient noise."""

Loss = Literal["spectral", "inner", "euclidean", "cosine", "decoupled", "barlow twins", "vicreg"]


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


def projector_losses(
    loss: Loss, temperature, z1: Tensor, z2: Tensor, weights: tuple[float, ...] = ()
) -> Tensor:
    """Losses (members,) of two projected views; only the kinds of InfoNCE have a temperature.

    `weights` are the trade-off of Barlow Twins, or invariance, variance and covariance of VICReg.
    """
    if loss == "spectral":
        return spectral(z1, z2)
    if loss == "barlow twins":
        return barlow_twins(z1, z2, *weights)
    if loss == "vicreg":
        return vicreg(z1, z2, *weights)
    if loss == "decoupled":
        return _decoupled(z1, z2, temperature)
    return info_nce(z1, z2, temperature, loss)


def _decoupled(z1, z2, temperature):
    """Inner products, with the logarithm of the mean over all negative pairs instead of over those of each anchor."""
    scores = z1 @ z2.mT / temperature
    batch = scores.shape[-1]
    negatives = scores.masked_fill(torch.eye(batch, dtype=torch.bool), -torch.inf).flatten(-2)
    positives = scores.diagonal(dim1=-2, dim2=-1).mean(-1)
    return negatives.logsumexp(-1) - np.log(batch * (batch - 1)) - positives


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
    """One block of projectors, trained on fresh views of a Gaussian mixture.

    Parameters
    ----------
    loss : str
        One of `Loss`; "inner", "euclidean" and "cosine" are InfoNCE with that similarity.
    signal_norm : float
        Norm r of the class means; the within-class covariance is I.
    sigma : (float, float)
        Standard deviations of the augmentation of the anchor and of the other view.
    temperature : float
        Only used by the kinds of InfoNCE.
    dim, batch, steps : int
    lr : float
    hidden : int
        0: a full dim x dim matrix. Otherwise a two-layer ReLU network with so many hidden units (>= 2 dim).
    start : {"identity", "random"}
        A ReLU network is equal to the identity, or has normal weights of variance 1 / fan-in.
    classes : int >= 2
        Two classes have the means +-mu; more have orthogonal means of norm r.
    spread : tuple of float
        Factors of sigma by direction, where the augmentation is not isotropic (two classes only); mu is then along
        the sum of the first two directions. Empty: isotropic, and mu in a random direction.
    positives : {"view", "class"}
        The second view is of the same input, or of an independent one of the same class (two classes only).
    weights : tuple of float
        See `projector_losses`.
    seed, block, members : int
        Root seed, which block of replicates, how many. Each has its own data and directions.
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
    start: Literal["identity", "random"] = "identity"
    classes: int = 2
    spread: tuple[float, ...] = ()
    positives: Literal["view", "class"] = "view"
    weights: tuple[float, ...] = ()
    seed: int = 0
    block: int = 0
    members: int = BLOCK


def train_projectors(point: ProjectorTraining) -> np.ndarray:
    """Metrics W^T W by direction after training, each the mean over directions of its kind.

    Returns
    -------
    (members, 3) array
        Along the signal (the contrasts between more than two classes), along the noise, and along the common mean of
        more than two classes (0 for two, which have none).

    Raises
    ------
    FloatingPointError
        If a projector diverges.
    """
    views, bases = _world(point)
    layers = _start(point)
    metrics = train_from_identity(layers, _losses(point), views, steps=point.steps, lr=point.lr)
    return np.array([_by_direction(metric, basis) for metric, basis in zip(metrics, bases, strict=True)])


def _by_direction(metric, basis):
    """Sums of squares along the rows of a basis of the signal space, divided among contrasts, noise and common mean."""
    gram = basis @ metric @ basis.T
    count, dim = len(basis), len(metric)
    noise = (np.trace(metric) - np.trace(gram)) / (dim - count)
    if count == 1:
        return gram[0, 0], noise, 0.0
    common = gram.mean() * count  # along the sum of the class means
    return (np.trace(gram) - common) / (count - 1), noise, common


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
    return np.array([_by_direction(one, basis)[:2] for one, basis in zip(descent, directions, strict=True)])


def projector_metrics(
    trainings: Sequence[ProjectorTraining], replicates: int, *, jobs: int | None = None, progress: bool = True
) -> np.ndarray:
    """Metrics (trainings, replicates, 3) of projectors, see `train_projectors`; sets `block` and `members`."""
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    points = [replace(t, block=block, members=size) for t in trainings for block, size in enumerate(sizes)]
    results = sweep(train_projectors, points, jobs=jobs, progress=progress, label="projectors")
    return np.concatenate(results).reshape(len(trainings), replicates, 3)


def projector_gains(
    trainings: Sequence[ProjectorTraining], replicates: int, *, jobs: int | None = None, progress: bool = True
) -> np.ndarray:
    """Gains (trainings, replicates) of the signal over the noise."""
    metrics = projector_metrics(trainings, replicates, jobs=jobs, progress=progress)
    return np.sqrt(metrics[..., 0] / metrics[..., 1])


def measure_metrics(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Metrics (replicates, trainings, 3) at another seed."""
    seeded = [replace(training, seed=seed) for training in trainings]
    return projector_metrics(seeded, replicates).transpose(1, 0, 2)


def measure_gains(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Gains (replicates, trainings) at another seed."""
    metrics = measure_metrics(trainings, replicates, seed)
    return np.sqrt(metrics[..., 0] / metrics[..., 1])


def measure_class_gains(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Gains of contrasts and of the common mean of several classes, (replicates, 2 x trainings)."""
    metrics = measure_metrics(trainings, replicates, seed)
    return np.sqrt(metrics[..., [0, 2]] / metrics[..., [1]]).reshape(replicates, -1)


def measure_crossing(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Augmentation at which the gain crosses 1, on the line through the log gains of two trainings, (replicates, 1)."""
    first, second = measure_log_gains(trainings, replicates, seed).T
    low, high = (training.sigma[0] for training in trainings)
    return (low - first * (high - low) / (second - first))[:, None]


def measure_log_gains(trainings: Sequence[ProjectorTraining], replicates: int, seed: int) -> np.ndarray:
    """Logarithms of the gains (replicates, trainings): positive for expansion, negative for shrinkage."""
    return np.log(measure_gains(trainings, replicates, seed))


def measure_descent_difference(trainings: Sequence[ProjectorTraining], seed: int) -> np.ndarray:
    """Descent along the signal minus descent across it at W = I, (members, trainings)."""
    descents = [identity_gradient(replace(training, seed=seed)) for training in trainings]
    return np.stack([descent[:, 0] - descent[:, 1] for descent in descents], axis=1)


def _world(point):
    """Sampler of two views (members, batch, dim), and of each member the directions of its class means (k, dim)."""
    generator = torch_generator(point.seed, "projector", point.block)
    if point.classes > 2:
        bases = torch.stack([random_basis(point.dim, generator) for _ in range(point.members)])
        bases = bases[:, : point.classes]
        means = point.signal_norm * bases.float()
        sample = class_views
    else:
        directions = [random_direction(point.dim, generator) for _ in range(point.members)]
        if point.spread:
            directions = [spread_direction(point.dim)] * point.members
        bases = torch.stack(directions)[:, None]
        means = (point.signal_norm * bases[:, 0]).float()
        sample = mixture_views if point.positives == "view" else same_class_views

    sigma = point.sigma
    if point.spread:
        sigma = tuple(size * torch.tensor(point.spread) for size in sigma)

    def views():
        pairs = [sample(mean, sigma, (point.batch,), generator) for mean in means]
        return tuple(torch.stack(views) for views in zip(*pairs, strict=True))

    return views, bases.numpy()


def spread_direction(dim: int) -> Tensor:
    """Direction (dim,) of the class mean under an augmentation that is not isotropic."""
    direction = torch.zeros(dim, dtype=torch.float64)
    direction[:2] = 0.5**0.5
    return direction


def _losses(point):
    return lambda z1, z2: projector_losses(point.loss, point.temperature, z1, z2, point.weights)


def _start(point):
    if point.hidden == 0:
        return identity_layers(point.dim, point.members)
    if point.hidden < 2 * point.dim:
        raise ValueError(f"hidden must be 0 or at least {2 * point.dim}, got {point.hidden}")
    generator = torch_generator(point.seed, "spare", point.block)
    if point.start == "random":
        shapes = (point.hidden, point.dim), (point.dim, point.hidden)
        layers = [
            torch.randn(point.members, *shape, generator=generator) / shape[1] ** 0.5 for shape in shapes
        ]
        return [layer.requires_grad_() for layer in layers]
    eye, rest = torch.eye(point.dim), point.hidden - 2 * point.dim
    spare = torch.randn(rest, point.dim, generator=generator)
    first = torch.cat([eye, -eye, spare / point.dim**0.5])
    second = torch.cat([eye, -eye, torch.zeros(point.dim, rest)], dim=1)
    return [layer.repeat(point.members, 1, 1).requires_grad_() for layer in (first, second)]
