"""A diagnosis against numbers that are known exactly, and the ways in which features can come."""

import json

import numpy as np
import pytest
import torch

import theory
from notebooks.diagnose import diagnose
from notebooks.diagnose.diagnosis import measure_agreement, spread_labels
from notebooks.diagnose.head import compare_head, measure_balance, measure_null_space, row_space
from notebooks.diagnose.labels import LABELS, compare_layers, judge
from notebooks.diagnose.moments import Batch, Estimate, MomentSums, combine
from notebooks.diagnose.pairs import find_shared_directions, noise_floor
from notebooks.diagnose.spectra import measure_spectrum
from tests.notebooks.diagnose.worlds import World, symmetric


def sums_of(*sample):
    sums = MomentSums(2)
    sums.add(Batch(*sample))
    return sums


def quantities(layers):
    """Every number with an interval that a diagnosis reports, by section and name."""
    sections = {
        "spectrum before": measure_spectrum(layers.before),
        "spectrum after": measure_spectrum(layers.after),
        "agreement": measure_agreement(layers),
        "head": compare_head(layers),
        "null space": measure_null_space(layers),
        "labels": spread_labels(compare_layers(layers, [(0, 1)])),
    }
    return {(title, name): value for title, found in sections.items() for name, value in found.items()}


def jackknife(measure, sums):
    """Estimates of all numbers that `measure` takes from moments, by name."""
    tables = [measure(sums.layers(group)) for group in (None, *range(sums.groups))]
    values = np.array([list(table.values()) for table in tables])
    return dict(zip(tables[0], combine(values[0], values[1:]), strict=True))


def test_intervals_hold_the_exact_values(seed):
    """95% intervals: of 100 repetitions 95 on average; fewer than 86 has probability 1e-4 for one quantity."""
    world, rng = World.draw(seed), np.random.default_rng(seed)
    exact = quantities(world.exact())
    held = dict.fromkeys(exact, 0)
    for _ in range(100):
        for name, found in jackknife(quantities, sums_of(*world.sample(2000, rng))).items():
            held[name] += found.low - 1e-9 <= exact[name] <= found.high + 1e-9
    assert len(exact) > 75 and min(held.values()) >= 86, held
    assert np.mean(list(held.values())) >= 93, held


def test_correlations_are_unbiased_with_twice_as_many_examples_as_features(seed):
    """Without the correction the largest correlation of 64 features and 128 pairs is too large by a tenth."""
    model = theory.FeatureModel([2.0, 2.0], [0.0, 0.05], 0.5, dim=64)
    world = World(model, np.eye(64), np.eye(64)[:4], 0)
    rng, found, sample = np.random.default_rng(seed), [], []
    for _ in range(60):
        shared = find_shared_directions(sums_of(*world.sample(128, rng)).layers().before)
        found.append(shared.correlation[:2])
        sample.append(shared.sample_correlation[:2])
    exact = np.sort(model.correlation)[::-1]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(60)
    assert np.all(np.abs(np.mean(found, axis=0) - exact) < 4 * error + 0.01)
    assert np.all(np.mean(sample, axis=0) - exact > 0.03)


def test_the_minimiser_of_theory_is_recognised_and_every_control_is_not(seed):
    layers = World.draw(seed, disturbed=0.0).exact()
    found = compare_head(layers)
    assert found["theory"] == pytest.approx(1, abs=1e-9)
    assert max(found[name] for name in ("identity", "whitening", "PCA")) < 0.95
    assert found["kept_angle"] == pytest.approx(0, abs=1e-4)


def test_cosine_with_theory_is_the_cosine_of_gram_matrices_in_whitened_features(seed):
    layers = World.draw(seed).exact()
    before, root = layers.before, None
    values, vectors = np.linalg.eigh(before.cov)
    root = vectors * np.sqrt(values) @ vectors.T
    wanted = root @ theory.spectral_minimizer(before.cov, before.cross_cov, 3) @ root
    measured = root @ layers.head.T @ layers.head @ root
    expected = np.sum(wanted * measured) / np.linalg.norm(wanted) / np.linalg.norm(measured)
    assert compare_head(layers)["theory"] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("change", ["permuted", "scaled", "replaced"])
def test_a_head_that_was_tampered_with_is_told_from_the_trained_one(change, seed):
    world, rng = World.draw(seed, disturbed=0.0), np.random.default_rng(seed)
    trained = diagnose(*world.sample(3000, rng)).numbers["head"]["theory"]
    head = world.head
    world.head = {
        "permuted": head[:, rng.permutation(head.shape[1])],
        "scaled": head * np.array([[0.1], [1.0], [10.0]]),
        "replaced": rng.normal(size=head.shape),
    }[change]
    tampered = diagnose(*world.sample(3000, rng)).numbers["head"]["theory"]
    assert tampered.high < trained.low


def test_gain_of_a_projector_that_expands_the_signal():
    """Gui et al.: W = I + kappa u u' on two Gaussian classes stretches the signal by 1 + kappa."""
    rng, kappa = np.random.default_rng(0), 0.7
    direction = np.ones(8) / np.sqrt(8)
    labels = rng.integers(0, 2, 20_000)
    h = (2 * labels[:, None] - 1) * 1.5 * direction + rng.normal(size=(20_000, 8))
    found = diagnose(h, h @ (np.eye(8) + kappa * np.outer(direction, direction)), labels)
    gain = found.numbers["labels"]["gain of the signal direction"]
    assert gain.low <= 1 + kappa <= gain.high and gain.high - gain.low < 0.1


def gap_of_eight(layers):
    found = compare_layers(layers, [(0, 1)], (8,))
    return {"gap": found["before"][0] - found["after"][0]}


def test_verdicts_name_the_layer_that_is_measured_to_be_better(seed):
    """50 random worlds: right where the true gap exceeds one point, in at least nine cases of ten."""
    rng, right = np.random.default_rng(seed), {True: [], False: []}
    for index in range(50):
        world = World.draw(int(rng.integers(1 << 30)), disturbed=rng.uniform(0, 2), target=index % 4)
        verdict = judge(8, jackknife(gap_of_eight, sums_of(*world.sample(2000, rng)))["gap"])
        before, after, labels = world.sample(20_000, rng)
        true_gap = held_out(before[0], labels, 8, index) - held_out(after[0], labels, 8, index)
        matters = abs(true_gap) > 0.01
        wanted = ("before" if true_gap > 0 else "after") if matters else "cannot tell"
        right[matters].append(verdict.layer == wanted)
    assert len(right[True]) >= 25 and np.mean(right[True]) >= 0.9, right
    assert not right[False] or np.mean(right[False]) >= 0.5, right  # few and near to one point


def test_layers_that_differ_by_a_rotation_are_not_told_apart(seed):
    """Their true gap is zero."""
    rng = np.random.default_rng(seed)
    for index in range(20):
        world = World.draw(int(rng.integers(1 << 30)), target=index % 4)
        world.head = np.linalg.qr(rng.normal(size=(12, 12)))[0]
        found = jackknife(gap_of_eight, sums_of(*world.sample(2000, rng)))["gap"]
        assert judge(8, found).layer == "cannot tell"


def held_out(x, y, n, seed, draws=1500):
    """Accuracy of the averaging classifier (midpoint known) on 10,000 other examples."""
    rng, signed = np.random.default_rng(seed), x * (2 * y - 1)[:, None]
    means = np.stack([signed[rng.integers(10_000, size=n)].mean(0) for _ in range(draws)])
    return float(np.mean(signed[10_000:] @ means.T > 0))


def test_judge_needs_a_gap_of_a_point_and_an_interval_without_zero():
    assert judge(8, Estimate(0.05, 0.01, 0.09)).layer == "before"
    assert judge(8, Estimate(-0.05, -0.09, -0.01)).layer == "after"
    assert judge(8, Estimate(0.05, -0.01, 0.11)).layer == "cannot tell"
    assert judge(8, Estimate(0.005, 0.004, 0.006)).layer == "cannot tell"


def test_noise_floor_is_reached_by_pairs_that_do_not_belong_together_only():
    rng = np.random.default_rng(0)
    strangers = rng.normal(size=(2, 2000, 20))
    before = sums_of(tuple(strangers)).layers().before
    largest = find_shared_directions(before).sample_correlation[0]
    floor = noise_floor(tuple(strangers), 2000, rng)
    assert 0.5 * largest < floor < 2 * largest
    assert noise_floor(tuple(strangers[:, :1000]), 2000, rng) == pytest.approx(floor, rel=0.3)
    rotated = strangers[0], strangers[0] + strangers[1]
    assert find_shared_directions(sums_of(rotated).layers().before).sample_correlation[19] > 3 * floor


def test_streams_tensors_and_half_precision_give_the_same_numbers(seed):
    (h1, h2), (z1, z2), labels = World.draw(seed).sample(3001, np.random.default_rng(seed))
    whole = flat(diagnose((h1, h2), (z1, z2), labels))
    cuts = [0, 1, 700, 701, 2500, 3001]

    def stream():
        for start, end in zip(cuts, cuts[1:], strict=False):
            part = slice(start, end)
            yield {
                "before": (h1[part], h2[part]),
                "after": (z1[part], z2[part]),
                "labels": torch.from_numpy(labels[part]),
            }

    streamed = flat(diagnose(stream()))
    assert streamed.keys() == whole.keys()
    assert all(streamed[key] == pytest.approx(whole[key], rel=1e-8, abs=1e-8) for key in whole)
    tensors = flat(
        diagnose([torch.from_numpy(h1), torch.from_numpy(np.asfortranarray(h2))], (z1, z2), labels)
    )
    assert tensors == pytest.approx(whole, rel=1e-8, abs=1e-8)
    half = [torch.from_numpy(view).bfloat16() for view in (h1, h2)]
    rough = diagnose(half, (z1, z2), labels.astype(str)).numbers["agreement"]["within-pair share"].value
    assert rough == pytest.approx(whole["agreement", "within-pair share"], rel=0.01)


def flat(found):
    return {
        (section, name): value.value if isinstance(value, Estimate) else value
        for section, numbers in found.numbers.items()
        for name, value in numbers.items()
        if not isinstance(value, str)
    }


def test_one_view_says_what_cannot_be_said():
    (h, _), (z, _), labels = World.draw(0).sample(500, np.random.default_rng(0))
    found = diagnose(h, z, labels)
    assert "one view only" in found.missing["agreement"] and "one view only" in found.missing["head"]
    assert found.verdicts and "lidar" not in found.numbers["spectrum before"]
    alone = diagnose(h)
    assert set(alone.numbers) == {"spectrum before"}
    assert "rank alone does not choose" in alone.advice[-1]
    json.dumps(alone.to_json(), allow_nan=False)


def test_rows_that_do_not_pair_are_told(seed):
    before, after, _ = World.draw(seed).sample(1000, np.random.default_rng(seed))
    other = np.random.default_rng(seed).permutation(1000)
    assert not any("row i" in sentence for sentence in diagnose(before, after).advice)
    views = diagnose((before[0], before[1][other]))
    assert "check that row i of both views" in views.advice[0]
    layers = diagnose(before, tuple(view[other] for view in after))
    assert any("check that row i of all files" in sentence for sentence in layers.advice)


def test_unknown_labels_are_left_out():
    before, after, labels = World.draw(0).sample(2000, np.random.default_rng(0))
    known = np.arange(2000) % 3 > 0
    marked = np.where(known, labels, np.nan)
    found = diagnose(before, after, marked)
    alone = diagnose(*([view[known] for view in views] for views in (before, after)), labels[known])
    assert found.verdicts[3].gap.value == pytest.approx(alone.verdicts[3].gap.value, abs=2e-3)
    assert found.numbers["agreement"]["within-pair share"].value != pytest.approx(
        alone.numbers["agreement"]["within-pair share"].value, abs=1e-6
    )


def test_a_common_mean_is_no_collapse_and_a_constant_is():
    rng = np.random.default_rng(0)
    h = tuple(rng.normal(size=(300, 6)) + 100 for _ in range(2))
    found = diagnose(h).numbers["spectrum before"]
    assert found["collapse"] == "none" and found["effective_rank"].value > 5
    assert found["effective_rank_uncentred"].value < 1.5 and found["mean_share"].value > 0.99
    constant = diagnose(tuple(np.full((300, 6), 3.0) for _ in range(2)), h)
    assert constant.numbers["spectrum before"]["collapse"] == "complete"
    assert "collapsed completely" in constant.advice[0]
    narrow = diagnose(tuple(view * [1, 1, 1, 1, 1e-6, 1e-6] for view in h)).numbers["spectrum before"]
    assert narrow["collapse"] == "partial"


def test_balance_is_zero_for_balanced_layers_only():
    rng = np.random.default_rng(0)
    left, values, right = np.linalg.svd(rng.normal(size=(4, 6)), full_matrices=False)
    root = np.linalg.qr(rng.normal(size=(5, 4)))[0]
    first, second = root * np.sqrt(values) @ right, left * np.sqrt(values) @ root.T
    assert measure_balance(first, second) == pytest.approx(0, abs=1e-12)
    assert measure_balance(2 * first, second / 2) > 0.5


def test_row_space_of_a_head_of_lower_rank():
    layers = World.draw(0).exact()
    row = row_space(layers)
    assert row.shape == (12, 3)
    assert np.allclose(layers.head @ row @ row.T, layers.head, atol=1e-9)
    assert np.allclose(symmetric(row.T @ row), np.eye(3), atol=1e-12)


GOOD = np.random.default_rng(0).normal(size=(60, 4))
LABELLED = np.arange(60) % 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"before": GOOD[0]}, r"before\[0\] must have shape \(examples, features\)"),
        ({"before": (GOOD, GOOD[:50])}, "the two views in before must have one shape"),
        ({"before": (GOOD, GOOD, GOOD)}, "before must be one array or a pair"),
        ({"before": (GOOD, GOOD), "after": GOOD}, "after must have as many views as before"),
        ({"before": GOOD, "after": GOOD[:50]}, "row by row: got 50 rows for 60"),
        (
            {"before": np.where(np.arange(60)[:, None] == 7, np.nan, GOOD)},
            "must be finite, got nan in row 7, column 0",
        ),
        ({"before": GOOD.astype(complex)}, "must be real numbers"),
        ({"before": GOOD[:1]}, "at least 2 examples"),
        ({"before": GOOD, "labels": LABELLED[:50]}, r"labels must have shape \(60,\)"),
        ({"before": GOOD, "labels": np.zeros(60)}, "at least two classes, got 1"),
        ({"before": GOOD, "labels": LABELLED + 0.5}, "whole numbers or words, got fractions"),
        ({"before": GOOD, "labels": np.arange(60)}, "looks like numbers of examples"),
        (
            {"before": GOOD, "after": GOOD, "head": np.ones((3, 4))},
            r"head must be a finite matrix of shape \(4, 4\)",
        ),
        ({"before": GOOD, "last_layer": np.ones((4, 4))}, "last_layer needs head"),
        ({"before": iter([{"before": GOOD}, {"after": GOOD}])}, "every batch must be a dict"),
        ({"before": iter([{"before": GOOD}, {"before": GOOD[:, :3]}])}, "other views, widths or labels"),
        ({"before": iter([])}, "at least one batch"),
        ({"before": GOOD, "seed": -1}, "seed must be a whole number"),
    ],
)
def test_bad_input_is_named_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        diagnose(**arguments)
    assert "\n" not in str(caught.value)


def test_fewer_examples_than_features_are_said():
    rng = np.random.default_rng(0)
    found = diagnose(tuple(rng.normal(size=(20, 30)) for _ in range(2)))
    assert "at least" in found.missing["agreement"] and "singular" in found.missing["agreement"]
    assert found.numbers["spectrum before"]["effective_rank_share"].value > 0.5


def test_number_of_labels_at_which_the_better_layer_changes_lies_between_verdicts():
    world = World.draw(3, target=3)
    found = diagnose(*world.sample(4000, np.random.default_rng(0)))
    crossing = found.numbers["labels"].get("labels at which the better layer changes")
    signs = np.sign([verdict.gap.value for verdict in found.verdicts])
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    assert (crossing is None) == (len(changes) == 0)
    if crossing is not None:
        assert LABELS[changes[0]] <= crossing <= LABELS[changes[0] + 1]
