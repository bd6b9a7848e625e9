"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): which loss expands, and when.

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

import theory
from neural import stream_seed
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Sign
from synthetic.mixture.projectors import ProjectorTraining, identity_gradient, projector_gains
from synthetic.store.sweep import default_jobs

REPLICATES = 16
R = 1.5


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


_MIXTURE = "Two balanced Gaussian classes, isotropic noise"
_TRAINED = f"{_MIXTURE}; full 8 x 8 projector from the identity, Adam, batches of 192, so 191 negatives"
_claim = partial(Claim, source="derived", reference=GUI, assumptions=_TRAINED)

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
)
