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
from theory.mixture.downstream.closed_forms import ridge_overlaps, ridge_root
from theory.mixture.downstream.losses import ConvexLoss

TOLERANCE = 1e-12  # relative to the terms of each equation
_GOAL = 2e-14  # a residual of round-off size, at which a point is finished
_LARGEST_STEP = 3.0  # of Newton's method, in logarithms: a factor 20
_EVALUATIONS = 60  # Newton from a good start takes 5 to 12
_EASY_PENALTY = 1.0  # from here Newton has never failed, and the path to smaller penalties starts
_SMALLEST_PENALTY = 1e-12  # the last point of a path that leads to a penalty of 0
_SHORTEST_STRIDE = 1e-6  # of the path, in the logarithm of the penalty; below it the point is given up
_PATH_STEPS = 200
_START_PENALTY = (
    1e-3  # the square loss that gives the start has at least this penalty, to stay clear of interpolation
)


class Problem(NamedTuple):
    """Points to solve: strengths and costs (n, k), sample_ratio and penalty (n,)."""

    strengths: np.ndarray
    costs: np.ndarray
    sample_ratio: np.ndarray
    penalty: np.ndarray

    def take(self, rows) -> Problem:
        """The points of the given rows."""
        return Problem(*(field[rows] for field in self))


class Solution(NamedTuple):
    """Solved points: `logs` (n, k + 2) of S_k, sigma and gamma."""

    logs: np.ndarray
    loss: ConvexLoss
    problem: Problem

    @property
    def overlaps(self) -> np.ndarray:
        """S_k, (n, k)."""
        return np.exp(self.logs[:, :-2])

    @property
    def noise(self) -> np.ndarray:
        """Norm sigma of the classifier across the spikes, (n,)."""
        return np.exp(self.logs[:, -2])


def solve(loss: ConvexLoss, problem: Problem) -> Solution:
    """Newton's method from the solution of a square loss; where that fails, along a path from a large penalty.

    Raises
    ------
    ConvergenceError
        If an equation keeps a residual above 1e-12 of its terms; the message holds the parameters.
    """
    if not len(problem.penalty):
        return Solution(np.empty((0, problem.strengths.shape[1] + 2)), loss, problem)
    with np.errstate(all="ignore"):  # a trial point that overflows is refused by its residual
        logs, residual = _newton(loss, problem, _ridge_start(loss, problem))
        lost = np.flatnonzero(~(residual <= TOLERANCE))
        if lost.size:
            logs[lost], residual[lost] = _continued(loss, problem.take(lost))
    worst = int(np.argmax(residual))
    if not residual[worst] <= TOLERANCE:
        point = problem.take([worst])
        raise ConvergenceError(
            f"downstream equations: residual {residual[worst]:.1e} above {TOLERANCE:g} at strengths "
            f"{point.strengths[0]}, costs {point.costs[0]}, sample_ratio {point.sample_ratio[0]:g}, "
            f"penalty {point.penalty[0]:g}"
        )
    return Solution(logs, loss, problem)


def equations(loss: ConvexLoss, problem: Problem, logs: np.ndarray):
    """Log residuals (n, k + 2) and their Jacobian (n, k + 2, k + 2) by the logarithms of the unknowns."""
    spikes = problem.strengths.shape[1]
    values = np.exp(logs)
    overlaps, noise, step = values[:, :spikes], values[:, spikes], values[:, spikes + 1]
    squared = problem.strengths**2
    mean_slope = squared * overlaps  # d mean / d log S_k
    mean = np.add.reduce(mean_slope, axis=1)
    spread = np.sqrt(np.add.reduce(mean_slope * overlaps, axis=1) + noise**2)
    m = loss.moments(mean, spread, step)
    direction = np.zeros((len(logs), 3, spikes + 2))  # d (mean, spread, step) / d logs
    direction[:, 0, :spikes] = mean_slope
    direction[:, 1, :spikes] = mean_slope * overlaps / spread[:, None]
    direction[:, 1, spikes] = noise**2 / spread
    direction[:, 2, spikes + 1] = step
    moved = np.matmul(np.moveaxis(np.array(m.slopes), 2, 0), direction)
    held = problem.penalty[:, None] * problem.costs + m.curvature[:, None]
    total = problem.penalty + m.curvature
    residual = np.matmul(logs, _powers(spikes).T)
    residual[:, :spikes] += np.log(held / m.first[:, None])
    residual[:, spikes] -= 0.5 * np.log(problem.sample_ratio * m.second)
    residual[:, spikes + 1] += np.log(problem.sample_ratio * total)
    jacobian = np.empty((len(logs), spikes + 2, spikes + 2))
    jacobian[:, :spikes] = moved[:, 2:] / held[..., None] - moved[:, :1] / m.first[:, None, None]
    jacobian[:, spikes] = moved[:, 1] / (-2 * m.second[:, None])
    jacobian[:, spikes + 1] = moved[:, 2] / total[:, None]
    jacobian += _powers(spikes)
    return residual, jacobian


@cache
def _powers(spikes):
    """Exponents of the unknowns in each equation, outside the moments."""
    powers = np.eye(spikes + 2)
    powers[spikes, spikes + 1] = -1
    return powers


def _continued(loss, problem):
    """Newton from a large penalty down to the wanted one, each point with its own stride and extrapolation.

    A penalty of 0 is the last step of the path, from 1e-12.
    """
    target = np.log(np.maximum(problem.penalty, _SMALLEST_PENALTY))
    here = np.maximum(target, np.log(_EASY_PENALTY))
    easy = problem._replace(penalty=np.exp(here))
    logs, residual = _newton(loss, easy, _ridge_start(loss, easy))
    slope = np.zeros_like(logs)
    stride = np.ones(len(here))
    reached = residual.copy()
    open_rows = np.flatnonzero(residual <= TOLERANCE)
    for _ in range(_PATH_STEPS):
        if not open_rows.size:
            break
        goal = np.maximum(target[open_rows], here[open_rows] - stride[open_rows])
        moved = goal - here[open_rows]
        last = goal == target[open_rows]
        points = problem.take(open_rows)
        points = points._replace(penalty=np.where(last, points.penalty, np.exp(goal)))
        found, size = _newton(loss, points, logs[open_rows] + slope[open_rows] * moved[:, None])
        good = size <= TOLERANCE
        rows = open_rows[good]
        if rows.size:
            change = found[good] - logs[rows]
            far = np.abs(moved[good]) > 0
            slope[rows[far]] = change[far] / moved[good][far, None]
            logs[rows], here[rows], stride[rows] = found[good], goal[good], 2 * stride[rows]
        stride[open_rows[~good]] /= 4
        done = open_rows[good & last]
        reached[done] = size[good & last]
        open_rows = open_rows[~(good & last) & (stride[open_rows] > _SHORTEST_STRIDE)]
    finished = np.isin(np.arange(len(here)), open_rows, invert=True) & (here == target)
    return logs, np.where(finished, reached, np.inf)


def _newton(loss, problem, start):
    """Damped Newton, every point with its own step length; returns logs and the largest residual of each point."""
    if start.shape == (1, 3) and loss.takes_floats:
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
        better = trial_size < (1 - 0.1 * scale) * size
        here, size = np.where(better[:, None], trial, here), np.where(better, trial_size, size)
        scale = np.where(better, 1.0, scale / 4)
        settled = (size <= _GOAL) | (~better & ((size <= TOLERANCE) | (scale < 1e-3)))
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
    point = [field.item() for field in problem]
    here, scale = start[0].tolist(), 1.0
    size, residual, jacobian = _tried_alone(loss, point, here)
    step = _step_alone(residual, jacobian)
    for _ in range(_EVALUATIONS):
        trial = [x + scale * change for x, change in zip(here, step, strict=True)]
        trial_size, residual, jacobian = _tried_alone(loss, point, trial)
        if trial_size < (1 - 0.1 * scale) * size:
            here, size, scale = trial, trial_size, 1.0
            if size <= _GOAL:
                break
            step = _step_alone(residual, jacobian)
        elif size <= TOLERANCE or scale < 4e-3:
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
        step = -np.linalg.solve(jacobian + 1e-8 * np.eye(jacobian.shape[-1]), residual[..., None])[..., 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    return step * np.minimum(1, _LARGEST_STEP / np.maximum(longest, _LARGEST_STEP))


def _ridge_start(loss, problem):
    """Solution of the square loss curvature (target - m)^2 / 2, its penalty over the curvature at least 1e-3."""
    target, curvature = loss.parabola
    penalty = np.maximum(problem.penalty / curvature, _START_PENALTY)
    overlaps, noise = ridge_overlaps(problem.strengths, problem.costs, problem.sample_ratio, penalty)
    x = ridge_root(problem.sample_ratio, penalty)
    step = np.where(penalty < 1, x / penalty - 1, 1 / (problem.sample_ratio * (1 + x) - 1))
    start = np.empty((len(noise), overlaps.shape[1] + 2))
    start[:, :-2], start[:, -2], start[:, -1] = target * overlaps, target * noise, step / curvature
    return np.log(start)
