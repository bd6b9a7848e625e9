"""One training step of a chunk of ensemble members: passes without autograd, loss, update, and its CUDA graph."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from neural.ensemble.gradients import LOSSES, evaluate_loss, make_gradient_writer
from neural.ensemble.layout import CACHE_LINE
from neural.ensemble.members import Shape
from neural.ensemble.networks import Network
from neural.ensemble.updates import StackedAdam, StackedSGD

_relu_backward = torch.ops.aten.threshold_backward.grad_input
_LONG_SIDE = 16  # outputs from which the BLAS is faster with the hidden units as rows of the product


class TwoLayerPass:
    """Passes of C networks z = W2 act(W1 x + b1) + b2 over batches of n inputs each.

    Everything is feature-major (C, features, n), which keeps all matrix products on the fast path of the BLAS.
    The buffers hold no state between a backward pass and the next forward pass, so ensembles of one shape may
    share them.

    Parameters
    ----------
    network : Network
        Two layers, contiguous; gives shapes, dtype and device only.
    inputs : int
        Number n of inputs of each member.

    Attributes
    ----------
    embedding, embedding_gradient : (C, p, n) tensors
        `forward` writes the first; `backward` reads the second, which starts at zero.
    gradients : list of tensors
        Of the loss with respect to `list_parameters(network)`, written by `backward`.
    """

    def __init__(self, network: Network, inputs: int) -> None:
        w1, w2, *biases = list_parameters(network)
        members, width, _ = w1.shape
        embed_dim = w2.shape[1]
        self._relu = network.activation == "relu"
        self._hidden = w1.new_empty(members, width, inputs)
        self._hidden_gradient = torch.empty_like(self._hidden)
        self.embedding = w1.new_empty(members, embed_dim, inputs)
        self.embedding_gradient = torch.zeros_like(self.embedding)
        self._w2_transposed = w2.new_empty(w2.mT.shape) if embed_dim >= _LONG_SIDE else None
        self.gradients = [torch.empty_like(w) for w in (w1, w2, *biases)]

    def forward(self, parameters: list[Tensor], x: Tensor) -> Tensor:
        """Embedding (C, p, n) of inputs (C, d, n)."""
        w1, w2, *biases = parameters
        self._affine(w1, biases[:1], x, self._hidden)
        if self._relu:
            self._hidden.relu_()
        return self._affine(w2, biases[1:], self._hidden, self.embedding)

    def backward(self, parameters: list[Tensor], x: Tensor) -> list[Tensor]:
        """Gradients of the parameters at the inputs of the last forward pass, from `embedding_gradient`."""
        w1_gradient, w2_gradient, *bias_gradients = self.gradients
        if self._w2_transposed is None:
            torch.bmm(self.embedding_gradient, self._hidden.mT, out=w2_gradient)
        else:
            torch.bmm(self._hidden, self.embedding_gradient.mT, out=self._w2_transposed)
            w2_gradient.copy_(self._w2_transposed.mT)
        torch.bmm(parameters[1].mT, self.embedding_gradient, out=self._hidden_gradient)
        if self._relu:
            _relu_backward(self._hidden_gradient, self._hidden, 0, grad_input=self._hidden_gradient)
        torch.bmm(self._hidden_gradient, x.mT, out=w1_gradient)
        for gradient, target in zip(
            (self._hidden_gradient, self.embedding_gradient), bias_gradients, strict=False
        ):
            torch.sum(gradient, -1, keepdim=True, out=target)
        return self.gradients

    @staticmethod
    def _affine(weight: Tensor, bias: list[Tensor], x: Tensor, out: Tensor) -> Tensor:
        return torch.baddbmm(bias[0], weight, x, out=out) if bias else torch.bmm(weight, x, out=out)


def list_parameters(network: Network) -> list[Tensor]:
    """Weights (E, out, in), then biases as columns (E, out, 1), sharing the network's memory."""
    return [*network.weights, *(b.unsqueeze(-1) for b in network.biases or ())]


class Trainee(Protocol):
    """What a step changes: C slots of a chunk.

    Attributes
    ----------
    parameters : list of tensors
        As `list_parameters` orders them.
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
        self._write_gradient = make_gradient_writer(shape.loss, self._views[0])

    def losses(self, trainee: Trainee, x: Tensor, labels: Tensor | None) -> Tensor:
        """Losses (C,) on a batch."""
        self._passes.forward(trainee.parameters, x)
        z1, z2 = (z.mT for z in self._views)
        arguments = z1, z2, labels, trainee.temperature.flatten()
        if self._shape.batch % CACHE_LINE == 0:
            return evaluate_loss(self._shape.loss, *arguments)
        # tensors that the loss makes of several members would put them at different alignments
        one_by_one = zip(*(t.split(1) if t is not None else [None] * len(z1) for t in arguments), strict=True)
        return torch.cat([evaluate_loss(self._shape.loss, *member) for member in one_by_one])

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
