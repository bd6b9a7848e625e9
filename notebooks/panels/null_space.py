"""Notebook 13: what gradient descent conserves, what the head does not see, and features that are correlated."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import theory
from neural import stream_seed
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, estimate, mark_zero
from synthetic.features.any_moments import CORRELATED, directional_weights, indicators, train_layers
from synthetic.features.conservation import (
    TIME,
    differences_after_descent,
    energy_in_null_space,
    sampled_losses,
)
from synthetic.features.head_schemes import train_alternating
from synthetic.features.head_training import Alternation
from synthetic.features.population import population_flow, random_start
from synthetic.features.sampled_pairs import imbalance_after_sgd
from synthetic.features.settings import FOUR_FEATURES
from theory.features.model import FeatureModel

PROFILES = {
    "smoke": {"steps": (0.1, 0.05), "most": 1, "step": 0.02, "starts": 2, "members": 20},
    "quick": {"steps": (0.025, 0.0125, 0.00625), "most": 5, "step": 0.008, "starts": 8, "members": 400},
    "full": {
        "steps": (0.025, 0.0125, 0.00625, 0.003125),
        "most": 6,
        "step": 0.002,
        "starts": 40,
        "members": 4000,
    },
}
"""Steps of plain descent; powers of two of inner steps, and their size; starts of the null-space law; runs of SGD."""

DECAY, START = 0.05, 0.8
NOISY = FeatureModel([0.6, 1.3], [0.1, 0.3], 0.4)
BATCH, SGD_STEP, MOMENTA = 64, 1e-3, (0.0, 0.3, 0.5, 0.7)

FIGURES = {
    "laws": {
        "caption": r"Left: distance of $W_1W_1^\top-W_2^\top W_2$ from what gradient flow makes of it, after plain "
        "gradient descent for a fixed time on 64 sampled pairs, against the step. Lines of slope 1 end in the last "
        "marker: "
        "descent leaves the law to first order in the step, and the flow keeps it exactly, with weight decay as "
        r"without. Right: squared norm of the encoder inside the null space of the final head, against "
        r"$\mathrm{tr}(PCP)$ from the start's imbalance $C$ and the projector $P$ on that null space. Every marker "
        "is one start; the line is the diagonal.",
        "alt": "Two plots. Left: four series of markers, for two losses with and without weight decay, on lines of "
        "slope one in logarithmic axes. Right: markers on the diagonal.",
        "simulated": {"InfoNCE": 1e-6, "supervised contrastive": 1e-6, "measured": 1e-4, "predicted": 1e-4},
    },
    "steps": {
        "caption": "Left: feature weights before the head after alternating descent with $l$ inner steps on the head "
        "(markers), and the law of a head that learns $c$ times as fast at $c=l$ (lines). Right: mean change of the "
        "imbalance along two features in one step of SGD at the balanced minimum, times $B$ over the squared step, "
        "against the "
        "momentum. Markers: SGD with the 95% interval; lines: theory. The noise of batches makes the layers unequal.",
        "alt": "Two plots. Left: four weights converge to 0.8 as inner steps grow from 1 to 16, markers on the lines. "
        "Right: with momentum the change grows upwards for the heavier feature and downwards for the lighter one, "
        "markers on the lines.",
        "simulated": {"trained": 1e-6},
    },
    "moments": {
        "caption": "Correlated features in anisotropic noise, along directions in the plane of the first two "
        "coordinates. Left: weights before (circles) and after the head (squares) of a trained network; lines: matrix "
        "powers of the minimiser. Right: logarithm of the indicator after the head over that before it, for class "
        "means in these directions; above 0 the representation before the head is the better one. The dashed line "
        "leaves the correlations out.",
        "alt": "Two line plots against the angle of a direction, markers on the solid lines. Left: weights before and "
        "after the head rise and fall once. Right: the solid line crosses zero at 0.26 and 1.19; a dashed line "
        "that ignores "
        "correlations crosses elsewhere.",
        "simulated": {"trained": 1e-5, "measured": 1e-5},
    },
}


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


def noise_data(members: int, seed: int) -> dict:
    """Change of the imbalance in one step of SGD against momentum, measured and from theory, times B / step^2."""
    scale, fine = BATCH / SGD_STEP**2, np.linspace(0, 0.72, 40)
    start = [np.diag(np.sqrt(theory.layer_weights(NOISY)[1]))] * 2
    more = {"batch": BATCH, "step_size": SGD_STEP, "warm_up": 30, "steps": 40, "members": members}
    runs = [
        imbalance_after_sgd(NOISY, start, momentum=m, seed=stream_seed(seed, "momentum", i), **more) * scale
        for i, m in enumerate(MOMENTA)
    ]
    return {
        "fine": fine,
        "theory": [theory.batch_imbalance(NOISY, BATCH, SGD_STEP, m) * scale for m in fine],
        "momentum": list(MOMENTA),
        "measured": estimate(np.moveaxis(runs, 1, -1)),
        "phi": NOISY.phi,
    }


def moments_data(seed: int) -> dict:
    """Weights along directions and the indicators of class means in them: trained layers and theory."""
    layers = train_layers(CORRELATED, 2, seed)
    moments = CORRELATED.cov, CORRELATED.cross_cov
    alone = [np.diag(np.diag(moment)) for moment in moments]
    fine, coarse = (np.linspace(0, np.pi, n) for n in (121, 17))
    lines, dots = (np.array([np.cos(a), np.sin(a), 0 * a]) for a in (fine, coarse))

    def advantage(pair):
        before, after = theory.moment_sample_complexity(*pair, lines.T)
        return np.log(after / before)

    measured = np.array([indicators(CORRELATED, layers, mean) for mean in dots.T])
    return {
        "angle": fine,
        "weights": theory.moment_layer_weights(*moments, basis=lines),
        "advantage": advantage(moments),
        "without_correlations": advantage(alone),
        "angle_trained": coarse,
        "trained": directional_weights(layers, dots),
        "measured": np.log(measured[:, 1] / measured[:, 0]),
    }


def draw_laws(data: dict) -> Figure:
    """Drift against step; energy in the null space."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        drift, energy = figure.subplots(1, 2)
        _draw_drift(drift, data["drift"])
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
            xlabel=r"from the start, $\mathrm{tr}(PCP)$",
            ylabel=r"encoder at the end, $\|PW_1\|_F^2$",
            title="null-space law",
        )
        figure.legend(*drift.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_steps(data: dict) -> Figure:
    """Weights against inner steps; drift of the imbalance against momentum."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        inner, noise = figure.subplots(1, 2)
        _draw_inner(inner, data["inner"])
        noisy = data["noise"]
        mark_zero(noise)
        for i, phi in enumerate(noisy["phi"]):
            noise.plot(noisy["fine"], np.array(noisy["theory"])[:, i], color=PALETTE[i])
            noise.errorbar(
                noisy["momentum"],
                np.array(noisy["measured"]["mean"])[:, i],
                np.array(noisy["measured"]["half_width"])[:, i],
                linestyle="none",
                marker="os"[i],
                color=PALETTE[i],
                label=rf"$\phi = {phi:g}$",
            )
        noise.set(
            xlabel=r"momentum, $\beta$",
            ylabel=r"change of $C_{ii}$ in one step $\times B/\eta^2$",
            title="noise of batches",
        )
        noise.legend(loc="upper left")
    return figure


def draw_moments(data: dict) -> Figure:
    """Weights and advantage of the representation before the head, against the direction."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.1))
        left, right = figure.subplots(1, 2)
        for layer, style in enumerate((BEFORE, AFTER)):
            left.plot(data["angle"], np.array(data["weights"])[layer], color=style["color"])
            left.plot(data["angle_trained"], np.array(data["trained"])[layer], linestyle="none", **style)
        left.set(xlabel="angle of the direction, radians", ylabel="weight along it", ylim=(0, None))
        left.legend(loc="lower center")
        mark_zero(right)
        right.plot(data["angle"], data["advantage"], color=PALETTE[2], label="theory")
        right.plot(
            data["angle"],
            data["without_correlations"],
            color="0.4",
            linestyle="--",
            label="without correlations",
        )
        right.plot(data["angle_trained"], data["measured"], linestyle="none", marker="D", color=PALETTE[2])
        right.set(
            xlabel="angle of the class mean, radians",
            ylabel=r"$\log(N_{\mathrm{after}}/N_{\mathrm{before}})$",
        )
        right.legend(loc="upper right")
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
        xlabel=r"step of gradient descent, $\eta$",
        ylabel="distance from the law (relative)",
        title="conservation",
    )
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.minorticks_off()


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
    axes.text(0.9, data["bilevel"][0], "exact head", color="0.4", fontsize=9, va="bottom")
    axes.set(
        xscale="log",
        xlabel="inner steps on the head, $l$",
        ylabel="feature weight before the head",
        title="inner steps act as head speed",
    )
    axes.set_xticks([1, 4, 16], ["1", "4", "16"])
    axes.minorticks_off()
    axes.legend(loc="upper right")
