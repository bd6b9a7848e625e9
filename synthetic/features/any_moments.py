"""Linear layers trained on views of any second moments, and how well two classes are told apart after each layer."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from scipy.optimize import brentq

from synthetic.features.population import ViewMoments, balanced_start, population_flow

TIME = 3000.0
CORRELATED = ViewMoments(
    np.array([[1.5, 0.5, -0.2], [0.5, 1.2, 0.3], [-0.2, 0.3, 0.9]]),
    np.array([[0.9, -0.1, 0.1], [-0.1, 0.8, 0.2], [0.1, 0.2, 0.3]]),
)
"""Three correlated features in anisotropic noise: the two moments do not commute."""


def train_layers(moments: ViewMoments, depth: int, seed: int) -> list[np.ndarray]:
    """Layers of a square network after gradient flow of the spectral contrastive loss from a balanced start."""
    start = balanced_start([moments.dim] * (depth + 1), 0.6, seed, power=2 / depth)
    return population_flow(moments, start, TIME, method="LSODA")


def indicators(moments: ViewMoments, layers: list[np.ndarray], mean: np.ndarray) -> np.ndarray:
    """Squared radius of the outputs over the squared margin of two classes at +-mean, after each layer."""
    encoders = accumulate(layers, lambda below, layer: layer @ below)
    return np.array([np.trace(w @ moments.cov @ w.T) / np.sum((w @ mean) ** 2) for w in encoders])


def turning_angles(moments: ViewMoments, layers: list[np.ndarray], plane: tuple[int, int]) -> np.ndarray:
    """Angles in (0, pi) from the first axis of a plane at which the indicators of both layers are equal."""

    def before_minus_after(angle):
        mean = np.zeros(moments.dim)
        mean[list(plane)] = np.cos(angle), np.sin(angle)
        return -np.diff(np.log(indicators(moments, layers, mean)))[0]

    grid = np.linspace(0, np.pi, 181)
    signs = np.sign([before_minus_after(angle) for angle in grid])
    places = np.flatnonzero(signs[:-1] != signs[1:])
    return np.array([brentq(before_minus_after, grid[i], grid[i + 1], xtol=1e-13) for i in places])


def directional_weights(layers: list[np.ndarray], directions: np.ndarray) -> np.ndarray:
    """Lengths (depth, k) of the outputs of each layer along directions (d, k)."""
    encoders = accumulate(layers, lambda below, layer: layer @ below)
    return np.array([np.linalg.norm(w @ directions, axis=0) for w in encoders])
