"""Notebook 03: Corollary 3.7, indicator boundary against the crossings of actual accuracies."""

import numpy as np
from matplotlib.figure import Figure

import theory
from neural import stream_seed
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import SERIES, errorbars, estimate, mark_zero
from synthetic.features.few_shot import Averaging, HardMargin
from synthetic.features.layer_choice import LayerProbe, measured_crossing
from synthetic.features.settings import DOWNSTREAM, THREE_FEATURES

PROFILES = {
    "smoke": {"draws": 200, "points": 5},
    "quick": {"draws": 4000, "points": 15},
    "full": {"draws": 40_000, "points": 41},
}
"""Draws of labelled samples at each parameter value, spread over the networks, and parameter values."""

FIGURES = {
    "gap": {
        "caption": "Accuracy before minus after the head at eight labels, in a model of ten features. One parameter "
        "of the label's feature moves: its disruption (left) or its strength (right). Markers are means "
        "over four trained linear networks and many draws of labelled samples, with 95% intervals; lines "
        "are the exact law of the averaging classifier and its normal approximation. Dashed: the boundary "
        "of the sample complexity indicator. Before wins where the feature is much disrupted, very weak "
        "or very strong. Each classifier crosses zero near the boundary, but not on it.",
        "alt": "Two line plots of a difference of accuracies. Left: it rises with disruption from minus 0.05 "
        "through zero near 0.31, the dashed boundary. Right: against strength it is about zero below "
        "0.24, falls to minus 0.05 at 0.8, crosses zero at 1.6 and reaches 0.05 at 3. Diamonds of the "
        "hard margin have the same shape and a smaller range.",
        "simulated": {"measured_crossing": 0.2},
    },
    "samples": {
        "caption": r"Disruption $\alpha_j$ above which the averaging classifier is more accurate before the head, "
        "against the number of labels, in a model of three features. Line: exact law. Dotted: normal "
        "approximation. Dashed: indicator. Markers: crossing of simulated accuracies with its 95% "
        "interval. Only the exact law moves with the number of labels.",
        "alt": "Line plot. The exact crossing falls from 0.43 at one label to 0.14 at forty labels and the four "
        "markers lie on it. The normal approximation at 0.20 and the indicator at 0.24 are horizontal "
        "lines.",
        "simulated": {"measured": 0.05},
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

NETWORKS = 4  # trained for every parameter value
LABELS = 8
CLASSIFIERS = {"averaging": Averaging(), "hard margin": HardMargin()}
RANGES = {"alpha": (0.05, 0.75), "phi": (0.1, 5.0)}
MANY_LABELS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 40)
_NAMES = {
    "alpha": r"disruption of the relevant feature, $\alpha_j$",
    "phi": r"strength of the relevant feature, $\phi_j$",
}


def values(vary: str, points: int) -> np.ndarray:
    """Parameter values at which accuracies are measured: even for alpha, geometric for phi."""
    return (np.geomspace if vary == "phi" else np.linspace)(*RANGES[vary], points)


def sweep_points(seed: int, *, points: int, draws: int) -> list[LayerProbe]:
    """Tasks in the order alpha then phi, averaging then hard margin, values rising."""
    tasks = []
    for vary in RANGES:
        for classifier in CLASSIFIERS.values():
            for value in values(vary, points):
                model = DOWNSTREAM.with_feature(0, **{vary: value})
                tasks.append(_task(model, LABELS, classifier, draws, seed, len(tasks)))
    return tasks


def _task(model, n, classifier, draws, seed, stream):
    return LayerProbe(model, n, classifier, draws // NETWORKS, seed, stream, networks=NETWORKS)


def _gap_of(accuracies):
    """Accuracy before minus after the head, the draws of all networks in one row."""
    return (accuracies[..., 0] - accuracies[..., 1]).ravel()


def gap_data(results: list[np.ndarray], seed: int, *, points: int, draws: int) -> dict:
    """Accuracy before minus after the head: theory curves, measured means, and all boundaries.

    Parameters
    ----------
    results : list of (networks, draws, 2) arrays
        Of `synthetic.features.layer_choice.probe_trained_layers` at `sweep_points`.
    seed : int
        For the bootstrap of the measured crossings.
    """
    measured = np.reshape(
        [_gap_of(found) for found in results], (len(RANGES), len(CLASSIFIERS), points, draws)
    )
    rng = np.random.default_rng(stream_seed(seed, "crossing"))
    data = {}
    for vary, gaps in zip(RANGES, measured, strict=True):
        grid, low, high = values(vary, points), *RANGES[vary]
        fine = (np.geomspace if vary == "phi" else np.linspace)(low, high, 81)
        boundary = theory.before_head_boundary(DOWNSTREAM, 0, vary)
        data[vary] = {
            "value": grid,
            "fine": fine,
            "exact": [_gap(vary, value, exact=True) for value in fine],
            "approximate": [_gap(vary, value, exact=False) for value in fine],
            "indicator_boundary": [end for end in boundary[:2] if end is not None],
            "exact_crossing": theory.averaging_crossings(DOWNSTREAM, 0, LABELS, vary, low=low, high=high),
            "measured": {name: estimate(gap) for name, gap in zip(CLASSIFIERS, gaps, strict=True)},
            "measured_crossing": {
                name: _crossings(vary, grid, gap, rng) for name, gap in zip(CLASSIFIERS, gaps, strict=True)
            },
        }
    return data


def _gap(vary, value, *, exact):
    model = DOWNSTREAM.with_feature(0, **{vary: value})
    before, after = theory.averaging_accuracy(model, theory.layer_weights(model), 0, LABELS, exact)
    return before - after


def _crossings(vary, grid, gaps, rng):
    """Measured crossings: one for alpha; for phi one below and one above the lowest point, in log phi."""
    if vary == "alpha":
        found = [measured_crossing(grid, gaps, rng=rng)]
    else:
        middle = int(np.clip(np.argmin(gaps.mean(1)), 2, len(grid) - 3))
        halves = [slice(None, middle + 1), slice(middle, None)]
        found = [measured_crossing(np.log(grid[half]), gaps[half], rng=rng) for half in halves]
        found = [np.exp(crossing) for crossing in found if crossing is not None]
    return [list(crossing) for crossing in found if crossing is not None]


def draw_gap(data: dict) -> Figure:
    """Accuracy before minus after the head against disruption and strength, boundaries as vertical lines."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.7))
        for axes, (vary, series) in zip(figure.subplots(1, 2), data.items(), strict=True):
            mark_zero(axes)
            axes.plot(series["fine"], series["exact"], color=SERIES[0], label="averaging, exact law")
            axes.plot(
                series["fine"],
                series["approximate"],
                color=SERIES[0],
                linestyle=":",
                label="averaging, normal approximation",
            )
            for (name, gaps), marker, color in zip(series["measured"].items(), "oD", SERIES, strict=False):
                look = {"marker": marker, "markersize": 4, "color": color, "label": f"{name}, simulated"}
                errorbars(axes, series["value"], gaps, **look)
            for end in series["indicator_boundary"]:
                axes.axvline(end, color="0.3", linestyle="--", linewidth=1)
            axes.plot([], [], color="0.3", linestyle="--", linewidth=1, label="boundary of the indicator")
            note = {"color": "0.4", "fontsize": 9, "transform": axes.transAxes}
            axes.text(0.36 if vary == "phi" else 0.03, 0.98, "before wins", va="top", **note)
            axes.text(0.98, 0.02, "after wins", ha="right", **note)
            axes.set(xlabel=_NAMES[vary], xscale="log" if vary == "phi" else "linear")
        left, right = figure.axes
        left.set_ylabel(f"accuracy before minus after, n = {LABELS}")
        right.set_xticks((0.1, 0.3, 1.0, 3.0), ("0.1", "0.3", "1", "3"))
        right.minorticks_off()
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def samples_data() -> dict:
    """Crossings in alpha_j against the number of labels, in the model of three features."""
    search = {"vary": "alpha", "low": 0.0, "high": 0.9}

    def crossings(exact):
        return [
            theory.averaging_crossings(THREE_FEATURES, 0, n, exact=exact, **search)[0] for n in MANY_LABELS
        ]

    return {
        "n": list(MANY_LABELS),
        "exact": crossings(True),
        "approximate": crossings(False),
        "indicator": theory.before_head_boundary(THREE_FEATURES, 0).upper,
    }


def samples_points(
    seed: int, data: dict, *, draws: int, shown=(2, 4, 8, 16), width=0.12, points=7
) -> list[LayerProbe]:
    """Tasks around the exact crossings at a few numbers of labels, in the model of three features."""
    tasks = []
    for n in shown:
        centre = data["exact"][data["n"].index(n)]
        for alpha in np.linspace(centre - width, centre + width, points):
            model = THREE_FEATURES.with_feature(0, alpha=alpha)
            tasks.append(_task(model, n, Averaging(), draws, seed, 1000 + len(tasks)))
    return tasks


def add_measured_crossings(data: dict, tasks: list[LayerProbe], results: list[np.ndarray], seed: int) -> dict:
    """`data` with the measured crossing and its 95% interval for every number of labels among the tasks."""
    rng = np.random.default_rng(stream_seed(seed, "crossing by labels"))
    measured = {}
    for n in dict.fromkeys(task.n for task in tasks):
        chosen = [i for i, task in enumerate(tasks) if task.n == n]
        gaps = np.array([_gap_of(results[i]) for i in chosen])
        crossing = measured_crossing([tasks[i].model.alpha[0] for i in chosen], gaps, rng=rng)
        if crossing is not None:
            measured[str(n)] = list(crossing)
    return data | {"measured": measured}


def draw_samples(data: dict) -> Figure:
    """Where averaging crosses, against the number of labels."""
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.0))
        axes = figure.subplots()
        axes.plot(data["n"], data["exact"], color=SERIES[0], marker=".", label="exact law")
        axes.plot(
            data["n"], data["approximate"], color=SERIES[0], linestyle=":", label="normal approximation"
        )
        axes.axhline(data["indicator"], color="0.3", linestyle="--", linewidth=1, label="indicator")
        if data["measured"]:
            n = [int(key) for key in data["measured"]]
            value, low, high = np.transpose(list(data["measured"].values()))
            axes.errorbar(
                n,
                value,
                [value - low, high - value],
                linestyle="none",
                marker="o",
                color=SERIES[1],
                label="simulated",
            )
        axes.set(
            xscale="log",
            xlabel="labelled samples, $n$",
            ylabel=r"crossing in $\alpha_j$: before wins above",
        )
        axes.set_xticks([1, 2, 4, 8, 16, 40], ["1", "2", "4", "8", "16", "40"])
        axes.minorticks_off()
        axes.legend()
    return figure


def format_table(data: dict) -> str:
    """Every boundary in one table; measured crossings with their 95% intervals."""
    lines = []
    for vary, series in data.items():
        ends = ", ".join(f"{end:.3f}" for end in series["indicator_boundary"])
        exact = ", ".join(f"{end:.3f}" for end in series["exact_crossing"])
        lines += [f"{vary}: indicator {ends}; averaging, exact {exact}"]
        for name, found in series["measured_crossing"].items():
            cells = ", ".join(f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in found)
            lines.append(f"    {name}, measured {cells or 'no crossing in range'}")
    return "\n".join(lines)
