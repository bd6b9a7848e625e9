"""Results on the disk: where they lie, how they are read and written."""

import hashlib
import os
import pickle
import sys
import tempfile
from pathlib import Path

from neural.files import write_atomically
from synthetic.store.files import clone_root

_warned = set()


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
        return Path(chosen).absolute()
    root = clone_root()
    return root / ".cache" / "sweep" if root else Path.home() / ".cache" / "projhead" / "sweep"


def result_path(folder, key):
    """File of the result with this key.

    Parameters
    ----------
    folder : path
    key : str
        See `synthetic.store.fingerprint.fingerprint`.

    Returns
    -------
    pathlib.Path
    """
    return Path(folder).absolute() / key[:2] / key


def read_result(path):
    """Stored result in a tuple of one.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    tuple
        Empty where the file is missing or unreadable, where its checksum does not fit, or where its content cannot
        be turned into objects any more. The result is then computed again.
    """
    try:
        stored = path.read_bytes()
        checksum, content = stored[:32], stored[32:]
        return (pickle.loads(content),) if hashlib.sha256(content).digest() == checksum else ()
    except Exception:
        return ()


def write_result(path, result):
    """Store a result with a checksum.

    Parameters
    ----------
    path : pathlib.Path
    result : object

    Returns
    -------
    str
        Why the result could not be stored; empty when it was.
    """
    try:
        content = pickle.dumps(result)
    except Exception as error:
        return f"a result cannot be pickled: {error}"
    try:
        write_atomically(
            {path: hashlib.sha256(content).digest() + content}, flush=False
        )  # the checksum tells
    except OSError as error:
        return f"{path.parent.parent} cannot be written: {error.strerror}"
    return ""


def why_unwritable(folder):
    """Try to write into a folder, which is made where missing.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    str
        Why it cannot be written; empty when it can.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"


def warn_once(text):
    """Print a line on standard error, unless this process printed it before.

    Parameters
    ----------
    text : str
    """
    if text not in _warned:
        _warned.add(text)
        print(text, file=sys.stderr, flush=True)
