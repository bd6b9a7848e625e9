"""Mixture sampler and the measured gain."""

import numpy as np
import pytest
import torch

from neural import torch_generator
from synthetic.mixture.samples import (
    class_views,
    mixture_views,
    random_basis,
    random_direction,
    same_class_views,
    sample_mixture,
    signal_gain,
)


def test_moments_of_inputs_and_views(seed):
    generator = torch_generator(seed, "mixture")
    mean, n = torch.tensor([1.5, 0.0, -0.5], dtype=torch.float64), 200_000
    inputs, labels = sample_mixture(mean, (n,), generator)
    error = 5 / np.sqrt(n)
    np.testing.assert_allclose((inputs * labels[:, None]).mean(0), mean, atol=error)
    assert abs(labels.mean()) < error
    one, two = mixture_views(mean, (0.7, 0.0), (n,), generator)
    signal = np.outer(mean, mean)
    np.testing.assert_allclose(one.T @ one / n, signal + np.eye(3) * 1.49, atol=6 * error)
    np.testing.assert_allclose(one.T @ two / n, signal + np.eye(3), atol=6 * error)


def test_direction_is_a_unit_vector_and_streams_repeat():
    one, two = (random_direction(5, torch_generator(3, "direction")) for _ in range(2))
    assert one.norm() == pytest.approx(1) and torch.equal(one, two)


def test_gain_of_a_known_metric():
    direction = np.array([0.6, 0.8, 0.0])
    projector = np.eye(3) + 0.5 * np.outer(direction, direction)
    assert signal_gain(projector.T @ projector, direction) == pytest.approx(1.5)


def test_negative_augmentation_is_refused():
    with pytest.raises(ValueError, match="sigma must be >= 0"):
        mixture_views(torch.zeros(2), (0.1, -0.1), (3,), torch_generator(0))


def test_views_of_one_class_share_the_mean_alone(seed):
    generator, n = torch_generator(seed, "class"), 200_000
    mean = torch.tensor([1.5, 0.0], dtype=torch.float64)
    one, two = same_class_views(mean, (0.7, 0.3), (n,), generator)
    error = 6 * 5 / np.sqrt(n)
    np.testing.assert_allclose(one.T @ two / n, np.outer(mean, mean), atol=error)
    np.testing.assert_allclose(two.T @ two / n, np.outer(mean, mean) + 1.09 * np.eye(2), atol=error)


def test_views_of_several_classes_share_the_input(seed):
    generator, n = torch_generator(seed, "classes"), 200_000
    means = 2 * torch.eye(4, dtype=torch.float64)[:3]
    one, two = class_views(means, (0.5, 0.5), (n,), generator)
    error = 6 * 5 / np.sqrt(n)
    shared = np.diag([4 / 3, 4 / 3, 4 / 3, 0.0]) + np.eye(4)
    np.testing.assert_allclose(one.T @ two / n, shared, atol=error)
    np.testing.assert_allclose(one.mean(0), [2 / 3, 2 / 3, 2 / 3, 0], atol=error)


def test_random_basis_is_orthonormal():
    basis = random_basis(5, torch_generator(1, "basis"))
    torch.testing.assert_close(basis @ basis.T, torch.eye(5, dtype=torch.float64))


def test_augmentation_may_differ_by_direction(seed):
    generator, n = torch_generator(seed, "spread"), 200_000
    spread = torch.tensor([0.2, 2.0], dtype=torch.float64)
    one, two = mixture_views(torch.zeros(2, dtype=torch.float64), (spread, 0 * spread), (n,), generator)
    np.testing.assert_allclose((one - two).var(0), [0.04, 4.0], rtol=0.02)
    with pytest.raises(ValueError, match="sigma must be >= 0"):
        mixture_views(torch.zeros(2), (spread, -spread), (3,), generator)
