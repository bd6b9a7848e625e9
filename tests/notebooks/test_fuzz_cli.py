"""Random words after ``projhead``: exit status 0, 1 or 2 and one line, whatever a user types; never a traceback."""

import contextlib
import io
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthetic.claims
import synthetic.store.files
from notebooks import cli, runner
from notebooks.bench import command
from notebooks.runner import NotebookRun

TRAIN = [
    "--epochs",
    "0",
    "--set",
    "data.train_size=40",
    "--set",
    "data.test_size=20",
    "--set",
    "encoder.width=4",
]
COMMANDS = [
    ["figures", "--profile", "smoke", "--only", "01", "--jobs", "2", "--seed", "3", "--out", "NEW"],
    ["figures", "--fresh", "--device", "cpu", "--out", "NEW"],
    ["claims", "--only", "a-claim", "--jobs", "1", "--seed", "1", "--json", "NEW"],
    ["train", "--out", "NEW", *TRAIN, "--data", "digits", "--head", "mlp", "--lr", "0.1"],
    ["train", "--out", "NEW", *TRAIN, "--config", "FILE", "--preset", "simclr-cifar", "--batch", "8"],
    ["probe", "FOLDER", "--label", "digit", "--few-shot", "2", "--device", "cpu"],
    ["diagnose", "--before", "ARRAY", "--after", "ARRAY", "--labels", "FILE", "--out", "NEW"],
    ["diagnose", "--compare", "FILE", "FOLDER"],
    ["bench", "--only", "theory", "--quick", "--out", "NEW"],
    ["map", "--check"],
    ["list"],
    ["--version"],
]
HOSTILE = [
    *(
        "",
        " ",
        "-",
        "--",
        "-1",
        "0",
        "1e9",
        "nan",
        "inf",
        "9" * 400,
        "0x10",
        "01_a",
        "None",
        "True",
        "{}",
        "[1",
        "ä🙂",
    ),
    *(
        "a\nb",
        "\x00",
        "..",
        "/",
        "/dev/null",
        "/proc/self/mem",
        "NEW",
        "FILE",
        "FOLDER",
        "ARRAY",
        "ARRAY:x",
        "a" * 300,
    ),
    *(
        "--help",
        "--out",
        "--only",
        "--set",
        "--seed",
        "--json=/",
        "--jobs=-3",
        "--set=a.b=1",
        "--set=head=",
        "--no",
    ),
    *(
        "data=1",
        "head.embed_dim=0",
        "encoder.width=-1",
        "method.temperature=nan",
        "data.train_size=1e400",
        "head=linear",
    ),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder with a file, an array, an empty folder, and a name that is still free."""
    root = tmp_path_factory.mktemp("places")
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"\x80\x00no text")
    np.save(root / "array.npy", np.random.default_rng(0).normal(size=(40, 3)))
    names = {"FOLDER": "folder", "FILE": "file", "ARRAY": "array.npy", "NEW": "new"}
    return {word: str(root / name) for word, name in names.items()}


@pytest.fixture(scope="module", autouse=True)
def nothing_runs(tmp_path_factory):
    """Notebooks, claims and timings are only pretended to run, in a clone of their own."""
    patch, root = pytest.MonkeyPatch(), tmp_path_factory.mktemp("clone")
    patch.setattr(os, "environ", os.environ.copy())
    patch.chdir(root)
    patch.setattr(runner, "run_notebooks", lambda names, *_: [NotebookRun(name, 1.0, "") for name in names])
    patch.setattr(cli, "notebook_names", lambda: ["01_a", "02_b"])
    patch.setattr(cli, "notebook_title", lambda name: f"Title of {name}")
    patch.setattr(cli, "_check_packages", lambda: None)
    patch.setattr(synthetic.claims, "CLAIMS", {})
    patch.setattr(synthetic.store.files, "clone_root", lambda: None)
    patch.setattr(command, "run_bench", lambda *_: 0)
    yield
    patch.undo()


@st.composite
def words(draw):
    """The words of a command that works, some of them replaced, left out, or with others between them."""
    chosen = list(draw(st.sampled_from(COMMANDS)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(chosen)))
        word = draw(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)))
        chosen[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([[word], [word], []]))
    return chosen


def run(words):
    """Exit status and what was printed as an error."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            status = cli.main(words)
        except SystemExit as end:  # argparse's own
            status = end.code
    return status, error.getvalue()


def check_words(places, count):
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(words())
    def check(chosen):
        status, error = run([places.get(word, word) for word in chosen])
        assert status in (0, 1, 2), error
        assert "Traceback" not in error
        assert status == 0 or error.strip()
        last = error.strip().splitlines()[-1:] if error.startswith("usage") else error.splitlines()
        assert len(last) <= 2, error

    check()


def test_any_words_give_one_line(places):
    check_words(places, 100)


@pytest.mark.slow
def test_many_words_give_one_line(places):
    check_words(places, 5000)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_words_to_start_from_are_understood(command, places):
    status, error = run([places.get(word, word) for word in command])
    understood = status == 0 or error.startswith("projhead: ")
    assert understood and "usage" not in error, error
