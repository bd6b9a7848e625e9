"""The configuration of a pretraining run, from which every random stream is derived."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, Protocol

import numpy as np
import torch

from neural.checks import check_integer
from neural.data.augment import Augment
from neural.data.digits import DigitsOnPhotographs
from neural.data.images import ImageSplit
from neural.models.encoders import EncoderConfig, SmallConvConfig
from neural.models.heads import HeadConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.seeds import torch_generator
from neural.training.methods import MethodConfig, SimCLR
from neural.training.recipes import check_types
from neural.training.schedules import AdamConfig, Joint, ScheduleConfig


class Purpose(IntEnum):
    """What random numbers are used for: each purpose has a stream of its own in every run."""

    DATA = 0
    ENCODER = 1
    HEAD = 2
    ORDER = 3
    PAIRS = 4
    AUGMENTATION = 5
    OBJECTIVE = 6
    SUBSET = 7


class ImageRecipe(Protocol):
    """Frozen recipe of a data set."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that every image has."""

    def build(self, rng: np.random.Generator) -> tuple[ImageSplit, ImageSplit]:
        """Training and test half."""


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run.

    All random numbers follow from `seed` and `member`, with one stream for each `Purpose`. Therefore runs that differ
    in method, head, schedule, strength or epochs share the data, the order of the batches, the augmentation and the
    initial weights of the encoder.

    Attributes
    ----------
    data : ImageRecipe
    method : MethodConfig
        Loss, and the predictor or classifier that belongs to it.
    head : HeadConfig
    schedule : ScheduleConfig
        When encoder and head are trained, and with which optimisers.
    encoder : EncoderConfig
    augment : Augment
        Random views in training. Probes see unaugmented images of the same size.
    sparsity : SparsePenalty, optional
        Penalty on the head, which acts by a proximal step after every step of the schedule.
    epochs : int >= 0
        Passes over the training images; 0 is the untrained control.
    batch : int >= 2
        Pairs per step. The last, incomplete batch of an epoch is dropped.
    seed, member : int >= 0
        Root seed of all random streams, and number of the repetition.
    monitor : int >= 0
        Epochs between two nearest-neighbour accuracies of the first label (20 neighbours, at most 1,024 images of
        either half, drawn once for the whole run); 0: none.
    precision : {"float32", "bfloat16"}
        Of the matrix products of encoder and head; weights and losses are float32.
    device : str
        "cpu", "cuda", "cuda:N" or "auto". All draws are made on the CPU, so views and initial weights do not
        depend on it.

    Raises
    ------
    ValueError
        When a field is out of range.
    """

    data: ImageRecipe = field(default_factory=DigitsOnPhotographs)
    method: MethodConfig = field(default_factory=SimCLR)
    head: HeadConfig = field(default_factory=MLPConfig)
    schedule: ScheduleConfig = field(default_factory=lambda: Joint(AdamConfig(1e-3, 1e-6)))
    encoder: EncoderConfig = field(default_factory=SmallConvConfig)
    augment: Augment = field(default_factory=Augment)
    sparsity: SparsePenalty | None = None
    epochs: int = 10
    batch: int = 128
    seed: int = 0
    member: int = 0
    monitor: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_types(PretrainConfig, vars(self))
        for name, least in (("epochs", 0), ("batch", 2), ("seed", 0), ("member", 0), ("monitor", 0)):
            check_integer(name, getattr(self, name), least)
        if self.method.label is not None and self.method.label not in self.data.label_names:
            raise ValueError(
                f"method.label must be one of {', '.join(self.data.label_names)}, got {self.method.label!r}"
            )

    def stream(self, purpose: Purpose) -> torch.Generator:
        """CPU generator of this run for one purpose, seeded by SeedSequence([seed, purpose, member])."""
        return torch_generator(self.seed, purpose, self.member)

    def build_data(self) -> tuple[ImageSplit, ImageSplit]:
        """Training and test half of this run, on the CPU."""
        train, test = self.data.build(np.random.default_rng([self.seed, Purpose.DATA, self.member]))
        if self.batch > len(train):
            raise ValueError(f"batch must be in [2, {len(train)}] (training images), got {self.batch}")
        return train, test
