"""Notebook 09: features that are present before a threshold and absent after it."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE
from synthetic.features.thresholded import ThresholdedStart, train_thresholded

PROFILES = {
    "smoke": {"points": 3, "markers": 3},
    "quick": {"points": 12, "markers": 12},
    "full": {"points": 40, "markers": 40},
}
"""Strengths in the first figure, and times in the second."""

SHARED_PHI = (0.5, 1.0, 1.5)
LATE = 1e9


def limits_data(points: int) -> dict:
    """End of training from (1, 1, 0) against strength: threshold network by theory and by training, linear network."""
    fine, phi = np.geomspace(0.2, 3, 100), np.geomspace(0.25, 2.5, points)
    ones = (1.0,) * points
    start = ThresholdedStart(tuple(phi), (0.0,) * points, ones, ones, (0.0,) * points)
    w1, w2, b = train_thresholded(start, LATE) if points <= 4 else _one_by_one(phi)
    return {
        "phi": fine,
        "theory": np.array([theory.thresholded_limit(one) for one in fine]),
        "phi_trained": phi,
        "before": w1,
        "after": w2 * np.maximum(w1 * phi - b, 0) / phi,
        "threshold": b,
    }


def _one_by_one(phi):
    ends = [train_thresholded(ThresholdedStart((one,), (0.0,), (1.0,), (1.0,), (0.0,)), LATE) for one in phi]
    return (np.concatenate(column) for column in zip(*ends, strict=True))


def draw_limits(data: dict) -> Figure:
    """Weights before and after the threshold, and the threshold itself, against strength."""
    with apply_style():
        figure = Figure(figsize=(5.6, 3.6))
        axes = figure.subplots()
        axes.plot(data["phi"], data["theory"][:, 0], color=BEFORE["color"])
        axes.plot(data["phi_trained"], data["before"], linestyle="none", **BEFORE)
        axes.plot(data["phi"], np.zeros_like(data["phi"]), color=AFTER["color"])
        axes.plot(data["phi_trained"], data["after"], linestyle="none", **AFTER)
        axes.plot(data["phi"], data["theory"][:, 2], color=PALETTE[2], linestyle="--")
        axes.plot(
            data["phi_trained"],
            data["threshold"],
            linestyle="none",
            marker="^",
            color=PALETTE[2],
            label=r"threshold $b$",
        )
        axes.set(
            xscale="log",
            xlabel=r"strength of the absent feature, $\phi$",
            ylabel="weight at the end of training",
            ylim=(-0.05, 1.05),
        )
        ticks = (0.2, 0.5, 1, 2, 3)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.95))
    return figure


def shared_data(markers: int) -> dict:
    """Three absent features behind one threshold over time: amplitude before and after."""
    fine, coarse = np.geomspace(0.01, 100, 120), np.geomspace(0.02, 60, markers)
    path = theory.thresholded_path(np.array(SHARED_PHI), 1.0, 1.0, 0.0, fine)
    ones = (1.0,) * len(SHARED_PHI)
    start = ThresholdedStart(SHARED_PHI, (0.0,) * len(SHARED_PHI), ones, ones, 0.0)
    ends = [train_thresholded(start, time) for time in coarse]
    w1, w2 = (np.array([end[which] for end in ends]) for which in (0, 1))
    b = np.array([end[2] for end in ends])
    phi = np.array(SHARED_PHI)
    return {
        "phi": phi,
        "time": fine,
        "before": path.w1,
        "after": path.w2 * np.maximum(path.w1 * phi - path.b[:, None], 0) / phi,
        "time_trained": coarse,
        "before_trained": w1,
        "after_trained": w2 * np.maximum(w1 * phi - b[:, None], 0) / phi,
    }


def draw_shared(data: dict) -> Figure:
    """Weights before and after a shared threshold over time, one colour a feature."""
    with apply_style():
        figure = Figure(figsize=(8.6, 3.4))
        panels = zip(figure.subplots(1, 2, sharey=True), ("before", "after"), strict=True)
        for axes, name in panels:
            for i, phi in enumerate(data["phi"]):
                axes.plot(data["time"], data[name][:, i], color=PALETTE[i])
                axes.plot(
                    data["time_trained"],
                    data[f"{name}_trained"][:, i],
                    linestyle="none",
                    marker="osD"[i],
                    color=PALETTE[i],
                    label=rf"$\phi = {phi:g}$",
                )
            axes.set(xscale="log", xlabel="time of gradient flow, $t$", title=f"{name} the shared threshold")
        figure.axes[0].set_ylabel("feature weight")
        figure.axes[1].legend()
    return figure
