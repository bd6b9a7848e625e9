"""Forward and backward pass of stacked two-layer networks in preallocated buffers, without autograd."""

import torch
from torch import Tensor

from neural.networks import Network

_relu_backward = torch.ops.aten.threshold_backward.grad_input


class TwoLayerPass:
    """Passes of C networks z = W2 act(W1 x + b1) + b2 over batches of n inputs each.

    Everything is feature-major (C, features, n), which keeps all matrix products on the fast path of the BLAS.

    Parameters
    ----------
    network : Network
        Two layers; its tensors are read at every pass, so they may be updated in place between passes.
    inputs : int
        Number n of inputs of each member.

    Attributes
    ----------
    embedding, embedding_gradient : (C, p, n) tensors
        Written by `forward`; read by `backward`.
    gradients : list of tensors
        Of the loss with respect to `parameters(network)`, written by `backward`.
    """

    def __init__(self, network: Network, inputs: int) -> None:
        self._w1, self._w2, *self._biases = parameters(network)
        self._relu = network.activation == "relu"
        members, width, dim = self._w1.shape
        embed_dim = self._w2.shape[1]
        new = self._w1.new_empty
        self._hidden = new(members, width, inputs)
        self._hidden_gradient = new(members, width, inputs)
        self.embedding = new(members, embed_dim, inputs)
        self.embedding_gradient = new(members, embed_dim, inputs)
        self._w1_gradient = new(members, dim, width)
        self._w2_gradient = new(members, embed_dim, width)
        self.gradients = [self._w1_gradient.mT, self._w2_gradient, *map(torch.empty_like, self._biases)]

    def forward(self, x: Tensor) -> Tensor:
        """Embedding (C, p, n) of inputs (C, d, n)."""
        self._affine(0, self._w1, x, self._hidden)
        if self._relu:
            self._hidden.relu_()
        return self._affine(1, self._w2, self._hidden, self.embedding)

    def backward(self, x: Tensor) -> list[Tensor]:
        """Gradients of the parameters at the inputs of the last forward pass, from `embedding_gradient`."""
        torch.bmm(self.embedding_gradient, self._hidden.mT, out=self._w2_gradient)
        torch.bmm(self._w2.mT, self.embedding_gradient, out=self._hidden_gradient)
        if self._relu:
            _relu_backward(self._hidden_gradient, self._hidden, 0, grad_input=self._hidden_gradient)
        torch.bmm(x, self._hidden_gradient.mT, out=self._w1_gradient)
        if self._biases:
            torch.sum(self._hidden_gradient, -1, keepdim=True, out=self.gradients[2])
            torch.sum(self.embedding_gradient, -1, keepdim=True, out=self.gradients[3])
        return self.gradients

    def _affine(self, layer: int, weight: Tensor, x: Tensor, out: Tensor) -> Tensor:
        if self._biases:
            return torch.baddbmm(self._biases[layer], weight, x, out=out)
        return torch.bmm(weight, x, out=out)


def parameters(network: Network) -> list[Tensor]:
    """Weights (E, out, in), then biases as columns (E, out, 1), sharing the network's memory."""
    return [*network.weights, *(b.unsqueeze(-1) for b in network.biases or ())]
