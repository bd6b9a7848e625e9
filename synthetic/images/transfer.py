"""Few labelled images from a world in which the background no longer tells the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neural.measures.probes import group_probe
from neural.training.features import Features
from synthetic.images.bank import TrainedFeatures


@dataclass(frozen=True)
class WorstGroup:
    """Measurement of the bank: worst-group accuracy after adaptation on a few labelled test images of each group.

    In every draw m images of each group of the test half train a logistic regression
    (`neural.measures.probes.group_probe`,
    C = .1), and all other images of the test half are asked for the label: neither kind was seen in pretraining, and
    in both the background is independent of the class. All layers are read from the same labelled images.

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
