import pytest
import torch

from neural.models.heads import IdentityConfig, IdentityHead, LinearConfig, LinearHead, MLPConfig, MLPHead


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@pytest.fixture
def h(seed):
    return torch.randn(6, 8, generator=generator(seed, 1))


def test_identity_returns_its_input(h):
    head = IdentityHead(8)
    assert head(h) is h
    assert not list(head.parameters())


def test_linear_is_a_matrix_without_bias(h, seed):
    head = LinearHead(8, 3, generator=generator(seed))
    (weight,) = head.parameters()
    assert weight.shape == (3, 8)
    assert torch.allclose(head(h), h @ weight.T, atol=1e-6)


def test_mlp_is_two_affine_maps_around_a_relu(h, seed):
    head = MLPHead(8, 5, 3, generator=generator(seed))
    w1, b1, w2, b2 = head.parameters()
    assert [tuple(p.shape) for p in (w1, b1, w2, b2)] == [(5, 8), (5,), (3, 5), (3,)]
    assert torch.allclose(head(h), (h @ w1.T + b1).clamp(min=0) @ w2.T + b2, atol=1e-6)


@pytest.mark.parametrize(
    ("config", "head", "out_dim"),
    [(IdentityConfig(), IdentityHead, 8), (LinearConfig(3), LinearHead, 3), (MLPConfig(5, 3), MLPHead, 3)],
)
def test_recipes_are_hashable_and_build_from_the_generator(config, head, out_dim, h, seed):
    before = torch.get_rng_state()
    one, same = (config.build(8, generator(seed)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert isinstance(one, head) and one.out_dim == out_dim == one(h).shape[1]
    assert torch.equal(one(h), same(h))
    assert hash(config) == hash(type(config)(*vars(config).values()))
    if out_dim != 8:
        assert not torch.equal(one(h), config.build(8, generator(seed, 1))(h))


def test_bad_sizes_are_refused(seed):
    with pytest.raises(ValueError, match="in_dim must be an integer >= 1, got 0"):
        IdentityHead(0)
    with pytest.raises(ValueError, match="embed_dim must be an integer >= 1, got 0"):
        LinearHead(8, 0, generator=generator(seed))
    with pytest.raises(ValueError, match="hidden_dim must be an integer >= 1, got -1"):
        MLPHead(8, -1, 3, generator=generator(seed))
