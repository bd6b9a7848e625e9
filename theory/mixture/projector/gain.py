r"""Which contrastive losses make a linear projector expand the signal direction, and which make it shrink.

Data :math:`h = y\mu+z`, :math:`y=\pm1`, :math:`z\sim N(0, I_p)`, :math:`\|\mu\| = r`, views :math:`h+\sigma e`. The
minimiser over all projectors is :math:`W^\top W = a\,uu^\top+b(I-uu^\top)`, :math:`u = \mu/r`; its gain is
:math:`(a/b)^{1/2}`, above 1 for expansion. :math:`v_1, v_2` are 1 plus the augmentation variance of the anchor and of
the other views; negatives are infinitely many, the expectation is :math:`E\log E'`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.common import (
    check_sigma,
    check_signal_norm,
    expect_log_cosh,
    flatten,
    posterior_pull,
    view_variances,
)
from theory.mixture.projector.cosine import cosine_gain
from theory.roots import find_roots

__all__ = [
    "Metric",
    "expansion_threshold",
    "local_temperature",
    "projector_gain",
    "projector_loss",
    "projector_metric",
]

LOSSES = ("spectral", "inner", "euclidean", "cosine")
_ROUNDING = 1e-9  # brackets are opened by this much, so that round-off does not take the root away
_BELOW_THRESHOLD = 0.5  # the inner-product threshold is never below 1


class Metric(NamedTuple):
    r"""The learned metric :math:`W^\top W/\tau`, a along the signal and b across it.

    Examples
    --------
    >>> import theory
    >>> metric = theory.Metric(signal=4.0, noise=1.0)
    >>> float(metric.gain)
    2.0
    """

    signal: np.ndarray
    noise: np.ndarray

    @property
    def gain(self):
        """Square root of the ratio: above 1, the projector expands the signal."""
        return np.sqrt(self.signal / self.noise)


def projector_gain(loss, signal_norm, sigma, *, temperature=None, dim=None, views="both"):
    r"""Gain :math:`\|Wu\|` over the gain across u at the global minimum of the population loss.

    - "spectral": :math:`(1+r^2)^{1/2}v/(v+r^2)`, and :math:`(v/(v+r^2))^{1/2}` when one view is clean.
    - "inner": :math:`(\alpha v_1v_2)^{1/2}` with :math:`v_2(v_1+r^2)\alpha+E[rX\tanh(rX\alpha)] = 1+r^2`.
    - "euclidean", :math:`s = -\frac12\|z_1-z_2\|^2`: the gain is above 1 for any augmentation, and exactly 1 when the
      negatives are clean.
    - "cosine": the minimiser of the exact loss in p dimensions (`cosine_gain_limit` for :math:`p\to\infty`).

    Source: derived (docs/derivations/projector-gain.md#inner-product and the sections beside it).

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean", "cosine"}
    signal_norm : float or array, >= 0
    sigma : float or array, >= 0
        Standard deviation of the augmentation noise; > 0 for "euclidean".
    temperature, dim : float > 0 and int >= 3
        Needed for "cosine", refused for the others: the scale of W absorbs the temperature.
    views : {"both", "clean anchor", "clean negatives"}
        Which views are augmented.

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> theory.projector_gain("spectral", 1.5, [0.5, 1.0, 2.0]).round(3)
    array([0.644, 0.848, 1.243])
    """
    loss = checks.choice("loss", loss, LOSSES)
    r, sigma = check_signal_norm(signal_norm), check_sigma(sigma)
    if loss == "cosine":
        for name, value in (("temperature", temperature), ("dim", dim)):
            if value is None:
                raise ValueError(f"{name} must be given for the cosine loss")
        return cosine_gain(r, sigma, temperature, dim, views=views)
    for name, value in (("temperature", temperature), ("dim", dim)):
        if value is not None:
            raise ValueError(
                f"{name} must be left out for {loss!r}, whose gain does not depend on it, got {value!r}"
            )
    return projector_metric(loss, r, sigma, views=views).gain


def projector_metric(loss, signal_norm, sigma, *, views="both") -> Metric:
    r"""Global minimiser :math:`W^\top W/\tau` of "spectral" (temperature 1), "inner" or "euclidean".

    Source: derived (docs/derivations/projector-gain.md#squared-distance). Arguments as in `projector_gain`.

    Raises
    ------
    AssumptionError
        For "euclidean" without augmentation: the minimiser is infinite.

    Examples
    --------
    >>> import theory
    >>> metric = theory.projector_metric("inner", 1.5, 1.0)
    >>> round(float(metric.signal), 4), round(float(metric.noise), 4)
    (0.2025, 0.25)
    """
    loss = checks.choice("loss", loss, LOSSES[:3])
    shape, r, v1, v2 = _world(signal_norm, sigma, views)
    metric = {"spectral": _spectral, "inner": _inner, "euclidean": _euclidean}[loss](r, v1, v2)
    return Metric(*(np.reshape(part, shape)[()] for part in metric))


def projector_loss(loss, signal_norm, sigma, metric: Metric, dim, *, views="both"):
    r"""Population loss at :math:`W^\top W/\tau = a\,uu^\top+b(I-uu^\top)`, additive constants included.

    spectral: :math:`-2\,\mathrm{tr}(M\tilde\Sigma)+\mathrm{tr}(M\Sigma_1M\Sigma_2)`. inner, euclidean:
    :math:`-E\,s+E\log E'e^{s'}`.

    Source: derived (docs/derivations/projector-gain.md#inner-product).

    Parameters
    ----------
    loss : {"spectral", "inner", "euclidean"}
    signal_norm, sigma : float or array
    metric : Metric
        Entries >= 0.
    dim : int or array >= 1

    Examples
    --------
    >>> import theory
    >>> metric = theory.projector_metric("inner", 1.5, 1.0)
    >>> round(float(theory.projector_loss("inner", 1.5, 1.0, metric, dim=5)), 4)
    -0.8111
    """
    loss = checks.choice("loss", loss, LOSSES[:3])
    a, b = (
        checks.in_range("metric.signal", metric.signal, 0.0),
        checks.in_range("metric.noise", metric.noise, 0.0),
    )
    dim = checks.in_range("dim", dim, 1)
    shape, r, sigma, a, b, dim = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sigma=check_sigma(sigma),
        metric_signal=a,
        metric_noise=b,
        dim=dim,
    )
    (v1, v2), rest = view_variances(sigma, views), dim - 1.0
    if loss == "spectral":
        value = -2 * (a * (1 + r**2) + rest * b) + a**2 * (v1 + r**2) * (v2 + r**2) + rest * v1 * v2 * b**2
    elif loss == "inner":
        value = -a * (1 + r**2) - rest * b + v2 / 2 * (a**2 * (v1 + r**2) + rest * v1 * b**2)
        value = value + expect_log_cosh(r, v1, a)
    else:
        spread = (v1 + v2 - 2) / 2
        theta = a / (1 + v2 * a)
        value = (
            spread * a - 0.5 * np.log1p(v2 * a) - theta * (v1 + 2 * r**2) / 2 + expect_log_cosh(r, v1, theta)
        )
        value = value + rest * (spread * b - 0.5 * np.log1p(v2 * b) - v1 * b / (2 * (1 + v2 * b)))
    return np.reshape(value, shape)[()]


def expansion_threshold(loss, signal_norm):
    r"""Augmentation variance :math:`\sigma_c^2` above which the loss expands, both views augmented.

    The result is a variance. Its square root is what `sigma` of the other functions is compared with.

    spectral: :math:`(1+r^2)^{1/2}`. inner: the root of :math:`T_v(1/v^2) = \sigma^2/v`, :math:`v = 1+\sigma^2`;
    :math:`1+\frac38r^2` for small r, :math:`r/(\frac12\log2v)^{1/2}` for large r.

    Source: derived (docs/derivations/projector-gain.md#inner-product).

    Parameters
    ----------
    loss : {"spectral", "inner"}
        The euclidean loss always expands; the cosine loss has `cosine_expands`.
    signal_norm : float or array, > 0 for "inner"

    Returns
    -------
    threshold_variance : float or array
        :math:`\sigma_c^2`, in squared units of the noise of the data.

    Examples
    --------
    >>> import numpy as np, theory
    >>> print(np.sqrt(theory.expansion_threshold("inner", 1.5)).round(4))
    1.2577
    """
    if checks.choice("loss", loss, LOSSES) == "euclidean":
        raise AssumptionError("loss 'euclidean' has no threshold: it expands at any augmentation")
    if loss == "cosine":
        raise AssumptionError("loss 'cosine' has no threshold without a temperature: see `cosine_expands`")
    if loss == "spectral":
        return np.sqrt(1 + check_signal_norm(signal_norm) ** 2)[()]
    r = checks.in_range("signal_norm", signal_norm, 0.0, open_low=True)
    flat = r.ravel()

    def shrinks(variance, r):
        v = 1 + variance
        return posterior_pull(r, v, v**-2.0) / r**2 - variance / v

    above_spectral = np.sqrt(1 + flat**2) + _ROUNDING
    found = find_roots(shrinks, _BELOW_THRESHOLD, above_spectral, (flat,), name="expansion threshold")
    return np.reshape(found, r.shape)[()]


def local_temperature(loss, signal_norm, sigma, *, relative=True):
    r"""Temperature above which the gradient at W = I expands, which is a question of scale, unlike `projector_gain`.

    Relative: above this temperature, gradient flow raises :math:`\|Wu\|` over the gain across u. For "inner" it is the
    root of :math:`T(1/\tau)+v/\tau = 1`, about :math:`2v+r^2`, so that stronger augmentation raises it, against the
    global verdict. For "euclidean" it is 0. Absolute: above it :math:`\|Wu\|` itself rises; it is :math:`1/\alpha^*` of
    the global minimum.

    Source: derived (docs/derivations/projector-gain.md#gradient-at-the-identity).

    Parameters
    ----------
    loss : {"inner", "euclidean"}
        With both views augmented.
    signal_norm, sigma : float or array, >= 0
    relative : bool

    Examples
    --------
    >>> import theory
    >>> round(float(theory.local_temperature("inner", 1.5, 1.0)), 4)
    5.4764
    """
    loss = checks.choice("loss", loss, ("inner", "euclidean"))
    if not relative:
        return (1 / np.asarray(projector_metric(loss, signal_norm, sigma).signal))[()]
    shape, r, v, _ = _world(signal_norm, sigma, "both")
    if loss == "euclidean":
        return np.zeros(shape)[()]

    def still_shrinks(temperature, r, v):
        return posterior_pull(r, v, 1 / temperature) / r**2 + v / temperature - 1

    found = 2 * v  # the limit for a vanishing signal
    some = r > 0
    r, v = r[some], v[some]
    high = (2 * v + r**2) * (1 + _ROUNDING)
    found[some] = find_roots(still_shrinks, v, high, (r, v), name="local temperature")
    return np.reshape(found, shape)[()]


def _world(signal_norm, sigma, views):
    shape, r, sigma = flatten(signal_norm=check_signal_norm(signal_norm), sigma=check_sigma(sigma))
    return shape, r, *view_variances(sigma, views)


def _spectral(r, v1, v2):
    return (1 + r**2) / ((v1 + r**2) * (v2 + r**2)), 1 / (v1 * v2)


def _inner(r, v1, v2):
    def balance(a, r, v1, v2):
        return 1 + r**2 - v2 * (v1 + r**2) * a - posterior_pull(r, v1, a)

    high = (1 + r**2) / (v2 * (v1 + r**2)) * (1 + _ROUNDING)
    return find_roots(balance, 0.0, high, (r, v1, v2), name="inner product"), 1 / (v1 * v2)


def _euclidean(r, v1, v2):
    spread = v1 + v2 - 2
    if np.any(spread <= 0):
        raise AssumptionError(
            "sigma must be > 0 for the euclidean loss: without augmentation W grows without bound"
        )
    across = 2 * spread / (v2 + np.sqrt(v2**2 + 4 * v1 * spread))  # 1 / (1 + v2 b)

    def balance(q, r, v1, v2):
        lack = r**2 - posterior_pull(r, v1, (1 - q) / v2)
        return (v1 + v2 - 2 - v2 * q - v1 * q**2) / 2 - q**2 * lack

    high = np.minimum(across * (1 + _ROUNDING), 1.0)
    along = find_roots(balance, 0.0, high, (r, v1, v2), name="squared distance")
    return (1 / along - 1) / v2, (1 / across - 1) / v2
