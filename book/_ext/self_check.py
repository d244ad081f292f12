"""Exercises that check, in the page: ``{check}`` with the chapter's exercises of `gdcourse.exercises`, and
``{progress}``, what a reader has solved.

The question, the hints and the checker are the library's; this is their form in HTML. Python (as for a
workbench) is loaded when the first answer is checked. What is solved is kept by the browser alone. Their form
in notebooks is made in scripts/plain.py.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import ClassVar

import plain  # scripts/plain.py
import workbench
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from gdcourse import exercises
from gdcourse.exercises import Choice, Exercise, Formula, MissingLine, Number, WholeRule

ASKED = re.compile(r"^[`:]{3,}\{ask\} ([\w-]+)$", re.M)


class Check(SphinxDirective):
    """``{check}``: the exercises of the chapter."""

    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        page = Path(self.env.docname).name
        words = (
            f"Answer here, and Python in this page says what your answer does. The first check loads it, "
            f"{workbench.size() / 1e6:.0f} MB. What you have solved stays in this browser: {{doc}}`progress`."
        )
        children, messages = self.state.inline_text(words, self.lineno)
        cards = "\n".join(card(one) for one in exercises.chapter(page))
        up = "../" * self.env.docname.count("/")
        opened = f'<div class="gd-checks" data-python="{up}_static/{workbench.folder_name()}/"'
        return [
            nodes.paragraph("", "", *children, *messages),
            nodes.raw("", f'{opened} data-bytes="{workbench.size()}">\n{cards}\n</div>', format="html"),
        ]


def card(one: Exercise) -> str:
    """An exercise: its question, a field for the answer, hints to unfold, and where the verdict is said."""
    key = one.name.replace(".", "-").replace("_", "-")
    hints = "\n".join(
        f"<details><summary>{head}</summary><p>{html.escape(text)}</p></details>"
        for head, text in one.numbered_hints
    )
    again = '<button type="button" data-do="again">Start again</button>' if isinstance(one, WholeRule) else ""
    title = f'{html.escape(one.heading)} <span class="gd-check-state"></span>'
    attributes = f'id="check-{key}" data-name="{one.name}" role="group" aria-labelledby="title-{key}"'
    return f"""<div class="gd-check" {attributes}>
<p class="gd-check-title" id="title-{key}">{title}</p>
<p>{html.escape(one.prompt)}</p>
{field(one, f"answer-{key}")}
<div class="gd-check-buttons"><button type="button" data-do="check">Check</button>
<button type="button" data-do="stop" hidden>Stop</button>{again}</div>
<progress hidden aria-label="Loading Python"></progress>
<div class="gd-check-says" role="status"></div>
{hints}
<noscript><p>To check an answer the page needs JavaScript. Its notebook checks without.</p></noscript>
</div>"""


def field(one: Exercise, key: str) -> str:
    """Where the answer is written or chosen."""
    if isinstance(one, Choice):
        return "\n".join(
            [
                "<fieldset><legend>One of these</legend>",
                *(option(key, letter, text) for letter, text in one.lettered.items()),
                "</fieldset>",
            ]
        )
    if isinstance(one, Number):
        return label(key, 'A number, or an expression for it, as in "1/8"') + (
            f'<input id="{key}" type="text" {workbench.PLAINLY}>'
        )
    if isinstance(one, WholeRule):
        words = "The rule, in Python. Tab indents; Escape, then Tab, leaves the editor."
        return label(key, words) + area(key, one.given, "data-code")
    if isinstance(one, MissingLine):
        before, after = one.template.split("    ____")
        words = f"The line that sets {one.target}" if one.target else "What is missing"
        return code(before) + label(key, words, "gd-check-gap") + area(key) + code(after)
    assert isinstance(one, Formula)
    return label(key, f"A formula of {', '.join(one.names)}, for {one.shows}") + area(key)


def option(key: str, letter: str, text: str) -> str:
    return (
        f'<label><input type="radio" name="{key}" value="{letter}"> <span>{html.escape(text)}</span></label>'
    )


def label(key: str, words: str, name: str = "") -> str:
    return f'<label for="{key}" class="{name}">{html.escape(words)}</label>\n'


def area(key: str, text: str = "", more: str = "") -> str:
    rows = text.count("\n") + 2
    return f'<textarea id="{key}" rows="{rows}" {workbench.PLAINLY} {more}>{html.escape(text)}</textarea>\n'


def code(lines: str) -> str:
    return f'<pre tabindex="0">{html.escape(lines.strip(chr(10)))}</pre>\n' if lines.strip() else ""


# ------------------------------------------------------------------------------------ how far a reader is


class Progress(SphinxDirective):
    """``{progress}``: the chapters with their exercises and questions, which the page fills in."""

    def run(self) -> list[nodes.Node]:
        rows = "\n".join(row(page) for page in plain.pages() if names_on(page) != ([], []))
        head = "".join(f'<th scope="col">{word}</th>' for word in ("Chapter", "Check yourself", "Questions"))
        table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
        buttons = "".join(
            f'<button type="button" data-do="{name}">{word}</button>'
            for name, word in (("export", "Save as a file"), ("import", "Load a file"), ("delete", "Delete"))
        )
        chosen = '<input type="file" accept="application/json" hidden aria-label="A saved file">'
        says = (
            '<p role="status" class="gd-progress-says"></p><noscript><p>This needs JavaScript.</p></noscript>'
        )
        inside = f'{says}<div class="gd-check-buttons">{buttons}{chosen}</div>{table}'
        return [nodes.raw("", f'<div class="gd-progress">{inside}</div>', format="html")]


def names_on(page: str) -> tuple[list[str], list[str]]:
    """The names of the exercises that check and of the questions on a page."""
    own = exercises.chapter(page) if page in exercises.CHAPTERS else ()
    return [one.name for one in own], ASKED.findall(plain.text_of(page))


def row(page: str) -> str:
    cells = "".join(f'<td data-names="{" ".join(names)}">{len(names)}</td>' for names in names_on(page))
    return (
        f'<tr><th scope="row"><a href="{page}.html">{html.escape(plain.title_of(page))}</a></th>{cells}</tr>'
    )


def only_where_needed(app, pagename, templatename, context, doctree) -> None:
    body = context.get("body", "")
    if 'class="gd-check"' in body:
        app.add_js_file("python.js", priority=400)
    if any(f'class="{name}' in body for name in ("gd-check", "gd-ask", "gd-progress")):
        app.add_js_file("self_check.js")


def setup(app):
    app.add_directive("check", Check)
    app.add_directive("progress", Progress)
    app.connect("html-page-context", only_where_needed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
