import json

import nbformat
import papermill
import pytest

from notebooks.catalogue import FOLDER, notebook_names, notebook_title
from notebooks.runner import run_notebooks

NAMES = notebook_names()
PARAMETERS = {"profile": "str", "seed": "int", "jobs": "int", "device": "str", "out": "str"}
KEYS = {
    *("name", "profile", "parameters", "seeds", "versions", "device", "seconds", "data"),
    *("caption", "alt", "look", "closed_form", "error_bars", "simulated"),
}
LONGEST = 45
VISIBLE_LINES = 12


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PROJHEAD_CACHE", str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def run_once(seed, tmp_path_factory):
    """Runs a notebook when it is asked for first; returns the run and the folder of its figures."""
    done = {}

    def run(name):
        if name not in done:
            out = tmp_path_factory.mktemp(name)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PROJHEAD_CACHE", str(tmp_path_factory.mktemp("store")))
                done[name] = run_notebooks([name], "smoke", seed=seed, jobs=1, out=out)[0], out
        return done[name]

    return run


def files_written(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_leaves_figures_with_their_numbers(name, run_once):
    run, out = run_once(name)
    assert run.ok, run.error
    folder = out / "smoke"
    records = sorted(folder.glob("*.json"))
    assert records
    stems = {path.stem for path in records}
    expected = {f"smoke/{stem}.{ending}" for stem in stems for ending in ("png", "svg", "json")}
    assert {str(path) for path in files_written(out)} == expected
    for path in records:
        record = json.loads(path.read_text())
        assert path.stem.startswith(f"{name}-")
        assert record.keys() == KEYS
        assert (record["name"], record["profile"]) == (path.stem, "smoke")
        assert record["data"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_thin_typed_and_stored_without_output(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) <= LONGEST
    assert notebook_title(name)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            hidden = {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", []))
            assert hidden or len(cell.source.splitlines()) <= VISIBLE_LINES
    found = papermill.inspect_notebook(str(FOLDER / f"{name}.ipynb"))
    assert {key: entry["inferred_type_name"] for key, entry in found.items()} == PARAMETERS
    assert all(entry["help"] for entry in found.values())
    assert [entry["default"] for key, entry in found.items() if key == "profile"] == ['"quick"']


@pytest.mark.parametrize("name", ["13_null_space", "14_figure3_digits"])
def test_a_second_run_on_other_workers_writes_the_same_bytes(name, seed, run_once, tmp_path):
    _, first = run_once(name)
    (run,) = run_notebooks([name], "smoke", seed=seed, jobs=2, out=tmp_path)
    assert run.ok, run.error
    assert files_written(first) == files_written(tmp_path)
    for path in files_written(first):
        if path.suffix == ".json":
            ours, theirs = (json.loads((folder / path).read_text()) for folder in (first, tmp_path))
            assert ours["data"] == theirs["data"]
        else:
            assert (first / path).read_bytes() == (tmp_path / path).read_bytes()
