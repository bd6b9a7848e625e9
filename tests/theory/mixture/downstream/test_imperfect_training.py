"""Bias, unequal classes and wrong labels: closed form of least squares, training, limits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, ndtr

import theory

POINTS = 1000


def random_points(seed, number=POINTS):
    rng = np.random.default_rng([seed, 81])

    def between(low, high):
        return np.exp(rng.uniform(np.log(low), np.log(high), number))

    points = between(0.2, 3), between(0.2, 30), between(0.05, 20) - 1, between(1e-4, 30)
    return points, rng.uniform(0, 0.45, number), rng.uniform(0.05, 0.95, number)


def least_squares(r, delta, kappa, penalty, noise, balance):
    """Least squares with a bias is least squares on centred inputs and labels."""
    c, clear = (1 + kappa) ** -2.0, 1 - 2 * noise
    half = (delta - 1 - penalty * delta) / 2
    x = (np.sqrt(half**2 + penalty * delta**2) - half) / delta
    spread = 4 * balance * (1 - balance)  # variance of the class
    s = clear * spread * r / (1 + c * x + spread * r**2)
    left = 1 - (clear * (2 * balance - 1)) ** 2 - 2 * s * clear * spread * r + (s * r) ** 2 * spread
    sigma = np.sqrt((left + s**2) / (delta * (1 + x) ** 2 - 1))
    b = (2 * balance - 1) * (clear - s * r)
    length = np.hypot(s, sigma)
    return balance * ndtr((s * r + b) / length) + (1 - balance) * ndtr((s * r - b) / length)


def test_square_loss_against_centred_least_squares(seed):
    points, noise, balance = random_points(seed)
    found = theory.downstream_accuracy("ridge", *points, bias=True, class_balance=balance, label_noise=noise)
    np.testing.assert_allclose(found, least_squares(*points, noise, balance), atol=1e-10)
    assert np.max(np.abs(found - least_squares(*points, 0 * noise, balance))) > 0.01


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_without_a_bias_class_frequencies_do_not_matter(classifier):
    equal = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1)
    assert theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1, class_balance=0.9) == equal
    noisy = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1, label_noise=0.1)
    unequal = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1, label_noise=0.1, class_balance=0.9)
    assert unequal == pytest.approx(noisy, abs=1e-12) and noisy < equal - 0.005


def test_perfect_labels_in_an_array_are_perfect_labels():
    expected = theory.downstream_accuracy("hinge", 1.5, 2.0, 0.3, 0.0)
    found = theory.downstream_accuracy("hinge", 1.5, 2.0, 0.3, 0.0, label_noise=[0.0, 0.0], class_balance=0.2)
    np.testing.assert_array_equal(found, [expected, expected])


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "hinge"])
def test_a_bias_does_nothing_for_equal_classes(classifier):
    with_bias = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1, bias=True)
    assert with_bias == pytest.approx(theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1), abs=1e-12)
    small = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 0.1, label_noise=1e-13)
    assert small == pytest.approx(with_bias, abs=1e-11)


@pytest.mark.parametrize("classifier", ["logistic", "hinge"])
def test_wrong_labels_never_fail_on_random_points(seed, classifier):
    points, noise, _ = random_points(seed)
    found = theory.downstream_accuracy(classifier, *points, label_noise=noise)
    assert np.all((found > 0.5) & (found < ndtr(points[0])))


def test_a_logistic_bias_never_fails_on_random_points(seed):
    points, noise, balance = random_points(seed, 300)
    found = theory.downstream_accuracy(
        "logistic", *points, bias=True, class_balance=balance, label_noise=noise
    )
    best = ndtr(points[0] + np.log(balance / (1 - balance)) / (2 * points[0])) * balance
    best += ndtr(points[0] - np.log(balance / (1 - balance)) / (2 * points[0])) * (1 - balance)
    assert np.all((found > 0) & (found < best + 1e-12))  # the best rule knows the mean and the frequencies


@pytest.mark.parametrize(
    ("bias", "noise", "balance"), [(False, 0.15, 0.5), (True, 0.0, 0.85), (True, 0.1, 0.75)]
)
def test_against_trained_logistic_regression(seed, bias, noise, balance):
    """60 sets in 150 dimensions, exact accuracy given the weights: 4 standard errors and 2e-3 for the dimension."""
    p, r, delta, kappa, penalty, sets = 150, 1.5, 2.0, -0.4, 0.05, 60
    n, rng = int(delta * p), np.random.default_rng([seed, 82])
    gains = np.array([1 + kappa] + [1.0] * (p - 1))

    def trained_accuracy():
        y = np.where(rng.random(n) < balance, 1.0, -1.0)
        seen = (rng.normal(size=(n, p)) + y[:, None] * ([r] + [0] * (p - 1))) * gains
        label = y * np.where(rng.random(n) < noise, -1.0, 1.0)

        def objective(w):
            margin = label * (seen @ w[:-1] + bias * w[-1])
            pull = -label * expit(-margin) / n
            slope = np.append(seen.T @ pull + penalty * w[:-1], bias * pull.sum())
            return np.mean(np.logaddexp(0, -margin)) + penalty / 2 * w[:-1] @ w[:-1], slope

        w = minimize(objective, np.zeros(p + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        beta, b = w[:-1] * gains, bias * w[-1]
        length = np.linalg.norm(beta)
        return balance * ndtr((beta[0] * r + b) / length) + (1 - balance) * ndtr((beta[0] * r - b) / length)

    accuracies = [trained_accuracy() for _ in range(sets)]
    allowed = 4 * np.std(accuracies) / np.sqrt(sets) + 2e-3
    point = "logistic", r, delta, kappa, penalty
    found = theory.downstream_accuracy(*point, bias=bias, class_balance=balance, label_noise=noise)
    assert abs(np.mean(accuracies) - found) < allowed
    assert abs(np.mean(accuracies) - theory.downstream_accuracy(*point)) > 1.5 * allowed


def test_infinite_penalty_is_averaging_and_with_a_bias_the_larger_class():
    for classifier in ("ridge", "logistic", "hinge"):
        averaging = theory.downstream_accuracy("averaging", 1.5, 2.0, 0.3)
        assert theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, np.inf) == averaging
        noisy = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, np.inf, label_noise=0.2)
        assert noisy == theory.downstream_accuracy("averaging", 1.5, 2.0, 0.3, label_noise=0.2) < averaging
        large = theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, 3e3, label_noise=0.2)
        assert large == pytest.approx(noisy, abs=1e-4)
        assert (
            theory.downstream_accuracy(classifier, 1.5, 2.0, 0.3, np.inf, bias=True, class_balance=0.7) == 0.7
        )
    assert theory.expansion_slope("logistic", 1.5, 2.0, 0.3, np.inf) == pytest.approx(
        np.diff(theory.downstream_accuracy("averaging", 1.5, 2.0, [0.3 - 1e-6, 0.3 + 1e-6]))[0] / 2e-6,
        rel=1e-7,
    )
    assert theory.penalty_slope("hinge", 1.5, 2.0, 0.3, np.inf) == 0
    best = theory.optimal_penalty("ridge", 1.0, 1.2, 0.5)
    assert theory.downstream_accuracy("ridge", 1.0, 1.2, 0.5, best) > theory.downstream_accuracy(
        "ridge", 1.0, 1.2, 0.5, 10.0
    )


@pytest.mark.parametrize(
    ("classifier", "arguments", "message"),
    [
        ("ridge", {"label_noise": 0.5}, "label_noise must lie in"),
        ("ridge", {"class_balance": 1.0}, "class_balance must lie in"),
        ("ridge", {"class_balance": 0.0}, "class_balance must lie in"),
    ],
)
def test_bad_input_is_named(classifier, arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.downstream_accuracy(classifier, 1.0, 2.0, 0.0, 0.1, **arguments)


def test_what_is_not_covered_says_so():
    with pytest.raises(theory.AssumptionError, match="penalty must be > 0 with a bias"):
        theory.downstream_accuracy("logistic", 1.0, 2.0, 0.0, 0.0, bias=True)
    with pytest.raises(theory.AssumptionError, match="'hard-margin' is not covered"):
        theory.downstream_accuracy("hard-margin", 1.0, 1.0, 0.0, label_noise=0.1)
    with pytest.raises(theory.AssumptionError, match="'averaging' is not covered"):
        theory.downstream_accuracy("averaging", 1.0, 1.0, 0.0, bias=True)
