"""Random views of batches of images: crop, flip, colour, grey and blur, all drawn from one explicit generator."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_grayscale
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_hue,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from torch import Tensor

from neural.checks import check_below_one, check_fraction, check_integer


@dataclass(frozen=True)
class Augment:
    """Recipe of random views: crop, flip, brightness, contrast, saturation, hue, grey and blur, in this order.

    All random parameters are drawn here, for each image and on the CPU, and given to kornia's deterministic functions.
    Therefore the global random state is neither read nor changed, and the views are the same on every device.

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
    by_area : bool
        Whether the area of the crop is uniform between the squares of `side`, instead of its side.
    aspect : float >= 1
        Width over height of the crop is log-uniform in [1 / aspect, aspect]; a side that would leave the
        image is cut to it.
    flip : float in [0, 1]
        Probability of a horizontal flip.
    hue : float in [0, 0.5]
        Hue is turned by a part of the colour circle that is uniform in [-hue, hue].
    jitter : float in [0, 1]
        Probability that colour and hue change at all.
    blur : float in [0, 1]
        Probability of a Gaussian blur over about a tenth of the view's side, with a standard deviation
        uniform in [0.1, 2] pixels.
    centre : float in (0, 1]
        Side of the test view as a fraction of the image side.

    Raises
    ------
    ValueError
        When a field is out of range.
    """

    size: int = 16
    side: tuple[float, float] = (0.7, 0.9)
    colour: float = 0.4
    grey: float = 0.2
    by_area: bool = False
    aspect: float = 1.0
    flip: float = 0.0
    hue: float = 0.0
    jitter: float = 1.0
    blur: float = 0.0
    centre: float = 0.8

    def __post_init__(self) -> None:
        check_integer("size", self.size, 1)
        if not 0 < self.side[0] <= self.side[1] <= 1:
            raise ValueError(f"side must satisfy 0 < low <= high <= 1, got {self.side}")
        check_below_one("colour", self.colour)
        for name in ("grey", "flip", "jitter", "blur"):
            check_fraction(name, getattr(self, name))
        if not self.aspect >= 1:
            raise ValueError(f"aspect must be >= 1, got {self.aspect}")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue must be in [0, 0.5], got {self.hue}")
        if not 0 < self.centre <= 1:
            raise ValueError(f"centre must be in (0, 1], got {self.centre}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one view of each image.

        Parameters
        ----------
        images : Tensor, shape (B, 3, height, width)
            Values in [0, 1].
        generator : torch.Generator
            CPU generator. 7 numbers are drawn per image, then one for each of `aspect`, `flip`, `jitter` and
            `hue`, and two for `blur`, unless they have their default values.

        Returns
        -------
        Tensor, shape (B, 3, size, size)
            Values in [0, 1].
        """
        _check_images(images)

        def draw(*shape: int) -> Tensor:
            return torch.rand(*shape, len(images), generator=generator).to(images.device)

        u = draw(7)
        samples = max(1, round(self.side[1] * max(images.shape[2:]) / self.size))
        view = crop(images, self._sides(u[0], draw), 2 * u[1:3].T - 1, self.size, samples)
        if self.flip > 0:
            view = torch.where(_each(draw() < self.flip), view.flip(3), view)
        jittered = (draw() < self.jitter).float() if self.jitter < 1 else 1
        brightness, contrast, saturation = 1 + self.colour * jittered * (2 * u[3:6] - 1)
        view = adjust_brightness_accumulative(view, brightness)
        view = adjust_contrast_with_mean_subtraction(view, contrast)
        view = adjust_saturation_with_gray_subtraction(view, saturation)
        if self.hue > 0:
            view = adjust_hue(view, 2 * pi * self.hue * jittered * (2 * draw() - 1))
        view = torch.where(_each(u[6] < self.grey), rgb_to_grayscale(view), view)
        if self.blur > 0:
            chosen, spread = draw(2)
            sigma = (0.1 + 1.9 * spread)[:, None].expand(-1, 2)
            view = torch.where(
                _each(chosen < self.blur), gaussian_blur2d(view, _kernel(self.size), sigma), view
            )
        return view

    def still(self, images: Tensor) -> Tensor:
        """Test view: the central square of side `centre`, resized where it has not `size` pixels.

        Parameters
        ----------
        images : Tensor, shape (B, 3, height, width)
            Values in [0, 1].

        Returns
        -------
        Tensor, shape (B, 3, size, size)
            Values in [0, 1].
        """
        _check_images(images)
        side = max(1, round(self.centre * min(images.shape[2:])))
        top, left = ((full - side) // 2 for full in images.shape[2:])
        view = images[:, :, top : top + side, left : left + side]
        if side == self.size:
            return view
        return F.interpolate(view, size=(self.size, self.size), mode="bilinear", antialias=True)

    def _sides(self, u: Tensor, draw: Callable[[], Tensor]) -> Tensor:
        """Sides (B,) of square crops, or (B, 2), width and height, of others."""
        low, high = self.side
        side = (low**2 + (high**2 - low**2) * u).sqrt() if self.by_area else low + (high - low) * u
        if self.aspect == 1:
            return side
        stretch = torch.exp(0.5 * log(self.aspect) * (2 * draw() - 1))
        return torch.stack([side * stretch, side / stretch], dim=1).clamp(max=1)


def crop(images: Tensor, side: Tensor, shift: Tensor, size: int, samples: int = 1) -> Tensor:
    """Crops resized by bilinear interpolation, and by averaging where a crop is shrunk.

    Parameters
    ----------
    images : Tensor, shape (B, C, height, width)
    side : Tensor, shape (B,) or (B, 2)
        Side of the crop, or its width and height, as a fraction of the image's, in (0, 1].
    shift : Tensor, shape (B, 2)
        Horizontal and vertical position in [-1, 1]: -1 left or top edge, 0 centre, 1 right or bottom edge.
    size : int
        Side of the output, pixels.
    samples : int >= 1
        A pixel of the output is the mean of samples x samples interpolated values. A crop of `samples` times the
        side of the output needs that many, because single values would miss what lies between them.

    Returns
    -------
    Tensor, shape (B, C, size, size)
    """
    fine = samples * size
    sides = side[:, None].expand(-1, 2) if side.ndim == 1 else side
    affine = torch.cat([torch.diag_embed(sides), (shift * (1 - sides))[:, :, None]], dim=2)
    grid = F.affine_grid(affine, [len(images), images.shape[1], fine, fine], align_corners=False)
    view = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return view if samples == 1 else F.avg_pool2d(view, samples)


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have shape (B, 3, height, width), got {tuple(images.shape)}")


def _each(chosen: Tensor) -> Tensor:
    """Reshape (B,) to (B, 1, 1, 1), so that whole images are chosen."""
    return chosen[:, None, None, None]


def _kernel(size: int) -> int:
    """Odd number of pixels nearest to a tenth of `size`, at least 3."""
    return max(3, 2 * (size // 20) + 1)
