"""Notebook 05: a digit that one view of a pair lacks, before and after the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure

from neural.training.pretraining import PretrainConfig, example_views
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
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
    mark_chance,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.runs import BASE, untrained, with_data
from synthetic.images.scores import ProbeScores

PROFILES = {
    "smoke": {"base": IMAGE_BASE["smoke"], "members": 2, "p_drops": (0.0, 1.0)},
    "quick": {"base": IMAGE_BASE["quick"], "members": 4, "p_drops": (0.0, 0.25, 0.5, 0.75, 1.0)},
    "full": {
        "base": {**IMAGE_BASE["quick"], "epochs": 40, "width": 32},
        "members": 32,
        "p_drops": (0.0, 0.25, 0.5, 0.75, 1.0),
    },
}
MEASUREMENT = ProbeScores(labels=("digit", "photo"))


def drop_runs(base: PretrainConfig, p_drops: Sequence[float]) -> dict[float | None, PretrainConfig]:
    """Runs by the probability that the second view lacks the digit; None is the untrained network.

    Parameters
    ----------
    base : PretrainConfig
    p_drops : sequence of float
        Rising.
    """
    return {p: with_data(base, p_drop=p) for p in p_drops} | {None: untrained(base)}


def summarise_drop(scores: Mapping[float | None, Scores]) -> dict:
    """Means and intervals of every score, of the gaps, and of the contrasts paired by member.

    Parameters
    ----------
    scores : mapping
        Of all members, by the names of `drop_runs`.

    Returns
    -------
    dict
        `p_drop`; `trained` and `untrained`: name -> `estimate`, names `<label>_<probe>_<h|z|gap>` and
        `effective_rank_<h|z|gap>`; `growth`: probe -> estimate of the digit's gap at the last p_drop minus the
        first; `above_untrained`: probe -> estimate of the digit's gap minus the untrained gap, for each p_drop.
    """
    p_drops = [p for p in scores if p is not None]
    stems = [name.removesuffix("_h") for name in scores[None] if name.endswith("_h")]
    trained = layer_scores([scores[p] for p in p_drops], stems)
    start = {name: values[0] for name, values in layer_scores([scores[None]], stems).items()}
    gaps = {
        stem.removeprefix("digit_"): (trained[f"{stem}_gap"], start[f"{stem}_gap"])
        for stem in stems
        if stem.startswith("digit_")
    }
    return {
        "p_drop": p_drops,
        "trained": estimates(trained),
        "untrained": estimates(start),
        "growth": {probe: estimate(gap[-1] - gap[0]) for probe, (gap, _) in gaps.items()},
        "above_untrained": {probe: estimate(gap - control) for probe, (gap, control) in gaps.items()},
    }


def format_drop(summary: dict, probes: Mapping[str, str] = PROBES) -> str:
    """Accuracy of the digit and its gap for each p_drop, and the paired contrasts, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    probes : mapping of a probe to its name
    """
    stems = {f"digit_{probe}": probe for probe in probes}
    rows = [
        {"": f"p = {p:g}", **layer_cells(summary["trained"], stems, i)}
        for i, p in enumerate(summary["p_drop"])
    ]
    lines = [text_table([*rows, {"": "untrained", **layer_cells(summary["untrained"], stems)}])]
    for probe, name in probes.items():
        growth, above = (
            plus_minus(summary["growth"][probe]),
            plus_minus(summary["above_untrained"][probe], -1),
        )
        lines.append(f"{name}: growth of the gap {growth}; last gap minus untrained {above}")
    return "\n".join(lines)


def draw_gap(summary: dict) -> Figure:
    """Accuracy of the digit before and after the head, and their gap, against p_drop; bands: untrained network.

    Parameters
    ----------
    summary : dict
        Of `summarise_drop`.
    """
    places = np.array(summary["p_drop"])
    with apply_style():
        figure = Figure(figsize=(10.4, 4.0))
        *accuracies, gap = figure.subplots(1, 3)
        for axes, (probe, title) in zip(accuracies, PROBES.items(), strict=True):
            for shift, (layer, look) in zip((-0.012, 0.012), LAYERS.items(), strict=True):
                name = f"digit_{probe}_{layer}"
                errorbars(axes, places + shift, summary["trained"][name], **look)
                band(axes, summary["untrained"][name], color=look["color"], label="same, untrained")
            mark_chance(axes, 0)
            axes.set(title=title, ylabel="test accuracy of the digit", ylim=(0, 1))
        for i, (probe, label) in enumerate(PROBES.items()):
            name, look = f"digit_{probe}_gap", {"color": PALETTE[i + 2], "label": label}
            errorbars(gap, places + 0.012 * (2 * i - 1), summary["trained"][name], marker="D^"[i], **look)
            band(gap, summary["untrained"][name], **look | {"label": "same, untrained"})
        mark_zero(gap)
        gap.set(title="what the head loses", ylabel="gap, before minus after")
        for axes in figure.axes:
            axes.set(xlabel="probability of dropping the digit, $p_{drop}$", xticks=places)
            legend_below(axes)
    return figure


def view_data(seed: int) -> dict:
    """Positive pairs as the network sees them, of member 0 and one for each digit 0..7.

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
    index = torch.stack([(train.digit == digit).nonzero()[0, 0] for digit in range(8)])
    first, second = example_views(kept, index)
    views = {"first": first, "kept": second, "dropped": example_views(dropped, index)[1]}
    pixels = {name: (255 * images).round().byte().permute(0, 2, 3, 1) for name, images in views.items()}
    photos = [kept.data.photos[i] for i in train.photo[index].tolist()]
    return {"digit": list(range(8)), "photo": photos} | {
        name: [image.numpy().tobytes().hex() for image in images] for name, images in pixels.items()
    }


def draw_views(data: dict) -> Figure:
    """The pairs of `view_data`, one column a pair."""
    labels = {"first": "view 1", "kept": "view 2,\ndigit kept", "dropped": "view 2,\ndigit dropped"}
    with apply_style():
        figure = Figure(figsize=(1.2 * len(data["digit"]) + 0.4, 4.1))
        grid = figure.subplots(len(labels), len(data["digit"]))
        for row, (name, label) in zip(grid, labels.items(), strict=True):
            row[0].set_ylabel(label)
            for axes, image in zip(row, data[name], strict=True):
                pixels = np.frombuffer(bytes.fromhex(image), dtype=np.uint8)
                side = round((len(pixels) / 3) ** 0.5)
                axes.imshow(pixels.reshape(side, side, 3))
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
        for axes, digit, photo in zip(grid[0], data["digit"], data["photo"], strict=True):
            axes.set_title(f"{digit} on\n{photo.replace('_', ' ')}", fontsize=7)
    return figure
