"""Shared by the modules on the mixture: argument checks, and averages over the signal coordinate of an anchor."""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError

NOT_COVERED = {"noise_covariance": "anisotropic noise is the spectrum of `spectrum_accuracy`, and is"}

MEANS = ("simplex", "orthogonal")
VIEWS = ("both", "clean anchor", "clean negatives")

_REACH = 9.5  # standard deviations of the signal coordinate that are integrated: P(|G| > 9.5) = 2e-21
_SATURATED = 20.0  # 1 - tanh(20) = 8e-18: beyond it, tanh is 1 and log cosh is linear to double precision
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)  # error below 1e-15 over 19 standard deviations
_POINTS_AT_ONCE = 2048  # bounds the memory of one block to a few megabytes


def cost_of(kappa, name="kappa") -> np.ndarray:
    r"""What the penalty charges for the signal direction, :math:`c = (1+\kappa)^{-2}`; 0 for infinite kappa."""
    kappa = checks.numeric(name, kappa)
    if checks.some(~(kappa > -1)):
        raise ValueError(f"{name} must lie in (-1, inf], got {checks.show(kappa)}")
    return 1 / (1 + kappa) ** 2


def check_signal_norm(value) -> np.ndarray:
    """`signal_norm` as a finite array >= 0."""
    return checks.in_range("signal_norm", value, 0.0)


def check_sigma(value) -> np.ndarray:
    """`sigma` as a finite array >= 0."""
    return checks.in_range("sigma", value, 0.0)


def check_sample_ratio(value) -> np.ndarray:
    """`sample_ratio` as a finite array > 0."""
    return checks.in_range("sample_ratio", value, 0.0, open_low=True)


def centred_norm(signal_norm, classes: int, means):
    """Norm of the class means about their common mean: r for a simplex, r (1 - 1/K)^(1/2) for means r e_k."""
    if checks.choice("means", means, MEANS) == "simplex":
        return signal_norm
    return signal_norm * np.sqrt(1 - 1 / classes)


def check_penalty(value, *, open_low=False) -> np.ndarray:
    """`penalty` as an array >= 0 (> 0 if `open_low`); infinity allowed."""
    array = checks.numeric("penalty", value)
    if checks.some(~(array > 0)) if open_low else checks.some(~(array >= 0)):
        raise ValueError(f"penalty must lie in {'(' if open_low else '['}0, inf], got {checks.show(array)}")
    return array


def view_variances(sigma, views):
    """Variance across the signal of the anchor and of the other views: 1 plus that of their augmentation."""
    views = checks.choice("views", views, VIEWS)
    noisy, clean = 1 + sigma**2, np.ones_like(sigma)
    return clean if views == "clean anchor" else noisy, clean if views == "clean negatives" else noisy


def flatten(**arrays):
    """Common shape of the named arguments, then each of them broadcast to that shape and flattened.

    Raises
    ------
    ValueError
        If the shapes do not broadcast; the message holds each argument's shape.
    """
    values = list(arrays.values())
    if all(isinstance(value, float) for value in values):
        return (), *np.array(values, dtype=np.float64)[:, None]
    try:
        spread = np.broadcast_arrays(*values)
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in arrays.items())
        raise ValueError(f"shapes must broadcast against each other, got {shapes}") from None
    return (spread[0].shape, *(np.array(a, dtype=np.float64).ravel() for a in spread))


def refuse_not_covered(arguments: dict) -> None:
    """Raise AssumptionError for an argument that the equations do not cover, TypeError for any other."""
    for name in arguments:
        if name in NOT_COVERED:
            raise AssumptionError(f"{name}: {NOT_COVERED[name]} not covered here")
        raise TypeError(f"unexpected argument {name!r}")


def posterior_pull(r, variance, sharpness):
    r""":math:`E[rX\tanh(rXc)]` for :math:`X\sim N(r, w)`; arrays r, w, c >= 0 of one shape.

    Divided by :math:`r^2` this is :math:`T_w(c)`, and :math:`T_w(1/w) = 1` (Nishimori identity).
    """
    return _average_over_signal(r, variance, sharpness, np.tanh, lambda mean, mass, _: mean, power=1)


def expect_log_cosh(r, variance, sharpness):
    r""":math:`E[\log\cosh(rXc)]` for :math:`X\sim N(r, w)`; arrays r, w, c >= 0 of one shape."""
    return _average_over_signal(
        r,
        variance,
        sharpness,
        lambda t: t + np.log1p(np.exp(-2 * t)) - np.log(2),
        lambda mean, mass, c: c * mean - np.log(2) * mass,
        power=0,
    )


def _average_over_signal(r, variance, sharpness, inside, outside, power):
    r""":math:`E[(rX)^{power}f(rXc)]` of an f that is even (power 0) or odd (power 1), so only |X| matters.

    Gauss-Legendre up to :math:`|rXc| = 20`, where `inside` gives f; beyond it f is linear to double precision, and
    `outside` turns the tail's :math:`E|rX|` and mass into the average.
    """
    shape, *flat = flatten(r=r, variance=variance, sharpness=sharpness)
    result = np.empty(flat[0].shape)
    for first in range(0, result.size, _POINTS_AT_ONCE):
        block = slice(first, first + _POINTS_AT_ONCE)
        r, variance, sharpness = (values[block] for values in flat)
        deviation = np.sqrt(variance)
        with np.errstate(divide="ignore"):
            saturation = _SATURATED / (r * sharpness)
        end = np.minimum(saturation, r + _REACH * deviation)
        start = np.minimum(np.maximum(r - _REACH * deviation, 0.0), end)
        half = (end - start) / 2
        x = start + half * (1 + _NODES[:, None])
        density = np.exp(-0.5 * ((x - r) / deviation) ** 2) + np.exp(-0.5 * ((x + r) / deviation) ** 2)
        values = inside(r * x * sharpness) * (r * x) ** power
        near = half * (_WEIGHTS @ (density * values)) / (deviation * np.sqrt(2 * np.pi))
        above, below = (r - end) / deviation, (-r - end) / deviation
        mass = scipy.special.ndtr(above) + scipy.special.ndtr(below)
        spread = deviation * (np.exp(-0.5 * above**2) + np.exp(-0.5 * below**2)) / np.sqrt(2 * np.pi)
        tail = r * (scipy.special.ndtr(above) - scipy.special.ndtr(below)) + spread
        result[block] = near + np.where(saturation <= end, outside(r * tail, mass, sharpness), 0.0)
    return np.reshape(result, shape)
