"""The map of the project, docs/map.md: which claims, tests and notebooks belong to which statement.

Nothing in it is written by hand. Statements and sources come from docstrings, claims from the registry, and who uses
what from the syntax trees of predictions, tests and notebooks.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from functools import cache
from pathlib import Path

import synthetic.claims
import theory
from notebooks.call_graph import names_in, names_used
from notebooks.catalogue import FOLDER, notebook_names
from synthetic.claims.registry import Claim

PAPERS = {
    "xue": "Xue et al., *Investigating the Benefits of Projection Head for Representation Learning*",
    "gui": "Gui, Ma and Zhong, *Unraveling Projection Heads in Contrastive Learning*",
    "song": "Song et al., *Towards the Sparseness of Projection Head in Self-Supervised Learning*",
    "gupta": "Gupta et al., *Understanding and Improving the Role of Projection Head in Self-Supervised Learning*",
    "images": "networks trained on images, beyond the four papers",
}
_INTRODUCTION = """# Map

This page is written by `projhead map`. It shows where every statement is computed, claimed, tested and drawn. The
*source* of a statement is a paper's theorem, or a derivation of this project. The number after a test file is the
number of its tests that use the function.
"""


def render_map(root: Path) -> str:
    """Text of docs/map.md, from the code as it is now.

    Parameters
    ----------
    root : Path
        The clone, whose tests are read.
    """
    return "\n".join([_INTRODUCTION, *_function_table(root), *_claim_tables()])


def public_functions() -> dict[str, str]:
    """Names of the public functions of `theory`, each with the qualified name of its definition."""
    found = {name: getattr(theory, name) for name in theory.__all__}
    return {
        name: f"{thing.__module__}.{thing.__qualname__}"
        for name, thing in found.items()
        if inspect.isfunction(thing)
    }


def first_sentence(docstring: str) -> str:
    """First sentence of a docstring, with its formulas in Markdown.

    Examples
    --------
    >>> first_sentence("Weight :math:`s_i` of a feature, after Xue et al. (2024). More of it.")
    'Weight $s_i$ of a feature, after Xue et al. (2024).'
    """
    return _markdown(_sentence(docstring))


def source_of(function) -> str:
    """What a function's docstring, or else its module's, says after ``Source:``; empty where neither does."""
    for docstring in (inspect.getdoc(function), inspect.getdoc(inspect.getmodule(function))):
        _, found, rest = (docstring or "").partition("Source:")
        if found:
            return _markdown(_sentence(rest)).removesuffix(".")
    return ""


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading.

    Examples
    --------
    >>> anchor("Squared distance, $s=-1$")
    'squared-distance-s-1'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def claims_by_notebook() -> dict[str, list[str]]:
    """Ids that each notebook names on the line of its last text that begins with ``**Claims.**``."""
    named = {}
    for name in notebook_names():
        text = ["".join(cell["source"]) for cell in _cells(name) if cell["cell_type"] == "markdown"][-1]
        line = next((line for line in text.splitlines() if line.startswith("**Claims.**")), "")
        named[name] = re.findall(r"`([^`]+)`", line)
    return named


def claims_by_paper() -> dict[str, list[Claim]]:
    """Claims of each paper, in the order of the ledger. A module of claims is named after its paper."""
    papers: dict[str, list[Claim]] = {paper: [] for paper in PAPERS}
    for name, module in vars(synthetic.claims).items():
        if name.partition("_")[0] in PAPERS and inspect.ismodule(module):
            papers[name.partition("_")[0]].extend(module.CLAIMS)
    return papers


@cache
def functions_of_notebooks() -> dict[str, set[str]]:
    """Qualified names that the cells of each notebook use."""
    return {name: names_in(ast.parse(code_of(name))) for name in notebook_names()}


@cache
def functions_of_tests(root: Path) -> dict[Path, list[set[str]]]:
    """For each file of tests/theory, the qualified names that each of its tests uses."""
    return {path: _names_by_test(path) for path in sorted((root / "tests" / "theory").rglob("test_*.py"))}


@cache
def functions_of_predictions() -> dict[str, set[str]]:
    """Qualified names that the prediction of each claim uses."""
    return {name: names_used([claim.predict]) for name, claim in synthetic.claims.CLAIMS.items()}


def code_of(notebook: str) -> str:
    """Source of all code cells of a notebook."""
    return "\n".join("".join(cell["source"]) for cell in _cells(notebook) if cell["cell_type"] == "code")


def _function_table(root):
    predictions, notebooks, tests = (
        functions_of_predictions(),
        functions_of_notebooks(),
        functions_of_tests(root),
    )
    yield "## Functions of `theory`\n"
    yield "| function | statement | source | claims | tests | notebooks |\n|---|---|---|---|---|---|"
    for name, qualified in public_functions().items():
        function = getattr(theory, name)
        users = [claim for claim, names in predictions.items() if qualified in names]
        counts = {path: sum(qualified in names for names in found) for path, found in tests.items()}
        cells = [
            f"`theory.{name}`",
            first_sentence(inspect.getdoc(function)),
            re.sub(r"docs/(derivations/[\w.#-]+)", r"[\1](\1)", source_of(function)),
            " ".join(map(_claim_link, users)),
            " ".join(f"[{path.stem}](../{path.relative_to(root)}) {n}" for path, n in counts.items() if n),
            " ".join(_notebook_link(notebook) for notebook, names in notebooks.items() if qualified in names),
        ]
        yield _row(cells)
    yield ""


def _claim_tables():
    notebooks = claims_by_notebook()
    for paper, claims in claims_by_paper().items():
        yield f"## Claims on {PAPERS[paper]}\n"
        yield "| claim | statement | reference | declared verdict | notebook |\n|---|---|---|---|---|"
        for claim in claims:
            where = [name for name, ids in notebooks.items() if claim.id in ids]
            links = " ".join(map(_notebook_link, where))
            yield _row([_claim_link(claim.id), claim.statement, claim.reference, claim.expected, links])
        yield ""


def _row(cells):
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _claim_link(name):
    return f"[{name}](../CLAIMS.md#{anchor(name)})"


def _notebook_link(name):
    return f"[{name[:2]}](../notebooks/{name}.ipynb)"


def _sentence(text):
    """Text up to the first full stop that ends a sentence, or up to the first empty line."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<!\bal)(?<!\bcf)(?<!\beq)\.(?=\s+[A-Z`:])", paragraph)[0].removesuffix(".") + "."


def _markdown(text):
    return re.sub(r":math:`([^`]*)`", r"$\1$", text)


def _cells(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def _names_by_test(path):
    """Names used by each test of a file, those of its helpers and constants included."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    parts = {name: node for node in body if node not in imports for name in _defined(node)}
    direct = {name: names_in(ast.Module([*imports, node], [])) for name, node in parts.items()}
    found = []
    for test in (name for name in parts if name.startswith("test")):
        reached, waiting = set(), [test]
        while waiting:
            name = waiting.pop()
            reached.add(name)
            mentioned = {node.id for node in ast.walk(parts[name]) if isinstance(node, ast.Name)}
            waiting.extend((mentioned & parts.keys()) - reached)
        found.append(set().union(*(direct[name] for name in reached)))
    return found


def _defined(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
