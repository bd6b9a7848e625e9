import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points, version

import pytest

from notebooks.map import anchor
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
    assert requirements("test", "dev", "docs") <= set(PINS)


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
    for target in ("figures", "site", "claims", "test", "check", "lint", "mutants", "clean"):
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


PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_numbers_on_a_page_have_their_leading_zero(page):
    assert re.findall(r"(?<![\w.)\]}/])\.\d+", page.read_text()) == []


IN_THE_CLONE = [page for page in PAGES if "site" not in page.parts]
"""Pages that are read where they lie; tests/site follows the links of the others."""


@pytest.mark.parametrize("page", IN_THE_CLONE, ids=lambda page: page.name)
def test_links_on_a_page_lead_to_files_and_headings_that_exist(page):
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http", "#")):
            continue
        name, _, section = target.partition("#")
        path = (page.parent / name).resolve()
        headings = (
            re.findall(r"^#+ (.*)", path.read_text(), re.M) if path.suffix == ".md" and path.exists() else []
        )
        if not path.exists() or (section and section not in map(anchor, headings)):
            missing.append(target)
    assert missing == []
