"""Batches of positive pairs for chunks of ensemble members; every member has its own stream."""

from collections.abc import Hashable, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor

from neural.ensemble.layout import Layout
from neural.seeds import torch_generator

_BLOCK_NUMBERS = {"cpu": 2**17, "cuda": 2**21}
_BLOCK_STEPS = 64


class PairSource(Hashable, Protocol):
    """Distribution of positive pairs. It is hashable and immutable, and several threads may call it.

    For the supervised contrastive loss it must be a `LabelledSource`. For other losses it may have a faster method
    `sample_feature_major(steps, batch, generator, dtype)` -> (steps, d, 2, batch) tensor, element (s, :, v, i)
    being view v of sample i of step s, which is then used instead of `sample_pairs`.
    """

    @property
    def dim(self) -> int:
        """Input dimension d."""

    def sample_pairs(self, n: int, generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Draw the two views of n samples, (n, d) each, on the generator's device."""


class LabelledSource(PairSource, Protocol):
    """Distribution of positive pairs whose samples have classes."""

    def sample_labelled_views(
        self, n: int, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the two views of n samples, as `sample_pairs`, and their classes, (n,) int64."""


def block_steps(dim: int, batch: int, device: torch.device | str = "cpu") -> int:
    """Steps that a stream draws at a time, from 1 to 64: about 2^17 numbers on the CPU and 2^21 on CUDA.

    The number belongs to the identity of a stream: other blocks would give other batches.

    Parameters
    ----------
    dim, batch : int
        Input dimension and pairs per step.
    device : torch.device or str
    """
    numbers = _BLOCK_NUMBERS[torch.device(device).type]
    return min(max(1, numbers // (2 * dim * batch)), _BLOCK_STEPS)


class PairStream:
    """Endless stream of batches for the members of one chunk.

    Members with equal (source, data seed) see the same batches, which are drawn once. Every stream is drawn in blocks
    of `block_steps`, so that it depends only on its source, seed, batch size, dtype and kind of device.

    Parameters
    ----------
    keys : sequence of (PairSource, int)
        Source and data seed of each of the C members.
    batch : int
        Pairs B per step.
    layout : Layout
    labelled : bool
        Whether to draw labels too.
    dtype : torch.dtype
    device : torch.device
    static : bool
        Whether every step comes at the same address, as a CUDA graph requires.

    Attributes
    ----------
    steps : int
        Steps in a block.
    """

    def __init__(
        self,
        keys: Sequence[tuple[PairSource, int]],
        batch: int,
        layout: Layout,
        labelled: bool,
        dtype: torch.dtype,
        device: torch.device,
        *,
        static: bool = False,
    ) -> None:
        slots: dict[tuple[PairSource, int], list[int]] = {}
        for slot, key in enumerate(keys):
            slots.setdefault(key, []).append(slot)
        rows = 1 if len(slots) == 1 else len(keys)
        self._slots = {key: chosen[:rows] for key, chosen in slots.items()}
        self._generators = {key: torch_generator(key[1], "data", device=device) for key in slots}
        self._dim, self._batch, self._labelled = keys[0][0].dim, batch, labelled
        self.steps = block_steps(self._dim, batch, device)
        inputs = torch.zeros(rows, self.steps, layout.dim, layout.columns, dtype=dtype, device=device)
        labels = torch.zeros(rows, self.steps, batch * labelled, dtype=torch.int64, device=device)
        both_views = inputs[:, :, : self._dim, : 2 * layout.half].unflatten(-1, (2, layout.half))
        self._writable = both_views[..., :batch], labels
        self._members, self._drawn = len(keys), (inputs, labels)
        self._current = [t[:, 0].clone() for t in self._drawn] if static else None

    def draw(self) -> None:
        """Draw the next block."""
        inputs, labels = self._writable
        for key, slots in self._slots.items():
            views, classes = self._sample(key[0], self._generators[key])
            for slot in slots:
                inputs[slot].copy_(views)
                if classes is not None:
                    labels[slot].copy_(classes)

    def step(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Inputs (C, d, columns) of that step of the block, and labels (C, B) or None.

        The next `draw` overwrites them; where the addresses are static, the next call does.
        """
        current = [t[:, index] for t in self._drawn]
        if self._current is not None:
            for static, t in zip(self._current, current, strict=True):
                static.copy_(t)
            current = self._current
        inputs, labels = (t.expand(self._members, *t.shape[1:]) for t in current)
        return inputs, labels if self._labelled else None

    def _sample(self, source: PairSource, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """One block of one stream: views (steps, d, 2, B) and labels (steps, B) or None."""
        dtype, n = self._drawn[0].dtype, self.steps * self._batch
        if self._labelled:
            labelled = cast(LabelledSource, source)  # `train` has refused any other
            *pairs, labels = labelled.sample_labelled_views(n, generator, dtype)
            return self._feature_major(pairs, source), labels.view(self.steps, self._batch)
        if hasattr(source, "sample_feature_major"):
            return source.sample_feature_major(self.steps, self._batch, generator, dtype), None
        return self._feature_major(source.sample_pairs(n, generator, dtype), source), None

    def _feature_major(self, pairs: Sequence[Tensor], source: PairSource) -> Tensor:
        for x in pairs:
            if x.shape != (self.steps * self._batch, self._dim):
                raise ValueError(
                    f"data must sample (n, {self._dim}) views, got {tuple(x.shape)} from {source!r}"
                )
        return torch.stack([x.view(self.steps, self._batch, self._dim).mT for x in pairs], 2)
