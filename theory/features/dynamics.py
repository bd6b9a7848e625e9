"""Learning curves: how the feature weights grow under gradient flow of the spectral contrastive loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError, ConvergenceError
from theory.features.model import FeatureModel
from theory.roots import find_roots

__all__ = ["Collapse", "collapse_asymptote", "half_time", "learning_curve"]

_FAR = 1e9  # a weight this many times above or below its limit moves by one term of the flow: the other is < 1e-18
_NEAR = 40.0  # tanh(40) = 1 to round-off: beyond it the weight has reached its limit
_NEWTON_STEPS = 60  # 5 to 8 are needed
_TERMS = 64  # of power series at arguments <= 1/2; the next term is below 1e-19


def learning_curve(model: FeatureModel, times, start, depth: int = 2) -> np.ndarray:
    r"""Feature weights after the last layer at given times of gradient flow from a balanced start.

    L linear layers that are aligned with the features and balanced follow
    :math:`\dot s_i = 4L(c_1 s_i^{3-2/L} - c_2 s_i^{5-2/L})` with :math:`c_1 = \rho_i\phi_i^2` and
    :math:`c_2 = (\phi_i^2+\sigma^2)^2`. The equation separates; its integral is an incomplete beta function, which
    is elementary for one and two layers. The limit is :math:`s^* = \sqrt{c_1/c_2}`. For :math:`\rho_i = 0`,
    :math:`s(t) = (s(0)^{-(4-2/L)} + 4L(4-2/L) c_2 t)^{-1/(4-2/L)}`. After layer l the weight is
    :math:`s_i(t)^{l/L}`, so before the head of two layers it is :math:`\sqrt{s_i(t)}`.
    Source: derived (docs/derivations/learning-curve.md#any-number-of-layers).

    Parameters
    ----------
    model : FeatureModel
    times : (T,) array or scalar, >= 0
        Time of the flow :math:`\dot W_l = -\partial L/\partial W_l`: the step size times the number of steps of
        gradient descent.
    start : scalar or (k,) array, >= 0
        Weights after the last layer at time 0. A feature that starts at 0 stays there.
    depth : int >= 1
        Number of layers L, the head included.

    Returns
    -------
    (T, k) array, or (k,) for a scalar time

    Raises
    ------
    ConvergenceError
        If the equation for s(t) is not solved to round-off.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0], alpha=[0.0, 0.5], sigma=0.0)
    >>> theory.learning_curve(model, [0.0, 0.5, 10.0], start=0.05).round(3)
    array([[0.05 , 0.05 ],
           [0.062, 0.053],
           [1.   , 0.427]])
    """
    times = checks.in_range("times", times, 0.0)
    if times.ndim > 1:
        raise ValueError(f"times must be a scalar or a vector, got shape {times.shape}")
    flows, start = _flows(model, depth), _per_feature(model, start)
    curves = [flow.weights(np.atleast_1d(times), s0) for flow, s0 in zip(flows, start, strict=True)]
    return np.stack(curves, axis=-1).reshape(*times.shape, model.num_features)


def half_time(model: FeatureModel, start, depth: int = 2, *, head: bool = True) -> np.ndarray:
    r"""Time at which gradient flow from a balanced start has brought each weight to half of its limit.

    From a small start a feature waits, then rises within a short time, so that the features are learnt one after
    the other. The waiting time is about :math:`1/(8 c_1 s(0))` behind a head (two layers) and about
    :math:`\log(1/s(0))/(4 c_1)` without one (`depth` 1), with :math:`c_1 = \rho_i\phi_i^2`: a head delays the weak
    features far more. Source: derived (docs/derivations/learning-curve.md#half-time).

    Parameters
    ----------
    model : FeatureModel
        All retentions above 0.
    start : scalar or (k,) array
        Weights after the last layer at time 0, above 0 and below half of the limit.
    depth : int >= 1
        Number of layers L, the head included.
    head : bool
        False leaves the head out: the flow of the L - 1 layers below it alone.

    Returns
    -------
    (k,) array
        In the units of `learning_curve`'s times.

    Raises
    ------
    ValueError
        If nothing is left without the head (depth 1).
    AssumptionError
        If a feature has retention 0, so that it has no limit to reach half of, or starts above half of it.

    Examples
    --------
    Behind a head the weaker feature is learnt 4 times as late, from the start 0.001, and after a far longer wait:

    >>> model = FeatureModel(phi=[1.0, 0.5], alpha=0.0, sigma=0.0)
    >>> half_time(model, 1e-3, head=True).round(1)
    array([124.8, 499.6])
    >>> half_time(model, 1e-3, head=False).round(1)
    array([1.6, 7.1])
    """
    flows = _flows(model, checks.integer("depth", depth, 1 if head else 2) - (not head))
    start = _per_feature(model, start, open_low=True)
    limits = np.array([flow.limit for flow in flows])
    if np.any(limits == 0):
        raise AssumptionError(f"half_time needs features of positive retention, got {model.retention}")
    if np.any(start >= limits / 2):
        raise AssumptionError(f"start must lie below half of the limit {limits}, got {checks.show(start)}")
    half = np.arctanh(0.5)
    return np.array(
        [
            (flow.clock(half, -1) - flow.clock(np.arctanh(s0 / flow.limit), -1)) / flow.pace
            for flow, s0 in zip(flows, start, strict=True)
        ]
    )


class Collapse(NamedTuple):
    """Weights of features on their way to zero, each (T, k).

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0], alpha=[1.0], sigma=0.3)
    >>> theory.collapse_asymptote(model, [100.0]).after.round(5)
    array([[0.07052]])
    """

    before: np.ndarray
    after: np.ndarray


def collapse_asymptote(model: FeatureModel, times, depth: int = 2) -> Collapse:
    r"""Late weights of features that positive pairs do not share, for linear layers from a balanced start.

    After L layers :math:`s \sim (4L(4-2/L) c_2 t)^{-1/(4-2/L)}` with :math:`c_2 = (\phi^2+\sigma^2)^2`, and before
    the last layer :math:`s^{1-1/L}`. With two layers these fall as :math:`t^{-1/3}` and only :math:`t^{-1/6}`. The
    exact curve is `learning_curve`. Source: derived (docs/derivations/learning-curve.md#any-number-of-layers).

    Parameters
    ----------
    model : FeatureModel
        All retentions 0.
    times : (T,) array, > 0
    depth : int >= 1
        Number of layers L, the head included. With one layer the representation before it is the input, of weight 1.

    Raises
    ------
    AssumptionError
        If a feature has positive retention: it does not collapse.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0], alpha=[1.0], sigma=0.3)
    >>> late = theory.collapse_asymptote(model, [100.0, 400.0])
    >>> (late.after[0] / late.after[1]).round(3), (late.before[0] / late.before[1]).round(3)
    (array([1.587]), array([1.26]))
    """
    times = np.atleast_1d(checks.in_range("times", times, 0.0, open_low=True))
    if times.ndim > 1:
        raise ValueError(f"times must be a scalar or a vector, got shape {times.shape}")
    if np.any(model.retention > 0):
        raise AssumptionError(f"features of positive retention do not collapse, got {model.retention}")
    after = np.stack([flow.decayed(times, np.inf) for flow in _flows(model, depth)], axis=-1)
    return Collapse(after ** (1 - 1 / depth), after)


class _Flow(NamedTuple):
    """Flow ds/dt = 4L (growth s^power - decay s^(power + 2)) of one feature, power = 3 - 2/L."""

    growth: float
    decay: float
    depth: int

    @property
    def power(self):
        return 3 - 2 / self.depth

    @property
    def limit(self):
        return np.sqrt(self.growth / self.decay)

    @property
    def pace(self):
        """Units of T per unit of time; in T, x = s / limit follows dx/dT = x^power - x^(power + 2)."""
        return 4 * self.depth * self.growth * self.limit ** (self.power - 1)

    def weights(self, times, start):
        """Weights at `times`, a vector."""
        if start == 0:
            return np.zeros_like(times)
        limit = self.limit
        if start == limit:
            return np.full_like(times, start)
        side = 1 if start > limit else -1
        weights = self.decayed(times, start) if side == 1 else self.grown(times, start)
        moderate = weights <= _FAR * limit if side == 1 else weights >= limit / _FAR
        if np.any(moderate):
            y0 = np.arctanh(limit / start if side == 1 else start / limit)
            goal = self.clock(y0, side) + self.pace * times[moderate]
            weights[moderate] = limit * np.tanh(self._solve(goal, side)) ** -side
        return weights

    def decayed(self, times, start):
        """Weights where only the second term of the flow acts: (start^-b + 4L b decay t)^(-1/b), b = power + 1."""
        b = self.power + 1
        with np.errstate(divide="ignore"):
            late = (4 * self.depth * b * self.decay) ** (-1 / b) * times ** (-1 / b)
        small, large = np.minimum(late, start), np.maximum(late, start)
        return small * (1 + (small / large) ** b) ** (-1 / b)

    def grown(self, times, start):
        """Weights where only the first term acts; infinite from the time on at which they diverge."""
        rate, b = 4 * self.depth * self.growth, self.power - 1
        if b == 0:
            return np.exp(np.minimum(np.log(start) + rate * times, 700.0))
        with np.errstate(divide="ignore"):
            return start * np.maximum(1 - b * rate * start**b * times, 0.0) ** (-1 / b)

    def clock(self, y, side):
        """T at x = tanh y (side -1) or x = coth y (side 1), up to a constant: integral of tanh(y)^(side power)."""
        return _half_beta(np.asarray(y, dtype=float), (1 + side * self.power) / 2)

    def _solve(self, goal, side):
        """y > 0 whose clock shows `goal`, at most _NEAR."""
        goal = np.minimum(goal, self.clock(_NEAR, side))
        if self.depth == 2:
            return _solve_two_layers(goal, side)
        low, high = np.full_like(goal, np.log(0.01 / _FAR)), np.log(_NEAR)

        def shown_minus_goal(log_y, goal):
            return self.clock(np.exp(log_y), side) - goal

        return np.exp(find_roots(shown_minus_goal, low, high, (goal,), name="learning curve"))


def _half_beta(y, q):
    """Half of the incomplete beta function B(u; q, 0) at u = tanh^2 y; for q < 0 its analytic continuation.

    Up to u = 1/2 the series in u is summed, above it the series in v = 1 - u.
    """
    tanh = np.tanh(y)
    minus_log_v = 2 * (y + np.log1p(np.exp(-2 * y)) - np.log(2))
    if q == 0:  # one layer
        return np.log(tanh) + minus_log_v / 2
    if q == -0.5:  # two layers, the most frequent case: the series sums to this
        return y - 1 / tanh
    if q == 1.5:
        return _minus_tanh(y)
    n = np.arange(1, _TERMS)
    below = tanh ** (2 * q) * (1 / q + _polynomial(tanh**2, 1 / (n + q)))
    constant = -scipy.special.psi(q) - np.euler_gamma
    above = minus_log_v + constant - _polynomial(1 - tanh**2, np.cumprod((n - q) / n) / n)
    return np.where(tanh**2 <= 0.5, below, above) / 2


def _solve_two_layers(goal, side):
    """y > 0 with y - coth y = goal (side -1) or y - tanh y = goal, by Newton's method.

    The first function is concave and the start below its root, the second is convex and the start above: monotone.
    """
    if side == -1:
        root = np.sqrt(goal**2 + 4)
        y = np.where(goal > 0, (goal + root) / 2, 2 / (root - goal))
    else:
        cubic = np.cbrt(3 * goal)
        y = np.where(cubic < 0.5, 1.15 * cubic, goal + 1)
    for _ in range(_NEWTON_STEPS):
        tanh = np.tanh(y)
        step = (y - 1 / tanh - goal) * tanh**2 if side == -1 else (_minus_tanh(y) - goal) / tanh**2
        y = y - step
        if np.all(np.abs(step) <= 16 * np.finfo(float).eps * y):
            return y
    raise ConvergenceError(
        f"learning curve: last Newton step {np.abs(step).max():.1e} at y = {checks.show(y)}"
    )


def _minus_tanh(y):
    """y - tanh y without cancellation: the sum of 2n y^(2n + 1) / (2n + 1)! over cosh y, for y below 1."""
    small = np.minimum(y, 1.0)
    n = np.arange(1, 13)
    series = small * _polynomial(small**2, 2 * n / scipy.special.factorial(2 * n + 1)) / np.cosh(small)
    return np.where(y < 1, series, y - np.tanh(y))


def _polynomial(x, coefficients):
    """Sum of coefficients[n - 1] x^n."""
    return x * np.polynomial.polynomial.polyval(x, coefficients)


def _flows(model, depth):
    depth = checks.integer("depth", depth, 1)
    pairs = zip(model.retention * model.phi**2, model.variance**2, strict=True)
    return [_Flow(growth, decay, depth) for growth, decay in pairs]


def _per_feature(model, start, *, open_low=False):
    start = checks.in_range("start", start, 0.0, open_low=open_low)
    if start.shape not in ((), (model.num_features,)):
        raise ValueError(f"start must be a scalar or have shape ({model.num_features},), got {start.shape}")
    return np.broadcast_to(start, (model.num_features,))
