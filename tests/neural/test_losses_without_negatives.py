"""Losses without negatives against numpy formulas and an independent library, in float64."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import VICRegLoss

from neural.losses import barlow_twins, negative_cosine, vicreg

SHAPES = [(2, 1), (7, 3), (3, 6, 4)]
ROUND_OFF = 1e-12


@pytest.fixture
def generator(seed):
    return torch.Generator().manual_seed(seed)


def embeddings(shape, generator):
    return torch.randn(2, *shape, generator=generator, dtype=torch.float64).unbind()


def by_member(formula, z1, z2):
    first, second = (z.reshape(-1, *z.shape[-2:]).numpy() for z in (z1, z2))
    return np.reshape([formula(a, b) for a, b in zip(first, second, strict=True)], z1.shape[:-2])


def cosine_by_rows(q, t):
    return -np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(q, t, strict=True)])


def barlow_by_entries(a, b, trade_off=0.2, eps=1e-5):
    a, b = ((z - z.mean(0)) / np.sqrt(z.var(0) + eps) for z in (a, b))
    p, loss = a.shape[1], 0.0
    for i in range(p):
        for j in range(p):
            c = np.mean(a[:, i] * b[:, j])
            loss += (1 - c) ** 2 if i == j else trade_off * c**2
    return loss


def vicreg_by_entries(a, b, weights=(3.0, 5.0, 7.0), target_std=1.0):
    p, (invariance, variance, covariance) = a.shape[1], weights
    loss = invariance * np.mean((a - b) ** 2)
    for z in (a, b):
        c = np.atleast_2d(np.cov(z.T))
        loss += variance * np.mean(np.maximum(0, target_std - np.sqrt(np.diag(c) + 1e-4)))
        loss += covariance / p * sum(c[i, j] ** 2 for i in range(p) for j in range(p) if i != j)
    return loss


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (negative_cosine, cosine_by_rows),
        (lambda a, b: barlow_twins(a, b, 0.2), barlow_by_entries),
        (lambda a, b: vicreg(a, b, 3.0, 5.0, 7.0), vicreg_by_entries),
    ],
    ids=["cosine", "barlow", "vicreg"],
)
def test_formula(loss, formula, shape, generator):
    z1, z2 = embeddings(shape, generator)
    assert np.allclose(loss(z1, z2).numpy(), by_member(formula, z1, z2), rtol=ROUND_OFF, atol=ROUND_OFF)


def test_vicreg_of_an_independent_library_which_halves_the_variance_term(generator):
    z1, z2 = embeddings((9, 4), generator)
    theirs = VICRegLoss(invariance_lambda=25, variance_mu=25, covariance_v=1)(z1, ref_emb=z2)
    assert torch.allclose(vicreg(z1, z2, 25, 12.5, 1), theirs, rtol=ROUND_OFF, atol=0)


def test_no_gradient_flows_into_the_target(generator):
    q, t = (z.requires_grad_() for z in embeddings((6, 3), generator))
    negative_cosine(q, t).backward()
    assert q.grad.abs().min() > 0
    assert t.grad is None


def test_barlow_twins_is_zero_for_equal_decorrelated_views():
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    # The diagonal is 1/(1 + eps), so the loss is 2 eps^2.
    assert barlow_twins(signs, signs, 1.0) < 4e-10


@pytest.mark.parametrize("loss", [barlow_twins, vicreg])
def test_gradients_stay_finite_when_an_entry_does_not_vary(loss, generator):
    z1, z2 = embeddings((6, 3), generator)
    z1[:, 1] = 2.0
    z1.requires_grad_()
    loss(z1, z2).backward()
    assert z1.grad.isfinite().all()


def test_bad_input_is_refused():
    z = torch.ones(4, 3)
    for loss in (negative_cosine, barlow_twins, vicreg):
        with pytest.raises(ValueError, match=r"B >= 2, got \(4, 3\) and \(4, 2\)"):
            loss(z, z[:, :2])
        with pytest.raises(ValueError, match=r"B >= 2, got \(1, 3\)"):
            loss(z[:1], z[:1])
    with pytest.raises(ValueError, match="trade_off must be >= 0 and finite, got -1"):
        barlow_twins(z, z, -1)
    with pytest.raises(ValueError, match="covariance must be >= 0 and finite, got nan"):
        vicreg(z, z, covariance=float("nan"))
