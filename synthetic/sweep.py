"""One function at many points: in parallel, resumable, every result stored under the hash of what made it."""

import hashlib
import os
import pickle
import sys
import time
import traceback
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from synthetic.files import clone_root, write_atomically
from synthetic.fingerprint import fingerprint

DEFAULT = object()
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


def sweep(function, points, *, jobs=1, cache=DEFAULT, progress=True, label="", on_result=None):
    """Return ``[function(point) for point in points]``, computed in parallel and remembered.

    A result is stored as soon as it is there, so an interrupted sweep goes on where it stopped. It is found
    again only by the same function at an equal point, with the same versions of Python and the numerical
    packages and unchanged source files (see `synthetic.fingerprint`). Every point runs on one thread whatever
    `jobs` is, so that the numbers do not depend on `jobs`.

    Parameters
    ----------
    function : callable
        Deterministic function of one point, defined at the top level of a module; its result can be pickled.
    points : sequence
        Frozen dataclasses or dicts of plain values, numpy arrays or further dataclasses.
    jobs : int
        Number of worker processes, at least 1; 1 runs in this process.
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
        When `jobs` is smaller than 1, or a point or the function cannot be told apart from another one.
    SweepError
        When the function raised at some points, after all other points were computed and stored.

    Notes
    -----
    Source: derived.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    points = list(points)
    folder = default_cache() if cache is DEFAULT else cache
    paths = _paths(function, points, folder)
    results = {} if os.environ.get("PROJHEAD_FRESH") == "1" else _stored(paths)
    report = _Reporter(label or getattr(function, "__name__", "sweep"), len(points), len(results), progress)
    failures = []
    for index, result, error in _computed(function, points, paths, results, jobs):
        if error is None:
            results[index] = result
            if on_result is not None:
                on_result(index, result)
        else:
            failures.append(Failure(index, points[index], error))
        report.one_done()
    if failures:
        raise SweepError(sorted(failures, key=lambda failure: failure.index), len(points))
    return [results[index] for index in range(len(points))]


def default_jobs():
    """Worker processes where no number is given: ``$PROJHEAD_JOBS``, else the cores this process may use.

    Returns
    -------
    int
    """
    chosen = os.environ.get("PROJHEAD_JOBS")
    if chosen:
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_cache():
    """Folder of stored results when `sweep` is given none.

    Returns
    -------
    pathlib.Path or None
        ``$PROJHEAD_CACHE`` (None for the word ``off``), else ``.cache/sweep`` in the clone, else
        ``~/.cache/projhead/sweep``.
    """
    chosen = os.environ.get("PROJHEAD_CACHE")
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen)
    root = clone_root()
    return root / ".cache" / "sweep" if root else Path.home() / ".cache" / "projhead" / "sweep"


def _paths(function, points, folder):
    if folder is None:
        return [None] * len(points)
    keys = [fingerprint(function, point) for point in points]
    return [Path(folder) / key[:2] / key for key in keys]


def _stored(paths):
    results = {}
    for index, path in enumerate(paths):
        if path is not None and (content := _read_checked(path)) is not None:
            results[index] = pickle.loads(content)
    return results


def _read_checked(path):
    """Content of a stored file, None where it is missing or its checksum does not fit."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    checksum, content = stored[:32], stored[32:]
    return content if hashlib.sha256(content).digest() == checksum else None


def _write_checked(path, result):
    content = pickle.dumps(result)
    write_atomically({path: hashlib.sha256(content).digest() + content})


def _computed(function, points, paths, known, jobs):
    """Yield (index, result, traceback or None) of every point that is not yet known, as they finish."""
    open_indices = [index for index in range(len(points)) if index not in known]
    if jobs == 1 or len(open_indices) <= 1:
        for index in open_indices:
            yield _compute(function, index, points[index], paths[index])
        return
    waiting = set(open_indices)
    try:
        with _passive_waiting(), parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = Parallel(
                n_jobs=min(jobs, len(open_indices)), return_as="generator_unordered", batch_size=1
            )
            tasks = (delayed(_compute)(function, i, points[i], paths[i]) for i in open_indices)
            for done in parallel(tasks):
                waiting.discard(done[0])
                yield done
    except BrokenExecutor as error:
        for index in sorted(waiting):
            yield index, None, f"not finished: {error}"


def _compute(function, index, point, path):
    try:
        with _one_thread():
            result = function(point)
        if path is not None:
            _write_checked(path, result)
    except Exception:
        return index, None, traceback.format_exc()
    return index, result, None


@contextmanager
def _one_thread():
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@contextmanager
def _passive_waiting():
    """Let new worker processes start with idle OpenMP threads that sleep instead of spinning."""
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
        else:
            os.environ["OMP_WAIT_POLICY"] = before


class _Reporter:
    """Plain progress lines: points done, seconds spent, seconds left."""

    def __init__(self, label, total, known, enabled):
        self.label, self.total, self.known, self.enabled = label, total, known, enabled
        self.done = known
        self.start = self.last = time.monotonic()
        if known and enabled:
            print(f"{label}: {known} of {total} points were stored before", flush=True)

    def one_done(self):
        self.done += 1
        now = time.monotonic()
        if not self.enabled or (self.done < self.total and now - self.last < _SECONDS_BETWEEN_LINES):
            return
        self.last = now
        spent = now - self.start
        left = spent / (self.done - self.known) * (self.total - self.done)
        print(
            f"{self.label}: {self.done} of {self.total} points, {spent:.0f} s, about {left:.0f} s left",
            flush=True,
        )
