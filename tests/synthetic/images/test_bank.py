from dataclasses import dataclass, replace

import numpy as np
import pytest

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import IdentityConfig, LinearConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images import bank as image_bank
from synthetic.images.bank import banked, measure_bank
from synthetic.images.scores import ProbeScores


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
    assert of_h[1] == MeanOf("h")(banked(configs[1]))
    assert len(trained) == 2


def test_bank_keeps_layers_matrix_and_history(config):
    features = banked(config)
    assert set(features.train.layers) == {"h", "z", "h_r", "h_n"}
    assert features.matrix.shape == (4, 8) and features.kept_units == 8
    h, z = features.test.layers["h"], features.test.layers["z"]
    assert np.allclose(h @ features.matrix.T, z, atol=1e-5 * np.abs(z).max())  # float32 sums of 8 terms
    assert [row["epoch"] for row in features.history] == [1]
    assert banked(replace(config, head=IdentityConfig())).kept_units is None


def test_probe_scores_without_a_head_are_the_same_on_both_layers(config):
    scores = ProbeScores(("digit", "photo"), few_shot=2)(banked(replace(config, head=IdentityConfig())))
    stems = {f"{y}_{probe}" for y in ("digit", "photo") for probe in ("linear", "knn", "few_shot")}
    assert scores.keys() == {f"{stem}_{layer}" for stem in {*stems, "effective_rank"} for layer in "hz"}
    assert all(scores[f"{stem}_h"] == scores[f"{stem}_z"] for stem in stems)
