"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): which loss expands, and when.

The paper's abstract says that contrastive losses expand or shrink the signal direction, and that linear projectors
that shrink it hinder, and those that expand it improve, downstream accuracy; the statements below are derived for a
Gaussian mixture. Margins and numbers of replicates were settled in pilot runs, seed 0 among them, and kept since:
other seeds are their test.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import theory
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent, Sign
from synthetic.mixture import settings
from synthetic.mixture.losses import SampledLosses, measure_calibration, measure_losses
from synthetic.mixture.projectors import (
    measure_crossing,
    measure_descent_difference,
    measure_gains,
    measure_log_gains,
    measure_metrics,
)
from synthetic.mixture.settings import DIM, SIGNAL_NORM

REPLICATES, MORE = 32, 48
LOCAL = tuple(settings.local_gradient(sigma, steps=12, members=REPLICATES // 2) for sigma in (0.5, 2.0))
LOSSES = SampledLosses()
CALIBRATED = (0.7, 1.5, 4.0)


def _augmentation(trainings):
    """Standard deviations of the anchors' augmentation, and temperatures."""
    return np.array([(training.sigma[0], training.temperature) for training in trainings]).T


def _predict_gains(trainings, too_strong, views, seed):
    """Control: the gain where the augmentation is taken to be `too_strong` times as strong."""
    sigma, _ = _augmentation(trainings)
    gain = partial(theory.projector_gain, trainings[0].loss, SIGNAL_NORM, views=views)
    return Prediction(gain(sigma), gain(too_strong * sigma))


def _predict_one_sided(seed):
    """Control: a signal norm 10% larger."""
    sigma, _ = _augmentation(settings.INNER_CLEAN_NEGATIVES)
    gain = partial(theory.projector_gain, "inner", sigma=sigma, views="clean negatives")
    return Prediction(gain(SIGNAL_NORM), gain(1.1 * SIGNAL_NORM))


def _measure_weights(trainings, seed):
    """|W u| along the signal u and its root mean square across it, (replicates, 2 x trainings)."""
    return np.sqrt(measure_metrics(trainings, REPLICATES, seed)[..., :2]).reshape(REPLICATES, -1)


def _predict_neutral(seed):
    """Control: anchor and negatives exchanged."""
    sigma, temperature = _augmentation(settings.EUCLIDEAN_CLEAN_NEGATIVES)

    def weights(views):
        metric = theory.projector_metric("euclidean", SIGNAL_NORM, sigma, views=views)
        return np.sqrt(np.stack(metric, axis=1) * temperature[:, None]).ravel()

    return Prediction(weights("clean negatives"), weights("clean anchor"))


def _predict_cosine(seed):
    """Control: augmentation 5% too strong."""
    sigma, temperature = _augmentation(settings.COSINE)
    gain = partial(theory.projector_gain, "cosine", SIGNAL_NORM, temperature=temperature, dim=DIM)
    return Prediction(gain(sigma), gain(1.05 * sigma))


def _predict_cosine_edges(seed):
    """Control: the limit of many dimensions."""
    sigma, temperature = _augmentation(settings.COSINE_EDGES)
    expands = partial(theory.cosine_expands, SIGNAL_NORM, sigma, temperature * DIM)
    return Prediction(*(np.where(found, 1.0, -1.0) for found in (expands(dim=DIM), expands())))


def _predict_threshold(seed):
    """Control: the threshold of the spectral loss."""
    variance = [theory.expansion_threshold(loss, SIGNAL_NORM) for loss in ("inner", "spectral")]
    return Prediction(*np.sqrt(variance)[:, None])


def _predict_few_negatives(seed):
    """Control: infinitely many negatives."""
    (training,) = settings.INNER_FEW_NEGATIVES
    few = theory.finite_negatives_metric(SIGNAL_NORM, training.sigma[0], DIM, training.batch - 1)
    many = theory.projector_gain("inner", SIGNAL_NORM, training.sigma[0])
    return Prediction(np.array([few.gain]), np.array([many]))


def _predict_local(seed):
    """Control: the verdict of the minimum."""
    sigma, temperature = _augmentation(LOCAL)
    local = np.sign(temperature - theory.local_temperature("inner", SIGNAL_NORM, sigma))
    return Prediction(local, np.sign(theory.projector_gain("inner", SIGNAL_NORM, sigma) - 1))


def _predict_losses(seed):
    """Control: augmentation of 0.93."""

    def values(sigma):
        world, dim, metric = (LOSSES.signal_norm, sigma), LOSSES.dim, theory.Metric(*LOSSES.metric)
        return np.array(
            [
                *(theory.projector_loss(loss, *world, metric, dim) for loss in LOSSES.losses[:3]),
                theory.cosine_loss(*world, LOSSES.cosine_temperature, dim, LOSSES.cosine_gain),
                theory.decoupled_inner_loss(*world, metric, dim),
                theory.finite_negatives_loss(*world, dim, LOSSES.few, metric),
            ]
        )

    return Prediction(values(LOSSES.sigma), values(0.93))


def _predict_calibration(seed):
    """Control: the posterior mean with unit noise, E[(X/r) tanh(rX)] at w = 4."""
    return Prediction(np.ones(3), np.array([1.0, 1.0, 1 + 1 / SIGNAL_NORM**2]))


_MIXTURE = "Two balanced Gaussian classes, isotropic noise, r = 1.5"


def _trained(batch):
    return f"{_MIXTURE}; full 8 x 8 projector from the identity, Adam, batches of {batch}, so {batch - 1} negatives"


_TRAINED = _trained(256)
_RELU = "As for the linear projector; two layers, 20 hidden units, gain of the averaged Jacobian metric"
_GAIN = "gain of the signal over the noise"
_claim = partial(Claim, source="derived", reference=GUI, assumptions=_TRAINED, quantity=_GAIN)

CLAIMS = (
    _claim(
        id="gui-closed-losses",
        statement="The population losses of a projector on the mixture have closed forms.",
        latex=r"L_{IP} = -\alpha(1+r^2)-(p-1)\beta+\tfrac v2[\alpha^2(v+r^2)+(p-1)v\beta^2]+E\log\cosh(\alpha rX)",
        assumptions=f"{_MIXTURE}; infinitely many negatives, measured with 2,000, and 31 negatives",
        control="augmentation of 0.93 in place of 0.9",
        quantity="loss",
        check=Equivalent(0.04),
        measure=partial(measure_losses, LOSSES, 2 * REPLICATES),
        predict=_predict_losses,
    ),
    _claim(
        id="gui-nishimori",
        statement="The posterior mean of the class is calibrated, the identity behind all thresholds.",
        latex=r"E[\tfrac Xr\tanh\tfrac{rX}w] = 1,\ X\sim N(r, w)",
        source="identity",
        assumptions=_MIXTURE,
        control="E[X^2] / r^2 without noise variance: 1 + 1/r^2 at the largest noise",
        quantity="mean of the posterior mean over r",
        check=Equivalent(0.02, unbiased=True),
        measure=partial(measure_calibration, SIGNAL_NORM, CALIBRATED, REPLICATES),
        predict=_predict_calibration,
    ),
    _claim(
        id="gui-spectral-gain",
        statement="The spectral loss expands the signal direction only under strong augmentation.",
        latex=r"\mathrm{gain}^2 = (1+r^2)v^2/(v+r^2)^2",
        assumptions=f"{_trained(192)}; sigma = 0.8 and 2",
        control="augmentation 5% too strong",
        check=Equivalent(0.015),
        measure=partial(measure_gains, settings.SPECTRAL, REPLICATES),
        predict=partial(_predict_gains, settings.SPECTRAL, 1.05, "both"),
    ),
    _claim(
        id="gui-inner-gain",
        statement="InfoNCE with inner products has its own gain, whatever the temperature.",
        latex=r"\mathrm{gain} = v\sqrt\alpha,\ v(v+r^2)\alpha+r^2T(\alpha) = 1+r^2",
        assumptions=f"{_TRAINED}; sigma = 0.8 and 2",
        control="augmentation 10% too strong",
        check=Equivalent(0.028),
        measure=partial(measure_gains, settings.INNER, REPLICATES),
        predict=partial(_predict_gains, settings.INNER, 1.1, "both"),
    ),
    _claim(
        id="gui-inner-threshold",
        statement="InfoNCE with inner products shrinks below its threshold of augmentation and expands above.",
        latex=r"T(1/v^2) = \sigma^2/(1+\sigma^2)",
        assumptions=f"{_trained(384)}; crossing of the line through the log gains at sigma = 1.15 and 1.37",
        control="threshold of the spectral loss",
        quantity="augmentation at which the gain is 1",
        check=Equivalent(0.045),
        measure=partial(measure_crossing, settings.INNER_CROSSING, REPLICATES),
        predict=_predict_threshold,
    ),
    _claim(
        id="gui-few-negatives",
        statement="With few negatives InfoNCE with inner products shrinks less than with infinitely many.",
        latex=r"L_N = -E\,s_++E\log(e^{s_+}+\sum_{j\le N}e^{s_j})",
        assumptions=f"{_trained(32)}; sigma = 0.8",
        control="infinitely many negatives",
        check=Equivalent(0.009),
        measure=partial(measure_gains, settings.INNER_FEW_NEGATIVES, 2 * REPLICATES),
        predict=_predict_few_negatives,
    ),
    _claim(
        id="gui-inner-one-sided",
        statement="With an augmented anchor and clean negatives InfoNCE with inner products always shrinks.",
        latex=r"(1+0)(v+r^2)\alpha+r^2T_v(\alpha) = 1+r^2,\ \mathrm{gain} = \sqrt{\alpha v} < 1",
        assumptions=f"{_TRAINED}; sigma = 0.8 and 2",
        control="signal norm 10% too large",
        check=Equivalent(0.013),
        measure=partial(measure_gains, settings.INNER_CLEAN_NEGATIVES, REPLICATES),
        predict=_predict_one_sided,
    ),
    _claim(
        id="gui-euclidean-gain",
        statement="InfoNCE with squared distances expands at any augmentation.",
        latex=r"\mathrm{gain} > 1\ \forall\sigma > 0",
        assumptions=f"{_TRAINED}; sigma = 0.8 and 1.5",
        control="augmentation 10% too strong",
        check=Equivalent(0.022),
        measure=partial(measure_gains, settings.EUCLIDEAN, REPLICATES),
        predict=partial(_predict_gains, settings.EUCLIDEAN, 1.1, "both"),
    ),
    _claim(
        id="gui-euclidean-neutral",
        statement="With an augmented anchor and clean negatives InfoNCE with squared distances does neither: it gives "
        "the signal and all other directions one weight, the root of the temperature over the augmentation.",
        latex=r"W^\top W = (\tau/\sigma^2)I",
        assumptions=f"{_TRAINED}; sigma = 0.8 and 1.5",
        control="clean anchor and augmented negatives",
        quantity="weight along the signal and across it, at either augmentation",
        check=Equivalent(0.03),
        measure=partial(_measure_weights, settings.EUCLIDEAN_CLEAN_NEGATIVES),
        predict=_predict_neutral,
    ),
    _claim(
        id="gui-cosine-gain",
        statement="With cosine similarity the gain depends on temperature: shrinkage in a window, expansion above it.",
        latex=r"\tfrac12qt^3+q^2T(t/v) < \sigma^2/(1+\sigma^2)",
        assumptions=f"{_TRAINED}; (sigma, tau) = (0.3, 0.3), (0.5, 1.5), (0.8, 1)",
        control="augmentation 5% too strong",
        check=Equivalent(0.028),
        measure=partial(measure_gains, settings.COSINE, REPLICATES),
        predict=_predict_cosine,
    ),
    _claim(
        id="gui-cosine-few-dimensions",
        statement="In few dimensions the window of temperatures in which cosine similarity shrinks lies lower.",
        latex=r"\partial_{\log k}L(p, \tau)|_{k=1} > 0",
        assumptions=f"{_TRAINED}; sigma = 0.5, tau p = 0.4 and 10",
        control="the limit of many dimensions, which says the opposite at both temperatures",
        quantity="log of the gain",
        check=Sign(),
        measure=partial(measure_log_gains, settings.COSINE_EDGES, REPLICATES // 2),
        predict=_predict_cosine_edges,
    ),
    _claim(
        id="gui-relu-projector",
        statement="A two-layer ReLU projector that starts at the identity has the gain of a linear one.",
        latex=r"\mathrm{gain}_{ReLU} = \mathrm{gain}",
        assumptions=f"{_RELU}; sigma = 0.8 and 2",
        control="augmentation 10% too strong",
        check=Equivalent(0.028),
        measure=partial(measure_gains, settings.RELU, MORE),
        predict=partial(_predict_gains, settings.RELU, 1.1, "both"),
    ),
    _claim(
        id="gui-relu-random-start",
        statement="A two-layer ReLU projector has the gain of a linear one also when it starts at random weights.",
        latex=r"\mathrm{gain}_{ReLU} = \mathrm{gain}",
        assumptions=f"{_RELU}, normal weights of variance 1 / fan-in, 600 steps, batches of 192; sigma = 0.8",
        control="augmentation 10% too strong",
        check=Equivalent(0.016),
        measure=partial(measure_gains, settings.RELU_RANDOM, REPLICATES),
        predict=partial(_predict_gains, settings.RELU_RANDOM, 1.1, "both"),
    ),
    _claim(
        id="gui-local-reversed",
        statement="The gradient at the identity at fixed scale may point against the verdict of the minimum.",
        latex=r"T(1/\tau)+v/\tau < 1",
        assumptions=f"{_MIXTURE}; 511 negatives, p = 8",
        control="signs of the global verdict",
        quantity="descent along the signal minus descent across it",
        check=Sign(),
        measure=partial(measure_descent_difference, LOCAL),
        predict=_predict_local,
    ),
)
