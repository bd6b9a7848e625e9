"""The feature models and trainings of the experiments, shared by claims and notebooks."""

from __future__ import annotations

import numpy as np

from synthetic.features.training import FeatureTraining
from theory.features.model import FeatureModel

FIGURE_1_LEFT = FeatureModel(phi=np.ones(5), alpha=[0.0, 0.2, 0.4, 0.6, 0.8], sigma=0.3)
"""Equal strengths, rising disruption (Xue et al., Figure 1 left)."""

FIGURE_1_RIGHT = FeatureModel(phi=[0.2, 0.4, 0.7, 1.2, 2.0], alpha=0.2, sigma=0.3)
"""Equal disruption, rising strength (Xue et al., Figure 1 right)."""

STRONGEST = {"left": 0, "right": 1}
"""Feature of the largest weight in both halves of Figure 1, to which weights are taken relative."""

DOWNSTREAM = FeatureModel(
    phi=[1.0, *np.linspace(0.6, 1.6, 9)],
    alpha=[0.1, 0.0, 0.4, 0.1, 0.5, 0.2, 0.3, 0.6, 0.15, 0.35],
    sigma=0.6,
)
"""Ten features; the downstream label is feature 0 (Corollary 3.7, Theorem 3.8)."""

THREE_FEATURES = FeatureModel(phi=[1.0, 0.5, 1.5], alpha=[0.1, 0.1, 0.5], sigma=0.3)
"""A small model in which indicator, normal approximation and exact law of averaging cross far apart."""

FOUR_FEATURES = FeatureModel(phi=[0.5, 0.8, 1.2, 1.6], alpha=[0.1, 0.3, 0.2, 0.0], sigma=0.4)
"""A generic model for training on the population loss."""

SEVEN_STRENGTHS = FeatureModel(phi=[0.1, 0.2, 0.3, 0.45, 0.7, 1.1, 1.7], alpha=0.2, sigma=0.3)
"""Equal disruption, strengths on both sides of the noise."""

FIVE_EQUAL = FeatureModel(1.0, [0.0, 0.2, 0.4, 0.55, 0.7], 0.4)
"""Five features of one strength, so that weights differ by disruption alone (the head schemes side by side)."""

EIGHT_FEATURES = FeatureModel(np.linspace(0.5, 2, 8), np.linspace(0, 0.5, 8), 0.4)
"""Enough features for effective dimensions to move while none is dropped."""

EIGHT_EQUAL = FeatureModel(np.full(8, 2.0), np.linspace(0, 0.5, 8), 0.4)
"""As `EIGHT_FEATURES`, with equal strengths: weights and eigenvalues then have the same effective dimension."""

ONE_FEATURE = FeatureModel([1.0], 0.2, 0.4)
"""A single feature, for the penalty at which its weight jumps to zero."""

ONE_ABSENT = FeatureModel([1.0, 0.8, 1.2], [0.1, 1.0, 0.3], 0.4)
"""Three features, the second of which the two views do not share at all."""

OPPOSITE_ORDERS = FeatureModel(phi=[0.5, 2.0], alpha=[0.0, 0.1], sigma=0.4)
"""Two features: the one with the larger weight s has the smaller correlation c."""

CLASS_PAIRS = FeatureModel([1.0, 0.8, 1.2], [0.0, 1.0, 1.0], 0.4)
"""Pairs of one class: feature 0, the class, is shared, and the two subclass features are redrawn."""

TWO_CLASS_PAIRS = FeatureModel([1.0, 1.0], [0.0, 1.0], 0.25)
"""As `CLASS_PAIRS`, with one class and one subclass feature of equal strength."""

FIGURE_2 = FeatureModel([1.0, 1.0], 0.0, 0.25, dim=6)
"""Inputs of two classes of two subclasses each (Xue et al., Figure 2)."""

RELU_LEFT = FeatureTraining(FIGURE_1_LEFT, embed_dim=20, steps=8000)
"""20 outputs: room for the constant and the products of features that outweigh the most disrupted one."""

LINEAR_LEFT = FeatureTraining(FIGURE_1_LEFT, embed_dim=20, steps=8000, activation="linear", momentum=0.0)
"""No momentum: the gradient noise of large steps makes the two layers unequal."""

RELU_RIGHT = FeatureTraining(FIGURE_1_RIGHT, embed_dim=5, steps=20_000, lr=0.02)
"""As many outputs as features. The second weakest feature is learnt late, after the product of the two strongest."""

LINEAR_RIGHT = FeatureTraining(FIGURE_1_RIGHT, embed_dim=5, steps=20_000, lr=0.02, activation="linear")

RELU_SPARE = FeatureTraining(FIGURE_1_RIGHT, embed_dim=10, steps=20_000, lr=0.02)
"""Twice as many outputs as features."""
