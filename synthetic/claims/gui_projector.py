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
from synthetic.mixture.projectors import measure_descent_ratio, measure_gains, measure_log_gains
from synthetic.mixture.settings import DIM, SIGNAL_NORM

REPLICATES = 16
LOCAL = tuple(settings.local_gradient(sigma, steps=12, members=REPLICATES) for sigma in (0.5, 2.0))
LOSSES = SampledLosses()
CALIBRATED = (0.7, 1.5, 4.0)


def _augmentation(trainings):
    """Standard deviations of the anchors' augmentation, and temperatures."""
    return np.array([(training.sigma[0], training.temperature) for training in trainings]).T


def _predict_gains(trainings, views, control_views, seed):
    """Control: the gain for other views."""
    sigma, _ = _augmentation(trainings)
    gain = partial(theory.projector_gain, trainings[0].loss, SIGNAL_NORM, sigma)
    return Prediction(gain(views=views), gain(views=control_views))


def _predict_euclidean(seed):
    gains = theory.projector_gain("euclidean", SIGNAL_NORM, _augmentation(settings.EUCLIDEAN)[0])
    return Prediction(gains, 1 / gains)


def _predict_cosine(seed):
    sigma, temperature = _augmentation(settings.COSINE)
    gain = partial(theory.projector_gain, "cosine", SIGNAL_NORM, sigma, dim=DIM)
    return Prediction(gain(temperature=temperature), gain(temperature=0.3))


def _predict_threshold(seed):
    sigma, _ = _augmentation(settings.INNER)
    side = np.sign(sigma**2 - theory.expansion_threshold("inner", SIGNAL_NORM))
    return Prediction(side, -side)


def _predict_local(seed):
    """Control: the verdict of the minimum."""
    sigma, temperature = _augmentation(LOCAL)
    local = np.sign(temperature - theory.local_temperature("inner", SIGNAL_NORM, sigma))
    return Prediction(local, np.sign(theory.projector_gain("inner", SIGNAL_NORM, sigma) - 1))


def _predict_losses(seed):
    """Control: augmentation of 0.6."""

    def values(sigma):
        metric = theory.Metric(*LOSSES.metric)
        closed = [
            theory.projector_loss(loss, LOSSES.signal_norm, sigma, metric, LOSSES.dim)
            for loss in LOSSES.losses[:3]
        ]
        cosine = theory.cosine_loss(
            LOSSES.signal_norm, sigma, LOSSES.cosine_temperature, LOSSES.dim, LOSSES.cosine_gain
        )
        return np.array([*closed, cosine])

    return Prediction(values(LOSSES.sigma), values(0.6))


def _predict_calibration(seed):
    """Control: the posterior mean with unit noise, E[(X/r) tanh(rX)] at w = 4."""
    return Prediction(np.ones(3), np.array([1.0, 1.0, 1 + 1 / SIGNAL_NORM**2]))


_MIXTURE = "Two balanced Gaussian classes, isotropic noise"
_TRAINED = f"{_MIXTURE}; full 8 x 8 projector from the identity, Adam, batches of 192, so 191 negatives"
_claim = partial(Claim, source="derived", reference=GUI, assumptions=_TRAINED)

CLAIMS = (
    _claim(
        id="gui-closed-losses",
        statement="The population losses of a projector on the mixture have closed forms.",
        latex=r"L_{IP} = -\alpha(1+r^2)-(p-1)\beta+\tfrac v2[\alpha^2(v+r^2)+(p-1)v\beta^2]+E\log\cosh(\alpha rX)",
        assumptions=f"{_MIXTURE}; infinitely many negatives, measured with 2,000",
        control="augmentation of 0.6 in place of 0.9",
        check=Equivalent(0.1),
        measure=partial(measure_losses, LOSSES, REPLICATES),
        predict=_predict_losses,
    ),
    _claim(
        id="gui-nishimori",
        statement="The posterior mean of the class is calibrated, the identity behind all thresholds.",
        latex=r"E[\tfrac Xr\tanh\tfrac{rX}w] = 1,\ X\sim N(r, w)",
        assumptions=_MIXTURE,
        control="E[X^2] / r^2 without noise variance: 1 + 1/r^2 at the largest noise",
        check=Equivalent(0.05, unbiased=True),
        measure=partial(measure_calibration, SIGNAL_NORM, CALIBRATED, REPLICATES),
        predict=_predict_calibration,
    ),
    _claim(
        id="gui-spectral-gain",
        statement="The spectral loss expands the signal direction only under strong augmentation.",
        latex=r"\mathrm{gain}^2 = (1+r^2)v^2/(v+r^2)^2",
        control="one view clean: always a shrinkage",
        check=Equivalent(0.04),
        measure=partial(measure_gains, settings.SPECTRAL, REPLICATES),
        predict=partial(_predict_gains, settings.SPECTRAL, "both", "clean anchor"),
    ),
    _claim(
        id="gui-inner-gain",
        statement="InfoNCE with inner products has its own gain, whatever the temperature.",
        latex=r"\mathrm{gain} = v\sqrt\alpha,\ v(v+r^2)\alpha+r^2T(\alpha) = 1+r^2",
        control="one view clean",
        check=Equivalent(0.04),
        measure=partial(measure_gains, settings.INNER, REPLICATES),
        predict=partial(_predict_gains, settings.INNER, "both", "clean anchor"),
    ),
    _claim(
        id="gui-inner-threshold",
        statement="InfoNCE with inner products shrinks below its threshold of augmentation and expands above.",
        latex=r"T(1/v^2) = \sigma^2/(1+\sigma^2)",
        control="weak augmentation expands, strong shrinks",
        check=Sign(0.05),
        measure=partial(measure_log_gains, settings.INNER, REPLICATES),
        predict=_predict_threshold,
    ),
    _claim(
        id="gui-inner-one-sided",
        statement="With an augmented anchor and clean negatives InfoNCE with inner products always shrinks.",
        latex=r"(1+0)(v+r^2)\alpha+r^2T_v(\alpha) = 1+r^2,\ \mathrm{gain} = \sqrt{\alpha v} < 1",
        control="both views augmented",
        check=Equivalent(0.04),
        measure=partial(measure_gains, settings.INNER_CLEAN_NEGATIVES, REPLICATES),
        predict=partial(_predict_gains, settings.INNER_CLEAN_NEGATIVES, "clean negatives", "both"),
    ),
    _claim(
        id="gui-euclidean-gain",
        statement="InfoNCE with squared distances expands at any augmentation.",
        latex=r"\mathrm{gain} > 1\ \forall\sigma > 0",
        control="the inverse gain",
        check=Equivalent(0.04),
        measure=partial(measure_gains, settings.EUCLIDEAN, REPLICATES),
        predict=_predict_euclidean,
    ),
    _claim(
        id="gui-euclidean-neutral",
        statement="With an augmented anchor and clean negatives InfoNCE with squared distances does neither.",
        latex=r"W^\top W = (\tau/\sigma^2)I",
        control="clean anchor and augmented negatives",
        check=Equivalent(0.03),
        measure=partial(measure_gains, settings.EUCLIDEAN_CLEAN_NEGATIVES, REPLICATES),
        predict=partial(
            _predict_gains, settings.EUCLIDEAN_CLEAN_NEGATIVES, "clean negatives", "clean anchor"
        ),
    ),
    _claim(
        id="gui-cosine-gain",
        statement="With cosine similarity the gain depends on temperature: shrinkage in a window, expansion above it.",
        latex=r"\tfrac12qt^3+q^2T(t/v) < \sigma^2/(1+\sigma^2)",
        control="temperature absorbed: 0.3 for all",
        check=Equivalent(0.04),
        measure=partial(measure_gains, settings.COSINE, REPLICATES),
        predict=_predict_cosine,
    ),
    _claim(
        id="gui-relu-projector",
        statement="A two-layer ReLU projector that starts at the identity expands or shrinks as the linear one.",
        latex=r"\mathrm{sign}\log\mathrm{gain}_{ReLU} = \mathrm{sign}\log\mathrm{gain}",
        assumptions="As for the linear projector; 20 hidden units, gain of the averaged Jacobian metric",
        control="the opposite signs",
        check=Sign(0.05),
        measure=partial(measure_log_gains, settings.RELU, REPLICATES),
        predict=_predict_threshold,
    ),
    _claim(
        id="gui-local-reversed",
        statement="The gradient at the identity at fixed scale may point against the verdict of the minimum.",
        latex=r"T(1/\tau)+v/\tau < 1",
        assumptions=f"{_MIXTURE}; 511 negatives, p = 8",
        control="signs of the global verdict",
        check=Sign(),
        measure=partial(measure_descent_ratio, LOCAL),
        predict=_predict_local,
    ),
)
