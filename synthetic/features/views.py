"""Samplers of the feature model: labelled inputs and the two views of positive pairs.

The augmentation is carried out as Definition 3.2 states it (keep a sign or redraw it, redraw the noise); no
derived quantity of the model is used.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from theory.features.model import FeatureModel


def sample_inputs(model: FeatureModel, n: int, generator: torch.Generator, dtype=torch.float64):
    """Clean inputs and their signs.

    Parameters
    ----------
    model : FeatureModel
        Features lie along the first k coordinates.
    n : int >= 1
    generator : torch.Generator
        Source of all randomness; its device is the device of the samples.
    dtype : torch.dtype

    Returns
    -------
    x : (n, d) tensor
    signs : (n, k) tensor of +-1
        Column j is the downstream label y = u_j.
    """
    signs = _signs(model, n, generator, dtype)
    return _observe(model, signs, generator), signs


def sample_pairs(model: FeatureModel, n: int, generator: torch.Generator, dtype=torch.float64):
    """The two views of n positive pairs: (n, d) and (n, d) tensors. Parameters as in `sample_inputs`.

    Two-sided: both views are augmented; one-sided: the second keeps every sign.
    """
    signs = _signs(model, n, generator, dtype)
    first = _augment(model, signs, generator)
    second = _augment(model, signs, generator) if model.two_sided else signs
    return _observe(model, first, generator), _observe(model, second, generator)


@dataclass(frozen=True)
class FeatureViews:
    """Stream of positive pairs of a feature model, as `neural.train` takes it."""

    model: FeatureModel

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.model.dim

    def sample_pairs(self, n: int, generator: torch.Generator, dtype=torch.float32):
        """The two views of n positive pairs."""
        return sample_pairs(self.model, n, generator, dtype)

    def sample_feature_major(self, steps: int, batch: int, generator: torch.Generator, dtype=torch.float32):
        """Positive pairs of the same law as (steps, d, 2, batch): features before views before samples.

        Faster: 32 random bits decide on a sign, so alpha is met to 2^-31.
        """
        model = self.model
        x = torch.zeros(steps, model.dim, 2, batch, dtype=dtype, device=generator.device)
        if model.sigma > 0:
            x.normal_(0.0, model.sigma, generator=generator)
        phi, *thresholds = _constants(model, dtype, generator.device)
        signs = _fast_view_signs(*thresholds, steps, batch, generator).to(dtype)
        x[:, : model.num_features].addcmul_(signs, phi)
        return x


def _uniform(model, n, generator, dtype):
    return torch.rand(n, model.num_features, generator=generator, dtype=dtype, device=generator.device)


def _vector(values, like):
    return torch.as_tensor(values.copy(), dtype=like.dtype, device=like.device)


def _signs(model, n, generator, dtype):
    if n < 1:
        raise ValueError(f"n must be >= 1, got {n}")
    return 1 - 2 * (_uniform(model, n, generator, dtype) < 0.5).to(dtype)


def _augment(model, signs, generator):
    """Redraw each sign with probability alpha: a uniform draw below alpha decides, its halves give the new sign."""
    draw = _uniform(model, len(signs), generator, signs.dtype)
    alpha = _vector(model.alpha, signs)
    redrawn = 1 - 2 * (draw < alpha / 2).to(signs.dtype)
    return torch.where(draw < alpha, redrawn, signs)


def _observe(model, signs, generator):
    x = torch.zeros(len(signs), model.dim, dtype=signs.dtype, device=signs.device)
    if model.sigma > 0:
        x.normal_(0.0, model.sigma, generator=generator)
    x[:, : model.num_features] += signs * _vector(model.phi, signs)
    return x


@functools.lru_cache(maxsize=64)
def _constants(model, dtype, device):
    """Strengths (k, 1, 1), and the 31-bit numbers below which a draw redraws a sign, and makes it -1, (k, 2, 1).

    They are kept, because a copy to a CUDA device at every draw would make the program wait for the device.
    """
    threshold = torch.as_tensor(model.alpha * 2.0**31).clamp(max=2**31 - 1)
    threshold = torch.stack([threshold, threshold * model.two_sided], -1).unsqueeze(-1)
    redrawn, negative = (t.round().to(device, torch.int32) for t in (threshold, threshold / 2))
    return torch.as_tensor(model.phi.copy(), dtype=dtype, device=device).view(-1, 1, 1), redrawn, negative


def _fast_view_signs(below, half, steps, batch, generator):
    """Signs of both views, (steps, k, 2, batch) int32, in arithmetic of 32-bit integers.

    Of each word the lowest bit of the first view is the clean sign, the others are a uniform draw: below alpha the
    sign is redrawn, the halves below alpha giving the new one.
    """
    words = torch.empty(steps, len(below), batch, dtype=torch.int64, device=generator.device)
    words = words.random_(-(2**63), None, generator=generator).view(torch.int32)
    words = words.view(steps, len(below), 2, batch)
    clean = (words[:, :, :1] & 1).mul_(2).sub_(1)
    draw = words.bitwise_right_shift_(1).bitwise_and_(2**31 - 1)
    new = (draw - half).bitwise_right_shift_(31).bitwise_or_(1)
    redrawn = draw.sub_(below).bitwise_right_shift_(31)  # -1 where the draw is below, else 0
    return new.bitwise_xor_(clean).bitwise_and_(redrawn).bitwise_xor_(clean)
