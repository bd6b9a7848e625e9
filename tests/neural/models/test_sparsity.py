"""Proximal steps by their optimality, convergence to known sparse minima, and what fails without a fixed norm."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from neural.models.heads import (
    IdentityConfig,
    LinearConfig,
    MLPConfig,
    PCAConfig,
)
from neural.models.sparsity import SparsePenalty, first_linear, kept_units, needs_fixed_norm

NORMS = [SparsePenalty(1.0), SparsePenalty(1.0, "l1"), SparsePenalty(1.0, "group", 2)]
norms = pytest.mark.parametrize("sparse", NORMS, ids=[s.norm for s in NORMS])


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


def head_of(weight):
    head = LinearConfig(len(weight)).build(weight.shape[1], generator(0)).double()
    head.linear.weight.data.copy_(weight)
    return head


@pytest.fixture
def weight(seed):
    return torch.randn(4, 6, generator=generator(seed, 1), dtype=torch.float64)


def norm_by_hand(sparse, weight):
    if sparse.norm == "l1":
        return weight.abs().sum()
    size = 2 if sparse.norm == "group" else 1
    return sum(weight[:, i : i + size].square().sum().sqrt() for i in range(0, weight.shape[1], size))


@norms
@pytest.mark.parametrize("fixed_norm", [False, True])
def test_no_other_weight_is_better_than_the_proximal_step(sparse, fixed_norm, weight, seed):
    """The objective is convex without a fixed norm; on the sphere -<V, W> + t norm(V) is least there."""
    head = head_of(weight)
    sparse.step(head, 0.5, fixed_norm)
    best = head.linear.weight.detach()

    def objective(v):
        return (v - weight).square().sum() / 2 + 0.5 * norm_by_hand(sparse, v)

    rng = generator(seed, 2)
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(200):
            other = best + size * torch.randn(weight.shape, generator=rng, dtype=torch.float64)
            if fixed_norm:
                other *= weight.norm() / other.norm()
            assert objective(other) > objective(best)
    if fixed_norm:
        assert best.norm() == pytest.approx(weight.norm().item(), rel=1e-14)


@norms
def test_zeros_are_exact_and_come_by_column_entry_or_block(sparse, weight):
    weight[:, 0] = 0.01
    weight[:, 1] *= 0.01
    weight[2, 5] = 0.01
    head = head_of(weight)
    sparse.step(head, 0.1, False)
    new = head.linear.weight.detach()
    assert torch.all(new[:, :2] == 0)
    assert (new[2, 5] == 0) == (sparse.norm == "l1")
    assert kept_units(head) == 4


def descend(head, loss, sparse, lr, steps, fixed_norm):
    optimizer = torch.optim.SGD(head.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(head).backward()
        optimizer.step()
        sparse.step(head, lr, fixed_norm)


def test_descent_reaches_the_sparse_minimum(weight):
    """|W - V|^2/2 + t |W|_{2,1} is least at V with t taken off every column."""
    lengths = weight.norm(dim=0)
    penalty = lengths.sort().values[2:4].mean().item()
    head = head_of(torch.zeros_like(weight))
    descend(
        head, lambda h: (h.linear.weight - weight).square().sum() / 2, SparsePenalty(penalty), 0.5, 100, False
    )
    expected = weight * (1 - penalty / lengths).clamp(min=0)
    # The error halves at every step: 2^-100.
    assert torch.allclose(head.linear.weight, expected, rtol=0, atol=1e-12)
    assert kept_units(head) == 3


def scale_free_loss(weight):
    return lambda head: -cosine_similarity(head.linear.weight.flatten(), weight.flatten(), dim=0)


def test_without_a_fixed_norm_a_scale_free_loss_lets_the_head_shrink(weight):
    """No minimiser: the penalty falls, no column goes, until the steps are as long as the head."""
    head, sparse = head_of(weight / weight.norm()), SparsePenalty(0.2)
    start = norm_by_hand(sparse, head.linear.weight)
    descend(head, scale_free_loss(weight), sparse, 0.004, 1000, False)
    # Steps are as long as the head at a norm of about the root of the step size, 0.06.
    assert norm_by_hand(sparse, head.linear.weight) < start / 3
    assert kept_units(head) == 6


def test_with_a_fixed_norm_a_scale_free_loss_has_a_sparse_minimum(weight):
    """-<W, V>/(|W||V|) + t |W|_{2,1} on |W| = R is least at R S/|S|, S = V less t R |V| on every column."""
    lengths, radius = weight.norm(dim=0), weight.norm().item()
    cut = lengths.sort().values[2:4].mean().item()
    start = torch.full_like(weight, radius / weight.numel() ** 0.5)
    head = head_of(start)

    def step_back_to_the_sphere(module, _):
        module.linear.weight.data.mul_(radius / module.linear.weight.norm())

    head.register_forward_pre_hook(step_back_to_the_sphere)

    def loss(head):
        head(torch.zeros(1, 6, dtype=torch.float64))
        return scale_free_loss(weight)(head)

    descend(head, loss, SparsePenalty(cut / (radius * weight.norm().item())), radius**2 / 2, 300, True)
    expected = weight * (1 - cut / lengths).clamp(min=0)
    assert kept_units(head) == 3
    # Convergence is linear; 300 steps are past round-off.
    assert torch.allclose(
        head.linear.weight / head.linear.weight.norm(), expected / expected.norm(), rtol=0, atol=1e-10
    )


@norms
def test_a_penalty_that_takes_everything_is_named_and_leaves_the_head_alone(sparse, weight):
    head = head_of(weight)
    with pytest.raises(ValueError, match=r"penalty must be small enough .* 1.0 at step size 100"):
        sparse.step(head, 100.0, True)
    assert torch.equal(head.linear.weight, weight)


def test_a_diverged_head_is_named(weight):
    weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="must be finite, its norm is nan"):
        SparsePenalty(0.1).step(head_of(weight), 0.1, True)


def test_the_layer_fed_by_the_representation_alone_is_touched(seed):
    head = MLPConfig(5, 3, 2, batch_norm=True).build(8, generator(seed))
    before = {name: value.clone() for name, value in head.state_dict().items()}
    SparsePenalty(0.1).step(head, 0.1, True)
    changed = [name for name, value in head.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["layers.0.weight"]
    assert first_linear(head) is head.layers[0]


def test_zero_penalty_changes_nothing_beyond_round_off(weight):
    head = head_of(weight)
    SparsePenalty(0.0).step(head, 0.1, True)
    assert torch.allclose(head.linear.weight, weight, rtol=1e-15, atol=0)


@pytest.mark.parametrize("scale_free", [False, True])
def test_a_fixed_norm_is_needed_where_the_shrinkage_can_be_undone(scale_free, seed):
    linear, mlp = (config.build(8, generator(seed)) for config in (LinearConfig(3), MLPConfig(5, 3)))
    assert needs_fixed_norm(linear, scale_free) is scale_free
    assert needs_fixed_norm(mlp, scale_free)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1.0,), "penalty must be >= 0 and finite, got -1"),
        ((float("nan"),), "penalty must be >= 0 and finite, got nan"),
        ((0.1, "l2"), "norm must be one of 'l21', 'l1', 'group', got 'l2'"),
        ((0.1, "group", 0), "group must be an integer >= 1, got 0"),
    ],
)
def test_bad_recipes_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SparsePenalty(*values)


def test_bad_heads_and_steps_are_refused(weight, seed):
    for config in (IdentityConfig(), PCAConfig(3)):
        with pytest.raises(ValueError, match="head must have a linear layer fed by the representation, got"):
            SparsePenalty(0.1).step(config.build(8, generator(seed)), 0.1, False)
    with pytest.raises(ValueError, match="group must be >= 1 and divide the 6 columns, got 4"):
        SparsePenalty(0.1, "group", 4).step(head_of(weight), 0.1, False)
    with pytest.raises(ValueError, match="lr must be >= 0 and finite"):
        SparsePenalty(0.1).step(head_of(weight), -0.1, False)
