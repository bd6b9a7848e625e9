"""A figure and the numbers it shows, kept together in three files."""

import dataclasses
import io
import json
import math
import re
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import seaborn as sns

from neural.checks import check_integer
from neural.files import write_atomically
from synthetic.store.files import clone_root
from synthetic.store.versions import recorded_versions

WIDE, NARROW = 6.75, 3.4
"""The two widths of a figure in inches: two or three panels beside each other, and one panel."""

_STYLE = {
    "axes.prop_cycle": mpl.cycler(color=sns.color_palette("colorblind")),
    "figure.figsize": (WIDE, 3.0),
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
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
        ``build/figures`` in the clone that the package lies in, else ``figures`` in the current folder. The committed
        figures, in ``figures`` of the clone, are changed by `notebooks.committed.update_figures` alone.
    """
    root = clone_root()
    return root / "build" / "figures" if root else Path.cwd() / "figures"


def save_figure(
    fig,
    name,
    *,
    data,
    parameters,
    seeds,
    profile,
    seconds,
    caption="",
    alt="",
    simulated=None,
    out=None,
    device="cpu",
):
    """Write a figure as PNG and SVG and its numbers as JSON, all three or none.

    The same figure, numbers and versions give the same bytes; only ``seconds`` in the JSON differs.

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
    caption : str
        What the figure shows and what follows from it, in full sentences; may hold mathematics between dollar signs.
    alt : str
        What a reader who cannot see the figure has to know: kind of drawing, axes, what the curves do. Plain text.
    simulated : dict of str to float or None, optional
        Entries of `data`, at any depth, that a simulation gave and that have no error bar of their own, with the
        largest difference that another machine may cause; None for an illustration, which is never compared. A
        dict with the keys ``mean`` and ``half_width`` has its own bar; every other number counts as closed form.
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
        When a name is not a plain file name, a value is not finite or cannot be written as JSON, `alt` is not plain
        text, `simulated` names something that is not in `data`, or a seed is no integer >= 0.
    """
    _check_file_name("name", name)
    _check_file_name("profile", profile)
    for mark in "$[]\n\\":
        if mark in alt:
            raise ValueError(f"alt must be plain text in one line, without {mark!r}, got {alt!r}")
    for seed in np.ravel(np.asarray(seeds, dtype=object)):
        check_integer("seeds", seed, 0)
    numbers = _to_json(data, "data")
    record = {
        "name": name,
        "profile": profile,
        "caption": caption,
        "alt": alt,
        "look": measure_look(fig),
        **_origins(numbers, dict(simulated or {})),
        "parameters": _to_json(parameters, "parameters"),
        "seeds": _to_json(seeds, "seeds"),
        "versions": recorded_versions("projhead", "matplotlib"),
        "device": device,
        "seconds": round(float(seconds), 3),
        "data": numbers,
    }
    stem = Path(out or default_out()) / profile / name
    png = stem.with_name(f"{name}.png")
    drawings = {
        png: _render(fig, "png", {"Software": None}),
        stem.with_name(f"{name}.svg"): _render(fig, "svg", {"Date": None}),
    }
    content = (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()
    write_atomically({**drawings, stem.with_name(f"{name}.json"): content})
    return png


def measure_look(fig):
    """What the house rules for figures speak about, read from the drawing.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    dict
        ``width`` in inches, ``panels`` (axes that hold more than a colour bar), ``tick_size`` and ``text_size`` (the
        smallest, in points) and ``colors`` (label in a legend to colour).
    """
    with apply_style():
        fig.canvas.draw()
    panels = [axes for axes in fig.axes if axes.get_label() != "<colorbar>"]
    ticks = [
        text.get_fontsize()
        for axes in fig.axes
        for text in (*axes.get_xticklabels(), *axes.get_yticklabels())
        if text.get_text() and text.get_visible()
    ]
    texts = [text.get_fontsize() for text in fig.findobj(mpl.text.Text) if text.get_text().strip()]
    colors = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            artist = handle[0] if isinstance(handle, tuple) else handle
            paint = getattr(artist, "get_color", None) or artist.get_facecolor
            rows = np.atleast_2d(mpl.colors.to_rgba_array(paint()))
            if len(rows):
                colors[label] = mpl.colors.to_hex(rows[0])
    return {
        "width": round(float(fig.get_figwidth()), 4),
        "panels": len(panels),
        "tick_size": float(min(ticks, default=9.0)),
        "text_size": float(min(texts, default=9.0)),
        "colors": colors,
    }


def is_estimate(value):
    """Whether a part of the data is a simulated mean with its error bar."""
    return isinstance(value, dict) and {"mean", "half_width"} <= value.keys()


def _origins(data, simulated):
    """Names of the numbers by where they come from: closed forms, simulations with bars, and others."""
    closed, barred, found = {}, {}, set()

    def walk(value, name):
        if name in simulated:
            found.add(name)
        elif is_estimate(value):
            barred[name] = None
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(item, key)
        else:
            closed[name] = None

    for key, item in data.items():
        walk(item, key)
    if missing := simulated.keys() - found:
        raise ValueError(f"simulated names {', '.join(sorted(missing))}, which data does not hold")
    return {"closed_form": list(closed), "error_bars": list(barred), "simulated": simulated}


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
