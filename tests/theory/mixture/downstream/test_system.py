"""The downstream equations: one point in floats and many in arrays are the same equations with the same solution."""

import numpy as np
import pytest

import theory
from theory.mixture.downstream.equations import Problem, equations, equations_alone
from theory.mixture.downstream.losses import Hinge, Logistic

POINTS, SOLVED = 1000, 200
LOSSES = pytest.mark.parametrize("loss", [Hinge(), Logistic()], ids=["hinge", "logistic"])
EDGES = [
    (0.0, 2.0, 0.3, 0.1),
    (1.0, 2.0, np.inf, 0.1),
    (1.0, 8.0, 0.3, 0.0),
    (1.0, 2.0, 0.3, 0.0),
    (1e-6, 3e-2, -0.999, 1e3),
]


def between(rng, low, high):
    return np.exp(rng.uniform(np.log(low), np.log(high), POINTS))


def random_points(seed):
    rng = np.random.default_rng([seed, 78])
    return [between(rng, *ends) for ends in ((0.2, 3), (0.2, 30), (0.05, 20), (1e-8, 100))]


def worst(found, expected, floor=0.0):
    return np.max(np.abs(np.array(found) - expected) / np.maximum(np.abs(expected), floor))


@LOSSES
def test_moments_of_floats_are_those_of_arrays(loss, seed):
    """The logistic range of integration is shared by an array, so its tails differ: below 1e-12 of the average."""
    rng = np.random.default_rng([seed, 79])
    arguments = rng.normal(size=POINTS) * 3, between(rng, 0.03, 30), between(rng, 1e-4, 1e4)
    whole = loss.moments(*arguments)
    alone = [loss.moments(*point) for point in np.transpose(arguments).tolist()]
    for field in ("first", "second", "curvature"):
        assert worst([getattr(one, field) for one in alone], getattr(whole, field), 1e-100) < 1e-12
    slopes, expected = np.array([one.slopes for one in alone]), np.moveaxis(np.array(whole.slopes), 2, 0)
    scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert np.max(np.abs(slopes - expected) / np.maximum(scale, 1e-100)) < 1e-11


@LOSSES
def test_equations_and_jacobian_of_floats_are_those_of_arrays(loss, seed):
    """Both evaluate the same sums; residuals are logarithms of order 1 to 10, so 1e-12 is absolute."""
    r, delta, grown, penalty = random_points(seed)
    cost = grown**-2.0
    logs = np.random.default_rng([seed, 80]).normal(size=(POINTS, 3))
    residual, jacobian = equations(loss, Problem(r[:, None], cost[:, None], delta, penalty), logs)
    points = np.transpose([r, cost, delta, penalty]).tolist()
    alone = [equations_alone(loss, *both) for both in zip(points, logs.tolist(), strict=True)]
    np.testing.assert_allclose([one[0] for one in alone], residual, atol=1e-12)
    np.testing.assert_allclose([one[1] for one in alone], jacobian, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("classifier", ["hinge", "logistic"])
def test_scalar_calls_are_the_array_call(classifier, seed):
    """Residuals are solved to 2e-14; the equations amplify that at most a hundredfold at these points."""
    r, delta, grown, penalty = random_points(seed)
    points = np.concatenate([np.transpose([r, delta, grown - 1, penalty])[:SOLVED], EDGES])
    whole = theory.downstream_overlaps(classifier, *points.T)
    alone = [theory.downstream_overlaps(classifier, *point) for point in points.tolist()]
    for field in ("signal", "noise"):
        assert worst([getattr(one, field) for one in alone], getattr(whole, field), 1e-6) < 5e-12
    accuracy = [theory.downstream_accuracy(classifier, *point) for point in points.tolist()]
    assert worst(accuracy, theory.downstream_accuracy(classifier, *points.T)) < 1e-13


@pytest.mark.parametrize(
    "point",
    [(1.0, 2.0, -1.0, 0.1), (1.0, 0.0, 0.0, 0.1), (-1.0, 2.0, 0.0, 0.1), (1.0, 2.0, 0.0, -0.1), (1.0, np.inf, 0.0, 0.1),
     (np.nan, 2.0, 0.0, 0.1), (1.0, 2.0, np.nan, 0.1)],
)  # fmt: skip
def test_floats_are_refused_in_the_words_that_refuse_arrays(point):
    messages = []
    for arguments in (point, [[value] for value in point]):
        with pytest.raises(ValueError) as raised:
            theory.downstream_accuracy("hinge", *arguments)
        messages.append(str(raised.value).replace("[-1.]", "-1.").translate(str.maketrans("", "", "[]")))
    assert messages[0] == messages[1]


def test_a_point_that_cannot_be_solved_is_an_error():
    with pytest.raises(theory.ConvergenceError, match="penalty 1e\\+200"):
        theory.downstream_accuracy("hinge", 1.0, 2.0, 0.0, 1e200)


def test_narrow_margins_are_integrated_without_loss(seed):
    """Where both rules of the logistic loss are good to 1e-10 they agree; that of wide margins loses 1e-16 / spread."""
    rng = np.random.default_rng([seed, 85])
    arguments = rng.normal(size=POINTS) * 2, between(rng, 0.005, 0.05), between(rng, 1e-4, 1e4)
    one, other = (rule(*arguments) for rule in (Logistic()._narrow, Logistic()._wide))
    for field in ("first", "second", "curvature"):
        assert worst(getattr(one, field), getattr(other, field)) < 1e-10
    scale = np.abs(np.array(one.slopes)).max(axis=(0, 1))
    assert np.max(np.abs(np.array(one.slopes) - other.slopes) / scale) < 1e-7


def test_a_large_penalty_is_nearly_averaging():
    """1e-6 in all gains is a penalty of 1e12; the distance to averaging falls as the inverse penalty."""
    averaging = theory.downstream_accuracy("averaging", 1.5, 2.0, 0.3)
    penalties = np.array([1e4, 1e5, 1e6])
    gap = averaging - theory.downstream_accuracy("logistic", 1.5, 2.0, 0.3, penalties)
    np.testing.assert_allclose(gap * penalties, gap[0] * penalties[0], rtol=1e-2)
    spread = theory.spectrum_accuracy([1.5, 0.0], [1.3e-6, 1e-6], [1e-9, 1 - 1e-9], 2.0, 1.0, "logistic")
    assert spread == pytest.approx(averaging, abs=1e-8)
