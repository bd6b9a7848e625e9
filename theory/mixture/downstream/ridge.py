r"""Ridge classification in the limit of many samples and dimensions: closed forms.

:math:`x = \lambda(1+\gamma)` is the positive root of :math:`\delta x^2+(\delta-1-\lambda\delta)x-\lambda\delta = 0`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import cost_of, flattened


def ridge_root(sample_ratio, penalty):
    """x, without cancellation; arrays that broadcast."""
    half = (sample_ratio - 1 - penalty * sample_ratio) / 2
    root = np.sqrt(half**2 + penalty * sample_ratio**2)
    positive = half > 0
    return np.where(
        positive, penalty * sample_ratio / np.where(positive, half + root, 1.0), (root - half) / sample_ratio
    )


def ridge_overlaps(strengths, costs, sample_ratio, penalty):
    r"""Overlaps :math:`s_k/r_k` (n, k) and noise :math:`\sigma` (n,) for strengths and costs (n, k).

    :math:`s_k = t_k/(1+\sum r_it_i)`, :math:`t_k = r_k/(1+c_kx)`,
    :math:`\sigma^2 = ((1-\sum r_ks_k)^2+\sum s_k^2)/(\delta(1+x)^2-1)`; infinite noise where the data are
    interpolated without penalty at :math:`\delta = 1`.
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

    Infinite (averaging) for :math:`\kappa\ge 0`. For shrinkage, c > 1, x is the root of
    :math:`\delta(1+x)r^2+c(1+cx) = \delta(c-1)(1+x)(1+cx)` and :math:`\lambda = x(\delta(1+x)-1)/(\delta(1+x))`;
    0 where :math:`\delta > 1` and :math:`c\ge\delta(1+r^2)/(\delta-1)`.

    Source: derived (docs/derivations/downstream-system.md).
    """
    shape, r, delta, c = flattened(signal_norm, sample_ratio, cost_of(kappa))
    penalty = np.full_like(r, np.inf)
    shrunk = c > 1
    r2, d, k = r[shrunk] ** 2, delta[shrunk], c[shrunk]
    # d (k-1) k x^2 + (d (k-1)(1+k) - d r2 - k^2) x + d (k-1) - d r2 - k = 0
    square, linear, constant = d * (k - 1) * k, d * (k**2 - 1) - d * r2 - k**2, d * (k - 1) - d * r2 - k
    x = _larger_root(square, linear, constant)
    smallest = np.maximum(1 / d - 1, 0)
    x = np.maximum(x, smallest)
    penalty[shrunk] = x * (d * (1 + x) - 1) / (d * (1 + x))
    return np.reshape(np.maximum(penalty, 0.0), shape)[()]


def multiclass_ridge_accuracy(classes, signal_norm, sample_ratio, kappa, penalty):
    r"""Accuracy of ridge on one-hot targets for K balanced classes with simplex means of norm r.

    The same :math:`\kappa` acts on the K - 1 dimensions of the means. :math:`\mathrm{Acc} =
    \int\varphi(g)\Phi(g+d)^{K-1}dg`, :math:`d = r(K/(K-1))^{1/2}\tau/(1+\tau^2)^{1/2}`,
    :math:`\tau^2 = (\delta(1+x)^2-1)/(1+(1+cx)^2(K-1)/r^2)`. Class means are subtracted from the targets, no bias.

    Source: derived.

    Parameters
    ----------
    classes : int >= 2
    signal_norm, sample_ratio, kappa, penalty : float or array
        As in `downstream_accuracy`.
    """
    classes = checks.integer("classes", classes, 2)
    shape, r, delta, c, lam = flattened(signal_norm, sample_ratio, cost_of(kappa), _penalty(penalty))
    x = ridge_root(delta, lam)
    surplus = np.maximum(delta - 1 + delta * x * (2 + x), 0.0)
    # cos^2 = tau^2 / (1 + tau^2), multiplied out by r^2
    r2, miss = r**2, (1 + c * x) ** 2 * (classes - 1)
    cosine = np.sqrt(surplus * r2 / np.maximum(surplus * r2 + r2 + miss, 1e-300))
    shift = r * np.sqrt(classes / (classes - 1)) * cosine
    grid, step = np.linspace(-9.0, 9.0, 181, retstep=True)
    density = np.exp(-0.5 * grid**2) * step / np.sqrt(2 * np.pi)
    return np.reshape(np.exp((classes - 1) * scipy.special.log_ndtr(grid + shift[:, None])) @ density, shape)[
        ()
    ]


def _penalty(value):
    return checks.in_range("penalty", value, 0.0)


def _larger_root(square, linear, constant):
    half = linear / 2
    root = np.sqrt(np.maximum(half**2 - square * constant, 0.0))
    return np.where(half <= 0, (root - half) / square, -constant / np.where(half <= 0, 1.0, half + root))
