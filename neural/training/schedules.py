"""Schedules of Gupta et al. (2022): when the encoder and when the head is trained, with any networks and loss.

A schedule is a frozen recipe, and `start` makes a stepper for two modules. The stepper's `step` takes a closure that
computes the loss of the current batch with the current weights, and updates the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from neural.checks import check_below_one, check_integer, check_not_negative, check_positive

Closure = Callable[[], Tensor]


class OptimizerConfig(Protocol):
    """Recipe of an optimiser."""

    @property
    def lr(self) -> float:
        """Step size."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Optimiser of these parameters."""
        ...


@dataclass(frozen=True)
class SGDConfig:
    """Plain SGD; `weight_decay` in torch's convention, (weight_decay/2)|w|^2."""

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive("lr", self.lr)
        check_below_one("momentum", self.momentum)
        check_not_negative("weight_decay", self.weight_decay)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.SGD:
        """See `OptimizerConfig.build`."""
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class AdamConfig:
    """Adam with coupled L2 penalty."""

    lr: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive("lr", self.lr)
        check_not_negative("weight_decay", self.weight_decay)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        """See `OptimizerConfig.build`."""
        return torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)


class Stepper:
    """A schedule bound to an encoder and a head.

    Parameters
    ----------
    encoder, head : nn.Module
        A head without parameters is not trained.
    optimizer : OptimizerConfig
        Recipe for both; each has an optimiser of its own.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module, optimizer: OptimizerConfig) -> None:
        self.encoder = _Part(encoder, optimizer)
        self.head = _Part(head, optimizer)

    def step(self, loss: Closure) -> Tensor:
        """Make one training step on a batch and return the detached loss before it."""
        raise NotImplementedError

    def end_epoch(self, losses: Iterable[Closure]) -> None:
        """Train the head after an epoch, on closures of batches for it alone; by default there is nothing to do."""

    def state_dict(self) -> dict[str, dict]:
        """State of the optimisers, for checkpoints."""
        return {"encoder": self.encoder.state_dict(), "head": self.head.state_dict()}

    def load_state_dict(self, state: dict[str, dict]) -> None:
        """Go on from the state of a stepper of the same schedule and modules."""
        self.encoder.load_state_dict(state["encoder"])
        self.head.load_state_dict(state["head"])


class _Part:
    """Encoder or head with its optimiser."""

    def __init__(self, module: nn.Module, optimizer: OptimizerConfig) -> None:
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = optimizer.build(self.parameters) if self.parameters else None

    def descend(self, loss: Tensor) -> None:
        """Make one step on the parameters of this part only."""
        if self.parameters:
            self.follow(torch.autograd.grad(loss, self.parameters))

    def follow(self, gradients: Iterable[Tensor]) -> None:
        """Make one step of the optimiser with these gradients."""
        if self.optimizer is not None:
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.step()

    def state_dict(self) -> dict:
        return self.optimizer.state_dict() if self.optimizer else {}

    def load_state_dict(self, state: dict) -> None:
        if self.optimizer:
            self.optimizer.load_state_dict(state)


class ScheduleConfig(Protocol):
    """Frozen recipe of a schedule."""

    @property
    def optimizer(self) -> OptimizerConfig:
        """Optimiser of the encoder."""

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper that moves these two."""
        ...


@dataclass(frozen=True)
class Joint:
    """Encoder and head from one gradient (SimCLR)."""

    optimizer: OptimizerConfig = field(default_factory=SGDConfig)

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper of this schedule."""
        return _JointStepper(encoder, head, self.optimizer)


class _JointStepper(Stepper):
    def step(self, loss: Closure) -> Tensor:
        value = loss()
        parts = [part for part in (self.encoder, self.head) if part.parameters]
        gradients = torch.autograd.grad(value, [p for part in parts for p in part.parameters])
        for part in parts:
            part.follow(gradients[: len(part.parameters)])
            gradients = gradients[len(part.parameters) :]
        return value.detach()


@dataclass(frozen=True)
class Alternating:
    """l steps on the head, which stays near its start, then one step on the encoder (Gupta, eq. 8).

    Parameters
    ----------
    inner_steps : int >= 1
        Number l of steps on L + proximal |g - g_k|^2, where g_k are the weights of the head before them.
    proximal : float >= 0
    head_optimizer : OptimizerConfig
        Optimiser of the inner steps.
    restart : bool
        Whether the optimiser of the inner steps forgets its momentum or moments before each step on the encoder.
    optimizer : OptimizerConfig
        Optimiser of the encoder.
    """

    inner_steps: int = 5
    proximal: float = 0.0
    head_optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    restart: bool = True
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)

    def __post_init__(self) -> None:
        check_integer("inner_steps", self.inner_steps, 1)
        check_not_negative("proximal", self.proximal)

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper of this schedule."""
        return _AlternatingStepper(encoder, head, self)


class _AlternatingStepper(Stepper):
    def __init__(self, encoder: nn.Module, head: nn.Module, schedule: Alternating) -> None:
        super().__init__(encoder, head, schedule.optimizer)
        self._schedule, self.head = schedule, _Part(head, schedule.head_optimizer)

    def step(self, loss: Closure) -> Tensor:
        first = self._improve_head(loss) if self.head.parameters else None
        value = loss()
        self.encoder.descend(value)
        return value.detach() if first is None else first

    def _improve_head(self, loss: Closure) -> Tensor:
        """Make all inner steps and return the loss before the first."""
        schedule, head = self._schedule, self.head
        if schedule.restart and head.optimizer is not None:
            head.optimizer.state.clear()
        before = [p.detach().clone() for p in head.parameters]
        losses = []
        for _ in range(schedule.inner_steps):
            value = loss()
            losses.append(value.detach())
            gradients = torch.autograd.grad(value, head.parameters)
            head.follow(
                g + 2 * schedule.proximal * (p.detach() - old)
                for g, p, old in zip(gradients, head.parameters, before, strict=True)
            )
        return losses[0]


@dataclass(frozen=True)
class ExactInner:
    """The head is set to its minimum before each step on the encoder (Gupta, eq. 7).

    Parameters
    ----------
    solve : callable
        () -> None. It sets the head to its minimum for the current encoder, for instance by `exact_spectral_head`.
    optimizer : OptimizerConfig
        Optimiser of the encoder.
    """

    solve: Callable[[], None]
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper of this schedule."""
        return _ExactStepper(encoder, head, self)


class _ExactStepper(Stepper):
    def __init__(self, encoder: nn.Module, head: nn.Module, schedule: ExactInner) -> None:
        super().__init__(encoder, head, schedule.optimizer)
        self._solve = schedule.solve

    def step(self, loss: Closure) -> Tensor:
        with torch.no_grad():
            self._solve()
        value = loss()
        self.encoder.descend(value)
        return value.detach()


@dataclass(frozen=True)
class SlowSingle:
    """The head makes one step at the end of each epoch, with the sum of the gradients of the epoch."""

    optimizer: OptimizerConfig = field(default_factory=SGDConfig)

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper of this schedule."""
        return _SlowSingleStepper(encoder, head, self.optimizer)


class _SlowSingleStepper(Stepper):
    def __init__(self, encoder: nn.Module, head: nn.Module, optimizer: OptimizerConfig) -> None:
        super().__init__(encoder, head, optimizer)
        self._total = [torch.zeros_like(p) for p in self.head.parameters]

    def step(self, loss: Closure) -> Tensor:
        value = loss()
        if self.head.parameters:
            for total, g in zip(
                self._total, torch.autograd.grad(value, self.head.parameters, retain_graph=True), strict=True
            ):
                total += g
        self.encoder.descend(value)
        return value.detach()

    def end_epoch(self, losses: Iterable[Closure]) -> None:
        if self.head.parameters:
            self.head.follow(total.clone() for total in self._total)
            for total in self._total:
                total.zero_()

    def state_dict(self) -> dict[str, dict]:
        return super().state_dict() | {"total": dict(enumerate(self._total))}

    def load_state_dict(self, state: dict[str, dict]) -> None:
        super().load_state_dict(state)
        for total, stored in zip(self._total, state["total"].values(), strict=True):
            total.copy_(stored)


@dataclass(frozen=True)
class SlowOptimal:
    """The head is trained only at the end of each epoch, until its loss no longer falls.

    Parameters
    ----------
    optimizer : OptimizerConfig
    tolerance : float > 0
        The head is left when a pass over the batches lowers the mean loss by less than this fraction.
    max_passes : int >= 1
    """

    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    tolerance: float = 1e-4
    max_passes: int = 100

    def __post_init__(self) -> None:
        check_positive("tolerance", self.tolerance)
        check_integer("max_passes", self.max_passes, 1)

    def start(self, encoder: nn.Module, head: nn.Module) -> Stepper:
        """Stepper of this schedule."""
        return _SlowOptimalStepper(encoder, head, self)


class _SlowOptimalStepper(Stepper):
    def __init__(self, encoder: nn.Module, head: nn.Module, schedule: SlowOptimal) -> None:
        super().__init__(encoder, head, schedule.optimizer)
        self._schedule = schedule

    def step(self, loss: Closure) -> Tensor:
        value = loss()
        self.encoder.descend(value)
        return value.detach()

    def end_epoch(self, losses: Iterable[Closure]) -> None:
        closures, last = list(losses), float("inf")
        for _ in range(self._schedule.max_passes):
            total = 0.0
            for loss in closures:
                value = loss()
                self.head.descend(value)
                total += value.item() / len(closures)
            if last - total < self._schedule.tolerance * abs(total):
                return
            last = total


SCHEDULES = {
    "joint": Joint,
    "alternating": Alternating,
    "slow-single": SlowSingle,
    "slow-optimal": SlowOptimal,
}


def exact_spectral_head(cov: Tensor, cross_cov: Tensor, embed_dim: int) -> Tensor:
    """Head of smallest norm among those that minimise the spectral contrastive loss, given the second moments.

    The loss -2 tr(W X W') + |W C W'|^2 has its minimum at W = (top eigenvectors of A, times the roots of their positive
    eigenvalues)' C^{-1/2} with A = C^{-1/2} X C^{-1/2}, on the range of C.

    Parameters
    ----------
    cov, cross_cov : (m, m) tensors
        Second moment C of the representation in one view, and cross moment X of the two views, symmetric.
    embed_dim : int >= 1
        Rows of the head. Rows beyond the number of positive eigenvalues are 0.

    Returns
    -------
    (embed_dim, m) tensor
    """
    check_integer("embed_dim", embed_dim, 1)
    scale, basis = torch.linalg.eigh(cov)
    inside = scale > scale[-1] * len(cov) * torch.finfo(cov.dtype).eps
    whiten = torch.where(inside, scale.clamp(min=torch.finfo(cov.dtype).tiny).rsqrt(), 0.0)
    root = (basis * whiten) @ basis.mT
    values, vectors = torch.linalg.eigh(root @ cross_cov @ root)
    top = vectors * values.clamp(min=0).sqrt()
    head = (top.flip(-1)[:, :embed_dim]).mT @ root
    missing = embed_dim - len(head)
    return head if missing <= 0 else torch.cat([head, head.new_zeros(missing, head.shape[1])])
