"""Measured feature weights: exact for linear networks up to their own standard error, unbiased near 0."""

import numpy as np
import pytest
import torch

from neural import Network, torch_generator
from synthetic import empirical_constant, empirical_layer_weights
from theory.features.model import FeatureModel

MODEL = FeatureModel([0.5, 1.0, 2.0], [0.1, 0.2, 0.3], 0.4, dim=4)


def random_network(seed, activation="linear", members=3):
    generator = torch_generator(seed, "network")
    shapes = [(members, 6, 4), (members, 5, 6)]
    return Network(
        tuple(torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes), activation=activation
    )


def test_linear_network_has_the_norms_of_its_columns(seed):
    network = random_network(seed)
    weights, error = empirical_layer_weights(MODEL, network, generator=torch_generator(seed, "x"))
    first = network.weights[0][..., :3]
    exact = torch.stack([first.norm(dim=1), (network.weights[1] @ first).norm(dim=1)], dim=1).numpy()
    assert weights.shape == error.shape == (3, 2, 3)
    np.testing.assert_array_less(np.abs(weights - exact), 6 * error)
    assert np.all(error < 0.05 * exact)


def test_standard_error_is_the_spread_of_repetitions(seed):
    network = random_network(seed, "relu", members=1)
    draws = [
        empirical_layer_weights(MODEL, network, n=2**10, generator=torch_generator(seed, "rep", i))
        for i in range(200)
    ]
    spread = np.std([d.value for d in draws], axis=0, ddof=1)
    claimed = np.mean([d.standard_error for d in draws], axis=0)
    # the spread of 200 repetitions is known to 5%, the mean of 200 jackknife errors better
    np.testing.assert_allclose(claimed / spread, 1.0, atol=0.25)


def test_absent_feature_is_measured_near_zero(seed):
    """A plain norm of a mean would show 1/sqrt(n); the unbiased square is cut at 0."""
    blind = torch.tensor([[[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]], dtype=torch.float64)
    network = Network((blind, torch.eye(2, dtype=torch.float64)[None]), activation="linear")
    values = [
        empirical_layer_weights(MODEL, network, n=2**10, generator=torch_generator(seed, "z", i)).value[
            0, 1, 0
        ]
        for i in range(40)
    ]
    assert min(values) == 0 and np.mean(values) < 2 * np.sqrt(2) * 2.3 / np.sqrt(2**10) / 0.5


def test_constant_of_a_biased_network(seed):
    bias = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    eye = torch.eye(2, 4, dtype=torch.float64)[None]
    network = Network((eye,), (bias,), activation="linear")
    constant = empirical_constant(MODEL, network, generator=torch_generator(seed, "c"))
    assert abs(constant.value[0, 0] - 0.25) < 6 * constant.standard_error[0, 0]


def test_too_few_inputs():
    with pytest.raises(ValueError, match="n must be >= 64, got 10"):
        empirical_layer_weights(MODEL, random_network(0), n=10, generator=torch_generator(0))
