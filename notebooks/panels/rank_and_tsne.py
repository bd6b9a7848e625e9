"""Notebook 17: maps, spectra and ranks of h and z with no head, a linear and a non-linear head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from neural.data.digits import PHOTOGRAPHS
from neural.models.heads import LinearConfig, MLPConfig
from neural.training.pretraining import PretrainConfig, Purpose
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
    PROBES,
    Scores,
    errorbars,
    estimate,
    estimates,
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
_LOOKS = {
    "none": {"color": "black"},
    "linear": {"color": PALETTE[4]},
    "MLP": {"color": PALETTE[5]},
    "linear, full width": {"color": PALETTE[4], "linestyle": "--"},
    "MLP, full width": {"color": PALETTE[5], "linestyle": "--"},
    "untrained MLP": {"color": "0.6", "linestyle": ":"},
}
_MAP_COLOURS = (PALETTE[4], PALETTE[5], PALETTE[9], "black")
FIGURES = {
    "photographs": {
        "caption": "Maps (t-SNE) of the representation $h$ of test images, without a head and behind two heads, with "
        "a ReLU at the end of the encoder. Colour: four of the ten photographs that lie behind the digits. Every "
        "network groups by photograph. Distances and sizes in such a map have no scale.",
        "alt": "Three scatter plots side by side. In each of them the points of one photograph form groups of their "
        "own.",
        "simulated": dict.fromkeys(HEADS[:3]),
    },
    "digits": {
        "caption": "The same three maps. Colour: four of the ten digits. Within the groups the digits are mixed.",
        "alt": "Three scatter plots side by side. Points of each digit are scattered over all groups.",
        "simulated": dict.fromkeys(HEADS[:3]),
    },
    "spectra": {
        "caption": "Eigenvalues of the covariance of $z$ (left) and $h$ (right), relative to the largest, by head, "
        "with a ReLU at the end of the encoder. Heads of 32 outputs cut the spectrum of $z$ off; dashed ones have "
        "64. Without a head the spectrum of $h$ falls fastest. Dotted: untrained.",
        "alt": "Two panels of falling curves on a logarithmic scale. Left: the curves of narrow heads end at 32. "
        "Right: the curve of no head lies far below the others.",
    },
    "spectra_no_relu": {
        "caption": "As in the figure before, for encoders that end with batch norm. Now no head does not stand "
        "apart.",
        "alt": "Two panels of falling curves on a logarithmic scale; in the right one all curves lie close together.",
    },
    "tolerance": {
        "caption": "Number of singular values of the features above a tolerance, which is what a numerical rank "
        "counts, against that tolerance. Solid: $h$. Dashed: $z$. At a small tolerance $h$ has full rank behind "
        "every head.",
        "alt": "Two panels. Curves fall from 64, or 32 for narrow heads, to one as the tolerance rises from 0.0001 "
        "to 1.",
    },
    "ranks": {
        "caption": "Three measures of the number of dimensions before and after the head, by head, with a ReLU at "
        "the end of the encoder. Mean over networks with 95% intervals. Below the line: untrained networks.",
        "alt": "Three panels with one row a head. Effective rank before the head is near 23 without a head and near "
        "38 behind every head; after narrow heads it is near 16.",
    },
    "ranks_no_relu": {
        "caption": "As in the figure before, for encoders that end with batch norm: the effective rank of $h$ is "
        "lower behind an MLP than behind a linear head.",
        "alt": "Three panels with one row a head. Effective rank before the head lies between 30 and 36 for all "
        "heads.",
    },
    "accuracy": {
        "caption": "Accuracy with which a linear probe reads the digit before and after the head. With a last ReLU a "
        "head improves $h$ over no head, which is worse than untrained networks; without the ReLU it does not.",
        "alt": "Two panels with one row a head. Before the head accuracy is about 0.72 for no head and 0.83 behind "
        "heads with a last ReLU, and about 0.87 for all of them without.",
    },
}
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
    """Those of `rank_runs` that are drawn as maps (Figure 1 of the paper), with a last ReLU, member 0."""
    return {name: config for name, config in runs.items() if name[0] == "ReLU" and name[1] in HEADS[:3]}


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


def draw_maps(maps: Mapping[str, dict], label: str) -> Figure:
    """t-SNE of h by head, four photographs or four digits in colour and the others in grey.

    Parameters
    ----------
    maps : mapping of a head to a map
        Of `synthetic.images.maps.TSNEMap`.
    label : {"photo", "digit"}
        What the colours mean.
    """
    names = (
        [name.replace("_", " ") for name in PHOTOGRAPHS] if label == "photo" else [str(i) for i in range(10)]
    )
    with apply_style():
        figure = Figure(figsize=(WIDE, 2.9))
        for axes, (head, points) in zip(
            figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True
        ):
            x, y, kind = (np.asarray(points[key]) for key in ("x", "y", label))
            look = {"s": 5, "linewidths": 0, "rasterized": True}
            axes.scatter(x[kind >= 4], y[kind >= 4], color="0.85", label="the other six", **look)
            for i, colour in enumerate(_MAP_COLOURS):
                axes.scatter(x[kind == i], y[kind == i], color=colour, label=names[i], **look)
            axes.set(xticks=[], yticks=[], title=f"head: {head}")
            axes.spines[:].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        order = [*range(1, len(labels)), 0]
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside lower center",
            ncols=5,
            markerscale=2.5,
            columnspacing=1,
            handletextpad=0.1,
        )
    return figure


def draw_spectra(summary: dict, top: str) -> Figure:
    """Eigenvalues of the covariance of z and of h relative to the largest, by head, and untrained.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    top : str
        Of `TOPS`.
    """
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.8))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, layer in zip(panels, "zh", strict=True):
            for head, look in _LOOKS.items():
                if head in summary[top]:
                    values = _relative(summary[top][head], layer)
                    axes.semilogy(
                        np.arange(1, len(values) + 1), np.maximum(values, 1e-12), label=head, **look
                    )
            axes.set(ylim=(1e-6, 2), xlabel="number of the eigenvalue", title=f"covariance of ${layer}$")
        panels[0].set_ylabel("eigenvalue, share of the largest")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_tolerance(summary: dict) -> Figure:
    """Number of singular values of h (solid) and z (dashed) above a share of the largest, by last layer and head.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    tolerance = np.geomspace(1e-4, 1, 80)
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.5))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, top in zip(panels, TOPS, strict=True):
            for head in HEADS[:3]:
                for layer, style in (("h", "-"), ("z", "--")):
                    values = _relative(summary[top][head], layer)
                    ranks = (np.sqrt(values)[:, None] > tolerance).sum(axis=0)
                    look = {"color": _LOOKS[head]["color"], "linestyle": style}
                    axes.plot(tolerance, ranks, label=f"{head}, ${layer}$", **look)
            axes.set(xscale="log", xlabel="tolerance, share of the largest", title=TOPS[top])
        panels[0].set_ylabel("singular values above\nthe tolerance")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _relative(scores: Mapping[str, dict], layer: str) -> np.ndarray:
    mean = np.asarray(scores[f"eigenvalues_{layer}"]["mean"])
    return mean / mean[0]


def draw_ranks(summary: dict, top: str) -> Figure:
    """Three measures of rank of h and z by head, untrained networks last.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    top : str
        Of `TOPS`.
    """
    names = [measure for measure in MEASURES if measure != "numerical_rank"]
    panels = {measure: MEASURES[measure] for measure in names}
    return _draw_rows([summary[top]] * len(names), panels, "dimensions", (WIDE, 3.6))


def draw_accuracy(summary: dict) -> Figure:
    """Linear accuracy of h and z by head, a panel for each last layer, untrained networks last.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    panels = {f"digit_linear {top}": title for top, title in TOPS.items()}
    return _draw_rows([summary[top] for top in TOPS], panels, "linear probe, test accuracy", (WIDE, 3.6))


def _draw_rows(tables: Sequence[dict], panels: Mapping[str, str], xlabel: str, size: tuple) -> Figure:
    """Before and after the head, one row for each head; the first word of a panel's name is the quantity."""
    heads = list(tables[0])
    rows = -np.arange(len(heads))
    with apply_style():
        figure = Figure(figsize=size)
        grid = figure.subplots(1, len(panels), sharey=True)
        for axes, table, (name, title) in zip(grid, tables, panels.items(), strict=True):
            for side, (layer, look) in zip((1, -1), LAYERS.items(), strict=True):
                value = stack_results([table[head][f"{name.split()[0]}_{layer}"] for head in heads])
                errorbars(axes, rows + 0.14 * side, value, horizontal=True, **look)
            axes.axhline(-sum(head in HEADS for head in heads) + 0.5, color="0.7", linewidth=0.8)
            axes.set(title=title, xlabel=xlabel)
        grid[0].set_yticks(rows, heads)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
