"""Projectors trained from the identity, and the gradient there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthetic.mixture import projectors
from synthetic.mixture.projectors import (
    ProjectorTraining,
    _by_direction,
    _start,
    identity_gradient,
    layer_metrics,
    project,
    projector_gains,
    projector_losses,
    train_projectors,
)

SHORT = ProjectorTraining("inner", 1.5, (2.0, 2.0), 15.0, dim=5, batch=96, steps=60, members=4)


@pytest.mark.parametrize("hidden", [0, 14])
def test_training_starts_at_the_identity(hidden):
    point = replace(SHORT, hidden=hidden)
    inputs = torch.randn(4, 30, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(project(_start(point), inputs), inputs)


def test_the_relu_metric_is_that_of_its_jacobian():
    layers = [layer[:1].detach() for layer in _start(replace(SHORT, hidden=14))]
    layers = [
        layer + 0.1 * torch.randn(layer.shape, generator=torch.Generator().manual_seed(2)) for layer in layers
    ]
    inputs = torch.randn(1, 7, 5, generator=torch.Generator().manual_seed(3))
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: project(layers, x[None, None])[0, 0], row)
        for row in inputs[0]
    ]
    torch.testing.assert_close(
        layer_metrics(layers, inputs)[0], torch.stack([j.T @ j for j in jacobians]).mean(0)
    )


def test_strong_augmentation_expands_and_weak_shrinks(seed):
    strong, weak = (
        projector_gains([replace(SHORT, sigma=(s, s), temperature=t, seed=seed, lr=0.05)], 4, progress=False)
        for s, t in ((2.0, 15.0), (0.5, 1.6))
    )
    assert np.all(strong > 1.02) and np.all(weak < 0.95)


def test_gradient_at_the_identity_is_the_derivative_of_the_loss():
    """A longer gradient average agrees with the descent that a tiny plain step makes in the metric."""
    along, across = identity_gradient(replace(SHORT, steps=40, batch=256)).T
    assert np.all(along != across) and np.all(np.isfinite(along))
    shrunk = identity_gradient(replace(SHORT, sigma=(0.5, 0.5), temperature=0.5, steps=40, batch=256))
    assert np.all(shrunk[:, 0] < along)


def test_blocks_are_independent_replicates_and_repeat(seed):
    point = replace(SHORT, steps=10, seed=seed)
    gains = projector_gains([point], 10, progress=False)
    assert gains.shape == (1, 10) and len(set(gains.ravel())) == 10
    np.testing.assert_array_equal(gains, projector_gains([point], 10, progress=False))


def test_too_few_hidden_units_are_refused():
    with pytest.raises(ValueError, match="hidden must be 0 or at least 10, got 7"):
        train_projectors(replace(SHORT, hidden=7))


def test_metrics_of_several_classes_by_direction(seed):
    """Inner products shrink the common mean of four classes more than their contrasts."""
    point = ProjectorTraining(
        "inner", 3.0, (1.1, 1.1), 4.0, dim=6, classes=4, batch=128, steps=120, members=4
    )
    contrast, noise, common = train_projectors(replace(point, seed=seed)).T
    assert np.all(common < contrast) and np.all(contrast < noise)


def test_a_known_metric_is_divided_among_its_directions():
    basis = np.eye(5)[:3]
    together, apart = np.ones(3) / np.sqrt(3), np.array([1, -1, 0]) / np.sqrt(2)
    metric = np.eye(5)
    metric[:3, :3] += 3 * np.outer(together, together) + np.outer(apart, apart)
    np.testing.assert_allclose(_by_direction(metric, basis), (1.5, 1.0, 4.0))
    np.testing.assert_allclose(_by_direction(np.diag([4.0, 1, 1, 2, 2]), basis[:1]), (4.0, 1.5, 0.0))


def test_class_positives_drop_the_noise(seed):
    point = replace(SHORT, positives="class", sigma=(0.8, 0.8), temperature=1.0, steps=150, seed=seed)
    signal, noise, _ = train_projectors(point).T
    assert np.all(noise < 0.2 * signal)


def test_the_decoupled_loss_has_one_mean_over_all_negative_pairs():
    z1, z2 = torch.randn(2, 3, 6, 4, generator=torch.Generator().manual_seed(4))
    found = projector_losses("decoupled", 2.0, z1, z2)
    for member, loss in enumerate(found):
        scores = z1[member] @ z2[member].T / 2
        others = scores[~torch.eye(6, dtype=torch.bool)]
        torch.testing.assert_close(loss, others.exp().mean().log() - scores.diagonal().mean())


def test_a_random_start_is_no_identity_and_differs_by_member():
    layers = _start(replace(SHORT, hidden=14, start="random"))
    assert not torch.equal(layers[0][0], layers[0][1])
    inputs = torch.randn(4, 30, 5, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(project(layers, inputs), inputs, atol=0.1)


def test_the_crossing_lies_on_the_line_through_two_log_gains(monkeypatch):
    monkeypatch.setattr(projectors, "measure_log_gains", lambda *_: np.array([[-0.1, 0.3], [-0.2, 0.2]]))
    trainings = [replace(SHORT, sigma=(s, s)) for s in (1.0, 1.4)]
    np.testing.assert_allclose(projectors.measure_crossing(trainings, 2, 0), [[1.1], [1.2]])
