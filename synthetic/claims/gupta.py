"""Claims on Gupta et al., Understanding and Improving the Role of Projection Head in SSL (2022)."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

import theory
from neural import numerical_rank, torch_generator
from neural.seeds import stream_seed
from synthetic.claims.papers import GUPTA
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Exact, Sign
from synthetic.features.conservation import (
    TIME,
    differences_after_descent,
    energy_in_null_space,
    extrapolate_steps,
    sampled_losses,
)
from synthetic.features.head_comparison import (
    compare_fixed_and_learnt,
    compare_inner_steps,
    measure_style,
)
from synthetic.features.head_schemes import train_alternating, train_fast_head, train_with_exact_head
from synthetic.features.head_training import (
    Alternation,
    Penalty,
    bilevel_flow,
    frozen_head_minimizer,
    penalised_minimizer,
    sampled_descent,
)
from synthetic.features.population import (
    end_to_end,
    feature_norms,
    isotropic_start,
    layer_difference,
    population_flow,
    population_loss,
    random_start,
)
from synthetic.features.settings import FOUR_FEATURES, ONE_ABSENT
from synthetic.features.views import sample_inputs

START, RATIO, FLOW_TIME = 0.6, 3.0, 120.0
RATIOS, SLOW_TIME = (0.5, 1.0, 3.0, 10.0), 300.0
BILEVEL_TIME = 200.0
WIDE = 6


def _measure_head_speed(seed):
    ends = [
        train_fast_head(FOUR_FEATURES, seed, scale=START, ratio=ratio, width=WIDE, time=SLOW_TIME)
        for ratio in RATIOS
    ]
    return np.concatenate([before for before, _ in ends])


def _predict_head_speed(seed):
    def weights(power):
        schemes = [theory.HeadSpeed(START, ratio**power) for ratio in RATIOS]
        return np.concatenate([theory.pre_head_weights(FOUR_FEATURES, scheme) for scheme in schemes])

    return Prediction(weights(1), weights(2))


def _measure_dropped(seed):
    """A wide representation, one feature of retention 0."""
    return train_fast_head(ONE_ABSENT, seed, scale=START, ratio=RATIO, width=5, time=FLOW_TIME)[0]


def _predict_dropped(seed):
    scheme = theory.HeadSpeed(START, RATIO)
    return Prediction(
        theory.pre_head_weights(ONE_ABSENT, scheme, width=5),
        theory.pre_head_weights(ONE_ABSENT, scheme, width=2),
    )


INNER = (1, 3, 5, 5)
PROXIMALS = (0.0, 0.0, 0.0, 40.0)
STEP, ALTERNATION_START, ALTERNATION_TIME = 5e-3, 0.8, 40.0


def _measure_inner_steps(seed):
    """Extrapolated to step 0 at a fixed product of step and proximal term."""
    columns = []
    for inner, proximal in zip(INNER, PROXIMALS, strict=True):
        coarse, fine = (
            train_alternating(
                FOUR_FEATURES,
                seed,
                Alternation(inner, STEP / cut, proximal * cut),
                scale=ALTERNATION_START,
                time=ALTERNATION_TIME,
            )[0]
            for cut in (1, 2)
        )
        columns.append(2 * fine - coarse)
    return np.concatenate(columns)


def _predict_inner_steps(seed):
    """Control: a proximal term lambda for 2 lambda, and inner steps counted without the first."""

    def weights(ratio):
        return theory.pre_head_weights(FOUR_FEATURES, theory.HeadSpeed(ALTERNATION_START, ratio))

    pairs = list(zip(INNER, PROXIMALS, strict=True))
    right = [weights(theory.inner_steps_ratio(inner, STEP, proximal)) for inner, proximal in pairs]
    wrong = [weights(theory.inner_steps_ratio(inner, STEP, proximal / 2) + 0.5) for inner, proximal in pairs]
    return Prediction(np.concatenate(right), np.concatenate(wrong))


def _measure_bilevel(seed):
    """p = k with a square encoder, then p = 2 with three units."""
    full = train_with_exact_head(FOUR_FEATURES, seed, scale=START, time=BILEVEL_TIME)
    narrow = bilevel_flow(FOUR_FEATURES, isotropic_start(4, 3, START, seed), 2, BILEVEL_TIME)
    kept = feature_norms(FOUR_FEATURES, narrow)[0][2:]
    return np.concatenate([full[0], kept, np.linalg.eigvalsh(narrow[0] @ narrow[0].T)])


def _predict_bilevel(seed):
    """Control: joint training from the same isotropic start."""
    bilevel = theory.pre_head_weights(FOUR_FEATURES, theory.Bilevel(START))
    joint = theory.pre_head_weights(FOUR_FEATURES, theory.HeadSpeed(START, 1.0))
    square = np.full(3, START**2)
    return Prediction(
        np.concatenate([bilevel, bilevel[2:], square]), np.concatenate([joint, joint[2:], square])
    )


NARROW_UNITS, NARROW_OUTPUTS = 3, 2  # the encoder must turn towards the features that are kept


def _measure_same_minimum(seed):
    """Least loss reached by joint training, by bilevel training, and behind a fixed head."""
    encoder = isotropic_start(4, NARROW_UNITS, START, seed)
    (head,) = random_start([NARROW_UNITS, NARROW_OUTPUTS], 1.0, stream_seed(seed, "fixed"))
    layers = (
        population_flow(FOUR_FEATURES, [encoder, 0.3 * head], SLOW_TIME, rtol=1e-9),
        bilevel_flow(FOUR_FEATURES, encoder, NARROW_OUTPUTS, BILEVEL_TIME),
        population_flow(FOUR_FEATURES, [encoder, head], SLOW_TIME, head_rate=0.0, rtol=1e-9, method="LSODA"),
    )
    return [population_loss(FOUR_FEATURES, pair) for pair in layers]


def _predict_same_minimum(seed):
    """Control: the least loss of any head on the encoder's start, which turns nowhere."""
    encoder = isotropic_start(4, NARROW_UNITS, START, seed)
    cov, cross = (encoder @ moment @ encoder.T for moment in (FOUR_FEATURES.cov, FOUR_FEATURES.cross_cov))
    gram = theory.spectral_minimizer(cov, cross, NARROW_OUTPUTS)
    values, vectors = np.linalg.eigh(gram)
    head = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    least = theory.spectral_minimum(FOUR_FEATURES, NARROW_OUTPUTS)
    return Prediction(np.full(3, least), np.full(3, theory.spectral_loss(head, cov, cross)))


def _frozen(seed):
    return random_start([4, 4], 1.0, stream_seed(seed, "frozen"))[0] + 2 * np.eye(4)


def _measure_frozen(seed):
    return frozen_head_minimizer(FOUR_FEATURES, _frozen(seed), seed)[0]


def _predict_frozen(seed):
    head = theory.FrozenHead(_frozen(seed))
    weights = theory.layer_weights(FOUR_FEATURES)[1]
    return Prediction(theory.pre_head_weights(FOUR_FEATURES, head), weights / head.singular_values.mean())


def _low_rank_start(seed):
    return random_start([FOUR_FEATURES.dim, WIDE, 3], 0.4, seed)


def _orthonormal_head(seed):
    return isotropic_start(WIDE, 3, 1.0, stream_seed(seed, "orthonormal head"))


def _measure_frozen_null(seed):
    encoder, _ = _low_rank_start(seed)
    layers = population_flow(
        FOUR_FEATURES, [encoder, _orthonormal_head(seed)], SLOW_TIME, head_rate=0.0, method="LSODA"
    )
    return feature_norms(FOUR_FEATURES, layers)[0]


def _predict_frozen_null(seed):
    """Control: the null space forgotten."""
    (encoder, _), head = _low_rank_start(seed), _orthonormal_head(seed)
    after = theory.layer_weights(FOUR_FEATURES, embed_dim=3)[1]
    unseen = np.linalg.norm(encoder - head.T @ head @ encoder, axis=0)
    return Prediction(np.hypot(after, unseen), after)


@cache
def _joint_end(seed):
    return population_flow(FOUR_FEATURES, _low_rank_start(seed), 30.0, head_rate=RATIO)


def _measure_null_energy(seed):
    return [energy_in_null_space(_joint_end(seed))]


def _predict_null_energy(seed):
    start, end = _low_rank_start(seed), _joint_end(seed)
    conserved, encoder_only = theory.imbalance(*start, RATIO), start[0] @ start[0].T
    return Prediction(*([theory.null_space_energy(matrix, end[1])] for matrix in (conserved, encoder_only)))


# Conservation for other losses, on sampled data

STEPS, DRIFT_STEPS, PENALTY = (0.05, 0.025, 0.0125, 0.00625), (0.025, 0.0125), 0.1


def _sampled_start(seed):
    return random_start([FOUR_FEATURES.dim, 5, 4], 2.0, seed)


def _measure_sampled(penalty, seed):
    ends = differences_after_descent(_sampled_start(seed), STEPS, seed, penalty=penalty)
    return np.concatenate([np.linalg.eigvalsh(matrix) for matrix in extrapolate_steps(ends)])


def _predict_sampled(seed):
    """Control: W1 W1^T conserved by itself; this differs only as far as training has moved the head."""
    start = _sampled_start(seed)
    x, losses = sampled_losses(seed)
    heads = [sampled_descent(loss, start, x, step_size=STEPS[0], time=TIME)[1] for loss in losses.values()]
    values = [np.linalg.eigvalsh(theory.imbalance(start[0], head)) for head in (start[1], *heads)]
    return Prediction(np.tile(values[0], 2), np.concatenate(values[1:]))


def _predict_decayed(seed):
    start = theory.imbalance(*_sampled_start(seed))
    found = [theory.decayed_imbalance(start, PENALTY * scale, TIME) for scale in (1.0, 0.5)]
    return Prediction(*(np.tile(np.linalg.eigvalsh(matrix), 2) for matrix in found))


def _measure_drift(seed):
    """Ratio of the drift at the step h to that at h/2; replicates with their own data."""
    rows = []
    for replicate in range(16):
        own = stream_seed(seed, "drift", replicate)
        start = _sampled_start(own)
        ends = differences_after_descent(start, DRIFT_STEPS, own)
        coarse, fine = np.linalg.norm(ends - layer_difference(start), axis=(2, 3)).T
        rows.append(np.log2(coarse / fine))
    return np.array(rows)


# Rank and null space of a linear head


def _measure_rank_deficit(seed):
    """Ranks of representation and embedding after joint training, without and with weight decay."""
    model, decay = FOUR_FEATURES, Penalty(0.02, head=0.02)
    x, _ = sample_inputs(model, 500, torch_generator(seed, "outputs"))
    ranks = []
    for layers in (_joint_end(seed), penalised_minimizer(model, WIDE, 3, decay, seed)[0]):
        outputs = [x.numpy() @ end_to_end(layers[: depth + 1]).T for depth in range(2)]
        ranks += [numerical_rank(output - output.mean(0)) for output in outputs]
    return ranks


CLAIMS = (
    Claim(
        id="gupta-head-speed",
        statement="From an isotropic encoder and a vanishing head that learns c times as fast, the weights "
        "before the head "
        "are [(a^2 + (a^4 + 4 s^2/c)^(1/2))/2]^(1/2).",
        latex=r"w_i^2 = \tfrac12\bigl(a^2 + \sqrt{a^4 + 4s_i^2/c}\bigr)",
        source="derived",
        reference=f"derived here, on {GUPTA}, section 4",
        assumptions="population flow, a = 0.6, c from 0.5 to 10, width 6, head of scale 1e-5",
        control="ratio c^2 for c",
        check=Exact(1e-6),
        measure=_measure_head_speed,
        predict=_predict_head_speed,
    ),
    Claim(
        id="gupta-dropped-feature",
        statement="A feature that the views do not share keeps its starting weight before the head.",
        latex=r"w_i = a \quad (\rho_i = 0,\ m \ge d)",
        source="derived",
        reference="derived here",
        assumptions="as gupta-head-speed, width at least the input dimension",
        control="the width of the kept features only: weight 0",
        check=Exact(1e-6),
        measure=_measure_dropped,
        predict=_predict_dropped,
    ),
    Claim(
        id="gupta-inner-steps",
        statement="l inner steps on the head, with a proximal term, act as a head that learns "
        "(1-(1-2 eta lambda)^l)/(2 eta lambda) times as fast.",
        latex=r"c = \frac{1-(1-2\eta\lambda)^l}{2\eta\lambda}",
        source="derived",
        reference=f"derived here, for {GUPTA}, equation (8)",
        assumptions="no momentum; l = 1, 3, 5 without and 5 with eta lambda = 0.2; extrapolated from steps "
        "1e-2 and 5e-3",
        control="half the proximal term and half a step more",
        check=Exact(2e-4),
        measure=_measure_inner_steps,
        predict=_predict_inner_steps,
    ),
    Claim(
        id="gupta-bilevel",
        statement="With the head at its exact minimum the encoder's flow conserves W1 W1^T: every kept "
        "feature weighs a.",
        latex=r"\frac{d}{dt} W_1W_1^\top = 0",
        source="derived",
        reference=f"derived here, for {GUPTA}, equation (6)",
        assumptions="isotropic start; p = k with four units, and p = 2 with three units, where the encoder turns",
        control="joint training from the same start",
        check=Exact(1e-6),
        measure=_measure_bilevel,
        predict=_predict_bilevel,
    ),
    Claim(
        id="gupta-same-minimum",
        statement="Joint training, training with the head at its minimum, and training behind a fixed head reach the "
        "same least loss.",
        latex=r"\min_{f,g}L = \min_f\min_g L = \min_f L(g_0\circ f)",
        source="paper",
        reference=f"{GUPTA}, after equation (6) and in section 5.2",
        assumptions="population flow, three units and two outputs, so that the encoder has to turn towards the "
        "features that are kept; the representations differ (gupta-bilevel, gupta-frozen-head)",
        control="the least loss of any head on the encoder where it starts",
        check=Exact(1e-6),
        measure=_measure_same_minimum,
        predict=_predict_same_minimum,
        quantity="loss",
    ),
    Claim(
        id="gupta-frozen-head",
        statement="Behind a frozen head the encoder of smallest norm weighs s over the head's singular "
        "values, both in "
        "decreasing order.",
        latex=r"w_{(i)} = s_{(i)}/a_{(i)}",
        source="derived",
        reference=f"derived here, on {GUPTA}, section 5.2 (random and pretrained fixed heads)",
        assumptions="random invertible head, vanishing weight decay of the encoder",
        control="one scale for all: s over the mean singular value",
        check=Exact(1e-6),
        measure=_measure_frozen,
        predict=_predict_frozen,
    ),
    Claim(
        id="gupta-frozen-null-space",
        statement="Behind a frozen head with orthonormal rows a feature's squared weight is s squared, plus what the "
        "encoder's start holds of it in the null space of the head.",
        latex=r"w_i^2 = s_i^2 + \|(I - A^+A)W_1(0)v_i\|^2",
        source="derived",
        reference=f"derived here, on {GUPTA}, section 3.2",
        assumptions="population flow without decay to the end, random encoder of six units, head of three outputs, "
        "which keep the three features of largest c",
        control="null space forgotten",
        check=Exact(1e-6),
        measure=_measure_frozen_null,
        predict=_predict_frozen_null,
        quantity="feature weight before the head",
    ),
    Claim(
        id="gupta-null-space-energy",
        statement="What the representation holds where the final head does not look is what the start's "
        "imbalance says.",
        latex=r"\|W_1^\top n\|^2 = n^\top(W_1W_1^\top - W_2^\top W_2/c)(0)\,n",
        source="derived",
        reference=f"derived here, on {GUPTA}, section 3.2",
        assumptions="joint flow from an unbalanced random start, six units, three outputs, head three times as fast",
        control="the head's term left out",
        check=Exact(1e-8),
        measure=_measure_null_energy,
        predict=_predict_null_energy,
    ),
    Claim(
        id="gupta-conservation-sampled",
        statement="InfoNCE and supervised contrastive training on samples conserve W1 W1^T - W2^T W2.",
        latex=r"\frac{d}{dt}(W_1W_1^\top - W_2^\top W_2) = 0",
        source="derived",
        reference="derived here: it holds for any loss and any data",
        assumptions="cosine losses on a fixed sample, plain gradient descent, extrapolated from steps 0.05 "
        "to 0.00625 to 0",
        control="W1 W1^T conserved by itself, as where the head is at its minimum throughout",
        check=Exact(1e-4),
        measure=partial(_measure_sampled, 0.0),
        predict=_predict_sampled,
    ),
    Claim(
        id="gupta-decay-sampled",
        statement="With weight decay the imbalance decays as exp(-4 lambda t), whatever the loss.",
        latex=r"e^{-4\lambda t}(W_1W_1^\top - W_2^\top W_2)(0)",
        source="derived",
        reference="derived here",
        assumptions="as gupta-conservation-sampled, lambda = 0.1 on both layers, time 4",
        control="lambda for 2 lambda",
        check=Exact(1e-4),
        measure=partial(_measure_sampled, PENALTY),
        predict=_predict_decayed,
    ),
    Claim(
        id="gupta-drift-order",
        statement="The drift of the imbalance is first order in the step of plain gradient descent at fixed time.",
        latex=r"\log_2(\mathrm{drift}(h)/\mathrm{drift}(h/2)) = 1",
        source="derived",
        reference="derived here",
        assumptions="as gupta-conservation-sampled; steps 0.025 and 0.0125",
        control="second order",
        check=Equivalent(0.05),
        measure=_measure_drift,
        predict=lambda seed: Prediction(np.ones(2), np.full(2, 2.0)),
    ),
    Claim(
        id="gupta-rank-deficit",
        statement="Without weight decay the representation keeps directions that the head does not see; with weight "
        "decay its rank falls to that of the embedding.",
        latex=r"\mathrm{rank}(H) > \mathrm{rank}(Z);\quad \lambda > 0:\ \mathrm{rank}(H) = \mathrm{rank}(Z)",
        source="derived",
        reference=f"derived here, on {GUPTA}, equation (3), which is an observation on images",
        assumptions="linear layers without bias, four input dimensions, six units, three outputs; flow from a random "
        "start, and the minimum with decay 0.02 on both layers",
        control="decay leaves the deficit",
        check=Exact(0.0),
        measure=_measure_rank_deficit,
        predict=lambda seed: Prediction([4.0, 3.0, 3.0, 3.0], [4.0, 3.0, 4.0, 3.0]),
        quantity="rank of representation and embedding, without and with decay",
    ),
    Claim(
        id="gupta-style-invariance",
        statement="Training makes the embedding less sensitive to the augmentation than the representation, whose part "
        "in the head's null space is the most sensitive one.",
        latex=r"\frac{E|h-h^+|^2}{2E|h|^2} > \frac{E|z-z^+|^2}{2E|z|^2},\quad "
        r"\frac{E|h_n-h_n^+|^2}{2E|h_n|^2} > \frac{E|h_r-h_r^+|^2}{2E|h_r|^2}",
        source="paper",
        reference=f"{GUPTA}, section 3.3 (their hypothesis)",
        assumptions="feature model, linear layers, ten features of which four outputs keep four; 12 units, random "
        "starts, 4,000 sampled pairs; each replicate is a network",
        control="the representation is as invariant as the embedding or more",
        check=Sign(0.02),
        measure=measure_style,
        predict=lambda seed: Prediction(np.ones(2), -np.ones(2)),
        expected="holds within stated limits",
        limits="where the head drops features that are mostly style; with as many outputs as features the "
        "representation can be the more invariant one",
        quantity="difference of the shares of variance that are style",
        untrained=partial(measure_style, trained=False),
    ),
    Claim(
        id="gupta-fixed-early-learnable-late",
        statement="Behind a fixed head the representation is better early in training, and with a learnable head it is "
        "better in the end.",
        latex=r"\mathrm{Acc}_{\mathrm{fixed}}(t_1) > \mathrm{Acc}_{\mathrm{learnt}}(t_1),\quad "
        r"\mathrm{Acc}_{\mathrm{learnt}}(t_2) > \mathrm{Acc}_{\mathrm{fixed}}(t_2)",
        source="paper",
        reference=f"{GUPTA}, section 6, where it is said of their experiments on images",
        assumptions="feature model, linear layers, as many outputs as features; orthonormal fixed head, learnable head "
        "from 0.3 times the same matrix; relevant feature disrupted with probability 0.38; averaging on 8 labels at "
        "times 0.8 and 40; each replicate is a start",
        control="the other order at both times",
        check=Sign(),
        measure=compare_fixed_and_learnt,
        predict=lambda seed: Prediction(np.ones(2), -np.ones(2)),
        expected="holds within stated limits",
        limits="for a disrupted relevant feature and a learnable head that starts small; for a feature that training "
        "favours the fixed head stays better",
        quantity="difference of accuracies: fixed minus learnt early, learnt minus fixed late",
    ),
    Claim(
        id="gupta-faster-convergence",
        statement="Five inner steps on the head bring the loss down in fewer steps of the encoder than one.",
        latex=r"L_{l=1}(t) > L_{l=5}(t)",
        source="paper",
        reference=f"{GUPTA}, section 5.1, where accuracy after equally many epochs shows it",
        assumptions="population loss of four features, linear layers, random starts of scale 0.1, alternating descent "
        "with step 0.01; after 50 and 100 steps of the encoder",
        control="inner steps slow the encoder down",
        check=Sign(),
        measure=compare_inner_steps,
        predict=lambda seed: Prediction(np.ones(2), -np.ones(2)),
        quantity="difference of losses",
    ),
)
