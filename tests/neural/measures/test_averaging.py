"""The averaging classifier on pairs of classes."""

import numpy as np
import pytest

from neural.measures.averaging import pair_accuracies
from theory import moment_accuracy


def test_accuracy_is_that_of_the_nearer_mean_of_the_drawn_examples(seed):
    """One draw of all but one example of each class, done by hand for every choice that the draw can be."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(6, 3)), np.repeat([4, 7], 3)
    found = pair_accuracies({"h": x}, labels, [(4, 7)], [2], seed=seed, draws=4000)["h"][0, 0]
    right = []
    for a in range(3):
        for b in range(3, 6):
            means = x[[a, b]]
            asked = [i for i in range(6) if i not in (a, b)]
            nearer = [np.argmin(np.sum((means - x[i]) ** 2, axis=1)) for i in asked]
            right.append(np.mean([near == (i >= 3) for near, i in zip(nearer, asked, strict=True)]))
    assert found == pytest.approx(np.mean(right), abs=0.03)


def test_gaussian_classes_have_the_accuracy_of_second_moments(seed):
    """Known midpoint in the law, estimated one in the classifier: alike in many directions and from eight labels on."""
    rng = np.random.default_rng(seed)
    labels = np.arange(1000) % 2
    mean = np.full(40, 0.25)
    x = rng.normal(size=(1000, 40)) + np.where(labels, 1, -1)[:, None] * mean
    found = pair_accuracies({"h": x, "z": x[:, :10]}, labels, [(0, 1)], [8, 32, 600], seed=seed, draws=200)
    for name, width in (("h", 40), ("z", 10)):
        wanted = [moment_accuracy(mean[:width], np.eye(width), n) for n in (8, 32)]
        assert found[name][0, :2] == pytest.approx(wanted, abs=0.025)
        assert np.isnan(found[name][0, 2])  # 600 labelled examples leave fewer than half to be asked


def test_layers_see_the_same_draws_and_rows_do_not_depend_on_each_other(seed):
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(60, 4)), np.arange(60) % 3
    found = pair_accuracies({"h": x, "same": 3 * x}, labels, [(0, 1), (0, 2)], [4], seed=seed)
    assert np.array_equal(found["h"], found["same"])
    alone = pair_accuracies({"h": x}, labels, [(0, 1)], [4], seed=seed)["h"]
    assert alone[0, 0] == found["h"][0, 0]
