"""Notebook 06: gains of all losses against augmentation, the phase diagram of the cosine, the gradient at the start."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import PALETTE, estimate
from synthetic.mixture.projectors import ProjectorTraining
from synthetic.mixture.settings import DIM, LOCAL_TEMPERATURE, SIGNAL_NORM, local_gradient

PROFILES = {
    "smoke": {
        "replicates": 2,
        "steps": 40,
        "sigmas": (0.6, 1.5),
        "phase_sigmas": (0.3, 1.0),
        "scales": (3.0, 30.0),
        "local_sigmas": (0.5, 2.0),
        "batches": 2,
    },
    "quick": {
        "replicates": 4,
        "steps": 200,
        "sigmas": (0.4, 0.8, 1.5, 2.5),
        "phase_sigmas": (0.25, 0.5, 0.75, 1.1),
        "scales": (2.0, 6.0, 20.0, 60.0),
        "local_sigmas": (0.3, 0.6, 1.0, 1.5, 2.0, 2.5),
        "batches": 10,
    },
    "full": {
        "replicates": 16,
        "steps": 800,
        "sigmas": (0.3, 0.5, 0.8, 1.1, 1.5, 2.0, 3.0),
        "phase_sigmas": (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.3),
        "scales": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
        "local_sigmas": (0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0),
        "batches": 100,
    },
}
CURVES = {
    "spectral": ("spectral", "both"),
    "inner product": ("inner", "both"),
    "squared distance": ("euclidean", "both"),
    "inner product, clean negatives": ("inner", "clean negatives"),
    "squared distance, clean negatives": ("euclidean", "clean negatives"),
}
_MARKERS = "osD^v"

FIGURES = {
    "gain": {
        "caption": r"Gain $1+\kappa$ of the signal direction at the minimum of each loss against the standard "
        r"deviation "
        r"$\sigma$ of the augmentation, class mean of norm 1.5. Lines: theory for infinitely many negatives; markers: "
        "full matrices in eight dimensions trained from the identity with 191 negatives, 95% intervals. Above 1 the "
        "signal is expanded. Dashed: only the anchor is augmented.",
        "alt": "Line plot of five gains against augmentation, markers near the lines. Spectral loss and inner product "
        "rise from below one and cross it near 1.3, squared distance stays above one, and of the two dashed lines "
        "one stays below one and the other at one.",
    },
    "phase": {
        "caption": r"Cosine similarity: where the signal is shrunk (orange) and expanded (blue), over augmentation "
        r"$\sigma$ and temperature times dimension $\tau p$. The boundary is exact for many dimensions; markers are "
        "projectors trained in eight. Dotted: the boundary at high temperature for weak augmentation.",
        "alt": "Map over augmentation and temperature times dimension. A closed region of shrinkage lies at weak "
        "augmentation and middle temperatures; triangles inside it point down and outside it up.",
    },
    "local": {
        "caption": "Inner product. Left: temperature at which the gradient at the identity leaves the ratio of gains "
        "(solid) or the gain (dashed) as it is; triangles: sign of the measured gradient at temperature 6. Right: gain "
        "at the minimum, which no temperature changes. Stronger augmentation makes the first step shrink and the "
        "minimum expand.",
        "alt": "Two line plots against augmentation. Left: two rising temperature lines; triangles at temperature 6 "
        "point up "
        "left of the crossing and down right of it. Right: the gain at the minimum rises through one.",
    },
}


def gain_trainings(seed: int, *, sigmas: tuple, steps: int) -> list[ProjectorTraining]:
    """Trainings in the order of CURVES and, within a curve, of `sigmas`; the temperatures keep W near the identity."""
    trainings = []
    for loss, views in CURVES.values():
        for sigma in sigmas:
            other = sigma if views == "both" else 0.0
            scale = (1 + sigma**2) * (1 + other**2) if loss == "inner" else max(sigma, other) ** 2
            more = {"steps": 3 * steps, "lr": 0.04} if loss == "spectral" else {"steps": steps}
            trainings.append(
                ProjectorTraining(
                    loss,
                    SIGNAL_NORM,
                    (sigma, other),
                    1.0 if loss == "spectral" else scale,
                    DIM,
                    seed=seed,
                    **more,
                )
            )
    return trainings


def gain_data(gains: np.ndarray, *, sigmas: tuple) -> dict:
    """Theory lines and trained gains; `gains` (losses x sigmas, replicates) as `gain_trainings` orders them."""
    fine = np.linspace(0.15, 3.2, 100)
    measured = gains.reshape(len(CURVES), len(sigmas), -1)
    return {
        "sigma": list(sigmas),
        "fine": fine,
        "theory": {
            name: theory.projector_gain(loss, SIGNAL_NORM, fine, views=views)
            for name, (loss, views) in CURVES.items()
        },
        "trained": {name: estimate(values) for name, values in zip(CURVES, measured, strict=True)},
        "threshold": {
            name: np.sqrt(theory.expansion_threshold(loss, SIGNAL_NORM))
            for name, loss in (("spectral", "spectral"), ("inner product", "inner"))
        },
    }


def draw_gain(data: dict) -> Figure:
    """Gain of the signal direction against augmentation."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.4))
        axes = figure.subplots()
        axes.axhline(1, color="0.6", linewidth=0.8)
        for i, (name, line) in enumerate(data["theory"].items()):
            axes.plot(data["fine"], line, color=PALETTE[i], linestyle="-" if i < 3 else "--", label=name)
            dots = data["trained"][name]
            axes.errorbar(
                data["sigma"],
                dots["mean"],
                dots["half_width"],
                linestyle="none",
                marker=_MARKERS[i],
                color=PALETTE[i],
            )
        axes.set(
            xlabel=r"standard deviation of the augmentation, $\sigma$",
            ylabel=r"gain of the signal direction, $1+\kappa$",
        )
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def phase_trainings(seed: int, *, phase_sigmas: tuple, scales: tuple, steps: int) -> list[ProjectorTraining]:
    """Cosine trainings over the grid of augmentation and temperature times dimension; the latter varies fastest."""
    return [
        ProjectorTraining("cosine", SIGNAL_NORM, (sigma, sigma), scale / DIM, DIM, steps=steps, seed=seed)
        for sigma in phase_sigmas
        for scale in scales
    ]


def phase_data(gains: np.ndarray, *, phase_sigmas: tuple, scales: tuple) -> dict:
    """Expansion margin in the limit of many dimensions on a fine grid; trained and exact gains at the markers."""
    sigma, scale = np.linspace(0.05, 1.5, 90), np.geomspace(0.1, 300, 100)
    dots = np.array([(s, t) for s in phase_sigmas for t in scales])
    return {
        "sigma": sigma,
        "scale": scale,
        "margin": theory.cosine_expansion_margin(SIGNAL_NORM, sigma[None, :], scale[:, None]),
        "high_temperature": (1 + sigma**2 + SIGNAL_NORM**2) / sigma**2,
        "dots": dots,
        "trained": estimate(gains),
        "exact": theory.projector_gain(
            "cosine", SIGNAL_NORM, dots[:, 0], temperature=dots[:, 1] / DIM, dim=DIM
        ),
    }


def draw_phase(data: dict) -> Figure:
    """Where cosine similarity expands: boundary in many dimensions, and trained projectors in eight."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.6))
        axes = figure.subplots()
        sigma, scale, margin = (np.asarray(data[key]) for key in ("sigma", "scale", "margin"))
        axes.contourf(sigma, scale, margin, levels=[-9, 0, 9], colors=[PALETTE[1], PALETTE[0]], alpha=0.22)
        axes.contour(sigma, scale, margin, levels=[0], colors="0.2", linewidths=1.4)
        axes.plot(
            sigma,
            data["high_temperature"],
            color="0.4",
            linestyle=":",
            label=r"weak augmentation, $(1+\sigma^2+r^2)/\sigma^2$",
        )
        dots, gain = np.asarray(data["dots"]), np.asarray(data["trained"]["mean"])
        half = np.asarray(data["trained"]["half_width"])
        signs = {
            "trained (p = 8): expands": (gain - half > 1, "^", PALETTE[0]),
            "trained (p = 8): shrinks": (gain + half < 1, "v", PALETTE[1]),
            "trained (p = 8): not decided": (np.abs(gain - 1) <= half, "o", "0.5"),
        }
        for label, (chosen, marker, color) in signs.items():
            if np.any(chosen):
                axes.plot(*dots[chosen].T, linestyle="none", marker=marker, color=color, label=label)
        axes.set(
            yscale="log",
            ylim=(scale[0], scale[-1]),
            xlabel=r"standard deviation of the augmentation, $\sigma$",
            ylabel=r"temperature times dimension, $\tau p$",
        )
        axes.text(0.33, 0.6, "shrinks", ha="center", color=PALETTE[1])
        axes.text(1.2, 30.0, "expands", ha="center", color=PALETTE[0])
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def local_trainings(seed: int, *, local_sigmas: tuple, batches: int) -> list[ProjectorTraining]:
    """Gradients at the identity, one for each augmentation."""
    return [local_gradient(sigma, steps=batches, seed=seed) for sigma in local_sigmas]


def local_data(descents: list[np.ndarray], *, local_sigmas: tuple) -> dict:
    """Measured descent along the signal minus that across it, and the theory of the gradient and of the minimum."""
    fine = np.linspace(0.1, 3.0, 80)
    return {
        "fine": fine,
        "relative": theory.local_temperature("inner", SIGNAL_NORM, fine),
        "absolute": theory.local_temperature("inner", SIGNAL_NORM, fine, relative=False),
        "gain": theory.projector_gain("inner", SIGNAL_NORM, fine),
        "sigma": list(local_sigmas),
        "temperature": LOCAL_TEMPERATURE,
        "difference": estimate(np.array([d[:, 0] - d[:, 1] for d in descents])),
    }


def draw_local(data: dict) -> Figure:
    """Left: what the gradient at the identity does. Right: what the minimum does, which is the opposite."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        left, right = figure.subplots(1, 2)
        left.plot(
            data["fine"], data["relative"], color=PALETTE[0], label="relative: the ratio of gains rises above"
        )
        left.plot(
            data["fine"],
            data["absolute"],
            color=PALETTE[2],
            linestyle="--",
            label="absolute: the gain rises above",
        )
        mean, half = (np.asarray(data["difference"][key]) for key in ("mean", "half_width"))
        for chosen, marker, label in ((mean - half > 0, "^", "expands"), (mean + half < 0, "v", "shrinks")):
            sigma = np.asarray(data["sigma"])[chosen]
            left.plot(
                sigma,
                np.full(sigma.size, data["temperature"]),
                linestyle="none",
                marker=marker,
                color=PALETTE[1],
                label=f"measured gradient, ratio {label}",
            )
        left.set(
            xlabel=r"augmentation, $\sigma$",
            ylabel=r"temperature at fixed scale, $\tau$",
            yscale="log",
            title="gradient at $W = I$",
        )
        left.set_yticks([3, 6, 10, 20, 40], ["3", "6", "10", "20", "40"])
        left.minorticks_off()
        right.axhline(1, color="0.6", linewidth=0.8)
        right.plot(data["fine"], data["gain"], color=PALETTE[0])
        right.set(
            xlabel=r"augmentation, $\sigma$",
            ylabel=r"gain of the signal, $1+\kappa$",
            title="global minimum, any temperature",
        )
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
