"""The averaging classifier on pairs of classes, for several layers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def pair_accuracies(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    counts: Sequence[int],
    *,
    seed: int = 0,
    draws: int = 20,
    most: int = 500,
) -> dict[str, np.ndarray]:
    """Accuracy of the nearer of two class means, each of a few labelled examples, on the other examples of the classes.

    All layers see the same draws, so that their difference has little noise.

    Parameters
    ----------
    layers : mapping of a name to an (n, p) array
        Features of the same n examples.
    labels : (n,) integer array
    pairs : sequence of two labels
    counts : sequence of int >= 2
        Labelled examples of both classes together, half of them of each class.
    seed : int >= 0
        Of the draws.
    draws : int >= 1
        Sets of labelled examples, over which accuracies are averaged.
    most : int >= 2
        Examples of a class that are used, the first ones.

    Returns
    -------
    dict of a name to a (pairs, counts) array
        Mean of the accuracies on the two classes, in [0, 1]; nan where a class has fewer than `count` examples, so that
        at least half of them are left to be asked.

    Examples
    --------
    >>> x = np.array([[-1.0], [-1.1], [1.0], [1.2]])
    >>> pair_accuracies({"h": x, "z": x**2}, np.array([0, 0, 1, 1]), [(0, 1)], [2])["h"]
    array([[1.]])
    """
    correct = {name: np.full((len(pairs), len(counts)), np.nan) for name in layers}
    for row, pair in enumerate(pairs):
        rng = np.random.default_rng([seed, row])
        members = [np.flatnonzero(labels == label)[:most] for label in pair]
        sizes = [len(group) for group in members]
        rows = {name: np.asarray(x)[np.concatenate(members)].astype(np.float64) for name, x in layers.items()}
        grams = {name: x @ x.T for name, x in rows.items()}
        for column, count in enumerate(counts):
            if min(sizes) >= count:
                weights = [_draw_weights(size, count // 2, draws, rng) for size in sizes]
                for name, gram in grams.items():
                    correct[name][row, column] = _accuracy(gram, *weights)
    return correct


def _draw_weights(size: int, count: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(size, draws) weights of the mean of `count` examples, each column one draw."""
    chosen = np.argsort(rng.random((size, draws)), axis=0)[:count]
    weights = np.zeros((size, draws))
    np.put_along_axis(weights, chosen, 1 / count, axis=0)
    return weights


def _accuracy(gram: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Accuracy of the nearer class mean on the examples not used for it, mean over draws and classes."""
    means = [np.vstack([first, np.zeros_like(second)]), np.vstack([np.zeros_like(first), second])]
    products = [gram @ mean for mean in means]
    squares = [np.sum(mean * product, axis=0) for mean, product in zip(means, products, strict=True)]
    score = products[0] - products[1] - (squares[0] - squares[1]) / 2
    right = [score[: len(first)] > 0, score[len(first) :] < 0]
    unused = [first == 0, second == 0]
    return float(np.mean([np.sum(hit & free) / free.sum() for hit, free in zip(right, unused, strict=True)]))
