"""The name under which a result is stored: a hash of everything that it depends on."""

import dataclasses
import hashlib
import inspect
import json
from pathlib import Path

import numpy as np

from synthetic.store.versions import recorded_versions

_SOURCE_ROOT = Path(__file__).resolve().parent.parent.parent
_SOURCE_FOLDERS = ("theory", "synthetic", "neural")


def environment():
    """Hash of the versions of Python and of the recorded packages, and of all source files on the disk.

    Returns
    -------
    str
        64 hexadecimal digits: sha256 over the versions and all ``*.py`` files of theory, synthetic and neural.
    """
    digest = hashlib.sha256(json.dumps(recorded_versions()).encode())
    for folder in _SOURCE_FOLDERS:
        for path in sorted((_SOURCE_ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(_SOURCE_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


LOADED = environment()  # of the code that this process runs, whatever is edited afterwards


def fingerprint(function, point):
    """Hash of a function, the point it is called at, the versions and the source files.

    Parameters
    ----------
    function : callable
        Function defined at the top level of a module that is a file.
    point : object
        See `canonical`.

    Returns
    -------
    str
        64 hexadecimal digits: sha256 over the function's qualified name and the file that defines it, the
        canonical form of the point, and the `environment` as it was when this process loaded it.

    Raises
    ------
    ValueError
        When the function has no name that says what it does (a lambda, a partial, a function defined inside
        another one or in a notebook cell), or the point holds a value without canonical form.

    Notes
    -----
    Source: derived.
    """
    parts = {
        "function": _qualified_name(function),
        "point": canonical(point),
        "file": _file_hash(function),
        "environment": LOADED,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def canonical(value, name="point"):
    """Reduce a value to what JSON can write, so that equal values are written equally.

    Parameters
    ----------
    value : object
        None, bool, number, text, numpy scalar or array, top-level function or class, dataclass, or a list,
        tuple or dict (with text keys) of these. Lists and tuples count as equal; 1, 1.0 and True do not.
    name : str
        What to call the value in an error message.

    Returns
    -------
    object
        Nested lists and dicts of plain values; a dataclass keeps the name of its class, an array its dtype
        and shape.

    Raises
    ------
    ValueError
        When the value, or a value inside it, is of another kind.

    Examples
    --------
    >>> canonical({"weights": (1, 2.5)})
    {'weights': [1, 2.5]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise ValueError(f"{name} must not be an array of Python objects")
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": str(value.dtype), "shape": list(value.shape), "sha256": digest}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [canonical(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: canonical(item, f"{name}[{key!r}]") for key, item in value.items()}
    if inspect.isfunction(value) or inspect.isclass(value):
        return {"object": _qualified_name(value)}
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        fields = {key: canonical(item, f"{name}.{key}") for key, item in fields.items()}
        return {"class": _qualified_name(type(value)), "fields": fields}
    raise ValueError(
        f"{name} must be made of plain values, arrays and dataclasses, got {type(value).__name__}: {value!r}"
    )


def _qualified_name(thing):
    name = getattr(thing, "__qualname__", None)
    if name is None or "<" in name or thing.__module__ == "__main__":
        raise ValueError(
            f"function must be defined at the top level of a module to be stored by name, got {thing!r}; "
            "pass cache=None to run it without storing"
        )
    return f"{thing.__module__}.{name}"


def _file_hash(function):
    try:
        return hashlib.sha256(Path(inspect.getsourcefile(function)).read_bytes()).hexdigest()
    except TypeError:
        return None
