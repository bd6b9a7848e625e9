"""Write the source of the site: lessons, derivations, functions, claims, slides and tables, ready for Sphinx."""

import argparse
import json
import re
import shutil
from pathlib import Path

import nbformat
import site_claims
import site_functions
import site_slides
import site_tables

from notebooks.catalogue import FOLDER, notebook_names, notebook_title

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PARTS = {
    "Setting": ["00"],
    "Part I: Linear networks": ["01", "22", "11", "09", "10", "13", "12"],
    "Part II: Which layer to use": ["03", "04", "02"],
    "Part III: Expansion and shrinkage": ["06", "07", "08"],
    "Part IV: Images": ["14", "15", "17", "18", "19", "16", "20"],
    "Your own network": ["21"],
}
"""The lessons in the order in which the site teaches them, by the number that their name begins with."""
PAGES = ("symbols", "own-network", "own-images", "commands", "cluster")
_IMAGE = re.compile(r"!\[[^]]*\]\(\S*/([^/]+)\.png\)")


def main():
    """Write everything; the folder is emptied first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder for the pages")
    parser.add_argument(
        "--kept", type=Path, help="folder of executed notebooks; stored ones stand in for others"
    )
    parser.add_argument(
        "--figures", type=Path, default=ROOT / "figures" / "quick", help="folder of the figures"
    )
    arguments = parser.parse_args()
    write_source(arguments.source, arguments.kept, arguments.figures)


def write_source(source, kept, figures):
    """Write the pages.

    Parameters
    ----------
    source : pathlib.Path
        Folder for the pages, emptied first.
    kept : pathlib.Path or None
        Folder of executed notebooks; where one is missing, the page shows the notebook without its output.
    figures : pathlib.Path
        Folder of the figures with their numbers.
    """
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    shutil.copytree(HERE / "static", source / "_static")
    shutil.copytree(HERE / "pages", source, dirs_exist_ok=True)
    shutil.copytree(ROOT / "docs" / "derivations", source / "docs" / "derivations")
    for page in PAGES:
        shutil.copy(ROOT / "docs" / f"{page}.md", source / "docs")
    for name in ("conf.py", "site_links.py"):
        shutil.copy(HERE / name, source)
    shutil.copytree(figures, source / "figures", ignore=shutil.ignore_patterns("failed", "*.svg", "*.json"))
    shutil.copytree(figures, source / "extra" / "figures", ignore=shutil.ignore_patterns("failed", "*.png"))
    records = {path.stem: json.loads(path.read_text()) for path in sorted(figures.glob("*.json"))}

    parts = lessons_by_part(notebook_names())
    for name in notebook_names():
        executed = kept / f"{name}.ipynb" if kept else None
        path = executed if executed and executed.is_file() else FOLDER / f"{name}.ipynb"
        notebook = prepare_lesson(nbformat.read(path, 4), records)
        notebook.cells.append(nbformat.v4.new_markdown_cell(_look_up(name), id="look-up"))
        nbformat.write(notebook, source / "notebooks" / f"{name}.ipynb")
    functions = site_functions.write_pages(source)
    claims = site_claims.write_page(source, ROOT / "figures" / "claims.json", functions)
    (source / "targets.json").write_text(json.dumps(functions | claims, indent=1))
    decks = site_slides.write_decks(source, parts, records)
    (source / "_static" / "tables.js").write_text(site_tables.tables_script())
    for page in (source / "docs").rglob("*.md"):
        page.write_text(repair_links(page, source) + _used_by(page))
    _write_contents(source, parts, decks)


def lessons_by_part(names):
    """Names of the lessons of each part.

    Raises
    ------
    ValueError
        When a notebook belongs to no part.
    """
    found = {
        part: [name for number in numbers for name in names if name.startswith(f"{number}_")]
        for part, numbers in PARTS.items()
    }
    missing = set(names) - {name for lessons in found.values() for name in lessons}
    if missing:
        raise ValueError(f"no part of the site holds {', '.join(sorted(missing))}")
    return {part: lessons for part, lessons in found.items() if lessons}


def prepare_lesson(notebook, records):
    """A notebook as the site shows it: figures with captions, solutions folded, no second copy of an image."""
    shown = set()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if "image/png" not in output.get("data", {})]
            what = "code"
            if "hide-cell" in tags:
                what, cell.metadata["tags"] = "solution", [*tags, "solution"]
            cell.metadata["mystnb"] = {
                "code_prompt_show": f"Show the {what}",
                "code_prompt_hide": f"Hide the {what}",
            }
        elif "figure" in tags and (found := _IMAGE.search(cell.source)):
            cell.source = figure_block(records[found[1]])
            shown.add(found[1])
    return notebook


def _look_up(name):
    """Links from a lesson to its functions and their derivations."""
    functions = " · ".join(f"`theory.{one}`" for one in site_functions.functions_in(name))
    pages = site_functions.derivations_in(name)
    titles = {
        page: (ROOT / "docs" / "derivations" / f"{page}.md").read_text(encoding="utf-8").partition("\n")[0]
        for page in pages
    }
    links = " · ".join(f"[{titles[page].lstrip('# ')}](../docs/derivations/{page}.md)" for page in pages)
    return f"**Functions.** {functions}" + (f"\n\n**Derivations.** {links}" if links else "")


def figure_block(record):
    """Directive that shows one figure with its caption and links to the drawing and its numbers."""
    name = record["name"]
    return "\n".join(
        [
            f":::{{figure}} ../figures/{name}.png",
            f":alt: {record['alt'] or name}",
            f":name: {name}",
            "",
            f"{record['caption'] or name} "
            f'<a class="files" href="../figures/{name}.svg">SVG</a> '
            f'<a class="files" href="../figures/{name}.json">numbers</a>',
            ":::",
        ]
    )


def repair_links(page, source):
    """Text of a page in which links to files that the site does not show lead to what it shows instead."""
    text = page.read_text(encoding="utf-8")
    up = "../" * len(page.relative_to(source).parent.parts)
    text = re.sub(r"\]\((?:\.\./)*CLAIMS\.md(#[^)]*)?\)", f"]({up}claims.md)", text)
    text = re.sub(r"\]\((?:\.\./)*map\.md\)", f"]({up}functions/index.md)", text)
    return re.sub(r"\[([^]]*)\]\((?:\.\./)*(?:neural|tests|theory|synthetic)/[^)]*\)", r"\1", text)


def _used_by(page):
    """Section at the end of a derivation: the functions that compute what it derives, and the lessons."""
    if page.parent.name != "derivations":
        return ""
    functions = site_functions.functions_of_derivation(page.stem)
    lessons = [name for name in notebook_names() if page.stem in site_functions.derivations_in(name)]
    lines = ["", "", "## Where it is used", ""]
    lines += [f"- Functions: {', '.join(f'`theory.{name}`' for name in functions)}"] * bool(functions)
    lines += [
        f"- Lesson [{name[:2]}: {notebook_title(name)}](../../notebooks/{name}.ipynb)" for name in lessons
    ]
    return "\n".join(lines) + "\n" if len(lines) > 4 else ""


def _write_contents(source, parts, decks):
    """Add the contents of the site to its first page."""

    def block(caption, entries):
        return "\n".join([":::{toctree}", ":hidden:", f":caption: {caption}", "", *entries, ":::", ""])

    def entry(name):
        return f"{name[:2]} {notebook_title(name)} <notebooks/{name}>"

    derivations = [
        f"docs/derivations/{path.stem}" for path in sorted((source / "docs/derivations").glob("*.md"))
    ]
    blocks = [block(part, [entry(name) for name in lessons]) for part, lessons in parts.items()]
    blocks.append(block("Play", ["play"]))
    blocks.append(
        block("Look up", ["docs/symbols", "functions/index", "claims", "derivations", "bibliography"])
    )
    blocks.append(block("Teach and apply", ["lecturers", *(f"docs/{page}" for page in PAGES[1:])]))
    index = source / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + "\n" + "\n".join(blocks), encoding="utf-8")
    listing = "\n".join([":::{toctree}", *derivations, ":::", ""])
    page = source / "derivations.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n" + listing, encoding="utf-8")
    page = source / "lecturers.md"
    listing = "\n".join([":::{toctree}", *decks, ":::", ""])
    page.write_text(page.read_text(encoding="utf-8") + "\n" + listing, encoding="utf-8")


if __name__ == "__main__":
    main()
