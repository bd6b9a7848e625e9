"""Two-layer networks trained on positive pairs of a feature model, and their measured feature weights (Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from neural import Member, Shape, stream_seed, torch_generator, train
from synthetic.features.views import FeatureViews
from synthetic.features.weights import empirical_constant, empirical_layer_weights
from synthetic.store.sweep import sweep
from theory.features.model import FeatureModel

BLOCK = 8  # replicates trained as one ensemble


@dataclass(frozen=True)
class FeatureTraining:
    """One block of networks: spectral contrastive loss, plain SGD with momentum, no bias, fresh batches.

    Parameters
    ----------
    model : FeatureModel
    embed_dim, width : int
        Outputs after and before the head.
    steps, batch : int
    activation : {"relu", "linear"}
        Of the layer before the head.
    lr, momentum, init_scale : float
        Step, momentum, standard deviation of the initial weights.
    seed : int
        Root seed of the experiment.
    block, members : int
        Which block of replicates this is, and how many it holds. Every replicate has its own initial weights
        and its own data.
    device : str
    """

    model: FeatureModel
    embed_dim: int
    steps: int
    activation: Literal["relu", "linear"] = "relu"
    width: int = 100
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.9
    init_scale: float = 0.02
    seed: int = 0
    block: int = 0
    members: int = BLOCK
    device: str = "cpu"


class TrainedWeights(NamedTuple):
    """What was measured on R trained networks.

    Attributes
    ----------
    weights : (R, 2, k) array
        Feature weights before and after the head.
    sampling_error : (R, 2, k) array
        Standard errors of `weights` from the finite number of inputs they were measured on.
    constant : (R, 2) array
        Squared norm of the mean output before and after the head.
    loss : (R,) array
        Loss of the last batch.
    """

    weights: np.ndarray
    sampling_error: np.ndarray
    constant: np.ndarray
    loss: np.ndarray


def train_features(point: FeatureTraining) -> TrainedWeights:
    """Train one block and measure it.

    Raises
    ------
    FloatingPointError
        If a network diverges.
    """
    shape = Shape(
        point.model.dim, point.width, point.embed_dim, point.batch, point.steps, activation=point.activation
    )
    first = point.block * BLOCK
    members = [
        Member(
            seed=stream_seed(point.seed, "replicate", first + index),
            data=FeatureViews(point.model),
            lr=point.lr,
            momentum=point.momentum,
            init_scale=point.init_scale,
        )
        for index in range(point.members)
    ]
    result = train(
        members, shape, device=point.device, workers=1, log_every=max(1, point.steps)
    ).require_finite()
    generator = torch_generator(point.seed, "measure", point.block)
    weights = empirical_layer_weights(point.model, result.network, generator=generator)
    constant = empirical_constant(point.model, result.network, generator=generator)
    return TrainedWeights(*weights, constant.value, result.loss[:, -1])


def trained_weights(
    trainings: Sequence[FeatureTraining], replicates: int, *, jobs: int | None = None, progress: bool = True
) -> list[TrainedWeights]:
    """Measured weights of `replicates` networks of each training, in blocks that run side by side.

    Parameters
    ----------
    trainings : sequence of FeatureTraining
        `block` and `members` are set here.
    replicates : int >= 1
        Networks of each; cut into blocks of 8.
    jobs : int
        Worker processes.
    progress : bool
        Whether to print lines with the time left.
    """
    if replicates < 1:
        raise ValueError(f"replicates must be >= 1, got {replicates}")
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    points = [
        replace(training, block=block, members=size)
        for training in trainings
        for block, size in enumerate(sizes)
    ]
    results = sweep(train_features, points, jobs=jobs, progress=progress, label="training")
    per_training = [results[i : i + len(sizes)] for i in range(0, len(results), len(sizes))]
    return [TrainedWeights(*map(np.concatenate, zip(*blocks, strict=True))) for blocks in per_training]


def relative(weights: np.ndarray, reference: int) -> np.ndarray:
    """Weights divided by those of the feature `reference`, per replicate and layer.

    Raises
    ------
    ValueError
        If a network has not learnt the reference feature at all.
    """
    divisor = weights[..., reference, None]
    if np.any(divisor == 0):
        raise ValueError(f"weights of feature {reference} must be > 0 to be the reference: train longer")
    return weights / divisor
