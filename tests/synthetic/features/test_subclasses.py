import numpy as np
import torch

from synthetic.features.subclasses import ClassPairs, SubclassTraining, subclass_separability
from synthetic.features.thresholded import ThresholdedStart, train_thresholded
from theory.features.model import FeatureModel

MODEL = FeatureModel([1.0, 0.8, 1.2], 0.3, 0.2, dim=5)


def test_class_pairs_share_the_class_and_nothing_else(seed):
    source = ClassPairs(MODEL, (0, 2))
    n = 20_000
    x1, x2, labels = source.sample_labelled_views(n, torch.Generator().manual_seed(seed), torch.float64)
    moments = (x1 * x2).mean(0).numpy()
    expected = [1.0, 0.0, 1.44, 0.0, 0.0]
    np.testing.assert_allclose(moments, expected, atol=6 * 1.6 / np.sqrt(n))
    np.testing.assert_allclose(
        x2.square().mean(0).numpy(), [1.04, 0.68, 1.48, 0.04, 0.04], atol=6 * 2 / np.sqrt(n)
    )
    np.testing.assert_array_equal(labels, (x1[:, 0] > 0).long() + 2 * (x1[:, 2] > 0).long())
    assert hash(source) == hash(ClassPairs(MODEL, (0, 2)))


def test_separability_has_one_row_for_each_network(seed):
    model = FeatureModel([1.0, 1.0], 0.0, 0.25, dim=4)
    found = subclass_separability(SubclassTraining(model, members=2, steps=60, width=16, lr=0.05, seed=seed))
    assert found.classes.shape == found.subclasses.shape == (2, 2)
    assert np.all(found.classes > 0.9)
    assert found.before.shape == found.after.shape == found.labels.shape


def test_thresholded_training_lowers_a_loss_with_the_right_slope():
    """First step of one feature against the derivative by hand: a = w2 h, g = 4 a^3 - 4 rho a."""
    start = ThresholdedStart((1.5,), (0.4,), (0.9,), (0.6,), (0.2,))
    time = 1e-6
    w1, w2, b = train_thresholded(start, time)
    h = 0.9 * 1.5 - 0.2
    g = 4 * (0.6 * h) ** 3 - 4 * 0.4 * 0.6 * h
    found = [(w1[0] - 0.9) / time, (w2[0] - 0.6) / time, (b[0] - 0.2) / time]
    np.testing.assert_allclose(found, [-g * 0.6 * 1.5, -g * h, g * 0.6], rtol=1e-4)
