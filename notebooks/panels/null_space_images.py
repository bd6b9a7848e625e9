"""Notebook 18: what a linear head sees and does not see, and the conservation laws at the top of an image network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theory
from neural.models.heads import LinearConfig
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, OptimizerConfig, SGDConfig
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import (
    AFTER,
    BEFORE,
    IMAGE_BASE,
    IMAGE_MEMBERS,
    PALETTE,
    Scores,
    errorbars,
    estimate,
    estimates,
    legend_below,
    mark_chance,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.runs import HEADS_P_DROP, untrained, with_data, without_last_relu
from synthetic.images.top_training import TopTraining, measure_drift, measure_null_space_energy, train_top
from synthetic.store.sweep import sweep

PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "embed_dims": embed_dims,
        "laws": {"energy_step": 0.005, **laws},
    }
    for profile, embed_dims, laws in (
        (
            "smoke",
            (8, 2),
            {"steps": (0.01, 0.005), "time": 0.02, "energy_time": 0.04, "members": 2, "starts": 2},
        ),
        (
            "quick",
            (32, 8, 4),
            {"steps": (0.01, 0.005, 0.0025), "time": 0.1, "energy_time": 0.8, "members": 5, "starts": 6},
        ),
        (
            "full",
            (128, 64, 32, 16, 8),
            {
                "steps": (0.01, 0.005, 0.0025, 0.00125),
                "time": 0.2,
                "energy_time": 0.8,
                "members": 8,
                "starts": 24,
            },
        ),
    )
}
TOPS = {"ReLU": "last layer ReLU", "linear": "last layer linear"}
PARTS = {
    "h": BEFORE | {"label": "representation, $h$"},
    "h_r": {"color": PALETTE[5], "marker": "P", "label": "row space of the head, $h_r$"},
    "h_n": {"color": PALETTE[4], "marker": "D", "label": "null space of the head, $h_n$"},
    "z": AFTER | {"label": "after the head, $z$"},
    "random_n": {"color": PALETTE[7], "marker": "v", "label": "null space of a random head"},
}
FIGURES = {
    "parts": {
        "caption": "Accuracy of a linear probe for the digit on parts of the representation, against the number $p$ "
        "of outputs of the linear head, for networks whose encoder has 64 units and ends with a ReLU. Left: trained. "
        "Right: the same networks before training. Mean with 95% intervals.",
        "alt": "Two similar panels. The representation and its null-space part stay near 0.8. The row space and z "
        "coincide, near 0.35 with 4 outputs and near 0.8 with 32.",
    },
    "contrasts": {
        "caption": "Paired differences of the accuracies in the figure before. Left: what a probe loses in the row "
        "space of the head. Right: the null space minus $z$. Both leads are smaller after training than before it.",
        "alt": "Two panels of differences that fall with the number of outputs. Filled markers, trained, lie below "
        "open ones, untrained; at 32 outputs the right panel goes below zero for trained networks.",
    },
    "variance": {
        "caption": "Share of the variance of $h$ in the null space of the head. A random head would leave the share "
        "of the dimensions that it does not see; the trained head leaves less, and so it has gathered variance.",
        "alt": "Two panels. Shares fall with the number of outputs. The trained head lies well below the random head "
        "and the untrained network at every number of outputs.",
    },
    "laws": {
        "caption": "Left: relative change of the conserved matrix in a fixed time of training, against the step. "
        "Plain gradient descent follows the line of slope 1, so its change vanishes with the step; Adam's does not. "
        "Right: energy of the encoder in the null space of the final head, over `theory.null_space_energy` of the "
        "start.",
        "alt": "Left panel, logarithmic axes: dots on a line of slope one near 0.00001, diamonds near 0.1 on a "
        "level. Right panel: dots at one, diamonds and grey triangles up to three per cent below one.",
        "simulated": {"drift": 0.01, "measured": 0.05, "predicted": 0.05, "without_head": 0.05},
    },
}
OPTIMIZERS = ("gradient descent", "Adam")
ADAM_SHARE = 0.2
_OPTIMIZER_LOOKS = ({"color": "black", "marker": "o"}, {"color": PALETTE[4], "marker": "D"})
PAPER = "h best; h_n (1,920 of 2,048 dimensions) above z on CIFAR-10, STL-10 and TinyImageNet, below z on ImageNet"
Runs = dict[tuple[str, int, bool], PretrainConfig]


def null_space_runs(base: PretrainConfig, embed_dims: Sequence[int]) -> Runs:
    """Networks with a linear head, by last layer, outputs of the head, and whether they are trained.

    Parameters
    ----------
    base : PretrainConfig
    embed_dims : sequence of int

    Returns
    -------
    dict of (top, embed_dim, trained) to PretrainConfig
    """
    start, runs = with_data(base, p_drop=HEADS_P_DROP), {}
    for top, config in zip(TOPS, (start, without_last_relu(start)), strict=True):
        for dim in embed_dims:
            run = replace(config, head=LinearConfig(dim))
            runs |= {(top, dim, True): run, (top, dim, False): untrained(run)}
    return runs


def summarise(scores: Mapping[tuple[str, int, bool], Scores]) -> dict:
    """Estimates over members, and contrasts paired by member.

    Parameters
    ----------
    scores : dict of (top, embed_dim, trained) to arrays
        `NullSpaceScores` of all members.

    Returns
    -------
    dict
        `embed_dim`; top -> "trained", "untrained" -> name -> `estimate` with one entry for each embed_dim;
        `contrasts`, `untrained_contrasts`: top -> text -> estimate, of linear accuracies.
    """
    dims = list(dict.fromkeys(dim for _, dim, _ in scores))
    found: dict = {"embed_dim": dims, "contrasts": {}, "untrained_contrasts": {}}
    for top in TOPS:
        table, control = (
            {
                name: np.array([scores[top, dim, trained][name] for dim in dims])
                for name in scores[top, dims[0], trained]
            }
            for trained in (True, False)
        )
        found[top] = {"trained": estimates(table), "untrained": estimates(control)}
        pairs = _leads(table) | {
            "h_n - h_n untrained": table["linear_h_n"] - control["linear_h_n"],
            "h_n - random": table["linear_h_n"] - table["linear_random_n"],
        }
        found["contrasts"][top] = estimates(pairs)
        found["untrained_contrasts"][top] = estimates(_leads(control))
    return found


def _leads(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pairs = (("h", "h_r"), ("h_r", "z"), ("h_n", "z"))
    return {f"{one} - {other}": table[f"linear_{one}"] - table[f"linear_{other}"] for one, other in pairs}


def format_parts(summary: dict) -> str:
    """Linear accuracies and paired contrasts by outputs of the head, as text."""
    dims, parts = summary["embed_dim"], [f"paper: {PAPER}"]
    for top, title in TOPS.items():
        accuracies = [
            {title: f"{dim} outputs" + ("" if kind == "trained" else ", untrained")}
            | {part: plus_minus(summary[top][kind][f"linear_{part}"], i) for part in PARTS}
            for kind in ("trained", "untrained")
            for i, dim in enumerate(dims)
        ]
        contrasts = [
            {"": text} | {f"{dim} outputs": plus_minus(value, i) for i, dim in enumerate(dims)}
            for text, value in summary["contrasts"][top].items()
        ]
        parts += [text_table(accuracies), text_table(contrasts)]
    return "\n\n".join(parts)


def draw_parts(summary: dict) -> Figure:
    """Linear accuracy of the parts of h against the outputs of the head, trained and untrained, with a last ReLU.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.9))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, kind in zip(panels, ("trained", "untrained"), strict=True):
            for i, (part, look) in enumerate(PARTS.items()):
                places = np.asarray(summary["embed_dim"]) * 1.06 ** (i - 2)
                errorbars(axes, places, summary["ReLU"][kind][f"linear_{part}"], **look)
            mark_chance(axes, min(summary["embed_dim"]))
            axes.set(title=kind, ylim=(0, 1))
            _mark_outputs(axes, summary)
        panels[0].set_ylabel("digit, linear probe")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_contrasts(summary: dict) -> Figure:
    """The leads of h over its row space, and of its null space over z, trained and untrained, with a last ReLU.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    panels = {"h - h_r": "$h$ minus its row space $h_r$", "h_n - z": "null space $h_n$ minus $z$"}
    looks = {
        "contrasts": {"color": "black", "marker": "o", "label": "trained"},
        "untrained_contrasts": {
            "color": "0.5",
            "marker": "o",
            "markerfacecolor": "none",
            "label": "untrained",
        },
    }
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        for axes, (name, title) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for side, (kind, look) in zip((-1, 1), looks.items(), strict=True):
                places = np.asarray(summary["embed_dim"]) * 1.05**side
                errorbars(axes, places, summary[kind]["ReLU"][name], **look)
            mark_zero(axes)
            axes.set(title=title, ylabel="difference of accuracies")
            _mark_outputs(axes, summary)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_variance(summary: dict) -> Figure:
    """Share of the variance of h that the head does not see: trained head, random head, untrained network.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    series = {
        ("trained", "h_n"): PARTS["h_n"] | {"label": "trained head"},
        ("trained", "random_n"): PARTS["random_n"] | {"label": "random head, same $h$"},
        ("untrained", "h_n"): PARTS["h_n"] | {"markerfacecolor": "none", "label": "untrained network"},
    }
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (top, title) in zip(panels, TOPS.items(), strict=True):
            for i, ((kind, part), look) in enumerate(series.items()):
                places = np.asarray(summary["embed_dim"]) * 1.06 ** (i - 1)
                errorbars(axes, places, summary[top][kind][f"energy_{part}"], **look)
            axes.set(title=title, ylim=(0, 1))
            _mark_outputs(axes, summary)
        panels[0].set_ylabel("share of the variance of $h$\nthat the head does not see")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _mark_outputs(axes: Axes, summary: dict) -> None:
    dims = summary["embed_dim"]
    axes.set(xlabel="outputs of the linear head, $p$", xscale="log")
    axes.set_xticks(dims, [str(dim) for dim in dims])
    axes.minorticks_off()


def law_data(
    seed: int,
    *,
    steps: Sequence[float],
    time: float,
    members: int,
    energy_step: float,
    energy_time: float,
    starts: int,
    jobs: int,
    label: str,
) -> dict:
    """Drift of the imbalance against the step at fixed time, and energy in the head's null space.

    Parameters
    ----------
    seed : int
    steps : sequence of float
        Step sizes of gradient descent, falling; Adam's are `ADAM_SHARE` times those. Both take `time` / step steps.
    time : float
    members : int >= 2
        Networks in the trend.
    energy_step, energy_time : float
        Step and time in the null-space law.
    starts : int
        Networks in the null-space law, of different start sizes and heads.
    jobs, label
        As for `sweep`.

    Returns
    -------
    dict
        `step`; `drift`: optimiser -> (steps, members) relative changes of W1 W1' - W2' W2; `slope`: optimiser ->
        `estimate` of the slope of log drift in log step, over members; `energy`: optimiser -> `measured`,
        `predicted`, and `without_head`, the prediction that leaves out the head's term.
    """
    trend = [
        TopTraining(optimizer, round(time / step), seed=seed, member=m)
        for step in steps
        for optimizer in _optimizers(step)
        for m in range(members)
    ]
    longest = [
        TopTraining(
            optimizer,
            round(energy_time / energy_step),
            embed_dim=(4, 8, 16)[index % 3],
            scale=0.7 + 0.6 * index / max(starts - 1, 1),
            seed=seed,
            member=index,
        )
        for optimizer in _optimizers(energy_step)
        for index in range(starts)
    ]
    ends = sweep(train_top, [*trend, *longest], jobs=jobs, label=label)
    drift = np.array([measure_drift(end) for end in ends[: len(trend)]]).reshape(len(steps), -1, members)
    slopes = np.polyfit(np.log(steps), np.log(drift).reshape(len(steps), -1), 1)[0].reshape(-1, members)
    energies = np.array([_energies(end) for end in ends[len(trend) :]]).reshape(2, starts, 3)
    return {
        "step": list(steps),
        "drift": dict(zip(OPTIMIZERS, drift.transpose(1, 0, 2), strict=True)),
        "slope": estimates(dict(zip(OPTIMIZERS, slopes, strict=True))),
        "energy": {
            name: dict(zip(("measured", "predicted", "without_head"), values.T, strict=True))
            for name, values in zip(OPTIMIZERS, energies, strict=True)
        },
    }


def _optimizers(step: float) -> tuple[OptimizerConfig, ...]:
    return SGDConfig(step), AdamConfig(ADAM_SHARE * step)


def _energies(end: dict) -> tuple[float, float, float]:
    """In the null space of the final head: measured, as the start's imbalance has it, and without the head's term."""
    (first, second), head = end["start"], end["end"][1]
    return (
        measure_null_space_energy(end),
        theory.null_space_energy(theory.imbalance(first, second), head),
        theory.null_space_energy(first @ first.T, head),
    )


def format_laws(data: dict) -> str:
    """Slopes of the drift and errors of the null-space law, as text."""
    lines = [
        f"drift of {name}: slope {plus_minus(slope)} in the step" for name, slope in data["slope"].items()
    ]
    for name, values in data["energy"].items():
        measured = np.asarray(values["measured"])
        for key, text in (("predicted", ""), ("without_head", ", head's term left out")):
            error = np.abs(measured / np.asarray(values[key]) - 1)
            lines.append(f"null-space law, {name}{text}: largest relative error {error.max():.2%}")
    return "\n".join(lines)


def draw_laws(data: dict) -> Figure:
    """Drift against step with lines of slope 1, and measured over predicted energy in the null space.

    Parameters
    ----------
    data : dict
        Of `law_data`.
    """
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.2))
        drift, energy = figure.subplots(1, 2)
        _draw_drift(drift, data)
        _draw_energy(energy, data["energy"])
        for axes in figure.axes:
            legend_below(axes, ncols=1)
    return figure


def _draw_drift(axes: Axes, data: dict) -> None:
    steps = np.array(data["step"])
    for (name, values), look in zip(data["drift"].items(), _OPTIMIZER_LOOKS, strict=True):
        logs = estimate(np.log(np.asarray(values)))
        low, mean, high = (np.exp(logs["mean"] + side * logs["half_width"]) for side in (-1, 0, 1))
        axes.errorbar(steps, mean, [mean - low, high - mean], linestyle="none", label=name, **look)
        line = {"color": look["color"], "linewidth": 0.8, "label": f"slope 1 through {name}"}
        axes.plot(steps, mean[-1] * steps / steps[-1], **line)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"step, $\eta$ (total time fixed)",
        ylabel=r"change of $W_1W_1^\top - W_2^\top W_2$",
        title="conservation",
    )
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()


def _draw_energy(axes: Axes, energy: dict) -> None:
    series = [(name, "predicted", name, look) for name, look in zip(energy, _OPTIMIZER_LOOKS, strict=True)]
    left_out = {"color": "0.6", "marker": "v"}
    series.append((OPTIMIZERS[0], "without_head", "gradient descent,\nhead's term left out", left_out))
    for name, key, label, look in series:
        predicted, measured = (np.asarray(energy[name][k]) for k in (key, "measured"))
        axes.plot(predicted, measured / predicted, linestyle="none", label=label, **look)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(
        xlabel=r"predicted, $\mathrm{tr}(PCP)$",
        ylabel="measured over predicted",
        title="energy in the null space",
    )
