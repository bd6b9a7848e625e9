r"""Accuracy of the averaging classifier from the second moments of any features.

The two classes have means :math:`\pm\mu` and one covariance S; the classifier is :math:`\mathrm{sign}(w\cdot x)` with
:math:`w = \frac1n\sum_m y_m x_m`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks


def moment_accuracy(mean, cov, n):
    r"""Expected test accuracy of the averaging classifier trained on n labelled samples, from second moments.

    .. math:: \mathrm{Acc} \approx \Phi\left(\frac{|\mu|^2}
              {\sqrt{\mu^TS\mu\,(1 + 1/n) + \mathrm{tr}(S^2)/n}}\right)

    The score :math:`y\,w\cdot x` of a test input has exactly this mean and variance whatever the distribution of the
    features is; that it is normal is an approximation, which becomes exact as n grows (for Gaussian features) or as
    many directions of S contribute alike. Unlike `averaging_accuracy` it needs no feature model, so that it can be
    used with the moments of measured features: :math:`\mu` is half the difference of two class means, and the
    midpoint between them is taken as known.
    Source: derived (docs/derivations/averaging-accuracy.md#from-second-moments).

    Parameters
    ----------
    mean : (..., m) array
        Half the difference of the class means, in the units of the features.
    cov : (m, m) array
        Symmetric positive semidefinite covariance within the classes, in squared units of the features.
    n : int or array of ints, >= 1
        Labelled samples of both classes together, broadcast against the leading shape of `mean`.

    Returns
    -------
    float, or an array of the broadcast shape
        Between 0.5 and 1. It is 0.5 where the means agree, and 1 where they differ and there is no noise.

    Raises
    ------
    ValueError
        If shapes do not fit, entries are not finite, `cov` is not symmetric or has a negative eigenvalue, or n is no
        whole number of at least 1.

    Examples
    --------
    >>> print(round(moment_accuracy([1.0, 0.0], [[1.0, 0.0], [0.0, 4.0]], 8), 4))
    0.7105
    """
    mean, cov, n = checks.real("mean", mean), checks.real("cov", cov), checks.in_range("n", n, 1)
    if mean.ndim < 1 or mean.shape[-1] == 0:
        raise ValueError(f"mean must have shape (..., m) with m >= 1, got {mean.shape}")
    if cov.shape != (mean.shape[-1],) * 2:
        raise ValueError(f"cov must have shape {(mean.shape[-1],) * 2} to fit mean, got {cov.shape}")
    if np.any(n != np.round(n)):
        raise ValueError(f"n must be whole numbers, got {checks.show(n)}")
    size = max(np.abs(cov).max(), np.finfo(float).tiny)
    scaled = cov / size
    if np.abs(scaled - scaled.T).max() > 1e-8:
        raise ValueError(f"cov must be symmetric, got an asymmetry of {np.abs(cov - cov.T).max():g}")
    if np.linalg.eigvalsh(scaled)[0] < -1e-8 * len(cov):
        raise ValueError(f"cov must have no negative eigenvalue, got {np.linalg.eigvalsh(cov)[0]:g}")
    try:
        np.broadcast_shapes(mean.shape[:-1], n.shape)
    except ValueError:
        raise ValueError(f"n must fit the leading shape {mean.shape[:-1]} of mean, got {n.shape}") from None
    length = np.linalg.norm(
        mean / np.sqrt(size), axis=-1
    )  # in units of the noise, so that no square overflows
    direction = mean / np.sqrt(size) / np.where(length > 0, length, 1.0)[..., None]
    along = np.maximum(np.sum((direction @ scaled) * direction, axis=-1), 0.0)
    noise = np.sqrt(length**2 * along * (1 + 1 / n) + np.sum(scaled**2) / n)
    with np.errstate(divide="ignore"):
        signal = np.where(length > 0, length**2 / np.where(noise > 0, noise, np.inf), 0.0)
    signal = np.where((length > 0) & (noise == 0), np.inf, signal)
    return scipy.special.ndtr(signal)[()]
