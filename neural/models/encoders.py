"""Encoders: image in, representation before the head out; a recipe of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neural.models.initialise import initialise
from neural.models.resnet import ResNetConfig
from neural.models.stages import StagedEncoder
from neural.models.vision_transformer import ViTConfig


class SmallConv(StagedEncoder):
    """Three 3 x 3 convolutions of stride 2 with batch norm and ReLU, then the mean over positions.

    Channels 3 - width - 2 width - 4 width; for a 16 x 16 image the last map is 2 x 2. Stages: stage1, stage2, h.

    Parameters
    ----------
    width : int
        Channels of the first convolution; the representation has 4 * width entries.
    last_relu : bool
        Whether a ReLU follows the last batch norm. With it every entry of the representation is
        non-negative, which changes every comparison of a head against no head.
    generator : torch.Generator
        Source of the initial weights.

    Raises
    ------
    ValueError
        When width < 1.
    """

    def __init__(self, width: int = 16, *, last_relu: bool = True, generator: torch.Generator) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be >= 1, got {width}")
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


ENCODERS: dict[str, type | tuple[type, dict]] = {
    "small-conv": SmallConvConfig,
    "resnet18": ResNetConfig,
    "resnet50": (ResNetConfig, {"depth": 50}),
    "vit-tiny": ViTConfig,
}
"""Names of the command line: a recipe, or a recipe with fields that the name sets."""
