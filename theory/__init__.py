"""What theory says about projection heads: closed forms and exact solvers, numpy in, numpy out, float64."""

from theory import features, mixture
from theory.checks import AssumptionError, ConvergenceError
from theory.features import *  # noqa: F403
from theory.mixture import *  # noqa: F403

__all__ = ["AssumptionError", "ConvergenceError"]
__all__ += features.__all__
__all__ += mixture.__all__
