"""The bank of networks pretrained on images: trained once for each configuration, shared by all notebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from torch import nn

from neural.models.sparsity import kept_units
from neural.training.features import Features, extract, head_matrix
from neural.training.pretraining import PretrainConfig, pretrain
from synthetic.store.sweep import sweep


@dataclass(frozen=True, eq=False)
class TrainedFeatures:
    """What is kept of a run.

    Attributes
    ----------
    config : PretrainConfig
    train, test : Features
        Of all stills, every layer that `neural.training.features.extract` knows.
    matrix : (p, m) float32 array or None
        Of a linear head without bias.
    kept_units : int or None
        Units of h that the first linear layer of the head reads; None without such a layer.
    history : tuple of dict
        See `neural.training.pretraining.Pretrained`.
    """

    config: PretrainConfig
    train: Features
    test: Features
    matrix: np.ndarray | None
    kept_units: int | None
    history: tuple[dict[str, float], ...]


def trained_features(config: PretrainConfig) -> TrainedFeatures:
    """Pretrain and extract.

    Parameters
    ----------
    config : PretrainConfig
    """
    run = pretrain(config)
    matrix = head_matrix(run.head)
    return TrainedFeatures(
        config,
        extract(run, run.train),
        extract(run, run.test),
        None if matrix is None else matrix.cpu().numpy(),
        kept_units(run.head) if any(isinstance(m, nn.Linear) for m in run.head.modules()) else None,
        run.history,
    )


def banked(config: PretrainConfig) -> TrainedFeatures:
    """Features of one configuration from the bank, trained now if they are not there.

    Parameters
    ----------
    config : PretrainConfig
    """
    return sweep(trained_features, [config], progress=False)[0]


def measure_bank(
    measurement: Callable[[TrainedFeatures], dict],
    configs: Sequence[PretrainConfig],
    *,
    jobs: int = 1,
    label: str = "",
) -> list[dict]:
    """Apply a measurement to the features of every configuration; both are stored.

    Parameters
    ----------
    measurement : callable
        Deterministic: a function at the top level of a module, or a frozen dataclass with `__call__`.
    configs : sequence of PretrainConfig
        Equal ones are trained and measured once.
    jobs : int >= 1
        Worker processes.
    label : str
        First word of the progress lines.

    Returns
    -------
    list of dict
        In the order of `configs`.
    """
    unique = sorted(dict.fromkeys(configs), key=attrgetter("member"))  # runs of a member share their views
    points = [Measurement(measurement, config) for config in unique]
    results = dict(zip(unique, sweep(measured, points, jobs=jobs, label=label), strict=True))
    return [results[config] for config in configs]


@dataclass(frozen=True)
class Measurement:
    """A measurement and the run whose features it reads."""

    measurement: Callable[[TrainedFeatures], dict]
    config: PretrainConfig


def measured(point: Measurement) -> dict:
    """Result of one measurement.

    Parameters
    ----------
    point : Measurement
    """
    return point.measurement(banked(point.config))
