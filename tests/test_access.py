"""The site for those who use no mouse, hear the page, enlarge it, or print it."""

from __future__ import annotations

import re

import finish  # scripts/finish.py
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browsing import Visit, a_few_of
from tests.test_site import PAGES

# One page of each kind: the cover, an optimizer's chapter, tables, references, code, what the theme makes.
KINDS = [
    "book/intro",
    "book/conclusion",
    "book/momentum",
    "book/schedule_free",
    "book/progress",
    "book/teaching",
    "book/bibliography",
    "book/claims",
    "book/api",
    "search",
    "genindex",
    "404",
]
VAST = ["book/api"]  # one look takes axe a minute
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # the rules that the dark has a say in
MOST_STOPS = 25  # presses of Tab from the top of a chapter to its first figure, the link for skipping unused
WITH_FIGURE = "figure.gd-figure, .bd-article .cell_output img"
WHERE = """shown => {
    const at = document.activeElement, first = document.querySelector(shown);
    return at === document.body || Boolean(first.contains(at) || at.compareDocumentPosition(first) & 2);
}"""


@pytest.mark.parametrize("page", a_few_of(page for page in KINDS if page not in VAST))
def test_axe_finds_nothing(browser, address, page):
    check_by_axe(browser, address, page, "light", {})


@pytest.mark.parametrize("page", a_few_of(page for page in KINDS if page not in VAST))
def test_axe_finds_nothing_in_the_colours_of_the_dark(browser, address, page):
    check_by_axe(browser, address, page, "dark", COLOURS)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in KINDS if page not in VAST])
def test_axe_finds_nothing_in_the_dark_by_all_its_rules(browser, address, page):
    check_by_axe(browser, address, page, "dark", {})


def check_by_axe(browser, address, page, scheme, options) -> None:
    with Visit(browser, address, page, scheme) as visit:
        found = Axe().run(visit.tab, options=options).response["violations"]
        told = [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
        assert not told


@pytest.mark.slow
@pytest.mark.parametrize("page", VAST)
def test_axe_finds_nothing_on_a_vast_page(browser, address, page):
    check_by_axe(browser, address, page, "light", {})


def stops_before_the_figure(tab) -> int:
    """How often Tab is pressed until the first figure has the keyboard, or what stands behind it."""
    for stops in range(1, 200):
        tab.keyboard.press("Tab")
        if tab.evaluate(WHERE, WITH_FIGURE):
            return stops
    return 200


def far_figures(browser, address, pages) -> dict[str, int]:
    stops = {}
    for page in pages:
        with Visit(browser, address, page, "light") as visit:
            if visit.tab.query_selector(WITH_FIGURE):
                stops[page] = stops_before_the_figure(visit.tab)
    assert len(stops) > len(pages) // 2
    return {page: many for page, many in stops.items() if many > MOST_STOPS}


def test_a_chapters_first_figure_is_few_keys_away(browser, address):
    assert far_figures(browser, address, ["book/intro", "book/adam", "book/network"]) == {}


@pytest.mark.slow
def test_every_chapters_first_figure_is_few_keys_away(browser, address):
    assert far_figures(browser, address, PAGES) == {}


def focused(tab) -> str:
    return tab.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def test_the_links_for_skipping_lead_to_the_text_and_to_the_chapters(browser, address):
    with Visit(browser, address, "book/adam", "light") as visit:
        tab = visit.tab
        tab.keyboard.press("Tab")
        assert focused(tab) == "Skip to main content"
        tab.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")
        tab.keyboard.press("Enter")
        assert focused(tab) == "main-content"
        tab.reload()
        tab.keyboard.press("Tab")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        assert focused(tab) == "pst-primary-sidebar"
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.closest('#pst-primary-sidebar') !== null")


def test_the_list_of_chapters_is_seen_on_the_left(browser, address):
    with Visit(browser, address, "book/adam", "light") as visit:
        left, text = (visit.tab.locator(one).bounding_box() for one in ("#pst-primary-sidebar", "main"))
        assert left["x"] + left["width"] <= text["x"] + 1 and left["y"] < 100
    with Visit(browser, address, "book/adam", "light", width=390) as visit:
        visit.tab.locator(".primary-toggle").click()
        visit.tab.get_by_role("link", name="11. Momentum").wait_for(state="visible", timeout=3000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_has_the_keyboard_shows_it(browser, address, scheme):
    bare, seen = [], 0
    with Visit(browser, address, "book/adam", scheme) as visit:
        for _ in range(45):
            visit.tab.keyboard.press("Tab")
            name, shadow, outline = visit.tab.evaluate(
                """() => {
                const at = document.activeElement, folds = at.matches(".toggle-button");
                const style = folds ? getComputedStyle(at.parentElement, "::before") : getComputedStyle(at);
                return [at.outerHTML.slice(0, 90), style.boxShadow,
                        style.outlineStyle == "none" ? 0 : parseFloat(style.outlineWidth)];
            }"""
            )
            seen += "fullscreen" in name or "theme-switch" in name or "dropdown-toggle" in name
            if outline < 2:
                bare.append(f"{name} {shadow}")
    assert seen >= 5 and not bare


@pytest.mark.parametrize("page", a_few_of([*PAGES, "search", "genindex", "404"]))
def test_no_page_scrolls_sideways_however_narrow(browser, address, page):
    with Visit(browser, address, page, "light") as visit:
        for width in (640, 390, 320):  # 640: a window of 1280 enlarged to 200 %
            visit.tab.set_viewport_size({"width": width, "height": 450})
            assert visit.tab.evaluate("document.documentElement.scrollWidth") <= width


# ------------------------------------------------------------------------------------------------ on paper


def on_paper(browser, address, page, scheme="light"):
    visit = Visit(browser, address, page, scheme, width=665)
    visit.tab.emulate_media(media="print")
    return visit


def test_paper_has_nothing_to_press_and_no_sidebar(browser, address):
    with on_paper(browser, address, "book/momentum") as visit:
        shown = visit.tab.evaluate(
            """[...document.querySelectorAll(
                "button, input, select, nav, header, #pst-primary-sidebar, .skip-link")]
            .filter(one => one.checkVisibility() && one.getClientRects().length)
            .map(one => one.outerHTML.slice(0, 80))"""
        )
        assert not shown
        assert visit.tab.locator("h1").last.inner_text().startswith("11. Momentum")


def test_what_is_folded_is_open_on_paper(browser, address):
    hidden = """[...document.querySelectorAll(".bd-article details, .bd-article .admonition.dropdown")]
        .flatMap(box => [...box.querySelectorAll("p:not(summary p), pre")])
        .filter(one => !one.checkVisibility({ contentVisibilityAuto: true, opacityProperty: true,
            visibilityProperty: true }) || !one.getBoundingClientRect().height && one.textContent.trim())
        .map(one => one.textContent.slice(0, 60))"""
    for page in ("book/introduction", "book/speed"):
        with on_paper(browser, address, page) as visit:
            assert visit.tab.locator(".bd-article details").count() > 0
            assert visit.tab.evaluate(hidden) == []


def test_code_may_run_on_to_the_next_sheet(browser, address):
    """No box of code, nor what it lies in, is of the kind that Chromium moves whole."""
    whole = """[...document.querySelectorAll("div.cell_input pre")].flatMap(one => {
        const bad = [];
        for (let box = one; box; box = box.parentElement) {
            const style = getComputedStyle(box);
            if (style.breakInside != "auto" || style.overflow != "visible" || style.display == "flex")
                bad.push(box.tagName + "." + box.className);
        }
        return bad;
    })"""
    with on_paper(browser, address, "book/momentum") as visit:
        found = [
            one for one in visit.tab.evaluate(whole) if not one.startswith(("BODY", "HTML", "DIV.solution"))
        ]
        assert not found


def test_the_dark_theme_stays_on_the_screen(browser, address):
    ink = "getComputedStyle(document.querySelector('.bd-article p')).color"
    code = "getComputedStyle(document.querySelector('.bd-article pre .kn')).color"
    with (
        on_paper(browser, address, "book/momentum", "dark") as dark,
        on_paper(browser, address, "book/momentum") as light,
    ):
        assert dark.tab.evaluate("document.documentElement.dataset.theme") == "dark"
        for colour in (ink, code):
            assert dark.tab.evaluate(colour) == light.tab.evaluate(colour)


def test_a_dark_rule_is_for_the_screen_and_a_light_one_for_paper_too():
    css = '@import url(a);html[data-theme="dark"] a{b:c}p{q:r}html[data-theme=light]{x:y}'
    made = finish.printed_light(css)
    assert made == (
        '@import url(a);@media screen{html[data-theme="dark"] a{b:c}}p{q:r}html[data-theme=light]{x:y}'
        "@media print{html[data-theme=dark]{x:y}}"
    )


def test_each_sheet_says_what_it_is(site):
    text = (site / "book" / "adam.html").read_text(encoding="utf-8")
    assert re.search(r'@page \{ @top-left \{ content: "16\. Adam"; \} \}', text)
