import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points, version

import pytest

from synthetic.store.files import clone_root

ROOT = clone_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
)
TREES = ("theory", "neural", "synthetic", "notebooks", "tests", "tools")


def requirements(*extras):
    entries = [*PROJECT["dependencies"]]
    for extra in extras:
        entries += PROJECT["optional-dependencies"][extra]
    return {re.match(r"[\w.-]+", entry).group() for entry in entries}


def test_every_requirement_of_the_suite_is_pinned():
    assert requirements("test", "dev") <= set(PINS)


def test_the_environment_is_the_pinned_one():
    wrong = {
        name: version(name)
        for name in requirements("test", "dev")
        if version(name).partition("+")[0] != PINS[name]
    }
    assert not wrong


@pytest.mark.parametrize("name", ["torchvision", "timm", "lightly"])
def test_packages_that_do_not_import_beside_a_cpu_torch_are_not_asked_for(name):
    assert name not in requirements(*PROJECT["optional-dependencies"])
    assert name not in PINS


def test_the_command_is_installed():
    (command,) = entry_points(group="console_scripts", name="projhead")
    assert command.value == "notebooks.cli:main"


def test_every_target_is_a_make_target():
    for target in ("figures", "claims", "test", "lint", "mutants", "clean"):
        run = subprocess.run(
            ["make", "-n", "-s", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr


def test_no_python_is_told_in_one_line(tmp_path):
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dirname").symlink_to(shutil.which("dirname"))
    run = subprocess.run(
        [shutil.which("sh"), str(tmp_path / "tools" / "setup.sh")],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("setup: no Python 3.11 or newer found")


def test_no_machine_paths_in_the_sources():
    pattern = re.compile(r"/(?:home|root|work|Users|opt)/\w")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for tree in TREES
        for path in (ROOT / tree).rglob("*")
        if path.suffix in (".py", ".ipynb", ".toml", ".sh", ".md")
        for match in pattern.finditer(path.read_text())
    ]
    assert not found
