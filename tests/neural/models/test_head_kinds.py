import numpy as np
import pytest
import torch

from neural.models.heads import (
    DirectConfig,
    DirectHead,
    FixedMatrixHead,
    FixedReweightingConfig,
    FixedReweightingHead,
    FrozenGivenConfig,
    FrozenRandomConfig,
    LinearConfig,
    MLPConfig,
    PCAConfig,
    PCAHead,
    ThresholdConfig,
    symmetrised_relu,
)
from neural.models.sparsity import shrink_groups

CONFIGS = [
    MLPConfig(5, 3, 2, True),
    MLPConfig(5, 3, 3, False),
    FixedReweightingConfig(1.5),
    DirectConfig(3),
    FrozenRandomConfig(3),
    FrozenGivenConfig(((1.0,) * 8, (0.5,) * 8)),
    PCAConfig(3),
    ThresholdConfig(),
]


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@pytest.fixture
def h(seed):
    return torch.randn(40, 8, generator=generator(seed, 1))


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_recipes_build_the_same_head_from_the_same_generator_only(config, h, seed):
    before = torch.get_rng_state()
    one, same = (config.build(8, generator(seed)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one(h).shape == (40, one.out_dim)
    assert torch.equal(one(h), same(h))
    assert hash(config) == hash(type(config)(*vars(config).values()))


def test_fixed_heads_do_what_they_say(h):
    torch.testing.assert_close(FixedReweightingHead(8, 2.0)(h)[:, 3], h[:, 3] / 8)
    assert torch.equal(DirectHead(8, 3)(h), h[:, :3])
    matrix = torch.ones(2, 8)
    head = FixedMatrixHead(matrix)
    matrix.zero_()
    torch.testing.assert_close(head(h), h.sum(1, keepdim=True).expand(-1, 2))
    assert not list(head.parameters()) and head.out_dim == 2


@pytest.mark.parametrize("top", [True, False])
def test_pca_head_takes_the_extreme_axes_when_refreshed(top, h):
    h = h * torch.arange(1.0, 9.0) + 5
    head = PCAHead(8, 2, top=top)
    head.refresh(h)
    z = head(h)
    covariance = np.cov(z.numpy().T, bias=True)
    values = np.linalg.eigvalsh(np.cov(h.numpy().T, bias=True))
    np.testing.assert_allclose(np.sort(np.diag(covariance)), values[-2:] if top else values[:2], rtol=1e-3)
    np.testing.assert_allclose(z.mean(0).numpy(), 0, atol=1e-4)
    assert abs(covariance[0, 1]) < 1e-3 * values[-1]


def test_symmetrised_relu_is_soft_thresholding():
    z = torch.linspace(-3, 3, 13)
    expected = torch.sign(z) * (z.abs() - 0.7).clamp(min=0)
    torch.testing.assert_close(symmetrised_relu(z, 0.7), expected)
    torch.testing.assert_close(symmetrised_relu(z, 0.0), z)


def test_threshold_head_learns_and_clips(h):
    head = ThresholdConfig(shared=True).build(8, torch.Generator())
    head(h).sum().backward()
    assert head.threshold.grad.shape == () and head.weight.grad.abs().sum() > 0
    with torch.no_grad():
        head.threshold.fill_(-1.0)
    head.clip()
    assert head.threshold == 0


def test_shrink_groups_is_the_proximal_step(seed):
    """Minimiser of |V - W|^2/2 + t |V|_{2,1}: subgradient condition column by column."""
    weight = torch.randn(4, 6, generator=generator(seed), dtype=torch.float64)
    weight[:, 0] *= 0.05
    new = weight.clone()
    shrink_groups(new, 0.6)
    lengths = torch.linalg.vector_norm(new, dim=0)
    assert lengths[0] == 0 and torch.all(lengths[1:] > 0)
    assert torch.linalg.vector_norm(weight[:, 0]) <= 0.6
    torch.testing.assert_close(
        (new - weight + 0.6 * new / lengths)[:, 1:], torch.zeros(4, 5, dtype=torch.float64)
    )
    shrink_groups(new[:, :1], 0.1)
    assert torch.all(new[:, 0] == 0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DirectHead(4, 5), r"embed_dim must be in \[1, 4\]"),
        (lambda: PCAHead(4, 5), r"embed_dim must be in \[1, 4\]"),
        (lambda: PCAHead(4, 2).refresh(torch.ones(1, 4)), "h must have shape"),
        (lambda: FixedReweightingHead(4, 1.0), "decay must be > 1"),
        (lambda: FixedReweightingHead(500, 1.5), "not representable"),
        (lambda: FixedMatrixHead(torch.ones(3)), "matrix must be"),
        (lambda: FrozenGivenConfig(((1.0, 2.0),)).build(3, torch.Generator()), "rows must have 3"),
        (lambda: shrink_groups(torch.ones(2, 2), -1.0), "amount must be >= 0"),
        (lambda: MLPConfig(depth=0).build(3, torch.Generator()), "depth must be an integer >= 1"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_largest_representable_decay_is_accepted():
    head = FixedReweightingHead(487, 1.19)
    assert head.scales[-1] > 0


def test_defaults_of_the_recipes():
    assert ThresholdConfig().build(8, torch.Generator()).threshold.shape == (8,)
    assert LinearConfig() == LinearConfig(32)
    assert MLPConfig() == MLPConfig(64, 32, 1, False)


def test_pca_head_finds_the_axes_of_a_nearly_collapsed_representation(seed):
    """Variation of 1e-3 around 50, where float32 resolves 4e-6: the squares of the uncentred rows would not do."""
    h = torch.randn(20_000, 8, generator=generator(seed), dtype=torch.float64) * torch.arange(1, 9)
    h = (50 + 1e-3 * h).float()
    head = PCAHead(8, 1)
    head.refresh(h)
    expected = np.linalg.eigh(np.cov(h.double().numpy().T))[1][:, -1]
    assert abs(head.axes[0].double().numpy() @ expected) > 1 - 1e-6
    torch.testing.assert_close(head.mean.double(), h.double().mean(0), rtol=1e-6, atol=0)
