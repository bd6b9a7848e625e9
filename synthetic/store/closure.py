"""The source files that a module needs: those that its imports lead to, directly or indirectly.

The files are found by reading the sources, without running them, so the list is the same in every process. Imports
inside functions count too. Three kinds of file are left out on purpose:

- Files of installed packages. Their versions are recorded instead.
- The ``__init__`` of a package of this project, unless a name that is taken from it is made there. Its own imports
  would lead to every file of the package. A name that it only passes on is followed to the file that defines it.
  What else ``__init__`` imports cannot change a result, because importing changes no setting: ``tests/test_imports.py``
  checks this for every package.
- The files of the store that run a function and keep its result (`STORE`): they do not enter the result.
"""

import ast
import functools
import inspect
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("theory", "neural", "synthetic", "notebooks")
STORE = {
    f"synthetic.store.{name}" for name in ("closure", "files", "fingerprint", "results", "sweep", "versions")
}
_INSTALLED = {
    Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")
}


def import_closure(modules):
    """Source files that these modules need, their own included.

    Parameters
    ----------
    modules : iterable of str
        Names of loaded modules. A module without a source file (built in, compiled) needs none.

    Returns
    -------
    dict of str to bytes
        Content of every file, by its path relative to the folder that its package lies in; in order of these paths.
        The files of a user's own modules are found below the folder that the user's module was imported from.
    """
    waiting = [(_root_of(module, path), path) for module in modules if (path := _file_of(module))]
    found = {}
    while waiting:
        root, path = waiting.pop()
        name = path.relative_to(ROOT if path.is_relative_to(ROOT) else root).as_posix()
        if name not in found:
            found[name] = path.read_bytes() if path.is_file() else b""
            waiting += [(root, needed) for needed in _needed(root, path, found[name])]
    return dict(sorted(found.items()))


def project_files():
    """Content of every source file of the project, by its path relative to the folder of the packages.

    Returns
    -------
    dict of str to bytes
    """
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


def _file_of(module):
    try:
        return Path(inspect.getsourcefile(sys.modules[module])).resolve()
    except (KeyError, TypeError):
        return None


def _root_of(module, path):
    """Folder from which the top-level name of this module is imported; the file's own folder where that is unclear."""
    parts = module.split(".") + (["__init__"] if path.name == "__init__.py" else [])
    matches = path.with_suffix("").parts[-len(parts) :] == tuple(parts)
    return path.parents[len(parts) - 1] if matches else path.parent


def _needed(root, path, content):
    """Files that this source file imports."""
    base = ROOT if path.is_relative_to(ROOT) else root
    files = set()
    for module, name in _imports(content, path.relative_to(base).parts[:-1]):
        files.update(_resolve(root, module, name))
    return files


@functools.cache
def _imports(content, package):
    """Pairs of an imported module and the name taken from it (None: any name may be); none in unfinished code."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except SyntaxError:
        return []
    pairs = []
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                reachable = [parts] if alias.asname else [parts[: i + 1] for i in range(len(parts))]
                pairs += [(".".join(one), None) for one in reachable]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, package)
            pairs += [(module, None if alias.name == "*" else alias.name) for alias in node.names]
    return pairs


def _absolute(node, package):
    """Full name of the module of a ``from`` import."""
    above = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


def _resolve(root, module, name, seen=()):
    """Files that are needed when `name` is taken from `module`."""
    path = _find(root, module)
    if path is None or module in STORE:
        return []
    if path.name != "__init__.py" or name is None:
        return [path, *_packages_above(root, module)]
    source = None
    if _in_project(module):
        source = _passed_on(path.read_bytes(), tuple(module.split("."))).get(name)
    if source not in (None, (module, name), *seen):
        return _resolve(root, *source, (*seen, source))
    if _find(root, f"{module}.{name}"):
        return _resolve(root, f"{module}.{name}", None)
    return [path, *_packages_above(root, module)]


def _packages_above(root, module):
    """Every ``__init__`` that runs before this module; none in this project (see above)."""
    if _in_project(module):
        return []
    parts = module.split(".")
    return filter(None, (_find(root, ".".join(parts[:i])) for i in range(1, len(parts))))


@functools.cache
def _passed_on(content, package):
    """Names that an ``__init__`` only takes from elsewhere: name -> (module, name there)."""
    passed, made = {}, set()
    for statement in ast.parse(content).body:
        if isinstance(statement, ast.ImportFrom):
            module = _absolute(statement, package)
            passed |= {alias.asname or alias.name: (module, alias.name) for alias in statement.names}
        else:
            made |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            made.add(getattr(statement, "name", None))
    return {name: source for name, source in passed.items() if name not in made}


def _in_project(module):
    return module.split(".")[0] in PACKAGES


def _find(root, module):
    """Source file of a module of the project or below `root`; None for an installed package and where there is none."""
    base = ROOT if _in_project(module) else root
    if not module or base in _INSTALLED and not _in_project(module):
        return None
    path = base.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
