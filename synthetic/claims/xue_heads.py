"""Claims on Xue et al. (ICLR 2024): thresholds, labels, fixed heads and weight decay."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np

import theory
from neural import stream_seed
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Exact, Sign
from synthetic.features.head_schemes import (
    flow_behind_reweighting,
    train_behind_reweighting,
    train_penalised,
    train_without_head,
)
from synthetic.features.head_training import Penalty, squared_loss_flow
from synthetic.features.population import aligned_start, balanced_start, feature_norms, weights_along_flow
from synthetic.features.settings import CLASS_PAIRS, FOUR_FEATURES
from synthetic.features.subclasses import (
    FIGURE_2_TRAINING,
    measure_collapse_slopes,
    subclass_separability,
)
from synthetic.features.thresholded import ThresholdedStart, train_thresholded
from synthetic.features.training import relative

# Non-linearity: thresholds

ABSENT = ThresholdedStart(
    phi=(0.6, 1.5, 1.0), retention=(0.0, 0.0, 0.0), w1=(1.0, 1.0, 0.8), w2=(1.0, 0.2, 0.7), b=(0.0, 0.1, 0.2)
)
SHARED_BY_PAIRS = ThresholdedStart(
    phi=(0.8, 1.4, 1.2), retention=(0.6, 0.3, 0.2), w1=(0.9, 0.9, 1.2), w2=(0.5, 0.3, 1.3), b=(0.5, 0.6, 0.2)
)
ONE_THRESHOLD = ThresholdedStart(
    phi=(0.5, 1.0, 1.5), retention=(0.0,) * 3, w1=(1.0,) * 3, w2=(1.0,) * 3, b=0.0
)
ABSENT_TIME, KEPT_TIME, SHARED_TIME = 1e10, 200.0, 5.0


def _limits(start):
    return np.array(
        [
            theory.thresholded_limit(phi, w1, w2, b, retention=rho)
            for phi, rho, w1, w2, b in zip(
                start.phi, start.retention, start.w1, start.w2, start.b, strict=True
            )
        ]
    ).T


def _measure_limits(start, time, seed):
    return np.concatenate([np.atleast_1d(part) for part in train_thresholded(start, time)])


def _predict_absent(seed):
    """In a linear network both weights of an absent feature vanish."""
    limits = _limits(ABSENT)
    return Prediction(limits.ravel(), np.zeros(limits.size))


def _predict_kept(seed):
    wrong = replace(SHARED_BY_PAIRS, retention=tuple(np.square(SHARED_BY_PAIRS.retention)))
    return Prediction(_limits(SHARED_BY_PAIRS).ravel(), _limits(wrong).ravel())


def _predict_shared(seed):
    def end(thresholds):
        path = theory.thresholded_path(np.array(ONE_THRESHOLD.phi), 1.0, 1.0, thresholds, [SHARED_TIME])
        return np.concatenate([path.w1[0], path.w2[0], np.atleast_1d(path.b[0])[:1]])

    return Prediction(end(0.0), end(np.zeros(3)))


# Labels

FINITE_TIMES, FINITE_START = (0.3, 3.0, 30.0), 0.5


def _measure_finite_time(seed):
    start = aligned_start(CLASS_PAIRS.dim, FINITE_START, seed)
    return weights_along_flow(CLASS_PAIRS, start, FINITE_TIMES, method="LSODA").ravel()


def _predict_finite_time(seed):
    """Control: the minimum, where subclass features are gone."""
    model = theory.class_pair_model(replace(CLASS_PAIRS, alpha=0.0), [0])
    after = theory.learning_curve(model, FINITE_TIMES, FINITE_START)
    limit = np.tile(theory.layer_weights(model).ravel(), len(FINITE_TIMES))
    return Prediction(np.stack([np.sqrt(after), after], axis=1).ravel(), limit)


CODES = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 2.0, 0.3, 0.0]])


def _measure_supervised(seed):
    layers = squared_loss_flow(FOUR_FEATURES, CODES, balanced_start([4, 4, 2], 0.3, seed), 200.0)
    return feature_norms(FOUR_FEATURES, layers).ravel()


def _predict_supervised(seed):
    return Prediction(
        theory.supervised_layer_weights(FOUR_FEATURES, CODES).ravel(),
        theory.supervised_layer_weights(FOUR_FEATURES, CODES, depth=3)[[0, 2]].ravel(),
    )


# Figure 2: two classes of two subclasses

_FIGURE_2 = (
    "two classes of two subclasses, ReLU networks of width 64 with 2 outputs, supervised contrastive loss, 1,000 steps "
    "from starts of scale 0.3; with more outputs the subclass stays readable after the head for longer"
)


SUBCLASSES = replace(FIGURE_2_TRAINING, members=64)  # weights before training scatter much


def _untrained(training):
    """The same networks where they start: one step of no length."""
    return replace(training, steps=1, lr=1e-12)


@cache
def _figure_2(training, seed):
    """Weight of the subclass relative to the class feature, (networks, layers)."""
    return relative(subclass_separability(replace(training, seed=seed)).weights, 0)[:, :, 1]


def _measure_subclass_weight(training, seed):
    return _figure_2(training, seed)[:, 1:]


def _measure_subclass_gap(training, seed):
    """Share of the subclass feature, before minus after the head.

    The share w / (1 + w) of the relative weight w stays below 1, while w itself is very large in those untrained
    networks that happen to hold little of the class feature.
    """
    weight = _figure_2(training, seed)
    return -np.diff(weight / (1 + weight), axis=1)


# The head law for no head, weight decay and a fixed head


def _measure_no_head(seed):
    return train_without_head(FOUR_FEATURES, seed)[0]


def _predict_no_head(seed):
    none, joint = (
        theory.pre_head_weights(FOUR_FEATURES, scheme) for scheme in (theory.NoHead(), theory.JointTraining())
    )
    return Prediction(none, joint)


ENCODER_DECAY, HEAD_DECAY = 0.02, 0.05


def _measure_weight_decay(seed):
    return train_penalised(FOUR_FEATURES, seed, Penalty(ENCODER_DECAY, head=HEAD_DECAY)).ravel()


def _predict_weight_decay(seed):
    schemes = theory.WeightDecay(ENCODER_DECAY, HEAD_DECAY), theory.WeightDecay(HEAD_DECAY, ENCODER_DECAY)
    found = [np.concatenate(theory.penalised_weights(FOUR_FEATURES, scheme)[:2]) for scheme in schemes]
    return Prediction(*found)


REWEIGHTING = 1.6


def _measure_fixed(seed):
    return train_behind_reweighting(FOUR_FEATURES, seed, decay=REWEIGHTING)[0]


def _predict_fixed(seed):
    """Control: the weakest feature behind the largest scale."""
    weights = theory.layer_weights(FOUR_FEATURES)[1]
    rank = np.argsort(np.argsort(weights))
    return Prediction(
        theory.pre_head_weights(FOUR_FEATURES, theory.FixedReweighting(REWEIGHTING)),
        weights * REWEIGHTING**rank,
    )


def _measure_fixed_replicates(train, seed):
    """Weights (16, k) before the fixed head from 16 random starts of the encoder."""
    seeds = [stream_seed(seed, "fixed head", replicate) for replicate in range(16)]
    return np.array([train(FOUR_FEATURES, one, decay=REWEIGHTING)[0] for one in seeds])


CLAIMS = (
    Claim(
        id="xue-4-absent-features",
        statement="Behind its own threshold a feature that the views do not share is absent after the head "
        "and present "
        "before it, or its head dies, by the sign of Delta; the limits are exact.",
        latex=r"w_1 \to C/(1+\phi^2),\ b \to \phi C/(1+\phi^2),\ \Delta = h^2 - (1+\phi^2)w_2^2 \le 0",
        source="reconstructed",
        reference=f"{XUE}, whose abstract says that non-linearity lets lower layers learn features absent from higher "
        "ones, and who name Definition 4.1 and Theorem 4.2; thresholds and limits are ours",
        assumptions="diagonal network with symmetrised ReLUs, no noise, retention 0, gradient flow to time 1e10 (the "
        "amplitude falls as t^(-1/2))",
        control="a linear network: both weights vanish",
        check=Exact(1e-4),
        measure=partial(_measure_limits, ABSENT, ABSENT_TIME),
        predict=_predict_absent,
    ),
    Claim(
        id="xue-4-kept-features",
        statement="With positive retention the amplitude tends to sqrt(rho) on the branch reached, and weights and "
        "threshold to the point that the conserved quantities fix.",
        latex=r"(1+\phi^2)w_2^4 + \Delta w_2^2 = \rho",
        source="derived",
        reference="derived here; theory.thresholded_limit",
        assumptions="diagonal network, no noise, thresholds that stay positive (clipping does not matter)",
        control="amplitude rho for sqrt(rho)",
        check=Exact(1e-6),
        measure=partial(_measure_limits, SHARED_BY_PAIRS, KEPT_TIME),
        predict=_predict_kept,
    ),
    Claim(
        id="xue-4-shared-threshold",
        statement="Features that share one threshold compete: its flow conserves b + sum w1/phi only.",
        latex=r"b + \sum_i w_{1,i}/\phi_i",
        source="derived",
        reference="derived here; theory.thresholded_path (integrated)",
        assumptions="three absent features from (1, 1, 0), state at time 5",
        control="a threshold for each feature",
        check=Exact(1e-6),
        measure=partial(_measure_limits, ONE_THRESHOLD, SHARED_TIME),
        predict=_predict_shared,
    ),
    Claim(
        id="xue-5-collapse-rates",
        statement="A subclass feature leaves the embedding as t^(-1/3), and the representation only as t^(-1/6).",
        latex=r"s \sim (24 c_2 t)^{-1/3}",
        source="derived",
        reference=f"derived here, on {XUE}, Figure 2",
        assumptions="class pairs (class feature rho = 1, subclass features 0), linear layers, balanced "
        "random starts; "
        "slopes of log weight between times 1e4 and 1e5",
        control="exponents of an isotropic head that moves alone: -1/2 and 0",
        check=Equivalent(0.01),
        measure=measure_collapse_slopes,
        predict=lambda seed: Prediction([-1 / 6, -1 / 3], [0.0, -1 / 2]),
    ),
    Claim(
        id="xue-5-finite-time",
        statement="At any time of training a subclass feature is where its learning curve is: not yet "
        "absent, least of all "
        "before the head.",
        latex=r"s(t) = (s(0)^{-3} + 24c_2t)^{-1/3}",
        source="derived",
        reference="derived here; theory.learning_curve",
        assumptions="class pairs, linear layers, aligned balanced start in rotated coordinates of the middle layer",
        control="the minimum, where subclass features weigh 0",
        check=Exact(1e-6),
        measure=_measure_finite_time,
        predict=_predict_finite_time,
    ),
    Claim(
        id="xue-5-squared-loss",
        statement="Balanced layers trained on a squared loss share the singular values of E[y x^T] Sigma^(-1).",
        latex=r"w^{(l)}_i = [(W^{*\top}W^*)^{l/L}]_{ii}^{1/2}",
        source="derived",
        reference=f"derived here; the abstract of {XUE} extends the mechanism to supervised learning",
        assumptions="two linear layers, augmented views, codes of two outputs that mix features, balanced "
        "random start",
        control="exponent 1/3 for 1/2 before the head",
        check=Exact(1e-6),
        measure=_measure_supervised,
        predict=_predict_supervised,
    ),
    Claim(
        id="xue-fig2-after",
        statement="The subclass feature is not represented after the head of a network trained with class labels.",
        latex=r"w^{(2)}_{\mathrm{sub}}/w^{(2)}_{\mathrm{class}} = 0",
        source="paper",
        reference=f"{XUE}, Figure 2 left",
        assumptions=_FIGURE_2,
        control="as untrained networks: both features weigh the same",
        check=Equivalent(0.15),
        measure=partial(_measure_subclass_weight, SUBCLASSES),
        predict=lambda seed: Prediction([0.0], [1.0]),
        quantity="weight of the subclass feature relative to the class feature",
        untrained=partial(_measure_subclass_weight, _untrained(SUBCLASSES)),
    ),
    Claim(
        id="xue-fig2-before",
        statement="Before the head the subclass feature is represented, and by more than after it.",
        latex=r"w^{(1)}_{\mathrm{sub}}/(w^{(1)}_{\mathrm{sub}}+w^{(1)}_{\mathrm{class}})"
        r" > w^{(2)}_{\mathrm{sub}}/(w^{(2)}_{\mathrm{sub}}+w^{(2)}_{\mathrm{class}})",
        source="paper",
        reference=f"{XUE}, Figure 2 left",
        assumptions=f"{_FIGURE_2}; before the head training has kept a part of what the start held",
        control="before and after swapped",
        check=Sign(0.1),
        measure=partial(_measure_subclass_gap, SUBCLASSES),
        predict=lambda seed: Prediction([1.0], [-1.0]),
        quantity="share of the subclass feature in the weights of subclass and class, before minus after the head",
        untrained=partial(_measure_subclass_gap, _untrained(SUBCLASSES)),
    ),
    Claim(
        id="xue-4-no-head",
        statement="Without a head the representation has the weights that a head would have after it.",
        latex=r"w_i = s_i",
        source="derived",
        reference=f"derived here, on {XUE}",
        assumptions="one linear layer, random start, gradient flow of the population loss",
        control="s^(1/2)",
        check=Exact(1e-6),
        measure=_measure_no_head,
        predict=_predict_no_head,
    ),
    Claim(
        id="xue-4-weight-decay",
        statement="With weight decay on both layers the weights are (lambda2/lambda1)^(1/4) c^(1/2) before "
        "and c after "
        "the head.",
        latex=r"w^{(1)}_i = (\lambda_2/\lambda_1)^{1/4} c_i^{1/2}",
        source="derived",
        reference=f"derived here, on {XUE}, Figure 3d",
        assumptions="global minimum of the penalised population loss, best of eight random starts",
        control="the two penalties swapped",
        check=Exact(1e-6),
        measure=_measure_weight_decay,
        predict=_predict_weight_decay,
    ),
    Claim(
        id="xue-4-fixed-reweighting",
        statement="Behind a fixed head diag(decay^-i) the encoder weighs s decay^i, in decreasing order of s.",
        latex=r"w_{(i)} = s_{(i)}\,\mathrm{decay}^i",
        source="reconstructed",
        reference=f"{XUE}, whose summary proposes a fixed reweighting head; its form diag(decay^-i) is ours",
        assumptions="encoder with vanishing weight decay (minima at 2e-5 and 1e-5, extrapolated)",
        control="increasing order",
        check=Exact(1e-6),
        measure=_measure_fixed,
        predict=_predict_fixed,
    ),
    Claim(
        id="xue-4-fixed-reweighting-needs-decay",
        statement="Gradient flow through a fixed reweighting head finds the encoder of smallest norm by itself.",
        latex=r"w_{(i)} = s_{(i)}\,\mathrm{decay}^i",
        source="derived",
        reference="a generalisation made here, not by the paper",
        assumptions="no weight decay, random starts of scale 0.3; mean over starts",
        control="the same head with vanishing weight decay, for which the law is true",
        check=Equivalent(0.02),
        measure=partial(_measure_fixed_replicates, flow_behind_reweighting),
        predict=_predict_fixed,
        expected="counterexample",
        control_measure=partial(_measure_fixed_replicates, train_behind_reweighting),
    ),
)
