"""Progress of long computations as plain lines."""

import sys
import time
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
