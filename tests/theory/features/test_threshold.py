"""Thresholded features: closed forms against integration of the flow, conserved quantities, and both branches."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import theory


def test_definition_4_1_from_ones_the_feature_is_absent_after_and_present_before():
    for phi in (0.3, 1.0, 2.5):
        limit = theory.thresholded_limit(phi)
        assert limit.w1 == pytest.approx(1 / (1 + phi**2), rel=1e-14)
        assert limit.w1 * phi == pytest.approx(limit.b, rel=1e-14)
        assert limit.w2 == pytest.approx(np.sqrt(1 - phi**2 / (1 + phi**2)), rel=1e-13)


def test_a_feature_below_the_threshold_or_without_head_does_not_move():
    assert theory.thresholded_limit(0.5, 1.0, 1.0, 0.6, retention=0.5) == (1.0, 1.0, 0.6)
    assert theory.thresholded_limit(0.5, 1.0, 0.0, 0.1, retention=0.5) == (1.0, 0.0, 0.1)


def test_the_other_branch_loses_the_head():
    phi, w1, w2, b = 1.5, 1.0, 0.2, 0.1
    limit = theory.thresholded_limit(phi, w1, w2, b)
    assert limit.w2 == 0
    assert limit.w1 + phi * limit.b == pytest.approx(w1 + phi * b, rel=1e-14)
    delta = (w1 * phi - b) ** 2 - (1 + phi**2) * w2**2
    assert (limit.w1 * phi - limit.b) ** 2 == pytest.approx(delta, rel=1e-13)


def test_signs_are_those_of_the_start():
    up, down = theory.thresholded_limit(0.7, 1.0, 0.4), theory.thresholded_limit(0.7, -1.0, -0.4)
    assert down == (-up.w1, -up.w2, up.b)


STARTS = [
    (0.8, 1.0, 0.9, 0.1, 0.0, 20_000.0),
    (1.5, 1.0, 0.2, 0.1, 0.0, 20_000.0),
    (0.8, 1.2, 1.4, 0.2, 0.3, 60.0),  # threshold rises
    (1.4, 0.9, 0.3, 0.6, 0.3, 60.0),  # falls and stays positive
    (0.7, 0.3, 0.2, 0.05, 0.6, 60.0),  # falls to zero
    (1.7, 0.3, 0.2, 0.0, 0.6, 60.0),  # starts at zero
]


@pytest.mark.parametrize("phi, w1, w2, b, rho, time", STARTS)
def test_the_limit_is_the_end_of_the_flow(phi, w1, w2, b, rho, time):
    limit = theory.thresholded_limit(phi, w1, w2, b, retention=rho)
    path = theory.thresholded_path([phi], w1, w2, np.array([b]), [time], retention=rho)
    slow = 0.02 if rho == 0 else 1e-7  # without retention the amplitude falls slowly
    np.testing.assert_allclose(limit, [path.w1[0, 0], path.w2[0, 0], path.b[0, 0]], atol=slow)


def smooth_flow(phi, w1, w2, b, rho, time, width):
    """Flow with both ReLUs smoothed, threshold free: no case is told apart."""

    def soft(z):
        return width * np.logaddexp(0, z / width), 1 / (1 + np.exp(-np.clip(z / width, -500, 500)))

    def velocity(_, state):
        w1, w2, b = state
        up, down = soft(w1 * phi - b), soft(-w1 * phi - b)
        a = w2 * (up[0] - down[0])
        g = 4 * a**3 - 4 * rho * a
        return [-g * w2 * phi * (up[1] + down[1]), -g * (up[0] - down[0]), g * w2 * (up[1] - down[1])]

    return solve_ivp(velocity, (0, time), [w1, w2, b], "DOP853", rtol=1e-9, atol=1e-11).y[:, -1]


@pytest.mark.parametrize(
    "phi, w1, w2, b, rho",
    [(1.5, 0.3, 0.4, 0.05, 0.8), (0.4, 0.3, 0.25, 0.02, 0.5), (0.6, 0.2, 0.5, 0.0, 0.3)],
)
def test_a_free_threshold_turns_negative_and_may_slide_along_its_kink(phi, w1, w2, b, rho):
    free = theory.thresholded_limit(phi, w1, w2, b, retention=rho, clipped=False)
    held = theory.thresholded_limit(phi, w1, w2, b, retention=rho)
    assert free.b < 0 == held.b
    ends = [smooth_flow(phi, w1, w2, b, rho, 200.0, width) for width in (1e-3, 5e-4)]
    errors = [np.abs(end - free).max() for end in ends]
    assert errors[1] < 0.7 * errors[0] < 0.01 or errors[0] < 1e-6


def test_a_shared_threshold_conserves_one_sum_and_drops_the_weakest_first():
    phi = np.array([0.5, 1.0, 1.5])
    path = theory.thresholded_path(phi, 1.0, 1.0, 0.0, [0.5, 5.0, 50.0])
    np.testing.assert_allclose(path.b + (path.w1 / phi).sum(1), np.sum(1 / phi), atol=1e-8)
    above = path.w1 * phi > path.b[:, None]
    assert above[-1].tolist() == [False, True, True]
    np.testing.assert_allclose(path.w1[-1, 0], path.w1[0, 0], atol=0.05)


def test_own_thresholds_are_independent_features():
    phi, times = np.array([0.7, 1.3]), [0.3, 2.0]
    both = theory.thresholded_path(phi, 0.9, 0.8, np.array([0.1, 0.2]), times, retention=[0.0, 0.4])
    one = theory.thresholded_path(phi[1:], 0.9, 0.8, np.array([0.2]), times, retention=0.4)
    np.testing.assert_allclose(both.w1[:, 1:], one.w1, atol=1e-8)
    assert both.b.shape == (2, 2)


@pytest.mark.parametrize(
    "arguments, message",
    [((0.0,), "phi"), ((1.0, 1.0, 1.0, -0.1), "b must lie in"), ((1.0, np.nan), "w1 must be finite")],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.thresholded_limit(*arguments)
    with pytest.raises(ValueError, match="retention must lie in"):
        theory.thresholded_limit(1.0, retention=1.5)
    with pytest.raises(ValueError, match="times must increase"):
        theory.thresholded_path([1.0], 1.0, 1.0, 0.0, [1.0, 0.5])


def test_the_start_is_the_path_at_time_0():
    path = theory.thresholded_path([1.0, 2.0], 0.0, 1.0, 0.5, 0.0)
    assert path.w1.tolist() == [[0.0, 0.0]] and path.w2.tolist() == [[1.0, 1.0]] and path.b.tolist() == [0.5]
    longer = theory.thresholded_path([1.0, 2.0], 0.9, 1.0, 0.5, [0.0, 1.0])
    assert longer.w1.shape == (2, 2) and longer.w1[0].tolist() == [0.9, 0.9]
    later = theory.thresholded_path([1.0, 2.0], 0.9, 1.0, 0.5, 1.0)
    np.testing.assert_allclose(longer.w1[1], later.w1[0], rtol=1e-7)
    with pytest.raises(ValueError, match="times must be a time or a list of times"):
        theory.thresholded_path([1.0], 0.5, 1.0, 0.1, [])
