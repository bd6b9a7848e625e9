"""Notebook 15: what labels make a network forget, before and after the head (Xue et al., Figure 4, Tables 1, 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import (
    FEW_SHOT,
    IMAGE_BASE,
    IMAGE_MEMBERS,
    PALETTE,
    PROBE_LOOKS,
    Estimate,
    Scores,
    errorbars,
    estimate,
    estimates,
    layer_cells,
    layer_scores,
    mark_zero,
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
FIGURES = {
    "coarse": {
        "caption": "Networks trained on pairs of similar digits and asked for the digit. Left: what the head loses, "
        "accuracy before minus after it; the bar without marker is the trained label. Right: accuracy before the "
        "head minus that of a network without head. Mean over networks with 95% intervals; the last row is the "
        "control.",
        "alt": "Two panels with one row a run. Left: every MLP loses the digit, the untrained MLP as much or more; "
        "the trained label is not lost. Right: the MLP adds accuracy with the supervised contrastive loss, the fixed "
        "head adds less, and with cross-entropy the fixed head takes accuracy away.",
    },
    "shift": {
        "caption": "Worst of four groups, accuracy before minus after the MLP head, against the number $m$ of "
        "labelled images of each group, for a weak digit (left) and a stronger one (right). Open markers: untrained "
        "networks.",
        "alt": "Left panel: markers at or above zero, rising with m for cross-entropy to about 0.2. Right panel: "
        "below zero at two labels of each group and above zero from five or twenty labels on.",
    },
    "heads": {
        "caption": "Worst of four groups, accuracy before each head minus that of the network without head, at digit "
        "strength 0.3, against the number $m$ of labelled images of each group, with 95% intervals.",
        "alt": "Two panels, supervised contrastive loss and cross-entropy. The MLP adds up to 0.1 with the first and "
        "little with the second; the fixed head takes away up to 0.3 with cross-entropy.",
    },
}
_METHODS = {
    "SupCon": {"color": PALETTE[4], "marker": "D", "label": "supervised contrastive"},
    "CE": {"color": PALETTE[5], "marker": "v", "label": "cross-entropy"},
    UNTRAINED: {"color": "0.5", "marker": "o", "markerfacecolor": "none", "label": "untrained"},
}
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
    """What a head loses, and what it adds before it, for every run with a head and the untrained network.

    Parameters
    ----------
    summary : dict
        Of `summarise_coarse`.
    """
    shown = [i for i, run in enumerate(summary["run"]) if NONE not in run]
    heads = [i for i in shown if UNTRAINED not in summary["run"][i]]
    rows = dict(zip(shown, -np.arange(len(shown)), strict=True))
    looks = {**PROBE_LOOKS, "few_shot": FEW_SHOT | {"label": f"{SHOTS} labels of each digit"}}
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.2))
        lost, added = figure.subplots(1, 2, sharey=True)
        for k, (probe, look) in enumerate(looks.items()):
            gap, more = summary["accuracy"][f"digit_{probe}_gap"], summary["minus_none"][probe]
            for axes, value, chosen in ((lost, gap, shown), (added, more, heads)):
                places = np.array([rows[i] for i in chosen]) + 0.2 * (1 - k)
                errorbars(axes, places, _choose(value, chosen), horizontal=True, **look)
        coarse = {"color": "0.3", "marker": "|", "markersize": 9, "label": "trained label, linear probe"}
        gap = _choose(summary["accuracy"]["coarse_linear_gap"], shown)
        errorbars(lost, np.array([rows[i] for i in shown]) - 0.38, gap, horizontal=True, **coarse)
        lost.set(title="what the head loses", xlabel="before minus after the head")
        added.set(title="what a head adds", xlabel="before the head, minus no head")
        lost.set_yticks(list(rows.values()), [summary["run"][i].replace(", no", ",\nno") for i in shown])
        for axes in figure.axes:
            mark_zero(axes, vertical=True)
            axes.grid(axis="y", color="0.92")
        figure.legend(*lost.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _choose(value: Estimate, index: Sequence[int]) -> Estimate:
    """Some of the entries of an estimate."""
    return {name: np.asarray(numbers)[list(index)] for name, numbers in value.items()}


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
        for runs with a head beside one without, `minus_none`, before the head minus without head; for runs with a
        classifier of their own its worst group, `own`.
    """
    runs = []
    for (method, strength, head), values in scores.items():
        before, after = (np.array([values[f"worst_{m}_{layer}"] for m in per_group]) for layer in "hz")
        mean = np.array([values[f"mean_{m}_h"] - values[f"mean_{m}_z"] for m in per_group])
        parts = {"before": before, "after": after, "gap": before - after, "mean_gap": mean}
        if head != NONE and (method, strength, NONE) in scores:
            none = scores[method, strength, NONE]
            parts["minus_none"] = before - np.array([none[f"worst_{m}_h"] for m in per_group])
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
    """Worst group before minus after the MLP, against the number of labels, a panel for each of two strengths.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    strengths = list(dict.fromkeys(run["strength"] for run in summary["run"]))[:2]
    places = np.arange(len(summary["per_group"]))
    runs = {(run["method"], run["strength"], run["head"]): run for run in summary["run"]}
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        for axes, strength in zip(
            figure.subplots(1, len(strengths), sharey=True, squeeze=False)[0], strengths, strict=True
        ):
            for side, (method, look) in zip((-1, 0, 1), _METHODS.items(), strict=True):
                errorbars(axes, places + 0.13 * side, runs[method, strength, MLP]["gap"], **look)
            mark_zero(axes)
            axes.set(title=f"digit of strength {strength:g}", xlabel="labelled images of each group, $m$")
            axes.set_xticks(places, summary["per_group"])
        figure.axes[0].set_ylabel("worst of four groups,\nbefore minus after the head")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_heads(summary: dict) -> Figure:
    """Worst group before every head minus that without head, a panel for each method, at the weakest digit.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    places = np.arange(len(summary["per_group"]))
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        for axes, method in zip(figure.subplots(1, 2, sharey=True), LABELLED, strict=True):
            runs = [run for run in summary["run"] if run["method"] == method and "minus_none" in run]
            for i, run in enumerate(runs):
                look = {"color": PALETTE[(4, 5, 9)[i]], "marker": "DvP"[i], "label": f"head: {run['head']}"}
                errorbars(axes, places + 0.16 * (i - (len(runs) - 1) / 2), run["minus_none"], **look)
            mark_zero(axes)
            axes.set(title=_METHODS[method]["label"], xlabel="labelled images of each group, $m$")
            axes.set_xticks(places, summary["per_group"])
        figure.axes[0].set_ylabel("worst of four groups,\nbefore the head minus no head")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
