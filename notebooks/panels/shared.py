"""What the panels share: sizes of the image notebooks, intervals, tables as text, and the look of the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from scipy.special import stdtrit

PALETTE = sns.color_palette("colorblind")
BEFORE = {"color": PALETTE[0], "marker": "o", "label": "before the head"}
AFTER = {"color": PALETTE[1], "marker": "s", "label": "after the head"}
SERIES = (PALETTE[2], PALETTE[4], PALETTE[5], "0.25", PALETTE[9])
"""Colours of features and settings: blue and orange are kept for before and after the head."""

LAYERS = {"h": BEFORE, "z": AFTER}
PROBES = {"linear": "linear probe", "knn": "20 nearest neighbours"}
PROBE_LOOKS = {
    probe: {"color": PALETTE[i], "marker": marker, "label": PROBES[probe]}
    for probe, i, marker in (("linear", 2, "D"), ("knn", 3, "^"))
}
FEW_SHOT = {"color": PALETTE[4], "marker": "v", "label": "10 labels of each class"}
FEATURE_LOOKS = {
    "digit": {"color": PALETTE[5], "marker": "o", "label": "digit"},
    "photo": {"color": PALETTE[7], "marker": "s", "label": "photograph"},
}

_SMALL = {"batch": 128, "encoder": "small-conv", "scale": 1, "precision": "float32"}
IMAGE_BASE = {
    "smoke": {**_SMALL, "epochs": 1, "width": 4, "monitor": 1},
    "quick": {**_SMALL, "epochs": 10, "width": 16, "monitor": 2},
    "full": {
        "epochs": 60,
        "batch": 256,
        "encoder": "resnet18",
        "width": 32,
        "scale": 2,
        "precision": "bfloat16",
        "monitor": 5,
    },
}
"""Run that all image notebooks start from; at "quick" that of the claims, `synthetic.images.runs.BASE`, monitored."""
IMAGE_MEMBERS = {"smoke": 2, "quick": 4, "full": 8}

Scores = dict[str, np.ndarray]
Estimate = dict[str, np.ndarray]


def estimate(values: np.ndarray) -> Estimate:
    """Mean over the last axis and half width of its Student 95% interval.

    Parameters
    ----------
    values : ndarray, shape (..., n), n >= 2

    Returns
    -------
    dict
        `mean` and `half_width` = t(0.975; n - 1) sd / sqrt(n), each of shape (...).
    """
    n = values.shape[-1]
    if n < 2:
        raise ValueError(f"values must have at least 2 repetitions, got {n}")
    spread = values.std(axis=-1, ddof=1) / np.sqrt(n)
    return {"mean": values.mean(axis=-1), "half_width": stdtrit(n - 1, 0.975) * spread}


def estimates(table: Mapping[Any, np.ndarray]) -> dict[Any, Estimate]:
    """`estimate` of every array of a table, over its last axis."""
    return {name: estimate(values) for name, values in table.items()}


def layer_scores(scores: Sequence[Scores], stems: Iterable[str]) -> Scores:
    """Scores before the head, after it, and before minus after, run by run and member by member.

    Parameters
    ----------
    scores : sequence of dict of (members,) arrays
        One for each run.
    stems : iterable of str
        Names without their ending `_h` or `_z`.

    Returns
    -------
    dict of name -> (len(scores), members) array
        `<stem>_h`, `<stem>_z`, `<stem>_gap`.
    """
    table = {}
    for stem in stems:
        before, after = (np.array([one[f"{stem}_{layer}"] for one in scores]) for layer in "hz")
        table |= {f"{stem}_h": before, f"{stem}_z": after, f"{stem}_gap": before - after}
    return table


def plus_minus(value: Estimate, index: int | tuple = (), digits: int = 3) -> str:
    """One estimate as text: the mean with its sign, +- the half width of Student's 95% interval."""
    return f"{value['mean'][index]:+.{digits}f} +- {value['half_width'][index]:.{digits}f}"


def layer_cells(
    values: Mapping[str, Estimate], stems: Mapping[str, str], index: int | tuple = ()
) -> dict[str, str]:
    """Cells of a `text_table`: for every stem the accuracy before and after the head, and the gap.

    Parameters
    ----------
    values : dict
        Estimates of `layer_scores`.
    stems : mapping of a stem to its title
    index : int or tuple
        Which of the entries of each estimate.
    """
    cells = {}
    for stem, title in stems.items():
        cells |= {f"{title} {layer}": f"{values[f'{stem}_{layer}']['mean'][index]:.3f}" for layer in "hz"}
        cells[f"{title} h - z"] = plus_minus(values[f"{stem}_gap"], index)
    return cells


def text_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of cells as aligned text, one line a row, below a line with the names of the columns.

    Parameters
    ----------
    rows : sequence of mapping of the name of a column to its text
        Columns stand in the order in which they appear first; the first one is aligned to the left. A row may leave
        columns out.

    Examples
    --------
    >>> print(text_table([{"run": "trained", "h": "0.9"}, {"run": "untrained", "z": "0.75"}]))
    run          h     z
    trained    0.9
    untrained       0.75
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    widths = {name: max(len(line.get(name, "")) for line in lines) for name in columns}
    first, *others = columns
    return "\n".join(
        "  ".join(
            [line.get(first, "").ljust(widths[first]), *(line.get(c, "").rjust(widths[c]) for c in others)]
        ).rstrip()
        for line in lines
    )


def errorbars(axes: Axes, places, value: Estimate, *, horizontal: bool = False, **look) -> None:
    """Markers with their intervals and no line between them.

    Parameters
    ----------
    axes : Axes
    places : array
        Along the horizontal axis, or along the vertical one when `horizontal` (intervals lie flat).
    value : dict
        Of `estimate`, one entry for each place.
    look
        Of matplotlib's `errorbar`.
    """
    look = {"linestyle": "none", **look}
    if horizontal:
        axes.errorbar(value["mean"], places, xerr=value["half_width"], **look)
    else:
        axes.errorbar(places, value["mean"], yerr=value["half_width"], **look)


def before_after(axes: Axes, places, values: Mapping[str, Estimate], stem: str, shift: float = 0.1) -> None:
    """Two series, before and after the head, to both sides of their places.

    Parameters
    ----------
    axes : Axes
    places : array
    values : dict
        Holds the estimates `<stem>_h` and `<stem>_z`, one entry for each place.
    stem : str
    shift : float
        Distance of the markers from their place.
    """
    for side, (layer, look) in zip((-1, 1), LAYERS.items(), strict=True):
        errorbars(axes, np.asarray(places) + side * shift, values[f"{stem}_{layer}"], **look)


def band(axes: Axes, value: Estimate, *, vertical: bool = False, **look) -> None:
    """The interval of one estimate as a band across the axes."""
    low, high = value["mean"] - value["half_width"], value["mean"] + value["half_width"]
    (axes.axvspan if vertical else axes.axhspan)(low, high, **{"alpha": 0.25, "linewidth": 0, **look})


def mark_zero(axes: Axes, *, vertical: bool = False) -> None:
    """A thin grey line where a difference is zero."""
    (axes.axvline if vertical else axes.axhline)(0, color="0.6", linewidth=0.8)


def mark_chance(axes: Axes, place: float) -> None:
    """A thin grey line at the accuracy of guessing one of ten digits, with its name at `place`."""
    axes.axhline(0.1, color="0.6", linewidth=0.8)
    axes.text(place, 0.11, "chance", color="0.4", va="bottom", fontsize=8)


def legend_below(axes: Axes, ncols: int = 2) -> None:
    """The legend of the axes below them."""
    axes.legend(ncols=ncols, loc="upper center", bbox_to_anchor=(0.5, -0.17))
