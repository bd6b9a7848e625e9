"""Notebook 11: the weight before the head against the weight after it, for every way to train the head."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import PALETTE
from synthetic.features.head_training import (
    Penalty,
    bilevel_flow,
    feature_norms,
    frozen_head_minimizer,
    isotropic_start,
    penalised_minimizer,
)
from synthetic.features.population import balanced_start, population_flow, random_start

MODEL = theory.FeatureModel(1.0, [0.0, 0.2, 0.4, 0.55, 0.7], 0.4)
FINE = theory.FeatureModel(1.0, np.linspace(0.0, 0.75, 60), 0.4)
SPEED, DECAYS, SPARSE, REWEIGHTING = (0.5, 3.0), (0.005, 0.02), (0.005, 0.02), 1.3
TIME = 300.0


@dataclass(frozen=True)
class Training:
    """One way to train, by name, with its scheme; `scheme` is what theory is asked for."""

    name: str
    scheme: theory.features.schemes.Scheme
    seed: int = 0


TRAININGS = (
    Training("no head", theory.NoHead()),
    Training("joint, balanced", theory.JointTraining()),
    Training("layer 1 of 3", theory.LayerOf(1, 3)),
    Training("head 3 times as fast", theory.HeadSpeed(*SPEED)),
    Training("exact head (bilevel)", theory.Bilevel(SPEED[0])),
    Training("weight decay", theory.WeightDecay(*DECAYS)),
    Training("sparse head", theory.SparseHead(*SPARSE)),
    Training("fixed reweighting", theory.FixedReweighting(REWEIGHTING)),
)


def train(point: Training) -> tuple[np.ndarray, np.ndarray]:
    """Measured weights before and after the head; full matrices, exact gradients."""
    k, seed = MODEL.num_features, point.seed
    small = random_start([k, k], 1e-5, seed)
    match point.name:
        case "no head":
            layers = population_flow(MODEL, random_start([k, k], 0.3, seed), TIME)
        case "joint, balanced":
            layers = population_flow(MODEL, balanced_start([k, k, k], 0.5, seed), TIME)
        case "layer 1 of 3":
            layers = population_flow(MODEL, balanced_start([k] * 4, 0.6, seed), TIME)
        case "head 3 times as fast":
            layers = population_flow(
                MODEL, [isotropic_start(k, k, SPEED[0], seed), *small], TIME, head_rate=SPEED[1]
            )
        case "exact head (bilevel)":
            layers = bilevel_flow(MODEL, isotropic_start(k, k, SPEED[0], seed), k, TIME)
        case "weight decay":
            layers, _ = penalised_minimizer(MODEL, k, k, Penalty(DECAYS[0], head=DECAYS[1]), seed)
        case "sparse head":
            layers, _ = penalised_minimizer(MODEL, k, k, Penalty(SPARSE[0], group=SPARSE[1]), seed)
        case "fixed reweighting":
            head = np.diag(REWEIGHTING ** -np.arange(float(k)))
            before = np.sqrt(frozen_head_minimizer(MODEL, head, seed))
            return before, before * REWEIGHTING ** -np.arange(float(k))
    norms = feature_norms(MODEL, layers)
    return norms[0], norms[-1]


def law_data(trained: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    """Lines and dots of the one picture, for the first of `TRAININGS`."""
    data = {}
    for training, (before, after) in zip(TRAININGS, trained, strict=False):
        fine = MODEL if training.name == "fixed reweighting" else FINE
        data[training.name] = {
            "line_before": theory.pre_head_weights(fine, training.scheme),
            "line_after": theory.post_head_weights(fine, training.scheme),
            "before": before,
            "after": after,
        }
    return data


def largest_error(data: dict) -> dict[str, float]:
    """Largest distance of a dot from the law, by scheme."""
    return {
        training.name: float(
            np.abs(data[training.name]["before"] - theory.pre_head_weights(MODEL, training.scheme)).max()
        )
        for training in TRAININGS
        if training.name in data
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
