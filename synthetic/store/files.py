"""Where the clone lies."""

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
