"""Linear encoders with a predictor: the gradient, and repeatable members."""

from dataclasses import replace

import numpy as np
import torch

from neural import torch_generator
from synthetic.mixture.predictors import PredictorTraining, measure_encoder_weights, train_encoder
from synthetic.mixture.samples import mixture_views, random_direction

SHORT = PredictorTraining(1.5, 1.1, 0.05, dim=4, batch=64, steps=3)


def test_a_step_is_that_of_automatic_differentiation():
    """The loss, with its stopped gradient, written out for torch; one step, so that the average is the end."""
    point = replace(SHORT, steps=1)
    generator = torch_generator(point.seed, "predictor", point.member)
    direction = random_direction(point.dim, generator)
    one, two = mixture_views((1.5 * direction).float(), (1.1, 1.1), (point.batch,), generator)
    encoder, predictor = (torch.eye(4).requires_grad_() for _ in range(2))
    hidden = one @ encoder.mT
    error = hidden @ predictor.mT - (two @ encoder.mT).detach()
    loss = error.square().sum() / (2 * point.batch)
    loss = loss + point.decay * (encoder.square().sum() + predictor.square().sum()) / 2
    (gradient,) = torch.autograd.grad(loss, encoder)
    end = (torch.eye(4) - point.lr * gradient).double()
    along, across = train_encoder(point)
    metric = end.mT @ end
    assert np.isclose(along**2, float(direction @ metric @ direction), rtol=1e-5)
    assert np.isclose(along**2 + 3 * across**2, float(metric.trace()), rtol=1e-5)


def test_more_decay_gives_smaller_weights_and_members_differ(seed):
    trainings = [replace(SHORT, steps=300, decay=decay) for decay in (0.0, 0.08)]
    weights = measure_encoder_weights(trainings, 3, seed)
    assert weights.shape == (3, 4) and len(set(weights[:, 0])) == 3
    assert np.all(weights[:, 2:] < weights[:, :2])
    assert np.all(weights[:, [1, 3]] < weights[:, [0, 2]])  # the signal outweighs the noise
