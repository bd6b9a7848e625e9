"""Losses as the ensemble engine uses them: value and gradient on the embeddings of a chunk of members."""

from collections.abc import Callable

import torch
from torch import Tensor

from neural.losses import (
    autograd_value_and_grad,
    info_nce,
    nt_xent,
    spectral,
    spectral_gradient,
    supervised_contrastive,
)

Loss = str | Callable[[Tensor, Tensor, Tensor], Tensor]

LOSSES = ("spectral", "info_nce", "nt_xent", "supervised_contrastive")


class Objective:
    """A loss with one temperature per member.

    Parameters
    ----------
    loss : str or callable
        One of `LOSSES`, or (z1, z2, temperature) -> (C,) with z1, z2 (C, B, p) and temperature (C,).
    temperature : (C,) tensor
        Not used by "spectral".
    """

    def __init__(self, loss: Loss, temperature: Tensor) -> None:
        self._loss, self._temperature = loss, temperature

    def value(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Losses (C,) at embeddings z (C, p, 2B), first views before second ones, labels (C, B)."""
        return self._value(*_views(z), labels)

    def write_gradient(self, z: Tensor, labels: Tensor | None, out: Tensor) -> None:
        """Write the gradient with respect to z into `out`, same shape."""
        if self._loss == "spectral":
            spectral_gradient(*_views(z), out=_views(out))
            return
        _, *gradients = autograd_value_and_grad(lambda z1, z2: self._value(z1, z2, labels), *_views(z))
        for target, gradient in zip(_views(out), gradients, strict=True):
            target.copy_(gradient)

    def _value(self, z1: Tensor, z2: Tensor, labels: Tensor | None) -> Tensor:
        match self._loss:
            case "spectral":
                return spectral(z1, z2)
            case "info_nce":
                return info_nce(z1, z2, self._temperature)
            case "nt_xent":
                return nt_xent(z1, z2, self._temperature)
            case "supervised_contrastive":
                both = torch.cat([z1, z2], -2), torch.cat([labels, labels], -1)
                return supervised_contrastive(*both, self._temperature)
            case custom:
                return _one_per_member(custom(z1, z2, self._temperature), len(z1))


def _one_per_member(value: Tensor, members: int) -> Tensor:
    if value.shape != (members,):
        raise ValueError(f"loss must return one value per member, ({members},), got {tuple(value.shape)}")
    return value


def _views(z: Tensor) -> tuple[Tensor, Tensor]:
    """First and second views (C, B, p) of feature-major embeddings (C, p, 2B), sharing memory."""
    first, second = z.mT.chunk(2, dim=-2)
    return first, second
