"""Residual networks for small images."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neural.checks import check_integer
from neural.models.encoders import StagedEncoder, initialise

_BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class ResidualBlock(nn.Module):
    """branch(x) + shortcut(x), followed by a ReLU if `last_relu`.

    Parameters
    ----------
    branch : nn.Module
        Convolutions and batch norms.
    in_channels, out_channels, stride : int
        Sizes of the branch. Where they change the shape, the shortcut is a 1 x 1 convolution and a batch norm.
    last_relu : bool
    """

    def __init__(
        self, branch: nn.Module, in_channels: int, out_channels: int, stride: int, *, last_relu: bool
    ) -> None:
        super().__init__()
        self.branch, self.last_relu = branch, last_relu
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else _convolution(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, out_channels, height / stride, width / stride) of features (B, in_channels, ..)."""
        y = self.branch(x) + self.shortcut(x)
        return torch.relu(y) if self.last_relu else y


class ResNet(StagedEncoder):
    """Residual network with the stem for small images: a 3 x 3 convolution of stride 1 and no max pool.

    Four stages of `width`, 2, 4, 8 `width` channels, times 4 in the bottleneck blocks of depth 50; the last
    three halve the image. Stages: stem, stage1, stage2, stage3, h. Weights follow torch's default law (see
    `neural.models.encoders.initialise`); batch norms start at scale 1 and shift 0, the last of a block too.

    Parameters
    ----------
    depth : {18, 50}
    width : int >= 1
        Channels of the stem; the representation has 8 * width (depth 18) or 32 * width (depth 50) entries.
    last_relu : bool
        Whether a ReLU follows the last residual block.
    generator : torch.Generator
        Source of the initial weights.

    Raises
    ------
    ValueError
        When depth is not 18 or 50, or width < 1.

    Notes
    -----
    Source: paper (He et al., 2016; the stem as in SimCLR's CIFAR experiments).
    """

    def __init__(self, depth: int, width: int, *, last_relu: bool, generator: torch.Generator) -> None:
        super().__init__()
        _check(depth, width)
        self.stem = nn.Sequential(_convolution(3, width, 3), nn.ReLU())
        channels, stages = width, []
        for i, count in enumerate(_BLOCKS[depth]):
            blocks = []
            for j in range(count):
                final = i == 3 and j == count - 1
                block = _basic if depth == 18 else _bottleneck
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(block(channels, width * 2**i, stride, last_relu=last_relu or not final))
                channels = width * 2**i * (1 if depth == 18 else 4)
            stages.append(nn.Sequential(*blocks))
        self.body = nn.Sequential(*stages)
        self.out_dim = channels
        initialise(self, generator)

    def maps(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """See `StagedEncoder.maps`."""
        x = self.stem(images)
        yield "stem", x
        for name, stage in zip(("stage1", "stage2", "stage3", "h"), self.body, strict=True):
            x = stage(x)
            yield name, x


@dataclass(frozen=True)
class ResNetConfig:
    """Recipe of `ResNet`; see there."""

    depth: int = 18
    width: int = 64
    last_relu: bool = True

    def __post_init__(self) -> None:
        _check(self.depth, self.width)

    def build(self, generator: torch.Generator) -> ResNet:
        """See `neural.models.encoders.EncoderConfig.build`."""
        return ResNet(self.depth, self.width, last_relu=self.last_relu, generator=generator)


def _basic(into: int, width: int, stride: int, *, last_relu: bool) -> ResidualBlock:
    branch = nn.Sequential(_convolution(into, width, 3, stride), nn.ReLU(), _convolution(width, width, 3))
    return ResidualBlock(branch, into, width, stride, last_relu=last_relu)


def _bottleneck(into: int, width: int, stride: int, *, last_relu: bool) -> ResidualBlock:
    branch = nn.Sequential(
        _convolution(into, width, 1),
        nn.ReLU(),
        _convolution(width, width, 3, stride),
        nn.ReLU(),
        _convolution(width, 4 * width, 1),
    )
    return ResidualBlock(branch, into, 4 * width, stride, last_relu=last_relu)


def _convolution(into: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, and batch norm."""
    convolution = skip_init(nn.Conv2d, into, out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out))


def _check(depth: int, width: int) -> None:
    if depth not in _BLOCKS:
        raise ValueError(f"depth must be one of {', '.join(map(str, _BLOCKS))}, got {depth}")
    check_integer("width", width, 1)
