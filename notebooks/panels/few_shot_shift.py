"""Notebook 15: what labels make a network forget, before and after the head (Xue et al., Figure 4, Tables 1, 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    BEFORE,
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
    Scores,
    before_after,
    errorbars,
    estimate,
    estimates,
    layer_cells,
    layer_scores,
    plus_minus,
    text_table,
)
from synthetic.images.runs import (
    COARSE_STRENGTH,
    LABELLED,
    coarse_run,
    reweighting_heads,
    shift_run,
    untrained,
    with_data,
    without_last_relu,
)
from synthetic.images.scores import ProbeScores

PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "coarse_epochs": coarse_epochs,  # a fixed head needs 20 epochs to show its effect
        "strengths": strengths,
        "decays": decays,
        "per_group": per_group,
    }
    for profile, coarse_epochs, strengths, decays, per_group in (
        ("smoke", 1, (0.3,), (1.2,), (2, 20)),
        ("quick", 20, (0.3, 0.5), (1.2,), (2, 5, 20, 100)),
        ("full", 60, (0.3, 0.5, 0.7), (1.05, 1.2), (2, 5, 10, 20, 50, 100)),
    )
}
SHOTS = 5
MEASUREMENT = ProbeScores(labels=("digit", "coarse"), few_shot=SHOTS)
NONE, MLP, UNTRAINED = "none", "MLP", "untrained"
_QUANTITIES = {
    "digit_linear": "digit, linear probe",
    "digit_knn": "digit, 20 nearest neighbours",
    "digit_few_shot": f"digit, {SHOTS} labels of each",
    "coarse_linear": "trained label (coarse), linear probe",
}


def coarse_runs(base: PretrainConfig, decays: Sequence[float]) -> dict[tuple, PretrainConfig]:
    """Runs trained on pairs of similar digits, to be asked for the digit.

    Parameters
    ----------
    base : PretrainConfig
        With an MLP head and a last ReLU.
    decays : sequence of float
        Of fixed reweighting heads.

    Returns
    -------
    dict
        Names (method, head), method in `LABELLED`, head `NONE`, `MLP` or "fixed <decay>"; with a third entry
        "linear" where the encoder does not end with a ReLU; (UNTRAINED, MLP).
    """
    heads = reweighting_heads(base, decays)
    runs: dict[tuple, PretrainConfig] = {
        (method, name): coarse_run(base, method, head) for method in LABELLED for name, head in heads.items()
    }
    for head in (NONE, MLP):
        runs["SupCon", head, "linear"] = without_last_relu(runs["SupCon", head])
    return runs | {(UNTRAINED, MLP): untrained(with_data(base, strength=COARSE_STRENGTH))}


def summarise_coarse(scores: Mapping[tuple, Scores]) -> dict:
    """Accuracies before and after the head, and what a head adds before it.

    Parameters
    ----------
    scores : mapping
        Of `MEASUREMENT`, by the names of `coarse_runs`.

    Returns
    -------
    dict
        `run`: labels of the runs; `accuracy`: name -> `estimate` for every run, names
        `<digit|coarse>_<probe>_<h|z|gap>`; `minus_none`: probe -> estimate of the digit's accuracy before the head
        minus that of the run of the same method and encoder without head, for every run (paired by member; zero for
        the runs without head themselves and for the untrained).
    """
    none = [scores[name if name[0] == UNTRAINED else (name[0], NONE, *name[2:])] for name in scores]
    table = layer_scores(list(scores.values()), _QUANTITIES)
    return {
        "run": [f"{method}, {head}" + (", no ReLU" if top else "") for method, head, *top in scores],
        "accuracy": estimates(table),
        "minus_none": {
            probe: estimate(table[f"digit_{probe}_h"] - np.array([one[f"digit_{probe}_h"] for one in none]))
            for probe in ("linear", "knn", "few_shot")
        },
    }


def format_coarse(summary: dict) -> str:
    """One line for each run: accuracies, gap, and accuracy before the head minus that without head.

    Parameters
    ----------
    summary : dict
        Of `summarise_coarse`.
    """
    rows = []
    for i, run in enumerate(summary["run"]):
        row = {"": run}
        for probe in ("linear", "knn"):
            row |= layer_cells(summary["accuracy"], {f"digit_{probe}": probe}, i)
            if NONE not in run and UNTRAINED not in run:
                row[f"{probe} - no head"] = plus_minus(summary["minus_none"][probe], i)
        rows.append(row | layer_cells(summary["accuracy"], {"coarse_linear": "coarse"}, i))
    return text_table(rows)


def draw_coarse(summary: dict) -> Figure:
    """Accuracy of the digit by three probes, and of the trained label, before and after the head of every run.

    Parameters
    ----------
    summary : dict
        Of `summarise_coarse`.
    """
    with apply_style():
        figure = Figure(figsize=(10.4, 6.4))
        places = np.arange(len(summary["run"]))
        grid = figure.subplots(2, 2, sharex=True)
        for axes, (stem, title) in zip(grid.ravel(), _QUANTITIES.items(), strict=True):
            before_after(axes, places, summary["accuracy"], stem)
            axes.set(title=title, ylabel="test accuracy")
            axes.grid(axis="x", color="0.92")
        for axes in grid[1]:
            axes.set_xticks(places, summary["run"], rotation=40, ha="right")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def shift_runs(
    base: PretrainConfig, strengths: Sequence[float], decays: Sequence[float]
) -> dict[tuple, PretrainConfig]:
    """Runs trained on the parity of digits whose background mostly agrees with it.

    Parameters
    ----------
    base : PretrainConfig
        With an MLP head and a last ReLU.
    strengths : sequence of float
        Of the digit; the first one with every head, the others with the MLP alone.
    decays : sequence of float
        Of fixed reweighting heads.

    Returns
    -------
    dict
        Names (method, strength, head), and (UNTRAINED, strength, MLP).
    """
    runs = {}
    for s in strengths:
        heads = reweighting_heads(base, decays) if s == strengths[0] else {MLP: base.head}
        runs |= {
            (method, s, name): shift_run(base, method, s, head)
            for method in LABELLED
            for name, head in heads.items()
        }
        trained = shift_run(base, "SupCon", s, base.head)
        runs[UNTRAINED, s, MLP] = replace(untrained(trained), method=base.method)
    return runs


def summarise_shift(scores: Mapping[tuple, Scores], per_group: Sequence[int]) -> dict:
    """Worst-group accuracies of every run against the number of labels.

    Parameters
    ----------
    scores : mapping
        Of `synthetic.images.transfer.WorstGroup`, by the names of `shift_runs`.
    per_group : sequence of int
        Labelled images of each group, rising.

    Returns
    -------
    dict
        `per_group`; `run`: dicts with `method`, `strength`, `head`; worst-group accuracy `before` and `after` the head,
        `gap`, their difference, and `mean_gap`, that of the mean over groups (`estimate` at every number of labels);
        for runs with a classifier of their own its worst group, `own`.
    """
    runs = []
    for (method, strength, head), values in scores.items():
        before, after = (np.array([values[f"worst_{m}_{layer}"] for m in per_group]) for layer in "hz")
        mean = np.array([values[f"mean_{m}_h"] - values[f"mean_{m}_z"] for m in per_group])
        parts = {"before": before, "after": after, "gap": before - after, "mean_gap": mean}
        if "worst_own" in values:
            parts["own"] = values["worst_own"]
        runs.append({"method": method, "strength": strength, "head": head, **estimates(parts)})
    return {"per_group": list(per_group), "run": runs}


def format_shift(summary: dict) -> str:
    """Accuracy before and after the head and their difference, a line for each run and number of labels, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    rows = []
    for run in summary["run"]:
        for i, m in enumerate(summary["per_group"]):
            name = f"{run['method']}, s = {run['strength']:g}, {run['head']}" if i == 0 else ""
            row = {"worst of four groups": name, "labels of each": f"{m}"}
            row |= {layer: f"{run[part]['mean'][i]:.3f}" for layer, part in (("h", "before"), ("z", "after"))}
            row |= {"h - z": plus_minus(run["gap"], i), "mean of four, h - z": plus_minus(run["mean_gap"], i)}
            if "own" in run and i == 0:
                row["its own classifier"] = f"{run['own']['mean']:.3f}"
            rows.append(row)
    return text_table(rows)


def draw_shift(summary: dict) -> Figure:
    """Worst-group accuracy against the number of labels: before and after the MLP at every strength, and every head.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    strengths = list(dict.fromkeys(run["strength"] for run in summary["run"]))
    with apply_style():
        figure = Figure(figsize=(3.6 * (len(strengths) + 1), 6.6))
        grid = figure.subplots(len(LABELLED), len(strengths) + 1, sharey=True)
        for row, method in zip(grid, LABELLED, strict=True):
            for axes, strength in zip(row, strengths, strict=False):
                _draw_layers(axes, summary, method, strength)
            _draw_heads(row[-1], summary, method, strengths[0])
            row[0].set_ylabel(f"{method}: worst of four groups")
        for axes in grid[-1]:
            axes.set_xlabel("labelled images of each group, $m$")
        for column in (0, -1):
            handles = {
                label: handle
                for axes in grid[:, column]
                for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
            }
            grid[-1, column].legend(
                handles.values(), handles.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.2)
            )
    return figure


def _draw_layers(axes: Axes, summary: dict, method: str, strength: float) -> None:
    places = np.arange(len(summary["per_group"]))
    runs = {(run["method"], run["head"]): run for run in summary["run"] if run["strength"] == strength}
    run = runs[method, MLP]
    for shift, part, look in zip((-0.08, 0.08), ("before", "after"), LAYERS.values(), strict=True):
        errorbars(axes, places + shift, run[part], **look)
    look = {**BEFORE, "markerfacecolor": "none", "alpha": 0.6, "label": "before the head, untrained"}
    errorbars(axes, places - 0.2, runs[UNTRAINED, MLP]["before"], **look)
    if "own" in run:
        axes.axhline(run["own"]["mean"], color="0.5", linewidth=1, linestyle="--", label="its own classifier")
    axes.set(title=f"MLP head, digit $s$ = {strength:g}")
    axes.set_xticks(places, summary["per_group"])


def _draw_heads(axes: Axes, summary: dict, method: str, strength: float) -> None:
    places = np.arange(len(summary["per_group"]))
    runs = [run for run in summary["run"] if (run["method"], run["strength"]) == (method, strength)]
    for i, run in enumerate(runs):
        shifted = places + 0.12 * (i - (len(runs) - 1) / 2)
        look = {"color": PALETTE[i + 2], "marker": "D^vP"[i], "label": f"before the head: {run['head']}"}
        errorbars(axes, shifted, run["before"], **look)
    axes.set(title=f"heads, digit $s$ = {strength:g}")
    axes.set_xticks(places, summary["per_group"])
