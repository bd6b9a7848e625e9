"""Comparisons that must agree before anything is timed: gradients, single members, and loss curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from neural import Member, Shape, TrainResult, train
from notebooks.bench.ensembles import Task, Way
from notebooks.bench.peers import PLAIN, modules_of, train_plainly
from synthetic.features.views import FeatureViews

STEPS = 15


@dataclass(frozen=True)
class Gate:
    """One comparison.

    Attributes
    ----------
    name : str
    error : float
        Largest difference, relative to the largest entry.
    bound : float
        Largest error that is accepted.
    """

    name: str
    error: float
    bound: float

    @property
    def ok(self) -> bool:
        """Whether the error is at most the bound; not a number is not."""
        return self.error <= self.bound

    def text(self) -> str:
        """The comparison in one line."""
        return (
            f"{self.name}: error {self.error:.1e}, bound {self.bound:.0e}{'' if self.ok else ', NOT PASSED'}"
        )


@dataclass(frozen=True)
class Recorded:
    """A source of pairs that remembers what it drew.

    Attributes
    ----------
    source : FeatureViews
    drawn : list of pairs of (n, d) tensors
    """

    source: FeatureViews
    drawn: list[tuple[Tensor, Tensor]] = field(default_factory=list, compare=False)

    @property
    def dim(self) -> int:
        """Input dimension."""
        return self.source.dim

    def sample_pairs(self, n: int, generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Draw n pairs from the source, and remember their two views."""
        self.drawn.append(self.source.sample_pairs(n, generator, dtype))
        return self.drawn[-1]

    def batches(self, batch: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The first `steps` batches of what was drawn."""
        x1, x2 = (torch.cat(views).split(batch) for views in zip(*self.drawn, strict=True))
        return zip(x1[:steps], x2[:steps], strict=True)


def gates(
    shape: Shape, source: FeatureViews, device: str, train: Callable[..., TrainResult] = train
) -> list[Gate]:
    """Compare the engine with autograd and torch.optim, and a member of an ensemble with the same member alone.

    Parameters
    ----------
    shape : Shape
        Its loss must be a name in `peers.PLAIN`.
    source : FeatureViews
    device : str
    train : callable
        The training that is checked.

    Returns
    -------
    list of Gate
        The gradient in float64 equals that of autograd on the plain loss (1e-12). The final weights of a member
        equal those of the member trained alone (the same bits; on CUDA 1e-4). The losses of 15 Adam steps in
        float64 equal those of the plain loop on the same batches (1e-10).
    """
    return [
        _gradient_gate(shape, source, device, train),
        _member_gate(shape, source, device, train),
        _curve_gate(shape, source, device, train),
    ]


def peer_gates(task: Task, ways: dict[str, Way]) -> list[Gate]:
    """Compare the gradients of other ensembles in float64 with autograd on the plain loss (1e-12).

    Parameters
    ----------
    task : Task
        Three of its members are compared.
    ways : dict of str to Way
    """
    weights = tuple(w[:3].astype(np.float64) for w in task.weights)
    views = np.random.default_rng(task.seed).normal(size=(2, task.batch, task.model.dim))
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    for w1, w2 in zip(*leaves, strict=True):
        PLAIN[task.loss](*(torch.relu(torch.from_numpy(x) @ w1.T) @ w2.T for x in views)).backward()
    wanted = [leaf.grad for leaf in leaves]
    found = {name: map(torch.as_tensor, way.gradients(weights, *views)) for name, way in ways.items()}
    return [Gate(f"gradient of {name}", _error(got, wanted), 1e-12) for name, got in found.items()]


def _gradient_gate(shape, source, device, train):
    """One step of SGD with step size 1 moves the weights by the gradient."""
    shape = replace(shape, steps=1, optimizer="sgd", dtype="float64")
    recorded = Recorded(source)
    member = Member(seed=0, data=recorded, lr=1.0, momentum=0.0, init_scale=0.1)
    start = train([member], replace(shape, steps=0), device=device, workers=1).network
    recorded.drawn.clear()
    end = train([member], shape, device=device, workers=1).network
    model = modules_of(start)
    ((x1, x2),) = recorded.batches(shape.batch, 1)
    PLAIN[shape.loss](model(x1), model(x2)).backward()
    wanted = [parameter.grad for parameter in model.parameters()]
    got = [(before - after)[0] for before, after in zip(start.weights, end.weights, strict=True)]
    return Gate("gradient", _error(got, wanted), 1e-12)


def _member_gate(shape, source, device, train):
    shape = replace(shape, steps=STEPS)
    members = [Member(seed=e, data=source, data_seed=e // 3, lr=1e-3) for e in range(5)]
    together = train(members, shape, device=device).network
    got, wanted = [], []
    for e in (1, 4):
        got += together.member(e).weights
        wanted += train([members[e]], shape, device=device).network.weights
    return Gate("member alone", _error(got, wanted), 0.0 if device == "cpu" else 1e-4)


def _curve_gate(shape, source, device, train):
    shape = replace(shape, steps=STEPS, dtype="float64")
    recorded = Recorded(source)
    member = Member(seed=0, data=recorded, lr=1e-3)
    start = train([member], replace(shape, steps=0), device=device, workers=1).network
    recorded.drawn.clear()
    curve = train([member], shape, device=device, workers=1, log_every=1).loss[0, :-1]
    batches = recorded.batches(shape.batch, shape.steps)
    plain = train_plainly(modules_of(start), batches, PLAIN[shape.loss], member.lr)
    return Gate(
        "loss curve", _error([torch.as_tensor(curve)], [torch.tensor(plain, dtype=torch.float64)]), 1e-10
    )


def _error(got, wanted):
    differences = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(got, wanted, strict=True)]
    return max(differences, key=lambda d: (d != d, d))
