"""A random sample of the examples, kept in memory: for what sums cannot tell."""

from __future__ import annotations

import numpy as np

from notebooks.diagnose.moments import Batch

MOST = 4096


class HeldSample:
    """Uniform sample without replacement of the examples of a stream, all of them where there are at most `most`.

    Every example draws a key, and the examples of smallest keys stay; so the sample does not depend on how the
    examples are cut into batches.

    Parameters
    ----------
    seed : int
    most : int >= 1
    """

    def __init__(self, seed: int, most: int = MOST) -> None:
        self._rng, self._most = np.random.default_rng(seed), most
        self._keys = np.empty(0)
        self._parts: list[np.ndarray] | None = None
        self._shape: tuple[int, bool, bool] = (0, False, False)

    def add(self, batch: Batch) -> None:
        """Offer the examples of a batch."""
        parts = [*batch.before, *(batch.after or ()), *([] if batch.labels is None else [batch.labels])]
        self._shape = (len(batch.before), batch.after is not None, batch.labels is not None)
        keys = np.concatenate([self._keys, self._rng.random(len(batch.before[0]))])
        kept = np.sort(np.argsort(keys, kind="stable")[: self._most])
        if self._parts is None:
            self._parts = [part[:0] for part in parts]
        self._parts = [np.concatenate([old, new])[kept] for old, new in zip(self._parts, parts, strict=True)]
        self._keys = keys[kept]

    def batch(self) -> Batch:
        """The sample, features in float64."""
        views, has_after, has_labels = self._shape
        before = tuple(part.astype(np.float64) for part in self._parts[:views])
        after = (
            tuple(part.astype(np.float64) for part in self._parts[views : 2 * views]) if has_after else None
        )
        return Batch(before, after, self._parts[-1] if has_labels else None)
