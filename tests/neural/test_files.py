import os
import subprocess
import sys

import pytest

from neural.files import _sweep, write_atomically
from synthetic.store.files import clone_root


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_files_and_folders_are_made(tmp_path):
    write_atomically({tmp_path / "new" / "a": b"1", tmp_path / "b": b"2"})
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "new" / "a").read_bytes() == b"1"


def test_nothing_changes_when_one_file_cannot_be_written(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "blocked").write_bytes(b"")
    with pytest.raises(OSError):
        write_atomically({tmp_path / "a": b"new", tmp_path / "blocked" / "b": b"new"})
    assert names(tmp_path) == ["a", "blocked"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_no_temporary_file_is_left_when_moving_fails(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomically({tmp_path / "a": b"new"})
    assert names(tmp_path) == []


def test_content_may_be_written_by_a_callable_and_is_readable_by_others(tmp_path):
    write_atomically({tmp_path / "a": lambda file: file.write(b"written")})
    assert (tmp_path / "a").read_bytes() == b"written"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_content_reaches_the_disk_before_the_file_takes_its_place(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("fsync"))
    monkeypatch.setattr(os, "replace", lambda source, target: order.append("replace"))
    write_atomically({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert order == ["fsync", "fsync", "replace", "replace"]


KILLED = """
import os, signal, sys
from pathlib import Path
from neural.files import write_atomically

def write_half(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically({Path(sys.argv[1]): write_half})
"""


def test_what_a_killed_process_left_is_removed_by_a_later_one(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], cwd=clone_root())
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half" and left.name.startswith(".a.")
    (tmp_path / ".own").touch()
    write_atomically({tmp_path / "b": b"1"})
    assert set(names(tmp_path)) == {left.name, ".own", "b"}  # perhaps it is being written at this moment
    os.utime(left, (0, 0))
    _sweep.cache_clear()
    write_atomically({tmp_path / "b": b"2"})
    assert names(tmp_path) == [".own", "b"]


COUNT = """
import sys
from pathlib import Path
from neural.files import hold_folder, write_atomically

path = Path(sys.argv[1])
for _ in range(50):
    with hold_folder(path.parent):
        write_atomically({path: str(int(path.read_text()) + 1).encode()}, flush=False)
"""


def test_processes_that_hold_a_folder_lose_no_change_of_each_other(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "count")]
    processes = [subprocess.Popen(command, cwd=clone_root()) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert (tmp_path / "count").read_text() == "100"
