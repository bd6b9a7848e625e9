r"""Convex margin losses seen through their proximal map, averaged over a normal margin.

With :math:`x = \mu+\rho G`, :math:`P = \mathrm{prox}_{\gamma\ell}(x)` and :math:`e = -\ell'(P) = (P-x)/\gamma`,
every quantity that the downstream equations need is a moment of e or of its slope :math:`-\partial_x e`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
import scipy

__all__ = ["MarginProx"]

_TAIL = 9.0  # standard deviations of the margin that are integrated: P(|G| > 9) = 2e-19
_NARROW = 0.01  # spread below which the margin is integrated directly; dividing by it would cost digits
_TINY = 1e-300
_ENDS = np.array([-_TAIL, _TAIL])
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


class Moments(NamedTuple):
    r"""Averages over x, each a float or an array (n,), and their derivatives by :math:`(\mu, \rho, \gamma)`.

    Attributes
    ----------
    first, second : float or (n,) array
        :math:`\bar e = E[e]` and :math:`\nu^2 = E[e^2]`.
    curvature : float or (n,) array
        :math:`Q = -\partial_\mu E[e]`.
    slopes : 3 x 3 nested tuple of floats or (n,) arrays
        One row an average.
    """

    first: np.ndarray
    second: np.ndarray
    curvature: np.ndarray
    slopes: tuple


class ConvexLoss(Protocol):
    """What the solver of the downstream equations asks of a loss.

    Attributes
    ----------
    parabola : (float, float)
        Target and curvature of a square loss from whose solution the solver starts.
    takes_floats : bool
        Whether `moments` takes one point as floats too, which saves time.
    """

    parabola: tuple[float, float]
    takes_floats: bool

    def moments(self, mean: np.ndarray, spread: np.ndarray, step: np.ndarray) -> Moments:
        """Averages for margins N(mean, spread^2) and proximal step `step`, all floats or all (n,)."""


class MarginProx(Protocol):
    r"""A user's own convex loss of the margin, given by its proximal map.

    `prox(x, step)` returns :math:`\arg\min_m \ell(m) + (x-m)^2/(2\,\mathrm{step})` for arrays that broadcast. A loss
    that is not smooth may also have `kinks(step)`: the values of x, as a sequence of arrays of the shape of `step`, at
    which its proximal map bends; without them the quadrature loses digits there.

    Examples
    --------
    The squared loss, and a hinge:

    >>> class Squared:
    ...     def prox(self, x, step):
    ...         return (x + step) / (1 + step)
    >>> class Hinge:
    ...     def prox(self, x, step):
    ...         return np.where(x < 1 - step, x + step, np.maximum(x, 1))
    ...     def kinks(self, step):
    ...         return 1 - step, np.ones_like(step)
    """

    def prox(self, x: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Proximal map of step times the loss."""


class Square:
    r""":math:`\ell(m) = (1-m)^2/2`, for which :math:`e = (1-x)/(1+\gamma)`."""

    parabola = 1.0, 1.0
    takes_floats = False

    def moments(self, mean, spread, step):
        """Averages, exact."""
        curvature, miss = 1 / (1 + step), 1 - mean
        first, zero = miss * curvature, np.zeros_like(mean)
        second = (miss**2 + spread**2) * curvature**2
        slopes = (
            (-curvature, zero, -first * curvature),
            (-2 * miss * curvature**2, 2 * spread * curvature**2, -2 * second * curvature),
            (zero, zero, -(curvature**2)),
        )
        return Moments(first, second, curvature, slopes)


class Logistic:
    r""":math:`\ell(m) = \log(1+e^{-m})`.

    The integral runs over P, where the proximal map is explicit: :math:`x = P - \gamma/(1+e^P)`,
    :math:`dx = (1+\gamma\ell'')dP`, :math:`P = \sinh t`, trapezoid rule in t.
    """

    parabola = 4.0, 0.125
    takes_floats = True
    _unit = np.linspace(0.0, 1.0, 240)
    _hermite = np.polynomial.hermite_e.hermegauss(40)

    def moments(self, mean, spread, step):
        """Averages, accurate to round-off for spreads up to 100 and steps up to 1e8."""
        narrow = spread < _NARROW
        if isinstance(spread, float):
            return self._narrow(mean, spread, step) if narrow else self._wide(mean, spread, step)
        if not narrow.any():
            return self._wide(mean, spread, step)
        parts = [
            rule(mean[rows], spread[rows], step[rows])
            for rule, rows in ((self._narrow, narrow), (self._wide, ~narrow))
        ]
        places = np.argsort(np.concatenate([np.flatnonzero(narrow), np.flatnonzero(~narrow)]))
        return Moments(*(np.concatenate(both, axis=-1)[..., places] for both in zip(*parts, strict=True)))

    def _narrow(self, mean, spread, step):
        """Gauss-Hermite over the margin, all of whose values are near the mean."""
        nodes, weights = self._hermite
        deviate = nodes if np.ndim(mean) == 0 else nodes[:, None]
        pull = scipy.special.expit(-_logistic_prox(mean + deviate * spread, step, 1e-8))
        bend = pull * (1 - pull)
        weight = (weights if np.ndim(mean) == 0 else weights[:, None]) / _ROOT_TWO_PI
        band = weight * (bend / (1 + step * bend))
        return self._averaged(weight * pull, pull, band, deviate + np.zeros_like(pull), spread)

    def _wide(self, mean, spread, step):
        low, high = np.arcsinh(_logistic_prox(mean + np.multiply.outer(_ENDS, spread), step))
        t = low + np.multiply.outer(self._unit, high - low)
        grow = np.exp(t)
        shrink = 1 / grow
        point = (grow - shrink) / 2
        pull = scipy.special.expit(-point)  # e = -l'(P)
        bend = pull * (1 - pull)  # l''(P)
        deviate = (point - (step * pull + mean)) / spread
        density = np.exp(-0.5 * deviate**2) * (grow + shrink)
        density *= (high - low) / (2 * (len(self._unit) - 1) * _ROOT_TWO_PI * spread)
        band = density * bend
        return self._averaged((density + step * band) * pull, pull, band, deviate, spread)

    def _averaged(self, whole, pull, band, deviate, spread):
        """From e over the nodes with the weights of the margin, e itself, -de/dx with these weights, and G."""
        turned, lifted = band * deviate, band * pull
        return _from_band(
            _total(whole),
            _sum(whole, pull),
            (_total(band), _total(turned), _sum(turned, deviate)),
            (_total(lifted), _sum(lifted, deviate), _sum(lifted, pull)),
            spread,
        )


def _logistic_prox(x, step, last_change=1e-3):
    """P with P - step / (1 + e^P) = x: Newton in z = log(P - x), where the equation is convex and increasing.

    The error is about the square of `last_change`.
    """
    log_step = np.log(step)
    right = np.minimum(step * scipy.special.expit(-x), np.maximum(-x, 0) + np.log1p(step))
    z = np.log(np.maximum(right, _TINY))
    for _ in range(20):
        lift = np.exp(z)
        point = x + lift
        change = (z + np.logaddexp(0, point) - log_step) / (1 + scipy.special.expit(point) * lift)
        z = z - change
        if not (change >= last_change).any():
            break
    return x + np.exp(z)


class Hinge:
    r""":math:`\ell(m) = (1-m)_+`; e rises linearly from 0 at x = 1 to 1 at x = 1 - step.

    With :math:`b = (1-\mu)/\rho`, :math:`g = \gamma/\rho`: :math:`\bar e = \int_0^1\Phi(b-gu)du`,
    :math:`\nu^2 = \int_0^1 2u\Phi(b-gu)du`, :math:`Q = \frac1\rho\int_0^1\varphi(b-gu)du`, by Gauss-Legendre over the
    part where the integrand varies: positive terms only, so nothing cancels at any g.
    """

    parabola = 4.0, 0.25
    takes_floats = True
    _nodes, _weights = np.polynomial.legendre.leggauss(44)
    _nodes = 1 + _nodes
    _powers = _weights * np.array([_nodes**0, _nodes, _nodes**2])

    def moments(self, mean, spread, step):
        """Averages, accurate to round-off."""
        b, g = (1 - mean) / spread, step / spread
        below = _smaller(b, 0.0)
        # the integrand falls by e^-40 from its start
        reach = _larger(b, 0.0) + 80 / ((below * below + 80) ** 0.5 - below)
        low = _smaller(_larger(b - _TAIL, 0.0) / g, 1.0)
        half = (_smaller(reach / g, 1.0) - low) / 2
        top, fall = b - g * low, g * half  # node x: u = low + half x, b - g u = top - fall x
        deviate = top - (self._nodes * fall if isinstance(fall, float) else np.outer(self._nodes, fall))
        c0, c1 = _rows(self._powers[:2] @ scipy.special.ndtr(deviate))
        b0, b1, b2 = _rows(self._powers @ np.exp(-0.5 * deviate**2) * (half / (_ROOT_TWO_PI * spread)))
        lifted, lifted_x = low * b0 + half * b1, low * b1 + half * b2
        turned, turned_x = top * b0 - fall * b1, top * b1 - fall * b2
        return _from_band(
            low + half * c0,
            low * low + 2 * half * (low * c0 + half * c1),
            (b0, turned, top * turned - fall * turned_x),
            (lifted, top * lifted - fall * lifted_x, low * lifted + half * lifted_x),
            spread,
        )


class FromProx:
    r"""Any `MarginProx` by quadrature over G; derivatives by Stein's identity, so that only the map is needed.

    Trapezoid rule with 2,401 nodes over :math:`\pm 9` standard deviations, or Gauss-Legendre with 120 nodes a piece
    where the loss names its kinks.
    """

    parabola = 1.0, 1.0
    takes_floats = False
    _trapezoid = np.linspace(-_TAIL, _TAIL, 2401)[:, None]
    _abscissae, _weights = np.polynomial.legendre.leggauss(120)
    _at_once = 256

    def __init__(self, loss: MarginProx):
        self.loss = loss

    def moments(self, mean, spread, step):
        """Averages, in blocks of points that bound the memory."""
        blocks = range(0, len(mean), self._at_once)
        parts = [self._block(*(a[i : i + self._at_once] for a in (mean, spread, step))) for i in blocks]
        return Moments(*(np.concatenate(field, axis=-1) for field in zip(*parts, strict=True)))

    def _block(self, mean, spread, step):
        deviate, weight = self._rule(mean, spread, step)
        x = mean + spread * deviate
        e = (np.asarray(self.loss.prox(x, np.broadcast_to(step, x.shape)), dtype=float) - x) / step
        if not np.all(np.isfinite(e)):
            raise ValueError("classifier.prox must return finite numbers")
        weight = weight * np.exp(-0.5 * deviate**2) / _ROOT_TWO_PI

        def average(values, order):
            hermite = (1, deviate, deviate**2 - 1, deviate**3 - 3 * deviate)[order]
            return np.sum(weight * values * hermite, 0) / spread**order

        first, second = average(e, 0), average(e**2, 0)
        centred = e - first
        slope, bend, third = (average(centred, order) for order in (1, 2, 3))
        square, square_bend = average(e**2 - second, 1), average(e**2 - second, 2)
        return _assembled(first, second, -slope, bend, third, square, square_bend, average(e**3, 1), spread)

    def _rule(self, mean, spread, step):
        if not hasattr(self.loss, "kinks"):
            return self._trapezoid, np.full_like(
                self._trapezoid, self._trapezoid[1, 0] - self._trapezoid[0, 0]
            )
        bends = [(np.asarray(kink, dtype=float) - mean) / spread for kink in self.loss.kinks(step)]
        edges = np.sort(
            np.clip([np.full_like(mean, -_TAIL), *bends, np.full_like(mean, _TAIL)], -_TAIL, _TAIL), 0
        )
        half = np.diff(edges, axis=0)[:, None] / 2
        nodes = edges[:-1, None] + half * (1 + self._abscissae[:, None])
        return nodes.reshape(-1, len(mean)), (half * self._weights[:, None]).reshape(-1, len(mean))


def _from_band(first, second, turns, lifts, spread):
    """`Moments` from band sums over the nodes on which e falls, E[-(de/dx) f].

    f = 1, G, G^2 in `turns` and e, e G, e^2 in `lifts`.
    """
    curvature, turned, turned_twice = turns
    lifted, lifted_turned, lifted_twice = lifts
    bend, third = -turned / spread, (curvature - turned_twice) / (spread * spread)
    square_bend = -2 * lifted_turned / spread
    return _assembled(
        first, second, curvature, bend, third, -2 * lifted, square_bend, -3 * lifted_twice, spread
    )


def _assembled(first, second, curvature, bend, third, square, square_bend, cube, spread):
    """Chain rule: d/d spread = spread d^2/d mean^2, and e obeys de/d step = e de/dx."""
    slopes = (
        (-curvature, spread * bend, square / 2),
        (square, spread * square_bend, 2 * cube / 3),
        (-bend, -spread * third, -square_bend / 2),
    )
    return Moments(first, _larger(second, _TINY), _larger(curvature, _TINY), slopes)


def _larger(a, b):
    """Maximum of arrays, or of two floats, where numpy's costs ten times as much."""
    return max(a, b) if isinstance(a, float) else np.maximum(a, b)


def _smaller(a, b):
    """Minimum, as `_larger`."""
    return min(a, b) if isinstance(a, float) else np.minimum(a, b)


def _rows(table):
    """Rows of a table, those of one column as floats."""
    return table.tolist() if table.ndim == 1 else table


def _total(values):
    """Sum over the nodes; `np.sum` costs as much as the addition of a thousand of them."""
    return np.add.reduce(values, axis=0)


def _sum(one, other):
    return np.vecdot(one, other, axis=0)
