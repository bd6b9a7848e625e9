"""Numbers of notebooks 09 to 13: dots lie on the lines they are drawn over."""

import numpy as np

from notebooks.panels import (
    absent_features,
    null_space,
    one_law,
    relu_feature_weights,
    sparse_head,
    subclasses,
)
from synthetic.features.head_schemes import SCHEMES, train_scheme
from synthetic.features.sparse_heads import SparseTraining, train_sparse


def test_every_dot_of_the_one_law_lies_on_its_line(seed):
    points = one_law.sweep_points(seed, schemes=8)
    data = one_law.law_data(points, [train_scheme(point) for point in points])
    errors = one_law.largest_error(data)
    assert list(errors) == list(SCHEMES) == list(one_law.LAWS)
    assert max(errors.values()) < 1e-6
    lines = one_law.draw_law(data).axes[0].lines[::2]
    slopes = [np.polyfit(*np.log(line.get_data()), 1)[0] for line in lines]
    powers = {"no head": 1, "joint, balanced": 1 / 2, "layer 1 of 3": 1 / 3, "exact head (bilevel)": 0}
    powers |= {"weight decay": 1 / 2, "sparse head": 1 / 3}
    drawn = dict(zip(data, slopes, strict=True))
    np.testing.assert_allclose([drawn[name] for name in powers], list(powers.values()), atol=1e-9)


def test_absent_features_are_absent_after_and_where_theory_says_before():
    data = absent_features.limits_data(3)
    np.testing.assert_allclose(data["after"], 0, atol=1e-4)
    np.testing.assert_allclose(data["before"], 1 / (1 + data["phi_trained"] ** 2), atol=1e-4)


def test_a_feature_that_is_not_kept_has_a_stroke_at_zero_of_its_own():
    weights = {"mean": np.ones((2, 5)), "half_width": np.zeros((2, 5))}
    data = {
        "phi": np.arange(5),
        "theory": np.array([[0, 1, 0.9, 0.8, 0.7]] * 2),
        "each": [],
        "measured": weights,
    }
    for axes in relu_feature_weights.draw_spare(data).axes:
        kept, dropped = axes.lines[:2]
        assert kept.get_xdata().tolist() == [1, 2, 3, 4]
        assert list(dropped.get_ydata()) == [0, 0]


def test_collapse_flow_lies_on_the_learning_curves(seed):
    data = subclasses.collapse_data(5, seed)
    lines = np.stack([data["before"], data["after"]], axis=1)
    for feature in range(2):
        for layer in range(2):
            line = np.interp(data["time_flow"], data["time"], lines[:, layer, feature])
            np.testing.assert_allclose(data["flow"][:, layer, feature], line, rtol=5e-3)


def test_sparse_training_reaches_the_global_minimum(seed):
    point = SparseTraining(0.1, seed)
    data = sparse_head.weights_data([point], [train_sparse(point)])
    for layer, name in enumerate(("before", "after")):
        line = [np.interp(0.1, data["penalty"], data[name][:, i]) for i in range(4)]
        np.testing.assert_allclose(data["trained"][0, layer], line, atol=1e-2)


def test_null_space_numbers_agree(seed):
    energy = null_space.energy_data(2, seed)
    np.testing.assert_allclose(energy["measured"], energy["predicted"], atol=1e-5)
    drift = null_space.drift_data([0.0125, 0.00625], seed)
    np.testing.assert_allclose(np.divide(*drift["InfoNCE"]), 2, rtol=0.1)
