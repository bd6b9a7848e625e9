"""Training of many small two-layer contrastive networks at once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from neural.checks import check_integer
from neural.devices import available_cores, resolve_device
from neural.ensemble.chunks import ChunkRun, Probe, plan_runs, run_all
from neural.ensemble.members import DTYPES, Member, Shape
from neural.ensemble.networks import Network
from neural.ensemble.streams import block_steps

__all__ = ["Member", "Probe", "Shape", "TrainResult", "train"]


_FEWEST_SLOTS = 2  # a product of one pair of matrices may round otherwise than a batch of them


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Trained ensemble of E members, in the order given.

    Attributes
    ----------
    network : Network
        Final weights, two layers, on `device`.
    loss : (E, n_log) float64 array
        Loss of each member on a fresh batch, at each logged step.
    log_steps : (n_log,) int array
        Number of updates done before each log entry: 0, log_every, ... and the last, `shape.steps`.
    diverged : (E,) bool array
        Whether a logged loss is not finite; the last one is that of the final weights. The weights are left as they
        are.
    probes : dict of name -> (E, n_log, ...) arrays
    members : tuple of Member
    shape : Shape
    seconds : float
        Wall time.
    device : str
    """

    network: Network
    loss: np.ndarray
    log_steps: np.ndarray
    diverged: np.ndarray
    probes: dict[str, np.ndarray]
    members: tuple[Member, ...]
    shape: Shape
    seconds: float
    device: str

    def require_finite(self) -> "TrainResult":
        """Return the result itself if no member diverged.

        Raises
        ------
        FloatingPointError
            If members diverged; the message names them.
        """
        if self.diverged.any():
            which = np.flatnonzero(self.diverged).tolist()
            raise FloatingPointError(
                f"members {which} of {len(self.members)} diverged; the first is {self.members[which[0]]}"
            )
        return self


def train(
    members: Sequence[Member],
    shape: Shape,
    *,
    device: str | torch.device = "auto",
    workers: int | None = None,
    log_every: int = 100,
    progress: Callable[[float], None] | None = None,
    probes: Mapping[str, Probe] | None = None,
) -> TrainResult:
    """Train two-layer networks of one shape, each on its own stream of positive pairs.

    Every step draws a fresh batch. The members are divided into equal chunks of at most `shape.chunk_size`, and a
    worker thread runs all steps of a chunk on one core. The result of a member depends only on the member and the
    shape, not on the other members, their order or the number of workers: bit for bit on the CPU of one machine, up to
    round-off on CUDA. A member that diverges is marked and does not disturb the others.

    On CUDA a step is replayed as a CUDA graph, unless the loss is a callable.

    Parameters
    ----------
    members : sequence of Member
        At least one, each with data.dim == shape.dim.
    shape : Shape
    device : {"auto", "cpu", "cuda", "cuda:N"} or torch.device
        Random streams differ between CPU and CUDA.
    workers : int >= 1, optional
        Number of threads; by default one per core, and one on CUDA.
    log_every : int >= 1
        Number of updates between two log entries; it does not change the training.
    progress : callable, optional
        Called in this thread with the fraction done, now and then and with 1.0 at the end; for instance a
        `LineReporter`.
    probes : mapping of name -> callable, optional
        (network, members) -> (C, ...) tensor for C of the members, evaluated without gradients at every log
        entry, possibly from several threads. The network's tensors are overwritten by later updates.

    Returns
    -------
    TrainResult

    Raises
    ------
    ValueError
        If there are no members, dimensions do not match, a number is out of range or the device is missing.
    """
    members = tuple(members)
    _check_members(members, shape)
    check_integer("log_every", log_every, 1)
    chosen = resolve_device(device)
    workers = _workers(workers, chosen)
    start = time.perf_counter()
    log_steps = _log_steps(shape.steps, log_every)
    largest = _slots(shape, len(members), chosen)
    planned = plan_runs(members, largest, workers)
    used = max(len(chunk) for run in planned for chunk in run)
    slots = max(used, min(largest, _FEWEST_SLOTS))
    runs = [
        ChunkRun(
            [tuple(members[i] for i in chunk) for chunk in run], slots, shape, chosen, log_steps, probes or {}
        )
        for run in planned
    ]
    run_all(runs, workers, progress)
    chunks = [chunk for run in runs for chunk in run.chunks]
    places = np.argsort([index for run in planned for chunk in run for index in chunk])
    loss = np.concatenate([chunk.losses() for chunk in chunks])[places]
    return TrainResult(
        network=Network.concatenate([chunk.network for chunk in chunks]).subset(places.tolist()),
        loss=loss,
        log_steps=log_steps,
        diverged=~np.isfinite(loss).all(axis=1),
        probes={
            name: np.concatenate([chunk.probed(name) for chunk in chunks])[places] for name in probes or {}
        },
        members=members,
        shape=shape,
        seconds=time.perf_counter() - start,
        device=str(chosen),
    )


def _log_steps(steps: int, log_every: int) -> np.ndarray:
    return np.append(np.arange(0, steps, log_every), steps)


def _workers(workers: int | None, device: torch.device) -> int:
    if workers is not None:
        check_integer("workers", workers, 1)
        return workers
    return 1 if device.type == "cuda" else available_cores()


def _slots(shape: Shape, members: int, device: torch.device) -> int:
    """Number of members in a chunk; on CUDA by default as many as fit into half of the free memory."""
    if shape.chunk or device.type == "cpu":
        return shape.chunk_size
    numbers = 4 * block_steps(shape.dim, shape.batch, device) * shape.dim * shape.batch
    memory = 3 * shape.working_memory + numbers * DTYPES[shape.dtype].itemsize
    return min(members, max(1, torch.cuda.mem_get_info(device)[0] // 2 // memory))


def _check_members(members: tuple[Member, ...], shape: Shape) -> None:
    if not members:
        raise ValueError("members must hold at least one member, got none")
    for index, member in enumerate(members):
        if member.data.dim != shape.dim:
            raise ValueError(
                f"members[{index}].data.dim must equal shape.dim = {shape.dim}, got {member.data.dim}"
            )
        if shape.loss == "supervised_contrastive" and not hasattr(member.data, "sample_labelled_views"):
            raise ValueError(
                f"members[{index}].data must have sample_labelled_views for the supervised contrastive loss"
            )
