"""Ways to train the head side by side: what each does to the representation while training goes on."""

from __future__ import annotations

import numpy as np

from neural import stream_seed, torch_generator
from synthetic.features.conservation import row_and_null_part, style_shares
from synthetic.features.few_shot import Averaging, few_shot_accuracies
from synthetic.features.head_training import Alternation, alternating_descent
from synthetic.features.population import (
    end_to_end,
    isotropic_start,
    population_loss,
    population_path,
    random_start,
    stack_starts,
    train_to_rest,
)
from synthetic.features.settings import DOWNSTREAM, FOUR_FEATURES

STYLE_PAIRS, STYLE_UNITS, STYLE_OUTPUTS = 4000, 12, 4
EARLY, LATE, HEAD_START, FIXED_DRAWS = 0.8, 40.0, 0.3, 400
FASTER_STEP, FASTER_TIMES = 0.01, (0.5, 1.0)


def measure_style(seed: int, *, trained: bool = True, networks: int = 16) -> np.ndarray:
    """Differences of style shares, (networks, 2).

    First the representation's share minus the embedding's, then the share of the representation's part in the head's
    null space minus that of the part which the head sees. Networks that are not `trained` are taken at their start.
    """
    seeds = [stream_seed(seed, "style", index) for index in range(networks)]
    layers = stack_starts(random_start, [DOWNSTREAM.dim, STYLE_UNITS, STYLE_OUTPUTS], 0.3, seeds)
    if trained:
        layers = train_to_rest(DOWNSTREAM, layers)
    rows = []
    for own, *pair in zip(seeds, *layers, strict=True):
        seen, unseen = row_and_null_part(pair)
        encoders = [pair[0], end_to_end(pair), unseen, seen]
        shares = style_shares(DOWNSTREAM, encoders, STYLE_PAIRS, torch_generator(own, "pairs"))
        rows.append([shares[0] - shares[1], shares[2] - shares[3]])
    return np.array(rows)


def compare_fixed_and_learnt(seed: int, *, replicates: int = 96) -> np.ndarray:
    """Differences of few-shot accuracy of the representation, (replicates, 2).

    First fixed minus learnable head early in training, then learnable minus fixed head late. Both heads have the same
    random directions; the learnable one starts at `HEAD_START` times the scale of the fixed one.
    """
    model = DOWNSTREAM.with_feature(0, alpha=0.38)
    rows = []
    for replicate in range(replicates):
        own = stream_seed(seed, "fixed or learnt", replicate)
        (encoder,) = random_start([model.dim, model.dim], 0.1, own)
        head = isotropic_start(model.dim, model.dim, 1.0, stream_seed(own, "head"))
        fixed, learnt = (
            population_path(model, start, (EARLY, LATE), head_rate=rate, rtol=1e-6)
            for start, rate in (([encoder, head], 0.0), ([encoder, HEAD_START * head], 1.0))
        )
        accuracy = few_shot_accuracies(
            model,
            [layers[0] for layers in (*fixed, *learnt)],
            0,
            8,
            Averaging(),
            repeats=FIXED_DRAWS,
            generator=torch_generator(own, "few shot"),
        ).mean(axis=0)
        rows.append([accuracy[0] - accuracy[2], accuracy[3] - accuracy[1]])
    return np.array(rows)


def compare_inner_steps(seed: int, *, replicates: int = 64) -> np.ndarray:
    """Loss with one inner step minus loss with five, after equally many steps of the encoder, (replicates, times)."""
    rows = []
    for replicate in range(replicates):
        start = random_start([4, 4, 4], 0.1, stream_seed(seed, "faster", replicate))
        one, five = (
            [
                population_loss(
                    FOUR_FEATURES,
                    alternating_descent(FOUR_FEATURES, start, Alternation(inner, FASTER_STEP), time),
                )
                for time in FASTER_TIMES
            ]
            for inner in (1, 5)
        )
        rows.append(np.subtract(one, five))
    return np.array(rows)
