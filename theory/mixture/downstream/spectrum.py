r"""Accuracy when the projector or the noise distinguishes more directions than the signal's.

A finite number of directions are spikes; a fraction of all directions is a group of a spectrum.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import check_sample_ratio, check_signal_norm, cost_of, flatten
from theory.mixture.downstream.accuracy import is_named, known_classifier, loss_of, penalty_of
from theory.mixture.downstream.closed_forms import averaging_overlaps, ridge_solution
from theory.mixture.downstream.equations import Problem
from theory.mixture.downstream.hard_margin import separability_signal
from theory.mixture.downstream.system import solve

__all__ = ["misaligned_accuracy", "spectrum_accuracy", "spiked_accuracy"]

# Of the hinge, over the mean cost: where the data separate, its solution is the hard margin's.
_TINY_PENALTY = 1e-9
_SHARES_ERROR = 1e-9


def spiked_accuracy(classifier, strengths, sample_ratio, kappas, penalty=None):
    r"""Accuracy after :math:`A = I+\sum_k\kappa_ku_ku_k^\top` when :math:`\mu = \sum_kr_ku_k`.

    Source: derived (docs/derivations/downstream-system.md#spikes).

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "averaging"} or MarginProx
    strengths : (..., k) array, >= 0
        :math:`r_k`. A part of the mean outside all spikes is one more spike with kappa 0.
    sample_ratio, penalty : float or array
        As in `downstream_accuracy`; they broadcast against the leading shape.
    kappas : (..., k) array, > -1
        Infinity allowed.

    Returns
    -------
    float, or an array of the leading shape

    Examples
    --------
    >>> import theory
    >>> round(float(theory.spiked_accuracy("ridge", [1.0, 1.0], 2.0, [1.0, 0.0], 0.1)), 4)
    0.8462
    """
    _refuse_hard_margin(classifier)
    groups = {"strengths": np.atleast_1d(checks.in_range("strengths", strengths, 0.0))}
    groups["kappas"] = np.atleast_1d(cost_of(kappas, "kappas"))
    shape, (strengths, costs), delta, lam = _rows(groups, sample_ratio, penalty_of(classifier, penalty))
    flat = np.ones((len(delta), 1))
    return np.reshape(_accuracy(classifier, Problem(strengths, costs, delta, lam, flat, flat)), shape)[()]


def misaligned_accuracy(classifier, signal_norm, sample_ratio, kappa, cosine, penalty=None):
    r"""Accuracy when the projector's direction makes an angle with the mean, :math:`\cos(u, \mu)` = `cosine`.

    This is the case of two spikes: the projector's direction holds :math:`r\cos`, and the rest of the mean has kappa 0.
    Too much expansion hurts. Averaging, with :math:`q = (1+\kappa)^2` and the cosine :math:`\omega`, has
    :math:`\Phi(r(\omega^2q+1-\omega^2)/(\omega^2q^2+1-\omega^2+1/(\delta r^2))^{1/2})`, which is largest at
    :math:`q = 1+1/(\delta r^2(1-\omega^2))`.

    Source: derived (docs/derivations/downstream-system.md#spikes).

    Parameters
    ----------
    classifier, signal_norm, sample_ratio, kappa, penalty
        As in `spiked_accuracy` and `downstream_accuracy`.
    cosine : float or array, in [0, 1]

    Examples
    --------
    >>> import theory
    >>> theory.misaligned_accuracy("ridge", 1.5, 2.0, 1.0, [0.5, 1.0], 0.1).round(4)
    array([0.8617, 0.8653])
    """
    shape, r, omega, kappa = flatten(
        signal_norm=check_signal_norm(signal_norm),
        cosine=checks.in_range("cosine", cosine, 0.0, 1.0),
        kappa=checks.numeric("kappa", kappa),
    )
    strengths = np.reshape(np.stack([r * omega, r * np.sqrt(1 - omega**2)], -1), (*shape, 2))
    kappas = np.reshape(np.stack([kappa, 0 * omega], -1), (*shape, 2))
    return spiked_accuracy(classifier, strengths, sample_ratio, kappas, penalty)


def spectrum_accuracy(strengths, gains, shares, sample_ratio, penalty=None, classifier="ridge"):
    r"""Test accuracy after a projector whose singular values fill a spectrum, or with anisotropic noise.

    The directions come in m groups: a share :math:`h_j` of all dimensions has the gain :math:`g_j`, the cost
    :math:`c_j = g_j^{-2}`, and holds the part :math:`r_j` of the class mean. The classifier has the overlap
    :math:`s_j = r_jS_j` with group j and the noise :math:`\sigma`:
    :math:`S_j(\lambda c_j+Q) = \bar e`, :math:`\sigma^2 = \delta^{-1}\nu^2\sum h_j/(\lambda c_j+Q)^2`,
    :math:`\gamma = \delta^{-1}\sum h_j/(\lambda c_j+Q)`, moments as in `downstream_accuracy`. Its accuracy is
    :math:`\Phi(\sum r_j^2S_j/(\sum r_j^2S_j^2+\sigma^2)^{1/2})`. Noise of covariance :math:`\Sigma` is covered as
    well: give :math:`r_j = |\Sigma_j^{-1/2}\mu_j|` and multiply the gain by :math:`\Sigma_j^{1/2}`.

    Source: derived (docs/derivations/closed-forms.md#ridge-after-a-spectrum).

    Parameters
    ----------
    strengths : (..., m) array, >= 0
        :math:`r_j`, norm of the part of the mean that lies in group j.
    gains : (..., m) array, >= 0
        Singular value of the projector in group j, :math:`1+\kappa`. 0 removes the group; infinity is the limit.
    shares : (..., m) array, >= 0
        Fraction of the dimensions; they add up to 1. 0 for finitely many directions.
    sample_ratio : float or array, > 0
        :math:`\delta = n/p`; broadcast against the leading shape.
    penalty : float or array, >= 0
        As in `downstream_accuracy`: 0 is the limit from above, infinity is averaging; None for "averaging".
    classifier : {"ridge", "logistic", "hinge", "averaging"} or MarginProx

    Returns
    -------
    float, or an array of the leading shape

    Raises
    ------
    ValueError
        If an argument is outside its range.
    ConvergenceError
        If the equations are not solved to 1e-12.

    Examples
    --------
    A signal somewhere in a tenth of the directions, which the projector shrinks tenfold, leaves or expands tenfold:

    >>> import numpy as np, theory
    >>> gains = np.array([[0.1, 1.0], [1.0, 1.0], [10.0, 1.0]])
    >>> print(theory.spectrum_accuracy([1.5, 0.0], gains, [0.1, 0.9], 2.0, 0.1).round(3))
    [0.572 0.861 0.864]
    """
    _refuse_hard_margin(classifier)
    gains = np.atleast_1d(checks.numeric("gains", gains))
    if checks.some(~(gains >= 0)):
        raise ValueError(f"gains must lie in [0, inf], got {checks.show(gains)}")
    with np.errstate(divide="ignore"):
        costs = 1 / gains**2
    groups = {
        "strengths": np.atleast_1d(checks.in_range("strengths", strengths, 0.0)),
        "gains": costs,
        "shares": np.atleast_1d(checks.in_range("shares", shares, 0.0, 1.0)),
    }
    if np.any(np.abs(groups["shares"].sum(-1) - 1) > _SHARES_ERROR):
        raise ValueError(f"shares must add up to 1, got {checks.show(groups['shares'])}")
    shape, (strengths, costs, shares), delta, lam = _rows(
        groups, sample_ratio, penalty_of(classifier, penalty)
    )
    gone = np.isinf(costs)
    strengths, shares = np.where(gone, 0.0, strengths), np.where(gone, 0.0, shares)
    costs = np.where(gone, 1.0, costs)
    accuracy = np.full(delta.shape, 0.5)
    seen = shares.sum(1) > 0
    if np.any(~seen & (strengths.sum(1) > 0)):
        raise ValueError("gains must be > 0 for a positive share of the directions")
    problem = Problem(strengths, costs, delta, lam, costs, shares).take(seen)
    accuracy[seen] = _accuracy(classifier, _without_limits(classifier, problem))
    return np.reshape(accuracy, shape)[()]


def _refuse_hard_margin(classifier):
    if is_named(known_classifier(classifier), "hard-margin"):
        raise ValueError(
            "classifier must be a convex loss or 'averaging' for several directions, got 'hard-margin'"
        )


def _rows(groups, sample_ratio, penalty):
    """Leading shape, the groups as (n, m) arrays, sample ratios and penalties (n,)."""
    shape, *flat = flatten(**groups)
    width = shape[-1]
    delta, lam = check_sample_ratio(sample_ratio), np.asarray(penalty)
    try:
        shape = np.broadcast_shapes(shape[:-1], delta.shape, lam.shape)
    except ValueError:
        raise ValueError(
            f"sample_ratio {delta.shape} and penalty {lam.shape} must broadcast against {shape[:-1]}, the leading "
            f"shape of {', '.join(groups)}"
        ) from None
    leading = np.broadcast_arrays(*groups.values())[0].shape
    tables = [np.broadcast_to(a.reshape(leading), (*shape, width)).reshape(-1, width) for a in flat]
    return shape, tables, *(np.broadcast_to(a, shape).ravel() for a in (delta, lam))


def _separate(problem):
    """Whether the data behind the projector are linearly separable."""
    seen = problem.shares.sum(1)
    ratio = problem.sample_ratio / np.where(seen > 0, seen, 1.0)
    norm = np.sqrt(np.sum(problem.strengths**2, 1))
    return (seen > 0) & ((ratio <= 2) | (norm > separability_signal(ratio)))


def _without_limits(classifier, problem):
    """Groups of infinite gain that fit the training data alone are the limit of no penalty inside them."""
    free = problem.costs == 0
    alone = problem._replace(
        strengths=np.where(free, problem.strengths, 0.0), shares=np.where(free, problem.shares, 0.0)
    )
    fits = np.isfinite(problem.penalty) & free.any(1)
    if is_named(classifier, "logistic", "hinge"):
        fits &= _separate(alone)
    else:
        fits &= alone.shares.sum(1) >= problem.sample_ratio
    if is_named(classifier, "averaging") or not fits.any():
        return problem
    rows = fits[:, None]
    costs = np.where(rows, 1.0, problem.costs)
    return problem._replace(
        strengths=np.where(rows, alone.strengths, problem.strengths),
        shares=np.where(rows, alone.shares, problem.shares),
        costs=costs,
        noise_costs=costs,
        penalty=np.where(fits, 0.0, problem.penalty),
    )


def _accuracy(classifier, problem):
    """Accuracy (n,); every kind of point by its own method."""
    overlaps, noise = np.empty(problem.strengths.shape), np.empty(len(problem.penalty))
    averages = np.isposinf(problem.penalty) | is_named(classifier, "averaging")
    margin = np.zeros_like(averages)
    if is_named(classifier, "logistic", "hinge"):
        margin = (problem.penalty == 0) & _separate(problem)
    points = problem.take(averages)
    overlaps[averages], noise[averages] = averaging_overlaps(
        points.costs, points.sample_ratio, points.noise_costs, points.shares
    )
    if margin.any():
        points = problem.take(margin)
        mean_cost = np.sum(points.shares * points.noise_costs, 1) / points.shares.sum(1)
        overlaps[margin], noise[margin] = _solved("hinge", points._replace(penalty=_TINY_PENALTY / mean_cost))
    rest = ~(averages | margin)
    if rest.any():
        overlaps[rest], noise[rest] = _solved(classifier, problem.take(rest))
    squared = problem.strengths**2
    along, length = np.sum(squared * overlaps, 1), np.sqrt(np.sum(squared * overlaps**2, 1) + noise**2)
    return scipy.special.ndtr(along / np.where(length > 0, length, 1.0))


def _solved(classifier, problem):
    if np.all(problem.noise_costs == 1) and problem.noise_costs.shape[1] == 1:  # isotropic: fewer sums
        problem = problem._replace(noise_costs=None, shares=None)
    solution = (
        ridge_solution(*problem[:6]) if is_named(classifier, "ridge") else solve(loss_of(classifier), problem)
    )
    return solution.overlaps, solution.noise
