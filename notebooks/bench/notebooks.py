"""Time that the numbers of each notebook took, read from the JSON files of its figures."""

from __future__ import annotations

import json
from pathlib import Path

from notebooks.bench.measures import Measure

_SPREAD = 0.25  # single runs: a change within a quarter is not worth a line


def notebook_measures(folder: Path) -> dict[str, Measure]:
    """Read the seconds of each notebook and figure of one profile.

    Figures of one computation record the same seconds, which count once in the total.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the JSON files.

    Returns
    -------
    dict of str to Measure
        ``notebooks/<notebook>/total`` and ``notebooks/<notebook>/<panels>``, and ``notebooks/all/total``.
    """
    panels: dict[str, dict[float, list[str]]] = {}
    for path in sorted(folder.glob("*-*.json")):
        notebook, _, panel = path.stem.partition("-")
        seconds = json.loads(path.read_text())["seconds"]
        panels.setdefault(notebook, {}).setdefault(seconds, []).append(panel)
    measures = {}
    for notebook, parts in panels.items():
        measures[f"notebooks/{notebook}/total"] = _once(sum(parts))
        for seconds, names in parts.items():
            measures[f"notebooks/{notebook}/{' and '.join(names)}"] = _once(seconds)
    if panels:
        measures["notebooks/all/total"] = _once(sum(sum(parts) for parts in panels.values()))
    return measures


def slowest(measures: dict[str, Measure], count: int = 5) -> list[str]:
    """Describe each of the slowest notebooks in a line: its seconds, and what they were spent on.

    Parameters
    ----------
    measures : dict of str to Measure
        Result of `notebook_measures`.
    count : int
        How many notebooks to describe.
    """
    totals, parts = {}, {}
    for key, measure in measures.items():
        _, notebook, part = key.split("/")
        (totals if part == "total" else parts.setdefault(notebook, {}))[
            notebook if part == "total" else part
        ] = measure.value
    everything = totals.pop("all", 0.0)
    lines = [f"{everything:8.1f} s  all notebooks together"]
    for notebook in sorted(totals, key=totals.get, reverse=True)[:count]:
        longest = sorted(parts[notebook].items(), key=lambda part: -part[1])
        where = ", ".join(f"{name} {seconds:.1f}" for name, seconds in longest)
        lines.append(f"{totals[notebook]:8.1f} s  {notebook} ({where})")
    return lines


def _once(seconds):
    return Measure(seconds, (1 - _SPREAD) * seconds, (1 + _SPREAD) * seconds, "s", less_is_better=True)
