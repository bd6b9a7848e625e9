"""Configurations that the image notebooks share, so that equal runs are trained once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neural.data.augment import Augment
from neural.data.digits import DigitsOnPhotographs
from neural.training.presets import ENCODERS
from neural.training.pretraining import PretrainConfig


def base_config(
    seed: int,
    device: str,
    *,
    epochs: int,
    batch: int,
    encoder: str,
    width: int,
    scale: int,
    precision: str,
) -> PretrainConfig:
    """SimCLR with an MLP head on digits on photographs: where every setting of an image notebook starts.

    Parameters
    ----------
    seed : int
        Root seed.
    device : str
        Where to train.
    epochs, batch : int
    encoder : str
        Name in `neural.training.presets.ENCODERS`, its last layer a ReLU.
    width : int
        Channels of the encoder's first convolution.
    scale : int
        Patches of 20 scale pixels, views of 16 scale pixels.
    precision : {"float32", "bfloat16"}
    """
    kind = ENCODERS[encoder]
    kind, fixed = kind if isinstance(kind, tuple) else (kind, {})
    return PretrainConfig(
        data=DigitsOnPhotographs(scale=scale),
        encoder=kind(**fixed, width=width),
        augment=Augment(size=16 * scale),
        epochs=epochs,
        batch=batch,
        seed=seed,
        precision=precision,
        device=device,
    )


def with_members(configs: Sequence[PretrainConfig], members: int) -> list[PretrainConfig]:
    """All members of every configuration, member by member within each.

    Parameters
    ----------
    configs : sequence of PretrainConfig
    members : int >= 1
    """
    return [replace(config, member=member) for config in configs for member in range(members)]


def linear_top(config: PretrainConfig) -> PretrainConfig:
    """The same run without the ReLU at the end of the encoder.

    Parameters
    ----------
    config : PretrainConfig
    """
    return replace(config, encoder=replace(config.encoder, last_relu=False))
