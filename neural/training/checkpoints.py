"""Checkpoints of a training run: written whole or not at all, refused when damaged or of another run."""

import pickle
from pathlib import Path
from typing import Any

import torch

from neural.files import write_atomically


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Store a state so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Its folder is made where missing.
    state : dict
        Tensors, plain values, and lists and dicts of these.
    """
    write_atomically({path: lambda file: torch.save(state, file)})


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """State stored by `write_checkpoint`, tensors on `device`.

    Raises
    ------
    ValueError
        When the file is not a complete checkpoint.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"checkpoint {path} is damaged or not a checkpoint: delete it to start anew"
        ) from error
