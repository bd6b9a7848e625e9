"""Linear classifiers trained on finite samples of a mixture after a projector.

Only the training set is sampled: the accuracy of a fitted classifier is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import linprog
from scipy.special import ndtr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from neural import stream_seed
from synthetic.mixture.hard_margin import hard_margin
from synthetic.store.sweep import sweep

Classifier = Literal["ridge", "logistic", "hinge", "hard-margin", "averaging"]


@dataclass(frozen=True)
class Downstream:
    """One classifier after each of several projectors, all trained on the same finite training set.

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "hard-margin", "averaging"}
        Without an intercept; scikit-learn's where it has one.
    signal_norm : float
        Norm r of the class mean; the within-class covariance is I.
    samples, dim : int
    kappas : tuple of float
        Projectors I + kappa u u^T.
    penalty : float, optional
        lambda of mean loss + lambda |w|^2 / 2; None for hard margin and averaging.
    cosine : float
        Of the angle between the projector's direction and the mean.
    bias : bool
        Whether ridge and logistic regression have an unpenalised intercept.
    class_balance : float
        Share of the class of the mean +mu among the training inputs, and among new ones.
    label_noise : float
        Share of the training labels that are wrong.
    seed, index : int
        Root seed and repetition; the training set depends on neither classifier nor penalty.
    """

    classifier: Classifier
    signal_norm: float
    samples: int
    dim: int
    kappas: tuple[float, ...]
    penalty: float | None = None
    cosine: float = 1.0
    bias: bool = False
    class_balance: float = 0.5
    label_noise: float = 0.0
    seed: int = 0
    index: int = 0

    @property
    def sample_ratio(self) -> float:
        """Samples per dimension."""
        return self.samples / self.dim


def fit_and_score(point: Downstream) -> np.ndarray:
    """Exact accuracy (len(kappas),) on new data of the classifier after each projector."""
    signed, labels = _training_set(point)
    direction = np.zeros(point.dim)
    direction[:2] = point.cosine, np.sqrt(1 - point.cosine**2)
    accuracies = []
    for kappa in point.kappas:
        projected = signed + kappa * np.outer(signed @ direction, direction)
        if point.bias:
            fitted, bias = _fit_with_bias(point.classifier, projected, labels, point.penalty)
        else:
            fitted, bias = fit_classifier(point.classifier, projected, labels, point.penalty), 0.0
        beta = fitted + kappa * (fitted @ direction) * direction
        accuracies.append(_accuracy(point, beta, bias))
    return np.array(accuracies)


def _accuracy(point, beta, bias):
    """Accuracy of sign(beta.h + bias) on both classes, weighted by their frequencies."""
    margin, length = point.signal_norm * beta[0], np.linalg.norm(beta)
    first, second = ndtr((margin + bias) / length), ndtr((margin - bias) / length)
    return point.class_balance * first + (1 - point.class_balance) * second


def fit_classifier(classifier: Classifier, signed, labels, penalty) -> np.ndarray:
    """Vector (p,) of a classifier fitted to inputs times labels, `signed` (n, p), and labels (n,)."""
    return _FITS[classifier](signed, labels, penalty)


def is_separable(point: Downstream) -> bool:
    """Whether some linear classifier without intercept fits the training set; uses only its size and signal."""
    signed, _ = _training_set(point)
    found = linprog(np.zeros(point.dim), A_ub=-signed, b_ub=-np.ones(len(signed)), bounds=(None, None))
    return found.status == 0


def repeated_accuracies(
    points: Sequence[Downstream], repeats: int, *, jobs: int | None = None, progress: bool = True
) -> np.ndarray:
    """Accuracies (points, repeats, kappas) over training sets index, ..., index + repeats - 1 of every point.

    All points must have equally many kappas.
    """
    tasks = [replace(point, index=point.index + index) for point in points for index in range(repeats)]
    blocks = [_Block(tuple(tasks[i : i + 8])) for i in range(0, len(tasks), 8)]
    results = sweep(_score_block, blocks, jobs=jobs, progress=progress, label="downstream")
    return np.concatenate(results).reshape(len(points), repeats, -1)


def measure_accuracies(points: Sequence[Downstream], repeats: int, seed: int) -> np.ndarray:
    """Accuracies (repeats, points, kappas) at another seed; training sets of equal size are shared by the points."""
    seeded = [replace(point, seed=seed) for point in points]
    return repeated_accuracies(seeded, repeats).transpose(1, 0, 2)


def measure_separable_shares(points: Sequence[Downstream], repeats: int, seed: int) -> np.ndarray:
    """Share of the training sets that are separable, (points,)."""
    return np.array(
        [
            np.mean([is_separable(replace(point, seed=seed, index=index)) for index in range(repeats)])
            for point in points
        ]
    )


@dataclass(frozen=True)
class _Block:
    tasks: tuple[Downstream, ...]


def _score_block(block):
    return np.array([fit_and_score(task) for task in block.tasks])


def _training_set(point):
    """Inputs times their training labels (n, p), and these labels (n,)."""
    rng = np.random.default_rng(stream_seed(point.seed, "downstream", point.index))
    signed = rng.normal(size=(point.samples, point.dim))
    signed[:, 0] += point.signal_norm
    counts = np.floor(np.arange(point.samples + 1) * point.class_balance)  # of the class of +mu so far
    labels = np.where(np.diff(counts) > 0, 1.0, -1.0)
    if point.label_noise:
        wrong = rng.random(point.samples) < point.label_noise
        signed[wrong] *= -1
        labels[wrong] *= -1
    return signed, labels


def _fit_with_bias(classifier, signed, labels, penalty):
    """Vector and unpenalised intercept of ridge or logistic regression."""
    models = {
        "ridge": Ridge(alpha=penalty * len(signed)),
        "logistic": LogisticRegression(C=1 / (penalty * len(signed)), tol=1e-8, max_iter=20_000),
    }
    model = models[classifier].fit(signed * labels[:, None], labels)
    return model.coef_.ravel(), float(np.ravel(model.intercept_)[0])


def _ridge(signed, labels, penalty):
    model = Ridge(alpha=penalty * len(signed), fit_intercept=False)
    return model.fit(signed * labels[:, None], labels).coef_.ravel()


def _logistic(signed, labels, penalty):
    model = LogisticRegression(C=1 / (penalty * len(signed)), fit_intercept=False, tol=1e-8, max_iter=20_000)
    return model.fit(signed * labels[:, None], labels).coef_.ravel()


def _hinge(signed, labels, penalty):
    model = LinearSVC(
        C=1 / (penalty * len(signed)),
        loss="hinge",
        fit_intercept=False,
        tol=1e-6,
        max_iter=1_000_000,
        random_state=0,
    )
    return model.fit(signed * labels[:, None], labels).coef_.ravel()


def _hard_margin(signed, labels, penalty):
    return hard_margin(signed)


def _averaging(signed, labels, penalty):
    return signed.mean(axis=0)


_FITS = {
    "ridge": _ridge,
    "logistic": _logistic,
    "hinge": _hinge,
    "hard-margin": _hard_margin,
    "averaging": _averaging,
}
