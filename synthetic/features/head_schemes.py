"""Every way to train a head for which theory has a law, carried out on full matrices that do not know the law.

Each function returns the feature weights after every layer, (2, k) for an encoder and its head. The encoder has as
many units as there are features unless `width` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from neural.seeds import stream_seed
from synthetic.features.head_training import (
    Alternation,
    Penalty,
    alternating_descent,
    bilevel_flow,
    frozen_head_minimizer,
    penalised_minimizer,
)
from synthetic.features.population import (
    balanced_start,
    feature_norms,
    isotropic_start,
    population_flow,
    random_start,
)
from synthetic.features.settings import FIVE_EQUAL
from theory.features.model import FeatureModel

TIME = 400.0


def train_without_head(model: FeatureModel, seed: int, *, time: float = TIME) -> np.ndarray:
    """One linear layer from a random start: the result has one row (1, k)."""
    layers = population_flow(model, random_start([model.dim, model.num_features], 0.3, seed), time)
    return feature_norms(model, layers)


def train_balanced(
    model: FeatureModel, seed: int, *, depth: int = 2, width: int | None = None, time: float = TIME
) -> np.ndarray:
    """All layers together from a balanced start; one row (depth, k) for each layer."""
    k = model.num_features
    widths = [model.dim, *[width or k] * (depth - 1), k]
    start = balanced_start(widths, 0.5, seed, power=2 / depth)
    return feature_norms(model, population_flow(model, start, time))


def vanishing_head_start(
    model: FeatureModel, scale: float, seed: int, *, width: int | None = None, head_scale: float = 1e-5
) -> list[np.ndarray]:
    """Isotropic encoder `scale` Q, and a head so small that it counts as vanishing."""
    width = width or model.num_features
    head = random_start([width, model.num_features], head_scale, stream_seed(seed, "head"))
    return [isotropic_start(model.dim, width, scale, seed), *head]


def train_fast_head(
    model: FeatureModel,
    seed: int,
    *,
    scale: float,
    ratio: float,
    width: int | None = None,
    time: float = TIME,
) -> np.ndarray:
    """Head that learns `ratio` times as fast as an encoder that starts at `scale` Q."""
    start = vanishing_head_start(model, scale, seed, width=width)
    return feature_norms(
        model, population_flow(model, start, time, head_rate=ratio, method="LSODA", rtol=1e-9)
    )


def train_with_exact_head(model: FeatureModel, seed: int, *, scale: float, time: float = TIME) -> np.ndarray:
    """Encoder from `scale` Q, with the head at its exact minimum throughout (bilevel training)."""
    k = model.num_features
    return feature_norms(model, bilevel_flow(model, isotropic_start(model.dim, k, scale, seed), k, time))


def train_penalised(model: FeatureModel, seed: int, penalty: Penalty, *, starts: int = 8) -> np.ndarray:
    """Lowest minimum of the penalised loss that is found from `starts` random starts."""
    k = model.num_features
    return feature_norms(model, penalised_minimizer(model, k, k, penalty, seed, starts=starts)[0])


def reweighting_head(decay: float, num_features: int) -> np.ndarray:
    """The fixed head diag(1, 1/decay, 1/decay^2, ...)."""
    return np.diag(decay ** -np.arange(float(num_features)))


def train_behind_reweighting(model: FeatureModel, seed: int, *, decay: float) -> np.ndarray:
    """Encoder behind the fixed reweighting head, with vanishing weight decay."""
    return frozen_head_minimizer(model, reweighting_head(decay, model.num_features), seed)


def flow_behind_reweighting(
    model: FeatureModel, seed: int, *, decay: float, time: float = TIME
) -> np.ndarray:
    """As `train_behind_reweighting`, by gradient flow from a random start without any weight decay."""
    k = model.num_features
    start = [*random_start([model.dim, k], 0.3, seed), reweighting_head(decay, k)]
    return feature_norms(model, population_flow(model, start, time, head_rate=0.0, rtol=1e-8, method="LSODA"))


def train_alternating(
    model: FeatureModel, seed: int, schedule: Alternation, *, scale: float, time: float
) -> np.ndarray:
    """Alternating descent from an isotropic encoder and a small head."""
    start = vanishing_head_start(model, scale, seed, head_scale=1e-3)
    return feature_norms(model, alternating_descent(model, start, schedule, time))


FAST_SCALE, FAST_RATIO = 0.5, 3.0
DECAYS = 0.005, 0.02  # of the encoder and of the head
SPARSE = 0.005, 0.02  # decay of the encoder, 2,1-norm of the head
REWEIGHTING = 1.3

SCHEMES: dict[str, Callable[[FeatureModel, int], np.ndarray]] = {
    "no head": train_without_head,
    "joint, balanced": train_balanced,
    "layer 1 of 3": partial(train_balanced, depth=3),
    "head 3 times as fast": partial(train_fast_head, scale=FAST_SCALE, ratio=FAST_RATIO),
    "exact head (bilevel)": partial(train_with_exact_head, scale=FAST_SCALE),
    "weight decay": partial(train_penalised, penalty=Penalty(DECAYS[0], head=DECAYS[1])),
    "sparse head": partial(train_penalised, penalty=Penalty(SPARSE[0], group=SPARSE[1])),
    "fixed reweighting": partial(train_behind_reweighting, decay=REWEIGHTING),
}
"""The eight schemes that notebook 11 draws into one picture, at its settings."""


@dataclass(frozen=True)
class SchemeTraining:
    """One of `SCHEMES` on one model from one seed."""

    name: str
    seed: int = 0
    model: FeatureModel = FIVE_EQUAL


def train_scheme(point: SchemeTraining) -> np.ndarray:
    """Feature weights (2, k) after the first layer and after the last one."""
    return SCHEMES[point.name](point.model, point.seed)[[0, -1]]
