"""`projhead train` and `projhead probe`, called as a user would."""

import json
import re

import pytest

from neural.models.heads import FrozenGivenConfig, MLPConfig, PCAConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import SupCon
from neural.training.recipes import recipe_from_json
from neural.training.schedules import AdamConfig, Alternating, Joint, SGDConfig
from notebooks.cli import main

TINY = ["--epochs", "1", "--batch", "64", "--set", "data.train_size=128", "--set", "data.patches=4"]
TINY += ["--set", "encoder.width=2"]


def config_of(folder):
    return recipe_from_json((folder / "config.json").read_text())


def train(out, *words):
    return main(["train", "--out", str(out), *TINY, *words])


def test_train_then_probe(tmp_path, capsys):
    assert train(tmp_path / "a", "--head", "linear", "--monitor", "1", "--seed", "3") == 0
    assert "neighbours h" in capsys.readouterr().err
    history = json.loads((tmp_path / "a" / "history.json").read_text())
    assert history["epochs"][0]["epoch"] == 1 and "torch" in history["versions"]
    assert main(["probe", str(tmp_path / "a"), "--label", "photo", "--few-shot", "2"]) == 0
    printed = capsys.readouterr().out
    scores = json.loads((tmp_path / "a" / "probes.json").read_text())["scores"]["photo"]
    assert list(scores) == ["stage1", "stage2", "h", "z", "h_r", "h_n"]
    for values in scores.values():
        assert f"{values['knn']:.3f}" in printed and 0 <= values["few_shot"] <= 1


def test_options_reach_the_configuration(tmp_path):
    train(
        tmp_path / "a",
        "--head",
        "deep-mlp",
        "--set",
        "head.hidden_dim=6",
        "--schedule",
        "alternating",
        "--sparsity",
        "0.1",
    )
    config = config_of(tmp_path / "a")
    assert config.head == MLPConfig(
        hidden_dim=6, depth=2, batch_norm=True
    ) and config.sparsity == SparsePenalty(0.1)
    assert config.schedule == Alternating(
        head_optimizer=AdamConfig(1e-3, 1e-6), restart=False, optimizer=AdamConfig(1e-3, 1e-6)
    )
    train(tmp_path / "b", "--method", "supcon", "--label", "coarse", "--optimizer", "sgd", "--lr", "0.2")
    config = config_of(tmp_path / "b")
    assert config.method == SupCon("coarse") and config.schedule == Joint(SGDConfig(0.2))
    train(
        tmp_path / "c",
        "--head",
        "pca-bottom",
        "--set",
        "head.embed_dim=4",
        "--set",
        "augment.side=[0.5, 0.9]",
    )
    config = config_of(tmp_path / "c")
    assert config.head == PCAConfig(4, top=False) and config.augment.side == (0.5, 0.9)


def test_a_run_can_be_repeated_from_its_configuration_and_continued(tmp_path, capsys):
    train(tmp_path / "a", "--head", "linear")
    again = ["train", "--out", str(tmp_path / "b"), "--config", str(tmp_path / "a" / "config.json")]
    assert main(again) == 0
    rows = [json.loads((tmp_path / name / "history.json").read_text())["epochs"] for name in "ab"]
    assert rows[0][0]["loss"] == rows[1][0]["loss"]
    assert main([*again, "--epochs", "2"]) == 0
    assert [row["epoch"] for row in json.loads((tmp_path / "b/history.json").read_text())["epochs"]] == [1, 2]
    assert train(tmp_path / "c", "--frozen-from", str(tmp_path / "a")) == 0
    assert isinstance(config_of(tmp_path / "c").head, FrozenGivenConfig)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--head", "big"], "head must be one of none, linear, .*, got 'big'"),
        (["--data", "cifar10"], "CIFAR10 needs data.root"),
        (["--data", "cifar10", "--root", "nowhere"], "nowhere/.* is missing: get CIFAR-10"),
        (["--set", "head.depht=2"], "head has no field 'depht'"),
        (["--set", "head"], "set must be FIELD=VALUE, got 'head'"),
        (["--method", "supcon", "--label", "colour"], "method.label must be one of digit, .*, got 'colour'"),
        (["--lr", "-1"], "lr must be > 0 and finite, got -1"),
        (["--device", "tpu"], "device must be one of"),
    ],
)
def test_wrong_words_give_one_line(tmp_path, capsys, words, message):
    out = tmp_path / "a"
    tiny = TINY[:4] if "--data" in words else TINY
    assert main(["train", "--out", str(out), *tiny, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_probing_nothing_gives_one_line(tmp_path, capsys):
    assert main(["probe", str(tmp_path)]) == 2
    assert "checkpoint.pt does not exist" in capsys.readouterr().err
