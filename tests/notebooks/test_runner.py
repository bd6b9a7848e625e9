import io
import json
import os
import signal
import subprocess
import sys

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec

from notebooks import runner
from notebooks.runner import LineWriter, run_notebooks
from synthetic.store.files import clone_root

PARAMETERS = """profile: str = "quick"
seed: int = 0
jobs: int = 2
device: str = "cpu"
out: str = ""
"""


def write_notebook(folder, name, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A question?")])
    notebook.metadata.kernelspec = {"name": "unregistered", "display_name": "?", "language": "python"}
    notebook.cells.append(nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}))
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    source = tmp_path / "notebooks"
    source.mkdir()
    monkeypatch.setattr(runner, "FOLDER", source)
    return source


def test_parameters_reach_a_kernel_of_this_interpreter(folder, tmp_path, capsys):
    report = """import json, sys
print("got", json.dumps([profile, seed, jobs, device, out, sys.executable]))"""
    write_notebook(folder, "01_report", report)
    (run,) = run_notebooks(["01_report"], "smoke", seed=3, jobs=1, device="cpu", out=tmp_path / "{out} x")
    printed = capsys.readouterr().out.splitlines()
    assert run.ok
    got = next(line.strip() for line in printed if line.strip().startswith("got"))
    assert json.loads(got[4:]) == ["smoke", 3, 1, "cpu", str(tmp_path / "{out} x"), sys.executable]
    assert printed[0] == "[1 of 1] 01_report"
    assert not (tmp_path / "{out} x").exists()


def test_a_failing_notebook_is_kept_and_the_others_go_on(folder, tmp_path, capsys):
    write_notebook(
        folder, "01_bad", "x = 1", "raise ArithmeticError('no such number')", "print('not reached')"
    )
    write_notebook(folder, "02_good", "print('reached')")
    bad, good = run_notebooks(["01_bad", "02_good"], "smoke", out=tmp_path)
    printed = capsys.readouterr().out
    assert (bad.ok, good.ok) == (False, True)
    assert bad.kept == tmp_path / "smoke" / "failed" / "01_bad.ipynb"
    assert bad.error.splitlines()[-1] == "ArithmeticError: no such number"
    failing = [cell for cell in nbformat.read(bad.kept, 4).cells if cell.get("execution_count") == bad.cell]
    assert [cell.source for cell in failing] == ["raise ArithmeticError('no such number')"]
    for expected in (f"FAILED in cell [{bad.cell}]", str(bad.kept), "no such number", "reached"):
        assert expected in printed
    assert "not reached" not in printed


def test_a_copy_kept_earlier_goes_when_the_notebook_runs(folder, tmp_path):
    kept = tmp_path / "smoke" / "failed" / "01_good.ipynb"
    kept.parent.mkdir(parents=True)
    kept.write_text("old")
    write_notebook(folder, "01_good", "pass")
    assert run_notebooks(["01_good"], "smoke", out=tmp_path)[0].ok
    assert not kept.exists()


def test_a_kept_notebook_has_its_output_and_nothing_that_differs_between_runs(folder, tmp_path):
    cell = "import sys; print('42'); print(f'{49 + 1}% done', file=sys.stderr); [profile, seed]"
    write_notebook(folder, "01_good", cell)
    write_notebook(folder, "02_bad", "1 / 0")
    texts = []
    for place in ("a", "b"):
        run_notebooks(
            ["01_good", "02_bad"], "smoke", seed=3, out=tmp_path / place, keep=tmp_path / f"kept {place}"
        )
        (kept,) = (tmp_path / f"kept {place}").iterdir()
        texts.append(kept.read_text())
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0] and "50%" not in texts[0]
    notebook = nbformat.reads(texts[0], 4)
    nbformat.validate(notebook)
    title, parameters, cell = notebook.cells
    assert "parameters" in parameters.metadata.tags
    assert [output.get("text") or output.data["text/plain"] for output in cell.outputs] == [
        "42\n",
        "['smoke', 3]",
    ]


def test_figures_of_an_earlier_run_of_the_notebook_go_when_it_runs(folder, tmp_path):
    (tmp_path / "smoke").mkdir()
    for name in ("01_good-old.png", "01_good-old.json", "01_good_too-old.png"):
        (tmp_path / "smoke" / name).write_text("old")
    write_notebook(folder, "01_good", "pass")
    assert run_notebooks(["01_good"], "smoke", out=tmp_path)[0].ok
    assert [path.name for path in (tmp_path / "smoke").iterdir()] == ["01_good_too-old.png"]


def test_a_kernel_that_dies_is_a_failure(folder, tmp_path):
    write_notebook(folder, "01_dead", "import os; os._exit(3)")
    (run,) = run_notebooks(["01_dead"], "smoke", out=tmp_path)
    assert "died" in run.error
    assert run.kept.is_file()


def test_a_kernel_that_cannot_start_says_why(folder, tmp_path, monkeypatch, capfd):
    spec = KernelSpec(
        argv=[sys.executable, "-c", "import sys; sys.exit('no such module')"], language="python"
    )
    monkeypatch.setattr(runner._ThisInterpreter, "kernel_spec", spec)
    write_notebook(folder, "01_good", "pass")
    (run,) = run_notebooks(["01_good"], "smoke", out=tmp_path)
    assert "no such module" in run.error
    assert capfd.readouterr().err == ""


def test_line_writer_shows_whole_lines_and_the_last_state_of_a_bar():
    stream = io.StringIO()
    writer = LineWriter(stream)
    for piece in ("one", "\n", "10%\r20%", "\r100%\n", "\n", "crlf\r\n", "tail"):
        writer.write(piece)
        writer.flush()
    assert stream.getvalue() == "    one\n    100%\n    crlf\n"
    writer.close()
    assert stream.getvalue().endswith("    tail\n")


INTERRUPTED = """
import sys
from pathlib import Path
from notebooks import cli, runner

runner.FOLDER = Path(sys.argv[1])
cli.notebook_names = lambda: ["01_slow"]
sys.exit(cli.main(["figures", "--out", sys.argv[2]]))
"""


def heed_interruptions():
    """Undo that a job in the background inherits SIGINT as ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_one_line_and_nothing_else(folder, tmp_path, number):
    write_notebook(
        folder, "01_slow", "import os, time; print('ready', os.getpid(), flush=True); time.sleep(100)"
    )
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(folder), str(tmp_path / "out")],
        cwd=clone_root(),
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch"), "PYTHONPATH": str(clone_root())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interruptions,
    )
    while "ready" not in (line := process.stdout.readline()):
        assert process.poll() is None
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "projhead: interrupted; what is done is stored, the same command goes on from there\n"
    assert list((tmp_path / "scratch").glob("projhead-*")) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(line.split()[1]), 0)


def test_a_folder_that_cannot_be_written_fails_one_notebook_in_words(folder, tmp_path):
    (tmp_path / "smoke").write_text("a file where the folder should be")
    write_notebook(folder, "01_bad", "raise ValueError('no')")
    (run,) = run_notebooks(["01_bad"], "smoke", out=tmp_path)
    assert not run.ok and "NotADirectoryError" in run.error
