"""Weights of convolution and linear layers drawn from an explicit generator."""

from math import sqrt

import torch
from torch import nn


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all convolution and linear weights and biases, uniform in +-1/sqrt(fan_in) (torch's default law),
    in place.

    Build the layers with `torch.nn.utils.skip_init`, which leaves the global random state alone.

    Parameters
    ----------
    module : nn.Module
        Layers of other types are left as they are.
    generator : torch.Generator
        CPU generator; layers draw in the order of `module.modules()`.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1 / sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
