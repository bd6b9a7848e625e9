"""Claims on the setting of Gui, Ma and Zhong (arXiv 2306.03335): downstream, beyond one direction and clean labels.

Projectors with any singular values or of trained size, several classes, and unequal classes with wrong labels. None of
these statements is in the paper; they are derived for the same Gaussian mixture. Margins and numbers of replicates were
settled in pilot runs, seed 0 among them; other seeds are their test.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import theory
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Equivalent
from synthetic.mixture import settings
from synthetic.mixture.downstream import Downstream, measure_accuracies
from synthetic.mixture.settings import SIGNAL_NORM
from synthetic.mixture.spectra import (
    ClassesPoint,
    SpectrumPoint,
    measure_after_training,
    measure_classes,
    measure_spectra,
)

REPEATS = 64
RIDGE_AFTER_SPECTRA = tuple(
    SpectrumPoint("ridge", (1.5, 0.0), (gain, 1.0), (100, 100), 400, 0.1) for gain in (0.3, 3.0)
)
TWO_SPIKES = (SpectrumPoint("logistic", (1.2, 0.9, 0.0), (1.6, 0.5, 1.0), (1, 1, 198), 400, 0.1),)
AFTER_TRAINING = SpectrumPoint("logistic", (SIGNAL_NORM, 0.0), (1.0, 1.0), (1, 199), 400, 0.1)
IMPERFECT = tuple(
    Downstream(name, 1.5, 400, 200, (0.5,), 0.1, bias=True, class_balance=balance, label_noise=noise)
    for name in ("ridge", "logistic")
    for balance, noise in ((0.8, 0.0), (0.8, 0.2))
)
FOUR_CLASSES = tuple(ClassesPoint(4, 2.0, 400, 200, kappa, 0.1) for kappa in (-0.5, 1.0))


def _predict_spectra(seed):
    """Control: all directions but one have gain 1."""
    point = RIDGE_AFTER_SPECTRA[0]
    gains = np.array([p.gains for p in RIDGE_AFTER_SPECTRA])
    law = theory.spectrum_accuracy(
        np.array(point.strengths), gains, np.array(point.shares), point.sample_ratio, point.penalty
    )
    spike = theory.downstream_accuracy(
        "ridge", point.strengths[0], point.sample_ratio, gains[:, 0] - 1, point.penalty
    )
    return Prediction(law, spike)


def _predict_spikes(seed):
    """Control: no projector."""
    (point,) = TWO_SPIKES
    strengths, kappas = np.array(point.strengths[:2]), np.array(point.gains[:2]) - 1
    law = partial(theory.spiked_accuracy, "logistic", strengths, point.sample_ratio, penalty=point.penalty)
    return Prediction(*(np.array([law(kappas=factor * kappas)]) for factor in (1, 0)))


def _predict_after_training(seed):
    """Control: a projector whose noise directions keep their scale, so that the temperature does not matter."""
    world = SIGNAL_NORM, AFTER_TRAINING.sample_ratio
    sigma = settings.AFTER_TRAINING[0].sigma[0]
    temperature = np.array([training.temperature for training in settings.AFTER_TRAINING])
    after = theory.accuracy_after_projector(
        "logistic", "inner", world[0], sigma, world[1], AFTER_TRAINING.penalty, temperature=temperature
    )
    kappa = theory.projector_gain("inner", SIGNAL_NORM, sigma) - 1
    unscaled = theory.downstream_accuracy("logistic", *world, kappa, AFTER_TRAINING.penalty)
    return Prediction(after, np.full(len(temperature), unscaled))


def _measure_imperfect(seed):
    return measure_accuracies(IMPERFECT, 6 * REPEATS, seed)[..., 0]


def _predict_imperfect(seed):
    """Control: no bias and no wrong labels, where the class frequencies do not matter."""

    def law(point, **imperfect):
        world = point.classifier, point.signal_norm, point.sample_ratio, point.kappas[0], point.penalty
        return theory.downstream_accuracy(*world, **imperfect)

    full = [
        law(point, bias=True, class_balance=point.class_balance, label_noise=point.label_noise)
        for point in IMPERFECT
    ]
    return Prediction(np.array(full), np.array([law(point) for point in IMPERFECT]))


def _predict_four_classes(seed):
    """Control: a norm of the orthogonal class means taken for that of the simplex."""
    point = FOUR_CLASSES[0]
    kappas = np.array([p.kappa for p in FOUR_CLASSES])

    def law(norm):
        return theory.multiclass_ridge_accuracy(
            point.classes, norm, point.samples / point.dim, kappas, point.penalty
        )

    return Prediction(law(point.signal_norm), law(point.signal_norm * np.sqrt(1 - 1 / point.classes)))


_MIXTURE = "Two balanced Gaussian classes, isotropic noise"
_ASYMPTOTIC = f"{_MIXTURE}; no bias; theory for infinite dimension, measured at p = 200, n = 400"
_claim = partial(
    Claim, source="derived", reference=f"derived here, in the setting of {GUI}", quantity="accuracy"
)

CLAIMS = (
    _claim(
        id="gui-ridge-after-spectrum",
        statement="A closed form gives the accuracy of ridge after a projector with any singular values.",
        latex=r"\delta(1-\lambda/x) = \sum_jh_j/(1+x/g_j^2)",
        assumptions=f"{_ASYMPTOTIC}; r = 1.5, lambda = 0.1, half of the directions, the mean among them, have gain "
        "0.3 or 3",
        control="the same gain in the direction of the mean alone",
        check=Equivalent(0.011),
        measure=partial(measure_spectra, RIDGE_AFTER_SPECTRA, 256),
        predict=_predict_spectra,
    ),
    _claim(
        id="gui-two-spikes",
        statement="The scalar system covers a projector that expands one part of the mean and shrinks another.",
        latex=r"s_k(\lambda c_k+Q) = r_k\bar e",
        assumptions=f"{_ASYMPTOTIC}; logistic, lambda = 0.1, strengths 1.2 and 0.9, gains 1.6 and 0.5",
        control="no projector",
        check=Equivalent(0.009),
        measure=partial(measure_spectra, TWO_SPIKES, REPEATS),
        predict=_predict_spikes,
    ),
    _claim(
        id="gui-four-classes-ridge",
        statement="A closed form gives the accuracy of ridge on one-hot targets for several classes.",
        latex=r"\mathrm{Acc} = \int\varphi(g)\Phi(g+d)^{K-1}dg",
        assumptions="Four balanced Gaussian classes whose means form a simplex of norm 2, isotropic noise; no bias; "
        "theory for infinite dimension, measured at p = 200, n = 400; lambda = 0.1, kappa = -0.5 and 1",
        control="the norm of orthogonal means taken for that of the simplex, 13% too small",
        check=Equivalent(0.02),
        measure=partial(measure_classes, FOUR_CLASSES, REPEATS),
        predict=_predict_four_classes,
    ),
    _claim(
        id="gui-after-training",
        statement="Augmentation and temperature determine the accuracy of a classifier after the trained projector.",
        latex=r"W = (\tau b)^{1/2}(I+\kappa uu^\top),\ \lambda\to\lambda/(\tau b)",
        assumptions=f"{_ASYMPTOTIC}; projectors trained in 8 dimensions with InfoNCE of inner products, r = 1.5, "
        "sigma = 0.8, tau = 2 and 20, batches of 256; logistic, lambda = 0.1",
        control="temperature left out: the projector keeps the scale of the noise",
        check=Equivalent(0.007),
        measure=partial(measure_after_training, settings.AFTER_TRAINING, AFTER_TRAINING, REPEATS),
        predict=_predict_after_training,
    ),
    _claim(
        id="gui-imperfect-labels",
        statement="The scalar system covers an unpenalised bias, unequal classes and wrong labels.",
        latex=r"t(sr+yb)+\rho G,\ E[yte] = 0",
        assumptions="Two Gaussian classes of frequencies 0.8 and 0.2, isotropic noise; 0 or 20% wrong labels; theory "
        "for infinite dimension, measured at p = 200, n = 400; ridge and logistic with a bias, r = 1.5, lambda = 0.1, "
        "kappa = 0.5",
        control="no bias and no wrong labels",
        check=Equivalent(0.008),
        measure=_measure_imperfect,
        predict=_predict_imperfect,
    ),
)
