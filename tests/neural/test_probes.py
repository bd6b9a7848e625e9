import numpy as np
import pytest

from neural.probes import knn_probe, linear_probe


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
        ({"train_x": np.full((6, 2), np.nan)}, "train_x must be finite, got 12 non-finite values"),
        ({"test_x": np.ones((0, 2)), "test_y": []}, "with n >= 1"),
    ],
)
def test_bad_input_is_refused(probe, change, message):
    with pytest.raises(ValueError, match=message):
        probe(**{**GOOD, **change})


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="C must be > 0, got 0"):
        linear_probe(**GOOD, C=0)
    with pytest.raises(ValueError, match="max_iter must be >= 1, got 0"):
        linear_probe(**GOOD, max_iter=0)
    with pytest.raises(ValueError, match=r"k must be in \[1, 6\] \(number of training points\), got 20"):
        knn_probe(**GOOD)
    with pytest.raises(ValueError, match="train_y must have at least two classes, got only 1"):
        linear_probe(**{**GOOD, "train_y": [1] * 6, "test_y": [1] * 3})
