"""Notebook 10: classes with subclasses inside them, before and after the head."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, SERIES, estimate, mark_zero
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

FIGURES = {
    "points": {
        "caption": "Outputs of one ReLU network before and after the head on their two principal axes, both axes of "
        "one scale. Colours and markers are the four subclasses. Before the head there are four groups. "
        "After it there are two: the second axis has almost no extent. The network is an illustration; "
        "the next figure has the numbers over all networks.",
        "alt": "Two scatter plots with axes of equal scale. Before the head four separate groups of points stand "
        "in the corners of a square. After the head the points lie on a nearly flat line in two groups, "
        "one for each class, in which the subclasses overlap.",
        "simulated": {"before": None, "after": None},
    },
    "scores": {
        "caption": "Left: weight of the class and the subclass feature relative to the class, before and after the "
        "head (Figure 2 left of Xue et al.). Right: accuracy of a probe of 20 nearest neighbours for the "
        "class and for the subclass. Means over networks with 95% intervals. The subclass is represented "
        "before the head, and hardly after it.",
        "alt": "Two panels with markers for class and subclass. The class has weight 1 and accuracy 1 before and "
        "after the head. The subclass has weight 0.65 before and 0.03 after the head, and accuracy 1.00 "
        "before and 0.69 after it, where chance is 0.5.",
    },
    "collapse": {
        "caption": "Weights of the class and of the subclass feature in linear layers over the time of gradient "
        "flow, before and after the head. Lines are the closed form, markers are gradient flow of both "
        "full matrices, dashed lines the power laws. The class stays. The subclass falls as $t^{-1/3}$ "
        "after the head and only as $t^{-1/6}$ before it.",
        "alt": "Log-log plot over time. The two curves of the class rise to about 1 and stay. The subclass falls "
        "along straight lines, with slope minus one sixth before the head and minus one third after it. "
        "Markers lie on the lines.",
        "simulated": {"flow": 1e-05},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

COLLAPSE_START = 0.6


def points_data(found: Separability) -> dict:
    """Outputs of one network on their two principal axes."""
    return {"before": found.before, "after": found.after, "labels": found.labels}


def scores_data(found: Separability) -> dict:
    """Weights relative to the class, and accuracies of nearest neighbours, over all networks."""
    return {
        "weights": estimate(np.moveaxis(relative(found.weights, 0), 0, -1)),
        "classes": estimate(found.classes.T),
        "subclasses": estimate(found.subclasses.T),
    }


def draw_points(data: dict) -> Figure:
    """Outputs of one network on their two principal axes, both of one scale, before and after the head."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.7))
        group = data["labels"] @ np.array([2, 1])
        for axes, name in zip(figure.subplots(1, 2), ("before", "after"), strict=True):
            for which in range(4):
                chosen = data[name][group == which]
                axes.plot(
                    chosen[:, 0],
                    chosen[:, 1],
                    linestyle="none",
                    marker="osD^"[which],
                    markersize=2.5,
                    alpha=0.5,
                    color=SERIES[which],
                    label=f"class {which // 2}, subclass {which % 2}",
                )
            reach = 1.1 * np.abs(data[name]).max()
            axes.set(xlabel="first principal axis", title=f"{name} the head", aspect="equal")
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
        figure.axes[0].set_ylabel("second principal axis")
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=2, markerscale=2)
    return figure


def draw_scores(data: dict) -> Figure:
    """Feature weights (Figure 2 left) and accuracies of nearest neighbours, before and after the head."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 2.8))
        weights, bars = figure.subplots(1, 2)
        for layer, style in enumerate((BEFORE, AFTER)):
            places = np.arange(2) + 0.1 * (2 * layer - 1)
            means = [data[name]["mean"][layer] for name in ("classes", "subclasses")]
            reach = [data[name]["half_width"][layer] for name in ("classes", "subclasses")]
            bars.errorbar(places, means, reach, linestyle="none", **style)
            mean, half = (data["weights"][key][layer, :2] for key in ("mean", "half_width"))
            weights.errorbar(places, mean, half, linestyle="none", **style)
        mark_zero(weights)
        bars.axhline(0.5, color="0.6", linewidth=0.8)
        bars.text(-0.45, 0.505, "chance", color="0.4", fontsize=9, va="bottom")
        for axes in (weights, bars):
            axes.set(xticks=(0, 1), xticklabels=("class", "subclass"), xlim=(-0.5, 1.5))
        weights.set(ylabel="weight relative to the class")
        bars.set(ylabel="accuracy, 20 neighbours", ylim=(0.45, 1.03))
        weights.legend(loc="lower left", bbox_to_anchor=(0.0, 0.05))
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
        figure = Figure(figsize=(WIDE, 3.2))
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
