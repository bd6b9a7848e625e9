"""Batches of positive pairs for a chunk of ensemble members, each member with its own stream."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from neural.seeds import torch_generator

BLOCK_STEPS = 16


class PairSource(Hashable, Protocol):
    """Distribution of positive pairs: hashable, immutable, safe to call from several threads.

    For the supervised contrastive loss it also needs a method `sample_labelled_views(n, generator, dtype)` ->
    (x1, x2, labels) with labels an (n,) int64 tensor.
    """

    @property
    def dim(self) -> int:
        """Input dimension d."""

    def sample_pairs(self, n: int, generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Draw the two views of n samples, (n, d) each, on the generator's device."""


class PairStream:
    """Endless batches for the members of one chunk.

    Members with equal (source, data seed) see the same batches, drawn once. Every stream is drawn in blocks of
    `BLOCK_STEPS` steps, so it depends on its source, seed, batch, dtype and kind of device only.

    Parameters
    ----------
    keys : sequence of (PairSource, int)
        Source and data seed of each of the C members.
    batch : int
        Pairs B per step.
    labelled : bool
        Whether to draw labels too.
    dtype : torch.dtype
    device : torch.device
    """

    def __init__(
        self,
        keys: Sequence[tuple[PairSource, int]],
        batch: int,
        labelled: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._slots: dict[tuple[PairSource, int], list[int]] = {}
        for slot, key in enumerate(keys):
            self._slots.setdefault(key, []).append(slot)
        self._generators = {key: torch_generator(key[1], "data", device=device) for key in self._slots}
        self._labelled = labelled
        shape = (BLOCK_STEPS, len(keys), keys[0][0].dim, 2, batch)
        self._inputs = torch.empty(shape, dtype=dtype, device=device)
        label_shape = (BLOCK_STEPS, len(keys), batch)
        self._labels = torch.empty(label_shape, dtype=torch.int64, device=device) if labelled else None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield inputs (C, d, 2B), first views before second ones, and labels (C, B) or None.

        Both are overwritten when the iteration goes on.
        """
        while True:
            for key in self._slots:
                self._draw(key)
            for step in range(BLOCK_STEPS):
                yield self._inputs[step].flatten(-2), self._labels[step] if self._labelled else None

    def _draw(self, key: tuple[PairSource, int]) -> None:
        source, generator, slots = key[0], self._generators[key], self._slots[key]
        dim, _, batch = self._inputs.shape[2:]
        draw = source.sample_labelled_views if self._labelled else source.sample_pairs
        *views, labels = *draw(BLOCK_STEPS * batch, generator, self._inputs.dtype), None
        if self._labelled:
            labels = views.pop()
            self._labels[:, slots] = labels.view(BLOCK_STEPS, 1, batch)
        for view, x in enumerate(views):
            if x.shape != (BLOCK_STEPS * batch, dim):
                raise ValueError(f"data must sample (n, {dim}) views, got {tuple(x.shape)} from {source!r}")
            steps = x.reshape(BLOCK_STEPS, batch, dim).mT
            for slot in slots:
                self._inputs[:, slot, :, view].copy_(steps)
