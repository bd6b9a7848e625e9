"""Notebook 17: maps, spectra and ranks of h and z with no head, a linear and a non-linear head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from neural.models.heads import LinearConfig, MLPConfig
from neural.training.pretraining import PretrainConfig, Purpose
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    PALETTE,
    PROBES,
    Scores,
    before_after,
    estimate,
    estimates,
    mark_chance,
    plus_minus,
    text_table,
)
from synthetic.images.runs import HEADS_P_DROP, head_runs, untrained, with_data, without_last_relu
from synthetic.images.scores import HeadScores
from synthetic.store.arrays import stack_results

HEADS = ("none", "linear", "MLP", "linear, full width", "MLP, full width")
_ONE_MAP = {"images": 597, "perplexity": 30.0, "iterations": 1000}
PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "embed_dim": embed_dim,
        "heads": heads,
        "one_map": one_map,
    }
    for profile, embed_dim, heads, one_map in (
        ("smoke", 8, HEADS[:3], {"images": 60, "perplexity": 10.0, "iterations": 250}),
        ("quick", 32, HEADS, _ONE_MAP),
        ("full", 128, HEADS, _ONE_MAP),
    )
}
MEASUREMENT = HeadScores()
TOPS = {"ReLU": "last layer ReLU", "linear": "last layer linear"}
UNTRAINED = {"untrained linear": "linear", "untrained MLP": "MLP"}
MEASURES = {
    "numerical_rank": "numerical rank",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "participation_ratio": "participation ratio",
}
PAPER = {"none": "0", "linear": "1173", "MLP": "1307"}
"""Rank deficit rank(H) - rank(Z) that the paper reports (CIFAR-10, ResNet-50, 2,048 units, 128 outputs)."""
_COLOURS = dict(zip(HEADS, PALETTE, strict=False))
Runs = dict[tuple[str, str], PretrainConfig]


def rank_runs(base: PretrainConfig, embed_dim: int, heads: Sequence[str] = HEADS) -> Runs:
    """Runs by the encoder's last layer and the head, and the untrained ones with a linear and an MLP head.

    Parameters
    ----------
    base : PretrainConfig
    embed_dim : int
        Outputs of the heads but those of full width, which have as many as the encoder has units.
    heads : sequence of str
        Of `HEADS`, the first three among them.

    Returns
    -------
    dict of (top, head) to PretrainConfig
        Tops: `TOPS`; heads: `heads`, then `UNTRAINED`.
    """
    start = with_data(base, p_drop=HEADS_P_DROP)
    units = start.encoder.build(start.stream(Purpose.ENCODER)).out_dim
    runs = {}
    for top, config in zip(TOPS, (start, without_last_relu(start)), strict=True):
        narrow = head_runs(config, embed_dim, units)
        found = {
            "none": narrow["no head"],
            "linear": narrow["trainable, joint"],
            "MLP": narrow["MLP"],
            "linear, full width": replace(config, head=LinearConfig(units)),
            "MLP, full width": replace(config, head=MLPConfig(units, units)),
        }
        runs |= {(top, name): found[name] for name in heads}
        runs |= {(top, name): untrained(found[head]) for name, head in UNTRAINED.items()}
    return runs


def map_runs(runs: Runs) -> Runs:
    """Those of `rank_runs` that are drawn as maps (Figure 1 of the paper), member 0."""
    return {name: config for name, config in runs.items() if name[1] in HEADS[:3]}


def summarise(scores: Mapping[tuple[str, str], Scores]) -> dict:
    """Estimates over members.

    Parameters
    ----------
    scores : dict of (top, head) to arrays
        `MEASUREMENT` of all members.

    Returns
    -------
    dict
        top -> head -> name -> `estimate`: the numbers of `MEASUREMENT`, `deficit_<measure>` (h minus z) and
        `loss_<probe>` (accuracy of h minus z); `contrasts`: top -> text -> estimate, paired by member.
    """
    found: dict = {top: {} for top in TOPS}
    for (top, head), table in scores.items():
        differences = {f"deficit_{m}": table[f"{m}_h"] - table[f"{m}_z"] for m in MEASURES} | {
            f"loss_{p}": table[f"digit_{p}_h"] - table[f"digit_{p}_z"] for p in PROBES
        }
        shown = {name: values for name, values in table.items() if np.isfinite(values).all()}
        found[top][head] = {
            name: estimate(np.moveaxis(values, 0, -1)) for name, values in (shown | differences).items()
        }
    found["contrasts"] = {top: _contrasts({h: s for (t, h), s in scores.items() if t == top}) for top in TOPS}
    return found


def _contrasts(scores: Mapping[str, Scores]) -> dict[str, dict]:
    full = ("linear, full width", "MLP, full width")
    pairs = {
        "effective rank of h, linear head minus none": ("effective_rank_h", "linear", "none"),
        "effective rank of h, MLP minus linear head": ("effective_rank_h", "MLP", "linear"),
        "effective rank of z, full width, linear head minus none": ("effective_rank_z", full[0], "none"),
        "effective rank of z, full width, MLP minus linear head": ("effective_rank_z", full[1], full[0]),
        "linear accuracy of h, linear head minus none": ("digit_linear_h", "linear", "none"),
        "linear accuracy of h, MLP minus linear head": ("digit_linear_h", "MLP", "linear"),
    }
    return estimates(
        {
            text: scores[one][name] - scores[other][name]
            for text, (name, one, other) in pairs.items()
            if one in scores and other in scores
        }
    )


def format_table(summary: dict) -> str:
    """Ranks, accuracy and shares of variance by head, then the paired contrasts, as text."""
    parts = []
    for top, title in TOPS.items():
        rows = []
        for head, scores in summary[top].items():
            ranks = {
                "er(h)": scores["effective_rank_h"],
                "er(z)": scores["effective_rank_z"],
                "er(h) - er(z)": scores["deficit_effective_rank"],
            }
            row = {title: head} | {name: plus_minus(value, digits=1) for name, value in ranks.items()}
            row |= {f"digit from {layer}": plus_minus(scores[f"digit_linear_{layer}"]) for layer in "hz"}
            row |= {
                f"{name} share": f"{float(scores[f'share_{name}']['mean']):.2f}"
                for name in ("digit", "photo")
            }
            rows.append(row | {"paper h - z": PAPER.get(head, "")})
        lines = [f"{text}: {plus_minus(value)}" for text, value in summary["contrasts"][top].items()]
        parts.append("\n".join([text_table(rows), *lines]))
    return "\n\n".join(parts)


def draw_maps(maps: Mapping[tuple[str, str], dict]) -> Figure:
    """t-SNE of h by last layer and head (columns), coloured by digit (upper row) and by photograph (lower row)."""
    with apply_style():
        figure = Figure(figsize=(2.1 * len(maps), 4.9))
        grid = figure.subplots(2, len(maps))
        for column, ((top, head), points) in zip(grid.T, maps.items(), strict=True):
            for axes, label in zip(column, ("digit", "photo"), strict=True):
                shown = axes.scatter(
                    points["x"],
                    points["y"],
                    c=points[label],
                    s=4,
                    cmap=ListedColormap(PALETTE),
                    vmin=-0.5,
                    vmax=9.5,
                )
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            column[0].set_title(f"head: {head}\n{TOPS[top]}")
        for axes, label in zip(grid[:, 0], ("colour: digit", "colour: photograph"), strict=True):
            axes.set_ylabel(label)
        figure.colorbar(
            shown, ax=grid[:, -1].tolist(), ticks=range(10), label="digit, or number of the photograph"
        )
    return figure


def draw_spectra(summary: dict) -> Figure:
    """Eigenvalues of the covariance of z and of h relative to the largest, and rank against tolerance."""
    tolerance = np.geomspace(1e-4, 1, 80)
    with apply_style():
        figure = Figure(figsize=(10.4, 6.4))
        grid = figure.subplots(2, 3)
        for row, top in zip(grid, TOPS, strict=True):
            for head in _trained(summary):
                for axes, layer, style in zip(row, "zh", ("--", "-"), strict=False):
                    mean = np.asarray(summary[top][head][f"eigenvalues_{layer}"]["mean"])
                    values, look = mean / mean[0], {"color": _COLOURS[head]}
                    axes.plot(np.arange(1, len(values) + 1), np.maximum(values, 1e-12), label=head, **look)
                    ranks = (np.sqrt(values)[:, None] > tolerance).sum(axis=0)
                    row[2].plot(tolerance, ranks, linestyle=style, linewidth=1.2, **look)
            for axes, layer in zip(row, "zh", strict=False):
                axes.set(
                    yscale="log",
                    ylim=(1e-6, 2),
                    xlabel="index $i$",
                    ylabel=rf"$\lambda_i/\lambda_1$ of the covariance of ${layer}$",
                    title=f"spectrum of ${layer}$, {TOPS[top]}",
                )
            row[2].set(
                xscale="log",
                xlabel=r"tolerance, share of the largest singular value",
                ylabel="rank (solid $h$, dashed $z$)",
                title=f"rank against tolerance, {TOPS[top]}",
            )
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, [f"head: {label}" for label in labels], loc="outside lower center", ncols=5)
    return figure


def _trained(summary: dict) -> list[str]:
    return [head for head in summary["ReLU"] if head in HEADS]


def draw_ranks(summary: dict) -> Figure:
    """Four measures of rank of h and z by head, both last layers."""
    heads = _trained(summary)
    with apply_style():
        figure = Figure(figsize=(10.4, 6.0))
        grid = figure.subplots(2, len(MEASURES), sharex=True)
        for row, top in zip(grid, TOPS, strict=True):
            values = _collect(summary[top], heads)
            for axes, (measure, name) in zip(row, MEASURES.items(), strict=True):
                before_after(axes, np.arange(len(heads)), values, measure, 0.16)
                axes.set(title=name, ylim=(0, None), xticks=range(len(heads)))
                axes.set_xticklabels(heads, rotation=40, ha="right")
            row[0].set_ylabel(f"dimensions\n{TOPS[top]}")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_accuracy(summary: dict) -> Figure:
    """Linear and nearest-neighbour accuracy of h and z by head, untrained networks last."""
    names = list(summary["ReLU"])
    with apply_style():
        figure = Figure(figsize=(9.4, 6.4))
        grid = figure.subplots(2, 2, sharex=True, sharey=True)
        for row, top in zip(grid, TOPS, strict=True):
            values = _collect(summary[top], names)
            for axes, (probe, title) in zip(row, PROBES.items(), strict=True):
                before_after(axes, np.arange(len(names)), values, f"digit_{probe}", 0.16)
                axes.axvline(len(_trained(summary)) - 0.5, color="0.7", linewidth=0.8)
                mark_chance(axes, -0.4)
                axes.set(title=f"{title}, {TOPS[top]}", ylim=(0, 1), xticks=range(len(names)))
                axes.set_xticklabels(names, rotation=35, ha="right")
            row[0].set_ylabel("test accuracy of the digit")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _collect(found: Mapping[str, dict], heads: Sequence[str]) -> dict[str, dict]:
    """Estimates of both layers by name, one entry for each head."""
    stems = (*MEASURES, *(f"digit_{probe}" for probe in PROBES))
    names = [f"{stem}_{layer}" for stem in stems for layer in "hz"]
    return {name: stack_results([found[head][name] for head in heads]) for name in names}
