"""Claims on Gupta et al. (2022) on digits on photographs: heads, ranks, null space, and descent at the top.

Replicates are members of one seed: independent draws of data, initial weights, order and views. Every effect is a
difference of scores of the same member, whose runs share all of these. Margins and smallest effects were settled in
pilot runs, seed 0 among them; other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

import theory
from neural.models.heads import LinearConfig
from neural.training.schedules import SGDConfig
from synthetic.claims.papers import GUPTA
from synthetic.claims.registry import Claim, Prediction, predict_signs
from synthetic.claims.rule import Equivalent, Exact, Sign, Unsupported
from synthetic.images.contrasts import measure_contrasts, score
from synthetic.images.null_space import NullSpaceScores
from synthetic.images.runs import BASE, EMBED_DIM, HEADS_P_DROP, head_runs, with_data, without_last_relu
from synthetic.images.scores import HeadScores
from synthetic.images.top_training import (
    TopTraining,
    measure_drift,
    measure_first_order_change,
    measure_null_space_energy,
    train_top,
)
from synthetic.store.sweep import sweep

MEMBERS, MEMBERS_OF_PARTS = 16, 12
GAIN = {"digit_linear_h": 0.10, "digit_knn_h": 0.16}
"""What a linear head gains over none in the pilot, with a ReLU at the end of the encoder, rounded."""
HALF, FEW = 32, 4
"""Outputs of the linear head, of 64 units."""

_START = with_data(BASE, p_drop=HEADS_P_DROP)
_HEADS = head_runs(_START, EMBED_DIM)
_WIDE = head_runs(_START, 64)
_NO_RELU = head_runs(without_last_relu(_START), EMBED_DIM)
NONE, LINEAR, MLP = "no head", "trainable, joint", "MLP"


def _differences(one, other, *names):
    return tuple(score(one, name) - score(other, name) for name in names)


def _parts(embed_dim, *pairs):
    """Linear accuracy of one part of h minus that of another one."""
    run = replace(_START, head=LinearConfig(embed_dim))
    return tuple(score(run, f"linear_{one}") - score(run, f"linear_{other}") for one, other in pairs)


_measure = partial(measure_contrasts, measurement=HeadScores(), members=MEMBERS)
_measure_parts = partial(measure_contrasts, measurement=NullSpaceScores(), members=MEMBERS_OF_PARTS)


def _predict_no_change(seed, control):
    return Prediction(np.zeros(1), np.array([control]))


# Descent at the top

DRIFT_STEPS, DRIFT_TIME, DRIFT_MEMBERS = (0.0025, 0.00125), 0.1, 12
ENERGY_STEP, ENERGY_STEPS, ENERGY_DIMS = 0.005, 200, (4, 8, 16)


def _train(points):
    return sweep(train_top, points, label="images, top")


def _measure_first_order(seed):
    points = [TopTraining(SGDConfig(0.1), 1, seed=seed, member=m) for m in range(3)]
    return [measure_first_order_change(end) for end in _train(points)]


def _measure_drift_order(seed):
    points = [
        TopTraining(SGDConfig(step), round(DRIFT_TIME / step), seed=seed, member=m)
        for m in range(DRIFT_MEMBERS)
        for step in DRIFT_STEPS
    ]
    coarse, fine = np.reshape([measure_drift(end) for end in _train(points)], (DRIFT_MEMBERS, 2)).T
    return np.log2(coarse / fine)[:, None]


def _train_with_heads(seed):
    return _train(
        [
            TopTraining(SGDConfig(ENERGY_STEP), ENERGY_STEPS, embed_dim=dim, seed=seed, member=m)
            for m, dim in enumerate(ENERGY_DIMS)
        ]
    )


def _measure_energy(seed):
    return [measure_null_space_energy(end) for end in _train_with_heads(seed)]


def _predict_energy(seed):
    """Control: the head's term left out."""
    conserved, encoder_only = [], []
    for end in _train_with_heads(seed):
        (first, second), head = end["start"], end["end"][1]
        conserved.append(theory.null_space_energy(theory.imbalance(first, second), head))
        encoder_only.append(theory.null_space_energy(first @ first.T, head))
    return Prediction(np.array(conserved), np.array(encoder_only))


_SHARED = (
    "three-layer convolutional encoder, 64 units, SimCLR, digit lost in every second pair, 10 epochs of Adam"
)
_RELU = f"{_SHARED}; encoder ends with a ReLU"
_OTHER_SIGN = "the opposite sign"

_NETWORK = (
    "three-layer convolutional encoder of 64 units ending with a ReLU, linear head without bias, SimCLR, "
    "digit lost in every second pair, 10 epochs of Adam; linear probe"
)
_TOP = (
    "three convolutions with batch norm below W_1 (24 units) and W_2, NT-Xent at temperature 0.5 on 64 fixed pairs, "
    "float64"
)

CLAIMS = (
    Claim(
        id="images-head-over-none",
        statement="The digit is read better from h when a linear head stood behind it than when none did.",
        latex=r"\mathrm{acc}(h \mid \text{linear head}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, Figure 3 and Table 1",
        assumptions=_RELU,
        limits="only with a ReLU at the end of the encoder: see images-no-head-without-relu",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(
            _measure, contrasts=_differences(_HEADS[LINEAR], _HEADS[NONE], "digit_linear_h", "digit_knn_h")
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="holds within stated limits",
    ),
    *(
        Claim(
            id=f"images-no-head-without-relu-{name}",
            statement="Without the ReLU at the end of the encoder a linear head changes nothing: the "
            f"{words} of h is that of training without a head.",
            latex=r"\mathrm{acc}(h \mid \text{linear head}) = \mathrm{acc}(h \mid \text{no head})",
            source="derived",
            reference=f"on {GUPTA}, Figure 3; cosines of non-negative vectors are never negative",
            assumptions=f"{_SHARED}; encoder ends with a batch norm; margin: half of the gain with a ReLU",
            control="the gain with a ReLU",
            check=Equivalent(GAIN[key] / 2),
            measure=partial(_measure, contrasts=_differences(_NO_RELU[LINEAR], _NO_RELU[NONE], key)),
            predict=partial(_predict_no_change, control=GAIN[key]),
        )
        for name, key, words in (
            ("linear", "digit_linear_h", "accuracy of a linear probe"),
            ("knn", "digit_knn_h", "nearest-neighbour accuracy"),
        )
    ),
    Claim(
        id="images-trainable-over-frozen",
        statement="A linear head that learns gives a better h than one that stays as it was drawn.",
        latex=r"\mathrm{acc}(h \mid \text{trainable}) > \mathrm{acc}(h \mid \text{frozen})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=_RELU,
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(
            _measure,
            contrasts=_differences(_HEADS[LINEAR], _HEADS["random, fixed"], "digit_linear_h", "digit_knn_h"),
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-trainable-over-direct",
        statement="A linear head that learns gives a better h than a fixed diagonal head of low rank (DirectCLR).",
        latex=r"\mathrm{acc}(h \mid \text{trainable}) > \mathrm{acc}(h \mid \text{DirectCLR})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=f"{_RELU}; both heads have 32 outputs",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(
            _measure,
            contrasts=_differences(_HEADS[LINEAR], _HEADS["DirectCLR"], "digit_linear_h", "digit_knn_h"),
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-direct-over-none",
        statement="A fixed diagonal head of low rank (DirectCLR) gives a better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{DirectCLR}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, section 5.2: all the fixed projection heads outperform training without projection",
        assumptions=f"{_RELU}; first 32 of 64 units; linear probe; smallest effect: what a linear head gains over none",
        control="that effect, planted",
        check=Unsupported(GAIN["digit_linear_h"]),
        measure=partial(
            _measure, contrasts=_differences(_HEADS["DirectCLR"], _HEADS[NONE], "digit_linear_h")
        ),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-rank-z-order",
        statement="The effective rank of z falls from no head to a linear head of half as many outputs, and from a "
        "linear head to an MLP of as many outputs.",
        latex=r"\mathrm{er}(Z_\text{none}) > \mathrm{er}(Z_\text{linear}) > \mathrm{er}(Z_\text{MLP})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2, there the numerical rank",
        assumptions=f"{_RELU}; entropy effective rank of centred training features",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(
            _measure,
            contrasts=(
                *_differences(_HEADS[LINEAR], _HEADS[NONE], "effective_rank_z"),
                *_differences(_WIDE[MLP], _WIDE[LINEAR], "effective_rank_z"),
            ),
        ),
        predict=partial(predict_signs, signs=(-1, -1)),
    ),
    Claim(
        id="images-rank-z-same-width",
        statement="The effective rank of z falls from no head to a linear head with as many outputs as h has units.",
        latex=r"\mathrm{er}(Z_\text{linear}) < \mathrm{er}(Z_\text{none})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2, there with 128 outputs of 2,048 units",
        assumptions=f"{_RELU}; 64 outputs; smallest effect: 5, the fall from there to an MLP in the pilot",
        control="that effect, planted",
        check=Unsupported(5.0),
        measure=partial(_measure, contrasts=_differences(_WIDE[LINEAR], _HEADS[NONE], "effective_rank_z")),
        predict=partial(predict_signs, signs=(-1,)),
        expected="not supported",
    ),
    Claim(
        id="images-rank-h-linear",
        statement="The effective rank of h rises from no head to a linear head.",
        latex=r"\mathrm{er}(H_\text{linear}) > \mathrm{er}(H_\text{none})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2",
        assumptions=f"{_RELU}; head with 64 outputs",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(_measure, contrasts=_differences(_WIDE[LINEAR], _HEADS[NONE], "effective_rank_h")),
        predict=partial(predict_signs, signs=(1,)),
    ),
    Claim(
        id="images-rank-h-mlp",
        statement="The effective rank of h rises from a linear head to an MLP.",
        latex=r"\mathrm{er}(H_\text{MLP}) > \mathrm{er}(H_\text{linear})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2",
        assumptions=f"{_RELU}; heads with 64 outputs; smallest effect: 3, a fifth of the rise from no head to a "
        "linear one in the pilot",
        control="that effect, planted",
        check=Unsupported(3.0),
        measure=partial(_measure, contrasts=_differences(_WIDE[MLP], _WIDE[LINEAR], "effective_rank_h")),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-alternating-ranks",
        statement="Five steps of a linear head for each of the encoder lower the effective rank of z and raise that "
        "of h.",
        latex=r"\mathrm{er}(Z) \downarrow,\ \mathrm{er}(H) \uparrow",
        source="derived",
        reference=f"on {GUPTA}, eq. 8: a faster head leaves h more equal, theory.HeadSpeed",
        assumptions=f"{_RELU}; Adam of the same rate in the inner steps, no proximal term",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(
            _measure,
            contrasts=_differences(
                _HEADS["trainable, alternating"], _HEADS[LINEAR], "effective_rank_z", "effective_rank_h"
            ),
        ),
        predict=partial(predict_signs, signs=(-1, 1)),
    ),
    Claim(
        id="images-alternating-accuracy",
        statement="Alternating optimisation of a linear head gives a better h than training it jointly.",
        latex=r"\mathrm{acc}(h \mid \text{alternating}) > \mathrm{acc}(h \mid \text{joint})",
        source="paper",
        reference=f"{GUPTA}, Tables 1 and 2; there +.01 to +.02",
        assumptions=f"{_RELU}; linear probe (nearest neighbours lean towards the sentence, undecided); smallest "
        "effect: half of what a linear head gains over none, larger than the paper's",
        control="that effect, planted",
        check=Unsupported(GAIN["digit_linear_h"] / 2),
        measure=partial(
            _measure,
            contrasts=_differences(_HEADS["trainable, alternating"], _HEADS[LINEAR], "digit_linear_h"),
        ),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-h-over-row-space",
        statement="The digit is read better from h than from its part in the row space of the head.",
        latex=r"\mathrm{acc}(h) > \mathrm{acc}(h_r)",
        source="paper",
        reference=f"{GUPTA}, Figure 4",
        assumptions=f"{_NETWORK}, {FEW} outputs",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(_measure_parts, contrasts=_parts(FEW, ("h", "h_r"))),
        predict=partial(predict_signs, signs=(1,)),
    ),
    Claim(
        id="images-null-space-over-z",
        statement="The digit is read better from the part of h that the head does not see than after the head.",
        latex=r"\mathrm{acc}(h_n) > \mathrm{acc}(z)",
        source="paper",
        reference=f"{GUPTA}, section 3.2 and Figure 4 (all data sets but ImageNet)",
        assumptions=f"{_NETWORK}, {FEW} outputs: 94% of the dimensions unseen, as in the paper",
        limits="when half of the dimensions are seen the order is the reverse (images-z-over-null-space); an "
        "untrained network shows it too, so it is no sign of what training put there",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(_measure_parts, contrasts=_parts(FEW, ("h_n", "z"))),
        predict=partial(predict_signs, signs=(1,)),
        expected="holds within stated limits",
    ),
    Claim(
        id="images-z-over-null-space",
        statement="When the head sees half of the dimensions, its row space and z tell more of the digit than its "
        "null space.",
        latex=r"\mathrm{acc}(h_r), \mathrm{acc}(z) > \mathrm{acc}(h_n)",
        source="derived",
        reference=f"observed here, on {GUPTA}, Figure 4",
        assumptions=f"{_NETWORK}, {HALF} outputs",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=partial(_measure_parts, contrasts=_parts(HALF, ("h_r", "h_n"), ("z", "h_n"))),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-row-space-is-z",
        statement="A linear probe reads the same from z and from the part of h in the row space of the head.",
        latex=r"\mathrm{acc}(h_r) = \mathrm{acc}(z)",
        source="derived",
        reference=f"on {GUPTA}, equation (4): z = A h_r is an invertible function of h_r",
        assumptions=f"{_NETWORK}, {FEW} outputs; not exact, for the probe standardises and penalises coordinates",
        control="z short of h_r by 0.1, less than it is short of h",
        check=Equivalent(0.03),
        measure=partial(_measure_parts, contrasts=_parts(FEW, ("h_r", "z"))),
        predict=partial(_predict_no_change, control=0.1),
    ),
    Claim(
        id="images-balance-first-order",
        statement="A step of gradient descent on an image network leaves W1 W1^T - W2^T W2 alone to first order.",
        latex=r"W_1G_1^\top + G_1W_1^\top = W_2^\top G_2 + G_2^\top W_2",
        source="derived",
        reference="derived here: it holds for any loss, any data and anything below W_1",
        assumptions=_TOP,
        control="the layers' changes do not cancel",
        check=Exact(1e-10),
        measure=_measure_first_order,
        predict=lambda seed: Prediction(np.zeros(3), np.ones(3)),
    ),
    Claim(
        id="images-balance-drift-order",
        statement="At fixed time the drift of W1 W1^T - W2^T W2 on an image network is first order in the step.",
        latex=r"\log_2(\mathrm{drift}(\eta)/\mathrm{drift}(\eta/2)) = 1",
        source="derived",
        reference="derived here",
        assumptions=f"{_TOP}; plain gradient descent, time 0.1, steps 0.0025 and 0.00125",
        control="second order",
        check=Equivalent(0.25),
        measure=_measure_drift_order,
        predict=lambda seed: Prediction(np.ones(1), np.full(1, 2.0)),
    ),
    Claim(
        id="images-null-space-energy",
        statement="What an image network's last layer holds where the final head does not look is what the start's "
        "imbalance says.",
        latex=r"\|PW_1\|_F^2 = \mathrm{tr}\bigl(P(W_1W_1^\top - W_2^\top W_2)(0)P\bigr)",
        source="derived",
        reference=f"derived here, on {GUPTA}, section 3.2",
        assumptions=f"{_TOP}; plain gradient descent, 200 steps of 0.005; heads of 4, 8 and 16 outputs; the tolerance "
        "is the drift at this step",
        control="the head's term left out",
        check=Exact(0.03),
        measure=_measure_energy,
        predict=_predict_energy,
    ),
)
