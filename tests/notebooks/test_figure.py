import json
import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pytest

from notebooks.figure import apply_style, default_out, measure_look, save_figure
from synthetic.store.files import clone_root


@dataclass(frozen=True)
class Settings:
    width: int


def draw():
    with apply_style():
        fig, axes = plt.subplots()
        axes.errorbar([1, 2], [3, 4], yerr=0.1, fmt="o", label=r"$\phi$")
        axes.set_xlabel(r"strength $\phi$")
        axes.legend()
    return fig


def save(out, **changes):
    fig = draw()
    arguments = {
        "data": {"theory": np.array([1.0, 2.0]), "boundary": None},
        "parameters": {"width": np.int64(3), "settings": Settings(4)},
        "seeds": range(2),
        "profile": "smoke",
        "seconds": 1.23456,
    }
    try:
        return save_figure(fig, "00_trial-panel", out=out, **(arguments | changes))
    finally:
        plt.close(fig)


def test_three_files_with_the_numbers(tmp_path):
    assert save(tmp_path) == tmp_path / "smoke" / "00_trial-panel.png"
    written = {path.name for path in (tmp_path / "smoke").iterdir()}
    assert written == {"00_trial-panel.png", "00_trial-panel.svg", "00_trial-panel.json"}
    record = json.loads((tmp_path / "smoke" / "00_trial-panel.json").read_text())
    versions = record.pop("versions")
    assert {"python", "numpy", "torch"} <= set(versions)
    assert record.pop("look") == {
        "width": 6.75,
        "panels": 1,
        "tick_size": 9.0,
        "text_size": 9.0,
        "colors": {r"$\phi$": "#0173b2"},
    }
    assert record == {
        "name": "00_trial-panel",
        "profile": "smoke",
        "parameters": {"width": 3, "settings": {"width": 4}},
        "seeds": [0, 1],
        "device": "cpu",
        "seconds": 1.235,
        "caption": "",
        "alt": "",
        "closed_form": ["theory", "boundary"],
        "error_bars": [],
        "simulated": {},
        "data": {"theory": [1.0, 2.0], "boundary": None},
    }


def test_caption_alt_and_the_origin_of_the_numbers_are_kept(tmp_path):
    data = {
        "line": [1.0],
        "trained": {"mean": [1.0], "half_width": [0.1]},
        "part": {"flow": 2.0, "fine": 3},
        "points": [0.5],
    }
    png = save(
        tmp_path, data=data, caption="It is $s$.", alt="A line.", simulated={"flow": 0.01, "points": None}
    )
    record = json.loads(png.with_suffix(".json").read_text())
    assert (record["caption"], record["alt"]) == ("It is $s$.", "A line.")
    assert record["closed_form"] == ["line", "fine"]
    assert record["error_bars"] == ["trained"]
    assert record["simulated"] == {"flow": 0.01, "points": None}


def test_a_simulated_entry_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="simulated names flow, which data does not hold"):
        save(tmp_path, simulated={"flow": 0.01})


@pytest.mark.parametrize("alt", ["weight $s$", "two\nlines", "a [link]"])
def test_alt_is_plain_text(tmp_path, alt):
    with pytest.raises(ValueError, match="alt must be plain text"):
        save(tmp_path, alt=alt)


def test_the_look_of_a_figure_with_small_ticks_and_a_colour_bar():
    with apply_style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
        left.bar([1], [2], color="red", label="bar")
        left.tick_params(labelsize=7)
        fig.colorbar(right.imshow([[1, 2]]))
        look = measure_look(fig)
    plt.close(fig)
    assert (look["width"], look["panels"], look["tick_size"], look["text_size"]) == (9, 2, 7, 7)
    assert look["colors"] == {"bar": "#ff0000"}


def test_same_input_gives_the_same_bytes(tmp_path):
    first, second = save(tmp_path / "a"), save(tmp_path / "b")
    for ending in (".png", ".svg", ".json"):
        assert first.with_suffix(ending).read_bytes() == second.with_suffix(ending).read_bytes()


def test_the_style_reaches_labels_drawn_late(tmp_path):
    with apply_style():
        assert plt.rcParams["xtick.labelsize"] == 9
    assert plt.rcParams["xtick.labelsize"] != 9


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [1.0, x], lambda x: np.array([x]), lambda x: {"a": x}]
)
def test_numbers_that_are_not_finite_are_refused(tmp_path, value, wrap):
    with pytest.raises(ValueError, match=r"^data\['gain'\].* must be finite"):
        save(tmp_path, data={"gain": wrap(value)})
    assert not list(tmp_path.iterdir())


def test_values_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^parameters\['f'\] must be a number, text"):
        save(tmp_path, parameters={"f": draw})


@pytest.mark.parametrize("profile", ["../smoke", "", "a/b", ".hidden"])
def test_names_that_leave_the_folder_are_refused(tmp_path, profile):
    with pytest.raises(ValueError, match="profile must be letters"):
        save(tmp_path, profile=profile)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    save(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "smoke").iterdir()}
    (tmp_path / "smoke" / "00_trial-panel.svg").unlink()

    def fail(*arguments, **keywords):
        raise OSError("disk full")

    monkeypatch.setattr("neural.files._write_temporary", fail)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, data={"other": 1})
    left = {path: path.read_bytes() for path in (tmp_path / "smoke").iterdir()}
    assert left == {path: content for path, content in before.items() if path.suffix != ".svg"}


def test_default_out_lies_in_the_clone():
    assert default_out() == clone_root() / "build" / "figures"


def test_a_figure_does_not_depend_on_the_settings_of_the_user(tmp_path):
    def drawn(name):
        with apply_style():
            fig, axes = plt.subplots()
            axes.plot([1, 2], [3, 4], label="line")
            axes.legend()
        png = save_figure(
            fig, name, data={}, parameters={}, seeds=0, profile="smoke", seconds=0, out=tmp_path
        )
        plt.close(fig)
        return png.read_bytes()

    own = drawn("own")
    with plt.rc_context({"text.usetex": True, "font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        assert drawn("theirs") == own


@pytest.mark.parametrize("seeds", [-1, 0.5, True, "1", None, [0, -3], np.array([0.0, 1.0])])
def test_a_seed_is_a_whole_number_in_every_notebook(seeds, tmp_path):
    fig = plt.figure()
    with pytest.raises(ValueError, match="seeds must be an integer >= 0"):
        save_figure(
            fig, "01_a-b", data={}, parameters={}, seeds=seeds, profile="smoke", seconds=0, out=tmp_path
        )
    plt.close(fig)
    assert list(tmp_path.iterdir()) == []
