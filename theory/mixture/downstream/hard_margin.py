r"""Largest-margin classifier and the separability of the data, in the limit of many samples and dimensions.

:math:`h_1(b) = b\Phi(b)+\varphi(b)`, :math:`h_2(b) = (b^2+1)\Phi(b)+b\varphi(b)`. A unit vector at angle
:math:`\theta` from the signal reaches the margin :math:`k = r\cos\theta+b`, :math:`h_2(b) = \sin^2\theta/\delta`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.roots import falling_root

_LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)


def separability_threshold(signal_norm):
    r"""Sample ratio :math:`\delta^*(r) > 2` below which the mixture's training data are linearly separable.

    With q the root of :math:`r^2 = q/(\varphi(q)/\Phi(-q) - q)`, :math:`\delta^* = 1/\Phi(-q)`. No projector changes
    it. :math:`\delta^*(0) = 2` (Cover); infinite in double precision above r of about 37.

    Source: derived (docs/derivations/downstream-system.md).

    Parameters
    ----------
    signal_norm : float or array, >= 0

    Returns
    -------
    float or array
    """
    r = checks.in_range("signal_norm", signal_norm, 0.0)

    flat = r.ravel()
    quantile = np.zeros_like(flat)
    some = flat > 0
    if np.any(some):
        squared = flat[some] ** 2

        def balance(q):
            hazard = _hazard(q)
            slope = hazard * (hazard - q)
            return squared * (hazard - q) - q, squared * (slope - 1) - 1

        quantile[some] = falling_root(balance, np.zeros_like(squared), squared + 1, "separability threshold")
    with np.errstate(over="ignore"):
        return np.exp(-scipy.special.log_ndtr(-quantile)).reshape(r.shape)[()]


def separability_signal(sample_ratio):
    r"""Signal norm above which the data separate.

    :math:`r^*(\delta) = (q/(\delta\varphi(q)-q))^{1/2}`, :math:`q = \Phi^{-1}(1-1/\delta)`. The
    inverse of `separability_threshold`; 0 up to a sample ratio of 2, where any data separate.

    Source: derived.
    """
    delta = checks.in_range("sample_ratio", sample_ratio, 0.0, open_low=True)
    quantile = np.where(delta > 2, -scipy.special.ndtri(1 / np.maximum(delta, 2.0)), 0.0)
    return np.sqrt(quantile / (_hazard(quantile) - quantile))[()]


def hard_margin_overlaps(strength, sample_ratio, cost):
    r"""Overlap s and noise :math:`\sigma` of the smallest classifier with all margins at least 1; flat arrays.

    :math:`1-\delta h_2(b) = \cos^2\theta`, :math:`\cos\theta = r\delta h_1(b)/(c+(1-c)\delta\Phi(b))`, with
    :math:`c = (1+\kappa)^{-2}`. The margin is concave in b, which brackets the root that has a positive margin.

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
    points = _Margins(strength, sample_ratio, cost)
    low, high = -strength - 1e-9, np.sqrt(1 / sample_ratio) + 1e-3
    b = np.full_like(strength, -np.inf)
    easy = points.stationary(low)[0] > 0
    b[easy] = points.take(easy).root("stationary", low[easy], high[easy])
    hard = ~easy
    hard[easy] = points.take(easy).margin(b[easy])[0] <= 0  # the root of another branch
    if np.any(hard):
        b[hard] = points.take(hard).bracketed_root(low[hard], high[hard])
    along, _ = points.angle(b)
    size = b + strength * along
    return along / size, np.sqrt(sample_ratio * _h2(b)) / size


class _Margins(NamedTuple):
    """Functions of b, with derivatives, for points (strength, ratio, cost), each (n,)."""

    strength: np.ndarray
    ratio: np.ndarray
    cost: np.ndarray

    def take(self, rows):
        return _Margins(*(field[rows] for field in self))

    def angle(self, b):
        """cos(theta), and delta h1(b)."""
        return np.sqrt(np.maximum(1 - self.ratio * _h2(b), 0.0)), self.ratio * _h1(b)

    def margin(self, b):
        along, pull = self.angle(b)
        return b + self.strength * along, 1 - self.strength * _over(pull, along)

    def margin_slope(self, b):
        """Falls through 0 where the margin is largest."""
        along, pull = self.angle(b)
        return along - self.strength * pull, -_over(
            pull, along
        ) - self.strength * self.ratio * scipy.special.ndtr(b)

    def negative_margin(self, b):
        value, slope = self.margin(b)
        return -value, -slope

    def stationary(self, b):
        along, pull = self.angle(b)
        inside = self.ratio * scipy.special.ndtr(b)
        share = self.cost + (1 - self.cost) * inside
        density = self.ratio * np.exp(-0.5 * b**2 - _LOG_ROOT_TWO_PI)
        slope = -_over(pull, along) * share + along * (1 - self.cost) * density
        return along * share - self.strength * pull, slope - self.strength * inside

    def root(self, name, low, high):
        return falling_root(getattr(self, name), low, high, "hard margin")

    def bracketed_root(self, low, high):
        """The root whose margin is positive: left of the largest margin when c < 1, right of it when c > 1."""
        middle = self.root("margin_slope", low, high)
        left = self.root("negative_margin", low, middle)
        right = self.root("margin", middle, np.maximum(high, 0.0))
        return self.root(
            "stationary", np.where(self.cost < 1, left, middle), np.where(self.cost > 1, right, middle)
        )


def shrunk_hard_margin_cosine(strength, sample_ratio):
    r"""Cosine to the signal of the largest-margin classifier as :math:`\kappa\to-1`; flat arrays of separable points.

    0 for :math:`\delta\le 2`; else :math:`(q(\delta\varphi(q)-q))^{1/2}`, because noise alone does not separate.
    """
    quantile = np.where(sample_ratio > 2, -scipy.special.ndtri(1 / np.maximum(sample_ratio, 2.0)), 0.0)
    return np.sqrt(quantile * (_hazard(quantile) - quantile)) + 0 * strength


def _over(pull, along):
    """pull / along, or nan (no Newton step) where b is beyond its range and the angle stays at 90 degrees."""
    return np.where(along > 0, pull / np.where(along > 0, along, 1.0), np.nan)


def _h1(b):
    return b * scipy.special.ndtr(b) + np.exp(-0.5 * b**2 - _LOG_ROOT_TWO_PI)


def _h2(b):
    return (b**2 + 1) * scipy.special.ndtr(b) + b * np.exp(-0.5 * b**2 - _LOG_ROOT_TWO_PI)


def _hazard(q):
    """phi(q) / Phi(-q)."""
    return np.exp(-0.5 * q**2 - _LOG_ROOT_TWO_PI - scipy.special.log_ndtr(-q))
