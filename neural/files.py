"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

Content = bytes | Callable[[BinaryIO], None]


def write_atomically(contents: Mapping[Path, Content]) -> None:
    """Write several files so that a reader never sees a part of one, even after a power failure.

    Every file is first written under a temporary name in its own folder and flushed to the disk. Only when all of
    them are there are they moved to their places. Missing folders are made.

    Parameters
    ----------
    contents : mapping of pathlib.Path to bytes or callable
        What to write where. A callable receives the open binary file and writes into it.

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
            written[path] = _write_temporary(path, content)
        for path, temporary in written.items():
            os.replace(temporary, path)
    finally:
        for temporary in written.values():
            Path(temporary).unlink(missing_ok=True)


def _write_temporary(path: Path, content: Content) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary
