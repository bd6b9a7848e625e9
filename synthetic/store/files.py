"""Where the clone lies, and files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


def clone_root():
    """Folder of the clone that this package lies in.

    Returns
    -------
    pathlib.Path or None
        None when the package was installed by copy rather than from a clone.
    """
    root = Path(__file__).resolve().parent.parent.parent
    return root if (root / "pyproject.toml").is_file() else None


def write_atomically(contents):
    """Write several files so that a reader sees complete files only.

    Every file is first written under a temporary name in its own folder; only when all are on the disk are
    they moved to their places. Folders are made where missing.

    Parameters
    ----------
    contents : dict of pathlib.Path to bytes
        What to write where.

    Raises
    ------
    OSError
        When a folder or a file cannot be written; no file has been changed then.
    """
    written = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written[path] = _write_temporary(path, content)
        for path, temporary in written.items():
            os.replace(temporary, path)
    finally:
        for temporary in written.values():
            Path(temporary).unlink(missing_ok=True)


def _write_temporary(path, content):
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary
