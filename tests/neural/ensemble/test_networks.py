"""Stacked networks against plain matrix products."""

import pytest
import torch

from neural import Network


@pytest.fixture
def generator(seed):
    return torch.Generator().manual_seed(seed)


def stacked(sizes, members, generator, biases=False, activation="relu"):
    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = tuple(draw(members, out, inp) for inp, out in zip(sizes, sizes[1:], strict=False))
    offsets = tuple(draw(members, out) for out in sizes[1:]) if biases else None
    return Network(weights, offsets, activation)


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("sizes", [(3, 2), (3, 5, 2), (4, 6, 5, 3)])
def test_layers_are_those_of_each_member(sizes, biases, activation, generator):
    network = stacked(sizes, 3, generator, biases, activation)
    x = torch.randn(3, 7, sizes[0], generator=generator, dtype=torch.float64)
    outputs = network.layers(x)
    assert [tuple(out.shape) for out in outputs] == [(3, 7, size) for size in sizes[1:]]
    for e in range(3):
        h = x[e]
        for layer, out in enumerate(outputs):
            h = h @ network.weights[layer][e].T
            if biases:
                h = h + network.biases[layer][e]
            if activation == "relu" and layer < len(sizes) - 2:
                h = h.clamp(min=0)
            torch.testing.assert_close(out[e], h, rtol=1e-12, atol=1e-12)


def test_shared_inputs_go_to_every_member(generator):
    network = stacked((3, 5, 2), 4, generator)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    for shared, own in zip(network.layers(x), network.layers(x.expand(4, 6, 3)), strict=True):
        torch.testing.assert_close(shared, own, rtol=1e-12, atol=1e-12)


def test_the_representation_is_activated_and_the_embedding_is_not(generator):
    network = stacked((3, 20, 10), 2, generator)
    before, after = network.layers(torch.randn(50, 3, generator=generator, dtype=torch.float64))
    assert before.min() == 0
    assert after.min() < 0


def test_member_subset_and_concatenate_agree(generator):
    network = stacked((3, 5, 2), 3, generator, biases=True)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    assert network.member(1).members == 1
    torch.testing.assert_close(
        network.member(1).layers(x)[1][0], network.layers(x)[1][1], rtol=1e-12, atol=1e-12
    )
    joined = Network.concatenate([network.subset(slice(2)), network.member(2)])
    for got, wanted in zip(joined.weights + joined.biases, network.weights + network.biases, strict=True):
        assert torch.equal(got, wanted)


def test_single_stacks_plain_matrices(generator):
    w1, w2 = torch.eye(3), torch.ones(2, 3)
    network = Network.single([w1, w2], activation="linear")
    assert (network.members, network.depth, network.dim) == (1, 2, 3)
    x = torch.randn(4, 3, generator=generator)
    torch.testing.assert_close(network.layers(x)[1][0], x @ w2.T)
    offset = Network.single([w1.numpy()], [torch.ones(3)])
    torch.testing.assert_close(offset.layers(x)[0][0], x + 1)


def test_to_changes_the_dtype(generator):
    network = stacked((3, 5, 2), 2, generator, biases=True).to(torch.float32)
    assert {t.dtype for t in network.weights + network.biases} == {torch.float32}


def test_bad_networks_are_refused():
    w1, w2 = torch.ones(2, 5, 3), torch.ones(2, 4, 5)
    for weights in [(), (torch.ones(5, 3),), (w2, w1), (w1, w2[:1])]:
        with pytest.raises(ValueError, match="weights must"):
            Network(weights)
    with pytest.raises(ValueError, match="biases must"):
        Network((w1, w2), (torch.ones(2, 5),))
    with pytest.raises(ValueError, match="activation must be one of"):
        Network((w1, w2), activation="gelu")


def test_bad_inputs_are_refused():
    network = Network((torch.ones(2, 5, 3),))
    for shape in [(3,), (4, 2), (3, 4, 3)]:
        with pytest.raises(ValueError, match="x must have shape"):
            network.layers(torch.ones(shape))
    with pytest.raises(ValueError, match="index must be in"):
        network.member(2)
