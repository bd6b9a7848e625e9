import pytest
import torch
from torch import nn

from neural.encoders import SmallConv


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@pytest.mark.parametrize("width", [4, 16])
def test_representation_has_four_times_the_width(width, seed):
    encoder = SmallConv(width, generator=generator(seed))
    assert encoder.out_dim == 4 * width
    assert encoder(torch.rand(5, 3, 16, 16)).shape == (5, 4 * width)


def test_last_relu_makes_the_representation_non_negative(seed):
    images = torch.rand(32, 3, 16, 16, generator=generator(seed, 1))
    with_relu = SmallConv(generator=generator(seed))(images)
    without = SmallConv(last_relu=False, generator=generator(seed))(images)
    assert with_relu.min() >= 0
    assert without.min() < -0.1
    assert SmallConv(generator=generator(seed)).state_dict().keys() == (
        SmallConv(last_relu=False, generator=generator(seed)).state_dict().keys()
    )


def test_weights_follow_the_generator_and_leave_the_global_state(seed):
    before = torch.get_rng_state()
    one, same, other = (SmallConv(generator=generator(seed, purpose)) for purpose in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    weights = [torch.cat([p.flatten() for p in encoder.parameters()]) for encoder in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_initial_weights_are_uniform_in_one_over_root_fan_in(seed):
    encoder = SmallConv(32, generator=generator(seed))
    for layer in (layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)):
        scaled = layer.weight.detach().flatten() * (layer.in_channels * 9) ** 0.5
        assert scaled.abs().max() <= 1
        n = len(scaled)
        # A uniform variable on [-1, 1] has variance 1/3, its square variance 4/45.
        assert abs(scaled.mean()) < 5 * (1 / 3 / n) ** 0.5
        assert abs(scaled.square().mean() - 1 / 3) < 5 * (4 / 45 / n) ** 0.5


def test_width_below_one_is_refused(seed):
    with pytest.raises(ValueError, match="width must be >= 1, got 0"):
        SmallConv(0, generator=generator(seed))
