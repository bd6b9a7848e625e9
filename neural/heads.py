"""Projection heads: representation h in, embedding z out; one module and one recipe per head."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neural.initialise import initialise


class IdentityHead(nn.Module):
    """No head: z = h."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim)
        self.out_dim = in_dim

    def forward(self, h: Tensor) -> Tensor:
        """Return h, shape (B, in_dim)."""
        return h


class LinearHead(nn.Module):
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


class MLPHead(nn.Module):
    """z = W2 relu(W1 h + b1) + b2, hidden layer of hidden_dim units."""

    def __init__(self, in_dim: int, hidden_dim: int, embed_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        _check_dims(in_dim=in_dim, hidden_dim=hidden_dim, embed_dim=embed_dim)
        self.layers = nn.Sequential(
            skip_init(nn.Linear, in_dim, hidden_dim), nn.ReLU(), skip_init(nn.Linear, hidden_dim, embed_dim)
        )
        self.out_dim = embed_dim
        initialise(self, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings, shape (B, embed_dim), of representations of shape (B, in_dim)."""
        return self.layers(h)


class HeadConfig(Protocol):
    """Frozen, hashable recipe of a head."""

    def build(self, in_dim: int, generator: torch.Generator) -> nn.Module:
        """Head with fresh weights for representations of `in_dim` entries; has the attribute `out_dim`."""
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

    def build(self, in_dim: int, generator: torch.Generator) -> MLPHead:
        """See `HeadConfig.build`."""
        return MLPHead(in_dim, self.hidden_dim, self.embed_dim, generator=generator)


def _check_dims(**dims: int) -> None:
    for name, value in dims.items():
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}")
