"""Monte Carlo values of the projector losses and of the posterior mean of the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neural import stream_seed


@dataclass(frozen=True)
class SampledLosses:
    """Losses of one projector on samples: many anchors against many negatives, or against `few` of their own.

    The "decoupled" loss takes the logarithm of the mean over all pairs, and "few negatives" is InfoNCE with inner
    products. The projector has the metric M = W^T W, whose two values are those along the class mean and across it.
    The cosine loss sees only the ratio of gains, `cosine_gain`, and it alone uses the temperature.
    """

    losses: tuple[str, ...] = ("spectral", "inner", "euclidean", "cosine", "decoupled", "few negatives")
    signal_norm: float = 1.5
    sigma: float = 0.9
    dim: int = 4
    metric: tuple[float, float] = (0.2, 0.3)
    cosine_gain: float = 1.4
    cosine_temperature: float = 0.5
    anchors: int = 4000
    negatives: int = 2000
    few: int = 31


def measure_losses(point: SampledLosses, replicates: int, seed: int) -> np.ndarray:
    """Sampled losses, (replicates, losses)."""
    rows = []
    for index in range(replicates):
        rng = np.random.default_rng(stream_seed(seed, "closed losses", index))
        rows.append([_sample_loss(point, loss, rng) for loss in point.losses])
    return np.array(rows)


def _sample_loss(point, loss, rng):
    if loss == "few negatives":
        return _sample_few(point, rng)
    along, across = (point.cosine_gain**2, 1.0) if loss == "cosine" else point.metric
    root = np.sqrt(np.array([along] + [across] * (point.dim - 1)))

    def inputs(n):
        means = rng.choice([-1.0, 1.0], (n, 1)) * np.eye(point.dim)[0] * point.signal_norm
        return means + rng.normal(size=(n, point.dim))

    h, other = inputs(point.anchors), inputs(point.negatives)
    one, two, other = ((x + point.sigma * rng.normal(size=x.shape)) * root for x in (h, h, other))
    if loss == "spectral":
        return np.mean((one @ other.T) ** 2) - 2 * np.mean(np.sum(one * two, 1))
    if loss == "cosine":
        scale = np.sqrt(point.cosine_temperature)
        one, two, other = (x / np.linalg.norm(x, axis=1, keepdims=True) / scale for x in (one, two, other))
    positive, negative = np.sum(one * two, 1), one @ other.T
    if loss == "euclidean":
        positive = -0.5 * np.sum((one - two) ** 2, 1)
        negative = negative - 0.5 * np.sum(one**2, 1)[:, None] - 0.5 * np.sum(other**2, 1)
    if loss == "decoupled":
        return np.log(np.mean(np.exp(negative))) - np.mean(positive)
    return np.mean(np.log(np.mean(np.exp(negative), 1)) - positive)


def _sample_few(point, rng):
    """Every anchor with its own few negatives, and its positive among them."""
    root = np.sqrt(np.array([point.metric[0]] + [point.metric[1]] * (point.dim - 1)))
    signs = rng.choice([-1.0, 1.0], (point.anchors, 1 + point.few, 1))
    h = signs * np.eye(point.dim)[0] * point.signal_norm + rng.normal(size=(*signs.shape[:2], point.dim))
    one = (h[:, 0] + point.sigma * rng.normal(size=(point.anchors, point.dim))) * root
    others = (h + point.sigma * rng.normal(size=h.shape)) * root  # the first is the positive
    scores = np.einsum("np,nkp->nk", one, others)
    return np.mean(np.log(np.mean(np.exp(scores), 1)) - scores[:, 0])


def measure_calibration(
    signal_norm: float, variances: Sequence[float], replicates: int, seed: int
) -> np.ndarray:
    """Means of (X/r) tanh(rX/w) over 20,000 draws of X ~ N(r, w), (replicates, variances)."""
    rng = np.random.default_rng(stream_seed(seed, "nishimori"))
    noise = np.asarray(variances)
    x = signal_norm + np.sqrt(noise)[:, None] * rng.normal(size=(replicates, noise.size, 20_000))
    return np.mean(x / signal_norm * np.tanh(signal_norm * x / noise[:, None]), axis=-1)
