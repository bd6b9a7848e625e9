"""Contrastive losses on embeddings, each with an optional leading member axis."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from neural.ensemble.loss_gradients import SpectralGradient

Similarity = Literal["inner", "cosine", "euclidean"]


def spectral(z1: Tensor, z2: Tensor) -> Tensor:
    r"""Spectral contrastive loss in Gram form.

    L = -(2/B) sum_i z1_i.z2_i + 1/(B(B-1)) sum_{i != j} (z1_i.z2_j)^2.

    The negatives of anchor z1_i are the second views z2_j of the B - 1 other samples; positives enter only
    the linear term. The double sum is evaluated as <Z1'Z1, Z2'Z2>_F - sum_i (z1_i.z2_i)^2, in O(B p^2) and
    without a B x B matrix. It is an unbiased estimate of the population loss.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; unitless.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If the shapes differ or B < 2.

    Notes
    -----
    Source: paper (the population loss); the Gram form is derived.
    """
    _check_pair(z1, z2)
    batch = z1.shape[-2]
    aligned = (z1 * z2).sum(-1)
    negatives = ((z1.mT @ z1) * (z2.mT @ z2)).sum((-2, -1)) - aligned.square().sum(-1)
    return -2 * aligned.mean(-1) + negatives / (batch * (batch - 1))


def spectral_gradient(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    r"""Analytic gradient of `spectral` with respect to both views.

    With c = 2/(B(B-1)) and a_i = z1_i.z2_i: dL/dZ1 = c Z1 (Z2'Z2) - diag(2/B + c a) Z2, and the same with the
    views exchanged for dL/dZ2. O(B p^2), no B x B matrix.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        As in `spectral`.

    Returns
    -------
    grad1, grad2 : (..., B, p) tensors

    Raises
    ------
    ValueError
        If the shapes differ or B < 2.

    Notes
    -----
    Source: derived.
    """
    _check_pair(z1, z2)
    views = [z.reshape(-1, *z.shape[-2:]).mT for z in (z1, z2)]
    grad1, grad2 = (torch.empty_like(z) for z in views)
    SpectralGradient(views[0])(*views, None, None, grad1, grad2)
    return grad1.mT.reshape(z1.shape), grad2.mT.reshape(z1.shape)


def info_nce(z1: Tensor, z2: Tensor, temperature: float | Tensor, similarity: Similarity = "inner") -> Tensor:
    r"""InfoNCE in one direction: anchors from the first view, candidates from the second.

    L = (1/B) sum_i [ log sum_{j=1..B} exp(s(z1_i, z2_j)/tau) - s(z1_i, z2_i)/tau ].

    The denominator of anchor z1_i holds all B second views: its own positive z2_i and the B - 1 negatives
    z2_j of the other samples. First views are never candidates. Mean over the B anchors.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; unitless.
    temperature : float or (...,) tensor
        tau > 0, one for all or one per member.
    similarity : {"inner", "cosine", "euclidean"}
        s(a, b) = a.b, a.b/(|a||b|) or -|a - b|^2/2. For "euclidean" the term -|z1_i|^2/2, common to all
        candidates of an anchor, cancels and is left out.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If the shapes differ, B < 2, the temperature is not positive or the similarity is unknown.

    Notes
    -----
    Source: paper.
    """
    _check_pair(z1, z2)
    scale = _inverse_temperature(temperature)
    if similarity == "cosine":
        z1, z2 = normalize(z1, dim=-1), normalize(z2, dim=-1)
    elif similarity not in ("inner", "euclidean"):
        raise ValueError(f"similarity must be one of 'inner', 'cosine', 'euclidean', got {similarity!r}")
    logits = z1 @ z2.mT
    if similarity == "euclidean":
        logits = logits - z2.square().sum(-1).unsqueeze(-2) / 2
    logits = logits * scale
    return (logits.logsumexp(-1) - logits.diagonal(dim1=-2, dim2=-1)).mean(-1)


def nt_xent(z1: Tensor, z2: Tensor, temperature: float | Tensor) -> Tensor:
    r"""Normalised-temperature cross-entropy (SimCLR).

    With z = (z1_1..z1_B, z2_1..z2_B) scaled to unit length and i+ the other view of row i:
    L = (1/2B) sum_{i=1..2B} [ log sum_{j != i} exp(z_i.z_j/tau) - z_i.z_{i+}/tau ].

    The denominator of an anchor holds 2B - 1 candidates: its positive and both views of the B - 1 other
    samples. Mean over all 2B anchors, so the loss is symmetric in the two views.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; any length.
    temperature : float or (...,) tensor
        tau > 0, one for all or one per member.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If the shapes differ, B < 2 or the temperature is not positive.

    Notes
    -----
    Source: paper (SimCLR, Chen et al., 2020).
    """
    _check_pair(z1, z2)
    batch = z1.shape[-2]
    logits = _cosines(torch.cat([z1, z2], -2)) * _inverse_temperature(temperature)
    positives = logits.diagonal(batch, -2, -1)
    return logits.logsumexp(-1).mean(-1) - positives.mean(-1)


def supervised_contrastive(z: Tensor, labels: Tensor, temperature: float | Tensor) -> Tensor:
    r"""Supervised contrastive loss of Khosla et al. (2020), the form L_out.

    With rows scaled to unit length and P(i) = {j != i : y_j = y_i}:
    L = mean_i (1/|P(i)|) sum_{j in P(i)} [ log sum_{a != i} exp(z_i.z_a/tau) - z_i.z_j/tau ].

    The denominator of an anchor holds all B - 1 other rows, positives included. The mean is over the anchors
    with at least one positive. For two views of each sample, stack them: z = (z1, z2), labels = (y, y).

    Parameters
    ----------
    z : (..., B, p) tensor
        Embeddings, B >= 2, any length.
    labels : (B,) or (..., B) integer tensor
        Class of each row.
    temperature : float or (...,) tensor
        tau > 0, one for all or one per member.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If labels do not match z, B < 2, the temperature is not positive, or no two rows share a label.

    Notes
    -----
    Source: paper (Khosla et al., 2020, the equation of L_out).
    """
    _check_batch(z)
    if labels.shape not in (z.shape[-2:-1], z.shape[:-1]):
        raise ValueError(f"labels must have shape {tuple(z.shape[:-1])}, got {tuple(labels.shape)}")
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    positive = (labels.unsqueeze(-1) == labels.unsqueeze(-2)) & ~itself
    count = positive.sum(-1)
    if not bool((count > 0).any(-1).all()):
        raise ValueError("labels must hold at least two rows of the same class in every member")
    logits = _cosines(z) * _inverse_temperature(temperature)
    attraction = logits.masked_fill(~positive, 0).sum(-1) / count.clamp(min=1)
    per_anchor = (logits.logsumexp(-1) - attraction) * (count > 0)
    return per_anchor.sum(-1) / (count > 0).sum(-1)


def autograd_value_and_grad(
    loss: Callable[[Tensor, Tensor], Tensor], z1: Tensor, z2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Value and gradient of any loss of two views, by automatic differentiation of the loss alone.

    Parameters
    ----------
    loss : callable
        (z1, z2) -> (...,) tensor, each member's value a function of its own rows only.
    z1, z2 : (..., B, p) tensors

    Returns
    -------
    value : (...,) tensor
        Detached.
    grad1, grad2 : (..., B, p) tensors

    Raises
    ------
    RuntimeError
        From torch, if the value does not depend on the embeddings differentiably.
    """
    with torch.enable_grad():
        leaves = z1.detach().requires_grad_(), z2.detach().requires_grad_()
        value = loss(*leaves)
        grad1, grad2 = torch.autograd.grad(value.sum(), leaves)
    return value.detach(), grad1, grad2


def _cosines(z: Tensor) -> Tensor:
    """Pairwise cosines (..., B, B) with -inf on the diagonal."""
    z = normalize(z, dim=-1)
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    return (z @ z.mT).masked_fill(itself, -torch.inf)


def _inverse_temperature(temperature: float | Tensor) -> float | Tensor:
    if isinstance(temperature, Tensor):
        if not bool((temperature > 0).all()):
            raise ValueError(f"temperature must be > 0, got {temperature.tolist()}")
        return (1 / temperature)[..., None, None]
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be > 0 and finite, got {temperature}")
    return 1 / temperature


def _check_pair(z1: Tensor, z2: Tensor) -> None:
    if z1.shape != z2.shape:
        raise ValueError(f"z1 and z2 must have the same shape, got {tuple(z1.shape)} and {tuple(z2.shape)}")
    _check_batch(z1)


def _check_batch(z: Tensor) -> None:
    if z.ndim < 2 or z.shape[-2] < 2:
        raise ValueError(f"embeddings must have shape (..., B, p) with B >= 2, got {tuple(z.shape)}")
