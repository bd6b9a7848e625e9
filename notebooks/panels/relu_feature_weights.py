"""Notebook 02: Figure 1 of Xue et al. with ReLU networks, a linear network beside them."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, SERIES, errorbars, estimate
from synthetic import FeatureTraining, TrainedWeights, relative
from synthetic.features import settings
from synthetic.features.settings import FIGURE_1_LEFT, FIGURE_1_RIGHT, STRONGEST

PROFILES = {
    "smoke": {"replicates": 2, "steps_left": 1000, "steps_right": 2000},
    "quick": {"replicates": 8, "steps_left": 8000, "steps_right": 20_000},
    "full": {"replicates": 64, "steps_left": 20_000, "steps_right": 60_000},
}
"""Networks of each kind, and their steps for the left and the right half of Figure 1."""

FIGURES = {
    "left": {
        "caption": "Figure 1 left of Xue et al.: five features of equal strength against their disruption, weights "
        "relative to the largest. Markers are means over networks trained on samples, with 95% intervals; "
        "lines are the theory of linear layers. After the head (squares) both networks lie on $s$. Before "
        r"it (circles) the linear network lies on $\sqrt s$ and the ReLU network below it. The most "
        "disrupted feature of the linear network is still being learnt.",
        "alt": "Two panels, ReLU network and linear network, weight against probability of disruption. In both, "
        "squares after the head lie on a falling straight line. Circles before the head lie above the "
        "squares; in the linear network they lie on the dashed curve of the square root, in the ReLU "
        "network clearly below it.",
    },
    "departure": {
        "caption": "Weight before the head against weight after it, both relative to the largest, for the networks "
        r"of the figure above. Solid: the law $\sqrt s$ of jointly trained linear layers. Dotted: no head. "
        "Markers are means over networks with 95% intervals. The ReLU network lies between the two lines. "
        "The leftmost feature of the linear network is still being learnt.",
        "alt": "Log-log plot with two lines of slope one half and slope one that meet at 1. Diamonds of the "
        "linear network lie on the line of slope one half except for the leftmost; circles of the ReLU "
        "network lie between the lines.",
    },
    "right": {
        "caption": "Figure 1 right of Xue et al.: five features of equal disruption against their strength, for "
        "networks with five outputs. Markers are means over networks with 95% intervals; lines are the "
        "theory of linear layers with the outputs that are left for features, four in the ReLU network "
        "and five in the linear one. In the ReLU network the constant takes one output, so that the "
        "weakest feature is absent after the head, and yet present before it. In the linear network the "
        r"noise of large gradient steps moves the weights before the head (circles) below $\sqrt s$.",
        "alt": "Two panels, ReLU network and linear network, weight against strength. In the ReLU network the "
        "weakest feature has weight 0 after the head and 0.45 before it; the others fall with strength, "
        "circles above squares. In the linear network all five squares lie on the line, and the circles "
        "lie close to the squares, far below the dashed line.",
    },
    "spare": {
        "caption": "Figure 1 right with ten outputs for five features. Small dots are single ReLU networks, large "
        "markers their mean with its 95% interval; lines are the theory of linear layers that keep four "
        "features. The constant and products of strong features take the other outputs, so that the "
        "weakest feature stays nearly absent after the head. Before the head the weights now lie far "
        r"below $\sqrt s$.",
        "alt": "Two panels, before and after the head, weight against strength, with a dot for each network. "
        "After the head the dots scatter around the line and the weakest feature lies near 0. Before the "
        "head the dots lie far below the dashed line and the weakest feature has weight 0.2.",
        "simulated": {"each": 0.3},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

MODELS = {"left": FIGURE_1_LEFT, "right": FIGURE_1_RIGHT}
_NOTE = {"textcoords": "offset points", "fontsize": 9, "color": "0.4"}
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
        figure = Figure(figsize=(WIDE, 3.3))
        positions = np.arange(len(data["phi"]))
        for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), _NETWORKS.items(), strict=True):
            series = data[name]
            for layer, style in enumerate((BEFORE, AFTER)):
                _draw_theory(
                    axes,
                    np.array(series["theory"][layer]),
                    color=style["color"],
                    linestyle=("--", "-")[layer],
                    label=(r"$\sqrt{s}$, linear layers", "$s$, theory")[layer],
                )
                axes.errorbar(
                    positions,
                    series["measured"]["mean"][layer],
                    series["measured"]["half_width"][layer],
                    linestyle="none",
                    **style,
                )
            axes.set(
                title=title,
                xticks=positions,
                xticklabels=[f"{v:g}" for v in (data["alpha"] if side == "left" else data["phi"])],
                xlabel=r"probability of disruption, $\alpha_i$" if side == "left" else r"strength, $\phi_i$",
            )
        relu, linear = figure.axes
        if side == "left":
            last = data["linear"]["measured"]["mean"][1][-1]
            linear.annotate(
                "still being learnt", (positions[-1], last), (-8, 0), ha="right", va="center", **_NOTE
            )
        else:
            place = (positions[3], data["linear"]["measured"]["mean"][0][3])
            arrow = {"arrowprops": {"arrowstyle": "->", "color": "0.4"}}
            linear.annotate("gradient noise moves\nthe circles down", place, (-80, -52), **arrow, **_NOTE)
            relu.annotate("the constant takes\nthe fifth output", (0, 0), (12, 0), **_NOTE)
        relu.set(ylabel="weight relative to the largest", ylim=(-0.03, 1.15))
        relu.set_xlim(-0.35, len(positions) - 0.65)
        linear.set_xlim(relu.get_xlim())
        figure.legend(
            *relu.get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.2
        )
    return figure


def _draw_theory(axes, weights, **look):
    """Weights of the kept features as one line, and a short stroke at 0 for each feature that is not kept."""
    kept = weights > 0
    axes.plot(np.flatnonzero(kept), weights[kept], **look)
    for place in np.flatnonzero(~kept):
        axes.plot([place - 0.2, place + 0.2], [0, 0], **{**look, "label": "_"})


def departure_data(left: dict) -> dict:
    """How far the weights before the head lie from sqrt(s), on the left of Figure 1."""
    keys = ("relu", "linear")
    return {
        "root": left["linear"]["theory"][0],
        "before": {name: {key: value[0] for key, value in left[name]["measured"].items()} for name in keys},
        "after": left["linear"]["theory"][1],
    }


def draw_departure(data: dict) -> Figure:
    """Weight before against weight after the head, on log axes: slope 1/2 is the law of linear layers."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.2))
        axes = figure.subplots()
        line = np.geomspace(data["after"][-1] * 0.9, 1, 50)
        axes.plot(line, np.sqrt(line), color="0.3")
        axes.plot(line, line, color="0.3", linestyle=":")
        axes.text(0.3, 0.58, r"joint: $\sqrt{s}$", ha="right", color="0.3", fontsize=9)
        axes.text(0.42, 0.37, "no head: $s$", color="0.3", fontsize=9)
        for name, marker, color in zip(_NETWORKS, "oD", SERIES, strict=False):
            look = {"marker": marker, "color": color, "label": _NETWORKS[name]}
            errorbars(axes, data["after"], data["before"][name], **look)
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="relative weight after the head, $s_i/s_1$",
            ylabel="relative weight before the head",
        )
        ticks = [0.2, 0.4, 0.6, 0.8, 1.0]
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.legend(loc="lower right", handletextpad=0.1)
    return figure


def spare_data(trained: TrainedWeights) -> dict:
    """Figure 1 right with twice as many outputs as features.

    The ten outputs of largest eigenvalue are the constant, four features and products of them, so that the theory
    of the linear network is that of four outputs, as in the right half.
    """
    weights = relative(trained.weights, STRONGEST["right"])
    return {
        "phi": FIGURE_1_RIGHT.phi,
        "theory": relative(theory.layer_weights(FIGURE_1_RIGHT, embed_dim=4), STRONGEST["right"]),
        "replicates": len(weights),
        "each": weights,
        "measured": estimate(np.moveaxis(weights, 0, -1)),
    }


def draw_spare(data: dict) -> Figure:
    """Each network as a small dot, their mean with its interval, and the theory of linear layers as a line."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.1))
        positions = np.arange(len(data["phi"]))
        for layer, (axes, style) in enumerate(
            zip(figure.subplots(1, 2, sharey=True), (BEFORE, AFTER), strict=True)
        ):
            _draw_theory(
                axes,
                np.array(data["theory"][layer]),
                color=style["color"],
                linestyle=("--", "-")[layer],
                label=(r"$\sqrt{s}$, linear layers", "$s$, theory")[layer],
            )
            for row in data["each"]:
                axes.plot(
                    positions + 0.15, row[layer], linestyle="none", marker=".", markersize=4, color="0.6"
                )
            axes.errorbar(
                positions,
                data["measured"]["mean"][layer],
                data["measured"]["half_width"][layer],
                linestyle="none",
                **{**style, "label": "mean of the networks"},
            )
            axes.plot([], [], linestyle="none", marker=".", color="0.6", label="each network")
            axes.set(
                title=style["label"],
                xticks=positions,
                xticklabels=[f"{v:g}" for v in data["phi"]],
                xlabel=r"strength, $\phi_i$",
            )
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.0))
        figure.axes[0].set(ylabel="weight relative to the largest", ylim=(-0.03, 1.1))
    return figure


def format_table(side: str, data: dict) -> str:
    """Relative weights of the ReLU network and what lies between them, +- Student 95% half width."""
    head = f"{'alpha' if side == 'left' else 'phi':>6}{'before':>16}{'after':>16}{'theory after':>13}"
    lines = [head + f"{'before - after':>17}{'before - sqrt(s)':>17}"]
    series = data["relu"]
    for i, value in enumerate(data["alpha" if side == "left" else "phi"]):

        def cell(name, index, series=series):
            mean, half = series[name]["mean"][index], series[name]["half_width"][index]
            return f"{mean:+.3f} +- {half:.3f}"

        lines.append(
            f"{value:6g}{cell('measured', (0, i)):>16}{cell('measured', (1, i)):>16}"
            f"{series['theory'][1, i]:13.3f}{cell('before_minus_after', i):>17}{cell('before_minus_root', i):>17}"
        )
    constant = series["constant_after"]
    lines.append(
        f"constant after the head, |E z|^2: {constant['mean']:.3f} +- {constant['half_width']:.3f} (theory 1)"
    )
    return "\n".join(lines)
