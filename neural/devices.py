"""The device that a training runs on, and the cores of this machine that it may use."""

import os

import torch


def resolve_device(name: str | torch.device) -> torch.device:
    """Device of that name, "auto" meaning CUDA when there is one and the CPU otherwise.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "cuda:N"} or torch.device

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is unknown or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(_choices(name)) from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(_choices(name))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not available: {torch.cuda.device_count()} CUDA devices found; choose 'cpu' or 'auto'"
        )
    return device


def _choices(name: object) -> str:
    return f"device must be one of 'auto', 'cpu', 'cuda', 'cuda:N', got {name!r}"


def available_cores() -> int:
    """Number of processor cores that this process may use.

    Returns
    -------
    int
        The cores of the process's affinity mask where the system has one, else all cores of the machine.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
