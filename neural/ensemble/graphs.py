"""Replay of GPU work as one CUDA graph."""

from collections.abc import Callable

import torch
from torch import Tensor


class Graphed:
    """A function of tensors whose kernels are replayed as one CUDA graph from its second call on.

    The first call runs it as it is, so that libraries set themselves up. Every call must bring the arguments at
    the addresses of the second one, and the function must not wait for the device.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *arguments: Tensor | None) -> None:
        """Call the function, or replay what the second call did."""
        self._calls += 1
        if self._calls == 1:
            self._function(*arguments)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._function(*arguments)
        self._graph.replay()
