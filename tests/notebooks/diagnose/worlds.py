"""Features whose every number is known: views of the feature model, seen through a random encoder and a head."""

from dataclasses import dataclass

import numpy as np

import theory
from notebooks.diagnose.moments import Layers, Moments

INFINITE = 1e12


@dataclass
class World:
    """A feature model, an encoder matrix (m, m), a head (p, m), and the feature that is the label."""

    model: theory.FeatureModel
    encoder: np.ndarray
    head: np.ndarray
    target: int

    @classmethod
    def draw(cls, seed, *, dim=12, outputs=3, disturbed=0.2, target=2):
        """A head near the minimiser of the spectral loss."""
        rng = np.random.default_rng(seed)
        model = theory.FeatureModel([1.0, 1.0, 1.5, 2.0], [0.0, 0.3, 0.1, 0.5], 0.5, dim=dim)
        encoder = rng.normal(size=(dim, dim)) / np.sqrt(dim) + np.eye(dim)
        gram = theory.spectral_minimizer(
            symmetric(encoder @ model.cov @ encoder.T),
            symmetric(encoder @ model.cross_cov @ encoder.T),
            outputs,
        )
        values, vectors = np.linalg.eigh(gram)
        head = (vectors * np.sqrt(np.maximum(values, 0))).T[-outputs:]
        head = head + disturbed * np.abs(head).mean() * rng.normal(size=head.shape)
        return cls(model, encoder, head, target)

    def sample(self, count, rng):
        """Two views before and after the head, and labels."""
        k = self.model.num_features
        signs = rng.choice([-1.0, 1.0], (count, k))
        before = tuple(self._view(signs, rng) for _ in range(2))
        return before, tuple(view @ self.head.T for view in before), (signs[:, self.target] > 0).astype(int)

    def _view(self, signs, rng):
        model = self.model
        redrawn = rng.random(signs.shape) < model.alpha
        signs = np.where(redrawn, rng.choice([-1.0, 1.0], signs.shape), signs)
        x = model.sigma * rng.normal(size=(len(signs), model.dim))
        x[:, : signs.shape[1]] += signs * model.phi
        return x @ self.encoder.T

    def exact(self):
        """Moments of infinitely many examples."""
        model, e = self.model, self.encoder
        mean = e[:, self.target] * model.phi[self.target] * (1 - model.alpha[self.target])
        cov, cross = symmetric(e @ model.cov @ e.T), symmetric(e @ model.cross_cov @ e.T)
        means, within, counts = np.stack([-mean, mean]), cov - np.outer(mean, mean), np.full(2, INFINITE / 2)
        before = Moments(INFINITE, np.zeros(len(e)), cov, cross, counts, means, within)
        w = self.head
        after = Moments(
            INFINITE,
            np.zeros(len(w)),
            symmetric(w @ cov @ w.T),
            symmetric(w @ cross @ w.T),
            counts,
            means @ w.T,
            symmetric(w @ within @ w.T),
        )
        return Layers(before, after, w, 1.0)


def symmetric(matrix):
    """The symmetric part."""
    return (matrix + matrix.T) / 2
