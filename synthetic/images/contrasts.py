"""Effects as sums of signed scores of runs, measured member by member."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import measure_runs
from synthetic.images.runs import untrained, with_members


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
    values = [
        sum(sign * _measure(run, seed, measurement, members)[name] for sign, run, name in contrast.terms)
        for contrast in contrasts
    ]
    return np.stack(values, axis=1)


@cache
def _measure(run, seed, measurement, members):
    runs = with_members({"run": run}, members, seed=seed)
    return measure_runs(measurement, runs, label="images")["run"]
