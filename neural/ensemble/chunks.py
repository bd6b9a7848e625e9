"""Training of an ensemble in chunks of members; the chunks that read the same data share one thread."""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from neural.ensemble.gradients import LOSSES
from neural.ensemble.members import DTYPES, Member, Shape
from neural.ensemble.networks import Network
from neural.ensemble.step import Graphed, Step, list_parameters
from neural.ensemble.streams import PairSource, PairStream
from neural.ensemble.updates import StackedAdam, StackedSGD
from neural.seeds import torch_generator

Probe = Callable[[Network, tuple[Member, ...]], Tensor]

_REPORT_SECONDS = 0.5


def plan_runs(members: Sequence[Member], slots: int, pieces: int) -> list[list[list[int]]]:
    """Divide the members into chunks, and the chunks into runs, each of which one thread executes.

    Members that read the same data are put together. The chunks are of equal size, but for one member, and at least
    `pieces` of them are made where there are as many members. The chunks that all read one stream are divided into at
    most `pieces` runs, so that the stream is drawn that many times. Every other chunk is a run of its own.

    Parameters
    ----------
    members : sequence of Member
    slots : int
        Largest number of members in a chunk.
    pieces : int

    Returns
    -------
    list of list of list of int
        For every run and every chunk in it, the indices of its members.
    """
    first: dict[Hashable, int] = {}
    for index, member in enumerate(members):
        first.setdefault(_stream_key(member), index)
    order = sorted(range(len(members)), key=lambda index: first[_stream_key(members[index])])
    number = max(-(-len(order) // slots), min(pieces, len(order)))
    chunks = [chunk.tolist() for chunk in np.array_split(order, number)]
    runs = []
    for keys, group in groupby(chunks, key=lambda chunk: {_stream_key(members[index]) for index in chunk}):
        alike = list(group)
        size = -(-len(alike) // pieces) if len(keys) == 1 else 1
        runs += [alike[i : i + size] for i in range(0, len(alike), size)]
    return runs


class Chunk:
    """Weights, optimiser state and log of at most `slots` members; copies of the last one fill the empty slots.

    Parameters
    ----------
    members : tuple of Member
    slots : int
    shape : Shape
    device : torch.device

    Attributes
    ----------
    filled : tuple of Member
        One member per slot.
    network : Network
        Current weights of the members, without padding.
    padded : Network
        The same memory, with the padding of `Layout` and with all slots.
    parameters : list of tensors
        Of `padded`.
    temperature : (slots, 1, 1) tensor
    optimizer : StackedSGD or StackedAdam
    """

    def __init__(self, members: tuple[Member, ...], slots: int, shape: Shape, device: torch.device) -> None:
        self.members = members
        self.filled = members + members[-1:] * (slots - len(members))
        self.padded = _padded_network(slots, shape, device)
        self.network = _true_part(self.padded, len(members), shape)
        _initialise(_true_part(self.padded, slots, shape), self.filled)
        self.parameters = list_parameters(self.padded)
        self.temperature = self._column("temperature")
        self.optimizer = self._optimizer(shape)
        self._losses: list[Tensor] = []
        self._probed: dict[str, list[Tensor]] = {}

    def record(self, losses: Tensor, probes: Mapping[str, Probe]) -> None:
        """Log the losses of all slots, and the probes of the members."""
        self._losses.append(losses[: len(self.members)])
        for name, probe in probes.items():
            got = probe(self.network, self.members)
            if len(got) != len(self.members):
                raise ValueError(
                    f"probe {name!r} must return one row per member ({len(self.members)}), got {len(got)}"
                )
            self._probed.setdefault(name, []).append(got.clone())

    def losses(self) -> np.ndarray:
        """Logged losses of the members, (C, n_log)."""
        return torch.stack(self._losses, 1).double().cpu().numpy()

    def probed(self, name: str) -> np.ndarray:
        """Logged values of a probe, (C, n_log, ...)."""
        return torch.stack(self._probed[name], 1).cpu().numpy()

    def _optimizer(self, shape: Shape) -> StackedSGD | StackedAdam:
        settings = {name: self._column(name) for name in ("lr", "momentum", "weight_decay")}
        if shape.optimizer == "sgd":
            return StackedSGD(self.parameters, **settings)
        return StackedAdam(self.parameters, lr=settings["lr"], weight_decay=settings["weight_decay"])

    def _column(self, name: str) -> Tensor:
        values = [getattr(member, name) for member in self.filled]
        return self.parameters[0].new_tensor(values).view(-1, 1, 1)


class ChunkRun:
    """All steps of several chunks that read the same streams, one block of steps of each chunk in turn.

    Parameters
    ----------
    chunks : sequence of tuple of Member
        At most `slots` members each.
    slots : int
    shape : Shape
    device : torch.device
    log_steps : (n_log,) int array
    probes : mapping of name -> callable

    Attributes
    ----------
    chunks : list of Chunk
        Set by `run`.
    steps_done : int
        Steps of all chunks that are done.
    steps : int
        Steps of all chunks together.
    """

    def __init__(
        self,
        chunks: Sequence[tuple[Member, ...]],
        slots: int,
        shape: Shape,
        device: torch.device,
        log_steps: np.ndarray,
        probes: Mapping[str, Probe],
    ) -> None:
        self._members, self._slots, self._shape, self._device = chunks, slots, shape, device
        self._log_steps, self._probes = set(log_steps.tolist()), probes
        self.chunks: list[Chunk] = []
        self.steps_done, self.steps = 0, len(chunks) * shape.steps

    def run(self, stop: threading.Event) -> None:
        """Train all chunks; return early when `stop` is set."""
        on_device = torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()
        with torch.no_grad(), on_device:
            self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        shape = self._shape
        self.chunks = [Chunk(members, self._slots, shape, self._device) for members in self._members]
        stream = self._stream()
        work = Step(shape, self.chunks[0].padded)
        updates = [self._update(work, chunk) for chunk in self.chunks]
        for start in range(0, shape.steps + 1, stream.steps):
            stream.draw()
            for chunk, update in zip(self.chunks, updates, strict=True):
                for step in range(start, min(start + stream.steps, shape.steps + 1)):
                    if stop.is_set():
                        return
                    batch = stream.step(step - start)
                    if step in self._log_steps:
                        chunk.record(work.losses(chunk, *batch), self._probes)
                    if step < shape.steps:
                        chunk.optimizer.advance()
                        update(*batch)
                        self.steps_done += 1

    def _stream(self) -> PairStream:
        shape = self._shape
        keys = [_stream_key(member) for member in self.chunks[0].filled]
        labelled = shape.loss == "supervised_contrastive"
        dtype = DTYPES[shape.dtype]
        return PairStream(
            keys, shape.batch, shape.layout, labelled, dtype, self._device, static=self._graphed
        )

    def _update(self, work: Step, chunk: Chunk) -> Callable[..., None]:
        update = partial(work.update, chunk)
        return Graphed(update) if self._graphed else update

    @property
    def _graphed(self) -> bool:
        return self._device.type == "cuda" and self._shape.loss in LOSSES


def run_all(runs: list[ChunkRun], workers: int, progress: Callable[[float], None] | None) -> None:
    """Execute the runs in threads; the first error, or an interrupt, stops the others and is raised.

    Parameters
    ----------
    runs : list of ChunkRun
    workers : int >= 1
    progress : callable, optional
        Called in this thread with the fraction done.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with _one_torch_thread(), _full_precision(), pool:
        futures = [pool.submit(run.run, stop) for run in runs]
        try:
            _watch(futures, runs, progress)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _watch(futures: list[Future], runs: list[ChunkRun], progress: Callable[[float], None] | None) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_REPORT_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if progress and pending:
            steps = sum(run.steps_done for run in runs)
            progress(steps / max(1, sum(run.steps for run in runs)))
    if progress:
        progress(1.0)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Let torch use one thread in each worker, and restore the caller's setting afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Multiply float32 matrices in full float32 precision, and restore the caller's setting afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _padded_network(slots: int, shape: Shape, device: torch.device) -> Network:
    """Network of zeros with the padding of the shape's layout."""
    sizes, make = shape.layout, partial(torch.zeros, dtype=DTYPES[shape.dtype], device=device)
    rows = ((sizes.width, sizes.dim), (sizes.embed_dim, sizes.width))
    weights = tuple(make(slots, *size) for size in rows)
    biases = tuple(make(slots, out) for out, _ in rows) if shape.bias else None
    return Network(weights, biases, shape.activation)


def _true_part(padded: Network, members: int, shape: Shape) -> Network:
    """The first members without their padding; the memory is shared."""
    sizes = (shape.width, shape.dim), (shape.embed_dim, shape.width)
    weights = tuple(w[:members, :out, :into] for w, (out, into) in zip(padded.weights, sizes, strict=True))
    biases = padded.biases and tuple(
        b[:members, :out] for b, (out, _) in zip(padded.biases, sizes, strict=True)
    )
    return Network(weights, biases, padded.activation)


def _initialise(network: Network, members: Sequence[Member]) -> None:
    """Draw the Gaussian weights of each member in float64 on the CPU, the first layer first."""
    for index, member in enumerate(members):
        generator = torch_generator(member.seed, "init")
        for stacked in network.weights:
            drawn = torch.randn(stacked.shape[1:], generator=generator, dtype=torch.float64)
            stacked[index].copy_(drawn * member.init_scale)


def _stream_key(member: Member) -> tuple[PairSource, int]:
    """Key of the stream of a member: members with equal keys see the same batches."""
    return member.data, member.seed if member.data_seed is None else member.data_seed
