"""Moments of the classes, and the accuracy that they predict."""

import numpy as np
import pytest

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.claims.images_verdict import predicted_gap
from synthetic.images.bank import TrainedFeatures
from synthetic.images.class_moments import ClassMoments, PairAccuracy

PAIRS = ((0, 1), (0, 2))


@pytest.fixture
def features(seed):
    """Gaussian classes 0, 1 and 2 in ten directions; z keeps three of them, where 0 and 1 differ and 2 does not."""
    rng = np.random.default_rng(seed)
    means = np.zeros((3, 10))
    means[1, :3], means[2, 4:] = 1.5, 1.5
    scale = np.linspace(0.5, 1.5, 10)

    def side(n):
        member_of = rng.integers(3, size=n)
        h = (means[member_of] + scale * rng.normal(size=(n, 10))).astype(np.float32)
        return Features({"h": h, "z": h[:, :3]}, {"digit": member_of})

    return TrainedFeatures(PretrainConfig(), side(3000), side(900), None, None, ()), means, scale


def test_moments_are_those_of_the_classes(features):
    trained, means, scale = features
    found = ClassMoments("digit")(trained)
    assert found["means_h"] == pytest.approx(means, abs=0.25)
    assert found["within_h"] == pytest.approx(np.diag(scale**2), abs=0.2)
    assert np.array_equal(found["means_z"], found["means_h"][:, :3])
    assert found["effective_rank_h"] > 8 > 3 >= found["effective_rank_z"] > 2.5


def test_predicted_gap_is_the_measured_one(features):
    """After the head 0 and 1 are told apart better, and 0 and 2 not at all."""
    trained, _, _ = features
    accuracy = PairAccuracy("digit", PAIRS, 8)(trained)
    measured = accuracy["accuracy_h"] - accuracy["accuracy_z"]
    predicted = predicted_gap(ClassMoments("digit")(trained), PAIRS, 8)
    assert predicted == pytest.approx(measured, abs=0.04)
    assert measured[0] < -0.02 and measured[1] > 0.3
    assert predicted_gap(ClassMoments("digit")(trained), PAIRS, 1000)[1] > predicted[1]
