"""Predicted accuracies of ridge and logistic regression, nulls, gains, and which assumption fails."""

import numpy as np
import pytest

from notebooks.diagnose import diagnose
from notebooks.diagnose.classifiers import (
    CLASSIFIERS,
    COUNTS,
    draw_gaussian,
    fit,
    measure_classifiers,
    name_failure,
    predict_classifiers,
)
from notebooks.diagnose.moments import Batch, Estimate, MomentSums


def gaussian_classes(seed, count=4000, width=64, classes=3):
    """Classes with one covariance whose spectrum falls as 1/rank; z keeps the first 16 directions."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(np.arange(1, width + 1))
    means = 0.3 * rng.normal(size=(classes, width)) * scale
    labels = rng.integers(classes, size=count)
    h = means[labels] + scale * rng.normal(size=(count, width))
    return h, h[:, :16], labels


def layers_of(h, z, labels):
    sums = MomentSums(labels.max() + 1)
    sums.add(Batch((h,), (z,), labels))
    return sums.layers()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_minimises_its_loss(name, seed):
    rng = np.random.default_rng(seed)
    for width in (5, 60):
        signed, penalty = rng.normal(size=(30, width)) + 0.3, 0.2
        w = fit(name, signed, penalty)
        margins = signed @ w
        slopes = margins - 1 if name == "ridge" else -1 / (1 + np.exp(margins))
        assert slopes @ signed / len(signed) + penalty * w == pytest.approx(np.zeros(width), abs=2e-4)


def test_predictions_are_measured_on_gaussian_classes(seed):
    h, z, labels = gaussian_classes(seed)
    full, pairs = layers_of(h, z, labels), [(0, 1), (0, 2), (1, 2)]
    measured = measure_classifiers(
        Batch((h,), (z,), labels), {"before": full.before, "after": full.after}, pairs, seed=seed
    )
    for layer, moments in (("before", full.before), ("after", full.after)):
        predicted, drawn = predict_classifiers(moments, pairs), draw_gaussian(moments, pairs, seed=seed)
        for name in CLASSIFIERS:
            found = [one.value for one in measured[name, layer]]
            for count, error in enumerate(
                (0.06, 0.03, 0.02)
            ):  # five draws of 16, 64 and 256 labels, three pairs
                assert predicted[name][count] == pytest.approx(found[count], abs=error)
                assert drawn[name][count] == pytest.approx(found[count], abs=error)
    isotropic = predict_classifiers(full.before, pairs, isotropic=True)
    assert abs(isotropic["ridge"][1] - measured["ridge", "before"][1].value) > 0.03


def test_the_assumption_that_fails_is_named(seed):
    """A few examples of each class lie far out on the other side: the mean hardly tells how the others are read."""
    h, z, labels = gaussian_classes(seed)
    found = diagnose(h, z, labels).numbers["classifiers"]
    for name in CLASSIFIERS:
        assert found[f"{name} before: prediction"].startswith("holds")
    assert (
        found["ridge before: prediction"]
        == "holds with the measured spectrum; isotropic noise would be wrong"
    )
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=4000)
    h = rng.normal(size=(4000, 40))
    h[:, 0] = (2 * labels - 1) * np.where(rng.random(4000) < 0.85, 2, -8) + 0.3 * h[:, 0]
    found = diagnose(h, h[:, :4], labels).numbers["classifiers"]
    assert "not Gaussian" in found["logistic after: prediction"]


def test_failures_by_their_size():
    near, wide = Estimate(0.9, 0.89, 0.91), Estimate(0.9, 0.7, 1.0)
    assert name_failure([near], [0.89], [0.5], [0.9]) == "holds, also with isotropic noise"
    assert name_failure([near, near], [0.89, 0.9], [0.5, 0.5], [0.9, 0.8]).endswith("would be wrong")
    assert "not Gaussian" in name_failure([near, near], [0.9, 0.8], [0.9, 0.81], [0.9, 0.8])
    assert "too few directions" in name_failure([near], [0.8], [0.89], [0.8])
    assert name_failure([wide], [0.8], [0.89], [0.8]).startswith("holds")


def test_permuted_labels_are_told_from_real_ones(seed):
    h, z, labels = gaussian_classes(seed)
    found = diagnose(h, z, labels)
    real = found.numbers["labels"]
    for layer in ("before", "after"):
        assert real[f"class share {layer}"].low > real[f"class share {layer}, labels permuted"]
    mixed = diagnose(h, z, np.random.default_rng(seed).permutation(labels))
    share = mixed.numbers["labels"]["class share before"]
    chance = mixed.numbers["labels"]["class share before, labels permuted"]
    assert share.value < 3 * chance
    assert {verdict.layer for verdict in mixed.verdicts} == {"cannot tell"}


def test_a_random_projection_is_the_null_of_the_head(seed):
    """A head that keeps the signal is better than a random one of equal width, one that drops it is worse."""
    rng = np.random.default_rng(seed)
    labels = np.arange(3000) % 2
    h = rng.normal(size=(3000, 12))
    h[:, :2] += np.where(labels, 1, -1)[:, None]
    kept, dropped = (diagnose(h, h[:, part], labels).numbers["labels"] for part in (slice(3), slice(9, 12)))
    assert kept["after 8"].low > kept["random 8"].high
    assert dropped["after 8"].high < dropped["random 8"].low
    assert kept["random 8"].value == pytest.approx(dropped["random 8"].value, abs=1e-9)


def test_the_gain_of_each_pair_of_classes_is_its_own(seed):
    """The head triples the direction between the first two classes and leaves that of the third."""
    rng = np.random.default_rng(seed)
    labels = np.arange(12_000) % 3
    means = np.zeros((3, 8))
    means[0, 0], means[1, 0], means[2, 1] = -2, 2, 30
    h = means[labels] + rng.normal(size=(12_000, 8))
    found = diagnose(h, h * np.where(np.arange(8) == 0, 3, 1), np.array(["a", "b", "c"])[labels])
    gains = {(one, other): (value, low, high) for one, other, value, low, high in found.curves["gain"]}
    assert set(gains) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert gains["a", "b"][1] <= 3 <= gains["a", "b"][2]
    assert gains["a", "c"][2] < 1.2


def test_too_few_examples_leave_the_measured_part_out():
    h, z, labels = gaussian_classes(0, count=100)
    found = diagnose(h, z, labels).numbers["classifiers"]
    assert f"ridge before {COUNTS[0]} measured" in found and f"ridge before {COUNTS[2]} measured" not in found
    constant = diagnose(h, np.ones((100, 2)), labels)
    assert "collapse" in constant.missing["classifiers"]
