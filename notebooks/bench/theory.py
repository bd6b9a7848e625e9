"""Speed of the theory functions: processor time a point, many points in one call, and a call with one point."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

import theory

POINTS = 1000


class Timing(NamedTuple):
    """Median processor times, in seconds.

    Attributes
    ----------
    name : str
    per_point : float
        Of one call with 1,000 random points, divided by 1,000.
    scalar : float
        Of one call with one point, median over random points.
    goal : float
        Per point.
    """

    name: str
    per_point: float
    scalar: float
    goal: float


def theory_timings(seed: int = 0, repeats: int = 5) -> list[Timing]:
    """Time ridge, hinge, logistic, hard margin and two gains on random points.

    Points: sample ratio .2 to 30, signal norm .2 to 3, 1 + kappa .05 to 20, penalty 1e-8 to 100, all log-uniform;
    hard margin at shares .05 to .99 of the separability threshold; augmentation .2 to 3.

    Parameters
    ----------
    seed : int
    repeats : int >= 1
        Calls with all points.
    """
    rng = np.random.default_rng([seed, 4])

    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), POINTS))

    r, delta, kappa, penalty = between(0.2, 3), between(0.2, 30), between(0.05, 20) - 1, between(1e-8, 100)
    separable = np.minimum(delta, theory.separability_threshold(r) * rng.uniform(0.05, 0.99, POINTS))
    sigma = between(0.2, 3)
    tasks = [
        *(
            (
                name,
                goal,
                lambda *a, name=name: theory.downstream_accuracy(name, *a),
                (r, delta, kappa, penalty),
            )
            for name, goal in (("ridge", 1e-5), ("hinge", 3e-4), ("logistic", 6e-4))
        ),
        (
            "hard-margin",
            1e-3,
            lambda *a: theory.downstream_accuracy("hard-margin", *a),
            (r, separable, kappa),
        ),
        *(
            (f"{loss} gain", 1e-3, lambda *a, loss=loss: theory.projector_gain(loss, *a), (r, sigma))
            for loss in ("inner", "euclidean")
        ),
    ]
    timings = []
    for name, goal, function, arguments in tasks:
        whole = [_seconds(function, arguments) for _ in range(repeats)]
        single = [_seconds(function, [a[i] for a in arguments]) for i in range(60)]
        timings.append(Timing(name, float(np.median(whole)) / POINTS, float(np.median(single)), goal))
    return timings


def format_timings(timings: list[Timing]) -> str:
    """One line a function, in microseconds."""
    lines = [f"{'':16}{'per point':>12}{'goal':>10}{'one point':>12}   (processor microseconds)"]
    for timing in timings:
        cells = "".join(
            f"{1e6 * value:{width}.1f}" for value, width in zip(timing[1:4:2], (12, 10), strict=True)
        )
        lines.append(f"{timing.name:16}{cells}{1e6 * timing.scalar:12.1f}")
    return "\n".join(lines)


def _seconds(function, arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start
