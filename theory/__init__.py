"""What theory says about projection heads: closed forms and exact solvers, numpy in, numpy out, float64."""

from theory.averaging import averaging_accuracy, averaging_crossings
from theory.dynamics import learning_curve
from theory.errors import AssumptionError, ConvergenceError
from theory.features import FeatureModel, view_moments
from theory.sample_complexity import Boundary, before_head_boundary, best_depth, best_layer, sample_complexity
from theory.spectral import layer_weights, spectral_loss, spectral_minimizer, spectral_minimum

__all__ = [
    "AssumptionError",
    "Boundary",
    "ConvergenceError",
    "FeatureModel",
    "averaging_accuracy",
    "averaging_crossings",
    "before_head_boundary",
    "best_depth",
    "best_layer",
    "layer_weights",
    "learning_curve",
    "sample_complexity",
    "spectral_loss",
    "spectral_minimizer",
    "spectral_minimum",
    "view_moments",
]
