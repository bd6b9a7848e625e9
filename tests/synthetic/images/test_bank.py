from dataclasses import dataclass, replace

import numpy as np
import pytest

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import IdentityConfig, LinearConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images import bank as image_bank
from synthetic.images.bank import load_or_train, measure_bank, measure_runs
from synthetic.images.runs import with_members


@pytest.fixture
def config(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJHEAD_CACHE", str(tmp_path))
    return PretrainConfig(
        data=DigitsOnPhotographs(train_size=200, patches=4),
        encoder=SmallConvConfig(2),
        head=LinearConfig(4),
        seed=seed,
        epochs=1,
        batch=64,
    )


@dataclass(frozen=True)
class MeanOf:
    layer: str

    def __call__(self, features):
        return {"mean": float(features.train.layers[self.layer].mean())}


def test_equal_runs_are_trained_once_and_measured_in_order(config, monkeypatch):
    trained = []
    original = image_bank.pretrain
    monkeypatch.setattr(image_bank, "pretrain", lambda c: trained.append(c) or original(c))
    configs = [config, replace(config, member=1), config]
    of_h = measure_bank(MeanOf("h"), configs)
    of_z = measure_bank(MeanOf("z"), configs)
    assert trained == configs[:2]
    assert of_h[0] == of_h[2] != of_h[1] and of_h[0] != of_z[0]
    assert of_h[1] == MeanOf("h")(load_or_train(configs[1]))
    assert len(trained) == 2


def test_named_runs_keep_their_members_in_order(config):
    runs = with_members({"a": config, ("b", 1): replace(config, epochs=0)}, 2)
    scores = measure_runs(MeanOf("h"), runs)
    assert list(scores) == ["a", ("b", 1)]
    for name, members in runs.items():
        assert [run.member for run in members] == [0, 1]
        expected = [MeanOf("h")(load_or_train(run))["mean"] for run in members]
        assert scores[name]["mean"].tolist() == expected


def test_bank_keeps_layers_matrix_and_history(config):
    features = load_or_train(config)
    assert set(features.train.layers) == {"h", "z", "h_r", "h_n"}
    assert features.matrix.shape == (4, 8) and features.kept_units == 8
    h, z = features.test.layers["h"], features.test.layers["z"]
    assert np.allclose(h @ features.matrix.T, z, atol=1e-5 * np.abs(z).max())  # float32 sums of 8 terms
    assert [row["epoch"] for row in features.history] == [1]
    assert load_or_train(replace(config, head=IdentityConfig())).kept_units is None
