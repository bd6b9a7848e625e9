"""The feature models and trainings of the experiments, shared by claims and notebooks."""

from __future__ import annotations

import numpy as np

from synthetic.features.training import FeatureTraining
from theory.features.model import FeatureModel

FIGURE_1_LEFT = FeatureModel(phi=np.ones(5), alpha=[0.0, 0.2, 0.4, 0.6, 0.8], sigma=0.3)
"""Equal strengths, rising disruption (Xue et al., Figure 1 left)."""

FIGURE_1_RIGHT = FeatureModel(phi=[0.2, 0.4, 0.7, 1.2, 2.0], alpha=0.2, sigma=0.3)
"""Equal disruption, rising strength (Xue et al., Figure 1 right)."""

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

RELU_LEFT = FeatureTraining(FIGURE_1_LEFT, embed_dim=20, steps=8000)
"""20 outputs: room for the constant and the products of features that outweigh the most disrupted one."""

LINEAR_LEFT = FeatureTraining(FIGURE_1_LEFT, embed_dim=20, steps=8000, activation="linear", momentum=0.0)
"""No momentum: the gradient noise of large steps makes the two layers unequal."""

RELU_RIGHT = FeatureTraining(FIGURE_1_RIGHT, embed_dim=5, steps=20_000, lr=0.02)
"""As many outputs as features. The second weakest feature is learnt late, after the product of the two strongest."""

LINEAR_RIGHT = FeatureTraining(FIGURE_1_RIGHT, embed_dim=5, steps=20_000, lr=0.02, activation="linear")

RELU_SPARE = FeatureTraining(FIGURE_1_RIGHT, embed_dim=10, steps=20_000, lr=0.02)
"""Twice as many outputs as features."""
