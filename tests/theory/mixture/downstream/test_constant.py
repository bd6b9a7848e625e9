"""Where the hinge loss with a bias learns nothing but the larger class, against linear programs on data."""

import numpy as np
import pytest
from scipy.optimize import linprog

import theory
from theory.mixture.downstream.accuracy import loss_of
from theory.mixture.downstream.constant import constant_ratio
from theory.mixture.downstream.equations import Problem
from theory.mixture.downstream.system import solve

POINT = {"signal_norm": 0.6, "balance": 0.8, "flips": 0.1}


def is_constant(samples, dim, seed, *, signal_norm, balance, flips):
    """Whether no step from w = 0, b = 1 lowers the sum of the hinge losses of one training set.

    On a step (w, b) an input x of the larger label costs max(0, -(w.x + b)), one of the smaller label w.x + b. Both
    are linear in pieces, so the best step of entries at most 1 is a linear program with one slack an input.
    """
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(samples) < balance, 1.0, -1.0)
    x = rng.normal(size=(samples, dim)) + y[:, None] * ([signal_norm] + [0.0] * (dim - 1))
    larger = y * np.where(rng.random(samples) < flips, -1.0, 1.0) > 0
    seen = np.concatenate([x, np.ones((samples, 1))], axis=1)
    slacks = int(larger.sum())
    cost = np.concatenate([seen[~larger].sum(0), np.ones(slacks)])
    bounds = [(-1, 1)] * (dim + 1) + [(0, None)] * slacks
    constraints = np.concatenate([-seen[larger], -np.eye(slacks)], axis=1)
    return linprog(cost, constraints, np.zeros(slacks), bounds=bounds).fun > -1e-7


def test_the_ratio_is_where_linear_programs_turn(seed):
    """At 60 dimensions the turn is smeared; 0.6 and 1.6 times the ratio are on either side."""
    point, dim = {"signal_norm": 0.3, "balance": 0.85, "flips": 0.1}, 60
    ratio = constant_ratio(*point.values())
    below, above = (
        [is_constant(int(factor * ratio * dim), dim, [seed, 83, i], **point) for i in range(8)]
        for factor in (0.6, 1.6)
    )
    assert sum(below) <= 1 and sum(above) >= 7


@pytest.mark.parametrize(("penalty", "kappa"), [(1e-3, 0.0), (0.3, 0.0), (20.0, 3.0), (1.0, -0.8)])
def test_no_penalty_and_no_projector_changes_the_constant_classifier(penalty, kappa):
    ratio = constant_ratio(*POINT.values())
    arguments = {"bias": True, "class_balance": 0.8, "label_noise": 0.1}
    point = "hinge", 0.6, np.array([0.6, 1.0001, 3.0]) * ratio, kappa, penalty
    found = theory.downstream_accuracy(*point, **arguments)
    np.testing.assert_array_equal(found[1:], 0.8)
    assert theory.downstream_accuracy("hinge", 0.6, 3 * ratio, kappa, penalty, bias=True, class_balance=0.2,
                                      label_noise=0.1) == 0.8  # fmt: skip
    if penalty < 0.01:
        assert abs(found[0] - 0.8) > 0.01


def test_the_classifier_vanishes_as_the_ratio_is_approached():
    """Its norm falls in proportion to the distance, although the ratio was found from the constant side."""
    ratio, noise = constant_ratio(*POINT.values()), []
    for distance in (0.02, 0.01, 0.005, 0.0025):
        ends = [[0.6]], [[1.0]], [ratio * (1 - distance)], [0.3]
        problem = Problem(*map(np.array, ends), flips=np.array([0.1]), balance=np.array([0.8]))
        noise.append(solve(loss_of("hinge"), problem).noise[0] / distance)
    change = np.abs(np.diff(noise)) / noise[-1]
    assert np.all(change < [0.02, 0.01, 0.005]) and np.all(np.diff(change) < 0)


def test_the_ratio_falls_with_imbalance_and_grows_with_the_signal():
    ratios = np.array(
        [[constant_ratio(r, balance, 0.1) for balance in (0.7, 0.8, 0.95)] for r in (0.1, 0.2, 0.4)]
    )
    assert np.all(np.diff(ratios, axis=0) > 0) and np.all(np.diff(ratios, axis=1) < 0)
    assert constant_ratio(1.0, 0.5, 0.1) == np.inf
    assert constant_ratio(0.6, 0.2, 0.1) == constant_ratio(0.6, 0.8, 0.1)


def test_a_hinge_bias_never_fails_on_random_points(seed):
    """Signal 0.2 to 3, ratio 0.2 to 30, gain 0.05 to 20, penalty 1e-4 to 30, label noise to 0.45, balance to 0.95."""
    rng, number = np.random.default_rng([seed, 84]), 300

    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), number))

    points = between(0.2, 3), between(0.2, 30), between(0.05, 20) - 1, between(1e-4, 30)
    noise, balance = rng.uniform(0, 0.45, number), rng.uniform(0.05, 0.95, number)
    found = theory.downstream_accuracy("hinge", *points, bias=True, class_balance=balance, label_noise=noise)
    assert np.all((found > 0) & (found < 1))
    assert np.mean(found == np.maximum(balance, 1 - balance)) > 0.05
