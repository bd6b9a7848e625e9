r"""Closed forms: ridge after spikes, after any spectrum and with several classes; averaging at finite size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import (
    centred_norm,
    check_penalty,
    check_sample_ratio,
    check_signal_norm,
    cost_of,
    flatten,
)
from theory.roots import find_roots

__all__ = ["averaging_projector_accuracy", "multiclass_ridge_accuracy"]

_POINTS_AT_ONCE = 4096  # bounds the memory of the quadrature to some 20 megabytes
_TINY = 1e-300  # keeps 0 / 0 of a vanishing signal at 0
_NORMAL_REACH = 9.0  # P(|G| > 9) = 2e-19
_NORMAL, _NORMAL_STEP = np.linspace(-_NORMAL_REACH, _NORMAL_REACH, 181, retstep=True)
_NORMAL_WEIGHTS = np.exp(-0.5 * _NORMAL**2) * _NORMAL_STEP / np.sqrt(2 * np.pi)
_CHI_NODES = 601  # the trapezoid rule in log chi then errs below 1e-12 from 1 degree of freedom on
_ROUNDING = 1e-9  # brackets are opened by this much, so that round-off does not take the root away
_CHI_BELOW = 4  # the density of log chi falls exponentially below its mode, and much faster above it


def ridge_root(sample_ratio, penalty):
    r"""The root :math:`x = \lambda(1+\gamma) > 0` of :math:`\delta x^2+(\delta-1-\lambda\delta)x-\lambda\delta = 0`.

    Both branches avoid cancellation. Arrays broadcast.
    """
    half = (sample_ratio - 1 - penalty * sample_ratio) / 2
    root = np.sqrt(half**2 + penalty * sample_ratio**2)
    positive = half > 0
    return np.where(
        positive, penalty * sample_ratio / np.where(positive, half + root, 1.0), (root - half) / sample_ratio
    )


class RidgeSolution(NamedTuple):
    r"""Overlaps :math:`S_k = s_k/r_k` (n, k), noise :math:`\sigma` (n,) and proximal step :math:`\gamma` (n,)."""

    overlaps: np.ndarray
    noise: np.ndarray
    step: np.ndarray


def ridge_solution(
    strengths, costs, sample_ratio, penalty, noise_costs=None, shares=None, flips=None
) -> RidgeSolution:
    r"""Solution of the downstream equations of the square loss; strengths and costs (n, k).

    With :math:`w_k = 1/(1+c_kx)`: :math:`S_k = w_k/(1+\sum r_i^2w_i)` and
    :math:`\sigma^2 = T((1-m)^2+\sum r_k^2S_k^2)/(1-T)`, :math:`m = \sum r_k^2S_k`. Isotropic noise has
    :math:`T = 1/(\delta(1+x)^2)` and the x of `ridge_root`; noise costs (n, m) with their shares have
    :math:`T = \delta^{-1}\sum h_j/(1+c_jx)^2` and the x of `_spectrum_root`. The noise is infinite where the data
    are interpolated without penalty at :math:`\delta = 1`. Labels that are wrong with probability :math:`\eta` multiply
    the overlaps by :math:`1-2\eta` and add :math:`4\eta(1-\eta)T/(1-T)` to :math:`(1-2\eta)^2\sigma^2`.

    Source: derived (docs/derivations/closed-forms.md#ridge and #ridge-after-a-spectrum).
    """
    if shares is None:
        x = ridge_root(sample_ratio, penalty)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(penalty < 1, x / penalty - 1, 1 / (sample_ratio * (1 + x) - 1))
        surplus = sample_ratio - 1 + sample_ratio * x * (2 + x)  # 1 / T - 1
    else:
        x = _spectrum_root(noise_costs, shares, sample_ratio, penalty)
        kept = 1 / (1 + noise_costs * x[:, None])
        with np.errstate(divide="ignore"):
            used, turned = np.sum(shares * kept, axis=1), np.sum(shares * kept**2, axis=1)
            step = used / (sample_ratio - used)
            surplus = (sample_ratio - turned) / turned
    weights = 1 / (1 + costs * x[:, None])
    left = 1 / (1 + np.sum(strengths**2 * weights, axis=1))
    overlaps = weights * left[:, None]
    power = left**2 + np.sum((strengths * overlaps) ** 2, axis=1)
    if flips is not None:
        clear = 1 - 2 * flips
        overlaps, power = clear[:, None] * overlaps, clear**2 * power + 4 * flips * (1 - flips)
    with np.errstate(divide="ignore"):
        return RidgeSolution(overlaps, np.sqrt(power / np.maximum(surplus, 0.0)), step)


def averaging_overlaps(costs, sample_ratio, noise_costs=None, shares=None):
    """Overlaps S_k (n, k) and noise (n,) of the averaging classifier, in units of the cheapest direction.

    Source: derived (docs/derivations/downstream-system.md#spikes).
    """
    if shares is None:
        noise_costs, shares = np.ones((len(costs), 1)), np.ones((len(costs), 1))
    cheapest = np.minimum(costs.min(axis=1), noise_costs.min(axis=1))[:, None]

    def kept(cost):
        return np.where(cost > cheapest, cheapest / np.where(cost > 0, cost, 1.0), 1.0)

    return kept(costs), np.sqrt(np.sum(shares * kept(noise_costs) ** 2, axis=1) / sample_ratio)


def best_ridge_penalty(signal_norm, sample_ratio, kappa):
    r"""Penalty at which ridge is most accurate.

    It is infinite (averaging) for :math:`\kappa\ge 0`. For shrinkage, c > 1, x is the root of
    :math:`\delta(1+x)r^2+c(1+cx) = \delta(c-1)(1+x)(1+cx)` and :math:`\lambda = x(\delta(1+x)-1)/(\delta(1+x))`.
    It is 0 where :math:`\delta > 1` and :math:`c\ge\delta(1+r^2)/(\delta-1)`.

    Source: derived (docs/derivations/closed-forms.md#best-ridge-penalty).
    """
    shape, r, delta, c = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sample_ratio=check_sample_ratio(sample_ratio),
        kappa=cost_of(kappa),
    )
    penalty = np.full_like(r, np.inf)
    shrunk = c > 1
    r2, d, k = r[shrunk] ** 2, delta[shrunk], c[shrunk]
    # d (k-1) k x^2 + (d (k-1)(1+k) - d r2 - k^2) x + d (k-1) - d r2 - k = 0
    square, linear, constant = d * (k - 1) * k, d * (k**2 - 1) - d * r2 - k**2, d * (k - 1) - d * r2 - k
    smallest = np.maximum(1 / d - 1, 0)
    x = np.maximum(_larger_root(square, linear, constant), smallest)
    penalty[shrunk] = x * (d * (1 + x) - 1) / (d * (1 + x))
    return np.reshape(np.maximum(penalty, 0.0), shape)[()]


def multiclass_ridge_accuracy(classes, signal_norm, sample_ratio, kappa, penalty, *, means="simplex"):
    r"""Accuracy of ridge on one-hot targets for K balanced classes whose means form a simplex of norm r.

    The same :math:`\kappa` acts on the K - 1 dimensions of the means. The accuracy is
    :math:`\int\varphi(g)\Phi(g+d)^{K-1}dg` with :math:`d = r(K/(K-1))^{1/2}\tau/(1+\tau^2)^{1/2}` and
    :math:`\tau^2 = (\delta(1+x)^2-1)/(1+(1+cx)^2(K-1)/r^2)`. The class means of the targets are subtracted, and there
    is no bias.

    Source: derived (docs/derivations/closed-forms.md#several-classes).

    Parameters
    ----------
    classes : int >= 2
    signal_norm, sample_ratio, kappa, penalty : float or array
        As in `downstream_accuracy`. :math:`1+\kappa` is the gain of `contrast_gain`.
    means : {"simplex", "orthogonal"}
        What `signal_norm` is: the norm of the centred means (two classes are then those of `downstream_accuracy`), or
        r' of the means :math:`r'e_k`, with :math:`r = r'(1-1/K)^{1/2}`; `contrast_gain` assumes the latter unless told
        otherwise. The common mean is subtracted.

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> round(float(theory.multiclass_ridge_accuracy(4, 2.0, 5.0, 1.0, 0.1)), 4)
    0.8218
    """
    classes = checks.integer("classes", classes, 2)
    shape, r, delta, c, lam = flatten(
        signal_norm=centred_norm(check_signal_norm(signal_norm), classes, means),
        sample_ratio=check_sample_ratio(sample_ratio),
        kappa=cost_of(kappa),
        penalty=check_penalty(penalty),
    )
    averages = np.isposinf(lam)
    x = ridge_root(delta, np.where(averages, 1.0, lam))
    surplus = np.maximum(delta - 1 + delta * x * (2 + x), 0.0)
    # cos^2 = tau^2 / (1 + tau^2), multiplied out by r^2
    r2, miss = r**2, (1 + c * x) ** 2 * (classes - 1)
    cosine = np.sqrt(surplus * r2 / np.maximum(surplus * r2 + r2 + miss, _TINY))
    averaged = (
        delta * r2 / np.maximum(delta * r2 + c**2 * (classes - 1), _TINY)
    )  # tau^2 = delta r^2 / (c^2 (K - 1))
    cosine = np.where(averages, np.sqrt(averaged), cosine)
    shift = r * np.sqrt(classes / (classes - 1)) * cosine
    accuracy = np.empty_like(shift)
    for first in range(0, len(shift), _POINTS_AT_ONCE):
        block = slice(first, first + _POINTS_AT_ONCE)
        beaten = np.exp((classes - 1) * scipy.special.log_ndtr(_NORMAL + shift[block, None]))
        accuracy[block] = beaten @ _NORMAL_WEIGHTS
    return np.reshape(accuracy, shape)[()]


def averaging_projector_accuracy(signal_norm, samples: int, dim: int, kappa):
    r"""Expected accuracy of :math:`\hat w = \frac1n\sum y_iAh_i` over training sets of n samples in p dimensions.

    It is :math:`E\,\Phi(r\tau/(1+\tau^2)^{1/2})` with :math:`\tau = (1+\kappa)^2(r\sqrt n+\zeta)/\chi_{p-1}`,
    :math:`\zeta\sim N(0,1)`, to 1e-12.

    Source: derived (docs/derivations/closed-forms.md#averaging-at-finite-size).

    Parameters
    ----------
    signal_norm : float or array, >= 0
    samples : int >= 1
    dim : int >= 2
    kappa : float or array, > -1

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> theory.averaging_projector_accuracy(1.5, samples=10, dim=20, kappa=[0.0, 1.0]).round(4)
    array([0.861 , 0.9273])
    """
    samples, dim = checks.integer("samples", samples, 1), checks.integer("dim", dim, 2)
    shape, r, cost = flatten(signal_norm=check_signal_norm(signal_norm), kappa=cost_of(kappa))
    free = dim - 1
    mode, reach = 0.5 * np.log(free), _NORMAL_REACH / np.sqrt(2 * free)
    log_chi, step = np.linspace(mode - _CHI_BELOW * reach, mode + reach, _CHI_NODES, retstep=True)
    log_density = free * log_chi - 0.5 * np.exp(2 * log_chi)
    log_density -= (free / 2 - 1) * np.log(2) + scipy.special.gammaln(free / 2)
    density, chi = np.exp(log_density) * step, np.exp(log_chi)

    def expectation(r, cost):
        score = r * np.sqrt(samples) + _NORMAL[:, None]
        return _NORMAL_WEIGHTS @ scipy.special.ndtr(r * score / np.hypot(score, cost * chi)) @ density

    values = [expectation(*point) for point in zip(r, cost, strict=True)]
    return np.reshape(values, shape)[()]


def _spectrum_root(costs, shares, delta, lam):
    """x of delta (1 - lam / x) = sum(h / (1 + c x)): the right side falls, the left one rises.

    A penalty of 0 gives x = 0 where all of the data cannot be interpolated.
    """
    seen, free = np.sum(shares, 1), np.sum(np.where(costs == 0, shares, 0.0), 1)
    dearest = np.max(np.where(shares > 0, costs, 0.0), 1)
    cheapest = np.min(np.where((shares > 0) & (costs > 0), costs, np.inf), 1)

    def surplus(log_x, delta, lam, *groups):
        x, half = np.exp(log_x), len(groups) // 2
        kept = sum(share / (1 + cost * x) for cost, share in zip(groups[:half], groups[half:], strict=True))
        return kept - delta * (1 - lam / x)

    x = np.zeros_like(delta)
    some = (lam > 0) | (seen > delta)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.log(np.maximum(lam, (seen / delta - 1) / dearest) * (1 - _ROUNDING))
        high = np.log(2 * (delta * lam + (seen - free) / cheapest) / (delta - free))
    groups = (delta, lam, *costs.T, *shares.T)
    x[some] = np.exp(
        find_roots(surplus, low[some], high[some], tuple(g[some] for g in groups), name="spectrum")
    )
    return x


def _larger_root(square, linear, constant):
    half = linear / 2
    root = np.sqrt(np.maximum(half**2 - square * constant, 0.0))
    return np.where(half <= 0, (root - half) / square, -constant / np.where(half <= 0, 1.0, half + root))
