"""Notebook 15: what labels make a network forget, before and after the head (Xue et al., Figure 4, Tables 1, 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.models.heads import FixedReweightingConfig, HeadConfig, IdentityConfig
from neural.training.methods import CrossEntropy, MethodConfig, SupCon
from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.image_runs import linear_top
from notebooks.panels.named_runs import Scores, estimates, layer_scores, plus_minus
from notebooks.panels.shared import AFTER, BEFORE, PALETTE, estimate
from synthetic.images.scores import ProbeScores

SHOTS = 5
PROBES = ProbeScores(labels=("digit", "coarse"), few_shot=SHOTS)
METHODS: dict[str, type[SupCon] | type[CrossEntropy]] = {"SupCon": SupCon, "CE": CrossEntropy}
NONE, MLP = "none", "MLP"
UNTRAINED = "untrained"
_QUANTITIES = {
    "digit_linear": "digit, linear probe",
    "digit_knn": "digit, 20 nearest neighbours",
    "digit_few_shot": f"digit, {SHOTS} labels of each",
    "coarse_linear": "trained label (coarse), linear probe",
}


def coarse_runs(
    base: PretrainConfig, *, strength: float, decays: Sequence[float]
) -> dict[tuple, PretrainConfig]:
    """Runs trained on pairs of similar digits, to be asked for the digit.

    Parameters
    ----------
    base : PretrainConfig
        With an MLP head and a last ReLU.
    strength : float
        Of the digit.
    decays : sequence of float
        Of fixed reweighting heads.

    Returns
    -------
    dict
        Names (method, head), method in `METHODS`, head `NONE`, `MLP` or "fixed <decay>"; with a third entry
        "linear" where the encoder does not end with a ReLU; (UNTRAINED, MLP).
    """
    base = replace(base, data=replace(base.data, strength=strength))
    runs: dict[tuple, PretrainConfig] = {}
    for method, recipe in METHODS.items():
        trained = replace(base, method=recipe("coarse"))
        runs |= {
            (method, head): replace(trained, head=chosen) for head, chosen in _heads(base, decays).items()
        }
    for head in (NONE, MLP):
        runs["SupCon", head, "linear"] = linear_top(runs["SupCon", head])
    return runs | {(UNTRAINED, MLP): replace(base, epochs=0)}


def summarise_coarse(scores: Mapping[tuple, Scores]) -> dict:
    """Accuracies before and after the head, and what a head adds before it.

    Parameters
    ----------
    scores : mapping
        Of `PROBES`, by the names of `coarse_runs`.

    Returns
    -------
    dict
        `run`: labels of the runs; `accuracy`: name -> `estimate` for every run, names
        `<digit|coarse>_<probe>_<h|z|gap>`; `minus_none`: probe -> estimate of the digit's accuracy before the head
        minus that of the run of the same method and encoder without head, for every run (paired by member; zero for
        the runs without head themselves and for the untrained).
    """
    table = layer_scores(list(scores.values()), _QUANTITIES)
    reference = [_without_head(name) for name in scores]
    return {
        "run": [_label(name) for name in scores],
        "accuracy": estimates(table),
        "minus_none": {
            probe: estimate(
                np.array(
                    [
                        one[f"digit_{probe}_h"] - scores[without][f"digit_{probe}_h"]
                        for one, without in zip(scores.values(), reference, strict=True)
                    ]
                )
            )
            for probe in ("linear", "knn", "few_shot")
        },
    }


def coarse_table(summary: dict) -> str:
    """One line for each run: accuracies, gap, and accuracy before the head minus that without head.

    Parameters
    ----------
    summary : dict
        Of `summarise_coarse`.
    """
    shown = {"digit_linear": "linear", "digit_knn": "knn"}
    lines = [
        f"{'':>22}" + "".join(f"{_QUANTITIES[stem]:>52}" for stem in shown) + f"{'coarse, linear':>18}",
        f"{'':>22}"
        + f"{'before':>10}{'after':>7}{'gap':>17}{'minus no head':>18}" * 2
        + f"{'before':>11}{'after':>7}",
    ]
    for i, run in enumerate(summary["run"]):
        line = f"{run:>22}"
        for stem, probe in shown.items():
            before, after = _means(summary["accuracy"], stem, i)
            gap, added = summary["accuracy"][f"{stem}_gap"], summary["minus_none"][probe]
            compared = plus_minus(added, i) if _compared(run) else ""
            line += f"{before:>10.3f}{after:>7.3f}{plus_minus(gap, i):>17}{compared:>18}"
        before, after = _means(summary["accuracy"], "coarse_linear", i)
        lines.append(f"{line}{before:>11.3f}{after:>7.3f}")
    return "\n".join(lines)


def draw_coarse(summary: dict) -> Figure:
    """Accuracy of the digit by three probes, and of the trained label, before and after the head of every run.

    Parameters
    ----------
    summary : dict
        Of `summarise_coarse`.
    """
    with apply_style():
        figure = Figure(figsize=(10.4, 6.4))
        places = np.arange(len(summary["run"]))
        grid = figure.subplots(2, 2, sharex=True)
        for axes, (stem, title) in zip(grid.ravel(), _QUANTITIES.items(), strict=True):
            for i, (layer, look) in enumerate((("h", BEFORE), ("z", AFTER))):
                _markers(axes, places + 0.1 * (2 * i - 1), summary["accuracy"][f"{stem}_{layer}"], **look)
            axes.set(title=title, ylabel="test accuracy")
            axes.grid(axis="x", color="0.92")
        for axes in grid[1]:
            axes.set_xticks(places, summary["run"], rotation=40, ha="right")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def shift_runs(
    base: PretrainConfig, *, agreement: float, strengths: Sequence[float], decays: Sequence[float]
) -> dict[tuple, PretrainConfig]:
    """Runs trained on the parity of digits whose background mostly agrees with it.

    Parameters
    ----------
    base : PretrainConfig
        With an MLP head and a last ReLU.
    agreement : float
        Share of training images whose background agrees.
    strengths : sequence of float
        Of the digit; the first one with every head, the others with the MLP alone.
    decays : sequence of float
        Of fixed reweighting heads.

    Returns
    -------
    dict
        Names (method, strength, head), and (UNTRAINED, strength, MLP).
    """
    runs = {}
    for s in strengths:
        shifted = replace(base, data=replace(base.data, strength=s, agreement=agreement))
        heads = _heads(base, decays) if s == strengths[0] else {MLP: base.head}
        for method, recipe in METHODS.items():
            trained: MethodConfig = recipe("parity")
            runs |= {
                (method, s, name): replace(shifted, method=trained, head=head) for name, head in heads.items()
            }
        runs[UNTRAINED, s, MLP] = replace(shifted, epochs=0)
    return runs


def summarise_shift(scores: Mapping[tuple, Scores], per_group: Sequence[int]) -> dict:
    """Worst-group accuracies of every run against the number of labels.

    Parameters
    ----------
    scores : mapping
        Of `synthetic.images.transfer.WorstGroup`, by the names of `shift_runs`.
    per_group : sequence of int
        Labelled images of each group, rising.

    Returns
    -------
    dict
        `per_group`; `run`: dicts with `method`, `strength`, `head`; worst-group accuracy `before` and `after` the head,
        `gap`, their difference, and `mean_gap`, that of the mean over groups (`estimate` at every number of labels);
        for runs with a classifier of their own its worst group, `own`.
    """
    runs = []
    for (method, strength, head), values in scores.items():
        before, after = (np.array([values[f"worst_{m}_{layer}"] for m in per_group]) for layer in "hz")
        mean = np.array([values[f"mean_{m}_h"] - values[f"mean_{m}_z"] for m in per_group])
        parts = {"before": before, "after": after, "gap": before - after, "mean_gap": mean}
        if "worst_own" in values:
            parts["own"] = values["worst_own"]
        runs.append({"method": method, "strength": strength, "head": head, **estimates(parts)})
    return {"per_group": list(per_group), "run": runs}


def shift_table(summary: dict) -> str:
    """Accuracy before and after the head and their difference, a line for each run and number of labels, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    lines = [
        f"{'':>28}{'labels of':>11}{'worst of four groups':>36}{'mean of four groups':>22}{'own classifier,':>18}",
        f"{'':>28}{'each group':>11}{'before':>10}{'after':>7}{'difference':>19}{'difference':>22}{'worst group':>18}",
    ]
    for run in summary["run"]:
        name = f"{run['method']}, s = {run['strength']:g}, {run['head']}"
        for i, m in enumerate(summary["per_group"]):
            before, after = (run[part]["mean"][i] for part in ("before", "after"))
            line = f"{name if i == 0 else '':>28}{m:>11}{before:>10.3f}{after:>7.3f}{plus_minus(run['gap'], i):>19}"
            line += f"{plus_minus(run['mean_gap'], i):>22}"
            lines.append(line + (f"{run['own']['mean']:>18.3f}" if "own" in run and i == 0 else ""))
    return "\n".join(lines)


def draw_shift(summary: dict) -> Figure:
    """Worst-group accuracy against the number of labels: before and after the MLP at every strength, and every head.

    Parameters
    ----------
    summary : dict
        Of `summarise_shift`.
    """
    strengths = list(dict.fromkeys(run["strength"] for run in summary["run"]))
    with apply_style():
        figure = Figure(figsize=(3.6 * (len(strengths) + 1), 6.6))
        grid = figure.subplots(len(METHODS), len(strengths) + 1, sharey=True)
        for row, method in zip(grid, METHODS, strict=True):
            for axes, strength in zip(row, strengths, strict=False):
                _draw_layers(axes, summary, method, strength)
            _draw_heads(row[-1], summary, method, strengths[0])
            row[0].set_ylabel(f"{method}: worst of four groups")
        for axes in grid[-1]:
            axes.set_xlabel("labelled images of each group, $m$")
        for column in (0, -1):
            handles = {
                label: handle
                for axes in grid[:, column]
                for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
            }
            grid[-1, column].legend(
                handles.values(), handles.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.2)
            )
    return figure


def _draw_layers(axes: Axes, summary: dict, method: str, strength: float) -> None:
    places = np.arange(len(summary["per_group"]))
    run, untrained = (_run(summary, name, strength, MLP) for name in (method, UNTRAINED))
    for i, (part, look) in enumerate((("before", BEFORE), ("after", AFTER))):
        _markers(axes, places + 0.08 * (2 * i - 1), run[part], **look)
    look = {**BEFORE, "markerfacecolor": "none", "alpha": 0.6, "label": "before the head, untrained"}
    _markers(axes, places - 0.2, untrained["before"], **look)
    if "own" in run:
        axes.axhline(run["own"]["mean"], color="0.5", linewidth=1, linestyle="--", label="its own classifier")
    axes.set(title=f"MLP head, digit $s$ = {strength:g}")
    axes.set_xticks(places, summary["per_group"])


def _draw_heads(axes: Axes, summary: dict, method: str, strength: float) -> None:
    places = np.arange(len(summary["per_group"]))
    runs = [run for run in summary["run"] if (run["method"], run["strength"]) == (method, strength)]
    for i, run in enumerate(runs):
        _markers(
            axes,
            places + 0.12 * (i - (len(runs) - 1) / 2),
            run["before"],
            color=PALETTE[i + 2],
            marker="D^vP"[i],
            label=f"before the head: {run['head']}",
        )
    axes.set(title=f"heads, digit $s$ = {strength:g}")
    axes.set_xticks(places, summary["per_group"])


def _heads(base: PretrainConfig, decays: Sequence[float]) -> dict[str, HeadConfig]:
    fixed = {f"fixed {decay:g}": FixedReweightingConfig(decay) for decay in decays}
    return {NONE: IdentityConfig(), MLP: base.head, **fixed}


def _without_head(name: tuple) -> tuple:
    return name if name[0] == UNTRAINED else (name[0], NONE, *name[2:])


def _label(name: tuple) -> str:
    method, head, *top = name
    return f"{method}, {head}" + (", no ReLU" if top else "")


def _compared(run: str) -> bool:
    return NONE not in run and UNTRAINED not in run


def _run(summary: dict, *name: object) -> dict:
    return next(run for run in summary["run"] if (run["method"], run["strength"], run["head"]) == name)


def _means(accuracy: dict, stem: str, index: int) -> tuple[float, float]:
    return accuracy[f"{stem}_h"]["mean"][index], accuracy[f"{stem}_z"]["mean"][index]


def _markers(axes: Axes, places: np.ndarray, value: dict, **look: object) -> None:
    axes.errorbar(places, value["mean"], yerr=value["half_width"], linestyle="none", **look)
