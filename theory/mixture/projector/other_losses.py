r"""Gain of the signal direction under losses other than spectral and plain InfoNCE with augmented pairs.

The setting and the symbols are those of `theory.mixture.projector.gain`: both views are augmented and v is 1 plus the
augmentation variance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.common import check_sigma, check_signal_norm, flatten, posterior_pull
from theory.mixture.projector.gain import Metric
from theory.roots import find_roots

__all__ = [
    "ModeWeights",
    "barlow_twins_gain",
    "class_positive_metric",
    "decoupled_inner_loss",
    "decoupled_inner_metric",
    "predictor_weights",
    "vicreg_gain",
]

_ROUNDING = 1e-9  # brackets are opened by this much, so that round-off does not take the root away
_LARGEST_SHARE = 1 - 1e-12  # the decoupled loss is infinite at a share of 1


def barlow_twins_gain(signal_norm, sigma, weight, dim=np.inf):
    r"""Gain of the signal at the minimum of the Barlow Twins loss.

    The loss is :math:`\sum(1-C_{ii})^2+\lambda\sum_{i\ne j}C_{ij}^2` for the cross-correlation C of the outputs of a
    square projector, whose rows are scaled to unit variance. For :math:`\lambda\le1` equal diagonals are optimal. With
    :math:`\rho_u = (1+r^2)/(v+r^2)`, :math:`\rho_\perp = 1/v` and their difference d, the outputs hold the share
    :math:`n = [(1-\rho_\perp)d+\lambda(\rho_\perp^2p/(p-1)+\rho_\perp d)]
    /[d^2(1-\lambda)/p+\lambda(\rho_u^2+\rho_\perp^2/(p-1))]` of u, and
    :math:`\mathrm{gain}^2 = n(p-1)/(p-n)\,v/(v+r^2)`. From n = p on all outputs hold u alone, and the gain is infinite.
    For :math:`p\to\infty` the loss expands iff :math:`\lambda < \sigma^4/((1+\sigma^2)(1+r^2))`.

    Source: derived (docs/derivations/other-losses.md#barlow-twins).

    Parameters
    ----------
    signal_norm, sigma : float or array, > 0
    weight : float or array, in (0, 1]
        :math:`\lambda`.
    dim : float or array, >= 2
        The dimension p; infinity is allowed.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    AssumptionError
        If the weight exceeds 1, because unequal diagonals may then be better.

    Examples
    --------
    >>> import theory
    >>> theory.barlow_twins_gain(1.5, [0.5, 2.0], weight=0.01, dim=100).round(4)
    array([ 1.174 , 14.7213])
    """
    weight = checks.in_range("weight", weight, 0.0, open_low=True)
    if np.any(weight > 1):
        raise AssumptionError(
            f"weight must be <= 1 for the Barlow Twins formula to hold, got {checks.show(weight)}"
        )
    shape, r, sigma, weight, dim = flatten(
        **_positive(signal_norm=signal_norm, sigma=sigma), weight=weight, dim=_dimension(dim)
    )
    v, inverse = 1 + sigma**2, 1 / dim
    across, apart = 1 / v, (1 + r**2) / (v + r**2) - 1 / v
    top = (1 - across) * apart + weight * (across**2 / (1 - inverse) + across * apart)
    bottom = apart**2 * (1 - weight) * inverse
    bottom = bottom + weight * ((across + apart) ** 2 + across**2 * inverse / (1 - inverse))
    return np.reshape(_gain_of_share(top / bottom, inverse, r, v), shape)[()]


def vicreg_gain(signal_norm, sigma, invariance, covariance, *, target_std=1.0, dim=np.inf, variance=None):
    r"""Gain of the signal at the minimum of VICReg with an active variance constraint.

    Every output then has the standard deviation `target_std`, :math:`\gamma`. The loss is
    :math:`\lambda_{inv}E|z_1-z_2|^2+\lambda_{cov}\sum_{i\ne j}C_{ij}^2`, with one covariance term. Where both views
    have a term of their own, give twice its weight. The share of u is
    :math:`n = 1+\frac{p-1}p\frac{\lambda_{inv}}{\lambda_{cov}}\frac{\sigma^2r^2}{\gamma^2v(v+r^2)}`, and the gain
    follows as in `barlow_twins_gain`. For :math:`p\to\infty` the loss expands iff
    :math:`\lambda_{inv}\sigma^2/(\lambda_{cov}\gamma^2) > 1+\sigma^2+r^2`.

    Source: derived (docs/derivations/other-losses.md#vicreg).

    Parameters
    ----------
    signal_norm, sigma : float or array, > 0
    invariance, covariance : float or array, > 0
        Weights of the two terms.
    target_std : float or array, > 0
    dim : float or array, >= 2
        The dimension p; infinity is allowed.
    variance : None
        A finite weight of the variance hinge is not covered.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    AssumptionError
        If `variance` is given.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.vicreg_gain(1.5, 1.0, invariance=25.0, covariance=1.0, dim=100)), 4)
    1.9508
    """
    if variance is not None:
        raise AssumptionError(
            "variance: a soft hinge is not covered, only the active constraint (leave it out)"
        )
    shape, r, sigma, pull, push, std, dim = flatten(
        **_positive(
            signal_norm=signal_norm,
            sigma=sigma,
            invariance=invariance,
            covariance=covariance,
            target_std=target_std,
        ),
        dim=_dimension(dim),
    )
    v, inverse = 1 + sigma**2, 1 / dim
    share = 1 + (1 - inverse) * pull / push * (sigma * r / std) ** 2 / (v * (v + r**2))
    return np.reshape(_gain_of_share(share, inverse, r, v), shape)[()]


class ModeWeights(NamedTuple):
    """Weights of the linear encoder along the signal and across it.

    Examples
    --------
    >>> import theory
    >>> weights = theory.predictor_weights(1.5, 0.5, decay=0.1)
    >>> round(float(weights.signal), 4), round(float(weights.noise), 4)
    (0.8967, 0.6828)
    """

    signal: np.ndarray
    noise: np.ndarray


def predictor_weights(signal_norm, sigma, decay) -> ModeWeights:
    r"""Weights that SimSiam or BYOL reaches with a linear predictor, a balanced start and decay on both layers.

    A mode whose moments are S (one view) and :math:`\tilde S` (the two views of a pair) ends at
    :math:`(\tilde S+(\tilde S^2-4\eta S)^{1/2})/(2S)`, or at 0 when :math:`\tilde S^2\le4\eta S`. The moments of the
    signal are :math:`(v+r^2, 1+r^2)`, those of the noise (v, 1). The signal always has the larger weight, and the
    noise collapses from :math:`\eta = 1/(4v)` on.

    Source: derived (docs/derivations/other-losses.md#linear-predictors).

    Parameters
    ----------
    signal_norm, sigma : float or array, >= 0
    decay : float or array, >= 0
        Weight decay :math:`\eta`.

    Returns
    -------
    ModeWeights
        Arrays of the broadcast shape. The balanced start is an assumption; the formula does not hold without it.

    Examples
    --------
    >>> import theory
    >>> weights = theory.predictor_weights(1.5, [0.5, 1.0], decay=0.1)
    >>> weights.signal.round(4)
    array([0.8967, 0.7326])
    """
    shape, r, sigma, decay = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sigma=check_sigma(sigma),
        decay=checks.in_range("decay", decay, 0.0),
    )
    v = 1 + sigma**2
    modes = [_mode_weight(v + r**2, 1 + r**2, decay), _mode_weight(v, np.ones_like(v), decay)]
    return ModeWeights(*(np.reshape(mode, shape)[()] for mode in modes))


def class_positive_metric(loss, signal_norm, sigma) -> Metric:
    r"""Global minimiser of InfoNCE when the positive is an independent view of the same class.

    The noise weight is 0: the expansion is complete. For "inner" the signal weight is the root of
    :math:`v(v+r^2)\alpha+E[rX\tanh(rX\alpha)] = r^2`; for "euclidean" it is the root of the equation for augmented
    pairs with the spread :math:`2v` of a pair.

    Source: derived (docs/derivations/other-losses.md#class-positives).

    Parameters
    ----------
    loss : {"inner", "euclidean"}
    signal_norm, sigma : float or array, >= 0

    Examples
    --------
    >>> import theory
    >>> metric = theory.class_positive_metric("euclidean", 1.5, 1.0)
    >>> round(float(metric.signal), 4), round(float(metric.noise), 4)
    (0.1629, 0.0)
    """
    loss = checks.choice("loss", loss, ("inner", "euclidean"))
    shape, r, sigma = flatten(signal_norm=check_signal_norm(signal_norm), sigma=check_sigma(sigma))
    v = 1 + sigma**2

    def balance_inner(a, r, v):
        return r**2 - v * (v + r**2) * a - posterior_pull(r, v, a)

    def balance_distance(q, r, v):
        return v - v * (q + q**2) / 2 - q**2 * (r**2 - posterior_pull(r, v, (1 - q) / v))

    if loss == "inner":
        high = r**2 / (v * (v + r**2)) * (1 + _ROUNDING)
        found = find_roots(balance_inner, 0.0, high, (r, v), name="class positives")
    else:
        q = find_roots(balance_distance, 0.0, np.ones_like(r), (r, v), name="class positives")
        found = (1 / q - 1) / v
    return Metric(np.reshape(found, shape)[()], np.zeros(shape)[()])


def decoupled_inner_loss(signal_norm, sigma, metric: Metric, dim):
    r"""Inner-product loss with :math:`\log EE'e^{s'}` in place of :math:`E\log E'e^{s'}` at :math:`W^\top W/\tau`.

    Source: derived (docs/derivations/other-losses.md#decoupled-loss).

    Parameters
    ----------
    signal_norm, sigma, metric, dim
        As in `projector_loss`.

    Raises
    ------
    AssumptionError
        If an entry of the metric is 1/v or more, because the expectation is then infinite.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.decoupled_inner_loss(1.5, 1.0, theory.Metric(0.2, 0.2), dim=5)), 4)
    -0.6627
    """
    entries = {
        f"metric_{name}": checks.in_range(f"metric.{name}", getattr(metric, name), 0.0)
        for name in metric._fields
    }
    shape, r, sigma, a, b, dim = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sigma=check_sigma(sigma),
        **entries,
        dim=checks.in_range("dim", dim, 1),
    )
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
    r"""Global minimiser of `decoupled_inner_loss`, whose threshold differs from that of the usual InfoNCE loss.

    Across the signal :math:`\beta = ((v^2+4)^{1/2}-v)/(2v)`; along it the stationarity condition has one root.

    Source: derived (docs/derivations/other-losses.md#decoupled-loss).

    Examples
    --------
    >>> import theory
    >>> round(float(theory.decoupled_inner_metric(1.5, 1.0).gain), 4)
    0.8429
    """
    shape, r, sigma = flatten(signal_norm=check_signal_norm(signal_norm), sigma=check_sigma(sigma))
    v = 1 + sigma**2

    def balance(share, r, v):  # share = alpha v in (0, 1)
        a = share / v
        odds = np.exp(-a * r**2 * (1 / (1 - share) + 1 / (1 + share)))
        pull = r**2 * ((1 - share) ** -2 - odds * (1 + share) ** -2) / (1 + odds)
        return 1 + r**2 - share * v / (1 - share**2) - pull

    share = find_roots(balance, 0.0, np.full_like(r, _LARGEST_SHARE), (r, v), name="decoupled loss")
    metric = share / v, 2 / (v * (np.sqrt(v**2 + 4) + v))
    return Metric(*(np.reshape(part, shape)[()] for part in metric))


def _mode_weight(own, pair, decay):
    discriminant = pair**2 - 4 * decay * own
    return np.where(discriminant > 0, (pair + np.sqrt(np.maximum(discriminant, 0))) / (2 * own), 0.0)


def _gain_of_share(share, inverse, r, v):
    """Square root of n (p - 1) / (p - n) v / (v + r^2); infinite from n = p on."""
    left = 1 - share * inverse
    some = left > 0
    ratio = np.where(some, share * (1 - inverse) / np.where(some, left, 1.0), np.inf)
    return np.sqrt(ratio * v / (v + r**2))


def _positive(**arguments):
    return {name: checks.in_range(name, value, 0.0, open_low=True) for name, value in arguments.items()}


def _dimension(dim):
    dim = checks.numeric("dim", dim)
    if not np.all(dim >= 2):
        raise ValueError(f"dim must lie in [2, inf], got {checks.show(dim)}")
    return dim
