import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from neural.heads import IdentityConfig, LinearConfig
from neural.images import DigitsOnPhotographs
from neural.losses import nt_xent
from neural.simclr import Purpose, SimclrConfig, evaluate, example_views, extract, run_digits, train_simclr

SMALL = DigitsOnPhotographs(train_size=300, patches=10)


@pytest.fixture(scope="module")
def config(seed):
    return SimclrConfig(data=SMALL, seed=seed, epochs=2, batch=64, width=4)


@pytest.fixture(scope="module")
def result(config):
    return train_simclr(config)


def weights(module):
    return torch.cat([value.flatten().double() for value in module.state_dict().values()])


def dropped(config, p_drop, **changes):
    return replace(config, data=replace(config.data, p_drop=p_drop), **changes)


def test_same_config_gives_the_same_numbers_and_keeps_the_global_state(config):
    before = torch.get_rng_state()
    one = run_digits(config)
    torch.rand(5)
    other = run_digits(config)
    torch.set_rng_state(before)
    run_digits(config)
    assert torch.equal(before, torch.get_rng_state())
    assert one.pop("seconds") > 0 and other.pop("seconds") > 0
    assert one == other == pickle.loads(pickle.dumps(one))


def test_every_stream_is_its_own(config):
    draws = {
        (c.seed, c.member, purpose): torch.rand(1, generator=c.stream(purpose)).item()
        for c in (config, replace(config, member=1), replace(config, seed=config.seed + 1))
        for purpose in Purpose
    }
    assert len(set(draws.values())) == len(draws) == 18


def test_p_drop_and_strength_sweeps_are_paired(config):
    """Same data, initial weights, batches, patches, augmentation: with no digit in sight all is equal."""
    bases = [dropped(config, p, epochs=0) for p in (0.0, 1.0)]
    untrained = [train_simclr(base) for base in bases]
    for name in ("encoder", "head"):
        one, other = (torch.cat([p.flatten() for p in getattr(r, name).parameters()]) for r in untrained)
        assert torch.equal(one, other)
    for name in ("digits", "photo", "patches", "background"):
        assert torch.equal(getattr(untrained[0].train, name), getattr(untrained[1].train, name))
    invisible = [
        train_simclr(replace(base, epochs=1, data=replace(base.data, strength=0.0))) for base in bases
    ]
    assert torch.equal(weights(invisible[0].encoder), weights(invisible[1].encoder))
    assert torch.equal(weights(invisible[0].head), weights(invisible[1].head))
    visible = [train_simclr(replace(base, epochs=1)) for base in bases]
    assert not torch.equal(weights(visible[0].encoder), weights(visible[1].encoder))


def test_heads_share_the_initial_encoder(config):
    encoders = [
        train_simclr(replace(config, epochs=0, head=head)).encoder
        for head in (IdentityConfig(), LinearConfig(8), config.head)
    ]
    assert torch.equal(weights(encoders[0]), weights(encoders[1]))
    assert torch.equal(weights(encoders[0]), weights(encoders[2]))


def test_first_step_is_adam_on_nt_xent(config):
    """One epoch of one batch against the step written out."""
    one_batch = replace(config, epochs=1, batch=300, lr=1e-3)
    start, end = train_simclr(replace(one_batch, epochs=0)), train_simclr(one_batch)
    index = torch.randperm(300, generator=one_batch.stream(Purpose.ORDER))
    network = torch.nn.Sequential(start.encoder, start.head).train()
    views = torch.cat(example_views(one_batch, index))
    loss = nt_xent(*network(views).chunk(2), one_batch.temperature)
    assert loss.item() == pytest.approx(end.loss[0], rel=1e-6)
    loss.backward()
    after = [*end.encoder.parameters(), *end.head.parameters()]
    for old, new in zip(network.parameters(), after, strict=True):
        gradient = old.grad + one_batch.weight_decay * old.detach()
        clear = gradient.abs() > 1e-5  # Adam's first step is lr sign(g) up to eps/|g| = 1e-3
        assert torch.allclose((new - old)[clear], -1e-3 * gradient[clear].sign(), atol=2e-6)
        assert clear.any()


def test_training_lowers_the_loss(seed):
    curve = train_simclr(SimclrConfig(seed=seed, data=replace(SMALL, strength=0.9), epochs=6, batch=64)).loss
    chance = np.log(2 * 64 - 1)  # every candidate equally likely
    assert len(curve) == 6
    assert curve[-1] < curve[0] - 0.1 and curve[-1] < chance - 0.1


def test_features_have_both_spaces_and_no_randomness(result):
    train, again = extract(result, result.train), extract(result, result.train)
    assert train.pre.shape == (300, 16) and train.post.shape == (300, 32)
    assert np.array_equal(train.pre, again.pre) and np.array_equal(train.post, again.post)
    assert np.array_equal(train.digit, result.train.digit.numpy())
    assert not result.encoder.training and not result.head.training
    with torch.inference_mode():
        assert np.allclose(result.head(torch.from_numpy(train.pre)).numpy(), train.post, atol=1e-6)


def test_batch_norm_statistics_are_those_of_one_pass_over_the_views(config):
    untrained = train_simclr(replace(config, epochs=0, batch=300))
    index = torch.randperm(300, generator=config.stream(Purpose.ORDER))
    first_layer, norm = untrained.encoder.layers[:2]
    maps = first_layer(torch.cat(example_views(config, index))).detach()
    assert torch.allclose(norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(norm.running_var, maps.var(dim=(0, 2, 3)), rtol=1e-4)


def test_evaluation_names_every_probe_label_and_space(result):
    scores = evaluate(result)
    probes = {f"{y}_{p}_{s}" for y in ("digit", "photo") for p in ("linear", "knn") for s in ("pre", "post")}
    ranks = {"effective_rank_pre", "effective_rank_post"}
    assert scores.keys() == probes | ranks
    assert all(0 <= scores[name] <= 1 for name in probes)
    assert 1 <= scores["effective_rank_pre"] <= 16 and 1 <= scores["effective_rank_post"] <= 32
    assert all(type(value) is float for value in scores.values())


def test_without_a_head_both_spaces_are_the_same(config):
    scores = evaluate(train_simclr(replace(config, head=IdentityConfig())))
    for name in ("digit_linear", "digit_knn", "photo_linear", "photo_knn", "effective_rank"):
        assert scores[f"{name}_pre"] == scores[f"{name}_post"]


def test_invisible_digit_is_read_at_chance(config):
    scores = run_digits(replace(config, epochs=0, data=replace(config.data, strength=0.0)))
    bound = 5 * (0.1 * 0.9 / 1497) ** 0.5  # 1,497 test digits, ten classes
    assert abs(scores["digit_linear_pre"] - 0.1) < bound
    visible = run_digits(replace(config, epochs=0, data=replace(config.data, strength=0.9)))
    assert visible["digit_linear_pre"] > 0.1 + 5 * bound


def test_dropping_the_digit_widens_the_gap(seed):
    """The effect of notebook 05: +0.23 after 5 epochs, spread 0.04 over eight other members."""
    gaps = {}
    for p_drop in (0.0, 1.0):
        scores = run_digits(SimclrConfig(data=DigitsOnPhotographs(p_drop=p_drop), seed=seed, epochs=5))
        gaps[p_drop] = scores["digit_linear_pre"] - scores["digit_linear_post"]
    assert gaps[1.0] > gaps[0.0] + 0.06  # more than four spreads below the mean


def test_progress_reports_each_epoch(config):
    done = []
    train_simclr(config, progress=done.append)
    assert done == [0.5, 1.0]


def test_diverging_loss_is_an_error(config):
    with pytest.raises(FloatingPointError, match="mean loss of epoch"):
        train_simclr(replace(config, lr=1e30))


@pytest.mark.gpu
def test_gpu_starts_from_the_same_network_and_sees_the_same_views(config):
    cpu, gpu = (train_simclr(replace(config, epochs=1, device=device)) for device in ("cpu", "cuda"))
    assert gpu.loss[0] == pytest.approx(cpu.loss[0], rel=1e-3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", -1, "seed must be >= 0, got -1"),
        ("member", -1, "member must be >= 0, got -1"),
        ("epochs", -1, "epochs must be >= 0, got -1"),
        ("batch", 1, r"batch must be in \[2, 1200\] \(train_size\), got 1"),
        ("batch", 1201, r"batch must be in \[2, 1200\] \(train_size\), got 1201"),
        ("lr", 0.0, "lr must be > 0, got 0.0"),
        ("lr", float("nan"), "lr must be > 0, got nan"),
        ("weight_decay", -1e-6, "weight_decay must be >= 0, got -1e-06"),
        ("temperature", 0.0, "temperature must be > 0, got 0.0"),
        ("width", 0, "width must be >= 1, got 0"),
    ],
)
def test_bad_settings_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        SimclrConfig(**{field: value})
