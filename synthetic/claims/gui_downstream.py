"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): what a projector does downstream.

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

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
ONSET = tuple(Downstream("logistic", r, 500, 100, (-0.5, 1.0), 3e-4) for r in (0.7, 1.15))
AVERAGING = Downstream("averaging", 2.0, 20, 10, (-0.5, 0.0, 1.0), index=10_000)
SEPARABLE = tuple(Downstream("hard-margin", 1.0, samples, 100, ()) for samples in (240, 640))
EVERY_SET = Downstream("hard-margin", 1.0, 60, 40, (-0.9, -0.5, -0.2, 0.0, 0.5, 1.5, 4.0))
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
    return measure_accuracies(FIVE, REPEATS, seed)[..., [0, 2]].reshape(REPEATS, -1)


def _predict_accuracies(seed):
    """Control: the sign of kappa turned."""
    kappas = np.array([-0.5, 0.5])
    return Prediction(
        *(np.concatenate([_accuracy(point, sign * kappas) for point in FIVE]) for sign in (1, -1))
    )


def _measure_abstract(seed):
    return np.diff(measure_accuracies(FIVE, REPEATS, seed), axis=-1).reshape(REPEATS, -1)


def _predict_abstract(seed):
    side = np.ones(2 * len(CLASSIFIERS))
    return Prediction(side, -side)


def _measure_gain_of_expansion(point, seed):
    """Accuracy at kappa = 2 minus that at -0.7."""
    return np.diff(_measure_points(point, 48, seed), axis=1)


def _predict_always(seed):
    return Prediction(np.ones(1), np.ones(1))


def _predict_reversal_size(seed):
    """Control: kappa = -0.7 and 2 exchanged."""
    change = np.diff(_accuracy(REVERSED))
    return Prediction(change, -change)


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
    """Control: Cover's threshold 2, which knows no signal."""
    ratios = np.array([point.sample_ratio for point in SEPARABLE])
    threshold = theory.separability_threshold(SEPARABLE[0].signal_norm)
    return Prediction((ratios < threshold).astype(float), (ratios < 2).astype(float))


def _measure_hard_margin_monotone(seed):
    """Share of 40 separable sets on which |accuracy - 1/2| falls with kappa somewhere on a grid."""
    strength = np.abs(_measure_points(EVERY_SET, 40, seed) - 0.5)
    return [np.mean(np.any(np.diff(strength, axis=1) < -1e-9, axis=1))]


def _predict_monotone(seed):
    return Prediction([0.0], [1.0])


def _predict_misaligned(seed):
    """Control: the projector's direction taken to be that of the mean."""
    law = theory.misaligned_accuracy(
        "logistic",
        MISALIGNED.signal_norm,
        MISALIGNED.sample_ratio,
        np.array(MISALIGNED.kappas),
        MISALIGNED.cosine,
        MISALIGNED.penalty,
    )
    return Prediction(law, _accuracy(MISALIGNED))


_MIXTURE = "Two balanced Gaussian classes, isotropic noise"
_ASYMPTOTIC = f"{_MIXTURE}; no bias; theory for infinite dimension, measured at p = 200, n = 400"
_claim = partial(Claim, source="derived", reference=GUI)

CLAIMS = (
    _claim(
        id="gui-downstream-accuracy",
        statement="One scalar system gives the accuracy of every convex classifier after the projector.",
        latex=r"s(\lambda c+Q) = r\bar e,\ \sigma\sqrt\delta(\lambda+Q) = \nu,\ \gamma\delta(\lambda+Q) = 1",
        assumptions=_ASYMPTOTIC,
        control="sign of kappa turned",
        check=Equivalent(0.008),
        measure=_measure_accuracies,
        predict=_predict_accuracies,
    ),
    _claim(
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
    _claim(
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
    _claim(
        id="gui-reversal-size",
        statement="The equations give the size of the harm that expansion does at a small penalty.",
        latex=r"\mathrm{Acc}(2)-\mathrm{Acc}(-0.7) = -0.0035",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 2000, p = 100, lambda = 0.001",
        control="expansion and shrinkage exchanged",
        check=Equivalent(0.002),
        measure=partial(_measure_gain_of_expansion, REVERSED),
        predict=_predict_reversal_size,
    ),
    _claim(
        id="gui-t2-penalty-repairs",
        statement="Where accuracy does not rise with kappa, it rises with the penalty.",
        latex=r"\partial_\kappa\mathrm{Acc} \le 0 \Rightarrow \partial_\lambda\mathrm{Acc} > 0",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 1000, p = 50, kappa = -0.7, lambda = 0.001 and 1",
        control="the penalty's effect has the sign of kappa's",
        check=Sign(),
        measure=_measure_penalty_repairs,
        predict=_predict_penalty_repairs,
    ),
    _claim(
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
        statement="No convex classifier has more overlap to noise than averaging has, or has without a projector.",
        latex=r"\log\frac\tau{r\sqrt\delta} \le 2\max(0, \log(1+\kappa))",
        assumptions=f"{_ASYMPTOTIC}, and p = 50, n = 1000; slack for the fluctuation of averaging, which attains it",
        control="the bound of expansion, 2 log(1 + kappa), for shrinkage too",
        check=AtMost(0.15),
        measure=_measure_tau,
        predict=_predict_tau,
    ),
    _claim(
        id="gui-reversal-onset",
        statement="At vanishing penalty expansion hurts above a signal norm that depends on the sample ratio.",
        latex=r"\mathrm{sign}\,\partial_\kappa\mathrm{Acc} = \mathrm{sign}(r_c(\delta)-r)",
        assumptions=f"{_MIXTURE}; logistic, lambda = 3e-4, n = 500, p = 100, r = 0.7 and 1.15, inseparable data",
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
        statement="The training data are separable below a threshold that no projector changes.",
        latex=r"\delta^*(r) = 1/\Phi(-q),\ r^2 = q/(\varphi(q)/\Phi(-q)-q)",
        assumptions=f"{_MIXTURE}; p = 100, r = 1, two thirds and five thirds of the threshold",
        control="Cover's threshold 2",
        check=Exact(0.2),
        measure=partial(measure_separable_shares, SEPARABLE, 16),
        predict=_predict_separable,
    ),
    _claim(
        id="gui-hard-margin-every-set",
        statement="On every separable data set the largest-margin direction turns towards the signal as it expands.",
        latex=r"\partial_\kappa|\cos(\beta, \mu)| \ge 0",
        assumptions=f"{_MIXTURE}; 40 training sets of 60 samples in 40 dimensions, seven projectors",
        control="violated on every set",
        check=Exact(0.0),
        measure=_measure_hard_margin_monotone,
        predict=_predict_monotone,
    ),
    _claim(
        id="gui-misaligned",
        statement="Expansion along a direction at 60 degrees to the mean helps little and then hurts.",
        latex=r"s_k(\lambda c_k+Q) = r_k\bar e",
        assumptions=f"{_ASYMPTOTIC}; logistic, r = 1.5, lambda = 0.1",
        control="direction taken to be that of the mean",
        check=Equivalent(0.01),
        measure=partial(_measure_points, MISALIGNED, REPEATS),
        predict=_predict_misaligned,
    ),
)
