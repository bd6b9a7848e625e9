"""Pretraining of an encoder with a projection head on images, for any data, method, head and schedule."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from neural.data.images import ImageSplit
from neural.devices import resolve_device
from neural.measures.probes import knn_probe
from neural.measures.spectra import centre, effective_rank
from neural.models.encoders import StagedEncoder
from neural.models.heads import Head, PCAHead
from neural.models.sparsity import needs_fixed_norm
from neural.training.checkpoints import fingerprint_data, read_checkpoint, write_checkpoint
from neural.training.configuration import ImageRecipe, PretrainConfig, Purpose
from neural.training.methods import Batch, Objective
from neural.training.recipes import changed_fields, recipe_from_json, recipe_to_json
from neural.training.schedules import Stepper

__all__ = [
    "ImageRecipe",
    "PretrainConfig",
    "Pretrained",
    "Purpose",
    "example_views",
    "load_pretrained",
    "pretrain",
]

SUBSET = 1024
"""Training images, drawn at random once for the whole run, that PCA heads, slow heads and the monitor look at."""


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

    After the last epoch, one more pass over the training pairs without learning sets the statistics of the batch
    norms, for untrained networks too.

    Parameters
    ----------
    config : PretrainConfig
        On one machine the same configuration gives the same numbers (one torch thread, CPU).
    checkpoint : path, optional
        File that holds the state after the last complete epoch, from the start on. When it is there, the run goes
        on from it, to the same numbers as without interruption; a configuration with more epochs continues a
        shorter one. The data must be the same too.
    progress : callable, optional
        Called after each epoch with its row of `Pretrained.history` and the number of epochs; for instance an
        `EpochReporter`.

    Returns
    -------
    Pretrained

    Raises
    ------
    FloatingPointError
        When the loss or the features of an epoch are not finite: the training has diverged. The checkpoint still
        holds the epoch before.
    OSError
        When the checkpoint cannot be written; this is tried before the first epoch.
    ValueError
        When the checkpoint is damaged, belongs to another configuration or to other data, or a batch is larger than
        the data.
    """
    run = _Run(config)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None:
        if path.exists():
            run.restore(path)
        write_checkpoint(path, run.state())
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
        When there is no complete checkpoint, or the data have changed since.
    """
    path = Path(checkpoint)
    config = recipe_from_json(read_checkpoint(path)["config"], f"checkpoint {path}")
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
"""Views of whole epochs, and the states of the streams after them; the oldest epoch is dropped first."""
_KEPT_LOCK = Lock()
_KEPT_EPOCHS = 24
_KEPT_NUMBERS = 2**21  # largest epoch that is kept, 8 MiB


class _Views:
    """Endless stream of batches of pairs of views of one training half."""

    STREAMS = {"order": Purpose.ORDER, "pairs": Purpose.PAIRS, "augmentation": Purpose.AUGMENTATION}

    def __init__(self, config: PretrainConfig, train: ImageSplit) -> None:
        self.config, self.train = config, train
        self.streams = {name: config.stream(purpose) for name, purpose in self.STREAMS.items()}

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Index (B,) and views (2B, 3, size, size) of every batch, the first views before the second ones.

        Runs that differ only in method, head or schedule see the same views. For small data they are drawn once.
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
    """State of a run between two epochs."""

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
        _check_stills(self.train.stills(torch.arange(1)))
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
        classes = int(values.max()) + 1
        if classes > len(values):
            raise ValueError(
                f"method.label {label!r} must number its classes from 0, got the number {classes - 1} for "
                f"{len(values)} images"
            )
        return classes

    def _modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "head": self.head, "objective": self.objective}

    def _stepper(self) -> Stepper:
        """Stepper of the schedule, which trains the parameters of the objective with those of the head."""
        return self.config.schedule.start(self.encoder, nn.ModuleList([self.head, self.objective]))

    def train_epoch(self) -> None:
        """Pass once over the training images and add a row to the history."""
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

    def _draw_subset(self, candidates: Tensor, least: int = 0) -> Tensor:
        """At most SUBSET of the candidates (but `least` of them), always the same ones, in random order."""
        order = torch.randperm(len(candidates), generator=self.config.stream(Purpose.SUBSET))
        return candidates[order[: max(SUBSET, least)]]

    @torch.no_grad()
    def _subset_features(self) -> Tensor:
        """Representations of a subset of the training stills, batch norm by its running statistics."""
        self._set_mode(training=False)
        index = self._draw_subset(torch.arange(len(self.train)))
        h = self._encode(self.config.augment.still(self.train.stills(index)))
        self._set_mode(training=True)
        return h

    def _head_losses(self) -> Iterator[Callable[[], Tensor]]:
        """Losses of the head alone on the batches of the subset, for schedules that move it between epochs."""
        size = self.config.batch
        subset = self._draw_subset(torch.arange(len(self.train)), least=size)
        for index in subset[: len(subset) - len(subset) % size].split(size):
            batch = Batch(self.views.draw(index), self._labels(index))
            with torch.no_grad():
                h = self._encode(batch.views)
            yield partial(self._loss, h, batch)

    def _row(self, loss: float, views: Tensor) -> dict[str, float]:
        epoch = len(self.history) + 1
        row = {"epoch": epoch, "loss": loss}
        self._set_mode(training=False)
        with torch.no_grad():
            h = self._encode(views[: len(views) // 2])
            features = {"h": h, "z": self.head(h)}
        if not all(torch.isfinite(values).all() for values in (torch.tensor(loss), *features.values())):
            raise FloatingPointError(
                f"training diverged in epoch {epoch}, the mean loss of epoch {epoch} is {loss}: choose a smaller "
                f"step size, schedule.optimizer.lr is {self.config.schedule.optimizer.lr}"
            )
        for name, values in features.items():
            row[f"effective_rank_{name}"] = effective_rank(centre(values))
        if self.config.monitor and epoch % self.config.monitor == 0:
            row |= self._neighbours()
        return row | {"seconds": time.perf_counter() - self._start}

    @torch.no_grad()
    def _neighbours(self) -> dict[str, float]:
        """Nearest-neighbour accuracies of the first label; none where no image of one half has a label.

        A test image whose class is not among the training images looked at counts as an error.
        """
        label = self.config.data.label_names[0]
        sides = []
        for split in (self.train, self.test):
            index = self._draw_subset((split.labels[label] >= 0).nonzero()[:, 0].cpu())
            if not len(index):
                return {}
            h = self._encode(self.config.augment.still(split.stills(index)))
            sides.append({"h": h.cpu(), "z": self.head(h).cpu(), "y": split.labels[label].cpu()[index]})
        train, test = sides
        known = torch.isin(test["y"], train["y"])
        if not known.any():
            return {"knn_h": 0.0, "knn_z": 0.0}
        share, k = known.double().mean().item(), min(20, len(train["y"]))
        return {
            f"knn_{name}": share
            * knn_probe(train[name], train["y"], test[name][known], test["y"][known], k=k)
            for name in "hz"
        }

    def _set_mode(self, training: bool) -> None:
        for module in self._modules().values():
            module.train(training)

    def finish(self) -> Pretrained:
        """Set the statistics of the batch norms by one more pass, and switch to evaluation mode."""
        network = nn.Sequential(self.encoder, self.head)
        self._set_mode(training=True)
        if isinstance(self.head, PCAHead) and not self.history:
            self.head.refresh(self._subset_features())
        update_bn((views for _, views in self.views.epoch()), network)
        self._set_mode(training=False)
        parts = (self.config, self.train, self.test, self.encoder, self.head, self.objective)
        return Pretrained(*parts, tuple(self.history))

    def state(self) -> dict[str, Any]:
        """Everything that another process needs in order to go on with the run."""
        return {
            "config": recipe_to_json(self.config),
            "data": self._data_fingerprint,
            "history": self.history,
            "stepper": self.stepper.state_dict(),
            "streams": {name: stream.get_state() for name, stream in self.views.streams.items()},
            **{name: module.state_dict() for name, module in self._modules().items()},
        }

    @cached_property
    def _data_fingerprint(self) -> str:
        return fingerprint_data(self.train, self.test)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint of the same configuration and data; epochs, monitor and device may differ."""
        state = read_checkpoint(path)
        stored = recipe_from_json(state["config"], f"checkpoint {path}")
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
        if state["data"] != self._data_fingerprint:
            raise ValueError(
                f"checkpoint {path} was trained on other images or labels than those that are there now: "
                "bring the old ones back, or start a new run in another folder"
            )
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        self.stepper.load_state_dict(state["stepper"])
        for name, stream in self.views.streams.items():
            stream.set_state(state["streams"][name])
        self.history = state["history"]
        self._start -= self.history[-1]["seconds"] if self.history else 0.0


def _check_stills(images: Tensor) -> None:
    """Refuse images that are not (B, 3, height, width) floats in [0, 1], such as floats of 0..255."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(
            f"data must give stills as float tensors (B, 3, height, width), got {images.dtype} {tuple(images.shape)}"
        )
    if not 0 <= images.min() <= images.max() <= 1:
        raise ValueError(f"data must give stills in [0, 1], got {images.min():g}..{images.max():g}")
