"""Digits on photographs: real images with two known features, built without network access.

A digit (scikit-learn, 1,797 handwritten ones) is blended onto a patch of a photograph (scikit-image). The
two views of a pair show the same digit on different patches of the same photograph, so they share exactly
two features: which digit it is, and which photograph. `p_drop` removes the digit from the second view;
`agreement` makes the photograph tell the digit's parity in training and not in the test split.

The photographs and their licences are listed in `CREDITS`; every one of them is inside the installed
packages.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from skimage import data as bundled
from sklearn.datasets import load_digits
from torch import Tensor

from neural.checks import check_fraction, check_integer

PATCH_SIZE = 20
DIGIT_SIZE = 16
SHORT_SIDE = 256
TRAIN_FRACTION = 0.65
COARSE = (0, 1, 0, 2, 3, 4, 4, 1, 2, 3)  # pairs of similar digits: {0, 2} {1, 7} {3, 8} {4, 9} {5, 6}


class Credit(NamedTuple):
    """Origin of a bundled data set: its identifier, what it shows, who made it, and its licence."""

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
        "scikit-image names none; the Middlebury stereo site permits use and publication of its images and "
        "asks for citation",
    ),
    Credit("brick", "brick wall", "CC0Textures, Bricks25", "CC0"),
    Credit("grass", "grass", "linolafett, DeviantArt", "CC0"),
    Credit(
        "digits",
        "optical recognition of handwritten digits (UCI), test part, as in scikit-learn",
        "Alpaydin and Kaynak (1998)",
        "CC BY 4.0 at UCI; scikit-learn names none",
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
    """One half (train or test) of the data: digits, their photographs, and patches of each photograph.

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

    @property
    def labels(self) -> dict[str, Tensor]:
        """Everything that an image can be asked for, each of shape (n,), int64.

        "digit" 0..9; "photo", the index of the photograph; "coarse" 0..4, pairs of similar digits; "parity"
        of the digit; "place", 0 for the first half of the photographs and 1 for the second; "cell", the
        group 2 parity + place.
        """
        parity, place = self.digit % 2, _place(self.photo, len(self.patches))
        return {
            "digit": self.digit,
            "photo": self.photo,
            "coarse": torch.tensor(COARSE, device=self.digit.device)[self.digit],
            "parity": parity,
            "place": place,
            "cell": 2 * parity + place,
        }

    def to(self, device: torch.device | str) -> "Split":
        """Copy with all tensors on `device`."""
        names = ("digits", "digit", "photo", "patches", "background")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def stills(self, index: Tensor | None = None) -> Tensor:
        """Images on their own fixed patch and with their digit: what probes and readers look at.

        Parameters
        ----------
        index : Tensor, shape (B,), optional
            int64 indices into the split; every image once when None.

        Returns
        -------
        Tensor, shape (B, 3, 20, 20)
            (1 - s) patch + s digit, values in [0, 1].
        """
        chosen = slice(None) if index is None else index.to(self.digits.device)
        return self._blend(self.digits[chosen], self.patches[self.photo[chosen], self.background[chosen]])

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
    agreement : float in [0, 1], optional
        Probability that a training image's place (half of `photos`, see `Split.labels`) equals its digit's
        parity; within its place every photograph is equally likely. In the test split, and in both when None,
        photographs are balanced and independent of the digits.
    scale : int in 1..4
        Patch and digit have 20 and 16 times `scale` pixels a side; the photographs keep their size.

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
    agreement: float | None = None
    scale: int = 1
    label_names: ClassVar[tuple[str, ...]] = ("digit", "photo", "coarse", "parity", "place", "cell")

    def __post_init__(self) -> None:
        for name in ("strength", "p_drop", "agreement"):
            if getattr(self, name) is not None:
                check_fraction(name, getattr(self, name))
        unknown = sorted(set(self.photos) - set(PHOTOGRAPHS))
        if unknown or len(self.photos) < 2 or len(set(self.photos)) < len(self.photos):
            choices = ", ".join(PHOTOGRAPHS)
            raise ValueError(f"photos must be at least two different names from {choices}, got {self.photos}")
        if not 1 <= self.train_size <= 1796:
            raise ValueError(f"train_size must be in [1, 1796], got {self.train_size}")
        check_integer("patches", self.patches, 2)
        if self.scale not in (1, 2, 3, 4):
            raise ValueError(f"scale must be in 1..4, got {self.scale}")

    def build(self, rng: np.random.Generator) -> tuple[Split, Split]:
        """Draw the split, the patches and the photograph of each digit.

        The draws do not depend on `strength` and `p_drop`, so data sets that differ in these alone are
        paired by seed. Those that differ in `agreement` alone share digits, patches and test split, and the
        images that agree at a smaller agreement also do at a larger one.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of every draw.

        Returns
        -------
        train, test : Split
            `train_size` and 1,797 - `train_size` images.
        """
        digits, labels = _enlarged_digits(self.scale)
        order = torch.from_numpy(rng.permutation(len(digits)))
        chosen, rest = order[: self.train_size], order[self.train_size :]
        train = self._split(digits[chosen], labels[chosen], (0.0, TRAIN_FRACTION), rng)
        test = self._split(digits[rest], labels[rest], (TRAIN_FRACTION, 1.0), rng)
        if self.agreement is not None:
            train = replace(train, photo=_agreeing(train.digit, len(self.photos), self.agreement, rng))
        return train, test

    def _split(
        self, digits: Tensor, labels: Tensor, part: tuple[float, float], rng: np.random.Generator
    ) -> Split:
        n = len(digits)
        return Split(
            digits=digits,
            digit=labels,
            photo=torch.from_numpy(rng.permutation(np.arange(n) % len(self.photos))),
            patches=torch.stack(
                [
                    _cut(photograph(name), part, self.patches, PATCH_SIZE * self.scale, rng)
                    for name in self.photos
                ]
            ),
            background=torch.from_numpy(rng.integers(self.patches, size=n)),
            strength=self.strength,
            p_drop=self.p_drop,
        )


def _place(photo: Tensor, photos: int) -> Tensor:
    """Half of the photographs that each one belongs to: 0 or 1. For an odd number the first half is larger."""
    return (photo >= (photos + 1) // 2).long()


def _agreeing(digit: Tensor, photos: int, agreement: float, rng: np.random.Generator) -> Tensor:
    """Draw photographs whose place is the digit's parity with probability `agreement`."""
    first, parity = (photos + 1) // 2, digit.numpy() % 2
    place = np.where(rng.random(len(parity)) < agreement, parity, 1 - parity)
    return torch.from_numpy(first * place + rng.integers(np.where(place, photos - first, first)))


def _enlarged_digits(scale: int) -> tuple[Tensor, Tensor]:
    raw = load_digits()
    small = torch.tensor(raw.images, dtype=torch.float32)[:, None] / 16
    large = F.interpolate(small, size=(DIGIT_SIZE * scale,) * 2, mode="bilinear")[:, 0]
    margin = (PATCH_SIZE - DIGIT_SIZE) * scale // 2
    return F.pad(large, (margin,) * 4), torch.tensor(raw.target, dtype=torch.int64)


def _cut(photo: Tensor, part: tuple[float, float], count: int, size: int, rng: np.random.Generator) -> Tensor:
    """Cut `count` patches whose columns lie within the given part of the photograph's width."""
    height, width = photo.shape[1:]
    left, right = ceil(part[0] * width), floor(part[1] * width)
    rows = rng.integers(height - size + 1, size=count)
    columns = rng.integers(left, right - size + 1, size=count)
    corners = zip(rows, columns, strict=True)
    return torch.stack([photo[:, r : r + size, c : c + size] for r, c in corners])
