"""Notebook 13: what gradient descent conserves, and what the head does not see."""

import numpy as np
from matplotlib.figure import Figure

import theory
from neural import stream_seed
from notebooks.figure import apply_style
from notebooks.panels.shared import PALETTE
from synthetic.features.conservation import (
    TIME,
    differences_after_descent,
    energy_in_null_space,
    sampled_losses,
)
from synthetic.features.head_schemes import train_alternating
from synthetic.features.head_training import Alternation
from synthetic.features.population import population_flow, random_start
from synthetic.features.settings import FOUR_FEATURES

PROFILES = {
    "smoke": {"steps": (0.1, 0.05), "most": 1, "step": 0.02, "starts": 2},
    "quick": {"steps": (0.025, 0.0125, 0.00625), "most": 5, "step": 0.008, "starts": 8},
    "full": {"steps": (0.025, 0.0125, 0.00625, 0.003125), "most": 6, "step": 0.002, "starts": 40},
}
"""Steps of plain descent; powers of two of inner steps, and their step size; starts of the null-space law."""

DECAY, START = 0.05, 0.8


def drift_data(steps: list[float], seed: int) -> dict:
    """Relative change of W1 W1' - W2' W2 over a fixed time of plain descent, with and without weight decay."""
    start = random_start([FOUR_FEATURES.dim, 5, 4], 0.5, seed)
    before = theory.imbalance(*start)
    found = {"step": steps}
    for penalty in (0.0, DECAY):
        wanted = theory.decayed_imbalance(before, penalty, TIME)
        ends = differences_after_descent(start, steps, seed, penalty=penalty)
        drifts = np.linalg.norm(ends - wanted, axis=(2, 3)) / np.linalg.norm(before)
        for name, drift in zip(sampled_losses(seed)[1], drifts, strict=True):
            found[f"{name}{', weight decay' if penalty else ''}"] = drift
    return found


def inner_data(most: int, step: float, seed: int) -> dict:
    """Weights before the head after alternating descent with l inner steps, and as the head-speed law has them."""
    ratios, inner = np.geomspace(0.8, 40, 80), [2**j for j in range(most)]
    return {
        "ratio": ratios,
        "theory": [theory.pre_head_weights(FOUR_FEATURES, theory.HeadSpeed(START, c)) for c in ratios],
        "inner": inner,
        "trained": [
            train_alternating(FOUR_FEATURES, seed, Alternation(steps, step), scale=START, time=40.0)[0]
            for steps in inner
        ],
        "bilevel": theory.pre_head_weights(FOUR_FEATURES, theory.Bilevel(START)),
        "phi": FOUR_FEATURES.phi,
    }


def energy_data(starts: int, seed: int) -> dict:
    """Energy of the encoder in the null space of the final head, measured, and as the start's imbalance has it."""
    measured, predicted = [], []
    for index in range(starts):
        scale = 0.2 + 0.6 * index / max(starts - 1, 1)
        start = random_start([4, 6, 3], scale, stream_seed(seed, "energy", index))
        end = population_flow(FOUR_FEATURES, start, 20.0, rtol=1e-8, method="LSODA")
        measured.append(energy_in_null_space(end))
        predicted.append(theory.null_space_energy(theory.imbalance(*start), end[1]))
    return {"measured": measured, "predicted": predicted}


def draw_null_space(data: dict) -> Figure:
    """Drift against step, weights against inner steps, energy in the null space."""
    with apply_style():
        figure = Figure(figsize=(11, 3.9))
        drift, inner, energy = figure.subplots(1, 3)
        _draw_drift(drift, data["drift"])
        _draw_inner(inner, data["inner"])
        ends = np.array([0, 1.1 * max(data["energy"]["measured"])])
        energy.plot(ends, ends, color=PALETTE[0])
        energy.plot(
            data["energy"]["predicted"],
            data["energy"]["measured"],
            linestyle="none",
            marker="o",
            color=PALETTE[0],
        )
        energy.set(
            xlabel=r"start's imbalance in the head's null space, $\mathrm{tr}(PCP)$",
            ylabel=r"encoder there at the end, $\|PW_1\|_F^2$",
            title="null-space law",
        )
    return figure


def _draw_drift(axes, data):
    steps = np.array(data["step"])
    names = [name for name in data if name != "step"]
    for i, name in enumerate(names):
        axes.plot(
            steps, data[name], linestyle="none", marker="osD^"[i], color=PALETTE[i], label=name, alpha=0.8
        )
        axes.plot(steps, data[name][-1] * steps / steps[-1], color=PALETTE[i], linewidth=0.8)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"step of plain gradient descent, $\eta$",
        ylabel="distance from the law (relative)",
        title="conservation, lines of slope 1",
    )
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=7)


def _draw_inner(axes, data):
    for i, phi in enumerate(data["phi"]):
        axes.plot(data["ratio"], np.array(data["theory"])[:, i], color=PALETTE[i])
        axes.plot(
            data["inner"],
            np.array(data["trained"])[:, i],
            linestyle="none",
            marker="osD^"[i],
            color=PALETTE[i],
            label=rf"$\phi = {phi:g}$",
        )
    axes.axhline(data["bilevel"][0], color="0.6", linewidth=0.8)
    axes.text(0.9, data["bilevel"][0], "exact head", color="0.4", fontsize=8, va="bottom")
    axes.set(
        xscale="log",
        xlabel="inner steps on the head, $l$",
        ylabel="feature weight before the head",
        title="inner steps act as head speed",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
