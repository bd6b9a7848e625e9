from math import pi

import pytest
import torch
from kornia.color import rgb_to_grayscale, rgb_to_hsv

from neural.data.augment import Augment, crop
from neural.training.presets import PRESETS

# float32 places of up to 20 pixels are this much off after four roundings, in each of two directions; neighbouring
# pixels differ by at most 1. Colours add a few roundings of numbers up to 1.
MOVED = 2 * 20 * 4 * 2.0**-24
PLAIN = {"size": 20, "side": (1.0, 1.0), "colour": 0.0, "grey": 0.0}


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
    assert torch.allclose(views, images, atol=MOVED)


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
    # the ramp rises by 1/20 a pixel: MOVED / 20, and a few roundings of numbers up to 1
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


def test_views_are_those_of_the_first_release():
    """One view's mean and the next random number, as recorded before flips, hue and blur were added."""
    images = torch.arange(3 * 400).view(1, 3, 20, 20) / 1200
    drawn = generator(0)
    views = Augment()(images.expand(5, -1, -1, -1), drawn)
    assert torch.allclose(  # six digits were recorded
        views.mean(dim=(1, 2, 3)), torch.tensor([0.508125, 0.554863, 0.486462, 0.344666, 0.348540]), atol=1e-6
    )
    assert torch.rand(1, generator=drawn).item() == 0.03171950578689575


def test_flips_are_as_frequent_as_asked(seed):
    images = (torch.arange(20) / 20).expand(2000, 3, 20, 20)
    views = Augment(**PLAIN, flip=0.3)(images, generator(seed))
    flipped = views[:, 0, 0, 0] > views[:, 0, 0, -1]
    assert abs(flipped.double().mean() - 0.3) < 4.5 * (0.3 * 0.7 / 2000) ** 0.5  # binomial, chance 7e-6
    assert torch.allclose(views[flipped].flip(3), images[flipped], atol=MOVED)


def test_hue_turns_by_up_to_its_range_and_keeps_the_rest(seed):
    images = torch.tensor([0.8, 0.4, 0.4])[:, None, None].expand(2000, 3, 8, 8)
    views = rgb_to_hsv(Augment(**PLAIN | {"size": 8}, hue=0.1)(images, generator(seed)))[:, :, 0, 0]
    turn = (views[:, 0] / (2 * pi) + 0.5) % 1 - 0.5
    assert -0.1 - 1e-4 <= turn.min() < -0.098 and 0.098 < turn.max() <= 0.1 + 1e-4
    assert torch.allclose(views[:, 1:], torch.tensor([0.5, 0.8]).expand(2000, -1), atol=MOVED)


def test_without_jitter_colours_stay(images, seed):
    views = Augment(**PLAIN | {"colour": 0.4}, hue=0.1, jitter=0.0)(images, generator(seed))
    assert torch.allclose(views, images, atol=MOVED)
    views = Augment(**PLAIN | {"colour": 0.4}, jitter=0.8)(
        images[:1].expand(2000, -1, -1, -1), generator(seed)
    )
    same = (views - images[0]).flatten(1).abs().amax(1) < 1e-4
    assert abs(same.double().mean() - 0.2) < 4.5 * (0.2 * 0.8 / 2000) ** 0.5  # binomial, chance 7e-6


def test_blur_smooths_the_chosen_images_and_keeps_their_mean(images, seed):
    noise = images.repeat(10, 1, 1, 1)
    views = Augment(**PLAIN, blur=0.5)(noise, generator(seed))
    change = (views - noise).flatten(1).abs().amax(1)
    # A standard deviation of .1 to .25 pixels (8% of the blurred) leaves even noise nearly as it is.
    assert 0.35 < (change > 0.05).double().mean() < 0.55
    assert (views.flatten(1).std(dim=1) <= noise.flatten(1).std(dim=1) + 1e-4).all()
    assert (views.mean(dim=(1, 2, 3)) - noise.mean(dim=(1, 2, 3))).abs().max() < 0.02


def test_area_and_aspect_of_crops(seed):
    """Width and height of crops read off two ramps."""
    ramp = ((torch.arange(64) + 0.5) / 64).expand(64, 64)
    images = torch.stack([ramp, ramp.T, ramp]).expand(4000, -1, -1, -1)
    settings = {"size": 32, "side": (0.3, 0.6), "colour": 0.0, "grey": 0.0}
    views = Augment(**settings, by_area=True, aspect=1.5)(images, generator(seed))
    width = (views[:, 0, 0, -1] - views[:, 0, 0, 0]) * 32 / 31
    height = (views[:, 1, -1, 0] - views[:, 1, 0, 0]) * 32 / 31
    area, ratio = width * height, (width / height).log() / torch.tensor(1.5).log()
    for values, low, high in ((area, 0.09, 0.36), (ratio, -1, 1)):
        # Uniform: mean and extremes; ends of a view may lie in the outermost half pixel (1/128).
        spread = high - low
        assert abs(values.mean() - (low + high) / 2) < 4.5 * spread / (12 * 4000) ** 0.5 + 0.01 * spread
        assert low - 0.05 * spread < values.min() < low + 0.05 * spread
        assert high - 0.05 * spread < values.max() < high + 0.05 * spread


@pytest.mark.parametrize("name", ["simclr-cifar", "simclr-tiny-imagenet"])
def test_published_views_are_seeded_and_in_range(name, seed):
    augment = PRESETS[name]["augment"]
    images = torch.rand(16, 3, augment.size, augment.size, generator=generator(seed, 5))
    before = torch.get_rng_state()
    views = augment(images, generator(seed))
    assert views.shape == images.shape and views.min() >= 0 and views.max() <= 1
    assert torch.equal(views, augment(images, generator(seed)))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(augment.still(images), images)


def test_options_leave_the_other_draws_alone(images, seed):
    plain = Augment()(images, generator(seed))
    flipped = Augment(flip=1.0)(images, generator(seed))
    # Contrast and grey do not see a flip; sums run in another order.
    assert torch.allclose(flipped.flip(3), plain, atol=MOVED)


def test_still_is_the_centre_at_any_size(images):
    assert torch.equal(Augment().still(images), images[:, :, 2:18, 2:18])
    large = torch.rand(4, 3, 40, 40, generator=generator(0))
    assert torch.equal(Augment(size=32).still(large), large[:, :, 4:36, 4:36])
    ramp = ((torch.arange(96) + 0.5) / 96).expand(1, 3, 96, 96)
    small = Augment(size=24, centre=0.5).still(ramp)
    expected = 0.25 + 0.5 * (torch.arange(24) + 0.5) / 24
    assert torch.allclose(small[0, 0, 0, 1:-1], expected[1:-1], atol=1e-6)  # ends: the filter is cut
    assert Augment(size=16, centre=1.0).still(torch.zeros(2, 3, 33, 50)).shape == (2, 3, 16, 16)


def test_wrong_channels_are_refused(seed):
    with pytest.raises(ValueError, match=r"images must have shape \(B, 3, .*, got \(2, 1, 20, 20\)"):
        Augment()(torch.zeros(2, 1, 20, 20), generator(seed))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("side", (0.9, 0.7)),
        ("side", (0.0, 0.5)),
        ("colour", 1.0),
        ("grey", 1.5),
        ("flip", -0.1),
        ("jitter", 1.1),
        ("blur", float("nan")),
        ("aspect", 0.5),
        ("hue", 0.6),
        ("centre", 0.0),
    ],
)
def test_bad_settings_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must .*, got"):
        Augment(**{field: value})


@pytest.mark.parametrize("pixels", [64, 96, 128])
def test_pictures_larger_than_the_view_are_averaged_in_training_as_in_tests(pixels, seed):
    """Stripes of one pixel have the mean grey 1/2 at any smaller size; single samples of them are black or white."""
    stripes = (torch.arange(pixels) % 2).float().expand(2, 3, pixels, pixels)
    plain = Augment(size=32, side=(1.0, 1.0), colour=0.0, grey=0.0, centre=1.0)
    view, still = plain(stripes, generator(seed)), plain.still(stripes)
    # Three stripes have the mean 1/3 or 2/3.
    assert torch.allclose(view[..., 1:-1], torch.tensor(0.5), atol=1 / 6 + 1e-3)
    assert torch.allclose(still[..., 1:-1], torch.tensor(0.5), atol=1 / 6 + 1e-3)
    smooth = torch.rand(2, 3, 8, 8, generator=generator(seed, 1))
    smooth = torch.nn.functional.interpolate(smooth, size=(pixels, pixels), mode="bicubic").clamp(0, 1)
    assert torch.allclose(plain(smooth, generator(seed)), plain.still(smooth), atol=0.03)


def test_the_longer_side_decides_how_many_values_are_averaged(seed):
    """Stripes of two pixels, placed so that one value for every four pixels meets the white ones only."""
    stripes = ((torch.arange(256) + 1) // 2 % 2).float().expand(2, 3, 64, 256)
    plain = Augment(size=32, side=(1.0, 1.0), colour=0.0, grey=0.0)
    assert torch.allclose(plain(stripes, generator(seed)), torch.tensor(0.5), atol=0.13)
