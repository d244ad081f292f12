"""Notebooks for a class: _build/handout/student without solutions, _build/handout/instructor with everything.

    python scripts/handout.py               all chapters
    python scripts/handout.py adam radam    these two

Both are made from the texts in book/src by the reader that makes the book's own notebooks. A student's
notebook has no solution, no verdict and nothing of what there is to say to an answer. It keeps every
experiment, runs from top to bottom, and has a cell for each answer, marked as nbgrader wants them. The
teacher's copy has the outputs that the book's notebooks store. The two folders are made whole or not at all.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
import notebooks as builder
import plain
import reading
import safely

from gdcourse import exercises
from gdcourse.exercises import Choice, Exercise, WholeRule
from gdcourse.experiments.claims import ledger

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "_build" / "handout"
FOR_NBGRADER = Path(__file__).with_name("templates") / "nbgrader_config.py.txt"
VERDICTS = ("decide", "answer")
"""The calls that say what is true. Everything else of a cell is the experiment."""

ANSWERED = re.compile(r"^The answer to ([\w-]+) is \((\w)\)\.", re.M)
CHECK = re.compile(r"^(?P<exercise>[\w.]+)\.check\((?P<answer>\w+)\)\s*\Z", re.M)
Cell = nbformat.NotebookNode
Notebook = nbformat.NotebookNode


class HandoutError(Exception):
    """A chapter from which no handout can be made; the message says which and why."""


# --------------------------------------------------------------------- a chapter, cut at its gates


@dataclass(frozen=True)
class Part:
    """A cell of a chapter and what it is for.

    Attributes
    ----------
    role : "text", "exercise", "end" (of an exercise, without anything in it) or "solution".
    label : of the exercise that it belongs to, "" in running text.
    cell : in the text's MyST, without gates.
    """

    role: str
    label: str
    cell: Cell


def parts_of(page: str, full: Notebook) -> Iterator[Part]:
    """A chapter's cells, cut where an exercise or a solution begins or ends."""
    labels = {exercise.title: exercise.label for exercise in reading.exercises(plain.text_of(page))}
    reader, role, label = plain.Reader(page), "text", ""
    for cell in full.cells:
        if cell.cell_type != "markdown":
            yield Part(role, label, cell)
            continue
        for gate, text in reader.gates(cell.source):
            name, _, title = gate.partition("|")
            if name == "exercise-start":
                role, label = "exercise", labels[title.strip()]
                text = f"```{{exercise-start}} {title.strip()}\n```\n\n{text}"
            elif name == "exercise-end":
                yield Part("end", label, cell)
                role, label = "text", ""
            elif name == "solution-start":
                role, label = "solution", title.strip()
                text = f"#### Solution\n\n{text.strip()}"
            elif name == "solution-end":
                role, label = "text", ""
            if text.strip():
                yield Part(role, label, markdown(text))


def markdown(text: str, **metadata: object) -> Cell:
    return nbformat.v4.new_markdown_cell(text.strip(), metadata=metadata)


def code(text: str, **metadata: object) -> Cell:
    return nbformat.v4.new_code_cell(text.strip(), metadata=metadata)


def opened(cell: Cell) -> Cell:
    """The same cell with its code in view."""
    cell = deepcopy(cell)
    for name in ("fold", "fold-all"):
        cell.metadata.pop(name, None)
    tags = [tag for tag in cell.metadata.get("tags", []) if not tag.startswith("hide-")]
    cell.metadata["tags"] = tags
    return cell


# -------------------------------------------------------------------- an experiment, not its verdict


@dataclass(frozen=True)
class Experiment:
    """A cell's code without the calls that judge: what they measured is printed instead.

    Attributes
    ----------
    source : the code.
    claims : the names of the claims that the cell decided.
    """

    source: str
    claims: tuple[str, ...]


def experiment(source: str) -> Experiment:
    """A cell's code with its statistics printed, without bounds, verdicts and letters of right answers."""
    lines, claims = source.splitlines(), []
    for statement in reversed(ast.parse(source).body):  # from below: line numbers above stay
        here = slice(statement.lineno - 1, statement.end_lineno)
        if isinstance(statement, ast.ImportFrom):
            if not any(alias.name in VERDICTS for alias in statement.names):
                continue
            lines[here] = import_without_verdicts(statement)
        elif (call := judging(statement)) is not None:
            lines[here] = []
            if call.func.id == "decide":  # type: ignore[attr-defined]
                claims.append(ast.literal_eval(call.args[0]))
                lines[here.start : here.start] = printed(source, call).splitlines()
    return Experiment("\n".join(lines).strip(), tuple(reversed(claims)))


def judging(statement: ast.stmt) -> ast.Call | None:
    """The call of a statement that says what is true; None for any other statement."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    is_one = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in VERDICTS
    return call if is_one else None  # type: ignore[return-value]


def import_without_verdicts(statement: ast.ImportFrom) -> list[str]:
    """The lines of an import without the names of the calls that judge."""
    names = [alias.name for alias in statement.names if alias.name not in VERDICTS]
    if not names:
        return []
    return [f"from {statement.module} import (", *(f"    {name}," for name in names), ")"]


def printed(source: str, call: ast.Call) -> str:
    """Code that prints what a call of `decide` measured, counter-cases included."""
    pairs: list[tuple[str, str]] = []  # the words and the number, as code
    for one in ast.walk(call):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id.startswith("at_"):
            counters = [word.value for word in one.keywords if word.arg == "counter"]
            for words, number in [one.args[:2], *(counter.elts for counter in counters)]:  # type: ignore[attr-defined]
                pairs.append((segment(source, words), segment(source, number)))
    pairs = list(dict.fromkeys(pairs))
    twice = {words for words, _ in pairs if [other for other, _ in pairs].count(words) > 1}
    named = [(told_apart(words, number) if words in twice else words, number) for words, number in pairs]
    listed = [f"            ({words}, {number})," for words, number in named]
    return "\n".join([*PRINT[:4], *listed, *PRINT[4:]])


PRINT = (
    "print(",
    "    *(",
    '        f"{words}: {float(number):.3g}"',
    "        for words, number in [",  # a generator: none of the chapter's names is overwritten
    "        ]",
    "    ),",
    '    sep="\\n",',
    ")",
)


def told_apart(words: str, number: str) -> str:
    """Code for words that several numbers share: with the number's own code behind them."""
    return f"({words}) + {', ' + ' '.join(number.split())!r}"


def segment(source: str, node: ast.expr) -> str:
    """An expression as it is written."""
    return ast.get_source_segment(source, node) or ast.unparse(node)


def asked_verdict(name: str) -> str:
    """What a student is asked where the book decides."""
    claim = ledger()[name]
    question = (
        f"{claim.said}: {claim.says}\n\n"
        "Does it hold, hold under a condition, or not hold? Which of the numbers above decides, against "
        "which bound, and which case comes out the other way?\n\n"
        "My verdict:"
    )
    return plain.quoted("Your verdict", question)


# ------------------------------------------------------------------------- how questions are read


class Student(plain.Reader):
    """Reads a chapter for a student: questions come without what there is to say to their answers."""

    def ask(self, inside: str, right: str) -> str:
        return f"{self.asked(inside)}\n>\n> My answer, and why:"


@dataclass
class Instructor(plain.Reader):
    """Reads a chapter for a teacher: what there is to say to an answer stands open, and which is right."""

    measured: dict[str, str] | None = None

    def directive(self, name: str, title: str, options: dict[str, str], body: list[str]) -> str:
        if name == "ask" and "answer" not in options:
            options = options | {"answer": (self.measured or {}).get(title, "")}
        return super().directive(name, title, options, body)

    def ask(self, inside: str, right: str) -> str:
        if not right:
            raise HandoutError(
                f"no stored output of {self.page} says which answer to a question is right: run "
                f"`make notebooks CHAPTERS={self.page}`"
            )
        told = plain.quoted("What to say to each answer", f"{self.told(inside)}\n\nRight is ({right}).")
        return f"{self.asked(inside)}\n\n{told}"


# ------------------------------------------------------------------- nbgrader's cells (its schema 3)


def graded(name: str, points: int | None, *, answered: bool) -> dict[str, object]:
    """What nbgrader wants to know of a cell: `answered` by the student, or locked; with points or without."""
    known = {"grade_id": name, "solution": answered, "locked": not answered, "grade": points is not None}
    counts = {} if points is None else {"points": points}
    return {"nbgrader": {"schema_version": 3, "task": False, **known, **counts}}


def answer_cells(exercise: reading.Exercise) -> list[Cell]:
    """Where a student answers an exercise: code, and the sentence that a teacher reads."""
    sentence = "*Your answer: what you expected, what came out, and why.*"
    return [
        code("# Your code", **graded(f"{exercise.label}-code", None, answered=True)),
        markdown(sentence, **graded(exercise.label, exercise.points, answered=True)),
    ]


def name_of(cell: Cell) -> str:
    """The exercise of `gdcourse.exercises` that a code cell checks, "" for any other cell."""
    return cell.metadata.get("gdcourse", {}).get("exercise", "") if cell.cell_type == "code" else ""


def checked(cell: Cell) -> list[Cell]:
    """A cell that checks itself, and behind it a locked one whose value nbgrader takes for the points."""
    name = name_of(cell)
    if not (found := CHECK.search(cell.source)):
        raise HandoutError(f"the cell of {name} does not end with a check of its answer:\n{cell.source}")
    grade_id = f"check-{name.replace('.', '-')}"
    cell = deepcopy(cell)
    cell.metadata.update(graded(grade_id, None, answered=True))
    points = f"float({found['exercise']}.judge({found['answer']}).right)"
    return [cell, code(points, **graded(f"{grade_id}-points", 1, answered=False))]


# ------------------------------------------------------------------------ the exercises that check


def answers_to(one: Exercise) -> str:
    """The right answer to an exercise of `gdcourse.exercises`, and what its checker says to wrong ones."""
    rows = "\n".join(
        f"| {in_a_cell(shown(one, wrong.answer))} | {in_a_cell(wrong.says)} |" for wrong in one.wrong
    )
    right = f"**Right**: {right_answer(one)}" + (f"\n\n{one.why}" if one.why else "")
    return f"{right}\n\n| A wrong answer | What the checker says |\n|---|---|\n{rows}"


def right_answer(one: Exercise) -> str:
    """The right answer as Markdown; of a rule the lines of its step."""
    right = one.right  # type: ignore[attr-defined]
    if not isinstance(one, WholeRule):
        return shown(one, right)
    lines = [*one.begin.splitlines(), "# each step:", *right.splitlines()]
    return "\n\n```python\n" + "\n".join(lines) + "\n```"


def shown(one: Exercise, answer: object) -> str:
    """An answer as Markdown in one line."""
    if isinstance(one, Choice):
        return f"({answer}) {one.lettered[str(answer)]}"
    lines = answer.splitlines() if isinstance(answer, str) else [f"{answer:.6g}"]
    return "<br>".join(f"`{line}`" for line in lines)


def in_a_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def of_chapter(page: str) -> tuple[Exercise, ...]:
    return exercises.chapter(page).exercises if page in exercises.CHAPTERS else ()


# ---------------------------------------------------------------------------------- the notebooks


def student(page: str, full: Notebook) -> Notebook:
    """A chapter for a student, not run."""
    known = {exercise.label: exercise for exercise in reading.exercises(plain.text_of(page))}
    cells: list[Cell] = []
    for part in parts_of(page, full):
        if part.role == "end":
            cells += answer_cells(known[part.label])
        elif part.role != "solution":
            cells += without_verdicts(part.cell)
    made = plain.plain_notebook(page, with_cells(full, cells), Student(page))
    *inside, _ = made.cells  # the last cell leads to the site, where the solutions are
    inside = [one for cell in inside for one in (checked(cell) if name_of(cell) else [cell])]
    return finished(page, made, [markdown(for_the_student(page)), *inside])


def without_verdicts(cell: Cell) -> list[Cell]:
    """A cell without what judges; after it, what a student is asked instead."""
    if cell.cell_type != "code" or not any(f"{name}(" in cell.source for name in VERDICTS):
        if cell.cell_type == "code" and re.search(r"^from gdcourse\.experiments import", cell.source, re.M):
            cell = deepcopy(cell)
            cell.source = experiment(cell.source).source
        return [cell]
    found = experiment(cell.source)
    kept = opened(cell)
    kept.source = found.source
    asked = [markdown(asked_verdict(name)) for name in found.claims]
    return [kept, *asked] if found.source else asked


def instructor(page: str, full: Notebook, stored: Notebook) -> Notebook:
    """A chapter for a teacher, with the outputs that the book's own notebook stores."""
    cells = [
        opened(part.cell) if part.role == "solution" and part.cell.cell_type == "code" else part.cell
        for part in parts_of(page, full)
        if part.role != "end"
    ]
    measured = dict(ANSWERED.findall(printed_in(stored)))
    made = plain.plain_notebook(page, with_cells(full, cells), Instructor(page, measured=measured))
    with_outputs(page, made, stored)
    beside = {name_of(cell) for cell in made.cells}
    inside = [one for cell in made.cells for one in [cell, *told_beside(page, cell)]]
    rest = [
        f"**{one.title}** (`{one.name}`). {one.prompt}\n\n{answers_to(one)}"
        for one in of_chapter(page)
        if one.name not in beside
    ]
    head = "## The short questions that check themselves"
    last = [markdown(head + "\n\n" + "\n\n".join(rest))] if rest else []
    return finished(page, made, [markdown(for_the_teacher(page)), *inside, *last])


def told_beside(page: str, cell: Cell) -> list[Cell]:
    """What stands beside a cell that checks itself in the teacher's copy."""
    return [markdown(answers_to(one)) for one in of_chapter(page) if one.name == name_of(cell)]


def printed_in(notebook: Notebook) -> str:
    """All that a notebook's cells printed."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return "\n".join(output.text for output in outputs if output.output_type == "stream")


def with_cells(full: Notebook, cells: Iterable[Cell]) -> Notebook:
    made = deepcopy(full)
    made.cells = [deepcopy(cell) for cell in cells]
    return made


def with_outputs(page: str, made: Notebook, stored: Notebook) -> None:
    """Give each code cell the output that is stored for it.

    Raises
    ------
    HandoutError : what is stored was made from another text.
    """
    new, old = ([cell for cell in one.cells if cell.cell_type == "code"] for one in (made, stored))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise HandoutError(
            f"book/{page}.ipynb was made from another text: run `make notebooks CHAPTERS={page}`"
        )
    for cell, known in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = deepcopy(known.outputs), known.execution_count


def finished(page: str, made: Notebook, cells: list[Cell]) -> Notebook:
    made.cells = cells
    for i, cell in enumerate(made.cells):
        cell["id"] = f"{page}-{i:03d}".replace("_", "-")[-64:]
    nbformat.validate(made)
    return made


# ------------------------------------------------------------------------------ what a set says of itself


@dataclass(frozen=True)
class Times:
    """What a chapter takes: minutes of reading, its exercises, how many short questions, and all points."""

    reading: int
    exercises: tuple[reading.Exercise, ...]
    questions: int

    @property
    def minutes(self) -> int:
        return sum(exercise.minutes for exercise in self.exercises)

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def in_words(self) -> str:
        parts = [
            f"about {self.reading} minutes to read",
            f"{self.minutes} for {len(self.exercises)} exercises",
        ]
        if self.questions:
            parts.append(f"{self.questions} short questions that check themselves")
        return ", ".join(parts)


def times_of(page: str) -> Times:
    text = plain.text_of(page)
    return Times(reading.minutes(text), tuple(reading.exercises(text)), len(of_chapter(page)))


def for_the_student(page: str) -> str:
    words = (
        f"This takes {times_of(page).in_words}.\n\n"
        "Run the cells from top to bottom; the first finds the library. Write down what you expect before a "
        "cell measures. Below each exercise are two cells for your answer, one for code and one for words. A "
        "verdict is yours to give: say which number decides, and against which bound."
    )
    return plain.quoted("A notebook to work in", words)


def for_the_teacher(page: str) -> str:
    times = times_of(page)
    rows = "\n".join(
        f"| {plain.inline(page, one.title)} | {one.level} | {one.minutes} | {one.points} |"
        for one in times.exercises
    )
    table = f"\n\n| Exercise | Level | Minutes | Points |\n|---|---|---|---|\n{rows}" if rows else ""
    words = (
        f"This takes {times.in_words}. Solutions stand open below their exercises, with the outputs to "
        "expect; so does what there is to say to each answer of a question, and to the wrong answers that "
        "the short questions know."
    )
    return plain.quoted("The teacher's copy: not to be handed out", words) + table


def index(title: str, words: str, pages: Iterable[str]) -> str:
    """The list of a set's notebooks, with what each takes."""
    all_times = {page: times_of(page) for page in pages}
    rows = [
        f"| [{plain.title_of(page)}]({page}.ipynb) | {one.reading} | {len(one.exercises)} | {one.minutes} "
        f"| {one.questions} | {one.points} |"
        for page, one in all_times.items()
    ]
    sums = [
        sum(column)
        for column in zip(
            *((t.reading, len(t.exercises), t.minutes, t.questions, t.points) for t in all_times.values()),
            strict=True,
        )
    ]
    head = "| Chapter | Reading, minutes | Exercises | Their minutes | Short questions | Points |"
    last = "| all | " + " | ".join(map(str, sums)) + " |"
    table = "\n".join([head, "|---|--:|--:|--:|--:|--:|", *rows, last])
    return f"# {title}\n\n{words}\n\n{table}\n"


STUDENT = (
    "Notebooks to work in. Each can be opened alone: its first cell finds the library, or fetches it. "
    "Reading times are counted from the text, those of the exercises stand in it. Points: an easy exercise "
    "1, a medium one 2, a hard one 3. The short questions check themselves; where a notebook has cells for "
    "them, each counts 1 more. The cells for answers carry nbgrader's marks."
)
INSTRUCTOR = (
    "The same chapters with everything: solutions, the outputs to expect, what to say to each answer, and "
    "for every short question the right answer and the wrong ones that its checker knows. Not to be handed "
    "out."
)


# ------------------------------------------------------------------------------------- the command


def chapters() -> list[str]:
    """The pages that a class works through: those that say what a reader will be able to do. The others list,
    sum up or judge what these found."""
    return [page for page in plain.chapters() if "{frame}" in plain.text_of(page)]


def both(page: str) -> tuple[Notebook, Notebook]:
    """A chapter for students and for teachers."""
    full = builder.read_source(builder.SOURCES / f"{page}.md")
    stored = nbformat.read(builder.NOTEBOOKS / f"{page}.ipynb", as_version=4)
    return student(page, full), instructor(page, full, stored)


def write(folder: Path, pages: list[str]) -> None:
    """Write both sets into an empty folder, and say how far it is."""
    for name in ("student", "instructor"):
        (folder / name).mkdir()
    shutil.copy(FOR_NBGRADER, folder / "nbgrader_config.py")
    for i, page in enumerate(pages, 1):
        for name, notebook in zip(("student", "instructor"), both(page), strict=True):
            nbformat.write(notebook, folder / name / f"{page}.ipynb")
        print(f"  {i:2d} of {len(pages)}  {page:18s} {times_of(page).in_words}", flush=True)
    for name, title, words in (
        ("student", "For students", STUDENT),
        ("instructor", "For teachers", INSTRUCTOR),
    ):
        (folder / name / "README.md").write_text(index(title, words, pages), encoding="utf-8")


def put(new: Path, place: Path) -> None:
    """Put a finished folder where an older one may be. Until it is there, the older one stays."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def main(names: list[str]) -> int:
    known = chapters()
    names = [Path(name).stem for name in names]
    if unknown := [name for name in names if name not in known]:
        print(f"No handout of {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 1
    PLACE.parent.mkdir(exist_ok=True)
    with (
        safely.alone(__file__, "making handouts"),
        tempfile.TemporaryDirectory(dir=PLACE.parent) as unfinished,
    ):
        new = Path(unfinished) / PLACE.name
        new.mkdir()
        try:
            write(new, [page for page in known if page in names or not names])
        except (HandoutError, plain.PlainError) as error:
            print(f"\n{error}\nNothing was changed in {PLACE.relative_to(ROOT)}.", file=sys.stderr)
            return 1
        put(new, PLACE)
    print(f"Two sets are in {PLACE.relative_to(ROOT)}: student and instructor, each with a README.")
    return 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
