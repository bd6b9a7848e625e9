"""The bank of networks pretrained on images: trained once for each configuration, shared by all notebooks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from torch import nn

from neural.models.sparsity import kept_units
from neural.training.features import Features, extract, head_matrix
from neural.training.pretraining import PretrainConfig, pretrain
from synthetic.store.arrays import stack_results
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


def load_or_train(config: PretrainConfig) -> TrainedFeatures:
    """Features of one configuration from the bank; the network is trained now if they are not there.

    Parameters
    ----------
    config : PretrainConfig
    """
    return sweep(trained_features, [config], progress=False)[0]


@dataclass(frozen=True)
class Measurement:
    """A measurement and the run whose features it reads."""

    measurement: Callable[[TrainedFeatures], dict]
    config: PretrainConfig


def measure(point: Measurement) -> dict:
    """Apply one measurement to the features of its run.

    Parameters
    ----------
    point : Measurement
    """
    return point.measurement(load_or_train(point.config))


@dataclass(frozen=True)
class SharedViews:
    """A measurement and some runs, which one process trains one after the other.

    Runs of one member that differ only in method, head or schedule see the same views, and a process draws them once.
    """

    measurement: Callable[[TrainedFeatures], dict]
    configs: tuple[PretrainConfig, ...]


def measure_together(point: SharedViews) -> list[dict]:
    """Apply one measurement to the features of some runs; each result is stored by itself, too.

    Parameters
    ----------
    point : SharedViews
    """
    return sweep(measure, [Measurement(point.measurement, run) for run in point.configs], progress=False)


def measure_bank(
    measurement: Callable[[TrainedFeatures], dict],
    configs: Sequence[PretrainConfig],
    *,
    jobs: int | None = None,
    label: str = "",
) -> list[dict]:
    """Apply a measurement to the features of every configuration; features and results are stored.

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
    unique = list(dict.fromkeys(configs))
    longest = max(1, len(unique) // (4 * effective_n_jobs(jobs)))  # enough points for every worker
    groups = [
        SharedViews(measurement, tuple(alike[start : start + longest]))
        for alike in _by_views(unique)
        for start in range(0, len(alike), longest)
    ]
    found = sweep(measure_together, groups, jobs=jobs, label=label)
    results = dict(zip(chain(*(group.configs for group in groups)), chain(*found), strict=True))
    return [results[config] for config in configs]


def _by_views(configs):
    """Configurations that see the same views together, the shorter trainings first."""
    groups = defaultdict(list)
    for config in sorted(configs, key=attrgetter("member", "epochs")):
        groups[config.data, config.augment, config.batch, config.seed, config.member].append(config)
    return groups.values()


def measure_runs(
    measurement: Callable[[TrainedFeatures], dict],
    runs: Mapping[Any, Sequence[PretrainConfig]],
    *,
    jobs: int | None = None,
    label: str = "",
) -> dict[Any, dict[str, np.ndarray]]:
    """Apply a measurement to all members of runs with names.

    Parameters
    ----------
    measurement, jobs, label
        As for `measure_bank`.
    runs : mapping of a name to the configurations of its members
        Of `synthetic.images.runs.with_members`.

    Returns
    -------
    dict of a name to a dict of arrays
        For each key of the measurement the values of the members along the first axis.
    """
    results = iter(measure_bank(measurement, list(chain(*runs.values())), jobs=jobs, label=label))
    return {name: stack_results([next(results) for _ in members]) for name, members in runs.items()}
