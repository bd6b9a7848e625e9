"""A penalty that makes the first layer of any head sparse (SparseHead of Song et al., 2023), by proximal steps."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softshrink

from neural.checks import check_choice, check_integer, check_not_negative

Norm = Literal["l21", "l1", "group"]


@dataclass(frozen=True)
class SparsePenalty:
    """penalty * norm(W) on the first linear layer W of a head, whose columns are the units of the representation.

    Norms: "l21" sum over columns of their lengths; "l1" sum of abs(W_ij); "group" sum over blocks of `group`
    adjacent columns of their Frobenius norms. The penalty acts by proximal steps, because they set columns exactly to
    zero, which subgradient steps never do.

    Attributes
    ----------
    penalty : float >= 0
    norm : {"l21", "l1", "group"}
    group : int >= 1
        Columns of a block, used by "group" only; it must divide their number.

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
        check_not_negative("penalty", self.penalty)
        check_choice("norm", self.norm, ("l21", "l1", "group"))
        check_integer("group", self.group, 1)

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


def first_linear(head: nn.Module) -> nn.Linear:
    """The linear layer of a head that is fed by the representation; its columns are the representation's units.

    Parameters
    ----------
    head : nn.Module

    Raises
    ------
    ValueError
        If the head has no linear layer.
    """
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            return layer
    raise ValueError(f"head must have a linear layer fed by the representation, got {type(head).__name__}")


@torch.no_grad()
def shrink_groups(weight: Tensor, amount: float, group: int = 1) -> None:
    """Proximal step of amount * L2,1 in place: every column is shortened by `amount`, at most to zero.

    Parameters
    ----------
    weight : (embed_dim, in_dim) tensor
        As in torch.nn.Linear: one column for each unit of the representation.
    amount : float >= 0
        Penalty times step size.
    group : int >= 1
        Adjacent columns that count as one, their length the Frobenius norm; divides in_dim.

    Raises
    ------
    ValueError
        If amount is negative or group does not divide in_dim.
    """
    check_not_negative("amount", amount)
    lengths = _group_lengths(weight, group)
    kept = (lengths - amount).clamp(min=0) / lengths.clamp(min=torch.finfo(weight.dtype).tiny)
    weight *= kept.repeat_interleave(group)


def kept_units(head: nn.Module) -> int:
    """Units of the representation that the head reads: nonzero columns of its first linear layer.

    Parameters
    ----------
    head : nn.Module
    """
    return int(first_linear(head).weight.any(dim=0).sum())


def needs_fixed_norm(head: nn.Module, scale_free: bool) -> bool:
    """Whether the network can make up for a smaller first linear layer, so that `SparsePenalty` needs a fixed norm.

    Parameters
    ----------
    head : nn.Module
        One with several linear layers can: between layers of positive homogeneity (ReLU, batch norm) what one
        loses another gains.
    scale_free : bool
        Whether the loss does not change when all embeddings are multiplied by one positive number.
    """
    return scale_free or sum(isinstance(layer, nn.Linear) for layer in head.modules()) > 1


def _group_lengths(weight: Tensor, group: int) -> Tensor:
    columns = torch.linalg.vector_norm(weight, dim=0)
    if group < 1 or len(columns) % group:
        raise ValueError(f"group must be >= 1 and divide the {len(columns)} columns, got {group}")
    return torch.linalg.vector_norm(columns.unflatten(0, (-1, group)), dim=1)
