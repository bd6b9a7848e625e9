import pytest

from notebooks import catalogue
from notebooks.catalogue import choose, notebook_names, notebook_title

AVAILABLE = ["01_depth", "02_limits", "02_limits_of_relu", "05_digits"]


@pytest.mark.parametrize(
    "wanted, chosen",
    [
        ([], AVAILABLE),
        (["05"], ["05_digits"]),
        (["05", "01_depth", "05_digits"], ["01_depth", "05_digits"]),
        (["02_limits"], ["02_limits"]),
    ],
)
def test_choose(wanted, chosen):
    assert choose(wanted, AVAILABLE, "notebook") == chosen


@pytest.mark.parametrize(
    "name, problem", [("07", "is none of 01_depth"), ("02", "could be 02_limits, 02_limits_of_relu")]
)
def test_choose_refuses_what_names_no_single_entry(name, problem):
    with pytest.raises(ValueError, match=f"^notebook '{name}' {problem}"):
        choose([name], AVAILABLE, "notebook")


def test_title_is_the_first_line(tmp_path, monkeypatch):
    (tmp_path / "b.ipynb").write_text('{"cells": [{"source": ["# Why?\\n", "Because."]}]}')
    (tmp_path / "a.ipynb").write_text('{"cells": []}')
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert [(name, notebook_title(name)) for name in notebook_names()] == [("a", ""), ("b", "Why?")]
