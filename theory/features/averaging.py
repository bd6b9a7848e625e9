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
_LOG_T_MIN = -36.0  # e^-36 < 3e-16: the integrand falls as t, so nothing is left below
_TAIL = 80.0  # -2 log |psi(t)| at the upper end: |psi| < e^-40 = 4e-18
_LOG_T_MAX = 80.0  # bounds the search for that end where the noise is tiny
_FIRST_STEP, _SMALLEST_STEP = 0.25, 1e-4  # in log t; halving further means that the rule does not settle
_LARGEST_EXACT_N = 10**6  # one value takes a second there, and the normal approximation is good
_LOG_PROBABILITY_MIN = -60.0  # binomial terms below e^-60 = 9e-27 are dropped


def averaging_accuracy(model: FeatureModel, weights, target: int, n, exact: bool = True):
    r"""Expected test accuracy of the averaging classifier trained on n labelled samples.

    Exact: the score :math:`y\,\hat a\cdot g(x)` is a sum of independent terms, one per feature, whose characteristic
    functions are Gaussian integrals (averaged over the binomial sum of signs for the other features); Gil-Pelaez
    gives :math:`\mathrm{Acc} = \frac12 + \frac1\pi\int_0^\infty \mathrm{Im}\,\psi(t)\,dt/t`, evaluated by the
    trapezoid rule in :math:`\log t` to 1e-12. Source: derived (docs/derivations/averaging-accuracy.md#exact-law).
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
    while np.sum(np.log1p((np.exp(top) * noise) ** 2)) < _TAIL and top < _LOG_T_MAX:
        top += 1.0
    step, previous, total = _FIRST_STEP, np.inf, 0.0
    nodes = np.arange(_LOG_T_MIN, top + step, step)
    while step > _SMALLEST_STEP:
        total += np.sum(_imaginary_psi(np.exp(nodes), model, kept, gains, target, n))
        value = total * step
        change, previous = abs(value - previous), value
        if change < _TOLERANCE:
            return 0.5 + value / np.pi
        step /= 2
        nodes = np.arange(_LOG_T_MIN + step, top + step, 2 * step)
    raise ConvergenceError(
        f"averaging accuracy: trapezoid rule still moves by {change:.1e} at n = {n}, "
        f"phi = {checks.show(model.phi)}, sigma = {model.sigma:g}"
    )


def _imaginary_psi(t, model, kept, gains, target, n):
    """Imaginary part of the characteristic function of the score at the frequencies t."""
    reach = np.sqrt(-_LOG_PROBABILITY_MIN * n / 2)  # Hoeffding: terms farther from n/2 are below the bound
    pull = np.arange(max(0, int(n / 2 - reach)), min(n, int(n / 2 + reach) + 1) + 1)
    log_probability = (
        scipy.special.gammaln(n + 1)
        - scipy.special.gammaln(pull + 1)
        - scipy.special.gammaln(n - pull + 1)
        - n * np.log(2)
    )
    likely = log_probability > _LOG_PROBABILITY_MIN
    mean_sign, probability = (2 * pull[likely] - n) / n, np.exp(log_probability[likely])
    phase, modulus = np.zeros_like(t), np.ones_like(t)
    for i, (phi, gain) in enumerate(zip(model.phi[kept], gains, strict=True)):
        spread = 1 + (t * gain * model.sigma**2) ** 2 / n
        if i == target:
            phase = t * gain * phi**2 / spread
            modulus = modulus * _modulus(t * gain, phi, phi, model.sigma, n, spread)
        else:
            mean = phi * mean_sign
            column, row = (t * gain)[:, None], spread[:, None]
            given = _modulus(column, phi, mean, model.sigma, n, row) * np.cos(column * phi * mean / row)
            modulus = modulus * (given @ probability)
    return modulus * np.sin(phase)


def _modulus(frequency, phi, mean, sigma, n, spread):
    """Modulus of E exp(-(frequency sigma A)^2/2 + i frequency phi A) for A ~ N(mean, sigma^2/n)."""
    exponent = (frequency * sigma) ** 2 * (phi**2 / n + mean**2) / (2 * spread)
    return np.exp(-exponent) / np.sqrt(spread)
