"""Notebook 10: classes with subclasses inside them, before and after the head."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, estimate
from synthetic.features.population import aligned_start, weights_along_flow
from synthetic.features.settings import TWO_CLASS_PAIRS
from synthetic.features.subclasses import Separability
from synthetic.features.training import relative

PROFILES = {
    "smoke": {"members": 2, "steps": 50, "markers": 4},
    "quick": {"members": 16, "steps": 1000, "markers": 14},
    "full": {"members": 64, "steps": 10_000, "markers": 30},
}
"""Networks and their steps; times in the figure on collapse."""

COLLAPSE_START = 0.6


def points_data(found: Separability) -> dict:
    """Outputs of one network; weights relative to the class and accuracies of nearest neighbours over all."""
    return {
        "before": found.before,
        "after": found.after,
        "labels": found.labels,
        "weights": estimate(np.moveaxis(relative(found.weights, 0), 0, -1)),
        "classes": estimate(found.classes.T),
        "subclasses": estimate(found.subclasses.T),
    }


def draw_points(data: dict) -> Figure:
    """Feature weights (Figure 2 left); two principal axes before and after the head (right); accuracies."""
    with apply_style():
        figure = Figure(figsize=(11.6, 3.3))
        weights, *scatters, bars = figure.subplots(1, 4, width_ratios=(0.8, 1, 1, 0.8))
        group = data["labels"] @ np.array([2, 1])
        for axes, name in zip(scatters, ("before", "after"), strict=True):
            for which in range(4):
                chosen = data[name][group == which]
                axes.plot(
                    chosen[:, 0],
                    chosen[:, 1],
                    linestyle="none",
                    marker="osD^"[which],
                    markersize=2.5,
                    alpha=0.6,
                    color=PALETTE[which],
                    label=f"class {which // 2}, subclass {which % 2}",
                )
            axes.set(xlabel="first principal axis", ylabel="second principal axis", title=f"{name} the head")
        figure.legend(
            *scatters[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, markerscale=2
        )
        for layer, style in enumerate((BEFORE, AFTER)):
            means = [data[name]["mean"][layer] for name in ("classes", "subclasses")]
            reach = [data[name]["half_width"][layer] for name in ("classes", "subclasses")]
            places = np.arange(2) + 0.1 * (2 * layer - 1)
            bars.errorbar(places, means, reach, linestyle="none", **style)
            mean, half = (data["weights"][key][layer, :2] for key in ("mean", "half_width"))
            weights.errorbar(places, mean, half, linestyle="none", **style)
        weights.axhline(0, color="0.6", linewidth=0.8)
        weights.set(
            xticks=(0, 1),
            xticklabels=("class", "subclass"),
            xlim=(-0.5, 1.5),
            ylabel="feature weight relative to the class",
            title="weights",
        )
        bars.axhline(0.5, color="0.6", linewidth=0.8)
        bars.text(1.45, 0.505, "chance", color="0.4", fontsize=8, ha="right", va="bottom")
        bars.set(
            xticks=(0, 1),
            xticklabels=("class", "subclass"),
            xlim=(-0.5, 1.5),
            ylabel="accuracy, 20 neighbours",
            ylim=(0.45, 1.03),
            title="accuracy",
        )
        bars.legend(loc="center left")
    return figure


def collapse_data(markers: int, seed: int) -> dict:
    """Weights of class and subclass feature over time in linear layers: theory from the aligned start, and flow."""
    fine, coarse = np.geomspace(0.01, 1e4, 120), np.geomspace(0.01, 5e3, markers)
    start = aligned_start(TWO_CLASS_PAIRS.dim, COLLAPSE_START, seed)
    model = theory.class_pair_model(replace(TWO_CLASS_PAIRS, alpha=0.0), [0])
    after = theory.learning_curve(model, fine, COLLAPSE_START)
    return {
        "time": fine,
        "after": after,
        "before": np.sqrt(after),
        "time_flow": coarse,
        "flow": weights_along_flow(TWO_CLASS_PAIRS, start, coarse, rtol=1e-8, method="LSODA"),
        "asymptote": theory.collapse_asymptote(theory.FeatureModel([1.0], 1.0, 0.25), fine)._asdict(),
    }


def draw_collapse(data: dict) -> Figure:
    """Log-log learning curves of the class (constant) and the subclass feature (power laws)."""
    with apply_style():
        figure = Figure(figsize=(5.6, 3.6))
        axes = figure.subplots()
        for layer, (name, style) in enumerate((("before", BEFORE), ("after", AFTER))):
            late = data["time"] > 1
            axes.plot(
                data["time"][late],
                data["asymptote"][name][late, 0],
                color="0.6",
                linewidth=0.8,
                linestyle="--",
            )
            for feature, fill in ((0, "none"), (1, "full")):
                axes.plot(data["time"], data[name][:, feature], color=style["color"])
                label = f"{('class', 'subclass')[feature]}, {style['label']}"
                marker = {**style, "label": label, "fillstyle": fill}
                axes.plot(data["time_flow"], data["flow"][:, layer, feature], linestyle="none", **marker)
        axes.text(300, 0.33, r"$t^{-1/6}$", color=BEFORE["color"])
        axes.text(900, 0.05, r"$t^{-1/3}$", color=AFTER["color"])
        axes.set(xscale="log", yscale="log", xlabel="time of gradient flow, $t$", ylabel="feature weight")
        axes.legend(loc="lower left")
    return figure
