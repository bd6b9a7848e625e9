"""Claims on Gui, Ma and Zhong (arXiv 2306.03335): linear projectors on the features of an image encoder.

Members of one seed have independent data, initial weights, order and views. The tolerances were settled in pilot
runs, seed 0 among them; other seeds are their test.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

import theory
from neural.models.encoders import SmallConvConfig
from neural.training.pretraining import PretrainConfig
from synthetic.claims.papers import GUI
from synthetic.claims.registry import Claim, Prediction
from synthetic.claims.rule import Exact
from synthetic.images.bank import measure_bank
from synthetic.images.projectors import (
    AugmentedProjectors,
    NoiseSweep,
    TwoClasses,
    loss_fits,
    train_on_augmented_views,
)
from synthetic.mixture.samples import signal_gain
from synthetic.store.sweep import sweep

MEMBERS, TASK, SIGMAS = 2, TwoClasses(), (0.4, 2.5)
FITS = loss_fits(scales=(6.0,), steps=200)
INFO_NCE = ["inner", "euclidean"]


def _encoders(seed) -> list[PretrainConfig]:
    config = PretrainConfig(encoder=SmallConvConfig(last_relu=False), epochs=10, seed=seed)
    return [replace(config, member=member) for member in range(MEMBERS)]


def _measure_noise(fit, seed) -> list[dict]:
    sweep_of_noise = NoiseSweep(TASK, fit, SIGMAS)
    return measure_bank(sweep_of_noise, _encoders(seed), label="images, noise")


def _measure_gains(seed):
    """Gains, (losses x members x sigmas,)."""
    return np.concatenate([one["gain"] for fit in FITS.values() for one in _measure_noise(fit, seed)])


def _predict_gains(seed):
    """Gains of two Gaussian classes at each member's own r, in the order of `_measure_gains`."""
    norms = np.array([one["signal_norm"] for one in _measure_noise(FITS["spectral"], seed)])[:, None]

    def gains(too_strong):
        found = []
        for fit in FITS.values():
            cosine = fit.loss == "cosine"
            more = {"temperature": fit.scale / TASK.components, "dim": TASK.components} if cosine else {}
            found.append(
                theory.projector_gain(fit.loss, norms, too_strong * np.array(SIGMAS), **more).ravel()
            )
        return np.concatenate(found)

    return Prediction(gains(1.0), gains(1.5))


def _train_on_views(names, seed) -> list[dict]:
    fits = tuple(FITS[name] for name in names)
    points = [AugmentedProjectors(config, TASK, fits, (1.0,), views=16) for config in _encoders(seed)]
    return sweep(train_on_augmented_views, points, label="images, real views")


def _measure_real_views(seed):
    return np.concatenate([one["gain"]["spectral"] for one in _train_on_views(["spectral"], seed)])


def _measure_gaussian_views(seed):
    """Gains on Gaussian views of the moments of real ones, (members x losses,)."""
    found = _train_on_views(INFO_NCE, seed)
    return np.concatenate([one["gaussian"][name] for one in found for name in INFO_NCE])


def _predict_from_moments(names, metric_of, seed):
    """Gain of a metric for mean and noise covariance; control: noise of 1.4 times the variance."""

    def gains(too_large):
        found = []
        for one in _train_on_views(names, seed):
            mean, noise = np.array(one["mean"][0]), too_large * np.array(one["noise"][0])
            direction = mean / np.linalg.norm(mean)
            found += [float(signal_gain(metric_of(name, mean, noise), direction)) for name in names]
        return np.array(found)

    return Prediction(gains(1.0), gains(1.4))


def _minimise_spectral(_, mean, noise):
    shared = np.eye(len(mean)) + np.outer(mean, mean)
    return theory.spectral_minimizer(shared + noise, shared, len(mean))


_GAIN = "gain of the class difference over the other directions"
_FEATURES = (
    "digits 3 and 8, eight principal components of h, whitened within the classes; encoder without a last ReLU, "
    "SimCLR, 10 epochs"
)

CLAIMS = (
    Claim(
        id="images-gain",
        statement="On image features with Gaussian noise the gains of trained linear projectors are those of two "
        "Gaussian classes at the same r: which loss shrinks, which expands, and by how much.",
        latex=r"1+\kappa = \mathrm{gain}(r, \sigma)",
        source="derived",
        reference=f"derived here, on {GUI}",
        assumptions=f"{_FEATURES}; sigma 0.4 and 2.5; spectral, inner product, squared distance, cosine at tau p = 6; "
        "two members, each at its own r; the tolerance is for the shape of the classes, 120 images each",
        control="augmentation half as strong again",
        quantity=_GAIN,
        check=Exact(0.13),
        measure=_measure_gains,
        predict=_predict_gains,
    ),
    Claim(
        id="images-gain-real-views",
        statement="On real augmented views the spectral projector has the gain of the minimiser for their second "
        "moments.",
        latex=r"W^\top W = \Sigma^{-1}\tilde\Sigma\Sigma^{-1}",
        source="derived",
        reference=f"derived here, on {GUI}",
        assumptions=f"{_FEATURES}; both views through the frozen encoder, augmentation of pretraining; two members; "
        "the tolerance is for the sampling of views in training",
        control="noise of 1.4 times the variance",
        quantity=_GAIN,
        check=Exact(0.02),
        measure=_measure_real_views,
        predict=partial(_predict_from_moments, ["spectral"], _minimise_spectral),
    ),
    Claim(
        id="images-gain-anisotropic",
        statement="With the noise of real augmentation, far from isotropic, the gains of InfoNCE are those of the "
        "equations for any noise covariance.",
        latex=r"-\mathrm{tr}\,M(I+\mu\mu^\top)+\tfrac12\mathrm{tr}\,VM(V+\mu\mu^\top)M+E\log\cosh a",
        source="derived",
        reference=f"derived here, on {GUI}",
        assumptions=f"{_FEATURES}; Gaussian views with the class means and the noise covariance of augmented images; "
        "inner product and squared distance, batches of 192; two members; the tolerance is for the negatives, 191, and "
        "for the sampling of views in training",
        control="noise of 1.4 times the variance",
        quantity=_GAIN,
        check=Exact(0.02),
        measure=_measure_gaussian_views,
        predict=partial(_predict_from_moments, INFO_NCE, theory.anisotropic_metric),
    ),
)
