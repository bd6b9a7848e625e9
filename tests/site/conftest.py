"""The site, built once for all its tests, and the pages that it consists of."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from synthetic.store.files import clone_root

ROOT = clone_root()
SCRIPTS = ROOT / "docs" / "site"


@pytest.fixture(scope="session", autouse=True)
def site_scripts():
    """The modules that write the pages can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield


def run(*words):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The pages before Sphinx, from the notebooks as they are stored."""
    folder = tmp_path_factory.mktemp("source")
    run(SCRIPTS / "prepare.py", folder)
    return folder


@pytest.fixture(scope="session")
def build(source, tmp_path_factory):
    """Builds the site into a new folder and returns it."""
    missing = [name for name in ("sphinx", "myst_nb", "furo", "numpydoc") if find_spec(name) is None]
    if missing:
        pytest.skip(f"the site needs the extra 'docs'; not installed: {', '.join(missing)}")

    def once():
        folder = tmp_path_factory.mktemp("site")
        run("-m", "sphinx", "-W", "-n", "-q", "-d", tmp_path_factory.mktemp("trees"), source, folder)
        return folder

    return once


@pytest.fixture(scope="session")
def site(build):
    """The site."""
    return build()
