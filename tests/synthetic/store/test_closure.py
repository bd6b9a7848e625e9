"""Which source files a result depends on: those that are imported, and no others."""

import subprocess
import sys
import types

import pytest

import synthetic.images.bank
from synthetic.store import closure
from synthetic.store.closure import import_closure

FILES = {
    "theory/__init__.py": "from theory.model import Model\nfrom theory.law import law\nVERSION = 1\n",
    "theory/model.py": "from theory.errors import check\nclass Model: pass\n",
    "theory/errors.py": "def check(): pass\n",
    "theory/law.py": "from theory import errors\ndef law(): pass\n",
    "neural/__init__.py": "from neural.losses import loss\nfrom neural.other import *\n",
    "neural/losses.py": "def loss(): pass\n",
    "neural/other.py": "def made_there(): pass\n",
    "synthetic/__init__.py": "",
    "synthetic/store/__init__.py": "",
    "synthetic/store/sweep.py": "import synthetic.unrelated\n",
    "synthetic/unrelated.py": "",
    "synthetic/one.py": "from theory.model import Model\nfrom synthetic.store.sweep import sweep\n",
    "synthetic/two.py": "from neural import loss\ndef f():\n    from synthetic import one\n",
    "synthetic/three.py": "from neural import made_there\n",
    "synthetic/four.py": "from theory import Model\n",
    "synthetic/five.py": "from theory import VERSION\n",
    "synthetic/six.py": "import theory\n",
    "synthetic/seven.py": "import neural.losses as losses\n",
    "synthetic/eight.py": "import neural.losses\n",
    "synthetic/broken.py": "def f(:\n",
}
THEORY = {f"theory/{name}.py" for name in ("__init__", "model", "errors", "law")}
NEURAL = {f"neural/{name}.py" for name in ("__init__", "losses", "other")}
NEEDED = {
    "one": {"theory/model.py", "theory/errors.py"},
    "two": {"neural/losses.py", "synthetic/one.py", "theory/model.py", "theory/errors.py"},
    "three": NEURAL,  # a star hides where the name comes from
    "four": {"theory/model.py", "theory/errors.py"},
    "five": THEORY,  # made in __init__ itself
    "six": THEORY,  # any name may be taken
    "seven": {"neural/losses.py"},
    "eight": NEURAL,  # the name that is bound is neural, so any name may be taken
    "broken": set(),
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def pretend_loaded(monkeypatch, folder, name):
    """A module of this name in `sys.modules` whose source file lies below `folder`."""
    module = types.ModuleType(name)
    module.__file__ = str(folder.joinpath(*name.split("."))) + ".py"
    monkeypatch.setitem(sys.modules, name, module)
    return name


@pytest.fixture
def project(tmp_path, monkeypatch):
    write(tmp_path, FILES)
    monkeypatch.setattr(closure, "ROOT", tmp_path.resolve())
    return tmp_path


@pytest.mark.parametrize("name", NEEDED)
def test_a_module_needs_what_it_imports_directly_or_indirectly(project, monkeypatch, name):
    module = pretend_loaded(monkeypatch, project, f"synthetic.{name}")
    found = import_closure([module])
    assert set(found) == {f"synthetic/{name}.py"} | NEEDED[name]
    assert all(content.decode() == FILES[file] for file, content in found.items())


def test_a_script_of_a_user_needs_its_own_helpers_and_their_packages(project, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write(
        home,
        {
            "experiment.py": "import helper\nfrom tools.draw import line\nfrom theory.model import Model\n",
            "helper.py": "import numpy\n",
            "tools/__init__.py": "from . import settings\n",
            "tools/settings.py": "",
            "tools/draw.py": "from .settings import X\nfrom ..nowhere import Y\n",
            "unused.py": "",
        },
    )
    found = import_closure([pretend_loaded(monkeypatch, home, "experiment")])
    own = {"experiment.py", "helper.py", "tools/__init__.py", "tools/settings.py", "tools/draw.py"}
    assert set(found) == own | {"theory/model.py", "theory/errors.py"}


def test_modules_without_source_need_nothing():
    assert import_closure(["math", "sys", "not_loaded_anywhere"]) == {}


def test_installed_packages_are_not_followed():
    import scipy.optimize

    assert len(import_closure([scipy.optimize.minimize.__module__])) == 1


def test_trained_features_do_not_depend_on_other_worlds():
    needed = set(import_closure([synthetic.images.bank.__name__]))
    assert {"synthetic/images/bank.py", "neural/training/pretraining.py", "neural/losses.py"} <= needed
    assert not [
        name for name in needed if name.startswith(("theory/mixture", "synthetic/features", "notebooks"))
    ]
    assert not needed & {"neural/__init__.py", "synthetic/__init__.py", "synthetic/store/sweep.py"}


HOLLOW_IMPORT = """
import sys
from importlib.machinery import ModuleSpec
from synthetic.store.closure import PACKAGES, ROOT, import_closure

def in_project(name):
    return name.split(".")[0] in PACKAGES

class Hollow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        folder = ROOT.joinpath(*name.split("."))
        if in_project(name) and (folder / "__init__.py").is_file():
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            return spec

for name in list(filter(in_project, sys.modules)):
    del sys.modules[name]
sys.meta_path.insert(0, Hollow)
import neural.training.pretraining
files = {getattr(module, "__file__", None) for name, module in sys.modules.items() if in_project(name)} - {None}
needed = {str(ROOT / name) for name in import_closure(["neural.training.pretraining"])}
print(len(files), *(files - needed))
"""


def test_every_file_that_python_loads_is_in_the_closure():
    """A module is imported for real, in a process where the `__init__` of every package is left out."""
    run = subprocess.run([sys.executable, "-c", HOLLOW_IMPORT], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    count, *missing = run.stdout.split()
    assert int(count) > 15
    assert missing == []
