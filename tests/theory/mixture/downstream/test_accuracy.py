"""Accuracy after a projector: published cells, closed forms, limits, the user's own loss, refusals."""

import numpy as np
import pytest
from scipy.special import ndtr

import theory

ROBUST = 10_000


class Squared:
    def prox(self, x, step):
        return (x + step) / (1 + step)


class HingeByProx:
    def prox(self, x, step):
        return np.where(x < 1 - step, x + step, np.maximum(x, 1))

    def kinks(self, step):
        return 1 - step, np.ones_like(step)


class LogisticByProx:
    """Newton on P + step l'(P) = x from the side where it cannot overshoot."""

    def prox(self, x, step):
        low, high = x, x + step
        for _ in range(45):
            middle = (low + high) / 2
            above = middle - step / (1 + np.exp(np.minimum(middle, 700))) > x
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2


def random_points(seed, n, smallest_penalty=1e-8):
    rng = np.random.default_rng([seed, 77])

    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    return between(0.2, 3), between(0.2, 30), between(0.05, 20) - 1, between(smallest_penalty, 100)


@pytest.mark.parametrize(
    ("classifier", "point", "expected"),
    [
        ("logistic", (1.5, 8, [-0.5, 0, 1], 1e-4), [0.89160, 0.88886, 0.88764]),
        ("logistic", (2, 20, [-0.5, 0, 1], 1e-3), [0.96917, 0.96772, 0.96686]),
        ("hinge", (1.5, 8, [-0.5, 0, 1], 1e-3), [0.89194, 0.88985, 0.88907]),
        ("hinge", (2, 20, [-0.5, 0, 1], 1e-3), [0.96427, 0.96242, 0.96160]),
        ("ridge", (1, 2, [-0.5], 0.1), [0.7117]),
        ("logistic", (1, 2, [1], 0.1), [0.8077]),
        ("hinge", (2, 5, [-0.5], 0.1), [0.9534]),
        ("hard-margin", (2, 2, [0]), [0.9384]),
        ("hard-margin", (1, [0.05, 1, 3], 0), [0.5842, 0.7017, 0.7261]),
        ("hard-margin", (1, [0.05, 1, 3], np.inf), [0.8355, 0.7766, 0.7370]),
    ],
)
def test_cells_of_an_independent_solver(classifier, point, expected):
    """Numbers of a solver written apart from this one (nested bracketing, Gauss-Hermite), to their last digit."""
    np.testing.assert_allclose(theory.downstream_accuracy(classifier, *point), expected, atol=5.1e-5)


def test_published_counterexample_to_expansion_always_helping():
    accuracy = theory.downstream_accuracy("logistic", 2.0, 20.0, np.array([-0.7, 2.0]), 1e-3)
    assert 0.0034 < accuracy[0] - accuracy[1] < 0.0037


@pytest.mark.parametrize(
    ("name", "loss", "tolerance"),
    [("ridge", Squared(), 1e-12), ("hinge", HingeByProx(), 1e-12), ("logistic", LogisticByProx(), 1e-11)],
)
def test_a_loss_given_by_its_prox_agrees_with_the_built_in_one(seed, name, loss, tolerance):
    points = random_points(seed, 25, smallest_penalty=1e-4)
    built_in = theory.downstream_accuracy(name, *points)
    np.testing.assert_allclose(theory.downstream_accuracy(loss, *points), built_in, atol=tolerance)


def test_stationarity_of_the_logistic_overlaps_on_a_large_sample(seed):
    """The gradient of the scalar problem of a Gaussian sample vanishes at the overlaps, up to sampling error."""
    r, delta, kappa, penalty = 1.2, 3.0, 0.5, 0.2
    found = theory.downstream_overlaps("logistic", r, delta, kappa, penalty)
    margins = found.signal * r + np.hypot(*found) * np.random.default_rng([seed, 8]).normal(size=40_000)
    c = (1 + kappa) ** -2

    def terms(step):
        point = LogisticByProx().prox(margins, step)
        pull = 1 / (1 + np.exp(point))
        bend = pull * (1 - pull)
        return pull, np.mean(bend / (1 + step * bend))

    step = 1 / (delta * (penalty + 0.1))
    for _ in range(25):
        pull, curvature = terms(step)
        step = 1 / (delta * (penalty + curvature))
    assert found.signal == pytest.approx(r * pull.mean() / (penalty * c + curvature), rel=1.5e-2)
    assert found.noise == pytest.approx(step * np.sqrt(np.mean(pull**2) * delta), rel=1.5e-2)


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_no_failure_on_random_points_and_the_overlap_bound(seed, classifier):
    """tau <= r sqrt(delta) max(1, (1+kappa)^2) for every loss; any unsolved point raises."""
    r, delta, kappa, penalty = random_points(seed, ROBUST if classifier != "logistic" else ROBUST // 5)
    found = theory.downstream_overlaps(classifier, r, delta, kappa, penalty)
    bound = r * np.sqrt(delta) * np.maximum(1, (1 + kappa) ** 2)
    assert np.all(found.signal / found.noise <= bound * (1 + 1e-9))


@pytest.mark.parametrize("classifier", ["logistic", "hinge"])
@pytest.mark.parametrize("penalty", [0.0, 1e-10, 1e-6])
def test_no_failure_near_the_separability_threshold(seed, classifier, penalty):
    r, _, kappa, _ = random_points(seed, 150)
    delta = theory.separability_threshold(r) * np.random.default_rng([seed, 3]).uniform(0.99, 1.01, r.size)
    accuracy = theory.downstream_accuracy(classifier, r, delta, kappa, penalty)
    assert np.all((accuracy > 0.5) & (accuracy < ndtr(r)))


def test_a_large_penalty_is_averaging_and_a_small_hinge_penalty_the_largest_margin(seed):
    r, delta, kappa, _ = random_points(seed, 40)
    averaging = theory.downstream_accuracy("averaging", r, delta, kappa)
    for classifier in ("ridge", "logistic", "hinge"):
        np.testing.assert_allclose(
            theory.downstream_accuracy(classifier, r, delta, kappa, 1e4), averaging, atol=4e-5
        )
    separable = delta < 0.5 * theory.separability_threshold(r)
    chosen = r[separable], delta[separable], np.clip(kappa[separable], -0.6, None)
    np.testing.assert_allclose(
        theory.downstream_accuracy("hinge", *chosen, 1e-8),
        theory.downstream_accuracy("hard-margin", *chosen),
        atol=1e-10,
    )


def test_averaging_closed_form_and_its_exact_finite_law():
    r, delta, kappa = 2.0, 2.0, -0.5
    limit = theory.downstream_accuracy("averaging", r, delta, kappa)
    tau = r * np.sqrt(delta) * (1 + kappa) ** 2
    assert limit == pytest.approx(ndtr(r * tau / np.sqrt(1 + tau**2)), abs=1e-14)
    bias = [theory.averaging_projector_accuracy(r, 2 * p, p, kappa) - limit for p in (100, 200, 400)]
    assert bias[0] == pytest.approx(1.03811e-3, abs=2e-8)  # Gauss-Hermite by 20,000 quantiles of chi
    np.testing.assert_allclose(np.array(bias) * [1, 2, 4], bias[0], rtol=2e-3)


def test_separability_threshold_and_its_inverse():
    norms = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    thresholds = theory.separability_threshold(norms)
    np.testing.assert_allclose(thresholds, [2.34118, 3.70003, 7.69749, 20.72295, 315.928], rtol=2e-6)
    np.testing.assert_allclose(theory.separability_signal(thresholds), norms, rtol=1e-11)
    assert theory.separability_threshold(0.0) == 2 and theory.separability_signal(1.5) == 0


def test_separability_threshold_is_the_largest_ratio_with_a_positive_margin():
    """max over angles of sin^2 / E(G - r cos)_+^2, on a fine grid of angles and by quadrature."""
    angles = np.linspace(1e-3, np.pi / 2, 4001)
    grid, step = np.linspace(-10, 10, 4001, retstep=True)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi) * step
    for r in (0.5, 1.0):
        needed = np.array([np.maximum(-r * np.cos(a) - grid, 0) ** 2 @ density for a in angles])
        assert theory.separability_threshold(r) == pytest.approx(
            np.max(np.sin(angles) ** 2 / needed), rel=1e-5
        )


def test_hard_margin_maximises_the_margin_over_the_angle():
    """Direct maximisation of k^2 / (sin^2 + c cos^2), h2 inverted by bisection."""
    r, delta, kappa = 1.3, 1.7, -0.4
    found = theory.downstream_overlaps("hard-margin", r, delta, kappa)
    angles = np.linspace(1e-4, np.pi / 2 - 1e-4, 200_001)
    low, high = np.full(angles.size, -20.0), np.full(angles.size, 20.0)
    for _ in range(60):
        b = (low + high) / 2
        above = (b**2 + 1) * ndtr(b) + b * np.exp(-(b**2) / 2) / np.sqrt(2 * np.pi) > np.sin(
            angles
        ) ** 2 / delta
        low, high = np.where(above, low, b), np.where(above, b, high)
    margin = r * np.cos(angles) + (low + high) / 2
    scaled = margin / np.sqrt(np.sin(angles) ** 2 + (1 + kappa) ** -2 * np.cos(angles) ** 2)
    best = np.argmax(scaled)
    assert found.noise / found.signal == pytest.approx(np.tan(angles[best]), rel=1e-4)
    norm = np.sqrt(found.noise**2 + (found.signal / (1 + kappa)) ** 2)
    assert 1 / norm == pytest.approx(scaled[best], rel=1e-9)


def test_hard_margin_and_ridge_improve_with_kappa(seed):
    r, delta, _, penalty = random_points(seed, 200)
    kappas = np.linspace(-0.9, 6, 24)[:, None]
    margin = theory.downstream_accuracy("hard-margin", r, np.minimum(delta, 1.9), kappas)
    ridge = theory.downstream_accuracy("ridge", r, delta, kappas, penalty)
    assert np.all(np.diff(margin, axis=0) > 0) and np.all(np.diff(ridge, axis=0) > 0)


def test_limits_in_kappa():
    shrunk, expanded = theory.accuracy_limits("hard-margin", 1.0, [1.0, 3.0])
    near = theory.downstream_accuracy("hard-margin", 1.0, [1.0, 3.0], [1e-4 - 1, 1e-4 - 1])
    np.testing.assert_allclose(shrunk, near, atol=1e-6)
    np.testing.assert_allclose(
        expanded, theory.downstream_accuracy("hard-margin", 1.0, [1.0, 3.0], 1e5), atol=1e-8
    )
    assert shrunk[1] == pytest.approx(0.70306, abs=5e-6)
    logistic = theory.accuracy_limits("logistic", 1.5, 4.0, 0.1)
    assert logistic.shrunk == 0.5
    assert theory.downstream_accuracy("logistic", 1.5, 4.0, -0.9999, 0.1) == pytest.approx(0.5, abs=1e-5)
    assert logistic.expanded == pytest.approx(
        theory.downstream_accuracy("logistic", 1.5, 4.0, 1e5, 0.1), abs=1e-9
    )
    flat = theory.accuracy_limits("logistic", 1.0, 8.0, 0.0)
    assert flat.shrunk == flat.expanded == theory.downstream_accuracy("logistic", 1.0, 8.0, 0.3, 0.0)
    ridge = theory.accuracy_limits("ridge", 1.0, 4.0, 0.0)
    assert ridge.shrunk == pytest.approx(ndtr(np.sqrt(3 / 5)), abs=1e-12)  # linear discriminant: tau^2 = 3/2


@pytest.mark.parametrize(("delta", "penalty"), [(2.0, 0.5), (0.5, 0.0)])
def test_a_penalty_or_too_few_samples_lose_a_signal_that_is_shrunk_away(delta, penalty):
    shrunk = theory.accuracy_limits("ridge", 1.5, delta, penalty).shrunk
    assert (
        shrunk
        == 0.5
        == pytest.approx(theory.downstream_accuracy("ridge", 1.5, delta, -0.999999, penalty), abs=1e-9)
    )


def test_overlaps_of_ridge_are_those_of_fitted_classifiers(seed):
    """Ten fits in 400 dimensions: w minimises mean (1 - y w.h)^2/2 + penalty/2 |w|^2, beta = W w."""
    rng, (r, delta, kappa, penalty, p) = np.random.default_rng(seed), (2.0, 2.0, 1.0, 0.1, 400)
    mean, scale, found = np.eye(p)[0] * r, 1 + kappa * np.eye(p)[0], []
    for _ in range(10):
        h = (mean + rng.normal(size=(int(delta * p), p))) * scale
        beta = scale * np.linalg.solve(h.T @ h / len(h) + penalty * np.eye(p), h.mean(0))
        found.append([beta[0], np.linalg.norm(beta[1:])])
    predicted = theory.downstream_overlaps("ridge", r, delta, kappa, penalty)
    assert np.mean(found, axis=0) == pytest.approx([predicted.signal, predicted.noise], abs=0.01)


def test_spikes_and_misalignment():
    whole = theory.downstream_accuracy("logistic", np.hypot(1.5, 0.5), 2.0, 1.0, 0.1)
    assert theory.spiked_accuracy("logistic", [1.5, 0.5], 2.0, [1.0, 1.0], 0.1) == pytest.approx(
        whole, abs=1e-12
    )
    for classifier, penalty in [("ridge", 0.3), ("hinge", 0.3), ("averaging", None)]:
        aligned = theory.misaligned_accuracy(classifier, 1.5, 2.0, 0.7, 1.0, penalty)
        assert aligned == pytest.approx(
            theory.downstream_accuracy(classifier, 1.5, 2.0, 0.7, penalty), abs=1e-12
        )
    omega, r, delta = 0.9, 1.5, 2.0
    best = np.sqrt(1 + 1 / (delta * r**2 * (1 - omega**2))) - 1
    around = theory.misaligned_accuracy("averaging", r, delta, best * np.array([0.99, 1.0, 1.01]), omega)
    assert around[1] > max(around[0], around[2])
    even = np.sqrt(45.37) - 1
    assert theory.misaligned_accuracy("averaging", r, delta, even, omega) == pytest.approx(
        theory.misaligned_accuracy("averaging", r, delta, 0.0, omega), abs=1e-4
    )
    by_loss = theory.spiked_accuracy(Squared(), [1.0, 0.6], 2.0, [0.5, -0.5], 0.2)
    assert theory.spiked_accuracy("ridge", [1.0, 0.6], 2.0, [0.5, -0.5], 0.2) == pytest.approx(
        by_loss, abs=1e-12
    )


def test_infinite_expansion_of_averaging():
    """Where the projector shows only its own direction, accuracy is that of one coordinate."""
    assert theory.misaligned_accuracy("averaging", 1.5, 2.0, np.inf, 0.5) == pytest.approx(ndtr(0.75))
    assert theory.spiked_accuracy("averaging", [1.0, 0.5], 2.0, [np.inf, 0.0]) == pytest.approx(ndtr(1.0))
    near = theory.misaligned_accuracy("averaging", 1.5, 2.0, 1e5, 0.5)
    assert theory.misaligned_accuracy("averaging", 1.5, 2.0, np.inf, 0.5) == pytest.approx(near, abs=1e-9)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"signal_norm \(2,\), sample_ratio \(3,\)"):
        theory.downstream_accuracy("ridge", [1.0, 2.0], [1.0, 2.0, 3.0], 0.0, 0.1)


def test_ridge_with_two_classes_is_ridge(seed):
    points = random_points(seed, 30, 1e-3)
    np.testing.assert_allclose(
        theory.multiclass_ridge_accuracy(2, *points), theory.downstream_accuracy("ridge", *points), atol=1e-12
    )


def test_arrays_broadcast_and_scalars_give_floats():
    grid = theory.downstream_accuracy("hinge", 1.0, [[1.0], [2.0]], [-0.5, 0.0, 1.0], 0.1)
    assert grid.shape == (2, 3)
    one = theory.downstream_accuracy("hinge", 1.0, 2.0, 1.0, 0.1)
    assert isinstance(one, float) and one == pytest.approx(grid[1, 2], abs=1e-12)
    assert theory.downstream_accuracy("logistic", 0.0, 2.0, 1.0, 0.1) == 0.5


def test_conversions():
    assert theory.penalty_from_c(2.0, 50) == pytest.approx(0.01)
    assert theory.penalty_from_alpha(3.0, 30) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ridge", 1, 1, -1, 0.1), r"kappa must lie in \(-1, inf\], got -1"),
        (("ridge", 1, 0, 0, 0.1), r"sample_ratio must lie in \(0, inf\), got 0"),
        (("ridge", -1, 1, 0, 0.1), r"signal_norm must lie in \[0, inf\), got -1"),
        (("ridge", 1, 1, 0, -0.1), r"penalty must lie in \[0, inf\], got -0.1"),
        (("ridge", 1, 1, np.nan, 0.1), "kappa must lie in"),
        (("ridge", 1, 1, 0), "penalty must be given"),
        (("hard-margin", 1, 1, 0, 0.1), "penalty must be left out"),
        (("averaging", 1, 1, 0, 0.1), "penalty must be left out"),
        (("probit", 1, 1, 0, 0.1), "classifier must be one of 'ridge'"),
        ((object(), 1, 1, 0, 0.1), "have a method prox"),
        ((Squared(), 1, 1, 0, 0.0), r"penalty must lie in \(0, inf\]"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.downstream_accuracy(*arguments)


def test_what_is_not_covered_says_so():
    with pytest.raises(theory.AssumptionError, match=r"sample_ratio must be < 3.70003.* got 4"):
        theory.downstream_accuracy("hard-margin", 1.0, 4.0, 0.0)
    with pytest.raises(theory.AssumptionError, match="noise_covariance.*spectrum_accuracy.*not covered"):
        theory.downstream_accuracy("ridge", 1.0, 1.0, 0.0, 0.1, noise_covariance=1)
    with pytest.raises(TypeError, match="unexpected"):
        theory.downstream_accuracy("ridge", 1.0, 1.0, 0.0, 0.1, colour=1)
