"""Notebook 04: Figure 5, the sample complexity indicator against depth, and accuracies layer by layer."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import SERIES, estimate
from synthetic.features.few_shot import Averaging
from synthetic.features.layer_choice import LayerProbe
from synthetic.features.settings import DOWNSTREAM

PROFILES = {
    "smoke": {"draws": 200, "depth": 4},
    "quick": {"draws": 4000, "depth": 8},
    "full": {"draws": 40_000, "depth": 16},
}
"""Draws of labelled samples, spread over the networks, and layers of each network."""

FIGURES = {
    "figure_5": {
        "caption": "Figure 5 of Xue et al. for five disruptions of the label's feature; the numbers at the lines are "
        "its weight $s_j$ after the head. Left: the sample complexity indicator against depth, with a "
        "star at its minimum. Right: accuracy of the averaging classifier on the layers of linear "
        "networks at eight labels; lines are the exact law, markers the mean over networks and draws with "
        "95% intervals. All layers of a network are probed with the same draws, so the markers of one "
        "line move together. The smaller the weight, the lower is the best layer.",
        "alt": "Two line plots against relative depth, five lines each. Left: the indicator falls with depth for "
        "the largest weight, rises for the smallest and has its minimum, marked by a star, in between for "
        "the others. Right: accuracy rises with depth for the largest weight, falls for the smallest and "
        "peaks in between for the others; markers lie on the lines.",
    },
    "shift": {
        "caption": "Best relative depth against the weight $s_j$ of the label's feature. Dashed: the depth of "
        "smallest indicator if every depth could be probed. Steps: the best of eight layers, by the "
        "indicator; the lowest layer stands at depth 1/8. Markers: the layer on which most accurate "
        "classifiers were found, mean over 20 networks with its 95% interval.",
        "alt": "Step plot that rises from 1/8 for weights below 0.43 to 1 for weights above 0.53, beside a "
        "dashed line from 0 to 1. Three of the five markers lie on the steps; two lie off by about one "
        "layer.",
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

LABELS = 8
ALPHAS = (0.1, 0.3, 0.35, 0.4, 0.6)
NETWORKS = 20  # trained for every model; each votes for a best layer


def models() -> list[theory.FeatureModel]:
    """The downstream model at rising disruption of the relevant feature, hence falling weight."""
    return [DOWNSTREAM.with_feature(0, alpha=alpha) for alpha in ALPHAS]


def sweep_points(seed: int, *, depth: int, draws: int) -> list[LayerProbe]:
    """One task for each model; its representations are the layers of trained linear networks."""
    return [
        LayerProbe(model, LABELS, Averaging(), draws // NETWORKS, seed, index, depth=depth, networks=NETWORKS)
        for index, model in enumerate(models())
    ]


def figure_5_data(results: list[np.ndarray], *, depth: int) -> dict:
    """Indicator curves with their minima, accuracies of the layers, and best layers by both.

    Parameters
    ----------
    results : list of (networks, draws, depth) arrays
        Of `synthetic.features.layer_choice.probe_trained_layers` at `sweep_points`.
    """
    relative = np.linspace(0, 1, 101)
    curves = []
    for model, accuracy in zip(models(), results, strict=True):
        after = theory.layer_weights(model)[1]
        layers = theory.layer_weights(model, depth)
        curves.append(
            {
                "alpha": model.alpha[0],
                "weight": after[0],
                "indicator": theory.sample_complexity(model, after ** relative[:, None], 0),
                "indicator_layers": theory.sample_complexity(model, layers, 0),
                "best_depth": theory.best_depth(model, 0),
                "best_layer": theory.best_layer(model, 0, depth),
                "accuracy_exact": theory.averaging_accuracy(model, layers, 0, LABELS),
                "accuracy": estimate(accuracy.reshape(-1, depth).T),
                "best_measured": estimate(1.0 + accuracy.mean(axis=1).argmax(axis=1)),
            }
        )
    return {"depth": depth, "relative_depth": relative, "labels": LABELS, "curves": curves}


def shift_data(*, depth: int) -> dict:
    """Best depth and best of `depth` layers against the weight of the relevant feature, on a grid of its disruption."""
    alphas = np.linspace(0.0, 0.7, 141)
    moved = [DOWNSTREAM.with_feature(0, alpha=alpha) for alpha in alphas]
    return {
        "weight": [theory.layer_weights(model)[1, 0] for model in moved],
        "best_depth": [theory.best_depth(model, 0) for model in moved],
        "best_layer": [theory.best_layer(model, 0, depth) for model in moved],
    }


def draw_figure_5(data: dict) -> Figure:
    """Indicator against relative depth, one line a weight of the relevant feature; minima marked."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        left, right = figure.subplots(1, 2)
        layers = np.arange(1, data["depth"] + 1) / data["depth"]
        for i, curve in enumerate(data["curves"]):
            color = SERIES[i]
            left.plot(data["relative_depth"], curve["indicator"], color=color)
            lowest = np.interp(curve["best_depth"], data["relative_depth"], curve["indicator"])
            left.plot(curve["best_depth"], lowest, marker="*", markersize=11, color=color, clip_on=False)
            right.plot(layers, curve["accuracy_exact"], color=color)
            right.errorbar(
                layers,
                curve["accuracy"]["mean"],
                curve["accuracy"]["half_width"],
                linestyle="none",
                marker="osD^v"[i],
                markersize=4,
                color=color,
            )
            name = f"{'$s_j = $' if i == 0 else ''}{curve['weight']:.2f}"
            ends = {left: curve["indicator"][-1], right: curve["accuracy_exact"][-1]}
            for axes, end in ends.items():
                axes.annotate(
                    name, (1, end), (6, 0), color=color, fontsize=9, va="center", textcoords="offset points"
                )
        left.set(
            yscale="log",
            xlabel="relative depth, $t = l/L$",
            xlim=(-0.03, 1.28),
            ylabel="sample complexity indicator, $N_j(t)$",
            title="indicator; star: its minimum",
        )
        ticks = [10, 15, 20, 30, 40]
        left.set_yticks(ticks, [str(t) for t in ticks])
        left.minorticks_off()
        left.set_xticks((0, 0.25, 0.5, 0.75, 1.0))
        right.set_xticks((0.25, 0.5, 0.75, 1.0))
        right.set(
            xlabel="relative depth, $t = l/L$",
            xlim=(0.08, 1.26),
            ylabel=f"accuracy of averaging, $n = {data['labels']}$",
            title="accuracy, exact and simulated",
        )
    return figure


def draw_shift(shift: dict, data: dict) -> Figure:
    """Best relative depth against the weight of the relevant feature, by indicator and by measured accuracy."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.0))
        axes = figure.subplots()
        depth = data["depth"]
        axes.plot(shift["weight"], shift["best_depth"], color="0.6", linestyle="--", label="any depth")
        layers = np.array(shift["best_layer"]) / depth
        axes.plot(shift["weight"], layers, color=SERIES[0], drawstyle="steps-mid", label=f"{depth} layers")
        votes = [curve["best_measured"] for curve in data["curves"]]
        axes.errorbar(
            [curve["weight"] for curve in data["curves"]],
            np.array([vote["mean"] for vote in votes]) / depth,
            np.array([vote["half_width"] for vote in votes]) / depth,
            linestyle="none",
            marker="o",
            color=SERIES[1],
            label="most accurate",
        )
        axes.set(
            xlabel="weight of the label's feature, $s_j$",
            ylabel="best relative depth, $t^*$",
            ylim=(-0.05, 1.1),
        )
        axes.legend(loc="upper left")
    return figure


def format_table(data: dict) -> str:
    """Best depth and layer by the indicator, and the best layer by measured accuracy."""
    lines = [f"{'alpha_j':>8}{'s_j':>8}{'t*':>8}{'best layer':>12}{'measured best layer':>24}"]
    for curve in data["curves"]:
        vote = curve["best_measured"]
        lines.append(
            f"{curve['alpha']:8g}{curve['weight']:8.3f}{curve['best_depth']:8.3f}{curve['best_layer']:12d}"
            f"{vote['mean']:14.2f} +- {vote['half_width']:.2f}"
        )
    return "\n".join(lines)
