"""Few-shot learning: classifiers against scikit-learn, exact accuracy against sampling, pairing."""

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.svm import SVC

from neural import torch_generator
from synthetic import Averaging, HardMargin, accuracy_of, few_shot_accuracies, sample_inputs
from synthetic.features.layer_choice import FewShot, few_shot, measured_crossing
from theory.features.model import FeatureModel

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
    arguments = dict(model=MODEL, weights=np.ones((1, 5)), target=0, n=3, classifier=Averaging(), repeats=5)
    with pytest.raises(ValueError, match=message):
        few_shot_accuracies(**{**arguments, **changes}, generator=torch_generator(0))


def test_sweep_point_is_the_same_task():
    point = FewShot(MODEL, np.ones((1, 5)), 3, HardMargin(), draws=6, seed=1, stream=2)
    expected = few_shot_accuracies(
        MODEL, np.ones((1, 5)), 0, 3, HardMargin(), repeats=6, generator=torch_generator(1, "few shot", 2)
    )
    np.testing.assert_array_equal(few_shot(point), expected)


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
