r"""What the two views of an example agree on: canonical correlations with the noise of sampling taken off.

For two exchangeable views with covariance :math:`\Sigma` and cross-covariance :math:`\tilde\Sigma` the canonical
correlations are the eigenvalues c of :math:`\Sigma^{-1}\tilde\Sigma`. With :math:`A = \Sigma + \tilde\Sigma` and
:math:`B = \Sigma - \tilde\Sigma`, the covariances of the (independent, for Gaussian features) sum and difference of
the views, :math:`c = (\theta-1)/(\theta+1)` with the eigenvalues :math:`\theta` of :math:`B^{-1}A`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from notebooks.diagnose.moments import Moments

NOISE_DRAWS = 20


@dataclass(frozen=True)
class SharedDirections:
    """Directions in feature space in falling order of the correlation of the two views along them.

    Attributes
    ----------
    sample_correlation : (k,) array
        As computed from the sample; too large for weak directions.
    correlation : (k,) array
        Corrected for the noise of sampling; 0 for directions that cannot be told from noise.
    directions : (m, k) array
        Columns a with variance a' cov a = 1.
    """

    sample_correlation: np.ndarray
    correlation: np.ndarray
    directions: np.ndarray


def find_shared_directions(moments: Moments) -> SharedDirections:
    """Canonical directions of the two views.

    Parameters
    ----------
    moments : Moments
        With `cross_cov`; the number of examples must exceed the number of features with variance by at least 2.
    """
    basis = moments.whitening
    check_enough(moments.count, basis.shape[1])
    shared = basis.T @ moments.cross_cov @ basis
    values, vectors = np.linalg.eigh((shared + shared.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    return SharedDirections(values, correct(values, moments.count), basis @ vectors)


def check_enough(count: float, width: int) -> None:
    """Refuse fewer examples than directions."""
    if count < width + 2:
        raise ValueError(
            f"at least {width + 2} examples are needed for {width} features with variance, got {count:.0f}: "
            "covariances of fewer examples are singular"
        )


def correct(correlation: np.ndarray, count: float) -> np.ndarray:
    r"""Population correlations whose sample values, among uncorrelated directions, are expected to be these.

    With y = k/(n-1) and sample eigenvalue :math:`\lambda` of an F matrix, the population eigenvalue is the larger
    root of :math:`\theta^2 - (\lambda(1-y) + 1 - y)\theta + \lambda = 0` outside the bulk
    :math:`((1 \pm \sqrt{2y - y^2})/(1-y))^2`, and 1 inside it. Source: Wang and Yao (2017), spiked Fisher matrices.
    """
    ratio = len(correlation) / (count - 1)
    clipped = np.clip(correlation, -1 + 1e-12, 1 - 1e-12)
    sample = (1 + clipped) / (1 - clipped)
    turned = np.where(
        sample >= 1, sample, 1 / sample
    )  # a negative correlation is a positive one with a view's sign turned
    half = (turned * (1 - ratio) + 1 - ratio) / 2
    root = half + np.sqrt(np.maximum(half**2 - turned, 0))
    found = np.where(turned > _bulk_edge(ratio), (root - 1) / (root + 1), 0.0)
    return np.where(sample >= 1, found, -found)


def _bulk_edge(ratio: float) -> float:
    return ((1 + np.sqrt(2 * ratio - ratio**2)) / (1 - ratio)) ** 2


def noise_floor(views: tuple[np.ndarray, np.ndarray], count: float, rng: np.random.Generator) -> float:
    """Largest sample correlation among `count` examples whose views do not belong together.

    The views of the held examples are paired anew at random; where there are more examples than were held, the
    largest correlation is carried over to their number by the ratio of the edges of the two noise spectra.

    Returns
    -------
    float
        Maximum over 20 random pairings: exceeded by chance in about one diagnosis of twenty.
    """
    first, second = (view - view.mean(0) for view in views)
    held = len(first)
    cov = (first.T @ first + second.T @ second) / (2 * (held - 1))
    basis = Moments(held, np.zeros(len(cov)), cov).whitening
    check_enough(held, basis.shape[1])
    first, second = first @ basis, second @ basis
    largest = 0.0
    for _ in range(NOISE_DRAWS):
        product = first.T @ second[rng.permutation(held)] / (held - 1)
        top = eigh((product + product.T) / 2, eigvals_only=True, subset_by_index=[len(product) - 1] * 2)[0]
        largest = max(largest, float(top))
    largest = min(largest, 1 - 1e-12)
    edges = [_bulk_edge(basis.shape[1] / (n - 1)) for n in (held, count)]
    theta = ((1 + largest) / (1 - largest)) ** (np.log(edges[1]) / np.log(edges[0]))
    return float((theta - 1) / (theta + 1))


def within_pair_share(moments: Moments) -> float:
    """Share of the variance that differs between the views of an example: tr(cov - cross_cov) / tr(cov).

    0 where the features do not see the augmentation, 1 where views of one example agree no more than strangers.
    """
    variance = np.trace(moments.cov)
    return float(1 - np.trace(moments.cross_cov) / variance) if variance > 0 else float("nan")
