"""Recipes (frozen dataclasses of plain values and further recipes): built from text, written as JSON, compared."""

import dataclasses
import importlib
import json
import reprlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def build_recipe(kind: type, fields: Mapping[str, Any], path: str = "") -> Any:
    """Recipe of one class, after a check of the names and types of its fields.

    Parameters
    ----------
    kind : type
        A frozen dataclass.
    fields : mapping of str
        A field that is missing has its default value.
    path : str
        Where the recipe belongs, such as "head"; error messages begin with it.

    Returns
    -------
    kind

    Raises
    ------
    ValueError
        When a field is unknown, is missing, or has a value of another type or outside its range.
    """
    known = {field.name: field for field in dataclasses.fields(kind)}
    required = {name for name, field in known.items() if _has_no_default(field)}
    for problem, found in (("has no field", set(fields) - set(known)), ("needs", required - set(fields))):
        if found:
            names = ", ".join(sorted(_join(path, name) for name in found))
            raise ValueError(f"{kind.__name__} {problem} {names}; its fields are {', '.join(known)}")
    check_types(kind, fields, path)
    return kind(**fields)


def change_recipe(recipe: Any, fields: Mapping[str, Any], path: str = "") -> Any:
    """Copy of a recipe with other values in some fields; a mapping changes fields of a recipe inside it.

    Parameters
    ----------
    recipe : frozen dataclass
    fields : mapping of str
        For example {"epochs": 10, "head": {"hidden_dim": 512}}.
    path : str
        As for `build_recipe`.

    Raises
    ------
    ValueError
        As for `build_recipe`.
    """
    changed = {
        name: change_recipe(getattr(recipe, name), value, _join(path, name))
        if isinstance(value, Mapping) and dataclasses.is_dataclass(getattr(recipe, name, None))
        else value
        for name, value in fields.items()
    }
    return build_recipe(type(recipe), vars(recipe) | changed, path)


def check_types(kind: type, fields: Mapping[str, Any], path: str = "") -> None:
    """Refuse values whose type is not that of their field, in recipes inside recipes too.

    Parameters
    ----------
    kind, fields, path
        As for `build_recipe`.

    Raises
    ------
    ValueError
        Naming the field, what it holds and the value.
    """
    hints = _field_types(kind)
    for name, value in fields.items():
        if not _fits(value, hints[name]):
            raise ValueError(
                f"{_join(path, name)} must be {_describe(hints[name])}, got {reprlib.repr(value)}"
            )
        if dataclasses.is_dataclass(value):
            check_types(type(value), vars(value), _join(path, name))


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


def recipe_from_json(text: str, source: object = "recipe") -> Any:
    """Recipe of a text written by `recipe_to_json`.

    Parameters
    ----------
    text : str
    source : object
        Where the text comes from, for error messages.

    Raises
    ------
    ValueError
        When the text is no JSON, names a class that is not a recipe of this package, or has a field that the
        class does not have or whose type is wrong. Another version of projhead may have written it.
    """
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict):
            raise ValueError(f"it must hold a recipe, got {reprlib.repr(plain)}")
        return _recipe(plain, "")
    except (ValueError, ImportError) as error:
        raise ValueError(f"{source} is not a recipe of this version of projhead: {error}") from error


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
    return [
        change
        for field in dataclasses.fields(one)
        for change in changed_fields(
            getattr(one, field.name), getattr(other, field.name), _join(name, field.name)
        )
    ]


@lru_cache
def _field_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _has_no_default(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


_PLAIN = {
    bool: (bool, "true or false"),
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    str: (str, "a text"),
    NoneType: (NoneType, "null"),
}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the type of a field; True and False are no numbers, and a number is no text."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if get_origin(hint) is Literal:
        return value in arguments
    if get_origin(hint) is tuple:
        kinds = arguments[:1] * len(value) if isinstance(value, tuple) and arguments[-1] is ... else arguments
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if get_origin(hint) is Callable or hint is Any:
        return True
    if hint in _PLAIN:
        return isinstance(value, _PLAIN[hint][0]) and (hint is bool or not isinstance(value, bool))
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _describe(hint: Any) -> str:
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_describe, arguments))
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if get_origin(hint) is tuple:
        count = "any number of" if arguments[-1] is ... else f"{len(arguments)}"
        return f"a list of {count} values, each {_describe(arguments[0])}"
    return _PLAIN[hint][1] if hint in _PLAIN else f"a recipe ({getattr(hint, '__name__', hint)})"


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


def _recipe(plain: Any, path: str) -> Any:
    if isinstance(plain, list):
        return tuple(_recipe(item, path) for item in plain)
    if not isinstance(plain, dict):
        return plain
    module, _, name = str(plain.get("recipe")).rpartition(".")
    kind = getattr(importlib.import_module(module), name, None) if module.startswith("neural.") else None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"recipe must be one of the package neural, got {plain.get('recipe')!r}")
    fields = {key: _recipe(value, _join(path, key)) for key, value in plain.items() if key != "recipe"}
    return build_recipe(kind, fields, path)
