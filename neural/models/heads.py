"""Projection heads turn a representation h into an embedding z; each has a module and a recipe."""

from dataclasses import dataclass
from math import exp, inf, log
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neural.checks import check_integer
from neural.models.encoders import initialise


class Head(nn.Module):
    """Representation h of shape (B, in_dim) in, embedding z of shape (B, out_dim) out.

    Attributes
    ----------
    out_dim : int
        Entries of the embedding.
    """

    out_dim: int


class IdentityHead(Head):
    """No head: z = h."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim)
        self.out_dim = in_dim

    def forward(self, h: Tensor) -> Tensor:
        """Return h, shape (B, in_dim)."""
        return h


class LinearHead(Head):
    """z = W h without bias, W of shape (embed_dim, in_dim)."""

    def __init__(self, in_dim: int, embed_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim, embed_dim=embed_dim)
        self.linear = skip_init(nn.Linear, in_dim, embed_dim, bias=False)
        self.out_dim = embed_dim
        initialise(self, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings, shape (B, embed_dim), of representations of shape (B, in_dim)."""
        return self.linear(h)


def symmetrised_relu(z: Tensor, threshold: Tensor | float) -> Tensor:
    """ReLU(z - b) - ReLU(-z - b), entry by entry: soft thresholding for b >= 0.

    Parameters
    ----------
    z : (..., m) tensor
    threshold : tensor that broadcasts against z, or float
        b; for b < 0 both terms are active where abs(z) < -b.
    """
    return torch.relu(z - threshold) - torch.relu(-z - threshold)


class MLPHead(Head):
    """`depth` hidden layers of linear map, batch norm (if asked for) and ReLU, then a linear map.

    With one hidden layer and no batch norm, z = W2 relu(W1 h + b1) + b2.
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int,
        embed_dim: int,
        depth: int = 1,
        batch_norm: bool = False,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim, hidden_dim=hidden_dim, embed_dim=embed_dim, depth=depth)
        widths, layers = [in_dim, *[hidden_dim] * depth], []
        for into, out in zip(widths, widths[1:], strict=False):
            layers += [
                skip_init(nn.Linear, into, out),
                *([nn.BatchNorm1d(out)] if batch_norm else []),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, skip_init(nn.Linear, hidden_dim, embed_dim))
        self.out_dim = embed_dim
        initialise(self, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings, shape (B, embed_dim), of representations of shape (B, in_dim)."""
        return self.layers(h)


class FixedMatrixHead(Head):
    """z = A h with a fixed matrix A of shape (embed_dim, in_dim), which is not trained."""

    matrix: Tensor

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        if matrix.ndim != 2 or not matrix.numel() or not torch.isfinite(matrix).all():
            raise ValueError(f"matrix must be a finite (embed_dim, in_dim) tensor, got {tuple(matrix.shape)}")
        self.register_buffer("matrix", matrix.detach().clone())
        self.out_dim = matrix.shape[0]

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings, shape (B, embed_dim), of representations of shape (B, in_dim)."""
        return h @ self.matrix.mT


class FixedReweightingHead(Head):
    """z_i = decay^{-i} h_i, i = 0, 1, ..; no parameters."""

    scales: Tensor

    def __init__(self, in_dim: int, decay: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim)
        if not 1 < decay < inf:
            raise ValueError(f"decay must be > 1 and finite, got {decay}")
        smallest = torch.finfo(dtype).tiny
        if (in_dim - 1) * log(decay) > -log(smallest):
            raise ValueError(
                f"decay must be at most {exp(-log(smallest) / (in_dim - 1)):.6g} for {in_dim} units in {dtype}, "
                f"got {decay}: the smallest scale is not representable"
            )
        self.register_buffer("scales", (decay ** -torch.arange(in_dim, dtype=torch.float64)).to(dtype))
        self.out_dim = in_dim

    def forward(self, h: Tensor) -> Tensor:
        """Reweighted representations, shape (B, in_dim)."""
        return h * self.scales


class DirectHead(Head):
    """DirectCLR: z is the first embed_dim entries of h."""

    def __init__(self, in_dim: int, embed_dim: int) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim, embed_dim=embed_dim)
        _check_fits(embed_dim, in_dim)
        self.out_dim = embed_dim

    def forward(self, h: Tensor) -> Tensor:
        """First entries, shape (B, embed_dim)."""
        return h[..., : self.out_dim]


class PCAHead(Head):
    """Components of h - mean along embed_dim principal axes, which change only in `refresh`.

    Parameters
    ----------
    in_dim, embed_dim : int
    top : bool
        Whether the axes are those of largest variance; otherwise those of smallest.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, in_dim: int, embed_dim: int, *, top: bool = True) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim, embed_dim=embed_dim)
        _check_fits(embed_dim, in_dim)
        self.top, self.out_dim = top, embed_dim
        self.register_buffer("mean", torch.zeros(in_dim))
        self.register_buffer("axes", torch.eye(embed_dim, in_dim))

    @torch.no_grad()
    def refresh(self, h: Tensor) -> None:
        """Set mean and axes to those of representations (n, in_dim), n >= 2."""
        if h.ndim != 2 or len(h) < 2 or h.shape[1] != self.axes.shape[1]:
            raise ValueError(f"h must have shape (n, {self.axes.shape[1]}) with n >= 2, got {tuple(h.shape)}")
        mean = h.mean(0)
        axes = torch.linalg.eigh((h - mean).mT @ (h - mean))[1].mT  # rows, variance increasing
        self.mean.copy_(mean)
        self.axes.copy_(axes.flip(0)[: self.out_dim] if self.top else axes[: self.out_dim])

    def forward(self, h: Tensor) -> Tensor:
        """Components, shape (B, embed_dim)."""
        return (h - self.mean) @ self.axes.mT


class ThresholdHead(Head):
    """z = w2 S_b(h), entry by entry, with trainable w2 and thresholds b (Xue et al., section 4).

    Parameters
    ----------
    in_dim : int
    shared : bool
        Whether all entries share one threshold.
    """

    def __init__(self, in_dim: int, *, shared: bool = False) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim)
        self.weight = nn.Parameter(torch.ones(in_dim))
        self.threshold = nn.Parameter(torch.zeros(() if shared else in_dim))
        self.out_dim = in_dim

    def forward(self, h: Tensor) -> Tensor:
        """Thresholded and scaled representations, shape (B, in_dim)."""
        return self.weight * symmetrised_relu(h, self.threshold)

    @torch.no_grad()
    def clip(self) -> None:
        """Set negative thresholds to 0."""
        self.threshold.clamp_(min=0)


class HeadConfig(Protocol):
    """Frozen, hashable recipe of a head."""

    def build(self, in_dim: int, generator: torch.Generator) -> Head:
        """Head with fresh weights for representations of `in_dim` entries."""
        ...


@dataclass(frozen=True)
class IdentityConfig:
    """Recipe of `IdentityHead`."""

    def build(self, in_dim: int, generator: torch.Generator) -> IdentityHead:
        """See `HeadConfig.build`."""
        return IdentityHead(in_dim)


@dataclass(frozen=True)
class LinearConfig:
    """Recipe of `LinearHead`."""

    embed_dim: int = 32

    def build(self, in_dim: int, generator: torch.Generator) -> LinearHead:
        """See `HeadConfig.build`."""
        return LinearHead(in_dim, self.embed_dim, generator=generator)


@dataclass(frozen=True)
class MLPConfig:
    """Recipe of `MLPHead`."""

    hidden_dim: int = 64
    embed_dim: int = 32
    depth: int = 1
    batch_norm: bool = False

    def build(self, in_dim: int, generator: torch.Generator) -> MLPHead:
        """See `HeadConfig.build`."""
        return MLPHead(
            in_dim, self.hidden_dim, self.embed_dim, self.depth, self.batch_norm, generator=generator
        )


@dataclass(frozen=True)
class FixedReweightingConfig:
    """Recipe of `FixedReweightingHead`."""

    decay: float = 1.05

    def build(self, in_dim: int, generator: torch.Generator) -> FixedReweightingHead:
        """See `HeadConfig.build`."""
        return FixedReweightingHead(in_dim, self.decay)


@dataclass(frozen=True)
class DirectConfig:
    """Recipe of `DirectHead`."""

    embed_dim: int = 32

    def build(self, in_dim: int, generator: torch.Generator) -> DirectHead:
        """See `HeadConfig.build`."""
        return DirectHead(in_dim, self.embed_dim)


@dataclass(frozen=True)
class FrozenRandomConfig:
    """Recipe of a `FixedMatrixHead` whose matrix is drawn like the initial weights of a `LinearHead`."""

    embed_dim: int = 32

    def build(self, in_dim: int, generator: torch.Generator) -> FixedMatrixHead:
        """See `HeadConfig.build`."""
        return FixedMatrixHead(LinearHead(in_dim, self.embed_dim, generator=generator).linear.weight)


@dataclass(frozen=True)
class FrozenGivenConfig:
    """Recipe of a `FixedMatrixHead` with given rows."""

    rows: tuple[tuple[float, ...], ...]

    def build(self, in_dim: int, generator: torch.Generator) -> FixedMatrixHead:
        """See `HeadConfig.build`."""
        if any(len(row) != in_dim for row in self.rows):
            raise ValueError(f"rows must have {in_dim} entries each, got {[len(row) for row in self.rows]}")
        return FixedMatrixHead(torch.tensor(self.rows))


@dataclass(frozen=True)
class PCAConfig:
    """Recipe of `PCAHead`."""

    embed_dim: int = 32
    top: bool = True

    def build(self, in_dim: int, generator: torch.Generator) -> PCAHead:
        """See `HeadConfig.build`."""
        return PCAHead(in_dim, self.embed_dim, top=self.top)


@dataclass(frozen=True)
class ThresholdConfig:
    """Recipe of `ThresholdHead`."""

    shared: bool = False

    def build(self, in_dim: int, generator: torch.Generator) -> ThresholdHead:
        """See `HeadConfig.build`."""
        return ThresholdHead(in_dim, shared=self.shared)


HEADS: dict[str, type | tuple[type, dict[str, Any]]] = {
    "none": IdentityConfig,
    "linear": LinearConfig,
    "mlp": MLPConfig,
    "deep-mlp": (MLPConfig, {"depth": 2, "batch_norm": True}),
    "fixed-reweighting": FixedReweightingConfig,
    "direct": DirectConfig,
    "frozen": FrozenRandomConfig,
    "pca-top": PCAConfig,
    "pca-bottom": (PCAConfig, {"top": False}),
    "threshold": ThresholdConfig,
}
"""Recipes by the names of the command line; a name can also set fields of its recipe."""


def _check_fits(embed_dim: int, in_dim: int) -> None:
    if embed_dim > in_dim:
        raise ValueError(f"embed_dim must be in [1, {in_dim}] (in_dim), got {embed_dim}")


def _check_dims(**dims: int) -> None:
    for name, value in dims.items():
        check_integer(name, value, 1)
