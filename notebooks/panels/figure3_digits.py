"""Notebook 14: Figure 3 of Xue et al. on digits on photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels import digits_on_photographs as digits
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
    PROBES,
    Scores,
    band,
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
    without_last_relu,
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
MEASUREMENT = ProbeScores(few_shot=10)
TOPS = ("ReLU", "linear")
"""Last layer of the encoder; without a ReLU it is a batch norm, which is linear once trained."""
NAMES = {**PROBES, "few_shot": "10 labels of each class"}
_STEMS = {f"digit_{probe}": probe for probe in NAMES}
_LOOK = {
    "linear": {"color": PALETTE[2], "marker": "D"},
    "knn": {"color": PALETTE[3], "marker": "^"},
    "few_shot": {"color": PALETTE[4], "marker": "v"},
}


def drop_runs(base: PretrainConfig, p_drops: Sequence[float]) -> dict[tuple, PretrainConfig]:
    """Runs of Figure 3b, with a ReLU at the end of the encoder and without.

    Parameters
    ----------
    base : PretrainConfig
        With a last ReLU.
    p_drops : sequence of float
        Rising probabilities that the second view lacks the digit.

    Returns
    -------
    dict
        Names (top, p_drop), top in `TOPS`; (top, None) is the untrained network.
    """
    return {
        (top, p): run
        for top, config in zip(TOPS, (base, without_last_relu(base)), strict=True)
        for p, run in digits.drop_runs(config, p_drops).items()
    }


def summarise_drop(scores: Mapping[tuple, Scores]) -> dict[str, dict]:
    """`digits_on_photographs.summarise_drop` for each top, from scores by the names of `drop_runs`."""
    return {
        top: digits.summarise_drop({p: one for (name, p), one in scores.items() if name == top})
        for top in TOPS
    }


def format_drop(summary: dict) -> str:
    """Accuracies before and after the head and their gap, for each top and p_drop, as text."""
    return "\n\n".join(
        f"encoder ends with {top}\n{digits.format_drop(part, NAMES)}" for top, part in summary.items()
    )


def draw_drop(summary: dict) -> Figure:
    """Gap against p_drop, one panel for each probe; markers: both tops; bands: untrained networks.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    with apply_style():
        figure = Figure(figsize=(8.4, 4.0))
        for axes, (probe, title) in zip(figure.subplots(1, 2), PROBES.items(), strict=True):
            name = f"digit_{probe}_gap"
            for i, (top, part) in enumerate(summary.items()):
                places = np.array(part["p_drop"]) + 0.012 * (2 * i - 1)
                look = {"color": PALETTE[i], "marker": "os"[i], "label": f"last layer {top}"}
                errorbars(axes, places, part["trained"][name], **look)
                band(axes, part["untrained"][name], color=PALETTE[i], label=f"{top}, untrained")
            mark_zero(axes)
            axes.set(
                title=title,
                xlabel="probability of dropping the digit, $p_{drop}$",
                ylabel="digit accuracy, before minus after the head",
                xticks=part["p_drop"],
            )
            legend_below(axes)
    return figure


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


def exchange_runs(base: PretrainConfig) -> dict[float, PretrainConfig]:
    """The same pairs of views with a weak digit and with a weak photograph; nothing is dropped."""
    return {s: with_data(base, strength=s, p_drop=0.0) for s in EXCHANGE}


def summarise_strength(
    scores: Mapping[tuple, Scores], exchange: Mapping[float, Scores], *, test_images: int
) -> dict:
    """Figure 3c in numbers.

    Parameters
    ----------
    scores, exchange : mapping
        Of `MEASUREMENT` by the names of `strength_runs`, and of `digits_on_photographs.MEASUREMENT` by those of
        `exchange_runs`.
    test_images : int
        Size of the test half.

    Returns
    -------
    dict
        `strength`; `trained`, `untrained`: name -> `estimate` at every strength; `weak`, the strength of a weak digit;
        `weak_minus`: probe -> estimate of the gap at `weak` minus the gap at every strength; `error_ratio`: estimate
        of the linear probe's error after the head over that before it, one error added to both; `exchange`:
        `strength`, name -> estimate of the linear gap of `digit` and of `photo`, and of `digit_change` and
        `photo_change` (gap where the feature is the weaker one minus where it is the stronger one).
    """
    strengths = [s for kind, s in scores if kind == "trained"]
    tables = {
        kind: layer_scores([scores[kind, s] for s in strengths], _STEMS) for kind in ("trained", "untrained")
    }
    trained = tables["trained"]
    at = strengths.index(WEAK_STRENGTH)
    before, after = (1 - trained[f"digit_linear_{layer}"] + 1 / test_images for layer in "hz")
    pair = layer_scores(list(exchange.values()), ("digit_linear", "photo_linear"))
    digit, photo = pair["digit_linear_gap"], pair["photo_linear_gap"]
    return {
        "strength": strengths,
        **{kind: estimates(table) for kind, table in tables.items()},
        "weak": WEAK_STRENGTH,
        "weak_minus": {
            probe: estimate(trained[f"{stem}_gap"][at] - trained[f"{stem}_gap"])
            for stem, probe in _STEMS.items()
        },
        "error_ratio": estimate(after / before),
        "exchange": {
            "strength": list(exchange),
            **estimates({"digit": digit, "photo": photo}),
            **estimates({"digit_change": digit[0] - digit[1], "photo_change": photo[1] - photo[0]}),
        },
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
        rows.append({"": f"s = {s:g}", **layer_cells(summary["trained"], _STEMS, i), **ratio})
        rows.append({"": "untrained", **layer_cells(summary["untrained"], _STEMS, i)})
    lines = [text_table(rows)]
    for i, s in enumerate(summary["strength"]):
        if s != summary["weak"]:
            cells = (f"{name} {plus_minus(summary['weak_minus'][p], i)}" for p, name in NAMES.items())
            lines.append(f"gap at s = {summary['weak']:g} minus gap at s = {s:g}: {', '.join(cells)}")
    exchange = summary["exchange"]
    weak, strong = exchange["strength"]
    lines.append(
        f"digit gap at s = {weak:g} minus at {strong:g}: {plus_minus(exchange['digit_change'])}; "
        f"photograph gap at s = {strong:g} minus at {weak:g}: {plus_minus(exchange['photo_change'])} (linear)"
    )
    return "\n".join(lines)


def draw_strength(summary: dict) -> Figure:
    """Gap and error ratio against strength; gaps of both features where either is the weak one.

    Parameters
    ----------
    summary : dict
        Of `summarise_strength`.
    """
    with apply_style():
        figure = Figure(figsize=(11.6, 4.1))
        gaps, ratio, exchange = figure.subplots(1, 3, width_ratios=(1.4, 1, 0.9))
        strengths = np.array(summary["strength"])
        hollow = {"markerfacecolor": "none", "alpha": 0.6, "label": "same, untrained"}
        for i, (probe, look) in enumerate(_LOOK.items()):
            places, name = strengths + 0.012 * (i - 1), f"digit_{probe}_gap"
            errorbars(gaps, places, summary["trained"][name], label=NAMES[probe], **look)
            errorbars(gaps, places, summary["untrained"][name], **look, **hollow)
        mark_zero(gaps)
        gaps.set(title="absolute gap", ylabel="digit accuracy, before minus after the head")
        errorbars(ratio, strengths, summary["error_ratio"], label=NAMES["linear"], **_LOOK["linear"])
        ratio.axhline(1, color="0.6", linewidth=0.8)
        ratio.set(title="relative gap", ylabel="error after the head / error before it")
        for axes in (gaps, ratio):
            axes.set(xlabel="strength of the digit, $s$", xticks=strengths)
        _draw_exchange(exchange, summary["exchange"])
        for axes in figure.axes:
            legend_below(axes)
    return figure


def _draw_exchange(axes: Axes, exchange: dict) -> None:
    for i, (feature, label) in enumerate((("digit", "digit"), ("photo", "photograph"))):
        look = {"color": PALETTE[5 + 2 * i], "marker": "os"[i], "label": label}
        errorbars(axes, np.arange(2) + 0.06 * (2 * i - 1), exchange[feature], **look)
    mark_zero(axes)
    axes.set_xticks([0, 1], [f"$s$ = {s:g}" for s in exchange["strength"]])
    axes.set(
        title="the weak feature",
        xlabel="digit weak, photograph weak",
        ylabel="linear probe, before minus after the head",
        xlim=(-0.5, 1.5),
    )


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
    table = layer_scores(list(scores.values()), (*_STEMS, "effective_rank"))
    contrasts = {probe: table[f"{stem}_gap"] for stem, probe in _STEMS.items()}
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
        {"": f"{decay:g}", **layer_cells(trained, _STEMS, i)}
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
    with apply_style():
        figure = Figure(figsize=(8.4, 3.9))
        gaps, ranks = figure.subplots(1, 2)
        places = np.arange(len(summary["decay"]))
        for i, (probe, look) in enumerate(_LOOK.items()):
            value = summary["trained"][f"digit_{probe}_gap"]
            errorbars(gaps, places + 0.08 * (i - 1), value, label=NAMES[probe], **look)
        mark_zero(gaps)
        gaps.set(title="no effect on the gap", ylabel="digit accuracy, before minus after the head")
        for layer, look in LAYERS.items():
            errorbars(ranks, places, summary["trained"][f"effective_rank_{layer}"], **look)
        ranks.set(title="but on the embedding", ylabel="effective rank", ylim=(0, None))
        for axes in (gaps, ranks):
            axes.set(xlabel=r"weight decay of Adam, $\lambda$")
            axes.set_xticks(places, [f"{decay:g}" for decay in summary["decay"]])
            legend_below(axes)
    return figure
