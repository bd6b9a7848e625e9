"""Descent at the top of an image network: two linear maps, and what they conserve."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init

from neural.data.digits import DigitsOnPhotographs
from neural.losses import nt_xent
from neural.models.encoders import SmallConvConfig, initialise
from neural.models.heads import LinearConfig
from neural.training.pretraining import PretrainConfig, Purpose
from neural.training.schedules import Joint, OptimizerConfig, SGDConfig

Layers = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TopTraining:
    """SimCLR with an image network whose last encoder layer and head are linear, without bias, in float64.

    Images, then three convolutions with batch norm (`SmallConvConfig`), then W_1 (units, 4 width), then the head
    W_2 (embed_dim, units). The views are drawn once, in `batches` that are used in turn: one batch makes it plain
    gradient descent, more of them stochastic.

    Attributes
    ----------
    optimizer : OptimizerConfig
    steps : int
    units, embed_dim, width : int
    scale : float > 0
        Factor on the usual initial W_1 and W_2.
    p_drop : float
    temperature : float > 0
    batch, batches : int
        Pairs in a batch, and number of batches.
    seed, member : int
    """

    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    steps: int = 100
    units: int = 24
    embed_dim: int = 8
    width: int = 4
    scale: float = 1.0
    p_drop: float = 0.75
    temperature: float = 0.5
    batch: int = 64
    batches: int = 1
    seed: int = 0
    member: int = 0

    @property
    def config(self) -> PretrainConfig:
        """Data, augmentation, seeds, and encoder below W_1."""
        return PretrainConfig(
            data=DigitsOnPhotographs(p_drop=self.p_drop),
            encoder=SmallConvConfig(self.width),
            head=LinearConfig(self.embed_dim),
            batch=self.batch,
            seed=self.seed,
            member=self.member,
        )


def train_top(point: TopTraining) -> dict[str, np.ndarray]:
    """Train, and return W_1 and W_2 before and after.

    Returns
    -------
    dict
        `start` and `end`: (W_1, W_2); `loss`: of the first and of the last batch.

    Raises
    ------
    FloatingPointError
        When the loss is not finite.
    """
    config = point.config
    encoder = nn.Sequential(config.encoder.build(config.stream(Purpose.ENCODER)), nn.Identity())
    encoder[1] = skip_init(nn.Linear, encoder[0].out_dim, point.units, bias=False)
    initialise(encoder[1], config.stream(Purpose.OBJECTIVE))
    head = config.head.build(point.units, config.stream(Purpose.HEAD))
    encoder.double(), head.double()
    layers = encoder[1].weight, head.linear.weight
    with torch.no_grad():
        for layer in layers:
            layer.mul_(point.scale)
    start, losses = _copied(layers), []
    stepper, batches = Joint(point.optimizer).start(encoder, head), _batches(config, point.batches)
    for step in range(point.steps):
        batch = batches[step % point.batches]
        losses.append(stepper.step(lambda x=batch: _loss(head(encoder(x)), point.temperature)).item())
    if not np.all(np.isfinite(losses)):
        raise FloatingPointError(f"the loss of {point} is not finite")
    return {"start": start, "end": _copied(layers), "loss": (losses[0], losses[-1])}


def _loss(z, temperature):
    return nt_xent(*z.chunk(2), temperature)


def _copied(layers):
    return tuple(layer.detach().numpy().copy() for layer in layers)


def _batches(config, count):
    """Batches (2 batch, 3, size, size) of float64 views, first before second ones."""
    train, _ = config.build_data()
    pairs, augmentation = config.stream(Purpose.PAIRS), config.stream(Purpose.AUGMENTATION)
    order = torch.randperm(len(train), generator=config.stream(Purpose.ORDER))[: count * config.batch]
    return [
        config.augment(torch.cat(train.pairs(index, pairs)), augmentation).double()
        for index in order.split(config.batch)
    ]


def _imbalance(layers: Layers) -> np.ndarray:
    encoder, head = layers
    return encoder @ encoder.T - head.T @ head


def measure_first_order_change(end: dict[str, Layers]) -> float:
    """What one step changes in W_1 W_1' - W_2' W_2 to first order, relative to what it changes in W_1 W_1'.

    Parameters
    ----------
    end : dict
        Of `train_top` after a single step.
    """
    (w1, w2), (v1, v2) = end["start"], end["end"]
    encoder, head = w1 @ (v1 - w1).T, w2.T @ (v2 - w2)
    change = encoder + encoder.T - head - head.T
    return float(np.linalg.norm(change) / np.linalg.norm(encoder + encoder.T))


def measure_drift(end: dict[str, Layers]) -> float:
    """Change of W_1 W_1' - W_2' W_2 in training, relative to its start (Frobenius norms).

    Parameters
    ----------
    end : dict
        Of `train_top`.
    """
    before, after = _imbalance(end["start"]), _imbalance(end["end"])
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def measure_null_space_energy(end: dict[str, Layers]) -> float:
    """Squared Frobenius norm of the rows of W_1 in the null space of W_2, both after training.

    Parameters
    ----------
    end : dict
        Of `train_top`.
    """
    encoder, head = end["end"]
    null = np.linalg.svd(head)[2][len(head) :]
    return float(np.sum((null @ encoder) ** 2))
