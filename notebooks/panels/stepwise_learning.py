"""Notebook 22: features learnt one after the other, with and without a projection head."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import PALETTE
from synthetic.features.stepwise import INPUTS, measured_half_times, rising_weights

PROFILES = {
    "smoke": {"times": 5, "starts": (1e-2,)},
    "quick": {"times": 15, "starts": (1e-1, 1e-2, 1e-3)},
    "full": {"times": 30, "starts": (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)},
}
"""Times at which the flow is shown, and starts of which half-times are measured."""

START = 0.01
SIDES = {"behind a head": True, "without a head": False}

FIGURES = {
    "curves": {
        "caption": "Weights of three features over the time of gradient flow from the same small start of 0.01, each "
        "divided by its limit. Pairs are not augmented, so that the loss has no preference among the features. Lines: "
        "closed form; markers: gradient flow of full matrices. Left: with a balanced linear head; right: without a "
        "head. The steps are steep and far apart behind the head. The time axes differ by a factor of about 12.",
        "alt": "Two line plots of three weights against time on a logarithmic axis, markers on the lines. Left, behind "
        "a head, the weights rise one after the other at times 5, 12 and 25 in steep steps. Right, without a head, "
        "they rise at times 0.4, 1.0 and 2.3 in gentler steps.",
        "simulated": {"flow": 1e-5},
    },
    "half": {
        "caption": "Half-time of two features against the weight at the start. Behind a head it grows as one over the "
        "start, without a head as the logarithm. Lines: theory; markers: gradient flow of full matrices.",
        "alt": "Line plot of half-time against start on logarithmic axes. Two lines with slope minus one, behind a "
        "head, lie far above two nearly flat lines without a head when the start is small. Markers lie on the lines.",
        "simulated": {"flow": 1e-3},
    },
}


def curves_data(seed: int, *, times: int) -> dict:
    """Weights over their limits along the flow, closed form and full matrices, with and without a head."""
    limit = theory.layer_weights(INPUTS)[1]
    sides = {}
    for name, head in SIDES.items():
        last = 4 * theory.half_time(INPUTS, START, head=head).max()
        fine, coarse = np.geomspace(last / 100, last, 300), np.geomspace(last / 100, last, times)
        curve = theory.learning_curve(INPUTS, fine, START, 2 if head else 1)
        flow = rising_weights(INPUTS, START, coarse, seed, head=head)
        sides[name] = {"time": fine, "theory": curve / limit, "time_flow": coarse, "flow": flow / limit}
    return {"phi": INPUTS.phi, "sides": sides}


def draw_curves(data: dict) -> Figure:
    """Rise of the weights behind a head and without one."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.1))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (name, side) in zip(panels, data["sides"].items(), strict=True):
            for i, phi in enumerate(data["phi"]):
                axes.plot(side["time"], np.array(side["theory"])[:, i], color=PALETTE[i])
                axes.plot(
                    side["time_flow"],
                    np.array(side["flow"])[:, i],
                    linestyle="none",
                    marker="osD"[i],
                    color=PALETTE[i],
                    label=rf"$\phi = {phi:g}$",
                )
            axes.set(xscale="log", xlabel="time of the flow, $t$", title=name)
        panels[0].set_ylabel("weight over its limit")
        panels[0].legend(loc="upper left")
    return figure


def half_data(seed: int, *, starts: tuple) -> dict:
    """Half-times of the strongest and the weakest feature against the start."""
    fine = np.geomspace(min(starts) / 2, 0.2, 60)
    lines, dots = {}, {}
    for name, head in SIDES.items():
        lines[name] = np.array([theory.half_time(INPUTS, start, head=head)[[0, -1]] for start in fine])
        ends = [8 * theory.half_time(INPUTS, start, head=head).max() for start in starts]
        dots[name] = np.array(
            [
                measured_half_times(INPUTS, start, end, seed, head=head)[[0, -1]]
                for start, end in zip(starts, ends, strict=True)
            ]
        )
    return {"phi": INPUTS.phi[[0, -1]], "start": fine, "theory": lines, "starts": list(starts), "flow": dots}


def draw_half(data: dict) -> Figure:
    """Half-time against start, with and without a head."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        axes = figure.subplots()
        for side, (name, lines) in enumerate(data["theory"].items()):
            for i, phi in enumerate(data["phi"]):
                color, look = PALETTE[2 * i], "-" if side == 0 else "--"
                axes.plot(
                    data["start"],
                    np.array(lines)[:, i],
                    look,
                    color=color,
                    label=rf"{name}, $\phi = {phi:g}$",
                )
                axes.plot(data["starts"], np.array(data["flow"][name])[:, i], "os"[side], color=color)
        axes.set(xscale="log", yscale="log", xlabel="weight at the start", ylabel="half-time")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure
