"""Few-label accuracy on pairs of classes before and after the head, and the second moments that should predict it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neural.measures.averaging import pair_accuracies
from neural.measures.spectra import centre, effective_rank
from synthetic.images.bank import TrainedFeatures

LAYERS = ("h", "z")


@dataclass(frozen=True)
class PairAccuracy:
    """Measurement of the bank: accuracy of the averaging classifier on test stills, `accuracy_<layer>` for h and z.

    Each is a (pairs,) array: two classes, labelled and asked images drawn from the test stills, mean over the draws.

    Attributes
    ----------
    label : str
    pairs : tuple of two classes
    count : int >= 2
        Labelled images of the two classes together.
    draws : int >= 1
    """

    label: str
    pairs: tuple[tuple[int, int], ...]
    count: int = 8
    draws: int = 200

    def __call__(self, features: TrainedFeatures) -> dict[str, np.ndarray]:
        """Measure."""
        test = features.test
        layers = {name: test.layers[name] for name in LAYERS}
        found = pair_accuracies(
            layers,
            test.labels[self.label],
            self.pairs,
            [self.count],
            seed=features.config.member,
            draws=self.draws,
        )
        return {f"accuracy_{name}": values[:, 0] for name, values in found.items()}


@dataclass(frozen=True)
class ClassMoments:
    """Measurement of the bank: second moments and ranks of the training stills before and after the head.

    Calling it with `TrainedFeatures` gives for h and z `means_<layer>`, a (classes, p) array; `within_<layer>`, the
    (p, p) covariance within the classes, one for all; and `effective_rank_<layer>` of the centred features.

    Attributes
    ----------
    label : str
    """

    label: str

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        classes, member_of = np.unique(features.train.labels[self.label], return_inverse=True)
        found = {}
        for name in LAYERS:
            x = features.train.layers[name].astype(np.float64)
            means = np.stack([x[member_of == one].mean(axis=0) for one in range(len(classes))])
            residual = x - means[member_of]
            found[f"means_{name}"] = means
            found[f"within_{name}"] = residual.T @ residual / (len(x) - len(means))
            found[f"effective_rank_{name}"] = effective_rank(centre(x))
        return found
