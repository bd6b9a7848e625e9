"""The feature model: what linear layers learn of it."""

from theory.features.averaging import averaging_accuracy, averaging_crossings
from theory.features.conservation import (
    batch_imbalance,
    decayed_imbalance,
    frozen_head_encoder,
    imbalance,
    null_space_energy,
)
from theory.features.dynamics import Collapse, collapse_asymptote, half_time, learning_curve
from theory.features.heads import (
    EffectiveDimensions,
    effective_dimensions,
    inner_steps_ratio,
    post_head_weights,
    pre_head_weights,
)
from theory.features.model import FeatureModel, view_moments
from theory.features.moments import moment_accuracy, moment_layer_weights
from theory.features.penalties import (
    Advantage,
    PenalisedWeights,
    before_head_advantage,
    drop_penalty,
    drop_strength,
    penalised_weights,
)
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
    class_pair_model,
    supervised_layer_weights,
)
from theory.features.threshold import ThresholdedLimit, ThresholdedPath, thresholded_limit, thresholded_path

__all__ = [
    "Advantage",
    "Bilevel",
    "Boundary",
    "Collapse",
    "EffectiveDimensions",
    "FeatureModel",
    "FixedReweighting",
    "FrozenHead",
    "HeadSpeed",
    "JointTraining",
    "LayerOf",
    "NoHead",
    "PenalisedWeights",
    "SparseHead",
    "ThresholdedLimit",
    "ThresholdedPath",
    "WeightDecay",
    "averaging_accuracy",
    "averaging_crossings",
    "batch_imbalance",
    "before_head_advantage",
    "before_head_boundary",
    "best_depth",
    "best_layer",
    "class_pair_model",
    "collapse_asymptote",
    "decayed_imbalance",
    "drop_penalty",
    "drop_strength",
    "effective_dimensions",
    "frozen_head_encoder",
    "half_time",
    "imbalance",
    "inner_steps_ratio",
    "layer_weights",
    "learning_curve",
    "moment_accuracy",
    "moment_layer_weights",
    "null_space_energy",
    "penalised_weights",
    "post_head_weights",
    "pre_head_weights",
    "sample_complexity",
    "spectral_loss",
    "spectral_minimizer",
    "spectral_minimum",
    "supervised_layer_weights",
    "thresholded_limit",
    "thresholded_path",
    "view_moments",
]
