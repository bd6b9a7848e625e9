"""Losses of the ensemble engine: their values, and their gradients on the embeddings of a chunk of members.

The gradients of the four named losses are written out by hand, in preallocated feature-major buffers. Each class
takes the shape of the embeddings once and is called with the two views z1, z2 (C, p, B) of C members, labels (C, B)
or None, temperatures (C, 1, 1), and tensors of the shape of z1 and z2 (any strides) that receive the gradients. The
value of the loss is not computed there, and no call waits for the device.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from neural.ensemble.layout import CACHE_LINE, round_up
from neural.losses import info_nce, nt_xent, spectral, supervised_contrastive

Loss = str | Callable[[Tensor, Tensor, Tensor], Tensor]


class SpectralGradient:
    r"""Gradient of `neural.losses.spectral`.

    With c = 2/(B(B-1)) and a_i = z1_i.z2_i: dL/dZ1 = c (Z2 Z2') Z1 - Z2 diag(2/B + c a), and the same with the
    views exchanged for dL/dZ2. O(B p^2), no B x B matrix.

    Parameters
    ----------
    z : (C, p, B) tensor
        Only its shape, dtype and device are used.

    Notes
    -----
    Source: derived.
    """

    def __init__(self, z: Tensor) -> None:
        members, embed_dim, batch = z.shape
        self._gram = z.new_empty(members, embed_dim, embed_dim)
        self._product = _new(z, members, embed_dim, batch)
        self._pull = _new(z, members, 1, batch)

    def __call__(
        self, z1: Tensor, z2: Tensor, labels: None, temperature: Tensor, out1: Tensor, out2: Tensor
    ) -> None:
        """Write dL/dZ1 and dL/dZ2."""
        batch = z1.shape[-1]
        c = 2 / (batch * (batch - 1))
        torch.mul(z1, z2, out=self._product)
        torch.sum(self._product, 1, keepdim=True, out=self._pull)
        self._pull.mul_(-c).sub_(2 / batch)
        for z, other, out in ((z1, z2, out1), (z2, z1, out2)):
            self._gram.baddbmm_(other, other.mT, beta=0, alpha=c)
            torch.bmm(self._gram, z, out=self._product)
            torch.addcmul(self._product, self._pull, other, out=out)


class InfoNceGradient:
    r"""Gradient of `neural.losses.info_nce` with inner products.

    With P the softmax of the logits z1_i.z2_j/tau over j: dL/dZ1 = Z2 (P - 1)'/(B tau), dL/dZ2 = Z1 (P - 1)/(B tau).

    Parameters
    ----------
    z : (C, p, B) tensor
        Only its shape, dtype and device are used.

    Notes
    -----
    Source: derived.
    """

    def __init__(self, z: Tensor) -> None:
        members, embed_dim, batch = z.shape
        self._scaled = _new(z, members, embed_dim, batch)
        self._sample_major = _new(z, members, batch, embed_dim)
        self._logits = _new(z, members, batch, batch)

    def __call__(
        self, z1: Tensor, z2: Tensor, labels: None, temperature: Tensor, out1: Tensor, out2: Tensor
    ) -> None:
        """Write dL/dZ1 and dL/dZ2."""
        batch = z1.shape[-1]
        scale = 1 / (batch * temperature)
        torch.mul(z1, scale, out=self._scaled)
        self._logits.baddbmm_(self._scaled.mT, z2, beta=0, alpha=batch)
        torch.softmax(self._logits, -1, out=self._logits)
        torch.baddbmm(self._scaled, self._scaled, self._logits, beta=-1, out=out2)
        torch.mul(z2, scale, out=self._scaled)
        torch.bmm(self._logits, self._scaled.mT, out=self._sample_major)
        torch.sub(self._sample_major.mT, self._scaled, out=out1)


class NtXentGradient:
    r"""Gradient of `neural.losses.nt_xent`.

    Parameters
    ----------
    z : (C, p, B) tensor
        Only its shape, dtype and device are used.

    Notes
    -----
    Source: derived.
    """

    def __init__(self, z: Tensor) -> None:
        self._cosines = _CosineGradient(z)

    def __call__(
        self, z1: Tensor, z2: Tensor, labels: None, temperature: Tensor, out1: Tensor, out2: Tensor
    ) -> None:
        """Write dL/dZ1 and dL/dZ2."""
        excess = self._cosines.probabilities(z1, z2, temperature)
        batch = z1.shape[-1]
        for offset in (batch, -batch):
            excess.diagonal(offset, -2, -1).sub_(1)
        self._cosines.write(out1, out2)


class SupervisedContrastiveGradient:
    r"""Gradient of `neural.losses.supervised_contrastive` for both views of each sample: every row has a positive.

    Parameters
    ----------
    z : (C, p, B) tensor
        Only its shape, dtype and device are used.

    Notes
    -----
    Source: derived.
    """

    def __init__(self, z: Tensor) -> None:
        self._cosines = _CosineGradient(z)
        rows = 2 * z.shape[-1]
        self._same = z.new_empty(len(z), rows, rows, dtype=torch.bool)
        self._targets = _new(z, len(z), rows, rows)

    def __call__(
        self, z1: Tensor, z2: Tensor, labels: Tensor, temperature: Tensor, out1: Tensor, out2: Tensor
    ) -> None:
        """Write dL/dZ1 and dL/dZ2, given the labels (C, B) of the samples."""
        both = torch.cat([labels, labels], -1)
        torch.eq(both.unsqueeze(-1), both.unsqueeze(-2), out=self._same)
        self._targets.copy_(self._same)
        self._targets.diagonal(dim1=-2, dim2=-1).zero_()
        self._targets.div_(self._targets.sum(-1, keepdim=True))
        self._cosines.probabilities(z1, z2, temperature).sub_(self._targets)
        self._cosines.write(out1, out2)


_WRITTEN_OUT: dict[str, Callable[[Tensor], Callable[..., None]]] = {
    "spectral": SpectralGradient,
    "info_nce": InfoNceGradient,
    "nt_xent": NtXentGradient,
    "supervised_contrastive": SupervisedContrastiveGradient,
}
LOSSES = tuple(_WRITTEN_OUT)


def evaluate_loss(loss: Loss, z1: Tensor, z2: Tensor, labels: Tensor | None, temperature: Tensor) -> Tensor:
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
    if not isinstance(loss, str):
        return _one_per_member(loss(z1, z2, temperature), len(z1))
    if loss == "spectral":
        return spectral(z1, z2)
    if loss == "supervised_contrastive" and labels is not None:
        both = torch.cat([z1, z2], -2), torch.cat([labels, labels], -1)
        return supervised_contrastive(*both, temperature)
    return (info_nce if loss == "info_nce" else nt_xent)(z1, z2, temperature)


def make_gradient_writer(loss: Loss, z: Tensor) -> Callable[..., None]:
    """Make a function (z1, z2, labels, temperature, out1, out2) that writes the gradients by both views.

    Views and gradients are feature-major (C, p, B), and temperature is (C, 1, 1). The gradients of the losses in
    `LOSSES` are written out by hand; any other loss is differentiated automatically.

    Parameters
    ----------
    loss : str or callable
        As in `evaluate_loss`.
    z : (C, p, B) tensor
        Only its shape, dtype and device are used.
    """
    return _WRITTEN_OUT[loss](z) if isinstance(loss, str) else partial(_differentiate, loss)


def _differentiate(
    loss: Loss, z1: Tensor, z2: Tensor, labels: None, temperature: Tensor, out1: Tensor, out2: Tensor
) -> None:
    """Gradient of a loss by automatic differentiation of the loss alone, whose members do not mix."""
    with torch.enable_grad():
        first, second = (z.mT.detach().requires_grad_() for z in (z1, z2))
        total = evaluate_loss(loss, first, second, labels, temperature.flatten()).sum()
        gradients = torch.autograd.grad(total, (first, second))
    for out, gradient in zip((out1, out2), gradients, strict=True):
        out.copy_(gradient.mT)


def _one_per_member(value: Tensor, members: int) -> Tensor:
    if value.shape != (members,):
        raise ValueError(f"loss must return one value per member, ({members},), got {tuple(value.shape)}")
    return value


class _CosineGradient:
    r"""Gradient of mean_i [log sum_{j != i} exp(u_i.u_j/tau) - sum_j T_ij u_i.u_j/tau] over the 2B rows of both views.

    u are the rows z at unit length, the rows of T sum to 1. With S = P - T, P the softmax of the logits over j:
    dL/dU = (S + S') U/(2B tau), dL/dz_i = (dL/du_i - u_i (u_i.dL/du_i))/|z_i|. The caller subtracts T from P.
    """

    def __init__(self, z: Tensor) -> None:
        members, embed_dim, batch = z.shape
        self._views = slice(None, batch), slice(batch, None)
        self._units = _new(z, members, embed_dim, 2 * batch)
        self._scaled = _new(z, members, embed_dim, 2 * batch)
        self._pulls = _new(z, members, embed_dim, 2 * batch)
        self._lengths = _new(z, members, 1, 2 * batch)
        self._dots = _new(z, members, 1, 2 * batch)
        self._logits = _new(z, members, 2 * batch, 2 * batch)

    def probabilities(self, z1: Tensor, z2: Tensor, temperature: Tensor) -> Tensor:
        """P (C, 2B, 2B), which the caller changes in place to P - T."""
        for z, view in zip((z1, z2), self._views, strict=True):
            lengths = self._lengths[..., view]
            torch.linalg.vector_norm(z, dim=1, keepdim=True, out=lengths)
            # An embedding of zeros has no direction: divided by infinity it stays zero, and so does its gradient.
            torch.div(z, lengths.masked_fill_(lengths == 0, torch.inf), out=self._units[..., view])
        torch.div(self._units, temperature, out=self._scaled)
        self._logits.baddbmm_(self._scaled.mT, self._units, beta=0)
        self._logits.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
        return torch.softmax(self._logits, -1, out=self._logits)

    def write(self, out1: Tensor, out2: Tensor) -> None:
        self._pulls.baddbmm_(self._scaled, self._logits, beta=0).baddbmm_(self._scaled, self._logits.mT)
        torch.mul(self._units, self._pulls, out=self._scaled)
        torch.sum(self._scaled, 1, keepdim=True, out=self._dots)
        self._pulls.addcmul_(self._units, self._dots, value=-1)
        self._lengths.mul_(self._lengths.shape[-1])
        for view, out in zip(self._views, (out1, out2), strict=True):
            torch.div(self._pulls[..., view], self._lengths[..., view], out=out)


def _new(z: Tensor, *shape: int) -> Tensor:
    """Empty tensor whose rows start at multiples of 64 bytes, as in `neural.ensemble.layout`."""
    columns = round_up(shape[-1], CACHE_LINE)
    return z.new_empty(*shape[:-1], columns)[..., : shape[-1]]
