"""The name under which a result is stored: a hash of everything that it depends on."""

import dataclasses
import hashlib
import inspect
import json
import sys

import numpy as np

from synthetic.store.closure import PACKAGES, import_closure, project_files
from synthetic.store.versions import recorded_versions

_FORMAT = 2  # of what is hashed here; another number empties every store
_PLAIN = (bool, int, float, str)


def _digest(content):
    return hashlib.sha256(content).hexdigest()


LOADED = {name: _digest(content) for name, content in project_files().items()}
_FIRST_SEEN = {}  # digests of files outside the project, such as a user's own script


class Sources:
    """The source files that a function needs at some points, as they are on the disk now.

    Parameters
    ----------
    function : callable
    points : sequence
        The files of functions and classes inside the points count too.

    Attributes
    ----------
    digests : dict of str to str
        sha256 of every file of the import closure (see `synthetic.store.closure`), by its path.
    edited : bool
        Whether one of them was edited or added since this process loaded the project. Of a file outside the project
        it is only known whether it was edited since the first sweep that needed it.
    """

    def __init__(self, function, points):
        _qualified_name(function)
        modules = {module for point in points for module in _modules_of(point)}
        contents = import_closure(sorted({function.__module__, *modules}))
        self.digests = {name: _digest(content) for name, content in contents.items()}
        self.edited = any(_edited(name, digest) for name, digest in self.digests.items())


def _edited(name, digest):
    if name.split("/")[0] in PACKAGES:
        return LOADED.get(name) != digest
    return _FIRST_SEEN.setdefault(name, digest) != digest


def loaded_environment(names):
    """Hash of the versions of Python and the recorded packages, and of source files as this process loaded them.

    Two processes that agree on it compute the same results.

    Parameters
    ----------
    names : iterable of str
        Paths as in `Sources`. Files outside the project do not count.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digests = {name: LOADED[name] for name in names if name in LOADED}
    return _digest(json.dumps([recorded_versions(), digests], sort_keys=True).encode())


def fingerprint(function, point, digests=None):
    """Hash of a function, the point it is called at, the versions, and the source files that both need.

    Parameters
    ----------
    function : callable
        Function defined at the top level of a module.
    point : object
        See `canonical`.
    digests : dict of str to str, optional
        Of `Sources`; found from the function and the point when left out.

    Returns
    -------
    str
        64 hexadecimal digits: sha256 over the function's qualified name, the canonical form of the point, the
        versions of Python and the recorded packages, and the source files in the import closure of the function
        and the point.

    Raises
    ------
    ValueError
        When the name of the function does not lead back to it (a lambda, a partial, a bound method, a wrapper, a
        function defined inside another one or in a notebook cell), or the point holds a value without canonical
        form.

    Notes
    -----
    Source: derived.
    """
    parts = {
        "format": _FORMAT,
        "function": _qualified_name(function),
        "point": canonical(point),
        "versions": recorded_versions(),
        "sources": Sources(function, [point]).digests if digests is None else digests,
    }
    return _digest(json.dumps(parts, sort_keys=True).encode())


def canonical(value, name="point"):
    """Reduce a value to what JSON can write, so that equal values are written equally.

    Parameters
    ----------
    value : object
        None, bool, number, text, numpy scalar or array, top-level function or class, dataclass, named tuple, or a
        list, tuple or dict (with text keys) of these. Lists and tuples count as equal; 1, 1.0, True and
        numpy.int64(1) do not.
    name : str
        What to call the value in an error message.

    Returns
    -------
    object
        Nested lists and dicts of plain values. A dataclass and a named tuple keep the name of their class, an array
        and a numpy scalar their dtype and shape.

    Raises
    ------
    ValueError
        When the value, or a value inside it, is of another kind. Subclasses of the kinds above are refused, because
        they may hold more than is seen here: a masked array its mask, for example.

    Examples
    --------
    >>> canonical({"weights": (1, 2.5)})
    {'weights': [1, 2.5]}
    """
    if value is None or type(value) in _PLAIN:
        return value
    if type(value) is np.ndarray or isinstance(value, np.generic):
        if value.dtype.hasobject:
            raise ValueError(f"{name} must not be an array of Python objects")
        digest = _digest(np.ascontiguousarray(value).tobytes())
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: str(value.dtype), "shape": list(value.shape), "sha256": digest}
    if type(value) in (list, tuple):
        return [canonical(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: canonical(item, f"{name}[{key!r}]") for key, item in value.items()}
    if inspect.isfunction(value) or inspect.isclass(value):
        return {"object": _qualified_name(value, name)}
    if (fields := _fields(value)) is not None:
        fields = {key: canonical(item, f"{name}.{key}") for key, item in fields.items()}
        return {"class": _qualified_name(type(value), f"the class of {name}"), "fields": fields}
    raise ValueError(
        f"{name} must be made of plain values, arrays and dataclasses, got {type(value).__name__}: {value!r}"
    )


def _fields(value):
    """Named parts of a dataclass or a named tuple; None for anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    return None


def _modules_of(value):
    """Modules of the functions and classes inside a value."""
    if inspect.isfunction(value) or inspect.isclass(value):
        yield value.__module__
    elif (fields := _fields(value)) is not None:
        yield type(value).__module__
        for item in fields.values():
            yield from _modules_of(item)
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _modules_of(item)


def _qualified_name(thing, name="function"):
    """Module and name of a function or class, after checking that they lead back to this very object."""
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    found = sys.modules.get(module) if module != "__main__" else None
    for part in path.split(".") if found and path else ():
        found = getattr(found, part, None)
    if found is not thing:
        raise ValueError(
            f"{name} must be defined at the top level of a module and be found there under its own name, got "
            f"{thing!r}; pass cache=None to run it without storing"
        )
    return f"{module}.{path}"
