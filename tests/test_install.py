"""The project as others install it: wheel and source archive, from a folder with spaces and umlauts, without locale."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from synthetic.store.files import clone_root

ROOT = clone_root()
PACKAGES = ("theory", "neural", "synthetic", "notebooks")
BUILD = "import sys; from setuptools import build_meta as b; out = sys.argv[1]; b.build_wheel(out); b.build_sdist(out)"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "smoke", "failed")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the source archive, built from a copy of the clone without the network."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_COPIED)
    command = [sys.executable, "-c", BUILD, str(folder)]
    run = subprocess.run(command, cwd=folder / "source", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built):
    """Folder that the wheel is installed into, with nothing of the clone."""
    target = built / "Ordner mit Leerzeichen äöü"
    (wheel,) = built.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(command, check=True, env=os.environ | {"PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore"})
    return target


@pytest.fixture
def elsewhere(tmp_path):
    """A user's folder, with folders named as packages of the project in it."""
    folder = tmp_path / "Übungen 1"
    for package in PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("raise ImportError('the wrong one')\n")
    return folder


def run_installed(installed, folder, *words):
    """Output of a command of the installed project, given in a folder in the C locale."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PROJHEAD", "LC_", "LANG"))
    }
    environment = kept | {"PYTHONPATH": str(installed), "HOME": str(folder.parent), "LC_ALL": "C"}
    command = [sys.executable, str(installed / "bin" / "projhead"), *words]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def sources():
    """Python files and notebooks of the packages, as they lie in the clone."""
    files = [
        path
        for package in PACKAGES
        for ending in ("py", "ipynb")
        for path in (ROOT / package).rglob(f"*.{ending}")
    ]
    return {path.relative_to(ROOT).as_posix() for path in files if ".ipynb_checkpoints" not in path.parts}


def test_the_wheel_holds_every_module_and_notebook_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == sources() | {"theory/py.typed", "neural/py.typed"}


def test_the_source_archive_holds_what_make_and_the_tests_need(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for folder, ending in (("tests", "py"), ("docs", "md"), ("tools", "sh"), ("figures/quick", "json")):
        assert {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*.{ending}")} <= names
    assert {
        "conftest.py",
        "Makefile",
        "figures/claims.json",
        "constraints.txt",
        "README.md",
        "CLAIMS.md",
    } <= names
    assert sources() <= names


def test_the_installed_command_lists_what_there_is(installed, elsewhere):
    printed = run_installed(installed, elsewhere, "list")
    assert "01_layer_weights" in printed and "gui-downstream-accuracy" in printed


def test_an_installed_notebook_writes_into_the_current_folder_only(installed, elsewhere):
    before = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    printed = run_installed(
        installed, elsewhere, "figures", "--profile", "smoke", "--only", "01", "--jobs", "1"
    )
    folder = elsewhere / "figures" / "smoke"
    assert f"1 of 1 notebooks done, figures in {folder}" in printed
    records = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("01_*.json")]
    assert records and all(Path(folder / f"{record['name']}.png").stat().st_size > 1000 for record in records)
    assert {path for path in installed.rglob("*") if "__pycache__" not in path.parts} == before
    assert (elsewhere.parent / ".cache" / "projhead" / "sweep").is_dir()
