"""Penalised heads in the feature model: weights, alignment of the units, effective dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neural.measures.spectra import participation_ratio
from synthetic.features.head_schemes import train_penalised
from synthetic.features.head_training import Penalty
from synthetic.features.population import end_to_end, feature_norms
from synthetic.features.settings import FOUR_FEATURES
from theory.features.model import FeatureModel

ENCODER, HEAD_DECAY = (
    0.02,
    0.01,
)  # weight decay of both layers as the 2,1-norm of the head grows (notebook 12)


@dataclass(frozen=True)
class SparseTraining:
    """One training of `FOUR_FEATURES` with the 2,1-norm `head` on the head."""

    head: float
    seed: int
    starts: int = 8


def train_sparse(point: SparseTraining) -> np.ndarray:
    """Feature weights (2, k) before and after the head at the lowest minimum found."""
    penalty = Penalty(ENCODER, point.head, HEAD_DECAY)
    return train_penalised(FOUR_FEATURES, point.seed, penalty, starts=point.starts)


def weight_off_alignment(layers: Sequence[np.ndarray]) -> float:
    """Largest share of a unit's squared weights that is not on its main feature, over the units that are not zero."""
    squares = layers[0] ** 2
    sizes = squares.sum(1)
    alive = sizes > 1e-8
    return float(1 - (squares.max(1)[alive] / sizes[alive]).min())


def measure_dimensions(model: FeatureModel, layers: Sequence[np.ndarray]) -> list[float]:
    """Participation ratios: of the squared weights before and after the head, then of the covariance's eigenvalues.

    The order is that of `theory.EffectiveDimensions`.
    """
    maps = (layers[0], end_to_end(layers))
    spectra = (np.linalg.eigvalsh(one @ model.cov @ one.T) for one in maps)
    return [participation_ratio(values) for values in (*feature_norms(model, layers) ** 2, *spectra)]
