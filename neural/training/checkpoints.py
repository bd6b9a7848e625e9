"""Checkpoints of a training run: written whole or not at all, checked by a checksum, and refused when damaged."""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neural.files import write_atomically

_MAGIC = b"projhead checkpoint 1\n"
_DIGEST = 64  # characters of a SHA-256 checksum, which the second line of the file holds


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Store a state so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Its folder is made where missing.
    state : dict
        Tensors, plain values, and lists and dicts of these.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    header = _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"
    write_atomically({path: lambda file: file.writelines((header, content))})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """State stored by `write_checkpoint`, tensors on the CPU.

    Nothing but tensors and plain values is unpickled, so a file of unknown origin can run no code.

    Raises
    ------
    FileNotFoundError
        When the file is not there.
    ValueError
        When it is no checkpoint, or its content does not have the checksum that it names.
    """
    if not path.exists():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    raw = path.read_bytes()
    start = len(_MAGIC) + _DIGEST + 1
    if not raw.startswith(_MAGIC[: len(raw)]):
        raise ValueError(
            f"{path} is not a checkpoint of this version of projhead: name the checkpoint of a run"
        )
    content = memoryview(raw)[start:]
    if raw[len(_MAGIC) : start] != hashlib.sha256(content).hexdigest().encode() + b"\n":
        raise ValueError(
            f"checkpoint {path} is damaged, its content does not have its checksum: "
            "copy it again from where it came, or start the run anew in another folder"
        )
    try:
        # torch warns before it refuses a pickle of another kind
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign pickle fails in whatever way its bytes happen to say
        raise ValueError(
            f"checkpoint {path} holds more than tensors and plain values: it is not read"
        ) from error


def fingerprint_data(*splits: Any) -> str:
    """Checksum of all tensors of data splits, which tells whether images or labels have changed.

    Parameters
    ----------
    *splits : neural.data.images.ImageSplit
        Their attributes are tensors, dicts of tensors and plain values.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for split in splits:
        for name, value in sorted(vars(split).items()):
            for key, item in sorted(value.items()) if isinstance(value, dict) else [("", value)]:
                plain = not isinstance(item, Tensor)
                digest.update(repr((name, key, item if plain else (item.dtype, item.shape))).encode())
                if not plain:
                    digest.update(item.detach().cpu().contiguous().numpy())
    return digest.hexdigest()
