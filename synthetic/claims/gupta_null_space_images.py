"""Claims on Gupta et al. (2022) on digits on photographs: what a linear head sees, and descent at its top.

Replicates are members of one seed: independent draws of data, initial weights, order and views. Before training the
head is random, and a random subspace of few dimensions reads less than the rest; so the claims are on what training
adds to the same network untrained, or have it as a control. Margins and smallest effects were settled in pilot runs,
seed 0 among them; other seeds are their test.
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
from synthetic.images.bank import measure_runs
from synthetic.images.contrasts import gap, measures, measures_beyond_untrained, score
from synthetic.images.invariance import measure_style_shares
from synthetic.images.null_space import NullSpaceScores
from synthetic.images.runs import BASE, HEADS_BASE, untrained, with_members
from synthetic.images.scores import ProbeScores
from synthetic.images.top_training import (
    TopTraining,
    measure_drift,
    measure_first_order_change,
    measure_null_space_energy,
    train_top,
)
from synthetic.store.arrays import stack_results
from synthetic.store.sweep import sweep

FEWER, MEMBERS, MORE = 12, 16, 24  # more where the effect is smaller against its spread
HALF, FEW = 32, 4
"""Outputs of the linear head, of 64 units."""
ACCURACIES = "difference of accuracies"
TRAINING = "difference of accuracies, trained minus untrained"


def _with_outputs(embed_dim):
    return replace(HEADS_BASE, head=LinearConfig(embed_dim))


def _parts(embed_dim, *pairs):
    """Linear accuracy of one part of h minus that of another one."""
    run = _with_outputs(embed_dim)
    return tuple(score(run, f"linear_{one}") - score(run, f"linear_{other}") for one, other in pairs)


def _measure_style(seed, *, epochs):
    """Style share of h minus that of z, and of the null space of the head minus that of its row space."""
    run = replace(_with_outputs(HALF), seed=seed, epochs=epochs)
    members = [replace(run, member=member) for member in range(FEWER)]
    shares = stack_results(sweep(measure_style_shares, members, label="images, style"))
    return np.stack(
        [shares["style_h"] - shares["style_z"], shares["style_h_n"] - shares["style_h_r"]], axis=1
    )


CHANCE = 0.1
"""Accuracy of a guess among ten digits that are equally frequent."""


def _measure_unseen_part(seed, *, epochs):
    """Neighbours' accuracy in the null space of the head: above chance, and above the same network untrained."""
    run = _with_outputs(FEW)
    runs = with_members({"now": replace(run, epochs=epochs), "start": untrained(run)}, MORE, seed=seed)
    scores = measure_runs(NullSpaceScores(), runs, label="images")
    now, start = (scores[name]["knn_h_n"] for name in ("now", "start"))
    return np.stack([now - CHANCE, now - start], axis=1)


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


_NETWORK = (
    "three-layer convolutional encoder of 64 units ending with a ReLU, linear head without bias, SimCLR, digit lost in "
    "every second pair, 10 epochs (90 steps) of Adam"
)
_TOP = (
    "three convolutions with batch norm below W_1 (24 units) and W_2, NT-Xent at temperature 0.5 on 64 fixed pairs, "
    "float64"
)

_OTHER_SIGN = "the opposite sign"

CLAIMS = (
    Claim(
        id="images-style-invariance",
        statement="Training makes z change less than h with the style of an image, and the row space of a linear head "
        "less than its null space.",
        latex=r"\mathrm{style}(h) > \mathrm{style}(z),\ \mathrm{style}(h_n) > \mathrm{style}(h_r)",
        source="paper",
        reference=f"{GUPTA}, section 3.2: the head takes up the invariances of the loss, the representation keeps what "
        "varies",
        assumptions=f"{_NETWORK} of 32 outputs; style is patch, crop and colour, its share half the "
        "mean squared distance of the views of a test image over the variance of all views",
        control=_OTHER_SIGN,
        quantity="difference of shares of the variance",
        check=Sign(),
        measure=partial(_measure_style, epochs=BASE.epochs),
        untrained=partial(_measure_style, epochs=0),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-h-over-z-linear",
        statement="Training puts the digit into h rather than into the z of a linear head.",
        latex=r"\mathrm{acc}(h)-\mathrm{acc}(z) > \text{the same before training}",
        source="paper",
        reference=f"{GUPTA}, Figure 4, there after training alone",
        assumptions=f"{_NETWORK}, {HALF} outputs; linear probe and neighbours; difference to the same network "
        "untrained, whose lead of h over z is 0.10 and larger. Smallest effect: 0.10",
        control="an effect of 0.10, planted",
        quantity=TRAINING,
        check=Unsupported(0.1),
        **measures_beyond_untrained(
            (gap(_with_outputs(HALF), stem) for stem in ("digit_linear", "digit_knn")),
            ProbeScores(),
            MEMBERS,
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="not supported",
    ),
    Claim(
        id="images-h-over-row-space",
        statement="Training makes the digit better read from h than from its part in the row space of the head.",
        latex=r"\mathrm{acc}(h)-\mathrm{acc}(h_r) > \text{the same before training}",
        source="paper",
        reference=f"{GUPTA}, Figure 4, there after training alone",
        assumptions=f"{_NETWORK}, {HALF} outputs; linear probe; difference to the same network untrained, whose lead "
        "of h is 0.10 and larger. Smallest effect: 0.05",
        control="an effect of 0.05, planted",
        quantity=TRAINING,
        check=Unsupported(0.05),
        **measures_beyond_untrained(_parts(HALF, ("h", "h_r")), NullSpaceScores(), MORE),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-null-space-over-z",
        statement="Training makes the digit better read from the part of h that the head does not see than after the "
        "head.",
        latex=r"\mathrm{acc}(h_n)-\mathrm{acc}(z) > \text{the same before training}",
        source="paper",
        reference=f"{GUPTA}, section 3.2 and Figure 4 (all data sets but ImageNet), there after training alone",
        assumptions=f"{_NETWORK}, linear probe; {FEW} outputs, so that 94% of the dimensions are unseen as in the "
        "paper; difference to the same network untrained, whose lead of the null space is 0.51 and larger: it is one "
        "of counting dimensions. Smallest effect: 0.13, a quarter of that",
        control="an effect of 0.13, planted",
        quantity=TRAINING,
        check=Unsupported(0.13),
        **measures_beyond_untrained(_parts(FEW, ("h_n", "z")), NullSpaceScores(), MORE),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-null-space-over-chance",
        statement="Training takes a part of the digit out of the part of h that the head does not see, which still "
        "tells it far better than chance.",
        latex=r"\mathrm{acc}(h_n) > \tfrac1{10},\ \mathrm{acc}(h_n) < \text{the same before training}",
        source="paper",
        reference=f'{GUPTA}, section 3.2: the null space is "significantly better than the random classification"; '
        "that training takes a part of it away is observed here",
        assumptions=f"{_NETWORK}, {FEW} outputs; neighbours. By a linear probe the null space tells the digit as well "
        "after training as before",
        control=_OTHER_SIGN,
        quantity="accuracy minus chance, and accuracy trained minus untrained",
        check=Sign(),
        measure=partial(_measure_unseen_part, epochs=BASE.epochs),
        untrained=partial(_measure_unseen_part, epochs=0),
        predict=partial(predict_signs, signs=(1, -1)),
    ),
    Claim(
        id="images-z-over-null-space",
        statement="When the head sees half of the dimensions, training collects the digit in its row space and in z, "
        "away from its null space.",
        latex=r"\mathrm{acc}(h_r), \mathrm{acc}(z) > \mathrm{acc}(h_n)",
        source="derived",
        reference=f"observed here, on {GUPTA}, Figure 4",
        assumptions=f"{_NETWORK}, {HALF} outputs; linear probe",
        control=_OTHER_SIGN,
        quantity=ACCURACIES,
        check=Sign(),
        **measures(_parts(HALF, ("h_r", "h_n"), ("z", "h_n")), NullSpaceScores(), MEMBERS),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-head-takes-variance",
        statement="Training moves variance of h out of the null space of the head, whether the head sees half of the "
        "dimensions or few.",
        latex=r"\mathrm{Var}(h_n)/\mathrm{Var}(h) < \text{the same before training}",
        source="derived",
        reference=f"observed here, on {GUPTA}, section 3.2",
        assumptions=f"{_NETWORK} of {HALF} and of {FEW} outputs; share of the variance of the "
        "training features",
        control=_OTHER_SIGN,
        quantity="share of the variance, trained minus untrained",
        check=Sign(),
        **measures_beyond_untrained(
            (score(_with_outputs(dim), "energy_h_n") for dim in (HALF, FEW)),
            NullSpaceScores(),
            MEMBERS,
        ),
        predict=partial(predict_signs, signs=(-1, -1)),
    ),
    Claim(
        id="images-row-space-is-z",
        statement="A linear probe reads the same from z and from the part of h in the row space of the head.",
        latex=r"\mathrm{acc}(h_r) = \mathrm{acc}(z)",
        source="identity",
        reference=f"on {GUPTA}, equation (4): z = A h_r is an invertible function of h_r, trained or not",
        assumptions=f"{_NETWORK}, {FEW} outputs; linear probe; not exact, for the probe standardises and penalises "
        "coordinates",
        control="z short of h_r by 0.1, less than it is short of h",
        quantity=ACCURACIES,
        check=Equivalent(0.03),
        measure=measures(_parts(FEW, ("h_r", "z")), NullSpaceScores(), MEMBERS)["measure"],
        predict=lambda seed: Prediction(np.zeros(1), np.array([0.1])),
    ),
    Claim(
        id="images-balance-first-order",
        statement="A step of gradient descent on an image network leaves W1 W1^T - W2^T W2 alone to first order.",
        latex=r"W_1G_1^\top + G_1W_1^\top = W_2^\top G_2 + G_2^\top W_2",
        source="identity",
        reference="the chain rule: it holds for any loss, any data and anything below W_1",
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
