"""Claims on SparseHead (Song et al., 2023) on digits on photographs.

Replicates are members of one seed: independent draws of data, initial weights, order and views. Every effect is a
difference of two runs of the same member, which share all of these. The smallest effect was settled in pilot runs,
seed 0 among them; other seeds are its test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from neural.models.sparsity import SparsePenalty
from synthetic.claims.papers import SONG
from synthetic.claims.registry import Claim, predict_signs
from synthetic.claims.rule import Sign, Unsupported
from synthetic.images.contrasts import measures, score
from synthetic.images.runs import BASE, EMBED_DIM, HEADS_P_DROP, SPARSE_PENALTY, head_runs, with_data
from synthetic.images.scores import HeadScores

MEMBERS, MANY = 24, 36

_LINEAR = head_runs(with_data(BASE, p_drop=HEADS_P_DROP), EMBED_DIM)["trainable, joint"]
_SPARSE = replace(_LINEAR, sparsity=SparsePenalty(SPARSE_PENALTY))


def _differences(*names):
    """Scores with the penalty minus those without."""
    return tuple(score(_SPARSE, name) - score(_LINEAR, name) for name in names)


_RELU = (
    "three-layer convolutional encoder, 64 units, SimCLR, digit lost in every second pair, 10 epochs of Adam; "
    "encoder ends with a ReLU"
)

CLAIMS = (
    Claim(
        id="images-sparse-head",
        statement="A proximal L2,1 penalty on a linear head makes columns zero and lowers the effective rank of z.",
        latex=r"\lambda \|W\|_{2,1}:\ W_{\cdot j} = 0 \text{ for some } j,\ \mathrm{er}(Z) \downarrow",
        source="paper",
        reference=f"{SONG}, section 7.2 (from a summary)",
        assumptions=f"{_RELU}; penalty 10, norm of the head held fixed",
        control="the opposite sign",
        quantity="share of the units of h, and difference of effective ranks",
        check=Sign(),
        **measures(
            (
                score(_LINEAR, "kept_share") - score(_SPARSE, "kept_share"),
                *_differences("effective_rank_z"),
            ),
            HeadScores(),
            MEMBERS,
        ),
        predict=partial(predict_signs, signs=(1, -1)),
    ),
    Claim(
        id="images-sparse-accuracy",
        statement="SparseHead gives a better h.",
        latex=r"\mathrm{acc}(h \mid \text{SparseHead}) > \mathrm{acc}(h \mid \lambda = 0)",
        source="paper",
        reference=f"{SONG}; there +0.0212 on ImageNet with SimCLR",
        assumptions=f"{_RELU}; linear probe; penalty 10, norm of the head held fixed; smallest effect: the paper's",
        control="the paper's effect, planted",
        quantity="difference of accuracies",
        check=Unsupported(0.0212, published=0.0212),
        measure=measures(_differences("digit_linear_h"), HeadScores(), MANY)["measure"],
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
)
