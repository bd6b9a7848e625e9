"""Linear classifiers trained on a finite mixture after a projector, their accuracy exact given the fitted vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import linprog, nnls
from scipy.special import ndtr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from neural import stream_seed
from synthetic.store.sweep import sweep

Classifier = Literal["ridge", "logistic", "hinge", "hard-margin", "averaging"]


@dataclass(frozen=True)
class Downstream:
    """One repetition: a training set, and one classifier after each of several projectors of it.

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "hard-margin", "averaging"}
        Of scikit-learn without intercept where it has one.
    signal_norm : float
    samples, dim : int
    kappas : tuple of float
        Projectors I + kappa u u^T; all are applied to the same training set.
    penalty : float
        lambda of mean loss + lambda |w|^2 / 2; not used by hard margin and averaging.
    cosine : float
        Of the angle between the projector's direction and the mean.
    seed, index : int
        Root seed and repetition; the training set does not depend on the classifier.
    """

    classifier: Classifier
    signal_norm: float
    samples: int
    dim: int
    kappas: tuple[float, ...]
    penalty: float = 0.0
    cosine: float = 1.0
    seed: int = 0
    index: int = 0


def downstream_accuracies(point: Downstream) -> np.ndarray:
    """Test accuracy (len(kappas),) of the classifier after each projector."""
    signed, labels = _training_set(point)
    direction = np.zeros(point.dim)
    direction[:2] = point.cosine, np.sqrt(1 - point.cosine**2)
    accuracies = []
    for kappa in point.kappas:
        projected = signed + kappa * np.outer(signed @ direction, direction)
        fitted = _FITS[point.classifier](projected, labels, point.penalty)
        beta = fitted + kappa * (fitted @ direction) * direction
        accuracies.append(ndtr(point.signal_norm * beta[0] / np.linalg.norm(beta)))
    return np.array(accuracies)


def separable(point: Downstream) -> float:
    """1 if some linear classifier without intercept fits the training set, else 0; only its size matters."""
    signed, _ = _training_set(point)
    found = linprog(np.zeros(point.dim), A_ub=-signed, b_ub=-np.ones(len(signed)), bounds=(None, None))
    return float(found.status == 0)


def repeated_accuracies(points: Sequence[Downstream], repeats: int, *, jobs: int = 1, progress: bool = True):
    """Accuracies (points, repeats, kappas) over training sets 0..repeats - 1; all points have equally many kappas."""
    tasks = [replace(point, index=index) for point in points for index in range(repeats)]
    blocks = [_Block(tuple(tasks[i : i + 8])) for i in range(0, len(tasks), 8)]
    results = sweep(_accuracies_of_block, blocks, jobs=jobs, progress=progress, label="downstream")
    return np.concatenate(results).reshape(len(points), repeats, -1)


@dataclass(frozen=True)
class _Block:
    tasks: tuple[Downstream, ...]


def _accuracies_of_block(block):
    return np.array([downstream_accuracies(task) for task in block.tasks])


def _training_set(point):
    """Inputs times their labels (n, p), mean along the first axis; labels (n,)."""
    rng = np.random.default_rng(stream_seed(point.seed, "downstream", point.index))
    signed = rng.normal(size=(point.samples, point.dim))
    signed[:, 0] += point.signal_norm
    labels = np.where(np.arange(point.samples) % 2, 1.0, -1.0)
    return signed, labels


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
    """Least-distance problem of Lawson and Hanson."""
    scale = np.linalg.norm(signed, axis=1).mean()
    stacked = np.vstack([signed.T / scale, np.ones(len(signed))])
    wanted = np.append(np.zeros(signed.shape[1]), 1.0)
    multipliers, _ = nnls(stacked, wanted, maxiter=100 * len(signed))
    residual = stacked @ multipliers - wanted
    return -residual[:-1] / (residual[-1] * scale)


def _averaging(signed, labels, penalty):
    return signed.mean(axis=0)


_FITS = {
    "ridge": _ridge,
    "logistic": _logistic,
    "hinge": _hinge,
    "hard-margin": _hard_margin,
    "averaging": _averaging,
}
