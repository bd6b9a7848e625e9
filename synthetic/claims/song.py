"""Claims on Song et al., Towards the Sparseness of Projection Head in Self-Supervised Learning (2023)."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

import theory
from synthetic.claims.papers import SONG
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Exact
from synthetic.features.head_schemes import train_penalised
from synthetic.features.head_training import Penalty, penalised_minimizer
from synthetic.features.population import feature_norms
from synthetic.features.settings import EIGHT_EQUAL, EIGHT_FEATURES, FOUR_FEATURES, ONE_FEATURE
from synthetic.features.sparse_heads import measure_dimensions, weight_off_alignment

ENCODER, HEAD, HEAD_DECAY = 0.02, 0.05, 0.03
EIGHT_ENCODER, EIGHT_DECAY, EIGHT_HEADS = 0.01, 0.01, (0.0, 0.1, 0.2)


@cache
def _trained(penalty, seed):
    return penalised_minimizer(FOUR_FEATURES, 4, 4, penalty, seed)


def _measure_weights(penalty, seed):
    return feature_norms(FOUR_FEATURES, _trained(penalty, seed)[0]).ravel()


def _predict_sparse(seed):
    """Control: the law of weight decay, exponent 1/2, for the weights before the head."""
    before, after, _ = theory.penalised_weights(FOUR_FEATURES, theory.SparseHead(ENCODER, HEAD))
    return Prediction(np.concatenate([before, after]), np.concatenate([np.sqrt(after), after]))


def _predict_mixed(seed):
    schemes = theory.SparseHead(ENCODER, HEAD, HEAD_DECAY), theory.SparseHead(ENCODER, HEAD)
    return Prediction(
        *(np.concatenate(theory.penalised_weights(FOUR_FEATURES, scheme)[:2]) for scheme in schemes)
    )


def _measure_minimum(seed):
    return [_trained(Penalty(ENCODER, HEAD), seed)[1]]


def _predict_minimum(seed):
    """Control: the nuclear norm in place of the Schatten-2/3 quasi-norm, as weight decay has it."""
    sparse = theory.penalised_weights(FOUR_FEATURES, theory.SparseHead(ENCODER, HEAD)).minimum.sum()
    decay = theory.penalised_weights(FOUR_FEATURES, theory.WeightDecay(ENCODER, HEAD)).minimum.sum()
    return Prediction([sparse], [decay])


def _measure_alignment(seed):
    return [weight_off_alignment(_trained(Penalty(ENCODER, HEAD), seed)[0])]


def _measure_l2_alignment(seed):
    """Whether a unit is off its main feature, and the penalised loss, which says that this is the minimum."""
    layers, value = _trained(Penalty(ENCODER, head=HEAD_DECAY), seed)
    return [float(weight_off_alignment(layers) > 0.05), value]


def _predict_l2_alignment(seed):
    """Control: the minimum reached with aligned units."""
    least = theory.penalised_weights(FOUR_FEATURES, theory.WeightDecay(ENCODER, HEAD_DECAY)).minimum.sum()
    return Prediction([1.0, least], [0.0, least])


JUMP_PENALTIES = (0.6831, 0.7109)  # two percent below and above the predicted jump


def _measure_jump(seed):
    """Weight after the head of a single feature on both sides of a critical penalty."""
    return np.concatenate(
        [train_penalised(ONE_FEATURE, seed, Penalty(ENCODER, head))[1] for head in JUMP_PENALTIES]
    )


def _predict_jump(seed):
    kept = [
        theory.post_head_weights(ONE_FEATURE, theory.SparseHead(ENCODER, head)) for head in JUMP_PENALTIES
    ]
    return Prediction(
        np.concatenate(kept), np.full(2, np.sqrt(0.8) * theory.layer_weights(ONE_FEATURE)[1, 0])
    )


@cache
def _dimensions(model, seed):
    """Effective dimensions of trained networks, one row for each penalty of the head."""
    rows = []
    for head in EIGHT_HEADS:
        penalty = Penalty(EIGHT_ENCODER, head, EIGHT_DECAY)
        layers, _ = penalised_minimizer(model, 8, 8, penalty, seed, starts=12)
        rows.append(measure_dimensions(model, layers))
    return np.array(rows)


def _measure_dimensions(seed):
    return np.diff(_dimensions(EIGHT_FEATURES, seed), axis=0).ravel()


def _predict_dimensions(seed):
    """Control: the dimensions of weights and of eigenvalues exchanged."""
    schemes = [theory.SparseHead(EIGHT_ENCODER, head, EIGHT_DECAY) for head in EIGHT_HEADS]
    found = np.array([theory.effective_dimensions(EIGHT_FEATURES, scheme) for scheme in schemes])
    return Prediction(*(np.diff(values, axis=0).ravel() for values in (found, found[:, [2, 3, 0, 1]])))


def _measure_directions(model, seed):
    """Whether the effective dimensions of the covariances' eigenvalues rise (1) or fall (-1) with the penalty."""
    none, first = _dimensions(model, seed)[:2, 2:]
    return np.sign(first - none)


CLAIMS = (
    Claim(
        id="song-sparse-head-weights",
        statement="Under the 2,1-norm on the head the weights before it are (lambda2 c / 2 lambda1)^(1/3): "
        "more equal "
        "than with weight decay.",
        latex=r"w^{(1)}_i = (\lambda_2 c_i/2\lambda_1)^{1/3}",
        source="derived",
        reference=f"derived here, on {SONG}, section 5",
        assumptions="linear layers, population loss, groups are columns of the head; best of eight starts",
        control="exponent 1/2 before the head",
        check=Exact(1e-6),
        measure=partial(_measure_weights, Penalty(ENCODER, HEAD)),
        predict=_predict_sparse,
    ),
    Claim(
        id="song-sparse-head-with-decay",
        statement="With weight decay on the head as well the law interpolates between the exponents 1/2 and 1/3.",
        latex=r"\min_w \lambda_1 w^2 + \mu c^2/w^2 + \lambda_2 c/w",
        source="derived",
        reference="derived here; theory.penalised_weights",
        assumptions="as song-sparse-head-weights",
        control="the head's weight decay left out",
        check=Exact(1e-6),
        measure=partial(_measure_weights, Penalty(ENCODER, HEAD, HEAD_DECAY)),
        predict=_predict_mixed,
    ),
    Claim(
        id="song-schatten",
        statement="The least penalised loss over both matrices is that of a Schatten-2/3 quasi-norm on "
        "their product, "
        "feature by feature.",
        latex=r"\min_{W_2W_1=W}\lambda_1\|W_1\|_F^2+\lambda_2\|W_2\|_{2,1} = 3\lambda_1^{1/3}(\lambda_2/2)^{2/3}"
        r"\sum_i\sigma_i(W)^{2/3}",
        source="derived",
        reference="derived here (docs/derivations/sparse-head.md)",
        assumptions="best of eight full non-convex optimisations; that features do not mix is proved locally only",
        control="nuclear norm",
        check=Exact(1e-8),
        measure=_measure_minimum,
        predict=_predict_minimum,
    ),
    Claim(
        id="song-alignment",
        statement="The 2,1-norm aligns each unit of the representation with one feature.",
        latex=r"1 - \max_i W_{1,ji}^2/\|W_{1,j}\|^2 = 0",
        source="derived",
        reference="derived here: the nuclear norm is the least 2,1-norm over rotations",
        assumptions="as song-sparse-head-weights; features of different strength",
        control="a unit spread evenly over the features",
        check=Exact(1e-6),
        measure=_measure_alignment,
        predict=lambda seed: Prediction([0.0], [0.75]),
    ),
    Claim(
        id="song-no-alignment-by-decay",
        statement="Weight decay does not align the units: at the minimum a unit has over 5 percent off its main "
        "feature.",
        latex=r"\|W_2Q\|_F = \|W_2\|_F",
        source="derived",
        reference="derived here: the Frobenius norm does not see rotations of the units",
        assumptions="as xue-4-weight-decay; random start",
        control="aligned units",
        check=Exact(1e-6),
        measure=_measure_l2_alignment,
        predict=_predict_l2_alignment,
        quantity="whether a unit is off its main feature (1: it is), and the penalised loss",
    ),
    Claim(
        id="song-jump",
        statement="As the penalty grows a feature's weight falls to sqrt(0.8) of s and then jumps to zero.",
        latex=r"3\lambda_1^{1/3}(\lambda_2/2)^{2/3} = 1.2\,c_1(0.8\,c_1/c_2)^{2/3}",
        source="derived",
        reference="derived here; theory.drop_penalty",
        assumptions="global minimum, one feature, penalties 2 percent below and above the critical one",
        control="the weight moves through sqrt(0.8) s without a jump",
        check=Exact(1e-6),
        measure=_measure_jump,
        predict=_predict_jump,
    ),
    Claim(
        id="song-7.2-dimensions",
        statement="As the penalty on the head grows, the effective dimensions of the squared weights and of the "
        "covariances' eigenvalues move as the law of the sparse head says: those of the weights apart, those of the "
        "eigenvalues both down.",
        latex=r"D(v) = (\sum_i v_i)^2/\sum_i v_i^2,\quad v = w^2,\ w^2(\phi^2+\sigma^2)",
        source="derived",
        reference=f"derived here, on {SONG}, section 7.2",
        assumptions="eight features; penalties 0, 0.1 and 0.2 with weight decay 0.01 on both layers, before features "
        "drop; best of twelve starts",
        control="the dimensions of weights and eigenvalues exchanged",
        check=Exact(1e-5),
        measure=_measure_dimensions,
        predict=_predict_dimensions,
        quantity="change of effective dimension between neighbouring penalties: weights before and after the head, "
        "then eigenvalues before and after it",
    ),
    Claim(
        id="song-7.2-spectrum",
        statement="As the penalty on the head grows, the effective dimension of the embedding decreases while that of "
        "the representation increases.",
        latex=r"D(\mathrm{eig}\,\mathrm{Cov}(h))\uparrow,\quad D(\mathrm{eig}\,\mathrm{Cov}(z))\downarrow",
        source="paper",
        reference=f"{SONG}, section 7.2, Figure 3",
        assumptions="the paper's own quantity, the covariances' eigenvalues, in a feature model whose strong features "
        "carry small weights (strengths 0.5 to 2, noise 0.4), so that more equal weights make less equal eigenvalues; "
        "penalties 0 and 0.1, otherwise as song-7.2-dimensions",
        control="eight equally strong features, disrupted as before, for which the sentence is true",
        check=Exact(0.0),
        measure=partial(_measure_directions, EIGHT_FEATURES),
        predict=lambda seed: Prediction([1.0, -1.0], [1.0, -1.0]),
        expected="counterexample",
        control_measure=partial(_measure_directions, EIGHT_EQUAL),
        quantity="direction of change of the effective dimension, before and after the head",
    ),
)
