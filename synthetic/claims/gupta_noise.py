"""Claims on the null space of Gupta et al. (2022) under the noise of batches.

The margin and the numbers of steps and members were settled in pilot runs on other seeds.
"""

from __future__ import annotations

import numpy as np

import theory
from synthetic.claims.papers import GUPTA
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent
from synthetic.features.population import balanced_start, population_flow
from synthetic.features.sampled_pairs import imbalance_after_sgd

TWO_FEATURES = theory.FeatureModel([0.6, 1.3], [0.1, 0.3], 0.4)
BATCH, STEP_SIZE, MOMENTUM, MEMBERS = 64, 1e-3, 0.5, 1000


def _measure_drift(seed):
    """Change per step of the squared weights of the units before the head minus after it, times B / eta^2.

    The layers start at the minimum that gradient flow reaches, their hidden units turned so that each holds one
    feature.
    """
    first, second = population_flow(TWO_FEATURES, balanced_start([2, 2, 2], 0.5, seed), 300.0)
    turn = np.linalg.qr(first)[0]
    start = [turn.T @ first, second @ turn]
    change = imbalance_after_sgd(
        TWO_FEATURES,
        start,
        batch=BATCH,
        step_size=STEP_SIZE,
        momentum=MOMENTUM,
        warm_up=30,
        steps=60,
        members=MEMBERS,
        seed=seed,
    )
    return change * BATCH / STEP_SIZE**2


def _predict_drift(seed):
    """Control: the noise of the velocity alone, without its meeting with the layers that it has moved."""
    plain = theory.batch_imbalance(TWO_FEATURES, BATCH, STEP_SIZE) * BATCH / STEP_SIZE**2
    law = theory.batch_imbalance(TWO_FEATURES, BATCH, STEP_SIZE, MOMENTUM) * BATCH / STEP_SIZE**2
    return Prediction(law, plain / (1 - MOMENTUM))


CLAIMS = (
    Claim(
        id="gupta-batch-noise",
        statement="The noise of batches makes two balanced layers unequal: in the heavier feature the layer before the "
        "head gains, in the lighter one it loses, and momentum beta speeds this up by 1/(1 - beta)^2 a step.",
        latex=r"E\,\Delta C_{ii}=\frac{8\eta^2}{B(1-\beta)^2}s_i\sum_{j\ne i}(s_i^2-s_j^2)v_iv_j[\ldots]",
        source="derived",
        reference=f"derived here (docs/derivations/null-space.md#gradient-noise), for {GUPTA}, section 3.2",
        assumptions="two features, SGD from the balanced minimum, batches of 64, step 0.001, momentum 0.5, spectral "
        "contrastive loss",
        control="1/(1 - beta) for 1/(1 - beta)^2",
        check=Equivalent(2.0),
        measure=_measure_drift,
        predict=_predict_drift,
        quantity="change of the imbalance in one step, times B / eta^2",
    ),
)
