"""Spectra of one layer: how many directions its features use."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from neural.measures.spectra import participation_ratio
from notebooks.diagnose.moments import Moments

COLLAPSED_SHARE = 1e-6
DEAD_SHARE = 1e-4
LIDAR_FLOOR = 1e-4


def measure_spectrum(moments: Moments) -> dict[str, float]:
    r"""Ranks and decay of the covariance, centred unless a name says otherwise.

    Returns
    -------
    dict
        `effective_rank`: entropy of the singular values (RankMe), of centred features; `effective_rank_uncentred`;
        `effective_rank_share`: over min(n - 1, m), the most that it could be; `participation_ratio`;
        `stable_rank`; `numerical_rank` (variances above 1e-9 of the largest: what float32 can hold);
        `decay`: exponent of a power law :math:`\lambda_i \sim i^{-\alpha}` fitted to the spectrum (alpha-ReQ);
        `mean_share`: share of the mean square that is the common mean; `lidar`: effective rank of the differences
        between examples in units of the differences between views (only with two views).
    """
    values = moments.principal[0]
    if find_collapse(moments) == "complete":
        return {"effective_rank": 0.0, "numerical_rank": 0.0, "mean_share": 1.0}
    square = moments.cov + np.outer(moments.mean, moments.mean)
    found = {
        "effective_rank": effective_rank(values),
        "effective_rank_uncentred": effective_rank(np.maximum(np.linalg.eigvalsh(square), 0)),
        "participation_ratio": participation_ratio(values),
        "stable_rank": float(values.sum() / values[0]),
        "numerical_rank": float(len(values)),
        "decay": fit_decay(values),
        "mean_share": float(moments.mean @ moments.mean / np.trace(square)),
    }
    found["effective_rank_share"] = found["effective_rank"] / min(moments.count - 1, moments.width)
    if moments.cross_cov is not None:
        found["lidar"] = lidar(moments)
    return found


def effective_rank(variances: np.ndarray) -> float:
    """Exponential of the entropy of the singular values, which are the roots of the variances."""
    roots = np.sqrt(variances)
    shares = roots[roots > 0] / roots.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def fit_decay(values: np.ndarray) -> float:
    """Slope of log variance against log rank, by least squares; 0 for fewer than three variances."""
    if len(values) < 3:
        return 0.0
    return float(-np.polyfit(np.log(np.arange(1, len(values) + 1)), np.log(values), 1)[0])


def lidar(moments: Moments) -> float:
    r"""LiDAR of Thilak et al. (2024) with two views as the samples of an example.

    Effective rank, in variances, of :math:`\Sigma_w^{-1/2}\Sigma_b\Sigma_w^{-1/2}` with
    :math:`\Sigma_b = (\Sigma+\tilde\Sigma)/2` and :math:`\Sigma_w = (\Sigma-\tilde\Sigma)/2 + \delta I`, where delta
    is 1e-4 of the mean variance (in the paper 1e-4 itself, which depends on the units of the features).
    """
    between = (moments.cov + moments.cross_cov) / 2
    floor = LIDAR_FLOOR * np.trace(moments.cov) / moments.width
    within = (moments.cov - moments.cross_cov) / 2 + floor * np.eye(moments.width)
    values = np.maximum(eigh(between, within, eigvals_only=True), 0)
    return effective_rank(values**2)


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared distance of the two views of an example, scaled to unit length (Wang and Isola, 2020)."""
    return float(np.mean(np.sum((_unit(first) - _unit(second)) ** 2, axis=1)))


def uniformity(rows: np.ndarray) -> float:
    """Logarithm of the mean of exp(-2 |x - y|^2) over pairs of examples at unit length (Wang and Isola, 2020)."""
    cosines = _unit(rows) @ _unit(rows).T
    values = np.exp(-4 * (1 - cosines[np.triu_indices(len(rows), 1)]))
    return float(np.log(values.mean()))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)


def find_collapse(moments: Moments) -> str:
    """What the rule says: "complete" where the variance is below 1e-6 of the mean square, "partial" where more than a
    tenth of the directions have less than 1e-4 of the mean variance, else "none".
    """
    variance = np.trace(moments.cov)
    if variance <= COLLAPSED_SHARE * (variance + moments.mean @ moments.mean):
        return "complete"
    alive = np.sum(moments.principal[0] >= DEAD_SHARE * variance / moments.width)
    dead = 1 - alive / moments.width
    return "partial" if dead > 0.1 else "none"
