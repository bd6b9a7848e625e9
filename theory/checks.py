"""Argument checks and the errors that the whole of `theory` raises.

Every message of a check names the argument, the value that was given and the range that is allowed.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import reprlib
import typing

import numpy as np

LARGEST_COUNT = 2.0**53  # the largest whole number up to which float64 holds every one
MOST_LAYERS = 10**6  # of a linear network: every layer has a row of its own in the result


class AssumptionError(ValueError):
    """A formula was asked for outside the hypotheses under which it is true.

    Examples
    --------
    >>> import theory
    >>> try:
    ...     theory.expansion_threshold("euclidean", 1.0)
    ... except theory.AssumptionError as error:
    ...     print(error)
    loss 'euclidean' has no threshold: it expands at any augmentation
    """


class ConvergenceError(RuntimeError):
    """A solver did not reach its tolerance; the message gives the residual and the parameters.

    Examples
    --------
    >>> import theory
    >>> issubclass(theory.ConvergenceError, RuntimeError)
    True
    """


def show(value) -> str:
    """Short printable form of a scalar or an array."""
    return np.array2string(np.asarray(value), threshold=8, precision=6)


def brief(value) -> str:
    """`repr` of any object, shortened."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to print an integer of more than 4,300 digits
        return f"an integer of {value.bit_length()} bits"


def real(name: str, value) -> np.ndarray:
    """`value` as a finite float64 array.

    Raises
    ------
    ValueError
        If it is not numeric or not finite.
    """
    array = numeric(name, value)
    if some(~np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {show(value)}")
    return array


def numeric(name: str, value) -> np.ndarray:
    """`value` as a float64 array; infinity and nan are allowed.

    A float becomes a float64 scalar, which is cheaper and has the methods of an array.

    Booleans, texts, complex numbers, dates, None and masked arrays are no numbers here, nor are integers too large
    for a float.

    Raises
    ------
    ValueError
        If it is not numeric.
    """
    if isinstance(value, float):
        return np.float64(value)  # type: ignore[return-value]
    try:
        array = np.asarray(value)
        if (
            array.dtype.kind in "fiu"
            and not isinstance(value, np.ma.MaskedArray)
            and not _holds_booleans(value)
        ):
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must be real numbers, got {brief(value)}")


def _holds_booleans(value) -> bool:
    """Whether a list mixes booleans with numbers, which numpy would turn into 0 and 1."""
    return isinstance(value, list | tuple) and any(
        isinstance(entry, bool | np.bool_) or _holds_booleans(entry) for entry in value
    )


def some(mask) -> bool:
    """Whether any entry is true; for a scalar without `any`, which would take longer than the check itself."""
    return bool(mask) if mask.ndim == 0 else bool(mask.any())


def in_range(
    name: str, value, low: float = -np.inf, high: float = np.inf, *, open_low: bool = False
) -> np.ndarray:
    """`value` as a finite float64 array with every entry in [low, high] ((low, high] if `open_low`)."""
    array = real(name, value)
    if some(array <= low if open_low else array < low) or some(array > high):
        left = f"({low:g}" if open_low or np.isneginf(low) else f"[{low:g}"
        right = f"{high:g})" if np.isposinf(high) else f"{high:g}]"
        raise ValueError(f"{name} must lie in {left}, {right}, got {show(value)}")
    return array


def whole_numbers(name: str, value, low: int, high: float = LARGEST_COUNT) -> np.ndarray:
    """`value` as a float64 array of whole numbers in [low, high]."""
    array = in_range(name, value, low, high)
    if some(array != np.round(array)):
        raise ValueError(f"{name} must be whole numbers, got {show(array)}")
    return array


def scalar(name: str, value, low: float = -np.inf, *, open_low: bool = False) -> float:
    """`value` as a finite float of at least `low` (above it if `open_low`)."""
    array = in_range(name, value, low, open_low=open_low)
    if array.ndim:
        raise ValueError(f"{name} must be a scalar, got shape {array.shape}")
    return float(array)


def integer(name: str, value, low: int, high: int | None = None) -> int:
    """`value` as an int in low..high."""
    wanted = f"an integer >= {low}" if high is None else f"an integer in {low}..{high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be {wanted}, got {brief(value)}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {wanted}, got {brief(value)}")
    return int(value)


def choice(name: str, value, options: tuple[str, ...]) -> str:
    """`value` if it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {brief(value)}")
    return value


def guard(function):
    """Public face of a function of `theory`: it returns numbers, or raises one error that says what is wrong.

    Arguments annotated with a class of `theory`, or with bool, must be of that class. Overflow, shapes that do not
    fit together, matrices that cannot be decomposed, a result that is not a number and any complaint of a library
    that names no argument become a `ValueError` that shows the arguments. Such cases would otherwise end in a
    warning, in NaN or in an error without a name.
    """
    parameters = inspect.signature(function).parameters
    classes: dict[str, tuple] = {}  # filled at the first call, when all modules are loaded

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        if "" not in classes:
            classes.update(_annotated_classes(function), **{"": ()})
        given = dict(zip(parameters, args, strict=False)) | kwargs
        for name, wanted in classes.items():
            if name in given and not isinstance(given[name], wanted):
                raise ValueError(f"{name} must be {_names(wanted)}, got {brief(given[name])}")
        try:
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                result = function(*args, **kwargs)
        except (ArithmeticError, MemoryError, np.linalg.LinAlgError) as error:
            raise _complaint(
                function, given, f"the numbers are too large, too small or too many ({error})"
            ) from error
        except ValueError as error:
            if isinstance(error, AssumptionError) or names_argument(function, str(error)):
                raise
            of_shapes = str(error).startswith(_SHAPE_COMPLAINTS)
            what = "the shapes do not fit together" if of_shapes else f"the arguments do not fit ({error})"
            raise _complaint(function, given, what) from error
        if _is_nan(result):
            raise _complaint(function, given, "the result is not a number")
        return result

    return guarded


def names_argument(function, message: str) -> bool:
    """Whether a message says which argument of a function, or at least which function, it is about."""
    names = [function.__name__, *inspect.signature(function).parameters]
    return bool(re.search(rf"\b({'|'.join(map(re.escape, names))})\b", message))


_SHAPE_COMPLAINTS = ("operands could not be broadcast", "shape mismatch", "could not broadcast", "matmul:")


def _annotated_classes(function) -> dict[str, tuple]:
    """Classes of `theory`, or bool, by the parameters that are annotated with them."""
    found = {}
    for name, hint in typing.get_type_hints(function).items():
        kinds = tuple(kind for kind in typing.get_args(hint) or (hint,) if isinstance(kind, type))
        if (
            name != "return"
            and any(kind.__module__.startswith("theory.") for kind in kinds)
            or kinds == (bool,)
        ):
            found[name] = (*kinds, np.bool_) if kinds == (bool,) else kinds
    return found


def _names(kinds) -> str:
    if bool in kinds:
        return "True or False"
    names = [kind.__name__ for parent in kinds for kind in parent.__subclasses__() or [parent]]
    return f"one of {', '.join(names)}" if len(names) > 1 else f"a {names[0]}"


def _complaint(function, given, what) -> ValueError:
    shown = ", ".join(
        f"{name} of shape {value.shape}"
        if isinstance(value, np.ndarray) and value.ndim
        else f"{name} = {brief(value)}"
        for name, value in given.items()
        if isinstance(value, float | int | list | tuple | np.ndarray | np.generic)
    )
    return ValueError(f"{function.__name__}: {what}, got {shown or 'the given arguments'}")


def _is_nan(result) -> bool:
    if isinstance(result, float | np.ndarray):
        return some(np.isnan(result))
    if dataclasses.is_dataclass(result):
        return any(_is_nan(getattr(result, field.name)) for field in dataclasses.fields(result))
    return isinstance(result, tuple) and any(map(_is_nan, result))
