"""Which layer to read for some labels: predicted from second moments, and checked by classifiers on held examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from neural.measures.averaging import pair_accuracies
from notebooks.diagnose.moments import Batch, Estimate, Layers, Moments
from theory import moment_accuracy

LABELS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MOST_PAIRS = 100
HEADS_DRAWN = 5
PERMUTATIONS = 20
WORTH = 0.01  # differences of accuracy below one point do not decide


def class_pairs(moments: Moments, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of classes with at least two examples each, at most 100 of them, chosen at random where there are more."""
    usable = np.flatnonzero(moments.class_counts >= 2)
    pairs = list(combinations(usable.tolist(), 2))
    if len(pairs) > MOST_PAIRS:
        chosen = np.random.default_rng(seed).choice(len(pairs), MOST_PAIRS, replace=False)
        pairs = [pairs[index] for index in np.sort(chosen)]
    return pairs


def predict_accuracies(moments: Moments, pairs: list[tuple[int, int]], labels=LABELS) -> np.ndarray:
    r"""Predicted accuracy of the averaging classifier on each pair of classes for each number of labels.

    With half the difference of the class means :math:`\mu`, covariance S within the classes and n labels the
    classifier :math:`w = \mu + \varepsilon`, :math:`\varepsilon \sim N(0, S/n)`, is right with probability about
    :math:`\Phi(|\mu|^2/(\mu^TS\mu(1+1/n) + \mathrm{tr}(S^2)/n)^{1/2})` (`theory.moment_accuracy`).

    Returns
    -------
    (pairs, labels) array
    """
    first, second = (moments.class_means[[pair[side] for pair in pairs]] for side in (0, 1))
    halves = (first - second) / 2
    return moment_accuracy(halves[:, None], moments.within, np.array(labels))


def compare_layers(layers: Layers, pairs: list[tuple[int, int]], labels=LABELS) -> dict[str, np.ndarray]:
    """Predicted accuracies before and after the head, means over the pairs, and the gain of the signal direction.

    Returns
    -------
    dict
        `before`, `after` (labels,): accuracies; `random` (labels,): accuracies after a random projection with as many
        outputs as the head; `share before`, `share after`: of the variance, between the classes; `gains` (pairs,):
        how much the head stretches the direction between two class means relative to the other directions of the
        noise, the factor 1 + kappa of Gui et al. (above 1 it expands, below 1 it shrinks); `gain`: their geometric
        mean.
    """
    found = {
        "before": predict_accuracies(layers.before, pairs, labels).mean(0),
        "share before": class_share(layers.before),
    }
    if layers.after is not None:
        found["after"] = predict_accuracies(layers.after, pairs, labels).mean(0)
        found["share after"] = class_share(layers.after)
        found["random"] = _predict_random(layers.before, layers.after.width, pairs, labels)
        found["gains"] = _stretch(layers.after, pairs) / _stretch(layers.before, pairs)
        found["gain"] = np.exp(np.mean(np.log(np.maximum(found["gains"], np.finfo(float).tiny))))
    return found


def _predict_random(before: Moments, outputs: int, pairs, labels) -> np.ndarray:
    """Predicted accuracies after a head that was drawn at random, mean over some heads, always the same ones."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(HEADS_DRAWN):
        head = rng.normal(size=(outputs, before.width))
        within = head @ before.within @ head.T
        seen = replace(before, class_means=before.class_means @ head.T, within=(within + within.T) / 2)
        found.append(predict_accuracies(seen, pairs, labels).mean(0))
    return np.mean(found, axis=0)


def class_share(moments: Moments) -> float:
    """Share of the variance of the labelled examples that lies between the classes."""
    counts = moments.class_counts
    centre = counts @ moments.class_means / counts.sum()
    between = counts @ np.sum((moments.class_means - centre) ** 2, axis=1)
    within = np.trace(moments.within) * max(counts.sum() - np.count_nonzero(counts), 1)
    return float(between / (between + within)) if between + within > 0 else 0.0


def permuted_share(x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> float:
    """Largest share of the variance between classes in 20 permutations of the labels: what chance makes of none."""
    x, labels = x[labels >= 0], labels[labels >= 0]
    x = x - x.mean(0)
    members = np.eye(labels.max() + 1)[:, labels]
    members = members[members.any(1)]
    counts, total = members.sum(1), np.sum(x**2)
    if total == 0:
        return 0.0
    drawn = [members @ x[rng.permutation(len(x))] for _ in range(PERMUTATIONS)]
    return float(max(np.sum(sums**2 / counts[:, None]) for sums in drawn) / total)


def _stretch(moments: Moments, pairs) -> np.ndarray:
    """Standard deviation within the classes along the difference of two means over that in the other directions."""
    first, second = (moments.class_means[[pair[side] for pair in pairs]] for side in (0, 1))
    direction = first - second
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), np.finfo(float).tiny)
    along = np.sum((direction @ moments.within) * direction, axis=1)
    others = (np.trace(moments.within) - along) / max(moments.width - 1, 1)
    return np.sqrt(along / np.maximum(others, np.finfo(float).tiny))


def measure_accuracies(
    held: Batch, pairs: list[tuple[int, int]], labels=LABELS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Accuracy of the averaging classifier fitted on n held examples of two classes, on the others of these classes.

    Returns
    -------
    dict
        `before` and `after` (labels,): means over the pairs and 20 draws; nan where a class has too few examples.
    """
    layers = {"before": held.before[0]} | ({} if held.after is None else {"after": held.after[0]})
    found = pair_accuracies(layers, held.labels, pairs, labels, seed=seed)
    return {name: np.array([_mean(column) for column in values.T]) for name, values in found.items()}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


@dataclass(frozen=True)
class Verdict:
    """Which layer to read with a number of labels.

    Attributes
    ----------
    labels : int
        Labelled examples of two classes together.
    gap : Estimate
        Predicted accuracy before the head minus after it.
    layer : str
        "before", "after" or "cannot tell": the interval holds 0, or the gap is smaller than one point.
    """

    labels: int
    gap: Estimate
    layer: str


def judge(labels: int, gap: Estimate) -> Verdict:
    """Verdict from a predicted gap with its interval."""
    decided = abs(gap.value) >= WORTH and not gap.low <= 0 <= gap.high
    return Verdict(labels, gap, ("before" if gap.value > 0 else "after") if decided else "cannot tell")


def find_crossing(labels, gaps: np.ndarray) -> float | None:
    """Number of labels at which the better layer changes, between two on a logarithmic scale; None where none does."""
    for left, right, n, more in zip(gaps, gaps[1:], labels, labels[1:], strict=False):
        if left * right < 0:
            return float(np.exp(np.log(n) + np.log(more / n) * left / (left - right)))
    return None
