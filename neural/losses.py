"""Losses on the embeddings of two views: contrastive ones first, then those that need no negatives.

Every loss takes an optional leading member axis and returns one value per member. Losses that scale embeddings to
unit length treat an embedding of zeros as one that has no direction: its cosine with every other is 0, and no
gradient flows into it.

Shapes, types and parameters are checked. The entries of embeddings are not, because that would keep a graphics card
waiting in every step: embeddings that are not finite, or whose products overflow, have a loss that is not finite.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import relu

from neural.checks import check_choice, check_not_negative, check_positive

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


def info_nce(z1: Tensor, z2: Tensor, temperature: float | Tensor, similarity: Similarity = "inner") -> Tensor:
    r"""InfoNCE in one direction: the anchors are first views, the candidates are second views.

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
    check_choice("similarity", similarity, ("inner", "cosine", "euclidean"))
    scale = _inverse_temperature(temperature, z1)
    if similarity == "cosine":
        z1, z2 = _to_unit_length(z1), _to_unit_length(z2)
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
    logits = _cosine_logits(torch.cat([z1, z2], -2), temperature)
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
    _check_embeddings("z", z)
    if not isinstance(labels, Tensor) or labels.layout != torch.strided:
        raise ValueError(f"labels must be a dense tensor, got {type(labels).__name__}")
    if labels.shape not in (z.shape[-2:-1], z.shape[:-1]):
        raise ValueError(f"labels must have shape {tuple(z.shape[:-1])}, got {tuple(labels.shape)}")
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    positive = (labels.unsqueeze(-1) == labels.unsqueeze(-2)) & ~itself
    count = positive.sum(-1)
    if not bool((count > 0).any(-1).all()):
        raise ValueError("labels must hold at least two rows of the same class in every member")
    logits = _cosine_logits(z, temperature)
    attraction = logits.masked_fill(~positive, 0).sum(-1) / count.clamp(min=1)
    per_anchor = (logits.logsumexp(-1) - attraction) * (count > 0)
    return per_anchor.sum(-1) / (count > 0).sum(-1)


def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Mean negative cosine between predictions and targets; no gradient flows into the targets.

    L = -(1/B) sum_i q_i.t_i / (|q_i| |t_i|), with t held constant.

    Parameters
    ----------
    prediction, target : (..., B, p) tensors
        q and t, B >= 2, any length; unitless.

    Returns
    -------
    (...,) tensor
        In [-1, 1], one per member.

    Raises
    ------
    ValueError
        If the shapes differ or B < 2.

    Notes
    -----
    Source: paper (SimSiam, Chen and He, 2021, equations 1 and 3).
    """
    _check_pair(prediction, target, ("prediction", "target"))
    return -(_to_unit_length(prediction) * _to_unit_length(target.detach())).sum(-1).mean(-1)


def barlow_twins(z1: Tensor, z2: Tensor, trade_off: float = 0.005, *, eps: float = 1e-5) -> Tensor:
    r"""Barlow Twins: cross-correlation of the two views close to the identity.

    C_ij = (1/B) sum_b u1_bi u2_bj, where u = (z - mean) / sqrt(var + eps) entry by entry, with mean and biased
    variance over the batch. L = sum_i (1 - C_ii)^2 + trade_off sum_{i != j} C_ij^2.

    The loss does not change when an entry of z is multiplied by a positive number, as long as its variance is well
    above eps.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; unitless.
    trade_off : float >= 0
    eps : float > 0
        It keeps the gradient finite where an entry does not vary.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If the shapes differ, B < 2 or trade_off is negative.

    Notes
    -----
    Source: paper (Zbontar et al., 2021, equations 1 and 2; eps as in the batch norm of its code).
    """
    _check_pair(z1, z2)
    check_not_negative("trade_off", trade_off)
    check_positive("eps", eps)
    correlation = _standardise(z1, eps).mT @ _standardise(z2, eps) / z1.shape[-2]
    diagonal = correlation.diagonal(dim1=-2, dim2=-1)
    return (1 - diagonal).square().sum(-1) + trade_off * _off_diagonal_energy(correlation)


def vicreg(
    z1: Tensor,
    z2: Tensor,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    *,
    target_std: float = 1.0,
    eps: float = 1e-4,
) -> Tensor:
    r"""VICReg: invariance, variance hinge and decorrelation.

    L = (invariance/p) (1/B) sum_b |z1_b - z2_b|^2 + variance (v(z1) + v(z2)) + covariance (c(z1) + c(z2)),
    v(z) = (1/p) sum_i max(0, target_std - sqrt(C_ii + eps)), c(z) = (1/p) sum_{i != j} C_ij^2, with C the unbiased
    covariance of the batch.

    `theory.vicreg_gain` has the same terms without 1/p and one covariance term: its ratio of weights is
    invariance / (2 covariance) here.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; unitless.
    invariance, variance, covariance : float >= 0
        Weights of the terms.
    target_std : float > 0
        The hinge is 0 for standard deviations above this one.
    eps : float > 0
        It keeps the gradient finite where an entry does not vary.

    Returns
    -------
    (...,) tensor
        One loss per member.

    Raises
    ------
    ValueError
        If the shapes differ, B < 2 or a weight is negative.

    Notes
    -----
    Source: paper (Bardes et al., 2022, algorithm 1, which means the invariance over entries too).
    """
    _check_pair(z1, z2)
    for name, weight in (("invariance", invariance), ("variance", variance), ("covariance", covariance)):
        check_not_negative(name, weight)
    check_positive("target_std", target_std)
    check_positive("eps", eps)
    loss = invariance * (z1 - z2).square().mean((-2, -1))
    for z in (z1, z2):
        centred = z - z.mean(-2, keepdim=True)
        cov = centred.mT @ centred / (z.shape[-2] - 1)
        std = (cov.diagonal(dim1=-2, dim2=-1) + eps).sqrt()
        loss = loss + variance * relu(target_std - std).mean(-1)
        loss = loss + covariance / z.shape[-1] * _off_diagonal_energy(cov)
    return loss


def _cosine_logits(z: Tensor, temperature: float | Tensor) -> Tensor:
    """Pairwise cosines over the temperature (..., B, B), with -inf on the diagonal.

    The diagonal is masked after the division: masked before, its gradient by the temperature would be NaN.
    """
    z = _to_unit_length(z)
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    return (z @ z.mT * _inverse_temperature(temperature, z)).masked_fill(itself, -torch.inf)


def _to_unit_length(z: Tensor) -> Tensor:
    """Rows divided by their lengths. A row of zeros has no direction: it stays zero and has no gradient."""
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    zero = length == 0
    return (z / length.masked_fill(zero, 1)).masked_fill(zero, 0)


def _inverse_temperature(temperature: float | Tensor, z: Tensor) -> float | Tensor:
    """1 / temperature, which has to be a number of the embeddings' type: else a cosine of 0 would become NaN."""
    most = torch.finfo(z.dtype).max
    if not isinstance(temperature, Tensor):
        check_positive("temperature", temperature)
        if temperature * most <= 1:
            raise ValueError(f"temperature must be above {1 / most:.1e} for {z.dtype}, got {temperature}")
        return 1 / float(temperature)
    if temperature.shape not in ((), z.shape[:-2]) or temperature.is_complex():
        raise ValueError(
            f"temperature must have shape () or {tuple(z.shape[:-2])}, one for each member, got "
            f"{tuple(temperature.shape)} {temperature.dtype}"
        )
    if not bool(((temperature > 1 / most) & (temperature < torch.inf)).all()):
        raise ValueError(f"temperature must be > 0 and finite, got {temperature.tolist()}")
    return (1 / temperature)[..., None, None]


def _standardise(z: Tensor, eps: float) -> Tensor:
    centred = z - z.mean(-2, keepdim=True)
    return centred * (centred.square().mean(-2, keepdim=True) + eps).rsqrt()


def _off_diagonal_energy(matrix: Tensor) -> Tensor:
    itself = torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device)
    return matrix.masked_fill(itself, 0).square().sum((-2, -1))


def _check_pair(z1: Tensor, z2: Tensor, names: tuple[str, str] = ("z1", "z2")) -> None:
    for name, z in zip(names, (z1, z2), strict=True):
        _check_embeddings(name, z)
    if z1.shape != z2.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape (..., B, p) with p >= 1 and B >= 2, "
            f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
        )
    if z1.dtype != z2.dtype:
        raise ValueError(f"{names[0]} and {names[1]} must have the same type, got {z1.dtype} and {z2.dtype}")


def _check_embeddings(name: str, z: Tensor) -> None:
    if not isinstance(z, Tensor) or not z.is_floating_point() or z.layout != torch.strided:
        raise ValueError(
            f"{name} must be a dense tensor of floats, got {getattr(z, 'dtype', type(z).__name__)}"
        )
    if z.ndim < 2 or z.shape[-2] < 2 or not z.shape[-1]:
        raise ValueError(f"{name} must have shape (..., B, p) with p >= 1 and B >= 2, got {tuple(z.shape)}")
