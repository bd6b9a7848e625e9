"""Labels in place of augmentations: supervised contrastive pairs and the squared loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from theory import checks
from theory.features.model import FeatureModel

__all__ = ["class_pair_model", "supervised_layer_weights"]


def class_pair_model(model: FeatureModel, class_features: Sequence[int]) -> FeatureModel:
    r"""Feature model of positive pairs that are drawn from one class.

    A pair shares the signs of the class features, up to the augmentation of the model (:math:`\rho_i = 1` without
    any). Every other feature is redrawn, so :math:`\rho_i = 0`. All laws of the self-supervised model then hold, and
    subclass features are absent after the head at the minimum. The loss is the spectral one on such pairs; negatives
    are drawn from all classes. Source: derived (docs/derivations/collapse.md#class-pairs), for supervised contrastive
    learning as in Figure 2 of Xue et al. (ICLR 2024).

    Parameters
    ----------
    model : FeatureModel
    class_features : sequence of int
        The 0-based features that make up the class; at least one.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.class_pair_model(model, class_features=[0]).retention
    array([0.25, 0.  , 0.  ])
    """
    if checks.numeric("class_features", class_features).ndim != 1:
        raise ValueError(f"class_features must be a sequence of integers, got {checks.brief(class_features)}")
    chosen = [checks.integer("class_features", i, 0, model.phi.size - 1) for i in class_features]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"class_features must be different features, at least one, got {class_features}")
    shared = np.isin(np.arange(model.num_features), chosen)
    return replace(model, alpha=np.where(shared, model.alpha, 1.0))


def supervised_layer_weights(model: FeatureModel, codes, depth: int = 2) -> np.ndarray:
    r"""Feature weights after each balanced linear layer at the minimum of a squared loss on label codes.

    The labels are :math:`y = Cu`. On augmented views the minimum of :math:`E|Wx - y|^2` is
    :math:`W^* = E[yx^T]\Sigma^{-1}`, with :math:`E[yx^T] = C\,\mathrm{diag}((1-\alpha_i)\phi_i)` on the
    features. Balanced layers share its singular values: after layer l of L feature i has the weight
    :math:`[(W^{*T}W^*)^{l/L}]_{ii}^{1/2}`, which is :math:`s_i^{l/L}` when the codes are orthogonal.
    Source: derived (docs/derivations/collapse.md#squared-loss), for the supervised learning of Xue et al. (ICLR 2024).

    Parameters
    ----------
    model : FeatureModel
    codes : (q, k) array
        C. A row with one nonzero entry is a label that is one feature. Layers are assumed as wide as the rank of C.
    depth : int >= 1
        Number of layers L, the last one the head.

    Returns
    -------
    (depth, k) array
        Features that the label does not use have weight 0.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0], alpha=0.0, sigma=0.5)
    >>> theory.supervised_layer_weights(model, codes=[[1.0, 0.0]]).round(4)
    array([[0.8944, 0.    ],
           [0.8   , 0.    ]])
    """
    codes = checks.real("codes", codes)
    if codes.ndim != 2 or codes.shape[1] != model.num_features:
        raise ValueError(f"codes must have shape (q, {model.num_features}), got {codes.shape}")
    depth = checks.integer("depth", depth, 1, checks.MOST_LAYERS)
    network = codes * ((1 - model.alpha) * model.phi / model.variance)
    _, values, directions = np.linalg.svd(network, full_matrices=False)
    exponents = np.arange(1, depth + 1) / depth
    powers = (
        np.where(values > values[0] * np.finfo(float).eps * codes.size, values, 0.0) ** exponents[:, None]
    )
    return np.linalg.norm(powers[:, :, None] * directions, axis=1)
