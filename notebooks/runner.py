"""Run notebooks from top to bottom with parameters, show what they print, keep those that fail."""

import logging
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from neural.files import write_atomically
from neural.progress import LineReporter
from notebooks.catalogue import FOLDER
from notebooks.figure import default_out

_ERROR_LINES = 8
_COMPLAINTS = "kernel.txt"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class NotebookRun:
    """What became of one notebook.

    Parameters
    ----------
    name : str
        File name without ``.ipynb``.
    seconds : float
        Wall time in seconds.
    error : str
        Last lines of the error, empty after success.
    cell : int or None
        Number of the failing cell, as in ``In [4]``; None after success or when no cell is to blame.
    kept : pathlib.Path or None
        The executed notebook with all its output; None after success.
    """

    name: str
    seconds: float
    error: str = ""
    cell: int | None = None
    kept: Path | None = None

    @property
    def ok(self):
        """Whether every cell ran."""
        return not self.error


def run_notebooks(names, profile, seed=0, jobs=1, device="cpu", out=None, keep=None):
    """Execute notebooks one after the other, each in a fresh kernel of the running interpreter.

    A notebook that fails does not stop the others; its executed copy is kept under
    ``<out>/<profile>/failed``. What the cells print appears while they run, indented, as whole lines. The figures that
    an earlier run of a notebook left below `out` are removed when it starts.

    Parameters
    ----------
    names : sequence of str
        Notebook names (see `notebooks.catalogue.notebook_names`).
    profile : str
        Size of the run; handed to the notebooks like the following parameters.
    seed : int
        Root seed, at least 0.
    jobs : int
        Number of worker processes for the sweeps in a notebook.
    device : str
        Where networks are trained.
    out : pathlib.Path or str, optional
        Folder for figures; `notebooks.figure.default_out` when left out.
    keep : pathlib.Path or str, optional
        Folder for the executed notebooks, as `clean_notebook` leaves them; none are kept when left out.

    Returns
    -------
    list of NotebookRun
        One entry a notebook, in the order of `names`.
    """
    out = Path(out or default_out()).resolve()
    parameters = {"profile": profile, "seed": seed, "jobs": jobs, "device": device, "out": str(out)}
    folder, keep = out / profile, Path(keep).resolve() if keep else None
    runs = []
    report = LineReporter("notebooks", every=0, stream=sys.stdout)
    for number, name in enumerate(names, start=1):
        print(f"[{number} of {len(names)}] {name}", flush=True)
        run = _run_notebook(name, parameters, folder, keep)
        runs.append(run)
        print(_summary(run), flush=True)
        report(number / len(names), f"{number} of {len(names)}")
    return runs


def clean_notebook(path):
    """An executed notebook without what differs between two runs: times, progress lines, and the given parameters.

    Parameters
    ----------
    path : pathlib.Path
        The executed notebook.

    Returns
    -------
    str
        Its text, with the output of its cells but for what they wrote to standard error.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return nbformat.writes(notebook) + "\n"


def _run_notebook(name, parameters, folder, keep):
    kept, start, cell = folder / "failed" / f"{name}.ipynb", time.monotonic(), None
    try:
        kept.unlink(missing_ok=True)
        for ending in ("json", "png", "svg"):
            for stale in folder.glob(f"{name}-*.{ending}"):
                stale.unlink()
        with tempfile.TemporaryDirectory(prefix="projhead-", ignore_cleanup_errors=True) as scratch:
            executed = Path(scratch) / f"{name}.ipynb"
            try:
                _execute(FOLDER / f"{name}.ipynb", executed, parameters, scratch)
            except Exception as error:
                if isinstance(error, PapermillExecutionError):
                    cell = error.exec_count
                elif (complaints := Path(scratch) / _COMPLAINTS).is_file():
                    error.add_note(complaints.read_text(encoding="utf-8", errors="replace").rstrip())
                if executed.is_file():
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(executed, kept)
                raise
            if keep:
                write_atomically({keep / f"{name}.ipynb": clean_notebook(executed).encode()})
    except KeyboardInterrupt:
        # Nobody takes the error of the interrupted cell any more, and asyncio would print a page about that.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        raise
    except BrokenPipeError:
        raise
    except Exception as error:
        seconds = time.monotonic() - start
        return NotebookRun(name, seconds, _last_lines(error), cell, kept if kept.is_file() else None)
    return NotebookRun(name, time.monotonic() - start)


def _execute(source, target, parameters, folder):
    output = LineWriter(sys.stdout)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=parameters,
            kernel_name="python3",
            language="python",
            kernel_manager_class=_ThisInterpreter,
            progress_bar=False,
            stdout_file=output,
            stderr_file=output,
            cwd=folder,
        )
    finally:
        output.close()


class _ThisInterpreter(AsyncKernelManager):
    """Kernels of the running Python, whatever kernels are registered on the machine."""

    @property
    def kernel_spec(self):
        quiet = ["--log-level=CRITICAL"]  # a kernel that is asked to end reports the interrupt as an error
        return KernelSpec(**get_kernel_dict(quiet))

    async def start_kernel(self, **options):
        """Start the kernel; what it prints before it can send messages goes to a file beside the notebook."""
        with open(Path(options.get("cwd", ".")) / _COMPLAINTS, "wb") as complaints:
            return await super().start_kernel(**options, stderr=complaints)

    @default("transport_encryption")
    def _encrypt_where_possible(self):
        return "auto" if zmq.has("curve") else "disabled"


class LineWriter:
    """Passes on whole lines only, indented; of a line redrawn with carriage returns the last state.

    Parameters
    ----------
    stream : file-like
        Where the lines go.
    """

    def __init__(self, stream):
        self._stream = stream
        self._rest = ""

    def write(self, text):
        """Take a piece of text; lines it completes are passed on."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            state = line.rstrip("\r").rpartition("\r")[2]
            if state.strip():
                self._stream.write(f"    {state}\n")
        self._rest = self._rest.rpartition("\r")[2]

    def flush(self):
        """Flush the stream; an unfinished line waits for its end."""
        self._stream.flush()

    def close(self):
        """Pass on the unfinished line, if there is one."""
        self.write("\n")
        self.flush()


def _summary(run):
    if run.ok:
        return f"    done in {run.seconds:.0f} s"
    place = f" in cell [{run.cell}]" if run.cell is not None else ""
    lines = [f"    FAILED{place} after {run.seconds:.0f} s"]
    lines += [f"    | {line}" for line in run.error.splitlines()]
    if run.kept is not None:
        lines.append(f"    notebook kept at {run.kept}")
    return "\n".join(lines)


def _last_lines(error):
    if isinstance(error, PapermillExecutionError):
        text = "\n".join(error.traceback) or f"{error.ename}: {error.evalue}"
    else:
        text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return "\n".join(_ESCAPES.sub("", text).rstrip().splitlines()[-_ERROR_LINES:])
