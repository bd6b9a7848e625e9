from dataclasses import replace

import numpy as np
import pytest
import torch

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import FrozenRandomConfig, LinearConfig, MLPConfig
from neural.training.features import Features, extract, head_matrix, probe_layers, row_and_null_part
from neural.training.methods import CrossEntropy
from neural.training.pretraining import PretrainConfig, pretrain


@pytest.fixture(scope="module")
def config(seed):
    return PretrainConfig(
        data=DigitsOnPhotographs(train_size=300, patches=10),
        head=LinearConfig(6),
        encoder=SmallConvConfig(4),
        seed=seed,
        epochs=1,
        batch=64,
    )


@pytest.fixture(scope="module")
def run(config):
    return pretrain(config)


def test_features_are_those_of_the_networks_and_have_no_randomness(run):
    train, again = extract(run, run.train), extract(run, run.train)
    assert {name: x.shape for name, x in train.layers.items()} == {
        "h": (300, 16),
        "z": (300, 6),
        "h_r": (300, 16),
        "h_n": (300, 16),
    }
    assert all(np.array_equal(train.layers[name], again.layers[name]) for name in train.layers)
    assert np.array_equal(train.labels["digit"], run.train.digit.numpy())
    with torch.inference_mode():
        z = run.head(torch.from_numpy(train.layers["h"])).numpy()
    assert np.allclose(z, train.layers["z"], atol=1e-6)  # float32, sums of 16 terms of order one


def test_row_and_null_part_add_up_and_the_head_sees_one_only(run):
    layers, matrix = extract(run, run.train).layers, head_matrix(run.head).numpy()
    row, null = layers["h_r"], layers["h_n"]
    scale = np.abs(layers["h"]).max()
    assert np.allclose(row + null, layers["h"], atol=1e-6 * scale)
    assert np.allclose(null @ matrix.T, 0, atol=1e-5 * scale)
    assert np.allclose(row @ matrix.T, layers["z"], atol=1e-5 * scale)
    assert np.linalg.matrix_rank(row, tol=1e-4 * scale * 300**0.5) == 6


def test_row_part_ignores_directions_that_a_deficient_matrix_repeats():
    matrix = torch.tensor([[1.0, 0, 0], [2.0, 0, 0]], dtype=torch.float64)
    h = torch.tensor([[3.0, 4.0, 5.0]], dtype=torch.float64)
    row, null = row_and_null_part(h, matrix)
    torch.testing.assert_close(row, torch.tensor([[3.0, 0, 0]], dtype=torch.float64))
    torch.testing.assert_close(null, torch.tensor([[0, 4.0, 5.0]], dtype=torch.float64))


def test_matrix_only_of_linear_heads():
    generator = torch.Generator().manual_seed(0)
    assert head_matrix(MLPConfig(4, 4).build(8, generator)) is None
    frozen = FrozenRandomConfig(4).build(8, generator)
    assert torch.equal(head_matrix(frozen), frozen.matrix)


def test_stages_come_before_the_representation(run):
    layers = extract(run, run.test, stages=True).layers
    names = list(layers)
    assert names.index("h") >= 2 and names.index("z") == names.index("h") + 1
    assert np.array_equal(layers["h"], extract(run, run.test).layers["h"])


def test_classifier_predicts(config):
    supervised = pretrain(replace(config, method=CrossEntropy("photo"), epochs=16))
    test = extract(supervised, supervised.test)
    assert test.predicted.shape == (1497,)
    assert np.mean(test.predicted == test.labels["photo"]) > 0.15  # ten photographs; chance 0.1 +- 0.008
    assert extract(pretrain(config), supervised.test).predicted is None


def test_probes_of_layers(run):
    train, test = extract(run, run.train), extract(run, run.test)
    scores = probe_layers(train, test, "photo", ("h", "h_n"), few_shot=3, seed=1)
    assert scores.keys() == {"h", "h_n"}
    assert scores["h"].keys() == {"linear", "knn", "few_shot", "effective_rank"}
    assert scores == probe_layers(train, test, "photo", ("h", "h_n"), few_shot=3, seed=1)
    with pytest.raises(ValueError, match="layers must be one of 'h', 'z', 'h_r', 'h_n'"):
        probe_layers(train, test, "photo", ("logits",))


def test_images_without_a_label_are_left_out(run):
    train, test = extract(run, run.train), extract(run, run.test)
    hidden = train.labels["digit"].copy()
    hidden[:100] = -1
    partly = Features(train.layers, {"digit": hidden})
    rest = Features({"h": train.layers["h"][100:]}, {"digit": train.labels["digit"][100:]})
    assert probe_layers(partly, test, "digit", ("h",)) == probe_layers(rest, test, "digit", ("h",))
