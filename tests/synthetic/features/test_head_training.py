"""Population training of heads against properties that hold without knowing any law."""

import numpy as np
import pytest
import torch

from synthetic.features.head_training import (
    Alternation,
    Penalty,
    alternating_descent,
    bilevel_flow,
    frozen_head_minimizer,
    penalised_minimizer,
    sampled_descent,
    squared_loss_flow,
)
from synthetic.features.population import (
    balanced_start,
    feature_norms,
    isotropic_start,
    population_flow,
    population_gradient,
    population_loss,
    random_start,
)
from synthetic.features.settings import FOUR_FEATURES as MODEL


def test_bilevel_flow_never_raises_the_least_loss_and_ends_stationary(seed):
    start = isotropic_start(4, 3, 0.5, seed)
    losses = []
    for time in (0.01, 1.0, 200.0):
        layers = bilevel_flow(MODEL, start, 2, time)
        losses.append(population_loss(MODEL, layers))
    assert losses[0] > losses[1] > losses[2]
    assert max(np.abs(g).max() for g in population_gradient(MODEL, layers)) < 1e-4


def test_one_inner_step_is_descent_with_the_new_head(seed):
    start = random_start([4, 4, 3], 0.3, seed)
    first, second = alternating_descent(MODEL, start, Alternation(1, 0.01, proximal=5.0), 0.01)
    expected = start[1] - 0.01 * population_gradient(MODEL, start)[1]
    np.testing.assert_allclose(second, expected, atol=1e-14)
    np.testing.assert_allclose(
        first, start[0] - 0.01 * population_gradient(MODEL, [start[0], expected])[0], atol=1e-14
    )


@pytest.mark.parametrize("penalty", [Penalty(0.02, head=0.03), Penalty(0.02, group=0.25)], ids=repr)
def test_penalised_minimum_is_below_its_neighbours(penalty, seed):
    layers, value = penalised_minimizer(MODEL, 4, 4, penalty, seed, starts=3)
    rng = np.random.default_rng(seed)
    first, second = (torch.from_numpy(layer) for layer in layers)
    assert value == pytest.approx(
        float(population_loss(MODEL, [first, second]) + penalty.value(first, second)), abs=1e-12
    )
    for size in (1e-4, 1e-2):
        moved = [
            layer + size * torch.from_numpy(rng.standard_normal(layer.shape)) for layer in (first, second)
        ]
        assert value <= float(population_loss(MODEL, moved) + penalty.value(*moved))


def test_frozen_identity_leaves_the_weights_of_no_head(seed):
    none = feature_norms(MODEL, population_flow(MODEL, random_start([4, 4], 0.3, seed), 200.0))[0]
    before, after = frozen_head_minimizer(MODEL, np.eye(4), seed)
    np.testing.assert_allclose(before, none, atol=1e-6)
    np.testing.assert_allclose(after, none, atol=1e-6)


def test_squared_loss_flow_ends_where_the_residual_is_uncorrelated_with_the_input(seed):
    codes = np.array([[1.0, 0.0, 0.5, 0.0]])
    first, second = squared_loss_flow(MODEL, codes, balanced_start([4, 4, 1], 0.3, seed), 200.0)
    label_cov = codes * (1 - MODEL.alpha) * MODEL.phi
    np.testing.assert_allclose(second @ first @ MODEL.cov, label_cov, atol=1e-6)


def test_sampled_descent_is_plain_descent_with_torch_half_weight_decay(seed):
    start = random_start([4, 3, 2], 0.5, seed)
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ends = sampled_descent(lambda z: z.square().mean(), start, x, step_size=0.1, time=0.3, penalty=0.2)
    layers = [torch.nn.Parameter(torch.from_numpy(layer.copy())) for layer in start]
    optimizer = torch.optim.SGD(layers, lr=0.1, weight_decay=0.4)
    for _ in range(3):
        optimizer.zero_grad()
        (x @ layers[0].T @ layers[1].T).square().mean().backward()
        optimizer.step()
    for end, layer in zip(ends, layers, strict=True):
        np.testing.assert_allclose(end, layer.detach().numpy(), atol=1e-12)
