"""The experiments with two Gaussian classes that claims and notebooks share."""

from __future__ import annotations

from dataclasses import replace

from synthetic.mixture.downstream import Downstream
from synthetic.mixture.predictors import PredictorTraining
from synthetic.mixture.projectors import ProjectorTraining

SIGNAL_NORM, DIM = 1.5, 8
"""Of the mixtures on which projectors are trained."""


NEGATIVES = {"batch": 256}
"""255 negatives: enough to come within a hundredth of the limit of infinitely many."""


def _train(loss, anchor, other=None, temperature=1.0, **more):
    """A training; `other` is the augmentation of the second view, the same as the anchor's where it is left out."""
    sigma = anchor, anchor if other is None else other
    return ProjectorTraining(loss, SIGNAL_NORM, sigma, temperature, DIM, **more)


# Weak and strong augmentation. Temperatures that a loss absorbs in the scale of W keep W near the identity.

SPECTRAL = tuple(_train("spectral", sigma, steps=800, lr=0.04) for sigma in (0.8, 2.0))
INNER = (
    _train("inner", 0.8, temperature=2.0, **NEGATIVES),
    _train("inner", 2.0, temperature=15.0, **NEGATIVES),
)
INNER_CROSSING = (
    _train("inner", 1.15, temperature=5.0, batch=384),
    _train("inner", 1.37, temperature=8.0, batch=384),
)
"""On either side of the augmentation at which the loss neither expands nor shrinks."""

INNER_FEW_NEGATIVES = (_train("inner", 0.8, temperature=2.0, batch=32, steps=1000),)
INNER_CLEAN_NEGATIVES = (
    _train("inner", 0.8, 0.0, temperature=2.0, **NEGATIVES),
    _train("inner", 2.0, 0.0, temperature=6.0, **NEGATIVES),
)
EUCLIDEAN = (
    _train("euclidean", 0.8, **NEGATIVES),
    _train("euclidean", 1.5, temperature=2.0, **NEGATIVES),
)
EUCLIDEAN_CLEAN_NEGATIVES = (
    _train("euclidean", 0.8, 0.0, **NEGATIVES),
    _train("euclidean", 1.5, 0.0, temperature=2.0, **NEGATIVES),
)
COSINE = tuple(
    _train("cosine", sigma, temperature=tau, **NEGATIVES)
    for sigma, tau in ((0.3, 0.3), (0.5, 1.5), (0.8, 1.0))
)
COSINE_EDGES = tuple(_train("cosine", 0.5, temperature=scale / DIM, **NEGATIVES) for scale in (0.4, 10.0))
"""Temperatures near both ends of the window of shrinkage, where eight dimensions differ from many."""

RELU = (
    _train("inner", 0.8, temperature=2.0, hidden=20, **NEGATIVES),
    _train("inner", 2.0, temperature=15.0, hidden=20, **NEGATIVES),
)
RELU_RANDOM = (replace(RELU[0], start="random", steps=600, batch=192),)
"""From random weights, where the network does not stay nearly linear."""

DECOUPLED = (
    _train("decoupled", 0.8, temperature=2.0, **NEGATIVES),
    _train("decoupled", 1.6, temperature=6.0, **NEGATIVES),
)
CLASS_POSITIVES = tuple(_train(loss, 0.8, positives="class", steps=600) for loss in ("inner", "euclidean"))
SPREAD = (2.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5)
ANISOTROPIC = (
    _train("inner", 1.0, temperature=5.0, spread=SPREAD, steps=500, **NEGATIVES),
    _train("euclidean", 1.0, temperature=1.0, spread=SPREAD, steps=500, **NEGATIVES),
)
"""The augmentation is four times as strong along one half of the signal as along the other."""

AFTER_TRAINING = tuple(_train("inner", 0.8, temperature=tau, **NEGATIVES) for tau in (2.0, 20.0))
BARLOW_TWINS = (_train("barlow twins", 1.1, weights=(0.3,), batch=1024, steps=400),)
VICREG = (_train("vicreg", 1.1, weights=(4.0, 8.0, 1.0), batch=1024, steps=2000, lr=0.01),)
"""Invariance 4, variance 8, covariance 1: the hinge is steep enough to hold, and flat enough to train."""

PREDICTORS = tuple(PredictorTraining(SIGNAL_NORM, 1.1, decay) for decay in (0.02, 0.08))
FOUR_CLASSES = tuple(
    ProjectorTraining(loss, 3.0, (1.1, 1.1), temperature, DIM, classes=4, batch=384)
    for loss, temperature in (("inner", 4.0), ("euclidean", 1.2))
)

LOCAL_TEMPERATURE = 6.0


def local_gradient(sigma: float, **more) -> ProjectorTraining:
    """Gradient at the identity of InfoNCE with inner products, on large batches; W keeps its scale."""
    return _train("inner", sigma, temperature=LOCAL_TEMPERATURE, batch=512, **more)


CLASSIFIERS = {"ridge": 0.1, "logistic": 0.1, "hinge": 0.1, "hard-margin": None, "averaging": None}
"""Five classifiers and their penalties, where they have one."""


def five_classifiers(
    signal_norm: float, sample_ratio: float, dim: int, kappas: tuple[float, ...], seed: int = 0
) -> tuple[Downstream, ...]:
    """All of `CLASSIFIERS` on the same training sets."""
    samples = round(sample_ratio * dim)
    return tuple(
        Downstream(name, signal_norm, samples, dim, kappas, penalty, seed=seed)
        for name, penalty in CLASSIFIERS.items()
    )


REVERSAL_SIGNAL, REVERSAL_RATIO = 2.0, 20.0
"""Signal norm and samples per dimension at which expansion hurts logistic regression with a small penalty."""


def reversal_points(
    dim: int, kappas: tuple[float, ...], penalties: tuple[float, ...], seed: int = 0
) -> tuple[Downstream, ...]:
    """Logistic regression where expansion hurts at small penalties, one point a penalty, on the same training sets."""
    samples = round(REVERSAL_RATIO * dim)
    return tuple(
        Downstream("logistic", REVERSAL_SIGNAL, samples, dim, kappas, penalty, seed=seed)
        for penalty in penalties
    )
