"""What theory says about projection heads: closed forms and exact solvers, numpy in, numpy out, float64."""

from theory.averaging import averaging_accuracy, averaging_crossings
from theory.conservation import decayed_imbalance, frozen_head_encoder, imbalance, null_space_energy
from theory.convex_losses import MarginProx
from theory.downstream import (
    Limits,
    Overlaps,
    accuracy_limits,
    downstream_accuracy,
    downstream_overlaps,
    misaligned_accuracy,
    penalty_from_alpha,
    penalty_from_c,
    spiked_accuracy,
)
from theory.downstream_averaging import averaging_projector_accuracy
from theory.downstream_slopes import expansion_slope, optimal_penalty, penalty_slope, reversal_onset
from theory.dynamics import learning_curve
from theory.errors import AssumptionError, ConvergenceError
from theory.features import FeatureModel, view_moments
from theory.hard_margin import separability_signal, separability_threshold
from theory.heads import (
    EffectiveDimensions,
    effective_dimensions,
    inner_steps_ratio,
    post_head_weights,
    pre_head_weights,
)
from theory.nonlinear import ThresholdedLimit, ThresholdedPath, thresholded_limit, thresholded_path
from theory.projector import (
    Metric,
    expansion_threshold,
    local_temperature,
    projector_gain,
    projector_loss,
    projector_metric,
)
from theory.projector_classes import common_mean_gain, contrast_gain
from theory.projector_cosine import cosine_expands, cosine_expansion_margin, cosine_gain_limit, cosine_loss
from theory.projector_negatives import finite_negatives_loss, finite_negatives_metric
from theory.projector_other import (
    ModeWeights,
    barlow_twins_gain,
    class_positive_metric,
    decoupled_inner_loss,
    decoupled_inner_metric,
    predictor_weights,
    vicreg_gain,
)
from theory.ridge import multiclass_ridge_accuracy
from theory.sample_complexity import Boundary, before_head_boundary, best_depth, best_layer, sample_complexity
from theory.schemes import (
    Bilevel,
    FixedReweighting,
    FrozenHead,
    HeadSpeed,
    JointTraining,
    LayerOf,
    NoHead,
    SparseHead,
    WeightDecay,
)
from theory.sparse_head import PenalisedWeights, drop_penalty, drop_strength, penalised_weights
from theory.spectral import layer_weights, spectral_loss, spectral_minimizer, spectral_minimum
from theory.spectrum import spectrum_accuracy
from theory.supervised import Collapse, class_pair_model, collapse_asymptote, supervised_layer_weights

__all__ = [
    "AssumptionError",
    "Bilevel",
    "Boundary",
    "Collapse",
    "ConvergenceError",
    "EffectiveDimensions",
    "FeatureModel",
    "FixedReweighting",
    "FrozenHead",
    "HeadSpeed",
    "JointTraining",
    "LayerOf",
    "Limits",
    "MarginProx",
    "Metric",
    "ModeWeights",
    "NoHead",
    "Overlaps",
    "PenalisedWeights",
    "SparseHead",
    "ThresholdedLimit",
    "ThresholdedPath",
    "WeightDecay",
    "accuracy_limits",
    "averaging_accuracy",
    "averaging_crossings",
    "averaging_projector_accuracy",
    "barlow_twins_gain",
    "before_head_boundary",
    "best_depth",
    "best_layer",
    "class_pair_model",
    "class_positive_metric",
    "collapse_asymptote",
    "common_mean_gain",
    "contrast_gain",
    "cosine_expands",
    "cosine_expansion_margin",
    "cosine_gain_limit",
    "cosine_loss",
    "decayed_imbalance",
    "decoupled_inner_loss",
    "decoupled_inner_metric",
    "downstream_accuracy",
    "downstream_overlaps",
    "drop_penalty",
    "drop_strength",
    "effective_dimensions",
    "expansion_slope",
    "expansion_threshold",
    "finite_negatives_loss",
    "finite_negatives_metric",
    "frozen_head_encoder",
    "imbalance",
    "inner_steps_ratio",
    "layer_weights",
    "learning_curve",
    "local_temperature",
    "misaligned_accuracy",
    "multiclass_ridge_accuracy",
    "null_space_energy",
    "optimal_penalty",
    "penalised_weights",
    "penalty_from_alpha",
    "penalty_from_c",
    "penalty_slope",
    "post_head_weights",
    "pre_head_weights",
    "predictor_weights",
    "projector_gain",
    "projector_loss",
    "projector_metric",
    "reversal_onset",
    "sample_complexity",
    "separability_signal",
    "separability_threshold",
    "spectral_loss",
    "spectral_minimizer",
    "spectral_minimum",
    "spectrum_accuracy",
    "spiked_accuracy",
    "supervised_layer_weights",
    "thresholded_limit",
    "thresholded_path",
    "vicreg_gain",
    "view_moments",
]
