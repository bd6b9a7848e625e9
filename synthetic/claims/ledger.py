"""The committed ledger of claims: figures/claims.json and CLAIMS.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from neural.files import write_atomically
from synthetic.claims.registry import ClaimResult
from synthetic.claims.rule import FALSE_ALARM, LEDGER_COMPARISONS, MIN_POWER, MIN_RESOLUTION

_COLUMNS = ("id", "source", "predicted", "measured", "interval", "resolution", "verdict", "control")


def results_json(results: Sequence[ClaimResult]) -> bytes:
    """Results as JSON text; not a number is refused."""
    return (json.dumps([r.to_json() for r in results], indent=1, allow_nan=False) + "\n").encode()


def results_markdown(results: Sequence[ClaimResult]) -> bytes:
    """Results as a table, then every statement with its reference, assumptions, limits and control."""
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
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    lines += ["| " + " | ".join(r.row()[column] for column in _COLUMNS) + " |" for r in results]
    for result in results:
        claim = result.claim
        lines += [
            "",
            f"## {claim.id}",
            "",
            f"{claim.statement} ${claim.latex}$",
            "",
            f"- Source: {claim.source}. {claim.reference}.",
            f"- Assumptions: {claim.assumptions}.",
            *([f"- Limits: {claim.limits}."] if claim.limits else []),
            f"- Control: {claim.control} ({result.row()['control']}).",
            *([f"- Power: {result.power:.3f}."] if result.power is not None else []),
            f"- Check: `{claim.check!r}`, {result.estimate.replicates} replicates; declared {claim.expected}, found "
            f"{result.verdict}.",
        ]
    return ("\n".join(lines) + "\n").encode()


def write_ledger(results: Sequence[ClaimResult], json_path: Path, md_path: Path) -> None:
    """Write both files, or neither."""
    write_atomically({json_path: results_json(results), md_path: results_markdown(results)})
