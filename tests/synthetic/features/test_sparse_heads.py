"""Alignment and effective dimensions of penalised networks in cases known by hand."""

import numpy as np
import pytest

from neural.measures.spectra import participation_ratio
from synthetic.features.sparse_heads import measure_dimensions, weight_off_alignment
from theory.features.model import FeatureModel


def test_participation_ratio_counts_equal_values():
    assert participation_ratio(np.array([2.0, 2.0, 0.0])) == pytest.approx(2)
    assert participation_ratio(np.array([3.0, 1.0])) == pytest.approx(1.6)


def test_dimensions_of_diagonal_layers_are_those_of_their_weights(seed):
    model = FeatureModel([0.5, 1.0, 1.5], 0.2, 0.4)
    before, head = np.array([0.9, 1.1, 0.4]), np.array([0.5, 1.0, 0.8])
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    layers = [rotation @ np.diag(before), np.diag(head) @ rotation.T]
    after = before * head
    expected = [
        participation_ratio(values)
        for values in (before**2, after**2, before**2 * model.variance, after**2 * model.variance)
    ]
    np.testing.assert_allclose(measure_dimensions(model, layers), expected, rtol=1e-12)


def test_alignment_looks_at_live_units_only():
    aligned = np.array([[2.0, 0.0], [0.0, 1.0], [1e-6, 1e-6]])
    assert weight_off_alignment([aligned]) == 0
    assert weight_off_alignment([np.array([[2.0, 0.0], [1.0, 1.0]])]) == pytest.approx(0.5)
