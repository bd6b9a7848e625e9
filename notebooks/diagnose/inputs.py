"""What a user brings: arrays, tensors, files or batches of features, made into checked batches of examples."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from notebooks.diagnose.moments import Batch

ROWS = 8192  # examples of a batch
SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".safetensors", ".csv", ".parquet")


def read_array(source: str | Path) -> np.ndarray:
    """Array in a file; nothing in the file is executed.

    Parameters
    ----------
    source : str or Path
        FILE or FILE:KEY. The key names an array in .npz, .safetensors and .pt files or a column of a .parquet file;
        it may be left out where there is only one. Files ending in .npy are memory-mapped. The folder of a data set
        that Hugging Face's `datasets` stored is FOLDER:COLUMN, of several splits FOLDER:SPLIT/COLUMN.

    Raises
    ------
    ValueError
        For a missing file, an unknown ending, a wrong key, Python objects in the file, or a file that is damaged.
    """
    path, key = _split(str(source))
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    reader = _read_dataset if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    try:
        return reader(path, key)
    except _Refused as refused:
        raise ValueError(f"{path}: {refused}") from None
    except Exception as error:  # every library has its own exceptions for damaged files
        kind = "a stored data set" if path.is_dir() else path.suffix
        raise ValueError(f"{path} cannot be read as {kind}: {_first_line(error)}") from None


_EXECUTED = "holds Python objects, which would have to be executed: store plain numbers"


class _Refused(Exception):
    """The file can be read but not taken."""


def _split(source: str) -> tuple[Path, str | None]:
    """FILE:KEY in its two parts; a colon that belongs to the path of an existing file stays."""
    if ":" in source and not Path(source).exists():
        path, _, key = source.rpartition(":")
        return Path(path), key
    return Path(source), None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _one_of(arrays: Any, key: str | None, names: Iterable[str]) -> Any:
    names = list(names)
    if key is None:
        if len(names) != 1:
            raise _Refused(f"holds {', '.join(names) or 'nothing'}: name one of them as FILE:KEY")
        key = names[0]
    if key not in names:
        raise _Refused(f"has no {key!r}, only {', '.join(names)}")
    return arrays[key]


def _read_npy(path: Path, key: str | None) -> np.ndarray:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise _Refused("cannot be read as .npy: it holds no numpy array")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "object" in str(error).lower():
            raise _Refused(_EXECUTED) from None
        raise


def _read_npz(path: Path, key: str | None) -> np.ndarray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:  # numpy leaves a bad file open
        try:
            return _one_of(arrays, key, arrays.files)
        except ValueError as error:
            if "object" in str(error).lower():
                raise _Refused(_EXECUTED) from None
            raise


def _read_torch(path: Path, key: str | None) -> np.ndarray:
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise _Refused(_EXECUTED) from None
    if isinstance(content, dict):
        content = _one_of(content, key, map(str, content))
    elif key is not None:
        raise _Refused(f"holds one tensor and no {key!r}")
    return to_numpy("the file", content)


def _read_safetensors(path: Path, key: str | None) -> np.ndarray:
    try:
        from safetensors import safe_open
    except ImportError:
        raise _Refused("needs the package safetensors: pip install safetensors") from None
    with safe_open(path, framework="pt") as arrays:
        names = list(arrays.keys())
        return to_numpy("the file", arrays.get_tensor(_one_of({name: name for name in names}, key, names)))


def _read_csv(path: Path, key: str | None) -> np.ndarray:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    if rows and not _is_number(rows[0][0]):
        header, rows = rows[0], rows[1:]
        if key is not None:
            column = _one_of({name: index for index, name in enumerate(header)}, key, header)
            rows = [[row[column]] for row in rows]
    elif key is not None:
        raise _Refused(f"has no header, so no column {key!r}")
    if not any(rows):
        raise _Refused("holds no row of numbers")
    values = np.array([[_number(cell) for cell in row] for row in rows if row])
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip() == ""
    return True


def _number(text: str) -> float:
    if text.strip() == "":
        return np.nan
    try:
        return float(text)
    except ValueError:
        raise _Refused(f"holds {text!r} where a number is expected") from None


def _read_parquet(path: Path, key: str | None) -> np.ndarray:
    import pandas as pd

    frame = pd.read_parquet(path)
    if key is not None or len(frame.columns) == 1:
        column = _one_of(frame, key, map(str, frame.columns))
        return np.stack(column) if column.dtype == object else column.to_numpy()
    return frame.to_numpy()


def _read_dataset(path: Path, key: str | None) -> np.ndarray:
    try:
        from datasets import DatasetDict, load_from_disk
    except ImportError:
        raise _Refused(
            "is a folder: a stored data set needs the package datasets: pip install datasets"
        ) from None
    stored = load_from_disk(path)
    if isinstance(stored, DatasetDict):
        columns = {f"{name}/{column}": name for name in stored for column in stored[name].column_names}
        stored = stored[_one_of(columns, key, columns)]
        key = None if key is None else key.partition("/")[2]
    column = _one_of({name: name for name in stored.column_names}, key, stored.column_names)
    return stored.select_columns([column]).with_format("numpy")[:][column]


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".safetensors": _read_safetensors,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def to_numpy(name: str, value: Any) -> np.ndarray:
    """Array of real numbers from an array, a torch tensor of any float type, a data frame or nested lists."""
    if hasattr(value, "detach"):  # a torch tensor; numpy knows no bfloat16
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    return array


def check_features(name: str, value: Any) -> np.ndarray:
    """(n, m) array of features; its numbers are checked batch by batch."""
    array = to_numpy(name, value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (examples, features), got {array.shape}")
    return array


def check_views(name: str, value: Any) -> tuple[np.ndarray, ...]:
    """One view or the two views of the same examples."""
    views = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(views) not in (1, 2):
        raise ValueError(f"{name} must be one array or a pair of arrays, got {len(views)}")
    arrays = tuple(check_features(f"{name}[{index}]", view) for index, view in enumerate(views))
    if arrays[0].shape != arrays[-1].shape:
        raise ValueError(
            f"the two views in {name} must have one shape, got {arrays[0].shape} and {arrays[1].shape}"
        )
    return arrays


def check_labels(value: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the classes, -1 for an unknown label, and the names of the classes.

    Negative numbers and NaN mean that the label is unknown.
    """
    labels = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if labels.shape != (count,):
        raise ValueError(f"labels must have shape ({count},), one for each example, got {labels.shape}")
    if labels.dtype.kind == "f":
        known = ~np.isnan(labels)
        if np.any(labels[known] != np.round(labels[known])):
            raise ValueError("labels must be whole numbers or words, got fractions")
        known &= labels >= 0
    elif labels.dtype.kind in "iub":
        known = labels >= 0
    elif labels.dtype.kind in "US":
        known = labels != ""
    else:
        raise ValueError(f"labels must be whole numbers or words, got {labels.dtype}")
    names, numbers = np.unique(labels[known], return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels must hold at least two classes, got {len(names)}")
    if len(names) > max(2, known.sum() // 2):
        raise ValueError(
            f"labels hold {len(names)} classes for {known.sum()} examples: this looks like numbers of examples"
        )
    found = np.full(count, -1)
    found[known] = numbers
    return found, names


def batches_of_arrays(before, after, labels, rows: int = ROWS) -> Iterator[Batch]:
    """Batches of consecutive examples."""
    for start in range(0, len(before[0]), rows):
        part = slice(start, start + rows)
        yield _checked(
            Batch(
                tuple(np.asarray(view[part]) for view in before),
                None if after is None else tuple(np.asarray(view[part]) for view in after),
                None if labels is None else labels[part],
            ),
            start,
        )


def check_stream(batches: Iterable) -> Iterator[Batch]:
    """Batches of a user's generator: dicts with the keys `before`, perhaps `after` and `labels`, checked."""
    start, shapes = 0, None
    for number, item in enumerate(batches):
        if not isinstance(item, dict) or "before" not in item or set(item) - {"before", "after", "labels"}:
            raise ValueError(
                "every batch must be a dict with the key 'before' and perhaps 'after' and 'labels', got "
                f"{sorted(item) if isinstance(item, dict) else type(item).__name__} as batch {number}"
            )
        before = check_views("before", item["before"])
        after = None if item.get("after") is None else check_views("after", item["after"])
        labels = item.get("labels")
        if labels is not None:
            labels = to_numpy("labels", labels)
            if labels.shape != (len(before[0]),) or labels.dtype.kind not in "iub":
                raise ValueError(f"labels of batch {number} must be {len(before[0])} whole numbers")
            labels = labels.astype(int)
        now = (len(before), before[0].shape[1], after and after[0].shape[1], labels is None)
        shapes = shapes or now
        if now != shapes:
            raise ValueError(f"batch {number} has other views, widths or labels than the first batch")
        check_pairing(before, after)
        yield _checked(Batch(before, after, labels), start)
        start += len(before[0])
    if not start:
        raise ValueError("before must hold at least one batch, got none")


def check_pairing(before, after) -> None:
    """The same examples and numbers of views before and after the head."""
    if after is None:
        return
    if len(after) != len(before):
        raise ValueError(f"after must have as many views as before ({len(before)}), got {len(after)}")
    if len(after[0]) != len(before[0]):
        raise ValueError(
            f"after must have the examples of before, row by row: got {len(after[0])} rows for {len(before[0])}"
        )


def _checked(batch: Batch, start: int) -> Batch:
    for name, views in (("before", batch.before), ("after", batch.after or ())):
        for index, view in enumerate(views):
            wrong = ~np.isfinite(view)
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                raise ValueError(
                    f"{name}[{index}] must be finite, got {view[row, column]} in row {start + row}, column {column}"
                )
    return batch


def peek(batches: Iterator[Batch]) -> tuple[Batch, Iterator[Batch]]:
    """The first batch, and all batches again."""
    first = next(batches)
    return first, itertools.chain([first], batches)
