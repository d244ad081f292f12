"""The two sets for a class: a student's without solutions and verdicts, a teacher's with all of it."""

from __future__ import annotations

import ast
import builtins
import os
import re
from functools import cache
from pathlib import Path

import handout  # scripts/handout.py
import nbformat
import notebooks as builder  # scripts/notebooks.py
import plain  # scripts/plain.py
import pytest
import reading  # scripts/reading.py
import safely  # scripts/safely.py
from nbclient import NotebookClient

from gdcourse import exercises
from gdcourse.experiments import ledger

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = handout.chapters()
SHORT = "backpropagation"
STUB = "answer = ...\ngd.exercises.momentum.steady.check(answer)"
over_chapters = pytest.mark.parametrize("page", CHAPTERS)


@cache
def both(page):
    return handout.both(page)


def student(page):
    return both(page)[0]


def instructor(page):
    return both(page)[1]


def text_of(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def graded(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


@cache
def parts(page):
    return list(handout.parts_of(page, builder.read_source(builder.SOURCES / f"{page}.md")))


def sentences(text):
    """The sentences and lines of code of a text that are long enough to be nobody else's."""
    pieces = re.split(r"(?<=[.!?:])\s|\n", text)
    return {piece.strip() for piece in pieces if len(piece.strip()) > 30}


def test_the_chapters_are_those_that_teach():
    assert len(CHAPTERS) >= 25 and not {"intro", "checks", "errata", "verdicts"} & set(CHAPTERS)
    assert set(exercises.CHAPTERS) <= set(CHAPTERS)


# --------------------------------------------------------------------------- the student's notebook


@over_chapters
def test_a_students_notebook_has_no_words_and_no_code_of_a_solution(page):
    solutions = [part.cell.source for part in parts(page) if part.role == "solution"]
    assert len(solutions) >= len(reading.exercises(plain.text_of(page)))
    elsewhere = "\n".join(part.cell.source for part in parts(page) if part.role != "solution")
    elsewhere += "\n".join(one.cell for one in handout.of_chapter(page))  # stubs are no secret
    secret = {one for text in solutions for one in sentences(text) if one not in elsewhere}
    assert len(secret) >= len(solutions)
    shown = text_of(student(page))
    assert not [one for one in secret if one in shown]
    assert "# Solution" not in shown and "<summary>Solution" not in shown and "*Solution" not in shown


@over_chapters
def test_a_students_notebook_decides_nothing_and_marks_no_answer(page):
    for source in code_of(student(page)):
        names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        names |= {
            alias.name
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom) and node.module.startswith("gdcourse")
            for alias in node.names
        }
        assert "decide" not in names, source
        assert not re.search(r"\banswer\(", source), source
    shown = text_of(student(page))
    for tells in ("What to say to each answer", "Right is (", "| Verdict |", "What is true", "The answer to"):
        assert tells not in shown
    for claim in ledger().values():
        if claim.chapter == page:
            assert claim.statement not in shown and f"**{claim.verdict}**" not in shown
    for question in re.findall(r"^:::\{ask\} [^\n]*\n(.*?)^:::$", plain.text_of(page), re.M | re.S):
        for _, said in plain.question_of(question)[1]:
            assert not [one for one in sentences(said) if one in shown and one not in without_asks(page)]


def without_asks(page):
    return re.sub(r"^:::\{ask\}.*?^:::$", "", plain.text_of(page), flags=re.M | re.S)


@over_chapters
def test_a_student_is_asked_for_each_verdict_and_sees_the_numbers(page):
    claims = [claim for claim in ledger().values() if claim.chapter == page]
    decided = re.findall(r'^decide\(\s*"([\w-]+)"', plain.text_of(page), re.M)
    assert set(decided) == {claim.id for claim in claims}
    assert text_of(student(page)).count("> My verdict:") == len(decided)
    shown = "\n".join(code_of(student(page)))
    assert shown.count("for words, number in [") == len(decided)


@over_chapters
def test_every_other_cell_of_the_chapter_is_there_in_order(page):
    """An experiment is whole: all lines of its code but those that judge."""
    kept = [part.cell.source for part in parts(page) if part.cell.cell_type == "code" and part.role == "text"]
    made = iter(
        cell.source
        for cell in student(page).cells
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata
    )
    for source in kept:
        expected = handout.experiment(source).source
        if expected:
            assert next(made).strip() in (source.strip(), expected)
    assert next(made, None) is None


@over_chapters
def test_a_students_cell_needs_nothing_that_is_gone(page):
    """Names that only a solution sets are used by no other cell."""
    known = set(dir(builtins)) | {"__file__", "get_ipython"}
    for source in code_of(student(page)):
        tree = ast.parse(source)
        sets = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        sets |= {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        sets |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        sets |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                sets |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        known |= sets
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert used <= known, f"{sorted(used - known)}:\n{source}"


@over_chapters
def test_each_exercise_has_cells_for_its_answer_as_nbgrader_wants_them(page):
    cells, known = student(page).cells, graded(student(page))
    tasks = reading.exercises(plain.text_of(page))
    for number, task in enumerate(tasks, 1):
        words, code = known[task.label], known[f"{task.label}-code"]
        at = cells.index(words)
        assert cells[at - 1] is code and f"### Exercise {number}:" in cells[at - 2].source
        assert words.cell_type == "markdown" and words.metadata.nbgrader.points == task.points > 0
        assert code.source == "# Your code"
    assert len(known) == len([cell for cell in cells if "nbgrader" in cell.metadata])
    for cell in known.values():
        holds_nbgraders_schema(cell)


def holds_nbgraders_schema(cell):
    """What nbgrader asks of a cell, by its schema 3 and its own checks."""
    told = cell.metadata.nbgrader
    needed = {"schema_version", "grade_id", "grade", "solution", "locked", "task"}
    assert needed <= set(told) <= needed | {"points"}
    assert told.schema_version == 3 and re.fullmatch(r"[\w-]+", told.grade_id)
    assert all(isinstance(told[name], bool) for name in ("grade", "solution", "locked", "task"))
    assert ("points" in told) == told.grade
    if cell.cell_type == "markdown":  # read by a teacher: answered and graded
        assert told.grade and told.solution and not told.locked
    else:  # answered, or a locked check
        assert told.grade == told.locked != told.solution


@over_chapters
def test_a_students_notebook_is_valid_has_no_outputs_and_finds_the_library(page):
    notebook = student(page)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
    assert code_of(notebook)[0] == builder.setup_source()
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert handout.times_of(page).in_words in notebook.cells[0].source
    assert notebook.cells[1].source.startswith(f"# {plain.title_of(page)}\n")
    assert "This notebook is the page" not in text_of(notebook), "the page shows the solutions"


# ------------------------------------------------------------------------ cells that check themselves


def check_cell(source=STUB, name="momentum.steady"):
    return handout.code(source, gdcourse={"exercise": name})


def test_a_cell_that_checks_itself_counts_by_a_locked_cell_behind_it(capsys):
    answer, points = handout.checked(check_cell())
    assert answer.source == STUB and answer.metadata.gdcourse.exercise == "momentum.steady"
    for cell in (answer, points):
        holds_nbgraders_schema(nbformat.from_dict(cell))
    import gdcourse as gd

    names = {"gd": gd}
    for given, counts in (("...", 0.0), ("9", 0.0), ("10", 1.0)):
        exec(answer.source.replace("...", given), names)
        assert eval(points.source, names) == counts == float(repr(counts))
    assert points.metadata.nbgrader.points == 1 and points.metadata.nbgrader.locked


def test_one_without_a_check_at_its_end_is_refused():
    with pytest.raises(handout.HandoutError, match=r"momentum\.steady does not end with a check"):
        handout.checked(check_cell("answer = 10"))


def test_they_are_found_by_their_metadata_in_both_sets():
    for_student, for_teacher = student("momentum"), instructor("momentum")
    for one in handout.of_chapter("momentum"):
        grade_id = f"check-{one.name.replace('.', '-')}"
        assert {grade_id, f"{grade_id}-points"} <= set(graded(for_student))
    assert "1/(1 − γ): keep it in mind" not in text_of(for_student)
    at = next(i for i, cell in enumerate(for_teacher.cells) if handout.name_of(cell) == "momentum.steady")
    assert for_teacher.cells[at].outputs[0].data["text/plain"].startswith("Open. Give a number")
    told = for_teacher.cells[at + 1].source
    assert "**Right**: `10`" in told and "Upside down: 1 − γ goes into the denominator." in told
    assert "`momentum.steady`" not in for_teacher.cells[-1].source  # not told twice


# -------------------------------------------------------------------------------- the teacher's copy


@over_chapters
def test_a_teachers_copy_has_every_solution_open_with_its_outputs(page):
    shown, notebook = text_of(instructor(page)), instructor(page)
    for part in parts(page):
        if part.role == "solution" and part.cell.cell_type == "code":
            (cell,) = [cell for cell in notebook.cells if cell.source == part.cell.source]
            assert "jupyter" not in cell.metadata or not cell.metadata.jupyter.get("source_hidden")
            assert cell.execution_count
    tasks = reading.exercises(plain.text_of(page))
    assert shown.count("#### Solution") == len(tasks)
    for task in tasks:
        row = f"| {plain.inline(page, task.title)} | {task.level} | {task.minutes} | {task.points} |"
        assert row in notebook.cells[0].source
    assert "<summary>Solution" not in shown


@over_chapters
def test_a_teachers_copy_says_which_answer_is_right_and_what_to_say_to_the_others(page):
    shown = text_of(instructor(page))
    questions = re.findall(r"^:::\{ask\} ([\w-]+)\n(?::answer: (\w)\n)?", plain.text_of(page), re.M)
    assert shown.count("**What to say to each answer**") == len(questions)
    printed = handout.printed_in(nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4))
    measured = dict(handout.ANSWERED.findall(printed))
    letters = [letter or measured[name] for name, letter in questions]
    assert re.findall(r"^> Right is \((\w)\)\.$", shown, re.M) == letters


@over_chapters
def test_a_teachers_copy_has_the_wrong_answers_that_the_checkers_know(page):
    shown = text_of(instructor(page))
    for one in handout.of_chapter(page):
        assert handout.answers_to(one) in shown
        for wrong in one.wrong:
            assert " ".join(wrong.says.split()).replace("|", "\\|") in shown
    assert shown.count("| A wrong answer |") == len(handout.of_chapter(page))


def test_what_it_tells_of_a_wrong_answer_is_what_the_checker_says():
    for page in exercises.CHAPTERS:
        for one in exercises.chapter(page):
            if isinstance(one, (exercises.Number, exercises.Choice, exercises.MissingLine)):
                for wrong in one.wrong:
                    assert one.judge(wrong.answer).says.startswith(wrong.says)
                assert one.judge(one.right).right


def test_outputs_of_another_text_are_refused():
    full = builder.read_source(builder.SOURCES / "batch.md")
    stored = nbformat.read(ROOT / "book" / "batch.ipynb", as_version=4)
    next(cell for cell in stored.cells if cell.cell_type == "code").source += "\n# changed"
    with pytest.raises(handout.HandoutError, match="run `make notebooks CHAPTERS=batch`"):
        handout.instructor("batch", full, stored)


# ------------------------------------------------------------------------------- experiments, rewritten

CELL = """from gdcourse.experiments import answer, at_most, decide

what, gap = "largest gap", 0.5
decide(
    "some-claim",
    at_most(what, gap, 1e-9, counter=("at half the rate", 2 * gap)),
    given=[at_most(what, gap / 5, 1e-9)],
)
answer("some-question", "b" if gap else "a")
last = gap"""


def test_an_experiment_prints_what_it_measured_and_no_bound(capsys):
    found = handout.experiment(CELL)
    assert found.claims == ("some-claim",)
    assert "1e-9" not in found.source and "answer" not in found.source
    names: dict[str, object] = {"words": "mine"}
    exec(found.source, names)
    assert capsys.readouterr().out.splitlines() == [
        "largest gap, gap: 0.5",
        "at half the rate: 1",
        "largest gap, gap / 5: 0.1",
    ]
    assert names["last"] == 0.5 and names["words"] == "mine"


def test_a_cell_that_only_answers_is_left_out():
    cell = handout.code('answer("x", "b" if 1 else "a")')
    assert handout.without_verdicts(cell) == []


# ------------------------------------------------------------------------------------- the command


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "PLACE", tmp_path / "_build" / "handout")
    monkeypatch.setattr(handout, "ROOT", tmp_path)
    return tmp_path / "_build" / "handout"


def test_the_command_writes_both_sets_and_says_how_far_it_is(place, capsys):
    assert handout.main(["momentum", "batch"]) == 0
    for name in ("student", "instructor"):
        assert {path.name for path in (place / name).iterdir()} == {
            "README.md",
            "batch.ipynb",
            "momentum.ipynb",
        }
        table = (place / name / "README.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| .*\((\w+)\.ipynb\) \| (\d+) \| (\d+) \| (\d+) \|", table, re.M)
        assert [row[0] for row in rows] == ["batch", "momentum"]  # the book's order
        assert int(rows[1][3]) == reading.minutes_of_exercises(plain.text_of("momentum"))
        total = re.search(r"^\| all \| (\d+) \| \d+ \| (\d+)", table, re.M)
        assert int(total[1]) == sum(int(row[1]) for row in rows)
    assert "1 of 2" in capsys.readouterr().out
    assert [path.name for path in place.parent.iterdir()] == ["handout"]


def test_it_is_written_whole_or_not_at_all(place, monkeypatch, capsys):
    assert handout.main(["batch"]) == 0
    before = (place / "student" / "batch.ipynb").read_bytes()
    usual = handout.both

    def fails_at_the_second(page):
        if page == "momentum":
            raise handout.HandoutError("momentum cannot be read")
        return usual(page)

    monkeypatch.setattr(handout, "both", fails_at_the_second)
    assert handout.main(["batch", "momentum"]) == 1
    told = capsys.readouterr().err
    assert "momentum cannot be read" in told and "Nothing was changed" in told

    def has_no_room(page):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(handout, "both", has_no_room)
    assert safely.run(handout.main, ["batch"]) == 1
    assert (place / "student" / "batch.ipynb").read_bytes() == before
    assert [path.name for path in place.parent.iterdir()] == ["handout"]


def test_a_chapter_that_there_is_not_gets_a_sentence(place, capsys):
    assert handout.main(["momentun"]) == 1
    assert "No handout of momentun. There are: introduction, network" in capsys.readouterr().err
    assert not place.exists()


# ------------------------------------------------------------------------------- they run, top to bottom


def run(notebook, folder):
    """Run a notebook in a folder in which nothing of the book lies."""
    assert os.environ["GDCOURSE_STATIC"] == "1"
    notebook = nbformat.from_dict(notebook)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        store_widget_state=True,
        coalesce_streams=True,
        resources=where,
    ).execute()
    return notebook


@pytest.mark.slow
def test_a_short_chapter_runs_for_students_and_then_for_teachers(tmp_path):
    """In one kernel, to be quick. The student's goes first: nothing is there but what it sets itself. The
    teacher's prints what it shows."""
    first, second = student(SHORT), instructor(SHORT)
    ran = run({**first, "cells": [*first.cells, *renamed(second.cells)]}, tmp_path)
    assert all(cell.execution_count for cell in ran.cells if cell.cell_type == "code")
    of_teacher = nbformat.from_dict({"cells": ran.cells[len(first.cells) :]})
    assert handout.printed_in(of_teacher) == handout.printed_in(second)


def renamed(cells):
    return [{**cell, "id": f"{cell.id}-t"} for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("which", (student, instructor), ids=lambda which: which.__name__)
@over_chapters
def test_every_chapter_runs(page, which, tmp_path):
    run(which(page), tmp_path)
