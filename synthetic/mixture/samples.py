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


def random_basis(dim: int, generator: torch.Generator) -> torch.Tensor:
    """Orthonormal rows (dim, dim), float64, uniform over rotations and reflections."""
    basis, triangle = torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64))
    return (basis * triangle.diagonal().sign()).mT


def mixture_views(mean: torch.Tensor, sigma: tuple[float, float], shape: tuple[int, ...], generator):
    """Two views (*shape, p) of the same inputs, with augmentation noise of their own standard deviations.

    A standard deviation may also be a tensor (p,), one for each direction.
    """
    inputs, _ = sample_mixture(mean, shape, generator)
    return _augment((inputs, inputs), sigma, generator)


def same_class_views(mean: torch.Tensor, sigma: tuple[float, float], shape: tuple[int, ...], generator):
    """Views (*shape, p) of two independent inputs of one class."""
    inputs, labels = sample_mixture(mean, shape, generator)
    noise = torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)
    return _augment((inputs, labels.unsqueeze(-1) * mean + noise), sigma, generator)


def class_views(means: torch.Tensor, sigma: tuple[float, float], shape: tuple[int, ...], generator):
    """Two views (*shape, p) of the same inputs of several classes, equally likely, with means (K, p)."""
    chosen = torch.randint(0, len(means), shape, generator=generator)
    inputs = means[chosen] + torch.randn((*shape, means.shape[-1]), generator=generator, dtype=means.dtype)
    return _augment((inputs, inputs), sigma, generator)


def _augment(inputs, sigma, generator):
    if any(torch.as_tensor(size).min() < 0 for size in sigma):
        raise ValueError(f"sigma must be >= 0, got {sigma}")
    noise = (torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in inputs)
    return tuple(one + size * e for one, size, e in zip(inputs, sigma, noise, strict=True))


def signal_gain(metric, direction) -> np.ndarray:
    """Gain along a unit vector over the root mean square gain across it, from metrics W^T W (..., p, p)."""
    along = np.einsum("i,...ij,j->...", direction, metric, direction)
    across = (np.trace(metric, axis1=-2, axis2=-1) - along) / (len(direction) - 1)
    return np.sqrt(along / across)
