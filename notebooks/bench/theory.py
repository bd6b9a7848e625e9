"""Speed of the theory functions: processor time a point, many points in one call, and a call with one point."""

from __future__ import annotations

import functools
import time

import numpy as np

import theory
from notebooks.bench import generic
from notebooks.bench.measures import Measure

POINTS = 1000


def theory_measures(seed: int = 0, repeats: int = 5) -> dict[str, Measure]:
    """Time accuracies, gains and weights, in microseconds of the processor.

    The points are random and log-uniform: sample ratio from 0.2 to 30, signal norm from 0.2 to 3, 1 + kappa from
    0.05 to 20, penalty from 1e-8 to 100, standard deviation of the augmentation from 0.2 to 3. The hard margin is
    timed at 0.05 to 0.99 of the separability threshold. The cosine gain is timed at 100 points in 128 dimensions,
    the weights of a sparse head for 100,000 features, and the averaging accuracy for 1,000 features and 100 labels.
    Rows that end in "generic" time a general-purpose solver of SciPy on the problem of the row before.

    Parameters
    ----------
    seed : int
    repeats : int >= 1
        How often the call with all points is timed.

    Returns
    -------
    dict of str to Measure
        ``theory/<function>/per point`` is the time of a call with many points over their number, and has a goal.
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
    for name, goal, points, function in _large_tasks(np.random.default_rng([seed, 5])):
        whole = [_microseconds(function, ()) / points for _ in range(repeats)]
        measures[f"theory/{name}/per point"] = Measure.of(whole, "us", goal, less_is_better=True)
    return measures


def _large_tasks(rng):
    def model(features):
        return theory.FeatureModel(rng.uniform(0.3, 2, features), rng.uniform(0, 0.6, features), 0.5)

    r, sigma, temperature = (_log_uniform(rng, *ends, 100) for ends in ((0.3, 3), (0.3, 2), (0.05, 1)))
    many, few = model(100_000), model(1000)
    weights = theory.layer_weights(few)[1]
    gain = functools.partial(theory.projector_gain, "cosine", r, sigma, temperature=temperature, dim=128)
    head = functools.partial(theory.penalised_weights, many, theory.SparseHead(0.01, 0.01, 0.01))
    yield "cosine gain", 5000, r.size, gain
    yield "penalised weights", 1, many.num_features, head
    yield "averaging accuracy", 1e5, 1, functools.partial(theory.averaging_accuracy, few, weights, 0, 100)
    yield from _beside_generic_solvers(np.random.default_rng(rng.integers(2**32)), model(4))


def _beside_generic_solvers(rng, four):
    """New solvers, each followed by a general-purpose solver of the same problem, which has no goal."""
    between = functools.partial(_log_uniform, rng, size=100)
    points = [between(*ends) for ends in ((0.2, 3), (0.2, 10), (0.2, 5), (1e-2, 10))]
    points[2] -= 1
    noise, balance = rng.uniform(0, 0.3, 100), rng.uniform(0.3, 0.7, 100)
    for name in ("logistic", "hinge"):
        with_bias = functools.partial(
            theory.downstream_accuracy, name, *points, bias=True, class_balance=balance, label_noise=noise
        )
        yield f"{name} with bias", 20_000, 100, with_bias
        few = list(zip(*points, strict=True))[:20], noise[:20], balance[:20]
        yield (
            f"{name} with bias, generic",
            None,
            20,
            functools.partial(generic.accuracy_with_bias, name, *few),
        )
    times = np.linspace(0.01, 3, 1000)
    yield "learning curve", 20, 1000, functools.partial(theory.learning_curve, four, times, 0.05)
    yield "learning curve, generic", None, 1000, functools.partial(generic.learning_curve, four, times, 0.05)
    root = rng.normal(size=(4, 4))
    cross_cov = root @ root.T
    cov = cross_cov + np.diag([0.3, 0.6, 1.0, 2.0])
    yield "spectral minimiser", 5000, 1, functools.partial(theory.spectral_minimizer, cov, cross_cov, 4)
    yield "spectral minimiser, generic", None, 1, functools.partial(generic.spectral_gram, cov, cross_cov)
    noise_cov = np.diag(rng.uniform(0.2, 4, 8))
    yield (
        "anisotropic metric",
        1e5,
        1,
        functools.partial(theory.anisotropic_metric, "inner", np.eye(8)[0], noise_cov),
    )
    yield "accuracy from pairs", 20_000, 1, functools.partial(theory.accuracy_from_pairs, four, 0, 8, 10_000)


def _log_uniform(rng, low, high, size):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def _tasks(rng):
    between = functools.partial(_log_uniform, rng, size=POINTS)

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
