"""Probes, spectra and shares of made-up features."""

from dataclasses import replace

import numpy as np
import pytest

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.scores import HeadScores, ProbeScores, between_share


@pytest.fixture
def features(seed):
    """h of variances 4, 1, 1/4 and two constant units; z the first of them; digits by its sign, photos at random."""
    rng = np.random.default_rng(seed)

    def side(n):
        h = np.zeros((n, 5), dtype=np.float32)
        h[:, :3] = rng.standard_normal((n, 3)) * [2.0, 1.0, 0.5]
        labels = {"digit": (h[:, 0] > 0).astype(int), "photo": rng.integers(3, size=n)}
        return Features({"h": h + 7, "z": h[:, :1]}, labels)

    matrix, history = np.array([[0.0, 2, 0, 0, 0]]), ({"knn_h": 0.25}, {}, {"knn_h": 0.5})
    return TrainedFeatures(PretrainConfig(), side(4000), side(80), matrix, 1, history)


def test_ranks_see_the_variances_and_not_the_mean(features):
    found = HeadScores()(features)
    # Sampling error of a variance from 4,000 draws is 2.2%; five of these.
    np.testing.assert_allclose(found["eigenvalues_h"][:3], [4, 1, 0.25], rtol=0.11)
    assert np.max(found["eigenvalues_h"][3:]) < 1e-9
    assert (found["numerical_rank_h"], found["numerical_rank_z"]) == (3, 1)
    assert found["stable_rank_h"] == pytest.approx(5.25 / 4, rel=0.05)
    assert found["participation_ratio_h"] == pytest.approx(5.25**2 / (16 + 1 + 1 / 16), rel=0.1)
    assert 1 < found["effective_rank_h"] < 3 and found["effective_rank_z"] == pytest.approx(1)
    assert found["digit_linear_h"] > 0.95 and found["digit_linear_z"] > 0.95


def test_share_is_the_variance_of_the_class_means(features):
    found = HeadScores()(features)
    # The sign explains 2/pi of the variance of a normal, here 4 of 5.25; three photographs explain nothing.
    assert found["share_digit"] == pytest.approx(2 / np.pi * 4 / 5.25, abs=0.03)
    assert found["share_photo"] < 0.01
    assert between_share(np.array([[0.0], [0.0], [3.0], [3.0]]), np.array([0, 0, 1, 1])) == pytest.approx(1)


def test_units_zeros_and_the_course_of_training(features):
    found = HeadScores()(features)
    assert (found["kept_share"], found["zero_share"]) == (0.2, 0.8)
    assert found["curve"] == [0.25, 0.5]


def test_heads_without_a_linear_layer_have_no_share_of_units(features):
    found = HeadScores()(replace(features, matrix=None, kept_units=None))
    assert np.isnan(found["kept_share"]) and np.isnan(found["zero_share"])


def test_probe_scores_of_equal_layers_are_equal(features):
    train, test = (
        Features({"h": half.layers["h"], "z": half.layers["h"]}, half.labels)
        for half in (features.train, features.test)
    )
    scores = ProbeScores(("digit", "photo"), few_shot=2)(replace(features, train=train, test=test))
    stems = {f"{y}_{probe}" for y in ("digit", "photo") for probe in ("linear", "knn", "few_shot")}
    assert scores.keys() == {f"{stem}_{layer}" for stem in {*stems, "effective_rank"} for layer in "hz"}
    assert all(scores[f"{stem}_h"] == scores[f"{stem}_z"] for stem in stems)
