"""What probes read from the features of a pretrained network, as flat numbers."""

from __future__ import annotations

from dataclasses import dataclass

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
