"""Notebook 09: features that are present before a threshold and absent after it."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, SERIES
from synthetic.features.thresholded import ThresholdedStart, train_thresholded

PROFILES = {
    "smoke": {"points": 3, "markers": 3},
    "quick": {"points": 12, "markers": 12},
    "full": {"points": 40, "markers": 40},
}
"""Strengths in the first figure, and times in the second."""

FIGURES = {
    "limits": {
        "caption": "Where training ends for one feature that the two views of a pair do not share, behind its own "
        "threshold and from the start $(w_1,w_2,b)=(1,1,0)$. Lines are the closed forms, markers are "
        r"integrated gradient flow of the network. The weight before the threshold stays at $1/(1+\phi^2)$ "
        "(circles), the threshold rises (triangles), and nothing is left after it (squares).",
        "alt": "Line plot against strength. The weight before the head falls from 0.96 at strength 0.2 to 0.1 at "
        "strength 3. The threshold rises to 0.5 at strength 1 and falls again. The weight after the head "
        "is 0 everywhere. Markers lie on the lines.",
        "simulated": {"before": 1e-05, "after": 1e-05, "threshold": 1e-05},
    },
    "shared": {
        "caption": "Three features that the views do not share, behind one threshold, over the time of gradient "
        "flow. Lines are the integrated equations, markers a network trained by other code. After the "
        "threshold (right) all three vanish, the weakest at a finite time: the threshold that the "
        "stronger ones push up hides it. Before the threshold (left) the weakest keeps almost all of its "
        "weight.",
        "alt": "Two line plots over time. Left: before the threshold the weight of the weakest feature stays at "
        "1, the others fall to 0.70 and 0.47. Right: after the threshold all weights fall to zero, the "
        "weakest at time 0.7. Markers lie on the lines.",
        "simulated": {"before": 1e-06, "after": 1e-06, "before_trained": 1e-05, "after_trained": 1e-05},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

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
        figure = Figure(figsize=(NARROW, 3.0))
        axes = figure.subplots()
        axes.plot(data["phi"], data["theory"][:, 0], color=BEFORE["color"])
        axes.plot(data["phi_trained"], data["before"], linestyle="none", **BEFORE)
        axes.plot(data["phi"], np.zeros_like(data["phi"]), color=AFTER["color"])
        axes.plot(data["phi_trained"], data["after"], linestyle="none", **AFTER)
        axes.plot(data["phi"], data["theory"][:, 2], color=SERIES[0], linestyle="--")
        axes.plot(
            data["phi_trained"],
            data["threshold"],
            linestyle="none",
            marker="^",
            color=SERIES[0],
            label=r"threshold $b$",
        )
        axes.set(
            xscale="log",
            xlabel=r"strength of the feature, $\phi$",
            ylabel="weight at the end of training",
            ylim=(-0.05, 1.05),
        )
        ticks = (0.2, 0.5, 1, 2, 3)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.legend(loc="upper right", bbox_to_anchor=(1.04, 1.04), handletextpad=0.1)
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
        figure = Figure(figsize=(WIDE, 2.9))
        panels = zip(figure.subplots(1, 2, sharey=True), ("before", "after"), strict=True)
        for axes, name in panels:
            for i, phi in enumerate(data["phi"]):
                axes.plot(data["time"], data[name][:, i], color=SERIES[i])
                axes.plot(
                    data["time_trained"],
                    data[f"{name}_trained"][:, i],
                    linestyle="none",
                    marker="osD"[i],
                    color=SERIES[i],
                    label=rf"$\phi = {phi:g}$",
                )
            axes.set(xscale="log", xlabel="time of gradient flow, $t$", title=f"{name} the shared threshold")
        figure.axes[0].set_ylabel("feature weight")
        figure.axes[1].legend()
    return figure
