r"""What second moments alone determine: weights of balanced layers, and accuracy of the averaging classifier.

For the accuracy, the two classes have means :math:`\pm\mu` and one covariance S, and the classifier is
:math:`\mathrm{sign}(w\cdot x)` with :math:`w = \frac1n\sum_m y_m x_m`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.features.spectral import spectral_minimizer

__all__ = ["moment_accuracy", "moment_layer_weights"]

_UNIT = 1e-8  # error of the length of a direction


def moment_layer_weights(
    cov, cross_cov, depth: int = 2, embed_dim: int | None = None, basis=None
) -> np.ndarray:
    r"""Weights after each balanced linear layer along any directions, for any second moments of the views.

    At the minimum of the spectral contrastive loss :math:`M = W^TW` is `spectral_minimizer`, and the first l of L
    balanced layers have the Gram matrix :math:`M^{l/L}`. Along a direction v the weight is
    :math:`(v^TM^{l/L}v)^{1/2}`. It covers correlated features, anisotropic noise and moments that do not commute, and
    equals `layer_weights` on the moments of a `FeatureModel`.
    Source: derived (docs/derivations/one-law.md#any-second-moments).

    Parameters
    ----------
    cov, cross_cov : (d, d) arrays
        Second moments of the views, as in `spectral_minimizer` or from `view_moments`.
    depth : int >= 1
        Number of layers L, the head included.
    embed_dim : int >= 1, optional
        Number of outputs p; d by default.
    basis : (d, k) array, optional
        Directions of length 1 in its columns; the coordinate axes by default.

    Returns
    -------
    (depth, k) array
        Row l - 1 contains the weights after layer l.

    Raises
    ------
    AssumptionError
        As `spectral_minimizer`.

    Examples
    --------
    >>> import theory
    >>> theory.moment_layer_weights([[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.2], [0.2, 0.5]]).round(3)
    array([[0.729, 0.875],
           [0.55 , 0.777]])
    """
    depth = checks.integer("depth", depth, 1, checks.MOST_LAYERS)
    gram = spectral_minimizer(cov, cross_cov, len(np.atleast_1d(cov)) if embed_dim is None else embed_dim)
    basis = np.eye(len(gram)) if basis is None else checks.real("basis", basis)
    if basis.ndim != 2 or len(basis) != len(gram) or basis.shape[1] == 0:
        raise ValueError(f"basis must have shape ({len(gram)}, k) with k >= 1, got {basis.shape}")
    if np.abs(np.linalg.norm(basis, axis=0) - 1).max() > _UNIT:
        raise ValueError(f"basis must have columns of length 1, got {np.linalg.norm(basis, axis=0)}")
    values, vectors = np.linalg.eigh(gram)
    values = np.where(values > len(gram) * np.finfo(float).eps * values[-1], values, 0.0)
    exponents = np.arange(1, depth + 1)[:, None] / depth
    return np.sqrt(values**exponents @ (vectors.T @ basis) ** 2)


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
    mean, cov, n = checks.real("mean", mean), checks.real("cov", cov), checks.whole_numbers("n", n, 1)
    if mean.ndim < 1 or mean.shape[-1] == 0:
        raise ValueError(f"mean must have shape (..., m) with m >= 1, got {mean.shape}")
    if cov.shape != (mean.shape[-1],) * 2:
        raise ValueError(f"cov must have shape {(mean.shape[-1],) * 2} to fit mean, got {cov.shape}")
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
