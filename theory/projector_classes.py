r"""More than two classes: means :math:`re_k`, k = 1..K, balanced, unit noise, both views augmented.

The common-mean direction and the K - 1 contrasts between classes have gains of their own, relative to the noise.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture_arguments import flattened, signal
from theory.projector_negatives import mass_lost

_STEP = 0.25


def common_mean_gain(loss, signal_norm, sigma, classes: int):
    r"""Gain of the common-mean direction.

    inner: :math:`(v/(v+r^2/K))^{1/2}`, always a shrinkage. euclidean: 1, by translation invariance. spectral: the
    two-class gain with :math:`r^2/K` for :math:`r^2`, the same for the contrasts.

    Source: derived.

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean"}
    signal_norm, sigma : float or array, >= 0
    classes : int >= 2
    """
    loss = checks.choice("loss", loss, ("spectral", "inner", "euclidean"))
    classes = checks.integer("classes", classes, 2)
    r, sigma = np.broadcast_arrays(signal(signal_norm), checks.in_range("sigma", sigma, 0.0))
    v, power = 1 + sigma**2, r**2 / classes
    if loss == "euclidean":
        return np.ones(r.shape)[()]
    if loss == "inner":
        return np.sqrt(v / (v + power))[()]
    return (np.sqrt(1 + power) * v / (v + power))[()]


def contrast_gain(signal_norm, sigma, classes: int):
    r"""Gain of the contrasts between classes under InfoNCE with inner products, to about 1e-6.

    :math:`\alpha` minimises :math:`(K-1)[\frac v2(v+\frac{r^2}K)\alpha^2-(1+\frac{r^2}K)\alpha]
    +E\log\sum_ke^{r\alpha x_k}-\frac{r^2\alpha}K`, the logarithm of the sum by
    :math:`E\log S = \int(e^{-e^w}-\prod_kE\,e^{-e^{w+r\alpha x_k}})dw`;
    gain :math:`v\sqrt\alpha`.

    Source: derived.

    Parameters
    ----------
    signal_norm, sigma : float or array, >= 0
    classes : int >= 2

    Returns
    -------
    float, or an array of the broadcast shape
    """
    classes = checks.integer("classes", classes, 2)
    shape, r, sigma = flattened(signal(signal_norm), checks.in_range("sigma", sigma, 0.0))
    gains = [_one_gain(*world, classes) for world in zip(r, 1 + sigma**2, strict=True)]
    return np.reshape(gains, shape)[()]


def _one_gain(r, v, classes):
    power = r**2 / classes
    top = 1.001 * (1 + power) / (v * (v + power))

    def loss(a):
        quadratic = (classes - 1) * (v / 2 * (v + power) * a**2 - (1 + power) * a)
        return quadratic + _log_sum(r * a, r, v, classes) - power * a

    found = scipy.optimize.minimize_scalar(
        loss, bounds=(0.0, top), method="bounded", options={"xatol": 1e-9 * top}
    )
    return v * np.sqrt(found.x)


def _log_sum(scale, r, v, classes):
    """E log sum_k exp(scale x_k), x_1 ~ N(r, v), the others N(0, v)."""
    spread = np.array([scale * np.sqrt(v)])
    high = np.log(classes) + scale * r + 7.5 * spread[0]
    w = np.arange(-high - 30.0, 6.0 + 7.5 * spread[0], _STEP)
    own, other = (mass_lost(w[:, None] + shift, spread)[:, 0] for shift in (scale * r, 0.0))
    with np.errstate(divide="ignore"):
        kept = np.log1p(-own) + (classes - 1) * np.log1p(-other)
    return np.sum(np.expm1(-np.exp(w)) - np.expm1(kept)) * _STEP
