"""What probes and spectra read from the features of a pretrained network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neural.measures.spectra import centre, numerical_rank, participation_ratio, spectrum, stable_rank
from neural.training.features import probe_layers
from synthetic.images.bank import TrainedFeatures


@dataclass(frozen=True)
class ProbeScores:
    """Measurement of the bank: accuracy of all probes for some labels on some layers.

    Calling it with `TrainedFeatures` gives a dict with keys `<label>_<probe>_<layer>`: test accuracy in [0, 1] of
    probes fitted on the training stills, probes `linear`, `knn` and, when `few_shot` > 0, `few_shot` (see
    `neural.training.features.probe_layers`); and `effective_rank_<layer>` of the centred training features.

    Attributes
    ----------
    labels : tuple of str
    layers : tuple of str
    few_shot : int >= 0
        Labelled images of each class; the draws depend on the member of the run alone.
    """

    labels: tuple[str, ...] = ("digit",)
    layers: tuple[str, ...] = ("h", "z")
    few_shot: int = 0

    def __call__(self, features: TrainedFeatures) -> dict[str, float]:
        """Measure."""
        config, scores = features.config, {}
        for label in self.labels:
            probed = probe_layers(
                features.train, features.test, label, self.layers, few_shot=self.few_shot, seed=config.member
            )
            for layer, values in probed.items():
                scores[f"effective_rank_{layer}"] = values.pop("effective_rank")
                scores |= {f"{label}_{probe}_{layer}": value for probe, value in values.items()}
        return scores


@dataclass(frozen=True)
class HeadScores:
    """Measurement of the bank: probes and spectra before and after the head, and the course of training.

    Calling it with `TrainedFeatures` gives a dict with the keys of `ProbeScores` for h and z and, of the centred
    training features of each layer,

    `eigenvalues_<layer>`
        Eigenvalues of the covariance, falling; (p,) array.
    `numerical_rank_<layer>`, `stable_rank_<layer>`, `participation_ratio_<layer>`
        See `neural.measures.spectra`; the last one is that of the eigenvalues.

    Further keys:

    `share_digit`, `share_photo`
        Share of the variance of h that lies between the classes of this label.
    `kept_share`, `zero_share`
        Share of the units of h that the head's first linear layer reads, and of zeros in the matrix of a linear head;
        nan for heads without one.
    `curve`
        Nearest-neighbour accuracy of h at every epoch that was monitored.

    Attributes
    ----------
    probes : ProbeScores
        Its layers are h and z.
    """

    probes: ProbeScores = ProbeScores()

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        scores = self.probes(features)
        for layer in ("h", "z"):
            centred = centre(features.train.layers[layer])
            eigenvalues = spectrum(centred)
            scores |= {
                f"eigenvalues_{layer}": eigenvalues,
                f"numerical_rank_{layer}": numerical_rank(centred.astype(np.float32)),
                f"stable_rank_{layer}": stable_rank(centred),
                f"participation_ratio_{layer}": participation_ratio(eigenvalues),
            }
        h, labels = features.train.layers["h"], features.train.labels
        kept = features.kept_units
        return scores | {
            **{f"share_{label}": between_share(h, labels[label]) for label in ("digit", "photo")},
            "kept_share": np.nan if kept is None else kept / h.shape[1],
            "zero_share": np.nan if features.matrix is None else float(np.mean(features.matrix == 0)),
            "curve": [row["knn_h"] for row in features.history if "knn_h" in row],
        }


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
