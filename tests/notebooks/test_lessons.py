"""What a lesson needs: numbered mathematics, visible theory, figures with texts, exercises with answers."""

import json
import re

import pytest

from notebooks.catalogue import FOLDER, notebook_names
from notebooks.map import anchor

ROOT = FOLDER.parent
NUMBERS = {f"{number:02d}" for number in range(23)} - {"05", "20", "21"}
LESSONS = [name for name in notebook_names() if name[:2] in NUMBERS]
PARTS = (
    *("You will be able to", "You need", "Run time", "Predict before you run", "How to read it"),
    *("What does not follow", "Summary", "Next", "Claims."),
)


def cells_of(name):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [
        (cell["cell_type"], set(cell["metadata"].get("tags", [])), "".join(cell["source"])) for cell in cells
    ]


def prose(name):
    return "\n".join(text for kind, _, text in cells_of(name) if kind == "markdown")


def test_every_lesson_is_there():
    assert {name[:2] for name in LESSONS} == NUMBERS


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_its_parts(name):
    text = prose(name)
    assert [part for part in PARTS if f"**{part}" not in text] == []
    tags = [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text)]
    assert tags == list(range(1, len(tags) + 1)) and tags
    assert text.count("$$") == 2 * len(tags)
    assert re.search(r"^> \*\*(?:Theorem|Proposition|Corollary|Definition) 1 \(", text, flags=re.M)
    assert "../docs/derivations/" in text
    # The site wraps a formula of several lines, and then a tag is an error.
    assert not any(r"\\" in formula for formula in re.findall(r"\$\$(.*?)\$\$", text, flags=re.S))


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_shows_theory_and_hides_the_rest(name):
    visible = [text for kind, tags, text in cells_of(name) if kind == "code" and not tags]
    assert any("theory." in text for text in visible)
    assert not any("save_figure(" in text for text in visible)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_exercises_with_executed_answers(name):
    cells = cells_of(name)
    numbers = re.findall(r"^### Exercise (\d+)$", prose(name), flags=re.M)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)] and len(numbers) >= 2
    for place, (_, _, text) in enumerate(cells):
        if "### Exercise" in text:
            assert text.count("### Exercise") == 1
            following = next(cell for cell in cells[place + 1 :] if cell[0] == "code")
            assert following[1] == {"hide-cell"}
            assert "assert " in following[2] and "print(" in following[2]


@pytest.mark.parametrize("name", LESSONS)
def test_every_figure_of_a_lesson_is_shown_with_the_texts_of_its_numbers(name):
    cells = cells_of(name)
    shown = [text for _, tags, text in cells if "figure" in tags]
    assert len(shown) == sum("save_figure(" in text for kind, _, text in cells if kind == "code")
    for text in shown:
        alt, path = re.match(r"!\[(.*)\]\(\.\./(.*)\.png\)", text).groups()
        record = json.loads((ROOT / f"{path}.json").read_text(encoding="utf-8"))
        assert alt == record["alt"] != ""
        assert record["caption"] and record["caption"] in text


@pytest.mark.parametrize("name", LESSONS)
def test_the_links_of_a_lesson_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#([^)]*))?\)", prose(name))
    assert links
    for target, heading in links:
        path = (FOLDER / target).resolve()
        assert path.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.M)
            assert heading in {anchor(one) for one in headings}, f"{target}#{heading}"
