"""What makes a page teach: its frame, its questions, and what to keep of it.

- ``{frame} page, page`` with a list: what a reader will be able to do; what it rests on; how long it takes;
  the way to the chapter's slides.
- ``{ask} name`` with a question and a definition list, an answer and what to say to it each. The cell that
  measures says which one is right (``answer("name", "b")``), so a question cannot go stale; a question
  without an experiment says it itself (``:answer: b``). Each answer unfolds without a script.
- ``{keep}`` with three sentences; the way to the next page follows.
- ``{move}``: where to run the page, in place of the live cells that only a notebook has.

They have no other form in HTML than this, and their plain form in notebooks is made in scripts/plain.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import plain  # scripts/plain.py
import reading  # scripts/reading.py
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)
MEASURED = re.compile(r"^Measured: +(.+?): (\S[^:]*?) [≤≥<>] ", re.M)
SOLUTION_TITLE = re.compile(r'(<p class="admonition-title">Solution to)<a [^>]*>(.*?)</a>')
ANSWERED = re.compile(r"^The answer to ([\w-]+) is \((\w)\)\.\n?", re.M)


class Frame(SphinxDirective):
    """``{frame} network, gradient_descent``: the pages that this one rests on; the content is a list."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        box = nodes.container(classes=["gd-frame"])
        box += nodes.paragraph("", "", nodes.strong(text="You will be able to"))
        self.state.nested_parse(self.content, self.content_offset, box)
        pages = [page.strip() for page in (self.arguments or [""])[0].split(",") if page.strip()]
        rests = f"**It rests on** {', '.join(f'{{doc}}`{page}`' for page in pages)}. " if pages else ""
        time = reading.in_words(reading.text_of(Path(self.env.docname).name))
        children, messages = self.state.inline_text(f"{rests}{time} ", self.lineno)
        box += nodes.paragraph("", "", *children, *messages, nodes.raw("", self.slides(), format="html"))
        return [box]

    def slides(self) -> str:
        """The way to the chapter in the deck, which is no page of Sphinx's (scripts/slides.py)."""
        up = "../" * self.env.docname.count("/")
        return f'<a href="{up}slides/index.html#{Path(self.env.docname).name}">Its slides</a>'


class Keep(SphinxDirective):
    """``{keep}``: three sentences to keep, as a list."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        box = nodes.container(classes=["gd-keep"])
        box += nodes.paragraph("", "", nodes.strong(text="To keep"))
        self.state.nested_parse(self.content, self.content_offset, box)
        order = plain.pages()
        after = order[order.index(Path(self.env.docname).name) + 1 :]
        if after:
            children, messages = self.state.inline_text(f"Next: {{doc}}`{after[0]}`", self.lineno)
            box += nodes.paragraph("", "", *children, *messages)
        return [box]


class Move(SphinxDirective):
    """``{move}``."""

    def run(self) -> list[nodes.Node]:
        text = plain.where_to_run(Path(self.env.docname).name)
        children, messages = self.state.inline_text(text, self.lineno)
        return [nodes.paragraph("", "", *children, *messages)]


class ask(nodes.General, nodes.Element):
    """A question: its paragraphs, then its answers."""


class ask_answer(nodes.General, nodes.Element):
    """An answer: what it says (an `ask_summary`), then what there is to say to it."""


class ask_summary(nodes.General, nodes.TextElement):
    """The words of an answer."""


class Ask(SphinxDirective):
    """``{ask} name``."""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar = {"answer": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        parsed = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        lists = [child for child in parsed.children if isinstance(child, nodes.definition_list)]
        if len(lists) != 1 or not 2 <= len(lists[0].children) <= 5:
            raise self.error(f"the question {name} needs one definition list of two to five answers")
        question = ask(
            name=name,
            right=self.options.get("answer", ""),
            recall="answer" in self.options,
            ids=[f"ask-{name}"],
        )
        question += [child for child in parsed.children if child is not lists[0]]
        for letter, item in zip("abcde", lists[0].children, strict=False):
            term = item.next_node(nodes.term)
            answer = ask_answer(name=name, letter=letter)
            answer += ask_summary("", "", *[child.deepcopy() for child in term.children])
            for definition in item.findall(nodes.definition):
                answer += [child.deepcopy() for child in definition.children]
            question += answer
        return [question]


def mark_answers(app, doctree) -> None:
    """Take from the cells which answer is right. Their line is for notebooks, and leaves the page."""
    right: dict[str, str] = {}
    for block in list(doctree.findall(nodes.literal_block)):
        if "stream" not in block["classes"] or not (found := ANSWERED.findall(block.astext())):
            continue
        right |= dict(found)
        rest = ANSWERED.sub("", block.astext()).strip("\n")
        if rest:
            block.parent.replace(block, nodes.literal_block(rest, rest, **block.attributes))
        else:
            holder = block.parent
            holder.remove(block)
            while not holder.children and holder.parent is not None:
                holder.parent.remove(holder)
                holder = holder.parent
    for question in doctree.findall(ask):
        question["right"] = question["right"] or right.pop(question["name"], "")
        letters = [answer["letter"] for answer in question.findall(ask_answer)]
        if question["right"] not in letters:
            log.warning("no cell says which answer to %r is right", question["name"], location=question)
        for answer in question.findall(ask_answer):
            answer["is_right"] = answer["letter"] == question["right"]
    for name in right:
        log.warning("%s answers %r, which nobody asked", app.env.docname, name)


def tell_in_the_fold(app, doctree) -> None:
    """Where a check is folded with its output, the line above the fold says what was measured."""
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode") != "all":
            continue
        printed = "\n".join(b.astext() for b in cell.findall(nodes.literal_block) if "stream" in b["classes"])
        if measured := MEASURED.search(re.sub(r"\n {2,}", " ", printed)):
            cell["prompt_show"] = f"{cell['prompt_show']}: {measured[1]} {measured[2]}"
            cell["prompt_hide"] = cell["prompt_show"]


def open_solutions_by_their_titles(app, pagename, templatename, context, doctree) -> None:
    """The link to the exercise in a solution's title would take the click that opens the solution."""
    if "body" in context:
        context["body"] = SOLUTION_TITLE.sub(r"\1\2", context["body"])


def visit_ask(self, node) -> None:
    kind = "gd-ask gd-recall" if node["recall"] else "gd-ask"
    self.body.append(f'<div class="{kind}" id="{node["ids"][0]}" role="group" aria-label="A question">\n')


def depart_ask(self, node) -> None:
    self.body.append("</div>\n")


def visit_ask_answer(self, node) -> None:
    self.body.append(f'<details class="gd-answer {"right" if node["is_right"] else "wrong"}">\n')


def depart_ask_answer(self, node) -> None:
    self.body.append("</details>\n")


def visit_ask_summary(self, node) -> None:
    self.body.append(f'<summary><span class="gd-letter">{node.parent["letter"]}</span> ')


def depart_ask_summary(self, node) -> None:
    word = "✓ Right." if node.parent["is_right"] else "✗ Not so."
    self.body.append(f'</summary>\n<p class="gd-mark">{word}</p>\n')


def setup(app):
    app.add_directive("frame", Frame)
    app.add_directive("keep", Keep)
    app.add_directive("move", Move)
    app.add_directive("ask", Ask)
    app.add_node(ask, html=(visit_ask, depart_ask))
    app.add_node(ask_answer, html=(visit_ask_answer, depart_ask_answer))
    app.add_node(ask_summary, html=(visit_ask_summary, depart_ask_summary))
    app.connect("doctree-read", mark_answers)
    app.connect("doctree-read", tell_in_the_fold)
    app.connect("html-page-context", open_solutions_by_their_titles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
