r"""Largest-margin classifier and the separability of the data, in the limit of many samples and dimensions.

:math:`h_1(b) = b\Phi(b)+\varphi(b)`, :math:`h_2(b) = (b^2+1)\Phi(b)+b\varphi(b)`. A unit vector at angle
:math:`\theta` from the signal reaches the margin :math:`k = r\cos\theta+b`, :math:`h_2(b) = \sin^2\theta/\delta`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory.checks import AssumptionError
from theory.mixture.common import check_sample_ratio, check_signal_norm
from theory.roots import find_roots

__all__ = ["separability_signal", "separability_threshold"]

_LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)
_BELOW = 1e-9  # b of a positive margin exceeds -r; this much below it
_ABOVE = 1e-3  # delta h2(b) <= 1 keeps b below delta^(-1/2); this much above it


def separability_threshold(signal_norm):
    r"""Sample ratio :math:`\delta^*(r) > 2` below which the mixture's training data are linearly separable.

    With q the root of :math:`r^2 = q/(\varphi(q)/\Phi(-q) - q)`, :math:`\delta^* = 1/\Phi(-q)`. No projector changes
    it. :math:`\delta^*(0) = 2` (Cover); infinite in double precision above r of about 37.

    Source: derived (docs/derivations/downstream-system.md#separability).

    Parameters
    ----------
    signal_norm : float or array, >= 0

    Returns
    -------
    float or array

    Examples
    --------
    >>> import theory
    >>> round(float(theory.separability_threshold(1.5)), 4)
    7.6975
    """
    r = check_signal_norm(signal_norm)
    flat = r.ravel()

    def balance(q, squared):
        return squared * (_hazard(q) - q) - q

    quantile = find_roots(balance, 0.0, flat**2 + 1, (flat**2,), name="separability threshold")
    with np.errstate(over="ignore"):
        return np.exp(-scipy.special.log_ndtr(-quantile)).reshape(r.shape)[()]


def separability_signal(sample_ratio):
    r"""Signal norm above which the data separate.

    :math:`r^*(\delta) = (q/(\delta\varphi(q)-q))^{1/2}`, :math:`q = \Phi^{-1}(1-1/\delta)`. The
    inverse of `separability_threshold`; 0 up to a sample ratio of 2, where any data separate.

    Source: derived (docs/derivations/downstream-system.md#separability).

    Examples
    --------
    >>> import theory
    >>> round(float(theory.separability_signal(3.0)), 4)
    0.8078
    """
    delta = check_sample_ratio(sample_ratio)
    quantile = np.where(delta > 2, -scipy.special.ndtri(1 / np.maximum(delta, 2.0)), 0.0)
    return np.sqrt(quantile / (_hazard(quantile) - quantile))[()]


def hard_margin_overlaps(strength, sample_ratio, cost):
    r"""Overlap s and noise :math:`\sigma` of the smallest classifier with all margins at least 1; flat arrays.

    :math:`1-\delta h_2(b) = \cos^2\theta`, :math:`\cos\theta = r\delta h_1(b)/(c+(1-c)\delta\Phi(b))`, with
    :math:`c = (1+\kappa)^{-2}`. The margin is concave in b, which brackets the root that has a positive margin.

    Source: derived (docs/derivations/downstream-system.md#hard-margin).

    Raises
    ------
    AssumptionError
        If the data are not separable.
    """
    inseparable = (sample_ratio > 2) & (strength <= separability_signal(sample_ratio))
    if np.any(inseparable):
        r, delta = strength[inseparable][0], sample_ratio[inseparable][0]
        raise AssumptionError(
            f"hard-margin needs separable data: sample_ratio must be < {separability_threshold(r):.6g} (the "
            f"separability threshold at signal_norm = {r:g}), got {delta:g}"
        )
    points = strength, sample_ratio, cost
    low, high = -strength - _BELOW, np.sqrt(1 / sample_ratio) + _ABOVE
    b = np.full_like(strength, -np.inf)
    easy = _stationarity(low, *points) > 0
    b[easy] = _root(_stationarity, low[easy], high[easy], _take(points, easy))
    hard = _margin(b, *points) <= 0  # not solved yet, or the root of another branch
    b[hard] = _bracketed_root(low[hard], high[hard], _take(points, hard))
    along = _cosine(b, *points)
    size = b + strength * along
    return along / size, np.sqrt(sample_ratio * _h2(b)) / size


def _squared_cosine(b, strength, ratio, cost):
    """cos(theta)^2 of the unit vector that reaches the margin r cos(theta) + b; negative where there is none."""
    return 1 - ratio * _h2(b)


def _cosine(b, strength, ratio, cost):
    return np.sqrt(np.maximum(_squared_cosine(b, strength, ratio, cost), 0.0))


def _margin(b, strength, ratio, cost):
    return b + strength * _cosine(b, strength, ratio, cost)


def _margin_slope(b, strength, ratio, cost):
    """Slope of the margin, times cos(theta): it falls through 0 where the margin is largest."""
    return _cosine(b, strength, ratio, cost) - strength * ratio * _h1(b)


def _stationarity(b, strength, ratio, cost):
    share = cost + (1 - cost) * ratio * scipy.special.ndtr(b)
    return _cosine(b, strength, ratio, cost) * share - strength * ratio * _h1(b)


def _root(function, low, high, points):
    return find_roots(function, low, high, points, name="hard margin")


def _bracketed_root(low, high, points):
    """The root whose margin is positive: left of the largest margin when c < 1, right of it when c > 1."""
    cost = points[2]
    right = _root(_squared_cosine, low, high, points)
    middle = _root(_margin_slope, low, right, points)
    left = _root(_margin, low, middle, points)
    crosses = _margin(right, *points) < 0
    right[crosses] = _root(_margin, middle[crosses], right[crosses], _take(points, crosses))
    return _root(_stationarity, np.where(cost < 1, left, middle), np.where(cost > 1, right, middle), points)


def shrunk_hard_margin_cosine(strength, sample_ratio):
    r"""Cosine to the signal of the largest-margin classifier as :math:`\kappa\to-1`; flat arrays of separable points.

    0 for :math:`\delta\le 2`; else :math:`(q(\delta\varphi(q)-q))^{1/2}`, because noise alone does not separate.
    """
    quantile = np.where(sample_ratio > 2, -scipy.special.ndtri(1 / np.maximum(sample_ratio, 2.0)), 0.0)
    return np.sqrt(quantile * (_hazard(quantile) - quantile)) + 0 * strength


def _take(points, rows):
    return tuple(values[rows] for values in points)


def _h1(b):
    return b * scipy.special.ndtr(b) + np.exp(-0.5 * b**2 - _LOG_ROOT_TWO_PI)


def _h2(b):
    return (b**2 + 1) * scipy.special.ndtr(b) + b * np.exp(-0.5 * b**2 - _LOG_ROOT_TWO_PI)


def _hazard(q):
    """phi(q) / Phi(-q)."""
    return np.exp(-0.5 * q**2 - _LOG_ROOT_TWO_PI - scipy.special.log_ndtr(-q))
