"""What the command line can name: recipes of every part of a run, and presets that set several fields at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neural.data.augment import Augment
from neural.data.datasets import DATASETS
from neural.models.encoders import SmallConvConfig
from neural.models.heads import HEADS
from neural.models.resnet import ResNetConfig
from neural.models.vision_transformer import ViTConfig
from neural.training.methods import METHODS
from neural.training.schedules import SCHEDULES, AdamConfig, SGDConfig

Choice = type | tuple[type, dict[str, Any]]
"""A recipe, or a recipe with the fields that the name sets."""

ENCODERS: dict[str, Choice] = {
    "small-conv": SmallConvConfig,
    "resnet18": ResNetConfig,
    "resnet50": (ResNetConfig, {"depth": 50}),
    "vit-tiny": ViTConfig,
}
OPTIMIZERS: dict[str, Choice] = {"adam": AdamConfig, "sgd": SGDConfig}

CHOICES: dict[str, Mapping[str, Choice]] = {
    "data": DATASETS,
    "method": METHODS,
    "head": HEADS,
    "schedule": SCHEDULES,
    "encoder": ENCODERS,
}
"""Names of the recipes by the field of `PretrainConfig` that they fill."""

SIMCLR_CIFAR = Augment(
    size=32,
    side=(0.2**0.5, 1.0),
    by_area=True,
    aspect=4 / 3,
    flip=0.5,
    hue=0.1,
    jitter=0.8,
    centre=1.0,
)
"""Views of Gupta et al. (2022), section 5, for 32 x 32 images: colour 0.4, 0.4, 0.4 and hue 0.1 with
probability 0.8, flips 0.5, grey 0.2. Crops are those that the paper gives for TinyImageNet, 0.2 to 1 of the area
and ratios 0.75 to 1.33; for CIFAR it says only that they are random ("reconstructed")."""

SIMCLR_TINY_IMAGENET = replace(SIMCLR_CIFAR, size=64, grey=0.1)
"""The same for 64 x 64 images, grey 0.1 (paper)."""

PRESETS: dict[str, dict[str, Any]] = {
    "simclr-cifar": {"augment": SIMCLR_CIFAR},
    "simclr-tiny-imagenet": {"augment": SIMCLR_TINY_IMAGENET},
}
"""Fields of `PretrainConfig` that the name of a preset sets."""
