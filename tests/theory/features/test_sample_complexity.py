"""Theorem 3.6, Corollary 3.7 and Theorem 3.8: indicator, boundary, best depth."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import theory

MODEL = theory.FeatureModel([0.4, 0.8, 1.2, 2.0], [0.1, 0.3, 0.2, 0.5], 0.4, dim=5)


def test_thm_3_6_indicator_by_hand():
    model = theory.FeatureModel([1.0, 2.0], [0.0, 0.0], 1.0)
    assert theory.sample_complexity(model, [1.0, 1.0], 0) == 7.0  # (2 + 5) / 1
    assert theory.sample_complexity(model, [2.0, 1.0], 1) == 13 / 4  # (8 + 5) / 4
    np.testing.assert_allclose(theory.sample_complexity(model, [[1, 1], [3, 3], [2, 1]], 0), [7, 7, 13 / 4])


def test_thm_3_6_is_radius_over_margin(seed):
    """Second moment of the sampled representation over its squared margin, six standard errors apart at most."""
    rng = np.random.default_rng(seed)
    weights, n = np.array([0.5, 1.0, 0.2, 0.7]), 200_000
    x = rng.choice([-1, 1], (n, 4)) * MODEL.phi + MODEL.sigma * rng.normal(size=(n, 4))
    radius = np.sum((weights * x) ** 2, axis=1) / (weights[1] * MODEL.phi[1]) ** 2
    expected = theory.sample_complexity(MODEL, weights, 1)
    assert abs(radius.mean() - expected) < 6 * radius.std() / np.sqrt(n)


def test_absent_target_is_refused():
    with pytest.raises(theory.AssumptionError, match="feature 1 must be > 0"):
        theory.sample_complexity(MODEL, [1, 0, 1, 1], 1)
    absent = MODEL.with_feature(2, alpha=1.0)
    for function in (theory.best_depth, theory.before_head_boundary):
        with pytest.raises(theory.AssumptionError, match="feature 2 is not kept"):
            function(absent, 2)
    with pytest.raises(theory.AssumptionError, match="feature 2 is not kept"):
        theory.best_layer(absent, 2, 3)
    with pytest.raises(theory.AssumptionError, match="feature 0 is not kept"):
        theory.best_depth(MODEL, 0, embed_dim=1)


@pytest.mark.parametrize("target", range(4))
def test_thm_3_8_best_depth_minimises_the_indicator(target):
    after = theory.layer_weights(MODEL)[-1]
    best = minimize_scalar(
        lambda t: theory.sample_complexity(MODEL, after**t, target),
        bounds=(0, 1),
        options={"xatol": 1e-9},
    )
    depth = theory.best_depth(MODEL, target)
    assert depth == pytest.approx(best.x, abs=1e-5)
    assert theory.sample_complexity(MODEL, after**depth, target) <= best.fun * (1 + 1e-14)


def test_thm_3_8_interior_best_depth_is_stationary():
    model = theory.FeatureModel([1.0, 1.0, 1.0], [0.15, 0.0, 0.4], 0.3)
    depth, h = theory.best_depth(model, 0), 1e-5
    assert 0 < depth < 1
    after = theory.layer_weights(model)[-1]
    left, right = (theory.sample_complexity(model, after ** (depth + e), 0) for e in (-h, h))
    assert abs(right - left) / (2 * h) < 1e-9


def test_thm_3_8_best_depth_falls_with_the_weight_of_the_target():
    depths = [theory.best_depth(MODEL.with_feature(1, alpha=a), 1) for a in np.linspace(0.0, 0.9, 40)]
    assert np.all(np.diff(depths) <= 0) and depths[0] > depths[-1] == 0


def test_equal_weights_make_depth_irrelevant_and_choose_the_lowest():
    model = theory.FeatureModel([1.0, 1.0, 1.0], 0.3, 0.2)
    assert theory.best_depth(model, 0) == 0.0 and theory.best_layer(model, 0, 5) == 1


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_thm_3_8_best_layer_is_the_argmin(depth):
    for target in range(4):
        indicator = theory.sample_complexity(MODEL, theory.layer_weights(MODEL, depth), target)
        assert theory.best_layer(MODEL, target, depth) == 1 + np.argmin(indicator)


def before_minus_after(model, target):
    before, after = theory.sample_complexity(model, theory.layer_weights(model), target)
    return before - after


@settings(max_examples=60, deadline=None)
@given(
    phi=st.lists(st.floats(0.3, 3), min_size=3, max_size=3),
    alpha=st.lists(st.floats(0, 0.9), min_size=3, max_size=3),
    sigma=st.floats(0.05, 1.0),
    two_sided=st.booleans(),
    vary=st.sampled_from(["alpha", "phi"]),
)
def test_cor_3_7_boundary_is_where_the_indicators_cross(phi, alpha, sigma, two_sided, vary):
    """Equal indicators at every end that is in range, after wins just inside, before just outside."""
    model = theory.FeatureModel(phi, alpha, sigma, two_sided=two_sided)
    assume(abs(before_minus_after(model, 0)) > 1e-6)  # not on the boundary itself, where both sides tie
    boundary = theory.before_head_boundary(model, 0, vary)
    assert boundary.before_wins == (before_minus_after(model, 0) < 0)
    for end, inward in ((boundary.lower, 1), (boundary.upper, -1)):
        if end is None:
            continue
        assert end > 0
        assume(vary == "phi" or 1e-6 < end < 1 - 1e-3)
        at = model.with_feature(0, **{vary: end})
        scale = theory.sample_complexity(at, theory.layer_weights(at)[1], 0)
        assert abs(before_minus_after(at, 0)) < 1e-9 * scale
        if boundary.lower is None or boundary.upper - boundary.lower > 0.01:
            inside = model.with_feature(0, **{vary: end * (1 + inward * 1e-4)})
            outside = model.with_feature(0, **{vary: end * (1 - inward * 1e-4)})
            assert before_minus_after(inside, 0) > 0 > before_minus_after(outside, 0)
    if boundary.upper is None:
        assert boundary.lower is None and boundary.before_wins
        for value in (0.001, 0.3, 0.9):
            assert before_minus_after(model.with_feature(0, **{vary: value}), 0) < 0


@pytest.mark.parametrize(
    "phi, alpha, sigma", [(0.7, 0.3, 0.2), (1.1, 0.1, 0.4), (1.3, 0.2, 0.7), (2.0, 0.5, 0.3)]
)
def test_before_does_not_win_at_an_exact_tie(phi, alpha, sigma):
    """Equal features: the indicators are the same before and after, whatever round-off says."""
    for k in range(2, 9):
        assert not theory.before_head_boundary(theory.FeatureModel([phi] * k, alpha, sigma), 0).before_wins
    nearly = theory.FeatureModel([phi] * 3, [alpha + 1e-9, alpha, alpha], sigma)
    assert theory.before_head_boundary(nearly, 0).before_wins


def test_cor_3_7_three_scenarios():
    """Before the head wins for a disrupted, a very weak and a very strong target; after wins in between."""
    model = theory.FeatureModel([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], 0.4)
    assert not theory.before_head_boundary(model, 0).before_wins
    for change in (dict(alpha=0.8), dict(phi=0.05), dict(phi=8.0)):
        assert theory.before_head_boundary(model.with_feature(0, **change), 0).before_wins


def test_noise_free_boundary_has_no_lower_end():
    boundary = theory.before_head_boundary(theory.FeatureModel([1.0, 2.0], [0.1, 0.2], 0.0), 0, "phi")
    assert boundary.lower is None and boundary.upper == pytest.approx(
        0.9 / (0.64 * 4 / 4 / (0.8 * 2) * 4 / 4)
    )


@pytest.mark.parametrize(("vary", "beyond", "within"), [("alpha", 1e-6, -1e-6), ("phi", -1e-6, 1e-6)])
def test_selection_is_where_the_feature_falls_out(vary, beyond, within):
    boundary = theory.before_head_boundary(MODEL, 2, vary, embed_dim=2)
    assert (
        theory.layer_weights(MODEL.with_feature(2, **{vary: boundary.selection + within}), embed_dim=2)[1, 2]
        > 0
    )
    dropped = MODEL.with_feature(2, **{vary: boundary.selection + beyond})
    assert theory.layer_weights(dropped, embed_dim=2)[1, 2] == 0
    kept = theory.layer_weights(MODEL, embed_dim=2)
    assert boundary.before_wins == (
        theory.sample_complexity(MODEL, kept[0], 2) < theory.sample_complexity(MODEL, kept[1], 2)
    )


def test_boundary_needs_another_feature():
    with pytest.raises(theory.AssumptionError, match="no feature besides target 0"):
        theory.before_head_boundary(theory.FeatureModel([1.0], 0.2, 0.3), 0)
    with pytest.raises(ValueError, match="vary must be one of 'alpha', 'phi', got 'sigma'"):
        theory.before_head_boundary(MODEL, 0, "sigma")


@pytest.mark.parametrize("target", [-1, 4, 1.0, True])
def test_target_out_of_range(target):
    with pytest.raises(ValueError, match=r"target must be an integer in 0\.\.3"):
        theory.sample_complexity(MODEL, np.ones(4), target)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"weights must have shape \(\.\.\., 4\)"),
        (1.0, "weights must have shape"),
        (-np.ones(4), "weights must lie in"),
        (np.zeros(4), "must not all be 0"),
        ([1, np.nan, 1, 1], "weights must be finite"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        theory.sample_complexity(MODEL, weights, 0)
