r"""InfoNCE with inner products and a finite number of negatives: population loss by quadrature, and its minimum.

:math:`E\log S = \int(e^{-e^w}-E\,e^{-e^wS})\,dw` for the sum S of the positive's and the N negatives' exponentials,
which are independent given the anchor.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import ConvergenceError
from theory.mixture.common import check_sigma, check_signal_norm, flatten
from theory.mixture.projector.gain import Metric, projector_metric

__all__ = ["finite_negatives_loss", "finite_negatives_metric"]

_STEP = 0.5  # of the integral over w, whose integrand is analytic within about pi / 2 of the axis
_ANCHOR_NODES = 20  # Gauss-Hermite, for the anchor's signal coordinate
_NORM_NODES = 8  # Gauss-Laguerre, for the squared norm of its noise
_NEGLIGIBLE = 1e-10  # share of a node that may be left out
_REACH = 6.5  # standard deviations by which a score may exceed its mean: P(G > 6.5) = 4e-11
_BELOW, _ABOVE = 28.0, 6.0  # e^-28 = 7e-13 of the integrand is left below, exp(-e^6) above
_HIGHEST_SCORE = 1000.0  # a larger one would take seconds for one value of the loss
_POINTS_AT_ONCE = 256  # bounds the memory
_LARGEST_EXPONENT = 300.0  # exp(-e^300) is 0, and e^300 is still a float
_NORMAL, _NORMAL_STEP = np.linspace(-7.5, 7.5, 37, retstep=True)
_NORMAL_WEIGHTS = np.exp(-0.5 * _NORMAL**2) * _NORMAL_STEP / np.sqrt(2 * np.pi)


def finite_negatives_loss(signal_norm, sigma, dim, negatives, metric: Metric):
    r"""Loss :math:`-E\,s_++E\log(e^{s_+}+\sum_{j\le N}e^{s_j})-\log(N+1)` at :math:`W^\top W/\tau`.

    Both views are augmented. As N grows, it tends to `projector_loss`.

    Source: derived (docs/derivations/negatives-and-classes.md#finite-negatives).

    Parameters
    ----------
    signal_norm, sigma : float or array, >= 0
    dim : int or array, >= 2
    negatives : int or array, >= 1
        N, the positive's own view not counted (batch size minus 1).
    metric : Metric
        Entries > 0.

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> metric = theory.Metric(0.2, 0.2)
    >>> round(float(theory.finite_negatives_loss(1.5, 1.0, 5, 10, metric)), 3)
    -0.67
    """
    entries = {
        f"metric_{name}": checks.in_range(f"metric.{name}", getattr(metric, name), 0.0, open_low=True)
        for name in metric._fields
    }
    shape, *settings = _settings(signal_norm, sigma, dim, negatives, **entries)
    return np.reshape([_loss(*point) for point in zip(*settings, strict=True)], shape)[()]


def finite_negatives_metric(signal_norm, sigma, dim, negatives) -> Metric:
    """Minimiser of `finite_negatives_loss`, to about 1e-3. Arrays broadcast; each point takes some seconds.

    Expansion and shrinkage are the same as with infinitely many negatives; the scale moves more than the gain does.

    Source: derived (docs/derivations/negatives-and-classes.md#finite-negatives).

    Raises
    ------
    ConvergenceError
        If the search does not settle.

    Examples
    --------
    >>> import theory
    >>> metric = theory.finite_negatives_metric(1.5, 1.0, dim=5, negatives=10)
    >>> round(float(metric.gain), 2)
    0.93
    """
    shape, r, v, dim, negatives = _settings(signal_norm, sigma, dim, negatives)
    start = projector_metric("inner", r, np.sqrt(v - 1))
    found = [_minimiser(*point) for point in zip(r, v, dim, negatives, *start, strict=True)]
    return Metric(*(np.reshape(part, shape)[()] for part in np.transpose(found)))


def _settings(signal_norm, sigma, dim, negatives, **others):
    """Common shape; flat signal norms, variances of a view, dimensions and numbers of negatives."""
    wholes = {
        "dim": checks.whole_numbers("dim", dim, 2),
        "negatives": checks.whole_numbers("negatives", negatives, 1),
    }
    r, sigma = check_signal_norm(signal_norm), check_sigma(sigma)
    shape, r, sigma, *rest = flatten(signal_norm=r, sigma=sigma, **wholes, **others)
    return shape, r, 1 + sigma**2, *rest


def _minimiser(r, v, dim, negatives, a, b):
    found = scipy.optimize.minimize(
        lambda logs: _loss(r, v, dim, negatives, *np.exp(logs)),
        np.log([a, b]),
        method="COBYQA",  # models the loss by parabolas, which needs few values and no derivative
        options={"initial_tr_radius": 0.2, "final_tr_radius": 1e-4},
    )
    if not found.success:
        raise ConvergenceError(
            f"finite negatives: {found.message} at signal_norm {r:g}, sigma {np.sqrt(v - 1):g}, dim {dim:g}, "
            f"negatives {negatives:g}"
        )
    return np.exp(found.x)


def _loss(r, v, dim, negatives, a, b):
    normal, weight = np.polynomial.hermite_e.hermegauss(_ANCHOR_NODES)
    half, share = _gamma_nodes((dim - 1) / 2)
    anchor, squared = (g.ravel() for g in np.meshgrid(r + np.sqrt(v) * normal, 2 * v * half, indexing="ij"))
    weights = np.outer(weight / weight.sum(), share).ravel()
    anchor, squared, weights = (g[weights > _NEGLIGIBLE] for g in (anchor, squared, weights))
    weights = weights / weights.sum()
    power = a**2 * anchor**2 + b**2 * squared
    mean = a * anchor * (r + (anchor - r) / v) + b * squared / v
    spread, positive_spread = np.sqrt(v * power), np.sqrt((v - 1 / v) * power)
    shift = a * r * anchor
    high = np.log(negatives + 1) + np.max(np.maximum(mean, np.abs(shift)) + _REACH * spread)
    if high > _HIGHEST_SCORE:
        raise ValueError(
            f"signal_norm, sigma, dim and metric must be smaller: they make scores of {high:.3g}, and the integral is "
            f"computed up to {_HIGHEST_SCORE:g}"
        )
    w = np.arange(-high - _BELOW, _ABOVE + np.max(7 * spread), _STEP)
    log_sum = 0.0
    for first in range(0, w.size, _POINTS_AT_ONCE):
        part = w[first : first + _POINTS_AT_ONCE]
        one = part[:, None]
        lost = 0.5 * (mass_lost(one + shift, spread) + mass_lost(one - shift, spread))
        with np.errstate(divide="ignore"):
            kept = negatives * np.log1p(-lost) + np.log1p(-mass_lost(one + mean, positive_spread))
        none_left = np.expm1(-np.exp(np.minimum(part, _LARGEST_EXPONENT)))
        log_sum += np.sum((-np.expm1(kept)) @ weights + none_left) * _STEP
    return float(log_sum - np.log(negatives + 1) - a * (1 + r**2) - (dim - 1) * b)


def _gamma_nodes(shape):
    """Gauss nodes and weights, of sum 1, of the Gamma law of this shape; SciPy's own overflow above a shape of 171."""
    k = np.arange(_NORM_NODES)
    nodes, vectors = scipy.linalg.eigh_tridiagonal(2 * k + shape, np.sqrt(k * (k + shape - 1))[1:])
    return nodes, vectors[0] ** 2


def mass_lost(level, spread):
    """E[1 - exp(-exp(level + spread G))]."""
    exponent = np.minimum(level[..., None] + spread[..., None] * _NORMAL, _LARGEST_EXPONENT)
    return np.minimum(-np.expm1(-np.exp(exponent)) @ _NORMAL_WEIGHTS, 1.0)
