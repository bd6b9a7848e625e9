"""Notebook 17: maps, spectra and ranks of h and z with no head, a linear and a non-linear head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from neural.models.heads import IdentityConfig, LinearConfig, MLPConfig
from neural.training.pretraining import PretrainConfig, Purpose
from notebooks.figure import apply_style
from notebooks.panels.image_runs import base_config, linear_top
from notebooks.panels.named_runs import Scores, estimates, plus_minus
from notebooks.panels.shared import PALETTE, estimate

TOPS = {"ReLU": "last layer ReLU", "linear": "last layer linear"}
HEADS = ("none", "linear", "MLP", "linear, full width", "MLP, full width")
SHOWN = HEADS[:3]
UNTRAINED = {"untrained linear": "linear", "untrained MLP": "MLP"}
MEASURES = {
    "numerical_rank": "numerical rank",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "participation_ratio": "participation ratio",
}
PAPER = {"none": 0, "linear": 1173, "MLP": 1307}
"""Rank deficit rank(H) - rank(Z) that the paper reports (CIFAR-10, ResNet-50, 2,048 units, 128 outputs)."""
_COLOURS = dict(zip(HEADS, PALETTE, strict=False))
_MARKERS = dict(zip(HEADS, "osD^v", strict=True))
Runs = dict[tuple[str, str], PretrainConfig]


def rank_runs(
    seed: int, device: str, *, base: dict, p_drop: float, embed_dim: int, heads: Sequence[str] = HEADS
) -> Runs:
    """Runs by the encoder's last layer and the head, and the untrained ones with a linear and an MLP head.

    Parameters
    ----------
    seed, device, base
        As for `base_config`.
    p_drop : float
        Probability that the second view lacks the digit.
    embed_dim : int
        Outputs of the heads but those of full width.
    heads : sequence of str
        Of `HEADS`, the first three among them.

    Returns
    -------
    dict of (top, head) to PretrainConfig
        Heads: `heads`, then `UNTRAINED`.
    """
    start = base_config(seed, device, **base)
    start = replace(start, data=replace(start.data, p_drop=p_drop))
    width = start.encoder.build(start.stream(Purpose.ENCODER)).out_dim
    recipes = dict(
        zip(
            HEADS,
            (
                IdentityConfig(),
                LinearConfig(embed_dim),
                MLPConfig(width, embed_dim),
                LinearConfig(width),
                MLPConfig(width, width),
            ),
            strict=True,
        )
    )
    runs = {}
    for top, config in zip(TOPS, (start, linear_top(start)), strict=True):
        runs |= {(top, name): replace(config, head=recipes[name]) for name in heads}
        runs |= {
            (top, name): replace(config, head=recipes[head], epochs=0) for name, head in UNTRAINED.items()
        }
    return runs


def map_runs(runs: Runs) -> Runs:
    """Those of `rank_runs` that are drawn as maps (Figure 1 of the paper), member 0."""
    return {name: config for name, config in runs.items() if name[1] in SHOWN}


def summarise(scores: dict[tuple[str, str], Scores]) -> dict:
    """Estimates over members.

    Parameters
    ----------
    scores : dict of (top, head) to arrays
        `Ranks` of all members.

    Returns
    -------
    dict
        top -> head -> name -> `estimate`: what `Ranks` measures, `deficit_<measure>` (h minus z) and
        `loss_<probe>` (accuracy of h minus z); `contrasts`: top -> text -> estimate, paired by member.
    """
    found: dict = {top: {} for top in TOPS}
    for (top, head), table in scores.items():
        table = dict(table)
        for kind, stems in (("deficit", MEASURES), ("loss", ("linear", "knn"))):
            table |= {f"{kind}_{stem}": table[f"{stem}_h"] - table[f"{stem}_z"] for stem in stems}
        found[top][head] = {name: estimate(np.moveaxis(values, 0, -1)) for name, values in table.items()}
    found["contrasts"] = {top: _contrasts({h: s for (t, h), s in scores.items() if t == top}) for top in TOPS}
    return found


def _contrasts(scores: dict[str, Scores]) -> dict[str, dict]:
    pairs = {
        "effective rank of h, linear head minus none": ("effective_rank_h", "linear", "none"),
        "effective rank of h, MLP minus linear head": ("effective_rank_h", "MLP", "linear"),
        "effective rank of z, full width, linear head minus none": (
            "effective_rank_z",
            "linear, full width",
            "none",
        ),
        "effective rank of z, full width, MLP minus linear head": (
            "effective_rank_z",
            "MLP, full width",
            "linear, full width",
        ),
        "linear accuracy of h, linear head minus none": ("linear_h", "linear", "none"),
        "linear accuracy of h, MLP minus linear head": ("linear_h", "MLP", "linear"),
    }
    return estimates(
        {
            text: scores[one][name] - scores[other][name]
            for text, (name, one, other) in pairs.items()
            if one in scores and other in scores
        }
    )


def draw_maps(maps: dict[tuple[str, str], dict]) -> Figure:
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
    with apply_style():
        figure = Figure(figsize=(10.4, 6.4))
        grid = figure.subplots(2, 3)
        for row, top in zip(grid, TOPS, strict=True):
            for head in _trained(summary):
                for axes, layer in zip(row, "zh", strict=False):
                    _draw_spectrum(axes, summary[top][head][f"eigenvalues_{layer}"], head)
                _draw_tolerance(row[2], summary[top][head], head)
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


def _relative(eigenvalues: dict) -> np.ndarray:
    mean = np.asarray(eigenvalues["mean"])
    return mean / mean[0]


def _draw_spectrum(axes: Axes, eigenvalues: dict, head: str) -> None:
    values = _relative(eigenvalues)
    axes.plot(np.arange(1, len(values) + 1), np.maximum(values, 1e-12), color=_COLOURS[head], label=head)


def _draw_tolerance(axes: Axes, scores: dict, head: str) -> None:
    tolerance = np.geomspace(1e-4, 1, 80)
    for layer, style in (("h", "-"), ("z", "--")):
        singular = np.sqrt(_relative(scores[f"eigenvalues_{layer}"]))
        ranks = (singular[:, None] > tolerance).sum(axis=0)
        axes.plot(tolerance, ranks, color=_COLOURS[head], linestyle=style, linewidth=1.2)


def draw_ranks(summary: dict) -> Figure:
    """Four measures of rank of h and z by head, both last layers."""
    with apply_style():
        figure = Figure(figsize=(10.4, 6.0))
        grid = figure.subplots(2, len(MEASURES), sharex=True)
        for row, top in zip(grid, TOPS, strict=True):
            for axes, (measure, name) in zip(row, MEASURES.items(), strict=True):
                _draw_layers(axes, [summary[top][head] for head in _trained(summary)], measure)
                axes.set(title=name, ylim=(0, None), xticks=range(len(_trained(summary))))
                axes.set_xticklabels(_trained(summary), rotation=40, ha="right")
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
            for axes, (probe, title) in zip(
                row, {"linear": "linear probe", "knn": "20 nearest neighbours"}.items(), strict=True
            ):
                _draw_layers(axes, [summary[top][name] for name in names], probe)
                axes.axvline(len(_trained(summary)) - 0.5, color="0.7", linewidth=0.8)
                axes.axhline(0.1, color="0.6", linewidth=0.8)
                axes.text(-0.4, 0.11, "chance", color="0.4", va="bottom", fontsize=8)
                axes.set(title=f"{title}, {TOPS[top]}", ylim=(0, 1), xticks=range(len(names)))
                axes.set_xticklabels(names, rotation=35, ha="right")
            row[0].set_ylabel("test accuracy of the digit")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_layers(axes: Axes, scores: list[dict], stem: str) -> None:
    for i, (layer, label) in enumerate((("h", "before the head, $h$"), ("z", "after the head, $z$"))):
        values = [one[f"{stem}_{layer}"] for one in scores]
        axes.errorbar(
            np.arange(len(scores)) + 0.16 * (2 * i - 1),
            [v["mean"] for v in values],
            [v["half_width"] for v in values],
            fmt="os"[i],
            color=PALETTE[i],
            label=label,
        )


def format_table(summary: dict) -> str:
    """Ranks, accuracy and shares of variance by head, then the paired contrasts, as text."""
    lines = []
    for top, title in TOPS.items():
        lines.append(f"{title}\n{'head':>20}{'er(h)':>17}{'er(z)':>17}{'h - z':>17}{'digit from h':>18}"
                     f"{'from z':>18}{'digit share':>12}{'photo share':>12}{'paper h - z':>12}")  # fmt: skip
        for head in summary[top]:
            scores = summary[top][head]
            ranks = "".join(
                f"{_short(scores[name]):>17}"
                for name in ("effective_rank_h", "effective_rank_z", "deficit_effective_rank")
            )
            accuracy = "".join(f"{plus_minus(scores[name]):>18}" for name in ("linear_h", "linear_z"))
            shares = "".join(
                f"{float(scores[f'share_{name}']['mean']):>12.2f}" for name in ("digit", "photo")
            )
            lines.append(f"{head:>20}{ranks}{accuracy}{shares}{PAPER.get(head, ''):>12}")
        lines += [f"{text}: {plus_minus(value)}" for text, value in summary["contrasts"][top].items()]
    return "\n".join(lines)


def _short(value: dict) -> str:
    return f"{value['mean']:.1f} +- {value['half_width']:.1f}"
