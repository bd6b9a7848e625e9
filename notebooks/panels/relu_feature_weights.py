"""Notebook 02: Figure 1 of Xue et al. with ReLU networks, a linear network beside them."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import apply_style
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, estimate
from synthetic import FeatureTraining, TrainedWeights, relative
from synthetic.features import settings
from synthetic.features.settings import FIGURE_1_LEFT, FIGURE_1_RIGHT, STRONGEST

PROFILES = {
    "smoke": {"replicates": 2, "steps_left": 1000, "steps_right": 2000},
    "quick": {"replicates": 8, "steps_left": 8000, "steps_right": 20_000},
    "full": {"replicates": 64, "steps_left": 20_000, "steps_right": 60_000},
}
"""Networks of each kind, and their steps for the left and the right half of Figure 1."""

MODELS = {"left": FIGURE_1_LEFT, "right": FIGURE_1_RIGHT}
_NOTE = {"textcoords": "offset points", "fontsize": 8, "color": "0.4"}
_NETWORKS = {"relu": "ReLU network", "linear": "linear network"}


def trainings(seed: int, device: str, *, steps_left: int, steps_right: int) -> dict[str, FeatureTraining]:
    """The five trainings of the notebook; the first four are those of the claims."""
    left = {"relu_left": settings.RELU_LEFT, "linear_left": settings.LINEAR_LEFT}
    right = {
        "relu_right": settings.RELU_RIGHT,
        "linear_right": settings.LINEAR_RIGHT,
        "relu_spare": settings.RELU_SPARE,
    }
    chosen = {"seed": seed, "device": device}
    return {
        **{name: replace(training, steps=steps_left, **chosen) for name, training in left.items()},
        **{name: replace(training, steps=steps_right, **chosen) for name, training in right.items()},
    }


def panel_data(side: str, relu: TrainedWeights, linear: TrainedWeights) -> dict:
    """Numbers of one side: relative weights before and after the head, theory for both networks.

    The theory of the ReLU network on the right has one direction fewer: the constant takes it.
    """
    model, reference = MODELS[side], STRONGEST[side]
    predictions = {
        "linear": theory.layer_weights(model),
        "relu": theory.layer_weights(model, embed_dim=4) if side == "right" else theory.layer_weights(model),
    }
    measured = {"relu": relu, "linear": linear}
    data = {"alpha": model.alpha, "phi": model.phi, "reference": reference, "replicates": len(relu.weights)}
    for name, trained in measured.items():
        weights = relative(trained.weights, reference)
        data[name] = {
            "theory": relative(predictions[name], reference),
            "measured": estimate(np.moveaxis(weights, 0, -1)),
            "before_minus_after": estimate((weights[:, 0] - weights[:, 1]).T),
            "before_minus_root": estimate(
                (weights[:, 0] - relative(predictions[name], reference)[0]).T,
            ),
            "constant_after": estimate(trained.constant[:, 1]),
        }
    return data


def draw_panel(side: str, data: dict) -> Figure:
    """One side of Figure 1: ReLU network left, linear network right, theory as lines."""
    with apply_style():
        figure = Figure(figsize=(8.8, 3.7))
        positions = np.arange(len(data["phi"]))
        for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), _NETWORKS.items(), strict=True):
            series = data[name]
            for layer, style in enumerate((BEFORE, AFTER)):
                text = (r"$\sqrt{s}$, theory of linear layers", "$s$, theory")[layer]
                axes.plot(
                    positions,
                    series["theory"][layer],
                    color=style["color"],
                    linestyle=("--", "-")[layer],
                    label=text,
                )
                axes.errorbar(
                    positions,
                    series["measured"]["mean"][layer],
                    series["measured"]["half_width"][layer],
                    linestyle="none",
                    **style,
                )
            if side == "left" and name == "linear":
                last = series["measured"]["mean"][1][-1]
                axes.annotate(
                    "still being\nlearnt", (positions[-1], last), (-8, 0), ha="right", va="center", **_NOTE
                )
            axes.set(
                title=title,
                xticks=positions,
                xticklabels=[f"{v:g}" for v in (data["alpha"] if side == "left" else data["phi"])],
                xlabel=r"probability of disruption, $\alpha_i$" if side == "left" else r"strength, $\phi_i$",
            )
        figure.axes[0].set(ylabel="weight relative to the largest", ylim=(-0.03, 1.15))
        figure.axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def departure_data(left: dict) -> dict:
    """How far the weights before the head lie from sqrt(s), on the left of Figure 1."""
    keys = ("relu", "linear")
    return {
        "root": left["linear"]["theory"][0],
        "before": {name: left[name]["measured"]["mean"][0] for name in keys},
        "before_half_width": {name: left[name]["measured"]["half_width"][0] for name in keys},
        "after": left["linear"]["theory"][1],
    }


def draw_departure(data: dict) -> Figure:
    """Weight before against weight after the head, on log axes: slope 1/2 is the law of linear layers."""
    with apply_style():
        figure = Figure(figsize=(5.4, 3.8))
        axes = figure.subplots()
        line = np.geomspace(data["after"][-1] * 0.9, 1, 50)
        axes.plot(line, np.sqrt(line), color="0.3", label=r"$\sqrt{s}$: linear layers")
        axes.plot(line, line, color="0.3", linestyle=":", label="$s$: no head")
        for i, name in enumerate(("relu", "linear")):
            axes.errorbar(
                data["after"],
                data["before"][name],
                data["before_half_width"][name],
                linestyle="none",
                marker="oD"[i],
                color=PALETTE[(0, 2)[i]],
                label=_NETWORKS[name],
            )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="relative weight after the head, $s_i/s_1$ (theory)",
            ylabel="relative weight before the head",
        )
        ticks = [0.2, 0.4, 0.6, 0.8, 1.0]
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.legend()
    return figure


def spare_data(trained: TrainedWeights) -> dict:
    """Figure 1 right with twice as many outputs as features."""
    weights = relative(trained.weights, STRONGEST["right"])
    return {
        "phi": FIGURE_1_RIGHT.phi,
        "theory": relative(theory.layer_weights(FIGURE_1_RIGHT), STRONGEST["right"]),
        "replicates": len(weights),
        "each": weights,
    }


def draw_spare(data: dict) -> Figure:
    """Each network's weights as a thin line, the theory of linear layers on top."""
    with apply_style():
        figure = Figure(figsize=(7.6, 3.5))
        positions = np.arange(len(data["phi"]))
        for layer, (axes, style) in enumerate(
            zip(figure.subplots(1, 2, sharey=True), (BEFORE, AFTER), strict=True)
        ):
            axes.plot(
                positions, np.transpose([row[layer] for row in data["each"]]), color="0.7", linewidth=0.8
            )
            axes.plot([], [], color="0.7", linewidth=0.8, label="each network")
            axes.plot(positions, data["theory"][layer], color=style["color"], label="linear layers, theory")
            axes.set(
                title=f"{style['label']}, 10 outputs",
                xticks=positions,
                xticklabels=[f"{v:g}" for v in data["phi"]],
                xlabel=r"strength, $\phi_i$",
            )
            axes.legend(loc="lower right")
        figure.axes[0].set(ylabel="weight relative to feature 2", ylim=(0, None))
    return figure


def format_table(side: str, data: dict) -> str:
    """Relative weights of the ReLU network and what lies between them, +- Student 95% half width."""
    head = f"{'alpha' if side == 'left' else 'phi':>8}{'before':>16}{'after':>16}{'theory after':>14}"
    lines = [head + f"{'before - after':>18}{'before - sqrt(s)':>20}"]
    series = data["relu"]
    for i, value in enumerate(data["alpha" if side == "left" else "phi"]):

        def cell(name, index, series=series):
            mean, half = series[name]["mean"][index], series[name]["half_width"][index]
            return f"{mean:+.3f} +- {half:.3f}"

        lines.append(
            f"{value:8g}{cell('measured', (0, i)):>16}{cell('measured', (1, i)):>16}"
            f"{series['theory'][1, i]:14.3f}{cell('before_minus_after', i):>18}{cell('before_minus_root', i):>20}"
        )
    constant = series["constant_after"]
    lines.append(
        f"constant after the head, |E z|^2: {constant['mean']:.3f} +- {constant['half_width']:.3f} (theory 1)"
    )
    return "\n".join(lines)
