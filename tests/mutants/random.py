"""Break places of the code that are drawn at random, one at a time, and see whether the tests notice.

``python -m tests.mutants.random [--seed N] [--count M] [--only TEXT]``. A mutant changes one operator, comparison or
small constant of the syntax tree of `theory`, or of the losses, probes, spectra, heads and the rule of the claims. The
tests that mirror its file run first, then all other tests of its package, until one fails. A survivor is either a gap
in the tests or a change that makes no difference, which has to be looked at.

Each mutant runs in a fork of this process, which has loaded the libraries before, so that it costs little more than
the tests themselves. Nothing is written into the tree: the fork reads the changed source from memory.
"""

import argparse
import ast
import importlib
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy as np
import pytest

from tests.mutants.run import ROOT

SOURCES = (
    "theory",
    "neural/losses.py",
    "neural/measures",
    "neural/models/heads.py",
    "synthetic/claims/rule.py",
)
TESTS = {"synthetic/claims/rule.py": "tests/claims/test_rule.py"}
LIBRARIES = (
    "hypothesis.strategies scipy.integrate scipy.optimize.elementwise scipy.special scipy.stats sympy".split()
)
CPU_SECONDS = 300
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
SURVIVED, KILLED, INVALID = 0, 1, 2  # exit statuses of a fork
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CONSTANTS = {0: 1, 1: 2, 2: 3, 0.5: 1.0}


@dataclass(frozen=True)
class RandomMutant:
    """One changed place of a source file.

    Parameters
    ----------
    file : str
        Relative to the clone.
    place : int
        Number of the place among those that `find_places` lists.
    """

    file: str
    place: int

    @property
    def tests(self):
        """Test files in the order in which they run: the mirrored one, those beside it, the others of the package."""
        if self.file in TESTS:
            return [TESTS[self.file]]
        mirrored = Path("tests", self.file).with_name(f"test_{Path(self.file).name}")
        stem = Path(self.file).stem
        package = [path.relative_to(ROOT) for path in ROOT.glob(f"tests/{mirrored.parts[1]}/**/test_*.py")]
        package.sort(
            key=lambda path: (path != mirrored, stem not in path.stem, path.parent != mirrored.parent, path)
        )
        return [str(path) for path in package if path.name != "test_fuzz.py"]

    def source(self):
        """The source with the change."""
        tree = ast.parse((ROOT / self.file).read_text())
        _change(find_places(tree)[self.place])
        return ast.unparse(tree)

    def __str__(self):
        node, _ = find_places(ast.parse((ROOT / self.file).read_text()))[self.place]
        before = ast.unparse(node)
        tree = ast.parse((ROOT / self.file).read_text())
        places = find_places(tree)
        _change(places[self.place])
        return f"{self.file}:{node.lineno}: {before} -> {ast.unparse(places[self.place][0])}"


def find_places(tree):
    """Nodes that can be changed, each with what to change, docstrings and type annotations left out."""
    places = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPERATORS:
            if not _is_type_union(node):
                places.append((node, "op"))
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
            places.append((node, "ops"))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in CONSTANTS:
            places.append((node, "value"))
    return places


def _is_type_union(node):
    names = [side for side in (getattr(node, "left", None), getattr(node, "right", None)) if side is not None]
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitOr)
        and any(
            isinstance(side, ast.Constant)
            or (isinstance(side, ast.Name) and (side.id[0].isupper() or side.id in _TYPES))
            for side in names
        )
    )


_TYPES = {"int", "float", "str", "bool", "tuple", "list", "dict"}


def _change(place):
    node, what = place
    if what == "op":
        node.op = OPERATORS[type(node.op)]()
    elif what == "ops":
        node.ops[0] = OPERATORS[type(node.ops[0])]()
    else:
        node.value = CONSTANTS[node.value]


def draw(seed, count, only=""):
    """Mutants drawn without replacement from all places of the sources whose file contains `only`."""
    files = []
    for source in SOURCES:
        path = ROOT / source
        files += [path] if path.suffix else sorted(path.rglob("*.py"))
    names = [str(path.relative_to(ROOT)) for path in files if path.name != "__init__.py"]
    every = [
        RandomMutant(name, place)
        for name in names
        if only in name
        for place in range(len(find_places(ast.parse((ROOT / name).read_text()))))
    ]
    chosen = np.random.default_rng(seed).choice(len(every), min(count, len(every)), replace=False)
    return [every[index] for index in chosen]


def run_mutant(mutant, changed=None):
    """Verdict on one mutant, or on another text of its file: killed, SURVIVED, or INVALID where no test could run."""
    child = os.fork()
    if not child:
        verdict = INVALID
        try:
            verdict = _run_in_fork(mutant, mutant.source() if changed is None else changed)
        finally:
            os._exit(verdict)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return f"killed (signal {os.WTERMSIG(status)})"
    return {SURVIVED: "SURVIVED", KILLED: "killed"}.get(os.WEXITSTATUS(status), "INVALID")


def _run_in_fork(mutant, changed):
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    path, usual = str(ROOT / mutant.file), SourceFileLoader.get_code

    def get_code(loader, name):
        return compile(changed, path, "exec") if loader.path == path else usual(loader, name)

    SourceFileLoader.get_code = get_code
    first, *others = mutant.tests
    for files in (
        [first],
        [*others, mutant.file],
    ):  # pytest itself would load the unchanged file if it came first
        status = pytest.main([*OPTIONS, *files])
        if status in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
            return KILLED
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return INVALID
        importlib.import_module(mutant.file.removesuffix(".py").replace("/", "."))
    return SURVIVED


def main(argv=None):
    """Run the mutants drawn; the exit status is 1 when one survives."""
    parser = argparse.ArgumentParser(prog="tests.mutants.random", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draw (0)")
    parser.add_argument("--count", type=int, default=20, metavar="M", help="how many (20)")
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (2)")
    arguments = parser.parse_args(argv)
    mutants, survived = draw(arguments.seed, arguments.count, arguments.only), 0
    os.chdir(ROOT)
    os.environ["PROJHEAD_CACHE"] = "off"
    for library in LIBRARIES + ["torch"] * any(not mutant.file.startswith("theory") for mutant in mutants):
        importlib.import_module(library)
    for mutant in {Path(mutant.tests[0]).parts[1]: mutant for mutant in mutants}.values():
        verdict = run_mutant(mutant, (ROOT / mutant.file).read_text())
        if verdict != "SURVIVED":
            print(f"the tests of {mutant.file} fail or cannot run without a change: {verdict}")
            return 1
    with ThreadPoolExecutor(arguments.jobs) as pool:
        verdicts = pool.map(run_mutant, mutants)
        for number, (mutant, verdict) in enumerate(zip(mutants, verdicts, strict=True), start=1):
            survived += not verdict.startswith("killed")
            print(f"[{number}/{len(mutants)}] {verdict:9} {mutant}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} mutants killed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
