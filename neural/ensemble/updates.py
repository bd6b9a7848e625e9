"""Optimisers of stacked parameters, with one set of hyper-parameters per member.

Each step is a call of `advance` and then of `step`. `step` does not wait for the device and always reads the same
addresses, so that it can be part of a CUDA graph.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class StackedSGD:
    """SGD with momentum and weight decay; every member takes the steps of `torch.optim.SGD`.

    Parameters
    ----------
    parameters : sequence of (E, ., .) tensors
        Updated in place.
    lr, momentum, weight_decay : (E, 1, 1) tensors
    """

    def __init__(
        self, parameters: Sequence[Tensor], *, lr: Tensor, momentum: Tensor, weight_decay: Tensor
    ) -> None:
        self._parameters = parameters
        self._velocities = [torch.zeros_like(w) for w in parameters]
        self._lr, self._momentum = lr, momentum
        self._decay = _Decay(weight_decay)

    def advance(self) -> None:
        """Do nothing, because all steps are alike."""

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update the parameters; the gradients are overwritten."""
        for w, velocity, gradient in zip(self._parameters, self._velocities, gradients, strict=True):
            self._decay.add_to(gradient, w)
            velocity.mul_(self._momentum).add_(gradient)
            w.addcmul_(self._lr, velocity, value=-1)


class StackedAdam:
    """Adam with L2 weight decay; every member takes the steps of `torch.optim.Adam` with default betas and eps.

    Parameters
    ----------
    parameters : sequence of (E, ., .) tensors
        Updated in place.
    lr, weight_decay : (E, 1, 1) tensors
    """

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Sequence[Tensor], *, lr: Tensor, weight_decay: Tensor) -> None:
        self._parameters = parameters
        self._means = [torch.zeros_like(w) for w in parameters]
        self._squares = [torch.zeros_like(w) for w in parameters]
        self._lr = lr
        self._rate, self._eps = torch.empty_like(lr), lr.new_empty(())
        self._decay = _Decay(weight_decay)
        self._steps = 0

    def advance(self) -> None:
        """Set the bias corrections of the next step, as a change of the step size and of eps."""
        self._steps += 1
        root = (1 - self.BETA2**self._steps) ** 0.5
        torch.mul(self._lr, -root / (1 - self.BETA1**self._steps), out=self._rate)
        self._eps.fill_(self.EPS * root)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update the parameters; the gradients are overwritten."""
        moments = zip(self._parameters, self._means, self._squares, gradients, strict=True)
        for w, mean, square, gradient in moments:
            self._decay.add_to(gradient, w)
            mean.lerp_(gradient, 1 - self.BETA1)
            square.mul_(self.BETA2).addcmul_(gradient, gradient, value=1 - self.BETA2)
            torch.sqrt(square, out=gradient).add_(self._eps)
            torch.div(mean, gradient, out=gradient)
            w.addcmul_(self._rate, gradient)


class _Decay:
    """Gradient of (weight_decay/2)|w|^2, which costs nothing when every weight decay is zero."""

    def __init__(self, weight_decay: Tensor) -> None:
        self._weight_decay = weight_decay if bool((weight_decay != 0).any()) else None

    def add_to(self, gradient: Tensor, w: Tensor) -> None:
        if self._weight_decay is not None:
            gradient.addcmul_(self._weight_decay, w)
