"""Heads side by side: shapes, replicates of their own, and effects that hold before any law."""

import numpy as np

from synthetic.features.head_comparison import compare_fixed_and_learnt, compare_inner_steps, measure_style
from synthetic.features.layer_choice import draw_models, probe_models
from theory.features.averaging import averaging_accuracy
from theory.features.sample_complexity import sample_complexity
from theory.features.spectral import layer_weights


def test_style_differences_appear_with_training_only(seed):
    trained, start = (measure_style(seed, trained=trained, networks=3) for trained in (True, False))
    assert trained.shape == start.shape == (3, 2)
    assert np.all(trained > 0.02)
    assert np.abs(start).max() < 0.2 and np.all(trained.mean(0) > start.mean(0) + 0.05)


def test_replicates_have_starts_of_their_own(seed):
    for compare, columns in ((compare_inner_steps, 2), (compare_fixed_and_learnt, 2)):
        found = compare(seed, replicates=2)
        assert found.shape == (2, columns) and np.all(np.isfinite(found))
        assert np.all(found[0] != found[1])


def test_indicator_and_accuracy_of_trained_layers_are_those_of_the_layer_weights(seed):
    models = draw_models(0, seed, models=3, features=5)
    found = probe_models(models, seed, depth=3, n=4, draws=4000)
    for index, model in enumerate(models):
        weights = layer_weights(model, 3)
        np.testing.assert_allclose(found.indicator[index], sample_complexity(model, weights, 0), rtol=1e-3)
        exact = averaging_accuracy(model, weights, 0, 4)
        np.testing.assert_allclose(found.accuracy[:, index], [exact, exact], atol=5 * 0.3 / np.sqrt(2000))
    assert len({model for group in (0, 1) for model in draw_models(group, seed)}) == 60
