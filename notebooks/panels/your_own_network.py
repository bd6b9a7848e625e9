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
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, IMAGE_BASE, PALETTE
from synthetic.claims.images_verdict import (
    LABELLED,
    METHODS,
    PAIRS,
    WORTH,
    correlate,
    networks,
    predicted_gap,
)
from synthetic.features.views import sample_inputs, sample_pairs
from synthetic.images.bank import measure_bank
from synthetic.images.class_moments import ClassMoments, PairAccuracy
from synthetic.images.runs import base_config, with_data
from synthetic.store.sweep import sweep

PROFILES = {
    "smoke": {"base": IMAGE_BASE["smoke"], "p_drop": 0.75, "embed_dim": 8, "pairs": 500, "members": (2, 1)},
    "quick": {"base": IMAGE_BASE["quick"], "p_drop": 0.75, "embed_dim": 32, "pairs": 5000, "members": (3, 1)},
    "full": {
        "base": IMAGE_BASE["full"],
        "p_drop": 0.75,
        "embed_dim": 128,
        "pairs": 50_000,
        "members": (3, 3),
    },
}
"""`members` of every method and head on digits on photographs, and on digits alone."""
FIGURES = {
    "verdict": {
        "caption": "Accuracy on two classes against the number of labelled images, before the head (blue) and after it "
        "(orange). Lines are predicted from class means and one covariance, with 95% intervals; circles are "
        "classifiers fitted on that many images and asked about others. The digit, which three views of four "
        "lack, is read better before the head. For the photograph, which all views share, the layers are "
        "nearly alike.",
        "alt": "Two line plots with markers, accuracy rising with the number of labels. Left, digit: the line before"
        " the head lies clearly above the one after it. Right, photograph: both lines lie together near the "
        "top.",
        "simulated": dict.fromkeys(
            ("predicted before", "predicted after", "measured before", "measured after"), 0.05
        ),
    },
    "networks": {
        "caption": "Accuracy with eight labels before minus after the head: predicted from class means and one "
        "covariance of the training images, and measured on test images. Each marker is a network, a method "
        "with a head (circle: linear, triangle: MLP) and one of several members, measured once. On the line "
        "prediction and measurement agree.",
        "alt": "Three scatter plots of measured against predicted differences of accuracy, with the diagonal. Left, "
        "digits on photographs: markers follow the diagonal on both sides of zero. Middle, photographs, and "
        "right, digits alone: markers follow the diagonal, nearly all above zero.",
        "simulated": dict.fromkeys(("predicted", "measured"), 0.03)
        | dict.fromkeys(("correlation", "worth", "right", "before"), None),
    },
    "known": {
        "caption": "Estimates of a diagnosis with 95% intervals, minus the exact values of the feature model (in "
        "brackets). The intervals hold zero, up to the one in twenty that may miss.",
        "alt": "Dot plot of nine estimates with horizontal intervals around a vertical line at zero; nearly all "
        "intervals cross the line.",
        "simulated": dict.fromkeys(("value", "low", "high"), 1e-6),
    },
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
        for label, (_, stills) in found.items()
    }


def _keys():
    return (f"{kind} {layer}" for kind in ("predicted", "measured") for layer in ("before", "after"))


def measure_networks(
    seed: int, device: str, *, base: dict, members: tuple[int, int], jobs: int
) -> dict[str, dict]:
    """Predicted and measured gaps with eight labels: of digits on photographs for both labels, and of digits alone."""
    run = base_config(seed, device, **base)
    first, second = networks(run, members[0]), networks(with_data(run, strength=1.0), members[1])
    asked = {"digit": (first, "digit"), "photograph": (first, "photo"), "digit alone": (second, "digit")}
    return {name: _gaps(runs, label, jobs) for name, (runs, label) in asked.items()}


def _gaps(runs: dict, label: str, jobs: int) -> dict:
    configs = list(runs.values())
    moments = measure_bank(ClassMoments(label), configs, jobs=jobs, label="moments")
    accuracy = measure_bank(PairAccuracy(label, PAIRS, LABELLED), configs, jobs=jobs, label="accuracy")
    predicted = np.array([predicted_gap(one, PAIRS, LABELLED).mean() for one in moments])
    measured = np.array([np.mean(one["accuracy_h"] - one["accuracy_z"]) for one in accuracy])
    matters = np.abs(measured) > WORTH
    return {
        "method": [method for method, _, _ in runs],
        "head": [head for _, head, _ in runs],
        "predicted": predicted,
        "measured": measured,
        "correlation": correlate(measured, predicted),
        "worth": int(matters.sum()),
        "right": int(np.sum(np.sign(measured[matters]) == np.sign(predicted[matters]))),
        "before": int(np.sum(measured[matters] > 0)),
    }


def draw_networks(data: dict) -> Figure:
    """Measured against predicted gap, a panel for each label and data set."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        for axes, (name, one) in zip(figure.subplots(1, 3), data.items(), strict=True):
            values = np.concatenate([one["predicted"], one["measured"]])
            ends = np.array([min(values.min(), 0.0), max(values.max(), 0.0)]) + np.array([-0.01, 0.01])
            axes.plot(ends, ends, color="0.5", linewidth=1)
            axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
            for colour, method in zip(PALETTE, METHODS, strict=False):
                for head, marker in (("linear", "o"), ("MLP", "^")):
                    chosen = [
                        i
                        for i, pair in enumerate(zip(one["method"], one["head"], strict=True))
                        if pair == (method, head)
                    ]
                    axes.plot(
                        np.asarray(one["predicted"])[chosen],
                        np.asarray(one["measured"])[chosen],
                        marker,
                        color=colour,
                        markersize=4.5,
                        label=method if head == "linear" else None,
                    )
            axes.set(title=name, xlabel="predicted gap", aspect="equal")
            axes.locator_params(nbins=4)
        figure.axes[0].set_ylabel("measured gap")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_verdict(data: dict) -> Figure:
    """Accuracy against the number of labels: lines predicted, circles measured; one panel for each label."""
    names = {"digit": "digit, missing from most views", "photo": "photograph, in all views"}
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
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
            axes.set(title=names[label], xlabel="labels of two classes")
        figure.axes[0].set_ylabel("accuracy")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def known_world(target: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Head with four outputs at the minimum of the loss, mean of the target's positive class, covariance in a class."""
    values, vectors = np.linalg.eigh(theory.spectral_minimizer(MODEL.cov, MODEL.cross_cov, 4))
    head = (vectors * np.sqrt(np.maximum(values, 0))).T[-4:]
    mean = np.zeros(MODEL.dim)
    mean[target] = MODEL.phi[target]
    within = np.diag(np.append(MODEL.variance, np.full(MODEL.dim - 4, MODEL.sigma**2))) - np.outer(mean, mean)
    return head, mean, within


def known_data(seed: int, pairs: int) -> dict:
    """Estimates with intervals beside the exact values, for features drawn from the feature model."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    head, mean, within = known_world()
    views = tuple(view.numpy() for view in sample_pairs(MODEL, pairs, generator))
    clean, signs = sample_inputs(MODEL, pairs, generator)
    agreement = diagnose(views, tuple(view @ head.T for view in views)).numbers
    labelled = diagnose(clean.numpy(), clean.numpy() @ head.T, (signs[:, 3] > 0).numpy().astype(int)).numbers
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
        figure = Figure(figsize=(WIDE, 3.4))
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
