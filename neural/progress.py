"""Progress of long computations, shown as plain lines."""

import sys
import time
from typing import TextIO


class LineReporter:
    """Print how much is done, the time spent and an estimate of the time left; at most one line in a while.

    Parameters
    ----------
    label : str
        Start of every line.
    every : float >= 0
        Least time between two lines, in seconds. The end is always reported.
    stream : text file, optional
        Standard error by default.
    done : float
        Fraction, in [0, 1], that was done before the start. The estimate of the time left leaves it out.

    Raises
    ------
    ValueError
        If `every` is negative.
    """

    def __init__(
        self, label: str = "training", every: float = 5.0, stream: TextIO | None = None, done: float = 0.0
    ) -> None:
        if not every >= 0:
            raise ValueError(f"every must be >= 0 seconds, got {every}")
        self._label, self._every, self._stream = label, every, stream
        self._last = time.monotonic()
        self.restart(done)

    def restart(self, done: float) -> None:
        """Measure time and progress from now on, where this fraction is done."""
        self._done, self._start = done, time.monotonic()

    def say(self, text: str) -> None:
        """Print a line in any case."""
        print(f"{self._label}: {text}", file=self._stream or sys.stderr, flush=True)

    def __call__(self, fraction: float, what: str = "", always: bool = False) -> None:
        """Report that this fraction, in [0, 1], is done.

        Parameters
        ----------
        fraction : float
        what : str
            What is done, in words; the fraction as a percentage when left out.
        always : bool
            Print a line even if the last one was printed a moment ago.
        """
        now = time.monotonic()
        if fraction < 1 and not always and (fraction <= self._done or now - self._last < self._every):
            return
        self._last, spent, gained = now, now - self._start, fraction - self._done
        left = f", about {spent * (1 - fraction) / gained:.0f} s left" if fraction < 1 and gained > 0 else ""
        self.say(f"{what or f'{fraction:.0%}'} in {spent:.0f} s{left}")


class EpochReporter:
    """Callable on a row of a training history that prints epoch, loss, effective ranks, accuracy and time left.

    The first row and rows that hold an accuracy are always printed. Time is measured from the first row on, because
    a training that goes on from a checkpoint begins somewhere in the middle.

    Parameters
    ----------
    label, every, stream
        As for `LineReporter`.
    """

    def __init__(self, label: str = "training", every: float = 5.0, stream: TextIO | None = None) -> None:
        self._lines, self._begun = LineReporter(label, every, stream), False

    def __call__(self, row: dict[str, float], epochs: int) -> None:
        """Report the epoch of this row."""
        fraction, always = row["epoch"] / epochs, "knn_h" in row or not self._begun
        if not self._begun:
            self._begun = True
            self._lines.restart(fraction)
        parts = [f"epoch {row['epoch']} of {epochs}", f"loss {row['loss']:.4f}"]
        parts.append(f"effective rank h {row['effective_rank_h']:.1f} z {row['effective_rank_z']:.1f}")
        if "knn_h" in row:
            parts.append(f"neighbours h {row['knn_h']:.3f} z {row['knn_z']:.3f}")
        self._lines(fraction, ", ".join(parts), always)
