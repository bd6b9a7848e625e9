"""The law for the weight before the head against plain optimisation, conservation and hand-solvable cases."""

from itertools import product

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import linear_sum_assignment

import theory

MODEL = theory.FeatureModel([0.5, 0.8, 1.2, 1.6], [0.1, 0.3, 0.2, 0.0], 0.4)
S = theory.layer_weights(MODEL, 1)[0]
SCHEMES = [
    theory.NoHead(),
    theory.JointTraining(),
    theory.LayerOf(1, 3),
    theory.HeadSpeed(0.5, 2.0),
    theory.Bilevel(0.5),
    theory.WeightDecay(0.01, 0.03),
    theory.SparseHead(0.01, 0.03, 0.01),
    theory.FixedReweighting(1.5),
    theory.FrozenHead(np.diag([1.0, 2.0, 0.3, 0.7])),
]


def gradient(model, network):
    return -4 * network @ model.cross_cov + 4 * network @ model.cov @ network.T @ network @ model.cov


def flow(model, first, second, ratio, time):
    def velocity(_, flat):
        w1, w2 = flat[: first.size].reshape(first.shape), flat[first.size :].reshape(second.shape)
        g = gradient(model, w2 @ w1)
        return -np.concatenate([(w2.T @ g).ravel(), ratio * (g @ w1.T).ravel()])

    flat = np.concatenate([first.ravel(), second.ravel()])
    end = solve_ivp(velocity, (0, time), flat, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    return end[: first.size].reshape(first.shape), end[first.size :].reshape(second.shape)


def test_schemes_are_hashable_values():
    assert len({*SCHEMES, *SCHEMES}) == len(SCHEMES)
    assert theory.FrozenHead([[1.0, 2.0]]) == theory.FrozenHead(np.array([[1.0, 2.0]]))
    assert theory.FrozenHead([[1.0, 2.0]]) != theory.FrozenHead([[1.0], [2.0]])


def test_powers_of_the_weight_after_the_head():
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, theory.NoHead()), S)
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, theory.JointTraining()) ** 2, S)
    for depth in (1, 2, 5):
        layers = [
            theory.pre_head_weights(MODEL, theory.LayerOf(layer, depth)) for layer in range(1, depth + 1)
        ]
        np.testing.assert_allclose(layers, theory.layer_weights(MODEL, depth))


@pytest.mark.parametrize("start, ratio", [(0.6, 3.0), (0.3, 0.5), (1.5, 1.0)])
def test_head_speed_is_the_end_of_the_matrix_flow(start, ratio, seed):
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    tiny = 1e-5 * rng.standard_normal((4, 4))
    w1, _ = flow(MODEL, start * rotation, tiny, ratio, 400.0)
    scheme = theory.HeadSpeed(start, ratio)
    np.testing.assert_allclose(np.linalg.norm(w1, axis=0), theory.pre_head_weights(MODEL, scheme), atol=1e-6)
    wrong = theory.pre_head_weights(MODEL, theory.HeadSpeed(start, 2 * ratio))
    assert np.abs(np.linalg.norm(w1, axis=0) - wrong).max() > 1e-2


def test_head_speed_limits():
    fast, slow = theory.HeadSpeed(0.7, 1e12), theory.HeadSpeed(1e-6, 1.0)
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, fast), 0.7, rtol=1e-9)
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, slow), np.sqrt(S), rtol=1e-9)
    np.testing.assert_allclose(
        theory.pre_head_weights(MODEL, theory.HeadSpeed(0.0, 16.0)), np.sqrt(S) / 2, rtol=1e-12
    )


@pytest.mark.parametrize("scheme", [theory.HeadSpeed(0.5, 2.0), theory.Bilevel(0.5)], ids=repr)
def test_a_dropped_feature_keeps_the_start_only_where_the_width_says_so(scheme):
    dropped = theory.layer_weights(MODEL, 1, 2)[0] == 0
    assert np.all(theory.pre_head_weights(MODEL, scheme, embed_dim=2, width=4)[dropped] == 0.5)
    assert np.all(theory.pre_head_weights(MODEL, scheme, embed_dim=2, width=2)[dropped] == 0)
    for width in (None, 3):
        with pytest.raises(theory.AssumptionError, match="width"):
            theory.pre_head_weights(MODEL, scheme, embed_dim=2, width=width)


def test_width_limits_what_is_kept():
    for scheme in (theory.JointTraining(), theory.WeightDecay(0.001, 0.001), theory.FixedReweighting(1.2)):
        by_width = theory.pre_head_weights(MODEL, scheme, width=2)
        np.testing.assert_array_equal(by_width, theory.pre_head_weights(MODEL, scheme, embed_dim=2))
        assert np.count_nonzero(by_width) == 2


def test_fixed_head_is_the_encoder_of_smallest_norm():
    """Every pairing of features with scales is tried."""
    scales = 1.7 ** -np.arange(4.0)
    cost = (S[:, None] / scales) ** 2
    rows, columns = linear_sum_assignment(cost)
    best = np.sqrt(cost[rows, columns])
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, theory.FixedReweighting(1.7)), best)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    frozen = theory.FrozenHead(rotation @ np.diag(scales[::-1]))
    np.testing.assert_allclose(theory.pre_head_weights(MODEL, frozen), best)


def test_a_frozen_head_of_low_rank_keeps_as_many_features():
    frozen = theory.FrozenHead(np.diag([2.0, 1.0, 0.0, 0.0]))
    weights = theory.pre_head_weights(MODEL, frozen)
    kept = theory.layer_weights(MODEL, 1, 2)[0]
    assert np.count_nonzero(weights) == 2
    np.testing.assert_allclose(np.sort(weights[kept > 0]), np.sort(np.sort(kept)[::-1][:2] / [2.0, 1.0]))


def test_equal_weights_behind_different_scales_are_not_determined():
    model = theory.FeatureModel([1.0, 1.0], 0.1, 0.3)
    with pytest.raises(theory.AssumptionError, match="equal weight"):
        theory.pre_head_weights(model, theory.FixedReweighting(2.0))
    np.testing.assert_allclose(
        theory.pre_head_weights(model, theory.FrozenHead(2 * np.eye(2))), theory.layer_weights(model)[1] / 2
    )


def test_inner_steps_ratio_is_the_sum_it_stands_for():
    for steps, step, proximal in product((1, 2, 7), (1e-3, 0.1), (0.0, 0.5, 3.0)):
        total = sum((1 - 2 * step * proximal) ** j for j in range(steps))
        assert theory.inner_steps_ratio(steps, step, proximal) == pytest.approx(total, rel=1e-13)


@pytest.mark.parametrize("steps, proximal, momentum", [*product((1, 2, 7, 40), (0.0, 0.5, 3.0), (0.3, 0.9))])
def test_inner_steps_with_momentum_move_the_head_as_an_optimiser_does(steps, proximal, momentum):
    """Heavy-ball steps on a linear loss with a proximal term, written out on a vector."""
    slope, head, step = np.array([0.7, -1.3]), np.array([2.0, 1.0]), 0.1
    start, velocity = head.copy(), np.zeros(2)
    for _ in range(steps):
        velocity = momentum * velocity - step * (slope + 2 * proximal * (head - start))
        head = head + velocity
    ratio = theory.inner_steps_ratio(steps, step, proximal, momentum)
    np.testing.assert_allclose(head - start, -step * ratio * slope, rtol=1e-12)
    if proximal == 0:
        closed = (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)
        assert ratio == pytest.approx(closed, rel=1e-12)
    assert theory.inner_steps_ratio(steps, step, proximal, 1e-300) == pytest.approx(
        theory.inner_steps_ratio(steps, step, proximal), rel=1e-12
    )


def test_effective_dimensions_count_equal_features():
    model = theory.FeatureModel(np.ones(5), 0.2, 0.3)
    np.testing.assert_allclose(theory.effective_dimensions(model, theory.JointTraining()), 5)
    two = theory.FeatureModel([1.0, 2.0], 0.0, 0.0)
    after = theory.effective_dimensions(two, theory.NoHead())
    np.testing.assert_allclose(after, [1.25**2 / 1.0625] * 2 + [2.0] * 2)


@pytest.mark.parametrize("scheme", [theory.HeadSpeed(0.5, 2.0), theory.Bilevel(0.5)], ids=repr)
def test_effective_dimensions_need_no_noise_direction_that_keeps_the_start(scheme):
    """A representation as wide as the number of kept features has no room for the start off the features."""
    wide = theory.FeatureModel(MODEL.phi, MODEL.alpha, MODEL.sigma, dim=9)
    for embed_dim, width in ((4, 4), (2, 2)):
        got = theory.effective_dimensions(wide, scheme, embed_dim, width)
        assert got == theory.effective_dimensions(MODEL, scheme, embed_dim, width)
    for width in (None, 5, 9):
        with pytest.raises(theory.AssumptionError, match="keep the start"):
            theory.effective_dimensions(wide, scheme, 4, width)
    nothing = theory.FeatureModel([1.0, 2.0], 1.0, 0.3)
    with pytest.raises(theory.AssumptionError, match="no feature is kept"):
        theory.effective_dimensions(nothing, theory.NoHead())


def test_imbalance_is_conserved_and_names_the_null_space(seed):
    rng = np.random.default_rng(seed)
    first, second, ratio = 0.4 * rng.standard_normal((6, 4)), 0.4 * rng.standard_normal((3, 6)), 1.7
    start = theory.imbalance(first, second, ratio)
    w1, w2 = flow(MODEL, first, second, ratio, 20.0)
    np.testing.assert_allclose(theory.imbalance(w1, w2, ratio), start, atol=1e-8)
    null = np.linalg.svd(w2)[2][3:]
    assert theory.null_space_energy(start, w2) == pytest.approx(np.sum((null @ w1) ** 2), abs=1e-8)
    assert np.abs(theory.imbalance(w1, w2) - theory.imbalance(first, second)).max() > 1e-2


def test_gradient_noise_moves_the_imbalance(seed):
    """Mean change in one SGD step from the balanced minimum over many batches, against the law and its negative."""
    model = theory.FeatureModel([0.6, 1.0, 1.3], [0.1, 0.0, 0.3], 0.4, dim=4)
    rng, batch, batches, chunk = np.random.default_rng([seed, 12]), 128, 40_000, 2000
    root = np.sqrt(np.append(theory.layer_weights(model, 1)[0], 0.0))
    w, gram = np.diag(root**2), np.diag(root**4)
    changes = []
    for _ in range(batches // chunk):
        signs = rng.choice([-1.0, 1.0], (chunk, batch, 3))
        views = []
        for _ in range(2):
            redrawn = np.where(
                rng.random(signs.shape) < model.alpha, rng.choice([-1.0, 1.0], signs.shape), signs
            )
            view = model.sigma * rng.standard_normal((chunk, batch, 4))
            view[..., :3] += redrawn * model.phi
            views.append(view)
        x, y = views
        xx, yy, xy = x.mT @ x, y.mT @ y, x.mT @ y
        own = np.einsum("cbi,ij,cbj->cb", x, gram, y)[..., None]
        pairs = (own * x).mT @ y
        negatives = 2 * (xx @ gram @ yy + yy @ gram @ xx) - 2 * (pairs + pairs.mT)
        g = w @ (negatives / (batch * (batch - 1)) - 2 * (xy + xy.mT) / batch)
        first, second = np.diag(root) - root[:, None] * g, np.diag(root) - g * root  # a step of size 1
        change = np.sum(first**2, axis=2) - np.sum(second**2, axis=1)
        changes.append(change[:, :3])
    changes = np.concatenate(changes)
    law = theory.batch_imbalance(model, batch, 1.0)
    error = changes.std(0) / np.sqrt(batches)
    assert np.all(np.abs(changes.mean(0) - law) < 5 * error + 4 * np.abs(law) / batch)
    assert np.all(np.abs(law) > 15 * error)
    assert law[np.argmax(root[:3])] > 0 > law[np.argmin(root[:3])]
    np.testing.assert_allclose(theory.batch_imbalance(model, 2 * batch, 0.1), 0.01 * law / 2, rtol=1e-13)


def test_momentum_lengthens_the_step_of_gradient_noise(seed):
    """Independent gradients of a given spread: the imbalance moves as with plain steps of size eta / (1 - beta)."""
    rng, runs, steps, rate, momentum = np.random.default_rng([seed, 13]), 4000, 300, 3e-4, 0.8
    spread = np.array([[1.0, 2.0], [0.3, 1.5]])
    first = np.tile(np.diag([0.9, 0.6]), (runs, 1, 1))
    second, pulls = first.copy(), [0.0, 0.0]
    for step in range(2 * steps):
        if step == steps:  # the velocity has forgotten its start
            begin = first @ first.mT - second.mT @ second
        g = spread * rng.standard_normal((runs, 2, 2))
        pulls = [momentum * pulls[0] + second.mT @ g, momentum * pulls[1] + g @ first.mT]
        first, second = first - rate * pulls[0], second - rate * pulls[1]
    change = np.diagonal(first @ first.mT - second.mT @ second - begin, axis1=1, axis2=2)
    plain = rate**2 * steps * np.array([0.9, 0.6]) ** 2
    plain = plain * (np.sum(spread**2, axis=1) - np.sum(spread**2, axis=0))
    ratio, error = change.mean(0) / plain, change.std(0) / np.sqrt(runs) / np.abs(plain)
    model = theory.FeatureModel([0.6, 1.3], [0.1, 0.3], 0.4)
    law = theory.batch_imbalance(model, 64, 0.1, momentum) / theory.batch_imbalance(model, 64, 0.1)
    assert np.all(np.abs(ratio - law) < 4 * error + 0.05 * law)
    assert np.all(np.abs(ratio - np.sqrt(law)) > 4 * error + 0.05 * law)


def test_frozen_head_leaves_its_null_space_alone(seed):
    rng = np.random.default_rng(seed)
    first, head = 0.4 * rng.standard_normal((6, 4)), rng.standard_normal((3, 6))
    w1, _ = flow(MODEL, first, head, 0.0, 20.0)
    np.testing.assert_allclose(theory.frozen_head_encoder(head, head @ w1, first), w1, atol=1e-8)


def test_decayed_imbalance():
    np.testing.assert_allclose(theory.decayed_imbalance(np.eye(2), 0.25, 2.0), np.exp(-2.0) * np.eye(2))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: theory.LayerOf(0, 2), r"layer must be an integer in 1\.\.2, got 0"),
        (lambda: theory.LayerOf(3, 2), "layer must be an integer"),
        (lambda: theory.HeadSpeed(-1.0, 1.0), "start must lie in"),
        (lambda: theory.HeadSpeed(1.0, 0.0), "ratio must lie in"),
        (lambda: theory.Bilevel(0.0), "start must lie in"),
        (lambda: theory.WeightDecay(-0.1, 0.1), "encoder must lie in"),
        (lambda: theory.WeightDecay(0.1, -0.1), "head must lie in"),
        (lambda: theory.SparseHead(0.1, -0.1), "head must lie in"),
        (lambda: theory.SparseHead(0.1, 0.0), "head or head_decay"),
        (lambda: theory.FixedReweighting(1.0), "decay must be > 1, got 1.0"),
        (lambda: theory.FrozenHead(np.ones(3)), "matrix must have shape"),
        (lambda: theory.FixedReweighting(1e200).scales(4), "not representable"),
        (lambda: theory.pre_head_weights(MODEL, "joint"), "scheme must be one of"),
        (lambda: theory.pre_head_weights(MODEL, theory.NoHead(), width=0), "width must be"),
        (lambda: theory.pre_head_weights(MODEL, theory.FrozenHead(np.eye(4)), 3), "embed_dim and width"),
        (lambda: theory.inner_steps_ratio(0, 0.1), "steps must be"),
        (lambda: theory.inner_steps_ratio(1, 1.0, 0.5), "must be < 1"),
        (lambda: theory.inner_steps_ratio(1, 0.1, 0.5, 1.0), "momentum must be < 1"),
        (lambda: theory.inner_steps_ratio(1, 0.1, 0.5, -0.1), "momentum must lie in"),
        (lambda: theory.imbalance(np.ones((2, 3)), np.ones((2, 3))), "shapes"),
        (lambda: theory.batch_imbalance(MODEL, 1, 0.1), "batch must be"),
        (lambda: theory.batch_imbalance(MODEL, 8, 0.0), "step_size must lie in"),
        (lambda: theory.batch_imbalance(MODEL, 8, 0.1, 1.0), "momentum must be < 1"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
