r"""Closed forms: ridge after spikes, after any spectrum and with several classes; averaging at finite size."""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import check_sample_ratio, check_signal_norm, cost_of, flatten
from theory.mixture.roots import find_roots

_TINY = 1e-300  # keeps 0 / 0 of a vanishing signal at 0
_NORMAL_REACH = 9.0  # P(|G| > 9) = 2e-19
_NORMAL, _NORMAL_STEP = np.linspace(-_NORMAL_REACH, _NORMAL_REACH, 181, retstep=True)
_NORMAL_WEIGHTS = np.exp(-0.5 * _NORMAL**2) * _NORMAL_STEP / np.sqrt(2 * np.pi)
_CHI_NODES = 601  # the trapezoid rule in log chi then errs below 1e-12 from 1 degree of freedom on
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


def ridge_overlaps(strengths, costs, sample_ratio, penalty):
    r"""Overlaps :math:`s_k/r_k` (n, k) and noise :math:`\sigma` (n,) for strengths and costs (n, k).

    :math:`s_k = t_k/(1+\sum r_it_i)`, :math:`t_k = r_k/(1+c_kx)`,
    :math:`\sigma^2 = ((1-\sum r_ks_k)^2+\sum s_k^2)/(\delta(1+x)^2-1)`. The noise is infinite where the data are
    interpolated without penalty at :math:`\delta = 1`.

    Source: derived (docs/derivations/closed-forms.md#ridge).
    """
    x = ridge_root(sample_ratio, penalty)
    weights = 1 / (1 + costs * x[:, None])
    left = 1 / (1 + np.sum(strengths**2 * weights, axis=1))
    overlaps = weights * left[:, None]
    surplus = sample_ratio - 1 + sample_ratio * x * (2 + x)
    power = left**2 + np.sum((strengths * overlaps) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        return overlaps, np.sqrt(power / np.maximum(surplus, 0.0))


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


def multiclass_ridge_accuracy(classes, signal_norm, sample_ratio, kappa, penalty):
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
        As in `downstream_accuracy`.

    Returns
    -------
    float, or an array of the broadcast shape
    """
    classes = checks.integer("classes", classes, 2)
    shape, r, delta, c, lam = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sample_ratio=check_sample_ratio(sample_ratio),
        kappa=cost_of(kappa),
        penalty=checks.in_range("penalty", penalty, 0.0),
    )
    x = ridge_root(delta, lam)
    surplus = np.maximum(delta - 1 + delta * x * (2 + x), 0.0)
    # cos^2 = tau^2 / (1 + tau^2), multiplied out by r^2
    r2, miss = r**2, (1 + c * x) ** 2 * (classes - 1)
    cosine = np.sqrt(surplus * r2 / np.maximum(surplus * r2 + r2 + miss, _TINY))
    shift = r * np.sqrt(classes / (classes - 1)) * cosine
    beaten = np.exp((classes - 1) * scipy.special.log_ndtr(_NORMAL + shift[:, None]))
    return np.reshape(beaten @ _NORMAL_WEIGHTS, shape)[()]


def spectrum_accuracy(strengths, gains, shares, sample_ratio, penalty):
    r"""Test accuracy of ridge after a projector whose squared singular values fill a spectrum.

    The directions come in m groups: a share :math:`h_j` of all dimensions has the gain :math:`g_j` and holds the part
    :math:`r_j` of the class mean. With :math:`w_j = 1/(1+x/g_j^2)` and x the root of
    :math:`\delta(1-\lambda/x) = \sum h_jw_j`, the classifier :math:`\beta` in the coordinates of the data has overlap
    :math:`S_j = w_j/(1+\sum r_i^2w_i)` with :math:`r_j` and noise
    :math:`\sigma^2 = T((1-\sum r_j^2S_j)^2+\sum r_j^2S_j^2)/(1-T)`, :math:`T = \delta^{-1}\sum h_jw_j^2`. The accuracy
    is :math:`\Phi(\sum r_j^2S_j/(\sum r_j^2S_j^2+\sigma^2)^{1/2})`.

    Source: derived (docs/derivations/closed-forms.md#ridge-after-a-spectrum).

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
    delta, lam = check_sample_ratio(sample_ratio), checks.in_range("penalty", penalty, 0.0, open_low=True)
    shape = np.broadcast_shapes(groups[0].shape[:-1], delta.shape, lam.shape)
    strengths, gains, shares = (
        np.broadcast_to(a, (*shape, a.shape[-1])).reshape(-1, a.shape[-1]) for a in groups
    )
    delta, lam = (np.broadcast_to(a, shape).ravel() for a in (delta, lam))
    weights = 1 / (1 + _spectrum_root(gains**-2.0, shares, delta, lam)[:, None] * gains**-2.0)
    left = 1 / (1 + np.sum(strengths**2 * weights, 1))  # 1 - mean margin
    overlaps = weights * left[:, None]
    length = np.sum((strengths * overlaps) ** 2, 1)
    turned = np.sum(shares * weights**2, 1) / delta
    noise = turned * (left**2 + length) / (1 - turned)
    return np.reshape(scipy.special.ndtr((1 - left) / np.sqrt(length + noise)), shape)[()]


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
    """x: the right side of delta (1 - lam / x) = sum(shares / (1 + costs x)) falls, the left one rises."""

    def surplus(log_x, delta, lam, *groups):
        x, half = np.exp(log_x), len(groups) // 2
        kept = sum(share / (1 + cost * x) for cost, share in zip(groups[:half], groups[half:], strict=True))
        return kept - delta * (1 - lam / x)

    high = np.log(2 * np.maximum(lam, 1 / (delta * costs.min(axis=1))))
    return np.exp(find_roots(surplus, np.log(lam), high, (delta, lam, *costs.T, *shares.T), name="spectrum"))


def _larger_root(square, linear, constant):
    half = linear / 2
    root = np.sqrt(np.maximum(half**2 - square * constant, 0.0))
    return np.where(half <= 0, (root - half) / square, -constant / np.where(half <= 0, 1.0, half + root))
