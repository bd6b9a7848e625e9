"""Notebook 07: downstream accuracy against expansion, samples and penalty, theory lines and Monte Carlo dots."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import PALETTE, estimate
from synthetic.mixture.downstream import Downstream
from synthetic.mixture.settings import CLASSIFIERS, five_classifiers

PROFILES = {
    "smoke": {
        "repeats": 8,
        "dim": 40,
    },
    "quick": {
        "repeats": 48,
        "dim": 150,
    },
    "full": {
        "repeats": 400,
        "dim": 400,
    },
}
SIGNAL = 1.5
KAPPAS = (-0.7, -0.4, 0.0, 0.6, 1.5)
RATIOS = (0.5, 1.0, 2.0, 4.0, 8.0)
PENALTIES = (1e-3, 1e-2, 0.1, 1.0, 10.0)
SHOWN_KAPPAS = (-0.5, 0.0, 1.0)
RATIO = 2.0
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
        figure = Figure(figsize=(6.6, 4.6))
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
        figure = Figure(figsize=(9.6, 4.2))
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
            axes.set(xscale="log", xlabel=label, ylabel="accuracy of logistic regression")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
