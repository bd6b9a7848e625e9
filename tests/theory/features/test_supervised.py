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
    with pytest.raises(ValueError, match="class_features"):
        theory.class_pair_model(MODEL, [3])


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
