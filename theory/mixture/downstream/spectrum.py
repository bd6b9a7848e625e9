r"""Ridge classification after a projector with any spectrum, in the limit of many samples and dimensions."""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import ratio
from theory.mixture.roots import falling_root


def spectrum_accuracy(strengths, gains, shares, sample_ratio, penalty):
    r"""Test accuracy of ridge after a projector whose squared singular values fill a spectrum.

    The directions come in m groups: a share :math:`h_j` of all dimensions has the gain :math:`g_j` and holds the part
    :math:`r_j` of the class mean. With :math:`w_j = 1/(1+x/g_j^2)` and x the root of
    :math:`\delta(1-\lambda/x) = \sum h_jw_j`, the classifier :math:`\beta` in the coordinates of the data has overlap
    :math:`S_j = w_j/(1+\sum r_i^2w_i)` with :math:`r_j` and noise
    :math:`\sigma^2 = T((1-\sum r_j^2S_j)^2+\sum r_j^2S_j^2)/(1-T)`, :math:`T = \delta^{-1}\sum h_jw_j^2`; accuracy is
    :math:`\Phi(\sum r_j^2S_j/(\sum r_j^2S_j^2+\sigma^2)^{1/2})`.

    Parameters
    ----------
    strengths : (..., m) array, >= 0
        :math:`r_j`, norm of the part of the mean that lies in group j.
    gains : (..., m) array, > 0
        Singular value of the projector in group j, :math:`1+\kappa`.
    shares : (..., m) array, >= 0
        Fraction of the dimensions; they add up to 1. 0 for finitely many directions.
    sample_ratio : float or array, > 0
        :math:`\delta = n/p`; broadcast against the leading shape.
    penalty : float or array, > 0
        As in `downstream_accuracy`.

    Returns
    -------
    float, or an array of the leading shape

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    Source: derived.

    Examples
    --------
    A signal somewhere in a tenth of the directions, which the projector shrinks tenfold, leaves or expands tenfold:

    >>> import numpy as np, theory
    >>> gains = np.array([[0.1, 1.0], [1.0, 1.0], [10.0, 1.0]])
    >>> print(theory.spectrum_accuracy([1.5, 0.0], gains, [0.1, 0.9], 2.0, 0.1).round(3))
    [0.572 0.861 0.864]
    """
    groups = np.broadcast_arrays(
        checks.in_range("strengths", np.atleast_1d(strengths), 0.0),
        checks.in_range("gains", np.atleast_1d(gains), 0.0, open_low=True),
        checks.in_range("shares", np.atleast_1d(shares), 0.0, 1.0),
    )
    if np.any(np.abs(groups[2].sum(-1) - 1) > 1e-9):
        raise ValueError(f"shares must add up to 1, got {checks.show(groups[2])}")
    delta, lam = ratio(sample_ratio), checks.in_range("penalty", penalty, 0.0, open_low=True)
    shape = np.broadcast_shapes(groups[0].shape[:-1], delta.shape, lam.shape)
    strengths, gains, shares = (
        np.broadcast_to(a, (*shape, a.shape[-1])).reshape(-1, a.shape[-1]) for a in groups
    )
    delta, lam = (np.broadcast_to(a, shape).ravel() for a in (delta, lam))
    weights = 1 / (1 + _root(gains**-2.0, shares, delta, lam)[:, None] * gains**-2.0)
    left = 1 / (1 + np.sum(strengths**2 * weights, 1))  # 1 - mean margin
    overlaps = weights * left[:, None]
    length = np.sum((strengths * overlaps) ** 2, 1)
    turned = np.sum(shares * weights**2, 1) / delta
    noise = turned * (left**2 + length) / (1 - turned)
    return np.reshape(scipy.special.ndtr((1 - left) / np.sqrt(length + noise)), shape)[()]


def _root(costs, shares, delta, lam):
    """x: the right side of delta (1 - lam / x) = sum(shares / (1 + costs x)) falls, the left one rises."""

    def surplus(log_x):
        x = np.exp(log_x)
        weights = 1 / (1 + costs * x[:, None])
        slope = -np.sum(shares * weights * (1 - weights), 1) - delta * lam / x
        return np.sum(shares * weights, 1) - delta * (1 - lam / x), slope

    high = np.log(2 * np.maximum(lam, 1 / (delta * costs.min(axis=1))))
    return np.exp(falling_root(surplus, np.log(lam), high, "spectrum"))
