"""Frames of two classes, projectors trained in them, and the accuracy of few labels."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from neural.data.augment import Augment
from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.projectors import (
    AugmentedProjectors,
    Fit,
    Frame,
    NoiseSweep,
    TwoClasses,
    few_label_accuracy,
    loss_fits,
    principal_frame,
    scale_augmentation,
    train_metrics,
    train_on_augmented_views,
    whiten,
)
from synthetic.mixture.samples import signal_gain

PLAIN = Frame(np.zeros(3), np.eye(3), np.zeros(3))


def two_classes(rng, n=400):
    """Rows of two classes of different sizes and correlated units, and their signs."""
    signs = np.where(np.arange(n) % 3 == 0, 1, -1)
    mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.3, 0.0, 1.0]])
    return rng.standard_normal((n, 3)) @ mixing + signs[:, None] * [1.0, 2.0, 0.0] + 5, signs


def test_whitened_classes_have_opposite_means_and_unit_covariance(seed):
    rows, signs = two_classes(np.random.default_rng(seed))
    frame = whiten(PLAIN, rows, rows, signs)
    first, second = (frame(rows[signs == sign]) for sign in (-1, 1))
    np.testing.assert_allclose(second.mean(0), frame.mean, atol=1e-10)
    np.testing.assert_allclose(first.mean(0), -frame.mean, atol=1e-10)
    covariance = (np.cov(first.T, bias=True) + np.cov(second.T, bias=True)) / 2
    np.testing.assert_allclose(covariance, np.eye(3), atol=1e-10)
    assert frame.signal_norm == pytest.approx(np.linalg.norm(frame.mean))
    assert frame.direction @ frame.mean == pytest.approx(frame.signal_norm)


def test_whitening_goes_by_what_two_views_share(seed):
    rng = np.random.default_rng(seed)
    rows, signs = two_classes(rng, 60_000)
    views = [rows + 2 * rng.standard_normal(rows.shape) for _ in range(2)]
    shared, clean = whiten(PLAIN, *views, signs), whiten(PLAIN, rows, rows, signs)
    # Sampling error of the shared variances: about 2%.
    assert shared.signal_norm == pytest.approx(clean.signal_norm, rel=0.06)
    both = whiten(PLAIN, views[0], views[0], signs)
    assert both.signal_norm < 0.8 * clean.signal_norm


def test_unrelated_views_are_refused(seed):
    rng = np.random.default_rng(seed)
    rows, signs = two_classes(rng)
    with pytest.raises(
        ValueError, match="what two views share must vary within the classes in every direction"
    ):
        whiten(PLAIN, rows, -rows, signs)


def test_principal_frame_orders_axes_by_variance(seed):
    h = np.random.default_rng(seed).standard_normal((500, 4)) * [1.0, 5.0, 0.1, 3.0]
    frame = principal_frame(h, 2)
    assert np.abs(frame.matrix).argmax(axis=0).tolist() == [1, 3]
    variances = frame(h).var(axis=0)
    assert variances[0] > variances[1] > 8


def gaussian(generator, batch=256, mean=1.5, sigma=(0.5, 2.5)):
    """Two noisy views (2, batch, 4) of two Gaussian classes."""
    y = 2.0 * torch.randint(2, (batch, 1), generator=generator) - 1
    x = torch.randn(batch, 4, generator=generator)
    x[:, :1] += y * mean
    noise = torch.randn(2, 2, batch, 4, generator=generator)
    return tuple(x + torch.tensor(sigma)[:, None, None] * part for part in noise)


@pytest.mark.parametrize("loss", ["spectral", "inner", "cosine"])
def test_weak_noise_shrinks_and_strong_noise_expands(loss, seed):
    fit = Fit(loss, scale=1.5, steps=150, lr=0.04)
    temperature = fit.temperature(np.array([0.25, 6.25]), 4)
    views = partial(gaussian, torch.Generator().manual_seed(seed))
    weak, strong = signal_gain(train_metrics(fit, views, temperature, 4), np.eye(4)[0])
    assert weak < 0.95 and strong > 1.05


def test_every_scale_of_the_cosine_is_a_fit_of_its_own():
    chosen = loss_fits((2.0, 20.0), 10)
    assert list(chosen) == ["spectral", "inner", "euclidean", "cosine 2", "cosine 20"]
    assert chosen["cosine 20"].temperature(np.ones(2), 8).tolist() == [2.5, 2.5]


def test_averaging_reads_an_obvious_class_and_is_hurt_by_shrinkage(seed):
    rng = np.random.default_rng(seed)
    signs = np.tile([-1, 1], 200)
    rows = rng.standard_normal((400, 6))
    rows[:, 0] += 1.5 * signs
    metrics = np.stack([np.eye(6), np.diag([0.05, 1, 1, 1, 1, 1.0]), np.diag([20.0, 1, 1, 1, 1, 1])])
    before, shrunk, expanded = few_label_accuracy(
        rows, signs, rows, signs, metrics, labels=8, draws=100, rng=np.random.default_rng(seed)
    )
    # Bayes accuracy Phi(1.5) = .933, five standard errors of 400 rows.
    assert shrunk < before - 0.1 and before < expanded < 0.933 + 0.065


def test_noise_sweep_reads_the_classes_it_is_told(seed):
    rng = np.random.default_rng(seed)

    def side(n):
        digit = rng.integers(10, size=n)
        h = rng.standard_normal((n, 6)).astype(np.float32)
        h[digit == 8, 0] += 4
        return Features({"h": h}, {"digit": digit})

    features = TrainedFeatures(PretrainConfig(seed=seed), side(1500), side(500), None, None, ())
    sweep = NoiseSweep(TwoClasses(components=6), Fit("inner", steps=100), (0.4, 3.0))
    found = sweep(features)
    assert found["signal_norm"] == pytest.approx(
        2, abs=0.4
    )  # half of 4, whitened from about 150 images a class
    assert found["gain"][0] < found["gain"][1] and found["before"] > 0.9
    assert found == sweep(features)


def test_strength_scales_the_augmentation_and_one_leaves_it():
    augment = Augment()
    assert scale_augmentation(augment, 1.0).side == pytest.approx(augment.side)
    assert replace(scale_augmentation(augment, 1.0), side=augment.side) == augment
    still = scale_augmentation(augment, 0.0)
    assert (still.colour, still.grey) == (0, 0) and still.side[0] == pytest.approx(still.side[1])


def test_real_views_give_gains_for_every_loss_and_strength(seed):
    config = PretrainConfig(epochs=0, seed=seed)
    fits = (Fit("spectral", steps=20), Fit("cosine", steps=20))
    point = AugmentedProjectors(config, TwoClasses(components=3), fits, (0.0, 1.0), views=4)
    found = train_on_augmented_views(point)
    assert np.shape(found["noise"]) == (2, 3, 3) and np.shape(found["mean"]) == (2, 3)
    for kind in ("gain", "gaussian"):
        assert set(found[kind]) == {"spectral", "cosine"}
        assert all(len(gains) == 2 and min(gains) > 0 for gains in found[kind].values())
