"""Vision transformer for small images."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils import skip_init

from neural.checks import check_integer
from neural.models.encoders import StagedEncoder, initialise

_POSITION_STD = 0.02


class Attention(nn.Module):
    """Multi-head self-attention of all tokens, with biases."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = skip_init(nn.Linear, dim, 3 * dim)
        self.out = skip_init(nn.Linear, dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, dim) from tokens (B, N, dim)."""
        split = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Attention, then a two-layer network of four times the width, each after a layer norm and added to its input."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(dim), Attention(dim, heads))
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim),
            skip_init(nn.Linear, dim, 4 * dim),
            nn.GELU(),
            skip_init(nn.Linear, 4 * dim, dim),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, dim) from tokens (B, N, dim)."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.mlp(tokens)


class VisionTransformer(StagedEncoder):
    """Transformer on patches of an image, with learnt positions; the mean over tokens replaces a class token.

    Stages: block1, .., block<depth> (before the layer norm), h (after it).

    Parameters
    ----------
    config : ViTConfig
    generator : torch.Generator
        Source of the initial weights: linear maps by torch's default law, positions normal with standard
        deviation 0.02.

    Notes
    -----
    Source: paper (Dosovitskiy et al., 2021; sizes of "tiny" from Touvron et al., 2021).
    """

    def __init__(self, config: "ViTConfig", *, generator: torch.Generator) -> None:
        super().__init__()
        self.image_size, self.out_dim = config.image_size, config.dim
        count = (config.image_size // config.patch) ** 2
        self.embed = skip_init(nn.Conv2d, 3, config.dim, config.patch, stride=config.patch)
        self.positions = nn.Parameter(torch.empty(count, config.dim))
        self.blocks = nn.ModuleList(TransformerBlock(config.dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim)
        initialise(self, generator)
        nn.init.normal_(self.positions, std=_POSITION_STD, generator=generator)

    def maps(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """See `StagedEncoder.maps`."""
        if images.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"images must be {self.image_size} x {self.image_size} (image_size), got {tuple(images.shape)}"
            )
        tokens = self.embed(images).flatten(2).mT + self.positions
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            yield f"block{number}", tokens.mT
        yield "h", self.norm(tokens).mT


@dataclass(frozen=True)
class ViTConfig:
    """Recipe of `VisionTransformer`, by default ViT-tiny for 32 x 32 images.

    Attributes
    ----------
    image_size, patch : int
        Sides of the square image and of a patch; the patch divides the image.
    dim : int
        Entries of a token and of the representation; a multiple of `heads`.
    depth, heads : int
        Blocks, and attention heads of each.

    Raises
    ------
    ValueError
        When a size is < 1 or does not divide.
    """

    image_size: int = 32
    patch: int = 4
    dim: int = 192
    depth: int = 12
    heads: int = 3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_integer(name, value, 1)
        if self.image_size % self.patch:
            raise ValueError(f"patch must divide image_size {self.image_size}, got {self.patch}")
        if self.dim % self.heads:
            raise ValueError(f"heads must divide dim {self.dim}, got {self.heads}")

    def build(self, generator: torch.Generator) -> VisionTransformer:
        """See `neural.models.encoders.EncoderConfig.build`."""
        return VisionTransformer(self, generator=generator)
