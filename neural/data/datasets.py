"""Public image data sets, read from their official files on disk, and the names of all data sets.

Every recipe is frozen, is built by `build(rng)` into a training and a test half (`neural.data.images.ImageSplit`)
and names its labels in `label_names`. Nothing is ever downloaded: a missing file is an error that says where
to get it. Labels below 0 mean "not labelled".
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neural.checks import check_fraction
from neural.data.digits import DigitsOnPhotographs
from neural.data.files import (
    Source,
    folder,
    read_cifar,
    read_idx,
    read_pictures,
    read_stl10,
    read_stl10_labels,
    read_table,
)
from neural.data.folders import HuggingFace, ImageFolder, number_names
from neural.data.images import Images, as_float

_CIFAR10 = Source("get CIFAR-10 (python version) from https://www.cs.toronto.edu/~kriz/cifar.html")
_CIFAR100 = Source("get CIFAR-100 (python version) from https://www.cs.toronto.edu/~kriz/cifar.html")
_MNIST = Source(
    "get the four idx files of MNIST from http://yann.lecun.com/exdb/mnist or "
    "https://ossci-datasets.s3.amazonaws.com/mnist"
)
_STL10 = Source("get STL-10 (binary files) from https://cs.stanford.edu/~acoates/stl10")
_TINY = Source("get TinyImageNet from http://cs231n.stanford.edu/tiny-imagenet-200.zip")


@dataclass(frozen=True)
class CIFAR10:
    """CIFAR-10 from its python version: 50,000 + 10,000 images of 32 x 32 pixels, label "class" 0..9.

    Attributes
    ----------
    root : str
        Folder that holds `cifar-10-batches-py`, or that folder.
    """

    root: str
    label_names: ClassVar[tuple[str, ...]] = ("class",)

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        at = folder(self.root, "cifar-10-batches-py", _CIFAR10)
        batches = [_cifar10(at / f"data_batch_{number}") for number in range(1, 6)]
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        test_images, test_labels = _cifar10(at / "test_batch")
        return Images(images, {"class": labels}), Images(test_images, {"class": test_labels})


@dataclass(frozen=True)
class CIFAR100:
    """CIFAR-100 from its python version: 50,000 + 10,000 images of 32 x 32 pixels.

    Labels: "fine" 0..99, and "coarse" 0..19, the superclass of five fine classes.

    Attributes
    ----------
    root : str
        Folder that holds `cifar-100-python`, or that folder.
    """

    root: str
    label_names: ClassVar[tuple[str, ...]] = ("fine", "coarse")

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        at = folder(self.root, "cifar-100-python", _CIFAR100)
        return _cifar100(at / "train"), _cifar100(at / "test")


@dataclass(frozen=True)
class MNIST:
    """MNIST from its idx files: 60,000 + 10,000 images of 28 x 28 pixels, label "digit" 0..9.

    Attributes
    ----------
    root : str
        Folder of the four files, compressed or not.
    """

    root: str
    label_names: ClassVar[tuple[str, ...]] = ("digit",)

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split, three equal channels; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        return _mnist(self.root, "train"), _mnist(self.root, "t10k")


@dataclass(frozen=True)
class STL10:
    """STL-10 from its binary files: 5,000 + 8,000 images of 96 x 96 pixels, label "class" 0..9.

    Attributes
    ----------
    root : str
        Folder that holds `stl10_binary`, or that folder.
    unlabelled : bool
        Whether the 100,000 unlabelled images (2.8 GB) follow the labelled ones in the training split, with
        label -1.
    """

    root: str
    unlabelled: bool = False
    label_names: ClassVar[tuple[str, ...]] = ("class",)

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        at = folder(self.root, "stl10_binary", _STL10)
        files = [at / "train_X.bin"] + [at / "unlabeled_X.bin"] * self.unlabelled
        images, test = read_stl10(files, _STL10), read_stl10([at / "test_X.bin"], _STL10)
        labelled = files[0].stat().st_size // images[0].numel()
        labels = torch.full((len(images),), -1)
        labels[:labelled] = read_stl10_labels(at / "train_y.bin", labelled, _STL10)
        test_labels = read_stl10_labels(at / "test_y.bin", len(test), _STL10)
        return Images(images, {"class": labels}), Images(test, {"class": test_labels})


@dataclass(frozen=True)
class TinyImageNet:
    """TinyImageNet from its own folders: 100,000 training images of 64 x 64 pixels, label "class" 0..199.

    The test split is the official validation part (10,000 images); the official test part has no labels.
    Both need 1.35 GB.

    Attributes
    ----------
    root : str
        Folder that holds `tiny-imagenet-200`, or that folder. Classes are counted as in its `wnids.txt`.
    """

    root: str
    label_names: ClassVar[tuple[str, ...]] = ("class",)

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        at = folder(self.root, "tiny-imagenet-200", _TINY)
        names = [row[0] for row in read_table(at / "wnids.txt", _TINY)]
        train = [
            (_TINY.inside(at / "train" / name / "images", row[0]), name)
            for name in names
            for row in read_table(_TINY.inside(at / "train", name) / f"{name}_boxes.txt", _TINY)
        ]
        annotations = at / "val" / "val_annotations.txt"
        test = [
            (_TINY.inside(at / "val" / "images", row[0]), row[1]) for row in read_table(annotations, _TINY)
        ]
        return _tiny(train, names, annotations), _tiny(test, names, annotations)


@dataclass(frozen=True)
class DigitsOnImages:
    """One half (train or test) of MNIST on CIFAR-10.

    Attributes
    ----------
    photos : Tensor, shape (n, 3, 32, 32)
        uint8.
    digits : Tensor, shape (n, 16, 16)
        uint8; shown in the centre of the photo.
    labels : dict of Tensor, shape (n,)
        int64: "digit" 0..9, and "photo", the photo's class 0..9.
    strength, p_drop : float
        As in `MnistOnCifar10`.
    """

    photos: Tensor
    digits: Tensor
    labels: dict[str, Tensor]
    strength: float
    p_drop: float

    def __len__(self) -> int:
        return len(self.photos)

    def to(self, device: torch.device | str) -> "DigitsOnImages":
        """Copy with all tensors on `device`."""
        labels = {name: values.to(device) for name, values in self.labels.items()}
        return replace(self, photos=self.photos.to(device), digits=self.digits.to(device), labels=labels)

    def stills(self, index: Tensor | None = None) -> Tensor:
        """Images (B, 3, 32, 32) with their digits, float32 in [0, 1]; all of them when `index` is None."""
        index = torch.arange(len(self)) if index is None else index
        return self._blend(index, torch.ones(len(index), dtype=torch.bool))

    def pairs(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The image twice; the second loses its digit with probability `p_drop`.

        One number is drawn per image whatever `p_drop`: the digits lost at a smaller one are among those
        lost at a larger one.
        """
        kept = torch.rand(len(index), generator=generator) >= self.p_drop
        return self.stills(index), self._blend(index, kept)

    def _blend(self, index: Tensor, kept: Tensor) -> Tensor:
        index, kept = index.to(self.photos.device), kept.to(self.photos.device)
        photos = as_float(self.photos[index])
        digits = F.pad(as_float(self.digits[index]), (8, 8, 8, 8))[:, None]
        shown = (digits > 0) & kept[:, None, None, None]
        return torch.where(shown, (1 - self.strength) * photos + self.strength * digits, photos)


@dataclass(frozen=True)
class MnistOnCifar10:
    """MNIST digits on CIFAR-10 photos (Xue et al., ICLR 2024, Figure 3), 50,000 + 10,000 images.

    A digit, resized to 16 x 16, lies in the centre of a photo: x = (1 - s) photo + s digit on the digit's
    pixels, where it is not black, and x = photo elsewhere. Labels "digit" and "photo".

    Attributes
    ----------
    cifar_root, mnist_root : str
        As in `CIFAR10` and `MNIST`.
    strength : float in [0, 1]
        Blending weight s of the digit.
    p_drop : float in [0, 1]
        Probability that the digit is missing from the second view of a pair.

    Raises
    ------
    ValueError
        When a field is out of range.

    Notes
    -----
    Source: "paper" for p_drop, "reconstructed" for the blending.
    """

    cifar_root: str
    mnist_root: str
    strength: float = 0.5
    p_drop: float = 0.0
    label_names: ClassVar[tuple[str, ...]] = ("digit", "photo")

    def __post_init__(self) -> None:
        for name in ("strength", "p_drop"):
            check_fraction(name, getattr(self, name))

    def build(self, rng: np.random.Generator) -> tuple[DigitsOnImages, DigitsOnImages]:
        """Draw a different digit for each photo, training digits for training photos.

        The draws do not depend on `strength` and `p_drop`.

        Raises
        ------
        FileNotFoundError, ValueError
            When a file is missing, truncated or mislabelled.
        """
        photos, digits = CIFAR10(self.cifar_root).build(rng), MNIST(self.mnist_root).build(rng)
        train, test = (self._split(*halves, rng) for halves in zip(photos, digits, strict=True))
        return train, test

    def _split(self, photos: Images, digits: Images, rng: np.random.Generator) -> DigitsOnImages:
        n = min(len(photos), len(digits))
        chosen = torch.from_numpy(rng.permutation(len(digits))[:n])
        grey = digits.images[chosen, :1].float()
        small = F.interpolate(grey, size=(16, 16), mode="bilinear", antialias=True)[:, 0]
        return DigitsOnImages(
            photos=photos.images[:n],
            digits=small.round().clamp(0, 255).to(torch.uint8),
            labels={"digit": digits.labels["digit"][chosen], "photo": photos.labels["class"][:n]},
            strength=self.strength,
            p_drop=self.p_drop,
        )


DATASETS: dict[str, type] = {
    "digits": DigitsOnPhotographs,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "mnist": MNIST,
    "stl10": STL10,
    "tiny-imagenet": TinyImageNet,
    "folder": ImageFolder,
    "huggingface": HuggingFace,
    "mnist-on-cifar10": MnistOnCifar10,
}
"""Recipes by the names that the command line uses."""


def _cifar10(path: Path) -> tuple[Tensor, Tensor]:
    images, labels = read_cifar(path, {"labels": 10}, _CIFAR10)
    return images, labels["labels"]


def _cifar100(path: Path) -> Images:
    images, labels = read_cifar(path, {"fine_labels": 100, "coarse_labels": 20}, _CIFAR100)
    fine, coarse = labels["fine_labels"], labels["coarse_labels"]
    if len((100 * coarse + fine).unique()) != len(fine.unique()):
        raise _CIFAR100.damaged(path, "one fine class in two superclasses")
    return Images(images, {"fine": fine, "coarse": coarse})


def _tiny(rows: list[tuple[Path, str]], names: list[str], annotations: Path) -> Images:
    files, classes = zip(*rows, strict=True)
    return Images(
        read_pictures(files, 64, _TINY), {"class": number_names(classes, names, annotations, _TINY)}
    )


def _mnist(root: str, part: str) -> Images:
    images = read_idx(Path(root) / f"{part}-images-idx3-ubyte", 3, _MNIST)
    at = Path(root) / f"{part}-labels-idx1-ubyte"
    labels = read_idx(at, 1, _MNIST).long()
    _MNIST.require_labels(labels, len(images), 10, at)
    return Images(images[:, None].expand(-1, 3, -1, -1), {"digit": labels})
