import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS, DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import FrozenGivenConfig, IdentityConfig, LinearConfig
from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures, trained_features
from synthetic.images.heads import (
    HeadScores,
    Transfer,
    by_setting,
    head_rows,
    measure_settings,
    transferred,
    with_trained_heads,
)
from synthetic.images.scores import ProbeScores

SMALL = PretrainConfig(
    data=DigitsOnPhotographs(train_size=200, patches=4),
    encoder=SmallConvConfig(2),
    head=LinearConfig(4),
    epochs=1,
    batch=50,
)


@pytest.fixture(autouse=True)
def no_stored_results(monkeypatch):
    monkeypatch.setenv("PROJHEAD_CACHE", "off")


def made_up(rng, **changes):
    """Features whose h has the standard deviations 4, 2, 1, .001 and whose z are the first two units of h."""
    h = np.linalg.qr(rng.standard_normal((60, 4)) - 0.0)[0]
    h = (h - h.mean(0)) @ np.diag([4.0, 2, 1, 1e-3])
    labels = {"digit": np.arange(60) % 3}
    half = Features({"h": h, "z": h[:, :2]}, labels)
    fields = {
        "config": SMALL,
        "train": half,
        "test": half,
        "matrix": np.array([[0.0, 2, 0, 0]]),
        "kept_units": 1,
        "history": ({"knn_h": 0.25}, {}, {"knn_h": 0.5}),
    }
    return TrainedFeatures(**fields | changes)


def test_ranks_spectra_and_zeros_of_made_up_features(seed):
    features = made_up(np.random.default_rng([seed, 5]))
    scores = HeadScores(tolerance=0.01)(features)
    values = np.linalg.eigvalsh(np.cov(features.train.layers["h"].T, bias=True))[::-1]
    assert np.allclose(scores["spectrum_h"], values / values.sum(), atol=1e-12)
    assert scores["participation_h"] == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert (scores["rank_h"], scores["rank_z"], scores["rank_deficit"]) == (3, 2, 1)
    assert scores["deficit"] == scores["effective_rank_h"] - scores["effective_rank_z"] > 0
    assert (scores["kept_share"], scores["zero_share"]) == (0.25, 0.75)
    assert scores["curve"] == [0.25, 0.5]


def test_heads_without_a_linear_layer_have_no_share_of_units(seed):
    scores = HeadScores()(made_up(np.random.default_rng([seed, 5]), matrix=None, kept_units=None))
    assert np.isnan(scores["kept_share"]) and np.isnan(scores["zero_share"])


def test_trained_heads_are_held_fixed_from_the_same_start():
    (run,) = with_trained_heads([SMALL])
    trained, again = trained_features(SMALL), trained_features(run)
    assert np.array_equal(again.matrix, trained.matrix)
    assert run.head == FrozenGivenConfig(head_rows(trained)["rows"])
    assert not np.array_equal(again.train.layers["h"], trained.train.layers["h"])
    with pytest.raises(ValueError, match="head must be linear without bias, got IdentityConfig"):
        head_rows(
            made_up(np.random.default_rng(0), matrix=None, config=PretrainConfig(head=IdentityConfig()))
        )


def test_settings_keep_their_members_in_order():
    found = by_setting({"a": ["a0", "a1"], "b": ["b0"]}, [{"x": 1}, {"x": 2}, {"x": 3}])
    assert {name: scores["x"].tolist() for name, scores in found.items()} == {"a": [1, 2], "b": [3]}
    scores = measure_settings(head_rows, {"one": [SMALL]})["one"]["rows"]
    assert scores.shape == (1, 4, 8) and np.allclose(scores[0], trained_features(SMALL).matrix)


def test_transfer_probes_the_same_digits_on_new_photographs():
    known, new = PHOTOGRAPHS[:2], PHOTOGRAPHS[2:5]
    config = PretrainConfig(
        data=DigitsOnPhotographs(train_size=300, patches=4, photos=known),
        encoder=SmallConvConfig(2),
        epochs=0,
        batch=50,
    )
    scores = transferred(Transfer(config, new))
    # Untrained, the network has no memory of photographs: its features are those of a run on the new ones.
    expected = ProbeScores(("digit", "photo"))(
        trained_features(
            PretrainConfig(
                **vars(config) | {"data": DigitsOnPhotographs(train_size=300, patches=4, photos=new)}
            )
        )
    )
    assert scores.keys() == expected.keys()
    # But for the batch-norm statistics, which come from the photographs of the training.
    assert scores["photo_linear_h"] == pytest.approx(expected["photo_linear_h"], abs=0.2)
    assert scores["photo_linear_h"] > 1 / 3
    with pytest.raises(
        ValueError, match=f"photos must be new to the network, but it is trained on {known[0]}"
    ):
        Transfer(config, known[:1])
