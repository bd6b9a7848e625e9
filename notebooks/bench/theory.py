"""Speed of the theory functions: processor time a point, many points in one call, and a call with one point."""

from __future__ import annotations

import time

import numpy as np

import theory
from notebooks.bench.measures import Measure

POINTS = 1000


def theory_measures(seed: int = 0, repeats: int = 5) -> dict[str, Measure]:
    """Time the accuracies of ridge, hinge, logistic and hard margin and two gains, in microseconds of the processor.

    The points are random and log-uniform: sample ratio from 0.2 to 30, signal norm from 0.2 to 3, 1 + kappa from
    0.05 to 20, penalty from 1e-8 to 100, standard deviation of the augmentation from 0.2 to 3. The hard margin is
    timed at 0.05 to 0.99 of the separability threshold.

    Parameters
    ----------
    seed : int
    repeats : int >= 1
        How often the call with all points is timed.

    Returns
    -------
    dict of str to Measure
        ``theory/<function>/per point`` is the time of a call with 1,000 points divided by 1,000, and has a goal.
        ``theory/<function>/one point`` is the time of a call with a single point.
    """
    measures = {}
    for name, goal, function, arguments in _tasks(np.random.default_rng([seed, 4])):
        whole = [_microseconds(function, arguments) / POINTS for _ in range(repeats)]
        single = [
            np.median([_microseconds(function, [a[i] for a in arguments]) for i in range(20)])
            for _ in range(3)
        ]
        measures[f"theory/{name}/per point"] = Measure.of(whole, "us", goal, less_is_better=True)
        measures[f"theory/{name}/one point"] = Measure.of(single, "us", less_is_better=True)
    return measures


def _tasks(rng):
    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), POINTS))

    r, delta, kappa, penalty = between(0.2, 3), between(0.2, 30), between(0.05, 20) - 1, between(1e-8, 100)
    separable = np.minimum(delta, theory.separability_threshold(r) * rng.uniform(0.05, 0.99, POINTS))
    sigma = between(0.2, 3)
    for name, goal in (("ridge", 10), ("hinge", 300), ("logistic", 600)):
        yield name, goal, _named(theory.downstream_accuracy, name), (r, delta, kappa, penalty)
    hard_margin = _named(theory.downstream_accuracy, "hard-margin")
    yield "hard-margin", 1000, hard_margin, (r, separable, kappa)
    for loss in ("inner", "euclidean"):
        yield f"{loss} gain", 1000, _named(theory.projector_gain, loss), (r, sigma)


def _named(function, name):
    return lambda *arguments: function(name, *arguments)


def _microseconds(function, arguments):
    start = time.process_time()
    function(*arguments)
    return 1e6 * (time.process_time() - start)
