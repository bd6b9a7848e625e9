"""Files that are written whole or not at all, and changed by one process at a time."""

import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".projhead-part"
_SECONDS_LEFT_ALONE = 3600.0  # another process may be writing a younger file

Content = bytes | Callable[[BinaryIO], None]


def write_atomically(contents: Mapping[Path, Content], *, flush: bool = True) -> None:
    """Write several files so that a reader never sees a part of one.

    Every file is first written under a temporary name in its own folder. Only when all of them are complete are they
    moved to their places. Missing folders are made. What a process that was killed left under such a name an hour ago
    or longer is removed at the first write into the folder.

    Parameters
    ----------
    contents : mapping of pathlib.Path to bytes or callable
        What to write where. A callable receives the open binary file and writes into it.
    flush : bool
        Wait until the contents are on the disk. Without this, a file may be incomplete after a power failure, so
        it needs a checksum of its own; many small files are written much faster.

    Raises
    ------
    OSError
        When a folder or a file cannot be written. No file has been changed then.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomically({folder / "new" / "a.txt": b"text"})
    >>> (folder / "new" / "a.txt").read_bytes()
    b'text'
    """
    written: dict[Path, str] = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent)
            written[path] = _write_temporary(path, content, flush)
        for path, temporary in written.items():
            os.replace(temporary, path)
    finally:
        for temporary in written.values():
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same folder waiting, from reading a file until it is written again.

    The folder is made where missing. The hold ends with the process, however it ends. Where the system has no such
    locks (Windows), nobody waits.

    Parameters
    ----------
    folder : pathlib.Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@functools.cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder; once in every process, because it reads the whole folder."""
    for left in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError):  # another process was faster, or it belongs to someone else
            if time.time() - left.stat().st_mtime > _SECONDS_LEFT_ALONE:
                left.unlink()


def _write_temporary(path: Path, content: Content, flush: bool) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=_SUFFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary
