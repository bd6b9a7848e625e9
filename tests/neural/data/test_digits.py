import socket
from dataclasses import replace

import numpy as np
import pytest
import torch

from neural.data import digits as images
from neural.data.digits import (
    CREDITS,
    PHOTOGRAPHS,
    TRAIN_FRACTION,
    DigitsOnPhotographs,
    photograph,
)


@pytest.fixture
def rng(seed):
    return np.random.default_rng([seed, 1])


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@pytest.fixture
def small():
    return DigitsOnPhotographs(train_size=300, patches=12)


def test_every_photograph_loads_without_network_and_is_credited(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a photograph asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    photograph.cache_clear()
    for name in PHOTOGRAPHS:
        image = photograph(name)
        assert image.shape[0] == 3
        assert min(image.shape[1:]) == 256
        assert image.dtype == torch.float32
        assert 0 <= image.min() < 0.3 < 0.6 < image.max() <= 1
    assert len(PHOTOGRAPHS) == 10
    assert {credit.name for credit in CREDITS} == {*PHOTOGRAPHS, "digits"}
    assert all(credit.author and credit.licence for credit in CREDITS)


def test_train_and_test_digits_partition_the_1797(rng):
    train, test = DigitsOnPhotographs(patches=2).build(rng)
    assert (len(train), len(test)) == (1200, 597)
    images = np.concatenate([train.digits.numpy(), test.digits.numpy()]).reshape(1797, -1)
    assert (
        len(np.unique(images, axis=0)) > 1780
    )  # a split with repeated draws would keep about 1797 (1 - 1/e)
    for split in (train, test):
        counts = np.bincount(split.photo.numpy(), minlength=10)
        assert counts.max() - counts.min() <= 1


def test_digits_keep_their_labels(rng):
    from sklearn.datasets import load_digits

    raw = load_digits()
    known = {}
    for image, label in zip(raw.images, raw.target, strict=True):
        known.setdefault(round(float(image.mean()), 6), set()).add(label)
    train, _ = DigitsOnPhotographs(patches=2).build(rng)
    # The enlargement doubles the sides, so both have the same mean (weights sum to 4).
    means = train.digits[:, 2:18, 2:18].mean(dim=(1, 2)).double() * 16
    found = [
        any(label in labels for mean, labels in known.items() if abs(mean - value) < 1e-3)
        for value, label in zip(means.tolist(), train.digit.tolist(), strict=True)
    ]
    assert all(found)
    assert not train.digits[:, :2].any() and not train.digits[:, :, 18:].any()


def test_train_and_test_patches_come_from_different_parts(rng, small, monkeypatch):
    width = 390
    coordinates = torch.stack([torch.arange(width).expand(256, -1)] * 3) / width
    monkeypatch.setattr(images, "photograph", lambda name: coordinates)
    train, test = replace(small, patches=500).build(rng)
    border = TRAIN_FRACTION * width  # 253.5
    columns = [split.patches * width for split in (train, test)]
    assert columns[0].min() < 5 and border - 5 < columns[0].max() < border
    assert border < columns[1].min() < border + 5 and columns[1].max() > width - 5
    one = columns[0][0, 0, 0].round()
    assert torch.equal(one - one[:, :1], torch.arange(20.0).expand(20, -1))


def test_patches_are_cut_from_their_own_photograph(rng, small):
    train, _ = small.build(rng)
    for label, name in enumerate(small.photos):
        own = photograph(name)
        patch = train.patches[label, 0]
        rows, columns = (own[:, :-19, :-19] == patch[:, :1, :1]).all(0).nonzero().T.tolist()
        assert any(
            torch.equal(own[:, r : r + 20, c : c + 20], patch) for r, c in zip(rows, columns, strict=True)
        )


def test_still_is_the_blend(rng, small):
    train, _ = replace(small, strength=0.3).build(rng)
    i = 7
    patch = train.patches[train.photo[i], train.background[i]]
    assert torch.allclose(train.stills()[i], 0.7 * patch + 0.3 * train.digits[i], atol=1e-7)


def test_p_drop_0_keeps_and_1_removes_every_digit(rng, small, seed):
    train, _ = replace(small, strength=1.0).build(rng)
    index = torch.arange(100)
    expected = train.digits[index][:, None].expand(-1, 3, -1, -1)
    for p_drop, remaining in ((0.0, expected), (1.0, torch.zeros_like(expected))):
        first, second = replace(train, p_drop=p_drop).pairs(index, generator(seed))
        assert torch.equal(first, expected)
        assert torch.equal(second, remaining)


def test_share_of_dropped_digits_is_p_drop(rng, small, seed):
    train, _ = replace(small, strength=1.0, p_drop=0.25).build(rng)
    index = torch.randint(300, (4000,), generator=generator(seed, 1))
    _, second = train.pairs(index, generator(seed))
    dropped = (second.flatten(1).amax(1) == 0).double().mean()
    assert abs(dropped - 0.25) < 4.5 * (0.25 * 0.75 / 4000) ** 0.5  # binomial, two-sided chance 7e-6


def test_views_show_different_patches_of_the_same_photograph(rng, small, seed):
    train, _ = replace(small, strength=0.0).build(rng)
    index = torch.arange(300)
    views = train.pairs(index, generator(seed))
    pool = train.patches[train.photo]
    one, other = ((pool == view[:, None]).flatten(2).all(2) for view in views)
    assert one.any(1).all() and other.any(1).all()
    assert not (one & other).any()


def test_strength_and_p_drop_leave_the_draws_alone(seed, small):
    index = torch.arange(64)
    plain, changed = (
        recipe.build(np.random.default_rng(seed))[0]
        for recipe in (small, replace(small, strength=0.9, p_drop=1.0))
    )
    for name in ("digits", "digit", "photo", "patches", "background"):
        assert torch.equal(getattr(plain, name), getattr(changed, name))
    first, second = plain.pairs(index, one := generator(seed))
    changed.pairs(index, other := generator(seed))
    assert torch.equal(one.get_state(), other.get_state())
    again = replace(changed, strength=0.5).pairs(index, generator(seed))
    assert torch.equal(first, again[0])
    assert torch.allclose(second - again[1], 0.5 * plain.digits[index][:, None], atol=1e-6)


def test_digits_lost_at_small_p_drop_are_lost_at_large(rng, small, seed):
    train, _ = replace(small, strength=1.0).build(rng)
    lost = []
    for p_drop in (0.2, 0.6):
        second = replace(train, p_drop=p_drop).pairs(torch.arange(300), generator(seed))[1]
        lost.append(second.flatten(1).amax(1) == 0)
    assert (lost[1] | ~lost[0]).all() and lost[1].sum() > lost[0].sum()


def test_global_random_state_is_untouched(rng, small, seed):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    small.build(rng)[0].pairs(torch.arange(10), generator(seed))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_draws_are_those_of_the_first_release():
    """Sums of one seed's draws, as recorded before labels, agreement and scale were added."""
    train, test = DigitsOnPhotographs().build(np.random.default_rng([0, 0, 0]))
    index = torch.arange(1200)
    found = [
        int((values * index[: len(values)]).sum())
        for s in (train, test)
        for values in (s.photo, s.background)
    ]
    assert found == [3222158, 53634943, 808558, 12712488]
    assert (train.digit[:8].tolist(), test.digit[:8].tolist()) == (
        [6, 6, 6, 2, 5, 6, 6, 2],
        [4, 4, 8, 2, 7, 9, 9, 2],
    )


def test_labels(rng, small):
    recipe = replace(small, photos=PHOTOGRAPHS[:5])
    train, _ = recipe.build(rng)
    labels = train.labels
    assert tuple(labels) == recipe.label_names
    assert all(label.shape == (300,) and label.dtype == torch.int64 for label in labels.values())
    pairs = {(int(d), int(c)) for d, c in zip(labels["digit"], labels["coarse"], strict=True)}
    assert pairs == {(0, 0), (2, 0), (1, 1), (7, 1), (3, 2), (8, 2), (4, 3), (9, 3), (5, 4), (6, 4)}
    assert torch.equal(labels["parity"], train.digit % 2)
    assert torch.equal(labels["place"], (train.photo >= 3).long())
    assert torch.equal(labels["cell"], 2 * labels["parity"] + labels["place"])


def test_chosen_stills_are_those_of_all(rng, small):
    train, _ = small.build(rng)
    index = torch.tensor([7, 0, 299, 7])
    assert torch.equal(train.stills(index), train.stills()[index])


@pytest.mark.parametrize("agreement", [0.0, 0.5, 0.95, 1.0])
def test_share_of_agreement_in_training_only(rng, agreement):
    train, test = DigitsOnPhotographs(patches=2, agreement=agreement).build(rng)
    shares = [(s.labels["place"] == s.labels["parity"]).double().mean() for s in (train, test)]
    # Binomial, two-sided chance 7e-6; the test split is drawn without replacement, which varies less.
    assert abs(shares[0] - agreement) <= 4.5 * (agreement * (1 - agreement) / 1200) ** 0.5
    assert abs(shares[1] - 0.5) < 4.5 * (0.25 / 597) ** 0.5
    counts = np.bincount(test.photo.numpy(), minlength=10)
    assert counts.max() - counts.min() <= 1
    for place in (0, 1):  # uniform within the place
        seen = np.bincount(train.photo[train.labels["place"] == place].numpy(), minlength=10)
        seen = seen[seen > 0]
        assert len(seen) == 5 and (seen.max() - seen.min()) < 9 * (0.16 * seen.sum()) ** 0.5


def test_agreement_leaves_everything_else_alone(seed, small):
    plain, weak, strong = (
        replace(small, agreement=value).build(np.random.default_rng(seed)) for value in (None, 0.5, 0.9)
    )
    for other in (weak, strong):
        for name in ("digits", "digit", "patches", "background"):
            assert torch.equal(getattr(plain[0], name), getattr(other[0], name))
        assert torch.equal(plain[1].stills(), other[1].stills())
    agrees = [split.labels["place"] == split.labels["parity"] for split in (weak[0], strong[0])]
    assert (agrees[1] | ~agrees[0]).all() and agrees[1].sum() > agrees[0].sum()


@pytest.mark.parametrize("scale", [2, 4])
def test_scale_enlarges_patch_and_digit(seed, small, scale):
    plain, large = (
        replace(small, scale=value, strength=1.0).build(np.random.default_rng(seed)) for value in (1, scale)
    )
    assert large[0].stills().shape == (300, 3, 20 * scale, 20 * scale)
    assert large[1].stills().shape == (1497, 3, 20 * scale, 20 * scale)
    assert torch.equal(plain[0].digit, large[0].digit)
    margin = 2 * scale
    assert not large[0].digits[:, :margin].any() and not large[0].digits[:, :, -margin:].any()
    # Bilinear enlargement of the same 8 x 8 digit keeps the mean up to the clamped border.
    ink = [split.digits.mean(dim=(1, 2)) for split in (plain[0], large[0])]
    assert torch.allclose(*ink, atol=0.02)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("agreement", 1.5, r"agreement must be in \[0, 1\], got 1.5"),
        ("scale", 0, "scale must be in 1..4, got 0"),
        ("scale", 5, "scale must be in 1..4, got 5"),
        ("strength", 1.1, r"strength must be in \[0, 1\], got 1.1"),
        ("strength", float("nan"), "strength must be in"),
        ("p_drop", -0.1, r"p_drop must be in \[0, 1\], got -0.1"),
        ("photos", ("brick", "moon"), "photos must be at least two different names"),
        ("photos", ("brick", "brick"), "photos must be at least two different names"),
        ("photos", ("brick",), "photos must be at least two different names"),
        ("train_size", 1797, r"train_size must be in \[1, 1796\], got 1797"),
        ("patches", 1, "patches must be an integer >= 2, got 1"),
    ],
)
def test_bad_recipes_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        DigitsOnPhotographs(**{field: value})


def test_unknown_photograph_is_refused():
    with pytest.raises(ValueError, match="photo must be one of astronaut, .*, got 'moon'"):
        photograph("moon")
