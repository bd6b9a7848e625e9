"""Blocks of batches, static addresses, and what is replayed of a step."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch

from neural.ensemble.layout import Layout
from neural.ensemble.step import Graphed
from neural.ensemble.streams import PairStream, block_steps


@dataclass(frozen=True)
class Normal:
    """Two independent normal views, labelled by the sign of their first coordinates' sum."""

    dim: int = 3

    def sample_pairs(self, n, generator, dtype):
        return torch.randn(2, n, self.dim, generator=generator, dtype=dtype).unbind()

    def sample_labelled_views(self, n, generator, dtype):
        x1, x2 = self.sample_pairs(n, generator, dtype)
        return x1, x2, (x1[:, 0] + x2[:, 0] > 0).long()


def stream_of(seeds, *, batch=5, labelled=False, static=False):
    layout = Layout.of(3, 4, 2, batch, bias=False, itemsize=8)
    keys = [(Normal(), seed) for seed in seeds]
    cpu = torch.device("cpu")
    return PairStream(keys, batch, layout, labelled, torch.float64, cpu, static=static), layout


def views(x, layout, batch=5):
    return x[:, :3, :batch], x[:, :3, layout.half : layout.half + batch]


def test_blocks_hold_about_so_many_numbers():
    assert block_steps(32, 512) == 4
    assert block_steps(1, 2) == 64
    assert block_steps(1000, 1000) == 1
    assert block_steps(32, 512, "cuda") == 64


@pytest.mark.parametrize("labelled", [False, True])
def test_members_with_one_key_see_one_batch(labelled):
    stream, layout = stream_of([0, 1, 0], labelled=labelled)
    stream.draw()
    x, labels = stream.step(0)
    assert torch.equal(x[0], x[2]) and not torch.equal(x[0], x[1])
    alone, _ = stream_of([1], labelled=labelled)
    alone.draw()
    for index in (0, stream.steps - 1):
        (x, labels), (expected, expected_labels) = stream.step(index), alone.step(index)
        assert torch.equal(x[1], expected[0])
        assert (labels is None) == (not labelled)
        if labelled:
            x1, x2 = views(x, layout)
            assert torch.equal(labels, (x1[:, 0] + x2[:, 0] > 0).long())
            assert torch.equal(labels[1], expected_labels[0])


def test_what_no_view_uses_is_zero():
    stream, layout = stream_of([0, 1])
    stream.draw()
    x = stream.step(0)[0].clone()
    for view in views(x, layout):
        assert (view != 0).all()
        view.zero_()
    assert (x == 0).all()


def test_static_steps_are_the_same_batches_at_one_address():
    for seeds in ([0, 0], [0, 1]):
        (moving, _), (static, _) = stream_of(seeds), stream_of(seeds, static=True)
        addresses = set()
        for _ in range(2):
            moving.draw()
            static.draw()
            for index in (0, 1, 5):
                x, _ = static.step(index)
                assert torch.equal(x, moving.step(index)[0])
                addresses.add(x.data_ptr())
        assert len(addresses) == 1


def test_a_graph_is_captured_once_and_replayed(monkeypatch):
    """The protocol alone, with a stand-in for the graph: call, capture and replay, replay."""
    done = []

    class Graph:
        def replay(self):
            done.append("replay")

    @contextmanager
    def capture(graph, **_):
        done.append("capture")
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    step = Graphed(lambda x: done.append(x))
    for _ in range(3):
        step("call")
    assert done == ["call", "capture", "call", "replay", "replay"]
