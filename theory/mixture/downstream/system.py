r"""Solver of the downstream equations of a convex loss, for many points at once or one.

The unknowns are :math:`S_k = s_k/r_k`, :math:`\sigma` and :math:`\gamma`, all positive:
:math:`S_k(\lambda c_k+Q) = \bar e`, :math:`\sigma = \gamma\nu\sqrt\delta`, :math:`\gamma\delta(\lambda+Q) = 1`, moments
taken at mean :math:`\sum r_k^2S_k` and spread :math:`\rho = (\sum r_k^2S_k^2+\sigma^2)^{1/2}`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy

from theory.checks import ConvergenceError
from theory.mixture.downstream.closed_forms import ridge_solution
from theory.mixture.downstream.losses import ConvexLoss
from theory.roots import find_roots

TOLERANCE = 1e-12  # relative to the terms of each equation
_GOAL = 2e-14  # a residual of round-off size, at which a point is finished
_LARGEST_STEP = 3.0  # of Newton's method, in logarithms: a factor 20
_ENOUGH = 0.1  # share of the decrease that a full Newton step promises, for a step to be taken
_SHORTEST_SCALE = 1e-3  # of a step; below it the point is left as it is
_RIDGE = 1e-8  # on the diagonal of a singular Jacobian
_EVALUATIONS = 60  # Newton from a good start takes 5 to 12
_EASY_PENALTY = 1.0  # times the cost of a noise direction: here Newton has never failed, and paths start
_SMALLEST_PENALTY = 1e-12  # the last point of a path that leads to a penalty of 0
_SHORTEST_STRIDE = 1e-6  # of a path; below it the point is given up
_PATH_STEPS = 200
_BIAS_REACH = 9.0  # standard deviations of the margin that the bias can lie from it
_WITH_BIAS = (
    " (with a bias the hinge may have no solution but the constant one, which names the larger class)"
)
_POINTS_AT_ONCE = 1024  # bounds the memory of the logistic loss's quadrature to some 30 megabytes
# The square loss that gives the start has at least this penalty, to stay clear of interpolation.
_START_PENALTY = 1e-3


class Problem(NamedTuple):
    """Points to solve.

    Attributes
    ----------
    strengths, costs : (n, k) array
        Parts of the mean, and what the penalty charges for their directions.
    sample_ratio, penalty : (n,) array
    noise_costs, shares : (n, m) array or None
        Costs of the noise directions and the fraction of all dimensions that has each. None: cost 1 for all.
    flips : (n,) array or None
        Probability that a training label is wrong. None: 0.
    balance : (n,) array or None
        Frequency of the first class, for a classifier with a bias. None: no bias.
    """

    strengths: np.ndarray
    costs: np.ndarray
    sample_ratio: np.ndarray
    penalty: np.ndarray
    noise_costs: np.ndarray | None = None
    shares: np.ndarray | None = None
    flips: np.ndarray | None = None
    balance: np.ndarray | None = None

    def take(self, rows) -> Problem:
        """The points of the given rows."""
        return self._replace(
            **{name: field[rows] for name, field in self._asdict().items() if field is not None}
        )

    @property
    def plain(self) -> bool:
        """Whether the noise is isotropic, the labels are right and there is no bias."""
        return self.shares is None and self.flips is None and self.balance is None


class Solution(NamedTuple):
    """Solved points: `logs` (n, k + 2) of S_k, sigma and gamma; with a bias one more column, its asinh."""

    logs: np.ndarray
    loss: ConvexLoss
    problem: Problem

    @property
    def overlaps(self) -> np.ndarray:
        """S_k, (n, k)."""
        return np.exp(self.logs[:, : self.problem.strengths.shape[1]])

    @property
    def noise(self) -> np.ndarray:
        """Norm sigma of the classifier across the spikes, (n,)."""
        return np.exp(self.logs[:, self.problem.strengths.shape[1]])

    @property
    def bias(self) -> np.ndarray:
        """Bias of the classifier, (n,)."""
        return np.zeros(len(self.logs)) if self.problem.balance is None else np.sinh(self.logs[:, -1])


def solve(loss: ConvexLoss, problem: Problem) -> Solution:
    """Newton's method from the solution of a square loss; where that fails, along a path from a large penalty.

    Raises
    ------
    ConvergenceError
        If an equation keeps a residual above 1e-12 of its terms; the message holds the parameters.
    """
    unknowns = problem.strengths.shape[1] + 2 + (problem.balance is not None)
    logs = np.empty((len(problem.penalty), unknowns))
    for first in range(0, len(logs), _POINTS_AT_ONCE):
        block = slice(first, first + _POINTS_AT_ONCE)
        logs[block] = _solve_block(loss, problem.take(block))
    return Solution(logs, loss, problem)


def _solve_block(loss, problem):
    with np.errstate(all="ignore"):  # a trial point that overflows is refused by its residual
        if problem.flips is None and problem.balance is None:
            logs, residual = _solve_right_labels(loss, problem)
        else:
            logs, residual = _solve_from_right_labels(loss, problem)
    worst = int(np.argmax(residual))
    if not residual[worst] <= TOLERANCE:
        point = problem.take([worst])
        raise ConvergenceError(
            f"downstream equations: residual {residual[worst]:.1e} above {TOLERANCE:g} at strengths "
            f"{point.strengths[0]}, costs {point.costs[0]}, sample_ratio {point.sample_ratio[0]:g}, "
            f"penalty {point.penalty[0]:g}{_WITH_BIAS if problem.balance is not None else ''}"
        )
    return logs


def _solve_right_labels(loss, problem):
    logs, residual = _newton(loss, problem, _ridge_start(loss, problem))
    lost = np.flatnonzero(~(residual <= TOLERANCE))
    if lost.size:
        logs[lost], residual[lost] = _continued(loss, problem.take(lost))
    return logs, residual


def _solve_from_right_labels(loss, problem):
    """Follow the solution from right labels to the wanted share of wrong ones, then let the bias in."""
    right = problem._replace(flips=None, balance=None)
    logs, residual = _solve_right_labels(loss, right)
    wrong = problem._replace(balance=None)
    if problem.flips is not None:
        ends = np.where(residual <= TOLERANCE, 1.0, 0.0)

        def flipped(rows, position):
            return wrong.take(rows)._replace(flips=wrong.flips[rows] * position)

        logs, residual = _follow(loss, flipped, logs, np.zeros(len(logs)), ends, first_stride=1.0)
    if problem.balance is None:
        return logs, residual
    unbiased = logs
    logs = np.concatenate([unbiased, _bias_start(loss, problem, unbiased)[:, None]], axis=1)
    logs, residual = _newton(loss, problem, logs)
    lost = np.flatnonzero(~(residual <= TOLERANCE))

    def shifted(rows, position):
        points = problem.take(lost[rows])
        return points._replace(balance=0.5 + (points.balance - 0.5) * position)

    if lost.size:
        start, ends = np.concatenate([unbiased[lost], np.zeros((lost.size, 1))], axis=1), np.ones(lost.size)
        logs[lost], residual[lost] = _follow(
            loss, shifted, start, 0 * ends, ends, first_stride=0.1, shortest_stride=0.01
        )
    return logs, residual


def _bias_start(loss, problem, logs):
    """asinh of the bias that balances the classes while the rest of the solution is held."""
    spikes = problem.strengths.shape[1]
    overlaps, noise, step = np.exp(logs[:, :spikes]), np.exp(logs[:, spikes]), np.exp(logs[:, spikes + 1])
    mean = np.sum(problem.strengths**2 * overlaps, axis=1)
    spread = np.sqrt(np.sum((problem.strengths * overlaps) ** 2, axis=1) + noise**2)
    flips = np.zeros_like(mean) if problem.flips is None else problem.flips

    def pull(root, mean, spread, step, flips, balance):
        held = Problem(*[np.empty((len(mean), 1))] * 2, mean, mean, flips=flips, balance=balance)
        return _averages(loss, held, mean, spread, step, np.sinh(root))[0][3]

    reach = np.arcsinh(2 * (2 + mean + _BIAS_REACH * spread + step))
    return find_roots(pull, -reach, reach, (mean, spread, step, flips, problem.balance), name="bias")


def equations(loss: ConvexLoss, problem: Problem, logs: np.ndarray):
    """Log residuals (n, k + 2) and their Jacobian (n, k + 2, k + 2) by the logarithms of the unknowns.

    A bias adds one unknown, its asinh, and one equation, E[y t e] = 0 over the root of E[e^2].
    """
    spikes = problem.strengths.shape[1]
    biased = problem.balance is not None
    values = np.exp(logs[:, : spikes + 2])
    overlaps, noise, step = values[:, :spikes], values[:, spikes], values[:, spikes + 1]
    squared = problem.strengths**2
    mean_slope = squared * overlaps  # d mean / d log S_k
    mean = np.add.reduce(mean_slope, axis=1)
    spread = np.sqrt(np.add.reduce(mean_slope * overlaps, axis=1) + noise**2)
    offset = np.sinh(logs[:, -1]) if biased else None
    averages, slopes = _averages(loss, problem, mean, spread, step, offset)
    first, second, curvature = averages[:3]
    direction = np.zeros((len(logs), 3 + biased, logs.shape[1]))  # d (mean, spread, step, bias) / d unknowns
    direction[:, 0, :spikes] = mean_slope
    direction[:, 1, :spikes] = mean_slope * overlaps / spread[:, None]
    direction[:, 1, spikes] = noise**2 / spread
    direction[:, 2, spikes + 1] = step
    if biased:
        direction[:, 3, -1] = np.cosh(logs[:, -1])
    moved = np.matmul(slopes, direction)
    held = problem.penalty[:, None] * problem.costs + curvature[:, None]
    total, excess, total_slope, excess_slope = _noise_terms(problem, curvature)
    residual = np.matmul(logs, _powers(spikes, biased).T)
    residual[:, :spikes] += np.log(held / first[:, None])
    residual[:, spikes] -= 0.5 * np.log(problem.sample_ratio * second * excess)
    residual[:, spikes + 1] += np.log(problem.sample_ratio * total)
    jacobian = np.empty((len(logs), logs.shape[1], logs.shape[1]))
    jacobian[:, :spikes] = moved[:, 2:3] / held[..., None] - moved[:, :1] / first[:, None, None]
    jacobian[:, spikes] = moved[:, 1] / (-2 * second[:, None]) - 0.5 * excess_slope[:, None] * moved[:, 2]
    jacobian[:, spikes + 1] = moved[:, 2] * total_slope[:, None]
    if biased:
        root = np.sqrt(second)
        residual[:, -1] = averages[3] / root
        jacobian[:, -1] = (
            moved[:, 3] / root[:, None] - (averages[3] / (2 * second * root))[:, None] * moved[:, 1]
        )
    jacobian += _powers(spikes, biased)
    return residual, jacobian


def _averages(loss, problem, mean, spread, step, offset):
    """Averages (3 or 4, n) of t e, e^2, -de/dx and y t e over labels, and slopes by mean, spread, step and bias.

    A training label is right (t = 1) or flipped (t = -1); its margin is t (mean + y bias) + spread G.
    """
    if problem.flips is None and problem.balance is None:
        m = loss.moments(mean, spread, step)
        return (m.first, m.second, m.curvature), np.moveaxis(np.array(m.slopes), 2, 0)
    flips = np.zeros_like(mean) if problem.flips is None else problem.flips
    classes = [(1, 1.0)] if problem.balance is None else [(1, problem.balance), (-1, 1 - problem.balance)]
    averages, slopes = 0.0, 0.0
    for t, label_weight in ((1, 1 - flips), (-1, flips)):
        for y, class_weight in classes:
            m = loss.moments(t * (mean if offset is None else mean + y * offset), spread, step)
            by = np.moveaxis(np.array(m.slopes), 2, 0) * [t, 1, 1]
            if offset is not None:
                by = np.concatenate([by, y * by[..., :1]], axis=2)
                by = np.concatenate([by, y * by[:, :1]], axis=1) * np.array([t, 1, 1, t])[:, None]
                values = np.array([t * m.first, m.second, m.curvature, y * t * m.first])
            else:
                by = by * np.array([t, 1, 1])[:, None]
                values = np.array([t * m.first, m.second, m.curvature])
            weight = label_weight * class_weight
            averages = averages + weight * values
            slopes = slopes + weight[:, None, None] * by
    return averages, slopes


def _noise_terms(problem, curvature):
    """The noise directions' part of the equations for gamma and sigma, and slopes of their logarithms by Q.

    With A = sum h / (lambda c + Q), B = sum h / (lambda c + Q)^2: 1 / A and B / A^2, which isotropic noise makes
    lambda + Q and 1; then -d log A / dQ and d log (B / A^2) / dQ.
    """
    if problem.shares is None:
        total = problem.penalty + curvature
        return total, 1.0, 1 / total, np.zeros_like(total)
    inverse = 1 / (problem.penalty[:, None] * problem.noise_costs + curvature[:, None])
    one, two, three = (np.add.reduce(problem.shares * inverse**power, axis=1) for power in (1, 2, 3))
    return 1 / one, two / one**2, two / one, 2 * two / one - 2 * three / two


@cache
def _powers(spikes, biased):
    """Exponents of the unknowns in each equation, outside the moments."""
    powers = np.eye(spikes + 2 + biased)
    powers[spikes, spikes + 1] = -1
    if biased:
        powers[-1, -1] = 0
    return powers


def _continued(loss, problem):
    """Newton from a large penalty down to the wanted one; a penalty of 0 is the last step of the path, from 1e-12."""
    end = -np.log(np.where(problem.penalty > 0, problem.penalty, _SMALLEST_PENALTY))
    begin = np.minimum(end, -np.log(_EASY_PENALTY * _cheapest_scale(problem)))

    def weaker(rows, position):
        points = problem.take(rows)
        return points._replace(penalty=np.where(position == end[rows], points.penalty, np.exp(-position)))

    easy = weaker(np.arange(len(end)), begin)
    return _follow(loss, weaker, _ridge_start(loss, easy), begin, end, first_stride=1.0)


def _follow(loss, problem_at, start, begin, end, first_stride, shortest_stride=_SHORTEST_STRIDE):
    """Newton along a path of problems, each point with its own stride and extrapolation.

    Parameters
    ----------
    problem_at : callable
        Takes rows and the positions of these points on their paths, returns their `Problem`.
    start : (n, unknowns) array
        Starting values at `begin`.
    begin, end : (n,) array

    Returns
    -------
    logs, residual : arrays (n, unknowns) and (n,)
        The residual is infinite where the path breaks off.
    """
    here = begin.astype(float)
    logs, residual = _newton(loss, problem_at(np.arange(len(here)), here), start)
    slope, stride = np.zeros_like(logs), np.full(len(here), first_stride)
    reached = np.where((here == end) & (residual <= TOLERANCE), residual, np.inf)
    open_rows = np.flatnonzero((residual <= TOLERANCE) & (here != end))
    for _ in range(_PATH_STEPS):
        if not open_rows.size:
            break
        goal = np.minimum(end[open_rows], here[open_rows] + stride[open_rows])
        moved = goal - here[open_rows]
        found, size = _newton(
            loss, problem_at(open_rows, goal), logs[open_rows] + slope[open_rows] * moved[:, None]
        )
        good = size <= TOLERANCE
        rows = open_rows[good]
        slope[rows] = (found[good] - logs[rows]) / moved[good][:, None]
        logs[rows], here[rows], stride[rows] = found[good], goal[good], 2 * stride[rows]
        stride[open_rows[~good]] /= 4
        done = good & (goal == end[open_rows])
        reached[open_rows[done]] = size[done]
        open_rows = open_rows[~done & (stride[open_rows] > shortest_stride)]
    return logs, reached


def _cheapest_scale(problem):
    """Factor that makes a penalty as easy for the cheapest group of noise directions as for a cost of 1."""
    if problem.shares is None:
        return np.ones_like(problem.penalty)
    used = (problem.shares > 0) & (problem.noise_costs > 0)
    cheapest = np.min(np.where(used, problem.noise_costs, 1.0), axis=1)
    return 1 / np.minimum(cheapest, 1.0)


def _newton(loss, problem, start):
    """Damped Newton, every point with its own step length; returns logs and the largest residual of each point."""
    if start.shape == (1, 3) and loss.takes_floats and problem.plain:
        return _newton_alone(loss, problem, start)
    logs, best = start.copy(), np.empty(len(start))
    residual, jacobian = equations(loss, problem, start)
    here, size = start, _size(residual)
    step, scale = _step(residual, jacobian), np.ones(len(start))
    open_rows = np.arange(len(start))
    for _ in range(_EVALUATIONS):
        trial = here + scale[:, None] * step
        residual, jacobian = equations(loss, problem, trial)
        trial_size = _size(residual)
        better = trial_size < (1 - _ENOUGH * scale) * size
        here, size = np.where(better[:, None], trial, here), np.where(better, trial_size, size)
        scale = np.where(better, 1.0, scale / 4)
        settled = (size <= _GOAL) | (~better & ((size <= TOLERANCE) | (scale < _SHORTEST_SCALE)))
        if settled.any():
            logs[open_rows], best[open_rows] = here, size
            if settled.all():
                return logs, best
            keep = ~settled
            open_rows, here, size, step, scale = (a[keep] for a in (open_rows, here, size, step, scale))
            problem, better = problem.take(keep), better[keep]
            residual, jacobian = residual[keep], jacobian[keep]
        if better.any():
            step[better] = _step(residual[better], jacobian[better])
    logs[open_rows], best[open_rows] = here, size
    return logs, best


def _newton_alone(loss, problem, start):
    """`_newton` for one point with one spike, in floats."""
    point = [field.item() for field in problem[:4]]
    here, scale = start[0].tolist(), 1.0
    size, residual, jacobian = _tried_alone(loss, point, here)
    step = _step_alone(residual, jacobian)
    for _ in range(_EVALUATIONS):
        trial = [x + scale * change for x, change in zip(here, step, strict=True)]
        trial_size, residual, jacobian = _tried_alone(loss, point, trial)
        if trial_size < (1 - _ENOUGH * scale) * size:
            here, size, scale = trial, trial_size, 1.0
            if size <= _GOAL:
                break
            step = _step_alone(residual, jacobian)
        elif size <= TOLERANCE or scale < 4 * _SHORTEST_SCALE:
            break
        else:
            scale /= 4
    return np.array([here]), np.array([size])


def equations_alone(loss: ConvexLoss, point, logs):
    """`equations` of one point with one spike, in floats.

    Parameters
    ----------
    loss : ConvexLoss
        That takes floats.
    point : (float, float, float, float)
        Strength, cost, sample ratio and penalty.
    logs : list of 3 floats

    Returns
    -------
    residual, jacobian : list of 3 floats, and of its 3 rows
    """
    strength, cost, sample_ratio, penalty = point
    overlap, noise, step = np.exp(logs).tolist()
    mean = strength**2 * overlap
    spread = (mean * overlap + noise * noise) ** 0.5
    first, second, curvature, slopes = loss.moments(mean, spread, step)
    held, total = penalty * cost + curvature, penalty + curvature
    by_overlap, by_noise = mean * overlap / spread, noise * noise / spread
    (e0, e1, e2), (v0, v1, v2), (q0, q1, q2) = (
        (by_mean * mean + by_spread * by_overlap, by_spread * by_noise, by_step * step)
        for by_mean, by_spread, by_step in slopes
    )
    terms = np.log([held / first, sample_ratio * second, sample_ratio * total]).tolist()
    residual = [logs[0] + terms[0], logs[1] - logs[2] - terms[1] / 2, logs[2] + terms[2]]
    return residual, [
        [1 + q0 / held - e0 / first, q1 / held - e1 / first, q2 / held - e2 / first],
        [v0 / (-2 * second), 1 - v1 / (2 * second), -1 - v2 / (2 * second)],
        [q0 / total, q1 / total, 1 + q2 / total],
    ]


def _tried_alone(loss, point, logs):
    """Largest residual, infinite where something overflows, and `equations_alone`."""
    try:
        residual, jacobian = equations_alone(loss, point, logs)
    except ArithmeticError:
        residual, jacobian = [math.nan] * 3, [[math.nan] * 3] * 3
    size = math.inf if math.isnan(sum(residual)) else max(map(abs, residual))
    return size, residual, jacobian


def _step_alone(residual, jacobian):
    step = scipy.linalg.lapack.dgesv(jacobian, residual)[2].tolist()
    shorten = _LARGEST_STEP / max(_LARGEST_STEP, *map(abs, step))
    return [-shorten * part for part in step]


def _size(residual):
    size = np.abs(residual).max(axis=1)
    size[np.isnan(size)] = np.inf
    return size


def _step(residual, jacobian):
    try:
        step = -np.linalg.solve(jacobian, residual[..., None])[..., 0]
    except np.linalg.LinAlgError:
        step = -np.linalg.solve(jacobian + _RIDGE * np.eye(jacobian.shape[-1]), residual[..., None])[..., 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    return step * np.minimum(1, _LARGEST_STEP / np.maximum(longest, _LARGEST_STEP))


def _ridge_start(loss, problem):
    """Solution of the square loss curvature (target - m)^2 / 2, its penalty over the curvature at least 1e-3."""
    target, curvature = loss.parabola
    penalty = np.maximum(problem.penalty / curvature, _START_PENALTY)
    ridge = ridge_solution(*problem[:3], penalty, *problem[4:7])
    columns = [target * ridge.overlaps, target * ridge.noise[:, None], ridge.step[:, None] / curvature]
    start = np.log(np.concatenate(columns, axis=1))
    return start if problem.balance is None else np.concatenate([start, np.zeros((len(start), 1))], axis=1)
