"""The other ways to train an ensemble: what the engine is timed against has to do the same work, and to do it right."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from notebooks.bench import ensembles
from notebooks.bench.gates import peer_gates
from notebooks.bench.peers import PLAIN
from theory.features.model import FeatureModel

MODEL = FeatureModel([1.0, 0.8, 0.5, 0.6], [0.1, 0.3, 0.0, 1.0], 0.4)
LOSSES = ("spectral", "info_nce")
WAYS = ("numpy", "JAX map", "JAX vmap", pytest.param("torch.compile", marks=pytest.mark.slow))


@pytest.fixture
def task(seed):
    rng = np.random.default_rng([seed, 8])
    shapes = (5, 7, 4), (5, 3, 7)
    weights = tuple(rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes)
    return ensembles.Task("spectral", MODEL, 16, weights)


def way_of(task, name):
    if name.startswith("JAX"):
        pytest.importorskip("jax")
    return ensembles.ways(task, compiled=name == "torch.compile")[name]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", WAYS)
def test_every_way_has_the_gradient_of_the_plain_loss(task, name, loss):
    task = replace(task, loss=loss)
    (gate,) = peer_gates(task, {name: way_of(task, name)})
    assert gate.name == f"gradient of {name}" and gate.ok, gate.text()


def test_a_wrong_gradient_is_noticed(task):
    other = ensembles.numpy_way(replace(task, loss="info_nce"))
    (gate,) = peer_gates(task, {"numpy": other})
    assert not gate.ok


@pytest.mark.parametrize("name", WAYS)
def test_the_first_step_of_adam_moves_every_used_weight_by_the_learning_rate(task, name):
    task = replace(task, batch=512)
    for start, end in zip(task.weights, way_of(task, name).run(1), strict=True):
        moved = np.abs((end.detach().numpy() if torch.is_tensor(end) else np.asarray(end)) - start)
        used = moved > 0  # a hidden unit that is never active has no gradient
        assert used.mean() > 0.5
        np.testing.assert_allclose(moved[used], ensembles.LR, rtol=1e-2)


@pytest.mark.parametrize("loss", LOSSES)
def test_numpy_by_hand_takes_the_steps_of_torch_optim(task, loss):
    task = replace(task, loss=loss)
    leaves = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in task.weights]
    adam, rng = torch.optim.Adam(leaves, lr=ensembles.LR), np.random.default_rng(task.seed)
    for _ in range(20):
        views = torch.from_numpy(ensembles._numpy_batch(MODEL, task.batch, rng)).double().T.split(task.batch)
        adam.zero_grad()
        for w1, w2 in zip(*leaves, strict=True):
            PLAIN[loss](*(torch.relu(x @ w1.T) @ w2.T for x in views)).backward()
        adam.step()
    for got, wanted in zip(ensembles.numpy_way(task).run(20), leaves, strict=True):
        np.testing.assert_allclose(got, wanted.detach(), atol=1e-4)


def test_batches_follow_the_feature_model(seed):
    n = 200_000
    x = ensembles._numpy_batch(MODEL, n, np.random.default_rng([seed, 9])).reshape(4, 2, n)
    for value, expected in (
        (np.mean(x[:, 0] ** 2, 1), MODEL.variance),
        (np.mean(x[:, 0] * x[:, 1], 1), MODEL.retention * MODEL.phi**2),
        (np.mean(x[:, 1], 1), 0 * MODEL.phi),
    ):
        np.testing.assert_allclose(value, expected, atol=5 * 2 / np.sqrt(n))
