"""Classifiers on finite mixtures: conventions of the penalty, optimality, pairing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import ndtr

from synthetic.mixture.downstream import (
    _FITS,
    Downstream,
    _fit_with_bias,
    _training_set,
    fit_and_score,
    is_separable,
    repeated_accuracies,
)

POINT = Downstream("logistic", 1.5, 60, 20, (-0.5, 0.0, 1.0), 0.2)
LOSSES = {
    "ridge": lambda m: (1 - m) ** 2 / 2,
    "logistic": lambda m: np.logaddexp(0, -m),
    "hinge": lambda m: np.maximum(1 - m, 0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_fits_minimise_the_mean_loss_plus_half_the_penalty(name):
    signed, labels = _training_set(POINT)
    fitted = _FITS[name](signed, labels, 0.2)

    def objective(w):
        return np.mean(LOSSES[name](signed @ w)) + 0.1 * w @ w

    best = minimize(objective, fitted, method="Powell", options={"maxiter": 3})
    assert objective(fitted) <= best.fun + 1e-6
    for scale in (0.97, 1.03):
        assert objective(fitted) < objective(scale * fitted)


def test_hard_margin_has_equal_smallest_margins():
    signed, labels = _training_set(replace(POINT, samples=25))
    fitted = _FITS["hard-margin"](signed, labels, 0.0)
    margins = signed @ fitted
    assert margins.min() == pytest.approx(1, abs=1e-8)
    support = signed[margins < 1 + 1e-8]
    weights = np.linalg.lstsq(support.T, fitted, rcond=None)[0]
    np.testing.assert_allclose(support.T @ weights, fitted, atol=1e-8)
    assert np.all(weights > 0)


def test_accuracy_without_projector_is_that_of_the_fit():
    signed, labels = _training_set(POINT)
    fitted = _FITS["logistic"](signed, labels, 0.2)
    expected = ndtr(1.5 * fitted[0] / np.linalg.norm(fitted))
    assert fit_and_score(POINT)[1] == pytest.approx(expected, abs=1e-12)


def test_a_turned_projector_acts_on_its_own_direction():
    signed, labels = _training_set(POINT)
    u = np.eye(20)[0] * 0.6 + np.eye(20)[1] * 0.8
    projector = np.eye(20) + np.outer(u, u)
    beta = projector @ _FITS["ridge"](signed @ projector, labels, 0.2)
    found = fit_and_score(replace(POINT, classifier="ridge", cosine=0.6))[2]
    assert found == pytest.approx(ndtr(1.5 * beta[0] / np.linalg.norm(beta)), abs=1e-12)


def test_repetitions_differ_and_repeat(seed):
    point = replace(POINT, classifier="averaging", seed=seed)
    values = repeated_accuracies([point, replace(point, kappas=(0.0, 0.0, 0.0))], 9, progress=False)
    assert values.shape == (2, 9, 3) and len(set(values[0, :, 1])) == 9
    np.testing.assert_array_equal(values[0, :, 1], values[1, :, 0])


def test_separability_of_the_extremes():
    assert is_separable(replace(POINT, samples=18))
    assert not is_separable(replace(POINT, samples=400))


def test_labels_alternate_where_classes_are_equally_frequent():
    _, labels = _training_set(replace(POINT, samples=7))
    np.testing.assert_array_equal(labels, [-1, 1, -1, 1, -1, 1, -1])
    _, labels = _training_set(replace(POINT, samples=50, class_balance=0.8))
    assert labels.mean() == pytest.approx(0.6)


def test_wrong_labels_turn_their_inputs_about():
    clean, labels = _training_set(replace(POINT, samples=400))
    noisy, given = _training_set(replace(POINT, samples=400, label_noise=0.25))
    wrong = labels != given
    assert 0.15 < wrong.mean() < 0.35
    np.testing.assert_array_equal(noisy[wrong], -clean[wrong])
    np.testing.assert_array_equal(noisy * given[:, None], clean * labels[:, None])  # the inputs are the same


@pytest.mark.parametrize("name", ["ridge", "logistic"])
def test_accuracy_with_a_bias_is_that_on_new_inputs(name):
    """Accuracy by sampling new inputs, for the fit that the exact formula is given."""
    point = replace(POINT, classifier=name, samples=200, class_balance=0.9, kappas=(0.0,))
    (with_bias,) = fit_and_score(replace(point, bias=True))
    signed, labels = _training_set(point)
    beta, bias = _fit_with_bias(name, signed, labels, point.penalty)
    rng = np.random.default_rng(7)
    y = np.where(rng.random(100_000) < 0.9, 1.0, -1.0)
    inputs = rng.normal(size=(len(y), point.dim))
    inputs[:, 0] += point.signal_norm * y
    found = np.mean((inputs @ beta + bias) * y > 0)
    assert with_bias == pytest.approx(found, abs=5 * np.sqrt(0.05 / len(y)))
    assert bias > 0.1  # towards the frequent class
