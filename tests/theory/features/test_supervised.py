"""Class pairs, collapse rates and the squared loss against their definitions."""

import numpy as np
import pytest

import theory

MODEL = theory.FeatureModel([1.0, 0.7, 1.4], [0.0, 0.2, 0.1], 0.5)


def test_class_pairs_share_the_class_features_only():
    pairs = theory.class_pair_model(MODEL, [0, 1])
    np.testing.assert_allclose(pairs.retention, [1.0, 0.64, 0.0])
    assert theory.layer_weights(pairs)[1, 2] == 0
    for wrong in ([], [0, 0]):
        with pytest.raises(ValueError, match="class_features"):
            theory.class_pair_model(MODEL, wrong)
    with pytest.raises(ValueError, match="target"):
        theory.class_pair_model(MODEL, [3])


def test_collapse_asymptote_is_the_late_learning_curve():
    lost = theory.FeatureModel([1.0, 0.4], 1.0, 0.5)
    times = np.array([1e6, 1e8])
    curve = theory.learning_curve(lost, times, 0.3)
    late = theory.collapse_asymptote(lost, times)
    np.testing.assert_allclose(late.after, curve, rtol=1e-4)
    np.testing.assert_allclose(late.before, np.sqrt(curve), rtol=1e-4)
    slope = np.log(late.before[1] / late.before[0]) / np.log(100)
    np.testing.assert_allclose(slope, -1 / 6)
    with pytest.raises(theory.AssumptionError, match="do not collapse"):
        theory.collapse_asymptote(MODEL, times)


def test_supervised_weights_minimise_the_squared_loss_and_split_in_balance(seed):
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((2, 3))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1)
    kept = (1 - MODEL.alpha)[:, None] * signs  # mean of the augmented sign given the clean one
    label_cov = codes @ (signs @ (MODEL.phi[:, None] * kept).T) / signs.shape[1]
    network = label_cov @ np.linalg.inv(MODEL.cov)
    left, values, right = np.linalg.svd(network, full_matrices=False)
    first = np.sqrt(values)[:, None] * right
    assert np.allclose((left * np.sqrt(values)) @ first, network)
    expected = [np.linalg.norm(first, axis=0), np.linalg.norm(network, axis=0)]
    np.testing.assert_allclose(theory.supervised_layer_weights(MODEL, codes), expected)


def test_one_code_per_feature_gives_the_square_root():
    weights = theory.supervised_layer_weights(MODEL, np.diag([2.0, 0.0, 1.0]))
    np.testing.assert_allclose(weights[0] ** 2, weights[1])
    assert weights[1, 1] == 0
    np.testing.assert_allclose(weights[1, 0], 2.0 / 1.25)
    with pytest.raises(ValueError, match="codes must have shape"):
        theory.supervised_layer_weights(MODEL, np.ones((2, 2)))
