"""Spectra and ranks on matrices whose singular values are known."""

import numpy as np
import pytest
import torch

from neural.measures.spectra import (
    centre,
    effective_rank,
    numerical_rank,
    participation_ratio,
    spectrum,
    stable_rank,
)


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def with_singular_values(values, n, p, rng):
    left = np.linalg.qr(rng.standard_normal((n, n)))[0]
    right = np.linalg.qr(rng.standard_normal((p, p)))[0]
    return left[:, : len(values)] * values @ right[:, : len(values)].T


@pytest.mark.parametrize(("n", "p"), [(40, 5), (4, 9)])
def test_spectrum_is_that_of_the_covariance(n, p, rng):
    z = rng.standard_normal((n, p)) * np.arange(1, p + 1) + 3
    expected = np.sort(np.linalg.eigvalsh(np.cov(z.T, bias=True)))[::-1]
    np.testing.assert_allclose(spectrum(z), expected, rtol=1e-10, atol=1e-12)


def test_spectrum_does_not_see_a_shift(rng):
    z = rng.standard_normal((30, 4))
    np.testing.assert_allclose(spectrum(z + 100), spectrum(z), rtol=1e-10)


def test_ranks_of_known_singular_values(rng):
    values = np.array([4.0, 2.0, 1.0, 1.0])
    z = with_singular_values(values, 12, 6, rng)
    q = values / 8
    assert numerical_rank(z) == 4
    assert numerical_rank(z, tol=1.5) == 2
    assert effective_rank(z) == pytest.approx(np.prod(q**-q), rel=1e-10)
    assert stable_rank(z) == pytest.approx(22 / 16, rel=1e-10)


def test_equal_singular_values_have_full_effective_rank(rng):
    z = with_singular_values(np.full(5, 2.5), 9, 5, rng)
    assert effective_rank(z) == pytest.approx(5, rel=1e-10)
    assert stable_rank(z) == pytest.approx(5, rel=1e-10)


def test_a_rank_one_matrix_has_rank_one_by_every_measure(rng):
    z = np.outer(rng.standard_normal(8), rng.standard_normal(3))
    assert numerical_rank(z) == 1
    assert effective_rank(z) == pytest.approx(1, rel=1e-10)
    assert stable_rank(z) == pytest.approx(1, rel=1e-10)


def test_numerical_rank_uses_the_precision_of_its_input(rng):
    z = with_singular_values(np.array([1.0, 1e-9]), 20, 4, rng)
    assert numerical_rank(z) == 2
    assert numerical_rank(z.astype(np.float32), tol=1e-6) == 1


@pytest.mark.parametrize(
    ("eigenvalues", "expected"), [([3, 3, 3, 0], 3), ([5], 1), ([2, 1], 9 / 5), ([1e-200, 1e-200], 2)]
)
def test_participation_ratio(eigenvalues, expected):
    assert participation_ratio(eigenvalues) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("function", [spectrum, numerical_rank, effective_rank, stable_rank])
def test_bad_matrices_are_refused(function):
    for z in [np.ones(3), np.ones((0, 3)), np.ones((2, 2, 2))]:
        with pytest.raises(ValueError, match="z must be a non-empty"):
            function(z)
    with pytest.raises(ValueError, match="z must be finite"):
        function(np.array([[1.0, np.nan], [0.0, 1.0]]))


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="at least 2 rows"):
        spectrum(np.ones((1, 3)))
    with pytest.raises(ValueError, match="tol must be >= 0"):
        numerical_rank(np.eye(2), tol=-1)
    for values in [[], [-1, 2], [np.nan, 1], [[1, 2]]]:
        with pytest.raises(ValueError, match="eigenvalues must be"):
            participation_ratio(values)


@pytest.mark.parametrize("mean", [0.0, 3.0, -50.0])
def test_nearly_collapsed_float32_features_keep_their_rank(mean, rng):
    """64 equal directions of standard deviation 1e-3 around a mean that float32 cannot average exactly."""
    n, p = 20_000, 64
    z = (mean + 1e-3 * rng.standard_normal((n, p))).astype(np.float32)
    expected = participation_ratio(np.linalg.eigvalsh(np.cov(z.astype(np.float64).T)).clip(min=0))
    assert expected > 63
    assert participation_ratio(spectrum(z)) == pytest.approx(expected, rel=1e-9)
    assert effective_rank(centre(z)) > 63


def test_collapsed_features_have_rank_zero(rng):
    constant = np.broadcast_to(rng.standard_normal(8).astype(np.float32), (300, 8)).copy()
    ulp = np.finfo(np.float32).eps * np.abs(constant)
    round_off = (constant + rng.integers(-4, 5, size=constant.shape) * ulp).astype(np.float32)
    assert np.linalg.matrix_rank(round_off - round_off.mean(0)) == 8  # what the round-off looks like
    for z in (constant, round_off, np.zeros((5, 3))):
        assert not centre(z).any()
        for rank in (effective_rank, stable_rank, numerical_rank):
            assert rank(centre(z)) == 0
        assert participation_ratio(spectrum(z)) == 0
    visible = constant + 1e-4 * rng.standard_normal(constant.shape).astype(np.float32)
    assert effective_rank(centre(visible)) > 7


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_every_precision_are_taken(dtype, rng):
    exact = torch.tensor(rng.integers(-8, 9, size=(40, 5)), dtype=torch.float64)  # exact in all of them
    exact[:, 4] = exact[:, 0] - exact[:, 1].clamp(-7, 7)
    z = exact.clone().to(dtype).requires_grad_()
    for function in (effective_rank, stable_rank):
        assert function(z) == pytest.approx(function(exact.numpy()), rel=1e-6)
    np.testing.assert_allclose(spectrum(z), spectrum(exact.numpy()), rtol=1e-6)
    assert numerical_rank(z) == 5
