"""Linear networks trained on a finite set of positive pairs, and SGD on batches of them at the minimum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch

from neural import spectral, stream_seed, torch_generator
from synthetic.features.few_shot import Averaging, few_shot_accuracies
from synthetic.features.population import (
    ViewMoments,
    balanced_start,
    layer_difference,
    population_flow,
    stack_starts,
)
from synthetic.features.views import sample_pairs
from theory.features.model import FeatureModel, view_moments

AT_ONCE = 500  # networks in one stack
REST_TIME = 300.0


def accuracies_after_pairs(
    model: FeatureModel, target: int, n: int, pairs: int, sets: int, seed: int, *, trained: bool = True
) -> np.ndarray:
    """Accuracies of averaging with networks trained on N pairs, minus those with a network trained on all pairs.

    Every set of pairs trains one encoder and head, both linear, with as many units and outputs as there are features,
    by gradient flow of the spectral contrastive loss of the set from a small balanced start. Both networks of a
    comparison see the same draws of labelled inputs.

    Parameters
    ----------
    model : FeatureModel
    target, n, pairs, sets : int
        Label, labelled inputs, pairs of a set, and number of sets.
    seed : int
    trained : bool
        False leaves the networks of the sets as they start.

    Returns
    -------
    (sets, 2) array
        Before the head and after it, each a mean over 20 draws of labelled inputs.
    """
    k = model.num_features
    widths = [model.dim, k, k]
    reference = list(
        accumulate(
            population_flow(model, balanced_start(widths, 0.5, stream_seed(seed, "reference")), REST_TIME),
            lambda below, layer: layer @ below,
        )
    )
    rows = []
    for first in range(0, sets, AT_ONCE):
        seeds = [stream_seed(seed, "pairs", index) for index in range(first, min(first + AT_ONCE, sets))]
        start = stack_starts(balanced_start, widths, 0.5, seeds)
        layers = start
        if trained:
            layers = population_flow(
                [_sampled(model, pairs, own) for own in seeds], start, REST_TIME, rtol=1e-6
            )
        encoders = list(accumulate(layers, lambda below, layer: layer @ below))
        for index, own in enumerate(seeds):
            four = [*(encoder[index] for encoder in encoders), *reference]
            generator = torch_generator(own, "labels")
            scores = few_shot_accuracies(
                model, four, target, n, Averaging(), repeats=20, generator=generator
            ).mean(0)
            rows.append(scores[:2] - scores[2:])
    return np.array(rows)


def _sampled(model, pairs, seed):
    views = sample_pairs(model, pairs, torch_generator(seed, "views"))
    return ViewMoments(*view_moments(*(view.numpy() for view in views)))


def imbalance_after_sgd(
    model: FeatureModel,
    start: Sequence[np.ndarray],
    *,
    batch: int,
    step_size: float,
    momentum: float,
    warm_up: int,
    steps: int,
    members: int,
    seed: int,
) -> np.ndarray:
    """Mean change per step of the diagonal of W_1 W_1^T - W_2^T W_2 under SGD on fresh batches of pairs.

    The loss is the spectral contrastive loss of a batch whose negatives are the second views of the other pairs.

    Parameters
    ----------
    model : FeatureModel
    start : two arrays
        Layers from which every member starts.
    batch, step_size, momentum
        Of SGD, the same for both layers.
    warm_up, steps : int
        Steps before the change is measured, in which the velocity forgets its start, and steps that are measured.
    members : int
        Independent runs.
    seed : int

    Returns
    -------
    (members, m) array
    """
    generator = torch_generator(seed, "sgd")
    layers = [torch.tensor(layer).expand(members, *layer.shape).clone() for layer in start]
    velocity = [torch.zeros_like(layer) for layer in layers]
    for step in range(warm_up + steps):
        if step == warm_up:
            before = layer_difference([layer.numpy() for layer in layers])
        x, y = (view.view(members, batch, -1) for view in sample_pairs(model, members * batch, generator))
        gradients = _batch_gradient(layers, x, y)
        velocity = [momentum * v + g for v, g in zip(velocity, gradients, strict=True)]
        layers = [layer - step_size * v for layer, v in zip(layers, velocity, strict=True)]
    change = layer_difference([layer.numpy() for layer in layers]) - before
    return np.diagonal(change, axis1=1, axis2=2) / steps


def _batch_gradient(layers, x, y):
    """Gradients of the spectral contrastive loss of every member's own batch."""
    layers = [layer.clone().requires_grad_() for layer in layers]
    network = (layers[1] @ layers[0]).mT
    first, second = x @ network, y @ network
    return torch.autograd.grad(spectral(first, second).sum(), layers)
