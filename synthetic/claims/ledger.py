"""The committed ledger of claims: figures/claims.json and CLAIMS.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neural.files import hold_folder, write_atomically
from synthetic.claims.rule import FALSE_ALARM, LEDGER_COMPARISONS, MIN_POWER, MIN_RESOLUTION

_MEANINGS = {
    "holds": "the measurement agrees with the statement",
    "holds within stated limits": "it agrees under the conditions that the claim states",
    "counterexample": "a case in which the statement is false was found, as declared",
    "not supported": "a paper's sentence whose effect is smaller than a size that would have been seen",
    "undecided": "the measurement is too noisy to decide; the claim says what would decide it",
    "fails": "the measurement contradicts the statement",
}
_ALIKE = 1e6
"""Resolution where the replicates do not differ at all."""


def table_row(entry: dict) -> dict[str, str]:
    """Cells of the table for one entry of the ledger; of several comparisons the one nearest to failing.

    Parameters
    ----------
    entry : dict
        See `ClaimResult.to_json`.
    """
    measured, predicted = np.array(entry["measured"]), np.array(entry["predicted"])
    worst = int(np.argmax(_strain(entry["asked"][0], measured, predicted)))
    low, high = (ends[worst] for ends in entry["interval"])
    replicated = entry["replicates"] > 1
    spread = f" ± {entry['standard_error'][worst]:.2g}" if replicated else ""
    rejected = "rejected" if entry["power"] is None else "seen"
    return {
        "id": entry["id"],
        "source": entry["source"],
        "predicted": entry["asked"][worst],
        "measured": f"{measured[worst]:.4g}{spread}",
        "interval": f"[{low:.4g}, {high:.4g}]" if replicated else "",
        "resolution": _resolution(entry),
        "verdict": entry["verdict"],
        "expected": entry["expected"],
        "control": rejected if entry["control"]["rejected"] else f"NOT {rejected.upper()}",
    }


def _strain(asked, measured, predicted):
    """How near a comparison is to failing: its excess over a bound, minus its effect, or its distance."""
    if asked.startswith("≤"):
        return measured - predicted
    if asked.startswith((">", "<")):
        return -np.sign(predicted) * measured
    return np.abs(measured - predicted)


def entries_json(entries: Sequence[dict]) -> bytes:
    """Entries as JSON text; not a number is refused."""
    return (json.dumps(list(entries), indent=1, allow_nan=False) + "\n").encode()


def entries_markdown(entries: Sequence[dict], papers: Mapping[str, str]) -> bytes:
    """The page: how to read it, verdicts counted, a table for each paper, then every claim in detail.

    Parameters
    ----------
    entries : sequence of dict
    papers : mapping of str to str
        Title of the paper that each claim belongs to.
    """
    conditions = Counter(map(_conditions, entries))
    usual = conditions.most_common(1)[0][0] if entries else ""
    groups: dict[str, list[dict]] = {}
    for entry in entries:
        groups.setdefault(papers[entry["id"]], []).append(entry)
    lines = [*_introduction(entries, usual)]
    for paper, group in groups.items():
        lines += ["", f"## {paper}", "", "| claim | theory says | measured | verdict |", "|---|---|---|---|"]
        lines += [_table_line(entry) for entry in group]
    lines += ["", "## Every claim in detail"]
    for entry in entries:
        lines += ["", f"### {entry['id']}", "", *_details(entry, usual)]
    return ("\n".join(lines) + "\n").encode()


def _introduction(entries, usual):
    counts = Counter(entry["verdict"] for entry in entries)
    comparisons = sum(len(entry["measured"]) for entry in entries)
    apart = sum(sum(entry["control"]["differs"]) for entry in entries)
    return [
        "# Claims",
        "",
        "Every claim is one statement about projection heads, held against a measurement that does not know it.",
        "",
        "| verdict | claims | meaning |",
        "|---|---|---|",
        *(f"| {verdict} | {counts[verdict]} | {meaning} |" for verdict, meaning in _MEANINGS.items()),
        "",
        "**How to read a row.** *Theory says* is what the statement asks of the measurement: a value with its",
        "margin, a side of zero, or a bound. *Measured* is a mean ± its standard error over independent replicates, or",
        "one number where nothing is random. Of several comparisons the row shows the one nearest to failing;",
        "`figures/claims.json` holds all.",
        "",
        "**Why a verdict can be believed.** The same check must reject a control: the nearest error that would matter.",
        "A sentence of a paper is *not supported* only where an effect of a size stated beforehand, planted in the",
        f"replicates, would have been seen with probability {MIN_POWER:g} or more. Intervals are Student's at level",
        f"{FALSE_ALARM:g} / {LEDGER_COMPARISONS}, so that one run of all claims raises a false alarm with probability",
        f"{FALSE_ALARM:g} at most. Prediction and control are at least {MIN_RESOLUTION:g} standard errors apart in",
        f"some comparison of every claim; the check rejects the control in {apart} of all {comparisons} comparisons.",
        "Where a claim is about training, the same check must also reject untrained networks, if it names them.",
        "",
        "**Where a statement is from.** A *paper* states it; it is *reconstructed* where a paper names it without the",
        "formula, and *derived* where the derivation is ours. An *identity* is true of any matrices, trained or not:",
        "its claim tests the code.",
        "",
        f"Written by `projhead claims`. Measured at {usual}, where a claim does not say otherwise.",
    ]


def _table_line(entry):
    row = table_row(entry)
    quantity = f"{entry['quantity']}: " if entry["quantity"] else ""
    cells = (
        f"{entry['statement']} [{entry['id']}](#{_anchor(entry['id'])})",
        row["predicted"],
        quantity + row["measured"],
        row["verdict"] if entry["ok"] else f"{row['verdict']}, NOT AS DECLARED",
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _details(entry, usual):
    row, control, untrained = table_row(entry), entry["control"], entry["untrained"]
    count, apart = len(entry["measured"]), sum(control["differs"])
    return [
        f"{entry['statement']} ${entry['latex']}$",
        "",
        f"- Source: {entry['source']}. {entry['reference']}.",
        f"- Assumptions: {entry['assumptions']}.",
        *([f"- Limits: {entry['limits']}."] if entry["limits"] else []),
        *([f"- Undecided because {entry['reason']}; {_needed(entry)}."] if entry["reason"] else []),
        f"- Control: {control['what']} ({row['control']}; it differs in {apart} of {count} comparisons; "
        f"resolution {row['resolution']}).",
        *([f"- Untrained networks: {_untrained(untrained)}."] if untrained else []),
        *([f"- Power: {entry['power']:.3f}."] if entry["power"] is not None else []),
        f"- Check: `{entry['check']}`, {entry['replicates']} replicates; declared {entry['expected']}, found "
        f"{entry['verdict']}.",
        *([f"- Measured at {_conditions(entry)}."] if _conditions(entry) != usual else []),
    ]


def _resolution(entry):
    """Standard errors between prediction and control, where the control differs."""
    if entry["resolution"] is None:
        return "exact"
    values = [v for v, apart in zip(entry["resolution"], entry["control"]["differs"], strict=True) if apart]
    if not values:
        values = entry["resolution"]
    low, high = ("no spread" if value >= _ALIKE else f"{value:.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _needed(entry):
    needed = entry["replicates_needed"]
    return f"{needed or 'more than 10,000'} replicates would decide, {entry['replicates']} were measured"


def _untrained(untrained):
    values = ", ".join(
        f"{mean:.4g} ± {se:.2g}"
        for mean, se in zip(untrained["measured"], untrained["standard_error"], strict=True)
    )
    return f"{values} ({'rejected' if untrained['rejected'] else 'NOT REJECTED'})"


def _anchor(identifier):
    """The anchor that GitHub gives the heading of a claim."""
    return identifier.replace(".", "")


def update_ledger(entries: Sequence[dict], papers: Mapping[str, str], json_path: Path, md_path: Path) -> None:
    """Put entries into the ledger in place of older ones of the same claims; write both files, or neither.

    Several processes may do this at the same time; each waits until the others are done.

    Parameters
    ----------
    entries : sequence of dict
        New entries (see `ClaimResult.to_json`).
    papers : mapping of str to str
        Ids of all claims, each with the title of its paper. The ledger keeps this order, and drops entries of claims
        that are not among them.
    json_path, md_path : pathlib.Path
        The entries, from which the new ones are merged, and the page that is made from all of them.
    """
    with hold_folder(json_path.parent):
        known = {entry["id"]: entry for entry in [*read_entries(json_path), *entries]}
        merged = [known[identifier] for identifier in papers if identifier in known]
        write_atomically({json_path: entries_json(merged), md_path: entries_markdown(merged, papers)})


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
