"""What a sample conserves and what a head does not see: measurements against cases known by hand."""

import numpy as np
import pytest
import torch

from neural import torch_generator
from synthetic.features.conservation import (
    differences_after_descent,
    energy_in_null_space,
    extrapolate_steps,
    row_and_null_part,
    sampled_losses,
    style_shares,
)
from synthetic.features.population import layer_difference, random_start
from theory.features.model import FeatureModel

MODEL = FeatureModel([0.6, 1.0, 1.5], [0.0, 0.3, 0.6], 0.4, dim=4)


def test_style_share_of_one_feature_is_one_minus_its_correlation(seed):
    """Of pure noise everything is style; a share has standard error below 1.5 / sqrt(pairs)."""
    pairs = 20_000
    encoders = [*np.eye(4)[:, None], np.diag([1.0, 0.0, 2.0, 0.0])]
    shares = style_shares(MODEL, encoders, pairs, torch_generator(seed, "style test"))
    weights = np.array([1.0, 4.0]) * MODEL.variance[[0, 2]]
    both = 1 - np.average(MODEL.correlation[[0, 2]], weights=weights)
    np.testing.assert_allclose(shares, [*(1 - MODEL.correlation), 1.0, both], atol=5 * 1.5 / np.sqrt(pairs))


def test_row_and_null_part_add_up_and_the_head_sees_one_only(seed):
    first, second = random_start([4, 6, 3], 0.5, seed)
    seen, unseen = row_and_null_part([first, second])
    np.testing.assert_allclose(seen + unseen, first, atol=1e-12)
    np.testing.assert_allclose(second @ seen, second @ first, atol=1e-12)
    np.testing.assert_allclose(second @ unseen, 0, atol=1e-12)
    assert energy_in_null_space([first, second]) == pytest.approx(np.sum(unseen**2))


def test_extrapolation_is_exact_for_cubic_polynomials_of_the_step():
    steps = np.array([0.4, 0.2, 0.1, 0.05])
    ends = np.stack([3 + 2 * steps - steps**2 + 5 * steps**3, 1 - steps])
    np.testing.assert_allclose(extrapolate_steps(ends), [3, 1], atol=1e-12)


def test_descent_moves_the_difference_of_the_layers_less_by_shorter_steps(seed):
    start = random_start([4, 5, 4], 0.5, seed)
    ends = differences_after_descent(start, (0.2, 0.1), seed)
    drift = np.linalg.norm(ends - layer_difference(start), axis=(2, 3))
    assert ends.shape == (2, 2, 5, 5)
    assert np.all(drift[:, 1] < 0.7 * drift[:, 0]) and np.all(drift > 0)


def test_supervised_classes_are_those_of_the_first_view(seed):
    """Moving the two views of a pair to the embeddings of another class raises the supervised loss."""
    x, losses = sampled_losses(seed)
    signs = torch.sign(x[: len(x) // 2, :1]).repeat(2, 1)
    right, wrong = torch.cat([signs, signs], dim=1), torch.cat([signs, signs.flip(0)], dim=1)
    assert losses["supervised contrastive"](right) < losses["supervised contrastive"](wrong)
