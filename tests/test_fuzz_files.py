"""Damaged, foreign and malicious files for every reader: a result, or one error that names the file; nothing runs."""

import gzip
import io
import os
import pickle
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from neural.data.files import (
    Source,
    read_cifar,
    read_csv,
    read_idx,
    read_pictures,
    read_stl10,
    read_stl10_labels,
    read_table,
)
from neural.training.checkpoints import read_checkpoint, write_checkpoint
from notebooks.diagnose.inputs import read_array

SOURCE = Source("get it from the teacher")
NUMBERS = np.arange(12.0).reshape(4, 3)


class Trap:
    """Pickled, it makes a file when it is read by a reader that executes what it finds."""

    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def to_bytes(write, *arguments, **options):
    buffer = io.BytesIO()
    write(*(buffer if argument is io.BytesIO else argument for argument in arguments), **options)
    return buffer.getvalue()


def checkpoint(folder):
    write_checkpoint(folder / "x", {"epoch": 1, "weights": torch.ones(3)})
    return (folder / "x").read_bytes()


def idx(shape):
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    return header + bytes(int(np.prod(shape)))


CIFAR = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}
WHOLE = {  # a good file of every kind
    "a.npy": to_bytes(np.save, io.BytesIO, NUMBERS),
    "a.npz": to_bytes(np.savez, io.BytesIO, x=NUMBERS),
    "b.npz": to_bytes(np.savez_compressed, io.BytesIO, x=NUMBERS, y=NUMBERS),
    "a.pt": to_bytes(torch.save, {"x": torch.ones(3, 2)}, io.BytesIO),
    "a.safetensors": safetensors.torch.save({"x": torch.ones(3, 2)}),
    "a.csv": b"x,y\n1,2\n3,4.5\n",
    "a.parquet": to_bytes(pd.DataFrame.to_parquet, pd.DataFrame({"x": [1.0, 2.0]}), io.BytesIO),
    "cifar": pickle.dumps(CIFAR),
    "idx3": idx((2, 5, 4)),
    "idx1": idx((7,)),
    "idx.gz": gzip.compress(idx((2, 5, 4))),
    "stl10": bytes(3 * 96 * 96),
    "labels": bytes([1, 10, 3]),
    "a.png": to_bytes(Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save, io.BytesIO, format="png"),
    "a.jpg": to_bytes(Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save, io.BytesIO, format="jpeg"),
    "table": b"a b\nc d\n",
    "table.csv": b"file,label\na.png,3\n",
    "checkpoint": None,
}
READERS = {
    "cifar": lambda path: read_cifar(path, {"labels": 10}, SOURCE),
    "idx3": lambda path: read_idx(path, 3, SOURCE),
    "idx1": lambda path: read_idx(path, 1, SOURCE),
    "idx.gz": lambda path: read_idx(path.with_suffix(""), 3, SOURCE),
    "stl10": lambda path: read_stl10([path], SOURCE),
    "labels": lambda path: read_stl10_labels(path, 3, SOURCE),
    "a.png": lambda path: read_pictures([path], 8, SOURCE),
    "a.jpg": lambda path: read_pictures([path], 8, SOURCE),
    "table": lambda path: read_table(path, SOURCE),
    "table.csv": lambda path: read_csv(path, ("file", "label"), SOURCE),
    "checkpoint": read_checkpoint,
}


@pytest.fixture(autouse=True)
def trap(monkeypatch, tmp_path):
    """Folder that must not exist after the test."""
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    yield
    assert not (tmp_path / "sprung").exists()


def read(name, path):
    """What the reader of this kind says of a file: a result, or None for one clear error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return READERS.get(name, lambda path: read_array(path if name != "b.npz" else f"{path}:x"))(path)
        except (ValueError, FileNotFoundError) as error:
            assert path.stem in str(error), error
            assert "\n" not in str(error).strip(), error
            return None


@st.composite
def damage(draw, content):
    """A part of a file, a file with other bytes in the middle, or a file of another kind."""
    kind = draw(st.sampled_from(["cut", "bytes", "insert", "foreign", "noise"]))
    at = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:at]
    if kind == "noise":
        return draw(st.binary(max_size=40))
    if kind == "foreign":
        return draw(st.sampled_from([whole for whole in WHOLE.values() if whole]))
    new = draw(
        st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff" * 8, b"\0" * 8, b"9" * 6]))
    )
    return content[:at] + new + content[at + len(new) * (kind == "bytes") :]


def check_damaged(name, folder, count):
    content = WHOLE[name] or checkpoint(folder)
    path = folder / name
    path.write_bytes(content)
    assert read(name, path) is not None

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(damage(content))
    def run(damaged):
        path.write_bytes(damaged)
        read(name, path)

    run()


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_read_or_named(name, tmp_path):
    check_damaged(name, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_many_damaged_files_are_read_or_named(name, tmp_path):
    check_damaged(name, tmp_path, 2000)


@pytest.mark.parametrize("name", WHOLE)
def test_empty_missing_and_malicious_files_are_refused(name, tmp_path):
    path = tmp_path / name
    assert read(name, path) is None
    for content in (b"", pickle.dumps(Trap()), to_bytes(torch.save, Trap(), io.BytesIO), evil_archive()):
        path.write_bytes(content)
        assert read(name, path) is None


def evil_archive():
    """A zip file that holds an array of objects and a member outside its folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", to_bytes(np.save, io.BytesIO, np.array([Trap()]), allow_pickle=True))
        archive.writestr("../sprung/a", "outside")
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(0, 5, 4), (2**31, 2**31, 4), (2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_a_size_that_is_zero_or_beyond_64_bits_is_refused(shape, tmp_path):
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in shape)
    (tmp_path / "idx3").write_bytes(header)
    with pytest.raises(ValueError, match="idx3 is damaged"):
        read_idx(tmp_path / "idx3", 3, SOURCE)
