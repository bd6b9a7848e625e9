r"""What second moments alone determine: weights of balanced layers, and accuracy of the averaging classifier.

For the accuracy, the two classes have means :math:`\pm\mu` and one covariance S, and the classifier is
:math:`\mathrm{sign}(w\cdot x)` with :math:`w = \frac1n\sum_m y_m x_m`.
"""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError
from theory.features.spectral import spectral_minimizer

__all__ = [
    "before_head_directions",
    "moment_accuracy",
    "moment_best_layer",
    "moment_layer_weights",
    "moment_sample_complexity",
]

_UNIT = 1e-8  # error of the length of a direction
_EQUAL = 1e-13  # relative difference below which two indicators count as equal


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
    powers, vectors = _layer_grams(cov, cross_cov, depth, embed_dim)
    size = len(vectors)
    basis = np.eye(size) if basis is None else checks.real("basis", basis)
    if basis.ndim != 2 or len(basis) != size or basis.shape[1] == 0:
        raise ValueError(f"basis must have shape ({size}, k) with k >= 1, got {basis.shape}")
    if np.abs(np.linalg.norm(basis, axis=0) - 1).max() > _UNIT:
        raise ValueError(f"basis must have columns of length 1, got {np.linalg.norm(basis, axis=0)}")
    return np.sqrt(powers @ (vectors.T @ basis) ** 2)


def moment_sample_complexity(
    cov, cross_cov, mean, depth: int = 2, embed_dim: int | None = None
) -> np.ndarray:
    r"""Indicator of the labelled samples that are needed after each balanced linear layer, for any second moments.

    :math:`N_l = \mathrm{tr}(M^{l/L}\Sigma)/(\mu^\top M^{l/L}\mu)` is the squared radius of the representation over its
    squared margin for two classes with means :math:`\pm\mu`. It equals `sample_complexity` for the moments of a
    `FeatureModel` and :math:`\mu = \phi_jv_j`. Where the moments do not commute it need not have one minimum in l.
    Source: derived (docs/derivations/before-head-boundary.md#any-second-moments), as the ratio in the margin bound of
    Theorem 3.6 of Xue et al. (ICLR 2024).

    Parameters
    ----------
    cov, cross_cov, depth, embed_dim
        As in `moment_layer_weights`.
    mean : (..., d) array
        Half the difference of the class means, :math:`\mu`, in the units of the views.

    Returns
    -------
    (depth, ...) array
        Row l - 1 is after layer l.

    Raises
    ------
    AssumptionError
        If the representation does not hold the difference of the means, so that no number of samples is enough.

    Examples
    --------
    >>> cov, cross_cov = [[2.0, 0.6], [0.6, 1.0]], [[1.2, 0.1], [0.1, 0.8]]
    >>> print(moment_sample_complexity(cov, cross_cov, [1.0, 0.0]).round(3))
    [3.098 3.213]
    """
    powers, vectors = _layer_grams(cov, cross_cov, depth, embed_dim)
    mean = checks.real("mean", mean)
    if mean.ndim < 1 or mean.shape[-1] != len(vectors):
        raise ValueError(f"mean must have shape (..., {len(vectors)}), got {mean.shape}")
    along = np.moveaxis((mean @ vectors) ** 2 @ powers.T, -1, 0)
    if np.any(along <= len(vectors) * np.finfo(float).eps * powers.max() * np.sum(mean**2, axis=-1)):
        raise AssumptionError("mean must differ from 0 in a direction that the network holds")
    radius = powers @ np.sum(vectors * (np.asarray(cov, dtype=float) @ vectors), axis=0)
    return radius.reshape(-1, *[1] * (along.ndim - 1)) / along


def moment_best_layer(cov, cross_cov, mean, depth: int, embed_dim: int | None = None):
    r"""Layer l in 1..L of smallest `moment_sample_complexity`, for any second moments.

    Where several layers are equal to 13 digits the lowest is returned.
    Source: derived (docs/derivations/before-head-boundary.md#any-second-moments), for Theorem 3.8 of Xue et al. (ICLR
    2024).

    Parameters
    ----------
    cov, cross_cov, mean, depth, embed_dim
        As in `moment_sample_complexity`.

    Returns
    -------
    int, or an array of ints of the leading shape of `mean`

    Examples
    --------
    >>> import theory
    >>> cov, cross_cov = [[2.0, 0.6], [0.6, 1.0]], [[1.2, 0.1], [0.1, 0.8]]
    >>> print(theory.moment_best_layer(cov, cross_cov, [[1.0, 0.0], [0.0, 1.0]], depth=4))
    [1 4]
    """
    indicator = moment_sample_complexity(cov, cross_cov, mean, depth, embed_dim)
    return (np.argmax(indicator <= indicator.min(axis=0) * (1 + _EQUAL), axis=0) + 1)[()]


def before_head_directions(cov, cross_cov, embed_dim: int | None = None) -> np.ndarray:
    r"""Matrix whose quadratic form says for which class means the representation before the head is better.

    With :math:`B = M^{1/2}/\mathrm{tr}(M^{1/2}\Sigma) - M/\mathrm{tr}(M\Sigma)` the indicator of
    `moment_sample_complexity` is smaller before the head iff :math:`\mu^\top B\mu > 0`, and equal on the cone
    :math:`\mu^\top B\mu = 0`. This is the boundary of Corollary 3.7 of Xue et al. (ICLR 2024) for moments that need
    not commute; where they do, B is diagonal and its entries are positive for
    :math:`s_i < \mathrm{tr}(M\Sigma)/\mathrm{tr}(M^{1/2}\Sigma)`, as `before_head_boundary` has it.
    Source: derived (docs/derivations/before-head-boundary.md#any-second-moments).

    Parameters
    ----------
    cov, cross_cov, embed_dim
        As in `moment_layer_weights`; two layers.

    Returns
    -------
    (d, d) array
        Symmetric. Unless all kept weights are equal it has eigenvalues of both signs.

    Raises
    ------
    AssumptionError
        If the network holds nothing, and as `spectral_minimizer`.

    Examples
    --------
    >>> import theory
    >>> print(theory.before_head_directions([[2.0, 0.6], [0.6, 1.0]], [[1.2, 0.1], [0.1, 0.8]]).round(3))
    [[ 0.012  0.171]
     [ 0.171 -0.229]]
    """
    powers, vectors = _layer_grams(cov, cross_cov, 2, embed_dim)
    radius = powers @ np.sum(vectors * (np.asarray(cov, dtype=float) @ vectors), axis=0)
    if radius[1] == 0:
        raise AssumptionError("cross_cov must have a positive eigenvalue: the views share nothing")
    before, after = powers / radius[:, None]
    return (vectors * (before - after)) @ vectors.T


def _layer_grams(cov, cross_cov, depth, embed_dim):
    """Eigenvalues (L, d) of the Gram matrices of the layers, and their common eigenvectors (d, d)."""
    depth = checks.integer("depth", depth, 1, checks.MOST_LAYERS)
    gram = spectral_minimizer(cov, cross_cov, len(np.atleast_1d(cov)) if embed_dim is None else embed_dim)
    values, vectors = np.linalg.eigh(gram)
    values = np.where(values > len(gram) * np.finfo(float).eps * values[-1], values, 0.0)
    return values ** (np.arange(1, depth + 1)[:, None] / depth), vectors


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
