"""More than two classes: common mean and contrasts."""

import numpy as np
import pytest

import theory


def test_common_mean_of_many_classes():
    assert theory.common_mean_gain("inner", 3.0, 1.1, 4) == pytest.approx(0.70393, abs=6e-6)
    assert theory.common_mean_gain("euclidean", 3.0, 1.1, 4) == 1
    sigma = np.sqrt(np.sqrt(1 + 9 / 4))
    assert theory.common_mean_gain("spectral", 3.0, sigma, 4) == pytest.approx(1, abs=1e-12)


def test_contrasts_of_four_classes():
    """Published predictions of a softmax expectation by sampling, and the threshold at r = 1, 2, 3."""
    found = theory.contrast_gain(3.0, np.array([0.7, 1.1, 1.6, 2.5]), 4)
    np.testing.assert_allclose(found, [0.761, 0.918, 1.114, 1.377], atol=2e-3)
    sigma = np.sqrt([1.093, 1.346, 1.697])
    np.testing.assert_allclose(theory.contrast_gain(np.array([1.0, 2.0, 3.0]), sigma, 4), 1, atol=5e-4)


def test_two_classes_are_the_mixture_about_its_mean():
    """Means r e_1, r e_2: half their distance is r / sqrt(2), which is the mixture's signal norm."""
    sigma = np.array([0.6, 1.5])
    expected = theory.projector_gain("inner", 2.0 / np.sqrt(2), sigma)
    np.testing.assert_allclose(theory.contrast_gain(2.0, sigma, 2), expected, rtol=1e-6)
