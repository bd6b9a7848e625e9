"""Ways to train a linear projection head on top of a linear encoder: one small frozen class for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory import checks

__all__ = [
    "Bilevel",
    "FixedReweighting",
    "FrozenHead",
    "HeadSpeed",
    "JointTraining",
    "LayerOf",
    "NoHead",
    "SparseHead",
    "WeightDecay",
]

_SMALLEST = np.finfo(float).tiny  # smallest normal float64


class Scheme:
    """A projection head and how it is trained; the argument of `pre_head_weights`."""


@dataclass(frozen=True)
class NoHead(Scheme):
    """The loss is applied to the representation itself.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.NoHead()).round(3)
    array([0.459, 0.826, 0.44 ])
    """

    power = 1.0  # of the weight after the head that is the weight before it


@dataclass(frozen=True)
class JointTraining(Scheme):
    """Encoder and head follow one gradient flow, from a balanced or a vanishing start.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.JointTraining()).round(3)
    array([0.677, 0.909, 0.663])
    """

    power = 0.5


@dataclass(frozen=True)
class LayerOf(Scheme):
    """Layer `layer` (1-based) of `depth` linear layers that are trained jointly, from a balanced or a vanishing start.

    The last layer is the output of the head, so `layer` equal to `depth` is the embedding.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.LayerOf(layer=1, depth=3)).round(3)
    array([0.771, 0.938, 0.761])
    """

    layer: int
    depth: int

    def __post_init__(self):
        checks.integer("depth", self.depth, 1)
        checks.integer("layer", self.layer, 1, self.depth)

    @property
    def power(self) -> float:
        """Power of the weight after the head that is the weight after this layer."""
        return self.layer / self.depth


@dataclass(frozen=True)
class HeadSpeed(Scheme):
    """Gradient flow from W_1 = `start` Q, where Q has orthonormal rows or columns, and from a vanishing head.

    The learning rate of the head is `ratio` times that of the encoder. `start` = 0 stands for a vanishing encoder.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.HeadSpeed(start=0.1, ratio=3.0)).round(3)
    array([0.52 , 0.694, 0.509])
    """

    start: float
    ratio: float

    def __post_init__(self):
        checks.scalar("start", self.start, 0.0)
        checks.scalar("ratio", self.ratio, 0.0, open_low=True)


@dataclass(frozen=True)
class Bilevel(Scheme):
    """The head is at its exact minimum at all times, and the encoder flows from `start` Q as in `HeadSpeed`.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.Bilevel(start=0.5))
    array([0.5, 0.5, 0.5])
    """

    start: float

    def __post_init__(self):
        checks.scalar("start", self.start, 0.0, open_low=True)


@dataclass(frozen=True)
class WeightDecay(Scheme):
    r"""Penalty `encoder` :math:`\|W_1\|_F^2` + `head` :math:`\|W_2\|_F^2`; `weight_decay` in PyTorch is twice these.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.post_head_weights(model, theory.WeightDecay(encoder=0.01, head=0.01)).round(3)
    array([0.448, 0.823, 0.439])
    """

    encoder: float
    head: float

    def __post_init__(self):
        checks.scalar("encoder", self.encoder, 0.0, open_low=True)
        checks.scalar("head", self.head, 0.0, open_low=True)


@dataclass(frozen=True)
class SparseHead(Scheme):
    r"""Penalty `encoder` :math:`\|W_1\|_F^2` + `head` :math:`\|W_2\|_{2,1}` + `head_decay` :math:`\|W_2\|_F^2`.

    The groups of the 2,1-norm are the columns of W_2, one for each unit of the representation.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.post_head_weights(model, theory.SparseHead(encoder=0.01, head=0.1)).round(3)
    array([0.413, 0.816, 0.437])
    """

    encoder: float
    head: float
    head_decay: float = 0.0

    def __post_init__(self):
        checks.scalar("encoder", self.encoder, 0.0, open_low=True)
        checks.scalar("head", self.head, 0.0)
        checks.scalar("head_decay", self.head_decay, 0.0)
        if self.head == 0 and self.head_decay == 0:
            raise ValueError("head or head_decay must be > 0, got 0 for both: the penalty has no minimiser")


@dataclass(frozen=True)
class FixedReweighting(Scheme):
    """Fixed head diag(decay^{-i}) with i = 0..p-1; the encoder has a vanishing weight decay.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.FixedReweighting(decay=2.0)).round(3)
    array([0.917, 0.826, 1.76 ])
    """

    decay: float

    def __post_init__(self):
        if checks.scalar("decay", self.decay) <= 1:
            raise ValueError(f"decay must be > 1, got {self.decay}")

    def scales(self, size: int) -> np.ndarray:
        """Diagonal of the head, of shape (size,).

        Raises
        ------
        ValueError
            If the smallest entry is not a normal float64.
        """
        if -(size - 1) * np.log(self.decay) < np.log(_SMALLEST):
            raise ValueError(
                f"decay must be at most {_SMALLEST ** (-1 / (size - 1)):.6g} for {size} units, got {self.decay}: "
                "the smallest scale is not representable in float64"
            )
        return float(self.decay) ** -np.arange(size)


@dataclass(frozen=True, eq=False)
class FrozenHead(Scheme):
    """Fixed head `matrix` of shape (p, m) and any rank; the encoder has a vanishing weight decay.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.pre_head_weights(model, theory.FrozenHead([[1, 0, 0], [0, 2, 0], [0, 0, 3]])).round(3)
    array([0.229, 0.275, 0.44 ])
    """

    matrix: np.ndarray

    def __post_init__(self):
        matrix = np.array(checks.real("matrix", self.matrix))
        if matrix.ndim != 2 or matrix.size == 0:
            raise ValueError(f"matrix must have shape (p, m), got {matrix.shape}")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    def _key(self):
        return (self.matrix.shape, self.matrix.tobytes())

    def __eq__(self, other):
        return isinstance(other, FrozenHead) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values above round-off in decreasing order, as many as the rank."""
        values = np.linalg.svd(self.matrix, compute_uv=False)
        return values[values > max(self.matrix.shape) * np.finfo(float).eps * values[0]]
