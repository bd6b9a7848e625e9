r"""Where the hinge loss with a bias learns nothing but the larger class.

At w = 0 and b = 1 the inputs of the larger label sit on the kink of the hinge. Their slopes can balance those of the
smaller label when the samples are many and the signal is weak, and then no penalty and no projector changes w = 0.
"""

from __future__ import annotations

import numpy as np
import scipy

_ROOT_TWO_PI = np.sqrt(2 * np.pi)
_PRECISE = {"xatol": 1e-8, "fatol": 1e-14, "maxiter": 2000}


def constant_ratio(signal_norm: float, balance: float, flips: float) -> float:
    r"""Sample ratio from which on the hinge loss with a bias has the constant classifier as its minimum.

    Let q be the frequency of the smaller label, and the direction of a step from the constant classifier have overlap s
    with the signal, norm 1 across it and bias b. The step lowers the loss iff the margins can be lowered by d, with
    :math:`E[d^2] \le 1/\delta`, such that :math:`V = q(b-\gamma)-srm+E(-u-\gamma)_+ \le 0`. Here
    :math:`u\sim N(b\pm sr, 1+s^2)` over the larger label, :math:`srm` is the mean margin of the smaller one, and d is
    :math:`\gamma` there and :math:`\min(\gamma, (-u)_+)` for the larger label. So the ratio is the largest
    :math:`1/E[d^2]` at V = 0 over s and b, a convex problem.
    Source: derived (docs/derivations/downstream-system.md#the-constant-classifier).

    Parameters
    ----------
    signal_norm : float >= 0
    balance : float in (0, 1)
        Frequency of the first class; infinity is returned for equal classes.
    flips : float in [0, 0.5)
        Probability that a label is wrong.

    Returns
    -------
    float
    """
    larger = max(balance, 1 - balance)
    if larger == 0.5:
        return np.inf
    groups = (
        (larger * (1 - flips), signal_norm),
        ((1 - larger) * flips, -signal_norm),
    )  # of the larger label
    smaller = 1 - groups[0][0] - groups[1][0]
    pull = ((1 - larger) * (1 - flips) - larger * flips) * signal_norm

    def lowered(direction):
        """Least E[d^2] with which a step in this direction does not raise the loss."""
        s, b = direction
        spread = np.hypot(s, 1)

        def change(gamma):
            total = smaller * (b - gamma) - s * pull
            for weight, mean in groups:
                below = (-gamma - b - s * mean) / spread
                total += weight * spread * (below * scipy.special.ndtr(below) + _density(below))
            return total

        if change(0.0) <= 0:
            return 0.0
        top = 1.0
        while change(top) > 0:
            top *= 2
        gamma = scipy.optimize.brentq(change, 0.0, top, xtol=1e-15)
        total = smaller * gamma**2
        for weight, mean in groups:
            centre = b + s * mean
            low, high = (-gamma - centre) / spread, -centre / spread
            between = scipy.special.ndtr(high) - scipy.special.ndtr(low)
            first = _density(low) - _density(high)
            second = between + low * _density(low) - high * _density(high)
            total += weight * (
                gamma**2 * scipy.special.ndtr(low)
                + centre**2 * between
                + 2 * centre * spread * first
                + spread**2 * second
            )
        return total

    least = scipy.optimize.minimize(lowered, [0.1, 0.0], method="Nelder-Mead", options=_PRECISE).fun
    return 1 / least if least > 0 else np.inf


def _density(x):
    return np.exp(-x * x / 2) / _ROOT_TWO_PI
