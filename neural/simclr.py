"""SimCLR on digits on photographs: training, features before and after the head, one run as numbers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from neural.augment import Augment, centre_crop
from neural.devices import resolve_device
from neural.encoders import SmallConv
from neural.heads import HeadConfig, MLPConfig
from neural.images import DigitsOnPhotographs, Split
from neural.losses import nt_xent
from neural.probes import knn_probe, linear_probe
from neural.seeds import torch_generator
from neural.spectra import effective_rank


class Purpose(IntEnum):
    """What a stream of random numbers is for; each purpose of a run has its own stream."""

    DATA = 0
    ENCODER = 1
    HEAD = 2
    ORDER = 3
    PAIRS = 4
    AUGMENTATION = 5


@dataclass(frozen=True)
class SimclrConfig:
    """One SimCLR run.

    Everything random is derived from `seed` and `member`, with one stream for each `Purpose`: runs that
    differ in strength, p_drop, head or epochs share all the rest.

    Attributes
    ----------
    data : DigitsOnPhotographs
        Recipe of the images.
    seed, member : int >= 0
        Root of all random streams, and number of the repetition.
    epochs : int >= 0
        Passes over the training images; 0 is the untrained control.
    batch : int >= 2
        Pairs per step; the last incomplete batch of an epoch is dropped.
    lr, weight_decay : float
        Adam's step size (> 0) and coupled L2 penalty (>= 0).
    temperature : float > 0
        Of the NT-Xent loss.
    width : int
        Channels of the first convolution; the representation has 4 * width entries.
    last_relu : bool
        Whether the encoder ends with a ReLU.
    head : HeadConfig
        Recipe of the head.
    augment : Augment
        Random views in training; test images are centre crops of the same size.
    device : str
        "cpu", "cuda", "cuda:N" or "auto". All draws are made on the CPU, so views and initial weights do not
        depend on it.

    Raises
    ------
    ValueError
        When a field is out of range.
    """

    data: DigitsOnPhotographs = field(default_factory=DigitsOnPhotographs)
    seed: int = 0
    member: int = 0
    epochs: int = 10
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 1e-6
    temperature: float = 0.5
    width: int = 16
    last_relu: bool = True
    head: HeadConfig = field(default_factory=MLPConfig)
    augment: Augment = field(default_factory=Augment)
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, low in (("seed", 0), ("member", 0), ("epochs", 0), ("weight_decay", 0), ("width", 1)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name} must be >= {low}, got {getattr(self, name)}")
        for name in ("lr", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        if not 2 <= self.batch <= self.data.train_size:
            raise ValueError(f"batch must be in [2, {self.data.train_size}] (train_size), got {self.batch}")

    def stream(self, purpose: Purpose) -> torch.Generator:
        """CPU generator of this run for one purpose, seeded by SeedSequence([seed, purpose, member])."""
        return torch_generator(self.seed, purpose, self.member)

    def build_data(self) -> tuple[Split, Split]:
        """Training and test split of this run, on the CPU."""
        return self.data.build(np.random.default_rng([self.seed, Purpose.DATA, self.member]))


@dataclass(frozen=True)
class SimclrResult:
    """A trained network with its data.

    Attributes
    ----------
    config : SimclrConfig
    train, test : Split
        On the device of the network.
    encoder, head : nn.Module
        In evaluation mode.
    loss : tuple of float
        Mean loss of each epoch.
    """

    config: SimclrConfig
    train: Split
    test: Split
    encoder: nn.Module
    head: nn.Module
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Features:
    """Representations before the head (`pre`) and embeddings after it (`post`) of one split, with the labels.

    Attributes
    ----------
    pre : ndarray, shape (n, 4 * width)
        float32.
    post : ndarray, shape (n, embed_dim)
        float32.
    digit, photo : ndarray, shape (n,)
        int64 labels.
    """

    pre: np.ndarray
    post: np.ndarray
    digit: np.ndarray
    photo: np.ndarray


def train_simclr(config: SimclrConfig, *, progress: Callable[[float], None] | None = None) -> SimclrResult:
    """Train encoder and head together on the NT-Xent loss.

    Afterwards one more pass over the training pairs, without learning, sets the batch-norm statistics.
    Trained and untrained networks are thus treated alike.

    Parameters
    ----------
    config : SimclrConfig
        The run. On one machine the same configuration gives the same numbers (one torch thread, CPU).
    progress : callable, optional
        Called with the fraction done after each epoch.

    Returns
    -------
    SimclrResult

    Raises
    ------
    FloatingPointError
        When the loss of an epoch is not finite.
    """
    device = resolve_device(config.device)
    train, test = (split.to(device) for split in config.build_data())
    encoder = SmallConv(config.width, last_relu=config.last_relu, generator=config.stream(Purpose.ENCODER))
    head = config.head.build(encoder.out_dim, config.stream(Purpose.HEAD))
    network = nn.Sequential(encoder, head).to(device)
    views = _Views(config, train)
    loss = _fit(config, network, views, progress or (lambda done: None))
    update_bn((torch.cat(pair) for pair in views.epoch()), network)
    network.eval()
    return SimclrResult(config, train, test, encoder, head, tuple(loss))


def example_views(config: SimclrConfig, index: Tensor) -> tuple[Tensor, Tensor]:
    """One pair of views of chosen training images, as a network would see them.

    Parameters
    ----------
    config : SimclrConfig
    index : Tensor, shape (B,)
        int64 indices into the training split of `config.build_data()`.

    Returns
    -------
    first, second : Tensor, shape (B, 3, size, size)
        Values in [0, 1]; `second` lacks the digit with probability p_drop.
    """
    return _Views(config, config.build_data()[0]).draw(index)


def extract(result: SimclrResult, split: Split) -> Features:
    """Features of the stills of a split, centre-cropped, network in evaluation mode.

    Parameters
    ----------
    result : SimclrResult
    split : Split
        `result.train` or `result.test`, or another split on the same device.

    Returns
    -------
    Features
    """
    with torch.inference_mode():
        pre = result.encoder(centre_crop(split.stills(), result.config.augment.size))
        post = result.head(pre)
    return Features(*(x.cpu().numpy() for x in (pre, post, split.digit, split.photo)))


def evaluate(result: SimclrResult) -> dict[str, float]:
    """Accuracy of both probes for both labels, and effective ranks, before and after the head.

    Parameters
    ----------
    result : SimclrResult

    Returns
    -------
    dict
        Keys `<label>_<probe>_<space>` with label digit or photo, probe linear or knn, space pre or post:
        test accuracy in [0, 1] of probes fitted on the training stills. Keys `effective_rank_<space>`: of
        the centred training features.
    """
    train, test = extract(result, result.train), extract(result, result.test)
    scores = {}
    for space in ("pre", "post"):
        for label, (name, probe) in product(("digit", "photo"), _PROBES.items()):
            fitted_on = getattr(train, space), getattr(train, label)
            scores[f"{label}_{name}_{space}"] = probe(*fitted_on, getattr(test, space), getattr(test, label))
        features = getattr(train, space)
        scores[f"effective_rank_{space}"] = effective_rank(features - features.mean(axis=0))
    return scores


def run_digits(config: SimclrConfig) -> dict[str, float | list[float]]:
    """Train, evaluate and return plain numbers, ready for a sweep.

    Parameters
    ----------
    config : SimclrConfig

    Returns
    -------
    dict
        The keys of `evaluate`, `loss` (list, one mean per epoch) and `seconds` (wall time).
    """
    start = time.perf_counter()
    result = train_simclr(config)
    scores = evaluate(result)
    return {**scores, "loss": list(result.loss), "seconds": time.perf_counter() - start}


_PROBES = {"linear": linear_probe, "knn": knn_probe}


class _Views:
    """Endless stream of batches of pairs of views of one training split."""

    def __init__(self, config: SimclrConfig, train: Split) -> None:
        self.config, self.train = config, train
        self.order = config.stream(Purpose.ORDER)
        self.pairs = config.stream(Purpose.PAIRS)
        self.augmentation = config.stream(Purpose.AUGMENTATION)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, batch = len(self.train), self.config.batch
        for index in torch.randperm(n, generator=self.order)[: n - n % batch].split(batch):
            yield self.draw(index)

    def draw(self, index: Tensor) -> tuple[Tensor, Tensor]:
        images = torch.cat(self.train.pairs(index, self.pairs))
        return self.config.augment(images, self.augmentation).chunk(2)


def _fit(
    config: SimclrConfig, network: nn.Module, views: _Views, progress: Callable[[float], None]
) -> list[float]:
    optimizer = torch.optim.Adam(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    curve = []
    for epoch in range(config.epochs):
        losses = []
        for pair in views.epoch():
            loss = nt_xent(*network(torch.cat(pair)).chunk(2), config.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        curve.append(torch.stack(losses).mean().item())
        if not np.isfinite(curve[-1]):
            raise FloatingPointError(f"mean loss of epoch {epoch + 1} is {curve[-1]} for {config}")
        progress((epoch + 1) / config.epochs)
    return curve
