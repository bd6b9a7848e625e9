import pytest
import torch
from kornia.color import rgb_to_grayscale

from neural.augment import Augment, centre_crop, crop


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@pytest.fixture
def images(seed):
    return torch.rand(64, 3, 20, 20, generator=generator(seed, 5))


def test_same_generator_same_views_and_global_state_untouched(images, seed):
    before = torch.get_rng_state()
    views = Augment()(images, generator(seed))
    torch.rand(3)
    torch.set_rng_state(before)
    assert torch.equal(views, Augment()(images, generator(seed)))
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(views, Augment()(images, generator(seed, 1)))


def test_shape_range_and_input_left_alone(images, seed):
    original = images.clone()
    views = Augment()(images, generator(seed))
    assert views.shape == (64, 3, 16, 16)
    assert views.min() >= 0 and views.max() <= 1
    assert torch.equal(images, original)


def test_without_randomness_the_view_is_the_image(images, seed):
    views = Augment(size=20, side=(1.0, 1.0), colour=0.0, grey=0.0)(images, generator(seed))
    assert torch.allclose(views, images, atol=1e-5)  # float32 bilinear weights on 20 pixels


def test_images_get_their_own_views(images, seed):
    views = Augment()(images[:1].expand(64, -1, -1, -1), generator(seed))
    assert (views[1:] - views[:-1]).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_share_of_grey_views(seed):
    images = torch.rand(2000, 3, 8, 8, generator=generator(seed, 5))
    views = Augment(size=8, grey=0.2)(images, generator(seed))
    grey = (views.amax(1) - views.amin(1)).flatten(1).amax(1) < 1e-6
    assert abs(grey.double().mean() - 0.2) < 4.5 * (0.2 * 0.8 / 2000) ** 0.5  # binomial, chance 7e-6


def test_grey_of_one_means_grey(images, seed):
    coloured, grey = (Augment(grey=share)(images, generator(seed)) for share in (0.0, 1.0))
    assert torch.allclose(grey, rgb_to_grayscale(coloured).expand_as(grey))


def test_colour_factors_span_their_range(seed):
    """Brightness, contrast and saturation from two luminances and constant colour differences."""
    level = torch.tensor([0.4, 0.6]).repeat_interleave(4).expand(2000, 3, 8, 8)
    images = level + torch.tensor([0.05, 0.0, -0.05])[:, None, None]
    views = Augment(size=8, side=(1.0, 1.0), grey=0.0)(images, generator(seed))
    before, after = rgb_to_grayscale(images), rgb_to_grayscale(views)
    brightness = after.mean(dim=(1, 2, 3)) / before.mean(dim=(1, 2, 3))
    contrast = (after[..., 0, -1] - after[..., 0, 0])[:, 0] / 0.2 / brightness
    saturation = (views[:, 0, 0, 0] - views[:, 2, 0, 0]) / 0.1 / brightness / contrast
    for factor in (brightness, contrast, saturation):
        assert 0.6 - 1e-4 <= factor.min() < 0.61 and 1.39 < factor.max() <= 1.4 + 1e-4
    pairs = torch.corrcoef(torch.stack([brightness, contrast, saturation]))
    assert (pairs - torch.eye(3)).abs().max() < 4.5 / 2000**0.5


def test_crop_of_a_ramp_is_the_ramp_of_the_crop():
    ramp = ((torch.arange(20) + 0.5) / 20).expand(3, 1, 20, 20)
    side, shift = torch.tensor([0.8, 0.8, 0.8]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.5]])
    views = crop(ramp, side, shift, 8)
    centres = (torch.arange(8) + 0.5) / 8 * 0.8
    for view, left in zip(views, (0.1, 0.2, 0.0), strict=True):
        assert torch.allclose(view[0], (left + centres).expand(8, 8), atol=1e-6)
    vertical = crop(ramp.mT, side, shift.flip(1), 8)
    assert torch.allclose(vertical, views.mT, atol=1e-6)


def test_crops_stay_inside_and_fill_the_image(seed):
    ramp = ((torch.arange(20) + 0.5) / 20).expand(4000, 3, 20, 20)
    views = Augment(colour=0.0, grey=0.0)(ramp, generator(seed))[:, 0, 0]
    side = (views[:, -1] - views[:, 0]) * 16 / 15
    left = views[:, 0] - side / 32
    # Border values are those of the outermost pixel centre, up to 1/40 - 0.7/32 = 0.0032 off at one end.
    assert 0.7 - 0.0064 < side.min() < 0.705 and 0.895 < side.max() < 0.9 + 1e-4
    assert left.min() > -1e-4 and (left + side).max() < 1 + 0.0032
    assert left.min() < 0.01 and (left + side).max() > 0.99


def test_centre_crop_is_the_middle(images):
    assert torch.equal(centre_crop(images, 16), images[:, :, 2:18, 2:18])
    assert torch.equal(centre_crop(images, 20), images)


@pytest.mark.parametrize("size", [15, 22])
def test_centre_crop_without_equal_margin_is_refused(images, size):
    with pytest.raises(ValueError, match=f"size must leave an equal margin .* got {size}"):
        centre_crop(images, size)


def test_wrong_channels_are_refused(seed):
    with pytest.raises(ValueError, match=r"images must have shape \(B, 3, .*, got \(2, 1, 20, 20\)"):
        Augment()(torch.zeros(2, 1, 20, 20), generator(seed))


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 0), ("side", (0.9, 0.7)), ("side", (0.0, 0.5)), ("colour", 1.0), ("grey", 1.5)],
)
def test_bad_settings_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must .*, got"):
        Augment(**{field: value})
