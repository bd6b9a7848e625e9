"""Mutants drawn at random: they parse, differ from the source, and are the same for the same seed."""

import ast
import os
import subprocess
import sys

import pytest

from tests.mutants.random import ROOT, draw, find_places


@pytest.mark.parametrize("mutant", draw(0, 40), ids=lambda mutant: f"{mutant.file}-{mutant.place}")
def test_a_mutant_changes_one_place_and_has_tests(mutant):
    before = ast.unparse(ast.parse((ROOT / mutant.file).read_text()))
    after = mutant.source()
    ast.parse(after)
    changed = [
        pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]
    ]
    assert len(changed) == 1
    assert mutant.tests and all((ROOT / file).is_file() for file in mutant.tests)
    assert " -> " in str(mutant)


def test_the_seed_decides():
    assert draw(3, 10) == draw(3, 10) != draw(4, 10)


def test_unions_of_types_and_texts_are_left_alone():
    tree = ast.parse("def f(x: int | None) -> Tensor | None:\n    'a + b'\n    return x + 1\n")
    assert [type(node) for node, _ in find_places(tree)] == [ast.BinOp, ast.Constant]


VERDICTS = """
from tests.mutants.random import ROOT, RandomMutant, run_mutant
mutant = RandomMutant("synthetic/claims/rule.py", 0)
text = (ROOT / mutant.file).read_text()
print(run_mutant(mutant, text), run_mutant(mutant, text.replace(" < ", " > ")))
"""


def test_a_change_is_noticed_and_no_change_is_not():
    before = (ROOT / "synthetic/claims/rule.py").read_text()
    command = [sys.executable, "-c", VERDICTS]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["SURVIVED", "killed"]
    assert (ROOT / "synthetic/claims/rule.py").read_text() == before
