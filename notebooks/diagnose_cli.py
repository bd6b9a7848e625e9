"""`projhead diagnose`: a diagnosis of features in files, or of a run of `projhead train`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebooks.diagnose.diagnosis import Diagnosis


def add_diagnose_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``projhead diagnose``."""
    source = "FILE or FILE:KEY; .npy .npz .pt .safetensors .csv .parquet, stored Hugging Face data set"
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="folder of a run of projhead train")
    parser.add_argument(
        "--before",
        nargs="+",
        metavar="VIEW",
        help=f"features before the head of one view or of two views ({source})",
    )
    parser.add_argument(
        "--after", nargs="+", metavar="VIEW", help="features after the head, of the same views"
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="classes; negative numbers and empty cells are unknown"
    )
    parser.add_argument("--head", metavar="FILE:KEY", help="matrix of the head, where it is one linear map")
    parser.add_argument("--last-layer", metavar="FILE:KEY", help="matrix of the last layer before the head")
    parser.add_argument("--label", metavar="NAME", help="label of a run's data set (its first one)")
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="REPORT", help="compare two report.json files"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of samples and shuffles (0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for report.html and report.json")


def diagnose_run(arguments: argparse.Namespace) -> int:
    """Diagnose, print a table, and write the report.

    Raises
    ------
    ValueError
        For bad input, in one sentence; nothing is written then.
    """
    from neural.progress import LineReporter
    from notebooks.diagnose import diagnose
    from notebooks.diagnose.report import format_table

    if arguments.compare:
        print(compare_reports(*arguments.compare))
        return 0
    if (arguments.run is None) == (arguments.before is None):
        raise ValueError("give either the folder of a run or --before with one or two views")
    if arguments.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {arguments.seed}")
    progress = LineReporter("diagnose")
    if arguments.run is not None:
        given = read_run(arguments.run, arguments.label)
    else:
        given = _read_files(arguments)
    found = diagnose(**given, seed=arguments.seed, progress=progress)
    print(format_table(found))
    if arguments.out is not None:
        write_report(found, arguments.out)
        print(f"\nwritten: {arguments.out / 'report.html'}, {arguments.out / 'report.json'}")
    return 0


def _read_files(arguments) -> dict:
    from notebooks.diagnose.inputs import read_array

    def views(sources):
        return None if sources is None else tuple(read_array(source) for source in sources)

    def one(source):
        return None if source is None else read_array(source)

    return {
        "before": views(arguments.before),
        "after": views(arguments.after),
        "labels": one(arguments.labels),
        "head": one(arguments.head),
        "last_layer": one(arguments.last_layer),
    }


def write_report(found: Diagnosis, folder: Path) -> None:
    """report.html and report.json, both or neither."""
    from neural.files import write_atomically
    from notebooks.diagnose.report import render_html

    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n"
    write_atomically(
        {folder / "report.html": render_html(found).encode(), folder / "report.json": text.encode()}
    )


def compare_reports(first: Path, second: Path) -> str:
    """Table of the numbers of two reports, with a mark where their intervals do not meet."""
    reports = []
    for path in (first, second):
        path = path / "report.json" if path.is_dir() else path
        try:
            reports.append(json.loads(path.read_text())["numbers"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{path} must be a report.json of projhead diagnose") from None
    lines = [f"{'':48} {first!s:28} {second!s:28}"]
    for section in reports[0]:
        for name, one in reports[0][section].items():
            other = reports[1].get(section, {}).get(name)
            if other is None:
                continue
            apart = isinstance(one, dict) and isinstance(other, dict) and _apart(one, other)
            cells = [_show(one), _show(other)]
            lines.append(
                f"{section + ': ' + name:48} {cells[0]:28} {cells[1]:28} {'differ' if apart else ''}".rstrip()
            )
    return "\n".join(lines)


def _apart(one: dict, other: dict) -> bool:
    ends = [item[key] for item in (one, other) for key in ("low", "high")]
    if any(end is None for end in ends):
        return False
    return one["high"] < other["low"] or other["high"] < one["low"]


def _show(value) -> str:
    if isinstance(value, dict):
        return " ".join(
            "-" if value[key] is None else f"{value[key]:.3g}" for key in ("value", "low", "high")
        )
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_run(folder: Path, label: str | None = None) -> dict:
    """Arguments of `diagnose` from the test images of a run of `projhead train`.

    Parameters
    ----------
    folder : Path
    label : str, optional
        Name of a label of its data set; the first one where it is left out.
    """
    from neural.training.pretraining import load_pretrained
    from notebooks.diagnose.runs import view_features
    from notebooks.pretrain_cli import CHECKPOINT

    trained = load_pretrained(folder / CHECKPOINT)
    names = list(trained.test.labels)
    if label is not None and label not in names:
        raise ValueError(f"--label must be one of {', '.join(names)}, got {label!r}")
    return view_features(trained, label or names[0])
