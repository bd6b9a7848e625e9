"""Worst groups of made-up features: what the labelled images can and cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS, DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures, trained_features
from synthetic.images.scores import ProbeScores
from synthetic.images.transfer import Transfer, WorstGroup, measure_transfer

PER_GROUP = 40


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def trained(layers, *, predicted=None, member=0):
    """Features of 40 test images of each group 2 parity + place, in the order of the groups."""
    cell = np.repeat(np.arange(4), PER_GROUP)
    test = Features(layers, {"cell": cell, "parity": cell // 2}, predicted)
    return TrainedFeatures(PretrainConfig(member=member), test, test, None, None, ())


def signs(rng):
    """Parity and place as +-1, with a little noise."""
    cell = np.repeat(np.arange(4), PER_GROUP)
    return np.stack([cell // 2, cell % 2], axis=1) * 2.0 - 1 + 0.01 * rng.normal(size=(4 * PER_GROUP, 2))


def test_a_layer_that_holds_the_label_serves_every_group_and_one_that_holds_the_background_none(rng):
    both = signs(rng)
    scores = WorstGroup((5, 20))(trained({"h": both, "z": both[:, 1:]}))
    assert set(scores) == {
        f"{kind}_{m}_{layer}" for kind in ("worst", "mean") for m in (5, 20) for layer in "hz"
    }
    for m in (5, 20):
        assert scores[f"worst_{m}_h"] == scores[f"mean_{m}_h"] == 1
        # The background gives both parities the same answer: what is right in one group is wrong in its partner.
        assert scores[f"mean_{m}_z"] == 0.5 and scores[f"worst_{m}_z"] <= 0.5


def test_worst_is_the_minimum_of_the_means_over_draws(rng):
    """A feature that says the parity in all groups but one, where it says the other one."""
    parity = signs(rng)[:, 0]
    parity[-PER_GROUP:] *= -1
    scores = WorstGroup((30,), layers=("h",))(trained({"h": parity[:, None]}))
    assert scores["worst_30_h"] == 0 and scores["mean_30_h"] == 0.75


def test_both_layers_are_read_from_the_same_labelled_images(rng):
    noisy = signs(rng) + rng.normal(size=(4 * PER_GROUP, 2))
    scores = WorstGroup((5,))(trained({"h": noisy, "z": noisy}))
    assert 0.5 < scores["worst_5_h"] < 1
    assert scores["worst_5_h"] == scores["worst_5_z"]
    other = WorstGroup((5,))(trained({"h": noisy, "z": noisy}, member=1))
    assert other["mean_5_h"] != scores["mean_5_h"]


def test_own_classifier(rng):
    layers = {"h": signs(rng), "z": signs(rng)}
    predicted = np.repeat([0, 0, 1, 1], PER_GROUP)
    assert WorstGroup((5,))(trained(layers, predicted=predicted))["worst_own"] == 1
    predicted[: PER_GROUP // 4] = 1
    assert WorstGroup((5,))(trained(layers, predicted=predicted))["worst_own"] == 0.75


@pytest.mark.parametrize("m", [0, PER_GROUP])
def test_some_images_of_every_group_must_be_left(rng, m):
    layers = {"h": signs(rng), "z": signs(rng)}
    with pytest.raises(ValueError, match=r"per_group must be in \[1, 39\]"):
        WorstGroup((m,))(trained(layers))


def test_transfer_probes_the_same_digits_on_new_photographs():
    known, new = PHOTOGRAPHS[:2], PHOTOGRAPHS[2:5]
    config = PretrainConfig(
        data=DigitsOnPhotographs(train_size=300, patches=4, photos=known),
        encoder=SmallConvConfig(2),
        epochs=0,
        batch=50,
    )
    scores = measure_transfer(Transfer(config, new))
    # Untrained, the network has no memory of photographs: its features are those of a run on the new ones.
    expected = ProbeScores(("digit", "photo"))(
        trained_features(replace(config, data=DigitsOnPhotographs(train_size=300, patches=4, photos=new)))
    )
    assert scores.keys() == expected.keys()
    # But for the batch-norm statistics, which come from the photographs of the training.
    assert scores["photo_linear_h"] == pytest.approx(expected["photo_linear_h"], abs=0.2)
    assert scores["photo_linear_h"] > 1 / 3
    with pytest.raises(
        ValueError, match=f"photos must be new to the network, but it is trained on {known[0]}"
    ):
        Transfer(config, known[:1])
