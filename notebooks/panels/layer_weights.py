"""Notebook 01: layer weights, learning curves and deep networks, theory as lines and training as markers."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, estimate
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
        figure = Figure(figsize=(8.6, 3.6))
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
            "still being\nlearnt",
            (data["alpha_trained"][-1], data["trained"]["mean"][1][-1]),
            (-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color="0.4",
        )
        left.set(
            xlabel=r"probability of disruption, $\alpha_i$",
            ylabel="feature weight",
            title=r"equal strengths, $\phi_i = 1$; trained on samples",
            ylim=(0, None),
        )
        right.set(
            xlabel=r"strength, $\phi_i$",
            title=r"equal disruption, $\alpha_i = 0.2$; gradient flow",
            xscale="log",
        )
        right.axvline(data["sigma"], color="0.6", linewidth=0.8)
        right.text(data["sigma"] * 1.05, 0.05, r"$\phi_i = \sigma$", color="0.4", fontsize=8)
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
        figure = Figure(figsize=(5.6, 3.6))
        axes = figure.subplots()
        for i, (phi, rho) in enumerate(zip(data["phi"], data["retention"], strict=True)):
            axes.plot(data["time"], data["theory"][:, i], color=PALETTE[i])
            axes.plot(
                data["time_flow"],
                data["flow"][:, i],
                linestyle="none",
                marker="osD^"[i],
                color=PALETTE[i],
                label=rf"$\rho\phi^2 = {rho * phi**2:.2f}$",
            )
        axes.set(
            xlabel="time of gradient flow, $t$", ylabel="weight after the head, $s_i(t)$", ylim=(0, None)
        )
        axes.legend(title="feature", loc="center left", bbox_to_anchor=(1.0, 0.5))
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
    }


def draw_depth(data: dict) -> Figure:
    """Weights against relative depth; the lines are s^t, the markers a trained network's layers."""
    with apply_style():
        figure = Figure(figsize=(5.6, 3.6))
        axes = figure.subplots()
        depth = np.arange(1, data["depth"] + 1) / data["depth"]
        for i, weights in enumerate(data["flow"].T):
            axes.plot(data["relative_depth"], data["theory"][:, i], color=PALETTE[i])
            axes.plot(
                depth,
                weights,
                linestyle="none",
                marker="osD^"[i],
                color=PALETTE[i],
                label=f"feature {i}, $s = {data['layers'][-1, i]:.2f}$",
            )
        axes.set(
            xlabel="relative depth, $t = l/L$",
            ylabel="feature weight, $s_i^{t}$",
            xticks=np.linspace(0, 1, 5),
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
