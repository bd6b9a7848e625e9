"""Population training: gradients against finite differences, starts, flow and smallest norm."""

import numpy as np
import pytest
import torch

from synthetic.features.population import (
    aligned_start,
    balanced_start,
    end_to_end,
    feature_norms,
    isotropic_start,
    layer_difference,
    population_flow,
    population_gradient,
    population_loss,
    random_start,
    smallest_norm_minimizer,
    stack_starts,
    train_to_rest,
    weights_along_flow,
)
from theory.features.model import FeatureModel
from theory.features.spectral import spectral_loss, spectral_minimizer

MODEL = FeatureModel([0.5, 1.0, 1.5], [0.1, 0.2, 0.3], 0.4, dim=4)
OTHER = FeatureModel([0.7, 0.9, 1.2], [0.3, 0.1, 0.2], 0.3, dim=4)


@pytest.mark.parametrize("widths", [[4, 3], [4, 5, 3], [4, 5, 6, 2]])
def test_gradient_is_that_of_the_loss(widths, seed):
    layers = random_start(widths, 0.5, seed)
    gradient = population_gradient(MODEL, layers)
    for position, entry in ((0, (0, 1)), (len(layers) - 1, (1, 2))):
        losses = []
        for step in (1e-5, -1e-5):
            moved = [layer.copy() for layer in layers]
            moved[position][entry] += step
            losses.append(spectral_loss(end_to_end(moved), MODEL.cov, MODEL.cross_cov))
        slope = (losses[0] - losses[1]) / 2e-5
        assert slope == pytest.approx(gradient[position][entry], rel=1e-6, abs=1e-8)


def test_balanced_start_is_balanced(seed):
    layers = balanced_start([4, 6, 5, 3], 0.3, seed)
    assert [layer.shape for layer in layers] == [(6, 4), (5, 6), (3, 5)]
    for lower, upper in zip(layers[:-1], layers[1:], strict=True):
        np.testing.assert_allclose(layer_difference([lower, upper]), 0, atol=1e-14)


def test_flow_descends_and_the_heads_rate_counts(seed):
    start = random_start([4, 4, 3], 0.3, seed)
    loss = [spectral_loss(end_to_end(start), MODEL.cov, MODEL.cross_cov)]
    for time in (0.5, 2.0):
        loss.append(
            spectral_loss(end_to_end(population_flow(MODEL, start, time)), MODEL.cov, MODEL.cross_cov)
        )
    assert loss[0] > loss[1] > loss[2]
    fast = population_flow(MODEL, start, 1.0, head_rate=4.0)

    def conserved(layers, rate):
        return layers[0] @ layers[0].T - layers[1].T @ layers[1] / rate

    np.testing.assert_allclose(conserved(fast, 4.0), conserved(start, 4.0), atol=1e-8)
    assert np.abs(conserved(fast, 1.0) - conserved(start, 1.0)).max() > 1e-3


def test_smallest_norm_does_not_depend_on_the_start():
    model = FeatureModel([0.5, 1.0], [0.1, 0.3], 0.4)
    grams = [end_to_end(smallest_norm_minimizer(model, 2, 2, seed, strength=1e-3)) for seed in (0, 1)]
    np.testing.assert_allclose(grams[0].T @ grams[0], grams[1].T @ grams[1], atol=1e-9)


def test_stacks_and_models_of_their_own_are_networks_one_by_one(seed):
    layers = stack_starts(random_start, [4, 5, 6, 3], 0.5, [seed, seed + 1000])
    models = [MODEL, OTHER]
    gradient, loss = population_gradient(models, layers), population_loss(models, layers)
    for member, model in enumerate(models):
        alone = [layer[member] for layer in layers]
        assert loss[member] == pytest.approx(
            spectral_loss(end_to_end(alone), model.cov, model.cross_cov), rel=1e-12
        )
        for part, expected in zip(gradient, population_gradient(model, alone), strict=True):
            np.testing.assert_allclose(part[member], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("depth", "outputs"), [(2, 3), (4, 3), (2, 2)])
def test_trained_to_rest_is_the_minimum_that_the_closed_form_names(depth, outputs, seed):
    """From a balanced start every network ends at the one metric of least loss, whatever the others do."""
    widths = [4] * depth + [outputs]
    start = stack_starts(balanced_start, widths, 0.7, range(seed, seed + 3), power=2 / depth)
    network = end_to_end(train_to_rest(MODEL, start))
    metric = spectral_minimizer(MODEL.cov, MODEL.cross_cov, outputs)
    np.testing.assert_allclose(network.mT @ network, np.broadcast_to(metric, (3, 4, 4)), atol=1e-5)


def test_training_that_does_not_come_to_rest_is_an_error(seed):
    start = balanced_start([4, 4, 3], 0.3, seed)
    with pytest.raises(RuntimeError, match=r"gradient .* after time 25, wanted 1e-15"):
        train_to_rest(MODEL, start, tolerance=1e-15, longest=20.0)


def test_the_loss_of_tensors_is_that_of_arrays_and_has_its_gradient(seed):
    layers = random_start([4, 5, 3], 0.5, seed)
    tensors = [torch.tensor(layer, requires_grad=True) for layer in layers]
    loss = population_loss(MODEL, tensors)
    assert loss.item() == pytest.approx(population_loss(MODEL, layers), rel=1e-14)
    loss.backward()
    for tensor, expected in zip(tensors, population_gradient(MODEL, layers), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_a_path_is_one_flow_seen_at_several_times(seed):
    start = aligned_start(4, 0.3, seed)
    np.testing.assert_allclose(end_to_end(start), 0.3 * np.eye(4), atol=1e-14)
    weights = weights_along_flow(MODEL, start, [0.0, 0.4, 1.0])
    np.testing.assert_allclose(weights[0], np.sqrt(0.3) ** np.array([[1], [2]]) * np.ones(3), atol=1e-12)
    np.testing.assert_allclose(
        weights[2], feature_norms(MODEL, population_flow(MODEL, start, 1.0)), atol=1e-8
    )


@pytest.mark.parametrize("width", [3, 4, 6])
def test_isotropic_start_has_orthonormal_rows_or_columns(width, seed):
    first = isotropic_start(4, width, 0.7, seed)
    assert first.shape == (width, 4)
    gram = first @ first.T if width < 4 else first.T @ first
    np.testing.assert_allclose(gram, 0.49 * np.eye(min(width, 4)), atol=1e-12)
