"""One network at a time, as others train it: what the engine is timed against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import skip_init

from neural import Network, spectral
from theory.features.model import FeatureModel

Pairs = Iterable[tuple[Tensor, Tensor]]
PairLoss = Callable[[Tensor, Tensor], Tensor]


def plain_spectral(z1: Tensor, z2: Tensor) -> Tensor:
    """The spectral contrastive loss through the B x B matrix of inner products.

    L = -(2/B) sum_i z1_i.z2_i + 1/(B(B-1)) sum_{i != j} (z1_i.z2_j)^2.

    Parameters
    ----------
    z1, z2 : (B, p) tensors

    Returns
    -------
    () tensor

    Notes
    -----
    Source: paper.
    """
    products = z1 @ z2.T
    positives = products.diagonal()
    batch = len(z1)
    negatives = products.square().sum() - positives.square().sum()
    return -2 * positives.mean() + negatives / (batch * (batch - 1))


def plain_info_nce(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """InfoNCE as a cross-entropy over the second views.

    Parameters
    ----------
    z1, z2 : (B, p) tensors
    temperature : float > 0

    Returns
    -------
    () tensor

    Notes
    -----
    Source: paper.
    """
    return cross_entropy(z1 @ z2.T / temperature, torch.arange(len(z1), device=z1.device))


PLAIN: dict[str, PairLoss] = {"spectral": plain_spectral, "info_nce": plain_info_nce}
IMPROVED: dict[str, PairLoss] = {"spectral": spectral, "info_nce": plain_info_nce}


def modules_of(network: Network) -> nn.Sequential:
    """Two linear layers with a ReLU between, starting from the weights of a network of one member.

    Parameters
    ----------
    network : Network
        One member, two layers, no biases.
    """
    layers = []
    for weight in network.weights:
        out, into = weight.shape[1:]
        layer = skip_init(nn.Linear, into, out, bias=False, device=weight.device, dtype=weight.dtype)
        layer.weight.data.copy_(weight[0])
        layers.append(layer)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])


def train_plainly(model: nn.Sequential, pairs: Pairs, loss: PairLoss, lr: float) -> list[float]:
    """The loop that most people write: Adam, and the loss read at every step.

    Parameters
    ----------
    model : torch.nn.Sequential
        Trained in place.
    pairs : iterable of two (B, d) tensors
    loss : callable
    lr : float

    Returns
    -------
    list of float
        Loss of each batch before its update.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for x1, x2 in pairs:
        value = loss(model(x1), model(x2))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def train_with_care(model: nn.Sequential, pairs: Pairs, loss: PairLoss, lr: float) -> Tensor:
    """The same loop by someone who knows torch: fused Adam, and nothing read before the end.

    Parameters
    ----------
    model, pairs, loss, lr
        As in `train_plainly`.

    Returns
    -------
    (steps,) tensor
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    losses = []
    for x1, x2 in pairs:
        value = loss(model(x1), model(x2))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        losses.append(value.detach())
    return torch.stack(losses)


def plain_pairs(
    model: FeatureModel, batch: int, steps: int, generator: torch.Generator, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Positive pairs of a two-sided feature model with as many features as dimensions, drawn as it is defined.

    Parameters
    ----------
    model : FeatureModel
    batch, steps : int
    generator : torch.Generator
    dtype : torch.dtype

    Yields
    ------
    x1, x2 : (batch, d) tensors
    """
    size, options = (batch, model.dim), {"generator": generator, "device": generator.device}
    phi, alpha = (
        torch.tensor(v.tolist(), dtype=dtype, device=generator.device) for v in (model.phi, model.alpha)
    )

    def signs():
        return (2 * torch.randint(2, size, **options) - 1).to(dtype)

    def view(original):
        seen = torch.where(torch.rand(size, dtype=dtype, **options) < alpha, signs(), original)
        return seen * phi + model.sigma * torch.randn(size, dtype=dtype, **options)

    for _ in range(steps):
        original = signs()
        yield view(original), view(original)
