"""Penalised minima against brute force over matrices and over grids, and the jumps against both sides."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

import theory

MODEL = theory.FeatureModel([0.5, 0.8, 1.2, 1.6], [0.1, 0.3, 0.2, 0.0], 0.4)
LAMBDA1, LAMBDA2, MU = 0.02, 0.05, 0.03


def brute_force(growth, decay, cost):
    """Best (before, after) of one feature on a fine grid of both weights, refined."""
    grid = np.geomspace(1e-3, 3, 400)
    a, b = np.meshgrid(grid, grid)
    value = -2 * growth * (a * b) ** 2 + decay * (a * b) ** 4 + cost(a, b)
    i = np.unravel_index(value.argmin(), value.shape)
    found = minimize(
        lambda x: -2 * growth * (x[0] * x[1]) ** 2 + decay * (x[0] * x[1]) ** 4 + cost(*np.abs(x)),
        [a[i], b[i]],
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-15},
    )
    return (abs(found.x[0]), abs(found.x[0] * found.x[1])) if found.fun < 0 else (0.0, 0.0)


@pytest.mark.parametrize(
    "scheme, cost",
    [
        (theory.WeightDecay(LAMBDA1, MU), lambda a, b: LAMBDA1 * a**2 + MU * b**2),
        (theory.SparseHead(LAMBDA1, LAMBDA2), lambda a, b: LAMBDA1 * a**2 + LAMBDA2 * b),
        (
            theory.SparseHead(LAMBDA1, LAMBDA2, MU),
            lambda a, b: LAMBDA1 * a**2 + LAMBDA2 * b + MU * b**2,
        ),
        (theory.SparseHead(0.3, 0.3, 0.1), lambda a, b: 0.3 * a**2 + 0.3 * b + 0.1 * b**2),
    ],
    ids=["weight decay", "sparse head", "both", "most dropped"],
)
def test_each_feature_against_brute_force_over_both_weights(scheme, cost):
    found = theory.penalised_weights(MODEL, scheme)
    for i, (rho, phi, variance) in enumerate(zip(MODEL.retention, MODEL.phi, MODEL.variance, strict=True)):
        before, after = brute_force(rho * phi**2, variance**2, cost)
        assert found.before[i] == pytest.approx(before, abs=1e-5)
        assert found.after[i] == pytest.approx(after, abs=1e-5)


def test_closed_forms_of_the_weight_before_the_head():
    decay = theory.penalised_weights(MODEL, theory.WeightDecay(LAMBDA1, MU))
    np.testing.assert_allclose(decay.before, (MU / LAMBDA1) ** 0.25 * np.sqrt(decay.after), rtol=1e-12)
    sparse = theory.penalised_weights(MODEL, theory.SparseHead(LAMBDA1, LAMBDA2))
    np.testing.assert_allclose(sparse.before, np.cbrt(LAMBDA2 * sparse.after / (2 * LAMBDA1)), rtol=1e-12)


def test_both_schemes_are_the_ends_of_one_family():
    same = [theory.penalised_weights(MODEL, theory.SparseHead(LAMBDA1, head, MU)) for head in (0.0, 1e-13)]
    decay = theory.penalised_weights(MODEL, theory.WeightDecay(LAMBDA1, MU))
    for one in same:
        np.testing.assert_allclose(one.before, decay.before, atol=1e-11)
    vanishing = theory.penalised_weights(MODEL, theory.WeightDecay(1e-14, 1e-14))
    np.testing.assert_allclose(vanishing.after, theory.layer_weights(MODEL)[1], rtol=1e-12)
    np.testing.assert_allclose(vanishing.before, theory.layer_weights(MODEL)[0], rtol=1e-12)


@pytest.mark.parametrize("head_decay", [0.0, 0.02])
def test_the_jump_of_the_sparse_head(head_decay):
    edge = theory.drop_penalty(MODEL, LAMBDA1, head_decay)
    full = theory.layer_weights(MODEL)[1]
    for i in range(4):
        for side, kept in ((0.9999, True), (1.0001, False)):
            scheme = theory.SparseHead(LAMBDA1, side * edge[i], head_decay)
            after = theory.penalised_weights(MODEL, scheme).after[i]
            assert (after > 0) == kept
            if kept:
                assert np.sqrt(2 / 3) * full[i] <= after
                assert head_decay or after == pytest.approx(np.sqrt(0.8) * full[i], rel=1e-4)


def test_the_jump_of_weight_decay():
    growth, decay = MODEL.retention * MODEL.phi**2, MODEL.variance**2
    edge = ((4 / 3) * growth * np.sqrt(2 * growth / (3 * decay)) / 2) ** 2  # of the product of both penalties
    for i in range(4):
        inside = theory.penalised_weights(MODEL, theory.WeightDecay(1.0, 0.99999 * edge[i]))
        outside = theory.penalised_weights(MODEL, theory.WeightDecay(1.0, 1.00001 * edge[i]))
        assert inside.after[i] == pytest.approx(np.sqrt(2 / 3) * theory.layer_weights(MODEL)[1][i], rel=1e-4)
        assert outside.after[i] == 0


def test_drop_penalty_is_zero_where_the_decay_alone_drops():
    assert np.all(theory.drop_penalty(MODEL, 1.0, 5.0) == 0)
    assert theory.drop_penalty(theory.FeatureModel([1.0], [1.0], 0.1), 0.1)[0] == 0


@pytest.mark.parametrize("scheme", [theory.SparseHead(0.01, 0.1), theory.WeightDecay(0.01, 0.1)], ids=repr)
def test_drop_strength_separates_kept_from_dropped(scheme):
    edge = theory.drop_strength(scheme, 0.64, 0.3)
    model = theory.FeatureModel([edge * 0.999, edge * 1.001], 0.2, 0.3)
    weights = theory.pre_head_weights(model, scheme)
    assert weights[0] == 0 < weights[1]


def test_drop_strength_far_above_one():
    """The strength is searched far above 1 where the penalty asks for it."""
    scheme = theory.SparseHead(1.0, 10.0, 1.0)
    edge = theory.drop_strength(scheme, 0.1, 1.0)
    assert edge == pytest.approx(7813.0, abs=0.1)
    kept = [
        theory.pre_head_weights(theory.FeatureModel([phi], 1 - 0.1**0.5, 1.0), scheme)[0]
        for phi in (0.999 * edge, 1.001 * edge)
    ]
    assert kept[0] == 0 < kept[1]


def test_rank_keeps_the_features_of_lowest_minimum():
    scheme = theory.SparseHead(LAMBDA1, LAMBDA2)
    free, tight = (theory.penalised_weights(MODEL, scheme, rank) for rank in (None, 2))
    kept = tight.after > 0
    assert kept.sum() == 2
    assert free.minimum[kept].max() < free.minimum[~kept].min()
    twins = theory.FeatureModel([1.0, 1.0], 0.1, 0.3)
    with pytest.raises(theory.AssumptionError, match="not determined"):
        theory.penalised_weights(twins, scheme, 1)


def test_one_output_never_mixes_features():
    """Minimum over all vectors u of -2 u'Ku + (u'Su)^2 + P(|u|), from many starts, is the best single feature."""
    scheme, rng = theory.SparseHead(0.05, 0.1), np.random.default_rng(0)
    strength = 3 * np.cbrt(0.05) * 0.05 ** (2 / 3)

    def loss(u):
        return (
            -2 * u @ MODEL.cross_cov @ u + (u @ MODEL.cov @ u) ** 2 + strength * (u @ u + 1e-300) ** (1 / 3)
        )

    best = min(minimize(loss, rng.standard_normal(4), method="BFGS").fun for _ in range(30))
    assert best == pytest.approx(theory.penalised_weights(MODEL, scheme, 1).minimum.sum(), abs=1e-7)


def penalised_loss(gram, model, scheme):
    """Loss and least penalty of a network with this Gram matrix, the penalty from its singular values."""
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0))
    loss = -2 * np.trace(gram @ model.cross_cov) + np.sum((gram @ model.cov) * (gram @ model.cov).T)
    if isinstance(scheme, theory.WeightDecay):
        return loss + 2 * np.sqrt(scheme.encoder * scheme.head) * values.sum()
    return loss + 3 * np.cbrt(scheme.encoder) * (scheme.head / 2) ** (2 / 3) * np.sum(values ** (2 / 3))


@pytest.mark.parametrize("scheme", [theory.WeightDecay(0.02, 0.1), theory.SparseHead(0.02, 0.1)], ids=repr)
def test_no_mixture_does_better_where_strength_and_correlation_are_ordered_alike(scheme, seed):
    """Random Gram matrices, and the best ones that an optimiser finds from them, stay above the law's minimum."""
    rng = np.random.default_rng([seed, 3])
    alike = theory.FeatureModel([0.5, 0.8, 1.2, 1.6], [0.2, 0.15, 0.1, 0.0], 0.4)
    assert np.all(np.diff(alike.correlation) > 0)
    best = theory.penalised_weights(alike, scheme).minimum.sum()
    spread = np.sqrt(np.diag(1 / alike.variance))
    for _ in range(5000):
        rank = rng.integers(1, 5)
        factor = spread @ rng.standard_normal((4, rank)) * np.sqrt(rng.uniform(0, 1.5, rank))
        assert penalised_loss(factor @ factor.T / 4, alike, scheme) > best
    found = [
        minimize(
            lambda flat: penalised_loss(flat.reshape(4, 4).T @ flat.reshape(4, 4), alike, scheme),
            rng.standard_normal(16),
            method="BFGS",
        ).fun
        for _ in range(4)
    ]
    assert min(found) >= best - 1e-9


def test_the_eigenvalues_log_majorise_the_ordered_ratios(seed):
    """Step 2 of the proof: partial products of the eigenvalues of M against those of nu over v, both decreasing."""
    rng = np.random.default_rng([seed, 4])
    for _ in range(5000):
        k = rng.integers(2, 6)
        factor = rng.standard_normal((k, k))
        product, v = factor @ factor.T, np.sort(10 ** rng.uniform(-1, 1, k))[::-1]
        inside = np.linalg.eigvalsh(product / np.sqrt(v[:, None] * v))[::-1]
        ratio = np.sort(np.linalg.eigvalsh(product)[::-1] / v)[::-1]
        assert np.all(np.cumsum(np.log(inside)) >= np.cumsum(np.log(ratio)) - 1e-6)


def advantage_of(scheme, model, target):
    found = theory.penalised_weights(model, scheme)
    after, before = (theory.sample_complexity(model, w, target) for w in (found.after, found.before))
    return np.log(after / before)


@pytest.mark.parametrize("target", range(4))
@pytest.mark.parametrize(
    "scheme_at",
    [
        lambda kappa: theory.WeightDecay(0.02, (kappa / 2) ** 2 / 0.02),
        lambda kappa: theory.SparseHead(0.02, 0.0, (kappa / 2) ** 2 / 0.02),
        lambda kappa: theory.SparseHead(0.02, 2 * (kappa / (3 * np.cbrt(0.02))) ** 1.5),
    ],
    ids=["decay", "sparse scheme with decay only", "sparse"],
)
@pytest.mark.parametrize("kappa", [1e-3, 0.05])
def test_advantage_and_its_slope_by_central_differences(scheme_at, kappa, target):
    found = theory.before_head_advantage(MODEL, target, scheme_at(kappa))
    assert found.value == pytest.approx(advantage_of(scheme_at(kappa), MODEL, target), abs=1e-11)
    low, high = (advantage_of(scheme_at(kappa * (1 + side * 1e-4)), MODEL, target) for side in (-1, 1))
    assert found.slope == pytest.approx((high - low) / (2e-4 * kappa), rel=1e-5)


def test_advantage_at_a_vanishing_decay_is_the_limit():
    for target in range(4):
        limit = theory.before_head_advantage(MODEL, target)
        small = theory.before_head_advantage(MODEL, target, theory.WeightDecay(1e-7, 1e-7))
        np.testing.assert_allclose(small, limit, rtol=1e-5)


def test_figure_3d_holds_for_a_strong_target_and_is_reversed_for_a_disrupted_or_weak_one():
    """Before the head is better in all three; only for the strong target does a larger decay reduce this."""
    others = theory.FeatureModel([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], 0.4)
    for change, sign in ((dict(phi=8.0), -1), (dict(alpha=0.8), 1), (dict(phi=0.05), 1)):
        model = others.with_feature(0, **change)
        value, slope = theory.before_head_advantage(model, 0)
        assert value > 0 and np.sign(slope) == sign
        weak, strong = (
            theory.before_head_advantage(model, 0, theory.WeightDecay(kappa, kappa)).value
            for kappa in (1e-6, 2e-4)
        )
        assert np.sign(strong - weak) == sign


def test_exact_accuracy_follows_the_indicator_in_figure_3d():
    """Gap of the averaging classifier at a weak and a stronger decay, for a strong and for a disrupted target."""
    others = theory.FeatureModel([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], 0.4)
    for change, sign in ((dict(phi=2.5), -1), (dict(alpha=0.5), 1)):
        model = others.with_feature(0, **change)
        gaps = []
        for decay in (1e-6, 0.02):
            found = theory.penalised_weights(model, theory.WeightDecay(decay, decay))
            assert np.all(found.after > 0)
            before, after = theory.averaging_accuracy(model, [found.before, found.after], 0, 5)
            gaps.append(before - after)
        assert gaps[0] > 0 and np.sign(gaps[1] - gaps[0]) == sign


def test_advantage_refuses_a_mixed_penalty_and_a_dropped_target():
    with pytest.raises(theory.AssumptionError, match="power of c"):
        theory.before_head_advantage(MODEL, 0, theory.SparseHead(0.1, 0.1, 0.1))
    with pytest.raises(theory.AssumptionError, match="feature 0 is not kept"):
        theory.before_head_advantage(MODEL, 0, theory.WeightDecay(10.0, 10.0))


def test_the_penalty_is_the_least_over_the_split_of_the_weight():
    scheme = theory.SparseHead(LAMBDA1, LAMBDA2, MU)
    found = theory.penalised_weights(MODEL, scheme)
    for before, after in zip(found.before, found.after, strict=True):
        best = minimize_scalar(
            lambda log, after=after: (
                LAMBDA1 * np.exp(2 * log) + LAMBDA2 * after * np.exp(-log) + MU * after**2 * np.exp(-2 * log)
            ),
            bounds=(-4, 4),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert np.log(before) == pytest.approx(best.x, abs=1e-6)


def test_tiny_and_huge_penalties_do_not_fail():
    for size in 10.0 ** np.arange(-14, 5, 2):
        for scheme in (
            theory.SparseHead(size, 1e-3, size),
            theory.SparseHead(1e-3, size),
            theory.WeightDecay(size, 1.0),
        ):
            assert np.all(np.isfinite(theory.pre_head_weights(MODEL, scheme)))


def test_features_that_no_pair_shares_are_dropped():
    model = theory.FeatureModel([1.0, 2.0], [1.0, 1.0], 0.3)
    for scheme in (
        theory.SparseHead(0.1, 0.1),
        theory.SparseHead(0.1, 0.1, 0.1),
        theory.WeightDecay(0.1, 0.1),
    ):
        found = theory.penalised_weights(model, scheme)
        assert found.before.tolist() == found.after.tolist() == [0.0, 0.0]


def test_a_tiny_retention_needs_a_strong_feature():
    """Without noise the strength that is dropped scales as the retention to the power -5/2."""
    scheme = theory.SparseHead(0.1, 0.1)
    strength = theory.drop_strength(scheme, 1.0, 0.0)
    for retention in (0.5, 1e-6, 1e-8):
        assert theory.drop_strength(scheme, retention, 0.0) == pytest.approx(
            strength * retention**-2.5, rel=1e-12
        )
    with pytest.raises(ValueError, match="drop_strength"):
        theory.drop_strength(scheme, 5e-324, 5e-324)
