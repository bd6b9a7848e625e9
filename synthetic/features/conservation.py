"""What gradient descent on a sample conserves, and what a linear head does not see of the representation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from neural import info_nce, supervised_contrastive, torch_generator
from synthetic.features.head_training import sampled_descent
from synthetic.features.population import layer_difference
from synthetic.features.settings import FOUR_FEATURES
from synthetic.features.views import sample_pairs
from theory.features.model import FeatureModel

MODEL = FOUR_FEATURES
PAIRS, TIME = 64, 4.0  # positive pairs in the sample; time of descent


def sampled_losses(seed: int) -> tuple[torch.Tensor, dict[str, Callable[[torch.Tensor], torch.Tensor]]]:
    """Inputs (2 PAIRS, d), first views before second ones, and two losses of their embeddings by name.

    The class of a pair, for the supervised loss, is the sign of the first view along feature 0.
    """
    first, second = sample_pairs(MODEL, PAIRS, torch_generator(seed, "conservation"))
    labels = (first[:, 0] > 0).long().repeat(2)
    return torch.cat([first, second]), {
        "InfoNCE": _info_nce,
        "supervised contrastive": partial(_supervised, labels=labels),
    }


def _info_nce(z):
    return info_nce(*z.chunk(2), 0.5, similarity="cosine")


def _supervised(z, labels):
    return supervised_contrastive(z, labels, 0.5)


def differences_after_descent(
    start: Sequence[np.ndarray], steps: Sequence[float], seed: int, *, penalty: float = 0.0
) -> np.ndarray:
    """W_1 W_1^T - W_2^T W_2 after plain descent for the time `TIME`: (losses, steps, m, m), one sample for all."""
    x, losses = sampled_losses(seed)
    return np.array(
        [
            [
                layer_difference(sampled_descent(loss, start, x, step_size=step, time=TIME, penalty=penalty))
                for step in steps
            ]
            for loss in losses.values()
        ]
    )


def extrapolate_steps(ends: np.ndarray) -> np.ndarray:
    """Limit of step 0 of the values (losses, steps, ...) at the steps h, h/2, h/4, ... by Richardson's scheme."""
    table = list(np.moveaxis(ends, 1, 0))
    for order in range(1, len(table)):
        factor = 2.0**order
        table = [
            (factor * fine - coarse) / (factor - 1)
            for coarse, fine in zip(table[:-1], table[1:], strict=True)
        ]
    return table[0]


def energy_in_null_space(layers: Sequence[np.ndarray]) -> float:
    """Squared norm of the encoder inside the null space of a head with fewer outputs than units."""
    first, second = layers
    null = np.linalg.svd(second)[2][len(second) :]
    return float(np.sum((null @ first) ** 2))


def style_shares(model: FeatureModel, encoders: Sequence[np.ndarray], pairs: int, generator) -> np.ndarray:
    """Share of each representation's second moment that differs between the two views of a pair.

    It is E|g(x) - g(x+)|^2 / 2 E|g(x)|^2: 0 for a representation that no augmentation changes, 1 for one that shares
    nothing between the views.
    """
    first, second = (view.numpy() for view in sample_pairs(model, pairs, generator))
    return np.array(
        [
            np.sum(((first - second) @ encoder.T) ** 2)
            / np.sum((first @ encoder.T) ** 2 + (second @ encoder.T) ** 2)
            for encoder in encoders
        ]
    )


def row_and_null_part(layers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The encoder's part that the head sees, A^+ A W_1, and the part in the head's null space."""
    first, second = layers
    seen = np.linalg.pinv(second) @ second @ first
    return seen, first - seen
