"""Claims on Xue et al. (ICLR 2024), sections 5 and 6, on images: digits on photographs, 16 x 16 pixels.

A replicate is a member of one seed: its own data split, patches, initial weights, order and augmentation. Effects
are differences between runs of the same member, or between layers of one run. Margins, smallest effects and the
number of members were settled in pilot runs, seed 0 among them, and kept since: other seeds are their test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from neural.data.digits import DigitsOnPhotographs
from neural.models.heads import FixedReweightingConfig, HeadConfig, IdentityConfig, MLPConfig
from neural.training.methods import CrossEntropy, MethodConfig, SupCon
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Joint
from synthetic.claims.papers import XUE
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Sign, Unsupported
from synthetic.images.bank import measure_bank
from synthetic.images.scores import ProbeScores
from synthetic.images.transfer import WorstGroup
from synthetic.store.sweep import default_jobs

TABLES = f"{XUE}, Figure 4 and Tables 1, 2 (the text at hand names them; it has no numbers)"
MEMBERS, MORE, MOST = 12, 16, 48  # more where the effect is smaller against its spread
DIGIT = ProbeScores()
BOTH = ProbeScores(labels=("digit", "photo"))
GROUPS = WorstGroup((2, 100))
PROBES = ("linear", "knn")
SETTING = (
    "digits on photographs, three-layer convolutional encoder of 64 units ending with a ReLU, Adam, 10 epochs; "
    "linear probe and 20 nearest neighbours"
)


def _simclr(p_drop: float = 0.0, strength: float = 0.5, decay: float = 1e-6) -> PretrainConfig:
    data = DigitsOnPhotographs(strength=strength, p_drop=p_drop)
    return PretrainConfig(data=data, schedule=Joint(AdamConfig(1e-3, decay)))


def _coarse(method: MethodConfig, head: HeadConfig, epochs: int = 10) -> PretrainConfig:
    return PretrainConfig(data=DigitsOnPhotographs(strength=0.6), method=method, head=head, epochs=epochs)


def _shifted(method: MethodConfig, strength: float) -> PretrainConfig:
    return PretrainConfig(data=DigitsOnPhotographs(strength=strength, agreement=0.95), method=method)


@cache
def _measured(
    config: PretrainConfig, seed: int, measurement: ProbeScores | WorstGroup = DIGIT, members: int = MEMBERS
) -> dict[str, np.ndarray]:
    """Every number of a measurement, (members,)."""
    configs = [replace(config, seed=seed, member=member) for member in range(members)]
    results = measure_bank(measurement, configs, jobs=default_jobs())
    return {name: np.array([result[name] for result in results]) for name in results[0]}


def _gap(scores: dict[str, np.ndarray], stem: str) -> np.ndarray:
    return scores[f"{stem}_h"] - scores[f"{stem}_z"]


def _gap_difference(
    more: PretrainConfig, *less: PretrainConfig, probes: tuple[str, ...] = PROBES
) -> Callable[[int], np.ndarray]:
    """Gap of the digit in one run minus that in others, (members, runs x probes)."""

    def measure(seed):
        first, *others = (_measured(config, seed) for config in (more, *less))
        return np.stack(
            [
                _gap(first, f"digit_{probe}") - _gap(other, f"digit_{probe}")
                for other in others
                for probe in probes
            ],
            axis=1,
        )

    return measure


def _measure_exchange(seed):
    """Gap of the feature where it is the weaker one minus where it is the stronger one, digit and photograph."""
    weak, strong = (_measured(_simclr(strength=s), seed, BOTH, MORE) for s in (0.3, 0.75))
    digit, photo = (
        _gap(weak, f"{name}_linear") - _gap(strong, f"{name}_linear") for name in ("digit", "photo")
    )
    return np.stack([digit, -photo], axis=1)


def _measure_coarse(seed):
    """Gap of the digit after training on pairs of digits, both methods, both probes."""
    runs = [_coarse(method("coarse"), MLPConfig()) for method in (SupCon, CrossEntropy)]
    return np.stack(
        [_gap(_measured(run, seed, members=MORE), f"digit_{probe}") for run in runs for probe in PROBES],
        axis=1,
    )


def _fixed_minus_none(method: MethodConfig, epochs: int, members: int) -> Callable[[int], np.ndarray]:
    """Accuracy of neighbours before a fixed reweighting head minus that without head, (members, 1)."""

    def measure(seed):
        fixed, none = (
            _measured(_coarse(method, head, epochs), seed, members=members)["digit_knn_h"]
            for head in (FixedReweightingConfig(1.2), IdentityConfig())
        )
        return (fixed - none)[:, None]

    return measure


def _adapted_gap(name: str, *configs: PretrainConfig) -> Callable[[int], np.ndarray]:
    """A score of `GROUPS` before minus after the head, (members, runs)."""
    return lambda seed: np.stack(
        [_gap(_measured(config, seed, GROUPS, MORE), name) for config in configs], axis=1
    )


def _positive(comparisons: int) -> Callable[[int], Prediction]:
    return lambda seed: Prediction(np.ones(comparisons), -np.ones(comparisons))


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
        measure=_gap_difference(_simclr(1.0), _simclr(0.0)),
        predict=_positive(2),
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
        measure=_gap_difference(
            _simclr(0.75, 0.3), _simclr(0.75, 0.9), _simclr(0.75, 0.1), probes=("linear",)
        ),
        predict=_positive(2),
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
        measure=_measure_exchange,
        predict=_positive(2),
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
        measure=_gap_difference(_simclr(0.75, 0.9), _simclr(0.75, 0.5)),
        predict=_positive(2),
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
        measure=_gap_difference(_simclr(0.75), _simclr(0.75, decay=1e-2)),
        predict=_positive(2),
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
        measure=_measure_coarse,
        predict=_positive(4),
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
        measure=_fixed_minus_none(SupCon("coarse"), 20, MOST),
        predict=_positive(1),
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
        measure=_fixed_minus_none(CrossEntropy("coarse"), 10, MEMBERS),
        predict=_positive(1),
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
        measure=_adapted_gap(
            "worst_100", *(_shifted(method("parity"), 0.3) for method in (CrossEntropy, SupCon))
        ),
        predict=_positive(2),
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
        measure=_adapted_gap("mean_2", _shifted(SupCon("parity"), 0.5)),
        predict=lambda seed: Prediction(-np.ones(1), np.ones(1)),
    ),
)
