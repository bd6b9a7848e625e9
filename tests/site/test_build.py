"""The site as files: complete, the same twice, every link leads somewhere, and lessons and theory know each other."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

import theory
from notebooks.catalogue import notebook_names
from notebooks.map import claims_by_notebook
from synthetic.claims import CLAIMS

LARGEST_SITE = 40e6
LARGEST_PAGE = 2 * 2**20
DERIVED = {"01", "03", "04", "06", "07", "08", "09", "10", "11", "12", "13"}
"""Lessons whose statements are derived on a page of docs/derivations."""


class Page(HTMLParser):
    """Anchors, links and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.sources, self.without_alt = {""}, [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("img", "script", "link"):
            self.sources += [given[key] for key in ("src", "href") if given.get(key)]
        if tag == "img" and not given.get("alt"):
            self.without_alt.append(given.get("src"))


@pytest.fixture(scope="session")
def pages(site):
    """Every page by its path below the site."""
    found = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8")) for path in found}


def test_two_builds_are_equal(site, build):
    again = build()
    files, others = (
        {path.relative_to(one) for path in one.rglob("*") if path.is_file()} for one in (site, again)
    )
    assert files == others
    assert [str(file) for file in files if (site / file).read_bytes() != (again / file).read_bytes()] == []


def test_the_site_is_small(site, pages):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= LARGEST_SITE
    assert [page for page in pages if (site / page).stat().st_size > LARGEST_PAGE] == []


def test_every_link_and_anchor_leads_somewhere(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links + page.sources:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto") or (not parts.path and not parts.fragment):
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target.resolve()
            if not target.is_file():
                broken.append(f"{name}: {link}")
                continue
            key = target.relative_to(site.resolve()).as_posix()
            if parts.fragment and key in pages and unquote(parts.fragment) not in pages[key].anchors:
                broken.append(f"{name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_another_place(pages):
    outside = [
        f"{name}: {source}"
        for name, page in pages.items()
        for source in page.sources
        if urlsplit(source).netloc
    ]
    assert outside == []


def test_every_picture_has_an_alternative_text(pages):
    assert {name: page.without_alt for name, page in pages.items() if page.without_alt} == {}


def test_every_function_and_claim_has_an_anchor(pages):
    anchors = set().union(*(page.anchors for name, page in pages.items() if name.startswith("functions/")))
    assert {f"theory.{name}" for name in theory.__all__} <= anchors
    assert set(CLAIMS) <= pages["claims.html"].anchors


def test_every_page_is_reached_from_the_first(site, pages):
    found, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        for link in pages[name].links:
            parts = urlsplit(link)
            if not parts.scheme and parts.path:
                path = ((site / name).parent / unquote(parts.path)).resolve()
                key = path.relative_to(site.resolve()).as_posix()
                if key in pages and key not in found:
                    waiting.append(key)
    assert pages.keys() - found <= {"genindex.html", "search.html", "py-modindex.html"}


@pytest.mark.parametrize("name", notebook_names())
def test_a_lesson_and_its_claims_link_each_other(name, pages):
    lesson = f"notebooks/{name}.html"
    for claim in claims_by_notebook()[name]:
        assert f"../claims.html#{claim}" in pages[lesson].links
        assert lesson in pages["claims.html"].links


@pytest.mark.parametrize("name", notebook_names())
def test_functions_and_derivations_that_a_lesson_links_link_it_back(name, site, pages):
    lesson = f"notebooks/{name}.html"
    article = (
        (site / lesson)
        .read_text(encoding="utf-8")
        .partition('<article role="main"')[2]
        .partition("</article>")[0]
    )
    functions = set(re.findall(r'href="\.\./(functions/[\w-]+\.html)#theory\.\w+"', article))
    derivations = set(re.findall(r'href="\.\./(docs/derivations/[\w-]+\.html)', article))
    assert functions
    assert derivations or name[:2] not in DERIVED
    for page in functions:
        assert f"../{lesson}" in pages[page].links
    for page in derivations:
        assert f"../../{lesson}" in pages[page].links


def test_the_targets_are_those_of_the_pages(source, pages):
    targets = json.loads((source / "targets.json").read_text())
    wrong = [name for name, (page, anchor) in targets.items() if anchor not in pages[f"{page}.html"].anchors]
    assert wrong == []
