"""Page of the site on which a reader searches the claims."""

import html
import json
from pathlib import Path

from jinja2 import Template

from notebooks import map as project_map
from notebooks.catalogue import notebook_title

_TEMPLATE = Template((Path(__file__).parent / "claims.md.j2").read_text(encoding="utf-8"))


def write_page(source, ledger, functions):
    """Write the page.

    Parameters
    ----------
    source : pathlib.Path
        Folder of the pages.
    ledger : pathlib.Path
        figures/claims.json.
    functions : dict
        Page and anchor of each function.

    Returns
    -------
    dict
        Page and anchor of each claim.
    """
    entries = {entry["id"]: entry for entry in json.loads(ledger.read_text(encoding="utf-8"))}
    papers = {
        claim.id: _short(project_map.PAPERS[paper])
        for paper, claims in project_map.claims_by_paper().items()
        for claim in claims
    }
    shown = [_row(entries[identifier], paper, functions) for identifier, paper in papers.items()]
    filters = [
        (key, title, list(dict.fromkeys(row[key] for row in shown)))
        for key, title in (("paper", "Paper"), ("verdict", "Verdict"), ("source", "Source"))
    ]
    text = _TEMPLATE.render(claims=shown, filters=filters)
    head, _, body = text.partition("<form")
    page = f'{head}```{{raw}} html\n<form{body}\n<script src="_static/claims.js"></script>\n```\n'
    (source / "claims.md").write_text(page, encoding="utf-8")
    return {identifier: ["claims", identifier] for identifier in papers}


def _short(paper):
    """Authors of a paper, or what stands in their place, from how docs/map.md names it."""
    return paper.partition(", *")[0]


def _row(entry, paper, functions):
    text = {key: html.escape(str(value)) for key, value in entry.items() if isinstance(value, str)}
    control = entry["control"]
    return text | {
        "paper": paper,
        "asked": html.escape(_several(entry["asked"])),
        "measured": _several(
            [
                _number(value, bar)
                for value, bar in zip(entry["measured"], entry["standard_error"], strict=True)
            ]
        ),
        "control": html.escape(
            f"{control['what']}; " + ("rejected" if control["rejected"] else "not rejected")
        ),
        "replicates": entry["replicates"],
        "links": _links(entry["id"], functions),
    }


def _several(values, most=3):
    """The first values as text, and how many more there are."""
    more = f" (and {len(values) - most} more)" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more


def _number(value, bar):
    return f"{value:.4g} ± {bar:.2g}" if bar else f"{value:.4g}"


def _links(identifier, functions):
    lessons = [name for name, ids in project_map.claims_by_notebook().items() if identifier in ids]
    titles = {name: html.escape(notebook_title(name).replace("$", "")) for name in lessons}
    links = [
        f'<a href="notebooks/{name}.html">Lesson {name[:2]}: {title}</a>' for name, title in titles.items()
    ]
    used = project_map.functions_of_predictions()[identifier]
    for name, qualified in project_map.public_functions().items():
        if qualified in used:
            page, anchor = functions[f"theory.{name}"]
            links.append(f'<a href="{page}.html#{anchor}"><code>theory.{name}</code></a>')
    return " · ".join(links)
