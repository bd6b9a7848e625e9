"""Ridge and logistic regression on some labels: predicted from the spectrum, measured on held examples.

The prediction (`theory.spectrum_accuracy`) makes four assumptions. Each can be tried alone, because each has a
measurement that does without it: features drawn as Gaussians with the measured moments leave out the shape of the
real classes; noise taken as isotropic leaves out the spectrum; all classes at once leave out the choice of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit
from sklearn.linear_model import LogisticRegression

import theory
from notebooks.diagnose.moments import LEVEL, Batch, Estimate, Layers, Moments

CLASSIFIERS = ("ridge", "logistic")
COUNTS = (16, 64, 256)
PENALTY = 0.1  # in units of the mean variance within the classes
MOST_PAIRS = 10
DRAWS = 5
OFF = 0.03  # difference of accuracies above which a prediction is said to fail
_GROUPS = 48  # of directions; neighbours in the spectrum share one


@dataclass(frozen=True)
class _Spectrum:
    """Noise and signal of some pairs of classes along the principal directions of the noise.

    Attributes
    ----------
    scale : (k,) array
        Variances within the classes, falling.
    halves : (pairs, k) array
        Half the difference of the class means, shortened by what the noise of sampling adds to it.
    """

    scale: np.ndarray
    halves: np.ndarray


def _spectrum(moments: Moments, pairs) -> _Spectrum:
    scale, vectors = np.linalg.eigh(moments.within)
    kept = scale > 1e-9 * scale[-1]
    scale, vectors = scale[kept][::-1], vectors[:, kept][:, ::-1]
    first, second = (moments.class_means[[pair[side] for pair in pairs]] for side in (0, 1))
    halves = (first - second) / 2 @ vectors
    counts = moments.class_counts
    added = np.array([(1 / counts[a] + 1 / counts[b]) / 4 for a, b in pairs])
    for group in _groups(len(scale)):
        found = np.sum(halves[:, group] ** 2 / scale[group], axis=1)
        true = np.maximum(found - added * len(group), 0)
        halves[:, group] *= np.sqrt(true / np.maximum(found, np.finfo(float).tiny))[:, None]
    return _Spectrum(scale, halves)


def _groups(width: int) -> list[np.ndarray]:
    """Directions: the strongest ones alone, the others in groups of neighbours."""
    alone = min(width, _GROUPS // 2)
    rest = np.array_split(np.arange(alone, width), min(_GROUPS // 2, width - alone) or 1)
    return [np.array([one]) for one in range(alone)] + [group for group in rest if len(group)]


def predict_classifiers(moments: Moments, pairs, counts=COUNTS, isotropic: bool = False) -> dict:
    """Predicted accuracy of each classifier on two classes for each number of labels, mean over the pairs.

    Parameters
    ----------
    moments : Moments
        With classes.
    pairs : list of two classes
    counts : sequence of int
        Labelled examples of the two classes together.
    isotropic : bool
        Whether to take the noise as equal in all directions.

    Returns
    -------
    dict of classifier -> (counts,) array
    """
    found = _spectrum(moments, pairs)
    width = len(found.scale)
    ratios = np.array(counts) / width
    mean = found.scale.mean()
    if isotropic:
        norms = np.linalg.norm(found.halves, axis=1)[:, None] / np.sqrt(mean)
        return {
            name: theory.downstream_accuracy(name, norms, ratios, 0.0, PENALTY).mean(0)
            for name in CLASSIFIERS
        }
    groups = _groups(width)
    strengths = np.stack(
        [np.sqrt(np.sum(found.halves[:, g] ** 2 / found.scale[g], axis=1)) for g in groups], 1
    )
    gains = np.sqrt([found.scale[g].mean() for g in groups])
    shares = np.array([len(g) for g in groups]) / width
    return {
        name: theory.spectrum_accuracy(
            strengths[:, None], gains, shares, ratios, PENALTY * mean, classifier=name
        ).mean(0)
        for name in CLASSIFIERS
    }


def predict_layers(layers: Layers, pairs) -> dict[str, float]:
    """Predicted accuracies by the names under which they are reported; nan where the equations are not solved."""
    found = {}
    for layer, moments in _moments(layers).items():
        try:
            predicted = predict_classifiers(moments, pairs)
        except theory.ConvergenceError:
            predicted = {name: np.full(len(COUNTS), np.nan) for name in CLASSIFIERS}
        for name, values in predicted.items():
            found |= {f"{name} {layer} {n}": value for n, value in zip(COUNTS, values, strict=True)}
    return found


def _moments(layers: Layers) -> dict[str, Moments]:
    return {"before": layers.before} | ({} if layers.after is None else {"after": layers.after})


def compare(numbers: dict, layers: Layers, held: Batch, pairs, seed: int) -> dict[str, list]:
    """Put what was measured beside the predictions in `numbers`, and which assumption fails; return the curves.

    Returns
    -------
    dict of "classifier layer" -> list of [count, predicted, measured or None]
    """
    curves, moments = {}, _moments(layers)
    unsolved = [name for name, value in numbers.items() if np.isnan(value.value)]
    for name in unsolved:
        numbers[name] = "cannot tell: the equations were not solved"
    if unsolved:
        return {}
    measured = measure_classifiers(held, moments, pairs, seed=seed)
    for layer, one in moments.items():
        gaussian = draw_gaussian(one, pairs, seed=seed)
        isotropic = predict_classifiers(one, pairs, isotropic=True)
        for name in CLASSIFIERS:
            key, curve, known = f"{name} {layer}", [], []
            for column, count in enumerate(COUNTS):
                predicted = numbers.pop(f"{key} {count}").clipped(0, 1)  # put behind the others, in order
                numbers[f"{key} {count}"] = predicted
                found = measured[name, layer][column]
                curve.append([count, predicted.value, None if found is None else found.value])
                if found is not None:
                    numbers[f"{key} {count} measured"] = found
                    known.append((found, predicted.value, gaussian[name][column], isotropic[name][column]))
            curves[key] = curve
            if known:
                numbers[f"{key}: prediction"] = name_failure(*map(list, zip(*known, strict=True)))
    for layer, accuracy in classify_all(held).items():
        numbers[f"all classes at once {layer}"] = accuracy
    return curves


def fit(name: str, signed: np.ndarray, penalty: float) -> np.ndarray:
    """Vector w (p,) that minimises the mean loss of w.x over `signed` inputs y x, (n, p), plus penalty |w|^2 / 2."""
    count, width = signed.shape
    basis = np.linalg.qr(signed.T)[0] if width > count else np.eye(width)  # w lies in the span of the inputs
    inputs = signed @ basis
    if name == "ridge":
        gram = inputs.T @ inputs / count + penalty * np.eye(inputs.shape[1])
        return basis @ np.linalg.solve(gram, inputs.mean(0))
    labels = np.where(np.arange(count) % 2, 1, -1)
    model = LogisticRegression(C=1 / (count * penalty), fit_intercept=False, max_iter=1000)
    return basis @ model.fit(inputs * labels[:, None], labels).coef_[0]


def draw_gaussian(moments: Moments, pairs, counts=COUNTS, seed: int = 0) -> dict[str, np.ndarray]:
    """Accuracy of classifiers fitted on Gaussian features that have the measured moments; see `predict_classifiers`."""
    found, rng = _spectrum(moments, pairs), np.random.default_rng(seed)
    penalty = PENALTY * found.scale.mean()
    values = {name: np.zeros((len(pairs), len(counts), DRAWS)) for name in CLASSIFIERS}
    for row, half in enumerate(found.halves):
        for column, count in enumerate(counts):
            for draw in range(DRAWS):
                signed = half + np.sqrt(found.scale) * rng.normal(size=(count, len(half)))
                for name in CLASSIFIERS:
                    w = fit(name, signed, penalty)
                    noise = np.sqrt(w**2 @ found.scale)
                    values[name][row, column, draw] = ndtr(w @ half / noise) if noise > 0 else 0.5
    return {name: one.mean((0, 2)) for name, one in values.items()}


def measure_classifiers(
    held: Batch, moments: dict[str, Moments], pairs, counts=COUNTS, seed: int = 0
) -> dict:
    """Accuracy of classifiers fitted on some held examples of two classes, on the other ones.

    The midpoint of the classes is taken as known, as in the prediction.

    Returns
    -------
    dict of (classifier, layer) -> list of Estimate, or None where a class has fewer than `count` examples
        Means over the pairs; intervals are Student's over the draws.
    """
    layers = {"before": held.before[0]} | ({} if held.after is None else {"after": held.after[0]})
    found = {}
    for layer, x in layers.items():
        within = moments[layer].within
        penalty = PENALTY * np.trace(within) / max(np.linalg.matrix_rank(within, hermitian=True), 1)
        values = {name: np.full((len(counts), DRAWS, len(pairs)), np.nan) for name in CLASSIFIERS}
        for row, pair in enumerate(pairs):
            sides = [x[held.labels == label][:500] for label in pair]
            centre = (sides[0].mean(0) + sides[1].mean(0)) / 2
            signed = [centre - sides[0], sides[1] - centre]
            for column, count in enumerate(counts):
                if min(map(len, sides)) < count:
                    continue
                for draw in range(DRAWS):
                    rng = np.random.default_rng([seed, row, draw])
                    orders = [rng.permutation(len(side)) for side in signed]
                    half = count // 2
                    train = np.concatenate([s[o[:half]] for s, o in zip(signed, orders, strict=True)])
                    for name in CLASSIFIERS:
                        w = fit(name, train[rng.permutation(count)], penalty)
                        asked = [s[o[half:]] @ w > 0 for s, o in zip(signed, orders, strict=True)]
                        values[name][column, draw, row] = np.mean([side.mean() for side in asked])
        for name, one in values.items():
            found[name, layer] = [_over_draws(column) for column in one]
    return found


def _over_draws(values: np.ndarray) -> Estimate | None:
    """Estimate from (draws, pairs) accuracies."""
    known = ~np.isnan(values[0])
    if not known.any():
        return None
    draws = values[:, known].mean(1)
    reach = stdtrit(len(draws) - 1, (1 + LEVEL) / 2) * draws.std(ddof=1) / np.sqrt(len(draws))
    middle = float(draws.mean())
    return Estimate(middle, max(middle - reach, 0.0), min(middle + reach, 1.0))


def name_failure(measured: list[Estimate], predicted, gaussian, isotropic) -> str:
    """Which assumption a prediction fails by, and whether the simpler one of isotropic noise would do.

    Parameters
    ----------
    measured : list of Estimate
        One for each number of labels.
    predicted, gaussian, isotropic : sequences of float
        Accuracies from the spectrum, of classifiers on Gaussian features, and from isotropic noise.

    Examples
    --------
    >>> name_failure([Estimate(0.90, 0.89, 0.91)], [0.80], [0.82], [0.90])
    'fails: within a class the features are not Gaussian with the common covariance'
    """
    off = _distances(measured, predicted)
    if off.max() > OFF:
        worst = int(off.argmax())
        shape = abs(measured[worst].value - gaussian[worst])
        if shape >= abs(gaussian[worst] - predicted[worst]):
            return "fails: within a class the features are not Gaussian with the common covariance"
        return "fails: too few directions for the limit of many"
    if _distances(measured, isotropic).max() > OFF:
        return "holds with the measured spectrum; isotropic noise would be wrong"
    return "holds, also with isotropic noise"


def _distances(measured: list[Estimate], predicted) -> np.ndarray:
    """Differences of accuracies; 0 where the prediction lies in the interval."""
    return np.array(
        [
            0.0 if one.low <= value <= one.high else abs(one.value - value)
            for one, value in zip(measured, predicted, strict=True)
        ]
    )


def classify_all(held: Batch, count: int = 32, seed: int = 0) -> dict[str, float]:
    """Accuracy of the nearest of all class means, each of `count` held examples, on the other examples, by layer.

    Classes with fewer than twice as many examples are left out; nothing where fewer than three classes remain.
    """
    layers = {"before": held.before[0]} | ({} if held.after is None else {"after": held.after[0]})
    classes, sizes = np.unique(held.labels[held.labels >= 0], return_counts=True)
    classes = classes[sizes >= 2 * count]
    if len(classes) < 3:
        return {}
    found = {name: [] for name in layers}
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, draw])
        orders = [rng.permutation(np.flatnonzero(held.labels == label)) for label in classes]
        for name, x in layers.items():
            means = np.stack([x[order[:count]].mean(0) for order in orders])
            offset = np.sum(means**2, axis=1) / 2
            right = [
                np.mean(np.argmax(x[order[count:]] @ means.T - offset, axis=1) == one)
                for one, order in enumerate(orders)
            ]
            found[name].append(np.mean(right))
    return {name: float(np.mean(values)) for name, values in found.items()}
