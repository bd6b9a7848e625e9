"""What theory says about projection heads: closed forms and exact solvers, numpy in, numpy out, float64."""

from theory.errors import AssumptionError, ConvergenceError
from theory.features.averaging import averaging_accuracy, averaging_crossings
from theory.features.conservation import decayed_imbalance, frozen_head_encoder, imbalance, null_space_energy
from theory.features.dynamics import learning_curve
from theory.features.heads import (
    EffectiveDimensions,
    effective_dimensions,
    inner_steps_ratio,
    post_head_weights,
    pre_head_weights,
)
from theory.features.model import FeatureModel, view_moments
from theory.features.penalties import PenalisedWeights, drop_penalty, drop_strength, penalised_weights
from theory.features.sample_complexity import (
    Boundary,
    before_head_boundary,
    best_depth,
    best_layer,
    sample_complexity,
)
from theory.features.schemes import (
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
from theory.features.spectral import layer_weights, spectral_loss, spectral_minimizer, spectral_minimum
from theory.features.supervised import (
    Collapse,
    class_pair_model,
    collapse_asymptote,
    supervised_layer_weights,
)
from theory.features.threshold import ThresholdedLimit, ThresholdedPath, thresholded_limit, thresholded_path
from theory.mixture.downstream.accuracy import (
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
from theory.mixture.downstream.averaging import averaging_projector_accuracy
from theory.mixture.downstream.hard_margin import separability_signal, separability_threshold
from theory.mixture.downstream.losses import MarginProx
from theory.mixture.downstream.ridge import multiclass_ridge_accuracy
from theory.mixture.downstream.slopes import expansion_slope, optimal_penalty, penalty_slope, reversal_onset
from theory.mixture.downstream.spectrum import spectrum_accuracy
from theory.mixture.projector.classes import common_mean_gain, contrast_gain
from theory.mixture.projector.cosine import (
    cosine_expands,
    cosine_expansion_margin,
    cosine_gain_limit,
    cosine_loss,
)
from theory.mixture.projector.gain import (
    Metric,
    expansion_threshold,
    local_temperature,
    projector_gain,
    projector_loss,
    projector_metric,
)
from theory.mixture.projector.negatives import finite_negatives_loss, finite_negatives_metric
from theory.mixture.projector.other_losses import (
    ModeWeights,
    barlow_twins_gain,
    class_positive_metric,
    decoupled_inner_loss,
    decoupled_inner_metric,
    predictor_weights,
    vicreg_gain,
)

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
