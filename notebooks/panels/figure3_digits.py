"""Notebook 14, panels c and d of Figure 3 of Xue et al.: strength of the digit, and weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels import digits_on_photographs as digits
from notebooks.panels.digits_on_photographs import LOSES, NAMES, STEMS
from notebooks.panels.shared import (
    FEATURE_LOOKS,
    FEW_SHOT,
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PROBE_LOOKS,
    Scores,
    errorbars,
    estimate,
    estimates,
    layer_cells,
    layer_scores,
    legend_below,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.runs import (
    EXCHANGE,
    STRENGTH_P_DROP,
    WEAK_STRENGTH,
    untrained,
    with_data,
    with_weight_decay,
)
from synthetic.images.scores import ProbeScores

PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "p_drops": p_drops,
        "strengths": strengths,
        "decays": decays,
    }
    for profile, p_drops, strengths, decays in (
        ("smoke", (0.0, 1.0), (0.3, 0.9), (1e-6, 1e-2)),
        ("quick", (0.0, 0.25, 0.5, 0.75, 1.0), (0.1, 0.3, 0.5, 0.9), (1e-6, 1e-2, 3e-2)),
        (
            "full",
            (0.0, 0.25, 0.5, 0.75, 1.0),
            (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9),
            (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2),
        ),
    )
}
FIGURES = digits.FIGURES | {
    "strength": {
        "caption": "Left: what training adds to the gap, as the strength $s$ of the digit varies and three of four "
        "second views lack it; member by member, with 95% intervals. Right: error of the linear probe after the head "
        "over its error before it.",
        "alt": "Left panel: for the linear probe training adds about 0.06 at strengths 0.3 and 0.5 and nothing at "
        "0.1 and 0.9; for the other probes it adds nothing or less. Right panel: the ratio of errors rises from 1 to "
        "2.5.",
    },
    "exchange": {
        "caption": "What training adds to the gap of the digit and of the photograph when both views have both. On "
        "the left the digit is the weaker feature, on the right the photograph is. Mean over networks, 95% "
        "intervals.",
        "alt": "Two pairs of markers with wide intervals around zero. Only the strong digit, on the right, is "
        "clearly below zero.",
    },
    "decay": {
        "caption": "Gap of the digit for three probes (left) and effective rank of both layers (right) against the "
        "weight decay of Adam. The decay lowers the rank of the embedding a little and leaves the gap as it is.",
        "alt": "Left panel: three rows of markers that do not change with weight decay. Right panel: effective rank "
        "near 32 before the head and near 10 after it, both falling slightly.",
    },
}
EXCHANGE_MEASUREMENT = ProbeScores(labels=("digit", "photo"))
_ADDED = "gap, trained minus untrained"


def strength_runs(base: PretrainConfig, strengths: Sequence[float]) -> dict[tuple, PretrainConfig]:
    """Runs of Figure 3c and their untrained networks.

    Parameters
    ----------
    base : PretrainConfig
    strengths : sequence of float
        Rising blending weights of the digit.

    Returns
    -------
    dict
        Names ("trained" or "untrained", strength).
    """
    runs = {}
    for s in strengths:
        config = with_data(base, strength=s, p_drop=STRENGTH_P_DROP)
        runs |= {("trained", s): config, ("untrained", s): untrained(config)}
    return runs


def exchange_runs(base: PretrainConfig) -> dict[tuple, PretrainConfig]:
    """The same pairs of views with a weak digit and with a weak photograph; nothing is dropped.

    Returns
    -------
    dict
        Names ("trained" or "untrained", strength).
    """
    runs = {}
    for s in EXCHANGE:
        config = with_data(base, strength=s, p_drop=0.0)
        runs |= {("trained", s): config, ("untrained", s): untrained(config)}
    return runs


def _by_kind(scores: Mapping[tuple, Scores], stems) -> tuple[list[float], dict[str, Scores]]:
    """Strengths, and `layer_scores` of the trained and of the untrained networks."""
    strengths = [s for kind, s in scores if kind == "trained"]
    return strengths, {
        kind: layer_scores([scores[kind, s] for s in strengths], stems) for kind in ("trained", "untrained")
    }


def summarise_strength(scores: Mapping[tuple, Scores], *, test_images: int) -> dict:
    """Figure 3c in numbers.

    Parameters
    ----------
    scores : mapping
        Of `MEASUREMENT` by the names of `strength_runs`.
    test_images : int
        Size of the test half.

    Returns
    -------
    dict
        `strength`; `trained`, `untrained`: name -> `estimate` at every strength; `added`: probe -> estimate of the gap
        minus that of the untrained network; `weak`, the strength of a weak digit; `weak_minus`: probe -> estimate of
        the gap at `weak` minus the gap at every strength; `error_ratio`: estimate of the linear probe's error after
        the head over that before it, one error added to both.
    """
    strengths, tables = _by_kind(scores, STEMS)
    trained, start = tables["trained"], tables["untrained"]
    at = strengths.index(WEAK_STRENGTH)
    before, after = (1 - trained[f"digit_linear_{layer}"] + 1 / test_images for layer in "hz")
    gaps = {probe: (trained[f"{stem}_gap"], start[f"{stem}_gap"]) for stem, probe in STEMS.items()}
    return {
        "strength": strengths,
        **{kind: estimates(table) for kind, table in tables.items()},
        "added": {probe: estimate(gap - control) for probe, (gap, control) in gaps.items()},
        "weak": WEAK_STRENGTH,
        "weak_minus": {probe: estimate(gap[at] - gap) for probe, (gap, _) in gaps.items()},
        "error_ratio": estimate(after / before),
    }


def format_strength(summary: dict) -> str:
    """Accuracies, gaps, error ratio and contrasts for each strength, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_strength`.
    """
    rows = []
    for i, s in enumerate(summary["strength"]):
        ratio = {"error z / h": plus_minus(summary["error_ratio"], i, 2)}
        rows.append({"": f"s = {s:g}", **layer_cells(summary["trained"], STEMS, i), **ratio})
        rows.append({"": "untrained", **layer_cells(summary["untrained"], STEMS, i)})
    lines = [text_table(rows)]
    for i, s in enumerate(summary["strength"]):
        if s != summary["weak"]:
            cells = (f"{name} {plus_minus(summary['weak_minus'][p], i)}" for p, name in NAMES.items())
            lines.append(f"gap at s = {summary['weak']:g} minus gap at s = {s:g}: {', '.join(cells)}")
    return "\n".join(lines)


def draw_strength(summary: dict) -> Figure:
    """What training adds to the gap, and the ratio of errors, against the strength of the digit.

    Parameters
    ----------
    summary : dict
        Of `summarise_strength`.
    """
    strengths = np.array(summary["strength"])
    looks = {**PROBE_LOOKS, "few_shot": FEW_SHOT}
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        added, ratio = figure.subplots(1, 2)
        for i, (probe, look) in enumerate(looks.items()):
            errorbars(added, strengths + 0.014 * (i - 1), summary["added"][probe], **look)
        mark_zero(added)
        added.set(ylabel=_ADDED, title="what training adds to the gap")
        errorbars(ratio, strengths, summary["error_ratio"], **PROBE_LOOKS["linear"])
        ratio.axhline(1, color="0.6", linewidth=0.8)
        ratio.set(ylabel="error after / error before the head", title="ratio of errors, trained")
        for axes in figure.axes:
            axes.set(xlabel="strength of the digit, $s$", xticks=strengths)
        figure.legend(*added.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def summarise_exchange(scores: Mapping[tuple, Scores]) -> dict:
    """What training adds to the linear gap of either feature where it is the weak or the strong one.

    Parameters
    ----------
    scores : mapping
        Of `EXCHANGE_MEASUREMENT` by the names of `exchange_runs`.

    Returns
    -------
    dict
        `strength`; `trained`, `untrained` and `added`, their difference: feature -> `estimate` of the gap at every
        strength; `change`: feature -> estimate of what training adds where the feature is the weaker one, minus what
        it adds where the feature is the stronger one.
    """
    features = {"digit": "digit_linear_gap", "photo": "photo_linear_gap"}
    strengths, tables = _by_kind(scores, ("digit_linear", "photo_linear"))
    gaps = {kind: {f: table[name] for f, name in features.items()} for kind, table in tables.items()}
    added = {feature: gaps["trained"][feature] - gaps["untrained"][feature] for feature in features}
    return {
        "strength": strengths,
        **{kind: estimates(table) for kind, table in gaps.items()},
        "added": estimates(added),
        "change": {
            "digit": estimate(added["digit"][0] - added["digit"][1]),
            "photo": estimate(added["photo"][1] - added["photo"][0]),
        },
    }


def format_exchange(summary: dict) -> str:
    """Gaps before and after training of both features, and what training adds to the weak one, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_exchange`.
    """
    rows = [
        {"linear gap": f"{name}, s = {s:g}"}
        | {kind: plus_minus(summary[kind][feature], i) for kind in ("trained", "untrained", "added")}
        for feature, name in (("digit", "digit"), ("photo", "photograph"))
        for i, s in enumerate(summary["strength"])
    ]
    digit, photo = (plus_minus(summary["change"][feature]) for feature in ("digit", "photo"))
    change = f"added where the feature is weak, minus where it is strong: digit {digit}; photograph {photo}"
    return f"{text_table(rows)}\n{change}"


def draw_exchange(summary: dict) -> Figure:
    """What training adds to the gap of the digit and of the photograph, where either is the weak feature.

    Parameters
    ----------
    summary : dict
        Of `summarise_exchange`.
    """
    weak, strong = summary["strength"]
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.2))
        axes = figure.subplots()
        for side, (feature, look) in zip((-1, 1), FEATURE_LOOKS.items(), strict=True):
            errorbars(axes, np.arange(2) + 0.06 * side, summary["added"][feature], **look)
        mark_zero(axes)
        axes.set_xticks([0, 1], [f"digit weak\n$s$ = {weak:g}", f"photograph weak\n$s$ = {strong:g}"])
        axes.set(ylabel=_ADDED, xlim=(-0.5, 1.5))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def decay_runs(base: PretrainConfig, decays: Sequence[float]) -> dict[float, PretrainConfig]:
    """Runs of Figure 3d: Adam with several weight decays.

    Parameters
    ----------
    base : PretrainConfig
        Trained by Adam.
    decays : sequence of float
        Rising.
    """
    dropping = with_data(base, p_drop=STRENGTH_P_DROP)
    return {decay: with_weight_decay(dropping, decay) for decay in decays}


def summarise_decay(scores: Mapping[float, Scores]) -> dict:
    """Figure 3d in numbers.

    Parameters
    ----------
    scores : mapping
        Of `MEASUREMENT`, by the names of `decay_runs`.

    Returns
    -------
    dict
        `decay`; `trained`: name -> `estimate`, also `effective_rank_<h|z>`; `smaller_minus`: quantity -> estimate at
        the smallest decay minus that at every decay, for the gap of every probe and for `effective_rank_z`.
    """
    table = layer_scores(list(scores.values()), (*STEMS, "effective_rank"))
    contrasts = {probe: table[f"{stem}_gap"] for stem, probe in STEMS.items()}
    contrasts["effective_rank_z"] = table["effective_rank_z"]
    return {
        "decay": list(scores),
        "trained": estimates(table),
        "smaller_minus": {name: estimate(values[0] - values) for name, values in contrasts.items()},
    }


def format_decay(summary: dict) -> str:
    """Accuracies, gaps, effective ranks and contrasts for each weight decay, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_decay`.
    """
    trained = summary["trained"]
    rows = [
        {"": f"{decay:g}", **layer_cells(trained, STEMS, i)}
        | {f"rank of {layer}": plus_minus(trained[f"effective_rank_{layer}"], i, 1) for layer in "hz"}
        for i, decay in enumerate(summary["decay"])
    ]
    lines = [text_table(rows)]
    for i, decay in enumerate(summary["decay"][1:], 1):
        cells = (
            f"{NAMES.get(name, 'effective rank of z')} {plus_minus(value, i)}"
            for name, value in summary["smaller_minus"].items()
        )
        lines.append(f"gap at {summary['decay'][0]:g} minus gap at {decay:g}: {', '.join(cells)}")
    return "\n".join(lines)


def draw_decay(summary: dict) -> Figure:
    """Gap, and effective rank of h and z, against the weight decay.

    Parameters
    ----------
    summary : dict
        Of `summarise_decay`.
    """
    places = np.arange(len(summary["decay"]))
    looks = {**PROBE_LOOKS, "few_shot": FEW_SHOT}
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.8))
        gaps, ranks = figure.subplots(1, 2)
        for i, (probe, look) in enumerate(looks.items()):
            errorbars(gaps, places + 0.08 * (i - 1), summary["trained"][f"digit_{probe}_gap"], **look)
        mark_zero(gaps)
        gaps.set(title="gap of the digit", ylabel=LOSES)
        for layer, look in LAYERS.items():
            errorbars(ranks, places, summary["trained"][f"effective_rank_{layer}"], **look)
        ranks.set(title="effective rank", ylabel="dimensions", ylim=(0, None))
        for axes in (gaps, ranks):
            axes.set(xlabel=r"weight decay of Adam, $\lambda$")
            axes.set_xticks(places, [f"{decay:g}" for decay in summary["decay"]])
            legend_below(axes, ncols=1)
    return figure
