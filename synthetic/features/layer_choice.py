"""Which layer of a trained linear network is better with few labels, and where the order of two layers changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from neural import stream_seed, torch_generator
from synthetic.features.few_shot import Averaging, HardMargin, Spurious, few_shot_accuracies
from synthetic.features.population import balanced_start, end_to_end, stack_starts, train_to_rest
from theory.features.model import FeatureModel

START_SCALE = 0.7  # the product of the layers starts with singular values between 0.1 and 1.1


@dataclass(frozen=True)
class LayerProbe:
    """A few-shot task on every layer of linear networks that are trained for it.

    Parameters
    ----------
    model : FeatureModel
        The networks are trained on its population loss, and the labelled inputs are drawn from it.
    n : int
        Labelled inputs.
    classifier : Averaging or HardMargin
    draws : int
        Draws of labelled inputs for each network; all layers of a network see the same draws.
    seed, stream : int
        Root seed, and the number of the stream of random draws: points with equal numbers share them.
    depth : int >= 2
        Layers, the head being the last.
    networks : int
        Networks, each with its own balanced random start.
    target : int
        Feature that the label is.
    spurious : Spurious, optional
        Feature that the labelled inputs follow; accuracies are then those of the worst group.
    """

    model: FeatureModel
    n: int
    classifier: Averaging | HardMargin
    draws: int
    seed: int
    stream: int = 0
    depth: int = 2
    networks: int = 4
    target: int = 0
    spurious: Spurious | None = None


def train_probed_networks(model: FeatureModel, depth: int, networks: int, seed: int) -> list[np.ndarray]:
    """Layers (networks, d, d) of balanced linear networks of width d, trained to rest on the population loss."""
    seeds = tuple(stream_seed(seed, "probed network", index) for index in range(networks))
    return _trained(model, depth, seeds)


@lru_cache(maxsize=256)
def _trained(model, depth, seeds):
    widths = [model.dim] * (depth + 1)
    return train_to_rest(model, stack_starts(balanced_start, widths, START_SCALE, seeds, power=2 / depth))


def probe_trained_layers(point: LayerProbe) -> np.ndarray:
    """Accuracies (networks, draws, depth) of the classifier on the output of each layer."""
    layers = train_probed_networks(point.model, point.depth, point.networks, point.seed)
    return np.stack(
        [
            few_shot_accuracies(
                point.model,
                [end_to_end([layer[index] for layer in layers[: last + 1]]) for last in range(point.depth)],
                point.target,
                point.n,
                point.classifier,
                repeats=point.draws,
                generator=torch_generator(point.seed, "few shot", point.stream, index),
                spurious=point.spurious,
            )
            for index in range(point.networks)
        ]
    )


def draw_models(group: int, seed: int, *, models: int = 30, features: int = 8) -> list[FeatureModel]:
    """Random feature models: strengths from 0.4 to 2, disruption up to 0.7, noise from 0.3 to 0.7."""
    rng = np.random.default_rng(stream_seed(seed, "random models", group))
    return [
        FeatureModel(
            np.exp(rng.uniform(np.log(0.4), np.log(2.0), features)),
            rng.uniform(0.0, 0.7, features),
            rng.uniform(0.3, 0.7),
        )
        for _ in range(models)
    ]


class ProbedModels(NamedTuple):
    """Layers of one trained network for each of many models, target feature 0.

    Attributes
    ----------
    indicator : (models, depth) array
        Second moment of the layer's output over its squared margin, from the moments of the inputs.
    accuracy : (2, models, depth) array
        Mean accuracy of averaging over two independent halves of the draws: one to choose by, one to judge by.
    """

    indicator: np.ndarray
    accuracy: np.ndarray


def probe_models(
    models: list[FeatureModel], seed: int, *, depth: int, n: int, draws: int = 1500
) -> ProbedModels:
    """Train a balanced linear network of `depth` layers for each model, and probe every layer with n labels."""
    dim = models[0].dim
    seeds = [stream_seed(seed, "random model", index) for index in range(len(models))]
    start = stack_starts(balanced_start, [dim] * (depth + 1), START_SCALE, seeds, power=2 / depth)
    maps = np.stack(
        list(accumulate(train_to_rest(models, start, tolerance=1e-4), lambda below, layer: layer @ below)),
        axis=1,
    )
    indicator, accuracy = [], []
    for model, encoders, own in zip(models, maps, seeds, strict=True):
        spread = np.einsum("lij,jk,lik->l", encoders, model.cov, encoders)
        indicator.append(spread / np.sum((encoders[:, :, 0] * model.phi[0]) ** 2, axis=1))
        generator = torch_generator(own, "few shot")
        found = few_shot_accuracies(model, encoders, 0, n, Averaging(), repeats=draws, generator=generator)
        accuracy.append(found.reshape(2, -1, depth).mean(axis=1))
    return ProbedModels(np.array(indicator), np.stack(accuracy, axis=1))


class Crossing(NamedTuple):
    """Where a measured gap changes sign: estimate and 95% interval by the parametric bootstrap."""

    value: float
    low: float
    high: float


def measured_crossing(values, gaps, *, rng: np.random.Generator, resamples: int = 500) -> Crossing | None:
    """Crossing of zero of the mean gap, on the cubic spline through the values at which it was measured.

    Parameters
    ----------
    values : (v,) array
        Increasing parameter values, at least 3.
    gaps : (v, draws) array
        Gaps of the draws; draws at different values are independent.
    rng : numpy Generator
        For the parametric bootstrap of the means.
    resamples : int

    Returns
    -------
    Crossing, or None if the mean gap does not cross exactly once, or fails to in 5% of the resamples
    """
    values, gaps = np.asarray(values, dtype=float), np.asarray(gaps, dtype=float)
    if values.ndim != 1 or gaps.ndim != 2 or len(values) != len(gaps) or len(values) < 3:
        raise ValueError(
            f"values must be a vector of at least 3 and gaps hold one row each, got {values.shape}, {gaps.shape}"
        )
    if np.any(np.diff(values) <= 0):
        raise ValueError(f"values must increase, got {values}")
    mean, spread = gaps.mean(1), gaps.std(1, ddof=1) / np.sqrt(gaps.shape[1])
    found = _crossing(values, mean)
    # the mean over draws is normal to high accuracy, so resampled means are drawn from that normal
    resampled = [
        _crossing(values, mean + spread * rng.standard_normal(len(values))) for _ in range(resamples)
    ]
    resampled = [crossing for crossing in resampled if crossing is not None]
    if found is None or len(resampled) < 0.95 * resamples:
        return None
    return Crossing(found, *(float(end) for end in np.quantile(resampled, [0.025, 0.975])))


def _crossing(values, mean):
    """The one crossing where the measured signs change; None if they change never or more than once."""
    if np.count_nonzero(np.diff(np.sign(mean))) != 1:
        return None
    at = np.flatnonzero(np.diff(np.sign(mean)))[0]
    roots = CubicSpline(values, mean).roots(extrapolate=False)
    inside = roots[(roots >= values[at]) & (roots <= values[at + 1])]
    return float(inside[0]) if inside.size else None
