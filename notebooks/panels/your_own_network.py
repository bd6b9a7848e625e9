"""Notebook 21: what a diagnosis finds in a network whose views hide the digit, and in features that are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

import theory
from neural.models.heads import LinearConfig
from neural.training.features import extract
from neural.training.pretraining import PretrainConfig, pretrain
from notebooks.diagnose import Diagnosis, diagnose
from notebooks.diagnose.runs import view_features
from notebooks.figure import apply_style
from notebooks.panels.shared import AFTER, BEFORE, IMAGE_BASE, legend_below
from synthetic.features.views import sample_inputs, sample_pairs
from synthetic.images.runs import base_config, with_data
from synthetic.store.sweep import sweep

PROFILES = {
    "smoke": {"base": IMAGE_BASE["smoke"], "p_drop": 0.75, "embed_dim": 8, "pairs": 500},
    "quick": {"base": IMAGE_BASE["quick"], "p_drop": 0.75, "embed_dim": 32, "pairs": 5000},
    "full": {"base": IMAGE_BASE["full"], "p_drop": 0.75, "embed_dim": 128, "pairs": 50_000},
}
MODEL = theory.FeatureModel(phi=[1.0, 1.0, 1.5, 2.0], alpha=[0.0, 0.3, 0.1, 0.5], sigma=0.5, dim=12)
LABELS = ("digit", "photo")
COLOURS = {"before": BEFORE["color"], "after": AFTER["color"]}


@dataclass(frozen=True)
class Question:
    """A label asked of the features of a run."""

    run: PretrainConfig
    label: str


def diagnose_run(question: Question) -> tuple[Diagnosis, Diagnosis]:
    """Train the run; diagnose augmented views of its test images, and the labelled stills of all its images."""
    trained = pretrain(question.run)
    views = view_features(trained, question.label)
    halves = [extract(trained, split) for split in (trained.train, trained.test)]
    h, z = (np.concatenate([half.layers[layer] for half in halves]) for layer in ("h", "z"))
    labels = np.concatenate([half.labels[question.label] for half in halves])
    return diagnose(views["before"], views["after"]), diagnose(h, z, labels)


def diagnose_images(
    seed: int, device: str, *, base: dict, p_drop: float, embed_dim: int, jobs: int
) -> dict[str, tuple]:
    """Diagnoses of one network with a linear head, of views and of stills, by label."""
    run = with_data(base_config(seed, device, **base), p_drop=p_drop)
    run = replace(run, head=LinearConfig(embed_dim))
    questions = [Question(run, label) for label in LABELS]
    return dict(
        zip(LABELS, sweep(diagnose_run, questions, jobs=jobs, cache=None, label="diagnose"), strict=True)
    )


def verdict_data(found: dict[str, tuple[Diagnosis, Diagnosis]]) -> dict:
    """Accuracies by label and layer, predicted with their intervals and measured."""
    return {
        label: {key: stills.to_json()["curves"][key] for key in ("labels", *_keys())}
        | {"advice": list(stills.advice)}
        for label, (_, stills) in found.items()
    }


def _keys():
    return (f"{kind} {layer}" for kind in ("predicted", "measured") for layer in ("before", "after"))


def draw_verdict(data: dict) -> Figure:
    """Accuracy against the number of labels: lines predicted, circles measured; one panel for each label."""
    names = {"digit": "digit, missing from most views", "photo": "photograph, in all views"}
    with apply_style():
        figure = Figure(figsize=(6.75, 3.4))
        for axes, label in zip(figure.subplots(1, 2), LABELS, strict=True):
            curves = data[label]
            for layer in ("before", "after"):
                colour = COLOURS[layer]
                middle, low, high = zip(*curves[f"predicted {layer}"], strict=True)
                axes.fill_between(curves["labels"], low, high, color=colour, alpha=0.2, linewidth=0)
                axes.plot(curves["labels"], middle, color=colour, label=f"{layer} the head, predicted")
                measured = np.array(curves[f"measured {layer}"], dtype=float)
                known = ~np.isnan(measured)
                places = np.array(curves["labels"])[known]
                axes.plot(places, measured[known], "o", color=colour, label=f"{layer} the head, measured")
            axes.set_xscale("log", base=2)
            axes.set(title=names[label], xlabel="labelled images of two classes", ylabel="accuracy")
        legend_below(figure.axes[0])
    return figure


def known_data(seed: int, pairs: int) -> dict:
    """Estimates with intervals beside the exact values, for features drawn from the feature model."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    gram = theory.spectral_minimizer(MODEL.cov, MODEL.cross_cov, 4)
    values, vectors = np.linalg.eigh(gram)
    head = (vectors * np.sqrt(np.maximum(values, 0))).T[-4:]
    views = tuple(view.numpy() for view in sample_pairs(MODEL, pairs, generator))
    clean, signs = sample_inputs(MODEL, pairs, generator)
    agreement = diagnose(views, tuple(view @ head.T for view in views)).numbers
    labelled = diagnose(clean.numpy(), clean.numpy() @ head.T, (signs[:, 3] > 0).numpy().astype(int)).numbers
    mean = np.zeros(MODEL.dim)
    mean[3] = MODEL.phi[3]
    within = np.diag(np.append(MODEL.variance, np.full(MODEL.dim - 4, MODEL.sigma**2))) - np.outer(mean, mean)
    rows = [
        (f"correlation of the views, direction {rank}", agreement["agreement"][f"correlation {rank}"], value)
        for rank, value in enumerate(np.sort(MODEL.correlation)[::-1], start=1)
    ]
    rows.append(("cosine of the head with theory", agreement["head"]["theory"], 1.0))
    for n in (8, 128):
        before = theory.moment_accuracy(mean, within, n)
        after = theory.moment_accuracy(head @ mean, head @ within @ head.T, n)
        rows.append((f"accuracy before the head, {n} labels", labelled["labels"][f"before {n}"], before))
        rows.append((f"accuracy after the head, {n} labels", labelled["labels"][f"after {n}"], after))
    return {
        name: {"value": one.value, "low": one.low, "high": one.high, "exact": float(exact)}
        for name, one, exact in rows
    }


def draw_known(data: dict) -> Figure:
    """Estimates with 95% intervals minus the exact values."""
    with apply_style():
        figure = Figure(figsize=(6.75, 3.4))
        axes = figure.subplots()
        for place, one in enumerate(data.values()):
            error = one["value"] - one["exact"]
            ends = [[one["value"] - one["low"]], [one["high"] - one["value"]]]
            axes.errorbar(error, place, xerr=ends, fmt="o", color=COLOURS["before"])
        axes.axvline(0, color="0.6", linewidth=1)
        axes.set_yticks(range(len(data)), [f"{name} ({one['exact']:.3f})" for name, one in data.items()])
        axes.invert_yaxis()
        axes.set_xlabel("estimate minus exact value (in brackets)")
    return figure
