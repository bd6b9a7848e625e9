"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): what a projector does downstream.

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from scipy.special import ndtri

import theory
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import AtMost, Equivalent, Exact, Sign
from synthetic.mixture.downstream import Downstream, downstream_accuracies, repeated_accuracies, separable
from synthetic.store.sweep import default_jobs

REPLICATES = 16
SIGNAL, RATIO, DIM_DOWN, REPEATS = 2.0, 2.0, 200, 64
CLASSIFIERS = {"ridge": 0.1, "logistic": 0.1, "hinge": 0.1, "hard-margin": None, "averaging": None}
KAPPAS = (-0.5, 0.0, 0.5)


@cache
def _accuracies(seed):
    """(repeats, classifiers, kappas)."""
    points = [
        Downstream(name, SIGNAL, int(RATIO * DIM_DOWN), DIM_DOWN, KAPPAS, penalty or 0.0, seed=seed)
        for name, penalty in CLASSIFIERS.items()
    ]
    return repeated_accuracies(points, REPEATS, jobs=default_jobs()).transpose(1, 0, 2)


def _measure_accuracies(seed):
    return _accuracies(seed)[..., [0, 2]].reshape(REPEATS, -1)


def _predict_accuracies(seed):
    """Control: the sign of kappa turned."""

    def table(sign):
        kappas = sign * np.array([-0.5, 0.5])
        rows = [
            theory.downstream_accuracy(name, SIGNAL, RATIO, kappas, penalty)
            for name, penalty in CLASSIFIERS.items()
        ]
        return np.concatenate(rows)

    return Prediction(table(1), table(-1))


def _measure_abstract(seed):
    return np.diff(_accuracies(seed), axis=-1).reshape(REPEATS, -1)


def _predict_abstract(seed):
    side = np.ones(2 * len(CLASSIFIERS))
    return Prediction(side, -side)


def _reversal(penalty):
    def measure(seed):
        points = [Downstream("logistic", 2.0, 2000, 100, (-0.7, 2.0), penalty, seed=seed)]
        return np.diff(repeated_accuracies(points, 48, jobs=default_jobs())[0], axis=1)

    return measure


def _predict_always(seed):
    return Prediction(np.ones(1), np.ones(1))


def _predict_reversal_size(seed):
    """Control: kappa = -.7 and 2 exchanged."""
    accuracy = theory.downstream_accuracy("logistic", 2.0, 20.0, np.array([-0.7, 2.0]), 1e-3)
    change = np.diff(accuracy)
    return Prediction(change, -change)


REVERSED, PENALTIES, REVERSED_KAPPAS = (2.0, 20.0), np.logspace(-3, 2, 11), (-0.7, 0.0, 2.0)
SMALL_PENALTY, LARGE_PENALTY = 0, 6  # .001 and 1


@cache
def _penalty_table(seed):
    """Logistic accuracies (repeats, penalties, kappas) where expansion hurts at small penalties."""
    r, delta = REVERSED
    points = [
        Downstream("logistic", r, int(delta * 50), 50, REVERSED_KAPPAS, float(penalty), seed=seed)
        for penalty in PENALTIES
    ]
    return repeated_accuracies(points, REPEATS, jobs=default_jobs()).transpose(1, 0, 2)


def _measure_penalty_repairs(seed):
    """Effects of kappa (-.7 to 0) and of a penalty 10^(1/2) times as large, from two penalties at kappa = -.7."""
    table = _penalty_table(seed)
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
    at = PENALTIES[[SMALL_PENALTY, LARGE_PENALTY]]
    with_kappa, with_penalty = (
        np.sign(slope("logistic", *REVERSED, REVERSED_KAPPAS[0], at))
        for slope in (theory.expansion_slope, theory.penalty_slope)
    )
    return Prediction(
        np.stack([with_kappa, with_penalty], 1).ravel(), np.stack([with_kappa, with_kappa], 1).ravel()
    )


def _measure_tuned(seed):
    """Steps in kappa of each training set's accuracy at its own best penalty of 11."""
    return np.diff(_penalty_table(seed).max(axis=1), axis=1)


def _predict_tuned(seed):
    """Control: the order at the penalty .001."""
    kappas = np.array(REVERSED_KAPPAS)
    best = np.clip(theory.optimal_penalty("logistic", *REVERSED, kappas), PENALTIES[0], PENALTIES[-1])
    return Prediction(
        *(
            np.sign(np.diff(theory.downstream_accuracy("logistic", *REVERSED, kappas, penalty)))
            for penalty in (best, PENALTIES[SMALL_PENALTY])
        )
    )


def _log_tau(accuracy, signal_norm, ratio):
    """log(tau / (r sqrt(delta))) from Acc = Phi(r tau / sqrt(1 + tau^2))."""
    share = ndtri(accuracy) / signal_norm
    return np.log(share / np.sqrt(1 - share**2) / (signal_norm * np.sqrt(ratio)))


def _measure_tau(seed):
    """Five classifiers at delta = 2; logistic with penalties .001, 1 and 100 at delta = 20."""
    tables = _log_tau(_accuracies(seed), SIGNAL, RATIO), _log_tau(_penalty_table(seed), *REVERSED)
    return np.hstack(
        [
            tables[0].reshape(REPEATS, -1),
            tables[1][:, [SMALL_PENALTY, LARGE_PENALTY, -1]].reshape(REPEATS, -1),
        ]
    )


def _predict_tau(seed):
    """Control: (1 + kappa)^2 for shrinkage too."""
    kappas = np.concatenate([np.tile(KAPPAS, len(CLASSIFIERS)), np.tile(REVERSED_KAPPAS, 3)])
    control = 2 * np.log(1 + kappas)
    return Prediction(np.maximum(control, 0), control)


ONSET_RATIO, ONSET_SIGNALS = 5.0, (0.7, 1.15)


def _measure_onset(seed):
    """Accuracy at kappa = 1 minus that at -.5, logistic, penalty 3e-4, 192 training sets of 500 in 100 dimensions."""
    points = [
        Downstream("logistic", r, int(ONSET_RATIO * 100), 100, (-0.5, 1.0), 3e-4, seed=seed)
        for r in ONSET_SIGNALS
    ]
    return np.diff(repeated_accuracies(points, 192, jobs=default_jobs()), axis=2)[..., 0].T


def _predict_onset(seed):
    """Control: the onset of infinitely many samples a dimension, (pi / 2)^(1/2)."""
    signals = np.array(ONSET_SIGNALS)
    onset = theory.reversal_onset("logistic", ONSET_RATIO)
    return Prediction(np.sign(onset - signals), np.sign(np.sqrt(np.pi / 2) - signals))


SMALL = Downstream("averaging", 2.0, 20, 10, (-0.5, 0.0, 1.0))


def _measure_averaging(seed):
    return np.array(
        [
            downstream_accuracies(Downstream(**{**vars(SMALL), "seed": seed, "index": 10_000 + i}))
            for i in range(4000)
        ]
    )


def _predict_averaging(seed):
    kappas = np.array(SMALL.kappas)
    ratio = SMALL.samples / SMALL.dim
    return Prediction(
        theory.averaging_projector_accuracy(SMALL.signal_norm, SMALL.samples, SMALL.dim, kappas),
        theory.downstream_accuracy("averaging", SMALL.signal_norm, ratio, kappas),
    )


def _measure_separable(seed):
    """Share of 16 training sets in 100 dimensions that are separable at 2.4 and 6.4 samples a dimension."""
    sizes = (240, 640)
    return [
        np.mean(
            [
                separable(Downstream("hard-margin", 1.0, n, 100, (), seed=seed, index=i))
                for i in range(REPLICATES)
            ]
        )
        for n in sizes
    ]


def _predict_separable(seed):
    """Control: Cover's threshold 2, which knows no signal."""
    ratios = np.array([2.4, 6.4])
    return Prediction((ratios < theory.separability_threshold(1.0)).astype(float), (ratios < 2).astype(float))


def _measure_hard_margin_monotone(seed):
    """Share of 40 separable sets on which |accuracy - 1/2| does not rise with kappa somewhere on a grid."""
    kappas = (-0.9, -0.5, -0.2, 0.0, 0.5, 1.5, 4.0)
    points = [Downstream("hard-margin", 1.0, 60, 40, kappas, seed=seed)]
    strength = np.abs(repeated_accuracies(points, 40, jobs=default_jobs())[0] - 0.5)
    return [np.mean(np.any(np.diff(strength, axis=1) < -1e-9, axis=1))]


def _predict_monotone(seed):
    return Prediction([0.0], [1.0])


MISALIGNED = (0.0, 0.5, 3.0)


def _measure_misaligned(seed):
    point = Downstream("logistic", 1.5, 400, 200, MISALIGNED, 0.1, cosine=0.5, seed=seed)
    return repeated_accuracies([point], REPEATS, jobs=default_jobs())[0]


def _predict_misaligned(seed):
    """Control: the projector's direction taken to be that of the mean."""
    kappas = np.array(MISALIGNED)
    return Prediction(
        theory.misaligned_accuracy("logistic", 1.5, 2.0, kappas, 0.5, 0.1),
        theory.downstream_accuracy("logistic", 1.5, 2.0, kappas, 0.1),
    )


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
        limits="proved for hard margin, ridge, averaging and tuned penalties; measured here at delta = 2, lambda = .1",
    ),
    _claim(
        id="gui-expansion-at-any-penalty",
        statement="Expansion improves downstream accuracy for every convex loss at any fixed penalty.",
        latex=r"\partial_\kappa\mathrm{Acc} > 0\ \forall\ell, \lambda",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 2000, p = 100, kappa = 2 against -.7, lambda = .001",
        control="lambda = 1, where it is true",
        check=Sign(),
        measure=_reversal(1e-3),
        predict=_predict_always,
        expected="counterexample",
        control_measure=_reversal(1.0),
    ),
    _claim(
        id="gui-reversal-size",
        statement="The equations give the size of the harm that expansion does at a small penalty.",
        latex=r"\mathrm{Acc}(2)-\mathrm{Acc}(-.7) = -.0035",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 2000, p = 100, lambda = .001",
        control="expansion and shrinkage exchanged",
        check=Equivalent(0.002),
        measure=_reversal(1e-3),
        predict=_predict_reversal_size,
    ),
    _claim(
        id="gui-t2-penalty-repairs",
        statement="Where accuracy does not rise with kappa, it rises with the penalty.",
        latex=r"\partial_\kappa\mathrm{Acc} \le 0 \Rightarrow \partial_\lambda\mathrm{Acc} > 0",
        assumptions=f"{_MIXTURE}; logistic, r = 2, n = 1000, p = 50, kappa = -.7, lambda = .001 and 1",
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
        control="the order at lambda = .001",
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
        assumptions=f"{_MIXTURE}; logistic, lambda = 3e-4, n = 500, p = 100, r = .7 and 1.15, inseparable data",
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
        measure=_measure_averaging,
        predict=_predict_averaging,
    ),
    _claim(
        id="gui-separability",
        statement="The training data are separable below a threshold that no projector changes.",
        latex=r"\delta^*(r) = 1/\Phi(-q),\ r^2 = q/(\varphi(q)/\Phi(-q)-q)",
        assumptions=f"{_MIXTURE}; p = 100, r = 1, two thirds and five thirds of the threshold",
        control="Cover's threshold 2",
        check=Exact(0.2),
        measure=_measure_separable,
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
        assumptions=f"{_ASYMPTOTIC}; logistic, r = 1.5, lambda = .1",
        control="direction taken to be that of the mean",
        check=Equivalent(0.01),
        measure=_measure_misaligned,
        predict=_predict_misaligned,
    ),
)
