"""Which names of the project a function uses, directly or through the functions that it calls.

The answer is read from the syntax tree, so nothing runs. Names are looked up among the function's imports, its closure
and its module; a name assigned at the top of a module stands for everything in its assignment. Classes count with
all their methods. A method called on a local variable is found only through its class, which the function that made
the object has to name.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Iterable
from types import FunctionType, ModuleType

PROJECT = ("theory", "neural", "synthetic", "notebooks", "tests")
_UNKNOWN = object()


def names_used(roots: Iterable, stop: str = "theory") -> set[str]:
    """Qualified names of the project's functions, classes and constants that `roots` reach.

    Parameters
    ----------
    roots : iterable
        Functions, classes, partial functions, callable objects or modules. A module stands for all that it defines.
    stop : str
        Package whose functions are named but not entered.

    Returns
    -------
    set of str
        Names such as ``theory.features.spectral.layer_weights``, each where it is defined.

    Examples
    --------
    >>> from notebooks.panels import layer_weights
    >>> "theory.features.spectral.layer_weights" in names_used([layer_weights.depth_data])
    True
    """
    walk = _Walk(stop)
    for root in roots:
        walk.enter(root)
    return walk.names


def names_in(tree: ast.AST, stop: str = "theory") -> set[str]:
    """The same for a piece of source that imports everything it uses, such as the cells of a notebook."""
    walk = _Walk(stop)
    walk.read(tree, {}, None)
    return walk.names


class _Walk:
    def __init__(self, stop):
        self.stop, self.names, self.seen = stop, set(), set()

    def enter(self, thing):
        """Follow one object: a function, class, instance, module or container of such."""
        thing = inspect.unwrap(thing) if callable(thing) else thing
        if id(thing) in self.seen:
            return
        if isinstance(thing, functools.partial):
            for part in (thing.func, *thing.args, *thing.keywords.values()):
                self.enter(part)
        elif isinstance(thing, list | tuple | set | frozenset):
            for part in thing:
                self.enter(part)
        elif isinstance(thing, dict):
            for part in thing.values():
                self.enter(part)
        elif inspect.ismethod(thing):
            self.enter(thing.__func__)
            self.enter(thing.__self__)
        elif isinstance(thing, FunctionType | type | ModuleType):
            self._enter_definition(thing)
        elif _package(type(thing)) in PROJECT:
            self.enter(type(thing))
            if dataclasses.is_dataclass(thing) and id(thing) not in self.seen:
                self.seen.add(id(thing))
                for field in dataclasses.fields(thing):
                    self.enter(getattr(thing, field.name))

    def _enter_definition(self, thing):
        if _package(thing) not in PROJECT:
            return
        self.seen.add(id(thing))
        if not isinstance(thing, ModuleType):
            self.names.add(f"{thing.__module__}.{thing.__qualname__}")
        if _package(thing) == self.stop:
            return
        if isinstance(thing, FunctionType):
            cells = inspect.getclosurevars(thing).nonlocals
            for node in _definitions(thing):
                self.read(node, cells, sys.modules[thing.__module__])
        elif isinstance(thing, type):
            for base in thing.__mro__[1:]:
                self.enter(base)
            for member in vars(thing).values():
                self._enter_member(member)
        else:
            for member in vars(thing).values():
                if getattr(member, "__module__", None) == thing.__name__:
                    self.enter(member)

    def _enter_member(self, member):
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, functools.cached_property):
            member = member.func
        elif isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if isinstance(member, FunctionType):
            self.enter(member)

    def read(self, tree, cells, module):
        """Follow every name in a piece of source, read with the variables of its closure and of its module."""
        local = dict(cells)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                local.update(_imported(node))
        local = dict.fromkeys(_bound(tree), _UNKNOWN) | local
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
                self._follow(node, local, module)

    def _follow(self, node, local, module):
        attributes = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return
        thing = local[node.id] if node.id in local else self._global(node.id, module)
        while attributes and isinstance(thing, ModuleType):
            home, name = thing, attributes.pop()
            thing = getattr(home, name, _UNKNOWN)
            if isinstance(thing, ModuleType):
                continue
            if _package(home) not in PROJECT:
                return  # such as sys.modules, which holds everything
            self._read_constant(name, home)
        while attributes and isinstance(thing, type) and thing is not _UNKNOWN:
            self.enter(thing)
            thing = getattr(thing, attributes.pop(), _UNKNOWN)
        if thing is not _UNKNOWN and not isinstance(thing, ModuleType):
            self.enter(thing)

    def _global(self, name, module):
        if module is None or not hasattr(module, name):
            return getattr(builtins, name, _UNKNOWN)
        self._read_constant(name, module)
        return getattr(module, name)

    def _read_constant(self, name, module):
        """Follow the assignment behind a module's constant, in the module where it stands."""
        key = (module.__name__, name)
        if key in self.seen:
            return
        self.seen.add(key)
        value = getattr(module, name, None)
        if isinstance(value, FunctionType | type | ModuleType):
            return
        for node in _tree(module).body:
            if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
                original = next(a.name for a in node.names if (a.asname or a.name) == name)
                home = importlib.import_module(node.module)
                if _package(home) in PROJECT:
                    self._read_constant(original, home)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and _assigns(node, name):
                if _package(module) == self.stop:
                    self.names.add(f"{module.__name__}.{name}")
                elif node.value is not None:
                    self.read(node.value, {}, module)


def _package(thing) -> str:
    """Top-level package in which a definition stands."""
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return (name or "").partition(".")[0]


@functools.cache
def _tree(module) -> ast.Module:
    return ast.parse(inspect.getsource(module))


@functools.cache
def _functions_by_line(module) -> dict[int, list[ast.AST]]:
    """Functions and lambdas of a module by the line where they, or their decorators, begin."""
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.setdefault(line, []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, []).append(node)
    return found


def _definitions(function) -> list[ast.AST]:
    """The function's syntax tree; where several lambdas share its line, all of them."""
    nodes = _functions_by_line(sys.modules[function.__module__]).get(function.__code__.co_firstlineno, [])
    return [node for node in nodes if getattr(node, "name", "<lambda>") == function.__name__]


def _bound(tree) -> set[str]:
    """Names that a function binds itself: arguments and assignments, without those of the functions inside it."""
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return set()
    bound = {argument.arg for argument in ast.walk(tree.args) if isinstance(argument, ast.arg)}
    scopes = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.Lambda,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
    )
    waiting = list(tree.body) if isinstance(tree.body, list) else [tree.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, scopes):
            bound.update([node.name] if hasattr(node, "name") else [])
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        waiting.extend(ast.iter_child_nodes(node))
    return bound


def _assigns(node, name) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(n, ast.Name) and n.id == name for target in targets for n in ast.walk(target))


def _imported(node) -> dict:
    """Names of the project that an import statement binds."""
    bound = {}
    if isinstance(node, ast.Import):
        for alias in node.names:
            package = alias.name.partition(".")[0]
            if package in PROJECT:
                importlib.import_module(alias.name)
                bound[alias.asname or package] = sys.modules[alias.name if alias.asname else package]
        return bound
    if node.level or node.module.partition(".")[0] not in PROJECT:
        return bound
    module = importlib.import_module(node.module)
    for alias in node.names:
        if not hasattr(module, alias.name):
            importlib.import_module(f"{node.module}.{alias.name}")
        bound[alias.asname or alias.name] = getattr(module, alias.name)
    return bound
