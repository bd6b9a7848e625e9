"""Few-shot learning on a weighted representation: fit on n labelled inputs, accuracy exact given the fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

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


class Spurious(NamedTuple):
    """A feature whose sign agrees with the label in a share `agreement` of the labelled inputs."""

    feature: int
    agreement: float


def few_shot_accuracies(
    model: FeatureModel,
    encoders,
    target: int,
    n: int,
    classifier,
    *,
    repeats: int,
    generator: torch.Generator,
    spurious: Spurious | None = None,
) -> np.ndarray:
    """Test accuracies of classifiers fitted on draws of n labelled inputs, one column per representation.

    Every representation sees the same draws, so that differences between columns are paired. The accuracy is exact
    given the fitted vector: the normal noise is integrated and the signs of the other features are enumerated.

    Parameters
    ----------
    model : FeatureModel
    encoders : sequence of m arrays
        The linear representations that are compared: matrices (out, d), or vectors (k,) of feature weights, which
        stand for a diagonal matrix that sees no noise outside the features.
    target : int
        The feature j that the label is.
    n : int >= 1
    classifier : object with `fit`
        `Averaging()` or `HardMargin()`.
    repeats : int >= 1
        Independent draws.
    generator : torch.Generator
    spurious : Spurious, optional
        A feature that the labelled inputs follow; the accuracy is then that of the inputs in which it disagrees with
        the label, the worst group.

    Returns
    -------
    (repeats, m) array
    """
    if model.num_features > MAX_FEATURES:
        raise ValueError(f"model must have at most {MAX_FEATURES} features, got {model.num_features}")
    if n < 1 or repeats < 1:
        raise ValueError(f"n and repeats must be >= 1, got {n} and {repeats}")
    target = model.feature(target)
    x, signs = sample_inputs(model, repeats * n, generator)
    if spurious is not None:
        agrees = torch.rand(len(x), generator=generator, dtype=x.dtype) < spurious.agreement
        wanted = torch.where(agrees, signs[:, target], -signs[:, target])
        x[:, spurious.feature] += (wanted - signs[:, spurious.feature]) * model.phi[spurious.feature]
    signed = (x * signs[:, target, None]).numpy().reshape(repeats, n, model.dim)
    matrices = [_as_matrix(encoder, model.dim) for encoder in encoders]
    fits = [classifier.fit(signed @ matrix.T) @ matrix for matrix in matrices]  # in input coordinates
    against = None if spurious is None else spurious.feature
    return np.stack([accuracy_of(model, fit, target, against=against) for fit in fits], axis=1)


def _as_matrix(encoder, dim):
    encoder = np.asarray(encoder, dtype=float)
    return np.eye(len(encoder), dim) * encoder[:, None] if encoder.ndim == 1 else encoder


def accuracy_of(model: FeatureModel, vectors, target: int, *, against: int | None = None) -> np.ndarray:
    """Exact accuracy (r,) of sign(a.x) for the label u_j; `vectors` (r, d) hold the a in input coordinates.

    With a feature `against`, only inputs count in which its sign is not the label's.
    """
    others = np.delete(np.arange(model.num_features), target)
    patterns = np.array(list(product([-1.0, 1.0], repeat=others.size))).reshape(2**others.size, others.size)
    if against is not None:
        patterns = patterns[(patterns[:, others == against] < 0).all(axis=1)]
    means = vectors[:, : model.num_features] * model.phi
    shifts = means[:, others] @ patterns.T + means[:, target, None]
    noise = model.sigma * np.linalg.norm(vectors, axis=1, keepdims=True)
    if model.sigma == 0:
        return np.mean((np.sign(shifts) + 1) / 2, axis=1)
    return ndtr(shifts / noise).mean(axis=1)
