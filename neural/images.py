"""Digits on photographs: real images with two known features, built without network access.

A digit (scikit-learn, 1,797 handwritten ones) is blended onto a patch of a photograph (scikit-image). The
two views of a pair show the same digit on different patches of the same photograph, so they share exactly
two features: which digit it is, and which photograph. `p_drop` removes the digit from the second view.

The photographs and their licences are listed in `CREDITS`; every one of them is inside the installed
packages.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from skimage import data as bundled
from sklearn.datasets import load_digits
from torch import Tensor

PATCH_SIZE = 20
DIGIT_SIZE = 16
SHORT_SIDE = 256
TRAIN_FRACTION = 0.65


class Credit(NamedTuple):
    """Where a bundled data set comes from: identifier, what it shows, who made it, under which terms."""

    name: str
    subject: str
    author: str
    licence: str


_NASA = "public domain (no known copyright restrictions)"
CREDITS = (
    Credit("astronaut", "Eileen Collins", "NASA, Great Images", _NASA),
    Credit("chelsea", "Chelsea the cat", "Stefan van der Walt", "CC0"),
    Credit("coffee", "coffee cup, Pikolo Espresso Bar", "Rachel Michetti", "CC0"),
    Credit("rocket", "launch of DSCOVR on Falcon 9", "SpaceX", "public domain"),
    Credit(
        "immunohistochemistry",
        "stained colonic glands",
        "Center for Microscopy and Molecular Imaging",
        "public domain (no known copyright restrictions)",
    ),
    Credit("retina", "fundus photograph of a left eye", "Mikael Haggstrom, Wikimedia Commons", "CC0"),
    Credit("hubble_deep_field", "Hubble eXtreme Deep Field", "NASA, HubbleSite", "public domain"),
    Credit(
        "stereo_motorcycle",
        "left image of the motorcycle pair, Middlebury 2014 stereo benchmark",
        "Scharstein, Hirschmueller, Kitajima, Krathwohl, Nesic, Wang, Westling (GCPR 2014)",
        "citation requested",
    ),
    Credit("brick", "brick wall", "CC0Textures, Bricks25", "CC0"),
    Credit("grass", "grass", "linolafett, DeviantArt", "CC0"),
    Credit(
        "digits",
        "optical recognition of handwritten digits (UCI), test part, as in scikit-learn",
        "Alpaydin and Kaynak (1998)",
        "CC BY 4.0",
    ),
)
PHOTOGRAPHS = tuple(credit.name for credit in CREDITS if credit.name != "digits")


@lru_cache(maxsize=len(PHOTOGRAPHS))
def photograph(name: str) -> Tensor:
    """Photograph scaled to a short side of 256 pixels.

    Parameters
    ----------
    name : str
        One of `PHOTOGRAPHS`.

    Returns
    -------
    Tensor, shape (3, height, width)
        float32 values in [0, 1]; a grey photograph has three equal channels. Shared between calls: do not
        modify.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"photo must be one of {', '.join(PHOTOGRAPHS)}, got {name!r}")
    raw = getattr(bundled, name)()
    pixels = torch.tensor(raw[0] if isinstance(raw, tuple) else raw).float() / 255
    colour = pixels.permute(2, 0, 1) if pixels.ndim == 3 else pixels.expand(3, -1, -1)
    scale = SHORT_SIDE / min(colour.shape[1:])
    size = [round(side * scale) for side in colour.shape[1:]]
    return F.interpolate(colour[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


@dataclass(frozen=True)
class Split:
    """One half (train or test) of the data: digits, their photographs, and a pool of patches of each
    photograph.

    Attributes
    ----------
    digits : Tensor, shape (n, 20, 20)
        Digit strokes in [0, 1], 16 x 16 in the centre of a black patch.
    digit, photo : Tensor, shape (n,)
        int64 labels: the digit 0..9, and the index of the photograph it is shown on.
    patches : Tensor, shape (n_photos, n_patches, 3, 20, 20)
        Patches of each photograph, values in [0, 1].
    background : Tensor, shape (n,)
        Index of the patch that `stills` uses.
    strength : float
        Blending weight s of the digit.
    p_drop : float
        Probability that the second view of a pair lacks the digit.
    """

    digits: Tensor
    digit: Tensor
    photo: Tensor
    patches: Tensor
    background: Tensor
    strength: float
    p_drop: float

    def __len__(self) -> int:
        return len(self.digits)

    def to(self, device: torch.device | str) -> "Split":
        """Copy with all tensors on `device`."""
        names = ("digits", "digit", "photo", "patches", "background")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def stills(self) -> Tensor:
        """Every image once, on its own fixed patch and with its digit: what probes and readers look at.

        Returns
        -------
        Tensor, shape (n, 3, 20, 20)
            (1 - s) patch + s digit, values in [0, 1].
        """
        return self._blend(self.digits, self.patches[self.photo, self.background])

    def pairs(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a positive pair of images for each index; the second loses its digit with probability
        `p_drop`.

        The number of draws does not depend on `strength` or `p_drop`: the same generator gives the same
        patches for all of them, and the digits lost at a smaller `p_drop` are among those lost at a larger
        one.

        Parameters
        ----------
        index : Tensor, shape (B,)
            int64 indices into the split, on the CPU.
        generator : torch.Generator
            CPU generator.

        Returns
        -------
        first, second : Tensor, shape (B, 3, 20, 20)
            (1 - s) patch + s digit on two different patches of the same photograph, values in [0, 1].
        """
        device, pool = self.digits.device, self.patches.shape[1]
        one = torch.randint(pool, index.shape, generator=generator)
        other = (one + torch.randint(1, pool, index.shape, generator=generator)) % pool
        kept = torch.rand(index.shape, generator=generator) >= self.p_drop
        index, one, other, kept = (drawn.to(device) for drawn in (index, one, other, kept))
        digits, photo = self.digits[index], self.photo[index]
        first = self._blend(digits, self.patches[photo, one])
        return first, self._blend(digits * kept[:, None, None], self.patches[photo, other])

    def _blend(self, digits: Tensor, patches: Tensor) -> Tensor:
        return (1 - self.strength) * patches + self.strength * digits[:, None]


@dataclass(frozen=True)
class DigitsOnPhotographs:
    """Recipe of the data set.

    An image is x = (1 - s) patch + s digit on a 20 x 20 patch of a photograph, digit enlarged from 8 x 8 to
    16 x 16 and centred; a dropped digit leaves (1 - s) patch, so that brightness does not tell. Train and
    test digits are disjoint; train patches lie in the left 65% of each photograph and test patches in the
    right 35%. Source: "reconstructed" (a small stand-in for MNIST on CIFAR-10 in Xue et al., ICLR 2024,
    Figure 3a).

    Attributes
    ----------
    strength : float in [0, 1]
        Blending weight s of the digit, unitless.
    p_drop : float in [0, 1]
        Probability that the digit is missing from the second view of a pair.
    photos : tuple of str
        At least two different names from `PHOTOGRAPHS`; their order gives the photo labels.
    train_size : int
        Number of training digits; the rest of the 1,797 are test digits.
    patches : int >= 2
        Patches kept per photograph and split.

    Raises
    ------
    ValueError
        When a field is out of range.
    """

    strength: float = 0.5
    p_drop: float = 0.0
    photos: tuple[str, ...] = PHOTOGRAPHS
    train_size: int = 1200
    patches: int = 150

    def __post_init__(self) -> None:
        for name in ("strength", "p_drop"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        unknown = sorted(set(self.photos) - set(PHOTOGRAPHS))
        if unknown or len(self.photos) < 2 or len(set(self.photos)) < len(self.photos):
            choices = ", ".join(PHOTOGRAPHS)
            raise ValueError(f"photos must be at least two different names from {choices}, got {self.photos}")
        if not 1 <= self.train_size <= 1796:
            raise ValueError(f"train_size must be in [1, 1796], got {self.train_size}")
        if self.patches < 2:
            raise ValueError(f"patches must be >= 2, got {self.patches}")

    def build(self, rng: np.random.Generator) -> tuple[Split, Split]:
        """Draw the split, the patches and the photograph of each digit.

        The draws do not depend on `strength` and `p_drop`, so data sets that differ in these alone are
        paired by seed.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of every draw.

        Returns
        -------
        train, test : Split
            `train_size` and 1,797 - `train_size` images.
        """
        digits, labels = _enlarged_digits()
        order = torch.from_numpy(rng.permutation(len(digits)))
        train, test = order[: self.train_size], order[self.train_size :]
        return (
            self._split(digits[train], labels[train], (0.0, TRAIN_FRACTION), rng),
            self._split(digits[test], labels[test], (TRAIN_FRACTION, 1.0), rng),
        )

    def _split(
        self, digits: Tensor, labels: Tensor, part: tuple[float, float], rng: np.random.Generator
    ) -> Split:
        n = len(digits)
        return Split(
            digits=digits,
            digit=labels,
            photo=torch.from_numpy(rng.permutation(np.arange(n) % len(self.photos))),
            patches=torch.stack([_cut(photograph(name), part, self.patches, rng) for name in self.photos]),
            background=torch.from_numpy(rng.integers(self.patches, size=n)),
            strength=self.strength,
            p_drop=self.p_drop,
        )


def _enlarged_digits() -> tuple[Tensor, Tensor]:
    raw = load_digits()
    small = torch.tensor(raw.images, dtype=torch.float32)[:, None] / 16
    large = F.interpolate(small, size=(DIGIT_SIZE, DIGIT_SIZE), mode="bilinear")[:, 0]
    margin = (PATCH_SIZE - DIGIT_SIZE) // 2
    return F.pad(large, (margin,) * 4), torch.tensor(raw.target, dtype=torch.int64)


def _cut(photo: Tensor, part: tuple[float, float], count: int, rng: np.random.Generator) -> Tensor:
    """Cut `count` patches whose columns lie within the given part of the photograph's width."""
    height, width = photo.shape[1:]
    left, right = ceil(part[0] * width), floor(part[1] * width)
    rows = rng.integers(height - PATCH_SIZE + 1, size=count)
    columns = rng.integers(left, right - PATCH_SIZE + 1, size=count)
    corners = zip(rows, columns, strict=True)
    return torch.stack([photo[:, r : r + PATCH_SIZE, c : c + PATCH_SIZE] for r, c in corners])
