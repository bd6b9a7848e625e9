"""What theory says about projection heads: closed forms and exact solvers, numpy in, numpy out, float64."""

import inspect
import sys

from theory import checks, features, mixture
from theory.checks import AssumptionError, ConvergenceError
from theory.features import *  # noqa: F403
from theory.mixture import *  # noqa: F403

__all__ = ["AssumptionError", "ConvergenceError"]
__all__ += features.__all__
__all__ += mixture.__all__

for _name in __all__:
    _function = globals()[_name]
    if inspect.isfunction(_function):
        # Set in its own module too, so that it can be pickled. Calls inside theory go past the guard.
        globals()[_name] = checks.guard(_function)
        setattr(sys.modules[_function.__module__], _name, globals()[_name])
