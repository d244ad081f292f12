"""The talk, made again from the chapters: one deck of slides, `slides/index.html` of the built site.

Each chapter is a stack: its title, its question, its figure to play with, the equation and the code, what
was measured, the verdicts, and what to keep. Nothing is written for the deck: every piece is taken from the
page as it was built, and so is what a speaker may say. A piece that a page lacks has no slide.

What shows the slides is reveal.js (book/_reveal, as its authors publish it) with the site's own style and
script (book/_slides). A figure is a small page of its own that the deck opens when its chapter is shown.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
REVEAL = ROOT / "book" / "_reveal"
OWN = ROOT / "book" / "_slides"
LINES = 18  # of code on a slide
FIGURE = re.compile(r'<figure class="gd-figure" id="([\w-]+)".*?</figure>', re.S)
TAG = r'<(\w+)(?=[^>]*\bclass="[^"]*(?<![\w-]){name}(?![\w-]))[^>]*>'


class SlidesError(Exception):
    """A page that is not built as the deck expects it."""


@dataclass(frozen=True)
class Slide:
    """One slide.

    name : its place in the address of the deck.
    kind : what it shows, a class of its style.
    head : its heading.
    body : its HTML.
    notes : what a speaker may say, as HTML.
    """

    name: str
    kind: str
    head: str
    body: str
    notes: str = ""


@dataclass(frozen=True)
class Chapter:
    """A chapter on the slides.

    figures : the HTML of each figure that its slides open, by the figure's name.
    """

    name: str
    number: str
    title: str
    slides: list[Slide]
    figures: dict[str, str]


# ------------------------------------------------------------------------------------------- parts of a page


def end_of(text: str, start: int) -> int:
    """Where the element that begins at a place ends."""
    name = re.match(r"<(\w+)", text[start : start + 40])
    if name:
        depth = 0
        for match in re.compile(rf"<(/?){name[1]}\b[^>]*>").finditer(text, start):
            depth += -1 if match[1] else 1
            if depth == 0:
                return match.end()
    raise SlidesError(f"an element without an end: {text[start : start + 80]!r}")


def elements(text: str, opening: str) -> list[str]:
    """The outermost elements whose opening tag a pattern matches, each whole."""
    found, at, pattern = [], 0, re.compile(opening)
    while match := pattern.search(text, at):
        at = end_of(text, match.start())
        found.append(text[match.start() : at])
    return found


def of_class(text: str, name: str) -> list[str]:
    """The outermost elements that have a class."""
    return elements(text, TAG.format(name=name))


def inside(element: str) -> str:
    """What stands between an element's tags."""
    return element[element.index(">") + 1 : element.rindex("<")]


def first(found: list[str]) -> str:
    return found[0] if found else ""


def clean(piece: str, page: str) -> str:
    """A piece of a page as it stands in the deck: no ids, no links to itself, the other links turned."""

    def link(match: re.Match[str]) -> str:
        to = match[1]
        if to.startswith("#"):
            to = f"../book/{page}.html{to}"
        elif not re.match(r"\w+:|\.\./", to):
            to = f"../book/{to}"
        return f'href="{to}"'

    piece = re.sub(r'<a class="headerlink".*?</a>', "", piece, flags=re.S)
    return re.sub(r'href="([^"]+)"', link, re.sub(r' id="[^"]*"', "", piece)).strip()


def sections(article: str) -> list[str]:
    """The sections of a page, whole."""
    return elements(inside(first(elements(article, "<section "))), "<section ")


# -------------------------------------------------------------------------------------------- the slides


def title_slide(page: str, article: str, title: str, talk: str) -> Slide:
    """The chapter's title, its first paragraph and its question. A speaker is told what those who listen will
    be able to do, and what stood on the talk's slide."""
    head = article[: article.index('<div class="cell')]
    paragraphs = [clean(one, page) for one in elements(head, r"<p>")]
    frame = clean(inside(first(of_class(article, "gd-frame"))), page)
    more = f'<p class="more"><a href="../book/{page}.html">The chapter</a></p>'
    notes = frame + (f"<p><strong>In the talk</strong></p>{clean(talk, page)}" if talk else "")
    return Slide(page, "title", title, "\n".join([*paragraphs, more]), notes)


@dataclass(frozen=True)
class Question:
    """A question of a page: its words, its answers with what there is to say to each, and the right one."""

    words: str
    answers: list[tuple[str, str]]
    right: int


def question_of(box: str, page: str) -> Question:
    inner = inside(box)
    answers, right = [], 0
    for i, answer in enumerate(elements(inner, "<details ")):
        summary = first(elements(answer, "<summary>"))
        said = inside(answer)[inside(answer).index(summary) + len(summary) :]
        said = re.sub(r'<p class="gd-mark">.*?</p>', "", said)
        words = re.sub(r'<span class="gd-letter">.*?</span>', "", inside(summary))
        answers.append((clean(words, page), clean(said, page)))
        right = i if 'class="gd-answer right"' in answer else right
    return Question(clean(inner[: inner.index("<details ")], page), answers, right)


def asked(question: Question) -> str:
    """A question and its answers, none of them marked."""
    listed = "".join(f"<li>{words}</li>" for words, _ in question.answers)
    return f'<div class="question">{question.words}</div>\n<ol class="answers">{listed}</ol>'


def answered(question: Question) -> str:
    """The right answer, and what there is to say to it, which come with a press of a key."""
    words, said = question.answers[question.right]
    letter = "abcde"[question.right]
    return (
        f'<div class="right fragment"><p><strong>✓ ({letter})</strong> {words}</p>\n'
        f'<div class="said">{said}</div></div>'
    )


def to_each(question: Question) -> str:
    """What a speaker may say to each answer."""
    return "".join(
        f"<p>({letter}) {'✓' if i == question.right else '✗'} {words}</p>{said}"
        for i, (letter, (words, said)) in enumerate(zip("abcde", question.answers, strict=False))
    )


def figure_slides(page: str, figures: dict[str, str]) -> Iterator[Slide]:
    """Each figure of a page, to play with."""
    for i, (name, figure) in enumerate(figures.items()):
        title = inside(first(of_class(figure, "gd-title")))
        caption = first(of_class(figure, "gd-caption"))
        alt = re.search(r'data-alt="([^"]*)"', figure)
        frame = f'<iframe data-figure="{name}.html" title="{html.escape(title)}"></iframe>'
        notes = (f"<p>{inside(caption)}</p>" if caption else "") + (f"<p>{alt[1]}</p>" if alt else "")
        yield Slide(f"{page}-figure{i + 1 if i else ''}", "figure", title, frame, notes)


def picture_slide(page: str, article: str) -> Iterator[Slide]:
    """The first picture of a page without a figure."""
    for figure in elements(article, r'<figure class="align-default"'):
        picture = re.search(r"<img [^>]*>", figure)
        words = first(of_class(figure, "caption-text"))
        if picture:
            shown = re.sub(r' (?:loading|decoding)="\w+"', "", picture[0])
            caption = f"<p>{clean(inside(words), page)}</p>" if words else ""
            yield Slide(f"{page}-figure", "picture", "The picture", shown + caption)
        return


def code_of(part: str) -> str:
    return f'<div class="highlight"><pre>{part}</pre></div>'


def code_slides(page: str, parts: list[str]) -> Iterator[Slide]:
    """Code as the page shows it, a part on a slide."""
    for i, part in enumerate(parts):
        head = "In code" if len(parts) == 1 else f"In code, {i + 1} of {len(parts)}"
        yield Slide(f"{page}-code{i + 1 if i else ''}", "code", head, code_of(part))


def in_parts(block: str) -> list[str]:
    """The lines of a block of code, as many together as a slide has room for."""
    lines = re.sub(r"^<span></span>", "", inside(first(elements(block, "<pre>")))).strip("\n").split("\n")
    parts: list[list[str]] = [[]]
    for group in grouped(lines):
        if parts[-1] and len(parts[-1]) + len(group) > LINES:
            parts.append([])
        parts[-1] += group
        while len(parts[-1]) > LINES:
            parts[-1:] = [parts[-1][:LINES], parts[-1][LINES:]]
    return ["\n".join(part).strip("\n") for part in parts]


def grouped(lines: list[str]) -> list[list[str]]:
    """Lines of code in groups that belong together: a new one after each empty line."""
    groups: list[list[str]] = [[]]
    for line in lines:
        groups[-1].append(line)
        if not line.strip():
            groups.append([])
    return [group for group in groups if group]


def equation_slides(page: str, article: str) -> Iterator[Slide]:
    """The equation and the code that is the equation, of the section that first shows a rule's source; on one
    slide if both are short. What the page says of the idea is there for the speaker."""
    idea = first(sections(article))
    paragraphs = "".join(clean(one, page) for one in elements(idea[: idea.find('<div class="cell')], r"<p>"))
    for section in sections(article):
        codes = of_class(section, "highlight-python")
        if not codes:
            continue
        heading = inside(first(elements(section, "<h2>")))
        head = re.sub(r'<span class="section-number">.*?</span>', "", clean(heading, page))
        before = section[: section.index(codes[0])]
        formulas = [clean(one, page) for one in elements(before, r'<div class="gd-math"')]
        after = re.search(r"<p>.*?</p>", section[section.index(codes[0]) + len(codes[0]) :], re.S)
        told = clean(after[0], page) if after else ""
        parts = in_parts(codes[0])
        if parts[0].count("\n") + 4 * len(formulas) < LINES and len(parts) == 1:
            both = "\n".join([*formulas, code_of(parts[0])])
            yield Slide(f"{page}-equation", "equation", head, both, paragraphs + told)
            return
        if formulas:
            yield Slide(f"{page}-equation", "equation", head, "\n".join(formulas), paragraphs)
        *some, last = code_slides(page, parts)
        yield from some
        yield replace(last, notes=told)
        return


def verdict_slides(page: str, article: str) -> Iterator[Slide]:
    """Each claim of a chapter; its verdict comes with a press of a key, and what was measured is there for
    the speaker."""
    claims = re.findall(r'id="claim-([\w-]+)"', article)
    boxes = of_class(article, "gd-verdict")
    if len(claims) != len(boxes):
        raise SlidesError(f"{page}: {len(boxes)} verdicts for {len(claims)} claims")
    for claim, box in zip(claims, boxes, strict=True):
        said, true = (inside(one) for one in elements(clean(box, page), r"<p>")[:2])
        kind = re.search(r"verdict-([\w-]+)", box)
        where = f'<p class="more"><a href="../book/{page}.html#claim-{claim}">How it was measured</a></p>'
        body = (
            f'<blockquote><p>{said}</p></blockquote>\n<div class="ruling {kind[1] if kind else ""} fragment">'
            f"<p>{true}</p></div>\n{where}"
        )
        yield Slide(
            claim_place(page, claim), "verdict", "Is it true?", body, clean(first(elements(box, "<ul")), page)
        )


def claim_place(page: str, claim: str) -> str:
    """The place of a claim in the deck's address, `adam-claim-flat-minima`."""
    return f"{page}-claim-{claim.removeprefix(page.replace('_', '-')).lstrip('-')}"


def exercise_slide(page: str, article: str) -> Iterator[Slide]:
    """The first exercise; its hint is there for the speaker."""
    box = first(of_class(article, "exercise"))
    if box:
        title = re.search(r'<p class="admonition-title">.*?\((.*?)\)</p>', box, re.S)
        body = inside(first(elements(box, "<section ")))
        hints = elements(body, r'<div class="dropdown admonition')
        task = body
        for hint in hints:
            task = task.replace(hint, "")
        notes = "".join(clean(inside(hint), page) for hint in hints)
        head = f"To try: {title[1]}" if title else "To try"
        yield Slide(f"{page}-exercise", "exercise", head, clean(task, page), notes)


def slides_of(page: str, article: str, title: str, figures: dict[str, str], talk: str) -> Iterator[Slide]:
    """All slides of a chapter, in order."""
    yield title_slide(page, article, title, talk)
    boxes = of_class(article, "gd-ask")
    before = [question_of(box, page) for box in boxes if "gd-recall" not in box.partition(">")[0]]
    recall = [question_of(box, page) for box in boxes if "gd-recall" in box.partition(">")[0]]
    if before:
        yield Slide(f"{page}-question", "ask", "What do you expect?", asked(before[0]))
    yield from figure_slides(page, figures) if figures else picture_slide(page, article)
    yield from equation_slides(page, article)
    if before:
        body = asked(before[0]) + answered(before[0])
        yield Slide(f"{page}-answer", "ask", "What was measured", body, to_each(before[0]))
    yield from verdict_slides(page, article)
    for box in of_class(article, "gd-keep"):
        kept, *after = [clean(first(elements(box, "<ol")), page), *elements(box, r"<p>")[1:]]
        yield Slide(f"{page}-keep", "keep", "To keep", kept, "".join(clean(one, page) for one in after))
    if recall:
        body = asked(recall[0]) + answered(recall[0])
        yield Slide(f"{page}-recall", "ask", "Do you know?", body, to_each(recall[0]))
    yield from exercise_slide(page, article)


def chapter_of(page: str, text: str, talk: str) -> Chapter | None:
    """A built page as a chapter of the deck; None for a page that is none, without a frame."""
    article = text.partition('<article class="bd-article">')[2].partition("</article>")[0]
    figures = {match[1]: match[0] for match in FIGURE.finditer(article)}
    article = re.sub(r"<script\b.*?</script>", "", FIGURE.sub("", article), flags=re.S)
    if not of_class(article, "gd-frame"):
        return None
    heading = inside(first(elements(article, "<h1>")))
    number = re.search(r'<span class="section-number">([\d.]+?)\.? *</span>', heading)
    title = clean(re.sub(r'<span class="section-number">.*?</span>', "", heading), page)
    slides = list(slides_of(page, article, title, figures, talk))
    return Chapter(page, number[1] if number else "", title, slides, figures)


def talk_of(page: str, text: str) -> str:
    """What the page of slides says of a chapter's slides in the talk, or nothing."""
    match = re.search(rf'<section id="[^"]*">\s*<span id="talk-{page.replace("_", "-")}">', text)
    return "".join(elements(text[match.start() : end_of(text, match.start())], r"<p>")) if match else ""


# ------------------------------------------------------------------------------------------------ the deck

DECK = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Slides — {title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="description" content="The talk made again from the chapters of the book: {title}." />
    <link rel="icon" href="../_static/favicon.svg" />
    <link rel="stylesheet" href="reset.css" />
    <link rel="stylesheet" href="reveal.css" />
    <link rel="stylesheet" href="../_static/math.css" />
    <link rel="stylesheet" href="../_static/pygments.css" />
    <link rel="stylesheet" href="deck.css" />
    <script src="look.js"></script>
  </head>
  <body>
    <main>
      <noscript>
        <p>The slides need JavaScript. What is on them stands in <a href="../{first}">the book</a>.</p>
      </noscript>
      <div class="reveal">
      <div class="slides">
<section id="cover" class="cover">
<h1>{title}</h1>
<p>{author}</p>
<p class="more"><a href="../{first}">The book</a></p>
<p class="more">Right: the next chapter. Down: through this one. Space: all in turn. O: overview.
On a touch screen: swipe, or tap the arrows.</p>
<aside class="notes">
<p>Space goes through everything. Right and left go from chapter to chapter, down and up through one.
O shows all slides, F fills the screen, S opens this window.</p>
<p>In a figure, Page Down and Page Up go on and back, and Escape gives the keys back to the slides.</p>
</aside>
</section>
<section id="contents" class="contents">
<h2>Chapters</h2>
<ol>
{contents}
</ol>
</section>
{chapters}
      </div>
      </div>
    </main>
    <script src="reveal.js"></script>
    <script src="notes.js"></script>
    <script src="deck.js"></script>
  </body>
</html>
"""
FRAME = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>{title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <link rel="stylesheet" href="frame.css" />
    <script src="look.js"></script>
  </head>
  <body>
    <main>
{figure}
    </main>
    <script src="frame.js"></script>
  </body>
</html>
"""


def written(slide: Slide, chapter: Chapter) -> str:
    """A slide as a section of the deck."""
    notes = f'\n<aside class="notes">{slide.notes}</aside>' if slide.notes else ""
    above = f"{chapter.number}. {chapter.title}" if chapter.number else chapter.title
    kicker = f'<p class="chapter">{above if slide.kind != "title" else f"Chapter {chapter.number}"}</p>\n'
    return (
        f'<section id="{slide.name}" class="{slide.kind}">\n{kicker}'
        f'<h2>{slide.head}</h2>\n<div class="body">\n{slide.body}\n</div>{notes}\n</section>'
    )


def deck(chapters: list[Chapter], config: dict[str, Any], root: str) -> str:
    """The deck as one page."""
    stacks = [
        "<section>\n" + "\n".join(written(slide, chapter) for slide in chapter.slides) + "\n</section>"
        for chapter in chapters
    ]
    contents = [f'<li value="{one.number}"><a href="#{one.name}">{one.title}</a></li>' for one in chapters]
    words = {key: html.escape(config[key]) for key in ("title", "author")}
    return DECK.format(
        **words, first=f"{root}.html", contents="\n".join(contents), chapters="\n".join(stacks)
    )


def speakers_window(plugin: str) -> str:
    """What the plugin for notes writes into its window. It lies beside the deck, so that the site's policy
    knows the script in it."""
    match = re.search(r"document\.write\(`((?:[^`\\]|\\.)*)`\)", plugin, re.S)
    if not match:
        raise SlidesError("book/_reveal/notes.js opens its window in another way than it did")
    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|(.))",
        lambda m: chr(int(m[1], 16)) if m[1] else {"n": "\n", "t": "\t"}.get(m[2], m[2]),
        match[1],
    )


def check() -> None:
    """Raise where a vendored file is not the published one."""
    for line in (REVEAL / "SHA256SUMS").read_text().splitlines():
        known, name = line.split()
        if hashlib.sha256((REVEAL / name).read_bytes()).hexdigest() != known:
            raise SlidesError(f"book/_reveal/{name} is damaged: restore it from the repository")


def make(site: Path) -> None:
    """Put the deck beside the pages of a site."""
    check()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [Path(one["file"]).name for part in toc["parts"] for one in part["chapters"]]
    texts = {page: (site / "book" / f"{page}.html").read_text(encoding="utf-8") for page in pages}
    told = texts.get("slides", "")
    found = [chapter_of(page, text, talk_of(page, told)) for page, text in texts.items()]
    chapters = [chapter for chapter in found if chapter]
    to = site / "slides"
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for file in (*REVEAL.iterdir(), *OWN.iterdir()):
        if file.name != "SHA256SUMS":
            shutil.copyfile(file, to / file.name)
    for chapter in chapters:
        for name, figure in chapter.figures.items():
            title = inside(first(of_class(figure, "gd-title")))
            (to / f"{name}.html").write_text(FRAME.format(title=title, figure=figure), encoding="utf-8")
    (to / "speaker.html").write_text(
        speakers_window((REVEAL / "notes.js").read_text(encoding="utf-8")), encoding="utf-8"
    )
    (to / "index.html").write_text(deck(chapters, config, toc["root"]), encoding="utf-8")
