r"""How downstream accuracy moves with the projector and with the penalty; the best penalty; where expansion hurts.

Implicit differentiation of the downstream equations: with :math:`R(\theta, c, \lambda) = 0` for the logarithms
:math:`\theta`, :math:`d\theta/dc = -R_\theta^{-1}R_c`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import ConvergenceError
from theory.mixture.downstream.accuracy import _arguments, _flat_overlaps, known_classifier, loss_of
from theory.mixture.downstream.closed_forms import best_ridge_penalty, ridge_root
from theory.mixture.downstream.equations import Problem, equations
from theory.mixture.downstream.hard_margin import separability_signal
from theory.mixture.downstream.system import solve

__all__ = ["expansion_slope", "optimal_penalty", "penalty_slope", "reversal_onset"]

_ROOT_TWO_PI = np.sqrt(2 * np.pi)
_PENALTIES = np.linspace(
    np.log(1e-7), np.log(1e3), 41
)  # a factor 1.8 apart: no optimum hides between two of them
_BISECTIONS = 45  # of two such factors: to 4e-14
_SMALL_SIGNAL, _LARGEST_ONSET = 0.3, 3.0  # expansion helps at the former; every onset is below the latter
# Distances from the separability limit, relative to it, that are tried in turn.
_NEAREST_GAPS = 1e-3, 1e-6, 1e-9


def expansion_slope(classifier, signal_norm, sample_ratio, kappa, penalty):
    r"""Derivative :math:`d\mathrm{Acc}/d\kappa`: positive where expansion helps, negative where it hurts.

    Its sign is the sign of a, the rate at which :math:`-F_\sigma/\rho` falls along the ray through
    :math:`(s, \sigma)` ; a > 0 wherever a larger penalty does not help.

    Source: derived (docs/derivations/downstream-system.md#when-does-expansion-help).

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge"} or MarginProx
    signal_norm, sample_ratio, kappa, penalty
        As in `downstream_accuracy`; kappa finite, penalty > 0 for logistic and hinge.

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> bool(theory.expansion_slope("ridge", 1.5, 2.0, 0.0, 0.1) > 0)
    True
    """
    shape, tau, slope_c, _, (r, _, c, lam) = _slopes(classifier, signal_norm, sample_ratio, kappa, penalty)
    averages = np.isposinf(lam)
    with_kappa = -2 * c**1.5 * np.where(averages, 1.0, lam) * slope_c
    argument = r * tau / np.sqrt(1 + tau**2)
    density = np.exp(-0.5 * argument**2) / _ROOT_TWO_PI
    return np.reshape(density * r * tau * (1 + tau**2) ** -1.5 * with_kappa, shape)[()]


def penalty_slope(classifier, signal_norm, sample_ratio, kappa, penalty):
    r"""Derivative of :math:`\log\tau = \log(s/\sigma)` by the logarithm of the penalty.

    Accuracy increases with tau. Arguments as in `expansion_slope`.

    Source: derived (docs/derivations/downstream-system.md#when-does-expansion-help).

    Examples
    --------
    >>> import theory
    >>> bool(theory.penalty_slope("ridge", 1.5, 2.0, 0.0, 0.1) > 0)
    True
    """
    shape, _, _, slope, (_, _, _, lam) = _slopes(classifier, signal_norm, sample_ratio, kappa, penalty)
    return np.reshape(np.where(np.isposinf(lam), 0.0, lam) * slope, shape)[()]


def optimal_penalty(classifier, signal_norm, sample_ratio, kappa):
    r"""Penalty of greatest accuracy; infinity (averaging) for :math:`\kappa\ge0`.

    Ridge has a closed form. For logistic, hinge and proximal maps it is the best of 41 penalties between 1e-7 and 1e3,
    and then the root of the slope beside it by bisection; an end of that range means that the optimum is at or beyond
    it. The hinge is averaging to double precision from penalties of some tens on. Where that is best, the result is
    one of these penalties.

    Source: derived (docs/derivations/downstream-system.md#when-does-expansion-help).

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge"} or MarginProx
    signal_norm, sample_ratio, kappa
        As in `downstream_accuracy`.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.optimal_penalty("ridge", 2.0, 20.0, -0.5)), 3)
    0.1
    >>> float(theory.optimal_penalty("ridge", 2.0, 20.0, 1.0))
    inf
    """
    if isinstance(classifier, str) and checks.choice("classifier", classifier, _TUNED) == "ridge":
        return best_ridge_penalty(signal_norm, sample_ratio, kappa)
    shape, (r, delta, c, _) = _arguments(classifier, signal_norm, sample_ratio, kappa, 1.0)
    penalty = np.full_like(r, np.inf)
    shrunk = c > 1
    if np.any(shrunk):
        penalty[shrunk] = _tuned(classifier, r[shrunk], delta[shrunk], c[shrunk] ** -0.5 - 1)
    return np.reshape(penalty, shape)[()]


def reversal_onset(classifier, sample_ratio):
    r"""Signal norm :math:`r_c(\delta)` where expansion turns from help to harm as the penalty vanishes.

    The data are inseparable. For logistic it tends to :math:`(\pi/2)^{1/2}`, for hinge to 1.22401, as
    :math:`\delta\to\infty`. Above it, up to the separability limit, expansion hurts.

    Source: derived (docs/derivations/downstream-system.md#when-does-expansion-help).

    Parameters
    ----------
    classifier : {"logistic", "hinge"}
    sample_ratio : float or array, > 2

    Returns
    -------
    float or array

    Raises
    ------
    ConvergenceError
        If the crossing lies closer to the separability limit than the equations can be solved, which happens for
        sample ratios just above 2.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.reversal_onset("logistic", 20.0)), 4)
    1.1907
    """
    checks.choice("classifier", classifier, ("logistic", "hinge"))
    delta = checks.in_range("sample_ratio", sample_ratio, 2.0, open_low=True)
    found = [_one_onset(classifier, one) for one in delta.ravel()]
    return np.reshape(found, delta.shape)[()]


def _one_onset(classifier, delta):
    top = float(separability_signal(delta))

    def slope(gap):
        """At the signal norm top (1 - e^gap)."""
        r = np.array([top * -np.expm1(gap)])
        return float(-_finite_slopes(classifier, r, np.array([delta]), np.ones(1), np.zeros(1))[1][0])

    low = np.log(1 - min(_SMALL_SIGNAL, top / 2) / top)
    high = np.log(1 - min(top * (1 - _NEAREST_GAPS[0]), _LARGEST_ONSET) / top)
    for gap in np.log(_NEAREST_GAPS):
        high = min(high, gap)
        if slope(high) < 0:
            return top * -np.expm1(scipy.optimize.brentq(slope, low, high, xtol=1e-12))
    raise ConvergenceError(
        f"reversal onset: no crossing found up to {1 - _NEAREST_GAPS[-1]:g} of the separability limit {top:.6g} "
        f"at sample_ratio {delta:g}"
    )


_TUNED = ("ridge", "logistic", "hinge")


def _slopes(classifier, signal_norm, sample_ratio, kappa, penalty):
    """tau, d log tau / d c over the penalty, d log tau / d penalty, flat; and the flat arguments."""
    if isinstance(known_classifier(classifier), str):
        checks.choice("classifier", classifier, _TUNED)
    shape, flat = _arguments(classifier, signal_norm, sample_ratio, kappa, penalty)
    if np.any(flat[3] == 0):
        raise ValueError("penalty must be > 0 for slopes, got 0")
    averages = np.isposinf(flat[3])
    results = np.array([flat[0] * np.sqrt(flat[1]) / flat[2], -1 / flat[2], np.zeros_like(flat[0])])
    results[:, ~averages] = _finite_slopes(classifier, *(values[~averages] for values in flat))
    return shape, *results, flat


def _finite_slopes(classifier, r, delta, c, lam):
    """tau, d log tau / d c over the penalty and d log tau / d penalty; the penalty may be 0 for inseparable data."""
    if isinstance(classifier, str) and classifier == "ridge":
        return _ridge_slopes(r, delta, c, lam)
    problem = Problem(r[:, None], c[:, None], delta, lam)
    solution = solve(loss_of(classifier), problem)
    _, jacobian = equations(solution.loss, problem, solution.logs)
    curvature = np.exp(-solution.logs[:, 2]) / delta - lam
    held = np.maximum(lam * c + curvature, 1e-300)
    sources = np.zeros((len(r), 3, 2))
    sources[:, 0, 0] = 1 / held
    sources[:, 0, 1] = c / held
    sources[:, 2, 1] = 1 / (lam + curvature)
    moved = -np.linalg.solve(jacobian, sources)
    by_c, by_penalty = (moved[:, 0] - moved[:, 1]).T
    return r * solution.overlaps[:, 0] / solution.noise, by_c, by_penalty


def _ridge_slopes(r, delta, c, lam):
    x = ridge_root(delta, lam)
    signals, noise = _flat_overlaps("ridge", r, delta, c, lam)
    grow = 1 + c * x
    scale = grow / (r**2 + grow**2)
    x_slope = delta * (1 + x) / (2 * delta * x + delta - 1 - lam * delta)
    surplus = delta * (1 + x) ** 2 - 1
    by_penalty = (delta * (1 + x) / surplus - c * scale) * x_slope
    return signals / noise, -x / lam * scale, by_penalty


def _tuned(classifier, r, delta, kappa):
    columns = [a[:, None] for a in (r, delta, kappa)]
    _, (fr, fd, fc, fl) = _arguments(classifier, *columns, np.exp(_PENALTIES))
    signals, noise = _flat_overlaps(classifier, fr, fd, fc, fl)
    best = np.argmax((signals / noise).reshape(len(r), -1), axis=1)
    low = _PENALTIES[np.maximum(best - 1, 0)]
    high = _PENALTIES[np.minimum(best + 1, len(_PENALTIES) - 1)]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rising = penalty_slope(classifier, r, delta, kappa, np.exp(middle)) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.exp((low + high) / 2)
