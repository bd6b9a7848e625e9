"""Schedules against hand-written updates, on a small encoder with a nonlinear loss."""

import pytest
import torch
from torch import nn

from neural import spectral
from neural.training.schedules import (
    AdamConfig,
    Alternating,
    ExactInner,
    Joint,
    SGDConfig,
    SlowOptimal,
    SlowSingle,
    exact_spectral_head,
)


@pytest.fixture
def parts(seed):
    generator = torch.Generator().manual_seed(seed)
    encoder, head = nn.Linear(4, 5, bias=False).double(), nn.Linear(5, 3, bias=False).double()
    with torch.no_grad():
        for layer in (encoder, head):
            layer.weight.copy_(
                0.5 * torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
            )
    x = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    y = x + 0.3 * torch.randn(20, 4, generator=generator, dtype=torch.float64)
    return encoder, head, lambda: spectral(head(encoder(x)), head(encoder(y)))


def gradients(encoder, head, loss):
    return torch.autograd.grad(loss(), [encoder.weight, head.weight])


def test_joint_is_one_descent_on_both(parts):
    encoder, head, loss = parts
    before = encoder.weight.detach().clone(), head.weight.detach().clone()
    g = gradients(*parts)
    Joint(SGDConfig(0.1)).start(encoder, head).step(loss)
    torch.testing.assert_close(encoder.weight.detach(), before[0] - 0.1 * g[0])
    torch.testing.assert_close(head.weight.detach(), before[1] - 0.1 * g[1])


def test_alternating_moves_the_head_first_and_pulls_it_back(parts):
    encoder, head, loss = parts
    place = head.weight.detach().clone()
    first = encoder.weight.detach().clone()
    expected = place.clone()
    for _ in range(3):
        with torch.no_grad():
            head.weight.copy_(expected)
        expected = expected - 0.05 * (gradients(*parts)[1] + 2 * 0.7 * (expected - place))
    with torch.no_grad():
        head.weight.copy_(expected)
    outer = gradients(*parts)[0]
    with torch.no_grad():
        head.weight.copy_(place)
    Alternating(3, 0.7, SGDConfig(0.05), optimizer=SGDConfig(0.1)).start(encoder, head).step(loss)
    torch.testing.assert_close(head.weight.detach(), expected)
    torch.testing.assert_close(encoder.weight.detach(), first - 0.1 * outer)


def test_slow_single_steps_on_the_accumulated_gradient(parts):
    encoder, head, loss = parts
    place, total = head.weight.detach().clone(), 0
    stepper = SlowSingle(SGDConfig(0.01)).start(encoder, head)
    for _ in range(3):
        total = total + gradients(*parts)[1]
        stepper.step(loss)
    torch.testing.assert_close(head.weight.detach(), place)
    stepper.end_epoch([])
    torch.testing.assert_close(head.weight.detach(), place - 0.01 * total)
    stepper.end_epoch([])
    torch.testing.assert_close(head.weight.detach(), place - 0.01 * total)


def test_slow_optimal_settles_the_head_and_leaves_the_encoder(parts):
    encoder, head, loss = parts
    stepper = SlowOptimal(AdamConfig(0.02), tolerance=1e-8, max_passes=3000).start(encoder, head)
    first = encoder.weight.detach().clone()
    before = gradients(*parts)[1].norm()
    stepper.end_epoch([loss])
    assert torch.equal(first, encoder.weight)
    assert gradients(*parts)[1].norm() < 0.02 * before


def test_a_head_without_parameters_is_left_alone(parts):
    encoder, head, _ = parts
    x = torch.ones(4, 4, dtype=torch.float64)
    for schedule in (Joint(), Alternating(2), SlowSingle(), SlowOptimal()):
        stepper = schedule.start(encoder, nn.Identity())
        stepper.step(lambda: encoder(x).square().sum())
        stepper.end_epoch([])


def test_exact_head_is_stationary_and_no_descent_goes_below(seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(5, 9, generator=generator, dtype=torch.float64)
    cov, cross = a @ a.T, 0.5 * a @ a.T + torch.diag(torch.linspace(-2, 2, 5, dtype=torch.float64))

    def loss(head):
        return -2 * torch.trace(head @ cross @ head.T) + (head @ cov @ head.T).square().sum()

    exact = exact_spectral_head(cov, cross, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(exact), exact)
    assert gradient.abs().max() < 1e-10 * cov.abs().max()
    for _ in range(5):
        other = (0.2 * torch.randn(2, 5, generator=generator, dtype=torch.float64)).requires_grad_()
        optimizer = torch.optim.LBFGS([other], max_iter=300, line_search_fn="strong_wolfe")

        def closure(other=other, optimizer=optimizer):
            optimizer.zero_grad()
            value = loss(other)
            value.backward()
            return value

        optimizer.step(closure)
        assert loss(other) >= loss(exact) - 1e-9
    assert exact_spectral_head(cov, cross, 7).shape == (7, 5)


def test_exact_inner_solves_before_each_step(parts):
    encoder, head, loss = parts
    solved = []
    schedule = ExactInner(lambda: solved.append(head.weight.zero_()), SGDConfig(0.1))
    first = encoder.weight.detach().clone()
    schedule.start(encoder, head).step(loss)
    assert len(solved) == 1 and torch.equal(encoder.weight, first)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Alternating(0), "inner_steps"),
        (lambda: Alternating(1, -0.1), "proximal must be >= 0"),
        (
            lambda: Alternating(1, head_optimizer=SGDConfig(momentum=1.2)),
            r"momentum must be in \[0, 1\), got 1.2",
        ),
        (lambda: SGDConfig(0.0), "lr must be > 0"),
        (lambda: AdamConfig(weight_decay=-1.0), "weight_decay must be >= 0"),
        (lambda: SlowOptimal(max_passes=0), "max_passes"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_every_schedule_reports_the_loss_before_its_step(parts):
    """The loss falls during the inner steps, so the one after them is another number."""
    encoder, head, loss = parts
    optimizers = {"head_optimizer": SGDConfig(0.05), "optimizer": SGDConfig(0.1)}
    for schedule in (Joint(), Alternating(3, **optimizers), SlowSingle(), SlowOptimal()):
        before = loss().item()
        reported = schedule.start(encoder, head).step(loss)
        assert reported.item() == before != loss().item() and not reported.requires_grad


def test_slow_single_goes_on_from_its_state_within_an_epoch(parts):
    encoder, head, loss = parts
    stepper = SlowSingle(SGDConfig(0.01)).start(encoder, head)
    for _ in range(2):
        stepper.step(loss)
    total = [value.clone() for value in stepper.state_dict()["total"].values()]
    assert total[0].any()
    resumed = SlowSingle(SGDConfig(0.01)).start(encoder, head)
    resumed.load_state_dict(stepper.state_dict())
    place = head.weight.detach().clone()
    resumed.end_epoch([])
    torch.testing.assert_close(head.weight.detach(), place - 0.01 * total[0])


def test_defaults_are_those_of_the_paper_or_leave_the_problem_alone():
    assert Alternating() == Alternating(5, 0.0, SGDConfig(0.01), True, SGDConfig(0.01, 0.0, 0.0))
