"""What the solvers of `theory` are timed against: the same equations in the hands of a general-purpose solver."""

from __future__ import annotations

import numpy as np
import scipy

import theory
from theory.mixture.downstream.accuracy import loss_of
from theory.mixture.downstream.equations import Problem, equations


def accuracy_with_bias(classifier: str, points, label_noise, class_balance) -> list[float]:
    """Accuracy with a bias and label noise by MINPACK's hybrid method from 1, without a Jacobian; NaN where it fails.

    Parameters
    ----------
    classifier : {"logistic", "hinge"}
    points : sequence of (signal_norm, sample_ratio, kappa, penalty)
    label_noise, class_balance : sequences of float
    """
    accuracies = []
    for (r, delta, kappa, penalty), noise, balance in zip(points, label_noise, class_balance, strict=True):
        ends = [[r]], [[(1 + kappa) ** -2.0]], [delta], [penalty]
        problem = Problem(*map(np.array, ends), flips=np.array([noise]), balance=np.array([balance]))
        loss = loss_of(classifier)
        with np.errstate(all="ignore"):
            found = scipy.optimize.root(
                lambda logs, loss=loss, problem=problem: equations(loss, problem, logs[None])[0][0],
                np.zeros(4),
                method="hybr",
            )
        overlap, spread = np.exp(found.x[:2])
        margin, length = r**2 * overlap, np.hypot(r * overlap, spread)
        bias = np.sinh(found.x[3])
        right = scipy.special.ndtr((margin + np.array([1, -1]) * bias) / length)
        accuracies.append(float(right @ [balance, 1 - balance]) if found.success else np.nan)
    return accuracies


def learning_curve(model: theory.FeatureModel, times, start: float) -> np.ndarray:
    """Weights (T, k) of two layers by an explicit Runge-Kutta method at a relative tolerance of 1e-12."""
    growth, decay = model.retention * model.phi**2, model.variance**2
    flow = scipy.integrate.solve_ivp(
        lambda _, s: 8 * growth * s**2 - 8 * decay * s**4,
        (0, times[-1]),
        np.full(model.num_features, start),
        "DOP853",
        times,
        rtol=1e-12,
        atol=1e-15,
    )
    return flow.y.T


def spectral_gram(cov, cross_cov) -> np.ndarray:
    """Gram matrix of the minimiser of the spectral loss by BFGS over the entries of W, without a gradient."""
    size = len(cov)
    found = scipy.optimize.minimize(
        lambda flat: theory.spectral_loss(flat.reshape(size, size), cov, cross_cov), np.eye(size).ravel()
    )
    network = found.x.reshape(size, size)
    return network.T @ network
