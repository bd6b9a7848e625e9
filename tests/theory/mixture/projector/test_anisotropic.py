"""InfoNCE under anisotropic augmentation: the isotropic case, symmetry, another optimiser, sampling."""

import numpy as np
import pytest
from scipy.optimize import minimize

import theory
from theory.mixture.projector import anisotropic

MEAN, NOISE = np.array([1.5, 0.5]), np.array([[0.3, 0.2], [0.2, 1.5]])


@pytest.mark.parametrize("loss", ["inner", "euclidean"])
@pytest.mark.parametrize(("r", "sigma"), [(1.5, 0.8), (0.5, 1.5), (3.0, 0.5)])
def test_isotropic_augmentation_gives_the_metric_in_closed_form(loss, r, sigma, seed):
    direction = np.random.default_rng([seed, 50]).normal(size=6)
    direction /= np.linalg.norm(direction)
    expected = theory.projector_metric(loss, r, sigma)
    along = np.outer(direction, direction)
    wanted = expected.signal * along + expected.noise * (np.eye(6) - along)
    found = theory.anisotropic_metric(loss, r * direction, sigma**2 * np.eye(6))
    np.testing.assert_allclose(found, wanted, atol=1e-7 * np.abs(wanted).max())


@pytest.mark.parametrize("loss", ["inner", "euclidean"])
def test_gradient_is_that_of_the_loss(loss, seed):
    rng = np.random.default_rng([seed, 51])
    dim = 4
    root, turn = rng.normal(size=(2, dim, dim)) / 2
    noise, metric, mean = root @ root.T + 0.1 * np.eye(dim), turn @ turn.T, rng.normal(size=dim)
    objective = getattr(anisotropic, f"_{loss}")
    change = rng.normal(size=(dim, dim))
    change = (change + change.T) / 2
    views = np.eye(dim) + noise
    ends = [objective(metric + sign * 1e-5 * change, mean, noise, views)[0] for sign in (1, -1)]
    _, gradient = objective(metric, mean, noise, views)
    assert np.sum(gradient * change) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("loss", ["inner", "euclidean"])
def test_another_optimiser_finds_nothing_better(loss):
    found = theory.anisotropic_metric(loss, MEAN, NOISE)
    objective = getattr(anisotropic, f"_{loss}")
    views = np.eye(2) + NOISE

    def value(flat):
        factor = np.array([[flat[0], 0], [flat[1], flat[2]]])
        return objective(factor @ factor.T, MEAN, NOISE, views)[0]

    options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 5000, "maxfev": 5000}
    best = min(
        (
            minimize(value, start, method="Nelder-Mead", options=options)
            for start in ([1, 0, 1], [0.1, 0.2, 2])
        ),
        key=lambda result: result.fun,
    )
    factor = np.array([[best.x[0], 0], [best.x[1], best.x[2]]])
    np.testing.assert_allclose(found, factor @ factor.T, atol=1e-6)


@pytest.mark.parametrize("loss", ["inner", "euclidean"])
def test_the_sampled_loss_is_stationary_at_the_metric(loss, seed):
    """Slopes of the InfoNCE loss of samples in three directions: 0 at the metric, not at the isotropic one."""
    rng = np.random.default_rng([seed, 52])
    n, batches = 1000, 16
    root = np.linalg.cholesky(NOISE)
    changes = np.array([[[1, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1.0]]])

    def inputs():
        return rng.choice([-1.0, 1.0], (n, 1)) * MEAN + rng.normal(size=(n, 2))

    def augmented(h):
        return h + rng.normal(size=h.shape) @ root.T

    def sampled_loss(metric, one, two, others):
        positive, negative = np.sum(one @ metric * two, 1), one @ metric @ others.T
        if loss == "euclidean":
            squares = [0.5 * np.sum(x @ metric * x, 1) for x in (one, two, others)]
            positive = positive - squares[0] - squares[1]
            negative = negative - squares[0][:, None] - squares[2]
        return np.mean(np.log(np.mean(np.exp(negative), 1)) - positive)

    def scores(metric):
        slopes = []
        for _ in range(batches):
            h = inputs()
            views = augmented(h), augmented(h), augmented(inputs())
            slopes.append([
                sampled_loss(metric + 0.01 * change, *views) - sampled_loss(metric - 0.01 * change, *views)
                for change in changes
            ])  # fmt: skip
        return np.mean(slopes, 0) / (np.std(slopes, 0) / np.sqrt(batches))

    found = theory.anisotropic_metric(loss, MEAN, NOISE)
    norm = np.linalg.norm(MEAN)
    along = np.outer(MEAN, MEAN) / norm**2
    isotropic = theory.projector_metric(loss, norm, np.sqrt(np.trace(NOISE) / 2))
    wrong = isotropic.signal * along + isotropic.noise * (np.eye(2) - along)
    assert np.all(np.abs(scores(found)) < 5) and np.max(np.abs(scores(wrong))) > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("spectral", MEAN, NOISE), "loss must be one of 'inner', 'euclidean'"),
        (("inner", MEAN, np.eye(3)), r"noise_cov must have the shape"),
        (("inner", MEAN, [[1, 2], [2, 1]]), "positive semi-definite"),
        (("inner", MEAN, [[1, 0.5], [0, 1]]), "must be symmetric"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.anisotropic_metric(*arguments)


def test_a_distance_needs_augmentation_everywhere():
    with pytest.raises(theory.AssumptionError, match="must be positive definite"):
        theory.anisotropic_metric("euclidean", MEAN, np.diag([1.0, 0.0]))
