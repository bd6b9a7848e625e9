"""Two Gaussian classes: projectors and classifiers after them."""

from theory.mixture.downstream.accuracy import (
    Limits,
    Overlaps,
    accuracy_limits,
    downstream_accuracy,
    downstream_overlaps,
    penalty_from_alpha,
    penalty_from_c,
)
from theory.mixture.downstream.after_projector import accuracy_after_projector
from theory.mixture.downstream.closed_forms import (
    averaging_projector_accuracy,
    multiclass_ridge_accuracy,
)
from theory.mixture.downstream.hard_margin import separability_signal, separability_threshold
from theory.mixture.downstream.losses import MarginProx
from theory.mixture.downstream.slopes import expansion_slope, optimal_penalty, penalty_slope, reversal_onset
from theory.mixture.downstream.spectrum import misaligned_accuracy, spectrum_accuracy, spiked_accuracy
from theory.mixture.projector.anisotropic import anisotropic_metric
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
    "Limits",
    "MarginProx",
    "Metric",
    "ModeWeights",
    "Overlaps",
    "accuracy_after_projector",
    "accuracy_limits",
    "anisotropic_metric",
    "averaging_projector_accuracy",
    "barlow_twins_gain",
    "class_positive_metric",
    "common_mean_gain",
    "contrast_gain",
    "cosine_expands",
    "cosine_expansion_margin",
    "cosine_gain_limit",
    "cosine_loss",
    "decoupled_inner_loss",
    "decoupled_inner_metric",
    "downstream_accuracy",
    "downstream_overlaps",
    "expansion_slope",
    "expansion_threshold",
    "finite_negatives_loss",
    "finite_negatives_metric",
    "local_temperature",
    "misaligned_accuracy",
    "multiclass_ridge_accuracy",
    "optimal_penalty",
    "penalty_from_alpha",
    "penalty_from_c",
    "penalty_slope",
    "predictor_weights",
    "projector_gain",
    "projector_loss",
    "projector_metric",
    "reversal_onset",
    "separability_signal",
    "separability_threshold",
    "spectrum_accuracy",
    "spiked_accuracy",
    "vicreg_gain",
]
