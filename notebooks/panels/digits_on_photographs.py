"""Notebook 05: the runs, the numbers and the figures of digits on photographs."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.training.pretraining import PretrainConfig, example_views
from notebooks.figure import apply_style
from notebooks.panels.shared import estimate
from synthetic.images.scores import ProbeScores

PROBES_OF_BOTH = ProbeScores(labels=("digit", "photo"))
PROBES = {"linear": "linear probe", "knn": "20 nearest neighbours"}
_LAYERS = {"h": ("before the head, $h$", "o"), "z": ("after the head, $z$", "s")}
_PALETTE = sns.color_palette("colorblind")


def sweep_points(
    seed: int, device: str, *, p_drops: Sequence[float], members: int, epochs: int, width: int
) -> list[PretrainConfig]:
    """Configurations in the order that `summarise` expects: for each p_drop all members, then the untrained.

    Parameters
    ----------
    seed : int
        Root seed; member m of every p_drop shares data, initial weights, batch order and augmentation.
    device : str
        Where to train.
    p_drops : sequence of float
        Rising probabilities that the second view lacks the digit.
    members : int >= 2
        Repetitions per value.
    epochs, width : int
        Passes over the data, and channels of the first convolution.

    Returns
    -------
    list of PretrainConfig
        (len(p_drops) + 1) * members runs; the last `members` are untrained networks at the first p_drop.
    """
    settings = [(p, epochs) for p in p_drops] + [(p_drops[0], 0)]
    return [
        PretrainConfig(
            data=DigitsOnPhotographs(p_drop=p),
            seed=seed,
            member=m,
            epochs=n,
            encoder=SmallConvConfig(width),
            device=device,
        )
        for p, n in settings
        for m in range(members)
    ]


def summarise(results: list[dict], *, p_drops: Sequence[float], members: int) -> dict:
    """Mean and interval of every measurement, of the gaps, and of the contrasts paired by member.

    Parameters
    ----------
    results : list of dict
        Results of `PROBES_OF_BOTH` in the order of `sweep_points`.
    p_drops, members
        As for `sweep_points`.

    Returns
    -------
    dict
        `p_drop`; `trained` and `untrained`: name -> `estimate`, names `<label>_<probe>_<h|z|gap>` and
        `effective_rank_<h|z>`; `growth`: probe -> estimate of the digit gap at the last p_drop minus the
        first; `above_untrained`: probe -> estimate of the digit gap minus the untrained gap, for each p_drop.
    """
    measured = {}
    for name in (name for name in results[0] if name.endswith("_h")):
        stem = name.removesuffix("_h")
        before, after = (
            np.reshape([r[f"{stem}_{layer}"] for r in results], (len(p_drops) + 1, members))
            for layer in ("h", "z")
        )
        measured |= {f"{stem}_h": before, f"{stem}_z": after, f"{stem}_gap": before - after}
    gaps = {probe: measured[f"digit_{probe}_gap"] for probe in PROBES}
    return {
        "p_drop": list(p_drops),
        "trained": {name: estimate(values[:-1]) for name, values in measured.items()},
        "untrained": {name: estimate(values[-1]) for name, values in measured.items()},
        "growth": {probe: estimate(gap[-2] - gap[0]) for probe, gap in gaps.items()},
        "above_untrained": {probe: estimate(gap[:-1] - gap[-1]) for probe, gap in gaps.items()},
    }


def format_table(summary: dict) -> str:
    """Digit accuracy and gap per p_drop, and the paired contrasts, as text; +- is the Student 95% half width.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    lines = [f"{'':>10}" + "".join(f"{name:>38}" for name in PROBES.values())]
    lines.append(f"{'':>10}" + f"{'before':>14}{'after':>8}{'gap':>16}" * len(PROBES))
    rows = [(f"p = {p:g}", _row(summary["trained"], i)) for i, p in enumerate(summary["p_drop"])]
    lines += [f"{label:>10}{row}" for label, row in [*rows, ("untrained", _row(summary["untrained"], ()))]]
    first, last = summary["p_drop"][0], summary["p_drop"][-1]
    for probe, name in PROBES.items():
        growth = _plus_minus(summary["growth"][probe], ())
        above = _plus_minus(summary["above_untrained"][probe], -1)
        lines.append(
            f"{name}: gap at p = {last:g} minus gap at p = {first:g}: {growth}; minus untrained: {above}"
        )
    return "\n".join(lines)


def draw_gap(summary: dict) -> Figure:
    """Digit accuracy before and after the head, and their gap, against p_drop, untrained network as band.

    Parameters
    ----------
    summary : dict
        Of `summarise`.

    Returns
    -------
    matplotlib.figure.Figure
        Markers: mean and Student 95% interval over members. Bands: the same of the untrained network.
    """
    with apply_style():
        figure = Figure(figsize=(10.4, 4.0))
        accuracy_axes = dict(zip(PROBES, figure.subplots(1, 3)[:2], strict=True))
        for probe, axes in accuracy_axes.items():
            for i, (layer, (label, marker)) in enumerate(_LAYERS.items()):
                _draw_series(axes, summary, f"digit_{probe}_{layer}", i, marker, label)
            axes.set(title=PROBES[probe], ylabel="test accuracy of the digit", ylim=(0, 1))
            axes.axhline(0.1, color="0.6", linewidth=0.8)
            axes.text(0, 0.11, "chance", color="0.4", va="bottom", fontsize=8)
        gap_axes = figure.axes[2]
        for i, (probe, label) in enumerate(PROBES.items()):
            _draw_series(gap_axes, summary, f"digit_{probe}_gap", i + 2, "D^"[i], label)
        gap_axes.axhline(0, color="0.6", linewidth=0.8)
        gap_axes.set(title="what the head loses", ylabel="gap, before minus after")
        for axes in figure.axes:
            axes.set(xlabel="probability of dropping the digit, $p_{drop}$", xticks=summary["p_drop"])
            _draw_legend(axes)
    return figure


def draw_views(seed: int) -> tuple[Figure, dict]:
    """Positive pairs as the network sees them: first view, second view with and without the digit.

    Parameters
    ----------
    seed : int
        Root seed of the runs; the pairs are those of member 0, one for each digit 0..7.

    Returns
    -------
    figure : matplotlib.figure.Figure
    data : dict
        `digit`, `photo` (names) and the views `first`, `kept`, `dropped`: for each image its RGB bytes, pixel
        by pixel and row by row, in hexadecimal.
    """
    kept, dropped = (PretrainConfig(data=DigitsOnPhotographs(p_drop=p), seed=seed) for p in (0.0, 1.0))
    train = kept.build_data()[0]
    index = torch.stack([(train.digit == digit).nonzero()[0, 0] for digit in range(8)])
    photos = [kept.data.photos[i] for i in train.photo[index].tolist()]
    first, second = example_views(kept, index)
    views = {"first": first, "kept": second, "dropped": example_views(dropped, index)[1]}
    pixels = {name: _bytes(images) for name, images in views.items()}
    hexadecimal = {name: [image.tobytes().hex() for image in images] for name, images in pixels.items()}
    titles = [f"{digit} on\n{photo.replace('_', ' ')}" for digit, photo in enumerate(photos)]
    return _draw_strips(pixels, titles), {"digit": list(range(8)), "photo": photos, **hexadecimal}


def _bytes(images: torch.Tensor) -> np.ndarray:
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()


def _draw_strips(pixels: dict[str, np.ndarray], titles: list[str]) -> Figure:
    labels = ("view 1", "view 2,\ndigit kept", "view 2,\ndigit dropped")
    with apply_style():
        figure = Figure(figsize=(1.2 * len(titles) + 0.4, 4.1))
        grid = figure.subplots(len(pixels), len(titles))
        for row, images, label in zip(grid, pixels.values(), labels, strict=True):
            row[0].set_ylabel(label)
            for axes, image in zip(row, images, strict=True):
                axes.imshow(image)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=7)
    return figure


def _draw_series(axes: Axes, summary: dict, name: str, colour: int, marker: str, label: str) -> None:
    shift = 0.012 if colour % 2 else -0.012
    trained, untrained = summary["trained"][name], summary["untrained"][name]
    axes.errorbar(
        np.asarray(summary["p_drop"]) + shift,
        trained["mean"],
        yerr=trained["half_width"],
        fmt=marker,
        color=_PALETTE[colour],
        label=label,
    )
    low, high = untrained["mean"] - untrained["half_width"], untrained["mean"] + untrained["half_width"]
    axes.axhspan(low, high, color=_PALETTE[colour], alpha=0.25, linewidth=0, label="same, untrained")


def _draw_legend(axes: Axes) -> None:
    """Legend below the axes: one column for markers, one for bands."""
    bands, markers = axes.patches, axes.containers
    entries = [*markers, *bands]
    axes.legend(
        entries, [e.get_label() for e in entries], ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2)
    )


def _row(estimates: dict, index: int | tuple) -> str:
    cells = ""
    for probe in PROBES:
        before, after = (estimates[f"digit_{probe}_{layer}"]["mean"][index] for layer in ("h", "z"))
        cells += f"{before:>14.3f}{after:>8.3f}{_plus_minus(estimates[f'digit_{probe}_gap'], index):>16}"
    return cells


def _plus_minus(value: dict, index: int | tuple) -> str:
    return f"{value['mean'][index]:.3f} +- {value['half_width'][index]:.3f}"
