"""Learning curves: how the feature weights grow under gradient flow of the spectral contrastive loss."""

from __future__ import annotations

import numpy as np

from theory import checks
from theory.checks import ConvergenceError
from theory.features.model import FeatureModel

_NO_PULL = 1e60  # start above this multiple of the fixed point: the growth term is far below round-off


def learning_curve(model: FeatureModel, times, start) -> np.ndarray:
    r"""Feature weights after the head at given times of gradient flow from a balanced start.

    Two linear layers, aligned with the features and balanced, follow
    :math:`\dot s_i = 8 c_1 s_i^2 - 8 c_2 s_i^4`, :math:`c_1 = \rho_i\phi_i^2`, :math:`c_2 = (\phi_i^2+\sigma^2)^2`.
    The equation separates: :math:`8t = G(s(t)) - G(s(0))` with
    :math:`G(s) = -1/(c_1 s) + \sqrt{c_2}\,c_1^{-3/2}\,\mathrm{artanh}(s\sqrt{c_2/c_1})` below the fixed point
    :math:`s^* = \sqrt{c_1/c_2}`, arcoth above it. For :math:`\rho_i = 0`:
    :math:`s(t) = (s(0)^{-3} + 24 c_2 t)^{-1/3}`. The weight before the head is :math:`\sqrt{s_i(t)}`.
    Source: derived here (docs/derivations/learning-curve.md).

    Parameters
    ----------
    model : FeatureModel
    times : (T,) array or scalar, >= 0
        Time of the flow :math:`\dot W_l = -\partial L/\partial W_l`; step times number of steps of gradient descent.
    start : scalar or (k,) array, >= 0
        Weights after the head at time 0. A feature that starts at 0 stays there.

    Returns
    -------
    (T, k) array, or (k,) for a scalar time

    Raises
    ------
    ConvergenceError
        If the equation for s(t) is not solved to round-off.
    """
    times = checks.in_range("times", times, 0.0)
    if times.ndim > 1:
        raise ValueError(f"times must be a scalar or a vector, got shape {times.shape}")
    start = checks.in_range("start", start, 0.0)
    if start.shape not in ((), (model.num_features,)):
        raise ValueError(f"start must be a scalar or have shape ({model.num_features},), got {start.shape}")
    start = np.broadcast_to(start, (model.num_features,))
    curves = [
        _one_feature(times, s0, rho * phi**2, variance**2)
        for s0, rho, phi, variance in zip(start, model.retention, model.phi, model.variance, strict=True)
    ]
    return np.stack(curves, axis=-1)


def _one_feature(times, start, growth, decay):
    """Solution of ds/dt = 8 growth s^2 - 8 decay s^4 at `times`."""
    if start == 0:
        return np.zeros_like(times)
    fixed = np.sqrt(growth / decay)
    if start > _NO_PULL * fixed:
        return start / np.cbrt(1 + 24 * decay * start**3 * times)
    if start == fixed:
        return np.full_like(times, start)
    elapsed = 8 * growth * fixed * times  # in this time x = s / fixed follows dx/dt = x^2 - x^4
    if start < fixed:
        y = np.arctanh(start / fixed)  # x = tanh y; y - coth y grows as time does
        return fixed * np.tanh(_solve_rising(y - 1 / np.tanh(y) + elapsed))
    y = np.arctanh(fixed / start)  # x = coth y; y - tanh y grows as time does
    return fixed / np.tanh(_solve_falling(_minus_tanh(y) + elapsed))


def _solve_rising(g):
    """y > 0 with y - coth y = g; Newton from below on a concave increasing function."""
    root = np.sqrt(g**2 + 4)
    start = np.where(g > 0, (g + root) / 2, 2 / (root - g))
    return _newton(
        start, lambda y: y - 1 / np.tanh(y) - g, lambda y: 1 + 1 / np.sinh(np.minimum(y, 300)) ** 2
    )


def _solve_falling(g):
    """y > 0 with y - tanh y = g; Newton from above on a convex increasing function."""
    cubic = np.cbrt(3 * g)
    start = np.where(cubic < 0.5, 1.15 * cubic, g + 1)
    return _newton(start, lambda y: _minus_tanh(y) - g, lambda y: np.tanh(y) ** 2)


def _minus_tanh(y):
    """y - tanh y without cancellation: sum_j 2j y^(2j+1) / (2j+1)! over cosh y, for y below 1."""
    small = np.minimum(y, 1.0)
    term, total = small, np.zeros_like(small)
    for j in range(1, 13):
        term = term * small**2 / (2 * j * (2 * j + 1))
        total = total + 2 * j * term
    return np.where(y < 1, total / np.cosh(small), y - np.tanh(y))


def _newton(y, function, slope):
    for _ in range(60):
        step = function(y) / slope(y)
        y = y - step
        if np.all(np.abs(step) <= 16 * np.finfo(float).eps * np.abs(y)):
            return y
    raise ConvergenceError(
        f"learning curve: last Newton step {np.abs(step).max():.1e} at y = {checks.show(y)}"
    )
