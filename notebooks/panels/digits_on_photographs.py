"""Notebook 14, panels a and b of Figure 3 of Xue et al.: views of a pair, and views that lack the digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig, example_views
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import (
    LAYERS,
    PROBE_LOOKS,
    PROBES,
    Scores,
    band,
    errorbars,
    estimate,
    estimates,
    layer_cells,
    layer_scores,
    mark_chance,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.runs import BASE, untrained, with_data, without_last_relu
from synthetic.images.scores import ProbeScores

MEASUREMENT = ProbeScores(few_shot=10)
TOPS = ("ReLU", "linear")
"""Last layer of the encoder; without a ReLU it is a batch norm, which is linear once trained."""
NAMES = {**PROBES, "few_shot": "10 labels of each class"}
STEMS = {f"digit_{probe}": probe for probe in NAMES}
LOSES = "what the head loses:\naccuracy before minus after it"
FIGURES = {
    "views": {
        "caption": "Positive pairs as the network sees them. Both views show the same digit on different patches of "
        "the same photograph (upper rows). With probability $p_{drop}$ the second view has no digit (last row).",
        "alt": "Three rows of six small images. Row one: digits 0 to 5 on patches of photographs. Row two: the same "
        "digits on other patches of the same photographs. Row three: those patches without a digit.",
        "simulated": {"first": None, "kept": None, "dropped": None},
    },
    "levels": {
        "caption": "Accuracy with which a probe reads the digit before and after the MLP head, against the share of "
        "pairs whose second view lacks the digit. Markers: mean over networks with 95% intervals. Bands: the same "
        "networks before training. From $p_{drop}=0.75$ on, training has made the digit harder to read than it was.",
        "alt": "Two panels, linear probe and 20 nearest neighbours. Accuracy falls with the probability of dropping "
        "the digit, faster after the head than before it. At the right both lie below their untrained bands.",
    },
    "drop": {
        "caption": "What the head loses, that is accuracy before minus after it, against $p_{drop}$, for an encoder "
        "with and without a last ReLU. Bands: the gap of the untrained networks. The trained gap begins below the "
        "band and, for the linear probe, ends above it.",
        "alt": "Two panels with rising markers. The gap grows from about 0.05 to 0.35 for the linear probe and from "
        "about 0.05 to 0.2 for nearest neighbours; the untrained gap is a horizontal band between 0.11 and 0.25.",
    },
}
_TITLES = {"ReLU": "encoder ends with a ReLU", "linear": "encoder without last ReLU"}
_P_DROP = "probability of dropping the digit, $p_{drop}$"


def view_data(seed: int) -> dict:
    """Positive pairs as the network sees them, of member 0 and one for each digit 0..5.

    Parameters
    ----------
    seed : int
        Root seed of the runs.

    Returns
    -------
    dict
        `digit`, `photo` (names), and the views `first`, `kept`, `dropped` (second view with and without the digit):
        for each image its RGB bytes, pixel by pixel and row by row, in hexadecimal.
    """
    kept, dropped = (replace(with_data(BASE, p_drop=p), seed=seed) for p in (0.0, 1.0))
    train = kept.build_data()[0]
    index = torch.stack([(train.digit == digit).nonzero()[0, 0] for digit in range(6)])
    first, second = example_views(kept, index)
    views = {"first": first, "kept": second, "dropped": example_views(dropped, index)[1]}
    pixels = {name: (255 * images).round().byte().permute(0, 2, 3, 1) for name, images in views.items()}
    photos = [kept.data.photos[i] for i in train.photo[index].tolist()]
    return {"digit": list(range(6)), "photo": photos} | {
        name: [image.numpy().tobytes().hex() for image in images] for name, images in pixels.items()
    }


def draw_views(data: dict) -> Figure:
    """The pairs of `view_data`, one column a pair, as one image."""
    labels = {"first": "view 1", "kept": "view 2,\ndigit kept", "dropped": "view 2,\nno digit"}
    rows = [[np.frombuffer(bytes.fromhex(image), dtype=np.uint8) for image in data[name]] for name in labels]
    side = round((rows[0][0].size / 3) ** 0.5)
    step = side + 2
    mosaic = np.full((step * len(rows) - 2, step * len(rows[0]) - 2, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            mosaic[step * i :, step * j :][:side, :side] = image.reshape(side, side, 3)
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.9))
        axes = figure.subplots()
        axes.imshow(mosaic)
        photos = [photo.replace("_", "\n", 1).replace("_", " ") for photo in data["photo"]]
        names = [f"{digit} on\n{photo}" for digit, photo in zip(data["digit"], photos, strict=True)]
        axes.set_xticks(step * np.arange(len(names)) + side / 2 - 0.5, names)
        axes.set_yticks(step * np.arange(len(rows)) + side / 2 - 0.5, list(labels.values()))
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)
    return figure


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
    runs: dict[tuple, PretrainConfig] = {}
    for top, config in zip(TOPS, (base, without_last_relu(base)), strict=True):
        runs |= {(top, p): with_data(config, p_drop=p) for p in p_drops}
        runs[top, None] = untrained(config)
    return runs


def summarise_drop(scores: Mapping[tuple, Scores]) -> dict[str, dict]:
    """Means and intervals of every score, of the gaps, and of the contrasts paired by member.

    Parameters
    ----------
    scores : mapping
        Of all members, by the names of `drop_runs`.

    Returns
    -------
    dict
        For each top: `p_drop`; `trained` and `untrained`: name -> `estimate`, names `digit_<probe>_<h|z|gap>` and
        `effective_rank_<h|z|gap>`; `growth`: probe -> estimate of the gap at the last p_drop minus the first;
        `above_untrained`: probe -> estimate of the gap minus the untrained gap, for each p_drop.
    """
    return {top: _summarise_top({p: one for (name, p), one in scores.items() if name == top}) for top in TOPS}


def _summarise_top(scores: Mapping[float | None, Scores]) -> dict:
    p_drops = [p for p in scores if p is not None]
    stems = (*STEMS, "effective_rank")
    trained = layer_scores([scores[p] for p in p_drops], stems)
    start = {name: values[0] for name, values in layer_scores([scores[None]], stems).items()}
    gaps = {probe: (trained[f"{stem}_gap"], start[f"{stem}_gap"]) for stem, probe in STEMS.items()}
    return {
        "p_drop": p_drops,
        "trained": estimates(trained),
        "untrained": estimates(start),
        "growth": {probe: estimate(gap[-1] - gap[0]) for probe, (gap, _) in gaps.items()},
        "above_untrained": {probe: estimate(gap - control) for probe, (gap, control) in gaps.items()},
    }


def format_drop(summary: dict) -> str:
    """Accuracies before and after the head, their gap and its contrasts, for each top and p_drop, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    parts = []
    for top, part in summary.items():
        rows = [
            {_TITLES[top]: f"p = {p:g}", **layer_cells(part["trained"], STEMS, i)}
            for i, p in enumerate(part["p_drop"])
        ]
        lines = [text_table([*rows, {_TITLES[top]: "untrained", **layer_cells(part["untrained"], STEMS)}])]
        for probe, name in NAMES.items():
            growth, above = plus_minus(part["growth"][probe]), plus_minus(part["above_untrained"][probe], -1)
            lines.append(f"{name}: growth of the gap {growth}; last gap minus untrained {above}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def draw_levels(summary: dict) -> Figure:
    """Accuracy of the digit before and after the head against p_drop, with a last ReLU; bands: untrained network.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    part = summary["ReLU"]
    places = np.array(part["p_drop"])
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        for axes, (probe, title) in zip(figure.subplots(1, 2, sharey=True), PROBES.items(), strict=True):
            for shift, (layer, look) in zip((-0.012, 0.012), LAYERS.items(), strict=True):
                name = f"digit_{probe}_{layer}"
                errorbars(axes, places + shift, part["trained"][name], **look)
                band(axes, part["untrained"][name], color=look["color"], label="the same, untrained")
            mark_chance(axes, 0)
            axes.set(title=title, xlabel=_P_DROP, ylim=(0, 1), xticks=places)
        figure.axes[0].set_ylabel("test accuracy of the digit")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_drop(summary: dict) -> Figure:
    """Gap against p_drop by probe, one panel for each last layer; bands: untrained networks.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.6))
        for axes, (top, part) in zip(figure.subplots(1, 2, sharey=True), summary.items(), strict=True):
            for side, (probe, look) in zip((-1, 1), PROBE_LOOKS.items(), strict=True):
                name = f"digit_{probe}_gap"
                errorbars(axes, np.array(part["p_drop"]) + 0.014 * side, part["trained"][name], **look)
                band(axes, part["untrained"][name], color=look["color"], label="the same, untrained")
            mark_zero(axes)
            axes.set(title=_TITLES[top], xlabel=_P_DROP, xticks=part["p_drop"])
        figure.axes[0].set_ylabel(LOSES)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
