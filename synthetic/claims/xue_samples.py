"""Claims on Xue et al. (ICLR 2024), Figure 1: two-layer networks that are trained on samples.

Every claim is a measurement, which sees samples only, and a prediction from `theory`. Margins and numbers of
replicates were settled in pilot runs, seed 0 among them, and kept since: other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np

import theory
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Sign
from synthetic.features import settings
from synthetic.features.training import relative, trained_weights

REPLICATES = 16

STRONGEST_LEFT, STRONGEST_RIGHT = settings.STRONGEST["left"], settings.STRONGEST["right"]
LEARNT = slice(1, 4)  # features of Figure 1 left that the linear network has learnt, without the reference


@cache
def _trained(training, seed):
    return trained_weights([replace(training, seed=seed)], REPLICATES)[0]


def _measure_after(training, seed):
    return _trained(training, seed).weights[:, 1]


def _measure_before_minus_after(training, reference, seed):
    weights = relative(_trained(training, seed).weights, reference)
    return np.delete(weights[:, 0] - weights[:, 1], reference, axis=1)


def _between_minus_ends(weights):
    """Mean weight of the features between minus that of the weakest and of the strongest: (R, 4), layers inside."""
    weights = weights / weights.max(axis=-1, keepdims=True)
    ends = weights[:, :, [0, -1]]
    return (
        (weights[:, :, 1:-1].mean(axis=-1, keepdims=True) - ends).transpose(0, 2, 1).reshape(len(weights), 4)
    )


def _measure_between_minus_ends(training, seed):
    return _between_minus_ends(_trained(training, seed).weights)


def _predict_between(seed):
    return Prediction(np.ones(4), np.array([1.0, 1.0, -1.0, -1.0]))


def _measure_linear_left(seed):
    return _trained(settings.LINEAR_LEFT, seed).weights[:, :, LEARNT].reshape(REPLICATES, -1)


def _measure_relative_before(training, seed):
    return relative(_trained(training, seed).weights, STRONGEST_LEFT)[:, 0, LEARNT]


def _predict_more_equal(seed):
    return Prediction(np.ones(4), -np.ones(4))


def _predict_left_after(seed):
    one_sided = theory.FeatureModel(
        settings.FIGURE_1_LEFT.phi,
        settings.FIGURE_1_LEFT.alpha,
        settings.FIGURE_1_LEFT.sigma,
        two_sided=False,
    )
    return Prediction(theory.layer_weights(settings.FIGURE_1_LEFT)[1], theory.layer_weights(one_sided)[1])


def _predict_left_linear(seed):
    before, after = theory.layer_weights(settings.FIGURE_1_LEFT)[:, LEARNT]
    return Prediction(np.concatenate([before, after]), np.concatenate([np.cbrt(after), after]))


def _predict_root(seed):
    before = theory.layer_weights(settings.FIGURE_1_LEFT)[0]
    return Prediction((before / before[STRONGEST_LEFT])[LEARNT], np.zeros(3))


def _predict_right_after(seed):
    return Prediction(
        theory.layer_weights(settings.FIGURE_1_RIGHT, embed_dim=4)[1],
        theory.layer_weights(settings.FIGURE_1_RIGHT, embed_dim=5)[1],
    )


def _predict_right_linear(seed):
    relu = _predict_right_after(seed)
    return Prediction(relu.control, relu.value)


def _measure_constant(seed):
    return np.stack(
        [_trained(training, seed).constant[:, 1] for training in (settings.RELU_LEFT, settings.RELU_RIGHT)],
        axis=1,
    )


CLAIMS = (
    Claim(
        id="xue-3.5-sampled-training",
        statement="Linear networks trained on samples reach sqrt(s) before and s after the head.",
        latex=r"w^{(1)}_i = s_i^{1/2},\quad w^{(2)}_i = s_i",
        source="reconstructed",
        reference=f"{XUE} name Theorem 3.5; the form is ours",
        assumptions="plain SGD without momentum, step 0.01, batches of 256, 8,000 steps, small start; gradient "
        "noise at larger steps makes the layers unequal",
        control="exponent 1/3 for 1/2 before the head",
        check=Equivalent(0.02),
        measure=_measure_linear_left,
        predict=_predict_left_linear,
    ),
    Claim(
        id="xue-fig1-left-after",
        statement="After the head of a ReLU network, equally strong features weigh s: the more disrupted, the less.",
        latex=r"w_i = (1-\alpha_i)\phi_i/(\phi_i^2+\sigma^2)",
        source="reconstructed",
        reference=f"{XUE}, Figure 1 left",
        assumptions="two-layer ReLU network, width 100, 20 outputs (room for the constant and the "
        "products of features that outweigh the most disrupted one), 8,000 steps of SGD with momentum",
        control="one-sided retention for two-sided",
        check=Equivalent(0.05),
        measure=partial(_measure_after, settings.RELU_LEFT),
        predict=_predict_left_after,
    ),
    Claim(
        id="xue-fig1-left-more-equal",
        statement="With rising disruption, weights relative to the largest are more equal before the head than after "
        "it.",
        latex=r"w^{(1)}_i/w^{(1)}_1 > w^{(2)}_i/w^{(2)}_1",
        source="paper",
        reference=f"{XUE}, Figure 1 left",
        assumptions="as xue-fig1-left-after",
        control="before and after swapped",
        check=Sign(),
        measure=partial(_measure_before_minus_after, settings.RELU_LEFT, STRONGEST_LEFT),
        predict=_predict_more_equal,
    ),
    Claim(
        id="xue-fig1-left-not-sqrt",
        statement="The square-root law of linear layers carries over to the representation of a ReLU network.",
        latex=r"w^{(1)}_i/w^{(1)}_1 = (s_i/s_1)^{1/2}",
        source="derived",
        reference="a generalisation of Theorem 3.5 made here, not by the paper",
        assumptions="as xue-fig1-left-after; features disrupted with probability 0.2, 0.4, 0.6",
        control="the linear network of xue-3.5-sampled-training, for which the law is true",
        check=Equivalent(0.02),
        measure=partial(_measure_relative_before, settings.RELU_LEFT),
        predict=_predict_root,
        expected="counterexample",
        control_measure=partial(_measure_relative_before, settings.LINEAR_LEFT),
    ),
    Claim(
        id="xue-fig1-right-after",
        statement="With as many outputs as features, a ReLU network drops the weakest one, because one direction holds "
        "the constant; the others weigh s.",
        latex=r"w = \mathrm{layer\ weights}(p-1)",
        source="derived",
        reference=f"derived here, on {XUE}, Figure 1 right",
        assumptions="two-layer ReLU network without bias, width 100, 5 outputs, 20,000 steps of SGD with momentum",
        control="no direction for the constant: layer weights at p",
        check=Equivalent(0.15),
        measure=partial(_measure_after, settings.RELU_RIGHT),
        predict=_predict_right_after,
    ),
    Claim(
        id="xue-fig1-right-more-equal",
        statement="With rising strength, weights relative to the largest are more equal before the head than after it; "
        "the weakest feature is present before and absent after.",
        latex=r"w^{(1)}_i/w^{(1)}_2 > w^{(2)}_i/w^{(2)}_2",
        source="paper",
        reference=f"{XUE}, Figure 1 right",
        assumptions="as xue-fig1-right-after; as many outputs as features",
        control="before and after swapped",
        check=Sign(),
        measure=partial(_measure_before_minus_after, settings.RELU_RIGHT, STRONGEST_RIGHT),
        predict=_predict_more_equal,
    ),
    Claim(
        id="xue-fig1-constant",
        statement="A bias-free ReLU network spends one direction of its embedding on the constant, at its full "
        "eigenvalue 1.",
        latex=r"\|E z\|^2 = 1",
        source="derived",
        reference="derived here",
        assumptions="as xue-fig1-left-after and xue-fig1-right-after; gradient noise keeps it a little below 1",
        control="no constant, as in a linear network: 0",
        check=Equivalent(0.15),
        measure=_measure_constant,
        predict=lambda seed: Prediction(np.ones(2), np.zeros(2)),
    ),
    Claim(
        id="xue-fig1-right-order",
        statement="Of equally disrupted features the weakest and the strongest weigh less than those between, before "
        "and after the head.",
        latex=r"w_{\min},\ w_{\max} < \tfrac13\sum_{\mathrm{between}} w_i",
        source="paper",
        reference=f"{XUE}, Figure 1 right",
        assumptions="as xue-fig1-right-after; mean of the three features between, relative to the heaviest",
        control="weights that rise with strength",
        check=Sign(0.05),
        measure=partial(_measure_between_minus_ends, settings.RELU_RIGHT),
        predict=_predict_between,
        quantity="difference of relative feature weights: weakest before and after, then strongest before and after",
    ),
    Claim(
        id="xue-fig1-right-linear",
        statement="A linear network with as many outputs as features keeps all of them at s.",
        latex=r"w = \mathrm{layer\ weights}(p)",
        source="reconstructed",
        reference=f"{XUE} name Theorem 3.5; the form is ours",
        assumptions="two linear layers, 5 outputs, 20,000 steps of SGD with momentum",
        control="one direction lost to a constant: layer weights at p - 1",
        check=Equivalent(0.15),
        measure=partial(_measure_after, settings.LINEAR_RIGHT),
        predict=_predict_right_linear,
    ),
)
