"""Classifiers after projectors with several singular values, and ridge with several classes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from synthetic.mixture import spectra
from synthetic.mixture.spectra import (
    ClassesPoint,
    SpectrumPoint,
    measure_classes,
    measure_spectra,
    score_after_spectrum,
    score_classes,
)

POINT = SpectrumPoint("averaging", (1.5, 0.5), (1.0, 1.0), (3, 7), 400_000)
CLASSES = ClassesPoint(3, 1.5, 600, 5, 0.0, 1e-3)


def test_many_samples_give_the_best_accuracy():
    """Averaging without a projector tends to the mean, whose accuracy is Phi of its norm."""
    assert score_after_spectrum(POINT) == pytest.approx(ndtr(np.hypot(1.5, 0.5)), abs=1e-4)


def test_a_gain_turns_the_averaged_classifier_towards_its_group():
    """beta = G^2 mu for averaging and many samples."""
    found = score_after_spectrum(replace(POINT, gains=(1.0, 3.0)))
    mean = np.array([1.5, 0.5])
    beta = np.array([1.0, 9.0]) * mean
    assert found == pytest.approx(ndtr(mean @ beta / np.linalg.norm(beta)), abs=2e-3)


def test_shares_and_sample_ratio():
    assert POINT.shares == (0.3, 0.7) and POINT.sample_ratio == 40_000


def test_three_classes_with_many_samples_reach_the_best_accuracy():
    """The nearest of three simplex means: compared with the same rule on the means themselves."""
    rng = np.random.default_rng(0)
    angles = 2 * np.pi * np.arange(3) / 3
    means = 1.5 * np.stack([np.cos(angles), np.sin(angles)], 1)
    labels = rng.integers(3, size=200_000)
    inputs = means[labels] + rng.normal(size=(len(labels), 2))
    best = np.mean(np.argmax(inputs @ means.T, axis=1) == labels)
    # four standard errors of 20,000 tests, and the loss by 6,000 samples
    assert score_classes(replace(CLASSES, samples=6000)) == pytest.approx(best, abs=0.015)


def test_expansion_helps_when_labels_are_few(seed):
    points = [
        replace(CLASSES, samples=60, dim=40, kappa=kappa, penalty=1.0, tests=2000) for kappa in (-0.7, 2.0)
    ]
    shrunk, expanded = measure_classes(points, 6, seed).T
    assert np.mean(expanded - shrunk) > 0.1


def test_repeats_differ_and_repeat(seed):
    point = replace(POINT, samples=20)
    values = measure_spectra([point, point], 3, seed)
    np.testing.assert_array_equal(values[:, 0], values[:, 1])
    assert len(set(values[:, 0])) == 3


def test_the_scale_of_a_trained_projector_matters(monkeypatch):
    """A projector ten times as large makes the penalty a hundredth: the classifier is the unpenalised one."""
    metrics = np.array([[[1.0, 1.0, 0.0], [100.0, 100.0, 0.0]]])
    monkeypatch.setattr(spectra, "measure_metrics", lambda *_: metrics)
    point = SpectrumPoint("ridge", (1.5, 0.0), (1.0, 1.0), (1, 9), 100, penalty=10.0)
    found = spectra.measure_after_training([None, None], point, 1, 0)[0]
    for accuracy, penalty in zip(found, (10.0, 0.1), strict=True):
        assert accuracy == pytest.approx(score_after_spectrum(replace(point, penalty=penalty)), abs=1e-10)
    assert found[0] != pytest.approx(found[1], abs=1e-4)
