"""Population training: gradients against finite differences, starts, flow and smallest norm."""

import numpy as np
import pytest

from synthetic.features.population import (
    balanced_start,
    end_to_end,
    population_descent,
    population_flow,
    population_gradient,
    population_loss,
    population_runge_kutta,
    random_start,
    smallest_norm_minimizer,
)
from theory.features.model import FeatureModel
from theory.features.spectral import spectral_loss, spectral_minimizer, spectral_minimum

MODEL = FeatureModel([0.5, 1.0, 1.5], [0.1, 0.2, 0.3], 0.4, dim=4)
OTHER = FeatureModel([0.7, 0.9, 1.2], [0.3, 0.1, 0.2], 0.3, dim=4)


def stack(widths, scale, seed, members):
    """Starts of many networks, one stream each."""
    return [
        np.stack(layers)
        for layers in zip(
            *(random_start(widths, scale, 1000 * seed + i) for i in range(members)), strict=True
        )
    ]


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
        np.testing.assert_allclose(lower @ lower.T, upper.T @ upper, atol=1e-14)


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
    layers, models = stack([4, 5, 6, 3], 0.5, seed, 2), [MODEL, OTHER]
    gradient, loss = population_gradient(models, layers), population_loss(models, layers)
    for member, model in enumerate(models):
        alone = [layer[member] for layer in layers]
        assert loss[member] == pytest.approx(
            spectral_loss(end_to_end(alone), model.cov, model.cross_cov), rel=1e-12
        )
        for part, expected in zip(gradient, population_gradient(model, alone), strict=True):
            np.testing.assert_allclose(part[member], expected, rtol=1e-11, atol=1e-13)


def test_descent_reaches_the_minimum_that_the_closed_form_names(seed):
    """A gap of 1e-12 leaves the metric within its root over the curvature, below 1e-5."""
    models = [MODEL, OTHER, MODEL]
    minima = [spectral_minimum(model, 2) for model in models]
    found = population_descent(models, stack([4, 6, 2], 0.3, seed, 3), minima, rate=0.01, tolerance=1e-12)
    assert np.all(found.gap <= 1e-12) and len(set(found.steps)) > 1
    for model, network in zip(models, end_to_end(found.layers), strict=True):
        metric = spectral_minimizer(model.cov, model.cross_cov, 2)
        np.testing.assert_allclose(network.T @ network, metric, atol=1e-5)


def test_a_member_does_not_depend_on_the_others(seed):
    start, minimum = stack([4, 6, 2], 0.3, seed, 3), spectral_minimum(MODEL, 2)
    together = population_descent(MODEL, start, minimum, rate=0.01)
    alone = population_descent(MODEL, [layer[1:2] for layer in start], minimum, rate=0.01)
    assert alone.steps[0] == together.steps[1]
    for one, many in zip(alone.layers, together.layers, strict=True):
        np.testing.assert_allclose(one[0], many[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("minimum", "settings", "message"),
    [
        (
            -100.0,
            {"steps": 200},
            r"member [0-2] is 9\.\de\+01 above the minimum after 200 steps, wanted 1e-08",
        ),
        (-100.0, {"rate": 50.0}, "(nan|inf) above the minimum after 50 steps"),
    ],
)
def test_descent_that_does_not_arrive_is_an_error(minimum, settings, message, seed):
    with pytest.raises(RuntimeError, match=message):
        population_descent(MODEL, stack([4, 6, 2], 0.3, seed, 3), minimum, **settings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"start": random_start([4, 3], 0.1, 0)}, "start must be stacks"), ({"rate": 0.0}, "rate must lie in"),
     ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"), ({"tolerance": -1.0}, "tolerance must lie in")],
)  # fmt: skip
def test_descent_refuses_what_it_cannot_do(changed, message):
    with pytest.raises(ValueError, match=message):
        population_descent(MODEL, **{"start": stack([4, 3], 0.1, 0, 2), "minimum": 0.0} | changed)


def test_runge_kutta_is_the_flow_to_fourth_order(seed):
    """Halving the step divides the error by 16 (order 4 to 4.2 over eight seeds); stacks, models of their own."""
    start, models = stack([4, 4, 3], 0.3, seed, 2), [MODEL, OTHER]
    exact = population_flow(models, start, 1.0, head_rate=2.0, rtol=1e-12)
    errors = []
    for steps in (200, 400):
        layers = population_runge_kutta(models, start, 1.0, steps=steps, head_rate=2.0)
        errors.append(max(np.abs(a - b).max() for a, b in zip(layers, exact, strict=True)))
    assert errors[1] < 1e-6
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.4)
    one = population_flow(OTHER, [layer[1] for layer in start], 1.0, head_rate=2.0, rtol=1e-12)
    np.testing.assert_allclose(exact[0][1], one[0], atol=1e-9)


def test_steps_that_are_too_long_are_an_error(seed):
    with pytest.raises(RuntimeError, match="not finite with steps of 2"):
        population_runge_kutta(MODEL, random_start([4, 4, 3], 0.5, seed), 200.0, steps=100)
