"""Which representation is better with few labels, as one parameter of the relevant feature moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from neural import torch_generator
from synthetic.features.few_shot import Averaging, HardMargin, few_shot_accuracies
from theory.features.model import FeatureModel


@dataclass(frozen=True)
class FewShot:
    """Many draws of one few-shot task on several representations.

    Parameters
    ----------
    model : FeatureModel
    weights : (m, k) array
        Feature weights of the representations compared; all see the same draws.
    n : int
        Labelled inputs.
    classifier : Averaging or HardMargin
    draws : int
    seed, stream : int
        Root seed, and the number of the stream: points with equal numbers share their random numbers.
    target : int
        Feature that the label is.
    """

    model: FeatureModel
    weights: np.ndarray
    n: int
    classifier: Averaging | HardMargin
    draws: int
    seed: int
    stream: int = 0
    target: int = 0


def few_shot(point: FewShot) -> np.ndarray:
    """Accuracies (draws, m) of one task."""
    return few_shot_accuracies(
        point.model,
        point.weights,
        point.target,
        point.n,
        point.classifier,
        repeats=point.draws,
        generator=torch_generator(point.seed, "few shot", point.stream),
    )


class Crossing(NamedTuple):
    """Where a measured gap changes sign: estimate and 95% interval by the parametric bootstrap."""

    value: float
    low: float
    high: float


def measured_crossing(values, gaps, *, rng: np.random.Generator, resamples: int = 500) -> Crossing | None:
    """Crossing of zero of the mean gap, on the cubic spline through the values at which it was measured.

    Parameters
    ----------
    values : (v,) array
        Increasing parameter values, at least 3.
    gaps : (v, draws) array
        Gaps of the draws; draws at different values are independent.
    rng : numpy Generator
        For the parametric bootstrap of the means.
    resamples : int

    Returns
    -------
    Crossing, or None if the mean gap does not cross exactly once, or fails to in 5% of the resamples
    """
    values, gaps = np.asarray(values, dtype=float), np.asarray(gaps, dtype=float)
    if values.ndim != 1 or gaps.ndim != 2 or len(values) != len(gaps) or len(values) < 3:
        raise ValueError(
            f"values must be a vector of at least 3 and gaps hold one row each, got {values.shape}, {gaps.shape}"
        )
    if np.any(np.diff(values) <= 0):
        raise ValueError(f"values must increase, got {values}")
    mean, spread = gaps.mean(1), gaps.std(1, ddof=1) / np.sqrt(gaps.shape[1])
    found = _crossing(values, mean)
    # the mean over draws is normal to high accuracy, so resampled means are drawn from that normal
    resampled = [
        _crossing(values, mean + spread * rng.standard_normal(len(values))) for _ in range(resamples)
    ]
    resampled = [crossing for crossing in resampled if crossing is not None]
    if found is None or len(resampled) < 0.95 * resamples:
        return None
    return Crossing(found, *(float(end) for end in np.quantile(resampled, [0.025, 0.975])))


def _crossing(values, mean):
    """The one crossing where the measured signs change; None if they change never or more than once."""
    if np.count_nonzero(np.diff(np.sign(mean))) != 1:
        return None
    at = np.flatnonzero(np.diff(np.sign(mean)))[0]
    roots = CubicSpline(values, mean).roots(extrapolate=False)
    inside = roots[(roots >= values[at]) & (roots <= values[at + 1])]
    return float(inside[0]) if inside.size else None
