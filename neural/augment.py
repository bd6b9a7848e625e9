"""Batched random views of images: crop, colour and grey, driven by one explicit generator."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_grayscale
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """Random crop, then brightness, contrast and saturation, then grey; one draw per image.

    All random parameters are drawn here, on the CPU, and handed to kornia's deterministic functions: the
    global random state is neither read nor changed, and the views are the same on every device.

    Attributes
    ----------
    size : int
        Side of the output, pixels.
    side : tuple of float
        Smallest and largest side of the square crop as a fraction of the image side, in (0, 1].
    colour : float in [0, 1)
        Each colour factor is uniform in [1 - colour, 1 + colour].
    grey : float in [0, 1]
        Probability of turning an image grey.

    Raises
    ------
    ValueError
        When a field is out of range.
    """

    size: int = 16
    side: tuple[float, float] = (0.7, 0.9)
    colour: float = 0.4
    grey: float = 0.2

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be >= 1, got {self.size}")
        if not 0 < self.side[0] <= self.side[1] <= 1:
            raise ValueError(f"side must satisfy 0 < low <= high <= 1, got {self.side}")
        if not 0 <= self.colour < 1:
            raise ValueError(f"colour must be in [0, 1), got {self.colour}")
        if not 0 <= self.grey <= 1:
            raise ValueError(f"grey must be in [0, 1], got {self.grey}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one view of each image.

        Parameters
        ----------
        images : Tensor, shape (B, 3, height, width)
            Values in [0, 1].
        generator : torch.Generator
            CPU generator; 7 numbers are drawn per image.

        Returns
        -------
        Tensor, shape (B, 3, size, size)
            Values in [0, 1].
        """
        _check_images(images)
        u = torch.rand(7, len(images), generator=generator).to(images.device)
        side = self.side[0] + (self.side[1] - self.side[0]) * u[0]
        view = crop(images, side, 2 * u[1:3].T - 1, self.size)
        brightness, contrast, saturation = 1 + self.colour * (2 * u[3:6] - 1)
        view = adjust_brightness_accumulative(view, brightness)
        view = adjust_contrast_with_mean_subtraction(view, contrast)
        view = adjust_saturation_with_gray_subtraction(view, saturation)
        return torch.where((u[6] < self.grey)[:, None, None, None], rgb_to_grayscale(view), view)


def crop(images: Tensor, side: Tensor, shift: Tensor, size: int) -> Tensor:
    """Square crops resized by bilinear interpolation.

    Parameters
    ----------
    images : Tensor, shape (B, C, height, width)
    side : Tensor, shape (B,)
        Side of the crop as a fraction of the image side, in (0, 1].
    shift : Tensor, shape (B, 2)
        Horizontal and vertical position in [-1, 1]: -1 left or top edge, 0 centre, 1 right or bottom edge.
    size : int
        Side of the output, pixels.

    Returns
    -------
    Tensor, shape (B, C, size, size)
    """
    affine = torch.diag_embed(side[:, None].expand(-1, 2))
    affine = torch.cat([affine, (shift * (1 - side)[:, None])[:, :, None]], dim=2)
    grid = F.affine_grid(affine, [len(images), images.shape[1], size, size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def centre_crop(images: Tensor, size: int = 16) -> Tensor:
    """Test view: the central `size` x `size` pixels, unchanged.

    Parameters
    ----------
    images : Tensor, shape (B, 3, height, width)
    size : int
        Side of the crop, pixels; height - size and width - size must be even and not negative.

    Returns
    -------
    Tensor, shape (B, 3, size, size)
    """
    _check_images(images)
    top, left = ((side - size) / 2 for side in images.shape[2:])
    if min(top, left) < 0 or top % 1 or left % 1:
        raise ValueError(f"size must leave an equal margin in {tuple(images.shape[2:])} pixels, got {size}")
    return images[:, :, int(top) : int(top) + size, int(left) : int(left) + size]


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have shape (B, 3, height, width), got {tuple(images.shape)}")
