"""The notebooks that there are, and how a user may name them."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROFILES = ("smoke", "quick", "full")


def notebook_names():
    """Names of all notebooks, in reading order.

    Returns
    -------
    list of str
        File names without ``.ipynb``.
    """
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def notebook_title(name):
    """First line of a notebook's first cell: the question it asks.

    Parameters
    ----------
    name : str
        One of `notebook_names`.

    Returns
    -------
    str
        The line without the leading ``#``; empty when the notebook is empty.
    """
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(cells[0]["source"]) if cells else ""
    return text.partition("\n")[0].lstrip("# ").rstrip()


def choose(wanted, available, kind):
    """Find the entries that a user means.

    Parameters
    ----------
    wanted : sequence of str
        Full names or the beginnings of exactly one name; empty chooses everything.
    available : sequence of str
        All names.
    kind : str
        What they are, for the error message.

    Returns
    -------
    list of str
        Chosen names, each once, in the order of `available`.

    Raises
    ------
    ValueError
        When a name is unknown or begins several names.

    Examples
    --------
    >>> choose(["02"], ["01_depth", "02_limits"], "notebook")
    ['02_limits']
    """
    if not wanted:
        return list(available)
    chosen = set()
    for name in wanted:
        matches = [name] if name in available else [one for one in available if one.startswith(name)]
        if len(matches) != 1:
            problem = f"could be {', '.join(matches)}" if matches else f"is none of {', '.join(available)}"
            raise ValueError(f"{kind} {name!r} {problem}")
        chosen.update(matches)
    return [name for name in available if name in chosen]
