"""Few-shot learning: classifiers against scikit-learn, exact accuracy against sampling, pairing."""

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.svm import SVC

from neural import torch_generator
from synthetic import Averaging, HardMargin, accuracy_of, few_shot_accuracies, sample_inputs
from synthetic.features.few_shot import Spurious
from synthetic.features.layer_choice import (
    LayerProbe,
    measured_crossing,
    probe_trained_layers,
    train_probed_networks,
)
from synthetic.features.population import feature_norms
from theory.features.averaging import averaging_accuracy
from theory.features.model import FeatureModel
from theory.features.spectral import layer_weights

MODEL = FeatureModel([1.0, 0.7, 1.3, 0.9, 1.1], 0.2, 0.5)


def test_hard_margin_is_the_support_vector_machine(seed):
    """Mirrored data (x, y), (-x, -y) force the intercept of scikit-learn's machine to 0."""
    rng = np.random.default_rng(seed)
    signed = rng.normal(size=(5, 4, 6))
    for rows, found in zip(signed, HardMargin().fit(signed), strict=True):
        machine = SVC(kernel="linear", C=1e4, tol=1e-10)
        machine.fit(np.vstack([rows, -rows]), [1] * 4 + [-1] * 4)
        np.testing.assert_allclose(found, machine.coef_[0], rtol=1e-4, atol=1e-5)
        assert np.min(rows @ found) == pytest.approx(1.0, abs=1e-9)


def test_hard_margin_needs_separable_draws():
    signed = np.ones((1, 4, 6))
    signed[..., 3:] = 0
    with pytest.raises(ValueError, match=r"features held \(3\) for a hard margin to exist, got 4"):
        HardMargin().fit(signed)


def test_averaging_is_the_mean():
    signed = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(Averaging().fit(signed), signed.mean(1))


def test_exact_accuracy_against_sampled_inputs(seed):
    vectors = np.random.default_rng(seed).normal(size=(3, 5))
    n = 100_000
    x, signs = sample_inputs(MODEL, n, torch_generator(seed, "test"))
    hits = np.mean((x.numpy() @ vectors.T) * signs[:, 2:3].numpy() > 0, axis=0)
    exact = accuracy_of(MODEL, vectors, 2)
    np.testing.assert_array_less(np.abs(hits - exact), 5 * np.sqrt(exact * (1 - exact) / n))


def test_worst_group_accuracy_against_sampled_inputs(seed):
    """Labels follow feature 1 in 9 of 10 inputs: averaging leans on it, and fails where it disagrees."""
    n, spurious = 100_000, Spurious(1, 0.9)
    vector = np.random.default_rng(seed).normal(size=(1, 5))
    x, signs = sample_inputs(MODEL, n, torch_generator(seed, "worst group"))
    group = signs[:, 1] != signs[:, 2]
    hits = ((x.numpy() @ vector[0]) * signs[:, 2].numpy() > 0)[group.numpy()]
    exact = accuracy_of(MODEL, vector, 2, against=1)[0]
    assert abs(hits.mean() - exact) < 5 * np.sqrt(exact * (1 - exact) / group.sum().item())
    weights = np.array([[1.0] * 5, [1.0, 3.0, 1.0, 1.0, 1.0]])
    arguments = dict(repeats=100, generator=torch_generator(seed, "spurious"))
    worst = few_shot_accuracies(MODEL, weights, 2, 20, Averaging(), spurious=spurious, **arguments)
    fair = few_shot_accuracies(MODEL, weights, 2, 20, Averaging(), **arguments)
    assert worst.mean(0)[1] < worst.mean(0)[0] < fair.mean(0)[0]


def test_accuracy_of_the_targets_own_direction():
    assert accuracy_of(MODEL, np.eye(5)[:1], 0)[0] == pytest.approx(ndtr(1.0 / 0.5))
    noise_free = FeatureModel([1.0, 2.0], 0.2, 0.0)
    np.testing.assert_array_equal(accuracy_of(noise_free, np.array([[1.0, 0.0], [1.0, 1.0]]), 0), [1.0, 0.5])


def test_representations_share_their_draws():
    weights = np.array([[1.0] * 5, [2.0] * 5])
    accuracy = few_shot_accuracies(
        MODEL, weights, 0, 3, Averaging(), repeats=20, generator=torch_generator(0, "pair")
    )
    assert accuracy.shape == (20, 2)
    np.testing.assert_allclose(accuracy[:, 0], accuracy[:, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(n=0), "n and repeats must be >= 1, got 0 and 5"),
        (dict(repeats=0), "n and repeats must be >= 1, got 3 and 0"),
        (dict(target=5), "target must be an integer in 0..4, got 5"),
        (dict(model=FeatureModel(np.ones(17), 0.2, 0.5)), "at most 16 features, got 17"),
    ],
)
def test_bad_input(changes, message):
    arguments = dict(model=MODEL, encoders=np.ones((1, 5)), target=0, n=3, classifier=Averaging(), repeats=5)
    with pytest.raises(ValueError, match=message):
        few_shot_accuracies(**{**arguments, **changes}, generator=torch_generator(0))


def test_a_matrix_with_the_gram_matrix_of_weights_is_as_accurate_as_they_are(seed):
    """Both classifiers see a rotation of the same representation; noise outside the features counts for a matrix."""
    model = FeatureModel([1.0, 0.7, 1.3, 0.9, 1.1], 0.2, 0.5, dim=7)
    weights = np.array([0.9, 0.4, 1.2, 0.3, 0.6])
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    diagonal = np.hstack([np.diag(weights), np.zeros((5, 2))])
    for classifier in (Averaging(), HardMargin()):
        accuracy = few_shot_accuracies(
            model,
            [weights, rotation @ diagonal, np.hstack([np.diag(weights), np.ones((5, 2))])],
            0,
            3,
            classifier,
            repeats=50,
            generator=torch_generator(seed, "gram"),
        )
        np.testing.assert_allclose(accuracy[:, 0], accuracy[:, 1], atol=1e-7)
        assert accuracy[:, 0].mean() > accuracy[:, 2].mean()


def test_layers_are_probed_with_the_weights_of_the_trained_networks(seed):
    """Feature weights of the layers are s^(l/L); the networks differ, and so do their draws."""
    point = LayerProbe(MODEL, 3, Averaging(), draws=400, seed=seed, stream=2, depth=3, networks=2)
    layers = train_probed_networks(MODEL, 3, 2, seed)
    np.testing.assert_allclose(
        feature_norms(MODEL, layers), layer_weights(MODEL, 3)[:, None].repeat(2, 1), atol=1e-5
    )
    assert np.abs(layers[0][0] - layers[0][1]).max() > 0.01
    accuracy = probe_trained_layers(point)
    assert accuracy.shape == (2, 400, 3)
    assert not np.any(accuracy[0] == accuracy[1])
    exact = averaging_accuracy(MODEL, layer_weights(MODEL, 3), 0, 3)
    error = accuracy.std(axis=(0, 1)) / np.sqrt(800)
    np.testing.assert_array_less(np.abs(accuracy.mean(axis=(0, 1)) - exact), 5 * error)


def test_measured_crossing_covers_the_true_one(seed):
    """95% intervals of 100 simulated crossings of a known curve: 0 to 13 misses with probability > .999."""
    rng = np.random.default_rng([seed, 11])
    values = np.linspace(0, 1, 9)
    truth = 0.43
    misses = 0
    for _ in range(100):
        gaps = np.sin(values - truth)[:, None] + 0.3 * rng.normal(size=(9, 400))
        crossing = measured_crossing(values, gaps, rng=rng, resamples=100)
        misses += not crossing.low <= truth <= crossing.high
    assert misses <= 13


def test_no_crossing():
    gaps = 1 + 0.1 * np.random.default_rng(0).normal(size=(5, 50))
    assert measured_crossing(np.arange(5.0), gaps, rng=np.random.default_rng(0)) is None
    with pytest.raises(ValueError, match="values must increase"):
        measured_crossing([0.0, 1.0, 1.0], np.ones((3, 4)), rng=np.random.default_rng(0))
