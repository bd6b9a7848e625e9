import os
import time
from dataclasses import dataclass

import numpy as np
import pytest

from synthetic.store import results
from synthetic.store.results import default_cache
from synthetic.store.sweep import SweepError, grid, sweep


@dataclass(frozen=True)
class Point:
    value: float
    log: str = ""
    fails: bool = False


def logged_root(point):
    """Square root; writes one line per call, and fails where it is told to."""
    if point.log:
        with open(point.log, "a") as log:
            log.write(f"{point.value}\n")
    if point.fails:
        raise ArithmeticError("told to fail")
    return {"root": np.sqrt(point.value)}


def blas_product(point):
    rng = np.random.default_rng(point["seed"])
    matrix = rng.normal(size=(120, 120))
    return matrix @ matrix.T


def worker_settings(point):
    import torch

    return os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"], torch.get_num_threads()


kept = []


def growing(point):
    """Memory of the worker grows by the given megabytes, and stays."""
    kept.append(b"1" * (point["megabytes"] << 20))
    time.sleep(1.1)  # workers look at their memory no more than once a second
    return os.getpid()


@pytest.fixture(autouse=True)
def unedited(monkeypatch):
    """Source files that are edited while the tests run do not matter to them."""
    monkeypatch.setattr("synthetic.store.fingerprint._edited", lambda name, digest: False)


def calls(log):
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def log(tmp_path):
    return tmp_path / "calls.log"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def stored_files(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


def test_results_keep_the_order_of_the_points(cache):
    results = sweep(logged_root, [Point(9.0), Point(1.0), Point(4.0)], cache=cache, progress=False)
    assert [result["root"] for result in results] == [3, 1, 2]


def test_no_points_give_no_results(cache):
    assert sweep(logged_root, [], cache=cache) == []


def test_a_stored_result_is_not_computed_again(cache, log):
    points = [Point(4.0, str(log)), Point(9.0, str(log))]
    first = sweep(logged_root, points[:1], cache=cache, progress=False)
    both = sweep(logged_root, points, cache=cache, progress=False)
    assert calls(log) == ["4.0", "9.0"]
    assert both[0] == first[0]


def test_no_cache_computes_every_time(log, monkeypatch):
    monkeypatch.setenv("PROJHEAD_CACHE", "off")
    for _ in range(2):
        sweep(logged_root, [Point(4.0, str(log))], progress=False)
    assert len(calls(log)) == 2
    assert default_cache() is None


def test_fresh_replaces_what_is_stored(cache, log, monkeypatch):
    points = [Point(4.0, str(log))]
    sweep(logged_root, points, cache=cache, progress=False)
    monkeypatch.setenv("PROJHEAD_FRESH", "1")
    sweep(logged_root, points, cache=cache, progress=False)
    assert len(calls(log)) == 2
    assert len(stored_files(cache)) == 1


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:10], lambda b: b"", lambda b: b[:-1] + b"?"]
)
def test_a_damaged_file_is_computed_again(cache, log, damage):
    points = [Point(4.0, str(log))]
    sweep(logged_root, points, cache=cache, progress=False)
    (path,) = stored_files(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert sweep(logged_root, points, cache=cache, progress=False) == [{"root": 2.0}]
    assert sweep(logged_root, points, cache=cache, progress=False) == [{"root": 2.0}]
    assert len(calls(log)) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_point_does_not_lose_the_others(cache, log, jobs):
    points = [Point(1.0, str(log)), Point(4.0, str(log), fails=True), Point(9.0, str(log))]
    with pytest.raises(SweepError, match=r"(?s)1 of 3 points failed\npoint 1.*told to fail") as caught:
        sweep(logged_root, points, jobs=jobs, cache=cache, progress=False)
    assert [(failure.index, failure.point) for failure in caught.value.failures] == [(1, points[1])]
    log.unlink()
    sweep(logged_root, [points[0], points[2]], cache=cache, progress=False)
    assert calls(log) == []


def make_unstorable(point):
    return lambda: point


def test_a_result_that_cannot_be_pickled_is_used_and_not_stored(cache, capsys):
    (result,) = sweep(make_unstorable, [Point(1.0)], cache=cache, progress=False)
    assert result() == Point(1.0)
    assert stored_files(cache) == []
    assert "not stored, so they will be computed again: a result cannot be pickled" in capsys.readouterr().err


def test_a_result_that_cannot_leave_its_worker_is_a_failure(cache):
    with pytest.raises(SweepError, match="(?s)2 of 2 points failed.*cannot be pickled"):
        sweep(make_unstorable, [Point(1.0), Point(2.0)], jobs=2, cache=cache, progress=False)


def test_a_store_that_cannot_be_made_loses_no_result(tmp_path, log, capsys):
    (tmp_path / "file").write_text("")
    points = [Point(4.0, str(log)), Point(9.0, str(log))]
    for jobs in (1, 2):
        results = sweep(logged_root, points, jobs=jobs, cache=tmp_path / "file" / "cache", progress=False)
        assert [result["root"] for result in results] == [2, 3]
    assert len(calls(log)) == 4
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1 and "not stored" in printed[0] and str(tmp_path / "file" / "cache") in printed[0]


def test_a_folder_is_tried_before_anything_is_computed(cache, log, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(
        "synthetic.store.sweep.why_unwritable", lambda folder: seen.append(calls(log)) or "no"
    )
    assert sweep(logged_root, [Point(4.0, str(log))], cache=cache, progress=False) == [{"root": 2.0}]
    assert seen == [[]] and len(calls(log)) == 1 and stored_files(cache) == []


def test_a_disk_that_fills_up_loses_no_result(cache, monkeypatch, capsys):
    def full(contents, flush):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_atomically", full)
    found = sweep(logged_root, [Point(4.0), Point(9.0)], cache=cache, progress=False)
    assert [result["root"] for result in found] == [2, 3]
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1 and "No space left on device" in printed[0]


def test_a_relative_cache_is_meant_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJHEAD_CACHE", "here")
    assert default_cache() == tmp_path / "here"


def test_the_numbers_do_not_depend_on_jobs(seed):
    points = [{"seed": [seed, member]} for member in range(4)]
    alone = sweep(blas_product, points, jobs=1, cache=None, progress=False)
    spread = sweep(blas_product, points, jobs=2, cache=None, progress=False)
    np.testing.assert_array_equal(alone, spread)


def test_workers_use_one_thread_that_sleeps_when_idle():
    points = [{"n": 0}, {"n": 1}]
    assert sweep(worker_settings, points, jobs=2, cache=None, progress=False) == [("1", "PASSIVE", 1)] * 2


def test_progress_is_plain_lines(cache, capsys):
    points = [Point(4.0), Point(9.0)]
    sweep(logged_root, points[:1], cache=cache, label="roots")
    sweep(logged_root, points, cache=cache, label="roots")
    printed = capsys.readouterr().err
    assert "\r" not in printed
    assert printed.splitlines() == [
        "roots: 1 of 1 points in 0 s",
        "roots: 1 of 2 points were stored before",
        "roots: 2 of 2 points in 0 s",
    ]


def test_each_new_result_is_shown_when_it_is_done(cache):
    points = [Point(1.0), Point(4.0)]
    seen = {}
    sweep(logged_root, points[:1], cache=cache, progress=False)
    sweep(logged_root, points, cache=cache, progress=False, on_result=seen.__setitem__)
    assert seen == {1: {"root": 2.0}}


def test_a_grid_is_every_combination_with_the_last_axis_fastest():
    points = grid(a=(1, 2), b=np.array([0.5]), c="xy".split("y"))
    assert points == [{"a": a, "b": 0.5, "c": c} for a in (1, 2) for c in ("x", "")]
    assert grid() == [{}]


@pytest.mark.parametrize("values", [[], "text", 3, np.float64(3)])
def test_an_axis_without_values_is_refused(values):
    with pytest.raises(ValueError, match="^b must be a sequence of at least one value, got"):
        grid(a=[1], b=values)


@pytest.mark.parametrize("jobs", [0, -1, "2", 1.5])
def test_jobs_must_be_a_whole_positive_number(cache, jobs):
    with pytest.raises(ValueError, match=f"jobs must be a whole number of at least 1, got {jobs!r}"):
        sweep(logged_root, [Point(1.0)], jobs=jobs, cache=cache)


def test_a_function_without_a_name_is_refused_only_when_it_would_be_stored(cache):
    with pytest.raises(ValueError, match="top level of a module"):
        sweep(lambda point: point, [1.0], cache=cache)
    assert sweep(lambda point: point, [1.0], cache=None, progress=False) == [1.0]


@pytest.mark.filterwarnings("error")
def test_workers_whose_memory_grows_are_replaced():
    points = [{"megabytes": size, "number": number} for number, size in enumerate([1, 1] + 6 * [320])]
    assert len(set(sweep(growing, points, jobs=2, cache=None, progress=False))) > 2
