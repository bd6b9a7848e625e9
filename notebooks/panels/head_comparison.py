"""Notebook 19: the heads and schedules of Gupta et al. (2022) side by side, and the paper's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from neural.training.cost import count_step_flops
from neural.training.methods import SimSiam
from neural.training.pretraining import PretrainConfig
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.head_tables import INNER, LINEAR, PRETRAINED, REFERENCE, TABLE_2
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
    PROBE_LOOKS,
    PROBES,
    Scores,
    band,
    errorbars,
    estimate,
    estimates,
    legend_below,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.heads import freeze_trained_heads
from synthetic.images.runs import (
    HEADS_P_DROP,
    alternating,
    head_runs,
    untrained,
    with_data,
    with_members,
    without_last_relu,
)
from synthetic.images.scores import HeadScores
from synthetic.store.arrays import stack_results

KINDS = (LINEAR, "MLP", "MLP, batch norm", "MLP, alternating")
CONTEXTS = {"linear top": KINDS[:2], "easy": KINDS[:2], "SimSiam": (LINEAR, "MLP, batch norm")}
"""Heads that are compared with no head where something else than the head differs."""
PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "embed_dim": embed_dim,
        "inner_steps": inner_steps,
        "proximals": proximals,
        "heads": heads,
        "kinds": kinds,
        "contexts": contexts,
    }
    for profile, embed_dim, inner_steps, proximals, heads, kinds, contexts in (
        ("smoke", 8, (2,), (1.0,), (REFERENCE, "DirectCLR", LINEAR, INNER), KINDS[:2], ()),
        ("quick", 32, (1, 5, 10), (0.0, 1.0), tuple(TABLE_2), KINDS, tuple(CONTEXTS)),
        ("full", 128, (1, 2, 5, 10), (0.0, 0.1, 1.0, 10.0), tuple(TABLE_2), KINDS, tuple(CONTEXTS)),
    )
}
MEASUREMENT = HeadScores()
_ORDER = ("knn", "linear")
_CURVES = (REFERENCE, "DirectCLR", LINEAR, INNER)
_TITLES = {
    "heads": "Table 2, linear heads, encoder ends with ReLU",
    "ReLU": "kinds of heads, encoder ends with ReLU",
    "linear top": "kinds of heads, encoder ends with batch norm",
    "easy": "kinds of heads, both views always have the digit, ReLU",
    "SimSiam": "SimSiam, ReLU",
    "untrained": "untrained encoder, by its last layer",
}
FIGURES = {
    "heads": {
        "caption": "Ten heads of Table 2 of Gupta et al., all linear, on an encoder that ends with a ReLU: accuracy "
        "with which the digit is read before the head, by two probes (mean and 95% interval), and the paper's "
        "numbers. Grey band: untrained encoder.",
        "alt": "Three panels with one row a head. Left and middle: no head and bottom principal components are "
        "lowest, trainable heads highest, near or above the band. Right: the paper's values from 28 for no head to "
        "40.",
    },
    "kinds": {
        "caption": "What a head adds to no head, member by member, by kind of head and in four settings. With a ReLU "
        "at the end of the encoder every head adds much; with batch norm there, a linear head adds nothing.",
        "alt": "Two panels of differences with one row a kind of head. Black markers lie near 0.15, those of batch "
        "norm at or below zero.",
    },
    "ranks": {
        "caption": "Effective rank of the representation and of the embedding, by head, mean and 95% interval. Below "
        "the line: untrained network.",
        "alt": "One row a head. Without a head both ranks are 23; behind heads that of h is 32 to 42, that of z 15 "
        "to 20.",
    },
    "deficit": {
        "caption": "Accuracy of the digit before the head against the effective rank that the head takes away, one "
        "marker a head; five heads are named, the others grey. $r$ is the correlation over the ten linear heads.",
        "alt": "Two scatter plots. Accuracy rises with the rank deficit from no head and bottom principal components "
        "at the lower left to alternating optimisation at the upper right; the MLP lies below the trend.",
    },
    "curves": {
        "caption": "Accuracy by nearest neighbours during training, against epochs and against operations. Without a "
        "head and with DirectCLR it falls below the untrained encoder (band); behind trainable heads it is kept.",
        "alt": "Two panels with four curves each. Two rise slightly from 0.66 to 0.74, two fall from 0.6 to 0.52.",
    },
    "inner": {
        "caption": "Alternating minus joint training of the linear head, against the number $l$ of steps of the head "
        "for each step of the encoder. The rank of $h$ rises and that of $z$ falls; the gain in accuracy is small.",
        "alt": "Left panel: differences of accuracy between 0 and 0.03 with wide intervals. Right panel: effective "
        "rank of h rises to plus 3.5, that of z falls to minus 2.7.",
    },
    "proximal": {
        "caption": "As in the figure before, at five inner steps, against the weight of the proximal term, which "
        "slows the head down.",
        "alt": "Left panel: differences of accuracy near 0.03. Right panel: effective rank of h about plus 2.3, that "
        "of z minus 1.4 and, with the proximal term, minus 0.5.",
    },
}
Runs = dict[tuple[str, str], list[PretrainConfig]]


def comparison_runs(
    base: PretrainConfig,
    *,
    members: int,
    embed_dim: int,
    inner_steps: Sequence[int],
    proximals: Sequence[float],
    heads: Sequence[str] = tuple(TABLE_2),
    kinds: Sequence[str] = KINDS,
    contexts: Sequence[str] = tuple(CONTEXTS),
    jobs: int = 1,
    label: str = "",
) -> Runs:
    """All members of all runs, by group and head; the pre-trained heads are trained here.

    Parameters
    ----------
    base : PretrainConfig
    members : int >= 2
    embed_dim : int
        Outputs of every head.
    inner_steps, proximals : sequence
        l of the alternating optimisation without a proximal term, and weights of that term at five steps.
    heads : sequence of str
        Of Table 2, the four of the learning curves among them.
    kinds, contexts : sequence of str
        Of `KINDS`, and of `CONTEXTS`.
    jobs, label
        As for `measure_bank`.

    Returns
    -------
    dict of (group, head) to a list of PretrainConfig
        Groups: "heads" (Table 2, all linear), "ReLU" (no head and `kinds`), `contexts` (no head and their heads),
        "inner" and "proximal" (sweeps of the linear head), "untrained" (control, by the encoder's last layer).
    """
    start = with_data(base, p_drop=HEADS_P_DROP)
    runs = head_runs(start, embed_dim)
    linear, adam = runs[LINEAR], start.schedule.optimizer
    bases = {
        "linear top": without_last_relu(start),
        "easy": with_data(start, p_drop=0.0),
        "SimSiam": replace(start, method=SimSiam(hidden_dim=embed_dim // 2)),
    }
    groups = {
        "heads": {head: runs[head] for head in heads if head != PRETRAINED},
        "ReLU": {head: runs[head] for head in (REFERENCE, *kinds)},
        **{
            name: {head: head_runs(bases[name], embed_dim)[head] for head in (REFERENCE, *CONTEXTS[name])}
            for name in contexts
        },
        "inner": {f"{n}": replace(linear, schedule=alternating(adam, n)) for n in inner_steps},
        "proximal": {f"{w:g}": replace(linear, schedule=alternating(adam, proximal=w)) for w in proximals},
        "untrained": {"ReLU": untrained(linear), "linear top": untrained(without_last_relu(linear))},
    }
    found = with_members(
        {(group, head): run for group, named in groups.items() for head, run in named.items()}, members
    )
    if PRETRAINED in heads:
        found["heads", PRETRAINED] = freeze_trained_heads(found["heads", LINEAR], jobs=jobs, label=label)
    return found


def count_costs(runs: Runs) -> dict[str, float]:
    """Floating-point operations of one step for each image pair, for the heads of the learning curves."""
    return {head: count_step_flops(runs["heads", head][0]) for head in _CURVES}


def summarise(results: Mapping[tuple[str, str], Scores], *, monitor: int, cost: Mapping[str, float]) -> dict:
    """Means and intervals by group and head, contrasts paired by member, and correlations over heads.

    Parameters
    ----------
    results : dict of (group, head) to a dict of arrays
        `MEASUREMENT` of every run.
    monitor : int
        Epochs between two points of the learning curves.
    cost : dict
        Of `count_costs`.

    Returns
    -------
    dict
        `groups`: group -> head -> name -> `estimate`, names `linear` and `knn` (accuracy of the digit before the
        head), `linear_z`, `knn_z`, `er_h`, `er_z`, `deficit` (effective rank of h minus that of z), and `knn_more`,
        `linear_more`, `er_h_more`, `er_z_more`: the same minus the reference of the group, member by member (no head;
        in the sweeps the joint linear head). `correlation`: probe -> estimate over members of Pearson's correlation
        of `deficit` and accuracy over the heads of Table 2, and `kinds_<probe>` over no head, linear, MLP. `curves`:
        `epoch`, `knn` (head -> estimate at these epochs), `cost` (head -> operations of a step).
    """
    groups: dict[str, dict] = {}
    for (group, head), scores in results.items():
        reference = results.get((group, REFERENCE), results["ReLU", LINEAR])
        groups.setdefault(group, {})[head] = _numbers(scores, reference)
    groups["heads"] = {head: groups["heads"][head] for head in TABLE_2 if head in groups["heads"]}
    compared = {
        "": [results["heads", head] for head in TABLE_2 if ("heads", head) in results],
        "kinds_": [results["ReLU", head] for head in (REFERENCE, LINEAR, "MLP")],
    }
    curves = {head: results["heads", head]["curve"] for head in _CURVES}
    points = next(iter(curves.values())).shape[1]
    return {
        "groups": groups,
        "correlation": {
            f"{prefix}{probe}": _correlation(heads, probe)
            for prefix, heads in compared.items()
            for probe in _ORDER
        },
        "curves": {
            "epoch": [monitor * (i + 1) for i in range(points)],
            "knn": {head: estimate(curve.T) for head, curve in curves.items()},
            "cost": dict(cost),
        },
    }


def _numbers(scores: Scores, reference: Scores) -> dict:
    names = {"linear": "digit_linear_h", "knn": "digit_knn_h", "er_h": "effective_rank_h"}
    names |= {"linear_z": "digit_linear_z", "knn_z": "digit_knn_z", "er_z": "effective_rank_z"}
    more = {f"{name}_more": names[name] for name in ("linear", "knn", "er_h", "er_z")}
    return estimates(
        {name: scores[key] for name, key in names.items()}
        | {"deficit": _deficit(scores)}
        | {name: scores[key] - reference[key] for name, key in more.items()}
    )


def _deficit(scores: Scores) -> np.ndarray:
    return scores["effective_rank_h"] - scores["effective_rank_z"]


def _correlation(heads: Sequence[Scores], probe: str) -> dict:
    """Over heads, within each member."""
    deficit = np.stack([_deficit(head) for head in heads])
    accuracy = np.stack([head[f"digit_{probe}_h"] for head in heads])
    return estimate(np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(deficit.T, accuracy.T, strict=True)]))


def format_table(summary: dict) -> str:
    """Accuracy before the head, its difference to no head and the effective ranks, for all heads, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise`; +- is the half width of Student's 95% interval.
    """
    parts = []
    for group, title in _TITLES.items():
        rows = []
        for head, values in summary["groups"].get(group, {}).items():
            alone = head == REFERENCE or group == "untrained"
            row = {title: head}
            for probe in ("linear", "knn"):
                row[probe] = f"{values[probe]['mean']:.3f}"
                row[f"{probe} - no head"] = "" if alone else plus_minus(values[f"{probe}_more"])
            row |= {f"er({layer})": f"{values[f'er_{layer}']['mean']:.1f}" for layer in "hz"}
            rows.append(row | ({"paper": f"{TABLE_2[head]:.2f}"} if group == "heads" else {}))
        parts += [text_table(rows)] if rows else []
    correlations = [
        {
            "correlation of effective rank deficit and accuracy": words,
            "ten heads": plus_minus(summary["correlation"][probe], digits=2),
            "none, linear, MLP": plus_minus(summary["correlation"][f"kinds_{probe}"], digits=2),
        }
        for probe, words in PROBES.items()
    ]
    return "\n\n".join([*parts, text_table(correlations)])


def draw_heads(summary: dict) -> Figure:
    """Accuracy of h for the ten heads of Table 2, untrained encoder as band, the paper's numbers beside.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    heads = summary["groups"]["heads"]
    rows = -np.arange(len(heads))
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.0))
        *ours, paper = figure.subplots(1, 3, sharey=True)
        for axes, probe in zip(ours, _ORDER, strict=True):
            value = stack_results([values[probe] for values in heads.values()])
            errorbars(axes, rows, value, horizontal=True, **PROBE_LOOKS[probe])
            start = summary["groups"]["untrained"]["ReLU"][probe]
            band(axes, start, vertical=True, color="0.7", label="untrained encoder")
            axes.set(title=f"here:\n{PROBES[probe]}", xlabel="digit from $h$")
        paper.plot([TABLE_2[head] for head in heads], rows, "D", color="0.2")
        paper.set(title="Gupta et al.,\nTable 2", xlabel="kNN, %, TinyImageNet")
        ours[0].set_yticks(rows, list(heads))
        for axes in figure.axes:
            axes.grid(axis="y", color="0.9")
        handles = {
            label: h for axes in ours for h, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return figure


def draw_kinds(summary: dict) -> Figure:
    """What kinds of heads add to no head: by the encoder's last layer, by task, and for SimSiam.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    labels = {
        "ReLU": "encoder ends with ReLU",
        "linear top": "encoder ends with batch norm",
        "easy": "ReLU, digit in both views",
        "SimSiam": "ReLU, SimSiam",
    }
    looks = [
        {"color": c, "marker": m}
        for c, m in zip(("black", *(PALETTE[i] for i in (4, 5, 9))), "os^D", strict=True)
    ]
    heads = [head for head in summary["groups"]["ReLU"] if head != REFERENCE]
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.0))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, probe in zip(panels, _ORDER, strict=True):
            for i, (group, label) in enumerate(labels.items()):
                found = {h: v for h, v in summary["groups"].get(group, {}).items() if h in heads}
                if found:
                    rows = np.array([0.24 - 0.16 * i - heads.index(head) for head in found])
                    value = stack_results([v[f"{probe}_more"] for v in found.values()])
                    errorbars(axes, rows, value, horizontal=True, label=label, **looks[i])
            mark_zero(axes, vertical=True)
            axes.set(title=PROBES[probe], xlabel="digit from $h$, minus no head")
        panels[0].set_yticks(-np.arange(len(heads)), heads)
        panels[0].set_ylim(0.5 - len(heads), 0.5)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_ranks(summary: dict) -> Figure:
    """Effective ranks of both layers by head, the untrained network last.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    shown = _with_mlp(summary) | {"untrained": summary["groups"]["untrained"]["ReLU"]}
    rows = -np.arange(len(shown))
    with apply_style():
        figure = Figure(figsize=(NARROW, 4.2))
        axes = figure.subplots()
        for layer, look in LAYERS.items():
            value = stack_results([numbers[f"er_{layer}"] for numbers in shown.values()])
            errorbars(axes, rows, value, horizontal=True, **look)
        axes.axhline(1.5 - len(shown), color="0.7", linewidth=0.8)
        axes.set(xlabel="effective rank", yticks=rows, yticklabels=list(shown), xlim=(0, None))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def draw_deficit(summary: dict) -> Figure:
    """Accuracy of h against the effective rank deficit, a marker a head, one panel for each probe.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    heads = _with_mlp(summary)
    named = [head for head in (REFERENCE, "PCA bottom", "DirectCLR", INNER, "MLP") if head in heads]
    looks = dict(
        zip(named, zip(("black", *(PALETTE[i] for i in (9, 7, 4, 5))), "os^DP", strict=True), strict=False)
    )
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.9))
        panels = figure.subplots(1, 2)
        for axes, probe in zip(panels, _ORDER, strict=True):
            for head, values in heads.items():
                colour, marker = looks.get(head, ("0.75", "."))
                look = {"color": colour, "marker": marker, "label": head if head in looks else "_other"}
                deficit = values["deficit"]
                errorbars(axes, deficit["mean"], values[probe], xerr=deficit["half_width"], **look)
            r = summary["correlation"][probe]
            axes.set(
                title=f"{PROBES[probe]}\n$r$ = {r['mean']:.2f} $\\pm$ {r['half_width']:.2f}, linear heads",
                xlabel="effective rank of $h$ minus that of $z$",
            )
        panels[0].set_ylabel("test accuracy of the digit from $h$")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _with_mlp(summary: dict) -> dict[str, dict]:
    return summary["groups"]["heads"] | {"MLP": summary["groups"]["ReLU"]["MLP"]}


def draw_curves(summary: dict) -> Figure:
    """Accuracy of h during training, against epochs and against floating-point operations.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    curves = summary["curves"]
    epochs = np.asarray(curves["epoch"])
    colours = ("black", PALETTE[7], PALETTE[4], PALETTE[5])
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        by_epoch, by_cost = figure.subplots(1, 2, sharey=True)
        for i, (head, value) in enumerate(curves["knn"].items()):
            relative = curves["cost"][head] / curves["cost"][REFERENCE]
            look = {"color": colours[i], "marker": "o^sD"[i], "label": head}
            for axes, places in ((by_epoch, epochs + 0.16 * (i - 1.5)), (by_cost, epochs * relative)):
                errorbars(axes, places, value, linestyle="-", linewidth=0.8, **look)
        by_epoch.set(xlabel="epoch", ylabel="digit from $h$, 20 neighbours")
        by_cost.set(xlabel="operations, in epochs\nof training without a head")
        start = summary["groups"]["untrained"]["ReLU"]["knn"]
        for axes in figure.axes:
            band(axes, start, color="0.7", label="untrained encoder")
        figure.legend(*by_epoch.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_sweep(summary: dict, group: str) -> Figure:
    """Alternating minus joint training of the linear head, member by member: accuracies, and effective ranks.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    group : {"inner", "proximal"}
        What is varied: the inner steps, or the weight of the proximal term.
    """
    xlabel = {"inner": "inner steps $l$", "proximal": r"proximal weight $\lambda$, $l = 5$"}[group]
    found = summary["groups"][group]
    places = np.arange(len(found))
    panels = {
        "digit from $h$, minus joint": {probe: PROBE_LOOKS[probe] for probe in _ORDER},
        "effective rank, minus joint": {f"er_{layer}": look for layer, look in LAYERS.items()},
    }
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        for axes, (ylabel, looks) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for side, (name, look) in zip((-1, 1), looks.items(), strict=True):
                value = stack_results([numbers[f"{name}_more"] for numbers in found.values()])
                errorbars(axes, places + 0.06 * side, value, **look)
            mark_zero(axes)
            axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.5, len(found) - 0.5))
            axes.set_xticks(places, list(found))
            legend_below(axes, ncols=1)
    return figure
