"""When gradient flow has brought each feature to half of its final weight, measured on full matrices."""

from __future__ import annotations

import numpy as np

from synthetic.features.population import aligned_start, isotropic_start, weights_along_flow
from theory.features.model import FeatureModel

INPUTS = FeatureModel(phi=[1.5, 1.0, 0.7], alpha=0.0, sigma=0.0)
"""Pairs without augmentation: the loss is |W G W^T - I|^2, and all features are equally good for it."""


def rising_weights(model: FeatureModel, start: float, times, seed: int, *, head: bool) -> np.ndarray:
    """Weights (times, k) after the last layer of full matrices whose product starts at `start` times a frame.

    With a head the two layers are balanced; without one there is a single layer.
    """
    layers = (
        aligned_start(model.dim, start, seed)
        if head
        else [isotropic_start(model.dim, model.dim, start, seed)]
    )
    return weights_along_flow(model, layers, times, method="LSODA", rtol=1e-9)[:, -1]


def measured_half_times(
    model: FeatureModel, start: float, end: float, seed: int, *, head: bool
) -> np.ndarray:
    """Times (k,) at which the weights pass half of their values at the time `end`, interpolated in the logarithm."""
    times = np.geomspace(end / 1000, end, 400)
    weights = rising_weights(model, start, times, seed, head=head)
    return np.array(
        [
            np.exp(np.interp(np.log(w[-1] / 2), np.log(w), np.log(times)))
            for w in np.maximum(weights, 1e-300).T
        ]
    )
