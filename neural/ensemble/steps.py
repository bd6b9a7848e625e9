"""One training step of a chunk of ensemble members."""

from typing import Protocol

import torch
from torch import Tensor

from neural.ensemble.layout import CACHE_LINE
from neural.ensemble.members import Shape
from neural.ensemble.networks import Network
from neural.ensemble.objectives import LOSSES, gradient_writer, value
from neural.ensemble.two_layer import TwoLayerPass
from neural.ensemble.updates import StackedAdam, StackedSGD


class Trainee(Protocol):
    """What a step changes: C slots of a chunk.

    Attributes
    ----------
    parameters : list of tensors
        As `two_layer.parameters` orders them.
    temperature : (C, 1, 1) tensor
    optimizer : StackedSGD or StackedAdam
        Of these parameters.
    """

    parameters: list[Tensor]
    temperature: Tensor
    optimizer: StackedSGD | StackedAdam


class Step:
    """Loss and update of chunks of one shape, in buffers that all of them share.

    Parameters
    ----------
    shape : Shape
    network : Network
        Of one of the chunks; gives shapes, dtype and device only.
    """

    def __init__(self, shape: Shape, network: Network) -> None:
        self._shape = shape
        self._passes = TwoLayerPass(network, shape.layout.columns)
        self._views = self._of_views(self._passes.embedding)
        self._gradient_views = self._of_views(self._passes.embedding_gradient)
        self._write_gradient = gradient_writer(shape.loss, self._views[0])

    def losses(self, trainee: Trainee, x: Tensor, labels: Tensor | None) -> Tensor:
        """Losses (C,) on a batch."""
        self._passes.forward(trainee.parameters, x)
        z1, z2 = (z.mT for z in self._views)
        arguments = z1, z2, labels, trainee.temperature.flatten()
        if self._shape.batch % CACHE_LINE == 0:
            return value(self._shape.loss, *arguments)
        # tensors that the loss makes of several members would put them at different alignments
        one_by_one = zip(*(t.split(1) if t is not None else [None] * len(z1) for t in arguments), strict=True)
        return torch.cat([value(self._shape.loss, *member) for member in one_by_one])

    def update(self, trainee: Trainee, x: Tensor, labels: Tensor | None) -> None:
        """One step of the optimizer; its `advance` comes before."""
        self._passes.forward(trainee.parameters, x)
        self._write_gradient(*self._views, labels, trainee.temperature, *self._gradient_views)
        trainee.optimizer.step(self._passes.backward(trainee.parameters, x))

    def _of_views(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """First and second views (C, p, B) of (C, p, columns); a custom loss does not see the rows of zeros."""
        half, batch = self._shape.layout.half, self._shape.batch
        rows = z if self._shape.loss in LOSSES else z[:, : self._shape.embed_dim]
        return rows[..., :batch], rows[..., half : half + batch]
