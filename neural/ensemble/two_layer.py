"""Forward and backward pass of stacked two-layer networks in preallocated buffers, without autograd."""

import torch
from torch import Tensor

from neural.ensemble.networks import Network

_relu_backward = torch.ops.aten.threshold_backward.grad_input


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
        Of the loss with respect to `parameters(network)`, written by `backward`.
    """

    def __init__(self, network: Network, inputs: int) -> None:
        w1, w2, *biases = parameters(network)
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
        if bias:
            return torch.baddbmm(*bias, weight, x, out=out)
        return torch.bmm(weight, x, out=out)


_LONG_SIDE = 16  # outputs from which the BLAS is faster with the hidden units as rows of the product


def parameters(network: Network) -> list[Tensor]:
    """Weights (E, out, in), then biases as columns (E, out, 1), sharing the network's memory."""
    return [*network.weights, *(b.unsqueeze(-1) for b in network.biases or ())]
