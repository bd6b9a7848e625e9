"""Sums over positive pairs of features, in one pass, by group of examples: all that most of a diagnosis needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
MOST_GROUPS = 20
MOST_CLASSES = 100_000
RANGE = 1e-9  # variances below this share of the largest one count as none: float32 features carry no more
_GROUP_BYTES = 1 << 28  # of all groups' matrices of one layer together


@dataclass(frozen=True)
class Batch:
    """Some examples: the features of one or two views before the head, perhaps after it, perhaps labels.

    Attributes
    ----------
    before : tuple of one or two (n, m) arrays
    after : tuple of as many (n, p) arrays, or None
    labels : (n,) integer array or None
        Numbers of the classes; -1 means that the label is not known.
    """

    before: tuple[np.ndarray, ...]
    after: tuple[np.ndarray, ...] | None = None
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Moments:
    """Means, covariances and class means of the features of one layer.

    Attributes
    ----------
    count : float
        Number of examples.
    mean : (m,) array
        Mean over examples and views.
    cov : (m, m) array
        Covariance of one view, the mean over the views.
    cross_cov : (m, m) array or None
        Covariance between the two views of a pair, symmetrised; None where there is one view only.
    class_counts : (C,) array or None
        Numbers of labelled examples.
    class_means : (C, m) array or None
    within : (m, m) array or None
        Covariance within the classes, one for all classes.
    """

    count: float
    mean: np.ndarray
    cov: np.ndarray
    cross_cov: np.ndarray | None = None
    class_counts: np.ndarray | None = None
    class_means: np.ndarray | None = None
    within: np.ndarray | None = None

    @property
    def width(self) -> int:
        """Number of features m."""
        return len(self.mean)

    @cached_property
    def principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Variances, falling, and directions (m, k), of the k principal directions that hold variance."""
        scale, vectors = np.linalg.eigh(self.cov)
        kept = (scale > RANGE * scale[-1]) & (scale > 0)
        return scale[kept][::-1], vectors[:, kept][:, ::-1]

    @cached_property
    def whitening(self) -> np.ndarray:
        """Columns b, (m, k), with b_i' cov b_j = 1 for i = j and 0 otherwise."""
        scale, vectors = self.principal
        return vectors / np.sqrt(scale)


@dataclass(frozen=True)
class _Sums:
    """Sums of one layer, groups along the first axis of every array."""

    count: np.ndarray
    total: np.ndarray
    second: np.ndarray
    cross: np.ndarray | None
    class_counts: np.ndarray
    class_totals: np.ndarray
    labelled: np.ndarray | None

    def with_classes(self, classes: int) -> _Sums:
        """The same sums with room for this many classes."""
        more = classes - self.class_counts.shape[1]
        labelled = np.zeros_like(self.second) if self.labelled is None else self.labelled
        return replace(
            self,
            class_counts=np.pad(self.class_counts, ((0, 0), (0, more))),
            class_totals=np.pad(self.class_totals, ((0, 0), (0, more), (0, 0))),
            labelled=labelled,
        )

    def without(self, left_out: int | None) -> _Sums:
        """Sums over all groups, or all but one; no group axis any more."""
        arrays = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _Sums(
            **{
                name: None if array is None else array.sum(0) - (0 if left_out is None else array[left_out])
                for name, array in arrays.items()
            }
        )

    def moments(self) -> Moments:
        """Moments from sums without a group axis."""
        views = 1 if self.cross is None else 2
        n = self.count
        mean = self.total / (views * n)
        outer = np.outer(mean, mean) * (n / (n - 1))
        cov = self.second / (views * (n - 1)) - outer
        cross = None if self.cross is None else self.cross / (n - 1) - outer
        counts = self.class_counts
        if not counts.any():
            return Moments(n, mean, cov, cross)
        means = self.class_totals / np.maximum(views * counts, 1)[:, None]
        free = max(counts.sum() - np.count_nonzero(counts), 1)
        within = (self.labelled / views - (means.T * counts) @ means) / free
        return Moments(n, mean, cov, cross, counts, means, within)


@dataclass(frozen=True)
class Layers:
    """Moments of the features before and after the head, and what ties them together.

    Attributes
    ----------
    before, after : Moments
        `after` is None where no features after the head were given.
    head : (p, m) array or None
        Slope of the best linear prediction of the features after the head from those before it.
    head_fit : float or None
        Share of the variance after the head that this prediction explains; 1 for a linear head.
    """

    before: Moments
    after: Moments | None = None
    head: np.ndarray | None = None
    head_fit: float | None = None


class MomentSums:
    """One-pass sums over batches of examples, for the whole and for each of some groups of examples.

    Example i belongs to group i modulo the number of groups, so that the result does not depend on how the examples
    are cut into batches.

    Parameters
    ----------
    num_classes : int >= 0
        Where more classes come, room is made for them.
    """

    def __init__(self, num_classes: int = 0) -> None:
        self._num_classes = num_classes
        self._seen = 0
        self._before: _Sums | None = None
        self._after: _Sums | None = None
        self._tie: np.ndarray | None = None
        self.groups = 0

    def add(self, batch: Batch) -> None:
        """Add the examples of a batch."""
        if self._before is None:
            self._start(batch)
        if batch.labels is not None and (most := int(batch.labels.max(initial=-1)) + 1) > self._num_classes:
            self._make_room(most)
        group = (self._seen + np.arange(len(batch.before[0]))) % self.groups
        self._seen += len(group)
        before = [np.asarray(view, dtype=np.float64) for view in batch.before]
        after = None if batch.after is None else [np.asarray(view, dtype=np.float64) for view in batch.after]
        for one in range(self.groups):
            rows = np.flatnonzero(group == one)
            if not len(rows):
                continue
            labels = None if batch.labels is None else batch.labels[rows]
            self._add_group(self._before, one, [view[rows] for view in before], labels)
            if after is not None:
                self._add_group(self._after, one, [view[rows] for view in after], labels)
                for h, z in zip(before, after, strict=True):
                    self._tie[one] += z[rows].T @ h[rows]

    def layers(self, left_out: int | None = None) -> Layers:
        """Moments of all examples, or of all but one group."""
        before = self._before.without(left_out).moments()
        if self._after is None:
            return Layers(before)
        after = self._after.without(left_out).moments()
        views = 1 if before.cross_cov is None else 2
        tie = self._tie.sum(0) - (0 if left_out is None else self._tie[left_out])
        tie = (tie / views - before.count * np.outer(after.mean, before.mean)) / (before.count - 1)
        head = (tie @ before.whitening) @ before.whitening.T
        explained, total = np.sum((head @ before.cov) * head), np.trace(after.cov)
        return Layers(before, after, head, float(explained / total) if total > 0 else 0.0)

    @property
    def count(self) -> int:
        """Number of examples added."""
        return self._seen

    def _start(self, batch: Batch) -> None:
        widest = max(view.shape[1] for view in (*batch.before, *(batch.after or ())))
        self.groups = int(np.clip(_GROUP_BYTES // (8 * widest**2), 10, MOST_GROUPS))
        self._before = self._empty(batch.before)
        if batch.after is not None:
            self._after = self._empty(batch.after)
            self._tie = np.zeros((self.groups, batch.after[0].shape[1], batch.before[0].shape[1]))

    def _make_room(self, classes: int) -> None:
        """Room for more classes."""
        if classes > MOST_CLASSES:
            raise ValueError(
                f"labels must be smaller than {MOST_CLASSES} (numbers of classes), got {classes - 1}"
            )
        self._before = self._before.with_classes(classes)
        self._after = None if self._after is None else self._after.with_classes(classes)
        self._num_classes = classes

    def _empty(self, views) -> _Sums:
        groups, m, classes = self.groups, views[0].shape[1], self._num_classes
        return _Sums(
            np.zeros(groups),
            np.zeros((groups, m)),
            np.zeros((groups, m, m)),
            np.zeros((groups, m, m)) if len(views) == 2 else None,
            np.zeros((groups, classes)),
            np.zeros((groups, classes, m)),
            np.zeros((groups, m, m)) if classes else None,
        )

    def _add_group(self, sums: _Sums, one: int, views, labels) -> None:
        sums.count[one] += len(views[0])
        for view in views:
            sums.total[one] += view.sum(0)
            sums.second[one] += view.T @ view
        if len(views) == 2:
            product = views[0].T @ views[1]
            sums.cross[one] += (product + product.T) / 2
        if labels is None or not self._num_classes:
            return
        known = labels >= 0
        sums.class_counts[one] += np.bincount(labels[known], minlength=self._num_classes)
        for view in views:
            sums.class_totals[one] += _sum_by_class(view[known], labels[known], self._num_classes)
            sums.labelled[one] += view[known].T @ view[known]


def _sum_by_class(rows: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes, m) sums of the rows of each class."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = np.zeros((classes, rows.shape[1]))
    if len(present):
        sums[present] = np.add.reduceat(rows[order], starts, axis=0)
    return sums


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Attributes
    ----------
    value : float
        Corrected for the bias of order 1/n by the jackknife, where there are enough examples.
    low, high : float
        Ends of the interval, Student's with the jackknife's standard error.
    """

    value: float
    low: float
    high: float

    def clipped(self, low: float, high: float) -> Estimate:
        """The same, with value and interval cut to [low, high]."""
        return replace(
            self, **{k: float(np.clip(getattr(self, k), low, high)) for k in ("value", "low", "high")}
        )


def combine(full: np.ndarray, left_out: np.ndarray, corrected: bool = True) -> list[Estimate]:
    """Jackknife estimates from the values of all examples, (q,), and those without each group, (groups, q).

    With `corrected` the bias of order 1/n is taken off; with few examples for many features this overshoots.
    """
    groups = len(left_out)
    pseudo = groups * full - (groups - 1) * left_out
    value = pseudo.mean(0) if corrected else full
    reach = stdtrit(groups - 1, (1 + LEVEL) / 2) * pseudo.std(0, ddof=1) / np.sqrt(groups)
    return [Estimate(float(v), float(v - r), float(v + r)) for v, r in zip(value, reach, strict=True)]
