"""Claims on the heads of Gupta et al. (2022) and Song et al. (2023), on digits on photographs.

Replicates are members of one seed: independent draws of data, initial weights, order and views. Every effect is a
difference of two runs of the same member, which share all of these. Margins and smallest effects were settled in pilot
runs, seed 0 among them; other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import DirectConfig, FrozenRandomConfig, IdentityConfig, LinearConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Alternating
from synthetic.claims.papers import GUPTA, SONG
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Sign, Unsupported
from synthetic.images.heads import HeadScores, measure_settings
from synthetic.store.sweep import default_jobs

MEMBERS = 16
EPOCHS = 10
GAIN = {"digit_linear_h": 0.10, "digit_knn_h": 0.16}
"""What a linear head gains over none in the pilot, with a ReLU at the end of the encoder, rounded."""

_ADAM = AdamConfig(1e-3, 1e-6)
_BASE = PretrainConfig(data=DigitsOnPhotographs(p_drop=0.5), epochs=EPOCHS)
_SETTINGS = {
    "none": replace(_BASE, head=IdentityConfig()),
    "linear": replace(_BASE, head=LinearConfig(32)),
    "linear-64": replace(_BASE, head=LinearConfig(64)),
    "mlp-64": replace(_BASE, head=MLPConfig(64, 64)),
    "random": replace(_BASE, head=FrozenRandomConfig(32)),
    "direct": replace(_BASE, head=DirectConfig(32)),
    "alternating": replace(
        _BASE,
        head=LinearConfig(32),
        schedule=Alternating(inner_steps=5, head_optimizer=_ADAM, restart=False, optimizer=_ADAM),
    ),
    "sparse": replace(_BASE, head=LinearConfig(32), sparsity=SparsePenalty(10.0)),
    "none, no ReLU": replace(_BASE, head=IdentityConfig(), encoder=SmallConvConfig(last_relu=False)),
    "linear, no ReLU": replace(_BASE, head=LinearConfig(32), encoder=SmallConvConfig(last_relu=False)),
}


@cache
def _measured(name: str, seed: int) -> dict[str, np.ndarray]:
    runs = [replace(_SETTINGS[name], seed=seed, member=member) for member in range(MEMBERS)]
    return measure_settings(HeadScores(), {name: runs}, jobs=default_jobs(), label=f"images, {name}")[name]


def _effect(name: str, reference: str, *keys: str):
    """Measurement: paired difference of two settings, (MEMBERS, len(keys))."""

    def measure(seed):
        one, other = (_measured(setting, seed) for setting in (name, reference))
        return np.stack([one[key] - other[key] for key in keys], axis=1)

    return measure


def _measure_sparse(seed):
    """Share of units that the head no longer reads, and the change of the effective rank of z."""
    dropped = 1 - _measured("sparse", seed)["kept_share"]
    return np.column_stack([dropped, _effect("sparse", "linear", "effective_rank_z")(seed)])


def _signs(*signs: float):
    return lambda seed: Prediction(np.array(signs), -np.array(signs))


def _no_change(control: float):
    return lambda seed: Prediction(np.zeros(1), np.array([control]))


_SHARED = (
    "three-layer convolutional encoder, 64 units, SimCLR, digit lost in every second pair, 10 epochs of Adam"
)
_RELU = f"{_SHARED}; encoder ends with a ReLU"
_OTHER_SIGN = "the opposite sign"

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
        measure=_effect("linear", "none", "digit_linear_h", "digit_knn_h"),
        predict=_signs(1, 1),
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
            measure=_effect("linear, no ReLU", "none, no ReLU", key),
            predict=_no_change(GAIN[key]),
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
        measure=_effect("linear", "random", "digit_linear_h", "digit_knn_h"),
        predict=_signs(1, 1),
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
        measure=_effect("linear", "direct", "digit_linear_h", "digit_knn_h"),
        predict=_signs(1, 1),
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
        measure=_effect("direct", "none", "digit_linear_h"),
        predict=_signs(1),
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
        measure=lambda seed: np.hstack(
            [
                _effect("linear", "none", "effective_rank_z")(seed),
                _effect("mlp-64", "linear-64", "effective_rank_z")(seed),
            ]
        ),
        predict=_signs(-1, -1),
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
        measure=_effect("linear-64", "none", "effective_rank_z"),
        predict=_signs(-1),
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
        measure=_effect("linear-64", "none", "effective_rank_h"),
        predict=_signs(1),
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
        measure=_effect("mlp-64", "linear-64", "effective_rank_h"),
        predict=_signs(1),
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
        measure=_effect("alternating", "linear", "effective_rank_z", "effective_rank_h"),
        predict=_signs(-1, 1),
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
        measure=_effect("alternating", "linear", "digit_linear_h"),
        predict=_signs(1),
        expected="not supported",
    ),
    Claim(
        id="images-sparse-head",
        statement="A proximal L2,1 penalty on a linear head makes columns zero and lowers the effective rank of z.",
        latex=r"\lambda \|W\|_{2,1}:\ W_{\cdot j} = 0 \text{ for some } j,\ \mathrm{er}(Z) \downarrow",
        source="paper",
        reference=f"{SONG}, section 7.2 (from a summary)",
        assumptions=f"{_RELU}; penalty 10, norm of the head held fixed",
        control=_OTHER_SIGN,
        check=Sign(),
        measure=_measure_sparse,
        predict=_signs(1, -1),
    ),
    Claim(
        id="images-sparse-accuracy",
        statement="SparseHead gives a better h.",
        latex=r"\mathrm{acc}(h \mid \text{SparseHead}) > \mathrm{acc}(h \mid \lambda = 0)",
        source="paper",
        reference=f"{SONG}; there +.0212 on ImageNet with SimCLR",
        assumptions=f"{_RELU}; linear probe; penalty 10, norm of the head held fixed; smallest effect: half of what "
        "a linear head gains over none, larger than the paper's",
        control="that effect, planted",
        check=Unsupported(GAIN["digit_linear_h"] / 2),
        measure=_effect("sparse", "linear", "digit_linear_h"),
        predict=_signs(1),
        expected="not supported",
    ),
)
