"""Training of fixed-size chunks of ensemble members, each chunk by one thread."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neural.members import DTYPES, Member, Shape
from neural.networks import Network
from neural.objectives import Objective
from neural.seeds import torch_generator
from neural.streams import PairStream
from neural.two_layer import TwoLayerPass, parameters
from neural.updates import StackedAdam, StackedSGD

Probe = Callable[[Network, tuple[Member, ...]], Tensor]

_REPORT_SECONDS = 0.5


@dataclass(eq=False)
class ChunkRun:
    """All steps of one chunk of at most `shape.chunk` members, filled up with copies of its last member.

    Parameters
    ----------
    members : tuple of Member
    shape : Shape
    device : torch.device
    log_steps : (n_log,) int array
    probes : mapping of name -> callable

    Attributes
    ----------
    network : Network
        Current weights of the members.
    steps_done : int
    """

    members: tuple[Member, ...]
    shape: Shape
    device: torch.device
    log_steps: np.ndarray
    probes: Mapping[str, Probe]
    network: Network = field(init=False)
    steps_done: int = field(default=0, init=False)
    _losses: list[Tensor] = field(default_factory=list, init=False)
    _probed: dict[str, list[Tensor]] = field(default_factory=dict, init=False)

    def run(self, stop: threading.Event) -> None:
        """Train; give up early when `stop` is set."""
        with torch.no_grad():
            self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        shape = self.shape
        filled = self.members + self.members[-1:] * (shape.chunk - len(self.members))
        network = _initial_network(filled, shape, self.device)
        self.network = network.subset(slice(len(self.members)))
        passes = TwoLayerPass(network, 2 * shape.batch)
        optimizer = _optimizer(parameters(network), filled, shape)
        objective = Objective(shape.loss, _column(filled, "temperature", network.weights[0]).flatten())
        due = set(self.log_steps.tolist())
        for step, (x, labels) in enumerate(_stream(filled, shape, self.device)):
            z = passes.forward(x)
            if step in due:
                self._record(objective.value(z, labels))
            if step == shape.steps or stop.is_set():
                return
            objective.write_gradient(z, labels, passes.embedding_gradient)
            optimizer.step(passes.backward(x))
            self.steps_done += 1

    def _record(self, losses: Tensor) -> None:
        self._losses.append(losses)
        for name, probe in self.probes.items():
            value = probe(self.network, self.members)
            if len(value) != len(self.members):
                raise ValueError(
                    f"probe {name!r} must return one row per member ({len(self.members)}), got {len(value)}"
                )
            self._probed.setdefault(name, []).append(value.clone())

    def losses(self) -> np.ndarray:
        """Logged losses of the members, (C, n_log)."""
        return torch.stack(self._losses, 1)[: len(self.members)].double().cpu().numpy()

    def probed(self, name: str) -> np.ndarray:
        """Logged values of a probe, (C, n_log, ...)."""
        return torch.stack(self._probed[name], 1).cpu().numpy()


def run_all(runs: list[ChunkRun], workers: int, progress: Callable[[float], None] | None) -> None:
    """Run chunks in threads; the first error, or an interrupt, stops the others and is raised.

    Parameters
    ----------
    runs : list of ChunkRun
    workers : int >= 1
    progress : callable, optional
        Called in this thread with the fraction done.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with _one_torch_thread(), pool:
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
            progress(steps / max(1, len(runs) * runs[0].shape.steps))
    if progress:
        progress(1.0)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch's own threads out of the workers' way, and restore the caller's setting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _initial_network(members: Sequence[Member], shape: Shape, device: torch.device) -> Network:
    """Gaussian weights, drawn per member in float64 on the CPU, first layer first."""
    sizes = [(shape.width, shape.dim), (shape.embed_dim, shape.width)]
    generators = [torch_generator(member.seed, "init") for member in members]
    weights = tuple(
        torch.stack(
            [
                torch.randn(size, generator=generator, dtype=torch.float64) * member.init_scale
                for generator, member in zip(generators, members, strict=True)
            ]
        ).to(device, DTYPES[shape.dtype])
        for size in sizes
    )
    biases = tuple(w.new_zeros(w.shape[:2]) for w in weights) if shape.bias else None
    return Network(weights, biases, shape.activation)


def _stream(members: Sequence[Member], shape: Shape, device: torch.device) -> PairStream:
    keys = [(member.data, member.data_seed) for member in members]
    labelled = shape.loss == "supervised_contrastive"
    return PairStream(keys, shape.batch, labelled, DTYPES[shape.dtype], device)


def _optimizer(stacked: list[Tensor], members: Sequence[Member], shape: Shape) -> StackedSGD | StackedAdam:
    settings = {name: _column(members, name, stacked[0]) for name in ("lr", "momentum", "weight_decay")}
    if shape.optimizer == "sgd":
        return StackedSGD(stacked, **settings)
    return StackedAdam(stacked, lr=settings["lr"], weight_decay=settings["weight_decay"])


def _column(members: Sequence[Member], name: str, like: Tensor) -> Tensor:
    return like.new_tensor([getattr(member, name) for member in members]).view(-1, 1, 1)
