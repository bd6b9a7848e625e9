"""What the members of an ensemble share and what may differ between them."""

from dataclasses import dataclass
from typing import Literal

import torch

from neural.checks import check_below_one, check_choice, check_integer, check_not_negative, check_positive
from neural.ensemble.gradients import LOSSES, Loss
from neural.ensemble.layout import Layout
from neural.ensemble.networks import ACTIVATIONS, Activation
from neural.ensemble.streams import PairSource

DTYPES = {"float32": torch.float32, "float64": torch.float64}
_OPTIMIZERS = ("sgd", "adam")
_CACHE = 2**21


@dataclass(frozen=True)
class Member:
    """What may differ between the members of an ensemble.

    Parameters
    ----------
    seed : int >= 0
        Seed of the initial weights: members with equal seed, shape and init_scale start equal.
    data : PairSource
        Hashable, with attribute `dim` and method `sample_pairs(n, generator, dtype)` -> (x1, x2), (n, dim)
        tensors on the generator's device; for the supervised contrastive loss `sample_labelled_views`, which
        also returns (n,) int64 labels. Called from several threads.
    data_seed : int >= 0, optional
        Seed of the batches; by default `seed`. Members with equal (data, data_seed) see the same batches; members
        with equal data_seed and different data use the same random numbers.
    lr : float > 0
    momentum : float in [0, 1)
        Not used by Adam.
    weight_decay : float >= 0
        Torch's convention: adds (weight_decay/2)|w|^2, biases included.
    init_scale : float > 0
        Standard deviation of every initial weight; biases start at 0.
    temperature : float > 0
        Not used by the spectral loss.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    seed: int
    data: PairSource
    data_seed: int | None = None
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    init_scale: float = 0.02
    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0)
        if self.data_seed is None:
            object.__setattr__(self, "data_seed", self.seed)
        check_integer("data_seed", self.data_seed, 0)
        for name in ("lr", "init_scale", "temperature"):
            check_positive(name, getattr(self, name))
        check_below_one("momentum", self.momentum)
        check_not_negative("weight_decay", self.weight_decay)


@dataclass(frozen=True)
class Shape:
    """What all members of an ensemble share, which is everything that changes tensor shapes or code.

    Parameters
    ----------
    dim, width, embed_dim : int >= 1
        Input, representation (before the head) and embedding (after the head) dimension.
    batch : int >= 2
        Positive pairs per step.
    steps : int >= 0
        Number of updates; 0 returns the initial networks.
    activation : {"relu", "linear"}
        Activation of the hidden layer.
    bias : bool
    loss : {"spectral", "info_nce", "nt_xent", "supervised_contrastive"} or callable
        A callable takes (z1, z2, temperature), (C, B, p) twice and (C,), and returns (C,) losses, each of its
        own member only; for instance `functools.partial(info_nce, similarity="cosine")`.
    optimizer : {"sgd", "adam"}
    dtype : {"float32", "float64"}
        Initial weights do not depend on it beyond rounding; the random numbers of the data usually do.
    chunk : int >= 1, optional
        Largest number of members that one worker trains at once. By default it is `chunk_size` on the CPU, and on
        CUDA as many as fit into memory.

    Raises
    ------
    ValueError
        If a value is out of its range or unknown.
    """

    dim: int
    width: int
    embed_dim: int
    batch: int
    steps: int
    activation: Activation = "relu"
    bias: bool = False
    loss: Loss = "spectral"
    optimizer: Literal["sgd", "adam"] = "sgd"
    dtype: Literal["float32", "float64"] = "float32"
    chunk: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("width", 1), ("embed_dim", 1), ("batch", 2), ("steps", 0)):
            check_integer(name, getattr(self, name), least)
        if self.chunk is not None:
            check_integer("chunk", self.chunk, 1)
        check_choice("activation", self.activation, ACTIVATIONS)
        if not callable(self.loss):
            check_choice("loss", self.loss, LOSSES)
        check_choice("optimizer", self.optimizer, _OPTIMIZERS)
        check_choice("dtype", self.dtype, DTYPES)

    @property
    def chunk_size(self) -> int:
        """`chunk`, or by default the number of members whose working memory fits into 2 MiB, from 1 to 32."""
        return self.chunk or min(max(1, _CACHE // self.working_memory), 32)

    @property
    def working_memory(self) -> int:
        """Bytes that one step of one member reads and writes: hidden layer, its gradient and matrices of logits."""
        known = {"spectral": 0, "info_nce": self.batch}
        rows = known.get(self.loss, 2 * self.batch) if isinstance(self.loss, str) else 2 * self.batch
        return DTYPES[self.dtype].itemsize * (4 * self.width * self.batch + rows**2)

    @property
    def layout(self) -> Layout:
        """Padded sizes of the arrays of every member in memory."""
        itemsize = DTYPES[self.dtype].itemsize
        return Layout.of(self.dim, self.width, self.embed_dim, self.batch, bias=self.bias, itemsize=itemsize)
