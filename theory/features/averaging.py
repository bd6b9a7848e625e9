r"""Accuracy of the averaging classifier on a weighted representation.

The representation of a clean input is :math:`g(x)_i = w_i(u_i\phi_i + \xi_i)`, the label :math:`y = u_j`, the
classifier :math:`\mathrm{sign}(\hat a\cdot g(x))` with :math:`\hat a = \frac1n\sum_m y_m g(x_m)`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError, ConvergenceError
from theory.features.model import FeatureModel
from theory.features.sample_complexity import representation
from theory.features.spectral import layer_weights

__all__ = ["averaging_accuracy", "averaging_crossings"]

_SEARCH_POINTS = 65  # of the search for crossings: 64 intervals
_TOLERANCE = 1e-12  # change of the integral at which halving the step ends
_LOWEST_NODE = -3.5  # exp(-3.5 - e^3.5) = 1e-16: the integrand falls as t, so nothing is left below
_TAIL = 80.0  # -2 log |psi(t)| at the upper end: |psi| < e^-40 = 4e-18
_HIGHEST_NODE = 80.0  # bounds the search for that end where the noise is tiny
_FIRST_STEP, _SMALLEST_STEP = 0.25, 1e-4  # halving further means that the rule does not settle
_LARGEST_EXACT_N = 10**6  # the normal approximation is good there
_NEGLIGIBLE = 40.0  # binomial terms and aliases below e^-40 = 4e-18 are dropped
_NUMBERS_AT_ONCE = 2**16  # of one block of features: what is computed stays in the cache


def averaging_accuracy(model: FeatureModel, weights, target: int, n, exact: bool = True):
    r"""Expected test accuracy of the averaging classifier trained on n labelled samples.

    Exact: the score :math:`y\,\hat a\cdot g(x)` is a sum of independent terms, one per feature, whose characteristic
    functions are Gaussian integrals (averaged over the binomial sum of signs for the other features); Gil-Pelaez
    gives :math:`\mathrm{Acc} = \frac12 + \frac1\pi\int_0^\infty \mathrm{Im}\,\psi(t)\,dt/t`, evaluated by the
    trapezoid rule in x, :math:`t = e^{x-e^{-x}}`, to 1e-12.
    Source: derived (docs/derivations/averaging-accuracy.md#exact-law).
    Approximate: :math:`\Phi\big(w_j^2\phi_j^2 / (w_j^4\phi_j^2\sigma^2 + \sum_{i\ne j} v_i^2/n)^{1/2}\big)`,
    :math:`v_i = w_i^2(\phi_i^2+\sigma^2)`: the score is taken as normal, and its variance without the terms of order
    1/n that involve the target. Half of all random models with 2 to 8 features are off by less than 0.005, but with
    two features, few labels and little noise the score is far from normal and the error reaches 0.3.
    Source: derived (docs/derivations/averaging-accuracy.md#normal-approximation).

    Parameters
    ----------
    model : FeatureModel
    weights : (..., k) array, >= 0
        Feature weights of the representation.
    target : int
        The feature j that the downstream label is, 0-based.
    n : int or array of ints, >= 1
        Labelled samples, broadcast against the leading shape of `weights`; at most one million if `exact`.
    exact : bool
        Whether to return the exact value or the normal approximation.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    AssumptionError
        If `exact` and sigma = 0: the score is discrete and ties have positive probability.
    ConvergenceError
        If the integral does not settle to 1e-12.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> before, after = theory.layer_weights(model)
    >>> theory.averaging_accuracy(model, [before, after], target=0, n=10).round(3)
    array([0.76, 0.73])
    """
    weights, target = representation(model, weights), model.feature(target)
    n = checks.whole_numbers("n", n, 1, _LARGEST_EXACT_N if exact else checks.LARGEST_COUNT)
    if exact and model.sigma == 0:
        raise AssumptionError(
            "averaging_accuracy(exact=True) needs sigma > 0: without noise the score has ties"
        )
    shape = np.broadcast_shapes(weights.shape[:-1], n.shape)
    rows = np.broadcast_to(weights, (*shape, model.num_features)).reshape(-1, model.num_features)
    one = _gil_pelaez if exact else _normal
    accuracy = [
        one(model, row, target, int(m))
        for row, m in zip(rows, np.broadcast_to(n, shape).ravel(), strict=True)
    ]
    return np.reshape(accuracy, shape)[()]


def averaging_crossings(
    model: FeatureModel,
    target: int,
    n: int,
    vary: str = "alpha",
    *,
    low: float,
    high: float,
    exact: bool = True,
    loss: str = "spectral",
) -> np.ndarray:
    r"""Values of feature j's parameter at which averaging is equally accurate before and after the head.

    The weights before the head are :math:`\sqrt{s_i}`, those after it :math:`s_i` (two layers, all features kept).
    Sign changes of the difference are bracketed on 65 equally spaced points of [low, high] and refined to round-off;
    two crossings between neighbouring points are missed. The boundary of `before_head_boundary` lies elsewhere,
    since the indicator of Theorem 3.6 comes from a bound on the accuracy.
    Source: derived here, from `averaging_accuracy` and `layer_weights`.

    Parameters
    ----------
    model, target, n, exact
        As in `averaging_accuracy`.
    vary : {"alpha", "phi"}
        Parameter of feature j that is varied.
    low, high : float
        Range that is searched, inside the range of the parameter (alpha below 1).
    loss : {"spectral", "inner"}
        As in `layer_weights`. The crossings do not depend on the temperature, which scales all weights alike.

    Returns
    -------
    (c,) array
        Crossings in increasing order; empty when one side wins throughout.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0] * 4, alpha=[0.2] * 4, sigma=0.3)
    >>> theory.averaging_crossings(model, target=0, n=10, low=0.0, high=0.9).round(3)
    array([0.2])
    """
    vary = checks.choice("vary", vary, ("alpha", "phi"))
    low, high = checks.scalar("low", low), checks.scalar("high", high)
    if not low < high:
        raise ValueError(f"high must exceed low, got low = {low:g}, high = {high:g}")

    def before_minus_after(value):
        moved = model.with_feature(target, **{vary: value})
        before, after = averaging_accuracy(moved, layer_weights(moved, loss=loss), target, n, exact)
        return before - after

    grid = np.linspace(low, high, _SEARCH_POINTS)
    gaps = np.array([before_minus_after(value) for value in grid])
    changes = np.flatnonzero(np.sign(gaps[:-1]) * np.sign(gaps[1:]) < 0)
    crossings = [scipy.optimize.brentq(before_minus_after, grid[i], grid[i + 1], xtol=1e-13) for i in changes]
    return np.sort(np.concatenate([crossings, grid[gaps == 0]]))


def _normal(model, weights, target, n):
    spread = np.delete(weights**2 * model.variance, target)
    signal = weights[target] ** 2 * model.phi[target] ** 2
    noise = weights[target] ** 4 * model.phi[target] ** 2 * model.sigma**2 + np.sum(spread**2) / n
    if noise == 0:
        return 1.0
    return scipy.special.ndtr(signal / np.sqrt(noise))


def _gil_pelaez(model, weights, target, n):
    kept = weights > 0
    if not kept[target]:
        return 0.5
    scale = np.max(weights[kept] ** 2 * model.variance[kept])
    gains = weights[kept] ** 2 / scale
    target = int(np.count_nonzero(kept[:target]))
    top = 1.0
    noise = gains * model.sigma**2 / np.sqrt(n)
    while np.sum(np.log1p((np.exp(top) * noise) ** 2)) < _TAIL and top < _HIGHEST_NODE:
        top += 1.0
    mean_signs, probabilities = _mean_signs(n, np.max(model.phi[kept]) / model.sigma)

    def integral(nodes):
        total = 0.0
        for part in np.array_split(nodes, 1 + nodes.size * mean_signs.size // _NUMBERS_AT_ONCE):
            t = np.exp(part - np.exp(-part))
            psi = _imaginary_psi(t, model, model.phi[kept], gains, target, n, mean_signs, probabilities)
            total += np.sum((1 + np.exp(-part)) * psi)
        return total

    step, previous = _FIRST_STEP, np.inf
    total = integral(np.arange(_LOWEST_NODE, top + step, step))
    while step > _SMALLEST_STEP:
        change, previous = abs(total * step - previous), total * step
        if change < _TOLERANCE:
            return 0.5 + previous / np.pi
        step /= 2
        total += integral(np.arange(_LOWEST_NODE + step, top + step, 2 * step))
    raise ConvergenceError(
        f"averaging accuracy: trapezoid rule still moves by {change:.1e} at n = {n}, "
        f"phi = {checks.show(model.phi)}, sigma = {model.sigma:g}"
    )


def _mean_signs(n, signal_to_noise):
    r"""Nodes m >= 0 and weights of the average over a mean of n fair signs, of functions that are even in m.

    The sum over every d-th value of a binomial variable, times d, differs from the sum over all values by the
    Fourier transform of the summand at the multiples of :math:`2\pi/d`. The transform of the binomial is
    :math:`\cos^n(\theta/2) \le e^{-n\theta^2/8}`, that of a feature's factor a Gaussian, and d is the largest odd
    number for which their convolution stays negligible at all frequencies t.
    """
    ratio = signal_to_noise**2
    reach = ratio / 2 + np.sqrt(2 * _NEGLIGIBLE * (1 + ratio))
    stride = 2 * int((np.pi * np.sqrt(n) / reach + 1) / 2) - 1 if np.pi * np.sqrt(n) > reach else 1
    excess = np.arange(
        n % 2 / 2, min(n / 2, np.sqrt(_NEGLIGIBLE * n / 2)) + 0.1
    )  # of positive signs; Hoeffding
    steps = np.log(
        (n / 2 - excess[:-1]) / (n / 2 + excess[1:])
    )  # of the logarithm of the binomial coefficient
    weights = np.exp(np.concatenate([[0.0], np.cumsum(steps)]))
    weights[excess == 0] /= 2  # all others stand for m and for -m
    chosen = slice(n % 2 * (stride // 2), None, stride)
    return 2 * excess[chosen] / n, stride * weights[chosen] / weights.sum()


def _imaginary_psi(t, model, phi, gains, target, n, mean_signs, probabilities):
    """Imaginary part of the characteristic function of the score at the frequencies t."""
    frequency, strength = t * gains[target], phi[target]
    spread = 1 + (frequency * model.sigma**2) ** 2 / n
    psi = _modulus(frequency, strength, strength, model.sigma, n, spread) * np.sin(
        frequency * strength**2 / spread
    )
    others = np.delete(np.arange(gains.size), target)
    size = max(1, _NUMBERS_AT_ONCE // (t.size * mean_signs.size))
    for first in range(0, others.size, size):
        block = others[first : first + size]
        frequency, strength = gains[block, None] * t, phi[block, None]
        spread = 1 + (frequency * model.sigma**2) ** 2 / n
        # exp(-decay m^2) cos(turn m) at a mean sign m
        decay, turn = (
            (frequency * model.sigma * strength) ** 2 / (2 * spread),
            frequency * strength**2 / spread,
        )
        given = np.exp(-decay[..., None] * mean_signs**2) * np.cos(turn[..., None] * mean_signs)
        psi = psi * np.prod((given @ probabilities) * np.exp(-decay / n) / np.sqrt(spread), axis=0)
    return psi


def _modulus(frequency, phi, mean, sigma, n, spread):
    """Modulus of E exp(-(frequency sigma A)^2/2 + i frequency phi A) for A ~ N(mean, sigma^2/n)."""
    exponent = (frequency * sigma) ** 2 * (phi**2 / n + mean**2) / (2 * spread)
    return np.exp(-exponent) / np.sqrt(spread)
