"""Learning curves against direct integration of the matrix gradient flow, and their limits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import theory
from theory.features import dynamics

MODEL = theory.FeatureModel([0.5, 1.0, 1.5, 1.0], [0.1, 0.2, 0.9, 1.0], 0.4)


def matrix_flow(model, start, times, depth=2):
    """Gradient flow of L(W_L ... W_1) from the balanced diagonal start, every entry of all matrices free."""
    k = model.num_features

    def product(matrices):
        return np.linalg.multi_dot([np.eye(k), *matrices[::-1], np.eye(k)])

    def velocity(_, flat):
        layers = flat.reshape(depth, k, k)
        w = product(layers)
        outer = -4 * w @ model.cross_cov + 4 * w @ model.cov @ w.T @ w @ model.cov
        rates = [-product(layers[i + 1 :]).T @ outer @ product(layers[:i]).T for i in range(depth)]
        return np.ravel(rates)

    flat = np.tile(np.diag(start ** (1 / depth)).ravel(), depth)
    flow = solve_ivp(velocity, (0, times[-1]), flat, "DOP853", times, rtol=1e-12, atol=1e-14, first_step=1e-5)
    return np.stack([np.diag(product(layers)) for layers in flow.y.T.reshape(-1, depth, k, k)])


STARTS = [np.full(4, 0.02), np.array([0.1, 0.3, 0.5, 0.7]), np.array([2.0, 1.5, 3.0, 1.0])]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("start", STARTS, ids=str)
def test_learning_curve_is_the_matrix_flow(start, depth):
    times = np.array([0.0, 0.05, 0.2, 0.5, 1.0, 3.0])
    flow = matrix_flow(MODEL, start, times, depth)
    np.testing.assert_allclose(theory.learning_curve(MODEL, times, start, depth), flow, rtol=1e-9)
    other = theory.learning_curve(MODEL, times, start, depth + 1)
    assert np.abs(other / flow - 1).max() > 0.01


def test_limits_zero_time_long_time_and_zero_start():
    start = np.array([0.1, 0.2, 0.3, 0.0])
    curve = theory.learning_curve(MODEL, [0.0, 1e6], start)
    np.testing.assert_allclose(curve[0], start, rtol=1e-13)
    np.testing.assert_allclose(curve[1, :3], theory.layer_weights(MODEL)[-1, :3], rtol=1e-12)
    assert np.all(curve[:, 3] == 0)


@pytest.mark.parametrize("depth", [1, 2, 3, 50])
@pytest.mark.parametrize("start", [1e-300, 1e-200, 1e-12, 1e12, 1e70, 1e120, 1e300])
def test_the_limit_is_reached_from_starts_of_any_size(start, depth):
    """A start far above the limit must not lose the growth term, and one far below must not divide by zero."""
    model = theory.FeatureModel([1.0], [0.1], 0.5)
    late = 10 ** min(300.0, 6 + max(0.0, -np.log10(start)) * (2 - 2 / depth))
    first, last = theory.learning_curve(model, [0.0, late], start, depth)
    assert first[0] == pytest.approx(start, rel=1e-12)
    if late < 1e300:
        assert last[0] == pytest.approx(theory.layer_weights(model)[-1, 0], rel=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_far_and_the_moderate_formula_agree_where_one_takes_over(depth):
    model = theory.FeatureModel([1.0], [0.1], 0.5)
    for start in (1e-13, 1e13):
        times = np.concatenate([[0.0], np.geomspace(1e-60, 1e30, 4001)])
        curve = theory.learning_curve(model, times, start, depth)[:, 0]
        assert np.all(np.diff(curve) * (1 if start < 1 else -1) >= -1e-12 * curve[1:])


def test_fixed_point_is_constant():
    weights = theory.layer_weights(MODEL)[-1, :3]
    model = theory.FeatureModel(MODEL.phi[:3], MODEL.alpha[:3], MODEL.sigma)
    np.testing.assert_allclose(
        theory.learning_curve(model, [0.0, 0.1, 7.0], weights), np.tile(weights, (3, 1))
    )


def test_fully_disrupted_feature_decays_as_the_cube_root_of_time():
    times = np.array([1e4, 1e5, 1e6])
    curve = theory.learning_curve(MODEL, times, 1.0)[:, 3]
    slope = np.diff(np.log(curve)) / np.diff(np.log(times))
    np.testing.assert_allclose(slope, -1 / 3, atol=1e-5)
    np.testing.assert_allclose(curve[-1], (24 * MODEL.variance[3] ** 2 * 1e6) ** (-1 / 3), rtol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_collapse_asymptote_is_the_late_learning_curve(depth):
    lost = theory.FeatureModel([1.0, 0.4], 1.0, 0.5)
    times = np.array([1e9, 1e11])
    curve = theory.learning_curve(lost, times, 0.3, depth)
    late = theory.collapse_asymptote(lost, times, depth)
    np.testing.assert_allclose(late.after, curve, rtol=1e-5)
    np.testing.assert_allclose(late.before, curve ** (1 - 1 / depth), rtol=1e-5)
    slope = np.log(late.after[1] / late.after[0]) / np.log(100)
    np.testing.assert_allclose(slope, {1: -1 / 2, 2: -1 / 3, 3: -3 / 10, 4: -2 / 7}[depth])
    with pytest.raises(theory.AssumptionError, match="do not collapse"):
        theory.collapse_asymptote(MODEL, times, depth)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_half_time_is_where_the_learning_curve_is_at_half(depth):
    model = theory.FeatureModel([0.5, 1.0, 1.5], [0.1, 0.2, 0.9], 0.4)
    limit = theory.layer_weights(model)[-1]
    start = np.array([1e-3, 1e-8, 0.4]) * limit
    times = theory.half_time(model, start, depth)
    for i, time in enumerate(times):
        early, late = theory.learning_curve(model, time * np.array([1 - 1e-10, 1 + 1e-10]), start, depth)[
            :, i
        ]
        assert early < limit[i] / 2 < late


def test_half_time_of_a_small_start_with_and_without_a_head():
    """The stepwise law: inputs of second moment G, pairs without augmentation."""
    model = theory.FeatureModel([0.5, 1.0, 1.5], 0.0, 0.0)
    for start in (1e-6, 1e-9):
        np.testing.assert_allclose(theory.half_time(model, start), 1 / (8 * model.phi**2 * start), rtol=1e-4)
        alone = np.log(model.phi**-1 / start) / (4 * model.phi**2)
        np.testing.assert_allclose(theory.half_time(model, start, depth=1), alone, rtol=0.05)
    assert np.ptp(model.correlation) == 0  # the minimum does not choose between the features


def test_half_time_with_a_head_is_that_of_two_layers():
    model = theory.FeatureModel([0.5, 1.0, 1.5], [0.1, 0.2, 0.9], 0.4)
    one, two, three = (theory.half_time(model, 1e-4, depth) for depth in (1, 2, 3))
    np.testing.assert_array_equal(theory.half_time(model, 1e-4, head=True), two)
    np.testing.assert_array_equal(theory.half_time(model, 1e-4), two)
    np.testing.assert_array_equal(theory.half_time(model, 1e-4, head=False), one)
    np.testing.assert_array_equal(theory.half_time(model, 1e-4, 4, head=False), three)
    assert np.all(two > 10 * one)
    with pytest.raises(ValueError, match="depth must be an integer >= 2"):
        theory.half_time(model, 1e-4, 1, head=False)


def test_two_layers_keep_their_numbers():
    """Numbers of the first version, which solved the elementary equation of two layers alone."""
    times, start = [0.03, 0.4, 5.0], [0.05, 0.2, 3.0, 0.6]
    first = [
        [0.050121541969622894, 0.20577439745884035, 0.6201255921605119, 0.5631755147379187],
        [0.0516705349222503, 0.3103700152669438, 0.26467871488600175, 0.38482430483495794],
        [0.08383498591122708, 0.6896551724137461, 0.11989322764597402, 0.18191787271472534],
    ]
    np.testing.assert_allclose(theory.learning_curve(MODEL, times, start), first, rtol=1e-14)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_equation_of_two_layers_is_the_series_of_any_depth(side):
    """y - coth y and y - tanh y against the incomplete beta function at an exponent 1e-9 away."""
    y = np.geomspace(0.05, 20, 60)
    power = -0.5 if side == -1 else 1.5
    elementary = dynamics._half_beta(y, power)
    around = [dynamics._half_beta(y, power + shift) for shift in (-1e-6, 1e-6)]
    difference = np.mean(around, axis=0) - elementary
    np.testing.assert_allclose(difference, difference[-1], atol=2e-9)  # an integration constant
    goal = elementary[[0, 20, 59]]
    np.testing.assert_allclose(dynamics._solve_two_layers(goal, side), y[[0, 20, 59]], rtol=1e-12)


def test_half_time_needs_a_limit_above_the_start():
    with pytest.raises(theory.AssumptionError, match="positive retention"):
        theory.half_time(MODEL, 0.01)
    one = theory.FeatureModel([1.0], [0.1], 0.5)
    with pytest.raises(theory.AssumptionError, match="below half"):
        theory.half_time(one, 0.5)
    with pytest.raises(ValueError, match="start must lie in"):
        theory.half_time(one, 0.0)


@pytest.mark.parametrize("ratio", [1e-8, 1e-3, 0.5, 1 - 1e-9, 1 + 1e-9, 2.0, 1e3, 1e8])
def test_satisfies_its_equation_from_any_start(ratio):
    """d s / d t by a central difference in time, off the jump of a tiny start equals the right-hand side."""
    model = theory.FeatureModel([0.8], [0.3], 0.5)
    c1, c2 = (model.retention * model.phi**2)[0], (model.variance**2)[0]
    fixed = np.sqrt(c1 / c2)
    natural = 1 / (8 * c1 * fixed * max(ratio, ratio**3))
    for t in natural * np.array([0.3, 0.8, 3.0]):
        low, mid, high = theory.learning_curve(model, t * np.array([1 - 1e-5, 1, 1 + 1e-5]), ratio * fixed)[
            :, 0
        ]
        right = 8 * c1 * mid**2 - 8 * c2 * mid**4
        assert (high - low) / (2e-5 * t) == pytest.approx(right, rel=1e-5, abs=1e-9 * mid / t + 1e-14 * c2)


def test_stronger_pull_is_learnt_first():
    model = theory.FeatureModel([1.0, 1.0, 1.0], [0.0, 0.3, 0.6], 0.3)
    curve = theory.learning_curve(model, np.linspace(0.01, 2, 50), 0.01)
    assert np.all(np.diff(curve, axis=1) <= 0)


@pytest.mark.parametrize(
    ("times", "start", "message"),
    [
        ([-1.0], 0.1, "times must lie in"),
        ([[1.0]], 0.1, "times must be a scalar or a vector"),
        ([1.0], -0.1, "start must lie in"),
        ([1.0], [0.1, 0.2], r"start must be a scalar or have shape \(4,\)"),
        ([np.inf], 0.1, "times must be finite"),
    ],
)
def test_bad_input(times, start, message):
    with pytest.raises(ValueError, match=message):
        theory.learning_curve(MODEL, times, start)


def test_scalar_time_gives_a_vector():
    assert theory.learning_curve(MODEL, 1.0, 0.1).shape == (4,)
