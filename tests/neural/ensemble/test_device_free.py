"""What a step must not do on CUDA, where it is replayed as a graph: tested on the CPU, by the operations dispatched."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neural import Member, Shape, torch_generator
from neural.ensemble.chunks import Chunk
from neural.ensemble.gradients import LOSSES
from neural.ensemble.step import Step
from neural.ensemble.streams import PairStream
from synthetic.features.views import FeatureViews
from theory.features.model import FeatureModel

CPU = torch.device("cpu")
SOURCE = FeatureViews(FeatureModel(np.linspace(1, 0.5, 5), np.full(5, 0.2), 0.5))


class Recorded(TorchDispatchMode):
    """Names of all operations that are dispatched."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.__name__)
        return function(*args, **(kwargs or {}))


def operations(function, *arguments):
    with torch.no_grad(), Recorded() as recorded:
        function(*arguments)
    return recorded.names


def update_of(members, loss, optimizer, data=SOURCE):
    """One update of a chunk, and the arguments that it takes."""
    shape = Shape(5, 7, 3, 6, 10, loss=loss, optimizer=optimizer, bias=True)
    chunk = Chunk(tuple(Member(e, data, data_seed=0) for e in range(members)), members, shape, CPU)
    step = Step(shape, chunk.padded)
    inputs = torch.ones(members, shape.layout.dim, shape.layout.columns)
    return step.update, (chunk, inputs, torch.arange(6).expand(members, 6) // 2)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_update_reads_nothing_back_and_dispatches_alike_for_any_number_of_members(loss, optimizer):
    few, many = (
        operations(update, *args) for update, args in (update_of(n, loss, optimizer) for n in (2, 32))
    )
    assert len(few) > 10 and few == many
    assert not [name for name in few if "_local_scalar_dense" in name or "nonzero" in name]


def test_a_read_back_is_noticed():
    assert "_local_scalar_dense.default" in operations(lambda: torch.ones(1).item())


def test_a_loss_by_automatic_differentiation_reads_nothing_back():
    update, arguments = update_of(3, lambda z1, z2, t: (z1 - z2).square().mean((-1, -2)) / t, "adam")
    assert not [name for name in operations(update, *arguments) if "_local_scalar_dense" in name]


def test_a_graph_finds_every_batch_at_the_same_address():
    layout = Shape(5, 7, 3, 6, 10).layout
    stream = PairStream([(SOURCE, e) for e in range(3)], 6, layout, False, torch.float32, CPU, static=True)
    addresses, batches = [], []
    for _ in range(2):
        stream.draw()
        for index in range(3):
            x, _ = stream.step(index)
            addresses.append(x.data_ptr())
            batches.append(x.clone())
    assert len(set(addresses)) == 1
    assert not any(torch.equal(a, b) for a, b in zip(batches, batches[1:], strict=False))


def test_a_source_copies_its_constants_to_the_device_once():
    model = FeatureModel(np.linspace(1, 0.4, 6), np.full(6, 0.3), 0.5)
    generator = torch_generator(0, "data")
    first, second = (
        operations(FeatureViews(model).sample_feature_major, 2, 8, generator, torch.float32) for _ in range(2)
    )
    assert first.count("lift_fresh.default") == 2  # of the strengths and of alpha, from numpy
    assert "lift_fresh.default" not in second


def test_a_shared_stream_is_drawn_once_for_all_members():
    layout = Shape(5, 7, 3, 6, 10).layout
    draws = [
        operations(PairStream([(SOURCE, 0)] * n, 6, layout, False, torch.float32, CPU).draw) for n in (2, 32)
    ]
    assert draws[0] == draws[1] and draws[0].count("normal_.default") == 1
