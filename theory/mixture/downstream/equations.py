r"""The downstream equations of a convex loss, for many points at once or one.

The unknowns are :math:`S_k = s_k/r_k`, :math:`\sigma` and :math:`\gamma`, all positive:
:math:`S_k(\lambda c_k+Q) = \bar e`, :math:`\sigma = \gamma\nu\sqrt\delta`, :math:`\gamma\delta(\lambda+Q) = 1`, moments
taken at mean :math:`\sum r_k^2S_k` and spread :math:`\rho = (\sum r_k^2S_k^2+\sigma^2)^{1/2}`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from theory.mixture.downstream.losses import ConvexLoss

_SMALL_SPREAD = 1e-3  # of the margin; the terms of the equations with a bias are known to 1e-13 over it


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
    averages, slopes = averages_over_labels(loss, problem, mean, spread, step, offset)
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
    if biased:  # the bias is known to 1e-16 only, which a small spread magnifies
        ease = spread / (spread + _SMALL_SPREAD)
        residual, jacobian = ease[:, None] * residual, ease[:, None, None] * jacobian
    return residual, jacobian


def averages_over_labels(loss, problem, mean, spread, step, offset):
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
