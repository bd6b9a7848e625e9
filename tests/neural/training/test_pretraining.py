from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from neural.data.augment import Augment
from neural.data.digits import DigitsOnPhotographs
from neural.data.images import Images
from neural.losses import nt_xent
from neural.models.encoders import SmallConvConfig
from neural.models.heads import (
    DirectConfig,
    FixedReweightingConfig,
    FrozenRandomConfig,
    IdentityConfig,
    LinearConfig,
    MLPConfig,
    PCAConfig,
)
from neural.models.sparsity import SparsePenalty
from neural.training.checkpoints import read_checkpoint, write_checkpoint
from neural.training.features import extract, probe_layers
from neural.training.methods import BYOL, BarlowTwins, CrossEntropy, SimSiam, Spectral, SupCon, VICReg
from neural.training.pretraining import (
    SUBSET,
    PretrainConfig,
    Purpose,
    _Run,
    example_views,
    pretrain,
)
from neural.training.recipes import recipe_to_json
from neural.training.schedules import AdamConfig, Alternating, Joint, SGDConfig, SlowOptimal, SlowSingle

SMALL = DigitsOnPhotographs(train_size=300, patches=10)


@pytest.fixture(scope="module")
def config(seed):
    return PretrainConfig(data=SMALL, seed=seed, epochs=2, batch=64, encoder=SmallConvConfig(4))


@pytest.fixture(scope="module")
def result(config):
    return pretrain(config)


def weights(module):
    return torch.cat([value.flatten().double() for value in module.state_dict().values()])


def losses(run):
    return [row["loss"] for row in run.history]


def dropped(config, p_drop, **changes):
    return replace(config, data=replace(config.data, p_drop=p_drop), **changes)


def test_same_config_gives_the_same_numbers_and_keeps_the_global_state(config, result):
    before = torch.get_rng_state()
    torch.rand(5)
    other = pretrain(config)
    torch.set_rng_state(before)
    again = pretrain(config)
    assert torch.equal(before, torch.get_rng_state())
    for run in (other, again):
        assert torch.equal(weights(run.encoder), weights(result.encoder))
        assert losses(run) == losses(result)


def test_every_stream_is_its_own(config):
    draws = {
        (c.seed, c.member, purpose): torch.rand(1, generator=c.stream(purpose)).item()
        for c in (config, replace(config, member=1), replace(config, seed=config.seed + 1))
        for purpose in Purpose
    }
    assert len(set(draws.values())) == len(draws) == 24


def test_p_drop_and_strength_sweeps_are_paired(config):
    """Same data, initial weights, batches, patches, augmentation: with no digit in sight all is equal."""
    bases = [dropped(config, p, epochs=0) for p in (0.0, 1.0)]
    untrained = [pretrain(base) for base in bases]
    for name in ("encoder", "head"):
        one, other = (torch.cat([p.flatten() for p in getattr(r, name).parameters()]) for r in untrained)
        assert torch.equal(one, other)
    for name in ("digits", "photo", "patches", "background"):
        assert torch.equal(getattr(untrained[0].train, name), getattr(untrained[1].train, name))
    invisible = [pretrain(replace(base, epochs=1, data=replace(base.data, strength=0.0))) for base in bases]
    assert torch.equal(weights(invisible[0].encoder), weights(invisible[1].encoder))
    assert torch.equal(weights(invisible[0].head), weights(invisible[1].head))
    visible = [pretrain(replace(base, epochs=1)) for base in bases]
    assert not torch.equal(weights(visible[0].encoder), weights(visible[1].encoder))


HEADS = (
    IdentityConfig(),
    LinearConfig(8),
    MLPConfig(8, 8, 2, batch_norm=True),
    FrozenRandomConfig(8),
    DirectConfig(8),
    FixedReweightingConfig(1.1),
    PCAConfig(8),
)


def test_heads_share_encoder_data_batches_and_views(config):
    """Initial weights and data are equal, and after one epoch the streams stand at the same place."""
    runs = [pretrain(replace(config, epochs=0, head=head)) for head in HEADS]
    for run in runs[1:]:
        assert torch.equal(weights(runs[0].encoder), weights(run.encoder))
        assert torch.equal(runs[0].train.digits, run.train.digits)
        assert torch.equal(runs[0].train.patches, run.train.patches)


def test_heads_see_the_same_views_until_the_end(config, monkeypatch):
    """The augmented views that reach the encoder, step by step, under every head and schedule."""
    seen = []
    original = Augment.__call__

    def recorded(self, images, generator):
        seen[-1].append(original(self, images, generator))
        return seen[-1][-1]

    monkeypatch.setattr(Augment, "__call__", recorded)
    monkeypatch.setattr("neural.training.pretraining._KEPT_NUMBERS", 0)
    for schedule in (Joint(AdamConfig()), Alternating(2), SlowSingle()):
        for head in HEADS[:3]:
            seen.append([])
            pretrain(replace(config, head=head, schedule=schedule))
    assert len(seen[0]) == 12  # four steps in each of two epochs, and four for the batch norm
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_views_are_drawn_once_for_all_heads_and_that_changes_nothing(config, result, monkeypatch):
    draws = []
    original = Augment.__call__
    monkeypatch.setattr(Augment, "__call__", lambda *args: draws.append(1) or original(*args))
    pretrain(replace(config, member=5))
    assert len(draws) == 12
    slow = replace(config, member=5, head=LinearConfig(8), schedule=SlowSingle())
    kept = pretrain(slow)  # its first epoch is that of the run before; then its head draws too
    assert len(draws) < 12 + 12 + 8
    monkeypatch.setattr("neural.training.pretraining._KEPT_NUMBERS", 0)
    for with_kept, chosen in ((kept, slow), (result, config)):
        drawn = pretrain(chosen)
        assert losses(drawn) == losses(with_kept)
        assert torch.equal(weights(drawn.encoder), weights(with_kept.encoder))


def test_first_step_is_adam_on_nt_xent(config):
    """One epoch of one batch against the step written out."""
    one_batch = replace(config, epochs=1, batch=300)
    start, end = pretrain(replace(one_batch, epochs=0)), pretrain(one_batch)
    index = torch.randperm(300, generator=one_batch.stream(Purpose.ORDER))
    network = torch.nn.Sequential(start.encoder, start.head).train()
    loss = nt_xent(*network(torch.cat(example_views(one_batch, index))).chunk(2), 0.5)
    assert loss.item() == pytest.approx(losses(end)[0], rel=1e-6)
    loss.backward()
    after = [*end.encoder.parameters(), *end.head.parameters()]
    for old, new in zip(network.parameters(), after, strict=True):
        gradient = old.grad + 1e-6 * old.detach()
        clear = gradient.abs() > 1e-5  # Adam's first step is lr sign(g) up to eps/|g| = 1e-3
        assert torch.allclose((new - old)[clear], -1e-3 * gradient[clear].sign(), atol=2e-6)
        assert clear.any()


def test_training_lowers_the_loss(seed):
    data = replace(SMALL, strength=0.9)
    curve = losses(pretrain(PretrainConfig(data=data, seed=seed, epochs=6, batch=64)))
    chance = np.log(2 * 64 - 1)  # every candidate equally likely
    assert len(curve) == 6
    assert curve[-1] < curve[0] - 0.1 and curve[-1] < chance - 0.1


LOW_AND_HIGH = {  # bounds of each loss, generous where it has none
    "simsiam": (SimSiam(8), -1, 0),
    "byol": (BYOL(8), 0, 8),
    "barlow": (BarlowTwins(), 0, 32),
    "vicreg": (VICReg(), 0, 1e3),
    "spectral": (Spectral(), -32, 1e3),
    "supcon": (SupCon("coarse"), 0, np.log(2 * 64) + 2 / 0.5),  # cosines differ by 2 at most
    "cross-entropy": (CrossEntropy("coarse"), 0, 3),
}


@pytest.mark.parametrize("name", LOW_AND_HIGH)
def test_every_method_trains_with_a_batch_norm_head(config, name):
    method, low, high = LOW_AND_HIGH[name]
    run = pretrain(replace(config, method=method, head=MLPConfig(16, 32, batch_norm=True), epochs=4))
    curve = losses(run)
    assert low <= min(curve) and max(curve) <= high
    assert curve[-1] < curve[0]


@pytest.mark.parametrize(
    "schedule",
    [
        Alternating(2, head_optimizer=AdamConfig(), restart=False, optimizer=AdamConfig()),
        SlowSingle(AdamConfig()),
        SlowOptimal(AdamConfig(), max_passes=3),
    ],
)
def test_every_schedule_moves_encoder_and_head(config, schedule):
    start = pretrain(replace(config, epochs=0))
    end = pretrain(replace(config, schedule=schedule))
    for name in ("encoder", "head"):
        assert not torch.equal(weights(getattr(start, name)), weights(getattr(end, name)))


def test_alternating_with_one_inner_step_meets_the_head_before_the_encoder(config):
    """One batch by hand: SGD on the head, then SGD on the encoder with the moved head."""
    rate = 0.5
    schedule = Alternating(1, head_optimizer=SGDConfig(rate), optimizer=SGDConfig(rate))
    one_batch = replace(config, epochs=1, batch=300, schedule=schedule, head=LinearConfig(8))
    start, end = pretrain(replace(one_batch, epochs=0)), pretrain(one_batch)
    index = torch.randperm(300, generator=one_batch.stream(Purpose.ORDER))
    views = torch.cat(example_views(one_batch, index))
    encoder, head = start.encoder.train(), start.head
    for part in (head, encoder):
        loss = nt_xent(*head(encoder(views)).chunk(2), 0.5)
        gradients = torch.autograd.grad(loss, list(part.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(part.parameters(), gradients, strict=True):
                parameter -= rate * gradient
    for one, other in ((encoder, end.encoder), (head, end.head)):
        for expected, got in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)  # float32 sums over 600 views


def test_pca_head_looks_along_the_axes_of_the_representation(config):
    run = pretrain(replace(config, head=PCAConfig(4), epochs=1))
    axes = run.head.axes
    torch.testing.assert_close(axes @ axes.mT, torch.eye(4), atol=1e-5, rtol=0)
    assert not torch.equal(axes, torch.eye(4, 16))


def test_sparse_head_reads_fewer_units_and_keeps_its_norm_under_nt_xent(config):
    """The norm grows by Adam's steps alone, 16 of length 1e-3 sqrt(128) at most."""
    linear = replace(config, head=LinearConfig(8), epochs=4)
    start = pretrain(replace(linear, epochs=0)).head.linear.weight
    for penalty, fewer in ((0.0, False), (200.0, True)):
        weight = pretrain(replace(linear, sparsity=SparsePenalty(penalty))).head.linear.weight
        assert 0 < weight.any(dim=0).sum() and (weight.any(dim=0).sum() < 16) == fewer
        assert abs(weight.norm() - start.norm()) < 16 * 1e-3 * 128**0.5


def test_monitor_adds_accuracies_and_changes_nothing_else(config, result):
    run = pretrain(replace(config, monitor=2))
    assert torch.equal(weights(run.encoder), weights(result.encoder))
    assert "knn_h" not in run.history[0] and 0 <= run.history[1]["knn_h"] <= 1
    for row in run.history:
        assert 1 <= row["effective_rank_h"] <= 16 and 1 <= row["effective_rank_z"] <= 32


def test_bfloat16_follows_float32(config, result):
    """bfloat16 has 8 bits: losses near 4.8 agree to a few per cent of their fall, not to the last digit."""
    low = pretrain(replace(config, precision="bfloat16"))
    assert losses(low) != losses(result)
    assert losses(low) == pytest.approx(losses(result), abs=0.1)
    assert {p.dtype for p in low.encoder.parameters()} == {torch.float32}


def test_batch_norm_statistics_are_those_of_one_pass_over_the_views(config):
    untrained = pretrain(replace(config, epochs=0, batch=300))
    index = torch.randperm(300, generator=config.stream(Purpose.ORDER))
    first_layer, norm = untrained.encoder.layers[:2]
    maps = first_layer(torch.cat(example_views(config, index))).detach()
    assert torch.allclose(norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(norm.running_var, maps.var(dim=(0, 2, 3)), rtol=1e-4)


def read(run, label="digit"):
    return probe_layers(extract(run, run.train), extract(run, run.test), label)


def test_invisible_digit_is_read_at_chance(config):
    invisible = read(pretrain(replace(config, epochs=0, data=replace(config.data, strength=0.0))))
    bound = 5 * (0.1 * 0.9 / 1497) ** 0.5  # 1,497 test digits, ten classes
    assert abs(invisible["h"]["linear"] - 0.1) < bound
    visible = read(pretrain(replace(config, epochs=0, data=replace(config.data, strength=0.9))))
    assert visible["h"]["linear"] > 0.1 + 5 * bound


def test_dropping_the_digit_widens_the_gap(seed):
    """The effect of notebook 14: +0.23 after 5 epochs, spread 0.04 over eight other members."""
    gaps = {}
    for p_drop in (0.0, 1.0):
        scores = read(pretrain(PretrainConfig(data=DigitsOnPhotographs(p_drop=p_drop), seed=seed, epochs=5)))
        gaps[p_drop] = scores["h"]["linear"] - scores["z"]["linear"]
    assert gaps[1.0] > gaps[0.0] + 0.06  # more than four spreads below the mean


def test_progress_reports_each_epoch(config):
    rows = []
    pretrain(config, progress=lambda row, epochs: rows.append((row["epoch"], epochs)))
    assert rows == [(1, 2), (2, 2)]


def test_diverging_loss_is_an_error(config):
    schedule = Joint(AdamConfig(1e30))
    with pytest.raises(
        FloatingPointError, match="training diverged in epoch 1, .* schedule.optimizer.lr is 1e[+]30"
    ):
        pretrain(replace(config, schedule=schedule))


@pytest.mark.gpu
def test_gpu_starts_from_the_same_network_and_sees_the_same_views(config):
    cpu, gpu = (pretrain(replace(config, epochs=1, device=device)) for device in ("cpu", "cuda"))
    assert losses(gpu) == pytest.approx(losses(cpu), rel=1e-3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", -1, "seed must be an integer >= 0, got -1"),
        ("member", -1, "member must be an integer >= 0, got -1"),
        ("epochs", 1.5, "epochs must be an integer, got 1.5"),
        ("batch", 1, "batch must be an integer >= 2, got 1"),
        ("monitor", -1, "monitor must be an integer >= 0, got -1"),
        ("precision", "half", "precision must be one of 'float32', 'bfloat16', got 'half'"),
        ("method", SupCon("colour"), "method.label must be one of digit, photo, .*, got 'colour'"),
    ],
)
def test_refused_input(config, field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **{field: value})


def test_batch_larger_than_the_data_is_refused(config):
    with pytest.raises(ValueError, match=r"batch must be in \[2, 300\] \(training images\), got 301"):
        pretrain(replace(config, batch=301))


@dataclass(frozen=True)
class HalfLabelled(DigitsOnPhotographs):
    def build(self, rng):
        train, test = super().build(rng)
        return replace(train, digit=train.digit.where(torch.arange(len(train)) % 2 == 0, -1)), test


def test_unknown_labels_are_refused_for_training_and_left_out_by_the_monitor(config):
    half = replace(config, data=HalfLabelled(train_size=300, patches=10), monitor=1)
    with pytest.raises(ValueError, match="'digit' must be known for every training image, 150 have none"):
        pretrain(replace(half, method=CrossEntropy("digit")))
    assert 0 <= pretrain(half).history[0]["knn_h"] <= 1


@dataclass(frozen=True)
class Noise:
    """Images without information, sorted by class as folders of pictures are."""

    classes: int = 2
    train_size: int = 2048
    level: int = 255
    label_names = ("class",)

    def build(self, rng):
        halves = []
        for n in (self.train_size, 600):
            images = torch.from_numpy(rng.integers(self.level + 1, size=(n, 3, 8, 8), dtype=np.uint8))
            halves.append(Images(images, {"class": torch.arange(n) * self.classes // n}))
        return tuple(halves)


NOISE = PretrainConfig(
    data=Noise(),
    epochs=1,
    batch=256,
    monitor=1,
    encoder=SmallConvConfig(2),
    augment=Augment(size=8, centre=1.0),
)


@pytest.mark.parametrize("classes", [2, 100])
def test_the_monitor_reads_sorted_noise_at_chance_and_never_ends_a_run(classes, seed):
    """A subset of the first images would hold one class of two, and read it everywhere with accuracy 1."""
    row = pretrain(replace(NOISE, seed=seed, data=Noise(classes))).history[0]
    chance = 1 / classes
    for name in ("knn_h", "knn_z"):
        assert abs(row[name] - chance) < 5 * (chance * (1 - chance) / 600) ** 0.5
    few = pretrain(replace(NOISE, seed=seed, data=Noise(3, train_size=6), batch=2)).history[0]
    assert 0 <= few["knn_h"] <= 1  # fewer training images than neighbours


def test_a_test_class_that_the_training_images_lack_counts_as_an_error(seed):
    """All training images and half of the test images are of class 0, so that exactly this half is read right."""

    @dataclass(frozen=True)
    class Unseen(Noise):
        def build(self, rng):
            train, test = super().build(rng)
            return train, replace(test, labels={"class": torch.arange(len(test)) % 2})

    row = pretrain(replace(NOISE, seed=seed, data=Unseen(1))).history[0]
    assert row["knn_h"] == row["knn_z"] == 0.5


def test_the_subset_is_random_always_the_same_and_holds_a_batch_at_least(seed):
    run = _Run(replace(NOISE, seed=seed))
    subset, again, large = (run._draw_subset(torch.arange(2048), least) for least in (0, 0, 1500))
    assert len(subset) == SUBSET and len(large) == 1500 and torch.equal(subset, again)
    assert len(subset.unique()) == SUBSET
    share = (subset < 1024).double().mean().item()
    assert abs(share - 0.5) < 5 * (0.25 / 2048) ** 0.5  # drawn without replacement: half of 1/4 n
    slow = replace(NOISE, seed=seed, batch=1100, monitor=0, head=LinearConfig(4))
    assert pretrain(replace(slow, schedule=SlowOptimal(AdamConfig(), max_passes=1))).history


def test_a_collapsed_network_has_rank_zero_and_trains_on(seed):
    """Constant pictures: every representation is the same."""
    row = pretrain(replace(NOISE, seed=seed, data=Noise(level=0), head=LinearConfig(4))).history[0]
    assert row["effective_rank_h"] == row["effective_rank_z"] == 0 and np.isfinite(row["loss"])


def test_dead_units_do_not_blow_up_the_biases(seed):
    """Biases so low that every hidden unit is dead and, with no bias behind them, every embedding is zero."""
    run = _Run(replace(NOISE, seed=seed, head=MLPConfig(8, 4)))
    with torch.no_grad():
        run.head.layers[0].bias.fill_(-1e3)
        run.head.layers[2].bias.zero_()
    run.train_epoch()
    assert run.head.layers[2].bias.abs().max() == 0


def test_floats_of_0_to_255_are_refused(config):
    @dataclass(frozen=True)
    class Bright(Noise):
        def build(self, rng):
            train, test = super().build(rng)
            return BrightImages(train.images, train.labels), test

    class BrightImages(Images):
        def stills(self, index=None):
            return 255 * super().stills(index)

    with pytest.raises(ValueError, match=r"data must give stills in \[0, 1\], got"):
        pretrain(replace(NOISE, data=Bright()))


def test_labels_that_are_identifiers_are_refused(seed):
    @dataclass(frozen=True)
    class Identified(Noise):
        def build(self, rng):
            train, test = super().build(rng)
            return replace(train, labels={"class": 10**9 * train.labels["class"]}), test

    with pytest.raises(
        ValueError, match="must number its classes from 0, got the number 1000000000 for 2048"
    ):
        pretrain(replace(NOISE, data=Identified(), method=CrossEntropy("class")))


def test_other_images_or_labels_under_the_same_configuration_are_refused(config, tmp_path):
    path, changes = tmp_path / "checkpoint.pt", {"images": False, "labels": False}

    @dataclass(frozen=True)
    class Changing(Noise):
        def build(self, rng):
            train, test = super().build(rng)
            train.images[7, 0, 0, 0] ^= changes["images"]
            test.labels["class"][3] ^= changes["labels"]
            return train, test

    noise = replace(NOISE, data=Changing(train_size=300), batch=100)
    run = _Run(noise)
    write_checkpoint(path, run.state() | {"config": recipe_to_json(config)})
    stored = read_checkpoint(path)["data"]
    assert stored == _Run(noise).state()["data"]
    for name in changes:
        changes[name] = True
        assert _Run(noise).state()["data"] != stored
        changes[name] = False
