"""Parts of h that a head sees and does not see."""

from dataclasses import replace

import numpy as np
import pytest

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.null_space import NullSpaceScores


@pytest.fixture
def features(seed):
    """Six units; the head reads the first two; the digit is written into the last one."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(2, 6, dtype=np.float32)

    def side(n):
        h = rng.standard_normal((n, 6)).astype(np.float32)
        digit = rng.integers(2, size=n)
        h[:, 5] += 8 * digit
        null = h.copy()
        null[:, :2] = 0
        return Features({"h": h, "z": h[:, :2], "h_r": h - null, "h_n": null}, {"digit": digit})

    return TrainedFeatures(PretrainConfig(), side(300), side(200), matrix, 2, ())


def test_the_digit_is_read_where_it_is_written(features):
    found = NullSpaceScores()(features)
    assert found["linear_h"] > 0.99 and found["linear_h_n"] > 0.99
    # Chance, five standard errors of 200 fair draws.
    assert abs(found["linear_z"] - 0.5) < 0.18 and abs(found["linear_h_r"] - 0.5) < 0.18


def test_energy_is_the_share_of_the_variance(features):
    found = NullSpaceScores()(features)
    variances = features.train.layers["h"].var(axis=0)
    assert found["energy_h_n"] == pytest.approx(variances[2:].sum() / variances.sum(), rel=1e-4)
    assert 0 < found["energy_random_n"] < 1


def test_the_random_parts_depend_on_the_member(features):
    other = replace(features, config=replace(features.config, member=1))
    assert NullSpaceScores()(features)["energy_random_n"] != NullSpaceScores()(other)["energy_random_n"]
