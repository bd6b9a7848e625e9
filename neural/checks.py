"""Checks of arguments: each refuses a bad value with one line that names the argument, its range and the value."""

from collections.abc import Callable, Iterable
from math import inf
from numbers import Real
from reprlib import repr as brief

import numpy as np


def _within(name: str, value: object, inside: Callable[[float], bool], allowed: str) -> None:
    """Refuse what is no real number, or one outside the range; True and False are no numbers here."""
    try:
        number = not isinstance(value, bool | np.bool_) and isinstance(value, Real) and float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = False
    if number is False or not inside(number):
        raise ValueError(f"{name} must be {allowed}, got {brief(value)}")


def check_integer(name: str, value: object, least: int, most: int | None = None, what: str = "") -> None:
    """Refuse anything but an integer in that range; True and False are not integers here.

    `what` says what the largest one is, such as the number of points.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or not (least <= value and (most is None or value <= most))
    ):
        wanted = f">= {least}" if most is None else f"in [{least}, {most}] ({what})"
        raise ValueError(f"{name} must be an integer {wanted}, got {brief(value)}")


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    _within(name, value, lambda number: 0 < number < inf, "> 0 and finite")


def check_not_negative(name: str, value: float) -> None:
    """Refuse a number that is negative, infinite or not a number.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    _within(name, value, lambda number: 0 <= number < inf, ">= 0 and finite")


def check_fraction(name: str, value: float) -> None:
    """Refuse a number outside [0, 1].

    Raises
    ------
    ValueError
        Naming the argument.
    """
    _within(name, value, lambda number: 0 <= number <= 1, "in [0, 1]")


def check_below_one(name: str, value: float) -> None:
    """Refuse a number outside [0, 1).

    Raises
    ------
    ValueError
        Naming the argument.
    """
    _within(name, value, lambda number: 0 <= number < 1, "in [0, 1)")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of the choices.

    Raises
    ------
    ValueError
        Naming the argument and the choices.
    """
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {brief(value)}")


def check_instance(name: str, value: object, wanted: type) -> None:
    """Refuse a value of another class.

    Raises
    ------
    ValueError
        Naming the argument and the class.
    """
    if not isinstance(value, wanted):
        raise ValueError(f"{name} must be a {wanted.__module__}.{wanted.__qualname__}, got {brief(value)}")
