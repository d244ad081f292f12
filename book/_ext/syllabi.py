"""The teacher's page: ways through the book, and what they take, counted from the chapters.

- ``{syllabus} lecture``: a table of the sessions of that name in book/syllabi.toml, and what their chapters
  rest on that is not among them.
- ``{chapter-times}``: a table of all chapters of a handout.
- ``{ask}`words <name>```: the way to a question of a chapter.

Minutes of reading are counted (scripts/reading.py), those of exercises stand in their texts; the minutes in
class are a teacher's plan and stand in the file.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole
from tables import table

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
import handout
import plain
import reading

FILE = Path(__file__).resolve().parents[1] / "syllabi.toml"


@dataclass(frozen=True)
class Session:
    """A meeting of a class.

    Attributes
    ----------
    name : "Week 1".
    chapters : what is read for it.
    project : what to project and to ask, in MyST.
    exercises : the labels of those that go with it.
    minutes : in class; None where the plan does not say it.
    """

    name: str
    chapters: tuple[str, ...]
    project: str
    exercises: tuple[str, ...]
    minutes: int | None = None

    @property
    def tasks(self) -> list[reading.Exercise]:
        """Its exercises, as the chapters have them.

        Raises
        ------
        ValueError : one that none of its chapters has.
        """
        known = {one.label: one for page in self.chapters for one in reading.exercises(plain.text_of(page))}
        if missing := [label for label in self.exercises if label not in known]:
            raise ValueError(f"{self.name}: none of {', '.join(self.chapters)} has {', '.join(missing)}")
        return [known[label] for label in self.exercises]

    @property
    def reading(self) -> int:
        """Minutes to read its chapters."""
        return sum(reading.minutes(plain.text_of(page)) for page in self.chapters)

    @property
    def practice(self) -> int:
        """Minutes for its exercises."""
        return sum(task.minutes for task in self.tasks)


def sessions(name: str) -> list[Session]:
    """The sessions of a syllabus.

    Raises
    ------
    ValueError : there is none of this name.
    """
    known = tomllib.loads(FILE.read_text(encoding="utf-8"))
    if name not in known:
        raise ValueError(f"there is no syllabus {name!r}; there are {', '.join(known)}")
    return [
        Session(
            one["name"],
            tuple(one["chapters"]),
            one["project"],
            tuple(one["exercises"]),
            one.get("minutes"),
        )
        for one in known[name]
    ]


def taken(in_class: int | None, read: int, practice: int) -> str:
    """What a session takes, in words."""
    told = [f"{in_class} in class"] if in_class is not None else []
    told += [f"{read} to read"]
    told += [f"{practice} for exercises"] if practice else []
    return ", ".join(told)


def rows(plan: list[Session]) -> list[list[str]]:
    """The rows of a syllabus, and its sum."""
    found = []
    for one in plan:
        chapters = ", ".join(f"{{doc}}`{page}`" for page in one.chapters)
        tasks = "; ".join(f"{task.title} ({task.minutes})" for task in one.tasks)
        minutes = taken(one.minutes, one.reading, one.practice)
        found.append([f"**{one.name}**: {chapters}", one.project, tasks or "none", minutes])
    planned = [one.minutes for one in plan if one.minutes is not None]
    total = taken(
        sum(planned) if planned else None,
        sum(one.reading for one in plan),
        sum(one.practice for one in plan),
    )
    return [*found, ["**All**", "", "", total]]


def rests_on(page: str) -> list[str]:
    """The chapters that a chapter says it rests on."""
    frame = re.search(r"^:::\{frame\}([^\n]*)$", plain.text_of(page), re.M)
    return [name.strip() for name in frame[1].split(",") if name.strip()] if frame else []


def left_out(plan: list[Session]) -> list[str]:
    """What the chapters of a syllabus rest on that it leaves out, in the book's order."""
    read = {page for one in plan for page in one.chapters}
    needed = {name for page in read for name in rests_on(page)} - read
    return [page for page in plain.pages() if page in needed]


class Syllabus(SphinxDirective):
    """``{syllabus} NAME``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FILE))
        try:
            plan = sessions(self.arguments[0])
            made = rows(plan)
        except ValueError as error:
            raise self.error(str(error)) from None
        head = ["Session", "Project and ask", "Exercises (minutes)", "Minutes"]
        shown: list[nodes.Node] = [table(self, head, [(row, []) for row in made], "gd-syllabus")]
        if missing := left_out(plan):
            listed = ", ".join(f"{{doc}}`{page}`" for page in missing)
            words = f"These chapters rest on some that are left out: {listed}. Say what is needed of them."
            children, messages = self.state.inline_text(words, self.lineno)
            shown.append(nodes.paragraph("", "", *children, *messages))
        return shown


class ChapterTimes(SphinxDirective):
    """``{chapter-times}``."""

    def run(self) -> list[nodes.Node]:
        head = ["Chapter", "Minutes to read", "Exercises", "Their minutes", "Short questions"]
        return [table(self, head, [(row, []) for row in times()], "gd-times")]


def times() -> list[list[str]]:
    """A row for each chapter of a handout, and their sum."""
    found, total = [], [0, 0, 0, 0]
    for page in handout.chapters():
        one = handout.times_of(page)
        numbers = [one.reading, len(one.exercises), one.minutes, one.questions]
        total = [a + b for a, b in zip(total, numbers, strict=True)]
        found.append([f"{{doc}}`{page}`", *map(str, numbers)])
    return [*found, ["**All**", *map(str, total)]]


def page_of(question: str) -> str:
    """The chapter that asks a question.

    Raises
    ------
    ValueError : no chapter does.
    """
    for page in handout.chapters():
        if re.search(rf"^:::\{{ask\}} {re.escape(question)}$", plain.text_of(page), re.M):
            return page
    raise ValueError(f"no chapter asks {question!r}")


class Question(SphinxRole):
    """``{ask}`words <name>```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        words, question = plain.TITLED.match(self.text).groups()
        try:
            address = f"{page_of(question)}.html#ask-{question}"
        except ValueError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [nodes.reference("", words, refuri=address, internal=True)], []


def setup(app):
    app.add_role("ask", Question())
    app.add_directive("syllabus", Syllabus)
    app.add_directive("chapter-times", ChapterTimes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
