import numpy as np
import pytest
import torch

from neural.measures.probes import adam_probe, few_shot_probe, group_probe, knn_probe, linear_probe


@pytest.fixture
def rng(seed):
    return np.random.default_rng([seed, 3])


def cones(rng, n, classes=3, dim=8):
    """Points of random length around `classes` orthogonal directions."""
    labels = rng.integers(classes, size=n)
    directions = np.eye(dim)[labels] + 0.05 * rng.standard_normal((n, dim))
    return rng.uniform(0.5, 2, size=(n, 1)) * directions, labels


@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
def test_separated_classes_are_read_perfectly(probe, rng):
    assert probe(*cones(rng, 200), *cones(rng, 100)) == 1.0


@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
def test_unrelated_labels_are_read_at_chance(probe, rng):
    train_x, test_x = rng.standard_normal((400, 8)), rng.standard_normal((2000, 8))
    accuracy = probe(train_x, rng.integers(4, size=400), test_x, rng.integers(4, size=2000))
    assert abs(accuracy - 0.25) < 4.5 * (0.25 * 0.75 / 2000) ** 0.5  # binomial, chance 7e-6


def test_linear_probe_is_the_minimiser_of_its_docstring(rng):
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    x, y = rng.standard_normal((60, 3)) * [1, 10, 0.1] + 2, rng.integers(3, size=60)
    new_x, new_y = rng.standard_normal((500, 3)) * [1, 10, 0.1] + 2, rng.integers(3, size=500)
    scaled, new = ((z - x.mean(0)) / x.std(0) for z in (x, new_x))

    def objective(parameters):
        w, b = parameters[:9].reshape(3, 3), parameters[9:]
        scores = scaled @ w.T + b
        loss = np.mean(logsumexp(scores, axis=1) - scores[np.arange(60), y])
        return loss + (w**2).sum() / (2 * 0.1 * 60)

    best = minimize(objective, np.zeros(12)).x
    predicted = np.argmax(new @ best[:9].reshape(3, 3).T + best[9:], axis=1)
    # Two solvers may disagree on points whose two best scores are within their tolerance: at most 2 of 500.
    assert abs(linear_probe(x, y, new_x, new_y, C=0.1) - np.mean(predicted == new_y)) <= 2 / 500


def test_linear_probe_does_not_see_scales_and_knn_does(rng):
    x, y = rng.standard_normal((300, 4)), None
    y = (x[:, 0] > 0).astype(int)
    new_x = rng.standard_normal((200, 4))
    new_y = (new_x[:, 0] > 0).astype(int)
    scales = np.array([1e-3, 1, 1, 1])
    assert linear_probe(x * scales, y, new_x * scales, new_y) == linear_probe(x, y, new_x, new_y)
    assert knn_probe(x * scales, y, new_x * scales, new_y) < knn_probe(x, y, new_x, new_y) - 0.1


def test_knn_votes_by_angle_not_by_distance():
    train_x, train_y = [[10, 0], [20, 0], [0, 1], [0, 2]], [0, 0, 1, 1]
    assert knn_probe(train_x, train_y, [[0.1, 0.0], [0.0, 30.0]], [0, 1], k=2) == 1.0


def test_knn_with_all_neighbours_is_the_majority(rng):
    x = rng.standard_normal((30, 4))
    y = np.repeat([0, 1], [20, 10])
    assert knn_probe(x, y, x, y, k=30) == pytest.approx(20 / 30)


GOOD = {
    "train_x": np.arange(12.0).reshape(6, 2),
    "train_y": [0, 1, 0, 1, 0, 1],
    "test_x": np.ones((3, 2)),
    "test_y": [0, 1, 1],
}


@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_y": [0, 1, 2]}, r"test_y must hold labels that occur in train_y, got also \[2\]"),
        ({"train_y": [0, 1]}, r"train_x must be \(n, p\) and train_y \(n,\)"),
        ({"test_x": np.ones(3)}, r"test_x must be \(n, p\) and test_y \(n,\)"),
        ({"test_x": np.ones((3, 5))}, "test_x must have 2 columns like train_x, got 5"),
        ({"train_y": [0.5] * 3 + [1.5] * 3}, "train_y must hold whole numbers or texts"),
        ({"train_x": np.full((6, 2), 1e200)}, "train_x must be at most 1e\\+150 in size"),
        ({"train_x": np.full((6, 2), np.nan)}, "train_x must be finite, got 12 non-finite values"),
        ({"test_x": np.ones((0, 2)), "test_y": []}, "with n >= 1"),
    ],
)
def test_bad_input_is_refused(probe, change, message):
    with pytest.raises(ValueError, match=message):
        probe(**{**GOOD, **change})


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="C must be > 0 and finite, got 0"):
        linear_probe(**GOOD, C=0)
    with pytest.raises(ValueError, match="max_iter must be an integer >= 1, got 0"):
        linear_probe(**GOOD, max_iter=0)
    with pytest.raises(
        ValueError, match=r"k must be an integer in \[1, 6\] \(number of training points\), got 20"
    ):
        knn_probe(**GOOD)
    with pytest.raises(ValueError, match="train_y must have at least two classes, got only 1"):
        linear_probe(**{**GOOD, "train_y": [1] * 6, "test_y": [1] * 3})


def test_adam_probe_reads_separated_classes_whatever_their_names(rng, seed):
    x, y = cones(rng, 200)
    new_x, new_y = cones(rng, 100)
    assert (
        adam_probe(
            x, 10 * y + 3, new_x, 10 * new_y + 3, generator=torch.Generator().manual_seed(seed), lr=0.05
        )
        == 1
    )


def test_adam_probe_is_logistic_regression_when_it_has_converged(rng, seed):
    x, y = rng.standard_normal((200, 3)), rng.integers(3, size=200)
    x[:, 0] += 2 * y
    new_x, new_y = rng.standard_normal((500, 3)), rng.integers(3, size=500)
    new_x[:, 0] += 2 * new_y
    converged = adam_probe(
        x, y, new_x, new_y, generator=torch.Generator().manual_seed(seed), lr=0.02, batch=200
    )
    # Without a penalty to speak of both minimise the mean log loss: they may disagree near the boundary only.
    assert abs(converged - linear_probe(x, y, new_x, new_y, C=1e6)) <= 5 / 500


def test_adam_probe_draws_from_its_generator_alone(rng):
    data = *cones(rng, 60), *cones(rng, 300)
    state = torch.get_rng_state()
    first, same, other = (
        adam_probe(*data, generator=torch.Generator().manual_seed(s), epochs=1, lr=1e-4) for s in (1, 1, 2)
    )
    assert first == same != other
    assert torch.equal(state, torch.get_rng_state())


def test_adam_probe_refuses_bad_settings():
    with pytest.raises(ValueError, match="epochs must be an integer >= 1, got 0"):
        adam_probe(**GOOD, generator=torch.Generator(), epochs=0)
    with pytest.raises(ValueError, match=r"test_y must hold labels that occur in train_y, got also \[2\]"):
        adam_probe(**{**GOOD, "test_y": [0, 1, 2]}, generator=torch.Generator())


def test_few_shot_probe_is_the_nearest_mean_direction(rng):
    x, y = cones(rng, 200)
    assert few_shot_probe(x, y, *cones(rng, 100), per_class=2, rng=rng) == 1.0
    smallest = np.bincount(y).min()  # all points of every class: one draw, worked out by hand
    keep = np.concatenate([np.flatnonzero(y == c)[:smallest] for c in range(3)])
    test_x, test_y = rng.standard_normal((300, 8)), rng.integers(3, size=300)
    unit = x[keep] / np.linalg.norm(x[keep], axis=1, keepdims=True)
    means = np.array([unit[y[keep] == c].mean(0) for c in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    expected = np.mean(np.argmax(test_x @ means.T, axis=1) == test_y)
    got = few_shot_probe(x[keep], y[keep], test_x, test_y, per_class=smallest, rng=rng, draws=2)
    assert got == pytest.approx(expected, abs=1e-12)
    with pytest.raises(
        ValueError, match=rf"per_class must be an integer in \[1, {smallest}\] \(smallest class\), got 0"
    ):
        few_shot_probe(x[keep], y[keep], test_x, test_y, per_class=0, rng=rng)


def test_group_probe_sees_the_group_that_a_shortcut_fails(rng):
    """Feature 0 is the place and feature 1 the class: both are balanced, so the class is found in every group."""
    y, place = rng.integers(2, size=400), rng.integers(2, size=400)
    x = np.stack([2.0 * place, y + 0.01 * rng.standard_normal(400)], axis=1)
    group = 2 * y + place
    data = (x, y, group)
    assert np.allclose(group_probe(*data, *data, per_group=20, rng=rng), 1.0)
    blind = x * [1, 0]  # only the place: of each class one place is wrong, or all ties go one way
    accuracies = group_probe(blind, y, group, blind, y, group, per_group=20, rng=rng, draws=1)
    assert accuracies.shape == (4,) and accuracies.min() == 0 and set(accuracies) <= {0.0, 1.0}
    with pytest.raises(ValueError, match="per_group must be an integer in"):
        group_probe(*data, *data, per_group=400, rng=rng)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_group": [0, 1] * 15},
            r"train_group must have one group per label, shape \(60,\), got \(30,\)",
        ),
        ({"test_group": [0, 1]}, r"test_group must have one group per label, shape \(60,\), got \(2,\)"),
        ({"test_group": [0] * 60}, r"must hold the same groups, but one alone holds \[1\]"),
        ({"draws": 0}, "draws must be an integer >= 1, got 0"),
        ({"C": -1.0}, "C must be > 0 and finite, got -1.0"),
    ],
)
def test_group_probe_refuses_groups_that_do_not_fit(change, message, rng):
    x, y, group = rng.standard_normal((60, 2)), np.arange(60) % 2, [0, 0, 1, 1] * 15
    good = {"train_x": x, "train_y": y, "train_group": group, "test_x": x, "test_y": y, "test_group": group}
    assert group_probe(**good, per_group=5, rng=rng).shape == (2,)
    with pytest.raises(ValueError, match=message):
        group_probe(**(good | change), per_group=5, rng=rng)


def test_few_shot_probe_refuses_no_draws(rng):
    with pytest.raises(ValueError, match="draws must be an integer >= 1, got 0"):
        few_shot_probe(**GOOD, per_class=1, rng=rng, draws=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
def test_features_of_every_precision_are_taken(probe, dtype, rng):
    x, y = cones(rng, 60)
    x = torch.tensor(x).to(dtype)
    expected = probe(x.double().numpy(), y, x.double().numpy(), y)
    assert probe(x, torch.tensor(y), x, y) == expected > 0.9
