r"""Labels in place of augmentations: supervised contrastive pairs, collapse of subclasses, squared loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.features.model import FeatureModel


def class_pair_model(model: FeatureModel, class_features: Sequence[int]) -> FeatureModel:
    r"""Feature model of positive pairs drawn from one class.

    A pair shares the signs of the class features, up to the model's own augmentation (:math:`\rho_i = 1` without
    any); every other feature is redrawn, :math:`\rho_i = 0`. All laws of the self-supervised model then hold:
    subclass features are absent after the head at the minimum. The loss is the spectral one on such pairs; negatives
    are not restricted to other classes. Source: Xue et al. (ICLR 2024), section 4; reconstructed.

    Parameters
    ----------
    model : FeatureModel
    class_features : sequence of int
        0-based features that make up the class; at least one.
    """
    chosen = [model.feature(i) for i in class_features]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"class_features must be different features, at least one, got {class_features}")
    shared = np.isin(np.arange(model.num_features), chosen)
    return replace(model, alpha=np.where(shared, model.alpha, 1.0))


class Collapse(NamedTuple):
    """Weights of features on their way to zero, each (T, k)."""

    before: np.ndarray
    after: np.ndarray


def collapse_asymptote(model: FeatureModel, times) -> Collapse:
    r"""Late weights of features that positive pairs do not share, linear layers from a balanced start.

    :math:`\dot s = -8 c_2 s^4`, :math:`c_2 = (\phi^2+\sigma^2)^2`, so after the head :math:`s \sim (24 c_2 t)^{-1/3}`
    and before it :math:`s^{1/2}`, only :math:`t^{-1/6}`; the exact curve is `learning_curve`. Source: derived here.

    Parameters
    ----------
    model : FeatureModel
        All retentions 0.
    times : (T,) array, > 0

    Raises
    ------
    AssumptionError
        If a feature has positive retention: it does not collapse.
    """
    times = np.atleast_1d(checks.in_range("times", times, 0.0, open_low=True))
    if times.ndim > 1:
        raise ValueError(f"times must be a scalar or a vector, got shape {times.shape}")
    if np.any(model.retention > 0):
        raise AssumptionError(f"features of positive retention do not collapse, got {model.retention}")
    after = np.cbrt(1 / (24 * model.variance**2 * times[:, None]))
    return Collapse(np.sqrt(after), after)


def supervised_layer_weights(model: FeatureModel, codes, depth: int = 2) -> np.ndarray:
    r"""Feature weights after each balanced linear layer at the minimum of a squared loss on label codes.

    Labels are :math:`y = Cu`; trained on augmented views, the minimum of :math:`E|Wx - y|^2` is
    :math:`W^* = E[yx^T]\Sigma^{-1}`, with :math:`E[yx^T] = C\,\mathrm{diag}((1-\alpha_i)\phi_i)` on the
    features. Balanced layers share its singular values: after layer l of L feature i weighs
    :math:`[(W^{*T}W^*)^{l/L}]_{ii}^{1/2}`, which is :math:`s_i^{l/L}` when the codes are orthogonal.
    Source: Xue et al. (ICLR 2024), section 5; reconstructed.

    Parameters
    ----------
    model : FeatureModel
    codes : (q, k) array
        C; a row of zeros but for one entry labels by one feature. Layers are assumed wide enough for its rank.
    depth : int >= 1
        Number of layers L, the last one the head.

    Returns
    -------
    (depth, k) array
        Features that the label does not use weigh 0.
    """
    codes = checks.real("codes", codes)
    if codes.ndim != 2 or codes.shape[1] != model.num_features:
        raise ValueError(f"codes must have shape (q, {model.num_features}), got {codes.shape}")
    depth = checks.integer("depth", depth, 1)
    network = codes * ((1 - model.alpha) * model.phi / model.variance)
    _, values, directions = np.linalg.svd(network, full_matrices=False)
    exponents = np.arange(1, depth + 1) / depth
    powers = (
        np.where(values > values[0] * np.finfo(float).eps * codes.size, values, 0.0) ** exponents[:, None]
    )
    return np.linalg.norm(powers[:, :, None] * directions, axis=1)
