"""Linear encoders trained as in SimSiam: a linear predictor, a stopped gradient, and weight decay on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from neural import torch_generator
from synthetic.mixture.samples import mixture_views, random_direction
from synthetic.store.sweep import sweep

AVERAGED_SHARE = 0.4
"""Share of the steps, the last ones, over which the encoder is averaged."""


@dataclass(frozen=True)
class PredictorTraining:
    """One encoder W and predictor P, both from the identity, trained by gradient descent on fresh batches.

    The loss is |P W x1 - W x2|^2 / 2 with a stopped gradient in its second term, plus decay (|W|^2 + |P|^2) / 2.
    """

    signal_norm: float
    sigma: float
    decay: float
    dim: int = 8
    batch: int = 512
    steps: int = 1500
    lr: float = 0.05
    seed: int = 0
    member: int = 0


def train_encoder(point: PredictorTraining) -> np.ndarray:
    """Weights of the encoder along the signal and, root mean square, across it, (2,)."""
    generator = torch_generator(point.seed, "predictor", point.member)
    direction = random_direction(point.dim, generator)
    mean = (point.signal_norm * direction).float()
    encoder, predictor = torch.eye(point.dim), torch.eye(point.dim)
    average, first = torch.zeros_like(encoder), int((1 - AVERAGED_SHARE) * point.steps)
    for step in range(point.steps):
        one, two = mixture_views(mean, (point.sigma, point.sigma), (point.batch,), generator)
        hidden = one @ encoder.mT
        error = hidden @ predictor.mT - two @ encoder.mT
        gradients = predictor.mT @ error.mT @ one / point.batch, error.mT @ hidden / point.batch
        encoder = encoder - point.lr * (gradients[0] + point.decay * encoder)
        predictor = predictor - point.lr * (gradients[1] + point.decay * predictor)
        if step >= first:
            average += encoder / (point.steps - first)
    metric = (average.mT @ average).double()
    along = direction @ metric @ direction
    across = (metric.trace() - along) / (point.dim - 1)
    return np.sqrt([float(along), float(across)])


def measure_encoder_weights(trainings: Sequence[PredictorTraining], members: int, seed: int) -> np.ndarray:
    """Weights along and across the signal, (members, 2 x trainings)."""
    points = [replace(t, seed=seed, member=member) for member in range(members) for t in trainings]
    return np.reshape(sweep(train_encoder, points, label="predictors"), (members, -1))
