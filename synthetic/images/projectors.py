"""Linear projectors trained on features of images: two classes, seen through Gaussian noise or real augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neural import torch_generator
from neural.data.augment import Augment
from neural.training.pretraining import PretrainConfig, Pretrained, pretrain
from synthetic.images.bank import TrainedFeatures
from synthetic.mixture.projectors import Loss, identity_layers, projector_losses, train_from_identity
from synthetic.mixture.samples import signal_gain

Views = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TwoClasses:
    """Two classes of images, in the first principal components of all training stills.

    Attributes
    ----------
    label : str
    first, second : int
        Classes with y = -1 and y = +1.
    components : int >= 2
        p, principal components that are kept.
    """

    label: str = "digit"
    first: int = 3
    second: int = 8
    components: int = 8

    def signs(self, labels: dict[str, np.ndarray]) -> np.ndarray:
        """-1, +1, and 0 for images of neither class, shape (n,)."""
        label = np.asarray(labels[self.label])
        return (label == self.second).astype(int) - (label == self.first).astype(int)


@dataclass(frozen=True)
class Fit:
    """How projectors are trained: Adam from the identity, its step falling linearly to a tenth.

    Attributes
    ----------
    loss : {"spectral", "inner", "euclidean", "cosine"}
        Spectral loss, or InfoNCE with that similarity.
    scale : float > 0
        Temperature times dimension of the cosine. The others absorb the temperature in the scale of W: theirs is
        set so that W stays near the identity.
    batch, steps : int
    lr : float
    """

    loss: Loss = "spectral"
    scale: float = 6.0
    batch: int = 192
    steps: int = 300
    lr: float = 0.03

    def temperature(self, variance: np.ndarray, dim: int) -> Tensor:
        """Temperatures (members,) where the augmentation noise has these variances."""
        variance = torch.as_tensor(variance, dtype=torch.float32)
        choices = {
            "spectral": torch.ones_like(variance),
            "inner": (1 + variance) ** 2,
            "euclidean": variance,
            "cosine": torch.full_like(variance, self.scale / dim),
        }
        return choices[self.loss]


def train_metrics(fit: Fit, views: Views, temperature: Tensor, dim: int) -> np.ndarray:
    """Metrics W^T W (members, dim, dim) of dim x dim projectors, averaged over the last steps.

    Parameters
    ----------
    fit : Fit
    views : callable
        Gives two fresh views (members, batch, dim) at every call.
    temperature : (members,) tensor
        Not used by the spectral loss.
    dim : int

    Raises
    ------
    FloatingPointError
        When a projector diverges.
    """
    layers, losses = identity_layers(dim, len(temperature)), partial(projector_losses, fit.loss, temperature)
    return train_from_identity(layers, losses, views, steps=fit.steps, lr=fit.lr)


def loss_fits(scales: Sequence[float], steps: int) -> dict[str, Fit]:
    """Trainings by name: spectral, inner product, squared distance, and one cosine for each scale.

    Parameters
    ----------
    scales : sequence of float
        Temperature times dimension of the cosine.
    steps : int
        The spectral loss, whose gradients vary most, takes twice as many.
    """
    chosen = {"spectral": Fit("spectral", steps=2 * steps, lr=0.05)}
    chosen |= {loss: Fit(loss, steps=steps) for loss in ("inner", "euclidean")}
    return chosen | {f"cosine {scale:g}": Fit("cosine", scale, steps=steps) for scale in scales}


class Frame(NamedTuple):
    """Affine coordinates in which two classes have means +-mu and average covariance I.

    Attributes
    ----------
    origin : (m,) array
    matrix : (m, p) array
        Coordinates are (h - origin) matrix.
    mean : (p,) array
        mu.
    """

    origin: np.ndarray
    matrix: np.ndarray
    mean: np.ndarray

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """Coordinates (..., p) of representations (..., m)."""
        return (h - self.origin) @ self.matrix

    @property
    def signal_norm(self) -> float:
        """r, the length of mu."""
        return float(np.linalg.norm(self.mean))

    @property
    def direction(self) -> np.ndarray:
        """u = mu / r."""
        return self.mean / self.signal_norm


def principal_frame(h: np.ndarray, components: int) -> Frame:
    """Coordinates along the first principal axes, not scaled; its `mean` is 0."""
    origin = h.mean(axis=0)
    axes = np.linalg.eigh(np.cov(h.T))[1][:, ::-1][:, :components]
    return Frame(origin, axes, np.zeros(components))


def whiten(frame: Frame, first: np.ndarray, second: np.ndarray, signs: np.ndarray) -> Frame:
    """Frame in which the part that two views share has average covariance I within the classes.

    Parameters
    ----------
    frame : Frame
        Coordinates to start from.
    first, second : (n, m) arrays
        Two views of the same images; the same array twice where there is one view.
    signs : (n,) array of -1 and +1

    Raises
    ------
    ValueError
        When the shared covariance is not positive definite.
    """
    means, shared = [], np.zeros((frame.matrix.shape[1],) * 2)
    for sign in (-1, 1):
        one, other = (frame(view[signs == sign]) for view in (first, second))
        means.append((one.mean(0) + other.mean(0)) / 2)
        shared += (one - means[-1]).T @ (other - means[-1]) / (2 * len(one))
    values, vectors = np.linalg.eigh((shared + shared.T) / 2)
    if values[0] <= 1e-6 * values[-1]:
        raise ValueError(
            f"what two views share must vary within the classes in every direction, got variances "
            f"from {values[0]:.3g} to {values[-1]:.3g}"
        )
    root = (vectors / np.sqrt(values)) @ vectors.T
    centre = (means[0] + means[1]) / 2
    matrix = frame.matrix @ root
    return Frame(frame.origin + frame.matrix @ centre, matrix, root @ (means[1] - means[0]) / 2)


def few_label_accuracy(
    train: np.ndarray,
    signs: np.ndarray,
    test: np.ndarray,
    test_signs: np.ndarray,
    metrics: np.ndarray,
    *,
    labels: int,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Accuracy of w = mean of y W h over few labelled images, without bias, averaged over draws and classes.

    Parameters
    ----------
    train, test : (n, p), (k, p) arrays
    signs, test_signs : arrays of -1 and +1
    metrics : (members, p, p) array
        W^T W of the projectors; I for the representation before them.
    labels : int
        Labelled images, half of each class.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    (members,) array
        All on the same draws.
    """
    classes = [np.flatnonzero(signs == sign) for sign in (-1, 1)]
    chosen = np.array(
        [np.concatenate([rng.choice(c, labels // 2, replace=False) for c in classes]) for _ in range(draws)]
    )
    means = (train[chosen] * signs[chosen][..., None]).mean(1)
    right = np.einsum("kp,mpq,dq->mkd", test, metrics, means) * test_signs[:, None] > 0
    return np.mean([right[:, test_signs == sign].mean((1, 2)) for sign in (-1, 1)], axis=0)


@dataclass(frozen=True)
class NoiseSweep:
    """Measurement of the bank: projectors trained on stored features of two classes plus Gaussian noise.

    Features are whitened (average covariance I within the classes), so that the world is the Gaussian mixture of
    theory but for the shape of the classes. Batches are drawn with both classes equally likely.

    Calling it with `TrainedFeatures` gives `signal_norm` (r), `gain` along the class-mean difference for each sigma,
    and the accuracy of averaging few labels on test features `before` and, for each sigma, `after` the projector.

    Attributes
    ----------
    task : TwoClasses
    fit : Fit
    sigmas : tuple of float
        Standard deviations of the noise of both views, in units of the spread within the classes.
    labels, draws : int
        Of `few_label_accuracy`.
    """

    task: TwoClasses
    fit: Fit
    sigmas: tuple[float, ...]
    labels: int = 8
    draws: int = 200

    def __call__(self, features: TrainedFeatures) -> dict:
        """Measure."""
        config = features.config
        frame, (train, signs), (test, test_signs) = _classes(features, self.task)
        generator = torch_generator(config.seed, "noise sweep", config.member)
        sigmas = torch.tensor(self.sigmas)
        metrics = train_metrics(
            self.fit,
            partial(_noisy, _sampler(train, signs), sigmas, self.fit.batch, generator),
            self.fit.temperature(np.square(self.sigmas), self.task.components),
            self.task.components,
        )
        accuracy = few_label_accuracy(
            *(train, signs, test, test_signs),
            np.concatenate([np.eye(self.task.components)[None], metrics]),
            labels=self.labels,
            draws=self.draws,
            rng=np.random.default_rng([config.seed, config.member]),
        )
        return {
            "signal_norm": frame.signal_norm,
            "gain": signal_gain(metrics, frame.direction).tolist(),
            "before": float(accuracy[0]),
            "after": accuracy[1:].tolist(),
        }


@dataclass(frozen=True)
class AugmentedProjectors:
    """Projectors trained on real views through a frozen encoder.

    Attributes
    ----------
    config : PretrainConfig
        Of the encoder.
    task : TwoClasses
    fits : tuple of Fit
    strengths : tuple of float >= 0
        Strength of the augmentation relative to `config.augment`, see `scale_augmentation`.
    views : int
        Pairs of views drawn of each image.
    """

    config: PretrainConfig
    task: TwoClasses
    fits: tuple[Fit, ...]
    strengths: tuple[float, ...]
    views: int = 8


def scale_augmentation(augment: Augment, strength: float) -> Augment:
    """Augmentation with the range of crops, the colour range and the grey probability times `strength`."""
    centre, reach = sum(augment.side) / 2, strength * (augment.side[1] - augment.side[0]) / 2
    side = (centre - reach, min(1.0, centre + reach))
    return replace(augment, side=side, colour=strength * augment.colour, grey=strength * augment.grey)


def train_on_augmented_views(point: AugmentedProjectors) -> dict:
    """Pretrain, draw views of the two classes at every strength, and train projectors on them.

    In the frame of each strength the part that two views share has average covariance I within the classes; the
    rest, the augmentation, has covariance `noise`.

    Returns
    -------
    dict
        `signal_norm` (strengths,), `mean` (strengths, p) and `noise` (strengths, p, p); `gain`: loss -> (strengths,)
        gains along the class-mean difference, and `gaussian`: the same for Gaussian views of the same moments.
    """
    run, task = pretrain(point.config), point.task
    worlds = [_world(run, point, strength) for strength in point.strengths]
    frames, views, signs, noises = zip(*worlds, strict=True)
    variance = np.array([np.trace(noise) / task.components for noise in noises])
    found = {"gain": {}, "gaussian": {}}
    for fit in point.fits:
        generator = torch_generator(point.config.seed, "projector", point.config.member)
        pools = {
            "gain": [_sampler(x, s) for x, s in zip(views, signs, strict=True)],
            "gaussian": [_gaussian_pairs(f.mean, n) for f, n in zip(frames, noises, strict=True)],
        }
        for name, samplers in pools.items():
            metrics = train_metrics(
                fit,
                partial(_pairs, samplers, fit.batch, generator),
                fit.temperature(variance, task.components),
                task.components,
            )
            gains = [signal_gain(m, f.direction) for m, f in zip(metrics, frames, strict=True)]
            found[name][fit.loss] = [float(gain) for gain in gains]
    return {
        "signal_norm": [f.signal_norm for f in frames],
        "mean": [f.mean.tolist() for f in frames],
        "noise": [noise.tolist() for noise in noises],
        **found,
    }


def _classes(features: TrainedFeatures, task: TwoClasses):
    """Frame, and rows and signs of the training and of the test stills of both classes."""
    h = features.train.layers["h"].astype(np.float64)
    signs = task.signs(features.train.labels)
    chosen = h[signs != 0]
    frame = whiten(principal_frame(h, task.components), chosen, chosen, signs[signs != 0])
    sides = []
    for side in (features.train, features.test):
        signs = task.signs(side.labels)
        sides.append((frame(side.layers["h"][signs != 0].astype(np.float64)), signs[signs != 0]))
    return frame, *sides


@torch.inference_mode()
def _world(run: Pretrained, point: AugmentedProjectors, strength: float):
    """Frame, pairs of views (n, 2, p) in it, their signs, covariance (p, p) of the augmentation."""
    config, train = run.config, run.train
    augment = scale_augmentation(config.augment, strength)
    signs = point.task.signs({name: label.cpu().numpy() for name, label in train.labels.items()})
    index = torch.from_numpy(np.flatnonzero(signs))
    generator = torch_generator(config.seed, "views", config.member)

    def encode(images: Tensor) -> np.ndarray:
        return run.encoder(images).double().cpu().numpy()

    batches = [train.pairs(index, generator) for _ in range(point.views)]
    halves = [[encode(augment(half, generator)) for half in pair] for pair in batches]
    first, second = (np.concatenate(half) for half in zip(*halves, strict=True))
    signs = np.tile(signs[index], point.views)
    stills = encode(config.augment.still(train.stills()))
    frame = whiten(principal_frame(stills, point.task.components), first, second, signs)
    pairs = np.stack([frame(first), frame(second)], axis=1)
    noise = np.mean(
        [np.cov((pairs[signs == sign][:, 0] - pairs[signs == sign][:, 1]).T) / 2 for sign in (-1, 1)], axis=0
    )
    return frame, pairs, signs, noise


def _sampler(rows: np.ndarray, signs: np.ndarray) -> Callable[[int, torch.Generator], Tensor]:
    """Draws `batch` rows with replacement, both classes equally likely."""
    pools = [torch.from_numpy(rows[signs == sign]).float() for sign in (-1, 1)]

    def draw(batch: int, generator: torch.Generator) -> Tensor:
        side = torch.rand(batch, generator=generator) < 0.5
        drawn = [pool[torch.randint(len(pool), (batch,), generator=generator)] for pool in pools]
        return torch.where(side.reshape(-1, *[1] * (drawn[0].ndim - 1)), drawn[1], drawn[0])

    return draw


def _gaussian_pairs(mean: np.ndarray, noise: np.ndarray) -> Callable[[int, torch.Generator], Tensor]:
    """Draws pairs (batch, 2, p) of y mu + N(0, I) + N(0, noise), the last drawn anew for each view."""
    centre, root = torch.from_numpy(mean).float(), torch.from_numpy(np.linalg.cholesky(noise)).float()

    def draw(batch: int, generator: torch.Generator) -> Tensor:
        signs = 2.0 * torch.randint(2, (batch, 1, 1), generator=generator) - 1
        shared = torch.randn(batch, 1, len(centre), generator=generator)
        return signs * centre + shared + torch.randn(batch, 2, len(centre), generator=generator) @ root.mT

    return draw


def _noisy(draw, sigmas: Tensor, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two noisy copies (members, batch, p) of one batch, the same rows for every sigma."""
    rows = draw(batch, generator)
    noise = torch.randn(2, *rows.shape, generator=generator)
    return tuple(rows + sigmas[:, None, None] * part for part in noise)


def _pairs(samplers, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    pairs = torch.stack([draw(batch, generator) for draw in samplers])
    return pairs[:, :, 0], pairs[:, :, 1]
