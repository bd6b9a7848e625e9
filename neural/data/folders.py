"""Pictures of the user: folders of classes, a table of pictures, or a data set in Hugging Face's format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from neural.checks import check_integer
from neural.data.files import Source, list_folders, list_pictures, pixels, read_csv, read_pictures
from neural.data.images import Images

if TYPE_CHECKING:
    import datasets

_UNSAFE = {".7z", ".bz2", ".gz", ".pickle", ".pkl", ".pt", ".pth", ".py", ".tar", ".tgz", ".xz", ".zip"}
_FOLDER = Source("put the pictures into root/train/CLASS and root/test/CLASS, or list them in a table")
_TABLE = Source(
    "write a table with the columns file (relative to root), split (train or test), label and group"
)
_HUB = Source(
    "save the data there on a machine with network, "
    "datasets.load_dataset(NAME).save_to_disk(PATH), or put its parquet files there"
)


@dataclass(frozen=True)
class ImageFolder:
    """Pictures of the user in folders of classes, or listed in a table.

    Without a table the pictures are `root/train/CLASS/*` and `root/test/CLASS/*`, and the label is "class"; a warning
    names what is not read there: hidden folders, files that are no pictures, folders inside the folder of a class;
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
        check_integer("size", self.size, 1)

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
        found = self._listed() if self.metadata is None else self._tabled(Path(self.metadata))
        names = [sorted(set(column)) for column in zip(*(row[1:] for row in found["train"]), strict=True)]
        train, test = (self._split(found[split], names) for split in ("train", "test"))
        return train, test

    def _listed(self) -> "dict[str, list[_Row]]":
        found: dict[str, list[_Row]] = {}
        for split in ("train", "test"):
            at = Path(self.root) / split
            classes = list_folders(at)
            if not classes:
                raise _FOLDER.missing(at / "CLASS")
            found[split] = [(file, one.name) for one in classes for file in list_pictures(one, _FOLDER)]
        return found

    def _tabled(self, table: Path) -> "dict[str, list[_Row]]":
        found: dict[str, list[_Row]] = {"train": [], "test": []}
        for row in read_csv(table, ("file", "split", "label", "group"), _TABLE):
            if row["split"] not in found:
                raise _TABLE.damaged(table, f"split {row['split']!r}")
            found[row["split"]].append(
                (_TABLE.inside(Path(self.root), row["file"]), row["label"], row["group"])
            )
        for split, rows in found.items():
            if not rows:
                raise _TABLE.damaged(table, f"no row of split {split}")
        return found

    def _split(self, rows: "list[_Row]", names: list[list[str]]) -> Images:
        source = _TABLE if self.metadata else _FOLDER
        files, *columns = zip(*rows, strict=True)
        labels = {
            label: number_names(column, known, Path(self.metadata or self.root), source)
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
        `datasets.load_dataset` reads. Archives, pickles and scripts in it are refused: they are not unpacked or run.
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
        check_integer("size", self.size, 1)
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
        if (at / "state.json").exists():
            raise ValueError(
                f"{at} holds one split, and a training and a test split are needed: save both together, "
                "datasets.DatasetDict(train=..., test=...).save_to_disk(PATH)"
            )
        unsafe = sorted(str(file) for file in at.rglob("*") if file.suffix.lower() in _UNSAFE)
        if unsafe:
            raise ValueError(
                f"{unsafe[0]} is an archive, a pickle or a script, which is not read: {_HUB.fix}"
            )
        saved = (at / "dataset_dict.json").exists()
        if saved and self.name is not None:
            raise ValueError(f"name must be None for a folder written by save_to_disk, got {self.name!r}")
        try:
            return datasets.load_from_disk(at) if saved else datasets.load_dataset(str(at), self.name)
        except Exception as error:  # whatever its readers raise on what they find there
            raise _HUB.damaged(at, error) from error

    def _split(self, rows: "datasets.Dataset") -> Images:
        rows = rows.with_format(None)
        if lacking := {self.image, *self.labels} - set(rows.column_names):
            columns = ", ".join(rows.column_names)
            raise ValueError(f"image and labels must be among {columns} in {self.path}, got {min(lacking)!r}")
        labels = {name: list(rows[name]) for name in self.labels}
        for name, values in labels.items():
            if not all(isinstance(value, int) for value in values):
                raise ValueError(
                    f"labels must be integer columns in {self.path}, got {name!r}, which holds texts or gaps: "
                    "number its values, for instance by class_encode_column"
                )
        images = torch.empty(len(rows), 3, self.size, self.size, dtype=torch.uint8)
        try:
            for image, row in zip(images, rows.select_columns(self.image), strict=True):
                image.copy_(pixels(row[self.image], self.size))
        except (OSError, SyntaxError, ValueError, AttributeError, PIL.Image.DecompressionBombError) as error:
            raise _HUB.damaged(Path(self.path), f"column {self.image}: {error}") from error
        return Images(
            images, {name: torch.tensor(values, dtype=torch.int64) for name, values in labels.items()}
        )


def number_names(values: Sequence[str], names: list[str], path: Path, source: Source) -> Tensor:
    """Number of each value: its place in the list of names of the training split.

    Raises
    ------
    ValueError
        When a value is not among the names; `path` is the file or folder that it comes from.
    """
    places = {name: place for place, name in enumerate(names)}
    if strangers := set(values) - set(places):
        raise source.damaged(
            path, f"{min(strangers)} is not among the {len(names)} names of the training split"
        )
    return torch.tensor([places[value] for value in values])
