"""Effects as sums of signed scores of runs, measured member by member."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import measure_runs
from synthetic.images.runs import untrained, with_members

Measure = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Contrast:
    """A sum of signed scores; contrasts can be subtracted.

    The members of all its runs are paired: they share data, initial weights, order and augmentation.

    Attributes
    ----------
    terms : tuple of (sign, run, name of a score)
    """

    terms: tuple[tuple[int, PretrainConfig, str], ...]

    def __sub__(self, other: Contrast) -> Contrast:
        return Contrast(self.terms + tuple((-sign, run, name) for sign, run, name in other.terms))

    def untrained(self) -> Contrast:
        """The same contrast of the same networks before their training."""
        return Contrast(tuple((sign, untrained(run), name) for sign, run, name in self.terms))


def score(run: PretrainConfig, name: str) -> Contrast:
    """One score of one run."""
    return Contrast(((1, run, name),))


def gap(run: PretrainConfig, stem: str) -> Contrast:
    """A score before the head minus that after it.

    Parameters
    ----------
    run : PretrainConfig
    stem : str
        Name of the score without its ending `_h` or `_z`.
    """
    return score(run, f"{stem}_h") - score(run, f"{stem}_z")


def measure_contrasts(seed: int, *, contrasts, measurement, members: int) -> np.ndarray:
    """Values of contrasts for members with independent data, weights, order and augmentation.

    Parameters
    ----------
    seed : int
        Root seed of all runs.
    contrasts : sequence of Contrast
    measurement : callable
        Of the bank; gives the scores.
    members : int >= 2

    Returns
    -------
    (members, len(contrasts)) array
    """
    runs = with_members(
        {run: run for contrast in contrasts for _, run, _ in contrast.terms}, members, seed=seed
    )
    scores = measure_runs(measurement, runs, label="images")
    values = [sum(sign * scores[run][name] for sign, run, name in contrast.terms) for contrast in contrasts]
    return np.stack(values, axis=1)


def measures(contrasts: Iterable[Contrast], measurement, members: int) -> dict[str, Measure]:
    """How a claim measures contrasts: its fields `measure`, and `untrained`, the same before training.

    Parameters
    ----------
    contrasts, measurement, members
        As for `measure_contrasts`.
    """
    trained = tuple(contrasts)
    before = tuple(contrast.untrained() for contrast in trained)
    return {
        name: partial(measure_contrasts, contrasts=chosen, measurement=measurement, members=members)
        for name, chosen in (("measure", trained), ("untrained", before))
    }


def measures_beyond_untrained(contrasts: Iterable[Contrast], measurement, members: int) -> dict[str, Measure]:
    """The field `measure` of a claim on what training adds: contrasts minus those of the same networks untrained.

    Parameters
    ----------
    contrasts, measurement, members
        As for `measure_contrasts`.
    """
    added = tuple(contrast - contrast.untrained() for contrast in contrasts)
    return {"measure": partial(measure_contrasts, contrasts=added, measurement=measurement, members=members)}
