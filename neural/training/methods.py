"""Methods of representation learning: a frozen recipe of each, and the objective that it builds.

An objective computes the loss from the embeddings of a batch. Its trainable parts (predictor, classifier) are trained
with the head. The two views of a batch pass through the networks together, so that the batch norms of encoder, head
and predictor see both.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import skip_init

from neural.checks import check_fraction, check_integer, check_not_negative, check_positive
from neural.losses import barlow_twins, negative_cosine, nt_xent, spectral, supervised_contrastive, vicreg
from neural.models.encoders import initialise
from neural.models.heads import MLPHead


@dataclass(frozen=True)
class Batch:
    """What an objective needs besides the embeddings.

    Attributes
    ----------
    views : (2B, 3, H, W) tensor
        First views, then second views of the same samples in the same order; values in [0, 1].
    labels : (B,) int64 tensor or None
        Classes of the samples, for methods that train on a label.
    """

    views: Tensor
    labels: Tensor | None = None


class Objective(nn.Module):
    """Loss of the embeddings of a batch, together with the trainable parts that it needs.

    Attributes
    ----------
    scale_free : bool
        Whether the loss stays the same when all embeddings are multiplied by one positive number (up to the
        eps of batch norm). A penalty on the head's weights alone then has no minimiser.
    """

    scale_free: bool

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """Scalar loss of embeddings z of shape (2B, p), whose row i belongs to `batch.views[i]`."""
        raise NotImplementedError

    def bind(self, encoder: nn.Module, head: nn.Module) -> None:
        """Prepare for these initial networks, which are on their device; by default there is nothing to do."""

    def after_step(self, encoder: nn.Module, head: nn.Module) -> None:
        """React to an update of the encoder; by default there is nothing to do."""


class MethodConfig(Protocol):
    """Frozen, hashable recipe of a method."""

    @property
    def label(self) -> str | None:
        """Name of the label that the method trains on; None for self-supervised methods."""

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> Objective:
        """Objective for embeddings of `embed_dim` entries; `classes` is the number of values of the label."""
        ...


class PairObjective(Objective):
    """Loss that depends only on the embeddings of the two views."""

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor], *, scale_free: bool) -> None:
        super().__init__()
        self.loss, self.scale_free = loss, scale_free

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See `Objective.forward`."""
        return self.loss(*_two_views(z))


class SupConObjective(Objective):
    """Supervised contrastive loss over both views of all samples."""

    scale_free = True

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See `Objective.forward`."""
        return supervised_contrastive(z, _both_labels(z, batch), self.temperature)


class CrossEntropyObjective(Objective):
    """Cross-entropy of an affine classifier on the embeddings of both views."""

    scale_free = False

    def __init__(self, embed_dim: int, classes: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.classifier = skip_init(nn.Linear, embed_dim, classes)
        initialise(self, generator)

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See `Objective.forward`."""
        return cross_entropy(self.classifier(z), _both_labels(z, batch))

    def predict(self, z: Tensor) -> Tensor:
        """Most likely class of each embedding, shape (n,), of embeddings of shape (n, embed_dim)."""
        return self.classifier(z).argmax(-1)


class SimSiamObjective(Objective):
    """The predictor's output for one view is compared with the other view's embedding, held constant; both ways."""

    scale_free = True

    def __init__(self, embed_dim: int, hidden_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.predictor = _predictor(embed_dim, hidden_dim, generator)

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See `Objective.forward`."""
        z1, z2 = _two_views(z)
        q1, q2 = self.predictor(z).chunk(2)
        return (negative_cosine(q1, z2) + negative_cosine(q2, z1)) / 2


class BYOLObjective(Objective):
    """The predictor's output for one view is compared with the other view's embedding by a target network.

    The target consists of slowly moving copies of encoder and head. `bind` makes the copies, so a state dict can be
    loaded only after it.
    """

    scale_free = True

    def __init__(
        self, embed_dim: int, hidden_dim: int, momentum: float, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.predictor = _predictor(embed_dim, hidden_dim, generator)
        self.target: nn.Module | None = None

    def bind(self, encoder: nn.Module, head: nn.Module) -> None:
        """Copy the networks; the copies are not trained by gradients."""
        self.target = nn.Sequential(deepcopy(encoder), deepcopy(head)).requires_grad_(False)
        self.target.train(self.training)

    @torch.no_grad()
    def after_step(self, encoder: nn.Module, head: nn.Module) -> None:
        """Move the copies' parameters towards the networks' by 1 - momentum; buffers are copied."""
        target = self._bound_target()
        online = chain(encoder.parameters(), head.parameters())
        for slow, fast in zip(target.parameters(), online, strict=True):
            slow.lerp_(fast, 1 - self.momentum)
        for kept, new in zip(target.buffers(), chain(encoder.buffers(), head.buffers()), strict=True):
            kept.copy_(new)

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See `Objective.forward`."""
        _check_views(z)
        q1, q2 = self.predictor(z).chunk(2)
        with torch.no_grad():
            t1, t2 = self._bound_target()(batch.views).chunk(2)
        return 4 + 2 * (negative_cosine(q1, t2) + negative_cosine(q2, t1))

    def _bound_target(self) -> nn.Module:
        if self.target is None:
            raise RuntimeError("BYOL has no target yet: call bind(encoder, head) first")
        return self.target


@dataclass(frozen=True)
class SimCLR:
    """NT-Xent of the two views (Chen et al., 2020); see `neural.losses.nt_xent`.

    Attributes
    ----------
    temperature : float > 0
    """

    label: ClassVar[None] = None
    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> PairObjective:
        """See `MethodConfig.build`."""
        return PairObjective(partial(nt_xent, temperature=self.temperature), scale_free=True)


@dataclass(frozen=True)
class SimSiam:
    """Predictor and stop-gradient (Chen and He, 2021); give it a head with batch norm.

    L = (D(q1, z2) + D(q2, z1)) / 2 in [-1, 1] with D = `neural.losses.negative_cosine` and q the
    predictor's output: linear, batch norm, ReLU, linear.

    Attributes
    ----------
    hidden_dim : int >= 1
        Hidden units of the predictor; the paper takes a quarter of the embedding's dimension.
    """

    label: ClassVar[None] = None
    hidden_dim: int = 64

    def __post_init__(self) -> None:
        check_integer("hidden_dim", self.hidden_dim, 1)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> SimSiamObjective:
        """See `MethodConfig.build`."""
        return SimSiamObjective(embed_dim, self.hidden_dim, generator=generator)


@dataclass(frozen=True)
class BYOL:
    """Predictor and slowly moving target of encoder and head (Grill et al., 2020).

    L = mean |q1/|q1| - t2/|t2||^2 + mean |q2/|q2| - t1/|t1||^2 in [0, 8], q the predictor's output (linear, batch
    norm, ReLU, linear), t the target's embeddings. After every step target = momentum target +
    (1 - momentum) online, parameter by parameter. As in the paper's code the target's batch norm uses the
    statistics of the batch.

    Attributes
    ----------
    hidden_dim : int >= 1
        Hidden units of the predictor.
    momentum : float in [0, 1]
        Constant here; the paper raises it from 0.996 to 1 over hundreds of thousands of steps.
    """

    label: ClassVar[None] = None
    hidden_dim: int = 64
    momentum: float = 0.99

    def __post_init__(self) -> None:
        check_integer("hidden_dim", self.hidden_dim, 1)
        check_fraction("momentum", self.momentum)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> BYOLObjective:
        """See `MethodConfig.build`."""
        return BYOLObjective(embed_dim, self.hidden_dim, self.momentum, generator=generator)


@dataclass(frozen=True)
class BarlowTwins:
    """Cross-correlation close to the identity; see `neural.losses.barlow_twins`.

    Attributes
    ----------
    trade_off : float >= 0
        Weight of the off-diagonal entries.
    """

    label: ClassVar[None] = None
    trade_off: float = 0.005

    def __post_init__(self) -> None:
        check_not_negative("trade_off", self.trade_off)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> PairObjective:
        """See `MethodConfig.build`."""
        return PairObjective(partial(barlow_twins, trade_off=self.trade_off), scale_free=True)


@dataclass(frozen=True)
class VICReg:
    """Invariance, variance hinge and decorrelation; see `neural.losses.vicreg`.

    Attributes
    ----------
    invariance, variance, covariance : float >= 0
        Weights of the terms.
    """

    label: ClassVar[None] = None
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            check_not_negative(name, weight)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> PairObjective:
        """See `MethodConfig.build`."""
        return PairObjective(partial(vicreg, **vars(self)), scale_free=False)


@dataclass(frozen=True)
class Spectral:
    """Spectral contrastive loss of the two views; see `neural.losses.spectral`."""

    label: ClassVar[None] = None

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> PairObjective:
        """See `MethodConfig.build`."""
        return PairObjective(spectral, scale_free=False)


@dataclass(frozen=True)
class SupCon:
    """Supervised contrastive loss (Khosla et al., 2020); see `neural.losses.supervised_contrastive`.

    Attributes
    ----------
    label : str
        Name of the label whose classes attract each other.
    temperature : float > 0
    """

    label: str
    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> SupConObjective:
        """See `MethodConfig.build`."""
        return SupConObjective(self.temperature)


@dataclass(frozen=True)
class CrossEntropy:
    """Supervised learning: an affine classifier on the embeddings.

    Attributes
    ----------
    label : str
        Name of the label that is predicted.
    """

    label: str

    def build(self, embed_dim: int, classes: int | None, generator: torch.Generator) -> CrossEntropyObjective:
        """See `MethodConfig.build`."""
        if classes is None or classes < 2:
            raise ValueError(f"classes must be >= 2 for cross-entropy, got {classes}")
        return CrossEntropyObjective(embed_dim, classes, generator=generator)


METHODS: dict[str, type] = {
    "simclr": SimCLR,
    "simsiam": SimSiam,
    "byol": BYOL,
    "barlow": BarlowTwins,
    "vicreg": VICReg,
    "spectral": Spectral,
    "supcon": SupCon,
    "cross-entropy": CrossEntropy,
}


def _predictor(embed_dim: int, hidden_dim: int, generator: torch.Generator) -> MLPHead:
    return MLPHead(embed_dim, hidden_dim, embed_dim, depth=1, batch_norm=True, generator=generator)


def _check_views(z: Tensor) -> None:
    if z.ndim != 2 or len(z) < 4 or len(z) % 2:
        raise ValueError(f"z must have shape (2B, p) with B >= 2, first views first, got {tuple(z.shape)}")


def _two_views(z: Tensor) -> tuple[Tensor, Tensor]:
    _check_views(z)
    first, second = z.chunk(2)
    return first, second


def _both_labels(z: Tensor, batch: Batch) -> Tensor:
    _check_views(z)
    if batch.labels is None or batch.labels.shape != (len(z) // 2,):
        got = None if batch.labels is None else tuple(batch.labels.shape)
        raise ValueError(f"batch.labels must have shape ({len(z) // 2},), one for each pair, got {got}")
    return batch.labels.repeat(2)
