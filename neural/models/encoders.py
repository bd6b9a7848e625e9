"""Encoders turn images into representations before the head: what all of them share, and the smallest one."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neural.checks import check_integer


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights and biases of all convolution and linear layers in place.

    They are uniform in +-1/sqrt(fan_in), which is torch's default law.

    Build the layers with `torch.nn.utils.skip_init`, which leaves the global random state alone.

    Parameters
    ----------
    module : nn.Module
        Layers of other types are left as they are.
    generator : torch.Generator
        CPU generator; layers draw in the order of `module.modules()`.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1 / sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)


class StagedEncoder(nn.Module):
    """Encoder that also gives the features after each of its stages.

    A subclass defines `maps`; the representation is the last map's mean over positions.

    Attributes
    ----------
    out_dim : int
        Entries of the representation.
    """

    out_dim: int

    def maps(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and features (B, channels, *positions) after each stage, in order; the last name is "h"."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Representations h, shape (B, out_dim), of images of shape (B, 3, height, width)."""
        _, features = deque(self.maps(images), maxlen=1).pop()
        return _mean_over_positions(features)

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        """Mean over positions of every stage's features, in order; the last, "h", is that of `forward`.

        Parameters
        ----------
        images : (B, 3, height, width) tensor

        Returns
        -------
        dict of (B, channels) tensors
        """
        return {name: _mean_over_positions(features) for name, features in self.maps(images)}


class SmallConv(StagedEncoder):
    """Three 3 x 3 convolutions of stride 2 with batch norm and ReLU, then the mean over positions.

    Channels 3 - width - 2 width - 4 width; for a 16 x 16 image the last map is 2 x 2. Stages: stage1, stage2, h.

    Parameters
    ----------
    width : int
        Channels of the first convolution; the representation has 4 * width entries.
    last_relu : bool
        Whether a ReLU follows the last batch norm. If so, every entry of the representation is
        non-negative, which changes every comparison of a head with no head.
    generator : torch.Generator
        Source of the initial weights.

    Raises
    ------
    ValueError
        When width < 1.
    """

    def __init__(self, width: int = 16, *, last_relu: bool = True, generator: torch.Generator) -> None:
        super().__init__()
        check_integer("width", width, 1)
        channels = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in zip(channels, channels[1:], strict=False):
            convolution = skip_init(nn.Conv2d, before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers if last_relu else layers[:-1])
        self.out_dim = channels[-1]
        initialise(self, generator)

    def maps(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """See `StagedEncoder.maps`."""
        for i, name in enumerate(("stage1", "stage2", "h")):
            images = self.layers[3 * i : 3 * i + 3](images)
            yield name, images


class EncoderConfig(Protocol):
    """Frozen, hashable recipe of an encoder."""

    def build(self, generator: torch.Generator) -> StagedEncoder:
        """Encoder with fresh weights drawn from the generator, and from nothing else."""
        ...


@dataclass(frozen=True)
class SmallConvConfig:
    """Recipe of `SmallConv`."""

    width: int = 16
    last_relu: bool = True

    def build(self, generator: torch.Generator) -> SmallConv:
        """See `EncoderConfig.build`."""
        return SmallConv(self.width, last_relu=self.last_relu, generator=generator)


def _mean_over_positions(features: Tensor) -> Tensor:
    return features.mean(dim=tuple(range(2, features.ndim)))
