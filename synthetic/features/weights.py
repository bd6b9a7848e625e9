"""Measured feature weights of trained networks, layer by layer: the simulation twin of `theory.layer_weights`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from neural import Network
from synthetic.features.views import sample_inputs
from theory.features.model import FeatureModel

BLOCKS = 32


class Measured(NamedTuple):
    """Estimates with their standard errors from the sampling of inputs."""

    value: np.ndarray
    standard_error: np.ndarray


def empirical_layer_weights(
    model: FeatureModel, network: Network, *, n: int = 2**15, generator: torch.Generator
) -> Measured:
    r"""Weight :math:`\|E[g_l(x)\,u_i]\| / \phi_i` of each feature after each layer.

    Source: Xue et al. (ICLR 2024), Figure 1; reconstructed. Squared norms are estimated without bias from
    products of different blocks of inputs; a negative estimate counts as 0.

    Parameters
    ----------
    model : FeatureModel
    network : Network
        E members; layer l-1 of the result is the output of layer l (hidden layers after their ReLU).
    n : int
        Inputs in all, in 32 blocks.
    generator : torch.Generator

    Returns
    -------
    value, standard_error : (E, depth, k) arrays
        Standard errors by the jackknife over blocks.
    """
    squared = _squared_moment(model, network, n, generator, lambda signs: signs)
    return Measured(
        np.sqrt(squared.value) / model.phi,
        squared.standard_error / (2 * np.sqrt(np.maximum(squared.value, 1e-300)) * model.phi),
    )


def empirical_constant(
    model: FeatureModel, network: Network, *, n: int = 2**15, generator: torch.Generator
) -> Measured:
    r"""Squared norm :math:`\|E\,g_l(x)\|^2` of the mean output of each layer: the weight of the constant function.

    Parameters as in `empirical_layer_weights`; returns (E, depth) arrays.
    """
    squared = _squared_moment(model, network, n, generator, lambda signs: torch.ones_like(signs[:, :1]))
    return Measured(*(array[..., 0] for array in squared))


def _squared_moment(model, network, n, generator, function) -> Measured:
    """Unbiased estimate of |E g_l(x) h(u)|^2 for the columns h(u) of `function`, (E, depth, columns)."""
    if n < 2 * BLOCKS:
        raise ValueError(f"n must be >= {2 * BLOCKS}, got {n}")
    dtype = network.weights[0].dtype
    means = []
    with torch.inference_mode():
        for _ in range(BLOCKS):
            x, signs = sample_inputs(model, n // BLOCKS, generator, dtype)
            columns = function(signs)
            x, columns = x.to(network.weights[0].device), columns.to(network.weights[0].device)
            means.append([(h.mT @ columns / len(x)).double().cpu().numpy() for h in network.layers(x)])
    layers = []
    for layer in zip(*means, strict=True):
        block = np.stack(layer)  # (blocks, E, out, columns)
        total, each = block.sum(0), np.sum(block**2, axis=-2)
        value = _off_diagonal(np.sum(total**2, axis=-2), each.sum(0), BLOCKS)
        left_out = _off_diagonal(np.sum((total - block) ** 2, axis=-2), each.sum(0) - each, BLOCKS - 1)
        spread = np.sqrt((BLOCKS - 1) * np.mean((left_out - left_out.mean(0)) ** 2, axis=0))
        layers.append((np.maximum(value, 0), spread))
    return Measured(*(np.stack(parts, axis=1) for parts in zip(*layers, strict=True)))


def _off_diagonal(square_of_sum, sum_of_squares, blocks):
    return (square_of_sum - sum_of_squares) / (blocks * (blocks - 1))
