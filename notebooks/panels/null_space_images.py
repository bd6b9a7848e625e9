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
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    PALETTE,
    Scores,
    errorbars,
    estimate,
    estimates,
    legend_below,
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
    "h": ("representation, $h$", "o"),
    "h_r": ("row space of the head, $h_r$", "s"),
    "h_n": ("null space of the head, $h_n$", "D"),
    "z": ("after the head, $z$", "^"),
    "random_n": ("null space of a random head, same $h$", "v"),
}
OPTIMIZERS = ("gradient descent", "Adam")
ADAM_SHARE = 0.2
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
        `contrasts`: top -> text -> estimate, of linear accuracies.
    """
    dims = list(dict.fromkeys(dim for _, dim, _ in scores))
    found: dict = {"embed_dim": dims, "contrasts": {}}
    for top in TOPS:
        table, control = (
            {
                name: np.array([scores[top, dim, trained][name] for dim in dims])
                for name in scores[top, dims[0], trained]
            }
            for trained in (True, False)
        )
        found[top] = {"trained": estimates(table), "untrained": estimates(control)}
        pairs = {
            "h - h_r": table["linear_h"] - table["linear_h_r"],
            "h_r - z": table["linear_h_r"] - table["linear_z"],
            "h_n - z": table["linear_h_n"] - table["linear_z"],
            "h_n - h_n untrained": table["linear_h_n"] - control["linear_h_n"],
            "h_n - random": table["linear_h_n"] - table["linear_random_n"],
        }
        found["contrasts"][top] = estimates(pairs)
    return found


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
    """Linear accuracy of the parts of h, trained and untrained, and the variance that the head does not see."""
    dims = summary["embed_dim"]
    unseen = {"h_n": "trained head", "random_n": "random head"}

    def draw(axes, value, i, marker, label):
        places = np.asarray(dims) * 1.035 ** (i - 2)
        errorbars(axes, places, value, marker=marker, color=PALETTE[i], label=label)

    with apply_style():
        figure = Figure(figsize=(10.8, 6.8))
        grid = figure.subplots(2, 3, sharex=True)
        for row, top in zip(grid, TOPS, strict=True):
            for axes, kind in zip(row, ("trained", "untrained"), strict=False):
                for i, (part, (label, marker)) in enumerate(PARTS.items()):
                    draw(axes, summary[top][kind][f"linear_{part}"], i, marker, label)
                axes.axhline(0.1, color="0.6", linewidth=0.8)
                axes.set(
                    title=f"{kind}, {TOPS[top]}", ylim=(0, 1), ylabel="test accuracy of the digit (linear)"
                )
            for i, (part, label) in zip((2, 4), unseen.items(), strict=True):
                draw(row[2], summary[top]["trained"][f"energy_{part}"], i, PARTS[part][1], label)
            row[2].set(
                title=f"what the head does not see, {TOPS[top]}",
                ylim=(0, 1),
                ylabel="share of the variance of $h$ in $h_n$",
            )
        for axes in grid[1]:
            axes.set(xlabel="outputs of the linear head, $d$", xscale="log")
            axes.set_xticks(dims, [str(dim) for dim in dims])
            axes.minorticks_off()
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


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
    """Drift against step with lines of slope 1, and measured over predicted energy in the null space."""
    with apply_style():
        figure = Figure(figsize=(9.6, 4.4))
        drift, energy = figure.subplots(1, 2)
        _draw_drift(drift, data)
        _draw_energy(energy, data["energy"])
        for axes in figure.axes:
            legend_below(axes)
    return figure


def _draw_drift(axes: Axes, data: dict) -> None:
    steps = np.array(data["step"])
    for i, (name, values) in enumerate(data["drift"].items()):
        logs = estimate(np.log(np.asarray(values)))
        low, mean, high = (np.exp(logs["mean"] + side * logs["half_width"]) for side in (-1, 0, 1))
        look = {"color": PALETTE[2 * i], "fmt": "oD"[i], "label": name}
        axes.errorbar(steps, mean, [mean - low, high - mean], **look)
        axes.plot(steps, mean[-1] * steps / steps[-1], color=PALETTE[2 * i], linewidth=0.8)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"step, $\eta$ (total time fixed)",
        ylabel=r"relative change of $W_1W_1^\top - W_2^\top W_2$",
        title="conservation, lines of slope 1",
    )
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()


def _draw_energy(axes: Axes, energy: dict) -> None:
    series = [(name, "predicted", name) for name in energy]
    series.append((OPTIMIZERS[0], "without_head", f"{OPTIMIZERS[0]}, head's term left out"))
    for (name, key, label), marker, colour in zip(series, "oDv", (0, 2, 4), strict=True):
        predicted, measured = (np.asarray(energy[name][k]) for k in (key, "measured"))
        axes.plot(predicted, measured / predicted, marker, color=PALETTE[colour], label=label)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(
        xlabel=r"predicted from the start, $\mathrm{tr}(PCP)$",
        ylabel=r"measured over predicted, $\|PW_1\|_F^2 / \mathrm{tr}(PCP)$",
        title="null-space law",
    )
