"""Slides for lecturers, one deck for each part, made from the lessons: questions, statements, figures, summaries."""

import re

import nbformat

from notebooks.catalogue import FOLDER

MINUTES = 45
_IMAGE = re.compile(r"!\[[^]]*\]\(\S*/([^/]+)\.png\)")
_STATEMENT = re.compile(r"^> \*\*\w+ \d+.*\n?(?:^>.*\n?)*", re.MULTILINE)
_HEAD = """# Slides: {part}

Material for {minutes} minutes. Press **Present**, then step with the arrow keys or by touching the right or left half
of the screen; Escape ends. The slides need no network; printing this page gives a handout.

```{{raw}} html
<p><button type="button" id="present">Present</button></p>
```
"""


def write_decks(source, parts, records):
    """Write the decks.

    Parameters
    ----------
    source : pathlib.Path
        Folder of the pages.
    parts : dict
        Names of the lessons of each part.
    records : dict
        What is known about each figure, by its name.

    Returns
    -------
    list of str
        Names of the pages.
    """
    (source / "slides").mkdir()
    decks = []
    for part, lessons in parts.items():
        if not part.startswith("Part"):
            continue
        slides = [_HEAD.format(part=part, minutes=MINUTES)]
        for name in lessons:
            slides += _slides(name, records)
        page = "slides/" + re.sub(r"\W+", "-", part.lower())
        (source / f"{page}.md").write_text("\n\n".join(slides) + "\n", encoding="utf-8")
        decks.append(page)
    return decks


def _slides(name, records):
    """Slides of one lesson, each a section."""
    cells = nbformat.read(FOLDER / f"{name}.ipynb", 4).cells
    texts = [cell for cell in cells if cell.cell_type == "markdown"]
    title, _, opening = texts[0].source.partition("\n")
    yield f"## {name[:2]} {title.lstrip('# ')}\n\n{_abilities(opening)}"
    for cell in texts:
        for statement in _STATEMENT.findall(cell.source):
            kind = re.match(r"> \*\*(\w+ \d+)", statement)[1]
            yield f"## Lesson {name[:2]}: {kind}\n\n{statement}"
        if "figure" in cell.metadata.get("tags", []) and (found := _IMAGE.search(cell.source)):
            record = records[found[1]]
            lines = [f":::{{figure}} ../figures/{found[1]}.png", f":alt: {record['alt'] or found[1]}"]
            lines.append(":loading: lazy")
            yield "\n".join(
                [f"## Lesson {name[:2]}: figure", "", *lines, "", record["caption"] or found[1], ":::"]
            )
        for part in cell.source.split("\n\n"):
            if part.startswith("**Summary.**"):
                yield f"## Lesson {name[:2]}: what to take home\n\n{part}"


def _abilities(opening):
    """The list below "You will be able to", or the first paragraph where there is none."""
    found = re.search(r"\*\*You will[^\n]*\n+((?:- .*(?:\n|$)(?:  .*(?:\n|$))*)+)", opening)
    return found[1] if found else opening.strip().partition("\n\n")[0]
