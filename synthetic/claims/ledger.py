"""The committed ledger of claims: figures/claims.json and CLAIMS.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neural.files import write_atomically
from synthetic.claims.rule import FALSE_ALARM, LEDGER_COMPARISONS, MIN_POWER, MIN_RESOLUTION

_COLUMNS = ("id", "source", "predicted", "measured", "interval", "resolution", "verdict", "control")


def table_row(entry: dict) -> dict[str, str]:
    """Cells of the table for one entry of the ledger; of several comparisons the one farthest from its prediction.

    Parameters
    ----------
    entry : dict
        See `ClaimResult.to_json`.
    """
    measured, predicted = np.array(entry["measured"]), np.array(entry["predicted"])
    worst = int(np.argmax(np.abs(measured - predicted)))
    low, high = (ends[worst] for ends in entry["interval"])
    replicated, resolution = entry["replicates"] > 1, entry["resolution"]
    spread = f" +- {entry['standard_error'][worst]:.2g}" if replicated else ""
    rejected = "rejected" if entry["power"] is None else "seen"
    return {
        "id": entry["id"],
        "source": entry["source"],
        "predicted": f"{predicted[worst]:.5g}",
        "measured": f"{measured[worst]:.5g}{spread}",
        "interval": f"[{low:.4g}, {high:.4g}]" if replicated else "",
        "resolution": "exact" if resolution is None else f"{resolution:.0f}",
        "verdict": entry["verdict"],
        "expected": entry["expected"],
        "control": rejected if entry["control"]["rejected"] else f"NOT {rejected.upper()}",
    }


def entries_json(entries: Sequence[dict]) -> bytes:
    """Entries as JSON text; not a number is refused."""
    return (json.dumps(list(entries), indent=1, allow_nan=False) + "\n").encode()


def entries_markdown(entries: Sequence[dict]) -> bytes:
    """Entries as a table, then every statement with its reference, assumptions, limits and control."""
    conditions = Counter(map(_conditions, entries))
    usual = conditions.most_common(1)[0][0] if entries else ""
    lines = [
        "# Claims",
        "",
        "Written by `projhead claims`. Every statement is measured by code that does not know the formula; the",
        "same check must reject its nearest plausible error (control). Intervals are Student's at level",
        f"{FALSE_ALARM:g} / {LEDGER_COMPARISONS} (the most comparisons the ledger may hold); predictions and",
        f"controls of statistical claims are at least {MIN_RESOLUTION:g} standard errors apart (resolution). Of",
        "several comparisons the row shows the one farthest from its prediction; `figures/claims.json` holds all.",
        "A paper's sentence is *not supported* where its effect, predicted with its sign as 1 or -1, is smaller than a",
        f"size stated beforehand that would have been seen with probability {MIN_POWER:g} or more (power); there the",
        "control is an effect of that size, planted in the same replicates, which must be seen.",
        "",
        f"Measured at {usual}, where a claim does not say otherwise.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    rows = [table_row(entry) for entry in entries]
    lines += ["| " + " | ".join(row[column] for column in _COLUMNS) + " |" for row in rows]
    for entry, row in zip(entries, rows, strict=True):
        lines += [
            "",
            f"## {entry['id']}",
            "",
            f"{entry['statement']} ${entry['latex']}$",
            "",
            f"- Source: {entry['source']}. {entry['reference']}.",
            f"- Assumptions: {entry['assumptions']}.",
            *([f"- Limits: {entry['limits']}."] if entry["limits"] else []),
            f"- Control: {entry['control']['what']} ({row['control']}).",
            *([f"- Power: {entry['power']:.3f}."] if entry["power"] is not None else []),
            f"- Check: `{entry['check']}`, {entry['replicates']} replicates; declared {entry['expected']}, found "
            f"{entry['verdict']}.",
            *([f"- Measured at {_conditions(entry)}."] if _conditions(entry) != usual else []),
        ]
    return ("\n".join(lines) + "\n").encode()


def update_ledger(entries: Sequence[dict], order: Sequence[str], json_path: Path, md_path: Path) -> None:
    """Put entries into the ledger in place of older ones of the same claims; write both files, or neither.

    Parameters
    ----------
    entries : sequence of dict
        New entries (see `ClaimResult.to_json`).
    order : sequence of str
        Ids of all claims. The ledger keeps this order, and drops entries of claims that are not among them.
    json_path, md_path : pathlib.Path
        The entries, from which the new ones are merged, and the page that is made from all of them.
    """
    known = {entry["id"]: entry for entry in read_entries(json_path)} | {
        entry["id"]: entry for entry in entries
    }
    merged = [known[identifier] for identifier in order if identifier in known]
    write_atomically({json_path: entries_json(merged), md_path: entries_markdown(merged)})


def read_entries(path: Path) -> list[dict]:
    """Entries of a ledger; none where there is no file.

    Parameters
    ----------
    path : pathlib.Path
    """
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _conditions(entry: dict) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in entry["versions"].items())
    return f"seed {entry['seed']} with {versions}"
