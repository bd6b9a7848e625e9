"""Maps of the features of networks pretrained on images in the plane."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.manifold import TSNE

from synthetic.images.bank import TrainedFeatures


@dataclass(frozen=True)
class TSNEMap:
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
