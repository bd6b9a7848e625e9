"""One call of a public function with arguments that nobody has thought of: a result, or one clear error, in bounds."""

import dataclasses
import time
import tracemalloc
import warnings

import numpy as np

from theory.checks import AssumptionError, ConvergenceError, names_argument

MOST_SECONDS = 2.0
MOST_BYTES = 500 * 2**20


def call(function, arguments, *, seconds=MOST_SECONDS, measure_memory=False, documented=()):
    """Result of a call, None where it was refused; anything but these two is a failure.

    A refusal is a ConvergenceError, an AssumptionError, or a ValueError that names an argument or the function. The
    call may give no warning but the documented ones. It may take so many seconds of the processor for each number of
    the result; or, with `measure_memory`, hold at most 500 MiB at a time. Counting bytes makes it several times
    slower, so the time is not measured then.
    """
    if measure_memory:
        tracemalloc.start()
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for category in documented:
                warnings.simplefilter("ignore", category)
            result = function(**arguments)
    except (AssumptionError, ConvergenceError):
        result = None
    except ValueError as error:
        assert names_argument(function, str(error)), f"no argument is named: {error}"
        result = None
    finally:
        peak = tracemalloc.get_traced_memory()[1] if measure_memory else 0
        tracemalloc.stop()
    assert peak < MOST_BYTES, f"{peak / 2**20:.0f} MiB"
    taken, entries = time.process_time() - start, max([1, *(array.size for array in numbers(result))])
    assert measure_memory or taken < seconds * entries, f"{taken:.1f} seconds"
    return result


def numbers(result):
    """Arrays of all real numbers in a result, whatever it is made of."""
    if hasattr(result, "detach"):  # a torch tensor
        return [result.detach().double().numpy()]
    if isinstance(result, tuple | list):
        return [array for part in result for array in numbers(part)]
    if dataclasses.is_dataclass(result):
        return [
            array for field in dataclasses.fields(result) for array in numbers(getattr(result, field.name))
        ]
    is_number = isinstance(result, float | int | np.ndarray | np.generic)
    return [np.asarray(result, dtype=float)] if is_number else []
