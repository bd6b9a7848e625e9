"""The work of ``projhead bench``."""

from __future__ import annotations

import sys
from pathlib import Path

from neural.files import write_atomically
from notebooks.bench.measures import Measure
from notebooks.bench.report import busy_warning, machine, moved, read_measures, tables, to_json

PARTS = ("theory", "engine", "notebooks")


def run_bench(figures: Path, out: Path | None, part: str | None, quick: bool, device: str) -> int:
    """Time, print, compare with the timings kept in ``<figures>/bench/<device>.json``, and write.

    Parameters
    ----------
    figures : pathlib.Path
        Folder of all figures.
    out : pathlib.Path, optional
        Folder for the timings. By default ``<figures>/bench``, and nothing is written unless everything was
        measured, at full effort and on an idle machine.
    part : str, optional
        One of `PARTS`; all by default.
    quick : bool
        Less effort.
    device : {"cpu", "cuda"}
        On CUDA the engine only.

    Returns
    -------
    int
        1 when a gate was not passed, else 0.
    """
    parts = (part,) if part else ("engine",) if device == "cuda" else PARTS
    circumstances = machine(device)
    warning = busy_warning(circumstances["load"])
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    complete = not (part or quick or warning)
    options = [device, *(["quick"] if quick else []), *(["busy"] if warning else [])]
    measures, gates = _measured(parts, options, figures)
    kept = figures / "bench" / f"{device}.json"
    _show(measures, gates, parts, read_measures(kept))
    target = out / kept.name if out else kept if complete else None
    if target:
        write_atomically({target: to_json(measures, circumstances, gates)})
        print(f"written: {target}")
    return 0 if all(passed for _, _, passed in gates) else 1


def _measured(parts, options, figures):
    measures, gates = {}, []
    if "theory" in parts:
        from notebooks.bench.theory import theory_measures

        measures |= theory_measures(repeats=2 if "quick" in options else 5)
    if "engine" in parts:
        from notebooks.bench.engine import measure_in_fresh_process

        result = measure_in_fresh_process(options)
        measures |= {name: Measure(**fields) for name, fields in result["measures"].items()}
        gates = result["gates"]
    if "notebooks" in parts:
        from notebooks.bench.notebooks import notebook_measures

        measures |= notebook_measures(figures / "quick")
    return measures, gates


def _show(measures, gates, parts, kept):
    for name, text, _ in gates:
        print(f"{name}: {text}")
    print(tables({name: measure for name, measure in measures.items() if not name.startswith("notebooks/")}))
    if "notebooks" in parts:
        from notebooks.bench.notebooks import slowest

        print("slowest notebooks at quick, and where the seconds go")
        print("\n".join(slowest({n: m for n, m in measures.items() if n.startswith("notebooks/")})))
    changes = moved(measures, kept)
    if kept:
        print("moved beyond the spread:" if changes else "nothing moved beyond the spread")
        print("\n".join(f"  {change}" for change in changes), end="\n" if changes else "")
