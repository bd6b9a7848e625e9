"""The committed figures: whether a new run gives the same numbers, and how a new run replaces them."""

import json
import re

import nbformat

from neural.files import write_atomically
from notebooks.catalogue import FOLDER
from notebooks.figure import is_estimate

CLOSED_FORM = 1e-8
"""Largest relative difference of a closed form between two machines; absolute for numbers below 1."""
_ENDINGS = ("json", "png", "svg")
_FIGURE_CELL = re.compile(r"!\[[^]]*\]\((\S*/([^/]+)\.png)\)")


def check_figures(names, folder, committed):
    """Compare the numbers of regenerated figures with the committed ones, and print a line for each figure.

    Parameters
    ----------
    names : sequence of str
        The notebooks whose figures are compared.
    folder, committed : pathlib.Path
        Folders of the regenerated and of the committed figures.

    Returns
    -------
    bool
        Whether every figure is there on both sides and agrees.
    """
    same = True
    for name in names:
        new, old = (_stems(name, place) for place in (folder, committed))
        for stem in sorted(new | old):
            if stem not in old:
                problems = ["is not committed"]
            elif stem not in new:
                problems = ["is committed, and the notebook does not draw it"]
            else:
                problems = compare_records(*(_read(place / f"{stem}.json") for place in (committed, folder)))
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            print(f"{stem}: {problems[0] + more if problems else 'agrees'}")
            same = same and not problems
    return same


def compare_records(old, new):
    """Where two records of one figure disagree.

    Closed forms agree to `CLOSED_FORM`. A simulated mean lies within the error bar that the old record states, and no
    bar is more than twice the other. A simulated entry without a bar agrees within the difference that the old record
    states for it, and an illustration is not compared.

    Parameters
    ----------
    old, new : dict
        What `notebooks.figure.save_figure` wrote.

    Returns
    -------
    list of str
        One line for each disagreement.

    Examples
    --------
    >>> old = {"data": {"line": [1.0, 2.0], "dots": {"mean": [1.0], "half_width": [0.1]}}}
    >>> new = {"data": {"line": [1.0, 2.02], "dots": {"mean": [1.05], "half_width": [0.1]}}}
    >>> compare_records(old, new)
    ['line[1] is 2.02 instead of 2.0']
    """
    problems = [
        f"{key} changed; projhead figures --update takes it over"
        for key in ("caption", "alt", "parameters", "seeds", "simulated")
        if old.get(key) != new.get(key)
    ]
    return problems + list(_differences(old["data"], new["data"], "", old.get("simulated", {}), CLOSED_FORM))


def _differences(old, new, place, simulated, allowed):
    """Lines on where `new` is further from `old` than `allowed`; relative for closed forms, else absolute."""
    if type(old) is not type(new) and not {type(old), type(new)} <= {int, float}:
        yield f"{place} is {new!r:.60} instead of {old!r:.60}"
    elif is_estimate(old) and is_estimate(new):
        yield from _estimate_differences(old, new, place)
    elif isinstance(old, dict):
        if old.keys() != new.keys():
            yield f"{place or 'data'} has entries {', '.join(new)} instead of {', '.join(old)}"
            return
        for key, item in old.items():
            inner = simulated.get(key, allowed)
            if inner is not None:
                yield from _differences(item, new[key], f"{place}.{key}".lstrip("."), simulated, inner)
    elif isinstance(old, list):
        if len(old) != len(new):
            yield f"{place} has {len(new)} entries instead of {len(old)}"
            return
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{place}[{index}]", simulated, allowed)
    elif isinstance(old, int | float) and not isinstance(old, bool):
        scale = max(1.0, abs(old)) if allowed == CLOSED_FORM else 1.0
        if abs(new - old) > allowed * scale:
            yield f"{place} is {new!r} instead of {old!r}"
    elif old != new:
        yield f"{place} is {new!r:.60} instead of {old!r:.60}"


def _estimate_differences(old, new, place):
    for key in old.keys() - {"mean", "half_width"}:
        yield from _differences(old[key], new.get(key), f"{place}.{key}", {}, CLOSED_FORM)
    means, bars = ([_flat(one[key]) for one in (old, new)] for key in ("mean", "half_width"))
    if len({*map(len, means), *map(len, bars)}) > 1:
        yield f"{place} has {len(means[1])} means instead of {len(means[0])}"
        return
    for index, (was, now, bar, width) in enumerate(zip(*means, *bars, strict=True)):
        least = CLOSED_FORM * max(1.0, abs(was))
        if abs(now - was) > bar + least:
            yield f"{place}, mean {index}, is {now!r} instead of {was!r} +- {bar!r}"
        if max(bar, width) > 2 * min(bar, width) + least:
            yield f"{place}, error bar {index}, is {width!r} instead of {bar!r}"


def _flat(value):
    return [number for item in value for number in _flat(item)] if isinstance(value, list) else [value]


def update_figures(names, folder, committed, always=False):
    """Replace committed figures by regenerated ones, and write their captions into the notebooks.

    A figure of which only the computing time changed stays as it is.

    Parameters
    ----------
    names : sequence of str
        The notebooks whose figures are replaced; figures that they draw no longer are removed.
    folder, committed : pathlib.Path
        Folders of the regenerated and of the committed figures.
    always : bool
        Replace figures of which only the computing time changed as well.

    Returns
    -------
    int
        Number of figures that changed, those that were removed among them.
    """
    changed = 0
    for name in names:
        new, old = (_stems(name, place) for place in (folder, committed))
        for stem in sorted(new):
            if always or not _is_same(stem, folder, committed):
                changed += 1
                write_atomically(
                    {
                        committed / f"{stem}.{kind}": (folder / f"{stem}.{kind}").read_bytes()
                        for kind in _ENDINGS
                    }
                )
        for stem in sorted(old - new):
            changed += 1
            for kind in _ENDINGS:
                (committed / f"{stem}.{kind}").unlink(missing_ok=True)
        caption_figures(FOLDER / f"{name}.ipynb", committed)
    return changed


def caption_figures(path, committed):
    """Write alternative text and caption of each committed figure into the cell of a notebook that shows it.

    Parameters
    ----------
    path : pathlib.Path
        The notebook. Its Markdown cells with the tag ``figure`` hold an image of a committed figure.
    committed : pathlib.Path
        Folder of the committed figures.
    """
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    for cell in notebook.cells:
        shown = _FIGURE_CELL.search(cell.source) if "figure" in cell.metadata.get("tags", []) else None
        if shown:
            cell.source = figure_text(_read(committed / f"{shown[2]}.json"), shown[1])
    if nbformat.writes(notebook) != before:
        write_atomically({path: (nbformat.writes(notebook) + "\n").encode()})


def figure_text(record, path):
    """Markdown that shows a figure with its alternative text and its caption.

    Parameters
    ----------
    record : dict
        What `notebooks.figure.save_figure` wrote.
    path : str
        Path of the PNG, relative to the page.
    """
    return f"![{record['alt']}]({path})\n\n**Figure.** {record['caption']}"


def _stems(name, folder):
    return {path.stem for path in folder.glob(f"{name}-*.json")}


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _is_same(stem, folder, committed):
    """Whether the drawings and, but for the time they took, the numbers are the same in both folders."""
    try:
        drawn = all(
            (folder / f"{stem}.{kind}").read_bytes() == (committed / f"{stem}.{kind}").read_bytes()
            for kind in ("png", "svg")
        )
        new, old = (_read(place / f"{stem}.json") for place in (folder, committed))
    except (OSError, ValueError):
        return False
    return drawn and old | {"seconds": new["seconds"]} == new
