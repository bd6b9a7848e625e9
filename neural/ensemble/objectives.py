"""Losses as the ensemble engine uses them: value and gradient on the embeddings of a chunk of members."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from neural.ensemble.loss_gradients import (
    InfoNceGradient,
    NtXentGradient,
    SpectralGradient,
    SupervisedContrastiveGradient,
)
from neural.losses import autograd_value_and_grad, info_nce, nt_xent, spectral, supervised_contrastive

Loss = str | Callable[[Tensor, Tensor, Tensor], Tensor]

_WRITTEN_OUT = {
    "spectral": SpectralGradient,
    "info_nce": InfoNceGradient,
    "nt_xent": NtXentGradient,
    "supervised_contrastive": SupervisedContrastiveGradient,
}
LOSSES = tuple(_WRITTEN_OUT)


def value(loss: Loss, z1: Tensor, z2: Tensor, labels: Tensor | None, temperature: Tensor) -> Tensor:
    """Losses (C,) of C members.

    Parameters
    ----------
    loss : str or callable
        One of `LOSSES`, or (z1, z2, temperature) -> (C,).
    z1, z2 : (C, B, p) tensors
    labels : (C, B) int64 tensor or None
        Used by the supervised contrastive loss.
    temperature : (C,) tensor
        Not used by "spectral".
    """
    match loss:
        case "spectral":
            return spectral(z1, z2)
        case "info_nce":
            return info_nce(z1, z2, temperature)
        case "nt_xent":
            return nt_xent(z1, z2, temperature)
        case "supervised_contrastive":
            both = torch.cat([z1, z2], -2), torch.cat([labels, labels], -1)
            return supervised_contrastive(*both, temperature)
        case custom:
            return _one_per_member(custom(z1, z2, temperature), len(z1))


def gradient_writer(loss: Loss, z: Tensor) -> Callable[..., None]:
    """Function (z1, z2, labels, temperature, out1, out2) that writes the gradients with respect to both views.

    Views and gradients are feature-major (C, p, B), temperature is (C, 1, 1). Losses of `LOSSES` by hand, others
    by differentiating them.

    Parameters
    ----------
    loss : str or callable
        As in `value`.
    z : (C, p, B) tensor
        Gives shape, dtype and device.
    """
    return _WRITTEN_OUT[loss](z) if isinstance(loss, str) else partial(_differentiate, loss)


def _differentiate(
    loss: Loss, z1: Tensor, z2: Tensor, labels: None, temperature: Tensor, out1: Tensor, out2: Tensor
) -> None:
    """Gradient of a loss by automatic differentiation of the loss alone."""

    def of_views(z1: Tensor, z2: Tensor) -> Tensor:
        return value(loss, z1, z2, labels, temperature.flatten())

    _, *gradients = autograd_value_and_grad(of_views, z1.mT, z2.mT)
    for out, gradient in zip((out1, out2), gradients, strict=True):
        out.copy_(gradient.mT)


def _one_per_member(value: Tensor, members: int) -> Tensor:
    if value.shape != (members,):
        raise ValueError(f"loss must return one value per member, ({members},), got {tuple(value.shape)}")
    return value
