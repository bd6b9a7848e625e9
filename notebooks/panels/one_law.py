"""Notebook 11: the weight before the head against the weight after it, for every way to train the head."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import PALETTE, SERIES
from synthetic.features.head_schemes import (
    DECAYS,
    FAST_RATIO,
    FAST_SCALE,
    REWEIGHTING,
    SCHEMES,
    SPARSE,
    SchemeTraining,
)
from synthetic.features.settings import FIVE_EQUAL

PROFILES = {"smoke": {"schemes": 4}, "quick": {"schemes": 8}, "full": {"schemes": 8}}
"""How many of the schemes are trained."""

FIGURES = {
    "law": {
        "caption": "Weight before the head against weight after it, both relative to the heaviest feature, on "
        "logarithmic axes, for eight ways to train the head. Lines are the law, markers are full matrices "
        "trained on the population loss by code that does not know the law. A power law is a straight "
        "line, and the flatter it is, the more of a weak feature survives before the head: slope 1 "
        "without a head, 1/2 in joint training, 1/3 in the first of three layers and under the sparse "
        "head, 0 for an exact head.",
        "alt": "Log-log plot of a fan of lines that start in one point at the upper right. From steep to flat: "
        "no head with slope 1, joint training and weight decay with slope one half, layer 1 of 3 and "
        "sparse head with slope one third, a head three times as fast on a curve that bends, exact head "
        "with slope 0. Fixed reweighting lies between the last two and rises slightly above 1. Markers "
        "lie on the lines.",
        "simulated": {"before": 1e-06, "after": 1e-06},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

FINE = theory.FeatureModel(1.0, np.linspace(0.0, 0.75, 60), FIVE_EQUAL.sigma)
LAWS = {
    "no head": theory.NoHead(),
    "joint, balanced": theory.JointTraining(),
    "layer 1 of 3": theory.LayerOf(1, 3),
    "head 3 times as fast": theory.HeadSpeed(FAST_SCALE, FAST_RATIO),
    "exact head (bilevel)": theory.Bilevel(FAST_SCALE),
    "weight decay": theory.WeightDecay(*DECAYS),
    "sparse head": theory.SparseHead(*SPARSE),
    "fixed reweighting": theory.FixedReweighting(REWEIGHTING),
}

LOOKS = {
    "no head": ("0.25", "o"),
    "joint, balanced": (SERIES[0], "s"),
    "layer 1 of 3": (SERIES[1], "D"),
    "head 3 times as fast": (SERIES[4], "^"),
    "exact head (bilevel)": (PALETTE[3], "v"),
    "weight decay": (SERIES[0], "P"),
    "sparse head": (SERIES[1], "X"),
    "fixed reweighting": (SERIES[2], "*"),
}
"""Colour and marker; schemes of one slope share a colour."""

NOTES = {
    "no head": "no head: slope 1",
    "joint, balanced": "joint (squares),\nweight decay (plus): slope 1/2",
    "layer 1 of 3": "layer 1 of 3 (diamonds),\nsparse head (cross): slope 1/3",
    "head 3 times as fast": "head 3 times as fast",
    "exact head (bilevel)": "exact head: slope 0",
    "fixed reweighting": "fixed reweighting",
}
"""What stands at the left end of a line."""

NUDGE = {"head 3 times as fast": 6, "layer 1 of 3": -4}  # points upwards, so that labels do not overlap


def sweep_points(seed: int, *, schemes: int) -> list[SchemeTraining]:
    """The first `schemes` ways to train the head."""
    return [SchemeTraining(name, seed) for name in list(SCHEMES)[:schemes]]


def law_data(points: list[SchemeTraining], trained: list[np.ndarray]) -> dict:
    """Lines and dots of the one picture; `trained` are the weights (2, k) that `train_scheme` found at `points`."""
    data = {}
    for point, (before, after) in zip(points, trained, strict=True):
        law = LAWS[point.name]
        fine = FIVE_EQUAL if point.name == "fixed reweighting" else FINE
        data[point.name] = {
            "line_before": theory.pre_head_weights(fine, law),
            "line_after": theory.post_head_weights(fine, law),
            "before": before,
            "after": after,
        }
    return data


def largest_error(data: dict) -> dict[str, float]:
    """Largest distance of a dot from the law, by scheme."""
    return {
        name: float(np.abs(found["before"] - theory.pre_head_weights(FIVE_EQUAL, LAWS[name])).max())
        for name, found in data.items()
    }


def draw_law(data: dict) -> Figure:
    """Weight before against weight after the head, both relative to the heaviest feature, on logarithmic axes."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.2))
        axes = figure.subplots()
        for name, found in data.items():
            color, marker = LOOKS[name]
            line = _relative(found["line_after"], found["line_before"])
            axes.plot(*line, color=color)
            axes.plot(
                *_relative(found["after"], found["before"]), linestyle="none", marker=marker, color=color
            )
            if name in NOTES:
                end = (line[0][0], line[1][0])
                look = {"color": color, "fontsize": 9, "ha": "right", "va": "center"}
                axes.annotate(NOTES[name], end, (-6, NUDGE.get(name, 0)), textcoords="offset points", **look)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(0.085, 1.05),
            ylim=(0.22, 1.2),
            xlabel="weight after the head, relative to the heaviest feature",
            ylabel="weight before the head, relative",
        )
        ticks = {"x": (0.25, 0.4, 0.6, 0.8, 1.0), "y": (0.25, 0.4, 0.6, 0.8, 1.0)}
        axes.set_xticks(ticks["x"], [f"{tick:g}" for tick in ticks["x"]])
        axes.set_yticks(ticks["y"], [f"{tick:g}" for tick in ticks["y"]])
        axes.minorticks_off()
    return figure


def _relative(after, before):
    """Kept features from the lightest to the heaviest after the head, both weights relative to the heaviest."""
    kept = np.flatnonzero(after > 1e-6)
    order = kept[np.argsort(after[kept])]
    return after[order] / after[order[-1]], before[order] / before[order[-1]]
