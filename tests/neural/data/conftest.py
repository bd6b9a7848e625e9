"""Tiny files in the official formats of the data sets."""

import csv
import socket

import numpy as np
import pytest
from PIL import Image

from tests.neural.data.writers import write_cifar_file, write_picture


@pytest.fixture
def rng(seed):
    return np.random.default_rng([seed, 7])


@pytest.fixture
def cifar10(tmp_path, rng):
    at = tmp_path / "cifar10" / "cifar-10-batches-py"
    at.mkdir(parents=True)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return at, [write_cifar_file(at / name, rng, 4, {"labels": 10}) for name in names]


@pytest.fixture
def cifar100(tmp_path, rng):
    at = tmp_path / "cifar100" / "cifar-100-python"
    at.mkdir(parents=True)
    keys = {"fine_labels": 100, "coarse_labels": 20}
    return at, [write_cifar_file(at / name, rng, 6, keys) for name in ("train", "test")]


@pytest.fixture
def stl10(tmp_path, rng):
    at = tmp_path / "stl10_binary"
    at.mkdir()
    written = {}
    for part, n in (("train", 3), ("test", 2), ("unlabeled", 4)):
        images = rng.integers(256, size=(n, 3, 96, 96), dtype=np.uint8)
        (at / f"{part}_X.bin").write_bytes(np.ascontiguousarray(images.transpose(0, 1, 3, 2)).tobytes())
        written[part] = images
        if part != "unlabeled":
            labels = rng.integers(1, 11, size=n, dtype=np.uint8)
            (at / f"{part}_y.bin").write_bytes(labels.tobytes())
            written[f"{part}_y"] = labels
    return at, written


@pytest.fixture
def tiny(tmp_path, rng):
    """Two classes of three pictures, one of them grey; three test pictures."""
    at = tmp_path / "tiny-imagenet-200"
    names = ["n02124075", "n01443537"]
    for name in names:
        files = [f"{name}_{number}.JPEG" for number in range(3)]
        for file in files:
            mode = "L" if file == "n01443537_1.JPEG" else "RGB"
            write_picture(at / "train" / name / "images" / file, rng, mode=mode)
        (at / "train" / name / f"{name}_boxes.txt").write_text("".join(f"{f}\t0\t0\t63\t63\n" for f in files))
    (at / "wnids.txt").write_text("\n".join(names))
    lines = []
    for number, name in enumerate([names[1], names[0], names[1]]):
        write_picture(at / "val" / "images" / f"val_{number}.JPEG", rng)
        lines.append(f"val_{number}.JPEG\t{name}\t0\t32\t44\t62\n")
    (at / "val" / "val_annotations.txt").write_text("".join(lines))
    return at


@pytest.fixture
def pictures(tmp_path, rng):
    at = tmp_path / "pictures"
    for name in ("train/cat/1.png", "train/cat/2.PNG", "train/dog/1.png", "test/dog/1.png"):
        write_picture(at / name, rng, (16, 16))
    return at


@pytest.fixture
def table(tmp_path, rng):
    rows = [
        ("a.png", "train", "waterbird", "sea"),
        ("b.png", "train", "landbird", "sea"),
        ("sub/c.png", "train", "landbird", "land"),
        ("d.png", "test", "waterbird", "land"),
    ]
    for file, *_ in rows:
        write_picture(tmp_path / "birds" / file, rng, (24, 20))
    path = tmp_path / "metadata.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "label", "group"), *rows])
    return tmp_path / "birds", path


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """Data set saved as Hugging Face `datasets` saves, with two integer labels and their names."""
    import datasets

    rng = np.random.default_rng(0)
    features = datasets.Features(
        {
            "img": datasets.Image(),
            "fine": datasets.ClassLabel(names=["a", "b", "c"]),
            "text": datasets.Value("string"),
        }
    )

    def part(n):
        images = [Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)) for _ in range(n)]
        rows = {"img": images, "fine": [row % 3 for row in range(n)], "text": ["x"] * n}
        return datasets.Dataset.from_dict(rows, features=features)

    content = datasets.DatasetDict({"train": part(5), "test": part(2)})
    at = tmp_path_factory.mktemp("hub")
    content.save_to_disk(at / "saved")
    (at / "parquet").mkdir()
    for split in content:
        content[split].to_parquet(at / "parquet" / f"{split}-00000-of-00001.parquet")
    return at, content


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a reader asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
