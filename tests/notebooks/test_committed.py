import copy
import json

import nbformat
import pytest

from notebooks import committed
from notebooks.committed import check_figures, compare_records, update_figures

RECORD = {
    "caption": "The line is $s$.",
    "alt": "A line.",
    "parameters": {"steps": 3},
    "seeds": 0,
    "seconds": 1.0,
    "simulated": {"flow": 0.01, "points": None},
    "data": {
        "line": [1.0, [0.0, 200.0]],
        "name": "spectral",
        "boundary": None,
        "trained": {"mean": [[1.0, 2.0]], "half_width": [[0.1, 0.2]]},
        "part": {"flow": [5.0], "points": [1.0], "fine": 2},
    },
}


def changed(*path, to):
    record = copy.deepcopy(RECORD)
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return record


@pytest.mark.parametrize(
    "path, to",
    [
        (("data", "line", 0), 1 + 0.9e-8),
        (("data", "line", 1, 1), 200 + 1.9e-6),
        (("data", "trained", "mean", 0, 0), 1.09),
        (("data", "trained", "half_width", 0, 0), 0.19),
        (("data", "part", "flow", 0), 5.0099),
        (("data", "part", "points", 0), -7.0),
        (("data", "part", "fine"), 2.0),
        (("seconds",), 9.0),
    ],
)
def test_what_another_machine_may_change_agrees(path, to):
    assert compare_records(RECORD, changed(*path, to=to)) == []


@pytest.mark.parametrize(
    "path, to, line",
    [
        (("data", "line", 0), 1.01, "line[0] is 1.01 instead of 1.0"),
        (("data", "line", 0), 1 + 1.1e-8, "line[0] is 1.000000011 instead of 1.0"),
        (("data", "line", 1, 0), 1.1e-8, "line[1][0] is 1.1e-08 instead of 0.0"),
        (("data", "line"), [1.0], "line has 1 entries instead of 2"),
        (("data", "line"), {"mean": 1}, "line is {'mean': 1} instead of [1.0, [0.0, 200.0]]"),
        (("data", "name"), "inner", "name is 'inner' instead of 'spectral'"),
        (("data", "boundary"), 1.0, "boundary is 1.0 instead of None"),
        (("data", "trained", "mean", 0, 1), 2.21, "trained, mean 1, is 2.21 instead of 2.0 +- 0.2"),
        (("data", "trained", "half_width", 0, 0), 0.3, "trained, error bar 0, is 0.3 instead of 0.1"),
        (("data", "trained", "half_width", 0, 0), 0.03, "trained, error bar 0, is 0.03 instead of 0.1"),
        (("data", "trained", "mean"), [1.0], "trained has 1 means instead of 2"),
        (("data", "part", "flow", 0), 5.02, "part.flow[0] is 5.02 instead of 5.0"),
        (("data", "part", "fine"), 3, "part.fine is 3 instead of 2"),
        (("data", "part"), {"flow": [5.0]}, "part has entries flow instead of flow, points, fine"),
        (("caption",), "Else.", "caption changed; projhead figures --update takes it over"),
        (("parameters", "steps"), 4, "parameters changed; projhead figures --update takes it over"),
    ],
)
def test_a_difference_is_one_line(path, to, line):
    assert compare_records(RECORD, changed(*path, to=to)) == [line]


def write(folder, stem, record, drawing="drawing"):
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.json").write_text(json.dumps(record))
    for kind in ("png", "svg"):
        (folder / f"{stem}.{kind}").write_text(drawing)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A regenerated and a committed folder with one figure, and a notebook that shows it."""
    for name in ("new", "old"):
        write(tmp_path / name, "01_a-line", RECORD)
    cells = [
        nbformat.v4.new_markdown_cell("# Why?"),
        nbformat.v4.new_markdown_cell("![](../old/01_a-line.png)", metadata={"tags": ["figure"]}),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_a.ipynb")
    monkeypatch.setattr(committed, "FOLDER", tmp_path)
    return tmp_path / "new", tmp_path / "old"


def test_check_prints_a_line_a_figure(folders, capsys):
    assert check_figures(["01_a"], *folders)
    write(folders[0], "01_a-line", changed("data", "line", 0, to=1.01))
    write(folders[0], "01_a-more", RECORD)
    write(folders[1], "01_a-gone", RECORD)
    assert not check_figures(["01_a"], *folders)
    assert capsys.readouterr().out.splitlines() == [
        "01_a-line: agrees",
        "01_a-gone: is committed, and the notebook does not draw it",
        "01_a-line: line[0] is 1.01 instead of 1.0",
        "01_a-more: is not committed",
    ]


def test_update_replaces_adds_and_removes_and_leaves_what_only_took_longer(folders):
    new, old = folders
    write(new, "01_a-line", RECORD | {"seconds": 7.0})
    assert update_figures(["01_a"], new, old) == 0
    assert json.loads((old / "01_a-line.json").read_text())["seconds"] == 1.0
    assert update_figures(["01_a"], new, old, always=True) == 1
    assert json.loads((old / "01_a-line.json").read_text())["seconds"] == 7.0
    write(new, "01_a-line", RECORD, drawing="another")
    write(new, "01_a-more", RECORD)
    write(old, "01_a-gone", RECORD)
    write(old, "02_b-line", RECORD)
    assert update_figures(["01_a"], new, old) == 3
    assert sorted(path.name for path in old.glob("*.png")) == [
        "01_a-line.png",
        "01_a-more.png",
        "02_b-line.png",
    ]
    assert (old / "01_a-line.png").read_text() == "another"


def test_update_writes_the_caption_into_the_notebook(folders):
    path = folders[0].parent / "01_a.ipynb"
    update_figures(["01_a"], *folders)
    cell = nbformat.read(path, 4).cells[1]
    assert cell.source == "![A line.](../old/01_a-line.png)\n\n**Figure.** The line is $s$."
    before = path.stat().st_mtime_ns
    update_figures(["01_a"], *folders)
    assert path.stat().st_mtime_ns == before
