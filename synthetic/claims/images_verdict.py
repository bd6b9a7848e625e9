"""Claim on which layer of an image network to read with a few labels: the verdict of `projhead diagnose`.

Comparisons are networks: every method with every head, three members each, which are independent draws of data,
initial weights, order and views. The correlation and the share of signs that are asked for were written before the
run; seed 0 was the pilot, other seeds are its test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from neural.models.heads import LinearConfig, MLPConfig
from neural.training.methods import BarlowTwins, SimCLR, Spectral, SupCon, VICReg
from neural.training.pretraining import PretrainConfig
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import AGREES, DISAGREES
from synthetic.images.bank import measure_bank
from synthetic.images.class_moments import ClassMoments, PairAccuracy
from synthetic.images.runs import BASE, EMBED_DIM
from theory import moment_accuracy

MEMBERS, LABELLED, WORTH = 3, 8, 0.01
METHODS = {
    "SimCLR": SimCLR(),
    "SupCon": SupCon("digit"),
    "spectral": Spectral(),
    "VICReg": VICReg(),
    "Barlow Twins": BarlowTwins(),
}
HEADS = {"linear": LinearConfig(EMBED_DIM), "MLP": MLPConfig()}
PAIRS = tuple(combinations(range(10), 2))


@dataclass(frozen=True)
class Tracks:
    """Measured differences rise with the predicted ones, and those that matter have the predicted sign.

    Attributes
    ----------
    correlation : float
        Least Pearson correlation over the comparisons; of fewer than three comparisons the signs alone are judged.
    sign : float
        Least share of right signs among the measured differences whose size exceeds `worth`.
    worth : float
    """

    correlation: float
    sign: float
    worth: float
    replicated: bool = False

    def outcome(self, estimate, predicted):
        """AGREES when both shares are reached, else DISAGREES; a constant prediction has correlation 0."""
        measured, predicted = estimate.mean, np.asarray(predicted, dtype=float)
        right = share_of_right_signs(measured, predicted, self.worth) >= self.sign
        if len(measured) >= 3:
            right = right and correlate(measured, predicted) >= self.correlation
        return AGREES if right else DISAGREES

    def resolution(self, estimate, predicted, control):
        """None: the comparisons are networks, each measured once."""
        return None

    def describe(self, predicted):
        """The prediction and what is asked of all of them."""
        return f"{predicted:.4g} (sign; correlation of all ≥ {self.correlation:g})"


def correlate(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation; 0 where one of the two is constant."""
    one, other = measured - np.mean(measured), predicted - np.mean(predicted)
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / size) if size > 0 else 0.0


def share_of_right_signs(measured: np.ndarray, predicted: np.ndarray, worth: float) -> float:
    """Share of right signs among the measured values larger than `worth`; 1 where there are none."""
    matters = np.abs(measured) > worth
    return float(np.mean(np.sign(measured[matters]) == np.sign(predicted[matters]))) if matters.any() else 1.0


def networks(base: PretrainConfig, members: int = MEMBERS) -> dict[tuple[str, str, int], PretrainConfig]:
    """Every method with every head and member, otherwise trained as `base`."""
    return {
        (method, head, member): replace(base, method=METHODS[method], head=HEADS[head], member=member)
        for method in METHODS
        for head in HEADS
        for member in range(members)
    }


def predicted_gap(moments: dict, pairs, count: int) -> np.ndarray:
    """Accuracy before minus after the head of each pair of classes, from second moments (see `ClassMoments`)."""
    accuracy = {}
    for layer in ("h", "z"):
        first, second = (moments[f"means_{layer}"][[pair[side] for pair in pairs]] for side in (0, 1))
        accuracy[layer] = moment_accuracy((first - second) / 2, moments[f"within_{layer}"], count)
    return accuracy["h"] - accuracy["z"]


def _runs(seed: int) -> list[PretrainConfig]:
    return list(networks(replace(BASE, seed=seed)).values())


def _measure_gaps(seed):
    """Accuracy before minus after the head on test images, mean over the pairs of digits; one for each network."""
    found = measure_bank(PairAccuracy("digit", PAIRS, LABELLED), _runs(seed), label="images, verdict")
    return np.array([np.mean(one["accuracy_h"] - one["accuracy_z"]) for one in found])


def _predict_gaps(seed):
    """The same from moments of the training images; control: effective rank before minus after the head."""
    found = measure_bank(ClassMoments("digit"), _runs(seed), label="images, verdict")
    gaps = np.array([predicted_gap(one, PAIRS, LABELLED).mean() for one in found])
    ranks = np.array([one["effective_rank_h"] - one["effective_rank_z"] for one in found])
    return Prediction(gaps, ranks)


CLAIMS = (
    Claim(
        id="images-moment-verdict",
        statement="Class means and the covariance within the classes tell which layer of an image network is better "
        "with eight labels, and by how much.",
        latex=r"\mathrm{acc}_h - \mathrm{acc}_z \approx "
        r"\Phi(|\mu|^2/(\mu^\top S\mu(1+1/n) + \mathrm{tr}(S^2)/n)^{1/2})\big|_h - \Phi(\cdot)\big|_z",
        source="derived",
        reference="derived here (docs/derivations/averaging-accuracy.md#from-second-moments)",
        assumptions="digits on photographs, both in both views; SimCLR, SupCon, spectral loss, VICReg and Barlow "
        "Twins, each with a linear and an MLP head, 10 epochs of Adam, three members: 30 networks; nearer class mean "
        "of 8 labelled test images, mean over the 45 pairs of digits and 200 draws; moments of the training images; "
        "signs are asked where the measured gap exceeds one point",
        control="the layer of higher effective rank, which is the one before the head in every network, so that it is "
        'the rule "always before" too',
        quantity="accuracy before minus after the head",
        check=Tracks(correlation=0.9, sign=0.95, worth=WORTH),
        measure=_measure_gaps,
        predict=_predict_gaps,
    ),
)
