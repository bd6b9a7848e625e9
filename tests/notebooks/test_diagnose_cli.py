"""`projhead diagnose` from files: every format, the report, refusals in one line, a run of `projhead train`."""

import json
import os
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, DatasetDict
from safetensors.numpy import save_file

from notebooks.cli import main
from notebooks.diagnose.inputs import read_array
from tests.notebooks.diagnose.worlds import World


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Features of 400 examples in files."""
    path = tmp_path_factory.mktemp("features")
    world = World.draw(0)
    (h1, h2), (z1, z2), labels = world.sample(400, np.random.default_rng(0))
    np.save(path / "h1.npy", h1.astype(np.float32))
    np.savez(path / "views.npz", h2=h2, z1=z1)
    torch.save({"z2": torch.from_numpy(z2), "head": torch.from_numpy(world.head)}, path / "rest.pt")
    pd.DataFrame({"label": labels}).to_csv(path / "labels.csv", index=False)
    return path


def test_a_report_is_written_with_everything_in_it(folder, tmp_path, capsys):
    command = ["diagnose", "--before", f"{folder}/h1.npy", f"{folder}/views.npz:h2"]
    command += ["--after", f"{folder}/views.npz:z1", f"{folder}/rest.pt:z2"]
    command += ["--labels", f"{folder}/labels.csv", "--head", f"{folder}/rest.pt:head"]
    assert main([*command, "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "cosine with theory" in shown and "labels" in shown
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 6 and "Which layer for how many labels" in page
    assert not re.search(r'(?:src|href)="(?!#)', page) and "<script" not in page
    assert "@import" not in page and "url(http" not in page
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    assert numbers["examples"] == 400 and len(numbers["verdicts"]) == 10
    given = numbers["numbers"]["head"]["cosine of the given matrix and the measured map"]
    assert given == pytest.approx(1, abs=1e-6)
    assert main(["diagnose", "--compare", str(tmp_path / "report"), str(tmp_path / "report")]) == 0
    assert "differ" not in capsys.readouterr().out


def test_identifiers_of_the_pictures_do_not_clash(folder, tmp_path):
    main(["diagnose", "--before", f"{folder}/h1.npy", f"{folder}/views.npz:h2", "--out", str(tmp_path)])
    page = (tmp_path / "report.html").read_text()
    clips = re.findall(r'<clipPath id="([^"]+)"', page)
    assert len(clips) == len(set(clips)) > 1


@pytest.mark.parametrize(
    "name", ["a.npy", "a.npz", "a.npz:x", "a.pt", "b.pt:x", "a.csv", "a.parquet", "a.safetensors:x"]
)
def test_every_format_gives_the_same_array(name, tmp_path):
    array = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    torch.save(torch.from_numpy(array), tmp_path / "a.pt")
    torch.save({"x": torch.from_numpy(array), "y": torch.zeros(2)}, tmp_path / "b.pt")
    np.savetxt(tmp_path / "a.csv", array, delimiter=",", header="u,v,w", comments="")
    pd.DataFrame(array).rename(columns=str).to_parquet(tmp_path / "a.parquet")
    save_file({"x": array, "y": array}, tmp_path / "a.safetensors")
    assert np.array_equal(read_array(tmp_path / name), array)


@pytest.mark.parametrize("name", ["one:x", "splits:test/x"])
def test_a_stored_data_set_gives_its_column(name, tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    one = Dataset.from_dict({"x": array.tolist(), "label": [0, 1, 1, 0], "word": ["a", "b", "b", "a"]})
    one.save_to_disk(tmp_path / "one")
    DatasetDict({"train": one.select([0, 1]), "test": one}).save_to_disk(tmp_path / "splits")
    assert np.array_equal(read_array(tmp_path / name), array)
    part = name.removesuffix("x")
    assert read_array(f"{tmp_path}/{part}label").tolist() == [0, 1, 1, 0]
    assert read_array(f"{tmp_path}/{part}word").tolist() == ["a", "b", "b", "a"]
    with pytest.raises(
        ValueError, match="has no 'test/y', only train/x" if "splits" in name else "has no 'y'"
    ):
        read_array(f"{tmp_path}/{part}y")


def test_a_folder_that_is_no_data_set_is_told(tmp_path):
    with pytest.raises(ValueError, match="cannot be read as a stored data set"):
        read_array(tmp_path)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "pth"])
def test_pickled_objects_are_refused_and_never_executed(kind, tmp_path):
    trap, path = np.array([Trap(tmp_path / "sprung")], dtype=object), tmp_path / f"trap.{kind}"
    if kind == "npy":
        np.save(path, trap, allow_pickle=True)
    elif kind == "npz":
        np.savez(path, x=trap)
    else:
        torch.save({"x": Trap(tmp_path / "sprung")}, path)
    with pytest.raises(ValueError, match="Python objects, which would have to be executed"):
        read_array(f"{path}:x" if kind != "npy" else path)
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError):
        read_array(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npy", None, "does not exist"),
        ("x.txt", b"1 2", "must end in one of"),
        ("x.npy", b"no array", "cannot be read as .npy"),
        ("x.npz", b"no zip", "cannot be read as .npz"),
        ("x.csv", b"a,b\n1,word\n", "holds 'word' where a number is expected"),
    ],
)
def test_files_that_cannot_be_read_are_told_in_one_line(name, content, message, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["diagnose", "--before", str(tmp_path / name), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


GOOD = np.random.default_rng(0).normal(size=(40, 3))
BAD = {
    "shapes that differ": ({"h1": GOOD, "h2": GOOD[:, :2]}, "--before h1 h2", "must have one shape"),
    "rows after the head": (
        {"h1": GOOD, "z1": GOOD[:30]},
        "--before h1 --after z1",
        "row by row: got 30 rows for 40",
    ),
    "views after the head": (
        {"h1": GOOD, "h2": GOOD, "z1": GOOD},
        "--before h1 h2 --after z1",
        "as many views",
    ),
    "three views": ({"h1": GOOD}, "--before h1 h1 h1", "one array or a pair"),
    "not a number": (
        {"h1": np.where(GOOD > 2, np.nan, GOOD)},
        "--before h1",
        "must be finite, got nan in row",
    ),
    "infinity": ({"h1": np.where(GOOD > 2, np.inf, GOOD)}, "--before h1", "must be finite, got inf in row"),
    "words": ({"h1": GOOD.astype(str)}, "--before h1", "must be real numbers"),
    "one example": ({"h1": GOOD[:1]}, "--before h1", "at least 2 examples"),
    "no feature": ({"h1": GOOD[:, :0]}, "--before h1", "must have shape"),
    "one class": ({"h1": GOOD, "y": np.ones(40)}, "--before h1 --labels y", "at least two classes, got 1"),
    "labels of another length": (
        {"h1": GOOD, "y": np.arange(39) % 2},
        "--before h1 --labels y",
        "one for each example",
    ),
    "head": ({"h1": GOOD, "w": np.ones((2, 4))}, "--before h1 --head w", "must be a finite matrix of shape"),
    "last layer alone": (
        {"h1": GOOD, "w": np.ones((3, 4))},
        "--before h1 --last-layer w",
        "last_layer needs head",
    ),
}


@pytest.mark.parametrize(("arrays", "command", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_told_in_one_line_and_nothing_is_written(arrays, command, message, tmp_path, capsys):
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    words = [f"{tmp_path}/{word}.npy" if word in arrays else word for word in command.split()]
    assert main(["diagnose", *words, "--out", str(tmp_path / "out")]) == 2
    lines = [
        line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("diagnose:")
    ]
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_told_in_one_line(folder, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    command = ["diagnose", "--before", f"{folder}/h1.npy", "--out", str(tmp_path / "taken")]
    assert main(command) == 2
    assert "taken" in capsys.readouterr().err.strip().splitlines()[-1]
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_wrong_key_lists_the_right_ones(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2), y=np.zeros(2))
    with pytest.raises(ValueError, match="has no 'z', only x, y"):
        read_array(f"{tmp_path}/a.npz:z")
    with pytest.raises(ValueError, match="name one of them"):
        read_array(tmp_path / "a.npz")
    assert zipfile.is_zipfile(tmp_path / "a.npz")


def test_a_run_of_projhead_train_is_diagnosed(tmp_path, capsys):
    command = ["train", "--out", str(tmp_path / "run"), "--epochs", "1", "--batch", "64"]
    assert main([*command, "--head", "linear", "--set", "encoder.width=4"]) == 0
    capsys.readouterr()
    assert main(["diagnose", str(tmp_path / "run"), "--label", "digit"]) == 0
    assert "cosine with theory" in capsys.readouterr().out
    assert main(["diagnose", str(tmp_path / "run"), "--label", "colour"]) == 2
    assert "--label must be one of" in capsys.readouterr().err


def test_either_a_run_or_features(capsys):
    assert main(["diagnose"]) == 2
    assert "give either the folder of a run or --before" in capsys.readouterr().err
