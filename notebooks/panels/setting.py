"""Notebook 00: the pipeline of pretraining, what a positive pair shares, and the loss of one feature."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

import theory
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, Estimate, errorbars, estimate
from synthetic.features.views import sample_pairs
from theory import FeatureModel

PROFILES = {
    "smoke": {"replicates": 4, "pairs": 50},
    "quick": {"replicates": 16, "pairs": 500},
    "full": {"replicates": 64, "pairs": 2000},
}
"""Samples, and positive pairs in each."""
THREE_FEATURES = FeatureModel(phi=[1.0, 1.0, 1.0], alpha=[0.0, 0.3, 0.7], sigma=0.3)
"""Features of one strength that the augmentation never disrupts, disrupts in three views of ten, and in seven."""
SHOWN = 80  # pairs in the scatter plot
WEIGHTS = (0.3, 0.6, 0.9, 1.2)
FIGURES = {
    "pipeline": {
        "caption": "One input $x$ gives two views. Both pass through the same encoder and the same head. The loss "
        "sees the embedding $z$ alone. After training the head is thrown away, and the representation $h$ is used.",
        "alt": "Flow chart from left to right: input, two views, encoder, representation h, projection head, "
        "embedding z, loss. The part up to h is marked as kept, the head and z as thrown away after training.",
    },
    "pairs": {
        "caption": "Left: the coordinates of the two views of a pair along a feature with $\\alpha=0.3$. In most "
        "pairs both views keep the sign, so the points lie in two corners; a disrupted sign puts a pair into the "
        "others. Right: the correlation $c$ of the two views against the probability $\\alpha$ of disruption. The "
        "line is (3), the markers are samples of the model with 95% intervals.",
        "alt": "Left panel: scatter of first against second view, most points near plus one, plus one and minus one, "
        "minus one. Right panel: the correlation falls from about 0.92 at alpha 0 to 0 at alpha 1 along a parabola; "
        "markers lie on the line.",
        "simulated": {"first": None, "second": None},
    },
    "loss": {
        "caption": "Spectral contrastive loss of a network that gives a single feature the weight $s$, for three "
        "probabilities $\\alpha$ of disruption ($\\phi=1$, $\\sigma=0.3$). Lines: `theory.spectral_loss`. Markers: "
        "sampled pairs, with 95% intervals. A vertical tick stands at the weight that `theory.layer_weights` gives.",
        "alt": "Three curves of loss against weight, each falling from zero to a minimum and rising again. The more "
        "a feature is disrupted, the shallower is the minimum and the smaller is its weight. Markers lie on the "
        "curves.",
    },
}


def pairs_data(seed: int, *, replicates: int, pairs: int) -> dict:
    """Coordinates of the two views along the second feature, and the correlation of the views by disruption.

    Parameters
    ----------
    seed : int
    replicates, pairs : int
        Samples, and positive pairs in each.

    Returns
    -------
    dict
        `first`, `second` (one coordinate of each view); `alpha`, `theory` (the line); `alpha_sampled`, `sampled`.
    """
    alphas = np.linspace(0, 1, 51)
    first, second = _sampled_pairs(seed, replicates, pairs)
    correlation = 2 * (first * second).mean(1) / (first**2 + second**2).mean(1)
    return {
        "first": first[0, :SHOWN, 1],
        "second": second[0, :SHOWN, 1],
        "alpha": alphas,
        "theory": FeatureModel(1.0, alphas, THREE_FEATURES.sigma).correlation,
        "alpha_sampled": THREE_FEATURES.alpha,
        "sampled": estimate(correlation.T),
    }


def _sampled_pairs(seed: int, replicates: int, pairs: int) -> np.ndarray:
    """Both views of the pairs of every sample, (2, replicates, pairs, features)."""
    generator = torch.Generator().manual_seed(seed)
    views = sample_pairs(THREE_FEATURES, replicates * pairs, generator)
    return np.stack([view.numpy() for view in views]).reshape(2, replicates, pairs, -1)


def loss_data(seed: int, *, replicates: int, pairs: int) -> dict:
    """Spectral loss of one feature against its weight, by theory and from sampled pairs.

    Parameters
    ----------
    seed : int
    replicates, pairs : int
        As in `pairs_data`.

    Returns
    -------
    dict
        `weight`, `theory` (features, weights); `best`, the weight at the minimum, and `minimum` (features,);
        `weight_sampled`, `sampled` (features, weights).
    """
    weights = np.linspace(0, 1.3, 66)
    features = [FeatureModel(1.0, alpha, THREE_FEATURES.sigma) for alpha in THREE_FEATURES.alpha]
    first, second = _sampled_pairs(seed, replicates, pairs)
    positive = (first * second).mean(1)
    products = np.einsum("rnk,rmk->rknm", first, second) ** 2
    negative = (products.sum((2, 3)) - np.einsum("rknn->rk", products)) / (pairs * (pairs - 1))
    s = np.asarray(WEIGHTS)[:, None, None]
    return {
        "alpha": THREE_FEATURES.alpha,
        "weight": weights,
        "theory": [
            [theory.spectral_loss(np.array([[w]]), model.cov, model.cross_cov) for w in weights]
            for model in features
        ],
        "best": [theory.layer_weights(model)[1, 0] for model in features],
        "minimum": [theory.spectral_minimum(model) for model in features],
        "weight_sampled": WEIGHTS,
        "sampled": estimate(np.transpose(-2 * s**2 * positive + s**4 * negative, (2, 0, 1))),
    }


def draw_pipeline() -> Figure:
    """Input, views, encoder, representation, head, embedding and loss, and what is kept after training."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 2.7))
        axes = figure.subplots()
        axes.set(xlim=(0, 14.2), ylim=(0, 5.4), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        _box(axes, 0.8, 2.9, "input\n$x$", "0.93")
        for y, view, name in ((4.1, "view\n$x_1$", "1"), (1.7, "view\n$x_2$", "2")):
            _box(axes, 3.1, y, view, "0.93")
            _box(axes, 5.4, y, "encoder\n$W_1$", "white", edge=BEFORE["color"])
            _box(axes, 7.6, y, f"$h_{name}$", BEFORE["color"], text="white", width=0.9)
            _box(axes, 9.6, y, "head\n$W_2$", "white", edge=AFTER["color"])
            _box(axes, 11.5, y, f"$z_{name}$", AFTER["color"], width=0.9)
            _arrow(axes, (1.5, 2.9), (2.4, y))
            for start, end in ((3.8, 4.7), (6.1, 7.15), (8.05, 8.9), (10.3, 11.05)):
                _arrow(axes, (start, y), (end, y))
            _arrow(axes, (11.95, y), (13.0, 2.9 + (y - 2.9) / 8))
        axes.text(13.1, 2.9, "loss", ha="left", va="center", fontsize=10)
        for left, right, words, colour in (
            (4.6, 8.1, "kept after training", BEFORE["color"]),
            (8.8, 12.0, "thrown away", AFTER["color"]),
        ):
            axes.plot([left, left, right, right], [0.75, 0.55, 0.55, 0.75], color=colour, linewidth=1.2)
            axes.text((left + right) / 2, 0.35, words, ha="center", va="top", fontsize=10)
    return figure


def _box(axes: Axes, x: float, y: float, words: str, fill, *, edge="0.4", text="black", width=1.4) -> None:
    style = {
        "boxstyle": "round,pad=0,rounding_size=0.12",
        "facecolor": fill,
        "edgecolor": edge,
        "linewidth": 1.4,
    }
    axes.text(x, y, words, ha="center", va="center", fontsize=10, color=text, zorder=3)
    corner = (x - width / 2, y - 0.75)
    axes.add_patch(FancyBboxPatch(corner, width, 1.5, **style))


def _arrow(axes: Axes, start: tuple, end: tuple) -> None:
    look = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)


def draw_pairs(data: dict) -> Figure:
    """One coordinate of both views, and the correlation of the views against the probability of disruption."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.0))
        points, line = figure.subplots(1, 2)
        points.plot(data["first"], data["second"], ".", color=PALETTE[4])
        points.set(
            xlabel="first view along $v_2$", ylabel="second view along $v_2$", title=r"pairs, $\alpha=0.3$"
        )
        points.set_aspect("equal", adjustable="datalim")
        line.plot(data["alpha"], data["theory"], color=PALETTE[4], label="theory, (3)")
        look = {"color": PALETTE[4], "marker": "o", "label": "sampled pairs"}
        errorbars(line, data["alpha_sampled"], data["sampled"], **look)
        line.set(
            xlabel=r"probability of disruption, $\alpha$",
            ylabel="correlation $c$ of the views",
            ylim=(-0.05, 1),
        )
        line.legend()
    return figure


def draw_loss(data: dict) -> Figure:
    """Loss against the weight of the feature: theory as lines, samples as markers, ticks at the minima."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.2))
        axes = figure.subplots()
        for i, (alpha, colour, marker) in enumerate(
            zip(data["alpha"], (PALETTE[4], PALETTE[5], PALETTE[7]), "oDs", strict=True)
        ):
            axes.plot(data["weight"], data["theory"][i], color=colour)
            value: Estimate = {key: np.asarray(data["sampled"][key])[i] for key in ("mean", "half_width")}
            look = {"color": colour, "marker": marker, "label": rf"$\alpha$ = {alpha:g}"}
            errorbars(axes, data["weight_sampled"], value, **look)
            axes.plot(data["best"][i], data["minimum"][i] - 0.06, "|", color=colour, markersize=10)
        axes.set(xlabel="weight $s$ of the feature", ylabel="spectral contrastive loss", ylim=(-1.1, 0.6))
        axes.legend()
    return figure
