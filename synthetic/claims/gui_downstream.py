"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): what a projector does downstream.

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from scipy.special import ndtri

import theory
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import AtMost, Equivalent, Exact, Sign
from synthetic.mixture.downstream import Downstream, measure_accuracies, measure_separable_shares
from synthetic.mixture.settings import CLASSIFIERS, five_classifiers, reversal_points

REPEATS = 64
KAPPAS = (-0.5, 0.0, 0.5)
FIVE = five_classifiers(signal_norm=2.0, sample_ratio=2.0, dim=200, kappas=KAPPAS)
(REVERSED,) = reversal_points(dim=100, kappas=(-0.7, 2.0), penalties=(1e-3,))
(REPAIRED,) = reversal_points(dim=100, kappas=(-0.7, 2.0), penalties=(1.0,))
PENALTIES, PENALTY_KAPPAS = tuple(np.logspace(-3, 2, 11).tolist()), (-0.7, 0.0, 2.0)
PENALTY_PATH = reversal_points(dim=50, kappas=PENALTY_KAPPAS, penalties=PENALTIES)
SMALL_PENALTY, LARGE_PENALTY = 0, 6
"""Places of 0.001 and 1 among the penalties."""
ONSET = tuple(Downstream("logistic", r, 500, 100, (-0.5, 1.0), 3e-4) for r in (0.9, 1.1))
AVERAGING = Downstream("averaging", 2.0, 20, 10, (-0.5, 0.0, 1.0), index=10_000)
SEPARABLE = tuple(Downstream("hard-margin", 1.0, samples, 200, ()) for samples in (660, 820))
EVERY_SET = Downstream("hard-margin", 1.0, 60, 40, (-0.9, -0.5, -0.2, 0.0, 0.5, 1.5, 4.0))
NOT_EVERY_SET = replace(REVERSED, kappas=EVERY_SET.kappas)
MISALIGNED = Downstream("logistic", 1.5, 400, 200, (0.0, 0.5, 3.0), 0.1, cosine=0.5)


def _accuracy(point, kappas=None, penalty=None):
    """Predicted accuracies of one classifier, at other projectors or another penalty where they are given."""
    kappas = np.array(point.kappas if kappas is None else kappas)
    chosen = point.penalty if penalty is None else penalty
    return theory.downstream_accuracy(point.classifier, point.signal_norm, point.sample_ratio, kappas, chosen)


def _measure_points(point, repeats, seed):
    """Accuracies of one classifier, (repeats, kappas)."""
    return measure_accuracies((point,), repeats, seed)[:, 0]


def _measure_accuracies(seed):
    return measure_accuracies(FIVE, 2 * REPEATS, seed)[..., [0, 2]].reshape(2 * REPEATS, -1)


def _predict_accuracies(seed):
    """Control: a signal norm 3% too large."""

    def table(factor):
        points = [replace(point, signal_norm=factor * point.signal_norm) for point in FIVE]
        return np.concatenate([_accuracy(point, kappas=(KAPPAS[0], KAPPAS[2])) for point in points])

    return Prediction(table(1.0), table(1.03))


def _measure_abstract(seed):
    return np.diff(measure_accuracies(FIVE, REPEATS, seed), axis=-1).reshape(REPEATS, -1)


def _predict_abstract(seed):
    side = np.ones(2 * len(CLASSIFIERS))
    return Prediction(side, -side)


def _measure_gain_of_expansion(point, seed):
    """Accuracy at kappa = 2 minus that at -0.7."""
    return np.diff(_measure_points(point, 192, seed), axis=1)


def _predict_always(seed):
    return Prediction(np.ones(1), np.ones(1))


def _predict_reversal_size(seed):
    """Control: a penalty twice as large."""
    return Prediction(*(np.diff(_accuracy(REVERSED, penalty=factor * REVERSED.penalty)) for factor in (1, 2)))


def _measure_penalty_repairs(seed):
    """Effects of kappa (-0.7 to 0) and of a penalty 10^(1/2) times as large, from two penalties at kappa = -0.7."""
    table = measure_accuracies(PENALTY_PATH, REPEATS, seed)
    return np.stack(
        [
            effect
            for i in (SMALL_PENALTY, LARGE_PENALTY)
            for effect in (table[:, i, 1] - table[:, i, 0], table[:, i + 1, 0] - table[:, i, 0])
        ],
        axis=1,
    )


def _predict_penalty_repairs(seed):
    """Control: the penalty's effect has the sign of kappa's."""
    at = np.array(PENALTIES)[[SMALL_PENALTY, LARGE_PENALTY]]
    first = PENALTY_PATH[0]
    with_kappa, with_penalty = (
        np.sign(slope("logistic", first.signal_norm, first.sample_ratio, PENALTY_KAPPAS[0], at))
        for slope in (theory.expansion_slope, theory.penalty_slope)
    )
    return Prediction(
        np.stack([with_kappa, with_penalty], 1).ravel(), np.stack([with_kappa, with_kappa], 1).ravel()
    )


def _measure_tuned(seed):
    """Steps in kappa of each training set's accuracy at its own best penalty of 11."""
    return np.diff(measure_accuracies(PENALTY_PATH, REPEATS, seed).max(axis=1), axis=1)


def _predict_tuned(seed):
    """Control: the order at the penalty 0.001."""
    first = PENALTY_PATH[0]
    best = theory.optimal_penalty("logistic", first.signal_norm, first.sample_ratio, np.array(PENALTY_KAPPAS))
    best = np.clip(best, PENALTIES[0], PENALTIES[-1])
    return Prediction(
        *(np.sign(np.diff(_accuracy(first, penalty=penalty))) for penalty in (best, PENALTIES[SMALL_PENALTY]))
    )


def _log_tau(accuracy, point):
    """log(tau / (r sqrt(delta))) from Acc = Phi(r tau / sqrt(1 + tau^2))."""
    share = ndtri(accuracy) / point.signal_norm
    return np.log(share / np.sqrt(1 - share**2) / (point.signal_norm * np.sqrt(point.sample_ratio)))


def _measure_tau(seed):
    """Five classifiers at delta = 2; logistic with penalties 0.001, 1 and 100 at delta = 20."""
    path = [PENALTY_PATH[i] for i in (SMALL_PENALTY, LARGE_PENALTY, -1)]
    tables = (
        _log_tau(measure_accuracies(points, REPEATS, seed), points[0]).reshape(REPEATS, -1)
        for points in (FIVE, path)
    )
    return np.hstack(list(tables))


def _predict_tau(seed):
    """Control: (1 + kappa)^2 for shrinkage too."""
    kappas = np.concatenate([np.tile(KAPPAS, len(CLASSIFIERS)), np.tile(PENALTY_KAPPAS, 3)])
    control = 2 * np.log(1 + kappas)
    return Prediction(np.maximum(control, 0), control)


def _measure_onset(seed):
    """Accuracy at kappa = 1 minus that at -0.5, 192 training sets."""
    return np.diff(measure_accuracies(ONSET, 192, seed), axis=2)[..., 0]


def _predict_onset(seed):
    """Control: the onset of infinitely many samples a dimension, (pi / 2)^(1/2)."""
    signals = np.array([point.signal_norm for point in ONSET])
    onset = theory.reversal_onset("logistic", ONSET[0].sample_ratio)
    return Prediction(np.sign(onset - signals), np.sign(np.sqrt(np.pi / 2) - signals))


def _predict_averaging(seed):
    """Control: the limit of many dimensions."""
    exact = theory.averaging_projector_accuracy(
        AVERAGING.signal_norm, AVERAGING.samples, AVERAGING.dim, np.array(AVERAGING.kappas)
    )
    return Prediction(exact, _accuracy(AVERAGING))


def _predict_separable(seed):
    """Control: the threshold of a signal that is 15% weaker."""
    ratios = np.array([point.sample_ratio for point in SEPARABLE])
    thresholds = (theory.separability_threshold(factor * SEPARABLE[0].signal_norm) for factor in (1.0, 0.85))
    return Prediction(*((ratios < threshold).astype(float) for threshold in thresholds))


def _measure_falls(point, seed):
    """Share of 40 training sets on which |accuracy - 1/2| falls with kappa somewhere on a grid."""
    strength = np.abs(_measure_points(point, 40, seed) - 0.5)
    return np.array([np.mean(np.any(np.diff(strength, axis=1) < -1e-9, axis=1))])


def _predict_never_falls(seed):
    """Control: what the same measurement finds for logistic regression, where expansion hurts."""
    return Prediction(np.zeros(1), _measure_falls(NOT_EVERY_SET, seed))


def _measure_steps(point, repeats, seed):
    """Differences of accuracy from each kappa to the next, (repeats, kappas - 1)."""
    return np.diff(_measure_points(point, repeats, seed), axis=1)


def _misaligned_steps(point):
    law = theory.misaligned_accuracy(
        point.classifier,
        point.signal_norm,
        point.sample_ratio,
        np.array(point.kappas),
        point.cosine,
        point.penalty,
    )
    return np.diff(law)


def _predict_misaligned(seed):
    """Control: expansion along the mean itself, which never hurts here."""
    return Prediction(np.sign(_misaligned_steps(MISALIGNED)), np.sign(np.diff(_accuracy(MISALIGNED))))


def _predict_misaligned_size(seed):
    """Control: half the expansion."""
    halved = replace(MISALIGNED, kappas=tuple(kappa / 2 for kappa in MISALIGNED.kappas))
    return Prediction(_misaligned_steps(MISALIGNED), _misaligned_steps(halved))


_MIXTURE = "Two balanced Gaussian classes, isotropic noise"
_ASYMPTOTIC = f"{_MIXTURE}; no bias; theory for infinite dimension, measured at p = 200, n = 400"
_claim = partial(Claim, source="derived", reference=GUI, quantity="accuracy")
_difference = partial(_claim, quantity="difference of accuracies")

CLAIMS = (
    _claim(
        id="gui-downstream-accuracy",
        statement="One scalar system gives the accuracy of every convex classifier after the projector.",
        latex=r"s(\lambda c+Q) = r\bar e,\ \sigma\sqrt\delta(\lambda+Q) = \nu,\ \gamma\delta(\lambda+Q) = 1",
        assumptions=_ASYMPTOTIC,
        control="signal norm 3% too large",
        check=Equivalent(0.006),
        measure=_measure_accuracies,
        predict=_predict_accuracies,
    ),
    _difference(
        id="gui-expansion-improves",
        statement="Expansion improves and shrinkage hinders downstream accuracy.",
        latex=r"\mathrm{Acc}(-\tfrac12) < \mathrm{Acc}(0) < \mathrm{Acc}(\tfrac12)",
        source="paper",
        reference=f"{GUI}, abstract",
        assumptions=_ASYMPTOTIC,
        control="the opposite order",
        check=Sign(),
        measure=_measure_abstract,
        predict=_predict_abstract,
        expected="holds within stated limits",
        limits="proved for hard margin, ridge, averaging and tuned penalties; measured here at delta = 2, lambda = 0.1",
    ),
    _difference(
        id="gui-expansion-at-any-penalty",
        statement="Expansion improves downstream accuracy for every convex loss at any fixed penalty.",
        latex=r"\partial_\kappa\mathrm{Acc} > 0\ \forall\ell, \lambda",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 2000, p = 100, kappa = 2 against -0.7, lambda = 0.001",
        control="lambda = 1, where it is true",
        check=Sign(),
        measure=partial(_measure_gain_of_expansion, REVERSED),
        predict=_predict_always,
        expected="counterexample",
        control_measure=partial(_measure_gain_of_expansion, REPAIRED),
    ),
    _difference(
        id="gui-reversal-size",
        statement="The equations give the size of the harm that expansion does at a small penalty.",
        latex=r"\mathrm{Acc}(2)-\mathrm{Acc}(-0.7) = -0.0035",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 2000, p = 100, lambda = 0.001",
        control="penalty twice as large",
        check=Equivalent(0.0008),
        measure=partial(_measure_gain_of_expansion, REVERSED),
        predict=_predict_reversal_size,
    ),
    _difference(
        id="gui-t2-penalty-repairs",
        statement="Where accuracy does not rise with kappa, it rises with the penalty.",
        latex=r"\partial_\kappa\mathrm{Acc} \le 0 \Rightarrow \partial_\lambda\mathrm{Acc} > 0",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 1000, p = 50, kappa = -0.7, lambda = 0.001 and 1",
        control="the penalty's effect has the sign of kappa's",
        check=Sign(),
        measure=_measure_penalty_repairs,
        predict=_predict_penalty_repairs,
    ),
    _difference(
        id="gui-t3-tuned-accuracy",
        statement="At its best penalty accuracy rises with kappa, also where it falls at a fixed penalty.",
        latex=r"\partial_\kappa\max_\lambda\mathrm{Acc} > 0",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 1000, p = 50, the best of 11 penalties on each training set",
        control="the order at lambda = 0.001",
        check=Sign(),
        measure=_measure_tuned,
        predict=_predict_tuned,
    ),
    _claim(
        id="gui-tau-bound",
        quantity="log of overlap to noise over that of averaging",
        statement="No convex classifier has more overlap to noise than averaging has, or has without a projector.",
        latex=r"\log\frac\tau{r\sqrt\delta} \le 2\max(0, \log(1+\kappa))",
        assumptions=f"{_ASYMPTOTIC}, and p = 50, n = 1000; slack for the fluctuation of averaging, which attains it",
        control="the bound of expansion, 2 log(1 + kappa), for shrinkage too",
        check=AtMost(0.15),
        measure=_measure_tau,
        predict=_predict_tau,
    ),
    _difference(
        id="gui-reversal-onset",
        statement="At vanishing penalty expansion hurts above a signal norm that depends on the sample ratio.",
        latex=r"\mathrm{sign}\,\partial_\kappa\mathrm{Acc} = \mathrm{sign}(r_c(\delta)-r)",
        assumptions=f"{_MIXTURE}; logistic, lambda = 3e-4, n = 500, p = 100, r = 0.9 and 1.1 about an onset of 0.97, "
        "inseparable data",
        control="onset (pi/2)^(1/2) of infinite sample ratio",
        check=Sign(),
        measure=_measure_onset,
        predict=_predict_onset,
    ),
    _claim(
        id="gui-averaging-law",
        statement="The averaging classifier has an exact law at finite numbers of samples and dimensions.",
        latex=r"\tau = (1+\kappa)^2(r\sqrt n+\zeta)/\chi_{p-1}",
        assumptions=f"{_MIXTURE}; n = 20, p = 10",
        control="the limit of infinite dimension",
        check=Equivalent(0.006, unbiased=True),
        measure=partial(_measure_points, AVERAGING, 4000),
        predict=_predict_averaging,
    ),
    _claim(
        id="gui-separability",
        quantity="share of the training sets",
        statement="The training data are separable below a threshold that no projector changes.",
        latex=r"\delta^*(r) = 1/\Phi(-q),\ r^2 = q/(\varphi(q)/\Phi(-q)-q)",
        assumptions=f"{_MIXTURE}; p = 200, r = 1, threshold 3.70, measured at 3.3 and 4.1",
        control="threshold of a signal 15% weaker, 3.13",
        check=Exact(0.2),
        measure=partial(measure_separable_shares, SEPARABLE, 16),
        predict=_predict_separable,
    ),
    _claim(
        id="gui-hard-margin-every-set",
        quantity="share of the training sets",
        statement="On every separable data set the largest-margin direction turns towards the signal as it expands.",
        latex=r"\partial_\kappa|\cos(\beta, \mu)| \ge 0",
        assumptions=f"{_MIXTURE}; 40 training sets of 60 samples in 40 dimensions, seven projectors",
        control="the same measurement for logistic regression at the penalty 0.001, r = 2, n = 2000, p = 100",
        check=Exact(0.0),
        measure=partial(_measure_falls, EVERY_SET),
        predict=_predict_never_falls,
    ),
    _difference(
        id="gui-misaligned",
        statement="Expansion along a direction at 60 degrees to the mean helps little and then hurts.",
        latex=r"s_k(\lambda c_k+Q) = r_k\bar e",
        assumptions=f"{_ASYMPTOTIC}; logistic, r = 1.5, lambda = 0.1; kappa from 0 to 0.5 and from 0.5 to 3, 256 sets",
        control="expansion along the mean itself",
        check=Sign(),
        measure=partial(_measure_steps, MISALIGNED, 256),
        predict=_predict_misaligned,
    ),
    _difference(
        id="gui-misaligned-size",
        statement="The equations give the size of what expansion along a direction at 60 degrees to the mean does.",
        latex=r"\mathrm{Acc}(\kappa) = \Phi(\textstyle\sum_kr_ks_k/(\sum_ks_k^2+\sigma^2)^{1/2})",
        assumptions=f"{_ASYMPTOTIC}; logistic, r = 1.5, lambda = 0.1; kappa from 0 to 0.5 and from 0.5 to 3, 256 sets",
        control="half the expansion",
        check=Equivalent(0.0019),
        measure=partial(_measure_steps, MISALIGNED, 256),
        predict=_predict_misaligned_size,
    ),
)
