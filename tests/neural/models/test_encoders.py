import pytest
import torch
from torch import nn

from neural.models.encoders import SmallConv, SmallConvConfig
from neural.models.resnet import ResNetConfig
from neural.models.vision_transformer import ViTConfig
from neural.training.presets import ENCODERS

SMALL = [SmallConvConfig(4), ResNetConfig(18, 4), ResNetConfig(50, 4), ViTConfig(8, 4, 6, 2, 3)]


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
    with pytest.raises(ValueError, match="width must be an integer >= 1, got 0"):
        SmallConv(0, generator=generator(seed))


@pytest.mark.parametrize("config", SMALL, ids=list(ENCODERS))
def test_stages_end_with_the_representation(config, seed):
    encoder = config.build(generator(seed)).eval()
    images = torch.rand(5, 3, 8, 8, generator=generator(seed, 1))
    stages = encoder.stages(images)
    assert list(stages)[-1] == "h" and len(stages) >= 3
    assert torch.equal(stages["h"], encoder(images))
    assert stages["h"].shape == (5, encoder.out_dim)
    assert all(features.ndim == 2 and len(features) == 5 for features in stages.values())


@pytest.mark.parametrize("config", SMALL, ids=list(ENCODERS))
def test_recipes_draw_from_the_generator_alone(config, seed):
    before = torch.get_rng_state()
    one, same, other = (config.build(generator(seed, purpose)).state_dict() for purpose in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert hash(config) == hash(type(config)(*vars(config).values()))
    assert all(torch.equal(one[name], same[name]) for name in one)
    matrices = [name for name in one if one[name].ndim > 1]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)


@pytest.mark.parametrize("config", SMALL, ids=list(ENCODERS))
def test_an_image_is_encoded_alone_in_evaluation_mode(config, seed):
    encoder = config.build(generator(seed)).double().eval()
    images = torch.rand(4, 3, 8, 8, generator=generator(seed, 1), dtype=torch.float64)
    # Sums in another order: round-off of values of order one.
    assert torch.allclose(encoder(images)[:1], encoder(images[:1]), rtol=0, atol=1e-12)


def test_stages_of_the_small_network_are_its_pooled_activations(seed):
    encoder = SmallConv(4, last_relu=False, generator=generator(seed)).eval()
    images = torch.rand(5, 3, 16, 16, generator=generator(seed, 1))
    stages, layers = encoder.stages(images), encoder.layers
    assert torch.equal(stages["stage1"], layers[:3](images).mean((2, 3)))
    assert torch.equal(stages["stage2"], layers[:6](images).mean((2, 3)))
    assert torch.equal(stages["h"], layers(images).mean((2, 3)))


@pytest.mark.parametrize(
    ("name", "out_dim"), [("small-conv", 64), ("resnet18", 512), ("resnet50", 2048), ("vit-tiny", 192)]
)
def test_encoders_by_name_build_what_the_name_says(name, out_dim, seed):
    entry = ENCODERS[name]
    kind, fields = entry if isinstance(entry, tuple) else (entry, {})
    assert kind(**fields).build(generator(seed)).out_dim == out_dim
