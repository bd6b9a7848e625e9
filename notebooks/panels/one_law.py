"""Notebook 11: the weight before the head against the weight after it, for every way to train the head."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import PALETTE
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
    """Weight before against weight after the head on logarithmic axes."""
    with apply_style():
        figure = Figure(figsize=(7.2, 4.4))
        axes = figure.subplots()
        for i, (name, found) in enumerate(data.items()):
            kept = found["line_after"] > 0
            axes.plot(found["line_after"][kept], found["line_before"][kept], color=PALETTE[i])
            kept = found["after"] > 1e-6
            axes.plot(
                found["after"][kept],
                found["before"][kept],
                linestyle="none",
                marker="osD^vPX*"[i],
                color=PALETTE[i],
                label=name,
            )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="feature weight after the head, $s_i$ (penalised: $c_i$)",
            ylabel="feature weight before the head",
        )
        ticks = {"x": (0.2, 0.3, 0.4, 0.6, 0.8), "y": (0.2, 0.3, 0.5, 0.7, 1.0, 1.3)}
        axes.set_xticks(ticks["x"], [f"{tick:g}" for tick in ticks["x"]])
        axes.set_yticks(ticks["y"], [f"{tick:g}" for tick in ticks["y"]])
        axes.minorticks_off()
        figure.legend(loc="outside right upper")
    return figure
