"""The papers' worlds: samplers of the feature model, experiments in it, sweeps and their cache."""

from synthetic.feature_training import (
    FeatureTraining,
    TrainedWeights,
    relative,
    train_features,
    trained_weights,
)
from synthetic.feature_weights import Measured, empirical_constant, empirical_layer_weights
from synthetic.few_shot import Averaging, HardMargin, accuracy_of, few_shot_accuracies
from synthetic.sweep import SweepError, grid, sweep
from synthetic.views import FeatureViews, sample_inputs, sample_pairs

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
