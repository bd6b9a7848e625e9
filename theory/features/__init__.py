"""The feature model: what linear layers learn of it."""

from theory.features import (
    averaging,
    conservation,
    dynamics,
    heads,
    model,
    moments,
    pairs,
    penalties,
    schemes,
    spectral,
    supervised,
    threshold,
)
from theory.features import sample_complexity as complexity
from theory.features.averaging import *  # noqa: F403
from theory.features.conservation import *  # noqa: F403
from theory.features.dynamics import *  # noqa: F403
from theory.features.heads import *  # noqa: F403
from theory.features.model import *  # noqa: F403
from theory.features.moments import *  # noqa: F403
from theory.features.pairs import *  # noqa: F403
from theory.features.penalties import *  # noqa: F403
from theory.features.sample_complexity import *  # noqa: F403
from theory.features.schemes import *  # noqa: F403
from theory.features.spectral import *  # noqa: F403
from theory.features.supervised import *  # noqa: F403
from theory.features.threshold import *  # noqa: F403

_MODULES = (
    averaging,
    conservation,
    dynamics,
    heads,
    model,
    moments,
    pairs,
    penalties,
    complexity,
    schemes,
    spectral,
    supervised,
    threshold,
)
__all__ = sorted(name for module in _MODULES for name in module.__all__)
