"""Sweeps that are killed, edited, or moved to other workers: nothing lost, nothing stale, the same numbers."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from joblib import parallel_config

from synthetic.store.files import clone_root
from synthetic.store.sweep import grid, sweep

POINTS, JOBS, KILLS = 300, 2, 20
NEURAL = [clone_root() / "neural" / name for name in ("files.py", "progress.py")]
DRIVER = """
import sys
from pathlib import Path
from joblib import parallel_config
from synthetic.store.sweep import SweepError, grid, sweep
from synthetic.work import slow_cube

points, jobs = grid(n=range(int(sys.argv[1]))), int(sys.argv[2])
if __name__ == "__main__":
    try:
        results = sweep(slow_cube, points, jobs=jobs, cache="cache", progress=False)
        print(sum(results))
    except SweepError as error:
        print(error)
"""
CLUSTER_DRIVER = """
import os, signal, sys
from distributed import Client, LocalCluster
from joblib import parallel_config
from synthetic.store.sweep import SweepError, grid, sweep
from synthetic.work import slow_cube

def kill_one(index, result):
    while victims:
        os.kill(victims.pop(), signal.SIGKILL)

if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as workers,
        Client(workers) as client,
        parallel_config(backend="dask"),
    ):
        victims = list(client.run(os.getpid).values())[:1]
        try:
            results = sweep(slow_cube, grid(n=range(20)), cache="cache", progress=False, on_result=kill_one)
        except SweepError as error:
            results = [failure.index for failure in error.failures]
            assert "not finished" in str(error)
        print(sum(results), len(results), len(victims))
"""
WORK = """
import os, signal, threading, time
from theory.formula import cube

def slow_cube(point):
    with open("calls.log", "a") as log:
        log.write(f"{point['n']} {os.getpid()} {threading.get_ident()}\\n")
    if os.environ.get("FATAL") == str(point["n"]):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.03)
    return cube(point["n"])
"""


@pytest.fixture
def clone(tmp_path):
    """The sweep in a package of its own that loads in a moment, calling a formula of theory."""
    for package in ("theory", "synthetic", "synthetic/store", "neural"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for file in (*(clone_root() / "synthetic" / "store").glob("*.py"), *NEURAL):
        shutil.copy(file, tmp_path / file.relative_to(clone_root()).parent)
    (tmp_path / "synthetic" / "work.py").write_text(WORK)
    (tmp_path / "theory" / "formula.py").write_text("def cube(n):\n    return n**3\n")
    (tmp_path / "driver.py").write_text(DRIVER)
    return tmp_path


def start(clone, *arguments, stderr=None, **environment):
    return subprocess.Popen(
        [sys.executable, "driver.py", *map(str, arguments)],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone), **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in background jobs
    )


def printed(clone, *arguments, **environment):
    """The numbers that a driver prints."""
    return tuple(map(int, start(clone, *arguments, **environment).communicate(timeout=120)[0].split()))


def run(clone, points, jobs=1):
    """Sum of the results of a sweep in a process of its own, and how many points it computed."""
    before = len(begun(clone))
    (total,) = printed(clone, points, jobs)
    return total, len(begun(clone)) - before


def calls(clone):
    """Point, process and thread of every call, in order."""
    log = clone / "calls.log"
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def begun(clone):
    """The points that were begun, in order."""
    return [n for n, _, _ in calls(clone)]


def test_killed_twenty_times_nothing_is_lost_or_computed_again(clone, seed):
    moments = random.Random(seed)
    for _ in range(KILLS):
        before = len(begun(clone))
        with start(clone, POINTS, JOBS) as process:
            while len(begun(clone)) == before:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.2))
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    total, _ = run(clone, POINTS, JOBS)
    assert total == sum(n**3 for n in range(POINTS))
    assert set(begun(clone)) == set(range(POINTS))
    assert len(begun(clone)) - POINTS <= KILLS * JOBS  # each kill loses at most the points in flight
    assert run(clone, POINTS) == (total, 0)


def test_an_interruption_of_all_processes_is_reported_once(clone):
    quiet = DRIVER.replace("except SweepError as error", "except KeyboardInterrupt as error")
    (clone / "driver.py").write_text(quiet)
    process = start(clone, POINTS, JOBS, stderr=subprocess.PIPE)
    while (
        len({worker for _, worker, _ in calls(clone)}) < JOBS
    ):  # a worker that still starts would print a traceback
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert (printed.strip(), errors, process.returncode) == ("", "", 0)
    assert len(begun(clone)) < POINTS


def test_editing_a_called_function_computes_again(clone):
    formula = clone / "theory" / "formula.py"
    assert run(clone, 3) == (9, 3)
    assert run(clone, 3) == (9, 0)
    formula.write_text("def cube(n):\n    return n**3 + 1\n")
    assert run(clone, 3) == (12, 3)


def test_editing_a_file_that_is_not_imported_keeps_the_results(clone):
    assert run(clone, 3) == (9, 3)
    (clone / "theory" / "other.py").write_text('"""Another formula."""\n')
    (clone / "neural" / "__init__.py").write_text('"""Another word."""\n')
    assert run(clone, 3) == (9, 0)


def test_a_worker_that_dies_is_reported(clone):
    message, _ = start(clone, 20, JOBS, FATAL="7").communicate(timeout=60)
    assert "of 20 points failed" in message and "not finished" in message
    stored = len(list((clone / "cache").glob("*/*")))
    assert run(clone, 20) == (sum(n**3 for n in range(20)), 20 - stored)


@pytest.mark.parametrize("jobs", [1, JOBS])
def test_code_edited_meanwhile_is_neither_stored_nor_mixed_with_the_new(clone, jobs):
    edit = 'Path("theory/formula.py").write_text("def cube(n): return -n**3")\n        results ='
    (clone / "driver.py").write_text(DRIVER.replace("results =", edit))
    assert run(clone, 3, jobs) == (9, 3)  # by the formula as it was loaded; workers load the edited one
    (clone / "driver.py").write_text(DRIVER)
    assert run(clone, 3) == (-9, 3)


def test_a_cluster_gives_the_same_numbers_when_a_worker_is_killed(clone):
    (clone / "driver.py").write_text(CLUSTER_DRIVER)
    total = sum(n**3 for n in range(20))
    assert printed(clone) == (total, 20, 0)
    (clone / "driver.py").write_text(DRIVER)
    assert run(clone, 20) == (total, 0)  # stored here, under the same names


def test_a_point_that_kills_every_worker_of_a_cluster_is_reported(clone):
    (clone / "driver.py").write_text(CLUSTER_DRIVER)
    assert printed(clone, FATAL="7") == (7, 1, 0)
    (clone / "driver.py").write_text(DRIVER)
    assert run(clone, 20) == (sum(n**3 for n in range(20)), 1)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_surrounding_configuration_chooses_the_workers(clone, backend):
    surrounded = f'with parallel_config(backend="{backend}", n_jobs=2):\n            results ='
    (clone / "driver.py").write_text(DRIVER.replace("results =", surrounded).replace("jobs=jobs, ", ""))
    process = start(clone, 20, 0)
    assert process.communicate(timeout=60)[0].split() == [str(sum(n**3 for n in range(20)))]
    assert len({thread for _, _, thread in calls(clone)}) == 2
    assert (process.pid in {pid for _, pid, _ in calls(clone)}) == (backend == "threading")


def torch_threads(point):
    time.sleep(0.02)
    return torch.get_num_threads()


def test_threads_compute_on_one_thread_each_and_the_setting_comes_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with parallel_config(backend="threading", n_jobs=2):
            assert sweep(torch_threads, grid(n=range(6)), cache=None, progress=False) == [1] * 6
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
