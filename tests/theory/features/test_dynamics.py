"""Learning curves against direct integration of the matrix gradient flow, and their limits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import theory

MODEL = theory.FeatureModel([0.5, 1.0, 1.5, 1.0], [0.1, 0.2, 0.9, 1.0], 0.4)


def matrix_flow(model, start, times):
    """Gradient flow of L(W2 W1) from the balanced diagonal start, every entry of both matrices free."""
    k = model.num_features

    def velocity(_, flat):
        first, second = flat.reshape(2, k, k)
        w = second @ first
        outer = -4 * w @ model.cross_cov + 4 * w @ model.cov @ w.T @ w @ model.cov
        return -np.concatenate([(second.T @ outer).ravel(), (outer @ first.T).ravel()])

    flat = np.tile(np.diag(np.sqrt(start)).ravel(), 2)
    flow = solve_ivp(velocity, (0, times[-1]), flat, "DOP853", times, rtol=1e-12, atol=1e-14)
    first, second = np.moveaxis(flow.y.reshape(2, k, k, -1), -1, 1)
    return np.stack([np.diag(s @ f) for f, s in zip(first, second, strict=True)])


@pytest.mark.parametrize(
    "start", [np.full(4, 0.02), np.array([0.1, 0.3, 0.5, 0.7]), np.array([2.0, 1.5, 3.0, 1.0])]
)
def test_learning_curve_is_the_matrix_flow(start):
    times = np.array([0.0, 0.05, 0.2, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(
        theory.learning_curve(MODEL, times, start), matrix_flow(MODEL, start, times), rtol=1e-9
    )


def test_limits_zero_time_long_time_and_zero_start():
    start = np.array([0.1, 0.2, 0.3, 0.0])
    curve = theory.learning_curve(MODEL, [0.0, 1e6], start)
    np.testing.assert_allclose(curve[0], start, rtol=1e-13)
    np.testing.assert_allclose(curve[1, :3], theory.layer_weights(MODEL)[-1, :3], rtol=1e-12)
    assert np.all(curve[:, 3] == 0)


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
