"""Gains, thresholds and losses of linear projectors: tables of an independent derivation, minimisation, simulation."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import hyp0f1
from scipy.stats import nct

import theory
from theory.mixture.common import expect_log_cosh, posterior_pull
from theory.mixture.projector import cosine

WORLDS = [(1.5, 0.8), (0.5, 1.5), (3.0, 2.0)]


@pytest.mark.parametrize("variance", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("r", [0.1, 1.0, 5.0, 12.0])
def test_nishimori_identity(r, variance):
    assert posterior_pull(r, variance, 1 / variance) / r**2 == pytest.approx(1, abs=1e-13)


def test_pull_is_the_derivative_of_log_cosh():
    r, v, c = 1.3, 1.7, 0.4
    slope = (expect_log_cosh(r, v, c + 1e-5) - expect_log_cosh(r, v, c - 1e-5)) / 2e-5
    assert posterior_pull(r, v, c) == pytest.approx(slope, rel=1e-9)


def test_averages_are_exact_from_weak_to_saturated_signals(seed):
    """Against a plain trapezoid rule with a step that resolves the poles of tanh."""
    rng = np.random.default_rng([seed, 4])
    r, v, c = (np.exp(rng.uniform(*ends, 30)) for ends in ((-4, 3), (-1, 2), (-4, 1)))
    grid, step = np.linspace(-9.5, 9.5, 400_001, retstep=True)
    weights = np.exp(-0.5 * grid**2) * step / np.sqrt(2 * np.pi)
    for point in zip(r, v, c, strict=True):
        signal, variance, sharpness = point
        x = signal * (signal + np.sqrt(variance) * grid)
        pull = weights @ (x * np.tanh(x * sharpness))
        assert posterior_pull(*point) == pytest.approx(pull, rel=1e-12)
        log_cosh = weights @ (np.logaddexp(x * sharpness, -x * sharpness) - np.log(2))
        assert expect_log_cosh(*point) == pytest.approx(log_cosh, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("views", ["both", "clean anchor", "clean negatives"])
@pytest.mark.parametrize("loss", ["spectral", "inner", "euclidean"])
@pytest.mark.parametrize("world", WORLDS)
def test_the_metric_minimises_the_loss(loss, views, world):
    found = theory.projector_metric(loss, *world, views=views)
    start = np.log([0.7 * found.signal, 1.4 * found.noise])
    best = minimize(
        lambda x: theory.projector_loss(loss, *world, theory.Metric(*np.exp(x)), 5, views=views),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-14, "maxiter": 2000},
    )
    np.testing.assert_allclose(np.exp(best.x), [found.signal, found.noise], rtol=2e-5)


@pytest.mark.parametrize("views", ["both", "clean anchor", "clean negatives"])
@pytest.mark.parametrize("loss", ["inner", "euclidean"])
def test_losses_against_sampling(seed, loss, views):
    """Anchors sampled, negatives integrated by sampling too; the bias of log of a mean of 20,000 is below the error."""
    r, sigma, p, a, b = 1.2, 0.7, 3, 0.25, 0.3
    rng = np.random.default_rng([seed, 31])
    anchors, others = 2000, 10_000
    root = np.sqrt([a, b, b])
    noisy = {"both": (1, 1), "clean anchor": (0, 1), "clean negatives": (1, 0)}[views]

    def inputs(n):
        return rng.choice([-1.0, 1.0], (n, 1)) * [r, 0, 0] + rng.normal(size=(n, p))

    h = inputs(anchors)
    one = (h + noisy[0] * sigma * rng.normal(size=h.shape)) * root
    two = (h + noisy[1] * sigma * rng.normal(size=h.shape)) * root
    other = inputs(others)
    other = (other + noisy[1] * sigma * rng.normal(size=other.shape)) * root
    if loss == "inner":
        positive, negative = np.sum(one * two, 1), one @ other.T
    else:
        positive = -0.5 * np.sum((one - two) ** 2, 1)
        negative = one @ other.T - 0.5 * np.sum(one**2, 1)[:, None] - 0.5 * np.sum(other**2, 1)
    terms = np.log(np.mean(np.exp(negative), 1)) - positive
    expected = theory.projector_loss(loss, r, sigma, theory.Metric(a, b), p, views=views)
    error = np.hypot(
        terms.std() / np.sqrt(anchors), 3 / np.sqrt(others)
    )  # negatives: sd of e^s over its mean < 3
    assert abs(terms.mean() - expected) < 4 * error
    assert (
        abs(expected - theory.projector_loss(loss, r, 0.2, theory.Metric(a, b), p, views=views)) > 0 * error
    )


def test_spectral_minimiser_is_that_of_the_feature_model():
    """The mixture is one feature u with a sign and two without: (Sigma^-1 Sigma_pair Sigma^-1) along and across."""
    r, sigma = 1.3, 0.9
    along, across = np.array([1 + sigma**2 + r**2, 1 + r**2]), np.array([1 + sigma**2, 1.0])
    metric = theory.projector_metric("spectral", r, sigma)
    assert metric.signal == pytest.approx(along[1] / along[0] ** 2) and metric.noise == pytest.approx(
        across[1] / across[0] ** 2
    )
    assert theory.expansion_threshold("spectral", 2.0) == pytest.approx(np.sqrt(5))
    sigma_c = np.sqrt(theory.expansion_threshold("spectral", 1.5))
    assert theory.projector_gain("spectral", 1.5, sigma_c) == pytest.approx(1, abs=1e-14)
    assert np.all(theory.projector_gain("spectral", 1.5, [0.1, 1, 10], views="clean anchor") < 1)


def test_inner_product_thresholds():
    norms = np.array([0.1, 0.3, 0.5, 1, 1.5, 2, 3, 5, 10])
    table = [1.0037, 1.0329, 1.0875, 1.3024, 1.5818, 1.8939, 2.5639, 3.9645, 7.4714]
    found = theory.expansion_threshold("inner", norms)
    np.testing.assert_allclose(found, table, atol=6e-5)
    assert np.all(found < theory.expansion_threshold("spectral", norms))
    np.testing.assert_allclose(theory.projector_gain("inner", norms, np.sqrt(found)), 1, atol=1e-9)
    assert theory.expansion_threshold("inner", 0.05) == pytest.approx(1 + 3 / 8 * 0.05**2, abs=1e-5)
    assert theory.expansion_threshold("inner", 30.0) == pytest.approx(20.71, abs=5e-3)


def test_gains_that_were_derived_apart():
    sigma = np.array([0.8, 1.1, 1.5, 2, 3])
    np.testing.assert_allclose(
        theory.projector_gain("inner", 1.5, sigma), [0.824, 0.939, 1.091, 1.254, 1.473], atol=6e-4
    )
    np.testing.assert_allclose(
        theory.projector_gain("euclidean", 1.5, [0.5, 0.8, 1.5, 2.5]), [1.028, 1.108, 1.347, 1.557], atol=6e-4
    )
    for views, expected in (
        ("clean anchor", [0.708, 0.792, 0.906]),
        ("clean negatives", [0.752, 0.865, 0.959]),
    ):
        found = theory.projector_gain("inner", 1.5, [0.8, 1.5, 3], views=views)
        np.testing.assert_allclose(found, expected, atol=6e-4)


def test_inner_product_holds_more_signal_than_spectral(seed):
    rng = np.random.default_rng([seed, 2])
    r, sigma = rng.uniform(0.2, 4, 300), rng.uniform(0.05, 4, 300)
    inner, spectral = (theory.projector_metric(loss, r, sigma) for loss in ("inner", "spectral"))
    assert np.all(inner.signal > spectral.signal)
    np.testing.assert_allclose(inner.noise, spectral.noise, rtol=1e-14)
    assert np.all(theory.projector_gain("inner", r, sigma, views="clean anchor") < 1)


def test_euclidean_always_expands_unless_the_negatives_are_clean(seed):
    rng = np.random.default_rng([seed, 3])
    r, sigma = rng.uniform(0.2, 4, 300), rng.uniform(0.05, 4, 300)
    assert np.all(theory.projector_gain("euclidean", r, sigma) > 1)
    assert np.all(theory.projector_gain("euclidean", r, sigma, views="clean anchor") > 1)
    neutral = theory.projector_metric("euclidean", r, sigma, views="clean negatives")
    np.testing.assert_allclose(neutral.signal, sigma**-2, rtol=1e-9)
    np.testing.assert_allclose(neutral.noise, sigma**-2, rtol=1e-12)


def test_without_signal_nothing_is_expanded():
    for loss in ("spectral", "inner", "euclidean"):
        assert theory.projector_gain(loss, 1e-3, 0.7) == pytest.approx(1, abs=1e-6)


def test_local_temperature_answers_another_question():
    assert theory.local_temperature("inner", 1.5, 1.5) == pytest.approx(8.025, abs=5e-4)
    temperatures = theory.local_temperature("inner", 1.5, np.array([0.5, 1.0, 2.0]))
    assert np.all(np.diff(temperatures) > 0)  # the global gain rises with sigma instead
    assert theory.local_temperature("euclidean", 1.5, 1.0) == 0
    tau = theory.local_temperature("inner", 1.5, 0.8, relative=False)

    def slope(temperature):
        near = [
            theory.projector_loss("inner", 1.5, 0.8, theory.Metric(a / temperature, 1 / temperature), 5)
            for a in (1 - 1e-5, 1 + 1e-5)
        ]
        return near[1] - near[0]

    assert slope(0.98 * tau) > 0 > slope(1.02 * tau)


def test_relative_local_temperature_is_where_the_two_slopes_are_equal():
    r, sigma, p = 1.5, 0.8, 5
    tau = theory.local_temperature("inner", r, sigma)

    def slope(along, across):
        near = [
            theory.projector_loss(
                "inner", r, sigma, theory.Metric((1 + e * along) / tau, (1 + e * across) / tau), p
            )
            for e in (-1e-5, 1e-5)
        ]
        return (near[1] - near[0]) / 2e-5

    assert slope(1, 0) == pytest.approx(slope(0, 1) / (p - 1), abs=1e-9)


def test_cosine_gains_in_twenty_dimensions():
    """Published table of an exact quadrature written apart from this one."""
    table = {
        0.3: [0.608, 0.612, 0.640, 0.735, 0.887],
        0.8: [0.971, 0.913, 1.006, 1.381, 2.010],
        1.5: [1.287, 1.179, 1.308, 1.855, 2.760],
    }
    for sigma, expected in table.items():
        found = theory.projector_gain("cosine", 1.5, sigma, temperature=[0.05, 0.1, 0.2, 0.5, 1.0], dim=20)
        np.testing.assert_allclose(found, expected, atol=6e-4)


@pytest.mark.parametrize("views", ["both", "clean anchor"])
@pytest.mark.parametrize(
    ("r", "sigma", "temperature", "p"), [(1.5, 0.5, 0.3, 128), (0.4, 1.2, 0.05, 32), (2.5, 0.8, 1.0, 3)]
)
def test_the_cosine_gain_makes_the_loss_stationary(views, r, sigma, temperature, p):
    log_gain = np.log(theory.projector_gain("cosine", r, sigma, temperature=temperature, dim=p, views=views))
    step = 0.01 * np.arange(-2, 3)
    losses = theory.cosine_loss(r, sigma, temperature, p, np.exp(log_gain + step), views=views)
    slope = np.dot([1, -8, 0, 8, -1], losses) / (12 * 0.01)
    curvature = np.dot([-1, 16, -30, 16, -1], losses) / (12 * 0.01**2)
    assert curvature > 0 and abs(slope / curvature) < 1e-7


@pytest.mark.parametrize("views", ["both", "clean anchor", "clean negatives"])
def test_cosine_loss_against_sampling(seed, views):
    r, sigma, temperature, p, gain = 1.2, 0.6, 0.4, 6, 1.3
    rng = np.random.default_rng([seed, 9])

    def unit(x):
        x = x * np.array([gain] + [1.0] * (p - 1))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def inputs(n):
        return rng.choice([-1.0, 1.0], (n, 1)) * ([r] + [0] * (p - 1)) + rng.normal(size=(n, p))

    h, other = inputs(4000), inputs(8000)
    anchor, rest = (0.0 if views == clean else sigma for clean in ("clean anchor", "clean negatives"))
    one, two = (unit(h + s * rng.normal(size=h.shape)) for s in (anchor, rest))
    other = unit(other + rest * rng.normal(size=other.shape))
    terms = np.log(np.mean(np.exp(one @ other.T / temperature), 1)) - np.sum(one * two, 1) / temperature
    error = np.hypot(terms.std() / np.sqrt(len(terms)), 1.5 / np.sqrt(len(other)))
    assert abs(terms.mean() - theory.cosine_loss(r, sigma, temperature, p, gain, views=views)) < 4 * error


@pytest.mark.parametrize(
    ("world", "gain"),
    [((0.102, 1.21, 1.044, 4), 10.68), ((1.0, 0.7, 0.0157, 32), 8.0), ((1.05, 0.215, 0.0254, 8), 0.0762)],
)
def test_cosine_negatives_at_extreme_gains(world, gain):
    """E log E' e^(cos / temperature) by quantiles of the noncentral t law of x_u / |x_perp|."""
    r, sigma, temperature, p = world
    v, m = 1 + sigma**2, p - 1
    found = cosine._CosineLoss(r, v, v, temperature, p)._log_negatives(gain)

    def by_quantiles(count):
        levels = (np.arange(count) + 0.5) / count
        slope = gain * nct.ppf(levels, m, r / np.sqrt(v)) / np.sqrt(m)
        sine = 1 / np.hypot(1, slope)
        across = np.outer(sine, sine) / temperature
        kernel = np.cosh(np.outer(slope * sine, slope * sine) / temperature) * hyp0f1(m / 2, across**2 / 4)
        return np.mean(np.log(np.mean(kernel, 1)))

    coarse, fine = by_quantiles(250), by_quantiles(1000)
    assert found == pytest.approx(fine, abs=abs(fine - coarse) + 1e-9)
    assert abs(fine - coarse) < 2e-4 * max(1, abs(fine))


def test_cosine_limit():
    """Its criterion is the sign of its gain, and the exact gain tends to it as 1/p."""
    sigma, scale = np.sqrt([0.25, 0.25, 1.0, 2.25, 2.25]), 1 / np.array([0.5, 0.1, 0.5, 0.5, 0.1])
    gains = theory.cosine_gain_limit(1.5, sigma, scale)
    np.testing.assert_allclose(gains, [0.717, 0.917, 0.998, 1.144, 1.554], atol=6e-4)
    assert np.array_equal(theory.cosine_expands(1.5, sigma, scale), gains > 1)
    exact = theory.projector_gain(
        "cosine", 1.5, sigma[3], temperature=scale[3] / np.array([64, 256]), dim=[64, 256]
    )
    gaps = exact - gains[3]
    assert gaps[1] == pytest.approx(gaps[0] / 4, rel=0.1)


@pytest.mark.parametrize("views", ["clean anchor", "clean negatives"])
@pytest.mark.parametrize(("sigma", "scale"), [(0.5, 2.0), (1.5, 10.0)])
def test_one_sided_cosine_limit_is_the_exact_gain_extrapolated(views, sigma, scale):
    """Second order in 1/p from 100, 200, 400: the exact gains hold 1e-6, enlarged by 5, and the next order 2e-6."""
    dims = np.array([100, 200, 400])
    exact = theory.projector_gain("cosine", 1.5, sigma, temperature=scale / dims, dim=dims, views=views)
    limit = theory.cosine_gain_limit(1.5, sigma, scale, views=views)
    assert limit == pytest.approx(exact @ np.array([1, -6, 8]) / 3, abs=1e-5)
    assert abs(exact[2] - limit) > 1e-5  # the extrapolation does something
    assert theory.cosine_expands(1.5, sigma, scale, views=views) == (limit > 1)


def test_cosine_limit_of_views_that_are_equal():
    """Without augmentation the three settings are one world."""
    limits = [
        theory.cosine_gain_limit(1.2, 0.0, [0.5, 5.0], views=v)
        for v in ("both", "clean anchor", "clean negatives")
    ]
    np.testing.assert_allclose(limits[1:], [limits[0]] * 2, rtol=1e-12)


@pytest.mark.parametrize("views", ["both", "clean anchor", "clean negatives"])
def test_cosine_limit_exists_above_the_scale_that_its_refusal_names(views):
    """At the named scale the loss falls for ever; 1% above it the gain is large and finite."""
    with pytest.raises(theory.AssumptionError, match="grows with the dimension") as raised:
        theory.cosine_gain_limit(1.5, 1.5, 0.01, views=views)
    least = float(re.search(r"exceed (\S+) at", str(raised.value)).group(1))
    near, far = theory.cosine_gain_limit(1.5, 1.5, np.array([1.0001, 1.01]) * least, views=views)
    assert (
        3 < far < near / 5
    )  # the gain grows as the root of 1 over the distance to the least scale: 10 times


def test_one_sided_cosine_against_training():
    """Published gains of trained projectors in 20 dimensions with 511 negatives, clean anchor and clean negatives."""
    sigma, temperature = np.array([0.5, 0.5, 1.5, 1.5]), np.array([0.1, 0.5, 0.1, 0.5])
    for views, trained in (
        ("clean anchor", [0.634, 0.776, 0.852, 1.247]),
        ("clean negatives", [0.639, 0.777, 0.931, 1.281]),
    ):
        exact = theory.projector_gain("cosine", 1.5, sigma, temperature=temperature, dim=20, views=views)
        np.testing.assert_allclose(exact, trained, rtol=0.02)
        expands = theory.cosine_expands(1.5, sigma, 20 * temperature, views=views)
        assert np.array_equal(expands, np.array(trained) > 1)


@pytest.mark.parametrize("views", ["both", "clean anchor", "clean negatives"])
@pytest.mark.parametrize(("sigma", "scale"), [(0.5, 2.0), (1.5, 2.0), (1.5, 10.0)])
def test_cosine_margin_is_the_slope_of_the_exact_loss(views, sigma, scale):
    """Minus dL/dlog k at W = I in units of r^2 / (scale (v1 v2)^(1/2)), extrapolated in 1/p from 200 and 800."""
    r = 1.5
    size = (1 + sigma**2) ** (1.0 if views == "both" else 0.5)

    def slope(dim):
        ends = [
            theory.cosine_loss(r, sigma, scale / dim, dim, gain, views=views)
            for gain in np.exp([-0.01, 0.01])
        ]
        return (ends[0] - ends[1]) / 0.04 * scale * size / r**2

    limit = (4 * slope(800) - slope(200)) / 3
    margin = theory.cosine_expansion_margin(r, sigma, scale, views=views)
    assert margin == pytest.approx(limit, abs=5e-4)


def test_cosine_margin_of_equal_views_is_the_two_sided_one():
    """Without augmentation all three settings are one world."""
    margins = [
        theory.cosine_expansion_margin(1.2, 0.0, [0.5, 5.0], views=views)
        for views in ("both", "clean anchor", "clean negatives")
    ]
    np.testing.assert_allclose(margins[1:], [margins[0]] * 2, rtol=1e-14)
    r, sigma, scale = 1.5, 0.8, 3.0
    v, inverse = 1 + sigma**2, 1 / scale
    t = (np.sqrt(1 + 4 * inverse**2) - 1) / (2 * inverse)
    q = 1 - t**2
    x = np.linspace(-9, 9, 4001)
    weights = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    anchor = r + np.sqrt(v) * x
    pull = np.sum(weights * anchor / r * np.tanh(r * anchor * t / v))
    expected = sigma**2 / v - q * t**3 / 2 - q**2 * pull
    assert theory.cosine_expansion_margin(r, sigma, scale) == pytest.approx(expected, abs=1e-12)


def test_the_cosine_window_is_narrower_in_few_dimensions():
    """Edges at r = 1.5: the upper one is off by a factor 1.7 at p = 8, and at the lower one the order is reversed."""
    for sigma, edges in ((0.5, (7.8, 13.52)), (0.75, (3.4, 5.9))):
        for dim, edge in zip((8, None), edges, strict=True):
            inside, outside = 0.93 * edge, 1.07 * edge
            assert not theory.cosine_expands(1.5, sigma, inside, dim=dim)
            assert theory.cosine_expands(1.5, sigma, outside, dim=dim)
    assert theory.cosine_expands(1.5, 0.5, 0.4) and not theory.cosine_expands(1.5, 0.5, 0.4, dim=8)
    gains = theory.projector_gain("cosine", 1.5, 0.5, temperature=np.array([0.4, 0.2]) / 8, dim=8)
    np.testing.assert_allclose(gains, [0.937, 1.394], atol=5e-4)
    margins = theory.cosine_expansion_margin(1.5, 0.5, 2.0, dim=[200, 800])
    limit = theory.cosine_expansion_margin(1.5, 0.5, 2.0)
    assert (margins @ [-1, 4]) / 3 == pytest.approx(
        limit, abs=3e-4
    )  # the error falls as 1/p, next order 1e-4
    assert abs(margins[1] - limit) > 3e-3
    assert np.isscalar(theory.cosine_expands(1.5, 0.5, 2.0, dim=8))
    with pytest.raises(ValueError, match=r"scale / dim must lie in \[0.002, inf\)"):
        theory.cosine_expands(1.5, 0.5, 0.1, dim=100)


def test_cosine_loss_takes_arrays():
    found = theory.cosine_loss(1.2, 0.8, 0.3, [[12], [20]], [0.5, 2.0])
    assert found.shape == (2, 2)
    assert found[1, 0] == theory.cosine_loss(1.2, 0.8, 0.3, 20, 0.5)


def test_cosine_shrinks_in_a_window_of_temperatures_only():
    scale = np.geomspace(1e-3, 1e3, 4001)
    for sigma2, window in ((0.04, [0.0770, 82.2]), (0.25, [0.412, 13.52]), (0.81, [1.21, 3.70])):
        shrinks = scale[~theory.cosine_expands(1.5, np.sqrt(sigma2), scale)]
        np.testing.assert_allclose([shrinks[0], shrinks[-1]], window, rtol=5e-3)
    for r, limit in ((0.5, 0.562), (1.0, 0.749), (1.5, 1.008), (2.0, 1.313), (5.0, 3.614)):
        assert not np.all(theory.cosine_expands(r, np.sqrt(limit * 0.995), scale))
        assert np.all(theory.cosine_expands(r, np.sqrt(limit * 1.005), scale))


def test_arrays_broadcast_and_scalars_give_floats():
    grid = theory.projector_gain("inner", [[1.0], [2.0]], [0.5, 1.0, 2.0])
    assert grid.shape == (2, 3)
    one = theory.projector_gain("inner", 2.0, 0.5)
    assert isinstance(one, float) and one == pytest.approx(grid[1, 0], rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.projector_gain("triplet", 1, 1), "loss must be one of 'spectral'"),
        (lambda: theory.projector_gain("inner", -1, 1), r"signal_norm must lie in \[0, inf\), got -1"),
        (lambda: theory.projector_gain("inner", 1, -1), "sigma must lie in"),
        (lambda: theory.projector_gain("spectral", 1, 1, temperature=0.5), "temperature must be left out"),
        (lambda: theory.projector_gain("inner", 1, 1, dim=5), "dim must be left out"),
        (lambda: theory.projector_gain("cosine", 1, 1, dim=5), "temperature must be given"),
        (lambda: theory.projector_gain("cosine", 1, 1, temperature=0, dim=5), "temperature must lie in"),
        (lambda: theory.projector_gain("inner", 1, 1, views="none"), "views must be one of"),
        (lambda: theory.expansion_threshold("euclidean", 1.0), "expands at any augmentation"),
        (lambda: theory.expansion_threshold("cosine", 1.0), "see `cosine_expands`"),
        (lambda: theory.expansion_threshold("triplet", 1.0), "loss must be one of"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_outside_the_hypotheses():
    with pytest.raises(theory.AssumptionError, match="sigma must be > 0"):
        theory.projector_gain("euclidean", 1.0, 0.0)
    with pytest.raises(theory.AssumptionError, match="scale must exceed"):
        theory.cosine_gain_limit(1.5, 1.5, 0.1)
