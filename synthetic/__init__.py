"""The papers' worlds: samplers of the feature model, experiments in it, sweeps and their cache."""

from synthetic.features.few_shot import Averaging, HardMargin, accuracy_of, few_shot_accuracies
from synthetic.features.training import (
    FeatureTraining,
    TrainedWeights,
    relative,
    train_features,
    trained_weights,
)
from synthetic.features.views import FeatureViews, sample_inputs, sample_pairs
from synthetic.features.weights import Measured, empirical_constant, empirical_layer_weights
from synthetic.store.sweep import SweepError, grid, sweep

__all__ = [
    "Averaging",
    "FeatureTraining",
    "FeatureViews",
    "HardMargin",
    "Measured",
    "SweepError",
    "TrainedWeights",
    "accuracy_of",
    "empirical_constant",
    "empirical_layer_weights",
    "few_shot_accuracies",
    "grid",
    "relative",
    "sample_inputs",
    "sample_pairs",
    "sweep",
    "train_features",
    "trained_weights",
]
