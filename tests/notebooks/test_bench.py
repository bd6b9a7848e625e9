"""Timings: goals with room for a loaded machine, gates that notice errors, and reports of what moved."""

import json
from dataclasses import replace

import pytest

from neural import Network, train
from notebooks.bench.command import run_bench
from notebooks.bench.engine import CPU_CONFIGS, CUDA_CONFIGS, Config, Effort, engine_measures
from notebooks.bench.gates import gates
from notebooks.bench.measures import Measure, number
from notebooks.bench.notebooks import notebook_measures, slowest
from notebooks.bench.report import busy_warning, machine, moved, read_measures, tables, to_json
from notebooks.bench.theory import theory_measures
from notebooks.cli import main

TINY = Config("tiny", 4, 6, 3, 8, members=3, goals={"ratio": 0.0})
ROOM = 2  # other jobs share the caches; a formula that became slower by an order still shows


def test_theory_goals_are_met():
    measures = theory_measures(repeats=1)
    functions = {name.split("/")[1] for name in measures}
    accuracies = {"ridge", "hinge", "logistic", "hard-margin", "averaging accuracy"}
    beside = {"logistic with bias", "hinge with bias", "learning curve", "spectral minimiser"}
    others = {"inner gain", "euclidean gain", "cosine gain", "penalised weights", "anisotropic metric"}
    generic = {f"{name}, generic" for name in beside}
    assert functions == accuracies | others | beside | generic | {"accuracy from pairs"}
    for name, measure in measures.items():
        if name.endswith("generic/per point"):
            assert measure.value > measures[name.replace(", generic", "")].value / ROOM, name
        elif name.endswith("/per point"):
            assert 0 < measure.value < ROOM * measure.goal, name


@pytest.mark.parametrize(
    "name, mflop", [("XS", 0.8), ("T", 4.3), ("S", 11.0), ("M", 46.1), ("L", 243.3), ("M InfoNCE", 92.3)]
)
def test_operations_of_a_step_are_counted_by_hand(name, mflop):
    (config,) = (config for config in CPU_CONFIGS if config.name == name)
    assert config.flops / 1e6 == pytest.approx(mflop, abs=0.05)


def test_the_engine_passes_its_gates_and_is_timed():
    info_nce = replace(TINY, name="tiny InfoNCE", loss="info_nce")
    measures, checked = engine_measures((TINY, info_nce), Effort(rounds=2, seconds=0.01))
    names = [gate.name for gate in checked["tiny"]]
    assert names[:4] == ["gradient", "member alone", "loss curve", "gradient of numpy"]
    assert all(gate.ok for found in checked.values() for gate in found)
    quantities = {name.split("/")[2] for name in measures}
    assert quantities >= {
        "ratio",
        "ratio own",
        "one thread",
        "one thread own",
        "over improved",
        "over numpy",
        "own over shared",
        "share of mm",
        "fixed cost",
    }
    for name, measure in measures.items():
        assert 0 < measure.low <= measure.value <= measure.high, name
    busy, _ = engine_measures((TINY,), Effort(rounds=1, seconds=0.0), busy=True)
    assert {name for name in measures if name not in busy and "InfoNCE" not in name} == {
        f"engine/tiny/{name}"
        for name in ("ratio", "ratio own", "rate of engine", "rate of engine own", "rate of peer")
    }
    assert 0 < measures["engine/tiny/share of mm"].value < 1
    assert measures["engine/tiny/ratio"].goal == 0


def shifted(result, by):
    weights = tuple(weight + by for weight in result.network.weights)
    return replace(result, network=Network(weights, None, result.network.activation))


@pytest.mark.parametrize(
    "name, broken",
    [
        ("gradient", lambda members, shape, **_: shifted(train(members, shape), 1e-9 * shape.steps)),
        ("member alone", lambda members, shape, **_: shifted(train(members, shape), 1e-7 * len(members))),
        ("member alone", lambda members, shape, **_: shifted(train(members, shape), float("nan"))),
        (
            "loss curve",
            lambda members, shape, **options: train(
                [replace(member, lr=member.lr * (1 + 1e-6)) for member in members], shape, **options
            ),
        ),
    ],
)
def test_a_gate_notices_a_wrong_engine(name, broken):
    (gate,) = (gate for gate in gates(TINY.shape, TINY.source, "cpu", train=broken) if gate.name == name)
    assert not gate.ok
    assert "NOT PASSED" in gate.text()


def test_what_does_not_pass_its_gate_is_not_timed(monkeypatch):
    monkeypatch.setattr("notebooks.bench.gates.PLAIN", {"spectral": lambda z1, z2: (z1 * z2).sum()})
    measures, checked = engine_measures((TINY,), Effort(rounds=1, seconds=0.0))
    assert measures == {}
    passed = {gate.name for gate in checked["tiny"] if gate.ok}
    assert passed == {"member alone"}


@pytest.mark.gpu
def test_the_engine_is_timed_on_a_gpu():
    config = replace(CUDA_CONFIGS[0], members=8, goals={})
    measures, checked = engine_measures((config,), Effort(rounds=1, seconds=0.05), "cuda")
    assert all(gate.ok for gate in checked[config.name])
    assert measures[f"engine/{config.name}/ratio"].value > 0


def test_a_number_that_moved_is_reported():
    old = {"a/b/rate": Measure(10, 9, 11, "1/s"), "a/b/time": Measure(10, 9, 11, "s", None, True)}
    same = {"a/b/rate": Measure(8.5, 8, 9.5), "a/b/new": Measure(1, 1, 1)}
    assert moved(same, old) == []
    assert moved(
        {name: Measure(20, 19, 21, m.unit, None, m.less_is_better) for name, m in old.items()}, old
    ) == [
        "a/b/rate better: 10 -> 20 1/s",
        "a/b/time worse: 10 -> 20 s",
    ]


def test_the_table_says_which_goal_is_not_reached():
    measures = {
        "engine/M/ratio": Measure.of([5.0, 4.0, 6.0], goal=4.8),
        "engine/M/share": Measure.of([0.5], goal=0.75),
        "theory/ridge/per point": Measure.of([12.0], "us", 10.0, less_is_better=True),
    }
    assert tables(measures).splitlines() == [
        "engine: M",
        "  ratio      5 [4 to 6] of 4.8",
        "  share      0.5 of 0.75!",
        "theory: ridge",
        "  per point  12 of 10! us",
    ]


@pytest.mark.parametrize("value, text", [(0.0012345, "0.00123"), (12345.6, "12346"), (3.14159, "3.14")])
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_timings_are_read_as_they_were_written(tmp_path):
    measures = {"engine/M/ratio": Measure.of([5.0, 4.0], goal=4.8)}
    path = tmp_path / "cpu.json"
    assert read_measures(path) == {}
    path.write_bytes(to_json(measures, machine("cpu"), [("M", "gradient: error 0", True)]))
    assert read_measures(path) == measures
    assert set(json.loads(path.read_text())) >= {"cpu", "load", "versions", "device", "gates"}


def test_panels_of_one_computation_count_once(tmp_path):
    for name, seconds in {"01_a-x": 2.0, "01_a-y": 2.0, "01_a-z": 3.0, "02_b-x": 1.5}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    measures = notebook_measures(tmp_path)
    assert measures["notebooks/01_a/total"].value == 5
    assert [line.split() for line in slowest(measures, 1)] == [
        "6.5 s all notebooks together".split(),
        "5.0 s 01_a (z 3.0, x and y 2.0)".split(),
    ]


def test_other_jobs_on_the_machine_are_warned_of():
    assert busy_warning(0.5) == ""
    assert "1.20" in busy_warning(1.2)


def test_the_command_compares_and_writes(tmp_path, capsys):
    figures, out = tmp_path / "figures", tmp_path / "out"
    (figures / "quick").mkdir(parents=True)
    (figures / "quick" / "01_a-x.json").write_text(json.dumps({"seconds": 2.0}))
    old = {"notebooks/01_a/total": Measure.of([9.0], "s", less_is_better=True)}
    kept = figures / "bench" / "cpu.json"
    kept.parent.mkdir()
    kept.write_bytes(before := to_json(old, {}, []))
    assert run_bench(figures, out, "notebooks", quick=False, device="cpu") == 0
    printed = capsys.readouterr().out
    assert "2.0 s  01_a (x 2.0)" in printed
    assert "notebooks/01_a/total better: 9 -> 2 s" in printed
    assert read_measures(out / "cpu.json")["notebooks/01_a/total"].value == 2
    assert kept.read_bytes() == before


def test_the_command_line(capsys):
    assert main(["bench", "--only", "notebooks"]) == 0
    assert "slowest notebooks" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["bench", "--only", "gates"])
