"""Classifiers trained on finite samples after a projector with any singular values, and ridge with several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr
from sklearn.linear_model import Ridge

from neural import stream_seed
from synthetic.mixture.downstream import Classifier, fit_classifier
from synthetic.mixture.projectors import ProjectorTraining, measure_metrics
from synthetic.store.sweep import sweep


@dataclass(frozen=True)
class SpectrumPoint:
    """One classifier after a projector that is diagonal, on one training set of two classes.

    Parameters
    ----------
    classifier : str
    strengths, gains, sizes : tuples
        The directions come in groups: how long the part of the class mean in a group is, the gain of the projector
        there, and how many dimensions the group has. The part of the mean lies along the group's first direction.
    samples : int
    penalty : float, optional
        As in `Downstream`.
    seed, index : int
    """

    classifier: Classifier
    strengths: tuple[float, ...]
    gains: tuple[float, ...]
    sizes: tuple[int, ...]
    samples: int
    penalty: float | None = None
    seed: int = 0
    index: int = 0

    @property
    def sample_ratio(self) -> float:
        """Samples per dimension."""
        return self.samples / sum(self.sizes)

    @property
    def shares(self) -> tuple[float, ...]:
        """Fraction of all dimensions in each group."""
        return tuple(size / sum(self.sizes) for size in self.sizes)


def score_after_spectrum(point: SpectrumPoint) -> float:
    """Exact accuracy of the fitted classifier on new data."""
    rng = np.random.default_rng(stream_seed(point.seed, "spectrum", point.index))
    first = np.cumsum((0, *point.sizes[:-1]))
    mean, gains = np.zeros(sum(point.sizes)), np.repeat(point.gains, point.sizes)
    mean[first] = point.strengths
    signed = mean + rng.normal(size=(point.samples, len(mean)))
    labels = np.where(np.arange(point.samples) % 2, 1.0, -1.0)
    beta = fit_classifier(point.classifier, signed * gains, labels, point.penalty) * gains
    return float(ndtr(mean @ beta / np.linalg.norm(beta)))


@dataclass(frozen=True)
class ClassesPoint:
    """Ridge on one-hot targets for several classes whose means form a simplex of norm `signal_norm`.

    The projector has the gain 1 + kappa in the span of the means. Accuracy is measured on 20,000 new inputs.
    """

    classes: int
    signal_norm: float
    samples: int
    dim: int
    kappa: float
    penalty: float
    tests: int = 20_000
    seed: int = 0
    index: int = 0


def score_classes(point: ClassesPoint) -> float:
    """Accuracy of the class with the largest output."""
    rng = np.random.default_rng(stream_seed(point.seed, "classes", point.index))
    count = point.classes
    corners = np.linalg.svd(np.eye(count) - 1 / count)[0][:, : count - 1]  # the contrasts of the classes
    means = np.zeros((count, point.dim))
    means[:, : count - 1] = point.signal_norm * corners / np.linalg.norm(corners, axis=1, keepdims=True)
    gains = np.ones(point.dim)
    gains[: count - 1] = 1 + point.kappa

    def draw(labels):
        return (means[labels] + rng.normal(size=(len(labels), point.dim))) * gains

    labels = np.arange(point.samples) % count
    targets = np.eye(count)[labels] - 1 / count
    model = Ridge(alpha=point.penalty * point.samples, fit_intercept=False).fit(draw(labels), targets)
    tests = rng.integers(count, size=point.tests)
    return float(np.mean(np.argmax(draw(tests) @ model.coef_.T, axis=1) == tests))


def measure_spectra(points: Sequence[SpectrumPoint], repeats: int, seed: int) -> np.ndarray:
    """Accuracies (repeats, points)."""
    return _repeat(score_after_spectrum, points, repeats, seed)


def measure_classes(points: Sequence[ClassesPoint], repeats: int, seed: int) -> np.ndarray:
    """Accuracies (repeats, points)."""
    return _repeat(score_classes, points, repeats, seed)


def measure_after_training(
    trainings: Sequence[ProjectorTraining], classifier: SpectrumPoint, repeats: int, seed: int
) -> np.ndarray:
    """Accuracies (repeats, trainings) after trained projectors, each with its own training set of labelled inputs.

    The gains of `classifier`, along the mean and across it, are replaced by those of the projectors, scale included.
    """
    gains = np.sqrt(measure_metrics(trainings, repeats, seed)[..., :2])
    tasks = [
        replace(classifier, gains=tuple(pair.tolist()), seed=seed, index=index)
        for index, row in enumerate(gains)
        for pair in row
    ]
    return np.reshape(sweep(score_after_spectrum, tasks, label="downstream"), (repeats, len(trainings)))


def _repeat(score, points, repeats, seed):
    tasks = [replace(point, seed=seed, index=index) for index in range(repeats) for point in points]
    return np.reshape(sweep(score, tasks, label="downstream"), (repeats, len(points)))
