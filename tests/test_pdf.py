"""The book as one PDF: its bookmarks, its links, and nothing on it that can only be pressed."""

from __future__ import annotations

import re
import shutil
import unicodedata

import pdf  # scripts/pdf.py
import pytest
import yaml
from pypdf import PdfReader

from tests.conftest import ROOT

PAGES = ["book/bibliography", "book/radam"]  # radam stands before the bibliography, and cites from it
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two(browser, site, tmp_path_factory) -> PdfReader:
    """Two pages of the site as a PDF."""
    to = tmp_path_factory.mktemp("pdf") / "two.pdf"
    told: list[str] = []
    pdf.make(browser, site, PAGES, to, told.append)
    assert len(told) == 2 and told[0].startswith("[1/2] 17. Rectified Adam: ")
    return PdfReader(to)


def starts(two: PdfReader) -> dict[str, int]:
    """The chapters' sheets by their bookmarks."""
    tops = [one for one in two.outline if not isinstance(one, list)]
    return {one.title: two.get_destination_page_number(one) for one in tops}


def words(page) -> str:
    """The text of a sheet with single spaces, and two letters where the font has one for both."""
    return unicodedata.normalize("NFKC", " ".join(page.extract_text().split()))


def sheet_of(two: PdfReader, link) -> int:
    """The sheet that a link leads to."""
    return [page.indirect_reference.idnum for page in two.pages].index(link["/Dest"][0].idnum)


def links(two: PdfReader, sheet: int) -> list[tuple[str, int | str]]:
    """The links of a sheet: where each leads, a sheet or an address."""
    found = [note.get_object() for note in two.pages[sheet].get("/Annots", [])]
    return [sheet_of(two, one) if "/Dest" in one else str(one["/A"]["/URI"]) for one in found]


def test_each_chapter_is_a_bookmark_with_its_sections_in_it(two):
    assert list(starts(two)) == ["17. Rectified Adam", "Bibliography"]
    sections = [one for one in two.outline[1] if not isinstance(one, list)]
    assert len(sections) > 5 and all(re.match(r"17\.\d+\. \w", one.title) for one in sections)
    places = [two.get_destination_page_number(one) for one in sections]
    assert places == sorted(places) and len(set(places)) > 3
    for one, sheet in zip(sections, places, strict=True):
        assert one.title.partition(" ")[0] in words(two.pages[sheet]), (
            f"{one.title} is not on sheet {sheet + 1}"
        )


def test_the_contents_give_each_chapters_sheet_and_lead_there(two):
    first, last = starts(two).values()
    text = words(two.pages[1])
    assert "Contents" in text and re.search(rf"17\. Rectified Adam\s*{first + 1}\b", text)
    assert re.search(rf"Bibliography\s*{last + 1}\b", text)
    assert links(two, 1) == [first, last]
    for sheet in (first, last, len(two.pages) - 1):
        assert str(sheet + 1) in words(two.pages[sheet]).split(), "the sheet's number is at its foot"


def test_links_stay_in_the_pdf_where_they_can(two):
    every = [to for sheet in range(len(two.pages)) for to in links(two, sheet)]
    addresses = [to for to in every if isinstance(to, str)]
    assert not [to for to in addresses if to.startswith("file:")]
    assert any(to.startswith(f"{CONFIG['html']['baseurl']}book/adam.html") for to in addresses)
    first, last = starts(two).values()
    notes = [note.get_object() for page in two.pages[first:last] for note in page.get("/Annots", [])]
    heights = {float(one["/Dest"][3]) for one in notes if "/Dest" in one and sheet_of(two, one) >= last}
    assert len(heights) == 2, "each of the two that it cites has its own place in the bibliography"


def test_nothing_to_press_is_printed(two, site):
    buttons = re.findall(r"<button[^>]*>(.*?)</button>", (site / "book/radam.html").read_text(), re.S)
    named = {re.sub(r"<[^>]+>|\s+", " ", one).strip() for one in buttons} - {""}
    named |= {"Reset", "Click to show", "Click to hide", "Skip to", "previous", "Copy"}
    text = " ".join(words(page) for page in two.pages).replace("Check yourself", "")  # a heading
    assert "Rectified" in text and [word for word in named if f" {word} " in text] == []


def test_it_has_a_title_and_its_author(two):
    assert two.metadata.title == CONFIG["title"] and two.metadata.author == CONFIG["author"]
    assert CONFIG["title"] in words(two.pages[0])


def test_the_site_offers_it_once_on_each_page(site, tmp_path):
    copy = tmp_path / "site"
    (copy / "book").mkdir(parents=True)
    shutil.copy(site / "book" / "adam.html", copy / "book" / "adam.html")
    book = tmp_path / "gdcourse.pdf"
    book.write_bytes(b"%PDF")
    for _ in range(2):
        pdf.offer(copy, book)
    text = (copy / "book" / "adam.html").read_text(encoding="utf-8")
    assert text.count('href="../gdcourse.pdf"') == 1 and (copy / "gdcourse.pdf").read_bytes() == b"%PDF"
    menu = text.partition("dropdown-download-buttons")[2].partition("</ul>")[0]
    assert "../gdcourse.pdf" in menu and "window.print()" in menu


def test_a_page_that_is_not_there_gets_a_sentence():
    with pytest.raises(SystemExit, match=r"book/adamm.*_toc\.yml"):
        pdf.chosen(pdf.listed(), ["book/adamm"])
