"""What every image data set gives: a training and a test half, each with images, labels and positive pairs."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor


class ImageSplit(Protocol):
    """One half (train or test) of any image data set: what training, probes and readers need of it."""

    @property
    def labels(self) -> dict[str, Tensor]:
        """Labels by name, each of shape (n,), int64."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device | str) -> "ImageSplit":
        """Copy with all tensors on `device`."""

    def stills(self, index: Tensor | None = None) -> Tensor:
        """Images (B, 3, height, width), float32 in [0, 1], without augmentation; all of them when None."""

    def pairs(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positive pair of each image before augmentation; index (B,) int64 and generator on the CPU."""


@dataclass(frozen=True)
class Images:
    """One half (train or test) of a data set of independent images.

    Attributes
    ----------
    images : Tensor, shape (n, 3, height, width)
        uint8; a batch becomes float32 in [0, 1] when it is asked for.
    labels : dict of Tensor, shape (n,)
        int64, by name.
    """

    images: Tensor
    labels: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Images":
        """Copy with all tensors on `device`."""
        labels = {name: values.to(device) for name, values in self.labels.items()}
        return replace(self, images=self.images.to(device), labels=labels)

    def stills(self, index: Tensor | None = None) -> Tensor:
        """Images (B, 3, height, width) as float32 in [0, 1]; all of them when `index` is None."""
        return as_float(self.images if index is None else self.images[index.to(self.images.device)])

    def pairs(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positive pairs before augmentation: the same image twice; nothing is drawn."""
        images = self.stills(index)
        return images, images


def as_float(images: Tensor) -> Tensor:
    """Images of 0..255 as float32 in [0, 1]."""
    return images.float() / 255
