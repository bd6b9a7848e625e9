"""Notebook 18: accuracy of what a linear head sees and does not see, and the conservation laws on an image network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theory
from neural.models.heads import LinearConfig
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, OptimizerConfig, SGDConfig
from notebooks.figure import apply_style
from notebooks.panels.image_runs import base_config, linear_top
from notebooks.panels.named_runs import Scores, estimates, plus_minus
from notebooks.panels.shared import PALETTE, estimate
from synthetic.images.null_space import TopTraining, train_top
from synthetic.store.sweep import sweep

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


def null_space_runs(seed: int, device: str, *, base: dict, p_drop: float, embed_dims: Sequence[int]) -> Runs:
    """Networks with a linear head, by last layer, outputs of the head, and whether they are trained.

    Parameters
    ----------
    seed, device, base
        As for `base_config`.
    p_drop : float
    embed_dims : sequence of int

    Returns
    -------
    dict of (top, embed_dim, trained) to PretrainConfig
    """
    start = base_config(seed, device, **base)
    start = replace(start, data=replace(start.data, p_drop=p_drop))
    return {
        (top, dim, trained): replace(config, head=LinearConfig(dim), epochs=config.epochs if trained else 0)
        for top, config in zip(TOPS, (start, linear_top(start)), strict=True)
        for dim in embed_dims
        for trained in (True, False)
    }


def summarise(scores: dict[tuple[str, int, bool], Scores]) -> dict:
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
        tables = {
            trained: {
                name: np.array([scores[top, dim, trained][name] for dim in dims])
                for name in scores[top, dims[0], trained]
            }
            for trained in (True, False)
        }
        found[top] = {"trained": estimates(tables[True]), "untrained": estimates(tables[False])}
        table, control = tables[True], tables[False]
        pairs = {
            "h - h_r": table["linear_h"] - table["linear_h_r"],
            "h_r - z": table["linear_h_r"] - table["linear_z"],
            "h_n - z": table["linear_h_n"] - table["linear_z"],
            "h_n - h_n untrained": table["linear_h_n"] - control["linear_h_n"],
            "h_n - random": table["linear_h_n"] - table["linear_random_n"],
        }
        found["contrasts"][top] = estimates(pairs)
    return found


def draw_parts(summary: dict) -> Figure:
    """Linear accuracy of the parts of h, trained and untrained, and the variance that the head does not see."""
    with apply_style():
        figure = Figure(figsize=(10.8, 6.8))
        grid = figure.subplots(2, 3, sharex=True)
        dims = summary["embed_dim"]
        for row, top in zip(grid, TOPS, strict=True):
            for axes, kind in zip(row, ("trained", "untrained"), strict=False):
                for i, (part, (label, marker)) in enumerate(PARTS.items()):
                    _draw_series(axes, dims, summary[top][kind][f"linear_{part}"], i, marker, label)
                axes.axhline(0.1, color="0.6", linewidth=0.8)
                axes.set(
                    title=f"{kind}, {TOPS[top]}", ylim=(0, 1), ylabel="test accuracy of the digit (linear)"
                )
            for i, (part, label, marker) in enumerate(
                (("h_n", "trained head", "D"), ("random_n", "random head", "v"))
            ):
                _draw_series(
                    row[2], dims, summary[top]["trained"][f"energy_{part}"], 2 + 2 * i, marker, label
                )
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


def _draw_series(axes: Axes, dims: list[int], value: dict, colour: int, marker: str, label: str) -> None:
    places = np.asarray(dims) * 1.035 ** (colour - 2)
    axes.errorbar(places, value["mean"], value["half_width"], fmt=marker, color=PALETTE[colour], label=label)


def format_parts(summary: dict) -> str:
    """Linear accuracies and paired contrasts by outputs of the head, as text."""
    lines = [f"paper: {PAPER}"]
    for top, title in TOPS.items():
        lines.append(f"{title}\n{'d':>6}" + "".join(f"{part:>19}" for part in PARTS))
        for kind in ("trained", "untrained"):
            lines += [
                f"{dim:>6}" + "".join(f"{plus_minus(summary[top][kind][f'linear_{p}'], i):>19}" for p in PARTS)
                + ("" if kind == "trained" else "  untrained")
                for i, dim in enumerate(summary["embed_dim"])
            ]  # fmt: skip
        for text, value in summary["contrasts"][top].items():
            lines.append(
                f"{text}: "
                + ", ".join(
                    f"{plus_minus(value, i)} (d = {dim})" for i, dim in enumerate(summary["embed_dim"])
                )
            )
    return "\n".join(lines)


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
    drift = np.array([_drift(end) for end in ends[: len(trend)]]).reshape(len(steps), -1, members)
    slopes = np.polyfit(np.log(steps), np.log(drift).reshape(len(steps), -1), 1)[0].reshape(-1, members)
    energies = np.array([_energies(end) for end in ends[len(trend) :]]).reshape(2, starts, 3)
    return {
        "step": list(steps),
        "drift": dict(zip(OPTIMIZERS, drift.transpose(1, 0, 2), strict=True)),
        "slope": {name: estimate(values) for name, values in zip(OPTIMIZERS, slopes, strict=True)},
        "energy": {
            name: dict(zip(("measured", "predicted", "without_head"), values.T, strict=True))
            for name, values in zip(OPTIMIZERS, energies, strict=True)
        },
    }


def _optimizers(step: float) -> tuple[OptimizerConfig, ...]:
    return SGDConfig(step), AdamConfig(ADAM_SHARE * step)


def _drift(end: dict) -> float:
    before, after = (theory.imbalance(*end[when]) for when in ("start", "end"))
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def _energies(end: dict) -> tuple[float, float, float]:
    """In the null space of the final head: measured, as the start's imbalance has it, and without the head's term."""
    encoder, head = end["end"]
    null = np.linalg.svd(head)[2][len(head) :]
    first = end["start"][0]
    return (
        float(np.sum((null @ encoder) ** 2)),
        theory.null_space_energy(theory.imbalance(*end["start"]), head),
        theory.null_space_energy(first @ first.T, head),
    )


def draw_laws(data: dict) -> Figure:
    """Drift against step with lines of slope 1, and measured over predicted energy in the null space."""
    with apply_style():
        figure = Figure(figsize=(9.6, 4.4))
        drift, energy = figure.subplots(1, 2)
        steps = np.array(data["step"])
        for i, (name, values) in enumerate(data["drift"].items()):
            logs = estimate(np.log(np.asarray(values)))
            mean = np.exp(logs["mean"])
            ends = [
                mean - np.exp(logs["mean"] - logs["half_width"]),
                np.exp(logs["mean"] + logs["half_width"]) - mean,
            ]
            drift.errorbar(steps, mean, ends, fmt="oD"[i], color=PALETTE[2 * i], label=name)
            drift.plot(steps, mean[-1] * steps / steps[-1], color=PALETTE[2 * i], linewidth=0.8)
        drift.set(
            xscale="log",
            yscale="log",
            xlabel=r"step, $\eta$ (total time fixed)",
            ylabel=r"relative change of $W_1W_1^\top - W_2^\top W_2$",
            title="conservation, lines of slope 1",
        )
        drift.set_xticks(steps, [f"{step:g}" for step in steps])
        drift.minorticks_off()
        drift.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
        _draw_energy(energy, data["energy"])
    return figure


def _draw_energy(axes: Axes, energy: dict) -> None:
    series = [(name, "predicted", name) for name in energy]
    series.append((OPTIMIZERS[0], "without_head", f"{OPTIMIZERS[0]}, head's term left out"))
    for i, (name, key, label) in enumerate(series):
        predicted, measured = (np.asarray(energy[name][k]) for k in (key, "measured"))
        axes.plot(
            predicted,
            measured / predicted,
            linestyle="none",
            marker="oDv"[i],
            color=PALETTE[(0, 2, 4)[i]],
            label=label,
        )
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(
        xlabel=r"predicted from the start, $\mathrm{tr}(PCP)$",
        ylabel=r"measured over predicted, $\|PW_1\|_F^2 / \mathrm{tr}(PCP)$",
        title="null-space law",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


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
