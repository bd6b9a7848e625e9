"""Pretraining of an encoder with a projection head on images: any data, method, head and schedule."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from neural.checks import check_integer
from neural.data.augment import Augment
from neural.data.digits import DigitsOnPhotographs
from neural.data.images import ImageSplit
from neural.devices import resolve_device
from neural.measures.probes import knn_probe
from neural.measures.spectra import effective_rank
from neural.models.encoders import EncoderConfig, SmallConvConfig, StagedEncoder
from neural.models.heads import Head, HeadConfig, MLPConfig, PCAHead
from neural.models.sparsity import SparsePenalty, needs_fixed_norm
from neural.seeds import torch_generator
from neural.training.checkpoints import read_checkpoint, write_checkpoint
from neural.training.methods import Batch, MethodConfig, Objective, SimCLR
from neural.training.recipes import changed_fields, check_types, recipe_from_json, recipe_to_json
from neural.training.schedules import AdamConfig, Joint, ScheduleConfig, Stepper

SUBSET = 1024
"""Training images, the first ones, that PCA heads, slow heads and the monitor look at."""


class Purpose(IntEnum):
    """What a stream of random numbers is for; each purpose of a run has its own stream."""

    DATA = 0
    ENCODER = 1
    HEAD = 2
    ORDER = 3
    PAIRS = 4
    AUGMENTATION = 5
    OBJECTIVE = 6


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

    Everything random is derived from `seed` and `member`, with one stream for each `Purpose`: runs that differ
    in method, head, schedule, strength or epochs share data, order of the batches, augmentation and the initial
    weights of the encoder.

    Attributes
    ----------
    data : ImageRecipe
    method : MethodConfig
        Loss, with predictor or classifier where it has one.
    head : HeadConfig
    schedule : ScheduleConfig
        Who moves when, and with which optimiser.
    encoder : EncoderConfig
    augment : Augment
        Random views in training; test images are stills of the same size.
    sparsity : SparsePenalty, optional
        Penalty on the head, by a proximal step after every step of the schedule.
    epochs : int >= 0
        Passes over the training images; 0 is the untrained control.
    batch : int >= 2
        Pairs per step; the last incomplete batch of an epoch is dropped.
    seed, member : int >= 0
        Root of all random streams, and number of the repetition.
    monitor : int >= 0
        Epochs between two nearest-neighbour accuracies of the first label (20 neighbours, at most 1,024 images
        of either half); 0: none.
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


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network with its data.

    Attributes
    ----------
    config : PretrainConfig
    train, test : ImageSplit
        On the device of the network.
    encoder : StagedEncoder
    head : Head
        Both in evaluation mode.
    objective : Objective
        Predictor or classifier of the method, in evaluation mode.
    history : tuple of dict
        For each epoch `epoch` (from 1), mean `loss`, `effective_rank_h` and `effective_rank_z` of the last
        batch of the epoch (first views, centred), `seconds` since the start of the run; with a monitor also
        `knn_h` and `knn_z`.
    """

    config: PretrainConfig
    train: ImageSplit
    test: ImageSplit
    encoder: StagedEncoder
    head: Head
    objective: Objective
    history: tuple[dict[str, float], ...]


Progress = Callable[[dict[str, float], int], None]


def pretrain(
    config: PretrainConfig, *, checkpoint: Path | str | None = None, progress: Progress | None = None
) -> Pretrained:
    """Train encoder and head with one method.

    Afterwards one more pass over the training pairs, without learning, sets the batch-norm statistics: trained
    and untrained networks are treated alike.

    Parameters
    ----------
    config : PretrainConfig
        On one machine the same configuration gives the same numbers (one torch thread, CPU).
    checkpoint : path, optional
        File that holds the state after the last complete epoch. When it is there, the run goes on from it, to
        the same numbers as without interruption; a configuration with more epochs continues a shorter one.
    progress : callable, optional
        Called after each epoch with its row of `Pretrained.history` and the number of epochs; for instance an
        `EpochReporter`.

    Returns
    -------
    Pretrained

    Raises
    ------
    FloatingPointError
        When the loss of an epoch is not finite.
    ValueError
        When the checkpoint is damaged or belongs to another configuration, or a batch is larger than the data.
    """
    run = _Run(config)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        run.restore(path)
    while len(run.history) < config.epochs:
        run.train_epoch()
        if path is not None:
            write_checkpoint(path, run.state())
        if progress:
            progress(run.history[-1], config.epochs)
    return run.finish()


def load_pretrained(checkpoint: Path | str, *, device: str | None = None) -> Pretrained:
    """Network of a checkpoint, with its data built again.

    Parameters
    ----------
    checkpoint : path
    device : str, optional
        Where to put it; by default where it was trained.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no complete checkpoint.
    """
    path = Path(checkpoint)
    if not path.exists():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    config = recipe_from_json(read_checkpoint(path)["config"])
    run = _Run(replace(config, device=device or config.device))
    run.restore(path)
    return run.finish()


def example_views(config: PretrainConfig, index: Tensor) -> tuple[Tensor, Tensor]:
    """One pair of views of chosen training images, as a network would see them.

    Parameters
    ----------
    config : PretrainConfig
    index : Tensor, shape (B,)
        int64 indices into the training half of `config.build_data()`.

    Returns
    -------
    first, second : Tensor, shape (B, 3, size, size)
        Values in [0, 1].
    """
    first, second = _Views(config, config.build_data()[0]).draw(index).chunk(2)
    return first, second


_KEPT: dict[Hashable, tuple[list[tuple[Tensor, Tensor]], list[Tensor]]] = {}
"""Epochs of views, and the states of the streams after them; the oldest goes first."""
_KEPT_LOCK = Lock()
_KEPT_EPOCHS = 24
_KEPT_NUMBERS = 2**21  # of an epoch that is kept, at most: 8 MiB


class _Views:
    """Endless stream of batches of pairs of views of one training half."""

    STREAMS = {"order": Purpose.ORDER, "pairs": Purpose.PAIRS, "augmentation": Purpose.AUGMENTATION}

    def __init__(self, config: PretrainConfig, train: ImageSplit) -> None:
        self.config, self.train = config, train
        self.streams = {name: config.stream(purpose) for name, purpose in self.STREAMS.items()}

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Index (B,) and views (2B, 3, size, size), first views before second ones, of every batch.

        Runs that differ in method, head or schedule only see the same views: those of small data are drawn once.
        """
        n, config = len(self.train), self.config
        if 2 * n * 3 * config.augment.size**2 > _KEPT_NUMBERS:
            yield from self._drawn()
            return
        states = tuple(stream.get_state().numpy().tobytes() for stream in self.streams.values())
        key = (config.data, config.augment, config.batch, config.seed, config.member, config.device, states)
        with _KEPT_LOCK:
            if key not in _KEPT:
                while len(_KEPT) >= _KEPT_EPOCHS:
                    del _KEPT[next(iter(_KEPT))]
                batches = list(self._drawn())
                _KEPT[key] = batches, [stream.get_state() for stream in self.streams.values()]
            batches, after = _KEPT[key]
        for stream, state in zip(self.streams.values(), after, strict=True):
            stream.set_state(state)
        yield from batches

    def _drawn(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, batch = len(self.train), self.config.batch
        for index in torch.randperm(n, generator=self.streams["order"])[: n - n % batch].split(batch):
            yield index, self.draw(index)

    def draw(self, index: Tensor) -> Tensor:
        images = torch.cat(self.train.pairs(index, self.streams["pairs"]))
        views = self.config.augment(images, self.streams["augmentation"])
        return views.contiguous(memory_format=torch.channels_last)


class _Run:
    """A run between two epochs."""

    def __init__(self, config: PretrainConfig) -> None:
        self.config = config
        self.device = resolve_device(config.device)
        self.train, self.test = (split.to(self.device) for split in config.build_data())
        self.encoder = config.encoder.build(config.stream(Purpose.ENCODER))
        self.head = config.head.build(self.encoder.out_dim, config.stream(Purpose.HEAD))
        self.objective = config.method.build(
            self.head.out_dim, self._classes(), config.stream(Purpose.OBJECTIVE)
        )
        for module in self._modules().values():
            module.to(self.device)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective.bind(self.encoder, self.head)
        self.stepper = self._stepper()
        self.views = _Views(config, self.train)
        self.history: list[dict[str, float]] = []
        self._start = time.perf_counter()

    def _classes(self) -> int | None:
        label = self.config.method.label
        if label is None:
            return None
        values = self.train.labels[label]
        if values.min() < 0:
            unknown = int((values < 0).sum())
            raise ValueError(
                f"method.label {label!r} must be known for every training image, {unknown} have none"
            )
        return int(values.max()) + 1

    def _modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "head": self.head, "objective": self.objective}

    def _stepper(self) -> Stepper:
        """Of the schedule, with the method's own parameters on the head's side."""
        return self.config.schedule.start(self.encoder, nn.ModuleList([self.head, self.objective]))

    def train_epoch(self) -> None:
        """One pass over the training images, and its row of the history."""
        self._set_mode(training=True)
        if isinstance(self.head, PCAHead):
            self.head.refresh(self._subset_features())
        losses = []
        for index, views in self.views.epoch():
            batch = Batch(views, self._labels(index))
            losses.append(self._step(batch))
        self.stepper.end_epoch(self._head_losses())
        self.history.append(self._row(torch.stack(losses).mean().item(), views))

    def _step(self, batch: Batch) -> Tensor:
        with self._precision():
            h = self._encode(batch.views)
        value = self.stepper.step(lambda: self._loss(h, batch))
        config = self.config
        if config.sparsity is not None:
            fixed_norm = needs_fixed_norm(self.head, self.objective.scale_free)
            config.sparsity.step(self.head, config.schedule.optimizer.lr, fixed_norm)
        self.objective.after_step(self.encoder, self.head)
        return value

    def _loss(self, h: Tensor, batch: Batch) -> Tensor:
        with self._precision():
            z = self.head(h)
        return self.objective(z.float(), batch)

    def _encode(self, views: Tensor) -> Tensor:
        return self.encoder(views.contiguous(memory_format=torch.channels_last))

    def _precision(self):
        low = self.config.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16) if low else nullcontext()

    def _labels(self, index: Tensor) -> Tensor | None:
        label = self.config.method.label
        return None if label is None else self.train.labels[label][index.to(self.device)]

    @torch.no_grad()
    def _subset_features(self) -> Tensor:
        """Representations of the first training stills, batch norm by its running statistics."""
        self._set_mode(training=False)
        index = torch.arange(min(SUBSET, len(self.train)), device=self.device)
        h = self._encode(self.config.augment.still(self.train.stills(index)))
        self._set_mode(training=True)
        return h

    def _head_losses(self) -> Iterator[Callable[[], Tensor]]:
        """Losses of the head alone on the batches of the subset, for schedules that move it between epochs."""
        n = min(SUBSET, len(self.train))
        for index in torch.arange(n - n % self.config.batch).split(self.config.batch):
            batch = Batch(self.views.draw(index), self._labels(index))
            with torch.no_grad():
                h = self._encode(batch.views)
            yield partial(self._loss, h, batch)

    def _row(self, loss: float, views: Tensor) -> dict[str, float]:
        epoch = len(self.history) + 1
        if not np.isfinite(loss):
            raise FloatingPointError(f"mean loss of epoch {epoch} is {loss} for {self.config}")
        row = {"epoch": epoch, "loss": loss}
        self._set_mode(training=False)
        with torch.no_grad():
            h = self._encode(views[: len(views) // 2])
            for name, features in (("h", h), ("z", self.head(h))):
                row[f"effective_rank_{name}"] = _centred_rank(features)
        if self.config.monitor and epoch % self.config.monitor == 0:
            row |= self._neighbours()
        return row | {"seconds": time.perf_counter() - self._start}

    @torch.no_grad()
    def _neighbours(self) -> dict[str, float]:
        label, scores = self.config.data.label_names[0], {}
        sides = []
        for split in (self.train, self.test):
            index = (split.labels[label] >= 0).nonzero()[:SUBSET, 0]
            h = self._encode(self.config.augment.still(split.stills(index)))
            sides.append((h, self.head(h), split.labels[label][index]))
        for place, name in enumerate("hz"):
            data = [side[part].cpu().numpy() for side in sides for part in (place, 2)]
            scores[f"knn_{name}"] = knn_probe(*data)
        return scores

    def _set_mode(self, training: bool) -> None:
        for module in self._modules().values():
            module.train(training)

    def finish(self) -> Pretrained:
        """Batch-norm statistics of one more pass; evaluation mode."""
        network = nn.Sequential(self.encoder, self.head)
        self._set_mode(training=True)
        if isinstance(self.head, PCAHead) and not self.history:
            self.head.refresh(self._subset_features())
        update_bn((views for _, views in self.views.epoch()), network)
        self._set_mode(training=False)
        parts = (self.config, self.train, self.test, self.encoder, self.head, self.objective)
        return Pretrained(*parts, tuple(self.history))

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "config": recipe_to_json(self.config),
            "history": self.history,
            "stepper": self.stepper.state_dict(),
            "streams": {name: stream.get_state() for name, stream in self.views.streams.items()},
            **{name: module.state_dict() for name, module in self._modules().items()},
        }

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint of the same configuration; epochs, monitor and device may differ."""
        state = read_checkpoint(path, self.device)
        stored = recipe_from_json(state["config"])
        same = replace(
            stored, epochs=self.config.epochs, monitor=self.config.monitor, device=self.config.device
        )
        if same != self.config:
            changes = "; ".join(changed_fields(same, self.config))
            raise ValueError(f"checkpoint {path} belongs to another configuration: {changes}")
        if len(state["history"]) > self.config.epochs:
            raise ValueError(
                f"epochs must be >= {len(state['history'])} (done in {path}), got {self.config.epochs}"
            )
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        self.stepper.load_state_dict(state["stepper"])
        for name, stream in self.views.streams.items():
            stream.set_state(state["streams"][name].cpu())
        self.history = state["history"]
        self._start -= self.history[-1]["seconds"] if self.history else 0.0


def _centred_rank(features: Tensor) -> float:
    return effective_rank((features - features.mean(0)).float().cpu().numpy())
