"""What a network is worth on other images: backgrounds that no longer tell the class, and new photographs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neural.measures.probes import group_probe
from neural.training.features import Features, extract
from neural.training.pretraining import PretrainConfig, pretrain
from synthetic.images.bank import TrainedFeatures
from synthetic.images.scores import ProbeScores


@dataclass(frozen=True)
class WorstGroup:
    """Measurement of the bank: worst-group accuracy after adaptation on a few labelled test images of each group.

    In every draw m images of each group of the test half train a logistic regression
    (`neural.measures.probes.group_probe`, C = 0.1), and all other images of the test half are asked for the label:
    neither kind was seen in pretraining, and in both the background is independent of the class. All layers are read
    from the same labelled images.

    Calling it with `TrainedFeatures` gives a dict with keys `worst_<m>_<layer>` and `mean_<m>_<layer>`, minimum and
    mean over the groups of the accuracy in [0, 1] averaged over the draws; for methods with a classifier also
    `worst_own`, of the network as it was trained, on the whole test half.

    Attributes
    ----------
    per_group : tuple of int
        Values of m, each smaller than the smallest group of the test half.
    label, group : str
        Names of the label asked for and of the groups.
    layers : tuple of str
    draws : int >= 1
        They depend on the member of the run alone.
    """

    per_group: tuple[int, ...] = (5, 20, 100)
    label: str = "parity"
    group: str = "cell"
    layers: tuple[str, ...] = ("h", "z")
    draws: int = 8

    def __call__(self, features: TrainedFeatures) -> dict[str, float]:
        """Measure."""
        test, scores = features.test, {}
        for m in self.per_group:
            rng = np.random.default_rng([features.config.member, m])
            groups = self._adapted(test, m, rng)
            for layer, values in zip(self.layers, groups.mean(axis=0), strict=True):
                scores |= {
                    f"worst_{m}_{layer}": float(values.min()),
                    f"mean_{m}_{layer}": float(values.mean()),
                }
        if test.predicted is not None:
            right, group = test.predicted == test.labels[self.label], test.labels[self.group]
            scores["worst_own"] = float(min(right[group == one].mean() for one in np.unique(group)))
        return scores

    def _adapted(self, test: Features, m: int, rng: np.random.Generator) -> np.ndarray:
        """Accuracy for every draw, layer and group."""
        label, group = test.labels[self.label], test.labels[self.group]
        accuracies = []
        for _ in range(self.draws):
            chosen = _some_of_each(group, m, rng)
            sides = [
                tuple(
                    values[side]
                    for values in (test.layers[layer], label, group)
                    for side in (chosen, ~chosen)
                )
                for layer in self.layers
            ]
            accuracies.append(
                [
                    group_probe(x, y, g, x_rest, y_rest, g_rest, per_group=m, rng=rng, draws=1)
                    for x, x_rest, y, y_rest, g, g_rest in sides
                ]
            )
        return np.array(accuracies)


def _some_of_each(group: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    """Mask of m members of every group; of every group some are left."""
    smallest = np.unique(group, return_counts=True)[1].min()
    if not 1 <= m < smallest:
        raise ValueError(
            f"per_group must be in [1, {smallest - 1}] (smallest group of the test half), got {m}"
        )
    chosen = np.zeros(len(group), dtype=bool)
    for one in np.unique(group):
        chosen[rng.choice(np.flatnonzero(group == one), m, replace=False)] = True
    return chosen


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


def measure_transfer(point: Transfer) -> dict[str, float]:
    """Train a network, then read the digit and the photograph from images on new photographs.

    The digits are split as in the training: test digits are new to network and probe, backgrounds are new to the
    network alone.

    Parameters
    ----------
    point : Transfer

    Returns
    -------
    dict
        As of `ProbeScores(("digit", "photo"))`, whose probes are fitted and tested on the new photographs.
    """
    config = point.config
    run = pretrain(config)
    halves = replace(config, data=replace(config.data, photos=point.photos)).build_data()
    train, test = (extract(run, half.to(run.train.digits.device)) for half in halves)
    return ProbeScores(("digit", "photo"))(TrainedFeatures(config, train, test, None, None, ()))
