"""The deck: the chapters' own pieces on slides that fit, in a room, on a phone and on paper."""

from __future__ import annotations

import html
import io
import re

import plain  # scripts/plain.py
import pytest
import slides  # scripts/slides.py
from axe_playwright_python.sync_playwright import Axe
from pypdf import PdfReader

from gdcourse.experiments import ledger
from tests.browsing import Visit

PAGE = "slides/index"
CHAPTERS = [page for page in plain.chapters() if "{frame}" in plain.text_of(page)]


@pytest.fixture(scope="module")
def text(site) -> str:
    return (site / f"{PAGE}.html").read_text(encoding="utf-8")


SHOWN = ".slides > section.present:not(.stack), .slides > section.present > section.present"
HIDDEN = [[".slides > section:not(.present)"], [".slides > .present > section:not(.present)"]]


class Deck(Visit):
    """The deck, opened."""

    def __init__(self, browser, address, scheme="light", size=(1280, 720), query=""):
        super().__init__(browser, address, "404", scheme)
        self.tab.set_viewport_size({"width": size[0], "height": size[1]})
        self.tab.goto(f"{address}/{PAGE}.html{query}")
        self.tab.wait_for_selector("html[data-ready]", timeout=120_000)

    def at(self) -> str:
        """The name of the slide that is shown."""
        return self.tab.evaluate("Reveal.getCurrentSlide().id")

    def to(self, name: str) -> None:
        """By the address, again where Reveal has just written the last slide's over it, as it does a second
        after a slide changed."""
        there = "name => Reveal.getCurrentSlide().id === name || void (location.hash = '#/' + name)"
        self.tab.wait_for_function(there, arg=name, polling=500)

    def press(self, key: str, leads_to: str) -> None:
        self.tab.keyboard.press(key)
        self.tab.wait_for_function("name => Reveal.getCurrentSlide().id === name", arg=leads_to, timeout=5000)

    def figure(self):
        """The figure of the slide that is shown, when it is there."""
        frame = f":is({SHOWN}) iframe[data-placed]"
        self.tab.wait_for_selector(frame, timeout=30_000)
        return self.tab.frame_locator(frame)


@pytest.fixture(scope="module")
def deck(browser, guarded):
    """The deck as it stays open through several tests."""
    with Deck(browser, guarded) as opened:
        yield opened


# ---------------------------------------------------------------------------------------------- its making


def test_an_element_is_taken_whole():
    page = '<div class="a b"><div>x</div></div><p>y</p><div class="a-b">z</div><div class="b a">w</div>'
    assert slides.of_class(page, "a") == ['<div class="a b"><div>x</div></div>', '<div class="b a">w</div>']
    assert slides.inside("<p>a <b>c</b></p>") == "a <b>c</b>"
    with pytest.raises(slides.SlidesError, match="without an end"):
        slides.elements("<div><p></p>", "<div")


def test_a_link_leads_from_the_deck_to_where_it_led_from_its_page():
    piece = '<p id="a"><a href="#b">1</a><a href="c.html#d">2</a><a href="https://e.f">3</a></p>'
    assert slides.clean(piece, "adam") == (
        '<p><a href="../book/adam.html#b">1</a><a href="../book/c.html#d">2</a><a href="https://e.f">3</a></p>'
    )


def test_long_code_is_cut_at_an_empty_line():
    lines = [*(f"a{i}" for i in range(12)), "", *(f"b{i}" for i in range(12))]
    parts = slides.in_parts("<pre><span></span>" + "\n".join(lines) + "\n</pre>")
    assert parts == ["\n".join(lines[:12]), "\n".join(lines[13:])]
    endless = slides.in_parts("<pre>" + "\n".join("c" for _ in range(50)) + "</pre>")
    assert max(part.count("\n") + 1 for part in endless) == slides.LINES


def test_reveal_is_as_its_authors_publish_it(tmp_path, monkeypatch):
    slides.check()
    named = {line.split()[1] for line in (slides.REVEAL / "SHA256SUMS").read_text().splitlines()}
    assert named == {path.name for path in slides.REVEAL.iterdir()} - {"SHA256SUMS"}
    for path in slides.REVEAL.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "reveal.css").write_bytes(b"/**/")
    monkeypatch.setattr(slides, "REVEAL", tmp_path)
    with pytest.raises(slides.SlidesError, match=r"reveal\.css is damaged"):
        slides.check()


# ------------------------------------------------------------------------------------------------ its pieces


def test_every_chapter_has_its_slides_and_its_page_leads_to_them(site, text):
    for page in CHAPTERS:
        for part in ("", "-question", "-figure", "-answer", "-keep", "-recall"):
            assert f'<section id="{page}{part}" class=' in text, page + part
        own = (site / "book" / f"{page}.html").read_text(encoding="utf-8")
        frame = slides.of_class(own, "gd-frame")[0]
        assert f'href="../slides/index.html#{page}"' in frame, page
    assert 'href="../slides/index.html"' in (site / "book" / "slides.html").read_text(encoding="utf-8")
    assert "/slides/index.html</loc>" in (site / "sitemap.xml").read_text()


def test_every_claim_is_on_a_slide_with_its_verdict(text):
    shown = slides.elements(text, r'<section id="[^"]*" class="verdict"')
    assert len(shown) == len(ledger())
    for claim in ledger().values():
        name = slides.claim_place(claim.chapter, claim.id)
        slide = next(one for one in shown if f'id="{name}"' in one)
        assert f'class="ruling {claim.verdict.replace(" ", "-")} fragment"' in slide
        assert f" {claim.verdict.capitalize()}" in slide
        assert f"{claim.chapter}.html#claim-{claim.id}" in slide


def test_a_rule_is_on_the_slides_as_it_runs(text):
    import gdcourse as gd
    from gdcourse.figures.source import bare

    shown = slides.elements(text, r'<section id="adam-code\d?" class="code"')
    code = "\n\n".join(slides.inside(slides.elements(one, "<pre>")[0]) for one in shown)
    lines = html.unescape(re.sub(r"<[^>]+>", "", code)).splitlines()
    assert [one for one in lines if one] == [one for one in bare(gd.Adam).splitlines() if one]


def test_most_slides_have_notes_and_those_of_the_talk_what_it_said(text):
    all_slides = slides.elements(text, r'<section id="[\w-]+" class=')
    silent = [one[:60] for one in all_slides if '<aside class="notes">' not in one]
    assert len(silent) < len(all_slides) / 4
    told = [page for page in CHAPTERS if f"(talk-{page.replace('_', '-')})=" in plain.text_of("slides")]
    assert len(told) == 16
    for page in told:
        assert "In the talk" in slides.elements(text, f'<section id="{page}" ')[0], page


def test_the_deck_and_each_figure_weigh_little(site):
    import gzip

    def weight(*names: str) -> int:
        return sum(len(gzip.compress((site / "slides" / name).read_bytes())) for name in names)

    own = ("index.html", "reveal.js", "reveal.css", "reset.css", "notes.js", "deck.js", "deck.css", "look.js")
    assert weight(*own) < 250_000
    figures = [path.name for path in (site / "slides").glob("figure-*.html")]
    assert len(figures) >= len(CHAPTERS) - 1
    assert max(map(weight, figures)) < 170_000


# ---------------------------------------------------------------------------------------------- in a browser


def test_no_figure_is_loaded_before_its_chapter_is_shown(deck):
    opened = "[...document.querySelectorAll('iframe[src]')].map(one => one.dataset.figure)"
    assert deck.at() == "cover" and deck.tab.evaluate(opened) == []
    deck.to("adam")
    assert deck.tab.evaluate(opened) == ["figure-adam.html"]


def test_a_figure_is_played_with_and_keeps_its_state(deck):
    deck.to("momentum-figure")
    figure = deck.figure()
    root = figure.locator(".gd-figure")
    before = root.get_attribute("data-state")
    figure.locator("input[type=range]").last.focus()
    deck.tab.keyboard.press("ArrowRight")
    assert deck.at() == "momentum-figure"  # the arrow belongs to the slider
    assert (moved := root.get_attribute("data-state")) != before
    deck.press("PageDown", "momentum-equation")
    deck.to("momentum-figure")
    assert deck.figure().locator(".gd-figure").get_attribute("data-state") == moved


def test_without_javascript_it_says_where_its_words_stand(browser, guarded):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{guarded}/slides/index.html")
    assert "need JavaScript" in tab.inner_text("main")
    context.close()


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_a_slider_has_a_track_to_drag_on(browser, guarded, width):
    context = browser.new_context(viewport={"width": width, "height": 844})
    tab = context.new_page()
    for page in ("slides/figure-adam.html", "book/adam.html"):
        tab.goto(f"{guarded}/{page}")
        tab.wait_for_selector(".gd-figure[data-ready] .gd-narrow")
        for slider in tab.locator(".gd-scrubber input").all():
            assert slider.bounding_box()["width"] >= 60
    context.close()


def test_the_keys_go_down_a_chapter_and_on_to_the_next(deck):
    deck.to("momentum")
    deck.press("ArrowDown", "momentum-question")
    deck.press("ArrowRight", "nesterov")
    deck.press("ArrowLeft", "momentum-question")


def test_a_key_shows_the_verdict(deck):
    name = slides.claim_place("momentum", "momentum-friction")
    deck.to(name)
    ruling = deck.tab.locator(f"#{name} .ruling")
    assert ruling.evaluate("one => getComputedStyle(one).visibility") == "hidden"
    deck.press("Space", name)
    assert ruling.evaluate("one => getComputedStyle(one).visibility") == "visible"
    assert "Holds if" in ruling.inner_text()


def test_the_speaker_reads_notes_in_a_window_of_their_own(deck):
    deck.to("momentum")
    with deck.context.expect_page(timeout=90_000) as opened:  # a busy machine is slow to open a window
        deck.tab.keyboard.press("s")
    window, errors = opened.value, []
    window.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    notes = window.locator(".speaker-controls-notes .value")
    notes.get_by_text("You will be able to").wait_for(timeout=90_000)
    assert "velocity" in notes.inner_text()  # what the talk's slide says
    deck.to("momentum-keep")
    notes.get_by_text("Nesterov").wait_for(timeout=90_000)
    window.close()
    assert errors == []


def test_nothing_was_complained_of_and_nobody_else_asked(deck):
    assert deck.outside == [] and deck.errors == []


def test_from_a_file_with_the_colours_of_the_site(browser, site):
    with Deck(browser, f"file://{site}", "dark", query="#adam-figure") as deck:
        assert deck.at() == "adam-figure"
        for theme in ("dark", "light"):
            assert deck.tab.evaluate("document.documentElement.dataset.theme") == theme
            frame = deck.figure().locator("html")
            ground = "one => getComputedStyle(one).backgroundColor"
            paper = deck.tab.locator("body").evaluate(ground)
            assert frame.evaluate(ground) == paper
            assert paper == ("rgb(20, 24, 30)" if theme == "dark" else "rgb(255, 255, 255)")
            deck.tab.evaluate("localStorage.setItem('mode', 'light')")  # what the site's button does
            deck.tab.reload()
            deck.tab.wait_for_selector("html[data-ready]")
        assert deck.outside == [] and deck.errors == []


KINDS = ["contents", "momentum", "momentum-figure", "momentum-equation", "momentum-answer"]
KINDS += ["momentum-claim-friction", "introduction-figure"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, guarded, scheme):
    told = []
    with Deck(browser, guarded, scheme) as deck:
        for name in KINDS:
            deck.to(name)
            deck.tab.evaluate(
                "document.querySelectorAll('.fragment').forEach(one => one.classList.add('visible'))"
            )
            found = Axe().run(deck.tab, context={"exclude": HIDDEN}).response["violations"]
            told += [f"{name}, {one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
    assert not told


# What of a slide does not fit: it would have to be moved, or lies beyond its edge, or is small.
UNFIT = """([slide, smallest, sideways]) => {
    const box = slide.getBoundingClientRect(), bad = [];
    const isWide = (one) => one.scrollWidth > one.clientWidth + 1;
    const isCut = (one) => isWide(one) || (!sideways && one.scrollHeight > one.clientHeight + 1);
    const isBeyond = (at) => at.right > box.right + 1 || at.left < box.left - 1
        || (!sideways && (at.bottom > box.bottom + 1 || at.top < box.top - 1));
    if (isCut(slide)) bad.push(`is longer than its slide: ${slide.scrollWidth} × ${slide.scrollHeight}`);
    for (const one of slide.querySelectorAll("*")) {
        if (one.matches("iframe, math *") || one.closest("aside, .figure h2")) continue;
        const at = one.getBoundingClientRect(), name = `${one.tagName}.${one.className}`;
        if (!at.width && !at.height) continue;
        if (isBeyond(at) && !(sideways && one.closest("pre, .gd-formula")))
            bad.push(`${name} lies beyond the edge`);
        if (!sideways && (one.matches(".body, pre") ? isCut(one) : one.matches(".gd-formula") && isWide(one)))
            bad.push(`${name} is cut`);
        const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const px = parseFloat(getComputedStyle(one).fontSize);
        if (words && !one.closest("math") && px < smallest) bad.push(`${name} is small: ${px}`);
    }
    const shown = slide.cloneNode(true);
    shown.querySelectorAll("aside, code, pre, math").forEach((one) => one.remove());
    const raw = shown.textContent.match(/\\\\[a-z(\\[]|\\$|\\{[a-z:]+\\}|&[a-z]+;|<[a-z]/);
    if (raw) bad.push(`holds markup: ${raw[0]}`);
    return [...new Set(bad)];
}"""
WALK = """async ([unfit, chapters, smallest, sideways]) => {
    const check = eval(unfit), found = {};
    for (const slide of Reveal.getSlides()) {
        if (chapters.length && !chapters.includes(slide.id.split("-")[0])) continue;
        const { h, v } = Reveal.getIndices(slide);
        Reveal.slide(h, v);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        const bad = check([slide, smallest, sideways]);
        if (bad.length) found[slide.id] = bad.slice(0, 4);
    }
    return found;
}"""
SIZES = pytest.mark.parametrize(
    ("size", "smallest", "sideways"), [((1280, 720), 20, False), ((390, 844), 13, True)]
)


def unfit(browser, address, chapters, size, smallest, sideways) -> dict[str, list[str]]:
    """What does not fit its slide in some chapters, or in all where none is named."""
    with Deck(browser, address, size=size) as deck:
        deck.tab.route("**/figure-*.html", lambda route: route.fulfill(body="<p>", content_type="text/html"))
        return deck.tab.evaluate(WALK, [UNFIT, chapters, smallest, sideways])


@SIZES
def test_a_chapter_fits_its_slides(browser, address, size, smallest, sideways):
    """On a phone a slide may be longer than the screen, and only code and formulas wider than it."""
    assert unfit(browser, address, ["cover", "contents", "adam"], size, smallest, sideways) == {}


@pytest.mark.slow
@SIZES
def test_everything_fits_its_slide(browser, address, size, smallest, sideways):
    assert unfit(browser, address, [], size, smallest, sideways) == {}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_every_figure_has_room_on_its_slide(browser, address, text, size):
    cut = {}
    with Deck(browser, address, size=size) as deck:
        for name in re.findall(r'<section id="([\w-]+)" class="figure"', text):
            deck.to(name)
            deck.figure()
            held = deck.tab.locator(f":is({SHOWN}) iframe").element_handle().content_frame()
            over = held.evaluate(
                """[document.querySelector("main").scrollHeight - innerHeight,
                    document.documentElement.scrollWidth - innerWidth]"""
            )
            if max(over) > 1:
                cut[name] = over
        assert deck.errors == []
    assert not cut


@pytest.mark.slow
def test_on_paper_each_slide_is_a_sheet_and_none_is_blank(browser, address, text):
    with Deck(browser, address, scheme="dark", query="?print-pdf") as deck:
        printed = deck.tab.pdf(prefer_css_page_size=True, print_background=True)
    sheets = PdfReader(io.BytesIO(printed)).pages
    names = re.findall(r'<section id="([\w-]+)" class=', text)
    assert len(sheets) == len(names)
    blank = []
    for name, sheet in zip(names, sheets, strict=True):
        assert (round(float(sheet.mediabox.width)), round(float(sheet.mediabox.height))) == (960, 540)
        words = sheet.extract_text()
        if len(words) < 40:
            blank.append((name, words))
    assert not blank
