"""Break one line of the mathematics at a time and see whether the tests notice.

``python -m tests.mutants.run [--only TEXT] [--jobs N]``; the lines are in the .toml tables beside this file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("theory", "neural", "synthetic", "notebooks", "tests", "conftest.py", "pyproject.toml")
TIMEOUT_SECONDS = 600
VERDICTS = {0: "SURVIVED", 1: "killed"}


@dataclass(frozen=True)
class Mutant:
    """One line that is replaced, and the tests that have to fail then.

    Parameters
    ----------
    file : str
        Source file, relative to the clone.
    old, new : str
        Text that occurs once in the file, and what replaces it.
    tests : str or list of str
        Test files or test ids, relative to the clone.
    """

    file: str
    old: str
    new: str
    tests: str | list[str]

    @property
    def test_ids(self):
        """The tests as a tuple."""
        return (self.tests,) if isinstance(self.tests, str) else tuple(self.tests)

    def apply(self, root):
        """Replace the line in the tree at `root`.

        Raises
        ------
        ValueError
            When `old` does not occur exactly once.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"old must occur once in {self.file}, found {text.count(self.old)} of {self.old!r}"
            )
        path.write_text(text.replace(self.old, self.new))

    def __str__(self):
        return f"{self.file}: {self.old.strip()} -> {self.new.strip()}"


def load():
    """Read all tables.

    Returns
    -------
    list of Mutant
        In the order of the files' names and of their lines.
    """
    folder = Path(__file__).parent
    tables = [tomllib.loads(path.read_text()) for path in sorted(folder.glob("*.toml"))]
    return [Mutant(**entry) for table in tables for entry in table["mutant"]]


def run_tests(test_ids, mutant=None, root=ROOT):
    """Run tests in a copy of the tree, with one line replaced where a mutant is given.

    Returns
    -------
    str
        ``killed`` when a test failed, ``SURVIVED`` when all passed, ``killed (timeout)``, or ``INVALID`` with
        pytest's exit status when the tests could not run at all.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source, target = root / name, copy / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        if mutant is not None:
            mutant.apply(copy)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *test_ids]
        settings = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "PROJHEAD_CACHE": "off"}
        try:
            run = subprocess.run(
                command,
                cwd=copy,
                env=os.environ | settings,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "killed (timeout)"
    return VERDICTS.get(run.returncode, f"INVALID (pytest exit status {run.returncode})")


def main(argv=None):
    """Run the mutants that were chosen.

    Returns
    -------
    int
        0 when the tests pass as they are and every mutant was killed, else 1.
    """
    parser = argparse.ArgumentParser(prog="tests.mutants.run", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose file or line contains TEXT")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (2)")
    arguments = parser.parse_args(argv)
    mutants = [mutant for mutant in load() if arguments.only in str(mutant)]
    start = time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        if not _unbroken_tests_pass(pool, {mutant.test_ids for mutant in mutants}):
            return 1
        bad = 0
        verdicts = pool.map(lambda mutant: run_tests(mutant.test_ids, mutant), mutants)
        for number, (mutant, verdict) in enumerate(zip(mutants, verdicts, strict=True), start=1):
            bad += not verdict.startswith("killed")
            left = (time.monotonic() - start) / number * (len(mutants) - number)
            print(f"[{number}/{len(mutants)}] {verdict:9} {mutant} (about {left:.0f} s left)", flush=True)
    print(f"{len(mutants) - bad} of {len(mutants)} mutants killed")
    return 1 if bad else 0


def _unbroken_tests_pass(pool, test_sets):
    test_sets = sorted(test_sets)
    print(f"running the {len(test_sets)} sets of tests without a change first", flush=True)
    failing = [
        test_ids
        for test_ids, verdict in zip(test_sets, pool.map(run_tests, test_sets), strict=True)
        if verdict != "SURVIVED"
    ]
    for test_ids in failing:
        print(f"fails or cannot run without a change: {' '.join(test_ids)}")
    return not failing


if __name__ == "__main__":
    sys.exit(main())
