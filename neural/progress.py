"""Progress of long computations as plain lines."""

import sys
import time
from math import inf
from typing import TextIO


class LineReporter:
    """Callable on the done fraction that prints a line now and then, with the estimated time left.

    Parameters
    ----------
    label : str
        Start of every line.
    every : float > 0
        Smallest time between two lines, in seconds; the end is always reported.
    stream : text file, optional
        Standard error by default.

    Raises
    ------
    ValueError
        If `every` is not positive.
    """

    def __init__(self, label: str = "training", every: float = 5.0, stream: TextIO | None = None) -> None:
        if not every > 0:
            raise ValueError(f"every must be > 0 seconds, got {every}")
        self._label, self._every, self._stream = label, every, stream
        self._start = self._last = time.monotonic()

    def __call__(self, fraction: float) -> None:
        """Report that this fraction, in [0, 1], is done."""
        now = time.monotonic()
        if fraction < 1 and (now - self._last < self._every or fraction == 0):
            return
        self._last = now
        spent = now - self._start
        left = f", {spent * (1 / fraction - 1):.0f} s left" if fraction < 1 else ""
        print(
            f"{self._label}: {fraction:4.0%} in {spent:.0f} s{left}",
            file=self._stream or sys.stderr,
            flush=True,
        )


class EpochReporter:
    """Callable on a row of a training history that prints epoch, loss, effective ranks, accuracy and time left.

    Parameters
    ----------
    label : str
        Start of every line.
    every : float >= 0
        Smallest time between two lines, in seconds; the last epoch and rows with an accuracy are always printed.
    stream : text file, optional
        Standard error by default.
    """

    def __init__(self, label: str = "training", every: float = 5.0, stream: TextIO | None = None) -> None:
        self._label, self._every, self._stream = label, every, stream
        self._last, self._first = -inf, None

    def __call__(self, row: dict[str, float], epochs: int) -> None:
        """Report the epoch of this row."""
        self._first = self._first or (row["epoch"] - 1, time.monotonic())
        if row["epoch"] < epochs and "knn_h" not in row and row["seconds"] - self._last < self._every:
            return
        self._last = row["seconds"]
        parts = [f"loss {row['loss']:.4f}", f"effective rank h {row['effective_rank_h']:.1f}"]
        parts.append(f"z {row['effective_rank_z']:.1f}")
        if "knn_h" in row:
            parts.append(f"neighbours h {row['knn_h']:.3f} z {row['knn_z']:.3f}")
        parts.append(f"{row['seconds']:.0f} s{self._left(row['epoch'], epochs)}")
        line = f"{self._label}: epoch {row['epoch']} of {epochs}, {', '.join(parts)}"
        print(line, file=self._stream or sys.stderr, flush=True)

    def _left(self, epoch: int, epochs: int) -> str:
        """Estimate from the epochs after the first one seen, as that one's start is not known."""
        before, start = self._first
        done = epoch - before - 1
        if epoch == epochs or done == 0:
            return ""
        return f", {(time.monotonic() - start) / done * (epochs - epoch):.0f} s left"
