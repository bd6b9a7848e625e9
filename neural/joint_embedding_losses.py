"""Losses without negatives, on embeddings of two views; each with an optional leading member axis."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, relu


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
    _check_pair(prediction, target)
    return -cosine_similarity(prediction, target.detach(), dim=-1).mean(-1)


def barlow_twins(z1: Tensor, z2: Tensor, trade_off: float = 0.005, *, eps: float = 1e-5) -> Tensor:
    r"""Barlow Twins: cross-correlation of the two views close to the identity.

    C_ij = (1/B) sum_b u1_bi u2_bj, where u = (z - mean) / sqrt(var + eps) entry by entry, with mean and biased
    variance over the batch. L = sum_i (1 - C_ii)^2 + trade_off sum_{i != j} C_ij^2.

    Unchanged when an entry of z is multiplied by a positive number, up to eps against its variance.

    Parameters
    ----------
    z1, z2 : (..., B, p) tensors
        Embeddings of the two views, B >= 2, row i of both from the same sample; unitless.
    trade_off : float >= 0
    eps : float > 0
        Keeps the gradient of entries that do not vary finite.

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
    check_weight("trade_off", trade_off)
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
        Standard deviation from which on the hinge is 0.
    eps : float > 0
        Keeps the gradient of entries that do not vary finite.

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
        check_weight(name, weight)
    loss = invariance * (z1 - z2).square().mean((-2, -1))
    for z in (z1, z2):
        centred = z - z.mean(-2, keepdim=True)
        cov = centred.mT @ centred / (z.shape[-2] - 1)
        std = (cov.diagonal(dim1=-2, dim2=-1) + eps).sqrt()
        loss = loss + variance * relu(target_std - std).mean(-1)
        loss = loss + covariance / z.shape[-1] * _off_diagonal_energy(cov)
    return loss


def check_weight(name: str, value: float) -> None:
    """Refuse a weight that is negative, infinite or not a number."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be >= 0 and finite, got {value}")


def _standardise(z: Tensor, eps: float) -> Tensor:
    centred = z - z.mean(-2, keepdim=True)
    return centred * (centred.square().mean(-2, keepdim=True) + eps).rsqrt()


def _off_diagonal_energy(matrix: Tensor) -> Tensor:
    itself = torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device)
    return matrix.masked_fill(itself, 0).square().sum((-2, -1))


def _check_pair(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.ndim < 2 or first.shape[-2] < 2:
        raise ValueError(
            "both views must have the same shape (..., B, p) with B >= 2, "
            f"got {tuple(first.shape)} and {tuple(second.shape)}"
        )
