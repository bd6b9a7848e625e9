from dataclasses import replace

import pytest

from tests.mutants.run import ROOT, Mutant, load, run_tests

MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_changes_one_place_and_names_tests_that_exist(mutant):
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    assert mutant.new != mutant.old
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, mutant.file, "exec")
    assert mutant.test_ids
    for test_id in mutant.test_ids:
        assert (ROOT / test_id.partition("::")[0]).exists()


def test_no_mutant_is_listed_twice():
    assert len(set(map(str, MUTANTS))) == len(MUTANTS) > 0


@pytest.fixture
def tree(tmp_path):
    """A project in small: one formula, one test that checks it and one that does not."""
    for folder in ("theory", "neural", "synthetic", "notebooks", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "theory" / "__init__.py").write_text("")
    (tmp_path / "theory" / "trial.py").write_text("HALF = 1 / 2\n")
    imports = "from theory.trial import HALF\n"
    (tmp_path / "tests" / "test_strict.py").write_text(f"{imports}def test_half(): assert HALF == 0.5\n")
    (tmp_path / "tests" / "test_lax.py").write_text(f"{imports}def test_half(): assert HALF > 0\n")
    return tmp_path


MUTANT = Mutant("theory/trial.py", "1 / 2", "1 / 3", "tests/test_strict.py")


@pytest.mark.parametrize(
    "tests, mutant, verdict",
    [
        ("tests/test_strict.py", None, "SURVIVED"),
        ("tests/test_strict.py", MUTANT, "killed"),
        ("tests/test_lax.py", MUTANT, "SURVIVED"),
        ("tests/test_strict.py", replace(MUTANT, new="1 /"), "INVALID"),
        ("tests/test_missing.py", MUTANT, "INVALID"),
    ],
)
def test_verdicts(tree, tests, mutant, verdict):
    assert run_tests([tests], mutant, root=tree).startswith(verdict)
    assert (tree / "theory" / "trial.py").read_text() == "HALF = 1 / 2\n"


def test_a_line_that_does_not_occur_is_an_error(tree):
    with pytest.raises(ValueError, match="old must occur once in theory/trial.py, found 0"):
        run_tests(["tests"], replace(MUTANT, old="2 / 2"), root=tree)
