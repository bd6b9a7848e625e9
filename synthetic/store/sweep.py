"""One function at many points: in parallel, resumable, every result stored under the hash of what made it."""

import functools
import io
import itertools
import numbers
import os
import signal
import sys
import traceback
import warnings
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController

from neural.progress import LineReporter
from synthetic.store.fingerprint import LOADED, Sources, fingerprint, loaded_environment
from synthetic.store.results import (
    default_cache,
    read_result,
    result_path,
    warn_once,
    why_unwritable,
    write_result,
)

DEFAULT = object()
_OTHER_CODE = "worker and caller loaded different source files or versions; start both anew"
_WORKER_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # idle OpenMP threads sleep instead of spinning
}
_SECONDS_BETWEEN_LINES = 2.0


@dataclass(frozen=True)
class Failure:
    """One point of a sweep at which the function raised.

    Parameters
    ----------
    index : int
        Place of the point in the list that was given to `sweep`.
    point : object
        The point itself.
    traceback : str
        The traceback as text.
    """

    index: int
    point: object
    traceback: str


class SweepError(RuntimeError):
    """Some points of a sweep failed; all others were computed and stored.

    Parameters
    ----------
    failures : sequence of Failure
        The failed points in the order of the list given to `sweep`.
    total : int
        Number of points of the sweep.
    """

    def __init__(self, failures, total):
        self.failures = tuple(failures)
        self.total = total
        details = "\n".join(f"point {f.index}: {f.point!r}\n{f.traceback.rstrip()}" for f in self.failures)
        super().__init__(f"{len(self.failures)} of {total} points failed\n{details}")

    def __reduce__(self):
        return type(self), (self.failures, self.total)


def grid(**axes):
    """Every combination of the values on some axes, the last axis running fastest.

    Parameters
    ----------
    **axes : sequence
        Values of each parameter, at least one.

    Returns
    -------
    list of dict
        Points for `sweep`.

    Raises
    ------
    ValueError
        When an axis is no sequence of values (a number or a text is none), or is empty.

    Notes
    -----
    Source: derived.

    Examples
    --------
    >>> grid(sigma=[0.1, 0.2], seed=range(2))
    [{'sigma': 0.1, 'seed': 0}, {'sigma': 0.1, 'seed': 1}, {'sigma': 0.2, 'seed': 0}, {'sigma': 0.2, 'seed': 1}]
    """
    for name, values in axes.items():
        if isinstance(values, str) or not hasattr(values, "__len__") or len(values) == 0:
            raise ValueError(f"{name} must be a sequence of at least one value, got {values!r}")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def sweep(function, points, *, jobs=None, cache=DEFAULT, progress=True, label="", on_result=None):
    """Return ``[function(point) for point in points]``, computed in parallel and remembered.

    A result is stored as soon as it is there, so an interrupted sweep goes on where it stopped. It is found
    again only by the same function at an equal point, with the same versions of Python and the numerical packages,
    and while the source files that the function and the point import are unchanged (see
    `synthetic.store.closure`). Every point runs on one thread whatever `jobs` is, so that the numbers do not depend
    on `jobs`. Where a result cannot be stored, it is used all the same, and a line on standard error says so.

    Workers are processes on this machine, or what a surrounding ``joblib.parallel_config`` says: threads with
    ``"threading"``, the workers of a cluster with ``"dask"``. When one of these source files was edited after this
    process loaded it, results are neither read nor stored. Points are computed by the code that this process loaded.
    Where a worker process loaded other source files, this process computes its points instead; on a cluster such
    points fail.

    Parameters
    ----------
    function : callable
        Deterministic function of one point, defined at the top level of a module; its result can be pickled.
    points : sequence
        Frozen dataclasses or dicts of plain values, numpy arrays or further dataclasses.
    jobs : int, optional
        Number of workers, at least 1; 1 runs in this process. Left out: what a surrounding
        ``joblib.parallel_config`` says, else 1. A cluster uses all its workers whatever `jobs` is.
    cache : pathlib.Path or str or None, optional
        Folder of stored results; None stores and reads nothing. Left out: ``$PROJHEAD_CACHE`` (the word
        ``off`` disables), else ``.cache/sweep`` in the clone. With ``$PROJHEAD_FRESH`` set to 1, stored
        results are replaced and not read.
    progress : bool
        Print plain lines with the number of points done and the time left.
    label : str
        First word of these lines; the function's name when empty.
    on_result : callable, optional
        Called in this process as ``on_result(index, result)`` when a point that was not stored is done, in
        the order in which the points finish.

    Returns
    -------
    list
        Results in the order of `points`.

    Raises
    ------
    ValueError
        When `jobs` is no whole number of at least 1, or a point or the function cannot be told apart from another one.
    SweepError
        When the function raised at some points, after all other points were computed and stored.

    Notes
    -----
    Source: derived.
    """
    if jobs is not None and not (isinstance(jobs, numbers.Integral) and jobs >= 1):
        raise ValueError(f"jobs must be a whole number of at least 1, got {jobs!r}")
    points = list(points)
    folder = default_cache() if cache is DEFAULT else cache
    paths, files, edited = _paths(function, points, folder)
    fresh = os.environ.get("PROJHEAD_FRESH") == "1"
    results = {} if fresh else _stored(paths)
    report = _reporter(label or getattr(function, "__name__", "sweep"), len(points), len(results), progress)
    if edited:
        report.say("source files were edited since this process started: nothing is read or stored")
    missing = [index for index in range(len(points)) if index not in results]
    if any(paths[index] for index in missing) and (problem := why_unwritable(Path(folder).absolute())):
        _say_not_stored(problem)
        paths = [None] * len(points)
    loaded = loaded_environment(files)
    tasks = [_Task(function, index, points[index], paths[index], files, loaded) for index in missing]
    failures, done = [], len(results)
    for outcome in _computed(tasks, jobs):
        if outcome.error:
            failures.append(Failure(outcome.index, points[outcome.index], outcome.error))
        else:
            results[outcome.index] = outcome.result
            if on_result is not None:
                on_result(outcome.index, outcome.result)
        if outcome.not_stored:
            _say_not_stored(outcome.not_stored)
        done += 1
        report(done / len(points), f"{done} of {len(points)} points")
    if failures:
        raise SweepError(sorted(failures, key=lambda failure: failure.index), len(points))
    return [results[index] for index in range(len(points))]


def _reporter(label, total, known, shown):
    """Printer of the progress lines, which says first how many results were stored before."""
    stream = sys.stderr if shown else io.StringIO()
    report = LineReporter(label, _SECONDS_BETWEEN_LINES, stream, known / max(total, 1))
    if known:
        report.say(f"{known} of {total} points were stored before")
    return report


def _paths(function, points, folder):
    """File of every result (None: not stored), the source files that count, and whether one of them was edited."""
    nowhere = [None] * len(points)
    if folder is None or not points:
        return nowhere, tuple(LOADED), False
    sources = Sources(function, points)
    keys = [fingerprint(function, point, sources.digests) for point in points]
    paths = nowhere if sources.edited else [result_path(folder, key) for key in keys]
    return paths, tuple(sources.digests), sources.edited


def _stored(paths):
    found = {index: read_result(path) for index, path in enumerate(paths) if path is not None}
    return {index: result[0] for index, result in found.items() if result}


def _say_not_stored(problem):
    warn_once(f"projhead: results are used but not stored, so they will be computed again: {problem}")


class _Outcome(NamedTuple):
    """What became of one point: a result, or the traceback of an error; and why the result is not stored."""

    index: int
    result: object = None
    error: str = ""
    not_stored: str = ""


@dataclass(frozen=True)
class _Task:
    """One point to compute, where its result belongs, and the code that it must be computed by."""

    function: object
    index: int
    point: object
    path: Path | None
    files: tuple[str, ...]
    loaded: str

    def run(self):
        """Compute and store the result."""
        try:
            with _one_thread(), parallel_config(backend="sequential", n_jobs=1):
                result = self.function(self.point)
        except Exception:
            return _Outcome(self.index, error=traceback.format_exc())
        return self.store(result)

    def store(self, result):
        """Outcome of a result, after it was stored."""
        return _Outcome(self.index, result, not_stored=write_result(self.path, result) if self.path else "")

    def run_in_worker(self):
        """As `run`, unless this process loaded other source files or versions than the one that made the task."""
        if loaded_environment(self.files) != self.loaded:
            return self.not_finished(_OTHER_CODE)
        outcome = self.run()
        if "cannot be pickled" in outcome.not_stored:  # then it cannot be sent to the caller either
            return _Outcome(self.index, error=outcome.not_stored)
        return outcome

    def not_finished(self, why):
        """Outcome of a task that no worker could finish."""
        return _Outcome(self.index, error=f"not finished: {why}")


def _computed(tasks, jobs):
    """Yield the outcome of every task, as they finish."""
    if not tasks:
        return
    client = getattr(get_active_backend()[0], "client", None)
    if client is not None:
        yield from _on_cluster(tasks, client)
    elif (workers := min(effective_n_jobs(jobs), len(tasks))) > 1:
        with _settings_of_workers(), _one_thread(), _silent_restarts():
            yield from _in_workers(tasks, workers)
    else:
        yield from (task.run() for task in tasks)


def _in_workers(tasks, workers):
    waiting = {task.index: task for task in tasks}
    parallel = Parallel(workers, prefer="processes", return_as="generator_unordered", batch_size=1)
    try:
        with _interrupts_blocked():
            outcomes = parallel(delayed(task.run_in_worker)() for task in tasks)
        for done in outcomes:
            task = waiting.pop(done.index)
            yield task.run() if done.error == task.not_finished(_OTHER_CODE).error else done
    except BrokenExecutor as error:
        yield from (task.not_finished(error) for task in waiting.values())


def _on_cluster(tasks, client):
    """Through the client of joblib's dask backend; joblib itself waits forever for a task that dask gave up.

    Results are stored here: the workers may have no disk in common with this machine.
    """
    from distributed import as_completed

    futures = {client.submit(replace(task, path=None).run_in_worker, pure=False): task for task in tasks}
    for future in as_completed(futures):
        task = futures.pop(future)
        try:
            done = future.result()
        except Exception as lost:
            done = task.not_finished(lost)
        yield done if done.error else task.store(done.result)


@contextmanager
def _one_thread():
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(1)
    try:
        with _thread_pools(len(sys.modules)).limit(limits=1):
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@functools.lru_cache(maxsize=1)
def _thread_pools(modules):
    """Thread pools of the loaded libraries; looked up again, in several milliseconds, when modules were added."""
    return ThreadpoolController()


@contextmanager
def _settings_of_workers():
    """Let new worker processes start with one thread."""
    before = {name: os.environ.get(name) for name in _WORKER_SETTINGS}
    os.environ.update(_WORKER_SETTINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_blocked():
    """Start worker processes that do not see Ctrl-C: this process ends them, and they print no traceback each."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _silent_restarts():
    """No warning where a worker whose memory grew is replaced.

    The warning comes from the thread that looks after the workers; as an error (``python -W error``) it would end
    this thread, and the sweep would wait forever.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        yield
