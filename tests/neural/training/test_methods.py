"""Every method as a recipe, its objective against formulas of its parts, and what an objective leaves alone."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.functional import log_softmax, normalize

from neural.losses import barlow_twins, nt_xent, spectral, supervised_contrastive, vicreg
from neural.models.encoders import SmallConv
from neural.models.heads import LinearConfig, MLPConfig, PCAHead
from neural.training.methods import (
    BYOL,
    METHODS,
    BarlowTwins,
    Batch,
    CrossEntropy,
    SimCLR,
    SimSiam,
    Spectral,
    SupCon,
    VICReg,
)

EMBED, CLASSES, PAIRS = 6, 3, 8
ROUND_OFF = 1e-12
RECIPES = [
    SimCLR(),
    SimSiam(5),
    BYOL(5),
    BarlowTwins(),
    VICReg(),
    Spectral(),
    SupCon("shape"),
    CrossEntropy("shape"),
]
names = pytest.mark.parametrize("recipe", RECIPES, ids=list(METHODS))


def generator(seed, purpose=0):
    return torch.Generator().manual_seed(1000 * seed + purpose)


@dataclass
class World:
    encoder: nn.Module
    head: nn.Module
    batch: Batch
    z: torch.Tensor


@pytest.fixture
def world(seed):
    encoder = SmallConv(4, generator=generator(seed, 1)).double()
    head = MLPConfig(8, EMBED, batch_norm=True).build(16, generator(seed, 2)).double()
    views = torch.rand(2 * PAIRS, 3, 8, 8, generator=generator(seed, 3), dtype=torch.float64)
    batch = Batch(views, torch.arange(PAIRS) % CLASSES)
    return World(encoder, head, batch, head(encoder(views)).detach())


def objective_of(recipe, world, seed):
    objective = recipe.build(EMBED, CLASSES, generator(seed, 4)).double().train()
    objective.bind(world.encoder, world.head)
    return objective


def by_hand(recipe, objective, z, batch):
    """The loss from its parts."""
    z1, z2 = z.chunk(2)
    match recipe:
        case SimCLR():
            return nt_xent(z1, z2, 0.5)
        case BarlowTwins():
            return barlow_twins(z1, z2, 0.005)
        case VICReg():
            return vicreg(z1, z2, 25, 25, 1)
        case Spectral():
            return spectral(z1, z2)
        case SupCon():
            return supervised_contrastive(z, torch.cat([batch.labels, batch.labels]), 0.5)
        case CrossEntropy():
            scores = log_softmax(z @ objective.classifier.weight.T + objective.classifier.bias, -1)
            return -sum(scores[i, batch.labels[i % PAIRS]] for i in range(2 * PAIRS)) / (2 * PAIRS)
        case SimSiam():
            cosines = (normalize(predict(objective, z)) * normalize(torch.cat([z2, z1]))).sum(-1)
            return -cosines.mean()
        case BYOL():
            t1, t2 = objective.target(batch.views).chunk(2)
            gaps = normalize(predict(objective, z)) - normalize(torch.cat([t2, t1]))
            return gaps.square().sum(-1).mean() * 2


def predict(objective, z):
    w1, b1, scale, shift, w2, b2 = objective.predictor.parameters()
    hidden = z @ w1.T + b1
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt()
    return (hidden * scale + shift).clamp(min=0) @ w2.T + b2


def test_every_method_has_a_name():
    assert [type(recipe) for recipe in RECIPES] == list(METHODS.values())


@names
def test_loss_is_that_of_its_parts(recipe, world, seed):
    objective = objective_of(recipe, world, seed)
    expected = by_hand(recipe, objective, world.z, world.batch)
    assert torch.allclose(objective(world.z, world.batch), expected, rtol=ROUND_OFF, atol=ROUND_OFF)


@names
def test_scale_free_says_whether_the_scale_of_the_embeddings_counts(recipe, world, seed):
    objective = objective_of(recipe, world, seed)
    # At this scale the eps of batch norm is below 1e-10 of every variance.
    z = 1e5 * torch.randn(2 * PAIRS, EMBED, generator=generator(seed, 5), dtype=torch.float64)
    if not objective.scale_free:
        z = z / 1e5
    change = abs(objective(3 * z, world.batch) - objective(z, world.batch))
    assert change < 1e-9 if objective.scale_free else change > 1e-2


@names
def test_recipes_are_hashable_and_build_from_the_generator(recipe, world, seed):
    before = torch.get_rng_state()
    one, same = (objective_of(recipe, world, seed) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert hash(recipe) == hash(copy.copy(recipe))
    assert torch.equal(one(world.z, world.batch), same(world.z, world.batch))
    other = recipe.build(EMBED, CLASSES, generator(seed, 6)).double()
    other.bind(world.encoder, world.head)
    trainable = any(p.requires_grad for p in one.parameters())
    assert torch.equal(one(world.z, world.batch), other(world.z, world.batch)) is not trainable


@names
def test_state_is_restored(recipe, world, seed):
    trained, fresh = (
        objective_of(recipe, world, seed),
        recipe.build(EMBED, CLASSES, generator(seed, 6)).double(),
    )
    for parameter in world.encoder.parameters():
        parameter.data += 1
    trained.after_step(world.encoder, world.head)
    fresh.bind(world.encoder, world.head)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(world.z, world.batch), fresh(world.z, world.batch))


def test_byol_target_is_a_moving_average_that_nothing_trains(world, seed):
    objective = objective_of(BYOL(5, momentum=0.9), world, seed)
    start = [p.detach().clone() for p in objective.target.parameters()]
    for parameter in [*world.encoder.parameters(), *world.head.parameters()]:
        parameter.data += 1
    objective.after_step(world.encoder, world.head)
    assert not any(p.requires_grad for p in objective.target.parameters())
    for before, now in zip(start, objective.target.parameters(), strict=True):
        assert torch.allclose(now, before + 0.1, rtol=0, atol=ROUND_OFF)
    objective(world.z.requires_grad_(), world.batch).backward()
    assert all(p.grad is None for p in objective.target.parameters())
    assert all(p.grad is None for p in world.encoder.parameters())


def test_byol_target_takes_part_in_training_mode_and_apart_from_the_networks(world, seed):
    objective = objective_of(BYOL(5), world, seed)
    assert all(module.training for module in objective.target.modules())
    before = objective(world.z, world.batch)
    for parameter in world.encoder.parameters():
        parameter.data += 1
    assert torch.equal(objective(world.z, world.batch), before)


def test_byol_target_follows_axes_kept_in_buffers(world, seed):
    head = PCAHead(16, EMBED).double()
    objective = BYOL(5).build(EMBED, None, generator(seed)).double()
    objective.bind(world.encoder, head)
    head.refresh(torch.randn(20, 16, generator=generator(seed, 7), dtype=torch.float64))
    objective.after_step(world.encoder, head)
    assert torch.equal(objective.target[1].axes, head.axes)


def test_simsiam_stops_the_gradient_of_the_unpredicted_view(world, seed):
    objective = objective_of(SimSiam(5), world, seed)
    z = world.z.clone().requires_grad_()
    objective(z, world.batch).backward()
    constant = world.z.clone()
    q = predict(objective, free := world.z.clone().requires_grad_())
    t = torch.cat([constant[PAIRS:], constant[:PAIRS]])
    (-(normalize(q) * normalize(t)).sum(-1).mean()).backward()
    assert torch.allclose(z.grad, free.grad, rtol=0, atol=ROUND_OFF)


def test_cross_entropy_predicts_the_class_of_the_largest_score(world, seed):
    objective = objective_of(CrossEntropy("shape"), world, seed)
    scores = world.z @ objective.classifier.weight.T + objective.classifier.bias
    assert torch.equal(objective.predict(world.z), scores.max(-1).indices)


@names
def test_a_few_steps_lower_the_loss(recipe, world, seed):
    head = LinearConfig(EMBED).build(16, generator(seed, 8)).double()
    objective = recipe.build(EMBED, CLASSES, generator(seed, 4)).double()
    objective.bind(world.encoder, head)
    parameters = [*world.encoder.parameters(), *head.parameters()]
    parameters += [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    losses = []
    for _ in range(20):
        loss = objective(head(world.encoder(world.batch.views)), world.batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step(world.encoder, head)
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SimCLR(temperature=0), "temperature must be > 0 and finite, got 0"),
        (lambda: SupCon("y", temperature=float("nan")), "temperature must be > 0 and finite, got nan"),
        (lambda: SimSiam(0), "hidden_dim must be an integer >= 1, got 0"),
        (lambda: BYOL(momentum=1.5), r"momentum must be in \[0, 1\], got 1.5"),
        (lambda: BarlowTwins(-1.0), "trade_off must be >= 0 and finite, got -1"),
        (lambda: VICReg(covariance=-1.0), "covariance must be >= 0 and finite, got -1"),
        (
            lambda: CrossEntropy("y").build(4, None, generator(0)),
            "classes must be >= 2 for cross-entropy, got None",
        ),
    ],
)
def test_bad_recipes_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@names
def test_bad_batches_are_refused(recipe, world, seed):
    objective = objective_of(recipe, world, seed)
    if recipe.label:
        with pytest.raises(ValueError, match=r"labels must have shape \(8,\), one for each pair, got None"):
            objective(world.z, Batch(world.batch.views))
    else:
        for z in (world.z[:5], world.z[:2], world.z[0]):
            with pytest.raises(ValueError, match=r"z must have shape \(2B, p\) with B >= 2"):
                objective(z, world.batch)


def test_byol_without_networks_says_what_is_missing(world, seed):
    objective = BYOL(5).build(EMBED, None, generator(seed)).double()
    with pytest.raises(RuntimeError, match="call bind"):
        objective(world.z, world.batch)
