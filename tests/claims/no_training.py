"""Training taken out of the experiments: networks stay where they start, or random matrices stand in for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize

from neural import train
from synthetic.features.head_training import (
    alternating_descent,
    bilevel_flow,
    sampled_descent,
    squared_loss_flow,
)
from synthetic.features.newton import newton_minimum
from synthetic.features.population import population_flow, train_to_rest
from synthetic.features.thresholded import train_thresholded
from synthetic.images.top_training import train_top
from synthetic.mixture.predictors import train_encoder
from synthetic.mixture.projectors import layer_metrics, train_from_identity

LITTLE = 1e-12
"""Time, or step, of a training that gets nowhere."""


class _Ends:
    """Where a training ends that does not happen: at its start, or at random matrices of the same shapes."""

    def __init__(self, random: bool) -> None:
        self.rng = np.random.default_rng(20) if random else None

    def of(self, start: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The layers themselves, or normal entries of variance 1 / fan-in."""
        layers = [np.array(layer, dtype=float) for layer in start]
        if self.rng is None:
            return layers
        return [self.rng.normal(size=layer.shape) / np.sqrt(layer.shape[-1]) for layer in layers]

    def stand_ins(self) -> dict[Callable, Callable]:
        """What stands in for each function that trains: the same arguments, the same kind of result."""
        return {
            population_flow: lambda model, start, time, **how: self.of(start),
            train_to_rest: lambda model, start, **how: self.of(start),
            alternating_descent: lambda model, start, schedule, time: self.of(start),
            squared_loss_flow: lambda model, codes, start, time, **how: self.of(start),
            sampled_descent: lambda loss, start, x, **how: self.of(start),
            newton_minimum: lambda loss, start: self.of([start])[0],
            minimize: self._minimize,
            bilevel_flow: self._bilevel,
            train_thresholded: self._thresholded,
            train: self._train,
            train_from_identity: self._projectors,
            train_encoder: self._encoder,
            train_top: self._top,
        }

    def _minimize(self, fun, x0, **how):
        (x,) = self.of([x0])
        return OptimizeResult(x=x, fun=fun(x)[0])

    def _bilevel(self, model, encoder, embed_dim, time, **how):
        """The head is still at its minimum for this encoder."""
        return bilevel_flow(model, *self.of([encoder]), embed_dim, LITTLE, **how)

    def _thresholded(self, start, time, **how):
        w1, w2, b = self.of([start.w1, start.w2, np.atleast_1d(start.b)])
        return w1, w2, b if np.ndim(start.b) else b[0]

    def _train(self, members, shape, **how):
        scale = {} if self.rng is None else {"init_scale": 1.0}
        still = [replace(member, lr=LITTLE, **scale) for member in members]
        return train(still, replace(shape, steps=1), **how | {"log_every": 1})

    def _projectors(self, layers, losses, views, *, steps, lr):
        ends = self.of([layer.detach().numpy() for layer in layers])
        return layer_metrics([torch.from_numpy(end).float() for end in ends], views()[0]).double().numpy()

    def _encoder(self, point):
        """Weights of the encoder along and across the signal."""
        still = train_encoder(replace(point, steps=1, lr=LITTLE))
        return still if self.rng is None else np.abs(self.rng.normal(size=2))

    def _top(self, point):
        found = train_top(replace(point, steps=1))
        return found | {"end": tuple(self.of(found["start"]))}


TRAINING = {
    f"{function.__module__}.{function.__qualname__}"
    for function in _Ends(random=False).stand_ins()
    if function is not minimize
}
"""Names of the functions that train; what calls scipy's `minimize` calls one of them too."""


@contextmanager
def no_training(*, random: bool) -> Iterator[None]:
    """Replace every function that trains, wherever `synthetic` has imported it; no result is read or stored."""
    modules = [module for name, module in sys.modules.items() if name.startswith("synthetic.")]
    instead = {id(function): stand_in for function, stand_in in _Ends(random).stand_ins().items()}
    with ExitStack() as stack:
        stack.callback(_forget, modules)
        stack.enter_context(patch.dict(os.environ, {"PROJHEAD_CACHE": "off"}))
        for module in modules:
            for name, value in list(vars(module).items()):
                if id(value) in instead:
                    stack.enter_context(patch.object(module, name, instead[id(value)]))
        _forget(modules)
        yield


def _forget(modules):
    """Empty the memory of all functions that keep results."""
    for module in modules:
        for value in list(vars(module).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()
