"""Print the built site as one PDF, _build/gdcourse.pdf, and offer it on the site.

    python scripts/pdf.py                        all pages, in the order of the contents
    python scripts/pdf.py book/adam book/radam   these alone

Chromium prints each page in the form that `book/_static/custom.css` gives to paper; pypdf joins them behind
a title and the contents. Each chapter is a bookmark with its sections in it, and a link from one page of the
site to another leads to its place in the PDF.
"""

from __future__ import annotations

import html
import io
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build_book
import safely
import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    Fit,
    NameObject,
    NullObject,
    NumberObject,
    TextStringObject,
)
from setup_env import find_chromium

ROOT = Path(__file__).resolve().parents[1]
PDF = ROOT / "_build" / "gdcourse.pdf"
COLUMN = 665  # pixels of CSS: the width of A4 between the margins of custom.css
READY = "() => [...document.querySelectorAll('figure.gd-figure')].every(one => one.dataset.ready)"
# Chromium notes the places that links of the page itself lead to, shown or not: here all that have a name.
ALL_PLACES = """() => {
    const links = document.createElement("div");
    links.hidden = true;
    for (const place of document.querySelectorAll(".bd-article [id]")) {
        const link = document.createElement("a");
        link.href = "#" + place.id;
        links.append(link);
    }
    document.querySelector(".bd-article").append(links);
    for (const picture of document.images) picture.loading = "eager";
}"""
HEADINGS = """() => [...document.querySelectorAll(".bd-article :is(h2, h3)")]
    .filter(one => one.checkVisibility()).map(one => {
        const text = one.cloneNode(true);
        text.querySelectorAll(".headerlink").forEach(link => link.remove());
        const words = text.textContent.trim().split(/\\s+/).join(" ");
        return [Number(one.tagName[1]), words, one.closest("section[id]")?.id ?? ""];
    })"""
FRONT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ size: A4; margin: 20mm 17mm 18mm; }}
body {{ font: 10.5pt/1.45 sans-serif; }}
.title {{ break-after: page; padding-top: 60mm; }}
.title h1 {{ font-size: 30pt; font-weight: 500; line-height: 1.2; }}
.title p {{ color: #555; font-size: 12pt; }}
h2 {{ font-weight: 500; }}
h3 {{ break-after: avoid; font-size: 10.5pt; margin: 0.9em 0 0.2em; }}
ol {{ list-style: none; margin: 0; padding: 0; }}
a {{ color: inherit; display: flex; gap: 0.4em; text-decoration: none; }}
a::before {{ border-bottom: 1px dotted #999; content: ""; flex: 1; order: 1; }}
a span {{ font-variant-numeric: tabular-nums; order: 2; }}
</style></head><body>
<div class="title"><h1>{title}</h1><p>{author}</p></div>
<h2>Contents</h2>
{lines}
</body></html>
"""


@dataclass(frozen=True)
class Printed:
    """A page of the site on paper.

    title : with the chapter's number, where it has one.
    pdf : its sheets.
    start : where they begin in the whole, counted from nought.
    headings : level, words and the name of the place of each heading below the title, in order.
    """

    title: str
    pdf: PdfReader
    start: int
    headings: list[tuple[int, str, str]]


Parts = list[tuple[str, list[str]]]
"""Each part of the book: its caption, and the names of its pages, `book/adam`, in order."""


def listed() -> Parts:
    """The parts of the book; the cover has one without a caption."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part["caption"], [one["file"] for one in part["chapters"]]) for part in toc["parts"]]
    return [("", [toc["root"]]), *parts]


def chosen(parts: Parts, names: Iterable[str]) -> Parts:
    """The parts with these pages alone; all of them where none is named.

    Raises
    ------
    SystemExit : a name that the contents do not have.
    """
    wanted = set(names)
    if unknown := wanted - {name for _, pages in parts for name in pages}:
        raise SystemExit(
            f"No page of the book is called {sorted(unknown)[0]}: write it as in _toc.yml, book/adam."
        )
    kept = [(caption, [one for one in pages if one in wanted]) for caption, pages in parts]
    return [(caption, pages) for caption, pages in kept if pages] if wanted else parts


def title_of(page: Path) -> str:
    """The title of a page, without the book's."""
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.S)
    return html.unescape(found[1]).partition(" — ")[0].strip() if found else page.stem


# ------------------------------------------------------------------------------------------------- printing


def sheets(tab: Page) -> PdfReader:
    """What an open page is on paper."""
    return PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True, print_background=True)))


def printed(tab: Page, page: Path, start: int) -> Printed:
    """Open a page of the site and print it, its figures drawn for the width of the paper."""
    tab.goto(page.as_uri(), wait_until="load")
    tab.evaluate(ALL_PLACES)
    tab.wait_for_function(READY)
    tab.wait_for_function("() => [...document.images].every(one => one.complete)")
    tab.add_style_tag(content=f"html {{ counter-reset: page {start}; }}")
    headings = [(level, words, place) for level, words, place in tab.evaluate(HEADINGS)]
    return Printed(title_of(page), sheets(tab), start, headings)


def front(tab: Page, site: Path, parts: Parts, starts: Mapping[str, int]) -> PdfReader:
    """The title, and the contents with the number of each page's first sheet."""
    book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    lines = []
    for caption, names in parts:
        lines += [f"<h3>{html.escape(caption)}</h3>"] if caption else []
        entries = [
            f'<li><a href="{(page := site / f"{name}.html").as_uri()}">{html.escape(title_of(page))}'
            f"<span>{starts.get(name, 0) + 1}</span></a></li>"
            for name in names
        ]
        lines.append(f"<ol>{''.join(entries)}</ol>")
    texts = {key: html.escape(book[key]) for key in ("title", "author")}
    tab.set_content(FRONT.format(**texts, lines="\n".join(lines)))
    return sheets(tab)


# -------------------------------------------------------------------------------------------------- joining


def places(one: Printed) -> dict[str, tuple[int, float, float]]:
    """Each named place of a page: its sheet in the whole, and where on it."""
    found = {}
    for name, place in one.pdf.named_destinations.items():
        sheet = one.pdf.get_destination_page_number(place)
        if sheet is not None and sheet >= 0:
            found[name.lstrip("/")] = (one.start + sheet, float(place.left or 0), float(place.top or 0))
    return found


def lead(link: DictionaryObject, target: ArrayObject | str) -> None:
    """Turn a link of a sheet: to a place of the PDF, or to an address."""
    for key in ("/A", "/Dest"):
        link.pop(NameObject(key), None)
    if isinstance(target, str):
        link[NameObject("/A")] = DictionaryObject(
            {NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject(target)}
        )
    else:
        link[NameObject("/Dest")] = target


def joined(first: PdfReader, pages: Mapping[str, Printed], site: Path, book: Mapping) -> PdfWriter:
    """The front and the pages as one PDF, with its bookmarks, and links that stay in it where they can."""
    whole = PdfWriter()
    whole.append(first, import_outline=False)
    for one in pages.values():
        whole.append(one.pdf, import_outline=False)
    whole.add_metadata({"/Title": book["title"], "/Author": book["author"]})
    whole.page_layout = "/OneColumn"
    whole.page_mode = "/UseOutlines"
    known = {name: places(one) for name, one in pages.items()}

    def goal(sheet: int, left: float, top: float) -> ArrayObject:
        at = whole.pages[sheet].indirect_reference
        return ArrayObject(
            [at, NameObject("/XYZ"), NumberObject(round(left)), NumberObject(round(top)), NullObject()]
        )

    def start_of(name: str) -> tuple[int, float, float]:
        return pages[name].start, 0, float(whole.pages[pages[name].start].mediabox.top)

    def target(address: str, own: str) -> ArrayObject | str | None:
        parts = urlsplit(address)
        if parts.scheme not in ("", "file"):
            return None
        path = Path(unquote(parts.path))
        inside = path.relative_to(site).as_posix() if parts.path and path.is_relative_to(site) else ""
        name = inside.removesuffix(".html") if parts.path else own
        if name in pages:
            return goal(*known[name].get(unquote(parts.fragment), start_of(name)))
        return book["html"]["baseurl"] + inside + (f"#{parts.fragment}" if parts.fragment else "")

    owners = [""] * len(first.pages) + [name for name, one in pages.items() for _ in one.pdf.pages]
    for sheet, own in zip(whole.pages, owners, strict=True):
        for note in sheet.get("/Annots", []):
            link = note.get_object()
            if link.get("/Subtype") != "/Link":
                continue
            if "/Dest" in link and not isinstance(link["/Dest"], ArrayObject):
                lead(link, goal(*known[own].get(str(link["/Dest"]).lstrip("/"), start_of(own))))
            elif (
                "/A" in link
                and "/URI" in link["/A"]
                and (to := target(str(link["/A"]["/URI"]), own)) is not None
            ):
                lead(link, to)

    for name, one in pages.items():
        marks = {1: whole.add_outline_item(one.title, one.start)}
        for level, words, place in one.headings:
            sheet, left, top = known[name].get(place, start_of(name))
            above = marks[max(other for other in marks if other < level)]
            marks = {other: mark for other, mark in marks.items() if other < level}
            marks[level] = whole.add_outline_item(words, sheet, above, fit=Fit.xyz(left, top))
    whole.compress_identical_objects()
    return whole


# ------------------------------------------------------------------------------------------------ the command


def make(browser: Browser, site: Path, names: Iterable[str], to: Path, tell: Callable[[str], None]) -> None:
    """Print pages of a site, all where none is named, into one PDF; tell of each when it is printed."""
    site, parts = site.resolve(), chosen(listed(), names)
    book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    context = browser.new_context(viewport={"width": COLUMN, "height": 900}, color_scheme="light")
    tab = context.new_page()
    tab.emulate_media(media="print")
    at = len(front(tab, site, parts, {}).pages)
    pages: dict[str, Printed] = {}
    wanted = [name for _, some in parts for name in some]
    for name in wanted:
        pages[name] = one = printed(tab, site / f"{name}.html", at)
        at += len(one.pdf.pages)
        tell(f"[{len(pages)}/{len(wanted)}] {one.title}: {len(one.pdf.pages)} sheets")
    first = front(tab, site, parts, {name: one.start for name, one in pages.items()})
    context.close()
    unfinished = to.with_name(f".{to.name}.unfinished")
    joined(first, pages, site, book).write(unfinished)
    unfinished.replace(to)


OFFER = """      <li><a href="{up}{name}" class="btn btn-sm dropdown-item" title="The whole book as one PDF">
<span class="btn__icon-container"><i class="fas fa-file-pdf"></i></span>
<span class="btn__text-container">whole book</span></a></li>
"""


def offered(page: str, up: str, name: str) -> str:
    """A page whose menu of downloads has the PDF of the book, once."""
    before, menu, rest = page.partition("dropdown-download-buttons")
    inside, end, after = rest.partition("</ul>")
    if not end or f"{up}{name}" in inside:
        return page
    return before + menu + inside.rstrip() + "\n" + OFFER.format(up=up, name=name) + "  " + end + after


def offer(site: Path, pdf: Path) -> None:
    """Put the PDF on the site, and a link to it into the menu of downloads of every page of the book."""
    shutil.copy(pdf, site / pdf.name)
    for page in sorted((site / "book").glob("*.html")):
        safely.write_whole(page, offered(page.read_text(encoding="utf-8"), "../", pdf.name))


def main(arguments: list[str]) -> int:
    if find_chromium() is None:
        print("There is no Chromium, which prints the pages: install it, and try again.", file=sys.stderr)
        return 1
    started = time.monotonic()
    with safely.alone(__file__, "printing the book"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        make(browser, build_book.SITE, arguments, PDF, lambda line: print(line, flush=True))
        browser.close()
        if not arguments:
            offer(build_book.SITE, PDF)
    size = PDF.stat().st_size / 1e6
    print(f"\n{PDF} is printed, {size:.1f} MB, in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
