"""Readers of the official files of image data sets: CIFAR pickles, idx, STL-10 binaries, pictures.

A missing file is a FileNotFoundError and a damaged or mislabelled one a ValueError; both name the file and
say where to get it.
"""

import csv
import gzip
import math
import pickle
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

PICTURES = {
    *(
        ".avif",
        ".bmp",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
    ),
    *(".tga", ".tif", ".tiff", ".webp"),
}
"""Endings of the files that are read as pictures, in small or capital letters."""


@dataclass(frozen=True)
class Source:
    """Where files come from, for error messages.

    Attributes
    ----------
    fix : str
        What to do when a file is missing or damaged, in the imperative.
    """

    fix: str

    def missing(self, path: Path) -> FileNotFoundError:
        """Error of a file or folder that is not there."""
        return FileNotFoundError(f"{path} is missing: {self.fix}")

    def damaged(self, path: Path, reason: object) -> ValueError:
        """Error of a file that is there but cannot be right."""
        return ValueError(f"{path} is damaged or mislabelled ({' '.join(str(reason).split())}): {self.fix}")

    def inside(self, root: Path, name: str) -> Path:
        """File of that name in a folder; a name in a table that leads out of the folder is refused."""
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name} leads out of the folder {root}: {self.fix}")
        return root / name

    def require_labels(self, labels: Tensor, count: int, classes: int, path: Path) -> None:
        """Refuse labels of a file that are not `count` numbers in 0..classes - 1."""
        if len(labels) != count:
            raise self.damaged(path, f"{len(labels)} labels for {count} images")
        if count and not 0 <= labels.min() <= labels.max() < classes:
            span = f"{labels.min()}..{labels.max()}"
            raise self.damaged(path, f"labels {span}, of {classes} classes counted from 0")


def folder(root: str, inside: str, source: Source) -> Path:
    """Folder that holds a data set: `inside` under `root`, or `root` itself where it bears that name.

    Raises
    ------
    FileNotFoundError
        When neither is a folder.
    """
    found = Path(root) if Path(root).name == Path(inside).name else Path(root) / inside
    if not found.is_dir():
        raise source.missing(found)
    return found


_ORIENTATION = 0x0112  # the EXIF tag of a picture's rotation
_RECONSTRUCT = np.empty(0).__reduce__()[0]


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler of containers, numbers, strings and numpy arrays; anything else is refused."""

    def find_class(self, module: str, name: str) -> object:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


def _dtype(kind: str | bytes, *_flags: object) -> np.dtype:
    """Data type of an old pickle, whose flags are integers that newer versions of numpy warn about."""
    return np.dtype(kind.decode() if isinstance(kind, bytes) else kind)


def read_cifar(path: Path, labels: dict[str, int], source: Source) -> tuple[Tensor, dict[str, Tensor]]:
    """Read the images and labels of one file of CIFAR's python version.

    Parameters
    ----------
    path : Path
        A pickled dict with "data", (n, 3072) uint8, and one list for each kind of label.
    labels : dict
        Number of classes by key: {"labels": 10}, or {"fine_labels": 100, "coarse_labels": 20}.
    source : Source
        For error messages.

    Returns
    -------
    images : Tensor, shape (n, 3, 32, 32)
        uint8.
    labels : dict of Tensor, shape (n,)
        int64, under the same keys.

    Raises
    ------
    FileNotFoundError, ValueError
        When the file is missing, or is not such a file; the unpickler makes nothing but arrays.
    """
    try:
        with _opened(path, source) as file:
            content = _ArrayUnpickler(file, encoding="bytes").load()
        data = content[b"data"]
        found = {key: torch.tensor(content[key.encode()], dtype=torch.int64) for key in labels}
        images = torch.from_numpy(data).view(-1, 3, 32, 32)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged pickle fails in whatever way its bytes happen to say
        raise source.damaged(path, f"{type(error).__name__}: {error}") from error
    if images.dtype != torch.uint8:
        raise source.damaged(path, f"its pixels are {images.dtype}")
    for key, classes in labels.items():
        source.require_labels(found[key], len(images), classes, path)
    return images, found


def read_idx(path: Path, ndim: int, source: Source) -> Tensor:
    """Read the unsigned bytes of an idx file, plain or compressed (path + ".gz").

    Parameters
    ----------
    path : Path
        Name without ".gz".
    ndim : int
        Number of dimensions that the file must announce: 3 for images, 1 for labels.
    source : Source
        For error messages.

    Returns
    -------
    Tensor
        uint8, of the shape that the file announces.

    Raises
    ------
    FileNotFoundError, ValueError
        When the file is missing, of another kind, or not as long as it says.
    """
    compressed = path.with_name(path.name + ".gz")
    found = path if path.exists() or not compressed.exists() else compressed
    try:
        with _opened(found, source) as file:
            raw = gzip.decompress(file.read()) if found == compressed else file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise source.damaged(found, error) from error
    header = 4 * (1 + ndim)
    if raw[:4] != bytes([0, 0, 8, ndim]):
        raise source.damaged(found, f"it does not start as an idx file of {ndim}-dimensional bytes")
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, header, 4)]
    if len(raw) != header + math.prod(shape) or not math.prod(shape):
        raise source.damaged(found, f"{len(raw)} bytes where {header + math.prod(shape)} are announced")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=header).view(shape)


def read_stl10(paths: list[Path], source: Source) -> Tensor:
    """Read the images of STL-10's binary files, one file after the other.

    Returns
    -------
    Tensor, shape (n, 3, 96, 96)
        uint8; a transposed view, as the files hold columns.

    Raises
    ------
    FileNotFoundError, ValueError
        When a file is missing or does not hold whole images.
    """
    size = 3 * 96 * 96
    counts = []
    for path in paths:
        if not path.is_file():
            raise source.missing(path)
        count, rest = divmod(path.stat().st_size, size)
        if rest or not count:
            raise source.damaged(path, f"{count} images and {rest} bytes")
        counts.append(count)
    pixels = np.empty((sum(counts), 3, 96, 96), dtype=np.uint8)
    for path, part in zip(paths, np.split(pixels, np.cumsum(counts)[:-1]), strict=True):
        with path.open("rb") as file:
            file.readinto(part.data)
    return torch.from_numpy(pixels).mT


def read_stl10_labels(path: Path, count: int, source: Source) -> Tensor:
    """Read the labels of `count` images of STL-10: 0..9 (the file has 1..10), int64.

    Raises
    ------
    FileNotFoundError, ValueError
        When the file is missing, has another length or other labels.
    """
    with _opened(path, source) as file:
        labels = torch.from_numpy(np.frombuffer(file.read(), dtype=np.uint8).astype(np.int64)) - 1
    source.require_labels(labels, count, 10, path)
    return labels


def read_pictures(paths: Sequence[Path], size: int, source: Source) -> Tensor:
    """Read picture files as images of one size: the centre square of each, resized, in three channels.

    Parameters
    ----------
    paths : sequence of Path
        Files that Pillow can read.
    size : int
        Side, pixels. A picture of this size stays as it is.
    source : Source
        For error messages.

    Returns
    -------
    Tensor, shape (n, 3, size, size)
        uint8; no second copy of it is made on the way.

    Raises
    ------
    FileNotFoundError, ValueError
        When a file is missing or is not a whole picture.
    """
    images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
    for image, path in zip(images, paths, strict=True):
        try:
            with _opened(path, source) as file, Image.open(file) as picture:
                image.copy_(pixels(picture, size))
        except FileNotFoundError:
            raise
        except (
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:  # what Pillow raises
            raise source.damaged(path, error) from error
    return images


def pixels(picture: Image.Image, size: int) -> Tensor:
    """Centre square of a picture, turned upright and resized: (3, size, size) uint8.

    Samples of 16 bits are scaled to 8. What is transparent becomes white.

    Raises
    ------
    ValueError
        When the samples have 32 bits, because nothing says which number is white.
    """
    upright = ImageOps.exif_transpose(_with_three_channels(picture))
    square = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def _with_three_channels(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB, with the note of its rotation where Pillow has not turned it on loading."""
    picture.load()
    rotation = picture.getexif().get(_ORIENTATION)
    if picture.mode.startswith("I;16") or (picture.mode, picture.format) == ("I", "PNG"):
        scaled = np.asarray(picture).astype(np.float64) * (255 / 65535)
        coloured = Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    elif picture.mode in ("I", "F"):
        raise ValueError(f"its samples are 32-bit numbers (mode {picture.mode}), save it with 8 or 16 bits")
    elif picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        coloured = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    else:
        coloured = picture.convert("RGB")
    if rotation is not None:
        coloured.getexif()[_ORIENTATION] = rotation
    return coloured


def list_pictures(path: Path, source: Source) -> list[Path]:
    """Picture files of a folder in the order of their names; a warning names everything else that is in it.

    Raises
    ------
    FileNotFoundError
        When the folder is missing or holds no picture.
    """
    inside = sorted(path.glob("*"))
    found = [file for file in inside if file.suffix.lower() in PICTURES and not _is_hidden(file)]
    if not found:
        raise source.missing(path / "a picture")
    _warn_of_others(path, set(inside) - set(found))
    return found


def list_folders(path: Path) -> list[Path]:
    """Folders in a folder in the order of their names, without hidden ones; a warning names everything else."""
    inside = sorted(path.glob("*"))
    found = [folder for folder in inside if folder.is_dir() and not _is_hidden(folder)]
    _warn_of_others(path, set(inside) - set(found))
    return found


def _is_hidden(path: Path) -> bool:
    """Whether an operating system or an editor made it, as .ipynb_checkpoints, @eaDir or __MACOSX."""
    return path.name.startswith((".", "@", "__MACOSX"))


def _warn_of_others(path: Path, others: set[Path]) -> None:
    if others:
        names = ", ".join(sorted(other.name for other in others)[:5])
        warnings.warn(f"{path}: left out {len(others)} that are not read: {names}", stacklevel=3)


def read_table(path: Path, source: Source) -> list[list[str]]:
    """Read the rows of a text file whose columns are separated by tabs or blanks.

    Raises
    ------
    FileNotFoundError, ValueError
        When the file is missing or empty.
    """
    rows = [line.split() for line in _read_text(path, source).splitlines() if line.strip()]
    if not rows:
        raise source.damaged(path, "it is empty")
    return rows


def read_csv(path: Path, columns: tuple[str, ...], source: Source) -> list[dict[str, str]]:
    """Read the rows of a csv table in which at least these columns are filled.

    Raises
    ------
    FileNotFoundError, ValueError
        When the file is missing, has no row, or lacks a column or a value.
    """
    try:
        rows = list(csv.DictReader(_read_text(path, source).splitlines()))
    except csv.Error as error:
        raise source.damaged(path, error) from error
    if not rows:
        raise source.damaged(path, "it has no rows")
    for number, row in enumerate(rows, start=2):
        if lacking := [name for name in columns if not row.get(name)]:
            raise source.damaged(path, f"line {number} has no {lacking[0]}")
    return rows


def _read_text(path: Path, source: Source) -> str:
    with _opened(path, source) as file:
        try:
            return file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise source.damaged(path, f"it is not text in UTF-8, byte {error.start} does not fit") from error


def _opened(path: Path, source: Source) -> BinaryIO:
    if not path.is_file():
        raise source.missing(path)
    return path.open("rb")
