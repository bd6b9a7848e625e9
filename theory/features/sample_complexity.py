"""Which layer to probe: the sample complexity indicator, the depth at which it is least, and its boundary.

Source: named after Xue et al. (ICLR 2024), Theorem 3.6, Corollary 3.7, Theorem 3.8 and Figure 5. The text at hand does
not state these theorems, so their exact form is a reconstruction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from theory import checks
from theory.checks import AssumptionError
from theory.features.info_nce import retention_for
from theory.features.model import FeatureModel
from theory.features.spectral import TIE, layer_weights
from theory.roots import find_roots

__all__ = ["Boundary", "before_head_boundary", "best_depth", "best_layer", "sample_complexity"]

_SEARCH_POINTS = 257  # of the search for a region in phi, refined at its lowest point
_EQUAL_INDICATORS = 1e-13  # relative difference below which two indicators, or two weights, count as equal


def sample_complexity(model: FeatureModel, weights, target: int):
    r"""Indicator of the number of labelled samples that are needed to learn feature j from a representation.

    :math:`N_j(w) = \sum_i w_i^2(\phi_i^2+\sigma^2) / (w_j^2\phi_j^2)` is the squared radius of the representation
    over its squared margin for the label :math:`y = u_j`. The number of labelled samples that are needed grows with it.

    Source: Xue et al. (ICLR 2024), Theorem 3.6; reconstructed as the ratio in the margin bound.

    Parameters
    ----------
    model : FeatureModel
    weights : (..., k) array, >= 0
        Feature weights of the representation.
    target : int
        The feature j that the downstream label is, 0-based.

    Returns
    -------
    float, or an array of the leading shape of `weights`

    Raises
    ------
    AssumptionError
        If the representation does not hold the target (weight 0): no number of samples is enough.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.sample_complexity(model, theory.layer_weights(model), target=0).round(3)
    array([6.976, 8.386])
    """
    weights, target = representation(model, weights), model.feature(target)
    if np.any(weights[..., target] == 0):
        raise AssumptionError(
            f"weights of feature {target} must be > 0: an absent feature cannot be learnt from"
        )
    ratio = weights / weights[..., target, None]
    return (ratio**2 @ model.variance / model.phi[target] ** 2)[()]


def best_depth(
    model: FeatureModel, target: int, embed_dim: int | None = None, loss: str = "spectral"
) -> float:
    r"""Relative depth t* in [0, 1] at which the sample complexity indicator is smallest.

    At depth t the kept features have weight :math:`s_i^t`, and :math:`N_j(t)` is a sum of exponentials in t, hence
    convex. So t* solves :math:`\sum_i (\phi_i^2+\sigma^2) s_i^{2t}\log(s_i/s_j) = 0`, or it is the end of [0, 1] at
    which the indicator is smaller. It is 0 when all kept weights are equal, and does not increase when :math:`s_j`
    falls (Figure 5). The weights are those of `layer_weights`; the temperature does not matter to the indicator.

    Source: Xue et al. (ICLR 2024), Theorem 3.8; reconstructed
    (docs/derivations/before-head-boundary.md#best-depth).

    Raises
    ------
    AssumptionError
        If the target is not kept.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> round(theory.best_depth(model, target=0), 3)
    0.0
    """
    weights, target = _kept_weights(model, target, embed_dim, loss)
    kept = weights > 0
    logs, variance = np.log(weights[kept] / weights[target]), model.variance[kept]

    def slope(t):
        return np.sum(variance * np.exp(2 * t * logs) * logs)

    if np.abs(logs).max() < _EQUAL_INDICATORS or slope(0.0) >= 0:
        return 0.0
    if slope(1.0) <= 0:
        return 1.0
    return float(scipy.optimize.brentq(slope, 0.0, 1.0, xtol=1e-15, rtol=4 * np.finfo(float).eps))


def best_layer(
    model: FeatureModel, target: int, depth: int, embed_dim: int | None = None, loss: str = "spectral"
) -> int:
    r"""Layer l in 1..L whose weights :math:`s_i^{l/L}` have the smallest sample complexity indicator.

    Where several layers are equal the lowest is returned. Source: Xue et al. (ICLR 2024), Theorem 3.8; reconstructed
    (docs/derivations/before-head-boundary.md#best-depth).

    Raises
    ------
    AssumptionError
        If the target is not kept.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.best_layer(model, target=1, depth=8)
    8
    """
    _, target = _kept_weights(model, target, embed_dim, loss)
    indicator = sample_complexity(model, layer_weights(model, depth, embed_dim, loss), target)
    return int(np.flatnonzero(indicator <= indicator.min() * (1 + _EQUAL_INDICATORS))[0]) + 1


class Boundary(NamedTuple):
    """Where the representation after the head has the smaller sample complexity indicator.

    Attributes
    ----------
    lower, upper : float or None
        After the head is better strictly between them. If one is None, after is better up to that end of the range
        of the parameter. If both are None, before is better throughout.
    before_wins : bool
        Whether before is better at the value of the model itself; False where both are equal to 12 digits.
    selection : float or None
        Value at which the feature is no longer among the `embed_dim` kept ones (for larger alpha or smaller phi);
        beyond it neither representation contains it. None if it is always kept.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> boundary = theory.before_head_boundary(model, target=0, vary="alpha")
    >>> round(boundary.upper, 3)
    0.38
    """

    lower: float | None
    upper: float | None
    before_wins: bool
    selection: float | None


def before_head_boundary(
    model: FeatureModel,
    target: int,
    vary: str = "alpha",
    embed_dim: int | None = None,
    loss: str = "spectral",
) -> Boundary:
    r"""Value of a parameter of feature j at which the indicator is equal before and after the head.

    :math:`N_j(1/2) = N_j(1)` iff :math:`s_j = \bar s`, with
    :math:`\bar s = \sum_{i\ne j} c_i / \sum_{i\ne j}\sqrt{\rho_i}\phi_i` over the other kept features; before
    is better iff :math:`s_j < \bar s`. Hence :math:`\alpha_j^* = 1 - \bar s(\phi_j^2+\sigma^2)/\phi_j`, above which
    before is better (for one-sided views the last term is squared), and
    :math:`\phi_j^* = (\sqrt{\rho_j} \pm \sqrt{\rho_j - 4\bar s^2\sigma^2})/(2\bar s)`, outside of which it is.

    Source: derived (docs/derivations/before-head-boundary.md#equal-indicators), for Corollary 3.7 of Xue et al. (ICLR
    2024). The three ways to leave the region (alpha large, phi very small, phi very large) are the scenarios (b) and
    (c) in the caption of Figure 3 there. Under InfoNCE (`loss` "inner") the other features give
    :math:`\bar s = \sum_{i\ne j} s_i^2(\phi_i^2+\sigma^2) / \sum_{i\ne j} s_i(\phi_i^2+\sigma^2)` in the same way, and
    the equation of :math:`s_j` gives the boundary (docs/derivations/info-nce.md#boundary).

    Parameters
    ----------
    model : FeatureModel
    target : int
        The feature j that the downstream label is, 0-based.
    vary : {"alpha", "phi"}
        Parameter of feature j that is varied; everything else is fixed.
    embed_dim : int >= 1, optional
        Number of outputs p; by default every feature is kept.
    loss : {"spectral", "inner"}
        As in `layer_weights`. The temperature does not matter to the boundary.

    Raises
    ------
    AssumptionError
        If the target is not kept at the model itself, or if no other feature is, so that both sides are equal.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> round(theory.before_head_boundary(model, target=0, vary="alpha").upper, 3)
    0.38
    """
    vary = checks.choice("vary", vary, ("alpha", "phi"))
    weights, target = _kept_weights(model, target, embed_dim, loss)
    kept, others = np.delete(weights, target), np.delete(model.correlation, target)
    cut = 0.0
    if loss == "spectral" and embed_dim is not None and embed_dim <= others.size:
        cut = np.sort(others)[-embed_dim]
    if not kept.any():
        raise AssumptionError(
            f"no feature besides target {target} is kept: the indicator is the same before and after the head"
        )
    variance = np.delete(model.variance, target)
    bar = np.sum(kept**2 * variance) / np.sum(kept * variance)
    before_wins = bool(weights[target] < bar * (1 - TIE))
    if loss == "inner":
        lower, upper = _inner_product_ends(model, target, vary, bar)
        return Boundary(lower, upper, before_wins, None)
    phi, variance, rho = model.phi[target], model.variance[target], model.retention[target]
    if vary == "alpha":
        power = 1 if model.two_sided else 2
        ratio = bar * variance / phi
        upper = float(1 - ratio**power) if ratio < 1 else None
        selection = float(1 - (cut * variance / phi**2) ** (power / 2)) if cut > 0 else None
        return Boundary(None, upper, before_wins, selection)
    selection = float(model.sigma * np.sqrt(cut / (rho - cut))) if cut > 0 else None
    discriminant = rho - 4 * (bar * model.sigma) ** 2
    if discriminant <= 0:
        return Boundary(None, None, before_wins, selection)
    upper = (np.sqrt(rho) + np.sqrt(discriminant)) / (2 * bar)
    lower = float(model.sigma**2 / upper) if model.sigma > 0 else None  # the roots' product is sigma^2
    return Boundary(lower, float(upper), before_wins, selection)


def representation(model: FeatureModel, weights) -> np.ndarray:
    """`weights` checked as the feature weights (..., k) of a representation that contains some feature."""
    weights = checks.in_range("weights", weights, 0.0)
    if weights.ndim == 0 or weights.shape[-1] != model.num_features:
        raise ValueError(f"weights must have shape (..., {model.num_features}), got {weights.shape}")
    if np.any(np.all(weights == 0, axis=-1)):
        raise ValueError("weights must not all be 0")
    return weights


def _inner_product_ends(model, target, vary, bar) -> tuple[float | None, float | None]:
    """Ends of the region in which feature `target` has a weight above `bar` under InfoNCE at temperature 1."""
    gram, sigma = np.array([bar**2]), np.array([model.sigma])
    if vary == "alpha":
        retention = retention_for(gram, model.phi[target, None], sigma)[0]
        return None, float(1 - retention ** (0.5 if model.two_sided else 1.0)) if retention < 1 else None
    rho = model.retention[target]

    def lack(log_phi):
        return retention_for(gram, np.exp(np.atleast_1d(log_phi)), sigma) - rho

    if model.sigma == 0:
        return None, float(np.sqrt(np.arctanh(rho)) / bar)
    # below `low` the first term of the equation alone exceeds 1, and above `high` the second does to round-off
    low, high = np.log(model.sigma**2 * bar / 2), np.log(max(8 / bar, 12 * model.sigma))
    grid = np.linspace(low, high, _SEARCH_POINTS)
    middle = np.clip(np.argmin(lack(grid)), 1, _SEARCH_POINTS - 2)
    least = scipy.optimize.minimize_scalar(
        lambda log_phi: lack(log_phi)[0], bounds=grid[[middle - 1, middle + 1]], method="bounded"
    )
    if least.fun >= 0:
        return None, None
    lower, upper = find_roots(lack, np.array([low, high]), np.full(2, least.x), name="boundary in phi")
    return float(np.exp(lower)), float(np.exp(upper))


def _kept_weights(model, target, embed_dim, loss):
    target = model.feature(target)
    weights = layer_weights(model, 1, embed_dim, loss)[0]
    if weights[target] == 0:
        raise AssumptionError(
            f"feature {target} is not kept (retention {model.retention[target]:g}, correlation "
            f"{model.correlation[target]:g}, embed_dim {embed_dim}): its weight is 0 at every depth"
        )
    return weights, target
