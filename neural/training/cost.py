"""What a training step costs."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from neural.training.methods import Batch
from neural.training.pretraining import PretrainConfig, Purpose


def count_step_flops(config: PretrainConfig) -> float:
    """Count the floating-point operations of one training step for each image pair: convolutions, matrix products.

    Counted while a step is made on random views, with its backward passes and inner steps; normalisation,
    element-wise operations, augmentation, the optimiser and work between epochs are left out.

    Parameters
    ----------
    config : PretrainConfig
        Of a method without labels.
    """
    encoder = config.encoder.build(config.stream(Purpose.ENCODER))
    head = config.head.build(encoder.out_dim, config.stream(Purpose.HEAD))
    objective = config.method.build(head.out_dim, None, config.stream(Purpose.OBJECTIVE))
    objective.bind(encoder, head)
    stepper = config.schedule.start(encoder, nn.ModuleList([head, objective]))
    side = config.augment.size
    views = torch.rand(2 * config.batch, 3, side, side, generator=config.stream(Purpose.PAIRS))
    with FlopCounterMode(display=False) as counter:
        h = encoder(views)
        stepper.step(lambda: objective(head(h), Batch(views)))
    return counter.get_total_flops() / config.batch
