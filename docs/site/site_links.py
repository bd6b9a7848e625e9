"""Sphinx extension of the site: code that names a function or a claim becomes a link, statements become boxes."""

import json
import re
from pathlib import Path

from docutils import nodes

_STATEMENT = re.compile(r"(Definition|Assumption|Theorem|Proposition|Lemma|Corollary) (\d+)")
_DERIVATION = re.compile(r"docs/(derivations/[\w-]+)\.md(?:#([\w-]+))?")


def setup(app):
    """Called by Sphinx."""
    app.add_role("quantity", _quantity)
    app.connect("builder-inited", _read_targets)
    app.connect("autodoc-process-docstring", _link_derivations)
    app.connect("doctree-read", _box_statements)
    app.connect("doctree-resolved", _link_code)
    app.connect("build-finished", _drop_bundles, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _drop_bundles(app, error):
    """Remove the bundles of MathJax that no page loads: 15 MB of formats and fonts beside the one that is used."""
    folder = Path(app.outdir, "_static", "mathjax")
    for bundle in folder.glob("*.js"):
        if bundle.name != Path(app.config.mathjax_path).name:
            bundle.unlink()


def _quantity(role, rawtext, text, line, inliner, options=None, content=None):
    """Text between single backquotes in a docstring is code."""
    return [nodes.literal(rawtext, text)], []


def _read_targets(app):
    """Pages and anchors of functions and claims, as `prepare.py` wrote them."""
    app.code_targets = json.loads(Path(app.srcdir, "targets.json").read_text(encoding="utf-8"))


def _link_derivations(app, what, name, thing, options, lines):
    """Make a link of "docs/derivations/PAGE.md#anchor" in a docstring; pages of functions lie in one folder."""
    for index, line in enumerate(lines):
        lines[index] = _DERIVATION.sub(_derivation_link, line)


def _derivation_link(found):
    page, anchor = found.groups()
    text = page.removeprefix("derivations/").replace("-", " ")
    target = f"../docs/{page}.html" + (f"#{anchor}" if anchor else "")
    return f"`{text}, {anchor.replace('-', ' ')} <{target}>`__" if anchor else f"`{text} <{target}>`__"


def _box_statements(app, tree):
    """Give a block quote that begins with "Theorem 1" in bold a class and an anchor."""
    for quote in tree.findall(nodes.block_quote):
        strong = next(iter(quote.findall(nodes.strong)), None)
        found = _STATEMENT.match(strong.astext()) if strong else None
        if found:
            quote["classes"] += ["statement", found[1].lower()]
            quote["ids"].append(f"{found[1].lower()}-{found[2]}")


def _link_code(app, tree, docname):
    """Link code that is the name of a public function or the id of a claim."""
    for literal in list(tree.findall(nodes.literal)):
        target = app.code_targets.get(literal.astext().removesuffix("()"))
        if target is None or _is_linked(literal):
            continue
        page, anchor = target
        here = "" if page == docname else app.builder.get_relative_uri(docname, page)
        link = nodes.reference("", "", refuri=f"{here}#{anchor}", internal=True)
        literal.replace_self(link)
        link += literal


def _is_linked(node):
    while node is not None:
        if isinstance(node, nodes.reference | nodes.title):
            return True
        node = node.parent
    return False
