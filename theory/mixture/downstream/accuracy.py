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
from theory.checks import AssumptionError
from theory.mixture.common import (
    check_penalty,
    check_sample_ratio,
    check_signal_norm,
    cost_of,
    flatten,
    refuse_not_covered,
)
from theory.mixture.downstream.closed_forms import ridge_solution
from theory.mixture.downstream.equations import Problem
from theory.mixture.downstream.hard_margin import (
    hard_margin_overlaps,
    separability_signal,
    shrunk_hard_margin_cosine,
)
from theory.mixture.downstream.losses import FromProx, Hinge, Logistic, Square
from theory.mixture.downstream.system import solve

__all__ = [
    "Limits",
    "Overlaps",
    "accuracy_limits",
    "downstream_accuracy",
    "downstream_overlaps",
    "penalty_from_alpha",
    "penalty_from_c",
]

CLASSIFIERS = ("ridge", "logistic", "hinge", "hard-margin", "averaging")
_LOSSES = {"ridge": Square(), "logistic": Logistic(), "hinge": Hinge()}


class Overlaps(NamedTuple):
    r"""Classifier in the coordinates of the data before the projector.

    Attributes
    ----------
    signal : float or array
        :math:`s = \beta\cdot u`.
    noise : float or array
        :math:`\sigma = \|\beta_\perp\|`.

    Examples
    --------
    >>> import theory
    >>> overlaps = theory.downstream_overlaps("ridge", 1.5, 2.0, 0.0, 0.1)
    >>> round(float(overlaps.signal), 4), round(float(overlaps.noise), 4)
    (0.4381, 0.4197)
    """

    signal: np.ndarray
    noise: np.ndarray


def downstream_accuracy(
    classifier,
    signal_norm,
    sample_ratio,
    kappa,
    penalty=None,
    *,
    bias: bool = False,
    class_balance=0.5,
    label_noise=0.0,
    **not_covered,
):
    r"""Test accuracy as n, p go to infinity with n/p fixed.

    Ridge and averaging are closed forms, the hard margin is one scalar equation, and any convex loss is the system
    :math:`s(\lambda c+Q) = r\bar e`, :math:`\sigma\sqrt\delta(\lambda+Q) = \nu`, :math:`\gamma\delta(\lambda+Q) = 1`,
    :math:`c = (1+\kappa)^{-2}`, whose moments are over the proximal map at the step :math:`\gamma`. Residuals relative
    to each equation's terms are at most 1e-12. With label noise or a bias b the margin of a training input of class y
    is :math:`t(sr+yb)+\rho G`, where t = -1 for a wrong label, and :math:`E[yte] = 0` determines b.

    To convert to this penalty (see `penalty_from_c`, `penalty_from_alpha`): scikit-learn's
    ``LogisticRegression(C)`` and ``LinearSVC(C, loss="hinge")`` have :math:`\lambda = 1/(nC)`, ``Ridge(alpha)`` has
    :math:`\lambda = \alpha/n`; always with ``fit_intercept`` as `bias`. The rescaled projector A/(1+kappa) has the
    penalty :math:`\lambda(1+\kappa)^2`. Mind that `projector_gain` returns :math:`1+\kappa`.

    Source: derived (docs/derivations/downstream-system.md#reduction-to-two-numbers and, for bias and label noise,
    docs/derivations/downstream-system.md#bias-class-frequencies-and-wrong-labels).

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
        :math:`\lambda`, refused for "hard-margin" and "averaging". 0 means the limit from above (smallest
        interpolator, largest margin where the data separate), refused for a proximal map, a bias and label noise.
        Infinity means averaging.
    bias : bool
        Whether the classifier has an unpenalised bias.
    class_balance : float or array, in (0, 1)
        Frequency of the first class. Without a bias the accuracy does not depend on it, because the means are opposite.
    label_noise : float or array, in [0, 0.5)
        Probability that a training label is wrong; test labels are right.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    ValueError
        If an argument is outside its range.
    AssumptionError
        If a hard margin is asked for where the data are not separable, or a case that is not covered.
    ConvergenceError
        If the equations are not solved to 1e-12.

    Examples
    --------
    >>> import theory
    >>> print(round(theory.downstream_accuracy("logistic", 1.0, 2.0, kappa=1.0, penalty=0.1), 4))
    0.8077
    """
    refuse_not_covered(not_covered)
    flips, balance = _check_flips(label_noise), _check_balance(class_balance)
    perfect = not bias and not checks.some(flips > 0)
    others = (
        {}
        if perfect and flips.ndim == balance.ndim == 0
        else {"label_noise": flips, "class_balance": balance}
    )
    shape, flat = _arguments(classifier, signal_norm, sample_ratio, kappa, penalty, **others)
    if perfect:
        signals, noise = _flat_overlaps(classifier, *flat[:4])
        return np.reshape(_accuracy(flat[0], signals, noise), shape)[()]
    return np.reshape(_imperfect_accuracy(classifier, bias, *flat), shape)[()]


def downstream_overlaps(classifier, signal_norm, sample_ratio, kappa, penalty=None) -> Overlaps:
    r"""Overlap and noise of the classifier, :math:`\beta = (I+\kappa uu^\top)w`.

    Arguments and errors are those of `downstream_accuracy`, without bias and label noise. The hard margin is scaled to
    margins of at least 1; averaging and an infinite penalty, whose scale is arbitrary, by :math:`(1+\kappa)^{-2}`.

    Source: derived (docs/derivations/downstream-system.md#reduction-to-two-numbers).

    Examples
    --------
    >>> import theory
    >>> overlaps = theory.downstream_overlaps("ridge", 1.5, 2.0, kappa=1.0, penalty=0.1)
    >>> round(float(overlaps.signal), 4), round(float(overlaps.noise), 4)
    (0.4554, 0.4185)
    """
    shape, flat = _arguments(classifier, signal_norm, sample_ratio, kappa, penalty)
    return Overlaps(*(np.reshape(part, shape)[()] for part in _flat_overlaps(classifier, *flat)))


class Limits(NamedTuple):
    """Accuracy as the signal direction vanishes (kappa to -1) and as it grows without bound.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.accuracy_limits("ridge", 1.5, 2.0, 0.1).expanded), 4)
    0.8668
    """

    shrunk: np.ndarray
    expanded: np.ndarray


def accuracy_limits(classifier, signal_norm, sample_ratio, penalty=None) -> Limits:
    r"""Limits of `downstream_accuracy` as kappa goes to -1 and to infinity.

    With a penalty the shrunk limit is 1/2. Without one it is 1/2 where noise alone fits the labels (ridge for
    :math:`\delta<1`, hard margin for :math:`\delta\le2`), else above: a hard margin keeps
    :math:`\Phi(r(q(\delta\varphi(q)-q))^{1/2})`, and an unregularised ridge or logistic classifier is not changed by
    any kappa.

    Source: derived (docs/derivations/downstream-system.md#limits-in-kappa).

    Examples
    --------
    >>> import theory
    >>> limits = theory.accuracy_limits("ridge", 1.5, 2.0, 0.1)
    >>> round(float(limits.shrunk), 4), round(float(limits.expanded), 4)
    (0.5, 0.8668)
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
    r"""Penalty of scikit-learn's `LogisticRegression` and `LinearSVC` with inverse strength C: 1 / (samples C).

    Source: derived here. scikit-learn minimises C times the sum of the losses + :math:`\|w\|^2/2`; divide by C times
    samples.

    Examples
    --------
    >>> import theory
    >>> float(theory.penalty_from_c(c=0.5, samples=100))
    0.02
    """
    c, samples = checks.in_range("c", c, 0.0, open_low=True), checks.in_range("samples", samples, 1.0)
    return (1 / (samples * c))[()]


def penalty_from_alpha(alpha, samples):
    r"""Penalty of scikit-learn's `Ridge` with strength alpha: alpha / samples.

    Source: derived here. scikit-learn minimises the sum of squares + alpha :math:`\|w\|^2`; divide by 2 samples.

    Examples
    --------
    >>> import theory
    >>> float(theory.penalty_from_alpha(alpha=2.0, samples=100))
    0.02
    """
    alpha, samples = checks.in_range("alpha", alpha, 0.0), checks.in_range("samples", samples, 1.0)
    return (alpha / samples)[()]


def _arguments(classifier, signal_norm, sample_ratio, kappa, penalty, **others):
    shape, *flat = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sample_ratio=check_sample_ratio(sample_ratio),
        kappa=cost_of(kappa),
        penalty=penalty_of(classifier, penalty),
        **others,
    )
    return shape, flat


def penalty_of(classifier, penalty):
    """`penalty` as an array, checked; 0 for a classifier that has none."""
    if is_named(known_classifier(classifier), "hard-margin", "averaging"):
        if penalty is not None:
            raise ValueError(f"penalty must be left out for {classifier!r}, which has none, got {penalty!r}")
        return np.zeros(())
    if penalty is None:
        raise ValueError("penalty must be given, a number >= 0, for a classifier that has one")
    return check_penalty(penalty, open_low=not isinstance(classifier, str))


def known_classifier(classifier):
    """`classifier`, if it is one that theory covers."""
    if isinstance(classifier, str):
        return checks.choice("classifier", classifier, CLASSIFIERS)
    if not callable(getattr(classifier, "prox", None)):
        raise ValueError(
            f"classifier must be one of {', '.join(map(repr, CLASSIFIERS))} or have a method prox(x, step), "
            f"got {classifier!r}"
        )
    return classifier


def is_named(classifier, *names) -> bool:
    """Whether the classifier is given by one of the names; an array-like loss never is."""
    return isinstance(classifier, str) and classifier in names


def loss_of(classifier):
    """The `ConvexLoss` behind a name or a proximal map."""
    return _LOSSES[classifier] if isinstance(classifier, str) else FromProx(classifier)


def _check_balance(value):
    value = checks.in_range("class_balance", value, 0.0, 1.0, open_low=True)
    if checks.some(value == 1):
        raise ValueError("class_balance must lie in (0, 1): with one class there is nothing to learn, got 1")
    return value


def _check_flips(value):
    value = checks.in_range("label_noise", value, 0.0, 0.5)
    if checks.some(value == 0.5):
        raise ValueError("label_noise must lie in [0, 0.5): at 0.5 the labels say nothing, got 0.5")
    return value


def _flat_overlaps(classifier, r, delta, c, lam):
    """The overlap s and the noise sigma, for flat arrays; every kind of point by its own method."""
    if is_named(classifier, "hard-margin"):
        return hard_margin_overlaps(r, delta, c)
    margin = np.zeros(r.shape, dtype=bool)
    if is_named(classifier, "logistic", "hinge") and checks.some(lam == 0):
        margin = (lam == 0) & ((delta <= 2) | (r > separability_signal(delta)))
    averages = np.full(r.shape, True) if is_named(classifier, "averaging") else np.isposinf(lam)
    special = margin | averages
    if not special.any():
        return _solved_overlaps(classifier, r, delta, c, lam)
    signals, noise = r.copy(), c / np.sqrt(delta)
    if margin.any():
        signals[margin], noise[margin] = hard_margin_overlaps(r[margin], delta[margin], c[margin])
    rest = ~special
    if rest.any():
        signals[rest], noise[rest] = _solved_overlaps(classifier, r[rest], delta[rest], c[rest], lam[rest])
    return signals, noise


def _solved_overlaps(classifier, r, delta, c, lam):
    if is_named(classifier, "ridge"):
        solution = ridge_solution(r[:, None], c[:, None], delta, lam)
    else:
        solution = solve(loss_of(classifier), Problem(r[:, None], c[:, None], delta, lam))
    return r * solution.overlaps[:, 0], solution.noise


def _imperfect_accuracy(classifier, bias, r, delta, c, lam, flips, balance):
    """Accuracy with wrong labels, and with a bias; flat arrays."""
    if is_named(classifier, "hard-margin") or (bias and is_named(classifier, "averaging")):
        raise AssumptionError(f"{classifier!r} is not covered with a bias or label noise")
    averages = np.full(r.shape, True) if is_named(classifier, "averaging") else np.isposinf(lam)
    if np.any(~averages & (lam == 0)):
        raise AssumptionError(
            "penalty must be > 0 with a bias or label noise: without a penalty the data separate or not at a ratio "
            "that these change, and beside that ratio no law is derived here; take a small penalty, such as 1e-6"
        )
    signals, noise, offset = (1 - 2 * flips) * r, c / np.sqrt(delta), np.zeros_like(r)
    if bias:  # a vanishing classifier leaves the bias alone, which names the larger class
        larger = np.where(balance > 0.5, np.inf, -np.inf)
        offset[averages] = np.where(balance == 0.5, 0.0, larger)[averages]
    rest = ~averages
    if rest.any():
        problem = Problem(r[:, None], c[:, None], delta, lam, flips=flips, balance=balance if bias else None)
        solution = solve(loss_of(classifier), problem.take(rest))
        signals[rest] = r[rest] * solution.overlaps[:, 0]
        noise[rest], offset[rest] = solution.noise, solution.bias
    length, margin = np.hypot(signals, noise), r * signals
    gone = length == 0  # the constant classifier
    length, offset = np.where(gone, 1.0, length), np.where(gone, np.copysign(np.inf, offset), offset)
    right = [scipy.special.ndtr((margin + sign * offset) / length) for sign in (1, -1)]
    return balance * right[0] + (1 - balance) * right[1]


def _accuracy(r, signals, noise):
    length = np.hypot(signals, noise)
    return scipy.special.ndtr(r * signals / np.where(length > 0, length, 1.0))
