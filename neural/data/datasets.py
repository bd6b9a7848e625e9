"""Image data sets of the user, read from the official files on disk or through Hugging Face `datasets`.

Every recipe is frozen, is built by `build(rng)` into a training and a test split (`neural.data.digits.ImageSplit`)
and names its labels in `label_names`. Nothing is ever downloaded: a missing file is an error that says where
to get it. Labels below 0 mean "not labelled".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neural.data.digits import DigitsOnPhotographs
from neural.data.files import (
    Source,
    check_labels,
    folder,
    pictures_in,
    pixels,
    read_cifar,
    read_csv,
    read_idx,
    read_pictures,
    read_stl10,
    read_stl10_labels,
    read_table,
)

if TYPE_CHECKING:
    import datasets

_CIFAR10 = Source("get CIFAR-10 (python version) from https://www.cs.toronto.edu/~kriz/cifar.html")
_CIFAR100 = Source("get CIFAR-100 (python version) from https://www.cs.toronto.edu/~kriz/cifar.html")
_MNIST = Source(
    "get the four idx files of MNIST from http://yann.lecun.com/exdb/mnist or "
    "https://ossci-datasets.s3.amazonaws.com/mnist"
)
_STL10 = Source("get STL-10 (binary files) from https://cs.stanford.edu/~acoates/stl10")
_TINY = Source("get TinyImageNet from http://cs231n.stanford.edu/tiny-imagenet-200.zip")
_FOLDER = Source("put the pictures into root/train/CLASS and root/test/CLASS, or list them in a table")
_TABLE = Source(
    "write a table with the columns file (relative to root), split (train or test), label and group"
)
_HUB = Source(
    "save the data there on a machine with network, "
    "datasets.load_dataset(NAME).save_to_disk(PATH), or put its parquet files there"
)


@dataclass(frozen=True)
class Images:
    """One half (train or test) of a data set of independent images.

    Attributes
    ----------
    images : Tensor, shape (n, 3, height, width)
        uint8; a batch becomes float32 in [0, 1] when it is asked for.
    labels : dict of Tensor, shape (n,)
        int64, by name.
    """

    images: Tensor
    labels: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Images":
        """Copy with all tensors on `device`."""
        labels = {name: values.to(device) for name, values in self.labels.items()}
        return replace(self, images=self.images.to(device), labels=labels)

    def stills(self, index: Tensor | None = None) -> Tensor:
        """Images (B, 3, height, width) as float32 in [0, 1]; all of them when `index` is None."""
        return _as_float(self.images if index is None else self.images[index.to(self.images.device)])

    def pairs(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positive pairs before augmentation: the same image twice; nothing is drawn."""
        images = self.stills(index)
        return images, images


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
            (at / "train" / name / "images" / row[0], name)
            for name in names
            for row in read_table(at / "train" / name / f"{name}_boxes.txt", _TINY)
        ]
        annotations = at / "val" / "val_annotations.txt"
        test = [(at / "val" / "images" / row[0], row[1]) for row in read_table(annotations, _TINY)]
        return _tiny(train, names, annotations), _tiny(test, names, annotations)


@dataclass(frozen=True)
class ImageFolder:
    """Pictures of the user in folders of classes, or listed in a table.

    Without a table the pictures are `root/train/CLASS/*` and `root/test/CLASS/*`, and the label is "class";
    with a table the labels are "class" and "group". Both are counted from 0 in the alphabetical order of
    their names.

    Attributes
    ----------
    root : str
        Folder of the pictures.
    size : int
        Side of the images, pixels: pictures are cut to their centre square and resized.
    metadata : str, optional
        csv table with the columns file (relative to `root`), split (train or test), label and group.

    Raises
    ------
    ValueError
        When `size` is not positive.
    """

    root: str
    size: int = 64
    metadata: str | None = None

    def __post_init__(self) -> None:
        _check_size(self.size)

    @property
    def label_names(self) -> tuple[str, ...]:
        """("class",), and "group" where there is a table."""
        return ("class",) if self.metadata is None else ("class", "group")

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        FileNotFoundError, ValueError
            When a picture is missing or damaged, or a class or group of the test split is not in the
            training split.
        """
        found = self._listed() if self.metadata is None else self._tabled()
        names = [sorted(set(column)) for column in zip(*(row[1:] for row in found["train"]), strict=True)]
        train, test = (self._split(found[split], names) for split in ("train", "test"))
        return train, test

    def _listed(self) -> "dict[str, list[_Row]]":
        found = {}
        for split in ("train", "test"):
            at = Path(self.root) / split
            classes = sorted(inside for inside in at.glob("*") if inside.is_dir())
            if not classes:
                raise _FOLDER.missing(at / "CLASS")
            found[split] = [(file, one.name) for one in classes for file in pictures_in(one, _FOLDER)]
        return found

    def _tabled(self) -> "dict[str, list[_Row]]":
        table, found = Path(self.metadata), {"train": [], "test": []}
        for row in read_csv(table, ("file", "split", "label", "group"), _TABLE):
            if row["split"] not in found:
                raise _TABLE.damaged(table, f"split {row['split']!r}")
            found[row["split"]].append((Path(self.root) / row["file"], row["label"], row["group"]))
        for split, rows in found.items():
            if not rows:
                raise _TABLE.damaged(table, f"no row of split {split}")
        return found

    def _split(self, rows: "list[_Row]", names: list[list[str]]) -> Images:
        source = _TABLE if self.metadata else _FOLDER
        files, *columns = zip(*rows, strict=True)
        labels = {
            label: _counted(column, known, Path(self.metadata or self.root), source)
            for label, column, known in zip(self.label_names, columns, names, strict=True)
        }
        return Images(read_pictures(files, self.size, source), labels)


_Row = tuple[Path, str] | tuple[Path, str, str]  # file, class and, from a table, group


@dataclass(frozen=True)
class HuggingFace:
    """Data set in the format of Hugging Face `datasets`, on this machine; never downloaded.

    Attributes
    ----------
    path : str
        Folder written by `save_to_disk`, or a folder of parquet files or pictures that
        `datasets.load_dataset` reads.
    name : str, optional
        Configuration of a folder that has several.
    image : str
        Column of the pictures.
    labels : tuple of str
        Columns of integer labels; they are the label names.
    size : int
        Side of the images, pixels: pictures are cut to their centre square and resized.
    splits : (str, str)
        Names of the training and the test split.

    Raises
    ------
    ValueError
        When `size` is not positive or there is no label.
    """

    path: str
    name: str | None = None
    image: str = "image"
    labels: tuple[str, ...] = ("label",)
    size: int = 32
    splits: tuple[str, str] = ("train", "test")

    def __post_init__(self) -> None:
        _check_size(self.size)
        if not self.labels:
            raise ValueError(f"labels must name at least one column, got {self.labels}")

    @property
    def label_names(self) -> tuple[str, ...]:
        """The columns of labels."""
        return self.labels

    def build(self, rng: np.random.Generator) -> tuple[Images, Images]:
        """Training and test split; nothing is drawn.

        Raises
        ------
        ModuleNotFoundError
            When the package `datasets` is not installed.
        FileNotFoundError, ValueError
            When the folder is missing or lacks a split or column, or a picture is damaged.
        """
        content = self._load()
        if lacking := set(self.splits) - set(content):
            raise ValueError(f"splits must be among {sorted(content)} in {self.path}, got {min(lacking)!r}")
        train, test = (self._split(content[split]) for split in self.splits)
        return train, test

    def _load(self) -> "datasets.DatasetDict":
        at = Path(self.path)
        if not at.is_dir():
            raise _HUB.missing(at)
        try:
            import datasets
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError('HuggingFace needs: pip install "projhead[hf]"') from error
        saved = (at / "dataset_dict.json").exists()
        if saved and self.name is not None:
            raise ValueError(f"name must be None for a folder written by save_to_disk, got {self.name!r}")
        try:
            return datasets.load_from_disk(at) if saved else datasets.load_dataset(str(at), self.name)
        except Exception as error:  # whatever its readers raise on what they find there
            raise _HUB.damaged(at, error) from error

    def _split(self, rows: "datasets.Dataset") -> Images:
        if lacking := {self.image, *self.labels} - set(rows.column_names):
            columns = ", ".join(rows.column_names)
            raise ValueError(f"image and labels must be among {columns} in {self.path}, got {min(lacking)!r}")
        labels = {name: list(rows[name]) for name in self.labels}
        for name, values in labels.items():
            if not all(isinstance(value, int) for value in values):
                raise ValueError(f"labels must be integer columns in {self.path}, got {name!r}")
        images = torch.empty(len(rows), 3, self.size, self.size, dtype=torch.uint8)
        try:
            for image, row in zip(images, rows.select_columns(self.image), strict=True):
                image.copy_(pixels(row[self.image], self.size))
        except (OSError, SyntaxError, AttributeError) as error:
            raise _HUB.damaged(Path(self.path), f"column {self.image}: {error}") from error
        return Images(images, {name: torch.tensor(values) for name, values in labels.items()})


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
        photos = _as_float(self.photos[index])
        digits = F.pad(_as_float(self.digits[index]), (8, 8, 8, 8))[:, None]
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
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

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


def _as_float(images: Tensor) -> Tensor:
    return images.float() / 255


def _check_size(size: int) -> None:
    if size < 1:
        raise ValueError(f"size must be >= 1, got {size}")


def _counted(values: Sequence[str], names: list[str], path: Path, source: Source) -> Tensor:
    """Places of the values in the list of names."""
    places = {name: place for place, name in enumerate(names)}
    if strangers := set(values) - set(places):
        raise source.damaged(
            path, f"{min(strangers)} is not among the {len(names)} names of the training split"
        )
    return torch.tensor([places[value] for value in values])


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
    return Images(read_pictures(files, 64, _TINY), {"class": _counted(classes, names, annotations, _TINY)})


def _mnist(root: str, part: str) -> Images:
    images = read_idx(Path(root) / f"{part}-images-idx3-ubyte", 3, _MNIST)
    at = Path(root) / f"{part}-labels-idx1-ubyte"
    labels = read_idx(at, 1, _MNIST).long()
    check_labels(labels, len(images), 10, at, _MNIST)
    return Images(images[:, None].expand(-1, 3, -1, -1), {"digit": labels})
