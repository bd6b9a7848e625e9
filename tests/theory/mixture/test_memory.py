"""Solvers work in blocks: their memory does not grow with the number of points, beyond the answers themselves."""

import tracemalloc

import numpy as np
import pytest

import theory

POINTS, MEGABYTES = 10_000, 60


def between(low, high, seed):
    return np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), POINTS))


R, RATIO, GAIN, PENALTY, SIGMA = (
    between(*ends, seed) for seed, ends in enumerate([(0.2, 3), (0.2, 30), (0.05, 20), (1e-3, 100), (0.1, 3)])
)
GROUPS = np.stack([R, 0 * R], 1), np.stack([GAIN, 1 + 0 * R], 1), [0.3, 0.7]


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.downstream_accuracy("logistic", R, RATIO, GAIN - 1, PENALTY),
        lambda: theory.downstream_accuracy("hinge", R, RATIO, GAIN - 1, PENALTY),
        lambda: theory.downstream_accuracy("hard-margin", R, np.minimum(RATIO, 1.9), GAIN - 1),
        lambda: theory.spectrum_accuracy(*GROUPS, RATIO, PENALTY, "hinge"),
        lambda: theory.multiclass_ridge_accuracy(5, R, RATIO, GAIN - 1, PENALTY),
        lambda: theory.projector_gain("inner", np.append(np.tile(R, 3), 1000.0), 0.7),
        lambda: theory.projector_gain("euclidean", R, SIGMA),
        lambda: theory.averaging_projector_accuracy(R[:100], 100, 50, GAIN[:100] - 1),
    ],
    ids=["logistic", "hinge", "hard margin", "spectrum", "classes", "inner", "euclidean", "averaging"],
)
def test_ten_thousand_points_fit_into_sixty_megabytes(call):
    """Without blocks, the logistic loss takes about 260 MB, and several classes 45."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak < MEGABYTES
