"""Notebook 14: Figure 3 of Xue et al. on digits on photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Joint
from notebooks.figure import apply_style
from notebooks.panels.image_runs import linear_top
from notebooks.panels.named_runs import Scores, estimates, layer_scores, plus_minus
from notebooks.panels.shared import PALETTE, estimate
from synthetic.images.scores import ProbeScores

PROBES = ProbeScores(few_shot=10)
PROBES_OF_BOTH = ProbeScores(labels=("digit", "photo"))
TOPS = ("ReLU", "linear")
NAMES = {"linear": "linear probe", "knn": "20 nearest neighbours", "few_shot": "10 labels of each class"}
_STEMS = tuple(f"digit_{probe}" for probe in NAMES)
_LOOK = {
    "linear": {"color": PALETTE[2], "marker": "D"},
    "knn": {"color": PALETTE[3], "marker": "^"},
    "few_shot": {"color": PALETTE[4], "marker": "v"},
}
_UNTRAINED = {"alpha": 0.25, "linewidth": 0}


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
    runs = {}
    for top, config in zip(TOPS, (base, linear_top(base)), strict=True):
        runs |= {(top, p): _with_data(config, p_drop=p) for p in p_drops}
        runs[top, None] = replace(config, epochs=0)
    return runs


def summarise_drop(scores: Mapping[tuple, Scores]) -> dict:
    """Figure 3b in numbers.

    Parameters
    ----------
    scores : mapping
        Of `PROBES`, by the names of `drop_runs`.

    Returns
    -------
    dict
        `p_drop`; for each top `trained` and `untrained` (name -> `estimate`, names `digit_<probe>_<h|z|gap>`), and
        probe by probe `growth` (gap at the last p_drop minus the first) and `above_untrained` (gap minus the
        untrained gap, at every p_drop), both paired by member.
    """
    p_drops = [p for top, p in scores if top == TOPS[0] and p is not None]
    summary: dict = {"p_drop": p_drops}
    for top in TOPS:
        trained = layer_scores([scores[top, p] for p in p_drops], _STEMS)
        untrained = {name: values[0] for name, values in layer_scores([scores[top, None]], _STEMS).items()}
        gaps = {probe: f"digit_{probe}_gap" for probe in NAMES}
        summary[top] = {
            "trained": estimates(trained),
            "untrained": estimates(untrained),
            "growth": {p: estimate(trained[gap][-1] - trained[gap][0]) for p, gap in gaps.items()},
            "above_untrained": {p: estimate(trained[gap] - untrained[gap]) for p, gap in gaps.items()},
        }
    return summary


def drop_table(summary: dict) -> str:
    """Accuracies before and after the head and their gap, for each p_drop, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    lines = []
    for top in TOPS:
        part = summary[top]
        lines += [f"encoder ends with {top}", _header("")]
        lines += [_row(f"p = {p:g}", part["trained"], i) for i, p in enumerate(summary["p_drop"])]
        lines.append(_row("untrained", part["untrained"], ()))
        for probe, name in NAMES.items():
            growth = plus_minus(part["growth"][probe])
            above = plus_minus(part["above_untrained"][probe], -1)
            lines.append(f"{name}: growth of the gap {growth}; last gap minus untrained {above}")
        lines.append("")
    return "\n".join(lines[:-1])


def draw_drop(summary: dict) -> Figure:
    """Gap against p_drop, one panel for each probe; markers: both tops; bands: untrained networks.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    with apply_style():
        figure = Figure(figsize=(8.4, 4.0))
        for axes, probe in zip(figure.subplots(1, 2), ("linear", "knn"), strict=True):
            name = f"digit_{probe}_gap"
            for i, (top, marker) in enumerate(zip(TOPS, "os", strict=True)):
                places = np.array(summary["p_drop"]) + 0.012 * (2 * i - 1)
                _markers(
                    axes,
                    places,
                    summary[top]["trained"][name],
                    color=PALETTE[i],
                    marker=marker,
                    label=f"last layer {top}",
                )
                _band(axes, summary[top]["untrained"][name], PALETTE[i], f"{top}, untrained")
            _zero(axes)
            axes.set(
                title=NAMES[probe],
                xlabel="probability of dropping the digit, $p_{drop}$",
                ylabel="digit accuracy, before minus after the head",
                xticks=summary["p_drop"],
            )
            _legend_below(axes)
    return figure


def strength_runs(
    base: PretrainConfig, strengths: Sequence[float], p_drop: float
) -> dict[tuple, PretrainConfig]:
    """Runs of Figure 3c and their untrained networks.

    Parameters
    ----------
    base : PretrainConfig
    strengths : sequence of float
        Rising blending weights of the digit.
    p_drop : float

    Returns
    -------
    dict
        Names ("trained" or "untrained", strength).
    """
    runs = {}
    for s in strengths:
        config = _with_data(base, strength=s, p_drop=p_drop)
        runs |= {("trained", s): config, ("untrained", s): replace(config, epochs=0)}
    return runs


def exchange_runs(base: PretrainConfig, pair: Sequence[float]) -> dict[float, PretrainConfig]:
    """The same pairs of views with a weak and with a strong digit; nothing is dropped.

    Parameters
    ----------
    base : PretrainConfig
    pair : (weak, strong)
        Blending weights of the digit.
    """
    return {s: _with_data(base, strength=s, p_drop=0.0) for s in pair}


def summarise_strength(
    scores: Mapping[tuple, Scores], exchange: Mapping[float, Scores], *, weak: float, test_images: int
) -> dict:
    """Figure 3c in numbers.

    Parameters
    ----------
    scores, exchange : mapping
        Of `PROBES` by the names of `strength_runs`, and of `PROBES_OF_BOTH` by those of `exchange_runs`.
    weak : float
        One of the strengths.
    test_images : int
        Size of the test half.

    Returns
    -------
    dict
        `strength`; `trained`, `untrained`: name -> `estimate` at every strength; `weak`; `weak_minus`: probe ->
        estimate of the gap at `weak` minus the gap at every strength; `error_ratio`: estimate of the linear probe's
        error after the head over that before it, one error added to both; `exchange`: `strength`, name -> estimate of
        the linear gap of `digit` and of `photo`, and of `digit_change` and `photo_change` (gap where the feature is
        the weaker one minus where it is the stronger one).
    """
    strengths = [s for kind, s in scores if kind == "trained"]
    tables = {
        kind: layer_scores([scores[kind, s] for s in strengths], _STEMS) for kind in ("trained", "untrained")
    }
    trained = tables["trained"]
    at = strengths.index(weak)
    before, after = (1 - trained[f"digit_linear_{layer}"] + 1 / test_images for layer in "hz")
    pair = layer_scores(list(exchange.values()), ("digit_linear", "photo_linear"))
    digit, photo = pair["digit_linear_gap"], pair["photo_linear_gap"]
    return {
        "strength": strengths,
        **{kind: estimates(table) for kind, table in tables.items()},
        "weak": weak,
        "weak_minus": {
            probe: estimate(trained[f"digit_{probe}_gap"][at] - trained[f"digit_{probe}_gap"])
            for probe in NAMES
        },
        "error_ratio": estimate(after / before),
        "exchange": {
            "strength": list(exchange),
            "digit": estimate(digit),
            "photo": estimate(photo),
            "digit_change": estimate(digit[0] - digit[1]),
            "photo_change": estimate(photo[1] - photo[0]),
        },
    }


def strength_table(summary: dict) -> str:
    """Accuracies, gaps, error ratio and contrasts for each strength, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_strength`.
    """
    lines = [_header("") + f"{'error ratio':>20}"]
    for i, s in enumerate(summary["strength"]):
        ratio = summary["error_ratio"]
        lines.append(
            _row(f"s = {s:g}", summary["trained"], i)
            + f"{ratio['mean'][i]:>11.2f} +- {ratio['half_width'][i]:.2f}"
        )
        lines.append(_row("untrained", summary["untrained"], i))
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
        for i, (probe, look) in enumerate(_LOOK.items()):
            places, name = strengths + 0.012 * (i - 1), f"digit_{probe}_gap"
            _markers(gaps, places, summary["trained"][name], label=NAMES[probe], **look)
            untrained = summary["untrained"][name]
            _markers(
                gaps, places, untrained, label="same, untrained", **look, markerfacecolor="none", alpha=0.6
            )
        _zero(gaps)
        gaps.set(title="absolute gap", ylabel="digit accuracy, before minus after the head")
        _markers(
            ratio, strengths, summary["error_ratio"], color=PALETTE[2], marker="D", label=NAMES["linear"]
        )
        ratio.axhline(1, color="0.6", linewidth=0.8)
        ratio.set(title="relative gap", ylabel="error after the head / error before it")
        for axes in (gaps, ratio):
            axes.set(xlabel="strength of the digit, $s$", xticks=strengths)
            _legend_below(axes)
        _draw_exchange(exchange, summary["exchange"])
    return figure


def _draw_exchange(axes: Axes, exchange: dict) -> None:
    for i, (feature, label) in enumerate((("digit", "digit"), ("photo", "photograph"))):
        places = np.arange(2) + 0.06 * (2 * i - 1)
        _markers(axes, places, exchange[feature], color=PALETTE[5 + 2 * i], marker="os"[i], label=label)
    _zero(axes)
    axes.set_xticks([0, 1], [f"$s$ = {s:g}" for s in exchange["strength"]])
    axes.set(
        title="the weak feature",
        xlabel="digit weak, photograph weak",
        ylabel="linear probe, before minus after the head",
        xlim=(-0.5, 1.5),
    )
    _legend_below(axes)


def decay_runs(base: PretrainConfig, decays: Sequence[float], p_drop: float) -> dict[float, PretrainConfig]:
    """Runs of Figure 3d: Adam with several weight decays.

    Parameters
    ----------
    base : PretrainConfig
        Trained by Adam.
    decays : sequence of float
        Rising.
    p_drop : float

    Returns
    -------
    dict
        By weight decay.
    """
    lr = base.schedule.optimizer.lr
    config = _with_data(base, p_drop=p_drop)
    return {decay: replace(config, schedule=Joint(AdamConfig(lr, decay))) for decay in decays}


def summarise_decay(scores: Mapping[float, Scores]) -> dict:
    """Figure 3d in numbers.

    Parameters
    ----------
    scores : mapping
        Of `PROBES`, by the names of `decay_runs`.

    Returns
    -------
    dict
        `decay`; `trained`: name -> `estimate`, also `effective_rank_<h|z>`; `smaller_minus`: quantity -> estimate at
        the smallest decay minus that at every decay, for the gap of every probe and for `effective_rank_z`.
    """
    rows = list(scores.values())
    table = layer_scores(rows, (*_STEMS, "effective_rank"))
    contrasts = {probe: table[f"digit_{probe}_gap"] for probe in NAMES}
    contrasts["effective_rank_z"] = table["effective_rank_z"]
    return {
        "decay": list(scores),
        "trained": estimates(table),
        "smaller_minus": {name: estimate(values[0] - values) for name, values in contrasts.items()},
    }


def decay_table(summary: dict) -> str:
    """Accuracies, gaps, effective ranks and contrasts for each weight decay, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_decay`.
    """
    trained = summary["trained"]
    lines = [_header("") + f"{'eff. rank of h':>18}{'of z':>18}"]
    for i, decay in enumerate(summary["decay"]):
        ranks = "".join(f"{_plain(trained[f'effective_rank_{layer}'], i):>18}" for layer in "hz")
        lines.append(_row(f"{decay:g}", trained, i) + ranks)
    first = summary["decay"][0]
    for i, decay in enumerate(summary["decay"][1:], 1):
        cells = (
            f"{NAMES.get(name, 'effective rank of z')} {plus_minus(value, i)}"
            for name, value in summary["smaller_minus"].items()
        )
        lines.append(f"gap at {first:g} minus gap at {decay:g}: {', '.join(cells)}")
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
            _markers(
                gaps,
                places + 0.08 * (i - 1),
                summary["trained"][f"digit_{probe}_gap"],
                label=NAMES[probe],
                **look,
            )
        _zero(gaps)
        gaps.set(title="no effect on the gap", ylabel="digit accuracy, before minus after the head")
        for i, (layer, label) in enumerate((("h", "before the head, $h$"), ("z", "after the head, $z$"))):
            _markers(
                ranks,
                places,
                summary["trained"][f"effective_rank_{layer}"],
                color=PALETTE[i],
                marker="os"[i],
                label=label,
            )
        ranks.set(title="but on the embedding", ylabel="effective rank", ylim=(0, None))
        for axes in (gaps, ranks):
            axes.set(xlabel=r"weight decay of Adam, $\lambda$")
            axes.set_xticks(places, [f"{decay:g}" for decay in summary["decay"]])
            _legend_below(axes)
    return figure


def _with_data(config: PretrainConfig, **changes: float) -> PretrainConfig:
    return replace(config, data=replace(config.data, **changes))


def _markers(axes: Axes, places: np.ndarray, value: dict, **look: object) -> None:
    axes.errorbar(places, value["mean"], yerr=value["half_width"], linestyle="none", **look)


def _band(axes: Axes, value: dict, colour: tuple, label: str) -> None:
    low, high = value["mean"] - value["half_width"], value["mean"] + value["half_width"]
    axes.axhspan(low, high, color=colour, label=label, **_UNTRAINED)


def _zero(axes: Axes) -> None:
    axes.axhline(0, color="0.6", linewidth=0.8)


def _legend_below(axes: Axes) -> None:
    axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17))


def _header(label: str) -> str:
    cells = "".join(f"{'before':>9}{'after':>8}{'gap':>18}" for _ in NAMES)
    return f"{'':>12}" + "".join(f"{name:>35}" for name in NAMES.values()) + f"\n{label:>12}{cells}"


def _row(label: str, values: dict, index: int | tuple) -> str:
    cells = ""
    for stem in _STEMS:
        before, after = (values[f"{stem}_{layer}"]["mean"][index] for layer in "hz")
        cells += f"{before:>9.3f}{after:>8.3f}{plus_minus(values[f'{stem}_gap'], index):>18}"
    return f"{label:>12}{cells}"


def _plain(value: dict, index: int) -> str:
    return f"{value['mean'][index]:.1f} +- {value['half_width'][index]:.1f}"
