"""A diagnosis as one HTML file that needs nothing else, and as a table for the terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from jinja2 import Environment
from matplotlib.figure import Figure

from notebooks.diagnose.diagnosis import Diagnosis
from notebooks.diagnose.moments import Estimate
from notebooks.figure import apply_style

BEFORE, AFTER, NEUTRAL = "C0", "C1", "0.45"

_SERIES = re.compile(r"(before|after|gap|random) (\d+)")
_ACCURACIES = {"gap": "before minus after", "random": "after a random projection of equal width"}
NAMES = {
    "class share before": ("class share before the head", "of the variance, between the classes"),
    "class share after": ("class share after the head", "of the variance, between the classes"),
    "class share before, labels permuted": (
        "class share before, labels permuted",
        "largest of 20 permutations",
    ),
    "class share after, labels permuted": (
        "class share after, labels permuted",
        "largest of 20 permutations",
    ),
    "all classes at once before": (
        "all classes at once before the head",
        "nearest of all class means of 32 labels each; the predictions are for two classes",
    ),
    "all classes at once after": (
        "all classes at once after the head",
        "nearest of all class means of 32 labels each; the predictions are for two classes",
    ),
    "effective_rank": (
        "effective rank",
        "directions in use, from the entropy of the singular values (RankMe)",
    ),
    "effective_rank_uncentred": (
        "effective rank with the mean",
        "a common mean lowers it and is no collapse",
    ),
    "effective_rank_share": (
        "share of the largest possible rank",
        "over the smaller of examples and features",
    ),
    "participation_ratio": ("participation ratio", "directions in use, from the variances"),
    "stable_rank": ("stable rank", "total variance over the largest variance"),
    "numerical_rank": ("numerical rank", "directions with any variance that float32 can hold"),
    "decay": ("decay of the spectrum", "exponent of a power law (alpha-ReQ)"),
    "mean_share": ("share of the common mean", "of the mean square of the features"),
    "lidar": ("LiDAR", "effective rank of what tells examples apart, in units of what views change"),
    "collapse": ("collapse", "complete: no variance; partial: a tenth of the directions nearly without"),
    "uniformity": ("uniformity", "lower is more evenly spread on the sphere"),
    "alignment": ("alignment", "mean squared distance of two views at unit length; 0 is perfect"),
    "within-pair share": (
        "augmentation-sensitive share",
        "variance that differs between the views of one example",
    ),
    "noise floor": ("noise floor", "largest correlation of views that do not belong together"),
    "directions above noise": ("shared directions", "directions on which the views agree beyond chance"),
    "theory": ("cosine with theory", "minimiser of the spectral loss; InfoNCE up to scale"),
    "identity": ("cosine with no head", "control"),
    "whitening": ("cosine with whitening", "control"),
    "PCA": ("cosine with PCA", "control"),
    "shared_energy": ("energy in the most shared directions", "of the head, in an eighth of its outputs"),
    "kept_angle": (
        "angle to the most shared directions",
        "of the directions that the head weighs most, in degrees",
    ),
    "linear fit of the head": (
        "linear part of the head",
        "share of the variance after it that a linear map explains",
    ),
    "applies": ("theory applies", "no where a control describes the head better"),
    "energy": ("energy in the null space", "share of the variance before the head that it does not see"),
    "signal": ("signal in the null space", "share of the differences between classes that it does not see"),
    "within_h": ("views differ: before", "share of the variance"),
    "within_h_r": ("views differ: row space", "the part of the features that the head sees"),
    "within_h_n": ("views differ: null space", "the part that it does not see"),
    "within_z": ("views differ: after", "share of the variance"),
    "gain of the signal direction": ("gain of the signal", "above 1 the head expands, below 1 it shrinks it"),
    "imbalance": (
        "imbalance of the last two layers",
        "0 is balanced, as gradient flow from a small start makes it",
    ),
}


def explain(name: str) -> tuple[str, str]:
    """Title of a number and what it means."""
    if match := _SERIES.fullmatch(name):
        layer, n = match.groups()
        what = _ACCURACIES.get(layer, f"{layer} the head")
        return f"predicted accuracy {what}, {n} labels", "averaging classifier, mean over pairs of classes"
    if match := re.fullmatch(r"(ridge|logistic) (before|after) (\d+)( measured)?", name):
        classifier, layer, n, measured = match.groups()
        source = "on held examples" if measured else "from class means and the spectrum within the classes"
        kind = "measured" if measured else "predicted"
        return f"{classifier} {layer} the head, {n} labels, {kind}", source
    if match := re.fullmatch(r"(ridge|logistic) (before|after): prediction", name):
        return (
            f"{match[1]} {match[2]} the head: does the prediction hold?",
            "which assumption fails, where it does not",
        )
    return NAMES.get(name, (name, ""))


def format_number(value) -> str:
    """Value with its interval."""
    if isinstance(value, Estimate):
        return f"{_round(value.value)} [{_round(value.low)}, {_round(value.high)}]"
    return _round(value) if isinstance(value, float) else str(value)


def _round(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def format_table(found: Diagnosis) -> str:
    """All numbers, section by section, then the advice."""
    lines = [f"{found.examples} examples, {found.views} view(s), " + _widths(found)]
    for section, numbers in found.numbers.items():
        lines += ["", section, *_format_series(numbers)]
        lines += [
            f"  {explain(name)[0]:56} {format_number(value)}"
            for name, value in numbers.items()
            if not _SERIES.fullmatch(name)
        ]
    for section, why in found.missing.items():
        lines += ["", f"{section}: not available, {why}"]
    return "\n".join([*lines, "", *(f"* {sentence}" for sentence in found.advice)])


def _format_series(numbers: dict) -> Iterator[str]:
    """Predicted accuracies in percent, a row for each layer and a column for each number of labels."""
    series: dict[str, dict[str, float]] = {}
    for name, value in numbers.items():
        if match := _SERIES.fullmatch(name):
            series.setdefault(match[1], {})[match[2]] = value.value
    if series:
        yield f"  {'predicted accuracy (%), labels of two classes':48}" + _columns(
            next(iter(series.values()))
        )
    for layer, values in series.items():
        shown = (f"{100 * value:.1f}" for value in values.values())
        yield f"  {_ACCURACIES.get(layer, layer + ' the head'):48}" + _columns(shown)


def _columns(cells) -> str:
    return "".join(f"{cell:>7}" for cell in cells)


def _widths(found: Diagnosis) -> str:
    return ", ".join(f"{width} features {layer} the head" for layer, width in found.widths.items())


def draw(found: Diagnosis) -> Iterator[tuple[str, str, Figure]]:
    """Pictures with a title and one sentence each."""
    curves = found.curves
    if "predicted before" in curves:
        yield (
            "Which layer for how many labels",
            "Lines are predicted from second moments (with 95% intervals), circles are measured by classifiers on held "
            "examples. Where circles leave the line, the features within a class are far from normal.",
            _draw_accuracy(curves),
        )
    if curves.get("gain"):
        yield (
            "What the head does to each pair of classes",
            "How much the head stretches the difference of two class means relative to the noise, with 95% intervals: "
            "above 1 it expands the difference, below 1 it shrinks it.",
            _draw_gain(curves["gain"]),
        )
    if curves.get("classifiers"):
        yield (
            "Ridge and logistic regression",
            "Lines are predicted from class means and the spectrum within the classes, circles are measured on held "
            "examples, mean over pairs of classes. The table says which assumption fails where they differ.",
            _draw_classifiers(curves["classifiers"]),
        )
    if "head measured" in curves:
        yield (
            "What the head keeps",
            "Weight of the head on the directions that the views share, the most shared first: measured (circles) and "
            "as the contrastive loss would have it (line).",
            _draw_head(curves),
        )
    if "correlation" in curves:
        yield (
            "What the views agree on",
            "Correlation of the two views along their shared directions: of the sample, and corrected for sampling "
            "noise. Below the dashed line it cannot be told from chance.",
            _draw_agreement(curves, found.numbers["agreement"]["noise floor"]),
        )
    yield (
        "Spectra",
        "Variance along the principal directions. How many are in use does not decide which layer to read.",
        _draw_spectra(curves),
    )


def _axes(xlabel: str, ylabel: str):
    figure = Figure(figsize=(5.0, 3.2))
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def _draw_accuracy(curves) -> Figure:
    figure, axes = _axes("labelled examples of two classes", "accuracy")
    for layer, colour in (("before", BEFORE), ("after", AFTER)):
        if f"predicted {layer}" in curves:
            middle, low, high = zip(*curves[f"predicted {layer}"], strict=True)
            axes.fill_between(curves["labels"], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(curves["labels"], middle, color=colour, label=f"{layer}, predicted")
        if f"measured {layer}" in curves:
            axes.plot(
                curves["labels"], curves[f"measured {layer}"], "o", color=colour, label=f"{layer}, measured"
            )
    _label_counts(axes)
    return figure


def _draw_gain(gains: list) -> Figure:
    figure, axes = _axes("pair of classes", "gain of their difference")
    ordered = sorted(gains, key=lambda gain: gain[2])
    values, low, high = (np.array([gain[column] for gain in ordered]) for column in (2, 3, 4))
    places = np.arange(len(ordered))
    axes.errorbar(places, values, [values - low, high - values], fmt="o", markersize=4, color=AFTER)
    axes.axhline(1, color="black", linestyle="--", linewidth=1)
    few = len(ordered) <= 12
    axes.set_xticks(places if few else [], [f"{one}, {other}" for one, other, *_ in ordered] if few else [])
    if few:
        axes.tick_params(axis="x", rotation=60)
    else:
        axes.set_xlabel("pairs of classes, in rising order")
    return figure


def _draw_classifiers(curves: dict) -> Figure:
    figure, axes = _axes("labelled examples of two classes", "accuracy")
    for name, rows in curves.items():
        classifier, layer = name.split()
        colour = BEFORE if layer == "before" else AFTER
        style, marker = ("-", "o") if classifier == "ridge" else ("--", "s")
        counts, predicted, measured = zip(*rows, strict=True)
        axes.plot(counts, predicted, style, color=colour, label=f"{classifier}, {layer}")
        known = [(n, value) for n, value in zip(counts, measured, strict=True) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), marker, color=colour, fillstyle="none")
    _label_counts(axes)
    return figure


def _label_counts(axes) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
    axes.legend()


def _draw_head(curves) -> Figure:
    figure, axes = _axes("shared direction", "weight (one total)")
    ranks = range(1, 1 + len(curves["head measured"]))
    axes.plot(ranks, curves["head predicted"], color=NEUTRAL, label="theory")
    axes.plot(ranks, curves["head measured"], "o", color=AFTER, label="head")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def _draw_agreement(curves, floor: float) -> Figure:
    figure, axes = _axes("direction", "correlation of the views")
    ranks = range(1, 1 + len(curves["correlation"]))
    axes.plot(ranks, curves["sample correlation"], color=NEUTRAL, label="sample")
    axes.plot(ranks, curves["correlation"], ".", color=BEFORE, label="corrected")
    axes.axhline(floor, color="black", linestyle="--", linewidth=1, label="chance")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def _draw_spectra(curves) -> Figure:
    figure, axes = _axes("direction", "variance")
    for layer, colour in (("before", BEFORE), ("after", AFTER)):
        if f"spectrum {layer}" in curves:
            values = [value for value in curves[f"spectrum {layer}"] if value > 0]
            axes.plot(range(1, 1 + len(values)), values, color=colour, label=layer)
    axes.set_yscale("log")
    axes.legend()
    return figure


def _svg(figure: Figure, number: int) -> str:
    """Inline SVG whose identifiers do not clash with those of other pictures."""
    buffer = io.StringIO()
    with apply_style(), mpl.rc_context({"svg.hashsalt": f"projhead-{number}", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Diagnosis of a projection head</title>
<style>
body { font-family: sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; line-height: 1.45; color: #222; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; } figcaption { font-size: 0.9rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; } .wide { overflow-x: auto; }
td, th { border-bottom: 1px solid #ddd; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
td.number { white-space: nowrap; } .meaning { color: #666; }
</style>
</head>
<body>
<h1>What theory says about this projection head</h1>
<p>{{ summary }}.</p>
<ul>{% for sentence in found.advice %}<li>{{ sentence }}</li>{% endfor %}</ul>
<div class="pictures">
{% for title, sentence, picture in pictures %}<figure role="group" aria-label="{{ title }}">
<h2>{{ title }}</h2>{{ picture | safe }}<figcaption>{{ sentence }}</figcaption></figure>
{% endfor %}</div>
{% for section, numbers in tables %}<h2>{{ section | capitalize }}</h2>
<div class="wide"><table><tr><th>quantity</th><th>value and 95% interval</th><th>meaning</th></tr>
{% for title, value, meaning in numbers %}<tr><td>{{ title }}</td><td class="number">{{ value }}</td>
<td class="meaning">{{ meaning }}</td></tr>
{% endfor %}</table></div>
{% endfor %}
{% for section, why in found.missing.items() %}<p>{{ section | capitalize }}: not available, {{ why }}.</p>
{% endfor %}<p class="meaning">Intervals are Student's, from the jackknife over groups of examples. The notebooks of
projhead explain the quantities: layer weights in 01, which layer to read in 03 and 04, expansion and shrinkage in 06,
the null space in 13.</p>
</body>
</html>
"""


def render_html(found: Diagnosis) -> str:
    """The report: advice and pictures first, then every number with its meaning."""
    with apply_style():
        pictures = [
            (title, sentence, _svg(figure, number))
            for number, (title, sentence, figure) in enumerate(draw(found))
        ]
    tables = [
        (
            section,
            [(explain(name)[0], format_number(value), explain(name)[1]) for name, value in numbers.items()],
        )
        for section, numbers in found.numbers.items()
    ]
    summary = f"{found.examples} examples, {found.views} view(s) of each, {_widths(found)}"
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(found=found, summary=summary, pictures=pictures, tables=tables)
