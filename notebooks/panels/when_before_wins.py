"""Notebook 03: Corollary 3.7, indicator boundary against the crossings of actual accuracies."""

import numpy as np
from matplotlib.figure import Figure

import theory
from neural import stream_seed
from notebooks.figure import apply_style
from notebooks.panels.shared import PALETTE, estimate
from synthetic.features.few_shot import Averaging, HardMargin
from synthetic.features.layer_choice import LayerProbe, measured_crossing
from synthetic.features.settings import DOWNSTREAM, THREE_FEATURES

PROFILES = {
    "smoke": {"draws": 200, "points": 5},
    "quick": {"draws": 4000, "points": 15},
    "full": {"draws": 40_000, "points": 41},
}
"""Draws of labelled samples at each parameter value, spread over the networks, and parameter values."""

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
        figure = Figure(figsize=(9.6, 4.6))
        for axes, (vary, series) in zip(figure.subplots(1, 2), data.items(), strict=True):
            axes.axhline(0, color="0.6", linewidth=0.8)
            axes.plot(series["fine"], series["exact"], color=PALETTE[0], label="averaging, exact law")
            axes.plot(
                series["fine"],
                series["approximate"],
                color=PALETTE[0],
                linestyle=":",
                label="averaging, normal approximation",
            )
            for i, (name, gaps) in enumerate(series["measured"].items()):
                axes.errorbar(
                    series["value"],
                    gaps["mean"],
                    gaps["half_width"],
                    linestyle="none",
                    marker="oD"[i],
                    color=PALETTE[(0, 2)[i]],
                    label=f"{name}, simulated",
                )
            for i, end in enumerate(series["indicator_boundary"]):
                axes.axvline(
                    end,
                    color="0.3",
                    linestyle="--",
                    linewidth=1,
                    label="_" if i else "boundary of the indicator",
                )
            axes.set(
                xlabel=_NAMES[vary],
                ylabel=f"accuracy before minus after the head, n = {LABELS}",
                xscale="log" if vary == "phi" else "linear",
            )
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
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
        figure = Figure(figsize=(5.8, 3.8))
        axes = figure.subplots()
        axes.plot(data["n"], data["exact"], color=PALETTE[0], marker=".", label="averaging, exact law")
        axes.plot(
            data["n"], data["approximate"], color=PALETTE[0], linestyle=":", label="normal approximation"
        )
        axes.axhline(
            data["indicator"], color="0.3", linestyle="--", linewidth=1, label="boundary of the indicator"
        )
        if data["measured"]:
            n = [int(key) for key in data["measured"]]
            value, low, high = np.transpose(list(data["measured"].values()))
            axes.errorbar(
                n,
                value,
                [value - low, high - value],
                linestyle="none",
                marker="o",
                color=PALETTE[1],
                label="averaging, simulated",
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
