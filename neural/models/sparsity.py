"""SparseHead (Song et al., 2023): a sparse first layer of the head, by proximal steps."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softshrink

from neural.models.heads import first_linear, group_norm, shrink_groups

Norm = Literal["l21", "l1", "group"]


@dataclass(frozen=True)
class SparseHead:
    """penalty * norm(W) on the first linear layer W of a head, whose columns are the units of the representation.

    Norms: "l21" sum over columns of their lengths; "l1" sum of abs(W_ij); "group" sum over blocks of `group`
    adjacent columns of their Frobenius norms. A subgradient step never sets a column to zero; the proximal step
    does.

    Attributes
    ----------
    penalty : float >= 0
    norm : {"l21", "l1", "group"}
    group : int >= 1
        Columns of a block, for "group" alone; divides their number.

    Raises
    ------
    ValueError
        When a field is out of range.

    Notes
    -----
    Source: paper (the L2,1 penalty; a summary was at hand); l1, group and the fixed norm are ours.
    """

    penalty: float
    norm: Norm = "l21"
    group: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < inf:
            raise ValueError(f"penalty must be >= 0 and finite, got {self.penalty}")
        if self.norm not in ("l21", "l1", "group"):
            raise ValueError(f"norm must be one of 'l21', 'l1', 'group', got {self.norm!r}")
        if self.group < 1:
            raise ValueError(f"group must be >= 1, got {self.group}")

    @torch.no_grad()
    def step(self, head: nn.Module, lr: float, fixed_norm: bool) -> None:
        r"""Proximal step after a step of the optimiser, in place.

        W becomes prox(W) = argmin_V |V - W|_F^2 / 2 + lr penalty norm(V). With plain SGD of step lr this is
        proximal gradient descent on loss + penalty norm(W).

        With `fixed_norm`, W becomes |W|_F prox(W) / |prox(W)|_F, which is the same minimum over the sphere
        |V|_F = |W|_F. It is needed where the network can make up for a smaller W (see `needs_fixed_norm`): the
        loss then has the same values on a whole ray c W, norm(W) goes to 0 along it, and loss + penalty norm(W)
        has no minimiser. On a sphere the penalty is that of the shape norm(W) / |W|_F, and a minimiser exists.

        Other optimisers balance differently. With momentum mu the gradient's steps add up to lr / (1 - mu), so
        that the penalty counts (1 - mu) times. Adam's steps are about lr in every entry, whatever the gradient:
        columns become and stay zero only when the penalty is above about sqrt(embed_dim).

        Parameters
        ----------
        head : nn.Module
        lr : float >= 0
            Step size of the optimiser.
        fixed_norm : bool

        Raises
        ------
        ValueError
            If the head has no linear layer, W is not finite, lr is negative or, with `fixed_norm`, the step
            would leave nothing of W, which stays as it was.
        """
        weight = first_linear(head).weight
        before = torch.linalg.vector_norm(weight)
        if not torch.isfinite(before):
            raise ValueError(f"the head's first linear layer must be finite, its norm is {before}")
        shrunk = self._shrunk(weight, lr * self.penalty)
        if fixed_norm:
            after = torch.linalg.vector_norm(shrunk)
            if after == 0:
                raise ValueError(
                    f"penalty must be small enough to keep a part of the head: {self.penalty} at step size {lr} "
                    f"takes all of a weight of norm {before:.3g}"
                )
            shrunk *= before / after
        weight.copy_(shrunk)

    @torch.no_grad()
    def penalty_value(self, head: nn.Module) -> float:
        """penalty * norm(W) of the head's first linear layer.

        Parameters
        ----------
        head : nn.Module
        """
        weight = first_linear(head).weight
        norm = weight.abs().sum() if self.norm == "l1" else group_norm(weight, self._columns())
        return self.penalty * norm.item()

    def _shrunk(self, weight: Tensor, amount: float) -> Tensor:
        if not 0 <= amount < inf:
            raise ValueError(f"lr must be >= 0 and finite, got lr * penalty = {amount}")
        if self.norm == "l1":
            return softshrink(weight, amount)
        shrunk = weight.clone()
        shrink_groups(shrunk, amount, self._columns())
        return shrunk

    def _columns(self) -> int:
        return self.group if self.norm == "group" else 1


def kept_units(head: nn.Module) -> int:
    """Units of the representation that the head reads: nonzero columns of its first linear layer.

    Parameters
    ----------
    head : nn.Module
    """
    return int(first_linear(head).weight.any(dim=0).sum())


def needs_fixed_norm(head: nn.Module, scale_free: bool) -> bool:
    """Whether the network can make up for a smaller first linear layer, so that `SparseHead` needs a fixed norm.

    Parameters
    ----------
    head : nn.Module
        One with several linear layers can: between layers of positive homogeneity (ReLU, batch norm) what one
        loses another gains.
    scale_free : bool
        Whether the loss does not change when all embeddings are multiplied by one positive number.
    """
    return scale_free or sum(isinstance(layer, nn.Linear) for layer in head.modules()) > 1
