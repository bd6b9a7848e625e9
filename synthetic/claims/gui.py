"""Claims on Gui, Ma and Zhong, Unraveling Projection Heads in Contrastive Learning (arXiv 2306.03335).

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtri

import theory
from neural import stream_seed
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import AtMost, Equivalent, Exact, Sign
from synthetic.downstream_simulation import Downstream, downstream_accuracies, repeated_accuracies, separable
from synthetic.projector_training import ProjectorTraining, identity_gradient, projector_gains
from synthetic.sweep import default_jobs

REFERENCE = "Gui, Ma and Zhong, arXiv 2306.03335"
REPLICATES = 16
R = 1.5

# Part 1: which loss expands


@cache
def _gains(trainings, seed):
    chosen = [ProjectorTraining(signal_norm=R, seed=seed, **dict(settings)) for settings in trainings]
    return projector_gains(chosen, REPLICATES, jobs=default_jobs()).T


def _training(loss, sigma, temperature=1.0, other=None, **more):
    pair = (sigma, sigma if other is None else other)
    return tuple({"loss": loss, "sigma": pair, "temperature": temperature, **more}.items())


SPECTRAL = (_training("spectral", 0.8, steps=800, lr=0.04), _training("spectral", 2.0, steps=800, lr=0.04))
INNER = (_training("inner", 0.8, 2.0), _training("inner", 2.0, 15.0))
EUCLIDEAN = (_training("euclidean", 0.8), _training("euclidean", 1.5, 2.0))
CLEAN_NEGATIVES = (_training("euclidean", 0.8, other=0.0), _training("euclidean", 1.5, 2.0, other=0.0))
ONE_SIDED = (_training("inner", 0.8, 2.0, other=0.0), _training("inner", 2.0, 6.0, other=0.0))
COSINE_SIGMA, COSINE_TEMPERATURE = np.array([0.3, 0.5, 0.8]), np.array([0.3, 1.5, 1.0])
COSINE = tuple(
    _training("cosine", float(s), float(t)) for s, t in zip(COSINE_SIGMA, COSINE_TEMPERATURE, strict=True)
)
RELU = (_training("inner", 0.8, 2.0, hidden=20), _training("inner", 2.0, 15.0, hidden=20))
DIM = 8


def _measure_gains(trainings):
    return lambda seed: _gains(trainings, seed)


def _measure_gain_signs(trainings):
    return lambda seed: np.log(_gains(trainings, seed))


def _predict_spectral(seed):
    sigma = np.array([0.8, 2.0])
    return Prediction(
        theory.projector_gain("spectral", R, sigma),
        theory.projector_gain("spectral", R, sigma, views="clean anchor"),
    )


def _predict_inner(seed):
    sigma = np.array([0.8, 2.0])
    return Prediction(
        theory.projector_gain("inner", R, sigma),
        theory.projector_gain("inner", R, sigma, views="clean anchor"),
    )


def _predict_threshold(seed):
    side = np.sign(np.array([0.8, 2.0]) ** 2 - theory.expansion_threshold("inner", R))
    return Prediction(side, -side)


def _predict_one_sided(seed):
    sigma = np.array([0.8, 2.0])
    return Prediction(
        theory.projector_gain("inner", R, sigma, views="clean negatives"),
        theory.projector_gain("inner", R, sigma),
    )


def _predict_euclidean(seed):
    gains = theory.projector_gain("euclidean", R, np.array([0.8, 1.5]))
    return Prediction(gains, 1 / gains)


def _predict_neutral(seed):
    sigma = np.array([0.8, 1.5])
    return Prediction(
        theory.projector_gain("euclidean", R, sigma, views="clean negatives"),
        theory.projector_gain("euclidean", R, sigma, views="clean anchor"),
    )


def _predict_cosine(seed):
    return Prediction(
        theory.projector_gain("cosine", R, COSINE_SIGMA, temperature=COSINE_TEMPERATURE, dim=DIM),
        theory.projector_gain("cosine", R, COSINE_SIGMA, temperature=0.3, dim=DIM),
    )


LOCAL = ((0.5, 6.0), (2.0, 6.0))


def _measure_local(seed):
    """Descent along the signal minus descent across it at W = I, one batch of 4 x 512 a replicate."""
    columns = []
    for sigma, temperature in LOCAL:
        point = ProjectorTraining(
            "inner", R, (sigma, sigma), temperature, batch=512, steps=12, seed=seed, members=REPLICATES
        )
        along, across = identity_gradient(point).T
        columns.append(along - across)
    return np.stack(columns, axis=1)


def _predict_local(seed):
    sigma, temperature = np.transpose(LOCAL)
    local = np.sign(temperature - theory.local_temperature("inner", R, sigma))
    return Prediction(local, np.sign(theory.projector_gain("inner", R, sigma) - 1))


LOSS_CELLS = (("spectral", 0.9), ("inner", 0.9), ("euclidean", 0.9), ("cosine", 0.9))
LOSS_DIM, METRIC, COSINE_TAU, COSINE_GAIN = 4, (0.2, 0.3), 0.5, 1.4


def _measure_losses(seed):
    """Losses at a given metric on samples: 4,000 anchors against 2,000 negatives."""
    rows = []
    for index in range(REPLICATES):
        rng = np.random.default_rng(stream_seed(seed, "closed losses", index))
        rows.append([_sampled_loss(loss, sigma, rng) for loss, sigma in LOSS_CELLS])
    return np.array(rows)


def _sampled_loss(loss, sigma, rng, anchors=4000, others=2000):
    along, across = (COSINE_GAIN**2, 1.0) if loss == "cosine" else METRIC
    root = np.sqrt(np.array([along] + [across] * (LOSS_DIM - 1)))

    def inputs(n):
        return rng.choice([-1.0, 1.0], (n, 1)) * np.eye(LOSS_DIM)[0] * R + rng.normal(size=(n, LOSS_DIM))

    h, other = inputs(anchors), inputs(others)
    one, two, other = ((x + sigma * rng.normal(size=x.shape)) * root for x in (h, h, other))
    if loss == "spectral":
        return np.mean((one @ other.T) ** 2) - 2 * np.mean(np.sum(one * two, 1))
    if loss == "cosine":
        one, two, other = (
            x / np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(COSINE_TAU) for x in (one, two, other)
        )
    positive, negative = np.sum(one * two, 1), one @ other.T
    if loss == "euclidean":
        positive = -0.5 * np.sum((one - two) ** 2, 1)
        negative = negative - 0.5 * np.sum(one**2, 1)[:, None] - 0.5 * np.sum(other**2, 1)
    return np.mean(np.log(np.mean(np.exp(negative), 1)) - positive)


def _predict_losses(seed):
    def values(sigma):
        closed = [
            theory.projector_loss(loss, R, sigma, theory.Metric(*METRIC), LOSS_DIM)
            for loss in ("spectral", "inner", "euclidean")
        ]
        return np.array([*closed, theory.cosine_loss(R, sigma, COSINE_TAU, LOSS_DIM, COSINE_GAIN)])

    return Prediction(values(0.9), values(0.6))


NISHIMORI = np.array([0.7, 1.5, 4.0])


def _measure_nishimori(seed):
    rng = np.random.default_rng(stream_seed(seed, "nishimori"))
    x = R + np.sqrt(NISHIMORI)[:, None] * rng.normal(size=(REPLICATES, NISHIMORI.size, 20_000))
    return np.mean(x / R * np.tanh(R * x / NISHIMORI[:, None]), axis=-1)


def _predict_nishimori(seed):
    """Control: the posterior mean with unit noise, E[(X/r) tanh(rX)] at w = 4."""
    return Prediction(np.ones(3), np.array([1.0, 1.0, 1 + 1 / R**2]))


# Part 2: what it does downstream

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
_TRAINED = f"{_MIXTURE}; full 8 x 8 projector from the identity, Adam, batches of 192, so 191 negatives"
_ASYMPTOTIC = f"{_MIXTURE}; no bias; theory for infinite dimension, measured at p = 200, n = 400"


def _claim(**fields):
    return Claim(**{"source": "derived", "reference": REFERENCE, "assumptions": _TRAINED, **fields})


CLAIMS = (
    _claim(
        id="gui-closed-losses",
        statement="The population losses of a projector on the mixture have closed forms.",
        latex=r"L_{IP} = -\alpha(1+r^2)-(p-1)\beta+\tfrac v2[\alpha^2(v+r^2)+(p-1)v\beta^2]+E\log\cosh(\alpha rX)",
        assumptions=f"{_MIXTURE}; infinitely many negatives, measured with 2,000",
        control="augmentation of .6 in place of .9",
        check=Equivalent(0.1),
        measure=_measure_losses,
        predict=_predict_losses,
    ),
    _claim(
        id="gui-nishimori",
        statement="The posterior mean of the class is calibrated, the identity behind all thresholds.",
        latex=r"E[\tfrac Xr\tanh\tfrac{rX}w] = 1,\ X\sim N(r, w)",
        assumptions=_MIXTURE,
        control="E[X^2] / r^2 without noise variance: 1 + 1/r^2 at the largest noise",
        check=Equivalent(0.05, unbiased=True),
        measure=_measure_nishimori,
        predict=_predict_nishimori,
    ),
    _claim(
        id="gui-spectral-gain",
        statement="The spectral loss expands the signal direction only under strong augmentation.",
        latex=r"\mathrm{gain}^2 = (1+r^2)v^2/(v+r^2)^2",
        control="one view clean: always a shrinkage",
        check=Equivalent(0.04),
        measure=_measure_gains(SPECTRAL),
        predict=_predict_spectral,
    ),
    _claim(
        id="gui-inner-gain",
        statement="InfoNCE with inner products has its own gain, whatever the temperature.",
        latex=r"\mathrm{gain} = v\sqrt\alpha,\ v(v+r^2)\alpha+r^2T(\alpha) = 1+r^2",
        control="one view clean",
        check=Equivalent(0.04),
        measure=_measure_gains(INNER),
        predict=_predict_inner,
    ),
    _claim(
        id="gui-inner-threshold",
        statement="InfoNCE with inner products shrinks below its threshold of augmentation and expands above.",
        latex=r"T(1/v^2) = \sigma^2/(1+\sigma^2)",
        control="weak augmentation expands, strong shrinks",
        check=Sign(0.05),
        measure=_measure_gain_signs(INNER),
        predict=_predict_threshold,
    ),
    _claim(
        id="gui-inner-one-sided",
        statement="With an augmented anchor and clean negatives InfoNCE with inner products always shrinks.",
        latex=r"(1+0)(v+r^2)\alpha+r^2T_v(\alpha) = 1+r^2,\ \mathrm{gain} = \sqrt{\alpha v} < 1",
        control="both views augmented",
        check=Equivalent(0.04),
        measure=_measure_gains(ONE_SIDED),
        predict=_predict_one_sided,
    ),
    _claim(
        id="gui-euclidean-gain",
        statement="InfoNCE with squared distances expands at any augmentation.",
        latex=r"\mathrm{gain} > 1\ \forall\sigma > 0",
        control="the inverse gain",
        check=Equivalent(0.04),
        measure=_measure_gains(EUCLIDEAN),
        predict=_predict_euclidean,
    ),
    _claim(
        id="gui-euclidean-neutral",
        statement="With an augmented anchor and clean negatives InfoNCE with squared distances does neither.",
        latex=r"W^\top W = (\tau/\sigma^2)I",
        control="clean anchor and augmented negatives",
        check=Equivalent(0.03),
        measure=_measure_gains(CLEAN_NEGATIVES),
        predict=_predict_neutral,
    ),
    _claim(
        id="gui-cosine-gain",
        statement="With cosine similarity the gain depends on temperature: shrinkage in a window, expansion above it.",
        latex=r"\tfrac12qt^3+q^2T(t/v) < \sigma^2/(1+\sigma^2)",
        control="temperature absorbed: .3 for all",
        check=Equivalent(0.04),
        measure=_measure_gains(COSINE),
        predict=_predict_cosine,
    ),
    _claim(
        id="gui-relu-projector",
        statement="A two-layer ReLU projector that starts at the identity expands or shrinks as the linear one.",
        latex=r"\mathrm{sign}\log\mathrm{gain}_{ReLU} = \mathrm{sign}\log\mathrm{gain}",
        assumptions="As for the linear projector; 20 hidden units, gain of the averaged Jacobian metric",
        control="the opposite signs",
        check=Sign(0.05),
        measure=_measure_gain_signs(RELU),
        predict=_predict_threshold,
    ),
    _claim(
        id="gui-local-reversed",
        statement="The gradient at the identity at fixed scale may point against the verdict of the minimum.",
        latex=r"T(1/\tau)+v/\tau < 1",
        assumptions=f"{_MIXTURE}; 511 negatives, p = 8",
        control="signs of the global verdict",
        check=Sign(),
        measure=_measure_local,
        predict=_predict_local,
    ),
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
        reference=f"{REFERENCE}, abstract",
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
