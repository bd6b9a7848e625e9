r"""More than two classes: means :math:`re_k`, k = 1..K, balanced, unit noise, both views augmented.

The common-mean direction and the K - 1 contrasts between classes have gains of their own, relative to the noise.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.common import MEANS, centred_norm, check_sigma, check_signal_norm, flatten
from theory.mixture.projector.negatives import mass_lost

__all__ = ["common_mean_gain", "contrast_gain"]

LOSSES = ("spectral", "inner", "euclidean")
_STEP = 0.25  # of the integral for the logarithm of the sum
# e^-30 is left below, exp(-e^6) above, 7.5 standard deviations of a score.
_BELOW, _ABOVE, _REACH = 30.0, 6.0, 7.5
_LARGEST_EXPONENT = 700.0  # e^-e^700 is 0 as well
_HIGHEST_SCORE = 1e5  # bounds the memory of the integral to about 400 MB
_BEYOND = 1.001  # the bracket ends this factor beyond the root without signal
_TOLERANCE = 1e-9  # of the minimiser, which a flat minimum defines to about 1e-8


def common_mean_gain(loss, signal_norm, sigma, classes: int, *, means="orthogonal"):
    r"""Gain of the common-mean direction.

    "inner": :math:`(v/(v+r^2/K))^{1/2}`, always a shrinkage. "euclidean": 1, because a distance does not see a common
    mean. "spectral": the two-class gain with :math:`r^2/K` for :math:`r^2`, which is that of the contrasts too.

    Source: derived (docs/derivations/negatives-and-classes.md#several-classes).

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean"}
    signal_norm, sigma : float or array, >= 0
    classes : int >= 2
    means : {"orthogonal", "simplex"}
        What `signal_norm` is: r of the means :math:`re_k`, or the norm of the means about their common mean,
        :math:`r(1-1/K)^{1/2}`, as in `multiclass_ridge_accuracy` and, for two classes, `projector_gain`.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.common_mean_gain("inner", 1.5, 1.0, classes=4)), 4)
    0.8835
    """
    loss = _check_loss(loss)
    shape, r, sigma, classes = _setting(signal_norm, sigma, classes, means)
    v, power = 1 + sigma**2, r**2 / classes
    if loss == "euclidean":
        gain = np.ones_like(r)
    elif loss == "inner":
        gain = np.sqrt(v / (v + power))
    else:
        gain = np.sqrt(1 + power) * v / (v + power)
    return np.reshape(gain, shape)[()]


def contrast_gain(signal_norm, sigma, classes: int, *, loss="inner", means="orthogonal"):
    r"""Gain of the contrasts between classes, to about 1e-6.

    "inner": :math:`v\sqrt\alpha`, where :math:`\alpha` minimises :math:`(K-1)[\frac v2(v+\frac{r^2}K)\alpha^2
    -(1+\frac{r^2}K)\alpha]+\Lambda(\alpha)`, :math:`\Lambda(\theta) = E\log\sum_ke^{r\theta x_k}-\frac{r^2\theta}K`.
    "euclidean", always an expansion: :math:`(\alpha/\beta)^{1/2}`, where :math:`\alpha` minimises
    :math:`(K-1)[\sigma^2\alpha-\frac12\log(1+v\alpha)-(\frac v2+\frac{r^2}K)\theta]+\Lambda(\theta)`,
    :math:`\theta = \alpha/(1+v\alpha)`, and :math:`\beta` the same without signal. "spectral": the gain of the
    common mean. The logarithm of the sum is :math:`E\log S = \int(e^{-e^w}-\prod_kE\,e^{-e^{w+r\theta x_k}})dw`.

    Source: derived (docs/derivations/negatives-and-classes.md#several-classes).

    Parameters
    ----------
    signal_norm, sigma : float or array, >= 0
    classes : int >= 2
    means : {"orthogonal", "simplex"}
        What `signal_norm` is: r of the means :math:`re_k`, or the norm of the means about their common mean,
        :math:`r(1-1/K)^{1/2}`, as in `multiclass_ridge_accuracy` and, for two classes, `projector_gain`.
    loss : {"spectral", "inner", "euclidean"}

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    AssumptionError
        For "euclidean" without augmentation: the minimiser is infinite.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.contrast_gain(1.5, 1.0, classes=4)), 4)
    0.9813
    """
    loss = _check_loss(loss)
    if loss == "spectral":
        return common_mean_gain(loss, signal_norm, sigma, classes, means=means)
    shape, r, sigma, classes = _setting(signal_norm, sigma, classes, means)
    if loss == "euclidean" and np.any(sigma == 0):
        raise AssumptionError(
            "sigma must be > 0 for the euclidean loss: without augmentation W grows without bound"
        )
    one_gain = _inner_gain if loss == "inner" else _euclidean_gain
    gains = [one_gain(*world, classes) for world in zip(r, 1 + sigma**2, strict=True)]
    return np.reshape(gains, shape)[()]


def _check_loss(loss):
    if isinstance(loss, str) and loss == "cosine":
        raise AssumptionError("loss 'cosine' is not covered for classes with means of their own")
    return checks.choice("loss", loss, LOSSES)


def _setting(signal_norm, sigma, classes, means):
    """Shape, norm r of the means r e_k, sigma and the number of classes."""
    classes = checks.integer("classes", classes, 2)
    norm = check_signal_norm(signal_norm) / centred_norm(1.0, classes, "orthogonal")
    if checks.choice("means", means, MEANS) == "orthogonal":
        norm = check_signal_norm(signal_norm)
    return *flatten(signal_norm=norm, sigma=check_sigma(sigma)), classes


def _inner_gain(r, v, classes):
    power = r**2 / classes
    top = _BEYOND * (1 + power) / (v * (v + power))

    def loss(a):
        quadratic = v / 2 * (v + power) * a**2 - (1 + power) * a
        return (classes - 1) * quadratic + _centred_log_sum(a, r, v, classes)

    return v * np.sqrt(_minimiser(loss, 0.0, top))


def _euclidean_gain(r, v, classes):
    """Over q = 1 / (1 + v alpha), between its value without signal and that with the log-sum left out."""
    power = r**2 / classes

    def loss(q):
        weight, theta = (1 / q - 1) / v, (1 - q) / v
        apart = (v - 1) * weight + 0.5 * np.log(q) - (v / 2 + power) * theta
        return (classes - 1) * apart + _centred_log_sum(theta, r, v, classes)

    def shrinkage(extra):
        return 4 * (v - 1) / (v + np.sqrt(v**2 + 16 * (v - 1) * (v / 2 + extra)))

    across = shrinkage(0.0)
    along = _minimiser(loss, shrinkage(power), across)
    return np.sqrt((1 / along - 1) / (1 / across - 1))


def _minimiser(loss, low, high):
    found = scipy.optimize.minimize_scalar(
        loss, bounds=(low, high), method="bounded", options={"xatol": _TOLERANCE * high}
    )
    return found.x


def _centred_log_sum(theta, r, v, classes):
    return _log_sum(r * theta, r, v, classes) - r**2 * theta / classes


def _log_sum(scale, r, v, classes):
    """E log sum_k exp(scale x_k), x_1 ~ N(r, v), the others N(0, v)."""
    spread = np.array([scale * np.sqrt(v)])
    high = np.log(classes) + scale * r + _REACH * spread[0]
    if high > _HIGHEST_SCORE:
        raise ValueError(
            f"signal_norm and sigma must be smaller: signal_norm = {r:g} and sigma = {np.sqrt(v - 1):g} make scores "
            f"of {high:.3g}, and the integral is computed up to {_HIGHEST_SCORE:g}"
        )
    w = np.arange(-high - _BELOW, _ABOVE + _REACH * spread[0], _STEP)
    own, other = (mass_lost(w[:, None] + shift, spread)[:, 0] for shift in (scale * r, 0.0))
    with np.errstate(divide="ignore"):
        kept = np.log1p(-own) + (classes - 1) * np.log1p(-other)
    return np.sum(np.expm1(-np.exp(np.minimum(w, _LARGEST_EXPONENT))) - np.expm1(kept)) * _STEP
