"""Encoders that show what they hold after each of their stages."""

from collections import deque
from collections.abc import Iterator

from torch import Tensor, nn


class StagedEncoder(nn.Module):
    """Images in, representation before the head out.

    A subclass defines `maps`; the representation is the last map's mean over positions.

    Attributes
    ----------
    out_dim : int
        Entries of the representation.
    """

    out_dim: int

    def maps(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and features (B, channels, *positions) after each stage, in order; the last name is "h"."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Representations h, shape (B, out_dim), of images of shape (B, 3, height, width)."""
        _, features = deque(self.maps(images), maxlen=1).pop()
        return _mean_over_positions(features)

    def stages(self, images: Tensor) -> dict[str, Tensor]:
        """Mean over positions of every stage's features, in order; the last, "h", is that of `forward`.

        Parameters
        ----------
        images : (B, 3, height, width) tensor

        Returns
        -------
        dict of (B, channels) tensors
        """
        return {name: _mean_over_positions(features) for name, features in self.maps(images)}


def _mean_over_positions(features: Tensor) -> Tensor:
    return features.mean(dim=tuple(range(2, features.ndim)))
