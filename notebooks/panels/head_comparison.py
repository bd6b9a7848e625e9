"""Notebook 19: the heads and schedules of Gupta et al. (2022) side by side, and the paper's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.models.heads import (
    DirectConfig,
    FrozenRandomConfig,
    IdentityConfig,
    LinearConfig,
    MLPConfig,
    PCAConfig,
)
from neural.training.cost import count_step_flops
from neural.training.methods import SimSiam
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Alternating, SlowOptimal, SlowSingle
from notebooks.figure import apply_style
from notebooks.panels.image_runs import base_config, linear_top, with_members
from notebooks.panels.shared import PALETTE, estimate
from synthetic.images.heads import HeadScores, with_trained_heads

SCORES = HeadScores()
PROBES = {"knn": "20 nearest neighbours", "linear": "linear probe"}
REFERENCE = "no head"
JOINT, INNER = "trainable, joint", "trainable, alternating"
PRETRAINED = "pre-trained, fixed"
TABLE_2 = {
    REFERENCE: 28.20,
    "random, fixed": 32.88,
    "DirectCLR": 33.08,
    "pre-trained, fixed": 32.98,
    "PCA top": 32.19,
    "PCA bottom": 31.58,
    "slow, single step": 33.06,
    "slow, to optimum": 32.29,
    JOINT: 38.44,
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
RANK_DEFICITS = {"no head": 0, "linear": 1173, "MLP": 1307}
"""rank(H) - rank(Z) of Gupta et al., section 3.1."""
KINDS = ("linear", "MLP", "MLP, batch norm", "MLP, alternating")
CONTEXTS = {
    "linear top": ("linear", "MLP"),
    "easy": ("linear", "MLP"),
    "SimSiam": ("linear", "MLP, batch norm"),
}
"""Heads that are compared with no head where something else than the head differs."""
_CURVES = (REFERENCE, "DirectCLR", JOINT, INNER)

Settings = dict[tuple[str, str], list[PretrainConfig]]


def runs(
    seed: int,
    device: str,
    *,
    base: dict,
    members: int,
    embed_dim: int,
    p_drop: float,
    easy_p_drop: float,
    monitor: int,
    inner_steps: Sequence[int],
    proximals: Sequence[float],
    heads: Sequence[str] = tuple(TABLE_2),
    kinds: Sequence[str] = KINDS,
    groups: Sequence[str] = tuple(CONTEXTS),
    jobs: int = 1,
    label: str = "",
) -> Settings:
    """All runs, by group and head; the pre-trained heads are trained here.

    Parameters
    ----------
    seed, device, base
        As for `base_config`.
    members : int >= 2
    embed_dim : int
        Outputs of every head.
    p_drop : float
        Probability that the second view lacks the digit.
    easy_p_drop : float
        The same where it says "easy".
    monitor : int
        Epochs between two points of the learning curves.
    inner_steps, proximals : sequence
        l of the alternating optimisation without a proximal term, and weights of that term at five steps.
    heads : sequence of str
        Of Table 2, the four of the learning curves among them.
    kinds, groups : sequence of str
        Of `KINDS`, and of `CONTEXTS`.
    jobs, label
        As for `measure_bank`.

    Returns
    -------
    dict of (group, head) to a list of PretrainConfig
        Groups: "heads" (Table 2, all linear), "ReLU" (no head and `kinds`), `groups` (no head and their heads),
        "inner" and "proximal" (sweeps of the linear head), "untrained" (control, by the encoder's last layer).
    """
    start = base_config(seed, device, **base)
    start = replace(start, data=replace(start.data, p_drop=p_drop))
    easy = replace(start, data=replace(start.data, p_drop=easy_p_drop))
    simsiam = replace(start, method=SimSiam(hidden_dim=embed_dim // 2))
    linear, adam = replace(start, head=LinearConfig(embed_dim)), start.schedule.optimizer
    contexts = {"linear top": linear_top(start), "easy": easy, "SimSiam": simsiam}
    found = {
        "heads": {
            head: replace(run, monitor=monitor)
            for head, run in _linear_heads(start, embed_dim).items()
            if head in heads
        },
        "ReLU": _pick(_kinds(start, embed_dim), (REFERENCE, *kinds)),
        **{
            group: _pick(_kinds(contexts[group], embed_dim), (REFERENCE, *CONTEXTS[group]))
            for group in groups
        },
        "inner": {f"{n}": replace(linear, schedule=alternating(adam, n)) for n in inner_steps},
        "proximal": {f"{w:g}": replace(linear, schedule=alternating(adam, proximal=w)) for w in proximals},
        "untrained": {
            "ReLU": replace(linear, epochs=0),
            "linear top": linear_top(replace(linear, epochs=0)),
        },
    }
    watched = {replace(run, monitor=0): run for run in found["heads"].values()}  # serve the other groups too
    settings = {
        (group, head): with_members([watched.get(run, run)], members)
        for group, runs_ in found.items()
        for head, run in runs_.items()
    }
    if PRETRAINED in heads:
        settings["heads", PRETRAINED] = with_trained_heads(settings["heads", JOINT], jobs=jobs, label=label)
    return settings


def _linear_heads(start: PretrainConfig, embed_dim: int) -> dict[str, PretrainConfig]:
    """The heads of Table 2 but the pre-trained one."""
    linear, adam = replace(start, head=LinearConfig(embed_dim)), start.schedule.optimizer
    return {
        REFERENCE: replace(start, head=IdentityConfig()),
        "random, fixed": replace(start, head=FrozenRandomConfig(embed_dim)),
        "DirectCLR": replace(start, head=DirectConfig(embed_dim)),
        "PCA top": replace(start, head=PCAConfig(embed_dim)),
        "PCA bottom": replace(start, head=PCAConfig(embed_dim, top=False)),
        "slow, single step": replace(linear, schedule=SlowSingle(adam)),
        "slow, to optimum": replace(linear, schedule=SlowOptimal(adam, tolerance=1e-3, max_passes=20)),
        JOINT: linear,
        INNER: replace(linear, schedule=alternating(adam)),
    }


def _kinds(start: PretrainConfig, embed_dim: int) -> dict[str, PretrainConfig]:
    """No head and `KINDS`; the MLPs have one hidden layer."""
    mlp = replace(start, head=MLPConfig(embed_dim=embed_dim))
    normed = MLPConfig(embed_dim=embed_dim, batch_norm=True)
    return {
        REFERENCE: replace(start, head=IdentityConfig()),
        "linear": replace(start, head=LinearConfig(embed_dim)),
        "MLP": mlp,
        "MLP, batch norm": replace(start, head=normed),
        "MLP, alternating": replace(mlp, schedule=alternating(start.schedule.optimizer)),
    }


def _pick(found: dict[str, PretrainConfig], names: Sequence[str]) -> dict[str, PretrainConfig]:
    return {name: found[name] for name in names}


def alternating(adam: AdamConfig, inner_steps: int = 5, proximal: float = 0.0) -> Alternating:
    """Gupta's schedule with the same Adam for head and encoder, moments of the inner steps kept.

    Parameters
    ----------
    adam : AdamConfig
    inner_steps : int >= 1
    proximal : float >= 0
    """
    return Alternating(
        inner_steps=inner_steps, proximal=proximal, head_optimizer=adam, restart=False, optimizer=adam
    )


def training_cost(settings: Settings) -> dict[str, float]:
    """Floating-point operations of one step for each image pair, for the heads of the learning curves.

    Parameters
    ----------
    settings : dict
        Of `runs`.
    """
    return {head: count_step_flops(settings["heads", head][0]) for head in _CURVES}


def summarise(results: Mapping[tuple[str, str], Mapping], *, monitor: int, cost: Mapping[str, float]) -> dict:
    """Means and intervals by group and head, contrasts paired by member, and correlations over heads.

    Parameters
    ----------
    results : dict of (group, head) to a dict of arrays
        `SCORES` of every run.
    monitor, cost
        As for `runs` and of `training_cost`.

    Returns
    -------
    dict
        `groups`: group -> head -> name -> `estimate`, names `linear` and `knn` (accuracy of the digit before the
        head), `linear_z`, `knn_z`, `er_h`, `er_z`, `deficit`, `rank_deficit`, and `knn_more`, `linear_more`,
        `er_h_more`, `er_z_more`: the same minus the reference of the group, member by member (no head; in the sweeps
        the joint linear head). `correlation`: probe -> estimate over members of Pearson's correlation of `deficit`
        and accuracy over the heads of Table 2, and `kinds_<probe>` over no head, linear, MLP. `curves`: `epoch`,
        `knn` (head -> estimate at these epochs), `cost` (head -> operations of a step).
    """
    groups: dict[str, dict] = {}
    for (group, head), scores in results.items():
        reference = results.get((group, REFERENCE), results["ReLU", "linear"])
        groups.setdefault(group, {})[head] = _numbers(scores, reference)
    groups["heads"] = {head: groups["heads"][head] for head in TABLE_2 if head in groups["heads"]}
    heads = [results["heads", head] for head in TABLE_2 if ("heads", head) in results]
    kinds = [results["ReLU", head] for head in RANK_DEFICITS if ("ReLU", head) in results]
    correlation = {probe: _correlation(heads, probe) for probe in PROBES}
    correlation |= {f"kinds_{probe}": _correlation(kinds, probe) for probe in PROBES}
    curves = {head: results["heads", head]["curve"] for head in _CURVES}
    points = next(iter(curves.values())).shape[1]
    return {
        "groups": groups,
        "correlation": correlation,
        "curves": {
            "epoch": [monitor * (i + 1) for i in range(points)],
            "knn": {head: estimate(curve.T) for head, curve in curves.items()},
            "cost": dict(cost),
        },
    }


def _numbers(scores: Mapping, reference: Mapping) -> dict:
    names = {"linear": "digit_linear_h", "knn": "digit_knn_h", "er_h": "effective_rank_h"}
    names |= {"linear_z": "digit_linear_z", "knn_z": "digit_knn_z", "er_z": "effective_rank_z"}
    names |= {"deficit": "deficit", "rank_deficit": "rank_deficit"}
    compared = {f"{name}_more": names[name] for name in ("linear", "knn", "er_h", "er_z")}
    return {name: estimate(scores[key]) for name, key in names.items()} | {
        name: estimate(scores[key] - reference[key]) for name, key in compared.items()
    }


def _correlation(heads: Sequence[Mapping], probe: str) -> dict:
    """Over heads, within each member."""
    deficit, accuracy = (np.stack([h[key] for h in heads]) for key in ("deficit", f"digit_{probe}_h"))
    deficit, accuracy = deficit - deficit.mean(0), accuracy - accuracy.mean(0)
    norms = np.linalg.norm(deficit, axis=0) * np.linalg.norm(accuracy, axis=0)
    return estimate((deficit * accuracy).sum(0) / norms)


def own_sentences() -> list[tuple[str, str, bool]]:
    """Sentences of Gupta et al. held against the numbers of its Tables 1 and 2: sentence, numbers, whether they fit."""
    t = TABLE_2
    fixed = [t[head] for head in ("random, fixed", "DirectCLR", "pre-trained, fixed")]
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
            f"at least {min(t[JOINT], t[INNER]):.2f} against at most {max(fixed + slow):.2f}",
            min(t[JOINT], t[INNER]) > max(fixed + slow),
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
            f"SimCLR {TABLE_1['SimCLR'][4]:.2f} and {t[JOINT]:.2f}, "
            f"alternating {TABLE_1['alternating'][4]:.2f} and {t[INNER]:.2f}",
            TABLE_1["SimCLR"][4] != t[JOINT] or TABLE_1["alternating"][4] != t[INNER],
        ),
    ]


def format_sentences() -> str:
    """The result of `own_sentences` as text."""
    return "\n".join(
        f"{'yes' if fits else 'NO':>4}  {sentence}: {numbers}" for sentence, numbers, fits in own_sentences()
    )


def format_table(summary: dict) -> str:
    """Accuracy before the head, its difference to no head and the effective ranks, for all heads, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise`; +- is the half width of Student's 95% interval.
    """
    titles = {
        "heads": "Table 2, linear heads, encoder ends with ReLU",
        "ReLU": "kinds of heads, encoder ends with ReLU",
        "linear top": "kinds of heads, encoder ends with batch norm",
        "easy": "kinds of heads, both views always have the digit, ReLU",
        "SimSiam": "SimSiam, ReLU",
        "untrained": "untrained encoder, by its last layer",
    }
    lines = [
        f"{'':<26}{'linear':>8}{'- no head':>18}{'kNN':>8}{'- no head':>18}{'er H':>7}{'er Z':>7}{'paper':>8}"
    ]
    for group, title in titles.items():
        if group not in summary["groups"]:
            continue
        lines += ["", title]
        for head, values in summary["groups"][group].items():
            paper = f"{TABLE_2[head]:8.2f}" if group == "heads" else ""
            more = [
                " " * 18
                if head == REFERENCE or group == "untrained"
                else f"{values[name]['mean']:+9.3f} +- {values[name]['half_width']:.3f}"
                for name in ("linear_more", "knn_more")
            ]
            lines.append(
                f"{head:<26}{values['linear']['mean']:8.3f}{more[0]:>18}{values['knn']['mean']:8.3f}{more[1]:>18}"
                f"{values['er_h']['mean']:7.1f}{values['er_z']['mean']:7.1f}{paper}"
            )
    lines += ["", "correlation of effective rank deficit and accuracy over heads"]
    for probe, words in PROBES.items():
        ten, three = (summary["correlation"][name] for name in (probe, f"kinds_{probe}"))
        lines.append(
            f"{words:<26}ten heads {ten['mean']:+.2f} +- {ten['half_width']:.2f}, "
            f"none, linear, MLP {three['mean']:+.2f} +- {three['half_width']:.2f}"
        )
    return "\n".join(lines)


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
            _markers(axes, [values[probe] for values in heads.values()], rows, PALETTE[0], "o")
            _band(axes, summary["groups"]["untrained"]["ReLU"][probe])
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
    looks = {
        "ReLU": ("encoder ends with ReLU", "o", PALETTE[0]),
        "linear top": ("encoder ends with batch norm", "s", PALETTE[1]),
        "easy": ("ReLU, digit in both views", "^", PALETTE[2]),
        "SimSiam": ("ReLU, SimSiam", "D", PALETTE[3]),
    }
    heads = [head for head in summary["groups"]["ReLU"] if head != REFERENCE]
    with apply_style():
        figure = Figure(figsize=(9.4, 4.0))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (probe, title) in zip(panels, PROBES.items(), strict=True):
            for shift, (group, (label, marker, colour)) in enumerate(looks.items()):
                found = {h: v for h, v in summary["groups"].get(group, {}).items() if h in heads}
                if not found:
                    continue
                rows = [-heads.index(head) + 0.24 - 0.16 * shift for head in found]
                _markers(
                    axes, [v[f"{probe}_more"] for v in found.values()], np.array(rows), colour, marker, label
                )
            axes.axvline(0, color="0.6", linewidth=0.8)
            axes.set(title=title, xlabel="accuracy from $h$, head minus no head")
        panels[0].set_yticks(-np.arange(len(heads)), heads)
        panels[0].set_ylim(0.5 - len(heads), 0.5)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(looks))
    return figure


def draw_ranks(summary: dict) -> Figure:
    """Accuracy of h against the effective rank deficit, a marker a head; and the ranks of both layers.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    heads = summary["groups"]["heads"] | {"MLP": summary["groups"]["ReLU"]["MLP"]}
    with apply_style():
        figure = Figure(figsize=(10.6, 4.0))
        *scatter, ranks = figure.subplots(1, 3)
        for axes, (probe, title) in zip(scatter, PROBES.items(), strict=True):
            for i, (head, values) in enumerate(heads.items()):
                x, y = values["deficit"], values[probe]
                colour, marker = (*PALETTE[:10], "black")[i], "os^Dv<>Pp*X"[i]
                axes.errorbar(
                    x["mean"],
                    y["mean"],
                    y["half_width"],
                    x["half_width"],
                    fmt=marker,
                    color=colour,
                    label=head,
                )
            r = summary["correlation"][probe]
            axes.set(
                title=f"{title}\nover linear heads: r = {r['mean']:.2f} $\\pm$ {r['half_width']:.2f}",
                xlabel="effective rank of $h$ minus that of $z$",
                ylabel="test accuracy of the digit from $h$",
            )
        rows = -np.arange(len(heads))
        for shift, (layer, marker) in enumerate({"h": "o", "z": "s"}.items()):
            values = [numbers[f"er_{layer}"] for numbers in heads.values()]
            _markers(ranks, values, rows, PALETTE[shift], marker, f"${layer}$")
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
        for i, (head, values) in enumerate(curves["knn"].items()):
            relative = curves["cost"][head] / curves["cost"][REFERENCE]
            for axes, x in ((by_epoch, epochs + 0.12 * (i - 1.5)), (by_cost, epochs * relative)):
                axes.errorbar(
                    x,
                    values["mean"],
                    values["half_width"],
                    fmt="os^Dv"[i] + "-",
                    color=PALETTE[i],
                    label=head,
                    linewidth=0.8,
                )
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
    groups = summary["groups"]
    sweeps = {
        "inner": ("inner steps $l$, no proximal term", groups["inner"]),
        "proximal": ("proximal weight, $l = 5$", groups["proximal"]),
    }
    with apply_style():
        figure = Figure(figsize=(10.4, 5.4))
        for column, (label, found) in enumerate(sweeps.values()):
            places = np.arange(len(found))
            accuracy, ranks = (figure.add_subplot(2, 2, 2 * row + column + 1) for row in range(2))
            for axes, names in ((accuracy, PROBES), (ranks, {"er_h": "$h$", "er_z": "$z$"})):
                for i, (name, words) in enumerate(names.items()):
                    values = [numbers[f"{name}_more"] for numbers in found.values()]
                    axes.errorbar(
                        places + 0.06 * (2 * i - 1),
                        [v["mean"] for v in values],
                        [v["half_width"] for v in values],
                        fmt="os"[i],
                        color=PALETTE[i],
                        label=words,
                    )
                axes.axhline(0, color="0.6", linewidth=0.8)
                axes.set_xticks(places, list(found))
                axes.set_xlim(-0.5, len(found) - 0.5)
                if column == 1:
                    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
            ranks.set(xlabel=label, ylabel="effective rank, minus joint")
            accuracy.set(ylabel="accuracy from $h$, minus joint")
    return figure


def _markers(
    axes: Axes, values: Sequence[dict], rows: np.ndarray, colour, marker: str, label: str | None = None
) -> None:
    """Horizontal intervals, one a row."""
    means, widths = ([v[key] for v in values] for key in ("mean", "half_width"))
    axes.errorbar(means, rows, xerr=widths, fmt=marker, color=colour, label=label)


def _band(axes: Axes, value: dict) -> None:
    low, high = value["mean"] - value["half_width"], value["mean"] + value["half_width"]
    axes.axvspan(low, high, color="0.7", alpha=0.4, linewidth=0, label="untrained encoder")
