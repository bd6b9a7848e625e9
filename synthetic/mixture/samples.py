"""Two-class Gaussian mixture h = y mu + z and noisy views of it."""

from __future__ import annotations

import numpy as np
import torch


def random_direction(dim: int, generator: torch.Generator) -> torch.Tensor:
    """Unit vector (dim,), float64, uniform on the sphere."""
    vector = torch.randn(dim, generator=generator, dtype=torch.float64)
    return vector / vector.norm()


def sample_mixture(mean: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator):
    """Inputs (*shape, p) = y mean + standard normal noise, and labels y = +-1 (*shape).

    Parameters
    ----------
    mean : (p,) tensor
        Its dtype is that of the inputs.
    shape : tuple of int
    generator : torch.Generator
    """
    labels = torch.randint(0, 2, shape, generator=generator).to(mean.dtype) * 2 - 1
    noise = torch.randn((*shape, mean.shape[-1]), generator=generator, dtype=mean.dtype)
    return labels.unsqueeze(-1) * mean + noise, labels


def mixture_views(mean: torch.Tensor, sigma: tuple[float, float], shape: tuple[int, ...], generator):
    """Two views (*shape, p) of the same inputs, with augmentation noise of their own standard deviations."""
    if min(sigma) < 0:
        raise ValueError(f"sigma must be >= 0, got {sigma}")
    inputs, _ = sample_mixture(mean, shape, generator)
    noise = (torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype) for _ in sigma)
    return tuple(inputs + size * e for size, e in zip(sigma, noise, strict=True))


def signal_gain(metric, direction) -> np.ndarray:
    """Gain along a unit vector over the root mean square gain across it, from metrics W^T W (..., p, p)."""
    along = np.einsum("i,...ij,j->...", direction, metric, direction)
    across = (np.trace(metric, axis1=-2, axis2=-1) - along) / (len(direction) - 1)
    return np.sqrt(along / across)
