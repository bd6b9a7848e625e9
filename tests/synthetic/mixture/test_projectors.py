"""Projectors trained from the identity, and the gradient there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthetic.mixture.projectors import (
    ProjectorTraining,
    _start,
    identity_gradient,
    layer_metrics,
    project,
    projector_gains,
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
        train_projectors(replace(SHORT, sigma=(s, s), temperature=t, seed=seed, lr=0.05))
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
