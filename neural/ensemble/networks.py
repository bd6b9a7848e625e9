"""Fully connected networks of one shape, stacked and evaluated layer by layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neural.checks import check_choice

Activation = Literal["relu", "linear"]
ACTIVATIONS = ("relu", "linear")


@dataclass(frozen=True, eq=False)
class Network:
    """Networks of one architecture, whose layer l computes x -> act(W_l x + b_l).

    The last layer has no activation. With two layers, the first is the encoder and the second the projection head.

    Parameters
    ----------
    weights : tuple of (E, out, in) tensors
        One per layer, same number E >= 1 of members in each, in of layer l + 1 = out of layer l.
    biases : tuple of (E, out) tensors, optional
        One per layer; none by default.
    activation : {"relu", "linear"}
        Activation of the hidden layers.

    Raises
    ------
    ValueError
        If there is no layer, the shapes do not chain, or the activation is unknown.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...] | None = None
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        object.__setattr__(self, "weights", tuple(self.weights))
        _check_weights(self.weights)
        if self.biases is not None:
            object.__setattr__(self, "biases", tuple(self.biases))
            _check_biases(self.biases, self.weights)

    @classmethod
    def single(
        cls,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor] | None = None,
        activation: Activation = "relu",
    ) -> "Network":
        """Network of one member from (out, in) matrices and (out,) biases.

        Parameters
        ----------
        weights : sequence of (out, in) tensors or arrays
        biases : sequence of (out,) tensors or arrays, optional
        activation : {"relu", "linear"}

        Returns
        -------
        Network
            With one member.
        """
        stacked = None if biases is None else tuple(torch.as_tensor(b).unsqueeze(0) for b in biases)
        return cls(tuple(torch.as_tensor(w).unsqueeze(0) for w in weights), stacked, activation)

    @classmethod
    def concatenate(cls, networks: Sequence["Network"]) -> "Network":
        """Network of all members of several networks of one architecture, in order.

        Parameters
        ----------
        networks : sequence of Network
            At least one; same layer sizes, activation and presence of biases.
        """
        first = networks[0]
        weights = tuple(map(torch.cat, zip(*(n.weights for n in networks), strict=True)))
        if first.biases is None:
            return cls(weights, None, first.activation)
        biases = tuple(map(torch.cat, zip(*(n.biases for n in networks), strict=True)))
        return cls(weights, biases, first.activation)

    @property
    def members(self) -> int:
        """Number E of members."""
        return self.weights[0].shape[0]

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.weights)

    @property
    def dim(self) -> int:
        """Input dimension."""
        return self.weights[0].shape[2]

    def member(self, index: int) -> "Network":
        """Network of one member, which shares its memory.

        Parameters
        ----------
        index : int
            In [0, members).

        Raises
        ------
        ValueError
            If the index is out of range.
        """
        if not 0 <= index < self.members:
            raise ValueError(f"index must be in [0, {self.members}), got {index}")
        return self.subset(slice(index, index + 1))

    def subset(self, members: slice | Sequence[int]) -> "Network":
        """Network of some members, in the order given; a slice shares the memory.

        Parameters
        ----------
        members : slice or sequence of int
            Not empty.
        """
        return self._map(lambda tensor: tensor[members])

    def to(self, target: torch.dtype | torch.device | str) -> "Network":
        """Network with all tensors moved to a dtype or a device.

        Parameters
        ----------
        target : torch.dtype, torch.device or str
        """
        return self._map(lambda tensor: tensor.to(target))

    def layers(self, x: Tensor) -> list[Tensor]:
        """Output of every layer.

        Parameters
        ----------
        x : (n, dim) or (E, n, dim) tensor
            Inputs shared by all members, or one set per member.

        Returns
        -------
        list of (E, n, out) tensors
            Entry l is the output of layer l, activated for all but the last. With two layers, entry 0 is the
            representation before the head (after the ReLU) and entry 1 the embedding after it.

        Raises
        ------
        ValueError
            If x does not fit the input dimension or the number of members.
        """
        if x.ndim not in (2, 3) or x.shape[-1] != self.dim or (x.ndim == 3 and len(x) != self.members):
            raise ValueError(
                f"x must have shape (n, {self.dim}) or ({self.members}, n, {self.dim}), got {tuple(x.shape)}"
            )
        outputs = []
        for index, weight in enumerate(self.weights):
            x = x @ weight.mT
            if self.biases is not None:
                x = x + self.biases[index].unsqueeze(-2)
            if self.activation == "relu" and index < self.depth - 1:
                x = x.relu()
            outputs.append(x)
        return outputs

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Network":
        biases = None if self.biases is None else tuple(map(function, self.biases))
        return Network(tuple(map(function, self.weights)), biases, self.activation)


def _check_weights(weights: tuple[Tensor, ...]) -> None:
    if not weights:
        raise ValueError("weights must hold at least one layer, got none")
    shapes = [tuple(w.shape) for w in weights]
    if any(len(shape) != 3 or 0 in shape for shape in shapes):
        raise ValueError(f"weights must be non-empty (E, out, in) tensors, got shapes {shapes}")
    chained = all(a[0] == b[0] and a[1] == b[2] for a, b in zip(shapes, shapes[1:], strict=False))
    if not chained:
        raise ValueError(f"weights must chain, (E, out, in) then (E, out', out), got shapes {shapes}")


def _check_biases(biases: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> None:
    expected, got = [tuple(w.shape[:2]) for w in weights], [tuple(b.shape) for b in biases]
    if expected != got:
        raise ValueError(f"biases must have shapes {expected}, got {got}")
