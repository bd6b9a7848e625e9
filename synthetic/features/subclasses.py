"""Classes with subclasses inside them (Figure 2): pairs that share the class, networks on them, separability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from neural import Member, Shape, stream_seed, torch_generator, train
from neural.measures.probes import knn_probe
from synthetic.features.population import balanced_start, weights_along_flow
from synthetic.features.settings import CLASS_PAIRS, FIGURE_2
from synthetic.features.views import sample_inputs
from synthetic.features.weights import empirical_layer_weights
from theory.features.model import FeatureModel

PROBE_SIZE = 400


@dataclass(frozen=True)
class ClassPairs:
    """Stream of pairs of inputs of one class: they share the signs of the class features and nothing else.

    Parameters
    ----------
    model : FeatureModel
        Distribution of the inputs; its augmentation is not used.
    class_features : tuple of int
        Features whose signs make up the class.
    """

    model: FeatureModel
    class_features: tuple[int, ...] = (0,)

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.model.dim

    def sample_pairs(self, n: int, generator: torch.Generator, dtype=torch.float32):
        """Draw n pairs; the two inputs of a pair share their class."""
        first, second, _ = self.sample_labelled_views(n, generator, dtype)
        return first, second

    def sample_labelled_views(self, n: int, generator: torch.Generator, dtype=torch.float32):
        """Draw n pairs as `sample_pairs` does, and return the classes as (n,) int64 labels with them."""
        first, signs = sample_inputs(self.model, n, generator, dtype)
        second, other = sample_inputs(self.model, n, generator, dtype)
        chosen = list(self.class_features)
        strengths = torch.as_tensor(self.model.phi.copy(), dtype=dtype, device=generator.device)[chosen]
        second[:, chosen] += (signs - other)[:, chosen] * strengths
        bits = (signs[:, chosen] > 0).long()
        return first, second, (bits << torch.arange(len(chosen), device=generator.device)).sum(1)


@dataclass(frozen=True)
class SubclassTraining:
    """Two-layer ReLU networks on class pairs, with the supervised contrastive loss.

    Parameters
    ----------
    model : FeatureModel
        Feature 0 is the class, feature 1 the subclass.
    members : int
        Networks, each with its own data and initial weights.
    steps, batch, width, embed_dim : int
    lr, init_scale, temperature : float
    seed : int
    """

    model: FeatureModel
    members: int = 16
    steps: int = 1500
    batch: int = 64
    width: int = 64
    embed_dim: int = 8
    lr: float = 0.1
    init_scale: float = 0.1
    temperature: float = 0.5
    seed: int = 0


FIGURE_2_TRAINING = SubclassTraining(FIGURE_2, steps=1000, lr=0.05, init_scale=0.3, embed_dim=2)
"""The networks of Figure 2 as claims and notebook train them."""


class Separability(NamedTuple):
    """What was measured on the networks before and after the head.

    Attributes
    ----------
    classes, subclasses : (members, 2) arrays
        Accuracies of nearest-neighbour probes before and after the head.
    weights : (members, 2, k) array
        Feature weights before and after the head.
    before, after : (n, 2) arrays
        Outputs of the first network on their two leading principal axes.
    labels : (n, 2) array
        Class and subclass of each input.
    """

    classes: np.ndarray
    subclasses: np.ndarray
    weights: np.ndarray
    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray


def subclass_separability(point: SubclassTraining) -> Separability:
    """Train the networks, then probe class and subclass before and after the head on one sample of clean inputs.

    Raises
    ------
    FloatingPointError
        If a network diverges.
    """
    shape = Shape(
        point.model.dim, point.width, point.embed_dim, point.batch, point.steps, loss="supervised_contrastive"
    )
    members = [
        Member(
            seed=stream_seed(point.seed, "subclasses", index),
            data=ClassPairs(point.model),
            lr=point.lr,
            init_scale=point.init_scale,
            temperature=point.temperature,
        )
        for index in range(point.members)
    ]
    result = train(members, shape, device="cpu", workers=1, log_every=max(1, point.steps)).require_finite()
    generator = torch_generator(point.seed, "subclass probe")
    x, signs = sample_inputs(point.model, 2 * PROBE_SIZE, generator, torch.float32)
    labels = (signs[:, :2] > 0).numpy().astype(int)
    with torch.inference_mode():
        outputs = [layer.numpy() for layer in result.network.layers(x)]
    accuracies = [
        [[_probe(layer[member], labels[:, which]) for layer in outputs] for member in range(point.members)]
        for which in range(2)
    ]
    shown = (_two_axes(layer[0]) for layer in outputs)
    weights = empirical_layer_weights(point.model, result.network, generator=generator).value
    return Separability(*map(np.array, accuracies), weights, *shown, labels)


def measure_collapse_slopes(seed: int, *, times=(1e4, 1e5), replicates: int = 16) -> np.ndarray:
    """Slopes (replicates, 2) of log weight against log time between two late times, before and after the head.

    Linear layers on `CLASS_PAIRS` follow gradient flow from balanced random starts; the slopes are means over the
    subclass features.
    """
    slopes = []
    for replicate in range(replicates):
        start = balanced_start([3, 4, 3], 0.6, stream_seed(seed, "collapse", replicate))
        early, late = weights_along_flow(CLASS_PAIRS, start, times, rtol=1e-8, method="LSODA")[..., 1:]
        slopes.append((np.log(late / early) / np.log(times[1] / times[0])).mean(1))
    return np.array(slopes)


def _probe(features, labels):
    half = PROBE_SIZE
    return knn_probe(features[:half], labels[:half], features[half:], labels[half:])


def _two_axes(features):
    centred = features - features.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
