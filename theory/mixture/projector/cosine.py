r"""Cosine similarity: the exact loss in p dimensions and its limit for many dimensions.

The loss depends on the projector only through :math:`k = (1+\kappa)^2`. Unlike for the other losses, rescaling W cannot
absorb the temperature.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError, ConvergenceError
from theory.mixture.common import check_sigma, check_signal_norm, flatten, posterior_pull, view_variances
from theory.roots import find_roots

__all__ = ["cosine_expands", "cosine_expansion_margin", "cosine_gain_limit", "cosine_loss"]

_LOWEST_TEMPERATURE = 0.002  # exp(1 / temperature) = e^500 is near the largest float
# The loss has one minimum, and steps of 1/3 separate it from flat ends.
_LOG_GAINS = np.linspace(-4.0, 4.0, 25)
# Below this multiple of the least scale, the limit's gain says little about p dimensions.
_CLEARLY_LIMITED = 1.1
# Log distances of the gain from its limit for many dimensions within which it is sought, one after the other, and
# degrees of the polynomial in the log gain that stands for the loss there: it errs by less than 1e-9.
_NEAR = (0.1, 7), (0.4, 12)
_BESIDE_THE_BEST = 12  # the same degree, between the neighbours of the best gain of the grid
_REAL = 1e-9  # imaginary part of a real root of a polynomial
_NORMAL_REACH = 8.0  # P(|G| > 8) = 1e-15
_CHI_BELOW, _CHI_NODES = 4, 161  # log chi falls off exponentially below its mode, and much faster above it
_FEWEST_STEPS = 48  # over 16 standard deviations: three steps in each
_WIDEST_STEP = 0.25  # in asinh of the slope; the kernel is analytic within pi / 2 of the axis
_DIFFERENCE = 1e-3  # in log gain: the loss is exact to 1e-13, and its third derivative of order 1
_NORM_STEP = 0.125  # the substitution narrows the strip in which the integrand is analytic to about 0.5
_LOG_NEGLIGIBLE = 36.0  # e^-36 = 2e-16
# Gains between e^-6 and e^15: the limit's gain is far from 0, and large near its end.
_LOG_SQUARED_GAINS = -12.0, 30.0


def cosine_loss(signal_norm, sigma, temperature, dim, gain, *, views="both"):
    r"""Population loss :math:`-E\cos(z_1,z_2)/\tau+E\log E'e^{\cos(z_1,z')/\tau}` at a gain of the projector.

    :math:`E\cos` follows from :math:`1/|z| = \pi^{-1/2}\int e^{w/2-e^w|z|^2}dw` for both views, the second term from
    the density of :math:`x_u/|x_\perp|`, with :math:`E e^{A\omega} = {}_0F_1(m/2; A^2/4)` over the m = p - 1 noise
    directions. The quadratures err by less than 1e-5 for gains from 0.05 to 20, and by 1e-13 as a rule.

    Source: derived (docs/derivations/projector-gain.md#cosine).

    Parameters
    ----------
    signal_norm : float or array, >= 0
    sigma : float or array, >= 0
    temperature : float or array, >= 0.002
    dim : int or array, >= 3
    gain : float or array, > 0
    views : {"both", "clean anchor", "clean negatives"}
        Which views are augmented.

    Returns
    -------
    float, or an array of the broadcast shape

    Examples
    --------
    >>> import theory
    >>> theory.cosine_loss(1.5, 1.0, temperature=0.5, dim=10, gain=[1.0, 2.0]).round(4)
    array([-0.8538, -0.8305])
    """
    gain = checks.in_range("gain", gain, 0.0, open_low=True)
    shape, *settings, gain = _exact_settings(signal_norm, sigma, temperature, dim, views, gain=gain)
    losses = [_CosineLoss(*point)(one) for *point, one in zip(*settings, gain, strict=True)]
    return np.reshape(losses, shape)[()]


def cosine_gain(signal_norm, sigma, temperature, dim, *, views="both"):
    """Gain at the minimum of `cosine_loss`, to about 1e-8; arrays broadcast, with one search for each point.

    Source: derived (docs/derivations/projector-gain.md#cosine).
    """
    shape, *settings = _exact_settings(signal_norm, sigma, temperature, dim, views)
    starts = np.full_like(settings[0], np.nan)
    scale = settings[3] * settings[4]
    limited = scale > _CLEARLY_LIMITED * _least_scale(*settings[:3])
    starts[limited] = _limit_gain(*(a[limited] for a in settings[:3]), scale[limited])
    gains = [_one_gain(*point) for point in zip(*settings, starts, strict=True)]
    return np.reshape(gains, shape)[()]


def _exact_settings(signal_norm, sigma, temperature, dim, views, **others):
    """Common shape; flat signal norms, variances of the anchor and of the others, temperatures and dimensions."""
    shape, r, sigma, temperature, dims, *rest = flatten(
        signal_norm=check_signal_norm(signal_norm),
        sigma=check_sigma(sigma),
        temperature=checks.in_range("temperature", temperature, _LOWEST_TEMPERATURE),
        dim=checks.whole_numbers("dim", dim, 3),
        **others,
    )
    return shape, r, *view_variances(sigma, views), temperature, dims, *rest


def cosine_expands(signal_norm, sigma, scale, *, views="both", dim=None):
    r"""Whether the limiting loss expands: :math:`\frac12qt^3+q^2T(t/v) < \sigma^2/v` with both views augmented.

    :math:`t = ((1+4\lambda^2)^{1/2}-1)/(2\lambda)`, :math:`q = 1-t^2`, :math:`\lambda = 1/\mathrm{scale}`. Shrinkage
    needs a window of temperatures, about :math:`2\sigma^2/v < \tau p < (1+\sigma^2+r^2)/\sigma^2`, and none is left for
    strong augmentation. The gradient at W = I and the global minimum agree in sign. With views of variances
    :math:`v_1` (anchor) and :math:`v_2` see `cosine_expansion_margin`.

    Source: derived (docs/derivations/projector-gain.md#cosine).

    Parameters
    ----------
    signal_norm : float or array, > 0
    sigma : float or array, >= 0
    scale : float or array, > 0
        :math:`\tau p`, temperature times dimension.
    views : {"both", "clean anchor", "clean negatives"}
        Which views are augmented.
    dim : int or array, >= 3, or None
        The dimension p, for the exact loss at temperatures from 0.002 on; None for :math:`p\to\infty`. In few
        dimensions the window is narrower: at r = 1.5 and :math:`\sigma = 0.5` it ends at :math:`\tau p = 7.8` for
        p = 8, and at 13.5 in the limit.

    Returns
    -------
    bool or array of bools

    Examples
    --------
    >>> import theory
    >>> bool(theory.cosine_expands(1.5, 1.0, scale=1.0))
    True
    """
    return cosine_expansion_margin(signal_norm, sigma, scale, views=views, dim=dim) > 0


def cosine_expansion_margin(signal_norm, sigma, scale, *, views="both", dim=None):
    r"""Minus the slope of the loss in log k at W = I over :math:`r^2/(\tau p(v_1v_2)^{1/2})`: positive for expansion.

    :math:`1-\frac1{2v_1}-\frac1{2v_2}-\frac{tq}2(v_1v_2)^{1/2}(\frac1{v_1}-\frac q{v_2})
    -q^2T_{v_1}(t(v_1v_2)^{-1/2})` for
    :math:`p\to\infty`; with both views augmented it is :math:`\sigma^2/v-\frac12qt^3-q^2T(t/v)`. With `dim` it is the
    slope of the exact loss, by a central difference.

    Source: derived (docs/derivations/projector-gain.md#cosine). Arguments as in `cosine_expands`.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.cosine_expansion_margin(1.5, 1.0, scale=1.0)), 4)
    0.1014
    """
    if dim is None:
        shape, margin = _margin(signal_norm, sigma, scale, views)
        return np.reshape(margin, shape)[()]
    r, sigma = checks.in_range("signal_norm", signal_norm, 0.0, open_low=True), check_sigma(sigma)
    scale, dim = checks.in_range("scale", scale, 0.0, open_low=True), checks.in_range("dim", dim, 3)
    temperature = checks.in_range("scale / dim", scale / dim, _LOWEST_TEMPERATURE)
    ends = [
        cosine_loss(r, sigma, temperature, dim, gain, views=views)
        for gain in np.exp([-_DIFFERENCE, _DIFFERENCE])
    ]
    v1, v2 = view_variances(sigma, views)
    return ((ends[0] - ends[1]) / (4 * _DIFFERENCE) * scale * np.sqrt(v1 * v2) / r**2)[()]


def cosine_gain_limit(signal_norm, sigma, scale, *, views="both"):
    r"""Gain at the minimum of the limiting loss, :math:`p\to\infty` at fixed :math:`\tau p` = `scale`.

    With :math:`A = k/\mathrm{scale}`, :math:`D = 1+At`, :math:`B = 1-\frac1{2v_1}-\frac1{2v_2}`, t as in
    `cosine_expands`, the loss is
    :math:`-\frac{r^2B}{(v_1v_2)^{1/2}}A-\frac{t(v_1+r^2)}{2v_1}A-\frac12\log D+\frac{(v_1+r^2)A^2}{2v_1D}
    -\frac{r^2tA}{2v_2D}+E\log\cosh\frac{rXA}{(v_1v_2)^{1/2}D}`, :math:`X\sim N(r, v_1)`.

    Source: derived (docs/derivations/projector-gain.md#cosine). Arguments as in `cosine_expands`, signal_norm >= 0.

    Raises
    ------
    AssumptionError
        If :math:`\tau p\le 2r^2Bv_1/((v_1v_2)^{1/2}(v_1+r^2))`: the gain then grows as the root of the dimension.

    Examples
    --------
    >>> import theory
    >>> round(float(theory.cosine_gain_limit(1.5, 1.0, scale=1.0)), 4)
    1.131
    """
    shape, r, sigma, scale = _limit_world(signal_norm, sigma, scale)
    v1, v2 = view_variances(sigma, views)
    least = _least_scale(r, v1, v2)
    if np.any(scale <= least):
        i = int(np.argmax(scale <= least))
        raise AssumptionError(
            f"scale must exceed {least[i]:.6g} at signal_norm = {r[i]:g}, sigma = {sigma[i]:g}, "
            f"got {scale[i]:g}: the gain grows with the dimension"
        )
    return np.reshape(_limit_gain(r, v1, v2, scale), shape)[()]


def _least_scale(r, v1, v2):
    return 2 * r**2 * _contrast(v1, v2) * np.sqrt(v1 / v2) / (v1 + r**2)


def _limit_gain(r, v1, v2, scale):
    def slope(log_k, r, v1, v2, scale):
        return _limit_slope(np.exp(log_k) / scale, _overlap(1 / scale), r, v1, v2)

    log_k = find_roots(slope, *_LOG_SQUARED_GAINS, (r, v1, v2, scale), name="cosine limit")
    return np.exp(log_k / 2)


def _margin(signal_norm, sigma, scale, views):
    shape, r, sigma, scale = _limit_world(signal_norm, sigma, scale)
    if np.any(r == 0):
        raise ValueError("signal_norm must be > 0: without signal nothing is expanded")
    v1, v2 = view_variances(sigma, views)
    t, size = _overlap(1 / scale), np.sqrt(v1 * v2)
    q = 1 - t**2
    pull = posterior_pull(r, v1, t / size)
    norms = t * q / 2 * size * (1 / v1 - q / v2)
    return shape, _contrast(v1, v2) - norms - q**2 * pull / r**2


def _contrast(v1, v2):
    """Signal that a positive pair shares beyond what its norms take away, per r^2 / (v1 v2)^(1/2)."""
    return 1 - 0.5 / v1 - 0.5 / v2


def _limit_world(signal_norm, sigma, scale):
    scale = checks.in_range("scale", scale, 0.0, open_low=True)
    return flatten(signal_norm=check_signal_norm(signal_norm), sigma=check_sigma(sigma), scale=scale)


def _overlap(inverse):
    return 2 * inverse / (1 + np.sqrt(1 + 4 * inverse**2))


def _limit_slope(a, t, r, v1, v2):
    """Derivative of the limiting loss by A = k / scale."""
    d, size = 1 + a * t, np.sqrt(v1 * v2)
    pull = posterior_pull(r, v1, a / (size * d))
    spread = (v1 + r**2) / (2 * v1)
    push = r**2 * _contrast(v1, v2) / size + t * spread + t / (2 * d)
    return spread * a * (d + 1) / d**2 - push - (r**2 * t / (2 * v2) - pull / size) / d**2


class _CosineLoss:
    """Exact loss of one setting as a function of the gain."""

    def __init__(self, r, anchor_variance, other_variance, temperature, dim):
        self.r, self.temperature, self.noise_dim = r, temperature, dim - 1
        self.variances = anchor_variance, other_variance
        reach = _NORMAL_REACH / np.sqrt(2 * self.noise_dim)
        mode = 0.5 * np.log(self.noise_dim)
        log_chi, step = np.linspace(mode - _CHI_BELOW * reach, mode + reach, _CHI_NODES, retstep=True)
        log_density = self.noise_dim * log_chi - 0.5 * np.exp(2 * log_chi)
        log_density -= (self.noise_dim / 2 - 1) * np.log(2) + scipy.special.gammaln(self.noise_dim / 2)
        self.chi, self.chi_weights = np.exp(log_chi), np.exp(log_chi + log_density) * step
        self.ratio_reach = np.exp(1.5 * reach), np.exp(2 * reach)
        self.log_norms, self.norm_weights = self._norm_nodes()

    def __call__(self, gain):
        return self._log_negatives(gain) - self._positive_cosine(gain) / self.temperature

    def _log_negatives(self, gain):
        """E log E' exp(cos / temperature)."""
        slope, weights = self._slopes(gain, self.variances[0])
        same = self.variances[0] == self.variances[1]
        other_slope, other_weights = (slope, weights) if same else self._slopes(gain, self.variances[1])
        sine, other_sine = 1 / np.sqrt(1 + slope**2), 1 / np.sqrt(1 + other_slope**2)
        across = np.outer(sine, other_sine) / self.temperature
        along = np.outer(slope * sine, other_slope * other_sine) / self.temperature
        half = np.tri(*across.shape, dtype=bool) if same else np.ones(across.shape, dtype=bool)
        noise = np.zeros_like(across)
        noise[half] = scipy.special.hyp0f1(self.noise_dim / 2, across[half] ** 2 / 4)
        if same:  # then the matrix is symmetric
            noise.T[half] = noise[half]
        return weights @ np.log(np.cosh(along) * noise @ other_weights)

    def _slopes(self, gain, v):
        """Nodes and weights of gain X / |Y|, X ~ N(r, v) and |Y|^2 ~ v chi^2_m, by the trapezoid rule in asinh."""
        centre = self.r / np.sqrt(v)
        ends = np.array([centre - _NORMAL_REACH, centre + _NORMAL_REACH]) / np.sqrt(self.noise_dim)
        # resolves the slopes of order 1 and the law of the ratio
        stretch = max(gain, np.sqrt(self.noise_dim))
        low, high = np.arcsinh(stretch * ends * self.ratio_reach)
        widest = min((high - low) / _FEWEST_STEPS, np.sqrt(self.temperature) / 2, _WIDEST_STEP)
        grid, step = np.linspace(low, high, int(np.ceil((high - low) / widest)) + 1, retstep=True)
        ratio = np.sinh(grid) / stretch
        density = np.exp(-0.5 * (ratio[:, None] * self.chi - centre) ** 2) @ self.chi_weights
        weights = density * np.cosh(grid) * step
        return gain * ratio, weights / weights.sum()

    def _norm_nodes(self):
        """Nodes w and weights of the integral over 1 / |z|: w = u - exp(-u) shortens the tail that falls as e^(w/2)."""
        m = self.noise_dim
        top = np.log(np.expm1(2 * _LOG_NEGLIGIBLE / m) / 2) + np.log(m)
        u = np.arange(-np.log(2 * _LOG_NEGLIGIBLE), top, _NORM_STEP)
        return u - np.exp(-u) - np.log(m), _NORM_STEP * (1 + np.exp(-u))

    def _positive_cosine(self, gain):
        """E cos of a positive pair."""
        m, (v1, v2), r, k = self.noise_dim, self.variances, self.r, gain**2
        w1, w2 = self.log_norms[:, None] - np.log(v1), self.log_norms[None, :] - np.log(v2)
        one, two = 2 * np.exp(w1), 2 * np.exp(w2)
        noise = (1 + one * v1) * (1 + two * v2) - one * two
        one, two = k * one, k * two
        along = (1 + one * v1) * (1 + two * v2) - one * two
        first, second = 1 + (v2 - 1) * two, 1 + (v1 - 1) * one
        exponent = -0.5 * r**2 * (one * first + two * second) / along
        bracket = m / noise + k * (1 + r**2 * first * second / along) / along
        log_size = (w1 + w2) / 2 - m / 2 * np.log(noise) - 0.5 * np.log(along) + exponent
        return self.norm_weights @ (np.exp(log_size) * bracket) @ self.norm_weights / np.pi


def _one_gain(r, anchor_variance, other_variance, temperature, dim, start):
    """Gain at the minimum: beside the limit's gain, else beside the best of a grid."""
    loss = _CosineLoss(r, anchor_variance, other_variance, temperature, dim)

    def minimum(middle, reach, degree):
        """Log gain at the minimum inside the range; None where the loss has none there."""
        near = np.polynomial.Chebyshev.interpolate(
            lambda log_gains: [loss(gain) for gain in np.exp(log_gains)],
            degree,
            [middle - reach, middle + reach],
        )
        roots = near.deriv().roots()
        roots = roots.real[(np.abs(roots.imag) < _REAL) & (np.abs(roots.real - middle) < reach)]
        lowest = roots[near.deriv(2)(roots) > 0]
        return lowest[np.argmin(near(lowest))] if lowest.size else None

    if np.isfinite(start):
        for reach, degree in _NEAR:
            if (found := minimum(np.log(start), reach, degree)) is not None:
                return np.exp(found)
    best = int(np.argmin([loss(gain) for gain in np.exp(_LOG_GAINS)]))
    if best in (0, len(_LOG_GAINS) - 1):
        raise AssumptionError(
            f"the cosine gain lies outside e^-4 to e^4 at signal_norm {r:g}, variances "
            f"{anchor_variance:g} and {other_variance:g}, temperature {temperature:g}, dim {dim:g}"
        )
    found = minimum(_LOG_GAINS[best], _LOG_GAINS[best + 1] - _LOG_GAINS[best], _BESIDE_THE_BEST)
    if found is None:
        raise ConvergenceError(
            f"cosine gain: no minimum beside {np.exp(_LOG_GAINS[best]):.3g}, the best of a grid, at signal_norm {r:g}, "
            f"temperature {temperature:g}, dim {dim:g}"
        )
    return np.exp(found)
