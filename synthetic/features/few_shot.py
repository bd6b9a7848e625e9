"""Few-shot learning on a weighted representation: fit on n labelled inputs, accuracy exact given the fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from scipy.special import ndtr

from synthetic.features.views import sample_inputs
from synthetic.mixture.hard_margin import hard_margin
from theory.features.model import FeatureModel

MAX_FEATURES = 16  # the accuracy of a fit enumerates the signs of the other features


@dataclass(frozen=True)
class Averaging:
    """Mean of y g(x) over the labelled inputs."""

    def fit(self, signed: np.ndarray) -> np.ndarray:
        """Classifier vectors (r, k) from label times representation, (r, n, k)."""
        return signed.mean(axis=1)


@dataclass(frozen=True)
class HardMargin:
    """Largest-margin classifier through the origin; needs n <= number of features held, so that a margin exists."""

    def fit(self, signed: np.ndarray) -> np.ndarray:
        """Classifier vectors (r, k) from label times representation, (r, n, k)."""
        held = int(np.any(signed != 0, axis=(0, 1)).sum())
        if signed.shape[1] > held:
            raise ValueError(
                f"n must be at most the number of features held ({held}) for a hard margin to exist, "
                f"got {signed.shape[1]}"
            )
        return np.stack([hard_margin(rows) for rows in signed])


def few_shot_accuracies(
    model: FeatureModel, weights, target: int, n: int, classifier, *, repeats: int, generator: torch.Generator
) -> np.ndarray:
    """Test accuracies of classifiers fitted on draws of n labelled inputs, one column per representation.

    Every representation sees the same draws, so that differences between columns are paired. Accuracy is exact
    given the fitted vector: normal noise integrated, signs of the other features enumerated.

    Parameters
    ----------
    model : FeatureModel
    weights : (m, k) array
        Feature weights of the m representations.
    target : int
        The feature j that the label is.
    n : int >= 1
    classifier : object with `fit`
        `Averaging()` or `HardMargin()`.
    repeats : int >= 1
        Independent draws.
    generator : torch.Generator

    Returns
    -------
    (repeats, m) array
    """
    weights = np.atleast_2d(np.asarray(weights, dtype=float))
    if model.num_features > MAX_FEATURES:
        raise ValueError(f"model must have at most {MAX_FEATURES} features, got {model.num_features}")
    if n < 1 or repeats < 1:
        raise ValueError(f"n and repeats must be >= 1, got {n} and {repeats}")
    target = model.feature(target)
    x, signs = sample_inputs(model, repeats * n, generator)
    signed = (x[:, : model.num_features] * signs[:, target, None]).numpy().reshape(repeats, n, -1)
    fits = [classifier.fit(signed * row) * row for row in weights]  # in input coordinates
    return np.stack([accuracy_of(model, fit, target) for fit in fits], axis=1)


def accuracy_of(model: FeatureModel, vectors, target: int) -> np.ndarray:
    """Exact accuracy of sign(a.x) for the label u_j; `vectors` (r, k) in input coordinates, (r,) out."""
    others = np.delete(np.arange(model.num_features), target)
    patterns = np.array(list(product([-1.0, 1.0], repeat=others.size))).reshape(2**others.size, others.size)
    means = vectors * model.phi
    shifts = means[:, others] @ patterns.T + means[:, target, None]
    noise = model.sigma * np.linalg.norm(vectors, axis=1, keepdims=True)
    if model.sigma == 0:
        return np.mean((np.sign(shifts) + 1) / 2, axis=1)
    return ndtr(shifts / noise).mean(axis=1)
