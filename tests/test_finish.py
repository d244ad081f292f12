"""The finished site: little to load, and pages that are found and shared well."""

from __future__ import annotations

import functools
import gzip
import re
from pathlib import Path
from urllib.parse import urlsplit

import finish  # scripts/finish.py
import pytest
import yaml
from fontTools.ttLib import TTFont

from tests.browsing import a_few_of
from tests.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
FIRST_KB, NEXT_KB = 450, 150  # gzipped: a first chapter with its figure, and the next one


def test_icons_that_nobody_uses_go_and_the_others_keep_their_letters():
    css = '.fa-rows:before,.fa-list:before{content:"\\f03a"}'
    css += '.fa-bug:before,.fa-b:before{content:"\uf188"}:root{--tip:"\uf0eb"}'
    kept, letters = finish.without_icons(css, finish.icons_used(['<i class="fa-solid fa-list">']))
    assert kept.startswith(".fa-rows:before,.fa-list:before{") and kept.count("fa-") == 2
    assert letters == {0xF03A, 0xF0EB}


def test_a_description_is_the_first_sentences_without_formulas():
    first = "Short."
    long = "A first sentence that is long enough to be taken as it stands here. " + "And more of it. " * 10
    formula = "With <math><mi>x</mi></math> in it, which nobody can read in a list."
    article = f"<p>{first}</p><p>{formula}</p><p>{long}</p>"
    told = finish.description(article)
    assert told.startswith("A first sentence") and told.endswith(".") and len(told) <= 160
    assert finish.description("<p>no</p>") == ""


def test_only_the_first_picture_is_loaded_at_once():
    text = '<img src="a"> <img src="b"> <img loading="eager" src="c">'
    lazy = finish.lazy_pictures(text)
    assert lazy == '<img src="a"> <img loading="lazy" decoding="async" src="b"> <img loading="eager" src="c">'


def test_the_style_sheets_of_a_page_are_one_with_what_they_import_and_ask_for(tmp_path):
    (tmp_path / "_static" / "styles").mkdir(parents=True)
    (tmp_path / "_static" / "basic.css").write_text('p{background:url("file.png")}')
    (tmp_path / "_static" / "styles" / "a.css").write_text('@charset "UTF-8";@import "../basic.css";')
    (tmp_path / "_static" / "b.css").write_text("q{src:url(data:x);r:url(#s);t:url(../_images/u.png)}")
    page = (
        '<link href="../_static/styles/a.css?digest=1" rel="stylesheet" />\n'
        '<link rel="preload" as="script" href="../_static/c.js" />\n<i>\n'
        '<link rel="stylesheet" type="text/css" href="../_static/b.css?v=2" />\n<link rel="icon" href="d" />'
    )
    made = finish.one_sheet(page, tmp_path)
    found = re.fullmatch(
        r'<link rel="stylesheet" href="\.\./(_static/site\.\w+\.css)" />\n<i>\n<link rel="icon" href="d" />',
        made,
    )
    assert found
    whole = (tmp_path / found[1]).read_text()
    assert whole == "p{background:url(file.png)}q{src:url(data:x);r:url(#s);t:url(../_images/u.png)}"


def test_scripts_wait_but_for_the_one_that_inline_scripts_need():
    needed = '<script src="../_static/documentation_options.js"></script><script>c</script>'
    late = '<script defer src="_static/b.js"></script>'
    assert finish.with_late_scripts(needed + late) == needed + late
    own = '<script data-d="e" src="../_static/f.js"></script>'
    assert finish.with_late_scripts(own) == own.replace("<script ", "<script defer ")


def test_figures_share_a_script_of_the_old_kind():
    code = "const a = 1;\nexport const b = 2;\nexport async function f() {}\nf();\n"
    name, script = finish.shared_module(code)
    assert re.fullmatch(r"_static/figures\.\w{12}\.js", name)
    assert (
        script == '(() => {\n"use strict";\nconst a = 1;\nconst b = 2;\nasync function f() {}\nf();\n})();\n'
    )
    inline = f'<script type="module" async>{code}</script>'
    page = f"<head></head><i>{inline}</i><b>{inline}</b>"
    link, there = f'<link rel="preload" as="script" href="../{name}" />', f'<script async src="../{name}">'
    made = finish.one_module(page, "../", code)
    assert made == f"<head>{link}\n  </head><i>{there}</script></i><b>{there}</script></b>"
    assert finish.one_module("<head></head>", "../", code) == "<head></head>"


def test_our_scripts_lose_comments_and_indentation_and_nothing_else():
    code = (
        "/** What\n * it does. */\nconst a = () => {\n  // why\n  return `${b ? `, ${b} c` : ''}`; // d\n};\n"
    )
    assert finish.bare(code) == "const a = () => {\nreturn `${b ? `, ${b} c` : ''}`; // d\n};\n"
    for path in [finish.MODULE, *(ROOT / "book" / "_static").glob("*.js")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert line.count("`") % 2 == 0, f"{path.name}: a template goes over a line's end: {line}"


def test_no_page_brings_what_all_figures_share(site):
    pages = [path.read_text(encoding="utf-8") for path in site.glob("book/*.html")]
    assert sum("/figures." in page for page in pages) > 20
    assert not any('type="module"' in page for page in pages)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_title_a_description_and_a_card(site, page):
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    title = finish.html.unescape(re.search(r"<title>(.*?)</title>", html)[1])
    parts = title.split(" — ")
    assert parts[-1] == CONFIG["title"] and len(set(parts)) == len(parts)
    assert (len(parts) == 1) == (page == TOC["root"])
    assert html.count('name="viewport"') == 1
    assert len(re.search(r'<meta name="description" content="([^"]+)"', html)[1]) > 40
    for key in ("og:title", "og:description", "og:url", "og:image"):
        assert html.count(f'property="{key}"') == 1, key
    image = re.search(r'property="og:image" content="([^"]+)"', html)[1]
    assert (site / image.removeprefix(CONFIG["html"]["baseurl"])).is_file()
    assert 'name="twitter:card"' in html


def test_the_site_has_a_map_a_start_and_a_page_for_lost_addresses(site):
    told = (site / "sitemap.xml").read_text()
    assert all(f"{CONFIG['html']['baseurl']}{page}.html" in told for page in PAGES)
    assert "sitemap.xml" in (site / "robots.txt").read_text()
    start, lost = ((site / name).read_text() for name in ("index.html", "404.html"))
    assert f"<title>{CONFIG['title']}</title>" in start and f"{TOC['root']}.html" in start
    assert "Not found" in lost and f'href="/gdcourse/{TOC["root"]}.html"' in lost


def test_the_fonts_of_the_icons_hold_what_is_used_alone(site):
    fonts = list(site.rglob("webfonts/*.woff2"))
    assert fonts and sum(font.stat().st_size for font in fonts) < 10_000
    solid = next(font for font in fonts if "solid" in font.name)
    assert 0xF002 in TTFont(solid).getBestCmap()  # the magnifying glass
    assert not list(site.rglob("fontawesome.js"))


DRAWN = """async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  await document.fonts.ready;
}"""


def asked_for(browser, site, address, page) -> set[Path]:
    """The files of the site that a page asks for in a browser that has none yet."""
    tab, asked = browser.new_page(viewport={"width": 1280, "height": 900}), set()
    tab.on("request", lambda request: asked.add(request.url))
    tab.goto(f"{address}/{page}.html", wait_until="networkidle")
    tab.evaluate(DRAWN)  # a font is asked for when a page is laid out, on a busy machine after the rest
    tab.close()
    files = {site / urlsplit(url).path.lstrip("/") for url in asked if url.startswith(address)}
    return {file for file in files if file.is_file()}


@functools.cache
def weight(file: Path) -> int:
    """In bytes, gzipped where that helps."""
    body = file.read_bytes()
    return min(len(body), len(gzip.compress(body)))


CHAPTERS = [page for page in PAGES if (ROOT / "book" / "src" / f"{page.split('/')[1]}.md").exists()]
BEFORE = dict(zip(CHAPTERS[1:], CHAPTERS, strict=False))


@pytest.mark.parametrize("page", a_few_of(CHAPTERS))
def test_a_chapter_weighs_little_and_less_for_who_came_through_the_first_page(browser, site, address, page):
    files = asked_for(browser, site, address, page)
    assert sum(map(weight, files)) <= FIRST_KB * 1000
    if before := BEFORE.get(page):
        known = [asked_for(browser, site, address, one) for one in (CHAPTERS[0], before)]
        assert sum(map(weight, files.difference(*known))) <= NEXT_KB * 1000
