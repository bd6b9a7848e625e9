"""The ReLU experiment: replicates, blocks and refusals (its results are claims)."""

from dataclasses import replace

import numpy as np
import pytest

from synthetic import FeatureTraining, relative, train_features, trained_weights
from theory.features.model import FeatureModel

TRAINING = FeatureTraining(
    FeatureModel([1.0, 0.8], 0.2, 0.3), embed_dim=3, steps=30, width=6, batch=16, lr=0.05
)


def test_blocks_hold_different_networks_and_runs_repeat():
    result, again = (train_features(replace(TRAINING, members=2)) for _ in range(2))
    other = train_features(replace(TRAINING, members=2, block=1))
    assert result.weights.shape == (2, 2, 2) and result.constant.shape == (2, 2) and result.loss.shape == (2,)
    for first, second in zip(result, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.any(result.weights == other.weights)


def test_replicates_are_cut_into_blocks(monkeypatch):
    monkeypatch.setenv("PROJHEAD_CACHE", "off")
    results = trained_weights([TRAINING, replace(TRAINING, lr=0.02)], 10, progress=False)
    assert [r.weights.shape for r in results] == [(10, 2, 2)] * 2
    np.testing.assert_array_equal(
        results[0].weights[8:], train_features(replace(TRAINING, block=1, members=2)).weights
    )


def test_divergence_is_an_error_not_a_nan():
    with pytest.raises(FloatingPointError, match=r"members \[0, 1\] of 2 diverged"):
        train_features(replace(TRAINING, members=2, lr=1e6))


def test_relative_weights_need_their_reference():
    np.testing.assert_array_equal(relative(np.array([[2.0, 1.0]]), 0), [[1.0, 0.5]])
    with pytest.raises(ValueError, match="feature 1 must be > 0"):
        relative(np.array([[2.0, 0.0]]), 1)
    with pytest.raises(ValueError, match="replicates must be >= 1, got 0"):
        trained_weights([TRAINING], 0)
