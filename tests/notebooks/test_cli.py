import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from joblib import effective_n_jobs

import synthetic.claims
import synthetic.store.files
from notebooks import cli, committed, runner
from notebooks.cli import main
from notebooks.runner import NotebookRun
from synthetic.store.files import clone_root

ROOT = clone_root()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Forget what a command sets in the environment."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture
def ran(monkeypatch):
    """Two notebooks that are only pretended to run; the second one fails at seed 13."""
    calls = []

    def pretend(names, profile, seed, jobs, device, out, keep):
        calls.append(
            SimpleNamespace(
                names=names, profile=profile, seed=seed, jobs=jobs, device=device, out=out, keep=keep
            )
        )
        return [NotebookRun(name, 1.0, "boom" if name == "02_b" and seed == 13 else "") for name in names]

    monkeypatch.setattr(runner, "run_notebooks", pretend)
    monkeypatch.setattr(cli, "notebook_names", lambda: ["01_a", "02_b"])
    return calls


def entry(identifier, ok=True):
    """An entry of the ledger, the control rejected if `ok`."""
    return {
        "id": identifier,
        "statement": f"What {identifier} says.",
        "latex": "1 = 1",
        "source": "derived",
        "reference": "here",
        "assumptions": "none",
        "limits": "",
        "reason": "",
        "quantity": "",
        "check": "Exact(tolerance=0)",
        "expected": "holds",
        "verdict": "holds",
        "asked": ["1"],
        "predicted": [1.0],
        "measured": [1.0],
        "standard_error": [0.0],
        "interval": [[1.0], [1.0]],
        "replicates": 1,
        "replicates_needed": None,
        "resolution": None,
        "power": None,
        "control": {"what": "wrong", "values": [2.0], "differs": [ok], "rejected": ok},
        "untrained": None,
        "seed": 0,
        "versions": {"python": "3"},
        "ok": ok,
    }


def fake_claim(identifier, ok=True):
    shown = entry(identifier, ok)
    return SimpleNamespace(
        id=identifier,
        source="derived",
        expected="holds",
        statement=shown["statement"],
        result=SimpleNamespace(to_json=lambda: shown),
    )


@pytest.fixture
def clone(monkeypatch, tmp_path):
    """Three claims, of which none is measured, and an empty clone, whose folder is returned."""
    claims = {name: fake_claim(name) for name in ("xue-1", "xue-2", "gui-1")}
    monkeypatch.setattr(synthetic.claims, "CLAIMS", claims)
    monkeypatch.setattr(synthetic.claims, "PAPER_OF", dict.fromkeys(claims, "A paper"))
    monkeypatch.setattr(synthetic.claims, "run_claim", lambda claim, seed: claim.result)
    root = tmp_path / "clone"
    root.mkdir()
    monkeypatch.setattr(synthetic.store.files, "clone_root", lambda: root)
    return root


def ids_in_ledger(clone):
    path = clone / "figures" / "claims.json"
    return [entry["id"] for entry in json.loads(path.read_text())] if path.exists() else []


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
    assert call.keep is None
    assert "PROJHEAD_FRESH" not in os.environ


def test_figures_with_everything_chosen(ran, tmp_path):
    words = "figures --profile smoke --only 02 --jobs 3 --seed 5 --fresh --keep"
    assert main([*words.split(), str(tmp_path / "kept"), "--out", str(tmp_path / "new")]) == 0
    (call,) = ran
    assert (call.names, call.profile, call.seed, call.jobs) == (["02_b"], "smoke", 5, 3)
    assert call.keep == tmp_path / "kept"
    assert os.environ["PROJHEAD_FRESH"] == "1"
    assert list((tmp_path / "new").rglob("*")) == [tmp_path / "new" / "smoke"]


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
        ("figures --check --profile smoke", "no figures of profile 'smoke' are committed"),
        ("figures --update --seed 1", "committed figures are those of seed 0, got --seed 1"),
        ("figures --device abacus", "device must be one of"),
        ("claims --only xue", "claim 'xue' could be xue-1, xue-2"),
        ("claims --only gupta", "claim 'gupta' is none of xue-1, xue-2, gui-1"),
        ("claims --jobs 0", "--jobs must be at least 1, got 0"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_choices(ran, clone, words, message, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"projhead: {message}")
    assert error.count("\n") == 1
    assert not ran


def test_a_folder_that_cannot_be_written_is_told_before_any_work(ran, clone, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["figures", "--out", str(tmp_path / "file" / "figures")]) == 2
    assert main(["claims", "--json", str(tmp_path / "file" / "claims.json")]) == 2
    assert main(["claims", "--json", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("cannot write to") == 3
    assert not ran


def test_the_committed_figures_are_not_a_place_for_out(ran, capsys):
    assert main(["figures", "--out", str(ROOT / "figures")]) == 2
    assert "changed with --update" in capsys.readouterr().err
    assert not ran


def test_check_and_update_are_about_notebooks_that_ran(ran, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(committed, "check_figures", lambda *given: seen.append(given) or False)
    monkeypatch.setattr(committed, "update_figures", lambda *given: seen.append(given) or 0)
    folders = (tmp_path / "quick", ROOT / "figures" / "quick")
    assert main(["figures", "--check", "--out", str(tmp_path)]) == 1
    assert main(["figures", "--update", "--only", "02", "--out", str(tmp_path)]) == 0
    assert seen == [(["01_a", "02_b"], *folders), (["02_b"], *folders, False)]


def test_claims_print_a_row_each_and_write_the_ledger(clone, capsys):
    assert main(["claims", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:3] == ["id", "source", "predicted"]
    assert [line.split()[:2] for line in printed[1:4]] == [
        ["[1/3]", "xue-1"],
        ["[2/3]", "xue-2"],
        ["[3/3]", "gui-1"],
    ]
    assert "3 of 3 claims came out as declared" in printed
    assert ids_in_ledger(clone) == ["xue-1", "xue-2", "gui-1"]
    assert "[xue-2](#xue-2)" in (clone / "CLAIMS.md").read_text()


def test_one_claim_replaces_its_entry_alone(clone, monkeypatch):
    main(["claims", "--jobs", "1"])
    changed = fake_claim("xue-2")
    changed.result.to_json().update(measured=[1.5], versions={"python": "4"})
    synthetic.claims.CLAIMS["xue-2"] = changed
    before = (clone / "CLAIMS.md").read_text()
    assert main(["claims", "--jobs", "1", "--only", "xue-2"]) == 0
    entries = json.loads((clone / "figures" / "claims.json").read_text())
    assert [(entry["id"], entry["measured"]) for entry in entries] == [
        ("xue-1", [1.0]),
        ("xue-2", [1.5]),
        ("gui-1", [1.0]),
    ]
    before, after = before.splitlines(), (clone / "CLAIMS.md").read_text().splitlines()
    assert [line for line in after if line not in before] == [
        "| What xue-2 says. [xue-2](#xue-2) | 1 | 1.5 | holds |",
        "- Measured at seed 0 with python 4.",
    ]


def test_a_claim_that_is_gone_leaves_the_ledger(clone):
    main(["claims", "--jobs", "1"])
    del synthetic.claims.CLAIMS["xue-1"]
    main(["claims", "--jobs", "1", "--only", "gui"])
    assert ids_in_ledger(clone) == ["xue-2", "gui-1"]


def test_another_seed_leaves_the_ledger_alone(clone, capsys):
    assert main(["claims", "--jobs", "1", "--seed", "1"]) == 0
    assert ids_in_ledger(clone) == []
    assert "the ledger holds measurements at seed 0 and is not changed" in capsys.readouterr().out


def test_what_was_measured_before_an_interruption_is_in_the_ledger(clone, monkeypatch):
    def run_or_interrupt(claim, seed):
        if claim.id == "gui-1":
            raise KeyboardInterrupt
        return claim.result

    monkeypatch.setattr(synthetic.claims, "run_claim", run_or_interrupt)
    assert main(["claims", "--jobs", "1"]) == 130
    assert ids_in_ledger(clone) == ["xue-1", "xue-2"]


def test_the_number_of_workers_reaches_the_sweeps_of_a_claim(clone, monkeypatch):
    seen = []
    monkeypatch.setattr(
        synthetic.claims, "run_claim", lambda claim, seed: seen.append(effective_n_jobs(None)) or claim.result
    )
    main(["claims", "--jobs", "3", "--only", "xue-1"])
    assert seen == [3]
    assert effective_n_jobs(None) == 1


def test_a_disk_that_fills_up_stops_the_ledger_and_not_the_claims(clone, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic.claims.ledger, "update_ledger", full)
    assert main(["claims", "--jobs", "1"]) == 0
    printed = capsys.readouterr()
    assert "3 of 3 claims came out as declared" in printed.out
    assert printed.err == "the ledger is not changed any more: [Errno 28] No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_a_full_disk_under_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "notebooks.cli", "list"]
        run = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (1, "projhead: [Errno 28] No space left on device\n")


def test_claims_are_written_where_asked(clone, tmp_path):
    path = tmp_path / "some.json"
    assert main(["claims", "--jobs", "1", "--only", "gui", "--json", str(path)]) == 0
    assert json.loads(path.read_text()) == [entry("gui-1")]


def test_a_claim_that_is_not_as_declared_is_a_failure(clone, capsys):
    synthetic.claims.CLAIMS["xue-2"] = fake_claim("xue-2", ok=False)
    assert main(["claims", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 claims came out as declared" in printed
    assert "not rejected: xue-2" in printed


def test_a_claim_that_raises_does_not_stop_the_others(clone, monkeypatch, capsys):
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
    assert ids_in_ledger(clone) == ["xue-1", "gui-1"]


def test_list_shows_titles_profiles_and_sources(ran, clone, monkeypatch, capsys):
    monkeypatch.setattr(cli, "notebook_title", lambda name: f"Why {name}?")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "smoke, quick, full",
        "simclr-cifar",
        "01_a  Why 01_a?",
        "gui-1 (derived; holds)  What gui-1 says.",
    ):
        assert expected in printed


def test_interruption_is_one_line(ran, monkeypatch, tmp_path, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_notebooks", interrupt)
    assert main(["figures", "--out", str(tmp_path)]) == 130
    assert "goes on from there" in capsys.readouterr().err


@pytest.fixture
def handlers():
    """Put the handler of SIGTERM back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_is_an_interruption(ran, handlers, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(runner, "run_notebooks", lambda *arguments: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["figures", "--out", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_the_command_in_silence():
    command = [sys.executable, "-m", "notebooks.cli", "list"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_version_is_shown(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"projhead {version('projhead')}\n"


def test_a_relative_store_is_meant_from_where_the_command_was_given(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJHEAD_CACHE", "store")
    main(["figures", "--out", str(tmp_path)])
    assert os.environ["PROJHEAD_CACHE"] == str(tmp_path / "store")


def test_a_foreign_package_in_the_way_is_named(tmp_path):
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "__init__.py").touch()
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from notebooks.cli import main
sys.path.insert(0, {str(tmp_path)!r})
sys.exit(main(["list"]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 2
    assert run.stderr.startswith(
        f"projhead: Python finds {tmp_path / 'theory'} where it looks for the package theory"
    )
    assert run.stderr.count("\n") == 1


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
