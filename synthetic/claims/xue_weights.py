"""Claims on Xue et al. (ICLR 2024): the weights that features have before and after the head.

Every claim is a measurement, which sees samples or gradients only, and a prediction from `theory`. Margins and
numbers of replicates were settled in pilot runs, seed 0 among them, and kept since: other seeds are their test.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import theory
from neural import stream_seed
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Exact
from synthetic.features.head_schemes import train_balanced, train_penalised
from synthetic.features.head_training import Penalty
from synthetic.features.info_nce import LITTLE_NOISE, InnerProductTraining, train_with_info_nce
from synthetic.features.population import (
    aligned_start,
    balanced_start,
    feature_norms,
    layer_difference,
    layer_norm,
    population_flow,
    random_start,
    smallest_norm_minimizer,
    weights_along_flow,
)
from synthetic.features.settings import FOUR_FEATURES, OPPOSITE_ORDERS
from synthetic.features.stepwise import INPUTS, measured_half_times

FLOW_TIME = 400.0


# Theorems 3.3 to 3.5: balance, its conservation, and the weights it implies


def _measure_norms(seed):
    """Norm of Theorem 3.3 minus |W1 W1' - W2' W2|^2 at global minimisers.

    Four ends of gradient flow from unbalanced random starts; then the minimiser of smallest norm, extrapolated from
    two small multiples of the norm, of which the norm itself is taken.
    """
    ends = [
        population_flow(FOUR_FEATURES, _unbalanced_start(stream_seed(seed, "minimiser", index)), FLOW_TIME)
        for index in range(4)
    ]
    spread = [layer_norm(end) - np.sum(layer_difference(end) ** 2) for end in ends]
    k = FOUR_FEATURES.num_features
    coarse, fine = (
        layer_norm(smallest_norm_minimizer(FOUR_FEATURES, k, k, seed, strength=strength))
        for strength in (2e-6, 1e-6)
    )
    return [*spread, 2 * fine - coarse]


def _predict_norms(seed):
    """Control: the smallest norm if the head's term counted twice, 2 sqrt(2) sum s^2."""
    least = 2 * np.sum(theory.layer_weights(FOUR_FEATURES)[1] ** 2)
    return Prediction(np.full(5, least), np.full(5, np.sqrt(2) * least))


def _unbalanced_start(seed):
    return random_start([FOUR_FEATURES.dim, 5, 4], 0.3, seed)


def _unbalanced_end(seed):
    return population_flow(FOUR_FEATURES, _unbalanced_start(seed), 20.0)


def _measure_conservation(seed):
    return np.linalg.eigvalsh(layer_difference(_unbalanced_end(seed)))


def _predict_conservation(seed):
    """Control: W1 W1^T conserved by itself; this differs only as far as training has moved the head."""
    start, (_, head) = _unbalanced_start(seed), _unbalanced_end(seed)
    differences = layer_difference(start), layer_difference([start[0], head])
    return Prediction(*map(np.linalg.eigvalsh, differences))


def _measure_deep_weights(depth, seed):
    return train_balanced(FOUR_FEATURES, seed, depth=depth, width=5).ravel()


def _predict_layer_weights(seed):
    before, after = theory.layer_weights(FOUR_FEATURES)
    return Prediction(np.concatenate([before, after]), np.concatenate([np.cbrt(after), after]))


def _predict_four_layers(seed):
    """Counting layers from the input, (l - 1) / (L - 1), gives the first layer equal weights."""
    weights = theory.layer_weights(FOUR_FEATURES, depth=4)
    return Prediction(weights.ravel(), (weights[-1] ** (np.arange(4)[:, None] / 3)).ravel())


def _measure_selection(seed):
    layers = population_flow(OPPOSITE_ORDERS, balanced_start([2, 3, 1], 0.5, seed), FLOW_TIME)
    return feature_norms(OPPOSITE_ORDERS, layers)[1]


def _predict_selection(seed):
    heaviest = theory.layer_weights(OPPOSITE_ORDERS)[1]
    return Prediction(
        theory.layer_weights(OPPOSITE_ORDERS, embed_dim=1)[1],
        np.where(heaviest == heaviest.max(), heaviest, 0),
    )


CURVE_TIMES = (0.05, 0.2, 0.5, 1.5)
CURVE_START = 0.05


def _measure_curve(seed):
    start = aligned_start(FOUR_FEATURES.dim, CURVE_START, seed)
    return weights_along_flow(FOUR_FEATURES, start, CURVE_TIMES)[:, 1].ravel()


def _predict_curve(seed):
    """A clock that runs at half the speed."""
    times = np.array(CURVE_TIMES)
    curve = theory.learning_curve(FOUR_FEATURES, times, CURVE_START)
    return Prediction(curve.ravel(), theory.learning_curve(FOUR_FEATURES, times / 2, CURVE_START).ravel())


SMALL_START, LONG_TIMES = 0.01, (150.0, 20.0)


def _measure_half_times(seed):
    """Logarithms of the half-times behind a head and without one."""
    sides = zip((True, False), LONG_TIMES, strict=True)
    return np.log(
        [measured_half_times(INPUTS, SMALL_START, end, seed, head=head) for head, end in sides]
    ).ravel()


def _predict_half_times(seed):
    """Control: the leading order for a small start, which forgets the approach to the limit."""
    law = [theory.half_time(INPUTS, SMALL_START, head=head) for head in (True, False)]
    leading = [1 / (8 * INPUTS.phi**2 * SMALL_START), np.log(1 / SMALL_START) / (4 * INPUTS.phi**2)]
    return Prediction(np.log(law).ravel(), np.log(leading).ravel())


DEPTHS = 1, 3, 4
HALF_COLLAPSED = theory.FeatureModel([1.0, 0.7], [0.1, 1.0], 0.4)
"""A feature that the views share and one that they do not, which collapses."""


def _measure_deep_curve(seed):
    curves = []
    for depth in DEPTHS:
        rotation, back = aligned_start(HALF_COLLAPSED.dim, CURVE_START ** (2 / depth), seed)
        middle = [CURVE_START ** (1 / depth) * np.eye(HALF_COLLAPSED.dim)] * (depth - 2)
        start = [rotation, *middle, back] if depth > 1 else [CURVE_START * np.eye(HALF_COLLAPSED.dim)]
        curves.append(weights_along_flow(HALF_COLLAPSED, start, CURVE_TIMES)[:, -1])
    return np.ravel(curves)


def _predict_deep_curve(seed):
    """As many layers as there are, and the curve of two layers at every depth."""
    start = HALF_COLLAPSED, CURVE_TIMES, CURVE_START
    curves = [theory.learning_curve(*start, depth) for depth in DEPTHS]
    return Prediction(np.ravel(curves), np.ravel([theory.learning_curve(*start)] * len(DEPTHS)))


# Figure 3d in the linear model: whether a larger weight decay makes the head less useful

DECAYS = 1e-4, 0.02  # of both layers
FOUR_EQUAL = theory.FeatureModel(1.0, [0.1, 0.1, 0.2, 0.3], 0.4)
TARGETS = FOUR_EQUAL.with_feature(0, phi=3.0), FOUR_EQUAL.with_feature(0, alpha=0.6)
"""A very strong target and a disrupted one, feature 0 in both: before the head is better for either."""


def _measure_advantage(seed):
    """Change from the smaller to the larger decay of log(N_after / N_before), N being squared radius over margin."""

    def advantage(model, decay):
        before, after = train_penalised(model, seed, Penalty(decay, head=decay))
        radius = np.array([np.sum(weights**2 * model.variance) for weights in (after, before)])
        return np.log(radius[0] / radius[1]) - 2 * np.log(after[0] / before[0])

    return [advantage(model, DECAYS[1]) - advantage(model, DECAYS[0]) for model in TARGETS]


def _predict_advantage(seed):
    """A decay that shrinks all weights by one factor would leave the advantage as it is."""
    small, large = (theory.WeightDecay(decay, decay) for decay in DECAYS)
    change = [
        theory.before_head_advantage(model, 0, large).value
        - theory.before_head_advantage(model, 0, small).value
        for model in TARGETS
    ]
    return Prediction(change, [0.0, 0.0])


# InfoNCE in place of the spectral loss

INNER_PRODUCT = InnerProductTraining(temperature=0.5)


def _predict_info_nce(seed):
    """The spectral law, in which the temperature scales the squared weights, as it would for Gaussian features."""
    temperature = INNER_PRODUCT.temperature
    return Prediction(
        theory.layer_weights(LITTLE_NOISE, 1, loss="inner", temperature=temperature)[0],
        theory.layer_weights(LITTLE_NOISE, 1)[0] * np.sqrt(temperature),
    )


CLAIMS = (
    Claim(
        id="xue-3.3-balanced-minimizer",
        statement="Of all global minimisers the balanced ones have the smallest norm: the norm exceeds its least value "
        "2 sum s^2 by the squared distance from balance.",
        latex=r"\|W_1^\top W_1\|_F^2 + \|W_2^\top W_2\|_F^2 = 2\sum_i s_i^2 + \|W_1W_1^\top - W_2^\top W_2\|_F^2",
        source="paper",
        reference=f"{XUE}, Theorem 3.3; the excess is derived here",
        assumptions="two linear layers, spectral contrastive loss; four global minimisers reached by gradient flow "
        "from unbalanced starts (5 units), and the limit of minimisers with a vanishing multiple of the norm (4 units)",
        control="the head's term of the norm counted twice",
        check=Exact(1e-6),
        measure=_measure_norms,
        predict=_predict_norms,
        quantity="norm minus squared imbalance; the norm itself for the limit",
    ),
    Claim(
        id="xue-3.4-conservation",
        statement="Gradient flow conserves W1 W1^T - W2^T W2, so a balanced start stays balanced.",
        latex=r"\frac{d}{dt}(W_1W_1^\top - W_2^\top W_2) = 0",
        source="derived",
        reference=f"derived here after Arora et al. (2018), whom {XUE} cite for Theorem 3.4",
        assumptions="gradient flow of the population loss from a random unbalanced start",
        control="W1 W1^T conserved by itself, as where the head is at its minimum throughout",
        check=Exact(1e-8),
        measure=_measure_conservation,
        predict=_predict_conservation,
    ),
    Claim(
        id="xue-3.5-layer-weights",
        statement="Feature weights are sqrt(s) before the head and s after it: the ratio after is the square of the "
        "ratio before.",
        latex=r"s_i = \sqrt{\rho_i}\phi_i/(\phi_i^2+\sigma^2),\quad w^{(1)}_i = s_i^{1/2}",
        source="reconstructed",
        reference=f"{XUE} name Theorem 3.5; the form is ours",
        assumptions="two linear layers, balanced random start, gradient flow of the population loss",
        control="exponent 1/3 for 1/2 before the head",
        check=Exact(1e-7),
        measure=partial(_measure_deep_weights, 2),
        predict=_predict_layer_weights,
    ),
    Claim(
        id="xue-3.8-layer-weights",
        statement="After layer l of L balanced linear layers the weights are s^(l/L).",
        latex=r"w^{(l)}_i = s_i^{l/L}",
        source="reconstructed",
        reference=f"{XUE} name Theorem 3.8; the form is ours",
        assumptions="four linear layers, balanced random start, gradient flow of the population loss",
        control="exponents (l-1)/(L-1), counted from the input",
        check=Exact(1e-7),
        measure=partial(_measure_deep_weights, 4),
        predict=_predict_four_layers,
    ),
    Claim(
        id="xue-3.5-selection",
        statement="With fewer outputs than features, the features of largest correlation c are kept, not those of "
        "largest weight s.",
        latex=r"c_i = \rho_i\phi_i^2/(\phi_i^2+\sigma^2)",
        source="derived",
        reference="derived here; theory.layer_weights",
        assumptions="two linear layers, one output, two features with opposite orders of c and s",
        control="s for c in the selection",
        check=Exact(1e-7),
        measure=_measure_selection,
        predict=_predict_selection,
    ),
    Claim(
        id="xue-3.5-learning-curve",
        statement="From an aligned balanced start the weights follow ds/dt = 8 c1 s^2 - 8 c2 s^4.",
        latex=r"8t = G(s(t)) - G(s(0))",
        source="derived",
        reference="derived here; theory.learning_curve",
        assumptions="two linear layers, equal start of all features, gradient flow of the population loss",
        control="rate 4 for 8: one layer moving",
        check=Exact(1e-7),
        measure=_measure_curve,
        predict=_predict_curve,
    ),
    Claim(
        id="xue-3.5-half-time",
        statement="From a small start a balanced head delays each feature from a wait of log(1/s)/(4 c1) to one of "
        "1/(8 c1 s), where s is the weight at the start.",
        latex=r"t_{1/2}\approx\frac1{8c_1s(0)}\ (L=2),\quad\frac{\log(1/s(0))}{4c_1}\ (L=1)",
        source="derived",
        reference="derived here (docs/derivations/learning-curve.md#half-time)",
        assumptions="aligned balanced start of 0.01, gradient flow of the population loss, no augmentation, no noise",
        control="the leading order alone",
        check=Exact(1e-3),
        measure=_measure_half_times,
        predict=_predict_half_times,
        quantity="logarithm of the half-time",
    ),
    Claim(
        id="xue-3.8-deep-learning-curve",
        statement="With L balanced layers the weights follow ds/dt = 4L (c1 s^(3-2/L) - c2 s^(5-2/L)), those of a "
        "collapsing feature included.",
        latex=r"\dot s = 4L\,(c_1s^{3-2/L}-c_2s^{5-2/L})",
        source="derived",
        reference="derived here (docs/derivations/learning-curve.md#any-number-of-layers)",
        assumptions="1, 3 and 4 linear layers, aligned balanced start, gradient flow of the population loss",
        control="the curve of two layers",
        check=Exact(1e-7),
        measure=_measure_deep_curve,
        predict=_predict_deep_curve,
    ),
    Claim(
        id="xue-fig3d-linear",
        statement="In the linear model a larger weight decay makes probing before the head less beneficial for a very "
        "strong feature, and more beneficial for a disrupted one.",
        latex=r"\Delta\log(N_{\mathrm{after}}/N_{\mathrm{before}}) < 0 < \ldots",
        source="derived",
        reference=f"derived here (docs/derivations/sparse-head.md#before-or-after-the-head), on {XUE}, Figure 3d",
        assumptions="two linear layers at the global minimum with equal weight decay on both, four features, decays "
        "0.0001 and 0.02",
        control="a decay that shrinks all weights by one factor: no change",
        check=Exact(1e-6),
        measure=_measure_advantage,
        predict=_predict_advantage,
    ),
    Claim(
        id="info-nce-weights",
        statement="Two linear layers trained with InfoNCE on inner products give the features the weights of the "
        "InfoNCE law, not those of the spectral law.",
        latex=r"a\sigma^2(\phi^2+\sigma^2)+E[\phi x\tanh(a\phi x)]=\rho\phi^2,\quad s=(\tau a)^{1/2}",
        source="derived",
        reference="derived here (docs/derivations/info-nce.md#each-feature)",
        assumptions="batches of 256, whose other members are the negatives, temperature 0.5, 3,000 steps of SGD with "
        "momentum; three equal strengths, noise 0.25, 12 units in both layers",
        control="the spectral law with its squared weights scaled by the temperature",
        check=Equivalent(0.03),
        measure=partial(train_with_info_nce, INNER_PRODUCT),
        predict=_predict_info_nce,
    ),
)
