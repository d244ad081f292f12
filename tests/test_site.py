"""The built site: its links, ids and pictures, and how it behaves in a browser without a network."""

from __future__ import annotations

import re
import urllib.parse
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from gdcourse.experiments import ledger
from tests.browsing import Visit, a_few_of

ROOT = Path(__file__).resolve().parents[1]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
BASE = urllib.parse.urlsplit(yaml.safe_load((ROOT / "_config.yml").read_text())["html"]["baseurl"]).path
SLIDES = 35
# Slides whose page is certain, as fixed points of the order; the others lie between them.
FIXED = {
    1: "intro",
    19: "optimizers",
    22: "momentum",
    23: "nesterov",
    28: "adam",
    30: "radam",
    32: "lookahead",
}


class Page(HTMLParser):
    """What the checks need of a page: its ids, links, images and tables' links by row."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self._in_body = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if a.get("id"):
            self.ids.append(a["id"])
        for key in ("href", "src"):
            if a.get(key) and tag in ("a", "img", "script", "link", "source", "iframe"):
                self.links.append(a[key])
        if tag == "img":
            self.images.append(a)
        if tag == "tbody":
            self._in_body = True
        if tag == "tr" and self._in_body:
            self.rows.append([])
        if tag == "a" and self._in_body and self.rows and a.get("href"):
            self.rows[-1].append(a["href"])

    def handle_endtag(self, tag):
        if tag == "tbody":
            self._in_body = False


@pytest.fixture(scope="session")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def resolve(page: Path, link: str) -> tuple[Path, str] | None:
    """The file and anchor that a link of a page leads to; None if it leaves the site."""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = urllib.parse.unquote(parts.path)
    if path.startswith(BASE):  # of the page for lost addresses, which is served at any depth
        path = path.removeprefix(BASE)
    target = (page.parent / path).resolve() if path else page
    return (target / "index.html" if target.is_dir() else target), urllib.parse.unquote(parts.fragment)


def test_the_book_builds(what_failed):
    assert not what_failed, f"the book does not build:\n{what_failed}"


def test_every_page_of_the_contents_is_there(site):
    assert [page for page in PAGES if not (site / f"{page}.html").exists()] == []


def test_every_internal_link_and_anchor_resolves(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if (target := resolve(path, link)) is None:
                continue
            file, anchor = target
            if not file.exists():
                broken.append(f"{path.name}: {link}")
            elif anchor and file in pages and anchor not in pages[file].ids:
                broken.append(f"{path.name}: no anchor {link}")
    assert not broken


def test_no_page_uses_an_id_twice(pages):
    twice = {path.name: [i for i, n in Counter(page.ids).items() if n > 1] for path, page in pages.items()}
    assert {name: ids for name, ids in twice.items() if ids} == {}


def test_every_picture_says_what_it_shows(pages):
    bad = []
    for path, page in pages.items():
        for image in page.images:
            alt = (image.get("alt") or "").strip()
            if len(alt) < 4 or re.search(r"_images/|\.(png|svg|jpe?g|gif|webp)$", alt):
                bad.append(f"{path.name}: {image.get('src')} has the text {alt!r}")
    assert not bad


def test_every_slide_has_its_place_in_the_order_of_the_talk(site, pages):
    map_page = site / "book" / "slides.html"
    rows = pages[map_page].rows
    assert len(rows) == SLIDES
    order = [Path(page).name for page in PAGES]
    places = []
    for number, links in enumerate(rows, start=1):
        anchor = f"slide-{number:02d}"
        targets = [target for link in links if (target := resolve(map_page, link))]
        own = [file for file, fragment in targets if fragment == anchor]
        assert own, f"row {number} does not link to #{anchor}, but to {links}"
        holders = [path for path, page in pages.items() if anchor in page.ids]
        assert holders == [own[0]], (
            f"#{anchor} stands on {[p.name for p in holders]}, the link goes to {own[0].name}"
        )
        places.append(own[0].stem)
    assert [order.index(p) for p in places] == sorted(order.index(p) for p in places), (
        f"out of order: {places}"
    )
    assert {n: places[n - 1] for n in FIXED} == FIXED


def test_the_theorems_and_exercises_have_anchors_of_their_own(pages):
    left = [
        path.name
        for path, page in pages.items()
        for i in page.ids
        if i in ("exercise-content", "solution-content")
    ]
    assert not left


def test_launch_buttons_lead_to_the_notebook(site):
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    name = address.removeprefix("https://github.com/")
    html = (site / "book" / "adam.html").read_text(encoding="utf-8")
    assert f"https://colab.research.google.com/github/{name}/blob/main/book/adam.ipynb" in html
    assert f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/book/adam.ipynb" in html


# ---------------------------------------------------------------------------------- in a browser


@pytest.mark.parametrize("page", a_few_of(PAGES))
def test_a_page_in_the_browser(browser, address, page):
    check_page(browser, address, page, "light")


@pytest.mark.parametrize("name", ["intro", "adam", "claims"])
def test_a_page_of_each_kind_in_the_dark(browser, address, name):
    check_page(browser, address, f"book/{name}", "dark")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_in_the_browser_in_the_dark(browser, address, page):
    check_page(browser, address, page, "dark")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opened_on_a_phone_fits_it(browser, address, page):
    """tests/test_access.py narrows pages that are open."""
    with Visit(browser, address, page, "light", width=390) as visit:
        wide = """[...document.querySelectorAll('.bd-article *')]
            .filter(e => e.getBoundingClientRect().right > 391)
            .map(e => e.tagName + '.' + e.className).slice(0, 5)"""
        width = visit.tab.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"the page is {width} px wide; beyond the edge: {visit.tab.evaluate(wide)}"


def check_page(browser, address, page, scheme) -> None:
    with Visit(browser, address, page, scheme) as visit:
        assert visit.outside == [], "the page asks the network for something"
        assert visit.errors == []
        bare = "[...document.querySelectorAll('.bd-article *')].filter(e => /\\\\[a-z(\\[]/.test("
        bare += "[...e.childNodes].filter(n => n.nodeType == 3).map(n => n.data).join('')) && !e.closest("
        bare += "'pre, code, script, style')).map(e => e.textContent.slice(0, 60))"
        assert visit.tab.evaluate(bare) == [], "a formula is not typeset"
        wrong = visit.tab.evaluate("[...document.querySelectorAll('merror')].map(e => e.textContent)")
        assert wrong == [], "a formula has an error in it"
        theme = visit.tab.evaluate("document.documentElement.dataset.theme")
        assert theme == scheme


def test_mathematics_is_in_the_page_and_needs_no_script(browser, address, site):
    html = (site / "book" / "momentum.html").read_text(encoding="utf-8")
    assert html.count("<math ") > 50 and "MathJax" not in html and "\\(" not in html.partition("<article")[2]
    with Visit(browser, address, "book/momentum", "light") as visit:
        assert visit.tab.evaluate("document.fonts.check('16px \"STIX Two Math\"')")
        stops = visit.tab.evaluate(
            "[...document.querySelectorAll('math, math *, .gd-math')].filter(e => e.tabIndex >= 0).length"
        )
        assert stops == 0


@pytest.mark.parametrize("name", a_few_of(PAGES))
def test_no_formula_runs_out_of_its_column(browser, address, name):
    too_wide = """[...document.querySelectorAll('.bd-article :is(.gd-formula, p, li, td, dd)')]
        .filter(box => box.querySelector('math') && box.clientWidth)
        .flatMap(box => [...box.querySelectorAll('math')].filter(one =>
            one.getBoundingClientRect().right > box.getBoundingClientRect().right + 2
            || one.getBoundingClientRect().left < box.getBoundingClientRect().left - 2))
        .map(one => one.textContent.slice(0, 50))"""
    with Visit(browser, address, name, "light") as visit:
        for width in (1280, 390):
            visit.tab.set_viewport_size({"width": width, "height": 900})
            assert visit.tab.evaluate(too_wide) == [], width


def test_a_figures_ground_is_the_pages_in_the_dark(browser, address, tmp_path):
    """The corner of a figure has the colour of the page beside it, and the figure is not a white slab."""
    from PIL import Image

    with Visit(browser, address, "book/momentum", "dark") as visit:
        figure = visit.tab.locator("div.cell_output img").first
        figure.scroll_into_view_if_needed()
        box = figure.bounding_box()
        shot = tmp_path / "dark.png"
        visit.tab.screenshot(path=str(shot))
        picture = Image.open(shot).convert("RGB")
        x, y = int(box["x"]), int(box["y"])
        inside, beside = picture.getpixel((x + 2, y + 2)), picture.getpixel((x - 6, y + 2))
        assert inside == beside
        assert max(inside) < 80


def test_the_table_of_claims_is_filtered_by_chapter_and_verdict(browser, address):
    claims = list(ledger().values())
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/book/claims.html")
    shown = page.locator("table.claims tbody tr:visible")
    assert shown.count() == len(claims)

    page.get_by_label("Verdict:").select_option("does-not-hold")
    false = [claim for claim in claims if claim.verdict == "does not hold"]
    assert shown.count() == len(false) > 0
    chapter = false[0].chapter
    page.get_by_label("Chapter:").select_option(chapter.replace("_", "-"))
    assert shown.count() == len([claim for claim in false if claim.chapter == chapter]) > 0
    assert page.locator("output").inner_text() == f"{shown.count()} of {len(claims)} claims"
    page.close()


def test_every_claim_links_to_its_slide_and_to_the_cell_that_decides_it(site):
    html = (site / "book" / "claims.html").read_text(encoding="utf-8")
    for claim in ledger().values():
        assert f'href="{claim.chapter}.html#claim-{claim.id}"' in html, claim.id
        assert (f"#slide-{claim.slide:02d}" if claim.slide else f"{claim.chapter}.html") in html, claim.id
        chapter = (site / "book" / f"{claim.chapter}.html").read_text(encoding="utf-8")
        after = chapter.partition(f'id="claim-{claim.id}"')[2]
        assert claim.id in after.partition("cell_output")[0], f"{claim.id}: another cell"


def test_every_verdict_stands_in_a_box_with_its_formulas_typeset(site):
    boxes = 0
    for chapter in {claim.chapter for claim in ledger().values()}:
        html = (site / "book" / f"{chapter}.html").read_text(encoding="utf-8")
        boxes += html.count('<div class="gd-verdict ')
        assert not re.search(r"(?<!<em>)The (talk|claim): ", html), f"{chapter}: a verdict that is no box"
        how = re.findall(r'<p class="gd-verdict-lines"><a [^>]*href="verdicts\.html"', html)
        assert len(how) == 1, f"{chapter}: the first box alone says where its lines are explained"
    assert boxes == len(ledger())
