import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import synthetic.claims
from notebooks import cli, runner
from notebooks.cli import main
from notebooks.runner import NotebookRun
from synthetic.claims import ledger
from synthetic.store.files import clone_root


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Forget what a command sets in the environment."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture
def ran(monkeypatch):
    """Two notebooks that are only pretended to run; the second one fails at seed 13."""
    calls = []

    def pretend(names, profile, seed, jobs, device, out):
        calls.append(
            SimpleNamespace(names=names, profile=profile, seed=seed, jobs=jobs, device=device, out=out)
        )
        return [NotebookRun(name, 1.0, "boom" if name == "02_b" and seed == 13 else "") for name in names]

    monkeypatch.setattr(runner, "run_notebooks", pretend)
    monkeypatch.setattr(cli, "notebook_names", lambda: ["01_a", "02_b"])
    return calls


def fake_claim(identifier, ok=True):
    row = dict.fromkeys(("source", "predicted", "measured", "interval", "resolution", "verdict"), "-")
    row |= {"id": identifier, "expected": "holds", "control": "rejected" if ok else "NOT REJECTED"}
    result = SimpleNamespace(ok=ok, row=lambda: row, to_json=lambda: {"id": identifier, "ok": ok})
    return SimpleNamespace(
        id=identifier,
        source="derived",
        expected="holds",
        statement=f"What {identifier} says.",
        result=result,
    )


@pytest.fixture
def ledgers(monkeypatch):
    """Three claims, of which none is measured; returns the ledgers that would have been written."""
    written = []
    claims = {name: fake_claim(name) for name in ("xue-1", "xue-2", "gui-1")}
    monkeypatch.setattr(synthetic.claims, "CLAIMS", claims)
    monkeypatch.setattr(synthetic.claims, "run_claim", lambda claim, seed: claim.result)
    monkeypatch.setattr(
        ledger, "write_ledger", lambda results, *paths: written.append((len(results), *paths))
    )
    return written


def test_figures_by_default(ran, tmp_path):
    assert main(["figures", "--out", str(tmp_path)]) == 0
    (call,) = ran
    assert (call.names, call.profile, call.seed, call.device, call.out) == (
        ["01_a", "02_b"],
        "quick",
        0,
        "cpu",
        tmp_path,
    )
    assert call.jobs >= 1
    assert "PROJHEAD_FRESH" not in os.environ


def test_figures_with_everything_chosen(ran, tmp_path):
    words = "figures --profile smoke --only 02 --jobs 3 --seed 5 --fresh --out"
    assert main([*words.split(), str(tmp_path / "new")]) == 0
    (call,) = ran
    assert (call.names, call.profile, call.seed, call.jobs) == (["02_b"], "smoke", 5, 3)
    assert os.environ["PROJHEAD_FRESH"] == "1"
    assert list((tmp_path / "new").iterdir()) == []


def test_figures_exit_status_tells_of_a_failed_notebook(ran, tmp_path, capsys):
    assert main(["figures", "--seed", "13", "--out", str(tmp_path)]) == 1
    assert "failed: 02_b" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        ("figures --profile huge", "profile 'huge' is none of smoke, quick, full"),
        ("figures --only 07", "notebook '07' is none of 01_a, 02_b"),
        ("figures --only 0", "notebook '0' could be 01_a, 02_b"),
        ("figures --jobs 0", "--jobs must be at least 1, got 0"),
        ("figures --seed -1", "--seed must be at least 0, got -1"),
        ("figures --device abacus", "device must be one of"),
        ("claims --only xue", "claim 'xue' could be xue-1, xue-2"),
        ("claims --only gupta", "claim 'gupta' is none of xue-1, xue-2, gui-1"),
        ("claims --jobs 0", "--jobs must be at least 1, got 0"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_choices(ran, ledgers, words, message, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"projhead: {message}")
    assert error.count("\n") == 1
    assert not ran


def test_a_folder_that_cannot_be_written_is_told_before_any_work(ran, ledgers, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["figures", "--out", str(tmp_path / "file" / "figures")]) == 2
    assert main(["claims", "--json", str(tmp_path / "file" / "claims.json")]) == 2
    assert capsys.readouterr().err.count("cannot write to") == 2
    assert not ran


def test_claims_print_a_row_each_and_write_the_ledger(ledgers, capsys):
    assert main(["claims", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:3] == ["id", "source", "predicted"]
    assert [line.split()[:2] for line in printed[1:4]] == [
        ["[1/3]", "xue-1"],
        ["[2/3]", "xue-2"],
        ["[3/3]", "gui-1"],
    ]
    assert "3 of 3 claims came out as declared" in printed
    assert ledgers == [(3, clone_root() / "figures" / "claims.json", clone_root() / "CLAIMS.md")]


@pytest.mark.parametrize("words", ["--only xue-2", "--seed 1"])
def test_the_committed_ledger_needs_all_claims_at_seed_0(ledgers, words):
    assert main(["claims", "--jobs", "1", *words.split()]) == 0
    assert ledgers == []


def test_claims_are_written_where_asked(ledgers, tmp_path):
    path = tmp_path / "some.json"
    assert main(["claims", "--jobs", "1", "--only", "gui", "--json", str(path)]) == 0
    assert json.loads(path.read_text()) == [{"id": "gui-1", "ok": True}]


def test_a_claim_that_is_not_as_declared_is_a_failure(ledgers, capsys):
    synthetic.claims.CLAIMS["xue-2"] = fake_claim("xue-2", ok=False)
    assert main(["claims", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 claims came out as declared" in printed
    assert "not rejected: xue-2" in printed


def test_a_claim_that_raises_does_not_stop_the_others(ledgers, monkeypatch, capsys):
    def run_or_fail(claim, seed):
        if claim.id == "xue-2":
            raise ArithmeticError("no such number")
        return claim.result

    monkeypatch.setattr(synthetic.claims, "run_claim", run_or_fail)
    assert main(["claims", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "xue-2 did not finish:" in printed
    assert "no such number" in printed
    assert "2 of 3 claims came out as declared" in printed
    assert ledgers == []


def test_list_shows_titles_profiles_and_sources(ran, ledgers, monkeypatch, capsys):
    monkeypatch.setattr(cli, "notebook_title", lambda name: f"Why {name}?")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for expected in ("smoke, quick, full", "01_a  Why 01_a?", "gui-1 (derived; holds)  What gui-1 says."):
        assert expected in printed


def test_interruption_is_one_line(ran, monkeypatch, tmp_path, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_notebooks", interrupt)
    assert main(["figures", "--out", str(tmp_path)]) == 130
    assert "goes on from there" in capsys.readouterr().err


def test_threads_are_limited_before_torch_is_imported():
    code = """
import os, sys
from notebooks.cli import limit_threads
assert "torch" not in sys.modules and "numpy" not in sys.modules
limit_threads()
import torch
print(torch.get_num_threads(), os.environ["OMP_WAIT_POLICY"])
"""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    run = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "PASSIVE"]
