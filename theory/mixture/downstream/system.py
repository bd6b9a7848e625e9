"""Solver of the downstream equations: Newton's method, and paths that lead to it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy

from theory.checks import ConvergenceError
from theory.mixture.downstream.closed_forms import ridge_solution
from theory.mixture.downstream.constant import constant_ratio
from theory.mixture.downstream.equations import Problem, averages_over_labels, equations, equations_alone
from theory.mixture.downstream.losses import ConvexLoss, Hinge
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
_SHORTEST_BIAS_STRIDE = 1e-4  # of the path from equal classes
_LIGHT_PENALTY = 0.1
_NEAR_CONSTANT = (
    1e-6  # relative distance from the ratio of the constant classifier; there w is below round-off
)
_BIAS_REACH = 9.0  # standard deviations of the margin that the bias can lie from it
_POINTS_AT_ONCE = 1024  # bounds the memory of the logistic loss's quadrature to some 30 megabytes
# The square loss that gives the start has at least this penalty, to stay clear of interpolation.
_START_PENALTY = 1e-3


class Solution(NamedTuple):
    """Solved points: `logs` (n, k + 2) of S_k, sigma and gamma; with a bias one more column, its asinh.

    The logarithms are -inf where the classifier vanishes and leaves the bias alone.
    """

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
        logs, residual = _solve_without_bias(loss, problem._replace(balance=None))
        if problem.balance is not None:
            logs, residual = _solve_with_bias(loss, problem, logs)
    worst = int(np.argmax(residual))
    if not residual[worst] <= TOLERANCE:
        point = problem.take([worst])
        raise ConvergenceError(
            f"downstream equations: residual {residual[worst]:.1e} above {TOLERANCE:g} at strengths "
            f"{point.strengths[0]}, costs {point.costs[0]}, sample_ratio {point.sample_ratio[0]:g}, "
            f"penalty {point.penalty[0]:g}"
        )
    return logs


def _solve_right_labels(loss, problem):
    logs, residual = _newton(loss, problem, _ridge_start(loss, problem))
    lost = np.flatnonzero(~(residual <= TOLERANCE))
    if lost.size:
        logs[lost], residual[lost] = _continued(loss, problem.take(lost))
    return logs, residual


def _solve_without_bias(loss, problem):
    """Follow the solution from right labels to the wanted share of wrong ones."""
    logs, residual = _solve_right_labels(loss, problem._replace(flips=None))
    if problem.flips is None:
        return logs, residual
    ends = np.where(residual <= TOLERANCE, 1.0, 0.0)

    def flipped(rows, position):
        return problem.take(rows)._replace(flips=problem.flips[rows] * position)

    return _follow(loss, flipped, logs, np.zeros(len(logs)), ends, first_stride=1.0)


def _solve_with_bias(loss, problem, unbiased):
    """Newton's method from the solution without a bias; then from equal classes, from an easier point."""
    logs = np.concatenate([unbiased, _bias_start(loss, problem, unbiased)[:, None]], axis=1)
    logs, residual = _newton(loss, problem, logs)
    lost = np.flatnonzero(~(residual <= TOLERANCE))
    ratios = _constant_ratios(loss, problem.take(lost))
    constant = problem.sample_ratio[lost] >= ratios * (1 - _NEAR_CONSTANT)
    rows, lost, ratios = lost[constant], lost[~constant], ratios[~constant]
    logs[rows], residual[rows] = -np.inf, 0.0
    logs[rows, -1] = np.arcsinh(np.sign(problem.balance[rows] - 0.5))
    if lost.size:
        logs[lost], residual[lost] = _from_equal_classes(loss, problem.take(lost), unbiased[lost])
        hard = ~(residual[lost] <= TOLERANCE)
        lost, ratios = lost[hard], ratios[hard]
    if lost.size:
        logs[lost], residual[lost] = _from_an_easier_point(loss, problem.take(lost), ratios)
    return logs, residual


def _constant_ratios(loss, problem):
    """Sample ratios from which on the minimum is the constant classifier; infinite for a loss without a kink."""
    if not isinstance(loss, Hinge):
        return np.full(len(problem.penalty), np.inf)
    flips = np.zeros_like(problem.balance) if problem.flips is None else problem.flips
    points = zip(problem.strengths, problem.balance, flips, strict=True)
    return np.array([constant_ratio(np.linalg.norm(r), rho, f) for r, rho, f in points])


def _from_equal_classes(loss, problem, unbiased):
    """Follow the solution from equal classes, where it has no bias."""

    def shifted(rows, position):
        points = problem.take(rows)
        return points._replace(balance=0.5 + (points.balance - 0.5) * position)

    ends = np.ones(len(unbiased))
    start = np.concatenate([unbiased, np.zeros((len(unbiased), 1))], axis=1)
    return _follow(loss, shifted, start, 0 * ends, ends, 0.1, _SHORTEST_BIAS_STRIDE)


def _from_an_easier_point(loss, problem, ratios):
    """Follow from a light penalty and few samples; near the constant classifier its size falls as 1 - delta / ratio."""
    ratios = np.where(
        np.isfinite(ratios), ratios, 2 * problem.sample_ratio
    )  # then the samples stay as they are
    distance = 1 - problem.sample_ratio / ratios
    far, light = np.maximum(distance, 0.5), np.minimum(problem.penalty, _LIGHT_PENALTY)

    def harder(rows, position):
        points, last = problem.take(rows), position == 1
        between = far[rows] ** (1 - position) * distance[rows] ** position
        penalty = light[rows] ** (1 - position) * points.penalty**position
        return points._replace(
            sample_ratio=np.where(last, points.sample_ratio, ratios[rows] * (1 - between)),
            penalty=np.where(last, points.penalty, penalty),
        )

    ends = np.ones(len(light))
    easy = harder(np.arange(len(light)), 0 * ends)
    logs, residual = _solve_without_bias(loss, easy._replace(balance=None))
    logs, residual = _from_equal_classes(loss, easy, logs)
    logs, found = _follow(loss, harder, logs, 0 * ends, np.where(residual <= TOLERANCE, ends, 0.0), 0.1)
    return logs, np.where(residual <= TOLERANCE, found, np.inf)


def _bias_start(loss, problem, logs):
    """asinh of the bias that balances the classes while the rest of the solution is held."""
    spikes = problem.strengths.shape[1]
    overlaps, noise, step = np.exp(logs[:, :spikes]), np.exp(logs[:, spikes]), np.exp(logs[:, spikes + 1])
    mean = np.sum(problem.strengths**2 * overlaps, axis=1)
    spread = np.sqrt(np.sum((problem.strengths * overlaps) ** 2, axis=1) + noise**2)
    flips = np.zeros_like(mean) if problem.flips is None else problem.flips

    def pull(root, mean, spread, step, flips, balance):
        held = Problem(*[np.empty((len(mean), 1))] * 2, mean, mean, flips=flips, balance=balance)
        return averages_over_labels(loss, held, mean, spread, step, np.sinh(root))[0][3]

    reach = np.arcsinh(2 * (2 + mean + _BIAS_REACH * spread + step))
    return find_roots(pull, -reach, reach, (mean, spread, step, flips, problem.balance), name="bias")


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
