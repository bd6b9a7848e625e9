"""Notebook 01: layer weights, learning curves and deep networks, theory as lines and training as markers."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, SERIES, estimate
from synthetic.features.head_schemes import train_balanced
from synthetic.features.population import aligned_start, weights_along_flow
from synthetic.features.settings import FIGURE_1_LEFT, FOUR_FEATURES, SEVEN_STRENGTHS

CURVE_START = 0.05
FLOW_TIME = 2000.0  # long enough for the weakest feature


PROFILES = {
    "smoke": {"replicates": 2, "steps": 1500},
    "quick": {"replicates": 16, "steps": 8000},
    "full": {"replicates": 64, "steps": 30_000},
}
"""Networks trained on samples, and their steps."""

FIGURES = {
    "weights": {
        "caption": "Feature weights before the head (circles) and after it (squares). Left: five features of "
        r"strength $\phi_i=1$ against their disruption; each marker is the mean over linear networks that "
        "SGD trained on samples, with its 95% interval. The most disrupted feature is still being learnt. "
        r"Right: seven features of disruption $\alpha_i=0.2$ against their strength; markers are gradient "
        r"flow on the population loss. Lines are the theory $\sqrt{s_i}$ and $s_i$ with "
        r"$s_i=\sqrt{\rho_i}\,\phi_i/(\phi_i^2+\sigma^2)$. The weight is largest where the strength equals "
        "the noise, and before the head the weights are more equal.",
        "alt": "Two line plots with markers on the lines. Left: feature weight falls with the probability of "
        "disruption, in a straight line after the head and along a higher, curved line before it. Right: "
        "against strength the weight rises to a peak where strength equals noise and falls again, more "
        "steeply after the head.",
        "simulated": {"flow": 1e-06},
    },
    "curves": {
        "caption": "Weights after the head over the time of gradient flow, for four features of pull "
        r"$\rho_i\phi_i^2$ that start alike. Markers are gradient flow of both full matrices, lines are "
        "the closed form. The feature of largest pull is learnt first.",
        "alt": "Line plot of four weights over time. The weight of largest pull rises steeply at time 1 and "
        "stays at 0.59, the second rises at time 2.5, and the other two have hardly moved at time 3. "
        "Markers lie on the lines.",
        "simulated": {"flow": 1e-06},
    },
    "depth": {
        "caption": "Feature weights after each layer of a linear network of four layers (markers), and $s_i^t$ at "
        "the relative depth $t=l/L$ (lines). The deeper the layer, the less equal are its features.",
        "alt": "Line plot of four weights against relative depth. All lines start at 1 at depth 0 and fan out to "
        "their weights after the head: one rises to 1.10, the others fall to 0.70, 0.60 and 0.59. Markers "
        "lie on the lines.",
        "simulated": {"flow": 1e-06},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""


def weights_data(trained: np.ndarray, seed: int) -> dict:
    """Numbers of the first figure: weights against disruption (sampled training) and strength (gradient flow).

    Parameters
    ----------
    trained : (R, 2, k) array
        Measured weights of linear networks trained on samples of `FIGURE_1_LEFT`.
    seed : int
        Start of the gradient flow.
    """
    alphas, phis = np.linspace(0, 1, 101), np.geomspace(0.07, 2.2, 101)
    return {
        "alpha": alphas,
        "theory_alpha": theory.layer_weights(theory.FeatureModel(1.0, alphas, FIGURE_1_LEFT.sigma)),
        "alpha_trained": FIGURE_1_LEFT.alpha,
        "trained": estimate(np.moveaxis(trained, 0, -1)),
        "phi": phis,
        "theory_phi": theory.layer_weights(theory.FeatureModel(phis, 0.2, SEVEN_STRENGTHS.sigma)),
        "phi_flow": SEVEN_STRENGTHS.phi,
        "flow": train_balanced(SEVEN_STRENGTHS, seed, time=FLOW_TIME),
        "sigma": SEVEN_STRENGTHS.sigma,
    }


def draw_weights(data: dict) -> Figure:
    """Weights before and after the head against disruption and against strength."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.0))
        left, right = figure.subplots(1, 2, sharey=True)
        for layer, style in enumerate((BEFORE, AFTER)):
            left.plot(data["alpha"], data["theory_alpha"][layer], color=style["color"])
            left.errorbar(
                data["alpha_trained"],
                data["trained"]["mean"][layer],
                data["trained"]["half_width"][layer],
                linestyle="none",
                **style,
            )
            right.plot(data["phi"], data["theory_phi"][layer], color=style["color"])
            right.plot(data["phi_flow"], data["flow"][layer], linestyle="none", **style)
        left.annotate(
            "still being learnt",
            (data["alpha_trained"][-1], data["trained"]["mean"][1][-1]),
            (-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
            color="0.4",
        )
        left.set(
            xlabel=r"probability of disruption, $\alpha_i$",
            ylabel="feature weight",
            title="equal strengths; trained on samples",
            ylim=(0, None),
        )
        right.set(
            xlabel=r"strength, $\phi_i$",
            title="equal disruption; gradient flow",
            xscale="log",
        )
        right.set_xticks((0.1, 0.3, 1.0), ("0.1", "0.3", "1"))
        right.minorticks_off()
        right.axvline(data["sigma"], color="0.6", linewidth=0.8)
        right.text(data["sigma"] * 1.05, 0.05, r"$\phi_i = \sigma$", color="0.4", fontsize=9)
        left.legend()
    return figure


def curves_data(seed: int) -> dict:
    """Numbers of the second figure: learning curves of four features from one start."""
    fine, coarse = np.linspace(0, 3, 301), np.linspace(0, 3, 13)
    start = aligned_start(FOUR_FEATURES.dim, CURVE_START, seed)
    return {
        "time": fine,
        "theory": theory.learning_curve(FOUR_FEATURES, fine, CURVE_START),
        "time_flow": coarse,
        "flow": weights_along_flow(FOUR_FEATURES, start, coarse)[:, 1],
        "limit": theory.layer_weights(FOUR_FEATURES)[1],
        "retention": FOUR_FEATURES.retention,
        "phi": FOUR_FEATURES.phi,
    }


def draw_curves(data: dict) -> Figure:
    """Weights after the head over the time of gradient flow, one colour a feature."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 2.8))
        axes = figure.subplots()
        for i, (phi, rho) in enumerate(zip(data["phi"], data["retention"], strict=True)):
            axes.plot(data["time"], data["theory"][:, i], color=SERIES[i])
            axes.plot(
                data["time_flow"],
                data["flow"][:, i],
                linestyle="none",
                marker="osD^"[i],
                color=SERIES[i],
                label=f"{rho * phi**2:.2f}",
            )
        axes.set(
            xlabel="time of gradient flow, $t$", ylabel="weight after the head, $s_i(t)$", ylim=(0, None)
        )
        axes.legend(
            title=r"$\rho_i\phi_i^2$", loc="upper left", bbox_to_anchor=(0.4, 0.92), handletextpad=0.1
        )
    return figure


def depth_data(seed: int, depth: int = 4) -> dict:
    """Numbers of the third figure: weights after each layer of a deep linear network."""
    relative = np.linspace(0, 1, 101)
    return {
        "depth": depth,
        "relative_depth": relative,
        "theory": theory.layer_weights(FOUR_FEATURES)[1] ** relative[:, None],
        "layers": theory.layer_weights(FOUR_FEATURES, depth),
        "flow": train_balanced(FOUR_FEATURES, seed, depth=depth),
        "phi": FOUR_FEATURES.phi,
    }


def draw_depth(data: dict) -> Figure:
    """Weights against relative depth; the lines are s^t, the markers a trained network's layers."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 2.8))
        axes = figure.subplots()
        depth = np.arange(1, data["depth"] + 1) / data["depth"]
        for i, (phi, weights) in enumerate(zip(data["phi"], data["flow"].T, strict=True)):
            axes.plot(data["relative_depth"], data["theory"][:, i], color=SERIES[i])
            axes.plot(
                depth,
                weights,
                linestyle="none",
                marker="osD^"[i],
                color=SERIES[i],
                label=rf"$\phi = {phi:g}$, $s = {weights[-1]:.2f}$",
            )
        axes.set(
            xlabel="relative depth, $t = l/L$",
            ylabel="feature weight, $s_i^{t}$",
            xticks=np.linspace(0, 1, 5),
        )
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.0), handletextpad=0.1)
    return figure
