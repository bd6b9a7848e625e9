"""What a linear head sees of an image network, and what it does not see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from neural.training.features import probe_layers, row_and_null_part
from synthetic.images.bank import TrainedFeatures

PARTS = ("h", "h_r", "h_n", "z", "random_r", "random_n")


@dataclass(frozen=True)
class NullSpaceScores:
    """Measurement of the bank: probes on the parts of h that a linear head without bias sees and does not see.

    Calling it with `TrainedFeatures` gives test accuracy `linear_<part>` and `knn_<part>` for the parts `h`, `h_r` (row
    space of the head), `h_n` (its null space), `z`, and `random_r` and `random_n`, the parts of the same h in and
    across a random subspace of as many dimensions as the row space; `energy_h_n` and `energy_random_n`, their
    share of the variance of the training features.

    Attributes
    ----------
    label : str
    """

    label: str = "digit"

    def __call__(self, features: TrainedFeatures) -> dict[str, float]:
        """Measure."""
        config = features.config
        rng = np.random.default_rng([config.seed, config.member])
        other = torch.from_numpy(rng.standard_normal(features.matrix.shape)).float()
        train, test = (_with_random_parts(side, other) for side in (features.train, features.test))
        probed = probe_layers(train, test, self.label, PARTS)
        found = {f"{probe}_{part}": probed[part][probe] for part in PARTS for probe in ("linear", "knn")}
        whole = train.layers["h"].var(axis=0).sum()
        for part in ("h_n", "random_n"):
            found[f"energy_{part}"] = float(train.layers[part].var(axis=0).sum() / whole)
        return found


def _with_random_parts(features, matrix):
    row, null = row_and_null_part(torch.from_numpy(features.layers["h"]), matrix)
    return replace(features, layers=features.layers | {"random_r": row.numpy(), "random_n": null.numpy()})
