"""One training step of a chunk of members: forward and backward pass without autograd, loss, update, CUDA graph."""

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
_LONG_SIDE = 16  # from this many outputs on, the product is faster with the hidden units as its rows


class TwoLayerPass:
    """Forward and backward passes of C networks z = W2 act(W1 x + b1) + b2 over batches of n inputs each.

    All tensors are feature-major, (C, features, n), because the matrix products are fastest that way. The buffers hold
    no state between a backward pass and the next forward pass, so chunks of one shape can share them.

    Parameters
    ----------
    network : Network
        Two contiguous layers. Only shapes, dtype and device are used.
    inputs : int
        Number n of inputs to each member.

    Attributes
    ----------
    embedding, embedding_gradient : (C, p, n) tensors
        `forward` writes the first. `backward` reads the second, which starts at zero.
    gradients : list of tensors
        Gradients of the loss by `list_parameters(network)`, written by `backward`.
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
        """Gradients by the parameters, for the inputs of the last forward pass and the present `embedding_gradient`."""
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
    """Weights (E, out, in), then biases as columns (E, out, 1); they share the network's memory."""
    return [*network.weights, *(b.unsqueeze(-1) for b in network.biases or ())]


class Trainee(Protocol):
    """The C slots of a chunk, which a step changes.

    Attributes
    ----------
    parameters : list of tensors
        In the order of `list_parameters`.
    temperature : (C, 1, 1) tensor
    optimizer : StackedSGD or StackedAdam
        Optimiser of these parameters.
    """

    parameters: list[Tensor]
    temperature: Tensor
    optimizer: StackedSGD | StackedAdam


class Step:
    """Loss and update of chunks of one shape, which share all buffers.

    Parameters
    ----------
    shape : Shape
    network : Network
        Network of one of the chunks. Only shapes, dtype and device are used.
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
        # The loss makes new tensors. With several members in one tensor, their alignments would differ.
        one_by_one = zip(*(t.split(1) if t is not None else [None] * len(z1) for t in arguments), strict=True)
        return torch.cat([evaluate_loss(self._shape.loss, *member) for member in one_by_one])

    def update(self, trainee: Trainee, x: Tensor, labels: Tensor | None) -> None:
        """One step of the optimiser, whose `advance` must have been called before."""
        self._passes.forward(trainee.parameters, x)
        self._write_gradient(*self._views, labels, trainee.temperature, *self._gradient_views)
        trainee.optimizer.step(self._passes.backward(trainee.parameters, x))

    def _of_views(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Both views (C, p, B) of embeddings (C, p, columns); a custom loss does not see the padding."""
        half, batch = self._shape.layout.half, self._shape.batch
        rows = z if self._shape.loss in LOSSES else z[:, : self._shape.embed_dim]
        return rows[..., :batch], rows[..., half : half + batch]


class Graphed:
    """A function of tensors that is recorded as a CUDA graph in its second call and replayed from then on.

    The first call executes the function directly, because libraries set themselves up then. Every later call must
    bring its arguments at the addresses of the second call, and the function must not wait for the device.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *arguments: Tensor | None) -> None:
        """Call the function, or replay what the second call recorded."""
        self._calls += 1
        if self._calls == 1:
            self._function(*arguments)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._function(*arguments)
        self._graph.replay()
