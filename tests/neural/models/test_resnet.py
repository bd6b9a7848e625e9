import pytest
import torch

from neural.models.resnet import ResidualBlock, ResNetConfig


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


# Published sizes of the CIFAR networks without their classifier: 11,173,962 - 5,130 and 23,520,842 - 20,490.
@pytest.mark.parametrize(("depth", "count"), [(18, 11_168_832), (50, 23_500_352)])
def test_parameters_are_as_many_as_published(depth, count):
    encoder = ResNetConfig(depth).build(generator(0))
    assert sum(p.numel() for p in encoder.parameters()) == count


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (50, 4)])
def test_the_first_stage_keeps_the_size_of_the_image_and_the_others_halve_it(depth, expansion, seed):
    encoder = ResNetConfig(depth, width=2).build(generator(seed))
    shapes = [tuple(features.shape[1:]) for _, features in encoder.maps(torch.rand(2, 3, 32, 32))]
    widths = [2, *(2 * expansion * 2**i for i in range(4))]
    assert shapes == list(zip(widths, (32, 32, 16, 8, 4), (32, 32, 16, 8, 4), strict=True))


@pytest.mark.parametrize("depth", [18, 50])
def test_last_relu_is_the_only_difference(depth, seed):
    images = torch.rand(8, 3, 8, 8, generator=generator(seed, 1))
    pair = [ResNetConfig(depth, 4, last_relu=last).build(generator(seed)) for last in (True, False)]
    with_relu, without = ([features for _, features in encoder.maps(images)] for encoder in pair)
    assert all(torch.equal(a, b) for a, b in zip(with_relu[:-1], without[:-1], strict=True))
    assert torch.equal(with_relu[-1], without[-1].clamp(min=0))
    assert without[-1].min() < -0.1


def test_a_block_adds_its_branch_to_its_input():
    x = torch.randn(3, 4, 5, 5, generator=generator(0))
    block = ResidualBlock(torch.nn.Tanh(), 4, 4, 1, last_relu=True)
    assert torch.equal(block(x), (x + x.tanh()).clamp(min=0))


@pytest.mark.parametrize("depth", [18, 50])
def test_every_weight_takes_part(depth, seed):
    encoder = ResNetConfig(depth, 4).build(generator(seed))
    encoder(torch.rand(4, 3, 16, 16, generator=generator(seed, 1))).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in encoder.parameters())


@pytest.mark.parametrize(
    ("values", "message"), [((34,), "depth must be one of 18, 50, got 34"), ((18, 0), "width must")]
)
def test_bad_sizes_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ResNetConfig(*values)
