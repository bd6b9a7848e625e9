"""Spectra, ranks and maps of the features of networks pretrained on images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.manifold import TSNE

from neural.measures.spectra import (
    centre,
    effective_rank,
    numerical_rank,
    participation_ratio,
    spectrum,
    stable_rank,
)
from neural.training.features import probe_layers
from synthetic.images.bank import TrainedFeatures

LAYERS = ("h", "z")


@dataclass(frozen=True)
class Ranks:
    """Measurement of the bank: accuracy of the probes and spectrum of h and z.

    Calling it with `TrainedFeatures` gives, for each layer, of the centred training features: `eigenvalues_<layer>`
    of the covariance, falling; `numerical_rank_<layer>` (torch's and numpy's default tolerance, of float32),
    `effective_rank_<layer>` (entropy of the singular values), `stable_rank_<layer>`,
    `participation_ratio_<layer>` (of the eigenvalues); test accuracy `linear_<layer>` and `knn_<layer>`; and
    `share_<digit|photo>`, the share of the variance of h that lies between the classes of this label.

    Attributes
    ----------
    label : str
        Label of the probes.
    shares : tuple of str
        Labels of the shares.
    """

    label: str = "digit"
    shares: tuple[str, ...] = ("digit", "photo")

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        found = {}
        probed = probe_layers(features.train, features.test, self.label, LAYERS)
        for layer in LAYERS:
            centred = centre(features.train.layers[layer])
            eigenvalues = spectrum(centred)
            found |= {
                f"linear_{layer}": probed[layer]["linear"],
                f"knn_{layer}": probed[layer]["knn"],
                f"eigenvalues_{layer}": eigenvalues.tolist(),
                f"numerical_rank_{layer}": numerical_rank(centred.astype(np.float32)),
                f"effective_rank_{layer}": effective_rank(centred),
                f"stable_rank_{layer}": stable_rank(centred),
                f"participation_ratio_{layer}": participation_ratio(eigenvalues),
            }
        for name in self.shares:
            found[f"share_{name}"] = between_share(features.train.layers["h"], features.train.labels[name])
        return found


def between_share(x: np.ndarray, labels: np.ndarray) -> float:
    """Variance of the class means over the whole variance, in [0, 1], summed over coordinates.

    Parameters
    ----------
    x : (n, p) array
    labels : (n,) array
    """
    x = np.asarray(x, dtype=np.float64)
    centred = x - x.mean(axis=0)
    between = sum(
        np.count_nonzero(labels == c) * np.sum(centred[labels == c].mean(axis=0) ** 2)
        for c in np.unique(labels)
    )
    return float(between / np.sum(centred**2))


@dataclass(frozen=True)
class Map:
    """Measurement of the bank: t-SNE of h of the first test stills.

    Calling it with `TrainedFeatures` gives `x`, `y` (rounded to 3 decimals), `digit` and `photo`. Distances and sizes
    of clusters in such a map have no scale.

    Attributes
    ----------
    images : int
    perplexity : float
    iterations : int >= 250
    """

    images: int = 597
    perplexity: float = 30.0
    iterations: int = 1000

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        h = features.test.layers["h"][: self.images]
        model = TSNE(
            init="pca", random_state=0, perplexity=self.perplexity, max_iter=self.iterations, n_jobs=1
        )
        points = model.fit_transform(h).astype(float).round(3)
        labels = {name: features.test.labels[name][: self.images].tolist() for name in ("digit", "photo")}
        return {"x": points[:, 0].tolist(), "y": points[:, 1].tolist(), **labels}
