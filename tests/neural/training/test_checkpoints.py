"""Checkpoints: whole or refused, and never a way to run code."""

import hashlib
import io
import pickle

import numpy as np
import pytest
import torch

from neural.training.checkpoints import _MAGIC, read_checkpoint, write_checkpoint

STATE = {
    "weights": {"a": torch.arange(6.0).view(2, 3)},
    "history": [{"epoch": 1, "loss": 0.5}],
    "config": "{}",
}


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "runs" / "checkpoint.pt", STATE)
    return tmp_path / "runs" / "checkpoint.pt"


def test_a_state_comes_back(path):
    state = read_checkpoint(path)
    assert torch.equal(state["weights"]["a"], STATE["weights"]["a"])
    assert state["history"] == STATE["history"] and state["config"] == "{}"
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_no_flipped_bit_and_no_missing_end_is_read(path, seed):
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    for place in rng.integers(8 * len(whole), size=300):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged, its content|is not a checkpoint") as error:
            read_checkpoint(path)
        assert "delete" not in str(error.value) and "\n" not in str(error.value)
    for length in [*range(120), *rng.integers(len(whole), size=50)]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is damaged, its content"):
            read_checkpoint(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip file", b"{}", b"projhead checkpoint 2\n"])
def test_other_files_are_no_checkpoints(content, tmp_path):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ValueError, match="is not a checkpoint of this version of projhead"):
        read_checkpoint(tmp_path / "a.pt")


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "save", [lambda state, file: torch.save(state, file), lambda state, file: pickle.dump(state, file)]
)
def test_a_malicious_pickle_with_a_right_checksum_runs_nothing(save, tmp_path):
    buffer, target = io.BytesIO(), tmp_path / "made by the pickle"
    save(STATE | {"extra": Malicious(target)}, buffer)
    content = buffer.getvalue()
    path = tmp_path / "a.pt"
    path.write_bytes(_MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    with pytest.raises(ValueError, match="holds more than tensors and plain values"):
        read_checkpoint(path)
    assert not target.exists()
    pickle.loads(pickle.dumps(Malicious(target)))
    assert target.exists()  # it would have
