"""Pages of the site about the functions of `theory`: one for each module, every public name with where it is used."""

import inspect
import json
import re
from functools import cache

import theory
from notebooks import map as project_map
from notebooks.catalogue import FOLDER as NOTEBOOKS
from notebooks.catalogue import notebook_title

FOLDER = "functions"


@cache
def names_by_module():
    """Public names of `theory` by the module that defines them, in the order of the packages."""
    found = {}
    for name in theory.__all__:
        found.setdefault(getattr(theory, name).__module__, []).append(name)
    return dict(sorted(found.items()))


def functions_of_derivation(page):
    """Public functions whose docstring, or that of their module, names a page of docs/derivations."""
    return [
        name
        for name in project_map.public_functions()
        if f"derivations/{page}.md" in _documentation(getattr(theory, name))
    ]


@cache
def text_of(lesson):
    """Text and code of a lesson."""
    notebook = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"])


def functions_in(lesson):
    """Public names of `theory` that the text or the code of a lesson mentions."""
    mentioned = set(re.findall(r"\btheory\.(\w+)", text_of(lesson)))
    return [name for name in theory.__all__ if name in mentioned]


def derivations_in(lesson):
    """Pages of docs/derivations that a lesson links, or that derive a function of the lesson."""
    texts = [text_of(lesson), *(_documentation(getattr(theory, name)) for name in functions_in(lesson))]
    return sorted({page for text in texts for page in re.findall(r"docs/derivations/([\w-]+)\.md", text)})


def claims_of(functions):
    """Ids of the claims whose prediction uses one of some public functions."""
    qualified = {project_map.public_functions()[name] for name in functions}
    return [claim for claim, used in project_map.functions_of_predictions().items() if used & qualified]


def write_pages(source):
    """Write the pages.

    Returns
    -------
    dict
        Page and anchor of ``theory.NAME`` for every public name, and of NAME where no claim is called so.
    """
    (source / FOLDER).mkdir()
    targets = {}
    for module, names in names_by_module().items():
        page = f"{FOLDER}/{module.removeprefix('theory.').replace('.', '-')}"
        (source / f"{page}.rst").write_text(_page(module, names), encoding="utf-8")
        for name in names:
            targets[f"theory.{name}"] = targets[name] = [page, f"theory.{name}"]
    (source / FOLDER / "index.md").write_text(_index(), encoding="utf-8")
    return targets


def _page(module, names):
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
    for name in names:
        thing = getattr(theory, name)
        kind = "autofunction" if inspect.isfunction(thing) else "autoclass"
        lines += [name, "-" * len(name), "", f".. {kind}:: theory.{name}"]
        lines += ["   :members:"] if kind == "autoclass" and not issubclass(thing, Exception) else []
        lines += ["", *_users(name), ""]
    return "\n".join(lines)


def _users(name):
    """Lines about the claims and lessons that use a function."""
    qualified = project_map.public_functions().get(name)
    if qualified is None:
        return []
    lessons = [
        lesson
        for lesson, used in project_map.functions_of_notebooks().items()
        if qualified in used or name in functions_in(lesson)
    ]
    claims = [claim for claim, used in project_map.functions_of_predictions().items() if qualified in used]
    lines = []
    if lessons:
        links = (f"`{_plain(notebook_title(one))} <../notebooks/{one}.html>`__" for one in lessons)
        lines += ["**Lessons:** " + " · ".join(links), ""]
    if claims:
        lines += ["**Claims:** " + " · ".join(f"`{one} <../claims.html#{one}>`__" for one in claims), ""]
    return lines


def _plain(title):
    """A title as text of a reStructuredText link."""
    return re.sub(r"[`<>\\]", "", title.replace("$", ""))


def _index():
    lines = [
        "# Functions",
        "",
        "Every public name of `theory`, with its formula, its assumptions and its source. Import the package and call",
        "it by its short name: `import theory`, then `theory.layer_weights(...)`.",
        "",
    ]
    for module, names in names_by_module().items():
        page = module.removeprefix("theory.").replace(".", "-")
        lines += [f"## [{module}]({page}.rst)", ""]
        for name in names:
            doc = inspect.getdoc(getattr(theory, name)) or ""
            lines.append(f"- `theory.{name}`: {project_map.first_sentence(doc)}")
        lines.append("")
    lines += [":::{toctree}", ":hidden:", ""]
    lines += [module.removeprefix("theory.").replace(".", "-") for module in names_by_module()]
    return "\n".join([*lines, ":::", ""])


def _documentation(thing):
    return f"{inspect.getdoc(thing)}\n{inspect.getdoc(inspect.getmodule(thing))}"
