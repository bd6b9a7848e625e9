"""Claims on Gupta et al. (2022) on digits on photographs: heads and ranks.

Replicates are members of one seed: independent draws of data, initial weights, order and views. Every effect is a
difference of scores of the same member, whose runs share all of these. Untrained networks differ in nothing but their
heads, so that differences of what stands before the head are effects of training; where an untrained network shows an
effect itself, the claim is on what training adds to it. Margins and smallest effects were settled in pilot runs, seed
0 among them; other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from synthetic.claims.papers import GUPTA
from synthetic.claims.registry import Claim, predict_signs
from synthetic.claims.rule import Sign, Unsupported
from synthetic.images.bank import measure_runs
from synthetic.images.contrasts import measures, measures_beyond_untrained, score
from synthetic.images.heads import freeze_trained_heads
from synthetic.images.runs import (
    BASE,
    EMBED_DIM,
    HEADS_BASE,
    head_runs,
    with_members,
    without_last_relu,
)
from synthetic.images.scores import HeadScores, ProbeScores

FEWER, MEMBERS, MANY = 12, 16, 24  # many where the effect is small against its spread
NONE, LINEAR, ALTERNATING = "no head", "trainable, joint", "trainable, alternating"
ACCURACIES = "difference of accuracies"
RANKS = "difference of effective ranks"
LINEAR_PROBE, NEIGHBOURS, FIVE_LABELS = "digit_linear_h", "digit_knn_h", "digit_few_shot_h"

_HEADS = head_runs(HEADS_BASE, EMBED_DIM)
_WIDE = head_runs(HEADS_BASE, 64)
_EASY = head_runs(BASE, EMBED_DIM)
_NO_RELU = head_runs(without_last_relu(HEADS_BASE), EMBED_DIM)
_SCORES = HeadScores(ProbeScores(few_shot=5))


def _differences(one, other, *names):
    return tuple(score(one, name) - score(other, name) for name in names)


def _gains_with_relu_minus_without():
    """What a linear head adds to none, with a ReLU at the end of the encoder minus the same without it."""
    names = (LINEAR_PROBE, NEIGHBOURS)
    pairs = zip(
        _differences(_HEADS[LINEAR], _HEADS[NONE], *names),
        _differences(_NO_RELU[LINEAR], _NO_RELU[NONE], *names),
        strict=True,
    )
    return tuple(with_relu - without for with_relu, without in pairs)


def _measure_pretrained(seed, *, epochs):
    """Heads frozen where the linear head of the same member ended, minus no head: neighbours and linear probe."""
    runs = with_members({name: _HEADS[name] for name in (LINEAR, NONE)}, MEMBERS, seed=seed)
    frozen = freeze_trained_heads(runs[LINEAR], label="images, heads")
    pairs = {
        name: [replace(run, epochs=epochs) for run in members]
        for name, members in (("fixed", frozen), ("none", runs[NONE]))
    }
    scores = measure_runs(_SCORES, pairs, label="images, heads")
    return np.stack(
        [scores["fixed"][name] - scores["none"][name] for name in (NEIGHBOURS, LINEAR_PROBE)], axis=1
    )


_COMPARED = (NONE, "random, fixed", "DirectCLR", LINEAR, ALTERNATING)


def _measure_rank_slope(seed, *, epochs):
    """Slope of accuracy in the effective rank deficit over five heads, member by member; three probes."""
    runs = with_members({name: _HEADS[name] for name in _COMPARED}, MEMBERS, seed=seed, epochs=epochs)
    scores = measure_runs(_SCORES, runs, label="images, heads")
    deficit = np.stack([one["effective_rank_h"] - one["effective_rank_z"] for one in scores.values()])
    deficit -= deficit.mean(axis=0)
    slopes = [
        np.sum(deficit * np.stack([one[name] for one in scores.values()]), axis=0)
        / np.sum(deficit**2, axis=0)
        for name in (LINEAR_PROBE, NEIGHBOURS, FIVE_LABELS)
    ]
    return np.stack(slopes, axis=1)


def _trained_and_untrained(measure):
    return {"measure": partial(measure, epochs=BASE.epochs), "untrained": partial(measure, epochs=0)}


_SHARED = (
    "three-layer convolutional encoder, 64 units, SimCLR, digit lost in every second pair, "
    "10 epochs (90 steps) of Adam"
)
_RELU = f"{_SHARED}; encoder ends with a ReLU"
_REGIME = (
    f"{_RELU}. In this regime the linear probe reads the digit at 0.77 before training, at 0.74 after training without "
    "a head and at 0.85 with a linear head, and neighbours read it at 0.71, 0.55 and 0.73: a head mostly protects the "
    "digit from the loss"
)
_OTHER_SIGN = "the opposite sign"
CLAIMS = (
    Claim(
        id="images-head-over-none",
        statement="The digit is read better from h when a linear head stood behind it than when none did.",
        latex=r"\mathrm{acc}(h \mid \text{linear head}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, Figure 3 and Table 1",
        assumptions=_REGIME,
        limits="only with a ReLU at the end of the encoder: see images-head-needs-relu",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(_differences(_HEADS[LINEAR], _HEADS[NONE], LINEAR_PROBE, NEIGHBOURS), _SCORES, MEMBERS),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="holds within stated limits",
    ),
    Claim(
        id="images-two-regimes",
        statement="Training without a head makes the digit better read from h where both views of a pair have it, and "
        "worse where every second pair lacks it.",
        latex=r"\mathrm{acc}(h \mid p_{drop}=0) \uparrow,\ \mathrm{acc}(h \mid p_{drop}=0.5) \downarrow",
        source="derived",
        reference=f"observed here: what a head protects from, in comparisons like those of {GUPTA}, Table 1",
        assumptions="three-layer convolutional encoder, 64 units, ending with a ReLU, SimCLR, 10 epochs (90 steps) of "
        "Adam; linear probe in the first case, neighbours in the second",
        control="the opposite signs",
        quantity="accuracy, trained minus untrained",
        check=Sign(),
        **measures_beyond_untrained(
            (score(_EASY[NONE], LINEAR_PROBE), score(_HEADS[NONE], NEIGHBOURS)), _SCORES, FEWER
        ),
        predict=partial(predict_signs, signs=(1, -1)),
    ),
    Claim(
        id="images-head-over-none-easy",
        statement="Where training helps, because both views of a pair have the digit, a linear head still gives a "
        "better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{linear head}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, Figure 3 and Table 1",
        assumptions="three-layer convolutional encoder, 64 units, ending with a ReLU, SimCLR, no digit lost, 10 epochs "
        "(90 steps) of Adam; neighbours",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(_differences(_EASY[LINEAR], _EASY[NONE], NEIGHBOURS), _SCORES, FEWER),
        predict=partial(predict_signs, signs=(1,)),
    ),
    Claim(
        id="images-head-needs-relu",
        statement="What a linear head adds to no head is smaller, by 0.03 of accuracy or more, when the encoder does "
        "not end with a ReLU.",
        latex=r"\Delta\mathrm{acc}(h \mid \text{ReLU}) - \Delta\mathrm{acc}(h \mid \text{no ReLU}) > 0.03",
        source="derived",
        reference=f"on {GUPTA}, Figure 3; cosines of non-negative vectors are never negative, and a head that learns "
        "takes this limit away",
        assumptions=f"{_SHARED}; the other encoder ends with a batch norm; linear probe and neighbours",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(0.03),
        **measures(_gains_with_relu_minus_without(), _SCORES, MEMBERS),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-random-over-none",
        statement="A linear head that stays as it was drawn gives a better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{random}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Tables 1, 2",
        assumptions=f"{_REGIME}; neighbours and five labels of each class",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(
            _differences(_HEADS["random, fixed"], _HEADS[NONE], NEIGHBOURS, FIVE_LABELS), _SCORES, MANY
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-pretrained-over-none",
        statement="A linear head that was trained before and is held fixed gives a better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{pre-trained, fixed}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=f"{_REGIME}; the head with which the trainable linear head of the same member ended",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **_trained_and_untrained(_measure_pretrained),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-slow-over-fixed",
        statement="A linear head that moves one step an epoch gives a better h than a random fixed head and than a "
        "fixed diagonal head of low rank (DirectCLR).",
        latex=r"\mathrm{acc}(h \mid \text{slow}) > \mathrm{acc}(h \mid \text{random}), "
        r"\mathrm{acc}(h \mid \text{DirectCLR})",
        source="paper",
        reference=f"{GUPTA}, section 5.2; its own Table 2 has 33.06 for the slow head and 33.08 for DirectCLR",
        assumptions=f"{_REGIME}; five labels of each class",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(
            (
                *_differences(_HEADS["slow, single step"], _HEADS["random, fixed"], FIVE_LABELS),
                *_differences(_HEADS["slow, single step"], _HEADS["DirectCLR"], FIVE_LABELS),
            ),
            _SCORES,
            MEMBERS,
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-principal-components-over-none",
        statement="A head that consists of the largest principal components of h gives a better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{PCA}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=f"{_REGIME}; components computed anew at every epoch; with the smallest ones neighbours read the "
        "digit no better than without a head, against the paper's table",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(_differences(_HEADS["PCA top"], _HEADS[NONE], LINEAR_PROBE, NEIGHBOURS), _SCORES, MEMBERS),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-trainable-over-frozen",
        statement="A linear head that learns gives a better h than one that stays as it was drawn.",
        latex=r"\mathrm{acc}(h \mid \text{trainable}) > \mathrm{acc}(h \mid \text{frozen})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=_REGIME,
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(
            _differences(_HEADS[LINEAR], _HEADS["random, fixed"], LINEAR_PROBE, NEIGHBOURS), _SCORES, MEMBERS
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-trainable-over-direct",
        statement="A linear head that learns gives a better h than a fixed diagonal head of low rank (DirectCLR).",
        latex=r"\mathrm{acc}(h \mid \text{trainable}) > \mathrm{acc}(h \mid \text{DirectCLR})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 2",
        assumptions=f"{_REGIME}; both heads have 32 outputs",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(
            _differences(_HEADS[LINEAR], _HEADS["DirectCLR"], LINEAR_PROBE, NEIGHBOURS), _SCORES, MEMBERS
        ),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-direct-over-none",
        statement="A fixed diagonal head of low rank (DirectCLR) gives a better h than no head.",
        latex=r"\mathrm{acc}(h \mid \text{DirectCLR}) > \mathrm{acc}(h \mid \text{no head})",
        source="paper",
        reference=f"{GUPTA}, section 5.2 and Table 1: 0.9019 against 0.8807 for a linear probe on CIFAR-10",
        assumptions=f"{_REGIME}; first 32 of 64 units; linear probe",
        control="the paper's effect, planted",
        quantity=ACCURACIES,
        check=Unsupported(0.0212, published=0.0212),
        **measures(_differences(_HEADS["DirectCLR"], _HEADS[NONE], LINEAR_PROBE), _SCORES, MEMBERS),
        predict=partial(predict_signs, signs=(1,)),
        expected="undecided",
        reason="accuracy without a head varies much from member to member, and the paper's effect lies within the "
        "interval",
    ),
    Claim(
        id="images-non-linear-over-linear",
        statement="A non-linear head gives a better h than a linear one.",
        latex=r"\mathrm{acc}(h \mid \text{MLP}) > \mathrm{acc}(h \mid \text{linear head})",
        source="paper",
        reference=f"{GUPTA}, Figure 3: consistently better (the text at hand gives no numbers)",
        assumptions=f"{_REGIME}; MLP of 64 hidden units; linear probe, neighbours and five labels of each class. Here "
        "the MLP is worse. Smallest effect: 0.05, half of what a linear head adds to none",
        control="an effect of 0.05, planted",
        quantity=ACCURACIES,
        check=Unsupported(0.05),
        **measures(
            _differences(_HEADS["MLP"], _HEADS[LINEAR], LINEAR_PROBE, NEIGHBOURS, FIVE_LABELS), _SCORES, MANY
        ),
        predict=partial(predict_signs, signs=(1, 1, 1)),
        expected="not supported",
    ),
    Claim(
        id="images-alternating-accuracy",
        statement="Alternating optimisation of the head gives a better h than training it jointly.",
        latex=r"\mathrm{acc}(h \mid \text{alternating}) > \mathrm{acc}(h \mid \text{joint})",
        source="paper",
        reference=f"{GUPTA}, Table 1 (non-linear head) and Table 2 (linear head, neighbours)",
        assumptions=f"{_REGIME}; five inner steps by Adam of the same rate, no proximal term; MLP and linear head",
        limits="five labels of each class: by neighbours the gain is at the edge of what these members resolve, and by "
        "the linear probe it is smaller than 0.02",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(
            (
                *_differences(_HEADS["MLP, alternating"], _HEADS["MLP"], FIVE_LABELS),
                *_differences(_HEADS[ALTERNATING], _HEADS[LINEAR], FIVE_LABELS),
            ),
            _SCORES,
            MANY,
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="holds within stated limits",
    ),
    Claim(
        id="images-rank-deficit-accuracy",
        statement="Heads with a larger deficit of effective rank, that of h minus that of z, leave an h from which the "
        "digit is read better.",
        latex=r"\mathrm{slope}\bigl(\mathrm{acc}(h)\ \text{on}\ \mathrm{er}(H)-\mathrm{er}(Z)\bigr) > 0",
        source="paper",
        reference=f"{GUPTA}, section 3.1, there with the numerical rank",
        assumptions=f"{_REGIME}; least squares over five heads (none, random, DirectCLR, linear, alternating) of each "
        "member; linear probe, neighbours and five labels of each class",
        control=_OTHER_SIGN,
        quantity="accuracy for each unit of effective rank",
        check=Sign(),
        **_trained_and_untrained(_measure_rank_slope),
        predict=partial(predict_signs, signs=(1, 1, 1)),
    ),
    Claim(
        id="images-rank-z-order",
        statement="Training makes the effective rank of z fall from no head to a linear head of half as many outputs, "
        "and from a linear head to an MLP of as many outputs, more than it does before training.",
        latex=r"\mathrm{er}(Z_\text{none}) > \mathrm{er}(Z_\text{linear}) > \mathrm{er}(Z_\text{MLP})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2, there the numerical rank after training alone",
        assumptions=f"{_RELU}; entropy effective rank of centred training features, minus that of the untrained "
        "networks, in which the order is clearer. Smallest effect: 7, the fall from no "
        "head to the linear one after training",
        control="an effect of 7, planted",
        quantity=f"{RANKS}, trained minus untrained",
        check=Unsupported(7.0),
        **measures_beyond_untrained(
            (
                *_differences(_HEADS[LINEAR], _HEADS[NONE], "effective_rank_z"),
                *_differences(_WIDE["MLP"], _WIDE[LINEAR], "effective_rank_z"),
            ),
            _SCORES,
            FEWER,
        ),
        predict=partial(predict_signs, signs=(-1, -1)),
        expected="not supported",
    ),
    Claim(
        id="images-rank-h-linear",
        statement="The effective rank of h rises from no head to a linear head.",
        latex=r"\mathrm{er}(H_\text{linear}) > \mathrm{er}(H_\text{none})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2",
        assumptions=f"{_RELU}; head with 32 outputs",
        control=_OTHER_SIGN,
        quantity=RANKS,
        check=Sign(),
        **measures(_differences(_HEADS[LINEAR], _HEADS[NONE], "effective_rank_h"), _SCORES, MEMBERS),
        predict=partial(predict_signs, signs=(1,)),
    ),
    Claim(
        id="images-rank-h-mlp",
        statement="The effective rank of h rises from a linear head to an MLP.",
        latex=r"\mathrm{er}(H_\text{MLP}) > \mathrm{er}(H_\text{linear})",
        source="paper",
        reference=f"{GUPTA}, section 3.1 and Figure 2, there the numerical rank of 2,048 units",
        assumptions=f"{_RELU}; heads with 64 outputs. The numerical rank is full in every run here. Smallest effect: 1",
        control="an effect of 1, planted",
        quantity=RANKS,
        check=Unsupported(1.0),
        **measures(_differences(_WIDE["MLP"], _WIDE[LINEAR], "effective_rank_h"), _SCORES, FEWER),
        predict=partial(predict_signs, signs=(1,)),
        expected="undecided",
        reason="the sign depends on the length of training: pilot runs of 60 epochs rise where those of 10 fall",
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
        quantity=RANKS,
        check=Sign(),
        **measures(
            _differences(_HEADS[ALTERNATING], _HEADS[LINEAR], "effective_rank_z", "effective_rank_h"),
            _SCORES,
            MEMBERS,
        ),
        predict=partial(predict_signs, signs=(-1, 1)),
    ),
)
