"""Timings as a table and as a file, compared with the file of the last run."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from neural.devices import available_cores
from notebooks.bench.measures import Measure
from synthetic.store.versions import recorded_versions

BUSY = 0.5


def machine(device: str) -> dict:
    """Record what the timings depend on beside the code: processor, cores, load before the start, versions, device.

    Parameters
    ----------
    device : str

    Returns
    -------
    dict
    """
    record = {
        "device": device,
        "cpu": _processor(),
        "cores": available_cores(),
        "load": round(os.getloadavg()[0], 2),
        "versions": recorded_versions(),
    }
    if device == "cuda":
        import torch

        record["gpu"] = torch.cuda.get_device_name()
    return record


def busy_warning(load: float) -> str:
    """Text of a warning where other programs ran before the start; empty otherwise.

    Parameters
    ----------
    load : float
        Load average of the last minute.
    """
    if load <= BUSY:
        return ""
    return (
        f"the load average is {load:.2f} before the start, so other programs run here: the engine is timed on one "
        "thread only, and nothing is kept"
    )


def tables(measures: dict[str, Measure]) -> str:
    """Format measures as text, with a block for each row of each group.

    Parameters
    ----------
    measures : dict of str to Measure
    """
    width = max((len(name.split("/")[2]) for name in measures), default=0)
    lines, before = [], None
    for name, measure in measures.items():
        group, row, quantity = name.split("/")
        if (group, row) != before:
            lines.append(f"{group}: {row}")
            before = group, row
        lines.append(f"  {quantity:{width}}  {measure.text()} {measure.unit}".rstrip())
    return "\n".join(lines)


def moved(new: dict[str, Measure], old: dict[str, Measure]) -> list[str]:
    """Describe every measure whose spread does not overlap that of the last run, one line each.

    Parameters
    ----------
    new, old : dict of str to Measure
    """
    changes = {name: new[name].moved_from(old[name]) for name in new if name in old}
    return [f"{name} {change}" for name, change in changes.items() if change]


def read_measures(path: Path) -> dict[str, Measure]:
    """Read the measures of a file of timings; none where there is no file.

    Parameters
    ----------
    path : pathlib.Path
    """
    if not path.is_file():
        return {}
    return {name: Measure(**fields) for name, fields in json.loads(path.read_text())["measures"].items()}


def to_json(measures: dict[str, Measure], machine: dict, gates: list) -> bytes:
    """Content of a file of timings.

    Parameters
    ----------
    measures : dict of str to Measure
    machine : dict
    gates : list of (configuration, text, passed)
    """
    record = machine | {
        "gates": [f"{name}: {text}" for name, text, _ in gates],
        "measures": {name: measure.to_json() for name, measure in measures.items()},
    }
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
