"""Gradients written out by hand against automatic differentiation of the losses, in float64."""

import pytest
import torch

from neural.ensemble.gradients import LOSSES, evaluate_loss, make_gradient_writer

ROUND_OFF = 1e-12


def case(loss, seed, *, batch=9, embed_dim=4, members=3):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(members, embed_dim, 2, batch, generator=generator, dtype=torch.float64)
    temperature = torch.tensor([0.2, 0.5, 3.0], dtype=torch.float64)[:members]
    labels = torch.randint(3, (members, batch), generator=generator)
    return z, temperature, labels if loss == "supervised_contrastive" else None


def by_hand(loss, z, temperature, labels):
    z1, z2 = z.unbind(2)
    out = torch.full_like(z, torch.nan)
    make_gradient_writer(loss, z1)(z1, z2, labels, temperature.view(-1, 1, 1), *out.unbind(2))
    return out


def by_autograd(loss, z, temperature, labels):
    leaf = z.clone().requires_grad_()
    evaluate_loss(loss, *(view.mT for view in leaf.unbind(2)), labels, temperature).sum().backward()
    return leaf.grad


@pytest.mark.parametrize("batch", [2, 9, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_autograd(loss, batch, seed):
    z, *rest = case(loss, seed, batch=batch)
    expected = by_autograd(loss, z, *rest)
    torch.testing.assert_close(by_hand(loss, z, *rest), expected, rtol=ROUND_OFF, atol=ROUND_OFF)


@pytest.mark.parametrize("loss", LOSSES)
def test_large_logits_do_not_overflow(loss, seed):
    z, temperature, labels = case(loss, seed)
    z, temperature = 30 * z, temperature / 10
    expected = by_autograd(loss, z, temperature, labels)
    # entries up to 1e5 for the spectral loss, each a sum of terms that large
    torch.testing.assert_close(
        by_hand(loss, z, temperature, labels), expected, rtol=ROUND_OFF, atol=1e-15 * 30**3 * 9
    )


@pytest.mark.parametrize("loss", ["nt_xent", "supervised_contrastive"])
def test_rows_of_zeros_have_the_gradient_of_autograd(loss, seed):
    """A network whose units are all dead has embeddings of zeros: they have no direction and get no gradient."""
    z, *rest = case(loss, seed)
    z[:, :, 0, 4] = 0
    expected = by_autograd(loss, z, *rest)
    assert expected.isfinite().all() and not expected[:, :, 0, 4].any() and expected.abs().max() < 10
    torch.testing.assert_close(by_hand(loss, z, *rest), expected, rtol=ROUND_OFF, atol=ROUND_OFF)


def test_a_custom_loss_is_differentiated(seed):
    z, *rest = case("custom", seed)

    def loss(z1, z2, temperature):
        return (z1 * z2).sum((-1, -2)) / temperature

    expected = by_autograd(loss, z, *rest)
    torch.testing.assert_close(by_hand(loss, z, *rest), expected, rtol=ROUND_OFF, atol=ROUND_OFF)
