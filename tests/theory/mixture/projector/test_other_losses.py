"""Barlow Twins, VICReg, linear predictors, class positives, decoupled InfoNCE."""

import numpy as np
import pytest
from scipy.optimize import minimize

import theory

R, SIGMA, P = 1.5, 1.1, 10


def moments():
    """Covariance of one view and of a pair, signal in the first of P directions rotated away from the axes."""
    basis = np.linalg.qr(np.random.default_rng(4).normal(size=(P, P)))[0]
    own, pair = np.full(P, 1 + SIGMA**2), np.ones(P)
    own[0] += R**2
    pair[0] += R**2
    return basis, basis * own @ basis.T, basis * pair @ basis.T


def trained_gain(loss):
    """Gain after minimising `loss(own, pair)` over full W by L-BFGS from random rows."""
    basis, own, pair = moments()
    start = np.random.default_rng(5).normal(size=(P, P)).ravel()

    def value_and_gradient(flat):
        w = flat.reshape(P, P)
        w = w / np.sqrt(np.einsum("ij,jk,ik->i", w, own, w))[:, None]
        return loss(w @ pair @ w.T, w @ own @ w.T)

    best = minimize(value_and_gradient, start, method="L-BFGS-B", options={"maxiter": 400, "maxfun": 200_000})
    w = best.x.reshape(P, P)
    w = w / np.sqrt(np.einsum("ij,jk,ik->i", w, own, w))[:, None]
    metric = basis.T @ w.T @ w @ basis
    return np.sqrt(metric[0, 0] / ((np.trace(metric) - metric[0, 0]) / (P - 1)))


def test_barlow_twins_against_minimisation_over_all_projectors():
    def loss(pair, own):
        diagonal = np.diag(pair)
        return np.sum((1 - diagonal) ** 2) + 0.3 * (np.sum(pair**2) - np.sum(diagonal**2))

    assert trained_gain(loss) == pytest.approx(theory.barlow_twins_gain(R, SIGMA, 0.3, P), rel=2e-3)


def test_vicreg_against_minimisation_over_all_projectors():
    def loss(pair, own):
        distance = 2 * np.sum(np.diag(own) - np.diag(pair))  # E |z1 - z2|^2
        return 2.0 * distance + np.sum(own**2) - np.sum(np.diag(own) ** 2)

    assert trained_gain(loss) == pytest.approx(theory.vicreg_gain(R, SIGMA, 2.0, 1.0, dim=P), rel=2e-3)


def test_thresholds_for_many_dimensions():
    weight = SIGMA**4 / ((1 + SIGMA**2) * (1 + R**2))
    assert theory.barlow_twins_gain(R, SIGMA, weight) == pytest.approx(1, abs=1e-12)
    ratio = (1 + SIGMA**2 + R**2) / SIGMA**2
    assert theory.vicreg_gain(R, SIGMA, ratio, 1.0) == pytest.approx(1, abs=1e-12)
    assert theory.vicreg_gain(R, SIGMA, 1e-9, 1.0) == pytest.approx(
        np.sqrt((1 + SIGMA**2) / (1 + SIGMA**2 + R**2)), abs=1e-8
    )
    assert theory.barlow_twins_gain(R, 3.0, 1e-3, 4) == np.inf


def test_linear_predictor_modes_are_fixed_points():
    """Of dw/dt = p (pair - own p w) - decay w in the balanced state w = p."""
    v, decay = 1 + SIGMA**2, 0.02
    found = theory.predictor_weights(R, SIGMA, decay)
    for weight, own, pair in ((found.signal, v + R**2, 1 + R**2), (found.noise, v, 1.0)):
        assert weight * (pair - own * weight) - decay == pytest.approx(0, abs=1e-12)
    assert found.signal > found.noise
    assert theory.predictor_weights(R, SIGMA, 1.001 / (4 * v)).noise == 0


def test_class_labels_as_positives():
    """Stationarity of the closed loss whose positive pairs share the class only."""
    for loss in ("inner", "euclidean"):
        found = theory.class_positive_metric(loss, R, SIGMA)
        assert found.noise == 0 and found.signal > 0

        def value(a, loss=loss):
            base = theory.projector_loss(loss, R, SIGMA, theory.Metric(a, 0.0), 2)
            return base + a  # a pair shares the mean only: its noise adds a * 1 to -E s

        around = [value(found.signal * f) for f in (0.999, 1.0, 1.001)]
        assert around[1] < min(around[0], around[2])


def test_decoupled_loss():
    found = theory.decoupled_inner_metric(R, SIGMA)
    start = np.log([found.signal * 0.9, found.noise * 0.9])
    best = minimize(
        lambda x: theory.decoupled_inner_loss(
            R, SIGMA, theory.Metric(*np.minimum(np.exp(x), 0.999 / (1 + SIGMA**2))), 5
        ),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-14},
    )
    np.testing.assert_allclose(np.exp(best.x), [found.signal, found.noise], rtol=1e-5)
    for r, variance in ((0.5, 1.444), (1.0, 1.741), (2.0, 2.513), (3.0, 3.335)):
        assert theory.decoupled_inner_metric(r, np.sqrt(variance)).gain == pytest.approx(1, abs=5e-4)
    with pytest.raises(theory.AssumptionError, match="log E E'"):
        theory.decoupled_inner_loss(R, SIGMA, theory.Metric(1.0, 0.1), 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.barlow_twins_gain(1, 1, 1.5), "weight must be <= 1"),
        (lambda: theory.vicreg_gain(1, 1, 1, 1, variance=25), "soft hinge is not covered"),
    ],
)
def test_outside_the_hypotheses(call, message):
    with pytest.raises(theory.AssumptionError, match=message):
        call()
