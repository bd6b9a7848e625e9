"""The layout keeps its promises, and every array of a run is laid out by it."""

import itertools

import pytest
import torch

from neural.ensemble.gradients import (
    InfoNceGradient,
    NtXentGradient,
    SpectralGradient,
    SupervisedContrastiveGradient,
)
from neural.ensemble.layout import Layout

SIZES = list(itertools.product([1, 5, 10, 33], [7, 16, 100], [1, 3, 8, 10], [2, 77, 256, 512]))


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("bias", [False, True])
def test_every_array_of_a_member_fills_whole_cache_lines_and_vectors(bias, itemsize):
    for dim, width, embed_dim, batch in SIZES:
        sizes = Layout.of(dim, width, embed_dim, batch, bias=bias, itemsize=itemsize)
        assert (
            sizes.dim >= dim and sizes.width >= width and sizes.embed_dim >= embed_dim and sizes.half >= batch
        )
        parameters = [sizes.width * sizes.dim, sizes.embed_dim * sizes.width]
        parameters += [sizes.width, sizes.embed_dim] if bias else []
        assert not any(numbers % 32 for numbers in parameters)
        starts = [sizes.half, sizes.columns, sizes.embed_dim**2]
        assert not any(numbers * itemsize % 64 for numbers in starts)
        assert sizes.columns >= 2 * sizes.half
        assert sizes.columns * itemsize % 2048


@pytest.mark.parametrize(
    "kind", [SpectralGradient, InfoNceGradient, NtXentGradient, SupervisedContrastiveGradient]
)
def test_the_rows_of_the_buffers_start_at_cache_lines(kind):
    gradient = kind(torch.zeros(3, 4, 77))
    holders = [gradient, *(v for v in vars(gradient).values() if not isinstance(v, torch.Tensor))]
    buffers = [v for holder in holders for v in getattr(holder, "__dict__", {}).values()]
    products = [b for b in buffers if isinstance(b, torch.Tensor) and b.dtype == torch.float32]
    assert len(products) >= 2
    for buffer in products:
        assert buffer.data_ptr() % 64 == 0
        assert buffer.stride(0) * 4 % 64 == 0
