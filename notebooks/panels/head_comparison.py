"""Notebook 19: the heads and schedules of Gupta et al. (2022) side by side, and the paper's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from neural.training.cost import count_step_flops
from neural.training.methods import SimSiam
from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
    Scores,
    band,
    errorbars,
    estimate,
    estimates,
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

REFERENCE, LINEAR, INNER, PRETRAINED = (
    "no head",
    "trainable, joint",
    "trainable, alternating",
    "pre-trained, fixed",
)
TABLE_2 = {
    REFERENCE: 28.20,
    "random, fixed": 32.88,
    "DirectCLR": 33.08,
    PRETRAINED: 32.98,
    "PCA top": 32.19,
    "PCA bottom": 31.58,
    "slow, single step": 33.06,
    "slow, to optimum": 32.29,
    LINEAR: 38.44,
    INNER: 40.48,
}
"""Nearest-neighbour accuracy in per cent, TinyImageNet, ResNet-50 (Gupta et al., Table 2)."""
TABLE_1 = {
    "no projection": (85.69, 88.07, 47.67, 54.78, 28.20, 35.04),
    "SimCLR": (87.43, 91.11, 56.10, 68.01, 38.44, 50.64),
    "random": (86.57, 90.75, 51.81, 63.25, 32.88, 46.40),
    "DirectCLR": (86.93, 90.19, 52.23, 65.20, 33.08, 46.71),
    "alternating": (88.53, 91.97, 58.08, 69.12, 40.48, 51.72),
}
"""kNN and linear accuracy in per cent on CIFAR-10, CIFAR-100 and TinyImageNet (Gupta et al., Table 1)."""
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
PROBES = {"knn": "20 nearest neighbours", "linear": "linear probe"}
_CURVES = (REFERENCE, "DirectCLR", LINEAR, INNER)
_TITLES = {
    "heads": "Table 2, linear heads, encoder ends with ReLU",
    "ReLU": "kinds of heads, encoder ends with ReLU",
    "linear top": "kinds of heads, encoder ends with batch norm",
    "easy": "kinds of heads, both views always have the digit, ReLU",
    "SimSiam": "SimSiam, ReLU",
    "untrained": "untrained encoder, by its last layer",
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
            for probe in PROBES
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


def compare_sentences() -> list[tuple[str, str, bool]]:
    """Sentences of Gupta et al. held against the numbers of its Tables 1 and 2: sentence, numbers, whether they fit."""
    t = TABLE_2
    fixed = [t[head] for head in ("random, fixed", "DirectCLR", PRETRAINED)]
    slow = [t[head] for head in ("PCA top", "PCA bottom", "slow, single step", "slow, to optimum")]
    gains = [TABLE_1["alternating"][i] - TABLE_1["SimCLR"][i] for i in (2, 4)]
    return [
        (
            "Slow-Single is better than all fixed heads",
            f"{t['slow, single step']:.2f} against at most {max(fixed):.2f}",
            t["slow, single step"] > max(fixed),
        ),
        (
            "all fixed heads are better than none",
            f"at least {min(fixed):.2f} against {t[REFERENCE]:.2f}",
            min(fixed) > t[REFERENCE],
        ),
        (
            "both trainable heads are better than all fixed and slow ones",
            f"at least {min(t[LINEAR], t[INNER]):.2f} against at most {max(fixed + slow):.2f}",
            min(t[LINEAR], t[INNER]) > max(fixed + slow),
        ),
        (
            "PCA heads are worse than a random fixed head",
            f"at most {max(slow[:2]):.2f} against {t['random, fixed']:.2f}",
            max(slow[:2]) < t["random, fixed"],
        ),
        (
            "Slow-Optimal is worse than Slow-Single",
            f"{t['slow, to optimum']:.2f} against {t['slow, single step']:.2f}",
            t["slow, to optimum"] < t["slow, single step"],
        ),
        (
            "kNN gains about 2 points over SimCLR on CIFAR-100 and TinyImageNet",
            " and ".join(f"{gain:.2f}" for gain in gains),
            all(abs(gain - 2) < 0.1 for gain in gains),
        ),
        (
            "Table 1 (non-linear head) and Table 2 (linear heads) are different runs",
            f"SimCLR {TABLE_1['SimCLR'][4]:.2f} and {t[LINEAR]:.2f}, "
            f"alternating {TABLE_1['alternating'][4]:.2f} and {t[INNER]:.2f}",
            TABLE_1["SimCLR"][4] != t[LINEAR] or TABLE_1["alternating"][4] != t[INNER],
        ),
    ]


def format_sentences() -> str:
    """The result of `compare_sentences` as text."""
    return "\n".join(
        f"{'yes' if fits else 'NO':>4}  {sentence}: {numbers}"
        for sentence, numbers, fits in compare_sentences()
    )


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
        figure = Figure(figsize=(10.2, 4.2))
        *ours, paper = figure.subplots(1, 3, sharey=True)
        for axes, (probe, title) in zip(ours, PROBES.items(), strict=True):
            value = stack_results([values[probe] for values in heads.values()])
            errorbars(axes, rows, value, horizontal=True, color=PALETTE[0], marker="o")
            start = summary["groups"]["untrained"]["ReLU"][probe]
            band(axes, start, vertical=True, color="0.7", label="untrained encoder")
            axes.set(title=f"ours, {title}", xlabel="test accuracy of the digit from $h$")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
        paper.plot([TABLE_2[head] for head in heads], rows, "D", color="0.35")
        paper.set(title="Gupta et al., Table 2", xlabel="kNN accuracy in %, TinyImageNet")
        ours[0].set_yticks(rows, list(heads))
        for axes in figure.axes:
            axes.grid(axis="y", color="0.9")
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
    heads = [head for head in summary["groups"]["ReLU"] if head != REFERENCE]
    with apply_style():
        figure = Figure(figsize=(9.4, 4.0))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (probe, title) in zip(panels, PROBES.items(), strict=True):
            for i, (group, label) in enumerate(labels.items()):
                found = {h: v for h, v in summary["groups"].get(group, {}).items() if h in heads}
                if found:
                    rows = np.array([0.24 - 0.16 * i - heads.index(head) for head in found])
                    value = stack_results([v[f"{probe}_more"] for v in found.values()])
                    look = {"color": PALETTE[i], "marker": "os^D"[i], "label": label}
                    errorbars(axes, rows, value, horizontal=True, **look)
            mark_zero(axes, vertical=True)
            axes.set(title=title, xlabel="accuracy from $h$, head minus no head")
        panels[0].set_yticks(-np.arange(len(heads)), heads)
        panels[0].set_ylim(0.5 - len(heads), 0.5)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(labels))
    return figure


def draw_ranks(summary: dict) -> Figure:
    """Accuracy of h against the effective rank deficit, a marker a head; and the ranks of both layers.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    heads = summary["groups"]["heads"] | {"MLP": summary["groups"]["ReLU"]["MLP"]}
    rows = -np.arange(len(heads))
    with apply_style():
        figure = Figure(figsize=(10.6, 4.0))
        *scatter, ranks = figure.subplots(1, 3)
        for axes, (probe, title) in zip(scatter, PROBES.items(), strict=True):
            for i, (head, values) in enumerate(heads.items()):
                look = {"color": (*PALETTE[:10], "black")[i], "marker": "os^Dv<>Pp*X"[i], "label": head}
                deficit = values["deficit"]
                errorbars(axes, deficit["mean"], values[probe], xerr=deficit["half_width"], **look)
            r = summary["correlation"][probe]
            axes.set(
                title=f"{title}\nover linear heads: r = {r['mean']:.2f} $\\pm$ {r['half_width']:.2f}",
                xlabel="effective rank of $h$ minus that of $z$",
                ylabel="test accuracy of the digit from $h$",
            )
        for layer, look in LAYERS.items():
            value = stack_results([numbers[f"er_{layer}"] for numbers in heads.values()])
            errorbars(ranks, rows, value, horizontal=True, **look)
        ranks.set(title="effective ranks", xlabel="effective rank", yticks=rows, yticklabels=list(heads))
        ranks.legend()
        figure.legend(*scatter[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def draw_curves(summary: dict) -> Figure:
    """Accuracy of h during training, against epochs and against floating-point operations.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    curves = summary["curves"]
    epochs = np.asarray(curves["epoch"])
    with apply_style():
        figure = Figure(figsize=(9.0, 3.9))
        by_epoch, by_cost = figure.subplots(1, 2, sharey=True)
        for i, (head, value) in enumerate(curves["knn"].items()):
            relative = curves["cost"][head] / curves["cost"][REFERENCE]
            look = {"color": PALETTE[i], "marker": "os^D"[i], "label": head}
            for axes, places in ((by_epoch, epochs + 0.12 * (i - 1.5)), (by_cost, epochs * relative)):
                errorbars(axes, places, value, linestyle="-", linewidth=0.8, **look)
        by_epoch.set(xlabel="epoch", ylabel="20 nearest neighbours, accuracy from $h$")
        by_cost.set(xlabel="operations, in epochs of training without a head")
        figure.legend(*by_epoch.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_inner(summary: dict) -> Figure:
    """Alternating against joint training of the linear head: number of inner steps, and the proximal term.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    sweeps = {"inner": "inner steps $l$, no proximal term", "proximal": "proximal weight, $l = 5$"}
    quantities = {
        "accuracy from $h$, minus joint": PROBES,
        "effective rank, minus joint": {"er_h": "$h$", "er_z": "$z$"},
    }
    with apply_style():
        figure = Figure(figsize=(10.4, 5.4))
        grid = figure.subplots(2, 2)
        for column, (group, xlabel) in zip(grid.T, sweeps.items(), strict=True):
            found = summary["groups"][group]
            places = np.arange(len(found))
            for axes, (ylabel, names) in zip(column, quantities.items(), strict=True):
                for i, (name, words) in enumerate(names.items()):
                    value = stack_results([numbers[f"{name}_more"] for numbers in found.values()])
                    look = {"color": PALETTE[i], "marker": "os"[i], "label": words}
                    errorbars(axes, places + 0.06 * (2 * i - 1), value, **look)
                mark_zero(axes)
                axes.set(ylabel=ylabel, xlim=(-0.5, len(found) - 0.5))
                axes.set_xticks(places, list(found))
            column[1].set(xlabel=xlabel)
        for axes in grid[:, 1]:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
