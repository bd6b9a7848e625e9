"""Losses against loops over pairs, automatic differentiation and an independent library, in float64."""

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss

from neural.losses import (
    info_nce,
    negative_cosine,
    nt_xent,
    spectral,
    supervised_contrastive,
)

SHAPES = [(2, 1), (7, 3), (3, 6, 4), (2, 3, 5, 4)]
ROUND_OFF = 1e-12


@pytest.fixture
def generator(seed):
    return torch.Generator().manual_seed(seed)


def embeddings(shape, generator):
    return torch.randn(2, *shape, generator=generator, dtype=torch.float64).unbind()


def per_member(loss, *tensors):
    """Apply an unbatched loss to every member."""
    lead = tensors[0].shape[:-2]
    flat = [t.reshape(-1, *t.shape[len(lead) :]) for t in tensors]
    return torch.stack([loss(*rows) for rows in zip(*flat, strict=True)]).reshape(lead)


def spectral_by_pairs(z1, z2):
    batch = len(z1)
    positive = sum(z1[i] @ z2[i] for i in range(batch))
    negative = sum((z1[i] @ z2[j]) ** 2 for i in range(batch) for j in range(batch) if i != j)
    return -2 * positive / batch + negative / (batch * (batch - 1))


def similarity_of(name):
    return {
        "inner": lambda a, b: a @ b,
        "cosine": lambda a, b: a @ b / (a.norm() * b.norm()),
        "euclidean": lambda a, b: -((a - b) ** 2).sum() / 2,
    }[name]


def info_nce_by_pairs(z1, z2, temperature, similarity):
    s = similarity_of(similarity)
    total = 0
    for i, anchor in enumerate(z1):
        candidates = torch.stack([torch.exp(s(anchor, other) / temperature) for other in z2])
        total -= torch.log(candidates[i] / candidates.sum())
    return total / len(z1)


def supervised_by_pairs(z, labels, temperature):
    s = similarity_of("cosine")
    terms = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        positives = [j for j in others if labels[j] == labels[i]]
        if positives:
            denominator = sum(torch.exp(s(z[i], z[a]) / temperature) for a in others)
            logs = [torch.log(torch.exp(s(z[i], z[j]) / temperature) / denominator) for j in positives]
            terms.append(-sum(logs) / len(positives))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("shape", SHAPES)
def test_spectral_is_the_sum_over_pairs(shape, generator):
    z1, z2 = embeddings(shape, generator)
    torch.testing.assert_close(
        spectral(z1, z2), per_member(spectral_by_pairs, z1, z2), rtol=ROUND_OFF, atol=ROUND_OFF
    )


@pytest.mark.parametrize("similarity", ["inner", "cosine", "euclidean"])
@pytest.mark.parametrize("shape", SHAPES)
def test_info_nce_is_the_sum_over_pairs(shape, similarity, generator):
    z1, z2 = embeddings(shape, generator)
    expected = per_member(lambda a, b: info_nce_by_pairs(a, b, 0.7, similarity), z1, z2)
    torch.testing.assert_close(info_nce(z1, z2, 0.7, similarity), expected, rtol=ROUND_OFF, atol=ROUND_OFF)


def test_info_nce_takes_its_anchors_from_the_first_view(generator):
    z1, z2 = embeddings((7, 3), generator)
    assert abs(info_nce(z1, z2, 0.7) - info_nce(z2, z1, 0.7)) > 1e-3


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
def test_nt_xent_is_that_of_pytorch_metric_learning(temperature, generator):
    z1, z2 = embeddings((9, 4), generator)
    oracle = NTXentLoss(temperature=temperature)(torch.cat([z1, z2]), torch.arange(9).repeat(2))
    torch.testing.assert_close(nt_xent(z1, z2, temperature), oracle, rtol=1e-10, atol=0)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
def test_supervised_contrastive_is_that_of_pytorch_metric_learning(temperature, generator):
    z = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    labels = torch.arange(12) % 3
    oracle = SupConLoss(temperature=temperature)(z, labels)
    torch.testing.assert_close(supervised_contrastive(z, labels, temperature), oracle, rtol=1e-10, atol=0)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1, 0], [0, 0, 1, 2, 3, 3]])
def test_supervised_contrastive_is_the_sum_over_pairs(labels, generator):
    z = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    labels = torch.tensor(labels)
    expected = per_member(lambda rows: supervised_by_pairs(rows, labels, 0.4), z)
    torch.testing.assert_close(
        supervised_contrastive(z, labels, 0.4), expected, rtol=ROUND_OFF, atol=ROUND_OFF
    )


def test_supervised_contrastive_with_one_pair_per_class_is_nt_xent(generator):
    z1, z2 = embeddings((3, 6, 4), generator)
    supervised = supervised_contrastive(torch.cat([z1, z2], 1), torch.arange(6).repeat(2), 0.5)
    torch.testing.assert_close(supervised, nt_xent(z1, z2, 0.5), rtol=ROUND_OFF, atol=0)


@pytest.mark.parametrize("loss", [info_nce, nt_xent])
def test_a_temperature_per_member_is_the_loss_of_each_member(loss, generator):
    z1, z2 = embeddings((3, 6, 4), generator)
    temperatures = torch.tensor([0.2, 0.5, 2.0], dtype=torch.float64)
    expected = torch.stack([loss(z1[e], z2[e], t.item()) for e, t in enumerate(temperatures)])
    torch.testing.assert_close(loss(z1, z2, temperatures), expected, rtol=ROUND_OFF, atol=0)


@pytest.mark.parametrize(
    "loss",
    [
        spectral,
        lambda z1, z2: info_nce(z1, z2, 0.5, "cosine"),
        lambda z1, z2: info_nce(z1, z2, 0.5, "euclidean"),
        lambda z1, z2: nt_xent(z1, z2, 0.5),
        lambda z1, z2: supervised_contrastive(torch.cat([z1, z2]), torch.arange(8) % 3, 0.5),
    ],
)
def test_gradients_match_finite_differences(loss, generator):
    z1, z2 = embeddings((4, 3), generator)
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))


@pytest.mark.parametrize("loss", [spectral, lambda a, b: nt_xent(a, b, 0.5)])
def test_bad_embeddings_are_refused(loss):
    with pytest.raises(ValueError, match="z1 and z2 must have the same shape"):
        loss(torch.ones(4, 3), torch.ones(5, 3))
    with pytest.raises(ValueError, match="B >= 2"):
        loss(torch.ones(1, 3), torch.ones(1, 3))


@pytest.mark.parametrize(
    "temperature", [0.0, -1.0, float("nan"), torch.tensor([0.5, 0.0]), torch.tensor([torch.inf, 1.0])]
)
def test_bad_temperatures_are_refused(temperature):
    z = torch.ones(2, 4, 3)
    for loss in (info_nce, nt_xent):
        with pytest.raises(ValueError, match="temperature must be > 0"):
            loss(z, z, temperature)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        supervised_contrastive(z, torch.zeros(4), temperature)


def test_bad_choices_are_refused():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="similarity must be one of"):
        info_nce(z, z, 0.5, "dot")
    with pytest.raises(ValueError, match="labels must have shape"):
        supervised_contrastive(z, torch.zeros(5), 0.5)
    with pytest.raises(ValueError, match="same class"):
        supervised_contrastive(z, torch.arange(4), 0.5)


WITH_A_DIRECTION = {
    "nt_xent": lambda z1, z2: nt_xent(z1, z2, 0.5),
    "info_nce": lambda z1, z2: info_nce(z1, z2, 0.5, "cosine"),
    "supervised": lambda z1, z2: supervised_contrastive(torch.cat([z1, z2]), torch.arange(12) % 3, 0.5),
    "negative_cosine": lambda z1, z2: (negative_cosine(z1, z2) + negative_cosine(z2, z1)) / 2,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", WITH_A_DIRECTION)
def test_an_embedding_of_zeros_has_cosine_zero_and_no_gradient(name, dtype, generator):
    """The nearest wrong answer is a division by 1e-12: a gradient of 1e10, and NaN in half precision."""
    z1, z2 = embeddings((6, 3), generator)
    z1[2] = 0
    leaves = [z.to(dtype).requires_grad_() for z in (z1, z2)]
    value = WITH_A_DIRECTION[name](*leaves)
    value.backward()
    assert value.isfinite() and not leaves[0].grad[2].any()
    for leaf in leaves:
        assert leaf.grad.isfinite().all() and leaf.grad.abs().max() < 10
    # A row whose cosine with every other is 0: a right angle in two more dimensions gives the same value.
    padded = [torch.nn.functional.pad(z, (0, 2)) for z in (z1, z2)]
    padded[0][2, 3] = 1
    if dtype == torch.float64:
        torch.testing.assert_close(value.detach(), WITH_A_DIRECTION[name](*padded), rtol=ROUND_OFF, atol=0)


@pytest.mark.parametrize("loss", ["info_nce", "nt_xent", "supervised_contrastive"])
def test_a_learnt_temperature_has_the_gradient_of_finite_differences(loss, generator):
    z1, z2 = embeddings((3, 5, 4), generator)
    temperature = torch.tensor([0.2, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    of_temperature = {
        "info_nce": lambda t: info_nce(z1, z2, t, "cosine"),
        "nt_xent": lambda t: nt_xent(z1, z2, t),
        "supervised_contrastive": lambda t: supervised_contrastive(
            torch.cat([z1, z2], 1), torch.arange(10) % 3, t
        ),
    }[loss]
    assert torch.autograd.gradcheck(of_temperature, (temperature,))
