"""Break places of the code that are drawn at random, one at a time, and see whether the tests notice.

``python -m tests.mutants.random [--seed N] [--count M] [--only TEXT]``. A mutant changes one operator, comparison or
small constant of the syntax tree of `theory`, or of the losses, probes, spectra, heads and the rule of the claims. The
tests that mirror its file have to fail. A survivor is either a gap in the tests or a change that makes no difference,
which has to be looked at.
"""

import argparse
import ast
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.mutants.run import ROOT, run_tests

SOURCES = (
    "theory/features",
    "theory/mixture",
    "neural/losses.py",
    "neural/measures",
    "neural/models/heads.py",
    "synthetic/claims/rule.py",
)
TESTS = {
    "synthetic/claims/rule.py": "tests/claims/test_rule.py",
    "neural/losses.py": "tests/neural/test_losses.py",
}
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
        """Folder or file of the tests that mirror the file."""
        if self.file in TESTS:
            return TESTS[self.file]
        folder = Path("tests", self.file)
        mirrored = folder.with_name(f"test_{folder.name}")
        return str(mirrored if (ROOT / mirrored).exists() else folder.parent)

    def source(self, root=ROOT):
        """The source with the change."""
        tree = ast.parse((root / self.file).read_text())
        _change(find_places(tree)[self.place])
        return ast.unparse(tree)

    def apply(self, root):
        """Write the change into the tree at `root`."""
        (root / self.file).write_text(self.source(root))

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


def main(argv=None):
    """Run the mutants drawn; the exit status is 1 when one survives."""
    parser = argparse.ArgumentParser(prog="tests.mutants.random", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draw (0)")
    parser.add_argument("--count", type=int, default=20, metavar="M", help="how many (20)")
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (2)")
    arguments = parser.parse_args(argv)
    mutants, survived = draw(arguments.seed, arguments.count, arguments.only), 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        verdicts = pool.map(lambda mutant: run_tests((mutant.tests,), mutant), mutants)
        for number, (mutant, verdict) in enumerate(zip(mutants, verdicts, strict=True), start=1):
            survived += not verdict.startswith("killed")
            print(f"[{number}/{len(mutants)}] {verdict:9} {mutant}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} mutants killed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
