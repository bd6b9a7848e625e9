"""The same ensemble by other means: numpy by hand, JAX and torch.compile, each as someone would write it who knows it.

Every way trains E two-layer ReLU networks without biases on one stream of batches with Adam, as the engine does with a
shared stream. Embeddings of the two views are z1, z2 (B, p); the temperature of InfoNCE is 0.5.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from notebooks.bench.peers import IMPROVED
from theory.features.model import FeatureModel

TEMPERATURE, LR, BETA1, BETA2, EPS = 0.5, 1e-3, 0.9, 0.999, 1e-8
Weights = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes
    ----------
    gradients : callable
        Of the weights (E, m, d), (E, p, m) and two views (B, d): gradients of the loss of each member, in the
        precision of the weights.
    run : callable
        Trains for a number of steps from the initial weights.
    """

    gradients: Callable[[Weights, np.ndarray, np.ndarray], Weights]
    run: Callable[[int], object]


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes
    ----------
    loss : {"spectral", "info_nce"}
    model : FeatureModel
        Two-sided, as many features as dimensions.
    batch : int
        Pairs B in a step.
    weights : two float32 arrays, (E, m, d) and (E, p, m)
        Initial weights.
    seed : int
    """

    loss: str
    model: FeatureModel
    batch: int
    weights: Weights = field(repr=False)
    seed: int = 0


def ways(task: Task, *, compiled: bool = True) -> dict[str, Way]:
    """All ways that are installed, by name.

    Parameters
    ----------
    task : Task
    compiled : bool
        Whether to include torch.compile, which takes a minute to start.
    """
    found = {"numpy": numpy_way(task)}
    if importlib.util.find_spec("jax"):
        found |= {"JAX map": jax_way(task, "map"), "JAX vmap": jax_way(task, "vmap")}
    return found | ({"torch.compile": compiled_way(task)} if compiled else {})


def numpy_way(task: Task) -> Way:
    """One member after the other in each step; features are the rows, and products write into buffers.

    Parameters
    ----------
    task : Task
    """
    write = {"spectral": _write_spectral, "info_nce": _write_info_nce}[task.loss]

    def member_gradients(w1, w2, x, buffers, out):
        hidden, back, z, dz = buffers
        batch = x.shape[1] // 2
        np.matmul(w1, x, out=hidden)
        np.maximum(hidden, 0, out=hidden)
        np.matmul(w2, hidden, out=z)
        write(z[:, :batch], z[:, batch:], dz[:, :batch], dz[:, batch:])
        np.matmul(dz, hidden.T, out=out[1])
        np.matmul(w2.T, dz, out=back)
        np.multiply(back, hidden > 0, out=back)
        np.matmul(back, x.T, out=out[0])

    def buffers_of(weights, columns):
        rows = (weights[0].shape[1],) * 2 + (weights[1].shape[1],) * 2
        return [np.empty((n, columns), weights[0].dtype) for n in rows]

    def gradients(weights, x1, x2):
        x = np.ascontiguousarray(np.concatenate([x1, x2]).T)
        out = tuple(np.empty_like(w) for w in weights)
        buffers = buffers_of(weights, x.shape[1])
        for *member, g1, g2 in zip(*weights, *out, strict=True):
            member_gradients(*member, x, buffers, (g1, g2))
        return out

    def run(steps):
        rng = np.random.default_rng(task.seed)
        weights = [w.copy() for w in task.weights]
        grads, means, squares = ([np.zeros_like(w) for w in weights] for _ in range(3))
        buffers = buffers_of(weights, 2 * task.batch)
        for step in range(1, steps + 1):
            x = _numpy_batch(task.model, task.batch, rng)
            for member in zip(*weights, *grads, strict=True):
                member_gradients(*member[:2], x, buffers, member[2:])
            root = (1 - BETA2**step) ** 0.5
            rate, eps = LR * root / (1 - BETA1**step), EPS * root
            for w, g, mean, square in zip(weights, grads, means, squares, strict=True):
                mean += (1 - BETA1) * (g - mean)
                square *= BETA2
                square += (1 - BETA2) * np.square(g)
                np.sqrt(square, out=g)
                g += eps
                np.divide(mean, g, out=g)
                g *= rate
                w -= g
        return weights

    return Way(gradients, run)


def _write_spectral(z1, z2, out1, out2):
    batch = z1.shape[1]
    c = 2 / (batch * (batch - 1))
    pull = (z1 * z2).sum(0) * -c - 2 / batch
    for z, other, out in ((z1, z2, out1), (z2, z1, out2)):
        out[...] = (c * (other @ other.T)) @ z
        out += pull * other


def _write_info_nce(z1, z2, out1, out2):
    batch = z1.shape[1]
    logits = z1.T @ z2
    logits *= 1 / TEMPERATURE
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    scale = 1 / (batch * TEMPERATURE)
    out1[...] = scale * (z2 @ logits.T - z2)
    out2[...] = scale * (z1 @ logits - z1)


def _numpy_batch(model, batch, rng):
    """Both views (d, 2B): a redrawn sign is +1 or -1 with equal probability."""
    shape = (model.dim, 2, batch)
    signs = np.where(rng.random((model.dim, 1, batch), np.float32) < 0.5, np.float32(-1), np.float32(1))
    draw, alpha = rng.random(shape, np.float32), model.alpha.astype(np.float32)[:, None, None]
    seen = np.where(draw < alpha, np.where(draw < alpha / 2, np.float32(-1), np.float32(1)), signs)
    x = rng.standard_normal(shape, np.float32)
    x *= np.float32(model.sigma)
    x += seen * model.phi.astype(np.float32)[:, None, None]
    return x.reshape(model.dim, 2 * batch)


def jax_way(task: Task, members: str) -> Way:
    """One program for all steps: a loop over steps, inside it a map or vmap over members.

    Parameters
    ----------
    task : Task
    members : {"map", "vmap"}
        One member after the other, or all at once.
    """
    import jax
    import jax.numpy as jnp

    model, batch = task.model, task.batch

    def loss(weights, x1, x2):
        z1, z2 = (jax.nn.relu(x @ weights[0].T) @ weights[1].T for x in (x1, x2))
        if task.loss == "info_nce":
            logits = z1 @ z2.T / TEMPERATURE
            return jnp.mean(jax.nn.logsumexp(logits, axis=1) - jnp.diagonal(logits))
        positives = jnp.sum(z1 * z2, axis=1)
        negatives = jnp.sum((z1.T @ z1) * (z2.T @ z2)) - jnp.sum(positives**2)
        return -2 * jnp.mean(positives) + negatives / (batch * (batch - 1))

    gradient = jax.grad(loss)

    def over_members(function, *arguments):
        return (
            jax.lax.map(lambda one: function(*one), arguments)
            if members == "map"
            else jax.vmap(function)(*arguments)
        )

    def draw(key):
        original, *rest = jax.random.split(key, 5)
        original = jax.random.rademacher(original, (batch, model.dim), jnp.float32)
        phi, alpha = (jnp.asarray(a, jnp.float32) for a in (model.phi, model.alpha))

        def view(sign_key, noise_key):
            chance = jax.random.uniform(sign_key, (batch, model.dim))
            seen = jnp.where(chance < alpha, jnp.where(chance < alpha / 2, -1.0, 1.0), original)
            return seen * phi + model.sigma * jax.random.normal(noise_key, (batch, model.dim))

        return view(*rest[:2]), view(*rest[2:])

    def one_step(index, state, key):
        weights, means, squares = state
        views, step = draw(jax.random.fold_in(key, index)), index + 1.0

        def update(weights, means, squares):
            grads = gradient(weights, *views)
            means = tuple(BETA1 * m + (1 - BETA1) * g for m, g in zip(means, grads, strict=True))
            squares = tuple(BETA2 * s + (1 - BETA2) * g**2 for s, g in zip(squares, grads, strict=True))
            root = jnp.sqrt(1 - BETA2**step)
            rate = LR * root / (1 - BETA1**step)
            parts = zip(weights, means, squares, strict=True)
            return tuple(w - rate * m / (jnp.sqrt(s) + EPS * root) for w, m, s in parts), means, squares

        return over_members(update, weights, means, squares)

    @jax.jit
    def train(weights, steps, key):
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return jax.lax.fori_loop(0, steps, partial(one_step, key=key), (weights, zeros, zeros))[0]

    def gradients(weights, x1, x2):
        with jax.enable_x64(weights[0].dtype == np.float64):
            every = jax.jit(lambda w: over_members(lambda *one: gradient(one, x1, x2), *w))
            return tuple(np.array(g) for g in every(tuple(map(jnp.asarray, weights))))

    def run(steps):
        weights = tuple(map(jnp.asarray, task.weights))
        return jax.block_until_ready(train(weights, steps, jax.random.key(task.seed)))

    return Way(gradients, run)


def compiled_way(task: Task) -> Way:
    """Stacked products and autograd, compiled; the fused Adam of torch outside.

    Parameters
    ----------
    task : Task
    """
    losses = torch.func.vmap(IMPROVED[task.loss])

    def total(w1, w2, x1, x2):
        views = ((torch.relu(x @ w1.mT)) @ w2.mT for x in (x1, x2))
        return losses(*views).sum()

    compiled = torch.compile(total, dynamic=False)

    def gradients(weights, x1, x2):
        leaves = [torch.as_tensor(w).requires_grad_() for w in weights]
        found = torch.autograd.grad(compiled(*leaves, *map(torch.as_tensor, (x1, x2))), leaves)
        return tuple(g.numpy() for g in found)

    def run(steps):
        rng = np.random.default_rng(task.seed)
        leaves = [torch.as_tensor(w.copy()).requires_grad_() for w in task.weights]
        adam = torch.optim.Adam(leaves, lr=LR, fused=True)
        for _ in range(steps):
            views = torch.as_tensor(_numpy_batch(task.model, task.batch, rng)).T.split(task.batch)
            adam.zero_grad(set_to_none=True)
            compiled(*leaves, *views).backward()
            adam.step()
        return leaves

    return Way(gradients, run)
