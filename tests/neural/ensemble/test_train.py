"""The engine against one-network torch loops, and the independence of its members."""

import io
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

from neural import LineReporter, Member, Network, Shape, resolve_device, torch_generator, train
from neural.ensemble.chunks import plan_runs
from neural.ensemble.streams import block_steps
from neural.losses import info_nce, nt_xent, spectral, supervised_contrastive

SHAPE = Shape(dim=5, width=7, embed_dim=3, batch=6, steps=37, dtype="float64", chunk=4)
ROUND_OFF = 1e-10


@dataclass(frozen=True)
class Blobs:
    """Two noisy views of a random point, in one of two classes."""

    scale: float = 1.0
    dim: int = 5

    def sample_pairs(self, n, generator, dtype):
        return self.sample_labelled_views(n, generator, dtype)[:2]

    def sample_labelled_views(self, n, generator, dtype):
        options = {"generator": generator, "dtype": dtype, "device": generator.device}
        x, e1, e2 = torch.randn(3, n, self.dim, **options)
        labels = (x[:, 0] > 0).long()
        return self.scale * (x + 0.3 * e1), self.scale * (x + 0.3 * e2), labels


@dataclass(frozen=True)
class Broken(Blobs):
    """Fails when drawn from, or draws the wrong size."""

    error: bool = True

    def sample_pairs(self, n, generator, dtype):
        if self.error:
            raise RuntimeError("no data today")
        return torch.zeros(2, n, self.dim + 1, dtype=dtype)


@dataclass(frozen=True)
class Deterministic:
    """The same numbers whatever the generator and its device."""

    dim: int = 5

    def sample_pairs(self, n, generator, dtype):
        x = torch.arange(2 * n * self.dim, dtype=dtype).mul(0.7).cos().view(2, n, self.dim)
        return x.to(generator.device)


@pytest.fixture
def members(seed):
    """Members that differ in everything a member may differ in."""
    return [
        Member(
            seed=1000 * seed + e,
            data=Blobs(0.5 + 0.1 * (e % 3)),
            data_seed=1000 * seed + e // 2,
            lr=0.005 * (1 + e % 4),
            momentum=0.3 * (e % 3),
            weight_decay=0.02 * (e % 2),
            init_scale=0.3,
            temperature=0.3 + 0.1 * e,
        )
        for e in range(7)
    ]


def batches(member, shape):
    """Batches of a member by the documented contract: blocks of block_steps from the stream of its data seed."""
    generator = torch_generator(member.data_seed, "data")
    while True:
        draw = member.data.sample_labelled_views(
            block_steps(shape.dim, shape.batch) * shape.batch, generator, torch.float64
        )
        yield from zip(*(part.split(shape.batch) for part in draw), strict=True)


def loss_of(shape, z1, z2, labels, temperature):
    match shape.loss:
        case "spectral":
            return spectral(z1, z2)
        case "info_nce":
            return info_nce(z1, z2, temperature)
        case "nt_xent":
            return nt_xent(z1, z2, temperature)
        case "supervised_contrastive":
            return supervised_contrastive(torch.cat([z1, z2]), labels.repeat(2), temperature)


def trained_alone(member, shape):
    """One network, autograd and torch.optim; (final tensors, losses on the batch of every step)."""
    start = train([member], replace(shape, steps=0)).network
    tensors = [t[0].clone().requires_grad_() for t in start.weights + (start.biases or ())]
    kind = torch.optim.SGD if shape.optimizer == "sgd" else torch.optim.Adam
    extra = {"momentum": member.momentum} if shape.optimizer == "sgd" else {}
    optimizer = kind(tensors, lr=member.lr, weight_decay=member.weight_decay, **extra)
    losses = []
    for _, (x1, x2, labels) in zip(range(shape.steps + 1), batches(member, shape), strict=False):
        network = Network.single(tensors[:2], tensors[2:] or None, shape.activation)
        z1, z2 = (network.layers(x)[1][0] for x in (x1, x2))
        loss = loss_of(shape, z1, z2, labels, member.temperature)
        losses.append(loss.item())
        if len(losses) <= shape.steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [t.detach() for t in tensors], losses


def assert_same(network, other):
    for a, b in zip(tensors_of(network), tensors_of(other), strict=True):
        torch.testing.assert_close(a, b, rtol=ROUND_OFF, atol=ROUND_OFF)


def tensors_of(network):
    return [*network.weights, *(network.biases or ())]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("loss", ["spectral", "info_nce", "nt_xent", "supervised_contrastive"])
def test_every_member_is_trained_as_by_torch_optim(members, loss, activation, optimizer, bias):
    shape = replace(SHAPE, loss=loss, activation=activation, optimizer=optimizer, bias=bias)
    result = train(members, shape, log_every=1)
    for e in (0, 5):
        tensors, losses = trained_alone(members[e], shape)
        for got, wanted in zip(tensors_of(result.network), tensors, strict=True):
            torch.testing.assert_close(got[e], wanted, rtol=ROUND_OFF, atol=ROUND_OFF)
        np.testing.assert_allclose(result.loss[e], losses, rtol=ROUND_OFF, atol=ROUND_OFF)


def same_bits(result, other, members):
    """Whether the members of `result` are those members of `other`, bit by bit."""
    pairs = zip(tensors_of(result.network), tensors_of(other.network), strict=True)
    same = all(torch.equal(got, wanted[members]) for got, wanted in pairs)
    return same and np.array_equal(result.loss, other.loss[members])


@pytest.mark.parametrize("loss", ["spectral", "info_nce", "nt_xent", "supervised_contrastive"])
@pytest.mark.parametrize("shared", [False, True], ids=["own data", "shared data"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(5, 7, 3, 6), (9, 33, 5, 19)], ids=str)
def test_a_member_does_not_depend_on_its_ensemble(sizes, dtype, shared, loss, seed):
    """Bit by bit, whatever the number, order and chunk-mates of the members and the workers; odd sizes too."""
    sgd = dtype == "float64"
    shape = Shape(*sizes, 9, loss=loss, dtype=dtype, optimizer="sgd" if sgd else "adam", bias=sgd and shared)
    shape = replace(shape, chunk=None if shared else 3)
    ensemble = [
        Member(
            seed + e,
            Blobs(1 + 0.1 * (e % 2 if not shared else 0), dim=sizes[0]),
            data_seed=seed if shared else seed + e // 2,
            lr=1e-4 * (1 + e % 3),
            weight_decay=0.01 * (e % 2),
            init_scale=0.2,
        )
        for e in range(33)
    ]
    together = train(ensemble, shape, workers=2, log_every=4, device="cpu").require_finite()
    order = np.random.default_rng(seed).permutation(33).tolist()
    for size, workers in ((33, 1), (8, 2), (3, 1), (1, 1)):
        part = [ensemble[e] for e in order[:size]]
        assert same_bits(
            train(part, shape, workers=workers, log_every=4, device="cpu"), together, order[:size]
        )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_chunk_changes_round_off_only(members, optimizer):
    shape = replace(SHAPE, optimizer=optimizer)
    together = train(members, shape)
    for chunk in (1, 3, 16, None):
        assert_same(train(members, replace(shape, chunk=chunk), workers=3).network, together.network)


@pytest.mark.parametrize(
    ("number", "slots", "workers", "sizes"),
    [(8, 5, 1, [4, 4]), (9, 8, 1, [5, 4]), (4, 32, 2, [2, 2]), (1, 32, 2, [1]), (7, 2, 2, [2, 2, 2, 1])],
)
def test_chunks_are_equal_and_every_worker_has_one(number, slots, workers, sizes):
    members = [Member(seed=e, data=Blobs(dim=5)) for e in range(number)]
    runs = plan_runs(members, slots, workers)
    assert [len(chunk) for run in runs for chunk in run] == sizes
    assert sorted(index for run in runs for chunk in run for index in chunk) == list(range(number))


def test_the_default_chunk_follows_from_the_shape():
    for sizes, chunk in (
        ((10, 32, 8, 128), 32),
        ((20, 64, 8, 256), 8),
        ((32, 128, 32, 512), 2),
        ((64, 256, 32, 1024), 1),
    ):
        assert Shape(*sizes, 1).chunk_size == chunk
        assert Shape(*sizes, 1, dtype="float64").chunk_size == max(1, chunk // 2)
    assert Shape(32, 128, 32, 512, 1, loss="info_nce").chunk_size == 1


def test_the_same_call_gives_the_same_bits(members):
    first, second = (train(members, SHAPE, workers=2) for _ in range(2))
    for a, b in zip(tensors_of(first.network), tensors_of(second.network), strict=True):
        assert torch.equal(a, b)
    assert np.array_equal(first.loss, second.loss)


def test_training_longer_continues_the_same_run(members):
    long = train(members, replace(SHAPE, steps=40), log_every=20)
    short = train(members, replace(SHAPE, steps=20), log_every=20)
    np.testing.assert_allclose(short.loss, long.loss[:, :2], rtol=ROUND_OFF)


def test_seed_and_data_seed_are_separate_streams(seed):
    base = Member(seed, Blobs(), data_seed=seed)
    other_data, other_start = replace(base, data_seed=seed + 1), replace(base, seed=seed + 1)
    start = train([base, other_data, other_start], replace(SHAPE, steps=0)).network
    assert_same(start.member(0), start.member(1))
    assert not torch.allclose(start.weights[0][0], start.weights[0][2])
    end = train([base, other_data, base], SHAPE).network
    assert not torch.allclose(end.weights[0][0], end.weights[0][1])
    assert_same(end.member(0), end.member(2))


def test_initial_weights_have_the_stated_scale_and_do_not_depend_on_the_dtype(seed):
    shape = Shape(dim=5, width=400, embed_dim=20, batch=2, steps=0, dtype="float64", bias=True)
    drawn = train([Member(seed, Blobs(), init_scale=0.02)], shape).network
    single = train([Member(seed, Blobs(), init_scale=0.02)], replace(shape, dtype="float32")).network
    for w, cast in zip(tensors_of(drawn), tensors_of(single), strict=True):
        assert torch.equal(w.float(), cast)
    for w in drawn.weights:
        # the sample standard deviation of n normals has relative spread 1/sqrt(2n)
        assert abs(w.std().item() / 0.02 - 1) < 5 / np.sqrt(2 * w.numel())
    assert all((b == 0).all() for b in drawn.biases)


def test_a_diverging_member_is_marked_and_does_not_disturb_the_others(members):
    wild = [replace(m, lr=1e6) if e == 2 else m for e, m in enumerate(members)]
    result, calm = train(wild, SHAPE, log_every=10), train(members, SHAPE, log_every=10)
    assert result.diverged.tolist() == [e == 2 for e in range(7)]
    assert not calm.diverged.any()
    assert not np.isfinite(result.loss[2, -1])
    for e in (0, 1, 3, 4, 5, 6):
        for got, wanted in zip(tensors_of(result.network), tensors_of(calm.network), strict=True):
            assert torch.equal(got[e], wanted[e])
    assert calm.require_finite() is calm
    with pytest.raises(
        FloatingPointError, match=r"^members \[2\] of 7 diverged; the first is Member\(.*lr=1000000.0"
    ):
        result.require_finite()


@pytest.mark.parametrize(
    ("steps", "log_every", "expected"),
    [(37, 10, [0, 10, 20, 30, 37]), (20, 10, [0, 10, 20]), (3, 100, [0, 3]), (0, 5, [0])],
)
def test_log_steps_run_from_the_start_to_the_end(members, steps, log_every, expected):
    result = train(members, replace(SHAPE, steps=steps), log_every=log_every)
    assert result.log_steps.tolist() == expected
    assert result.loss.shape == (7, len(expected))


def test_probes_see_the_members_at_the_logged_steps(members):
    def first_layer(network, chunk):
        assert network.members == len(chunk)
        return network.weights[0]

    def temperature(network, chunk):
        return torch.tensor([m.temperature for m in chunk])

    result = train(members, SHAPE, log_every=20, probes={"w1": first_layer, "tau": temperature})
    assert result.probes["w1"].shape == (7, 3, 7, 5)
    assert np.array_equal(result.probes["w1"][:, -1], result.network.weights[0].numpy())
    middle = train(members, replace(SHAPE, steps=20)).network.weights[0]
    np.testing.assert_allclose(result.probes["w1"][:, 1], middle, rtol=ROUND_OFF, atol=ROUND_OFF)
    np.testing.assert_allclose(result.probes["tau"][:, 0], [m.temperature for m in members], rtol=1e-6)


def test_a_probe_without_one_row_per_member_is_refused(members):
    with pytest.raises(ValueError, match="probe 'bad' must return one row per member"):
        train(members, SHAPE, probes={"bad": lambda network, chunk: torch.zeros(1)})


def test_a_custom_loss_is_the_named_one(members):
    named = train(members, replace(SHAPE, loss="info_nce"))
    custom = train(members, replace(SHAPE, loss=partial(info_nce, similarity="inner")))
    cosine = train(members, replace(SHAPE, loss=partial(info_nce, similarity="cosine")))
    assert_same(custom.network, named.network)
    assert not torch.allclose(cosine.network.weights[0], named.network.weights[0])


def test_a_custom_loss_over_all_members_is_refused(members):
    with pytest.raises(ValueError, match="loss must return one value per member"):
        train(members, replace(SHAPE, loss=lambda z1, z2, temperature: spectral(z1, z2).mean()))


def test_training_in_float32_follows_float64_on_the_same_data(seed):
    ensemble = [Member(seed, Deterministic(), lr=0.002, init_scale=0.3)]
    double = train(ensemble, SHAPE).network.weights[0]
    single = train(ensemble, replace(SHAPE, dtype="float32")).network.weights[0]
    assert single.dtype == torch.float32
    # 37 steps, each with a rounding error of about 1e-7 of weights of size 1, none much amplified
    assert 0 < (single - double).abs().max() < 100 * 1e-7


def test_training_lowers_the_loss(members):
    result = train(members, replace(SHAPE, batch=64, steps=300))
    assert (result.loss[:, -1] < result.loss[:, 0]).all()


def test_the_result_can_be_trained_on_by_autograd(members):
    network = train(members, SHAPE).network
    leaf = network.weights[0].requires_grad_()
    Network((leaf, network.weights[1])).layers(torch.ones(2, 5, dtype=torch.float64))[1].sum().backward()
    assert leaf.grad.abs().max() > 0


def test_the_callers_state_is_left_alone(members):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    try:
        train(members, SHAPE)
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


def test_progress_rises_to_one(members):
    seen = []
    train(members, replace(SHAPE, steps=500), workers=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_line_reporter_prints_plain_lines():
    stream = io.StringIO()
    report = LineReporter("nets", every=0, stream=stream)
    for fraction in (0.0, 0.25, 1.0):
        report(fraction)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("nets: 25% in 0 s, about ")
    assert lines[1] == "nets: 100% in 0 s"
    with pytest.raises(ValueError, match="every must be >= 0"):
        LineReporter(every=-1)


def test_an_error_in_one_worker_ends_the_training(members):
    with pytest.raises(RuntimeError, match="no data today"):
        train([*members, Member(0, Broken())], replace(SHAPE, steps=10**7), workers=2)
    with pytest.raises(ValueError, match=r"data must sample \(n, 5\) views"):
        train([Member(0, Broken(error=False))], SHAPE)


def test_bad_members_are_refused():
    data = Blobs()
    bad = {
        "seed": -1,
        "data_seed": 1.5,
        "lr": 0.0,
        "momentum": 1.2,
        "weight_decay": -0.1,
        "init_scale": float("nan"),
        "temperature": 0,
    }
    for name, value in bad.items():
        with pytest.raises(ValueError, match=f"^{name} must be .* got {value}$"):
            Member(**{"seed": 0, "data": data, name: value})
    with pytest.raises(ValueError, match="lr must be > 0 and finite, got inf"):
        Member(0, data, lr=float("inf"))


def test_bad_shapes_are_refused():
    for name, value in {"dim": 0, "width": -3, "embed_dim": 2.0, "batch": 1, "steps": -1, "chunk": 0}.items():
        with pytest.raises(
            ValueError, match=f"^{name} must be an integer >= . got {value}$".replace(". g", "., g")
        ):
            replace(SHAPE, **{name: value})
    for name in ("activation", "loss", "optimizer", "dtype"):
        with pytest.raises(ValueError, match=f"^{name} must be one of .* got 'other'$"):
            replace(SHAPE, **{name: "other"})


def test_bad_calls_are_refused(members):
    with pytest.raises(ValueError, match="members must hold at least one"):
        train([], SHAPE)
    with pytest.raises(ValueError, match=r"members\[1\].data.dim must equal shape.dim = 5, got 6"):
        train([members[0], Member(0, Blobs(dim=6))], SHAPE)
    with pytest.raises(ValueError, match="must have sample_labelled_views"):
        train([Member(0, Deterministic())], replace(SHAPE, loss="supervised_contrastive"))
    with pytest.raises(ValueError, match="workers must be an integer >= 1, got 0"):
        train(members, SHAPE, workers=0)
    with pytest.raises(ValueError, match="log_every must be an integer >= 1, got 0"):
        train(members, SHAPE, log_every=0)
    with pytest.raises(ValueError, match="device must be one of"):
        train(members, SHAPE, device="gpu")


def test_devices_resolve():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device must be one of .* got 'mps'"):
        resolve_device("mps")
    with pytest.raises(ValueError, match="is not available: . CUDA devices found"):
        resolve_device("cuda:99")


def test_the_result_has_the_true_sizes(members):
    network = train(members, replace(SHAPE, bias=True)).network
    assert [tuple(t.shape) for t in tensors_of(network)] == [(7, 7, 5), (7, 3, 7), (7, 7), (7, 3)]
    assert all(t.is_contiguous() for t in tensors_of(network))


@dataclass(frozen=True)
class FeatureMajor(Blobs):
    """Blobs that know both orders of the axes."""

    def sample_feature_major(self, steps, batch, generator, dtype):
        pairs = self.sample_pairs(steps * batch, generator, dtype)
        return torch.stack([x.view(steps, batch, self.dim).mT for x in pairs], 2)


def test_data_drawn_feature_major_are_used_as_they_are(seed):
    first, second = (train([Member(seed, kind(), init_scale=0.3)], SHAPE) for kind in (Blobs, FeatureMajor))
    assert same_bits(first, second, [0])


@pytest.mark.parametrize("setting", ["highest", "high", "medium"])
def test_the_callers_matrix_precision_is_neither_used_nor_changed(setting, members):
    shape = replace(SHAPE, dtype="float32")
    expected = train(members, shape)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        assert same_bits(train(members, shape), expected, list(range(7)))
        assert torch.get_float32_matmul_precision() == setting
    finally:
        torch.set_float32_matmul_precision(before)
