"""Checks of arguments: each refuses a bad value with one line that names the argument, its range and the value."""

from collections.abc import Iterable
from math import inf

import numpy as np


def check_integer(name: str, value: object, least: int) -> None:
    """Refuse anything but an integer of at least that size; True and False are not integers here.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if not 0 < value < inf:
        raise ValueError(f"{name} must be > 0 and finite, got {value}")


def check_not_negative(name: str, value: float) -> None:
    """Refuse a number that is negative, infinite or not a number.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if not 0 <= value < inf:
        raise ValueError(f"{name} must be >= 0 and finite, got {value}")


def check_fraction(name: str, value: float) -> None:
    """Refuse a number outside [0, 1].

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {value}")


def check_below_one(name: str, value: float) -> None:
    """Refuse a number outside [0, 1).

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of the choices.

    Raises
    ------
    ValueError
        Naming the argument and the choices.
    """
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
