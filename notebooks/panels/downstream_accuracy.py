"""Notebook 07: downstream accuracy against expansion, samples, penalty, and what augmentation and temperature make."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from scipy.special import ndtr

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import PALETTE, estimate
from synthetic.mixture.downstream import Downstream
from synthetic.mixture.projectors import ProjectorTraining
from synthetic.mixture.settings import CLASSIFIERS, DIM, five_classifiers
from synthetic.mixture.spectra import SpectrumPoint, measure_after_training

PROFILES = {
    "smoke": {
        "repeats": 8,
        "dim": 40,
        "trained": 2,
        "steps": 40,
    },
    "quick": {
        "repeats": 48,
        "dim": 150,
        "trained": 16,
        "steps": 200,
    },
    "full": {
        "repeats": 400,
        "dim": 400,
        "trained": 100,
        "steps": 800,
    },
}
SIGNAL = 1.5
KAPPAS = (-0.7, -0.4, 0.0, 0.6, 1.5)
RATIOS = (0.5, 1.0, 2.0, 4.0, 8.0)
PENALTIES = (1e-3, 1e-2, 0.1, 1.0, 10.0)
SHOWN_KAPPAS = (-0.5, 0.0, 1.0)
RATIO, PENALTY = 2.0, 0.1
SIGMAS, SCALES = (0.8, 2.0), (0.4, 1.0, 4.0)
"""Augmentations of the trained projectors, and temperatures over (1 + sigma^2)^2, where W keeps about its size."""

FIGURES = {
    "kappa": {
        "caption": r"Accuracy of five classifiers against the factor $1+\kappa$ of the signal direction, at two "
        "samples a dimension, class mean of norm 1.5 and penalty 0.1 where there is one. Lines: theory for infinite "
        "dimension; "
        "markers: classifiers of scikit-learn on finite training sets with 95% intervals, their accuracy exact given "
        r"the fitted vector. Dashes at the right edge: $\kappa\to\infty$. Every classifier gains from expansion here.",
        "alt": "Line plot of five rising curves of accuracy against the factor of the signal direction from 0.1 to 5, "
        "below the dotted line of the best possible accuracy 0.933. Averaging reaches the line, the others stay below "
        "it. Markers lie on the curves.",
    },
    "samples": {
        "caption": "Accuracy of logistic regression with the signal direction shrunk to half, unchanged and doubled. "
        "Left: against samples per dimension, penalty 0.1. Right: against the penalty, two samples a dimension. Lines: "
        "theory; markers: simulation with 95% intervals.",
        "alt": "Two line plots of three curves, markers on the lines. Left: accuracy rises with samples and the curves "
        "come together. Right: against the penalty the curve of the shrunk signal peaks near 0.02 and falls, the "
        "others rise.",
    },
    "temperature": {
        "caption": "Logistic regression after the projector that InfoNCE of inner products trains, against "
        r"augmentation $\sigma$ and temperature $\tau$ of that training, at a fixed penalty of 0.1. Left: accuracy "
        "after the projector minus accuracy without one, in percentage points; on the black line the projector changes "
        "nothing. Right: accuracy at two augmentations. Markers: trained projectors, then classifiers on 300 samples "
        "in 150 dimensions, 95% intervals; lines: theory; dotted: without a projector.",
        "alt": "Left: map over augmentation and temperature. A black line rises from augmentation 0.95 to 2.6; left of "
        "it the projector hurts by up to eight points, right of it it helps by up to three. Right: two falling "
        "curves of "
        "accuracy against temperature; that of augmentation 0.8 lies below the dotted line, the other crosses it near "
        "temperature 80. Markers lie on the curves.",
    },
}
_MARKERS = "osD^v"


def simulations(seed: int, *, dim: int) -> dict[str, Sequence[Downstream]]:
    """Points of the three panels; the first runs over kappa, the others over ratio or penalty at three kappas."""

    def logistic(ratio, penalty):
        return Downstream("logistic", SIGNAL, round(ratio * dim), dim, SHOWN_KAPPAS, penalty, seed=seed)

    return {
        "kappa": five_classifiers(SIGNAL, RATIO, dim, KAPPAS, seed),
        "ratio": [logistic(ratio, 0.1) for ratio in RATIOS],
        "penalty": [logistic(RATIO, penalty) for penalty in PENALTIES],
    }


def accuracy_data(results: dict[str, np.ndarray]) -> dict:
    """Lines and dots of all panels; `results` hold accuracies (points, repeats, kappas) of `simulations`."""
    kappa, ratio = np.geomspace(0.1, 4, 80) - 1, np.geomspace(0.3, 12, 70)
    penalty = np.geomspace(3e-4, 30, 70)
    limits = {
        name: theory.accuracy_limits(name, SIGNAL, RATIO, value)._asdict()
        for name, value in CLASSIFIERS.items()
    }
    shown = np.array(SHOWN_KAPPAS)[:, None]
    return {
        "bayes": float(ndtr(SIGNAL)),
        "kappa": {
            "fine": kappa,
            "theory": {
                name: theory.downstream_accuracy(name, SIGNAL, RATIO, kappa, value)
                for name, value in CLASSIFIERS.items()
            },
            "limits": limits,
            "value": list(KAPPAS),
            "simulated": {
                name: estimate(values.T) for name, values in zip(CLASSIFIERS, results["kappa"], strict=True)
            },
        },
        "ratio": {
            "fine": ratio,
            "theory": theory.downstream_accuracy("logistic", SIGNAL, ratio, shown, 0.1),
            "value": list(RATIOS),
            "simulated": estimate(results["ratio"].transpose(2, 0, 1)),
        },
        "penalty": {
            "fine": penalty,
            "theory": theory.downstream_accuracy("logistic", SIGNAL, RATIO, shown, penalty),
            "value": list(PENALTIES),
            "simulated": estimate(results["penalty"].transpose(2, 0, 1)),
        },
    }


def draw_kappa(data: dict) -> Figure:
    """Accuracy against expansion for all classifiers, with both limits as ticks at the edges."""
    series = data["kappa"]
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.2))
        axes = figure.subplots()
        axes.axhline(data["bayes"], color="0.5", linewidth=0.9, linestyle=":", label="best possible (Bayes)")
        factor = 1 + np.asarray(series["fine"])
        for i, (name, line) in enumerate(series["theory"].items()):
            axes.plot(factor, line, color=PALETTE[i], label=name)
            dots = series["simulated"][name]
            axes.errorbar(
                1 + np.asarray(series["value"]),
                dots["mean"],
                dots["half_width"],
                linestyle="none",
                marker=_MARKERS[i],
                color=PALETTE[i],
            )
            axes.plot(
                factor[-1] * 1.12,
                series["limits"][name]["expanded"],
                marker="_",
                color=PALETTE[i],
                markersize=9,
            )
        axes.set(
            xscale="log",
            xlabel=r"factor of the signal direction, $1+\kappa$ (dashes at the right edge: $\kappa\to\infty$)",
            ylabel="accuracy of the downstream classifier",
        )
        axes.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
        axes.minorticks_off()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_samples(data: dict) -> Figure:
    """Accuracy of logistic regression against samples and against the penalty, shrunk, unchanged and expanded."""
    names = {"ratio": r"samples per dimension, $\delta = n/p$", "penalty": r"penalty, $\lambda$"}
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.5))
        for axes, (key, label) in zip(figure.subplots(1, 2), names.items(), strict=True):
            series = data[key]
            axes.axhline(
                data["bayes"], color="0.5", linewidth=0.9, linestyle=":", label="best possible (Bayes)"
            )
            for i, kappa in enumerate(SHOWN_KAPPAS):
                axes.plot(
                    series["fine"], series["theory"][i], color=PALETTE[i], label=rf"$\kappa = {kappa:g}$"
                )
                axes.errorbar(
                    series["value"],
                    series["simulated"]["mean"][i],
                    series["simulated"]["half_width"][i],
                    linestyle="none",
                    marker=_MARKERS[i],
                    color=PALETTE[i],
                )
            axes.set(xscale="log", xlabel=label)
        figure.axes[0].set_ylabel("accuracy of logistic regression")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def temperature_trainings(seed: int, *, steps: int) -> list[ProjectorTraining]:
    """Projectors of InfoNCE at two augmentations and three temperatures each; the temperature varies fastest."""
    return [
        ProjectorTraining(
            "inner",
            SIGNAL,
            (sigma, sigma),
            scale * (1 + sigma**2) ** 2,
            DIM,
            steps=steps,
            batch=256,
            seed=seed,
        )
        for sigma in SIGMAS
        for scale in SCALES
    ]


def temperature_data(seed: int, *, dim: int, trained: int, steps: int) -> dict:
    """Accuracy after trained projectors over augmentation and temperature: theory on a grid, training at points."""
    sigma, temperature = np.linspace(0.2, 3.0, 57), np.geomspace(0.3, 300, 61)
    world = {"sample_ratio": RATIO, "penalty": PENALTY}

    def after(sigma, temperature):
        return theory.accuracy_after_projector(
            "logistic", "inner", SIGNAL, sigma, temperature=temperature, **world
        )

    before = float(theory.downstream_accuracy("logistic", SIGNAL, RATIO, 0.0, PENALTY))
    trainings = temperature_trainings(seed, steps=steps)
    classifier = SpectrumPoint(
        "logistic", (SIGNAL, 0.0), (1.0, 1.0), (1, dim - 1), round(RATIO * dim), PENALTY
    )
    measured = measure_after_training(trainings, classifier, trained, seed)
    return {
        "sigma": sigma,
        "temperature": temperature,
        "before": before,
        "gain": after(sigma[None, :], temperature[:, None]) - before,
        "shown": list(SIGMAS),
        "lines": [after(value, temperature) for value in SIGMAS],
        "trained_temperature": [[scale * (1 + value**2) ** 2 for scale in SCALES] for value in SIGMAS],
        "trained": estimate(measured.T.reshape(len(SIGMAS), len(SCALES), trained)),
    }


def draw_temperature(data: dict) -> Figure:
    """Map of what the trained projector gains, and accuracy against temperature at two augmentations."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        gain = 100 * np.asarray(data["gain"])
        levels = [-16, -8, -4, -2, -1, 0, 1, 2, 4]
        filled = left.contourf(
            data["sigma"], data["temperature"], gain, levels=levels, cmap="RdBu", norm=TwoSlopeNorm(0, -8, 4)
        )
        left.contour(data["sigma"], data["temperature"], gain, levels=[0], colors="black", linewidths=1.4)
        left.set(
            yscale="log",
            xlabel=r"augmentation, $\sigma$",
            ylabel=r"temperature, $\tau$",
            title="gained by the projector",
        )
        figure.colorbar(filled, ax=left, label="percentage points")
        right.axhline(data["before"], color="0.5", linewidth=0.9, linestyle=":")
        for i, sigma in enumerate(data["shown"]):
            right.plot(data["temperature"], data["lines"][i], color=PALETTE[i])
            right.errorbar(
                data["trained_temperature"][i],
                data["trained"]["mean"][i],
                data["trained"]["half_width"][i],
                linestyle="none",
                marker=_MARKERS[i],
                color=PALETTE[i],
                label=rf"$\sigma = {sigma:g}$",
            )
        right.set(xscale="log", xlabel=r"temperature, $\tau$", ylabel="accuracy", title="after the projector")
        right.legend(loc="lower left")
    return figure
