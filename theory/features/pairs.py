"""From a finite number of unlabelled pairs to the accuracy of a classifier: what training on n pairs costs."""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError
from theory.features.model import FeatureModel

__all__ = ["accuracy_from_pairs"]

_STEP = 4e-3  # of the second differences, in standard deviations of one pair, over the size of the weakest direction
_LARGEST_SHARE = 0.25  # of the accuracy above chance that the correction may take


def accuracy_from_pairs(model: FeatureModel, target: int, n, pairs, depth: int = 2) -> np.ndarray:
    r"""Expected accuracy of averaging after each layer of a network that was trained on N unlabelled pairs.

    The pairs enter the spectral contrastive loss through their second moments :math:`\hat\Sigma` and
    :math:`\hat C` (`view_moments`) alone. At its minimum the representation has the Gram matrix
    :math:`\hat M^{l/L}`, and averaging over n labels has the accuracy
    :math:`f = \Phi\big(m/(v(1+1/n)+\mathrm{tr}((GS)^2)/n)^{1/2}\big)` with :math:`G = \hat M^{l/L}`,
    :math:`m = \mu^\top G\mu`, :math:`v = \mu^\top GSG\mu`, :math:`\mu = \phi_jv_j` and :math:`S = \Sigma-\mu\mu^\top`
    (`moment_accuracy` of the representation). The delta method gives its expectation over the pairs,

    .. math:: E f = f(\Sigma, C) + \frac1{2N}\sum_{i\le j}\mathrm{tr}(H_{ij}K_{ij}) + O(N^{-2})

    where K is the covariance of the entries (i, j) of both moments in one pair, and H the second derivative of f by
    them. The entries of different (i, j) are uncorrelated, because the features are independent and symmetric.
    Source: derived (docs/derivations/averaging-accuracy.md#from-unlabelled-pairs).

    Parameters
    ----------
    model : FeatureModel
        With at least one feature of positive retention. The network has as many outputs as there are such features;
        with more of them its minimum would also hold directions in which the sampled views agree by chance.
    target : int
        The feature j that the label is, 0-based; of positive retention.
    n : int or array of ints, >= 1
        Labelled samples.
    pairs : int or array of ints, >= 1, or infinity
        N, broadcast against n. Infinity is the population.
    depth : int >= 1
        Number of layers L, the head included.

    Returns
    -------
    (depth, ...) array
        Row l - 1 is after layer l; then the shape of n and pairs.

    Raises
    ------
    AssumptionError
        If the target is not kept, or where the correction exceeds a quarter of the accuracy above chance: the
        expansion in 1/N does not hold with so few pairs.

    Examples
    --------
    >>> model = FeatureModel(phi=[1.0, 0.7, 1.5], alpha=[0.4, 0.1, 0.1], sigma=0.4)
    >>> print(accuracy_from_pairs(model, 0, 8, [1000, 10_000, np.inf]).round(4))
    [[0.8166 0.8173 0.8173]
     [0.7685 0.7698 0.7699]]
    """
    depth, target = checks.integer("depth", depth, 1, checks.MOST_LAYERS), model.feature(target)
    n = checks.whole_numbers("n", n, 1)
    pairs = checks.numeric("pairs", pairs)
    finite = np.isfinite(pairs)
    if checks.some(~(pairs >= 1)) or checks.some(finite & (pairs != np.round(pairs))):
        raise ValueError(f"pairs must be whole numbers of at least 1, or infinity, got {checks.show(pairs)}")
    if model.retention[target] == 0:
        raise AssumptionError(
            f"feature {target} has retention 0: no network that was trained on pairs holds it"
        )
    shape = np.broadcast_shapes(n.shape, pairs.shape)
    numbers, place = np.unique(np.broadcast_to(n, shape), return_inverse=True)
    base, correction = _expansion(model, target, numbers, depth)
    base, correction = (table[:, place.ravel()].reshape(depth, *shape) for table in (base, correction))
    change = correction / pairs
    if np.any(np.abs(change) > _LARGEST_SHARE * (base - 0.5)):
        raise AssumptionError(
            f"pairs must be so many that they cost less than a quarter of the accuracy above chance, got "
            f"{checks.show(pairs)}, which cost {np.abs(change).max():.3g}"
        )
    return base + change


def _expansion(model, target, numbers, depth):
    """Accuracy with infinitely many pairs, and the coefficient of 1/N, each (depth, numbers)."""
    variance = np.diag(model.cov)
    correlation = np.diag(model.cross_cov) / variance
    cov, cross, weights = [model.cov], [model.cross_cov], [0.0]
    step = _STEP * correlation[: model.num_features][model.retention > 0].min()
    stencil = np.array([-2, -1, 1, 2]), np.array([-1, 16, 16, -1]) / (12 * step**2)
    for i in range(model.dim):
        for j in range(i, model.dim):
            for column in _spread_of_one_pair(model, variance, correlation, i, j).T:
                for times, weight in zip(*stencil, strict=True):
                    moved = [np.array(model.cov), np.array(model.cross_cov)]
                    for matrix, entry in zip(moved, column, strict=True):
                        matrix[i, j] += times * step * entry
                        matrix[j, i] = matrix[i, j]
                    cov.append(moved[0])
                    cross.append(moved[1])
                    weights.append(weight / 2)
    weights[0] = -sum(weights)
    values = _accuracies(model, target, numbers, depth, np.array(cov), np.array(cross))
    return values[:, 0], np.einsum("b,lbn->ln", weights, values)


def _spread_of_one_pair(model, variance, correlation, i, j):
    """(2, 2) root of the covariance of the entries (i, j) of both moments in one pair, a root of K."""
    if i == j:
        signal = variance[i] - model.sigma**2
        retained = correlation[i] * variance[i]
        both = 2 * model.sigma**2 * retained
        one = 2 * signal * model.sigma**2 + model.sigma**4
        two = variance[i] ** 2 - retained**2
    else:
        one = two = variance[i] * variance[j] * (1 + correlation[i] * correlation[j]) / 2
        both = variance[i] * variance[j] * (correlation[i] + correlation[j]) / 2
    values, vectors = np.linalg.eigh([[one, both], [both, two]])
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _accuracies(model, target, numbers, depth, cov, cross):
    """Accuracy after each layer of the minimisers for B pairs of moments, (depth, B, numbers)."""
    outputs = np.count_nonzero(model.retention)
    scale, basis = np.linalg.eigh(cov)
    whiten = (basis / np.sqrt(scale)[:, None]) @ np.swapaxes(basis, 1, 2)
    values, vectors = np.linalg.eigh(whiten @ cross @ whiten)
    half = whiten @ (vectors * np.sqrt(np.maximum(values, 0.0))[:, None])[:, :, -outputs:]
    values, vectors = np.linalg.eigh(half @ np.swapaxes(half, 1, 2))
    values, vectors = values[:, -outputs:], vectors[:, :, -outputs:]
    mean = np.zeros(model.dim)
    mean[target] = model.phi[target]
    within = model.cov - np.outer(mean, mean)
    found = []
    for layer in range(1, depth + 1):
        gram = (vectors * values[:, None] ** (layer / depth)) @ np.swapaxes(vectors, 1, 2)
        seen = gram @ mean
        signal, along = seen @ mean, np.sum((seen @ within) * seen, axis=1)
        product = gram @ within
        rest = np.sum(product * np.swapaxes(product, 1, 2), axis=(1, 2))
        noise = np.sqrt(along[:, None] * (1 + 1 / numbers) + rest[:, None] / numbers)
        found.append(scipy.special.ndtr(signal[:, None] / noise))
    return np.array(found)
