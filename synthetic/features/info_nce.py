"""Linear networks trained on samples with InfoNCE, whose negatives are the other views of a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neural import Member, Shape, stream_seed, torch_generator, train
from synthetic.features.views import FeatureViews
from synthetic.features.weights import empirical_layer_weights
from synthetic.store.sweep import sweep
from theory.features.model import FeatureModel

BLOCK = 8  # networks trained as one ensemble
WIDTH = 12  # units of both layers: more than features, so that no random start is nearly blind to one of them

LITTLE_NOISE = FeatureModel(phi=1.0, alpha=[0.0, 0.1, 0.2], sigma=0.25)
"""Strong features, whose signs a view shows clearly: here InfoNCE and the spectral loss differ most."""


@dataclass(frozen=True)
class InnerProductTraining:
    """Networks of two linear layers, trained by SGD with momentum on fresh batches.

    The layers start small, but far enough from 0 to leave it within the first tenth of the training.
    """

    temperature: float
    model: FeatureModel = LITTLE_NOISE
    batch: int = 256
    steps: int = 3000
    lr: float = 0.01
    momentum: float = 0.9
    init_scale: float = 0.2
    seed: int = 0
    block: int = 0


def train_block(point: InnerProductTraining) -> np.ndarray:
    """Feature weights after the head, (BLOCK, k), of networks with their own starts and their own samples.

    Raises
    ------
    FloatingPointError
        If a network diverges.
    """
    shape = Shape(
        point.model.dim, WIDTH, WIDTH, point.batch, point.steps, loss="info_nce", activation="linear"
    )
    members = [
        Member(
            seed=stream_seed(point.seed, "replicate", point.block * BLOCK + index),
            data=FeatureViews(point.model),
            lr=point.lr,
            momentum=point.momentum,
            init_scale=point.init_scale,
            temperature=point.temperature,
        )
        for index in range(BLOCK)
    ]
    result = train(members, shape, workers=1, log_every=point.steps).require_finite()
    generator = torch_generator(point.seed, "measure", point.block)
    return empirical_layer_weights(point.model, result.network, generator=generator).value[:, 1]


def train_with_info_nce(training: InnerProductTraining, seed: int, *, blocks: int = 3) -> np.ndarray:
    """Feature weights after the head, (blocks * BLOCK, k)."""
    points = [replace(training, seed=seed, block=block) for block in range(blocks)]
    return np.concatenate(sweep(train_block, points, label="InfoNCE"))
