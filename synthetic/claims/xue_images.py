"""Claims on Xue et al. (ICLR 2024), sections 5 and 6, on images: digits on photographs, 16 x 16 pixels.

A replicate is a member of one seed: its own data split, patches, initial weights, order and augmentation. Effects
are differences between runs of the same member, or between layers of one run. Margins, smallest effects and the
number of members were settled in pilot runs, seed 0 among them, and kept since: other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from neural.models.heads import FixedReweightingConfig, IdentityConfig
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, predict_signs
from synthetic.claims.rule import Sign, Unsupported
from synthetic.images.contrasts import gap, measure_contrasts, score
from synthetic.images.runs import (
    BASE,
    EXCHANGE,
    LABELLED,
    STRENGTH_P_DROP,
    WEAK_STRENGTH,
    coarse_run,
    shift_run,
    with_data,
    with_weight_decay,
)
from synthetic.images.scores import ProbeScores
from synthetic.images.transfer import WorstGroup

TABLES = f"{XUE}, Figure 4 and Tables 1, 2 (the text at hand names them; it has no numbers)"
MEMBERS, MORE, MOST = 12, 16, 48  # more where the effect is smaller against its spread
DIGIT = ProbeScores()
BOTH = ProbeScores(labels=("digit", "photo"))
GROUPS = WorstGroup((2, 100))
PROBES = ("digit_linear", "digit_knn")
DROPPING = with_data(BASE, p_drop=STRENGTH_P_DROP)
SETTING = (
    "digits on photographs, three-layer convolutional encoder of 64 units ending with a ReLU, Adam, 10 epochs; "
    "linear probe and 20 nearest neighbours"
)


def _gap_differences(more, *less, stems=PROBES):
    """Gap of the digit in one run minus that in each of the others, for every probe."""
    return tuple(gap(more, stem) - gap(other, stem) for other in less for stem in stems)


def _coarse_gaps():
    runs = [coarse_run(BASE, method, BASE.head) for method in LABELLED]
    return tuple(gap(run, stem) for run in runs for stem in PROBES)


def _exchange():
    """Gap of each feature where it is the weaker one minus that where it is the stronger one."""
    digit_weak, photo_weak = (with_data(BASE, strength=strength) for strength in EXCHANGE)
    return (
        gap(digit_weak, "digit_linear") - gap(photo_weak, "digit_linear"),
        gap(photo_weak, "photo_linear") - gap(digit_weak, "photo_linear"),
    )


def _fixed_minus_none(method, epochs):
    """Accuracy of neighbours before a fixed reweighting head minus that without head."""
    base = replace(BASE, epochs=epochs)
    fixed, none = (
        score(coarse_run(base, method, head), "digit_knn_h")
        for head in (FixedReweightingConfig(1.2), IdentityConfig())
    )
    return (fixed - none,)


_measure = partial(measure_contrasts, measurement=DIGIT, members=MEMBERS)


CLAIMS = (
    Claim(
        id="images-xue-drop",
        statement="Before the head is more beneficial the more often one view of a pair lacks the digit.",
        latex=r"\mathrm{gap}(p_{drop}=1) > \mathrm{gap}(p_{drop}=0),\ \mathrm{gap} = \mathrm{acc}(h)-\mathrm{acc}(z)",
        source="paper",
        reference=f"{XUE}, Figure 3b",
        assumptions=f"{SETTING}; SimCLR, MLP head",
        control="the gap falls",
        check=Sign(),
        measure=partial(_measure, contrasts=_gap_differences(with_data(BASE, p_drop=1.0), BASE)),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-xue-weak",
        statement="Before the head is more beneficial when the digit is weak than when it is strong, or too weak for "
        "either layer.",
        latex=r"\mathrm{gap}(s=.3) > \mathrm{gap}(s=.9),\ \mathrm{gap}(s=.3) > \mathrm{gap}(s=.1)",
        source="paper",
        reference=f"{XUE}, Figure 3c",
        assumptions=f"{SETTING}; SimCLR, MLP head, digit dropped from three of four second views",
        control="strong and invisible digits gain more",
        check=Sign(),
        measure=partial(
            _measure,
            contrasts=_gap_differences(
                *(with_data(DROPPING, strength=s) for s in (WEAK_STRENGTH, 0.9, 0.1)), stems=PROBES[:1]
            ),
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="holds within stated limits",
        limits="linear probe; for nearest neighbours the largest gap is at a middle strength",
    ),
    Claim(
        id="images-xue-exchange",
        statement="Of two features that both views share, the one that is weak next to the other loses more in the "
        "head: the digit where it is weak, the photograph where the digit is strong.",
        latex=r"\mathrm{gap}_{digit}(.3) > \mathrm{gap}_{digit}(.75),\ \mathrm{gap}_{photo}(.75) > "
        r"\mathrm{gap}_{photo}(.3)",
        source="derived",
        reference=f"the weak side of {XUE}, Figure 3c, for both features of the same images",
        assumptions=f"{SETTING}; SimCLR, MLP head, nothing dropped; linear probe",
        control="the strong feature loses more",
        check=Sign(),
        measure=partial(measure_contrasts, contrasts=_exchange(), measurement=BOTH, members=MORE),
        predict=partial(predict_signs, signs=(1, 1)),
    ),
    Claim(
        id="images-xue-strong",
        statement="Before the head is more beneficial when the digit is very strong than at middle strength.",
        latex=r"\mathrm{gap}(s=.9) > \mathrm{gap}(s=.5)",
        source="paper",
        reference=f"{XUE}, Figure 3c",
        assumptions=f"{SETTING}; SimCLR, MLP head, digit dropped from three of four second views; gap in absolute "
        "accuracy (the ratio of the errors does grow). Smallest effect: .2, about what the weak side shows",
        control="an effect of .2 planted in the same replicates",
        check=Unsupported(0.2),
        measure=partial(
            _measure, contrasts=_gap_differences(*(with_data(DROPPING, strength=s) for s in (0.9, 0.5)))
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="not supported",
    ),
    Claim(
        id="images-xue-weight-decay",
        statement="Before the head is more beneficial with smaller weight decay.",
        latex=r"\mathrm{gap}(\lambda=10^{-6}) > \mathrm{gap}(\lambda=10^{-2})",
        source="paper",
        reference=f"{XUE}, Figure 3d",
        assumptions=f"{SETTING}; SimCLR, MLP head, digit dropped from three of four second views; decay of Adam 1e-6 "
        "and 1e-2. Smallest effect: .15, about half of what dropping the digit does",
        control="an effect of .15 planted in the same replicates",
        check=Unsupported(0.15),
        measure=partial(_measure, contrasts=_gap_differences(DROPPING, with_weight_decay(DROPPING, 1e-2))),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="not supported",
    ),
    Claim(
        id="images-xue-coarse-to-fine",
        statement="After training on coarse classes the fine class is read better before the head than after it.",
        latex=r"\mathrm{acc}(h) > \mathrm{acc}(z)",
        source="paper",
        reference=TABLES,
        assumptions=f"{SETTING}; five pairs of similar digits as classes, digit as fine class, strength .6; supervised "
        "contrastive and cross-entropy, MLP head",
        control="after the head is better",
        check=Sign(),
        measure=partial(measure_contrasts, contrasts=_coarse_gaps(), measurement=DIGIT, members=MORE),
        predict=partial(predict_signs, signs=(1, 1, 1, 1)),
    ),
    Claim(
        id="images-xue-fixed-head-supcon",
        statement="A head that only reweights the representation improves what stands before it over no head, in "
        "supervised contrastive learning on coarse classes.",
        latex=r"\mathrm{acc}(h \mid \mathrm{diag}(1.2^{-i})) > \mathrm{acc}(h \mid \mathrm{none})",
        source="paper",
        reference=TABLES,
        assumptions=f"{SETTING}; 20 epochs, nearest neighbours on the digit, coarse classes, strength .6",
        control="it harms",
        check=Sign(),
        measure=partial(
            measure_contrasts, contrasts=_fixed_minus_none("SupCon", 20), measurement=DIGIT, members=MOST
        ),
        predict=partial(predict_signs, signs=(1,)),
    ),
    Claim(
        id="images-xue-fixed-head-ce",
        statement="A head that only reweights the representation improves what stands before it over no head, in "
        "supervised learning on coarse classes.",
        latex=r"\mathrm{acc}(h \mid \mathrm{diag}(1.2^{-i})) > \mathrm{acc}(h \mid \mathrm{none})",
        source="paper",
        reference=TABLES,
        assumptions=f"{SETTING}, nearest neighbours on the digit, coarse classes, strength .6; Adam for 10 epochs "
        "where the paper has SGD for 200: here the fixed head harms. Smallest effect: .15, the size of the harm",
        control="an effect of .15 planted in the same replicates",
        check=Unsupported(0.15),
        measure=partial(_measure, contrasts=_fixed_minus_none("CE", 10)),
        predict=partial(predict_signs, signs=(1,)),
        expected="not supported",
    ),
    Claim(
        id="images-xue-shift",
        statement="Where the background tells the class in pretraining only, a few labels adapt the layer before the "
        "head to a better worst group than the one after it.",
        latex=r"\min_g \mathrm{acc}_g(h) > \min_g \mathrm{acc}_g(z)",
        source="paper",
        reference=TABLES,
        assumptions=f"{SETTING.partition(';')[0]}; cross-entropy and supervised contrastive on parity, MLP head, "
        "background agrees in 95% of training, digit of strength .3, 100 labels of each of four groups",
        control="after the head is better",
        check=Sign(),
        measure=partial(
            measure_contrasts,
            contrasts=tuple(
                gap(shift_run(BASE, method, WEAK_STRENGTH, BASE.head), "worst_100")
                for method in ("CE", "SupCon")
            ),
            measurement=GROUPS,
            members=MORE,
        ),
        predict=partial(predict_signs, signs=(1, 1)),
        expected="holds within stated limits",
        limits="a digit that is weak next to its background, and enough labels: see images-xue-shift-reversed",
    ),
    Claim(
        id="images-xue-shift-reversed",
        statement="With a strong digit and two labels of each group, the layer after the head adapts better than "
        "the one before it.",
        latex=r"\overline{\mathrm{acc}}_g(z) > \overline{\mathrm{acc}}_g(h)",
        source="derived",
        reference="a limit of images-xue-shift found here",
        assumptions=f"{SETTING.partition(';')[0]}; supervised contrastive on parity, MLP head, background agrees in "
        "95% of training, digit of strength .5, 2 labels of each of four groups, mean over the groups",
        control="before the head is better",
        check=Sign(),
        measure=partial(
            measure_contrasts,
            contrasts=(gap(shift_run(BASE, "SupCon", 0.5, BASE.head), "mean_2"),),
            measurement=GROUPS,
            members=MORE,
        ),
        predict=partial(predict_signs, signs=(-1,)),
    ),
)
