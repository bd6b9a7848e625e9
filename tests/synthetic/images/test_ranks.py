"""Spectra, shares and maps of stored features."""

import numpy as np
import pytest

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.ranks import Map, Ranks, between_share


@pytest.fixture
def features(seed):
    """h of variances 4, 1, 1/4 and two constant units; z the first of them; digits by its sign, photos at random."""
    rng = np.random.default_rng(seed)

    def side(n):
        h = np.zeros((n, 5), dtype=np.float32)
        h[:, :3] = rng.standard_normal((n, 3)) * [2.0, 1.0, 0.5]
        labels = {"digit": (h[:, 0] > 0).astype(int), "photo": rng.integers(3, size=n)}
        return Features({"h": h + 7, "z": h[:, :1]}, labels)

    return TrainedFeatures(PretrainConfig(), side(4000), side(80), None, None, ())


def test_ranks_see_the_variances_and_not_the_mean(features):
    found = Ranks()(features)
    # Sampling error of a variance from 4,000 draws is 2.2%; five of these.
    np.testing.assert_allclose(found["eigenvalues_h"][:3], [4, 1, 0.25], rtol=0.11)
    assert np.max(found["eigenvalues_h"][3:]) < 1e-9
    assert (found["numerical_rank_h"], found["numerical_rank_z"]) == (3, 1)
    assert found["stable_rank_h"] == pytest.approx(5.25 / 4, rel=0.05)
    assert found["participation_ratio_h"] == pytest.approx(5.25**2 / (16 + 1 + 1 / 16), rel=0.1)
    assert 1 < found["effective_rank_h"] < 3 and found["effective_rank_z"] == pytest.approx(1)
    assert found["linear_h"] > 0.95 and found["linear_z"] > 0.95


def test_share_is_the_variance_of_the_class_means(features):
    found = Ranks()(features)
    # The sign explains 2/pi of the variance of a normal, here 4 of 5.25; three photographs explain nothing.
    assert found["share_digit"] == pytest.approx(2 / np.pi * 4 / 5.25, abs=0.03)
    assert found["share_photo"] < 0.01
    assert between_share(np.array([[0.0], [0.0], [3.0], [3.0]]), np.array([0, 0, 1, 1])) == pytest.approx(1)


def test_map_is_repeatable_and_keeps_the_order_of_the_labels(features):
    measure = Map(images=40, perplexity=5.0, iterations=250)
    first, second = measure(features), measure(features)
    assert first == second and len(first["x"]) == len(first["y"]) == 40
    assert first["digit"] == features.test.labels["digit"][:40].tolist()
