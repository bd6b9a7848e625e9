"""Independent random streams named by a root seed and a path."""

import numpy as np
import torch


def stream_seed(seed: int, *path: int | str) -> int:
    """Seed of the stream that a path names under a root seed.

    It is the first 64-bit word of numpy's SeedSequence([seed, *path]), with strings read as little-endian integers.
    Torch's CPU generator uses its lower 32 bits.

    Parameters
    ----------
    seed : int >= 0
    *path : int >= 0 or str
        For instance a purpose, then the index of a member.

    Returns
    -------
    int
        In [0, 2^64).

    Raises
    ------
    ValueError
        If the seed is not an integer >= 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer >= 0, got {seed!r}")
    words = [int.from_bytes(p.encode(), "little") if isinstance(p, str) else p for p in path]
    return int(np.random.SeedSequence([int(seed), *words]).generate_state(1, np.uint64)[0])


def torch_generator(seed: int, *path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Torch generator of the stream that a path names under a root seed.

    Parameters
    ----------
    seed : int >= 0
    *path : int >= 0 or str
        As in `stream_seed`.
    device : torch.device or str
        Streams of different kinds of device differ.

    Returns
    -------
    torch.Generator
    """
    return torch.Generator(device=device).manual_seed(stream_seed(seed, *path))
