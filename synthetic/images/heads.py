"""What is read of pretraining runs that differ in their head: accuracy, ranks, spectra, sparsity, cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from neural.measures.spectra import participation_ratio, spectrum
from neural.models.heads import FrozenGivenConfig
from neural.training.features import extract
from neural.training.pretraining import PretrainConfig, pretrain
from synthetic.images.bank import TrainedFeatures, measure_bank
from synthetic.images.scores import ProbeScores
from synthetic.store.sweep import sweep


@dataclass(frozen=True)
class HeadScores:
    """Measurement of the bank: probes, ranks and spectra before and after the head, and the course of training.

    Calling it with `TrainedFeatures` gives a dict with the keys of `ProbeScores` for h and z and

    `rank_<layer>`
        Singular values of the centred training features above `tolerance` times the largest.
    `participation_<layer>`
        Participation ratio of the eigenvalues of their covariance.
    `spectrum_<layer>`
        These eigenvalues, falling, as shares of their sum; (p,) array.
    `deficit`, `rank_deficit`
        Effective rank, or rank, of h minus that of z (Gupta et al., section 3.1, there `matrix_rank`).
    `kept_share`, `zero_share`
        Share of the units of h that the head's first linear layer reads, and of zeros in the matrix of a linear head;
        nan without one.
    `curve`
        Nearest-neighbour accuracy of h at every epoch that was monitored.

    Attributes
    ----------
    probes : ProbeScores
        Its layers are h and z.
    tolerance : float > 0
    """

    probes: ProbeScores = ProbeScores()
    tolerance: float = 0.01

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        scores = self.probes(features)
        for layer in ("h", "z"):
            values = spectrum(features.train.layers[layer])
            scores |= {
                f"rank_{layer}": int(np.sum(values > self.tolerance**2 * values[0])),
                f"participation_{layer}": participation_ratio(values),
                f"spectrum_{layer}": values / values.sum(),
            }
        units = len(scores["spectrum_h"])
        return scores | {
            "deficit": scores["effective_rank_h"] - scores["effective_rank_z"],
            "rank_deficit": scores["rank_h"] - scores["rank_z"],
            "kept_share": np.nan if features.kept_units is None else features.kept_units / units,
            "zero_share": np.nan if features.matrix is None else float(np.mean(features.matrix == 0)),
            "curve": [row["knn_h"] for row in features.history if "knn_h" in row],
        }


@dataclass(frozen=True)
class Transfer:
    """A run, and photographs that it has not seen.

    Attributes
    ----------
    config : PretrainConfig
        On `DigitsOnPhotographs`.
    photos : tuple of str
        None of `config.data.photos`.
    """

    config: PretrainConfig
    photos: tuple[str, ...]

    def __post_init__(self) -> None:
        known = sorted(set(self.photos) & set(self.config.data.photos))
        if known:
            raise ValueError(f"photos must be new to the network, but it is trained on {', '.join(known)}")


def transferred(point: Transfer) -> dict[str, float]:
    """Train a network, then read the digit and the photograph from images on new photographs.

    The split of the digits is that of the training: test digits are new to network and probe, backgrounds are new
    to the network alone.

    Parameters
    ----------
    point : Transfer

    Returns
    -------
    dict
        As of `ProbeScores(("digit", "photo"))`, its probes fitted and tested on the new photographs.
    """
    config = point.config
    run = pretrain(config)
    halves = replace(config, data=replace(config.data, photos=point.photos)).build_data()
    train, test = (extract(run, half.to(run.train.digits.device)) for half in halves)
    return ProbeScores(("digit", "photo"))(TrainedFeatures(config, train, test, None, None, ()))


def head_rows(features: TrainedFeatures) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Measurement of the bank: the matrix of a linear head without bias, as `rows`.

    Parameters
    ----------
    features : TrainedFeatures
    """
    if features.matrix is None:
        raise ValueError(f"head must be linear without bias, got {features.config.head}")
    return {"rows": tuple(tuple(row) for row in features.matrix.tolist())}


def with_trained_heads(
    configs: Sequence[PretrainConfig], *, jobs: int = 1, label: str = ""
) -> list[PretrainConfig]:
    """The same runs from the same start, with the head that each ends with, held fixed all the time.

    Parameters
    ----------
    configs : sequence of PretrainConfig
        With a linear head.
    jobs, label
        As for `measure_bank`.
    """
    trained = measure_bank(head_rows, configs, jobs=jobs, label=label)
    return [
        replace(config, head=FrozenGivenConfig(**rows)) for config, rows in zip(configs, trained, strict=True)
    ]


def measure_settings(
    measurement: Callable[[TrainedFeatures], dict],
    settings: Mapping[Any, Sequence[PretrainConfig]],
    *,
    jobs: int = 1,
    label: str = "",
) -> dict[Any, dict[str, np.ndarray]]:
    """Measure every member of every setting.

    Parameters
    ----------
    measurement, jobs, label
        As for `measure_bank`.
    settings : mapping of a name to the runs of its members

    Returns
    -------
    dict of a name to a dict of arrays
        For each key of the measurement the values of the members along the first axis.
    """
    results = measure_bank(measurement, list(chain(*settings.values())), jobs=jobs, label=label)
    return by_setting(settings, results)


def by_setting(settings: Mapping[Any, Sequence], results: Sequence[dict]) -> dict[Any, dict[str, np.ndarray]]:
    """Results of all points of all settings, one after the other, as arrays over the members of each setting.

    Parameters
    ----------
    settings : mapping of a name to the points of its members
    results : sequence of dict
        In the order of the points.
    """
    remaining, found = iter(results), {}
    for name, points in settings.items():
        rows = [next(remaining) for _ in points]
        found[name] = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return found


def transfer_settings(
    settings: Mapping[Any, Sequence[PretrainConfig]],
    photos: tuple[str, ...],
    *,
    jobs: int = 1,
    label: str = "",
) -> dict[Any, dict[str, np.ndarray]]:
    """As `measure_settings`, by `transferred`.

    Parameters
    ----------
    settings, jobs, label
        As for `measure_settings`.
    photos : tuple of str
        See `Transfer`.
    """
    points = [Transfer(config, photos) for config in chain(*settings.values())]
    return by_setting(settings, sweep(transferred, points, jobs=jobs, label=label))
