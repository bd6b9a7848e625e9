"""The engine on CUDA against the CPU, on the same numbers. Each test has a twin on the CPU in test_ensemble.py."""

from dataclasses import dataclass, replace

import pytest
import torch

from neural import Member, Shape, torch_generator, train

pytestmark = pytest.mark.gpu

SHAPE = Shape(dim=5, width=33, embed_dim=3, batch=32, steps=150, dtype="float64")


@dataclass(frozen=True)
class SameEverywhere:
    """Numbers drawn on the CPU, whatever the generator's device."""

    dim: int = 5
    seed: int = 0

    def sample_pairs(self, n, generator, dtype):
        return self.sample_labelled_views(n, generator, dtype)[:2]

    def sample_labelled_views(self, n, generator, dtype):
        x, e1, e2 = torch.randn(
            3, n, self.dim, generator=torch_generator(self.seed, "numbers"), dtype=torch.float64
        ).to(dtype)
        labels = (x[:, 0] > 0).long()
        return *((x + 0.3 * e).to(generator.device) for e in (e1, e2)), labels.to(generator.device)


@pytest.fixture
def members(seed):
    """Members that differ in everything but the batches within a step."""
    return [
        Member(
            seed + e,
            SameEverywhere(seed=seed + e % 3),
            data_seed=e % 3,
            lr=0.002 * (1 + e % 4),
            momentum=0.3 * (e % 3),
            weight_decay=0.02 * (e % 2),
            init_scale=0.3,
            temperature=0.3 + 0.1 * e,
        )
        for e in range(7)
    ]


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    """Blocks of one step, so that the source gives every step the same numbers on both devices."""
    monkeypatch.setattr("neural.ensemble.streams._BLOCK_STEPS", 1)


def assert_agree(cuda, cpu, tolerance):
    assert cuda.network.weights[0].device.type == "cuda"
    for got, wanted in zip(cuda.network.weights, cpu.network.weights, strict=True):
        torch.testing.assert_close(got.cpu().double(), wanted.double(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(
        torch.as_tensor(cuda.loss), torch.as_tensor(cpu.loss), rtol=10 * tolerance, atol=10 * tolerance
    )


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("loss", ["spectral", "info_nce", "nt_xent", "supervised_contrastive"])
def test_cuda_agrees_with_cpu(loss, optimizer, chunk, members):
    shape = replace(SHAPE, loss=loss, optimizer=optimizer, chunk=chunk, bias=True)
    cpu, cuda = (train(members, shape, device=device, log_every=10) for device in ("cpu", "cuda"))
    # 150 steps of rounding at 1e-16, hardly amplified; Adam divides by gradients as small as 1e-4
    assert_agree(cuda, cpu, 1e-10)


def test_float32_on_cuda_follows_float64_on_the_cpu(members):
    cpu = train(members, SHAPE, device="cpu")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        cuda = train(members, replace(SHAPE, dtype="float32"), device="cuda")
    finally:
        torch.set_float32_matmul_precision(before)
    # 150 roundings of weights of size 1 at 6e-8, amplified ten times; TF32 would be off by 1e-3 in each product
    assert_agree(cuda, cpu, 1e-4)


def test_a_custom_loss_runs_without_a_graph(members):
    def aligned(z1, z2, temperature):
        return (z1 - z2).square().mean((-1, -2)) / temperature

    cpu, cuda = (train(members, replace(SHAPE, loss=aligned), device=device) for device in ("cpu", "cuda"))
    assert_agree(cuda, cpu, 1e-10)


def test_a_diverging_member_leaves_the_others_alone(members):
    wild = [replace(m, lr=1e6) if e == 2 else m for e, m in enumerate(members)]
    result, calm = (train(ensemble, SHAPE, device="cuda") for ensemble in (wild, members))
    assert result.diverged.tolist() == [e == 2 for e in range(7)]
    others = [e for e in range(7) if e != 2]
    for got, wanted in zip(result.network.weights, calm.network.weights, strict=True):
        torch.testing.assert_close(got[others], wanted[others], rtol=1e-10, atol=1e-10)


def test_the_same_call_gives_the_same_numbers(members):
    first, second = (train(members, SHAPE, device="cuda") for _ in range(2))
    for a, b in zip(first.network.weights, second.network.weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
