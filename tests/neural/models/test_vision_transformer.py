import pytest
import torch

from neural.models.encoders import initialise
from neural.models.vision_transformer import Attention, ViTConfig

SMALL = ViTConfig(image_size=8, patch=4, dim=6, depth=2, heads=3)


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


def images_of(seed, count=5):
    return torch.rand(count, 3, 8, 8, generator=generator(seed, 1), dtype=torch.float64)


def test_parameters_are_as_many_as_the_sizes_say():
    encoder = ViTConfig().build(generator(0))
    d = 192
    block = 4 * d**2 + 4 * d + 8 * d**2 + 5 * d + 4 * d
    patches = (3 * 4**2 + 1) * d + 64 * d
    assert sum(p.numel() for p in encoder.parameters()) == patches + 12 * block + 2 * d


def test_attention_by_hand(seed):
    attention = Attention(6, 3).double()
    initialise(attention, generator(seed))
    tokens = torch.randn(2, 4, 6, generator=generator(seed, 1), dtype=torch.float64)
    query, key, value = (tokens @ attention.query_key_value.weight.T + attention.query_key_value.bias).split(
        6, -1
    )
    mixed = []
    for head in (slice(0, 2), slice(2, 4), slice(4, 6)):
        weights = (query[..., head] @ key[..., head].mT / 2**0.5).softmax(-1)
        mixed.append(weights @ value[..., head])
    expected = torch.cat(mixed, -1) @ attention.out.weight.T + attention.out.bias
    assert torch.allclose(attention(tokens), expected, rtol=0, atol=1e-12)


def test_the_place_of_a_patch_counts_through_its_position_alone(seed):
    encoder = SMALL.build(generator(seed)).double()
    images = images_of(seed)
    swapped = images.roll(4, dims=-1)
    assert not torch.allclose(encoder(images), encoder(swapped), rtol=0, atol=1e-6)
    encoder.positions.data.zero_()
    assert torch.allclose(encoder(images), encoder(swapped), rtol=0, atol=1e-12)


def test_the_representation_is_the_mean_of_normalised_tokens(seed):
    encoder = SMALL.build(generator(seed)).double()
    tokens = dict(encoder.maps(images_of(seed)))["block2"].mT
    centred = tokens - tokens.mean(-1, keepdim=True)
    expected = (centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()).mean(1)
    assert torch.allclose(encoder(images_of(seed)), expected, rtol=0, atol=1e-12)


def test_every_weight_takes_part(seed):
    encoder = SMALL.build(generator(seed)).double()
    (encoder(images_of(seed)) ** 3).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in encoder.parameters())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"patch": 5}, "patch must divide image_size 32, got 5"),
        ({"heads": 5}, "heads must divide dim 192, got 5"),
        ({"depth": 0}, "depth must be an integer >= 1, got 0"),
    ],
)
def test_bad_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        ViTConfig(**sizes)


def test_images_of_another_size_are_refused(seed):
    with pytest.raises(ValueError, match=r"images must be 8 x 8 \(image_size\), got \(1, 3, 16, 16\)"):
        SMALL.build(generator(seed))(torch.rand(1, 3, 16, 16))
