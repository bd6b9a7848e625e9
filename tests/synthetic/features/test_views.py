"""Samplers against Definitions 3.1 and 3.2: moments within six of their own standard errors."""

import numpy as np
import pytest
import torch

from neural import torch_generator
from synthetic import FeatureViews, sample_inputs, sample_pairs
from theory.features.model import FeatureModel

N = 200_000


@pytest.fixture(params=[True, False], ids=["two-sided", "one-sided"])
def model(request):
    return FeatureModel([0.5, 1.0, 2.0], [0.0, 0.3, 1.0], 0.4, dim=5, two_sided=request.param)


def assert_mean(products, expected):
    """Sample mean of every column within six standard errors of its expectation."""
    mean, se = products.mean(0), products.std(0) / np.sqrt(len(products))
    np.testing.assert_array_less(np.abs(mean - expected), 6 * se + 1e-12)


def outer(a, b):
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1).numpy()


def test_pairs_have_the_models_moments(model, seed):
    x1, x2 = sample_pairs(model, N, torch_generator(seed, "pairs"))
    assert_mean(outer(x1, x1), model.cov.ravel())
    assert_mean(outer(x2, x2), model.cov.ravel())
    assert_mean(outer(x1, x2), model.cross_cov.ravel())


def test_feature_major_pairs_have_the_models_moments(model, seed):
    x = FeatureViews(model).sample_feature_major(50, N // 50, torch_generator(seed, "block"), torch.float64)
    assert x.shape == (50, 5, 2, N // 50)
    x1, x2 = x.permute(2, 0, 3, 1).flatten(1, 2)
    assert_mean(outer(x1, x1), model.cov.ravel())
    assert_mean(outer(x2, x2), model.cov.ravel())
    assert_mean(outer(x1, x2), model.cross_cov.ravel())


def test_feature_major_pairs_have_the_laws_signs(seed):
    """Without noise the four outcomes of a feature are counted; a feature that is never redrawn keeps its sign."""
    views = FeatureViews(FeatureModel([1.0, 1.0, 2.0], [0.0, 0.3, 1.0], 0.0, two_sided=False))
    x = views.sample_feature_major(2, N // 2, torch_generator(seed, "signs"), torch.float32)
    assert torch.equal(x.abs().amax((0, 2, 3)), torch.tensor([1.0, 1.0, 2.0]))
    assert torch.equal(x[:, 0, 0], x[:, 0, 1])
    for feature, same in ((1, 0.85), (2, 0.5)):
        for first in (-1, 1):
            for second in (-1, 1):
                hit = (x[:, feature, 0].sign() == first) & (x[:, feature, 1].sign() == second)
                p = (same if first == second else 1 - same) / 2
                # six standard errors of a proportion
                assert abs(hit.double().mean().item() - p) < 6 * np.sqrt(p * (1 - p) / N)


def test_inputs_show_their_signs(model, seed):
    x, signs = sample_inputs(model, N, torch_generator(seed, "inputs"))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert_mean(outer(x, signs), np.diag(np.append(model.phi, [0, 0]))[:, :3].ravel())
    assert_mean(signs.numpy(), np.zeros(3))


def test_same_generator_same_sample_and_dtype():
    model = FeatureModel([1.0], [0.2], 0.1)
    first, second = (sample_pairs(model, 5, torch_generator(7, "x"), torch.float32)[0] for _ in range(2))
    assert first.dtype == torch.float32 and torch.equal(first, second)


def test_noise_free_model_shows_plain_signs():
    x, signs = sample_inputs(FeatureModel([2.0, 3.0], 0.1, 0.0), 10, torch_generator(0))
    assert torch.equal(x, signs * torch.tensor([2.0, 3.0], dtype=torch.float64))


def test_stream_for_the_engine():
    views = FeatureViews(FeatureModel([1.0], [0.2], 0.1, dim=3))
    assert views.dim == 3 and hash(views) == hash(FeatureViews(FeatureModel([1.0], [0.2], 0.1, dim=3)))
    assert views.sample_pairs(4, torch_generator(0))[1].shape == (4, 3)


def test_no_samples():
    with pytest.raises(ValueError, match="n must be >= 1, got 0"):
        sample_inputs(FeatureModel([1.0], [0.2], 0.1), 0, torch_generator(0))
