r"""Accuracy of linear classifiers after a projector that expands or shrinks the signal direction.

Labelled data :math:`h = y\mu+z`, :math:`y = \pm1` fair, :math:`z\sim N(0, I_p)`, :math:`\|\mu\| = r`; the classifier
sees :math:`(I+\kappa uu^\top)h`, :math:`u = \mu/r`, on n samples; :math:`n/p\to\delta`. It minimises mean loss
:math:`+\frac\lambda2\|w\|^2`, without bias. With :math:`\beta = Aw`, overlap :math:`s = \beta\cdot u` and noise
:math:`\sigma = \|\beta_\perp\|`, accuracy is :math:`\Phi(rs/(s^2+\sigma^2)^{1/2})`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import check_sample_ratio, check_signal_norm, cost_of, flatten, refuse_not_covered
from theory.mixture.downstream.closed_forms import ridge_overlaps
from theory.mixture.downstream.hard_margin import (
    hard_margin_overlaps,
    separability_signal,
    shrunk_hard_margin_cosine,
)
from theory.mixture.downstream.losses import FromProx, Hinge, Logistic
from theory.mixture.downstream.system import Problem, solve

CLASSIFIERS = ("ridge", "logistic", "hinge", "hard-margin", "averaging")
_LOSSES = {"logistic": Logistic(), "hinge": Hinge()}


class Overlaps(NamedTuple):
    r"""Classifier in the coordinates of the data before the projector.

    Attributes
    ----------
    signal : float or array
        :math:`s = \beta\cdot u`.
    noise : float or array
        :math:`\sigma = \|\beta_\perp\|`.
    """

    signal: np.ndarray
    noise: np.ndarray


def downstream_accuracy(classifier, signal_norm, sample_ratio, kappa, penalty=None, **not_covered):
    r"""Test accuracy as n, p go to infinity with n/p fixed.

    Ridge and averaging in closed form, hard margin by one scalar equation, any convex loss by the system
    :math:`s(\lambda c+Q) = r\bar e`, :math:`\sigma\sqrt\delta(\lambda+Q) = \nu`, :math:`\gamma\delta(\lambda+Q) = 1`,
    :math:`c = (1+\kappa)^{-2}`, whose moments are over the proximal map at step :math:`\gamma`; residuals relative to
    each equation's terms are at most 1e-12.

    Conversions to this penalty (see `penalty_from_c`, `penalty_from_alpha`): scikit-learn's
    ``LogisticRegression(C)`` and ``LinearSVC(C, loss="hinge")`` have :math:`\lambda = 1/(nC)`, ``Ridge(alpha)`` has
    :math:`\lambda = \alpha/n`; always with ``fit_intercept=False``. The rescaled projector A/(1+kappa) has the penalty
    :math:`\lambda(1+\kappa)^2`.

    Source: derived (docs/derivations/downstream-system.md#reduction-to-two-numbers).

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "hard-margin", "averaging"} or MarginProx
        A name, or an object with `prox(x, step)`, the proximal map of a convex loss of the margin.
    signal_norm : float or array, >= 0
        r, the norm of the class mean; noise has standard deviation 1 in each direction.
    sample_ratio : float or array, > 0
        :math:`\delta = n/p`.
    kappa : float or array, > -1
        Expansion (> 0) or shrinkage (< 0) of the signal direction; infinity allowed.
    penalty : float or array, >= 0
        :math:`\lambda`, at most 1e4 for "logistic"; refused for "hard-margin" and "averaging". 0 means the limit from
        above (smallest interpolator, largest margin where the data separate), refused for a proximal map.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    ValueError
        If an argument is outside its range.
    AssumptionError
        If a hard margin is asked for where the data are not separable, or a case that is not covered (bias,
        class_balance, noise_covariance).
    ConvergenceError
        If the equations are not solved to 1e-12.

    Examples
    --------
    >>> import theory
    >>> print(round(theory.downstream_accuracy("logistic", 1.0, 2.0, kappa=1.0, penalty=0.1), 4))
    0.8077
    """
    refuse_not_covered(not_covered)
    shape, flat = _arguments(classifier, signal_norm, sample_ratio, kappa, penalty)
    signals, noise = _flat_overlaps(classifier, *flat)
    return np.reshape(_accuracy(flat[0], signals, noise), shape)[()]


def downstream_overlaps(classifier, signal_norm, sample_ratio, kappa, penalty=None) -> Overlaps:
    r"""Overlap and noise of the classifier, :math:`\beta = (I+\kappa uu^\top)w`.

    Arguments and errors as in `downstream_accuracy`. The hard margin is scaled to margins of at least 1; averaging,
    whose scale is arbitrary, by :math:`(1+\kappa)^{-2}`.
    """
    shape, flat = _arguments(classifier, signal_norm, sample_ratio, kappa, penalty)
    return Overlaps(*(np.reshape(part, shape)[()] for part in _flat_overlaps(classifier, *flat)))


def spiked_accuracy(classifier, strengths, sample_ratio, kappas, penalty=None):
    r"""Accuracy after :math:`A = I+\sum_k\kappa_ku_ku_k^\top` when :math:`\mu = \sum_kr_ku_k`.

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "averaging"} or MarginProx
    strengths : (..., k) array, >= 0
        :math:`r_k`. A part of the mean outside all spikes is one more spike with kappa 0.
    sample_ratio, penalty : float or array
        Broadcast against the leading shape.
    kappas : (..., k) array, > -1

    Returns
    -------
    float, or an array of the leading shape

    Source: derived (docs/derivations/downstream-system.md#spikes).
    """
    checked = _known(classifier)
    if checked == "hard-margin":
        raise ValueError(
            "classifier must be a convex loss or 'averaging' for several spikes, got 'hard-margin'"
        )
    strengths, costs = np.broadcast_arrays(
        checks.in_range("strengths", np.atleast_1d(strengths), 0.0), cost_of(np.atleast_1d(kappas))
    )
    delta, lam = check_sample_ratio(sample_ratio), _penalty_of(classifier, penalty)
    shape = np.broadcast_shapes(strengths.shape[:-1], delta.shape, lam.shape)
    k = strengths.shape[-1]
    rows = [np.broadcast_to(a, (*shape, k)).reshape(-1, k) for a in (strengths, costs)]
    delta, lam = (np.broadcast_to(a, shape).ravel() for a in (delta, lam))
    if isinstance(checked, str) and checked == "averaging":
        kept = 1 / np.maximum(rows[1], 1e-300)
        overlaps, noise = kept, 1 / np.sqrt(delta)
    else:
        overlaps, noise = _spiked(checked, *rows, delta, lam)
    squared = rows[0] ** 2
    along = np.sum(squared * overlaps, 1)
    length = np.sqrt(np.sum(squared * overlaps**2, 1) + noise**2)
    return np.reshape(scipy.special.ndtr(along / length), shape)[()]


def misaligned_accuracy(classifier, signal_norm, sample_ratio, kappa, cosine, penalty=None):
    r"""Accuracy when the projector's direction makes an angle with the mean, :math:`\cos(u, \mu)` = `cosine`.

    Two spikes: the projector's direction holds :math:`r\cos`, the rest of the mean has kappa 0. Too much expansion
    hurts. Averaging, :math:`q = (1+\kappa)^2`, :math:`\omega` the cosine:
    :math:`\Phi(r(\omega^2q+1-\omega^2)/(\omega^2q^2+1-\omega^2+1/(\delta r^2))^{1/2})`, best at
    :math:`q = 1+1/(\delta r^2(1-\omega^2))`.

    Source: derived (docs/derivations/downstream-system.md#spikes).
    """
    r, omega = check_signal_norm(signal_norm), checks.in_range("cosine", cosine, 0.0, 1.0)
    kappa = np.asarray(kappa, dtype=float)
    r, omega, kappa = np.broadcast_arrays(r, omega, kappa)
    strengths = np.stack([r * omega, r * np.sqrt(1 - omega**2)], -1)
    return spiked_accuracy(classifier, strengths, sample_ratio, np.stack([kappa, 0 * omega], -1), penalty)


class Limits(NamedTuple):
    """Accuracy as the signal direction vanishes (kappa to -1) and as it grows without bound."""

    shrunk: np.ndarray
    expanded: np.ndarray


def accuracy_limits(classifier, signal_norm, sample_ratio, penalty=None) -> Limits:
    r"""Limits of `downstream_accuracy` as kappa goes to -1 and to infinity.

    With a penalty the shrunk limit is 1/2. Without one it is 1/2 where noise alone fits the labels (ridge for
    :math:`\delta<1`, hard margin for :math:`\delta\le2`), else above: a hard margin keeps
    :math:`\Phi(r(q(\delta\varphi(q)-q))^{1/2})`, and an unregularised ridge or logistic classifier is not changed by
    any kappa.

    Source: derived (docs/derivations/downstream-system.md#limits-in-kappa).
    """
    shape, (r, delta, _, lam) = _arguments(classifier, signal_norm, sample_ratio, np.inf, penalty)
    expanded = downstream_accuracy(classifier, r, delta, np.inf, None if penalty is None else lam)
    shrunk = np.full_like(expanded, 0.5)
    if isinstance(classifier, str):
        free = lam == 0
        if classifier == "ridge":
            keeps = free & (delta > 1)
            shrunk[keeps] = expanded[keeps]
        elif classifier != "averaging":
            separable = (delta <= 2) | (r > separability_signal(delta))
            cosine = shrunk_hard_margin_cosine(r, delta)
            shrunk = np.where(
                free, np.where(separable, scipy.special.ndtr(r * np.minimum(cosine, 1)), expanded), shrunk
            )
    return Limits(*(np.reshape(side, shape)[()] for side in (shrunk, expanded)))


def penalty_from_c(c, samples):
    """Penalty of scikit-learn's `LogisticRegression` and `LinearSVC` with inverse strength C: 1 / (samples C)."""
    c, samples = checks.in_range("c", c, 0.0, open_low=True), checks.in_range("samples", samples, 1.0)
    return (1 / (samples * c))[()]


def penalty_from_alpha(alpha, samples):
    """Penalty of scikit-learn's `Ridge` with strength alpha: alpha / samples."""
    alpha, samples = checks.in_range("alpha", alpha, 0.0), checks.in_range("samples", samples, 1.0)
    return (alpha / samples)[()]


def _arguments(classifier, signal_norm, sample_ratio, kappa, penalty):
    shape, *flat = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sample_ratio=check_sample_ratio(sample_ratio),
        kappa=cost_of(kappa),
        penalty=_penalty_of(classifier, penalty),
    )
    return shape, flat


def _penalty_of(classifier, penalty):
    known = _known(classifier)
    if isinstance(known, str) and known in ("hard-margin", "averaging"):
        if penalty is not None:
            raise ValueError(f"penalty must be left out for {known!r}, which has none, got {penalty!r}")
        return np.zeros(())
    if penalty is None:
        raise ValueError("penalty must be given, a number >= 0, for a classifier that has one")
    return checks.in_range("penalty", penalty, 0.0, open_low=not isinstance(known, str))


def _known(classifier):
    if isinstance(classifier, str):
        return checks.choice("classifier", classifier, CLASSIFIERS)
    if not callable(getattr(classifier, "prox", None)):
        raise ValueError(
            f"classifier must be one of {', '.join(map(repr, CLASSIFIERS))} or have a method prox(x, step), "
            f"got {classifier!r}"
        )
    return classifier


def _flat_overlaps(classifier, r, delta, c, lam):
    """s and sigma for flat arrays."""
    if isinstance(classifier, str):
        if classifier == "averaging":
            return r, c / np.sqrt(delta)
        if classifier == "hard-margin":
            return hard_margin_overlaps(r, delta, c)
        if classifier != "ridge":
            return _with_separable(classifier, r, delta, c, lam)
    overlaps, noise = _spiked(classifier, r[:, None], c[:, None], delta, lam)
    return r * overlaps[:, 0], noise


def _with_separable(classifier, r, delta, c, lam):
    """Logistic or hinge; without a penalty the largest margin wherever one exists."""
    margin = lam == 0
    if margin.any():
        margin &= (delta <= 2) | (r > separability_signal(delta))
    if not margin.any():
        overlaps, noise = _spiked(classifier, r[:, None], c[:, None], delta, lam)
        return r * overlaps[:, 0], noise
    signals, noise = np.empty_like(r), np.empty_like(r)
    signals[margin], noise[margin] = hard_margin_overlaps(r[margin], delta[margin], c[margin])
    rest = ~margin
    overlaps, noise[rest] = _spiked(classifier, r[rest, None], c[rest, None], delta[rest], lam[rest])
    signals[rest] = r[rest] * overlaps[:, 0]
    return signals, noise


def _spiked(classifier, strengths, costs, delta, lam):
    """S_k = s_k / r_k (n, k) and sigma (n,)."""
    if isinstance(classifier, str) and classifier == "ridge":
        return ridge_overlaps(strengths, costs, delta, lam)
    solution = solve(loss_of(classifier), Problem(strengths, costs, delta, lam))
    return solution.overlaps, solution.noise


def loss_of(classifier):
    """The `ConvexLoss` behind a name or a proximal map."""
    return _LOSSES[classifier] if isinstance(classifier, str) else FromProx(classifier)


def _accuracy(r, signals, noise):
    length = np.hypot(signals, noise)
    return scipy.special.ndtr(r * signals / np.where(length > 0, length, 1.0))
