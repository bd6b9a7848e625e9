"""InfoNCE with inner products: the law of the weights against optimisation of the exact population loss."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

import theory
from theory.features.info_nce import inner_product_gram, retention_for

MODEL = theory.FeatureModel([0.9, 1.4], [0.1, 0.3], 0.6)
THREE = theory.FeatureModel([0.7, 1.2, 1.0], [0.2, 0.1, 1.0], 0.5)


def population(model, nodes):
    """Points (n, k) and probabilities (n,) of one view, up to the overall sign: signs times Gauss-Hermite nodes."""
    k = model.num_features
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    noise = np.array(list(itertools.product(z, repeat=k)))
    probability = np.prod(list(itertools.product(weight / weight.sum(), repeat=k)), axis=1)
    signs = np.array([(1, *rest) for rest in itertools.product((-1, 1), repeat=k - 1)])
    points = (signs[:, None] * model.phi + model.sigma * noise).reshape(-1, k)
    return points, np.tile(probability / len(signs), len(signs))


def loss_and_slope(gram, model, temperature, sample):
    """Population InfoNCE and its slope by a Gram matrix of any kind; negatives are averaged in closed form."""
    x, probability = sample
    b = x @ gram / temperature
    logs = np.logaddexp(model.phi * b, -model.phi * b) - np.log(2) + (model.sigma * b) ** 2 / 2
    loss = -np.trace(gram @ model.cross_cov) / temperature + probability @ logs.sum(1)
    pull = (model.phi * np.tanh(model.phi * b) + model.sigma**2 * b) * probability[:, None]
    slope = pull.T @ x - model.cross_cov
    return loss, (slope + slope.T) / (2 * temperature)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_the_law_is_stationary_among_all_matrices(temperature):
    after = theory.layer_weights(MODEL, 1, loss="inner", temperature=temperature)[0]
    _, slope = loss_and_slope(np.diag(after**2), MODEL, temperature, population(MODEL, 80))
    assert np.abs(temperature * slope).max() < 1e-10
    spectral = theory.layer_weights(MODEL, 1)[0] * np.sqrt(temperature)
    _, wrong = loss_and_slope(np.diag(spectral**2), MODEL, temperature, population(MODEL, 80))
    assert np.abs(temperature * wrong).max() > 0.05


@pytest.mark.parametrize("model, outputs", [(MODEL, 2), (MODEL, 3), (THREE, 3), (THREE, 2)])
def test_an_optimiser_that_is_not_given_the_law_finds_it(model, outputs, seed):
    """Also with as few outputs as there are features that the views share."""
    rng, sample = np.random.default_rng([seed, outputs]), population(model, 24)

    def objective(flat):
        network = flat.reshape(outputs, -1)
        loss, slope = loss_and_slope(network.T @ network, model, 0.5, sample)
        return loss, (2 * network @ slope).ravel()

    start = rng.standard_normal(outputs * model.num_features)
    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    network = found.x.reshape(outputs, -1)
    after = theory.layer_weights(model, 1, outputs, "inner", 0.5)[0]
    np.testing.assert_allclose(network.T @ network, np.diag(after**2), atol=2e-5)


def test_two_layers_from_a_balanced_random_start_end_at_the_powers_of_the_weight(seed):
    rng, sample, tau = np.random.default_rng([seed, 9]), population(MODEL, 24), 0.5
    left, _, right = np.linalg.svd(rng.standard_normal((2, 2)))
    root = np.sqrt([0.5, 0.8])
    first, second = root[:, None] * right, left * root

    def velocity(_, flat):
        w1, w2 = flat.reshape(2, 2, 2)
        _, slope = loss_and_slope(w1.T @ w2.T @ w2 @ w1, MODEL, tau, sample)
        outer = 2 * w2 @ w1 @ slope
        return -np.ravel([w2.T @ outer, outer @ w1.T])

    end = solve_ivp(velocity, (0, 60), np.ravel([first, second]), "DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    w1, w2 = end.reshape(2, 2, 2)
    before, after = theory.layer_weights(MODEL, loss="inner", temperature=tau)
    np.testing.assert_allclose(w1.T @ w1, np.diag(before**2), atol=1e-6)
    np.testing.assert_allclose(w1.T @ w2.T @ w2 @ w1, np.diag(after**2), atol=1e-6)


def test_with_fewer_outputs_than_features_mixing_can_win():
    """One output, three features: a direction between two of them beats every single feature."""
    model = theory.FeatureModel([2.558, 2.482, 2.519], 1 - np.sqrt([0.6843, 0.6293, 0.6767]), 0.0964)
    sample = population(model, 24)

    def loss(direction):
        return loss_and_slope(np.outer(direction, direction), model, 1.0, sample)[0]

    single = min(
        loss(np.sqrt(gram) * axis) for gram, axis in zip(inner_product_gram(model), np.eye(3), strict=True)
    )
    assert loss(np.array([0.3393, 0.0, 0.1192])) < single - 1e-3
    with pytest.raises(theory.AssumptionError, match="embed_dim must be at least 3"):
        theory.layer_weights(model, embed_dim=1, loss="inner")


def test_temperature_scales_all_weights_and_nothing_else():
    cold, warm = (theory.layer_weights(MODEL, 3, loss="inner", temperature=tau) for tau in (0.1, 1.6))
    np.testing.assert_allclose(warm / cold, np.array([[2], [4], [8]]) ** (2 / 3) / np.ones(2), rtol=1e-13)
    np.testing.assert_array_equal(
        theory.layer_weights(MODEL, loss="inner"), theory.layer_weights(MODEL, loss="inner", temperature=1.0)
    )


def test_the_weight_lies_between_its_bounds_and_is_spectral_under_much_noise():
    rng = np.random.default_rng(0)
    model = theory.FeatureModel(10 ** rng.uniform(-1, 1, 300), rng.uniform(0, 1, 300), 0.7)
    spectral, gram = theory.layer_weights(model, 1)[0] ** 2, inner_product_gram(model)
    assert np.all(gram >= spectral * (1 - 1e-12))
    assert np.all(gram <= spectral * model.variance / model.sigma**2 * (1 + 1e-12))
    faint = theory.FeatureModel([0.01, 0.03], 0.0, 1.0)
    np.testing.assert_allclose(inner_product_gram(faint), theory.layer_weights(faint, 1)[0] ** 2, rtol=2e-6)


def test_without_noise_the_weight_is_an_inverse_tanh():
    phi, rho = np.array([0.5, 2.0]), np.array([0.81, 0.3])
    model = theory.FeatureModel(phi, 1 - np.sqrt(rho), 0.0)
    np.testing.assert_allclose(inner_product_gram(model), np.arctanh(rho) / phi**2, rtol=1e-12)
    nearly = theory.FeatureModel(phi, 1 - np.sqrt(rho), 1e-6)
    np.testing.assert_allclose(inner_product_gram(nearly), np.arctanh(rho) / phi**2, rtol=1e-9)
    with pytest.raises(theory.AssumptionError, match="falls for ever"):
        theory.layer_weights(theory.FeatureModel(phi, [0.0, 0.5], 0.0), loss="inner")


def test_ten_thousand_random_features_solve_their_equation():
    rng = np.random.default_rng(1)
    for sigma in 10 ** rng.uniform(-3, 2, 10):
        phi, alpha = 10 ** rng.uniform(-3, 3, 1000), rng.uniform(0, 1, 1000) * (rng.random(1000) < 0.9)
        model = theory.FeatureModel(phi, alpha, sigma)
        gram = inner_product_gram(model)
        back = retention_for(gram, model.phi, np.full(1000, model.sigma))
        np.testing.assert_allclose(back, model.retention, rtol=1e-12)


def test_heads_take_the_weights_of_the_loss():
    s = theory.layer_weights(MODEL, 1, loss="inner", temperature=0.3)[0]
    for scheme, expected in (
        (theory.NoHead(), s),
        (theory.JointTraining(), np.sqrt(s)),
        (theory.LayerOf(1, 3), np.cbrt(s)),
        (theory.FrozenHead(2 * np.eye(2)), s / 2),
        (theory.Bilevel(0.4), [0.4, 0.4]),
        (theory.HeadSpeed(0.0, 16.0), np.sqrt(s) / 2),
    ):
        np.testing.assert_allclose(
            theory.pre_head_weights(MODEL, scheme, loss="inner", temperature=0.3), expected, rtol=1e-12
        )
        after = theory.post_head_weights(MODEL, scheme, loss="inner", temperature=0.3)
        np.testing.assert_allclose(after, s, rtol=1e-13)
    dimensions = theory.effective_dimensions(MODEL, theory.NoHead(), loss="inner")
    assert dimensions.weights_after == pytest.approx(np.sum(s**2) ** 2 / np.sum(s**4), rel=1e-12)
    with pytest.raises(theory.AssumptionError, match="covered for loss='spectral' only"):
        theory.pre_head_weights(MODEL, theory.WeightDecay(0.1, 0.1), loss="inner")


def test_bad_loss_and_temperature_are_refused():
    with pytest.raises(ValueError, match="loss must be one of 'spectral', 'inner', got 'cosine'"):
        theory.layer_weights(MODEL, loss="cosine")
    with pytest.raises(ValueError, match="temperature belongs to loss='inner'"):
        theory.layer_weights(MODEL, temperature=0.5)
    with pytest.raises(ValueError, match="temperature must lie in"):
        theory.layer_weights(MODEL, loss="inner", temperature=0.0)
    with pytest.raises(theory.AssumptionError, match="no temperature"):
        theory.pre_head_weights(MODEL, theory.WeightDecay(0.1, 0.1), temperature=0.5)


def indicator_gap(model, target):
    before, after = theory.sample_complexity(model, theory.layer_weights(model, loss="inner"), target)
    return before / after - 1


@pytest.mark.parametrize("vary", ["alpha", "phi"])
def test_boundary_is_where_the_indicators_cross(vary):
    """200 random models: a tie at every end, after wins inside, before wins outside, and no third sign change."""
    rng, ends = np.random.default_rng(2), 0
    for _ in range(200):
        sigma = 0.0 if rng.random() < 0.1 else rng.uniform(0.05, 1.0)
        model = theory.FeatureModel(
            rng.uniform(0.3, 3, 3), rng.uniform(0.01, 0.9, 3), sigma, two_sided=bool(rng.integers(2))
        )
        boundary = theory.before_head_boundary(model, 0, vary, loss="inner")
        assert boundary.selection is None
        assert boundary.before_wins == (indicator_gap(model, 0) < 0)
        for end, inward in ((boundary.lower, 1), (boundary.upper, -1)):
            if end is None or (vary == "alpha" and end < 1e-3):
                continue
            ends += 1
            assert abs(indicator_gap(model.with_feature(0, **{vary: end}), 0)) < 1e-9
            inside, outside = (end * (1 + side * 1e-4) for side in (inward, -inward))
            if boundary.lower is None or boundary.upper / boundary.lower > 1.01:
                assert indicator_gap(model.with_feature(0, **{vary: inside}), 0) > 0
            assert indicator_gap(model.with_feature(0, **{vary: outside}), 0) < 0
        for value in (0.05, 0.5, 0.95) if vary == "alpha" else (1e-3, 0.1, 0.5, 2.0, 30.0, 1e3):
            after_wins = indicator_gap(model.with_feature(0, **{vary: value}), 0) > 0
            between = (boundary.lower or 0.0) < value < (boundary.upper or 0.0)
            assert after_wins == between
    assert ends > 100


def test_best_depth_and_layer_and_crossings_use_the_loss():
    model = theory.FeatureModel([0.5, 1.0, 2.0], [0.05, 0.3, 0.5], 0.3)
    after = theory.layer_weights(model, 1, loss="inner")[0]
    depth = theory.best_depth(model, 1, loss="inner")
    grid = np.linspace(0, 1, 2001)
    values = [theory.sample_complexity(model, after**t, 1) for t in grid]
    assert depth == pytest.approx(grid[np.argmin(values)], abs=1e-3)
    assert depth != theory.best_depth(model, 1)
    layer = theory.best_layer(model, 1, 7, loss="inner")
    assert layer == 1 + np.argmin([theory.sample_complexity(model, after ** (i / 7), 1) for i in range(1, 8)])
    search = dict(vary="alpha", low=0.0, high=0.9)
    crossing = theory.averaging_crossings(model, 0, 4, **search, loss="inner")
    assert len(crossing) == 1
    moved = model.with_feature(0, alpha=crossing[0])
    before, after = theory.averaging_accuracy(moved, theory.layer_weights(moved, loss="inner"), 0, 4)
    assert before == pytest.approx(after, abs=1e-11)
