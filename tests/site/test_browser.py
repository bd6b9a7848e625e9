"""Every page of the site in a browser: nothing from outside, no error, no overflow, mathematics set, pictures named."""

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import nbformat
import pytest

from notebooks.catalogue import FOLDER, notebook_names

WIDTHS = (390, 1300)
LARGEST_PAGE = 2 * 2**20
SET = """() => {
  const unset = [...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length;
  return !unset && (!document.querySelector('.math') || window.MathJax !== undefined);
}"""
FOUND = """() => ({
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  unset: [...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length,
  errors: [...document.querySelectorAll('mjx-merror')].map(e => e.textContent),
  unnamed: [...document.images].filter(e => !e.alt).map(e => e.src),
  broken: [...document.images].filter(e => e.loading !== 'lazy' && !e.naturalWidth).map(e => e.src),
})"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address(site):
    """The site as a server on the loopback address shows it."""
    handler = functools.partial(_Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no browser: install Debian's package chromium to test the pages in one")
    if find_spec("playwright") is None:
        pytest.skip("the site needs the extra 'docs'; not installed: playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    yield opened
    opened.close()


def problems_of(page, address, name):
    """What is wrong with a page at both widths."""
    wrong, sizes = [], []

    def received(response):
        sizes.append(len(response.body()) if response.ok else 0)
        if response.status >= 400:
            wrong.append(f"status {response.status}: {response.url}")

    def requested(request):
        if not request.url.startswith((address, "data:", "blob:")):
            wrong.append(f"asks for {request.url}")

    page.on("response", received)
    page.on("request", requested)
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if width == WIDTHS[0]:
            page.goto(f"{address}/{name}", wait_until="networkidle")
            page.wait_for_function(SET, timeout=120_000)
        found = page.evaluate(FOUND)
        if found["overflow"] > 0:
            wrong.append(f"{found['overflow']} pixels too wide at {width}")
        wrong += [
            f"{key} at {width}: {found[key]}"
            for key in ("unset", "errors", "unnamed", "broken")
            if found[key]
        ]
    if sum(sizes) > LARGEST_PAGE:
        wrong.append(f"{sum(sizes)} bytes")
    return wrong


def test_every_page_is_sound(browser, site, address):
    found = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            page = browser.new_page()
            name = path.relative_to(site).as_posix()
            if wrong := problems_of(page, address, name):
                found[name] = wrong
            page.close()
    assert found == {}


@pytest.mark.parametrize(
    "name", ["index.html", "play.html", "claims.html", "functions/features-spectral.html"]
)
def test_a_page_opens_from_a_folder(page, site, name):
    assert problems_of(page, site.as_uri(), name) == []


@pytest.mark.parametrize("picture", ["weights", "gain", "accuracy"])
def test_moving_a_slider_moves_a_curve(page, address, picture):
    page.goto(f"{address}/play.html")
    figure = page.locator(f"figure[data-picture={picture}]")
    curves = figure.locator("path.curve")

    def drawn():
        return [curves.nth(i).get_attribute("d") for i in range(curves.count())]

    before, said = drawn(), figure.locator(".said").text_content()
    assert len(before) in (2, 3)
    for slider in figure.locator("input").all():
        slider.press("ArrowRight")
        assert drawn() != before
        assert figure.locator(".said").text_content() != said
        before, said = drawn(), figure.locator(".said").text_content()


@pytest.mark.parametrize("name", notebook_names())
def test_a_solution_is_hidden_until_it_is_asked_for(page, address, name):
    solutions = sum(
        "hide-cell" in cell.metadata.get("tags", [])
        for cell in nbformat.read(FOLDER / f"{name}.ipynb", 4).cells
    )
    page.goto(f"{address}/notebooks/{name}.html")
    shown = page.locator(".tag_solution details")
    assert shown.count() == solutions
    for index in range(solutions):
        content = shown.nth(index).locator(".cell_input")
        assert not content.is_visible()
        shown.nth(index).locator("summary").click()
        assert content.is_visible()


def test_claims_are_filtered_by_paper_verdict_source_and_text(page, address):
    page.goto(f"{address}/claims.html")
    shown = page.locator("article.claim:visible")
    everything = shown.count()
    assert everything > 100
    page.select_option("#claim-paper", "Song et al.")
    song = shown.count()
    assert 0 < song < everything
    page.select_option("#claim-verdict", "holds")
    assert 0 < shown.count() <= song
    page.select_option("#claim-paper", "")
    page.select_option("#claim-verdict", "")
    page.select_option("#claim-source", "identity")
    assert 0 < shown.count() < everything
    page.select_option("#claim-source", "")
    page.fill("#claim-text", "xue-3.5-selection")
    assert [one.get_attribute("id") for one in shown.all()] == ["xue-3.5-selection"]
    assert page.locator("#claim-count").text_content() == "1 claim"


def test_search_finds_a_function(page, address):
    page.goto(f"{address}/search.html?q=averaging_accuracy")
    page.wait_for_selector("ul.search li", timeout=120_000)
    assert any("averaging" in link.get_attribute("href") for link in page.locator("ul.search a").all())


def test_slides_are_shown_one_at_a_time(page, address, site):
    deck = sorted(site.glob("slides/*.html"))[0].relative_to(site).as_posix()
    page.goto(f"{address}/{deck}")
    page.click("#present")
    shown = page.locator("section section.current")
    first = shown.text_content()
    page.keyboard.press("ArrowRight")
    assert shown.count() == 1
    assert shown.text_content() != first
    page.keyboard.press("Escape")
    assert page.locator("body.presenting").count() == 0
