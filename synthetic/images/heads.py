"""Heads taken from trained runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neural.models.heads import FrozenGivenConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures, measure_bank


def read_head_rows(features: TrainedFeatures) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Measurement of the bank: the matrix of a linear head without bias, as `rows`.

    Parameters
    ----------
    features : TrainedFeatures

    Raises
    ------
    ValueError
        When the head is not linear or has a bias.
    """
    if features.matrix is None:
        raise ValueError(f"head must be linear without bias, got {features.config.head}")
    return {"rows": tuple(tuple(row) for row in features.matrix.tolist())}


def freeze_trained_heads(
    configs: Sequence[PretrainConfig], *, jobs: int | None = None, label: str = ""
) -> list[PretrainConfig]:
    """The same runs from the same start, with the head that each of them ends with, held fixed all the time.

    Parameters
    ----------
    configs : sequence of PretrainConfig
        With a linear head.
    jobs, label
        As for `measure_bank`.
    """
    trained = measure_bank(read_head_rows, configs, jobs=jobs, label=label)
    return [
        replace(config, head=FrozenGivenConfig(**rows)) for config, rows in zip(configs, trained, strict=True)
    ]
