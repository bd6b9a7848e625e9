"""Recipes (frozen dataclasses of plain values and further recipes) as JSON text and back."""

import dataclasses
import importlib
import json
import reprlib
from typing import Any


def recipe_to_json(recipe: Any) -> str:
    """JSON text of a recipe; equal recipes give equal texts.

    Parameters
    ----------
    recipe : frozen dataclass
        Fields: None, bool, int, float, str, tuples of these, and recipes.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        When a field holds anything else.
    """
    return json.dumps(_plain(recipe, type(recipe).__name__), indent=1)


def recipe_from_json(text: str) -> Any:
    """Recipe of a text written by `recipe_to_json`.

    Raises
    ------
    ValueError
        When the text names a class that is not a recipe of this package.
    """
    return _recipe(json.loads(text))


def changed_fields(one: Any, other: Any, name: str = "") -> list[str]:
    """Where two recipes differ, as "field: value against value", nested fields with dots.

    Parameters
    ----------
    one, other : recipes or plain values
    name : str
        Of the field that holds them.
    """
    if type(one) is not type(other) or not dataclasses.is_dataclass(one):
        return [] if one == other else [f"{name}: {reprlib.repr(one)} against {reprlib.repr(other)}"]
    prefix = f"{name}." if name else ""
    return [
        change
        for field in dataclasses.fields(one)
        for change in changed_fields(
            getattr(one, field.name), getattr(other, field.name), prefix + field.name
        )
    ]


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [_plain(item, name) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _plain(getattr(value, field.name), f"{name}.{field.name}")
            for field in dataclasses.fields(value)
        }
        return {"recipe": f"{type(value).__module__}.{type(value).__qualname__}", **fields}
    raise ValueError(f"{name} must be made of plain values, tuples and recipes, got {value!r}")


def _recipe(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_recipe(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    module, _, name = plain["recipe"].rpartition(".")
    kind = getattr(importlib.import_module(module), name, None) if module.startswith("neural.") else None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"recipe must be one of the package neural, got {plain['recipe']!r}")
    return kind(**{key: _recipe(value) for key, value in plain.items() if key != "recipe"})
