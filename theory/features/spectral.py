r"""Minimisers of the population contrastive loss of a linear network, and the feature weights of its layers.

For :math:`f(x) = Wx` the spectral contrastive loss :math:`E[-2 f(x)\cdot f(x^+) + (f(x)\cdot f(x^-))^2]` is
:math:`L(W) = -2\,\mathrm{tr}(W\tilde\Sigma W^T) + \mathrm{tr}((W\Sigma W^T)^2)`.
"""

from __future__ import annotations

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.features.info_nce import inner_product_gram
from theory.features.model import FeatureModel

__all__ = ["layer_weights", "spectral_loss", "spectral_minimizer", "spectral_minimum"]

LOSSES = ("spectral", "inner")
_ROUND_OFF = 1e-10  # relative asymmetry of a second moment that is symmetric by definition
_MOST_ASYMMETRY = 0.5  # of a sampled cross moment: pairs of unrelated vectors have about 1

TIE = 1e-12  # relative gap below which two eigenvalues count as equal


def spectral_loss(network, cov, cross_cov) -> float:
    r"""Population loss :math:`-2\,\mathrm{tr}(W\tilde\Sigma W^T) + \|W\Sigma W^T\|_F^2`.

    Source: the two-layer linear model with a spectral contrastive loss of Xue et al. (ICLR 2024); the expectation is
    derived here: :math:`E f(x)\cdot f(x^+) = \mathrm{tr}(W\tilde\Sigma W^T)`, and for independent x and x^-
    :math:`E (f(x)\cdot f(x^-))^2 = \mathrm{tr}(W\Sigma W^T W\Sigma W^T)`.

    Parameters
    ----------
    network : (p, d) array
        End-to-end linear map W.
    cov, cross_cov : (d, d) arrays
        Second moments of the views, as in `spectral_minimizer`.

    Examples
    --------
    >>> import theory
    >>> import numpy as np
    >>> round(theory.spectral_loss(np.eye(2), np.eye(2), 0.5 * np.eye(2)), 6)
    0.0
    """
    network, (cov, cross_cov) = checks.real("network", network), _moments(cov, cross_cov)
    if network.ndim != 2 or network.shape[1] != len(cov):
        raise ValueError(f"network must have shape (p, {len(cov)}), got {network.shape}")
    return float(-2 * np.sum((network @ cross_cov) * network) + np.sum(np.square(network @ cov @ network.T)))


def spectral_minimizer(cov, cross_cov, embed_dim: int) -> np.ndarray:
    r"""Gram matrix :math:`W^T W` of every global minimiser of the spectral contrastive loss.

    :math:`W^TW = \Sigma^{-1/2} [\Sigma^{-1/2}\tilde\Sigma\Sigma^{-1/2}]_p \Sigma^{-1/2}`, where :math:`[\cdot]_p`
    keeps the p largest positive eigenvalues. Why: with :math:`V = W\Sigma^{1/2}` and
    :math:`A = \Sigma^{-1/2}\tilde\Sigma\Sigma^{-1/2}` the loss is :math:`\|V^TV - A\|_F^2 - \|A\|_F^2`, so
    :math:`V^TV` is the best positive semidefinite approximation of A of rank p (Eckart-Young).
    Source: derived here.

    Parameters
    ----------
    cov : (d, d) array
        Symmetric positive definite second moment of one view.
    cross_cov : (d, d) array
        Cross moment of the two views; it need not commute with `cov`. The loss depends on its symmetric part only,
        so a sampled cross moment is symmetrised; it is refused if the antisymmetric part has more than half the norm
        of the symmetric one.
    embed_dim : int >= 1
        Number of outputs p of the network.

    Returns
    -------
    (d, d) array

    Raises
    ------
    AssumptionError
        If eigenvalues p and p+1 are equal and positive: the minimiser is not unique.

    Examples
    --------
    >>> import theory
    >>> import numpy as np
    >>> theory.spectral_minimizer(np.eye(2), np.diag([0.5, 0.9]), embed_dim=1).round(6)
    array([[0. , 0. ],
           [0. , 0.9]])
    """
    cov, cross_cov = _moments(cov, cross_cov)
    embed_dim = checks.integer("embed_dim", embed_dim, 1)
    scale, basis = np.linalg.eigh(cov)
    if scale[0] <= len(cov) * np.finfo(float).eps * scale[-1]:
        raise ValueError(
            f"cov must be positive definite, got smallest and largest eigenvalue {scale[0]:g}, {scale[-1]:g}"
        )
    whiten = (basis / np.sqrt(scale)) @ basis.T
    whitened = whiten @ cross_cov @ whiten
    values, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
    zero = len(cov) * np.finfo(float).eps * np.abs(values).max()
    values = np.where(values > zero, values, 0.0)
    half = whiten @ (vectors * np.sqrt(values))[:, largest(values, embed_dim)]
    return half @ half.T


def spectral_minimum(model: FeatureModel, embed_dim: int | None = None) -> float:
    r"""Minimum :math:`-\sum_{\mathrm{kept}} c_i^2` of the spectral contrastive loss in the feature model.

    By default there are as many outputs as features. A tie at the cut does not change the minimum and is allowed.
    Source: derived here: the minimum of `spectral_minimizer` is minus the sum of the squared eigenvalues that it keeps.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> round(theory.spectral_minimum(model), 4)
    -1.2324
    """
    embed_dim = _embed_dim(model, embed_dim)
    return float(-np.sum(np.sort(model.correlation**2)[::-1][:embed_dim]))


def layer_weights(
    model: FeatureModel,
    depth: int = 2,
    embed_dim: int | None = None,
    loss: str = "spectral",
    temperature: float | None = None,
) -> np.ndarray:
    r"""Feature weights after each layer of a balanced deep linear network at the minimum of the loss.

    The end-to-end map gives a kept feature i the weight :math:`s_i = \sqrt{\rho_i}\,\phi_i/(\phi_i^2+\sigma^2)` under
    the spectral contrastive loss. Under InfoNCE with inner products and infinitely many negatives (`loss` "inner")
    :math:`s_i^2/\tau` is the root a of :math:`a\sigma^2(\phi_i^2+\sigma^2) + E[\phi_i x\tanh(a\phi_i x)] =
    \rho_i\phi_i^2` with :math:`x\sim N(\phi_i,\sigma^2)`: the temperature only scales all weights.
    Balanced layers share it, so that after layer l of L the weight is :math:`s_i^{l/L}`. With two layers (encoder
    and head) it is :math:`\sqrt{s_i}` before the head and :math:`s_i` after it. The features that are kept are the
    `embed_dim` of largest :math:`c_i = \rho_i\phi_i^2/(\phi_i^2+\sigma^2)`, not those of largest :math:`s_i`.

    Source: derived (docs/derivations/one-law.md#joint-training). The balance
    :math:`W_1W_1^T = W_2^TW_2` of the minimiser of smallest norm is Theorem 3.3 of Xue et al. (ICLR 2024); Theorems
    3.4 (gradient flow), 3.5 and 3.8 (several layers) are reconstructed. Assumes linear and balanced layers, as in the
    minimiser of smallest norm or in gradient flow from a small start, whose widths are at least the number of kept
    features. InfoNCE: derived (docs/derivations/info-nce.md#each-feature).

    Parameters
    ----------
    model : FeatureModel
    depth : int >= 1
        Number of layers L, the head included.
    embed_dim : int >= 1, optional
        Number of outputs p; every feature is kept by default, and for p >= k.
    loss : {"spectral", "inner"}
        Spectral contrastive loss, or InfoNCE with inner products.
    temperature : float > 0, optional
        Temperature of InfoNCE, 1 by default; the spectral loss has none.

    Returns
    -------
    (depth, k) array
        Row l - 1 contains the weights after layer l; features that are not kept have weight 0.

    Raises
    ------
    AssumptionError
        If the cut at p falls between features of equal positive :math:`c_i`. Under InfoNCE if there are fewer outputs
        than features of positive retention, because the minimiser may then mix features
        (docs/derivations/info-nce.md#fewer-outputs-than-features), and if a feature without noise is never disrupted.

    Examples
    --------
    >>> model = FeatureModel(phi=[1.0, 1.0], alpha=[0.0, 0.5], sigma=0.0)
    >>> layer_weights(model)
    array([[1.        , 0.70710678],
           [1.        , 0.5       ]])
    """
    depth = checks.integer("depth", depth, 1, checks.MOST_LAYERS)
    exponents = np.arange(1, depth + 1)[:, None] / depth
    if checks.choice("loss", loss, LOSSES) == "inner":
        return _info_nce_weights(model, _embed_dim(model, embed_dim), temperature) ** exponents
    if temperature is not None:
        raise ValueError(f"temperature belongs to loss='inner', got {temperature!r} with loss='spectral'")
    kept = np.zeros(model.num_features, dtype=bool)
    kept[largest(model.correlation, _embed_dim(model, embed_dim))] = True
    kept &= model.correlation > 0
    weights = np.sqrt(model.retention) * model.phi / model.variance
    return np.where(kept, weights**exponents, 0.0)


def _info_nce_weights(model, embed_dim, temperature):
    temperature = (
        1.0 if temperature is None else checks.scalar("temperature", temperature, 0.0, open_low=True)
    )
    shared = np.count_nonzero(model.retention)
    if embed_dim < shared:
        raise AssumptionError(
            f"embed_dim must be at least {shared}, the number of features of positive retention, for loss='inner', "
            f"got {embed_dim}: with fewer outputs the minimiser may mix features"
        )
    return np.sqrt(temperature * inner_product_gram(model))


def _embed_dim(model: FeatureModel, embed_dim: int | None) -> int:
    return model.num_features if embed_dim is None else checks.integer("embed_dim", embed_dim, 1)


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest non-negative values; raises where a tie at the cut leaves them undetermined."""
    order = np.argsort(-values, kind="stable")
    if count < values.size:
        inside, outside = values[order[count - 1]], values[order[count]]
        if inside > 0 and inside - outside <= TIE * values[order[0]]:
            raise AssumptionError(
                f"embed_dim = {count} cuts between features of equal correlation {inside:g}: "
                "which of them is kept is not determined"
            )
    return order[:count]


def _moments(cov, cross_cov):
    cov, cross_cov = checks.real("cov", cov), checks.real("cross_cov", cross_cov)
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1] or cov.shape != cross_cov.shape or cov.size == 0:
        raise ValueError(
            f"cov and cross_cov must have one shape (d, d), got shapes {cov.shape} and {cross_cov.shape}"
        )
    if np.abs(cov - cov.T).max() > _ROUND_OFF * np.abs(cov).max():
        raise ValueError(f"cov must be symmetric, got a largest asymmetry of {np.abs(cov - cov.T).max():g}")
    symmetric, rest = (cross_cov + cross_cov.T) / 2, (cross_cov - cross_cov.T) / 2
    share = np.linalg.norm(rest) / max(np.linalg.norm(symmetric), np.finfo(float).tiny)
    if share > _MOST_ASYMMETRY:
        raise ValueError(
            f"cross_cov must be symmetric up to sampling error: the antisymmetric part may have at most "
            f"{_MOST_ASYMMETRY:g} times the norm of the symmetric one, got {share:g} times"
        )
    return (cov + cov.T) / 2, symmetric
