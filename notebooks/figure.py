"""A figure and the numbers it shows, kept together in three files."""

import dataclasses
import io
import json
import math
import os
import re
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import seaborn as sns

from neural.files import write_atomically
from synthetic.store.files import clone_root
from synthetic.store.versions import recorded_versions

_STYLE = {
    "axes.prop_cycle": mpl.cycler(color=sns.color_palette("colorblind")),
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "errorbar.capsize": 2,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}


@contextmanager
def apply_style():
    """Draw in the house style inside ``with apply_style():`` (colour-blind-safe palette, small labels).

    It begins with matplotlib's own settings, so that a figure does not depend on the user's ``matplotlibrc``.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def default_out():
    """Folder for generated figures when none is given.

    Returns
    -------
    pathlib.Path
        ``figures`` in the clone that the package lies in, else in the current folder.
    """
    return (clone_root() or Path.cwd()) / "figures"


def save_figure(fig, name, *, data, parameters, seeds, profile, seconds, out=None, device="cpu"):
    """Write a figure as PNG and SVG and its numbers as JSON, all three or none.

    The same figure, numbers and versions give the same bytes; only ``seconds`` in the JSON differs. Where nothing else
    differs from the files that are there, they stay as they are, unless ``$PROJHEAD_FRESH`` is set to 1.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.
    name : str
        File name without ending: ``<notebook>-<panel>``.
    data : dict
        Every number shown, under names that say what it is: numbers, text, arrays, lists or dicts of them.
    parameters : dict or dataclass
        What the figure was computed from.
    seeds : int or sequence of int
        Every root seed used.
    profile : str
        Size of the run; names the folder below `out`.
    seconds : float
        Wall time spent on the numbers, in seconds.
    out : pathlib.Path or str, optional
        Folder of all figures; `default_out` when left out, None or empty.
    device : str
        Where networks were trained.

    Returns
    -------
    pathlib.Path
        The PNG file.

    Raises
    ------
    ValueError
        When a name is not a plain file name, or a value is not finite or cannot be written as JSON.
    """
    _check_file_name("name", name)
    _check_file_name("profile", profile)
    record = {
        "name": name,
        "profile": profile,
        "parameters": _to_json(parameters, "parameters"),
        "seeds": _to_json(seeds, "seeds"),
        "versions": recorded_versions("projhead", "matplotlib"),
        "device": device,
        "seconds": round(float(seconds), 3),
        "data": _to_json(data, "data"),
    }
    stem = Path(out or default_out()) / profile / name
    png = stem.with_name(f"{name}.png")
    drawings = {
        png: _render(fig, "png", {"Software": None}),
        stem.with_name(f"{name}.svg"): _render(fig, "svg", {"Date": None}),
    }
    numbers = stem.with_name(f"{name}.json")
    if os.environ.get("PROJHEAD_FRESH") == "1" or not _is_there(drawings, numbers, record):
        content = (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()
        write_atomically({**drawings, numbers: content})
    return png


def _is_there(drawings, numbers, record):
    """Whether these drawings and, but for the time they took, these numbers are in their files already."""
    try:
        same = all(path.read_bytes() == content for path, content in drawings.items())
        return (
            same
            and json.loads(numbers.read_text(encoding="utf-8")) | {"seconds": record["seconds"]} == record
        )
    except (OSError, ValueError):
        return False


def _check_file_name(argument, value):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(f"{argument} must be letters, digits, '_', '-' or '.', got {value!r}")


def _render(fig, kind, metadata):
    buffer = io.BytesIO()
    with apply_style(), mpl.rc_context({"svg.hashsalt": "projhead"}):
        fig.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _to_json(value, name):
    """Plain form of a value; `name` is the path to it, for error messages."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
        return value
    if isinstance(value, dict):
        return {str(key): _to_json(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_to_json(item, f"{name}[{index}]") for index, item in enumerate(value)]
    raise ValueError(f"{name} must be a number, text, array, list or dict, got {type(value).__name__}")
