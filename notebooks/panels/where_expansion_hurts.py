"""Notebook 08: the map of where expansion hurts, the reversal in simulation, misaligned projectors."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import PALETTE, estimate
from synthetic.mixture.downstream import Downstream
from synthetic.mixture.settings import REVERSAL_RATIO, REVERSAL_SIGNAL

PROFILES = {
    "smoke": {
        "repeats": 8,
        "dim": 20,
        "grid": 15,
    },
    "quick": {
        "repeats": 24,
        "dim": 100,
        "grid": 60,
    },
    "full": {
        "repeats": 200,
        "dim": 200,
        "grid": 200,
    },
}
PENALTIES = (1e-4, 1e-3, 1e-2, 0.1)
MAP_PENALTIES = (1e-5, 1e-3, 1e-2)
KAPPAS = (-0.7, -0.4, 0.0, 0.6, 2.0)
COSINES = (1.0, 0.9, 0.5)
TURNED = (0.0, 0.5, 2.0, 5.0)
TURNED_SIGNAL, TURNED_RATIO = 1.5, 2.0
_MARKERS = "osD^v"

FIGURES = {
    "map": {
        "caption": r"Sign of $d\,\mathrm{Acc}/d\kappa$ at $\kappa=0$ for logistic regression, over the norm of the "
        "class mean and samples per dimension, at three penalties. Below the solid line the training data are "
        "separable. On the "
        "dashed line the sign changes as the penalty vanishes. At a small penalty expansion hurts between the two.",
        "alt": "Three maps over class mean and samples per dimension. At the smallest penalty expansion hurts in the "
        "region above the solid and right of the dashed line; at 0.001 the region is smaller; at 0.01 it is gone.",
    },
    "reversal": {
        "caption": r"Accuracy gained by a projector, paired with no projector on the same training sets, against the "
        r"factor $1+\kappa$, for four penalties at $r=2$ and 20 samples a dimension. Lines: theory; markers: "
        r"simulation "
        "with 95% intervals. Expansion hurts at the two small penalties (left) and helps at the two large ones "
        "(right).",
        "alt": "Two line plots of two curves each through zero at factor one, markers near the lines. For the two "
        "small penalties they fall with the factor, for the two large ones they rise.",
    },
    "misaligned": {
        "caption": r"Accuracy of logistic regression behind projectors whose direction $u$ makes an angle with the "
        r"class "
        r"mean $\mu$, against the factor of that direction. Lines: theory; markers: simulation with 95% intervals. The "
        "less aligned the direction, the sooner expansion turns from help to harm.",
        "alt": "Line plot of three curves that start at one point. The aligned one rises, the one of cosine 0.9 "
        "rises and levels off, "
        "the one of cosine 0.5 soon falls. Markers lie on the curves.",
    },
}


def map_data(*, grid: int) -> dict:
    """Sign of the slope of logistic accuracy by kappa at kappa = 0, over signal and samples, for several penalties."""
    signal, ratio = np.linspace(0.3, 2.5, grid), np.geomspace(1.0, 200.0, grid)
    onset = np.geomspace(3.0, 200.0, 25)
    return {
        "signal": signal,
        "ratio": ratio,
        "penalty": list(MAP_PENALTIES),
        "slope": [
            theory.expansion_slope("logistic", signal[None, :], ratio[:, None], 0.0, penalty)
            for penalty in MAP_PENALTIES
        ],
        "separable": np.minimum(theory.separability_threshold(signal), 1e4),
        "onset_ratio": onset,
        "onset_signal": [theory.reversal_onset("logistic", float(value)) for value in onset],
    }


def draw_map(data: dict) -> Figure:
    """One panel a penalty: coloured where expansion hurts."""
    signal, ratio = np.asarray(data["signal"]), np.asarray(data["ratio"])
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        panels = figure.subplots(1, 3, sharex=True, sharey=True)
        for axes, penalty, slope in zip(panels, data["penalty"], data["slope"], strict=True):
            slope = np.asarray(slope)
            axes.contourf(signal, ratio, slope, levels=[-9, 0, 9], colors=[PALETTE[1], PALETTE[0]], alpha=0.3)
            axes.plot(signal, data["separable"], color="0.2", label=r"separable below, $\delta^*(r)$")
            axes.plot(
                data["onset_signal"],
                data["onset_ratio"],
                color="0.2",
                linestyle="--",
                label=r"onset of the reversal for $\lambda\to0$, $r_c(\delta)$",
            )
            share = np.mean(slope < 0)
            axes.set(yscale="log", ylim=(ratio[0], ratio[-1]), xlim=(signal[0], signal[-1]))
            axes.set_title(rf"$\lambda = {_power(penalty)}$: hurts on {share:.0%}")
            axes.set_xlabel("class mean, $r$")
        panels[0].set_ylabel(r"samples per dimension, $\delta$")
        panels[0].text(0.4, 60, "helps", color=PALETTE[0])
        panels[0].text(1.6, 60, "hurts", color=PALETTE[1])
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _power(penalty):
    exponent = int(np.floor(np.log10(penalty) + 1e-9))
    factor = penalty / 10.0**exponent
    return rf"10^{{{exponent}}}" if np.isclose(factor, 1) else rf"{factor:g}\cdot10^{{{exponent}}}"


def reversal_data(results: np.ndarray) -> dict:
    """Accuracy minus that without a projector, so that differences are paired: theory and simulation."""
    fine = np.geomspace(0.25, 3.5, 60) - 1
    penalty = np.array(PENALTIES)[:, None]

    def gain(kappas):
        accuracy = theory.downstream_accuracy("logistic", REVERSAL_SIGNAL, REVERSAL_RATIO, kappas, penalty)
        return accuracy - theory.downstream_accuracy(
            "logistic", REVERSAL_SIGNAL, REVERSAL_RATIO, 0.0, penalty
        )

    base = results[..., KAPPAS.index(0.0), None]
    return {
        "fine": fine,
        "theory": gain(fine),
        "penalty": list(PENALTIES),
        "kappa": list(KAPPAS),
        "simulated": estimate((results - base).transpose(0, 2, 1)),
    }


def draw_reversal(data: dict) -> Figure:
    """Accuracy gained by a projector against its factor: the two small penalties, and the two large ones."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        panels = figure.subplots(1, 2)
        for i, penalty in enumerate(data["penalty"]):
            axes = panels[i // 2]
            axes.plot(
                1 + np.asarray(data["fine"]),
                100 * np.asarray(data["theory"][i]),
                color=PALETTE[i],
                label=rf"$\lambda = {_power(penalty)}$",
            )
            axes.errorbar(
                1 + np.asarray(data["kappa"]),
                100 * np.asarray(data["simulated"]["mean"][i]),
                100 * np.asarray(data["simulated"]["half_width"][i]),
                linestyle="none",
                marker=_MARKERS[i],
                color=PALETTE[i],
            )
        for axes, title in zip(panels, ("small penalties", "large penalties"), strict=True):
            axes.axhline(0, color="0.6", linewidth=0.8)
            axes.set(xscale="log", xlabel=r"factor of the signal direction, $1+\kappa$", title=title)
            axes.set_xticks([0.3, 0.6, 1, 2, 3], ["0.3", "0.6", "1", "2", "3"])
            axes.minorticks_off()
            axes.legend(loc="best")
        panels[0].set_ylabel("accuracy gained, percentage points")
    return figure


def turned_points(seed: int, *, dim: int) -> list[Downstream]:
    """Logistic regression behind projectors whose direction makes an angle with the mean."""
    samples = round(TURNED_RATIO * dim)
    return [
        Downstream("logistic", TURNED_SIGNAL, samples, dim, TURNED, 0.1, cosine=omega, seed=seed)
        for omega in COSINES
    ]


def turned_data(results: np.ndarray) -> dict:
    """Accuracy against kappa for several angles."""
    fine = np.geomspace(1.0, 12.0, 60) - 1
    return {
        "fine": fine,
        "cosine": list(COSINES),
        "theory": [
            theory.misaligned_accuracy("logistic", TURNED_SIGNAL, TURNED_RATIO, fine, omega, 0.1)
            for omega in COSINES
        ],
        "kappa": list(TURNED),
        "simulated": estimate(results.transpose(0, 2, 1)),
    }


def draw_turned(data: dict) -> Figure:
    """Accuracy behind expanding projectors, aligned and not."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.8))
        axes = figure.subplots()
        for i, omega in enumerate(data["cosine"]):
            axes.plot(
                1 + np.asarray(data["fine"]),
                data["theory"][i],
                color=PALETTE[i],
                label=rf"$\cos(u, \mu) = {omega:g}$",
            )
            axes.errorbar(
                1 + np.asarray(data["kappa"]),
                data["simulated"]["mean"][i],
                data["simulated"]["half_width"][i],
                linestyle="none",
                marker=_MARKERS[i],
                color=PALETTE[i],
            )
        axes.set(
            xscale="log",
            xlabel=r"factor of the projector's direction, $1+\kappa$",
            ylabel="accuracy of logistic regression",
        )
        axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        axes.minorticks_off()
        axes.legend()
    return figure


def format_map(data: dict) -> str:
    """Share of the map and the worst slope for every penalty."""
    lines = []
    for penalty, slope in zip(data["penalty"], data["slope"], strict=True):
        slope = np.asarray(slope)
        lines.append(
            f"lambda {penalty:g}: expansion hurts on {np.mean(slope < 0):.1%} of the map, worst slope {slope.min():.5f}"
        )
    return "\n".join(lines)
