"""Claims on Xue et al. (ICLR 2024) beyond independent features and endless data: any second moments, finite pairs.

Margins and numbers of replicates were settled in pilot runs on other seeds.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import theory
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Exact
from synthetic.features.any_moments import CORRELATED, indicators, train_layers, turning_angles
from synthetic.features.sampled_pairs import accuracies_after_pairs

PLANES = (0, 1), (1, 2)
MEANS = np.array([[1.0, 0.0, 0.0], [0.3, 0.2, 1.0]])
DEPTH = 4


def _measure_angles(seed):
    layers = train_layers(CORRELATED, 2, seed)
    return np.concatenate([turning_angles(CORRELATED, layers, plane) for plane in PLANES])


def _predict_angles(seed):
    """Control: the correlations between the features left out."""
    diagonal = (np.diag(np.diag(moment)) for moment in (CORRELATED.cov, CORRELATED.cross_cov))
    forms = (
        theory.before_head_directions(CORRELATED.cov, CORRELATED.cross_cov),
        theory.before_head_directions(*diagonal),
    )
    return Prediction(*(np.concatenate([_zeros(form, plane) for plane in PLANES]) for form in forms))


def _zeros(form, plane):
    """Angles in (0, pi) at which the quadratic form vanishes in a plane of two axes."""
    a, b, c = (form[i, j] for i, j in (plane[:1] * 2, plane, plane[1:] * 2))
    tangents = np.roots([c, 2 * b, a])
    return np.sort(np.arctan(tangents) % np.pi)


def _measure_layers(seed):
    """log N of every layer over that of the first, and the best layer, for two class means."""
    layers = train_layers(CORRELATED, DEPTH, seed)
    rows = [indicators(CORRELATED, layers, mean) for mean in MEANS]
    return np.concatenate([[*np.log(row[1:] / row[0]), np.argmin(row) + 1] for row in rows])


def _predict_layers(seed):
    """Control: the weights of the last layer, raised to the power of each layer along the axes."""
    moments = CORRELATED.cov, CORRELATED.cross_cov
    law = theory.moment_sample_complexity(*moments, MEANS, DEPTH)
    best = theory.moment_best_layer(*moments, MEANS, DEPTH)
    powers = theory.moment_layer_weights(*moments, 1)[0] ** (np.arange(1, DEPTH + 1)[:, None] / DEPTH)
    naive = (powers**2 @ np.diag(CORRELATED.cov))[:, None] / (powers**2 @ (MEANS**2).T)
    tables = ((law, best), (naive, np.argmin(naive, axis=0) + 1))
    return Prediction(
        *(np.vstack([np.log(table[1:] / table[0]), layers]).T.ravel() for table, layers in tables)
    )


PAIRS, LABELS, SETS = 4000, 8, 800
FEW_PAIRS = theory.FeatureModel([1.0, 0.7, 1.5], [0.4, 0.1, 0.1], 0.4, dim=14)


def _measure_pairs(seed, trained=True):
    """Before the head; after it the cost is too small for so many sets to tell it from half of it."""
    return accuracies_after_pairs(FEW_PAIRS, 0, LABELS, PAIRS, SETS, seed, trained=trained)[:, :1]


def _predict_pairs(seed):
    """Control: both views of a pair counted as two pairs, half the cost."""
    endless, found, twice = (
        theory.accuracy_from_pairs(FEW_PAIRS, 0, LABELS, pairs)[:1] for pairs in (np.inf, PAIRS, 2 * PAIRS)
    )
    return Prediction(found - endless, twice - endless)


CLAIMS = (
    Claim(
        id="xue-3.7-any-moments",
        statement="With correlated features and anisotropic noise the class means for which before the head is better "
        "than after it form a cone, that of a quadratic form.",
        latex=r"\mu^\top\Bigl(\tfrac{M^{1/2}}{\mathrm{tr}(M^{1/2}\Sigma)}-\tfrac{M}{\mathrm{tr}(M\Sigma)}\Bigr)\mu>0",
        source="derived",
        reference="derived here (docs/derivations/before-head-boundary.md#any-second-moments), for "
        f"{XUE}, Corollary 3.7",
        assumptions="two linear layers, balanced random start, gradient flow of the population loss; three correlated "
        "features, moments that do not commute; class means turned in two planes",
        control="the correlations between the features left out",
        check=Exact(1e-5),
        measure=_measure_angles,
        predict=_predict_angles,
        quantity="angle at which both sides are equal, in radians",
    ),
    Claim(
        id="xue-3.8-any-moments",
        statement="With correlated features the indicator after layer l is that of the matrix power M^(l/L), and so is "
        "the best layer.",
        latex=r"N_l=\mathrm{tr}(M^{l/L}\Sigma)/(\mu^\top M^{l/L}\mu)",
        source="derived",
        reference="derived here (docs/derivations/before-head-boundary.md#any-second-moments), for "
        f"{XUE}, Theorem 3.8",
        assumptions="four linear layers, balanced random start, gradient flow of the population loss; three correlated "
        "features, moments that do not commute; two class means",
        control="powers of the weights along the axes, which are right for independent features only",
        check=Exact(1e-5),
        measure=_measure_layers,
        predict=_predict_layers,
        quantity="log of the indicator over that after layer 1; the best layer",
    ),
    Claim(
        id="xue-3.7-finite-pairs",
        statement="Before the head a network trained on N unlabelled pairs loses the accuracy that the fourth moments "
        "of one pair say, divided by N.",
        latex=r"E f=f(\Sigma,C)+\tfrac1{2N}\mathrm{tr}(f''K)",
        source="derived",
        reference="derived here (docs/derivations/averaging-accuracy.md#from-unlabelled-pairs), for the statements of "
        f"{XUE} on accuracy",
        assumptions="4,000 pairs of three features in 14 dimensions, two linear layers with three outputs, gradient "
        "flow of the spectral contrastive loss of the pairs; averaging over 8 labels",
        control="both views of a pair counted as two pairs: half the cost",
        check=Equivalent(0.0025),
        measure=_measure_pairs,
        predict=_predict_pairs,
        quantity="accuracy before the head minus that with endless pairs",
        untrained=partial(_measure_pairs, trained=False),
    ),
)
