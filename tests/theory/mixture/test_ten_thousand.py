"""Ten thousand random points of every solver: no failure, no NaN, nothing outside its range.

The ranges: signal norm 0.2 to 3, sample ratio 0.2 to 30, gain of the signal 0.05 to 20, penalty 1e-4 to 30, label
noise to 0.45, class balance 0.05 to 0.95, temperature 0.05 to 10, augmentation 0.1 to 3; for a spectrum three groups of
strengths 0.05 to 2 and gains 0.05 to 20; for anisotropic noise 2 to 8 dimensions, variances 0.05 to 10 in random
directions and class means of size 0.1 to 3.
"""

import numpy as np
import pytest
from scipy.special import ndtr

import theory

POINTS, BLOCK = 10_000, 100
TASKS = [
    f"{kind}:{name}" for kind in ("bias", "noise", "spectrum") for name in ("ridge", "logistic", "hinge")
]


def between(rng, low, high, shape=BLOCK):
    return np.exp(rng.uniform(np.log(low), np.log(high), shape))


def block_of(task, rng):
    """Accuracies of one block, and what they may not exceed."""
    kind, name = task.split(":")
    r, delta, penalty = between(rng, 0.2, 3), between(rng, 0.2, 30), between(rng, 1e-4, 30)
    if kind == "spectrum":
        strengths, gains = between(rng, 0.05, 2, (BLOCK, 3)), between(rng, 0.05, 20, (BLOCK, 3))
        shares = rng.dirichlet(np.ones(3), BLOCK)
        best = ndtr(np.linalg.norm(strengths, axis=1))
        return theory.spectrum_accuracy(strengths, gains, shares, delta, penalty, name), best
    point = name, r, delta, between(rng, 0.05, 20) - 1, penalty
    imperfect = {"label_noise": rng.uniform(0, 0.45, BLOCK)}
    if kind == "bias":
        imperfect |= {"bias": True, "class_balance": rng.uniform(0.05, 0.95, BLOCK)}
    return theory.downstream_accuracy(*point, **imperfect), 1.0


def after_training(task, rng):
    """Accuracies behind trained projectors."""
    name, loss = task
    temperature = None if loss == "spectral" else between(rng, 0.05, 10)
    r = between(rng, 0.2, 3)
    point = name, loss, r, between(rng, 0.1, 3), between(rng, 0.2, 30), between(rng, 1e-4, 30)
    return theory.accuracy_after_projector(*point, temperature=temperature), ndtr(r)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_classifiers(task, seed):
    rng = np.random.default_rng([seed, 91, TASKS.index(task)])
    for _ in range(POINTS // BLOCK):
        accuracy, most = block_of(task, rng)
        assert np.all((accuracy > 0) & (accuracy <= most + 1e-12))


@pytest.mark.slow
@pytest.mark.parametrize("task", [("ridge", "spectral"), ("logistic", "inner"), ("hinge", "euclidean")])
def test_classifiers_after_a_trained_projector(task, seed):
    rng = np.random.default_rng([seed, 92, len(task[0])])
    for _ in range(POINTS // BLOCK):
        accuracy, most = after_training(task, rng)
        assert np.all((accuracy >= 0.5) & (accuracy <= most + 1e-12))


@pytest.mark.slow
def test_anisotropic_metric(seed):
    rng = np.random.default_rng([seed, 93])
    for index in range(POINTS):
        dim = rng.integers(2, 9)
        mean = rng.normal(size=dim) * between(rng, 0.1, 3, ()) / np.sqrt(dim)
        turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        noise = (turn * between(rng, 0.05, 10, dim)) @ turn.T
        metric = theory.anisotropic_metric(("inner", "euclidean")[index % 2], mean, (noise + noise.T) / 2)
        assert np.linalg.eigvalsh(metric)[0] > -1e-12
