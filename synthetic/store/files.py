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
    project = root / "pyproject.toml"  # a file of this name may lie beside installed packages too
    return root if project.is_file() and 'name = "projhead"' in project.read_text(encoding="utf-8") else None
