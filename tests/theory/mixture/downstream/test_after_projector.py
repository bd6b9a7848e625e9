"""From augmentation to gain to accuracy: values derived apart, the scale of the projector, training, refusals."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, ndtr

import theory


def test_temperature_matters_at_a_fixed_penalty():
    """Published predictions, and the simulation behind them, at r = 1.5, sigma = 0.8, delta = 2, penalty 0.1."""
    found = theory.accuracy_after_projector(
        "logistic", "inner", 1.5, 0.8, 2.0, 0.1, temperature=[0.1, 0.5, 2.0, 10.0]
    )
    np.testing.assert_allclose(found, [0.8926, 0.8933, 0.8892, 0.8779], atol=5.1e-5)
    np.testing.assert_allclose(found, [0.8928, 0.8943, 0.8903, 0.8789], atol=3e-3)
    gain = theory.projector_gain("inner", 1.5, 0.8)
    as_kappa = theory.downstream_accuracy("logistic", 1.5, 2.0, gain, 0.1)  # the gain in the place of kappa
    assert np.all(np.abs(found - as_kappa) > 0.02)


@pytest.mark.parametrize("loss", ["spectral", "inner", "euclidean"])
def test_against_training_on_projected_data(loss, seed):
    """40 sets in 100 dimensions after the exact projector: 4 standard errors and 3e-3 for the finite dimension."""
    p, r, sigma, delta, penalty, sets = 100, 1.5, 1.2, 2.0, 0.1, 40
    temperature = None if loss == "spectral" else 0.5
    metric = theory.projector_metric(loss, r, sigma)
    scale = 1.0 if loss == "spectral" else temperature
    gains = np.sqrt(scale * np.array([metric.signal] + [metric.noise] * (p - 1)))
    n, rng = int(delta * p), np.random.default_rng([seed, 95])

    def trained_accuracy():
        h = rng.normal(size=(n, p)) + r * np.eye(p)[0]
        seen = h * gains

        def objective(w):
            margin = seen @ w
            return np.mean(np.logaddexp(0, -margin)) + penalty / 2 * w @ w, -seen.T @ expit(
                -margin
            ) / n + penalty * w

        beta = minimize(objective, np.zeros(p), jac=True, method="L-BFGS-B").x * gains
        return ndtr(beta[0] * r / np.linalg.norm(beta))

    accuracies = [trained_accuracy() for _ in range(sets)]
    allowed = 4 * np.std(accuracies) / np.sqrt(sets) + 3e-3
    found = theory.accuracy_after_projector(
        "logistic", loss, r, sigma, delta, penalty, temperature=temperature
    )
    assert abs(np.mean(accuracies) - found) < allowed


@pytest.mark.parametrize("classifier", ["hard-margin", "averaging"])
def test_without_a_penalty_only_the_gain_matters(classifier):
    gain = theory.projector_gain("euclidean", 1.0, 0.5, views="clean anchor")
    found = theory.accuracy_after_projector(classifier, "euclidean", 1.0, 0.5, 1.5, views="clean anchor")
    assert found == theory.downstream_accuracy(classifier, 1.0, 1.5, gain - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ridge", "inner", 1, 1, 1, 0.1), "temperature must be given"),
        (("ridge", "inner", 1, 1, 1), "penalty must be given"),
        (("ridge", "triplet", 1, 1, 1, 0.1), "loss must be one of"),
        (("ridge", "cosine", 1, 1, 1, 0.1), "leaves the scale of the projector free"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.accuracy_after_projector(*arguments)
    with pytest.raises(ValueError, match="temperature must be left out"):
        theory.accuracy_after_projector("ridge", "spectral", 1.0, 1.0, 1.0, 0.1, temperature=1.0)
