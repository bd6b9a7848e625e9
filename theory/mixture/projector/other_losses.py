r"""Gain of the signal direction under losses that are neither spectral nor a plain InfoNCE with augmented pairs.

Setting and symbols as in `theory.mixture.projector.gain`: v is 1 plus the augmentation variance, both views augmented.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.common import flattened, signal
from theory.mixture.projector.gain import Metric
from theory.mixture.quadrature import posterior_pull
from theory.mixture.roots import falling_root


def barlow_twins_gain(signal_norm, sigma, weight, dim=np.inf):
    r"""Gain under :math:`\sum(1-C_{ii})^2+\lambda\sum_{i\ne j}C_{ij}^2`, square W, after standardising its outputs.

    Equal diagonals are optimal for :math:`\lambda\le1`. With :math:`\rho_u = (1+r^2)/(v+r^2)`, :math:`\rho_\perp = 1/v`
    and their difference d, the share of u is :math:`n = [(1-\rho_\perp)d+\lambda(\rho_\perp^2p/(p-1)+\rho_\perp d)]
    /[d^2(1-\lambda)/p+\lambda(\rho_u^2+\rho_\perp^2/(p-1))]`, :math:`\mathrm{gain}^2 = n(p-1)/(p-n)\,v/(v+r^2)`;
    infinite (all outputs hold u) from n = p on. For :math:`p\to\infty`: expands iff
    :math:`\lambda < \sigma^4/((1+\sigma^2)(1+r^2))`.

    Source: derived.

    Parameters
    ----------
    signal_norm, sigma : float or array, > 0
    weight : float or array, > 0
        :math:`\lambda`.
    dim : float or array, >= 2
        p; infinity allowed.

    Raises
    ------
    AssumptionError
        If the weight exceeds 1: unequal diagonals may then be better.
    """
    weight = checks.in_range("weight", weight, 0.0, open_low=True)
    if np.any(weight > 1):
        raise AssumptionError(
            f"weight must be <= 1 for the Barlow Twins formula to hold, got {checks.show(weight)}"
        )
    shape, r, sigma, weight, dim = flattened(*_signal_and_noise(signal_norm, sigma), weight, _dimension(dim))
    v, inverse = 1 + sigma**2, 1 / dim
    across, apart = 1 / v, (1 + r**2) / (v + r**2) - 1 / v
    top = (1 - across) * apart + weight * (across**2 / (1 - inverse) + across * apart)
    bottom = apart**2 * (1 - weight) * inverse
    bottom = bottom + weight * ((across + apart) ** 2 + across**2 * inverse / (1 - inverse))
    return np.reshape(_gain_of_share(top / bottom, inverse, r, v), shape)[()]


def vicreg_gain(signal_norm, sigma, invariance, covariance, *, target_std=1.0, dim=np.inf, variance=None):
    r"""Gain under VICReg when its variance constraint is active, every output of standard deviation `target_std`.

    Loss :math:`\lambda_{inv}E|z_1-z_2|^2+\lambda_{cov}\sum_{i\ne j}C_{ij}^2`, the covariance term once: where both
    views have one, give its weight twice.

    :math:`n = 1+\frac{p-1}p\frac{\lambda_{inv}}{\lambda_{cov}}\frac{\sigma^2r^2}{\gamma^2v(v+r^2)}`, gain as in
    `barlow_twins_gain`. For :math:`p\to\infty`: expands iff
    :math:`\lambda_{inv}\sigma^2/(\lambda_{cov}\gamma^2) > 1+\sigma^2+r^2`.

    Source: derived.

    Parameters
    ----------
    signal_norm, sigma : float or array, > 0
    invariance, covariance : float or array, > 0
        Weights of the two terms.
    target_std : float or array, > 0
    dim : float or array, >= 2
    variance : None
        A finite weight of the variance hinge is not covered.

    Raises
    ------
    AssumptionError
        If `variance` is given.
    """
    if variance is not None:
        raise AssumptionError(
            "variance: a soft hinge is not covered, only the active constraint (leave it out)"
        )
    terms = [
        checks.in_range(name, value, 0.0, open_low=True)
        for name, value in (
            ("invariance", invariance),
            ("covariance", covariance),
            ("target_std", target_std),
        )
    ]
    shape, r, sigma, pull, push, std, dim = flattened(
        *_signal_and_noise(signal_norm, sigma), *terms, _dimension(dim)
    )
    v, inverse = 1 + sigma**2, 1 / dim
    share = 1 + (1 - inverse) * pull / push * (sigma * r / std) ** 2 / (v * (v + r**2))
    return np.reshape(_gain_of_share(share, inverse, r, v), shape)[()]


class ModeWeights(NamedTuple):
    """Weights of the linear encoder along the signal and across it."""

    signal: np.ndarray
    noise: np.ndarray


def predictor_weights(signal_norm, sigma, decay) -> ModeWeights:
    r"""Fixed point of SimSiam or BYOL with a linear predictor, balanced start and weight decay on both.

    A mode with moments (S of one view, :math:`\tilde S` of a pair) ends at
    :math:`(\tilde S+(\tilde S^2-4\eta S)^{1/2})/(2S)`, or at 0 when :math:`\tilde S^2\le4\eta S`; signal
    :math:`(v+r^2, 1+r^2)`, noise (v, 1). The signal always weighs more; noise collapses from :math:`\eta = 1/(4v)` on.

    Source: derived. Needs the balanced start; nothing is said without it.

    Parameters
    ----------
    signal_norm, sigma : float or array, >= 0
    decay : float or array, >= 0
        :math:`\eta`.
    """
    decay = checks.in_range("decay", decay, 0.0)
    shape, r, sigma, decay = flattened(signal(signal_norm), checks.in_range("sigma", sigma, 0.0), decay)
    v = 1 + sigma**2
    modes = [_mode(v + r**2, 1 + r**2, decay), _mode(v, np.ones_like(v), decay)]
    return ModeWeights(*(np.reshape(mode, shape)[()] for mode in modes))


def class_positive_metric(loss, signal_norm, sigma) -> Metric:
    r"""Global minimiser of InfoNCE when the positive is an independent view of the same class.

    The noise weight is 0: complete expansion. inner: :math:`v(v+r^2)\alpha+E[rX\tanh(rX\alpha)] = r^2`; euclidean: the
    root of the two-view equation with pair spread :math:`2v`.

    Source: derived.

    Parameters
    ----------
    loss : {"inner", "euclidean"}
    signal_norm, sigma : float or array, >= 0
    """
    loss = checks.choice("loss", loss, ("inner", "euclidean"))
    shape, r, sigma = flattened(signal(signal_norm), checks.in_range("sigma", sigma, 0.0))
    v = 1 + sigma**2
    slope = v * (v + r**2)

    def inner(a):
        pull, pull_slope = posterior_pull(r, v, a)
        return r**2 - slope * a - pull, -slope - pull_slope

    def euclidean(q):
        pull, pull_slope = posterior_pull(r, v, (1 - q) / v)
        lack = r**2 - pull
        return v - v * (q + q**2) / 2 - q**2 * lack, -v * (0.5 + q) - 2 * q * lack - q**2 * pull_slope / v

    if loss == "inner":
        found = falling_root(inner, np.zeros_like(r), r**2 / slope + 1e-12, "class positives")
    else:
        q = falling_root(euclidean, np.full_like(r, 0.01), np.full_like(r, 1 + 1e-12), "class positives")
        found = (1 / q - 1) / v
    return Metric(np.reshape(found, shape)[()], np.zeros(shape)[()])


def decoupled_inner_loss(signal_norm, sigma, metric: Metric, dim):
    r"""Inner-product loss with :math:`\log EE'e^{s'}` in place of :math:`E\log E'e^{s'}` at :math:`W^\top W/\tau`.

    Source: derived. Arguments as in `projector_loss`.

    Raises
    ------
    AssumptionError
        If an entry of the metric is 1/v or more: the expectation is infinite.
    """
    entries = [checks.in_range(f"metric.{n}", getattr(metric, n), 0.0) for n in metric._fields]
    sigma, dim = checks.in_range("sigma", sigma, 0.0), checks.in_range("dim", dim, 1)
    shape, r, sigma, a, b, dim = flattened(signal(signal_norm), sigma, *entries, dim)
    v = 1 + sigma**2
    largest = np.maximum(a, b) * v
    if np.any(largest >= 1):
        i = int(np.argmax(largest))
        raise AssumptionError(
            f"metric must stay below 1 / (1 + sigma^2) = {1 / v[i]:g} for log E E' to exist, got {largest[i] / v[i]:g}"
        )
    both = np.logaddexp(a * r**2 / (1 - a * v), -a * r**2 / (1 + a * v)) - np.log(2)
    value = -a * (1 + r**2) - 0.5 * np.log1p(-((a * v) ** 2)) + both
    value = value + (dim - 1) * (-b - 0.5 * np.log1p(-((b * v) ** 2)))
    return np.reshape(value, shape)[()]


def decoupled_inner_metric(signal_norm, sigma) -> Metric:
    r"""Global minimiser of `decoupled_inner_loss`; its threshold differs from that of the coupled loss.

    :math:`\beta = ((v^2+4)^{1/2}-v)/(2v)`. Source: derived.
    """
    shape, r, sigma = flattened(signal(signal_norm), checks.in_range("sigma", sigma, 0.0))
    v = 1 + sigma**2

    def balance(share):  # share = alpha v in (0, 1)
        a = share / v
        odds = np.exp(-a * r**2 * (1 / (1 - share) + 1 / (1 + share)))
        pull = r**2 * ((1 - share) ** -2 - odds * (1 + share) ** -2) / (1 + odds)
        return 1 + r**2 - share * v / (1 - share**2) - pull, np.full_like(share, np.nan)

    share = falling_root(balance, np.zeros_like(r), np.full_like(r, 1 - 1e-12), "decoupled loss")
    metric = share / v, 2 / (v * (np.sqrt(v**2 + 4) + v))
    return Metric(*(np.reshape(part, shape)[()] for part in metric))


def _mode(own, pair, decay):
    discriminant = pair**2 - 4 * decay * own
    return np.where(discriminant > 0, (pair + np.sqrt(np.maximum(discriminant, 0))) / (2 * own), 0.0)


def _gain_of_share(share, inverse, r, v):
    """n (p-1) / (p-n) v / (v + r^2), square root; infinite from n = p on."""
    left = 1 - share * inverse
    some = left > 0
    ratio = np.where(some, share * (1 - inverse) / np.where(some, left, 1.0), np.inf)
    return np.sqrt(ratio * v / (v + r**2))


def _signal_and_noise(signal_norm, sigma):
    return (
        checks.in_range("signal_norm", signal_norm, 0.0, open_low=True),
        checks.in_range("sigma", sigma, 0.0, open_low=True),
    )


def _dimension(dim):
    dim = np.asarray(dim, dtype=float)
    if not np.all(dim >= 2):
        raise ValueError(f"dim must lie in [2, inf], got {checks.show(dim)}")
    return dim
