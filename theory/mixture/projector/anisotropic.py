r"""Minimiser of InfoNCE when the augmentation noise is not isotropic.

The views are :math:`\mu y+z+e` with :math:`z\sim N(0, I)` and :math:`e\sim N(0, N)`; one view has the noise covariance
:math:`V = I+N`. Both views are augmented, and negatives are infinitely many.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError, ConvergenceError

__all__ = ["anisotropic_metric"]

_NORMAL, _NORMAL_STEP = np.linspace(-9.5, 9.5, 801, retstep=True)
_NORMAL_WEIGHTS = np.exp(-0.5 * _NORMAL**2) * _NORMAL_STEP / np.sqrt(2 * np.pi)
_LARGEST_GRADIENT = 1e-6  # of the loss by the factor L, relative to the size of its terms
_TINY = 1e-300


def anisotropic_metric(loss, mean, noise_cov) -> np.ndarray:
    r"""Minimiser :math:`M = W^\top W/\tau` of the population loss, a (p, p) matrix.

    "inner": :math:`-\mathrm{tr}\,M(I+\mu\mu^\top)+\frac12\mathrm{tr}\,VM(V+\mu\mu^\top)M+E\log\cosh a` with
    :math:`a\sim N(\mu^\top M\mu, \mu^\top MVM\mu)`, which is convex in M. "euclidean", with
    :math:`\Theta = M(I+VM)^{-1}`:
    :math:`\mathrm{tr}\,MN-\frac12\log\det(I+VM)-\frac12\mathrm{tr}\,\Theta(V+2\mu\mu^\top)+E\log\cosh a`,
    :math:`a\sim N(\mu^\top\Theta\mu, \mu^\top\Theta V\Theta\mu)`. The search over M = LL' uses the exact gradient. For
    isotropic N it gives the metric of `projector_metric`.

    Source: derived (docs/derivations/projector-gain.md#anisotropic-augmentation).

    Parameters
    ----------
    loss : {"inner", "euclidean"}
    mean : (p,) array
        :math:`\mu`, in units in which the data's noise has the identity as its covariance.
    noise_cov : (p, p) array
        N, symmetric and positive semi-definite; positive definite for "euclidean".

    Returns
    -------
    (p, p) array

    Raises
    ------
    AssumptionError
        For "euclidean" where some direction is not augmented, because W then grows without bound.
    ConvergenceError
        If the gradient at the result is not small.

    Examples
    --------
    >>> import numpy as np, theory
    >>> metric = theory.anisotropic_metric("inner", [1.5, 0.0], np.diag([0.25, 4.0]))
    >>> print(abs(metric).round(3))
    [[0.337 0.   ]
     [0.    0.04 ]]
    """
    loss = checks.choice("loss", loss, ("inner", "euclidean"))
    mean, noise = checks.real("mean", mean), checks.real("noise_cov", noise_cov)
    if mean.ndim != 1 or noise.shape != (mean.size, mean.size):
        raise ValueError(
            f"noise_cov must have the shape (p, p) of a mean (p,), got {noise.shape} and {mean.shape}"
        )
    spectrum = np.linalg.eigvalsh((noise + noise.T) / 2)
    if not np.allclose(noise, noise.T) or spectrum[0] < -1e-10 * max(spectrum[-1], 1.0):
        raise ValueError(f"noise_cov must be symmetric and positive semi-definite, got {checks.show(noise)}")
    if loss == "euclidean" and spectrum[0] <= 0:
        raise AssumptionError(
            "noise_cov must be positive definite for the euclidean loss: W grows without bound"
        )
    noise = (noise + noise.T) / 2
    objective = {"inner": _inner, "euclidean": _euclidean}[loss]
    dim, views = mean.size, np.eye(mean.size) + noise
    start = (
        np.linalg.inv(views)
        if loss == "inner"
        else np.linalg.inv(noise + 1e-3 * np.trace(noise) * np.eye(dim))
    )

    def value_and_gradient(flat):
        factor = flat.reshape(dim, dim)
        value, gradient = objective(factor @ factor.T, mean, noise, views)
        return value, (2 * gradient @ factor).ravel()

    found = scipy.optimize.minimize(
        value_and_gradient,
        np.linalg.cholesky(start).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-13, "maxcor": 50},
    )
    largest = float(np.abs(value_and_gradient(found.x)[1]).max())
    factor = found.x.reshape(dim, dim)
    if not largest <= _LARGEST_GRADIENT * max(1.0, float(np.abs(factor).max())):
        raise ConvergenceError(
            f"anisotropic metric: gradient {largest:.1e} is left at mean {checks.show(mean)}"
        )
    return factor @ factor.T


def _log_cosh(centre, variance):
    """E log cosh a, E tanh a and E sech^2 a for a ~ N(centre, variance)."""
    a = centre + np.sqrt(max(variance, _TINY)) * _NORMAL
    size = np.abs(a)
    tanh = np.tanh(a)
    value = _NORMAL_WEIGHTS @ (size + np.log1p(np.exp(-2 * size)) - np.log(2))
    return value, _NORMAL_WEIGHTS @ tanh, _NORMAL_WEIGHTS @ (1 - tanh**2)


def _signal_term(metric, mean, views):
    """E log cosh a and its gradient by the metric, a ~ N(mu' M mu, mu' M V M mu)."""
    seen = metric @ mean
    value, pull, bend = _log_cosh(mean @ seen, seen @ views @ seen)
    cross = np.outer(views @ seen, mean)
    return value, pull * np.outer(mean, mean) + 0.5 * bend * (cross + cross.T)


def _inner(metric, mean, noise, views):
    pair = np.eye(mean.size) + np.outer(mean, mean)
    anchor = views + np.outer(mean, mean)
    product = views @ metric @ anchor
    log_cosh, gradient = _signal_term(metric, mean, views)
    value = -np.sum(metric * pair) + 0.5 * np.sum(product * metric) + log_cosh
    return value, -pair + 0.5 * (product + product.T) + gradient


def _euclidean(metric, mean, noise, views):
    right = np.linalg.inv(np.eye(mean.size) + views @ metric)  # (I + V M)^-1; its transpose is (I + M V)^-1
    theta = metric @ right
    theta = (theta + theta.T) / 2
    anchor = views + 2 * np.outer(mean, mean)
    log_cosh, gradient = _signal_term(theta, mean, views)
    value = (
        np.sum(metric * noise) + 0.5 * np.linalg.slogdet(right)[1] - 0.5 * np.sum(theta * anchor) + log_cosh
    )
    by_theta = gradient - 0.5 * anchor
    return value, noise - 0.5 * right @ views + right @ by_theta @ right.T
