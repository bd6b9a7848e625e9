"""`projhead train` and `projhead probe`, called as a user would."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from neural.models.heads import FrozenGivenConfig, MLPConfig, PCAConfig
from neural.models.sparsity import SparsePenalty
from neural.training.checkpoints import read_checkpoint, write_checkpoint
from neural.training.methods import SupCon
from neural.training.presets import SIMCLR_CIFAR
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


def test_true_and_false_are_taken_as_json_and_as_python_write_them(tmp_path):
    for text in ("false", "False"):
        train(tmp_path / text, "--head", "deep-mlp", "--set", f"head.batch_norm={text}")
        assert config_of(tmp_path / text).head == MLPConfig(depth=2)


def test_a_preset_sets_the_published_augmentation_and_single_fields_still_change(tmp_path):
    train(tmp_path / "a", "--preset", "simclr-cifar", "--set", "augment.size=16", "--epochs", "0")
    assert config_of(tmp_path / "a").augment == replace(SIMCLR_CIFAR, size=16)


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
        (["--set", "head.depht=2"], "MLPConfig has no field head.depht; its fields are hidden_dim"),
        (["--set", "head"], "set must be FIELD=VALUE, got 'head'"),
        (["--method", "supcon", "--label", "colour"], "method.label must be one of digit, .*, got 'colour'"),
        (["--lr", "-1"], "lr must be > 0 and finite, got -1"),
        (["--device", "tpu"], "device must be one of"),
        (
            ["--head", "deep-mlp", "--set", "head.batch_norm=off"],
            "head.batch_norm must be true or false, got 'off'",
        ),
        (["--set", "encoder.last_relu=no"], "encoder.last_relu must be true or false, got 'no'"),
        (["--set", "encoder.last_relu=1"], "encoder.last_relu must be true or false, got 1"),
        (["--set", "head=mlp"], r"head must be a recipe \(HeadConfig\), got 'mlp'"),
        (["--head", "mlp", "--set", "head=mlp"], "head is chosen by --head .* got 'mlp'"),
        (["--set", "augment.size=32.0"], "augment.size must be an integer, got 32.0"),
        (["--set", "augment.colour=strong"], "augment.colour must be a number, got 'strong'"),
        (["--set", "augment.side=0.5"], "augment.side must be a list of 2 values, each a number, got 0.5"),
        (["--set", "data.train_size=1e2"], "data.train_size must be an integer, got 100.0"),
        (["--set", "data.photos=[3, 4]"], "data.photos must be a list of any number of values, each a text"),
        (["--set", "schedule.optimizer.lr=fast"], "schedule.optimizer.lr must be a number, got 'fast'"),
        (["--set", "head.hidden_dim.x=1"], "head.hidden_dim must be an integer, got {'x': 1}"),
        (["--set", "precision=float16"], "precision must be one of 'float32', 'bfloat16', got 'float16'"),
        (["--preset", "simclr"], "preset must be one of simclr-cifar, simclr-tiny-imagenet, got 'simclr'"),
        (["--config", "."], "config must be the config.json of a run, got ., which is not a file"),
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


def pictures(root, counts, seed=0):
    """A folder of tiny pictures, with so many in each class, and as many test pictures."""
    rng = np.random.default_rng(seed)
    for split in ("train", "test"):
        for name, count in counts.items():
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                content = rng.integers(256, size=(8, 8, 3), dtype=np.uint8)
                Image.fromarray(content).save(root / split / name / f"{i}.png")


def train_on(root, out, *words):
    common = ["--data", "folder", "--root", root, "--set", "data.size=8", "--set", "augment.size=8"]
    return main(["train", "--out", str(out), *common, "--batch", "4", "--set", "encoder.width=2", *words])


def test_few_images_make_the_probes_smaller_and_it_is_said(tmp_path, capsys):
    pictures(tmp_path / "data", {"a": 3, "b": 8})
    assert train_on(str(tmp_path / "data"), tmp_path / "run", "--epochs", "1") == 0
    assert main(["probe", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "class: few training images: 11 neighbours, 3 labelled images a class" in printed
    assert re.search(r"^h +[01][.]", printed, re.M)


def test_a_label_of_one_class_is_left_out_and_said(tmp_path, capsys):
    pictures(tmp_path / "data", {"a": 6})
    assert train_on(str(tmp_path / "data"), tmp_path / "run", "--epochs", "0") == 0
    assert main(["probe", str(tmp_path / "run")]) == 2
    assert "class (left out): train_y must have at least two classes" in capsys.readouterr().err


def test_a_folder_is_the_same_however_it_is_written_and_from_wherever(tmp_path, capsys, monkeypatch):
    pictures(tmp_path / "data", {"a": 4, "b": 4})
    monkeypatch.chdir(tmp_path)
    assert train_on("data/", "run", "--epochs", "1") == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train_on("../data", tmp_path / "run", "--epochs", "2") == 0
    assert main(["probe", "../run"]) == 0
    assert config_of(tmp_path / "run").data.root == str(tmp_path / "data")
    assert "training: 2 of 2 epochs\n" in capsys.readouterr().out


def test_a_run_that_stopped_early_says_so_when_it_is_probed(tmp_path, capsys):
    train(tmp_path / "a", "--epochs", "1")
    path = tmp_path / "a" / "checkpoint.pt"
    state = read_checkpoint(path)
    assert state["config"].count('"epochs": 1,') == 1
    write_checkpoint(path, state | {"config": state["config"].replace('"epochs": 1,', '"epochs": 4000,')})
    assert main(["probe", str(tmp_path / "a"), "--label", "photo"]) == 0
    assert "training: 1 of 4000 epochs; the training stopped before its end" in capsys.readouterr().out


def test_an_untrained_network_is_written_and_probed(tmp_path, capsys):
    assert train(tmp_path / "a", "--epochs", "0") == 0
    assert main(["probe", str(tmp_path / "a"), "--label", "photo"]) == 0
    assert "training: 0 of 0 epochs\n" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_and_a_divergence_give_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert train(tmp_path / "file" / "run") == 2
    assert train(tmp_path / "b", "--lr", "1e30") == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 2 and "training diverged in epoch 1" in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["probe", "RUN", "--label", "hat"], "label must be one of 'digit', .*, got 'hat'"),
        (["probe", "RUN", "--few-shot", "-3"], "few_shot must be an integer >= 0, got -3"),
        (["probe", "RUN", "--device", "cuda:99"], "'cuda:99' is not available: .*; choose 'cpu' or 'auto'"),
        (["train", "--out", "RUN/config.json"], "out must be a folder, got .*config.json, which is a file"),
        (["train", "--out", "b", "--config", "RUN/checkpoint.pt"], "config must be .*which is not text"),
        (["train", "--out", "b", "--config", "RUN/history.json"], "is not a recipe of this version"),
    ],
)
def test_wrong_words_about_a_run_give_one_line(tmp_path, capsys, words, message, trained):
    assert main([word.replace("RUN", str(trained)) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(folder, "--epochs", "0")
    return folder


@pytest.mark.filterwarnings("default")
def test_what_a_folder_leaves_out_is_said_in_one_line(tmp_path, capsys):
    pictures(tmp_path / "data", {"a": 4, "b": 4})
    (tmp_path / "data" / "train" / "@eaDir").mkdir()
    assert train_on(str(tmp_path / "data"), tmp_path / "run", "--epochs", "0") == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "train: left out 1 that are not read: @eaDir" in error
