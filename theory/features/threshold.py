r"""Features behind a threshold: :math:`f_i(x) = w_{2,i}\,S_{b_i}(w_{1,i} x_i)` trained on noise-free inputs.

:math:`S_b(z) = \mathrm{ReLU}(z-b) - \mathrm{ReLU}(-z-b)` is soft thresholding for :math:`b \ge 0`. On the two values
:math:`x_i = \pm\phi_i` the output is :math:`\pm a_i`, :math:`a = w_2 h` and :math:`h = \max(w_1\phi - b, 0)`, and the
spectral contrastive loss is :math:`\sum_i -2\rho_i a_i^2 + a_i^4`.
Source: derived (docs/derivations/absent-features.md#flow).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.checks import ConvergenceError

__all__ = ["ThresholdedLimit", "ThresholdedPath", "thresholded_limit", "thresholded_path"]

_NO_PULL = 1e-8  # velocity of a threshold below which it counts as resting: above the error of the integrator
_MOST_SEGMENTS = 200  # between the times at which a threshold reaches 0 or leaves it; only a loop needs more


class ThresholdedLimit(NamedTuple):
    """Weights before and after the threshold, and the threshold, at the end of training.

    Examples
    --------
    >>> import theory
    >>> limit = theory.thresholded_limit(1.5, w1=1.0, w2=0.5)
    >>> round(float(limit.w1), 3), round(float(limit.w2), 3)
    (0.861, 0.0)
    """

    w1: float
    w2: float
    b: float


class ThresholdedPath(NamedTuple):
    """Weights w1, w2, (T, k), and thresholds b, (T, k) or (T,) if shared, over time.

    Examples
    --------
    >>> import theory
    >>> path = theory.thresholded_path([1.5], [1.0], [0.5], [0.0], [0.0, 1.0])
    >>> path.w2.round(3)
    array([[0.5  ],
           [0.193]])
    """

    w1: np.ndarray
    w2: np.ndarray
    b: np.ndarray


def thresholded_limit(
    phi: float,
    w1: float = 1.0,
    w2: float = 1.0,
    b: float = 0.0,
    *,
    retention: float = 0.0,
    clipped: bool = True,
) -> ThresholdedLimit:
    r"""End of gradient flow of one feature with its own threshold, in closed form.

    While :math:`h = w_1\phi - b > 0`, the flow conserves :math:`C = w_1 + \phi b` and
    :math:`\Delta = h^2 - (1+\phi^2) w_2^2`, and a moves monotonically to :math:`\pm\sqrt\rho`, keeping its sign.

    :math:`\rho = 0`: for :math:`\Delta \le 0`, :math:`w_1 \to C/(1+\phi^2)`, :math:`b \to \phi C/(1+\phi^2)`,
    :math:`|w_2| \to (w_2^2 - h^2/(1+\phi^2))^{1/2}`: the feature is absent after the head and present before it.
    For :math:`\Delta > 0`: :math:`h \to \sqrt\Delta`, :math:`w_1 \to (C+\phi h)/(1+\phi^2)`,
    :math:`b \to (\phi C-h)/(1+\phi^2)`, :math:`w_2 \to 0`.

    :math:`\rho > 0`: :math:`w_2^2` is the positive root of :math:`(1+\phi^2)w_2^4 + \Delta w_2^2 = \rho`. The threshold
    falls when :math:`|a| < \sqrt\rho`. If it reaches 0, it either stays there (`clipped`; from then on the network
    is linear and conserves :math:`w_1^2 - w_2^2`) or falls further. If it reaches :math:`b = -w_1\phi`, below which
    it has no gradient, the flow slides along that kink: :math:`h = 2 w_1\phi`, and
    :math:`(1+\phi^2) w_1^2 - w_2^2` is conserved.

    Source: derived (docs/derivations/absent-features.md#limits). Xue et al. (ICLR 2024) show that non-linearities let
    lower layers learn features that are absent from higher ones (Definition 4.1 and Theorem 4.2, whose content the
    text at hand does not state); a threshold for each feature is the model of it here.

    Parameters
    ----------
    phi : float > 0
        Strength of the feature.
    w1, w2 : float
        Weights at the start. A feature below the threshold, or with w2 = 0, does not change.
    b : float >= 0
        Threshold at the start.
    retention : float in [0, 1]
        :math:`\rho`, see `FeatureModel`.
    clipped : bool
        Whether the threshold is kept from becoming negative.

    Examples
    --------
    >>> import theory
    >>> limit = theory.thresholded_limit(1.5, w1=1.0, w2=0.5)
    >>> [round(float(value), 3) for value in limit]
    [0.861, 0.0, 0.093]
    """
    phi = checks.scalar("phi", phi, 0.0, open_low=True)
    w1, w2 = checks.scalar("w1", w1), checks.scalar("w2", w2)
    b = checks.scalar("b", b, 0.0)
    retention = float(checks.in_range("retention", checks.scalar("retention", retention), 0.0, 1.0))
    sign1, sign2 = np.copysign(1.0, w1), np.copysign(1.0, w2)
    w1, w2, b = _limit(phi, abs(w1), abs(w2), b, np.sqrt(retention), clipped)
    return ThresholdedLimit(float(sign1 * w1), float(sign2 * w2), float(b))


def thresholded_path(phi, w1, w2, b, times, *, retention=0.0, rtol: float = 1e-10) -> ThresholdedPath:
    r"""Gradient flow of several features, each with its own threshold or all with one, integrated numerically.

    :math:`\dot w_2 = -g h`, :math:`\dot w_1 = -g w_2\phi`, :math:`\dot b = \sum g w_2` with
    :math:`g = 4a^3 - 4\rho a`, summed over the features that share the threshold and are above it. A shared threshold
    conserves only :math:`b + \sum_i w_{1,i}/\phi_i` (while it is positive), so no closed form of its limit is known.
    A threshold that reaches 0 stays there as long as its velocity is negative.
    Source: derived (docs/derivations/absent-features.md#one-threshold-for-all).

    Parameters
    ----------
    phi : (k,) array, > 0
    w1, w2 : scalars or (k,) arrays
        Weights at the start; w1 >= 0.
    b : scalar or (k,) array, >= 0
        A scalar is one threshold that all features share; an array gives each its own.
    times : (T,) array, >= 0, increasing
    retention : scalar or (k,) array in [0, 1]
    rtol : float
        Relative tolerance of the integrator.

    Raises
    ------
    ConvergenceError
        If the integrator fails.

    Examples
    --------
    >>> import theory
    >>> path = theory.thresholded_path([1.5], [1.0], [0.5], [0.0], [0.0, 10.0])
    >>> path.w1.round(3)
    array([[1.   ],
           [0.864]])
    """
    phi = np.atleast_1d(checks.in_range("phi", phi, 0.0, open_low=True))
    w1 = _per_feature("w1", checks.in_range("w1", w1, 0.0), phi)
    w2 = _per_feature("w2", checks.real("w2", w2), phi)
    retention = _per_feature("retention", checks.in_range("retention", retention, 0.0, 1.0), phi)
    b = checks.in_range("b", b, 0.0)
    if b.ndim:
        b = _per_feature("b", b, phi)
    times = np.atleast_1d(checks.in_range("times", times, 0.0))
    if times.ndim > 1 or not times.size:
        raise ValueError(f"times must be a time or a list of times, got shape {times.shape}")
    if np.any(np.diff(times) <= 0):
        raise ValueError(f"times must increase, got {checks.show(times)}")
    start = np.concatenate([w1, w2, np.atleast_1d(b)])
    rows = _integrate(_Flow(phi, retention, b.ndim == 0), start, times, rtol)
    k = phi.size
    return ThresholdedPath(rows[:, :k], rows[:, k : 2 * k], rows[:, 2 * k :] if b.ndim else rows[:, 2 * k])


class _Flow(NamedTuple):
    """Gradient flow of the state (w1, w2, b)."""

    phi: np.ndarray
    retention: np.ndarray
    shared: bool

    def velocity(self, state):
        k = self.phi.size
        w1, w2, b = state[:k], state[k : 2 * k], state[2 * k :]
        h = np.maximum(w1 * self.phi - b, 0.0)
        a = w2 * h
        g = 4 * a**3 - 4 * self.retention * a  # 0 below the threshold
        rise = g * w2
        return np.concatenate([-g * w2 * self.phi, -g * h, [rise.sum()] if self.shared else rise])


def _integrate(flow, state, times, rtol):
    """States at `times`; a threshold that reaches 0 is held there as long as it is pulled down."""
    first, rows, now = 2 * flow.phi.size, [state] if times[0] == 0 else [], 0.0
    if len(rows) == times.size:
        return np.array(rows)
    for _ in range(_MOST_SEGMENTS):
        held = (state[first:] <= 0) & (flow.velocity(state)[first:] <= _NO_PULL)
        solution = scipy.integrate.solve_ivp(
            partial(_velocity, flow, held),
            (now, times[-1]),
            state,
            "DOP853",
            t_eval=times[len(rows) :],
            events=[_switch(flow, first + i, held[i]) for i in range(held.size)],
            rtol=rtol,
            atol=rtol / 100,
        )
        rows.extend(np.transpose(solution.y))
        if solution.status < 0:
            break
        if len(rows) == times.size:
            return np.array(rows)
        switched = next(i for i, found in enumerate(solution.t_events) if found.size)
        now, state = solution.t_events[switched][0], solution.y_events[switched][0].copy()
        state[first + switched] = 0.0
    raise ConvergenceError(f"thresholded flow stopped at time {now:g} of {times[-1]:g}: {solution.message}")


def _velocity(flow, held, _, state):
    rates = flow.velocity(state)
    rates[2 * flow.phi.size :][held] = 0.0
    return rates


def _switch(flow, index, held):
    """Event: a free threshold falls to 0, or a held one is pulled up again."""

    def event(_, state):
        return flow.velocity(state)[index] - _NO_PULL if held else state[index]

    event.terminal, event.direction = True, 1.0 if held else -1.0
    return event


def _limit(phi, w1, w2, b, target, clipped):
    h = w1 * phi - b
    if h <= 0 or w2 == 0:
        return w1, w2, b
    total, delta = w1 + phi * b, h**2 - (1 + phi**2) * w2**2
    falling = w2 * h < target
    w2_end, h_end = _on_branch(1 + phi**2, delta, target)
    if not falling or h_end <= phi * total:
        return (total + phi * h_end) / (1 + phi**2), w2_end, (phi * total - h_end) / (1 + phi**2)
    if clipped:
        w1, w2 = total, np.sqrt(max(((phi * total) ** 2 - delta) / (1 + phi**2), 0.0))
        return *_linear(w1, w2, target / phi), 0.0
    if h_end * (1 - phi**2) <= 2 * phi * total:
        return (total + phi * h_end) / (1 + phi**2), w2_end, (phi * total - h_end) / (1 + phi**2)
    h = 2 * phi * total / (1 - phi**2)  # here w1 phi = -b
    w1, w2, scale = h / (2 * phi), np.sqrt((h**2 - delta) / (1 + phi**2)), np.sqrt(1 + phi**2)
    w1, w2 = _linear(scale * w1, w2, scale * target / (2 * phi))
    return w1 / scale, w2, -phi * w1 / scale


def _on_branch(scale, delta, target):
    """w2, h >= 0 with w2 h = target and h^2 - scale w2^2 = delta."""
    root = np.sqrt(delta**2 + 4 * scale * target**2)
    if delta <= 0:
        w2 = np.sqrt((root - delta) / (2 * scale))
        return w2, (target / w2 if w2 else 0.0)
    h = np.sqrt((root + delta) / 2)
    return target / h, h


def _linear(w1, w2, product):
    """End of the linear flow with the given product; w1^2 - w2^2 is conserved."""
    w2, w1 = _on_branch(1.0, w1**2 - w2**2, product)
    return w1, w2


def _per_feature(name, values, phi):
    if values.shape not in ((), phi.shape):
        raise ValueError(f"{name} must be a scalar or have shape {phi.shape}, got {values.shape}")
    return np.broadcast_to(values, phi.shape).astype(float)
