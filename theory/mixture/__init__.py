"""Two Gaussian classes: projectors and classifiers after them."""

from theory.mixture.downstream import (
    accuracy,
    after_projector,
    closed_forms,
    hard_margin,
    losses,
    slopes,
    spectrum,
)
from theory.mixture.downstream.accuracy import *  # noqa: F403
from theory.mixture.downstream.after_projector import *  # noqa: F403
from theory.mixture.downstream.closed_forms import *  # noqa: F403
from theory.mixture.downstream.hard_margin import *  # noqa: F403
from theory.mixture.downstream.losses import *  # noqa: F403
from theory.mixture.downstream.slopes import *  # noqa: F403
from theory.mixture.downstream.spectrum import *  # noqa: F403
from theory.mixture.projector import anisotropic, classes, cosine, gain, negatives, other_losses
from theory.mixture.projector.anisotropic import *  # noqa: F403
from theory.mixture.projector.classes import *  # noqa: F403
from theory.mixture.projector.cosine import *  # noqa: F403
from theory.mixture.projector.gain import *  # noqa: F403
from theory.mixture.projector.negatives import *  # noqa: F403
from theory.mixture.projector.other_losses import *  # noqa: F403

_MODULES = (
    accuracy,
    after_projector,
    anisotropic,
    classes,
    closed_forms,
    cosine,
    gain,
    hard_margin,
    losses,
    negatives,
    other_losses,
    slopes,
    spectrum,
)
__all__ = sorted(name for module in _MODULES for name in module.__all__)
