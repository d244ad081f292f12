"""The teacher's page: every number on it is counted, every chapter, exercise and question on it exists, and
the workflow that it offers to a fork works in one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import handout  # scripts/handout.py
import nbformat
import plain  # scripts/plain.py
import pytest
import reading  # scripts/reading.py
import yaml

from gdcourse import exercises

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
import syllabi  # noqa: E402  book/_ext/syllabi.py

PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
WORKFLOW = ROOT / "docs" / "nbval-fork.yml"
NAMES = ("lecture", "week", "term")
CHAPTER = "verdicts"  # prints numbers, and takes two seconds
over_syllabi = pytest.mark.parametrize("name", NAMES)


def words_left(pages):
    """The sum of minutes in a table's last row, by what they are for."""
    return {kind: int(number) for number, kind in re.findall(r"(\d+) (in class|to read|for)", pages)}


# ------------------------------------------------------------------------------------ the syllabi


def test_the_page_shows_all_of_them():
    assert re.findall(r"^```\{syllabus\} (\w+)$", PAGE, re.M) == list(NAMES)
    assert "```{chapter-times}" in PAGE


@over_syllabi
def test_what_a_session_names_is_there(name):
    for session in syllabi.sessions(name):
        assert session.chapters and set(session.chapters) <= set(handout.chapters()), session.name
        assert [task.label for task in session.tasks] == list(session.exercises)
        for question in re.findall(r"\{ask\}`[^`<]+<([\w-]+)>`", session.project):
            assert syllabi.page_of(question) in session.chapters, f"{session.name}: {question}"


@over_syllabi
def test_its_minutes_are_those_of_the_chapters(name):
    plan = syllabi.sessions(name)
    *rows, last = syllabi.rows(plan)
    read = practised = 0
    for session, row in zip(plan, rows, strict=True):
        texts = [plain.text_of(page) for page in session.chapters]
        minutes = words_left(row[3])
        assert minutes["to read"] == sum(map(reading.minutes, texts))
        told = dict(re.findall(r":label: ([\w-]+)\n```\n\n\*\w+, (\d+) minutes", "\n".join(texts)))
        assert minutes.get("for", 0) == sum(int(told[label]) for label in session.exercises)
        read += minutes["to read"]
        practised += minutes.get("for", 0)
    assert words_left(last[3]) | {"in class": 0} == {"to read": read, "for": practised, "in class": 0}


def test_the_lecture_fits_into_its_90_minutes_and_the_prose_counts_right():
    planned = [session.minutes for session in syllabi.sessions("lecture")]
    assert "One lecture of 90 minutes" in PAGE and 80 <= sum(planned) < 90
    assert f"{sum(planned)} in class" in syllabi.rows(syllabi.sessions("lecture"))[-1][3]
    assert "One week of five sessions" in PAGE and len(syllabi.sessions("week")) == 5
    assert "Fourteen weeks, each chapter after" in PAGE and len(syllabi.sessions("term")) == 14


def test_the_term_has_each_chapter_once_after_those_that_it_rests_on():
    order = [session.chapters for session in syllabi.sessions("term")]
    pages = [page for chapters in order for page in chapters]
    assert len(set(pages)) == len(pages)
    assert {*exercises.CHAPTERS, "introduction", "race"} <= set(
        pages
    )  # one that `make new` began need not be
    assert syllabi.left_out(syllabi.sessions("term")) == []
    for page in pages:
        for needed in syllabi.rests_on(page):
            assert pages.index(needed) < pages.index(page), f"{page} comes before {needed}"


def test_without_the_two_weeks_that_may_be_left_out_nothing_is_missing():
    weeks = re.search(r"leave out weeks (\d+) and (\d+)", PAGE)
    gone = {f"Week {number}" for number in weeks.groups()}
    left = [session for session in syllabi.sessions("term") if session.name not in gone]
    assert len(left) == 12 and syllabi.left_out(left) == []


def test_what_a_plan_leaves_out_is_told():
    assert syllabi.left_out(syllabi.sessions("week")) == ["backpropagation", "batch", "adagrad", "lookahead"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: syllabi.sessions("year"), "no syllabus 'year'; there are lecture, week, term"),
        (lambda: syllabi.page_of("momentum-speed"), "no chapter asks 'momentum-speed'"),
        (
            lambda: syllabi.Session("Day 9", ("adam",), "", ("adam-sign", "momentum-x")).tasks,
            "Day 9: none of",
        ),
    ],
)
def test_what_there_is_not_gets_a_sentence(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_the_times_of_the_chapters_add_up():
    *rows, last = syllabi.times()
    assert [row[0] for row in rows] == [f"{{doc}}`{page}`" for page in handout.chapters()]
    assert last[1:] == [str(sum(int(row[i]) for row in rows)) for i in range(1, 5)]
    momentum = rows[handout.chapters().index("momentum")]
    assert int(momentum[2]) == plain.text_of("momentum").count("{exercise-start}")


# --------------------------------------------------------------------------------------- the prose


def test_the_page_stands_in_the_reference_and_the_files_that_it_offers_exist():
    order = plain.pages()
    assert order.index("teaching") == order.index("progress") + 1
    offered = re.findall(r"\{download\}`[^`<]+<([^>]+)>`", PAGE)
    assert "../docs/nbval-fork.yml" in offered
    for file in offered:
        assert (ROOT / "book" / file).resolve().is_file(), file


def test_the_numbers_in_the_prose_are_those_of_the_code():
    assert "1, 2 or 3 points for easy, medium and hard" in PAGE
    assert reading.POINTS == {"Easy": 1, "Medium": 2, "Hard": 3}
    from notebooks import NOTEBOOK_LIMIT_S

    assert "half a minute on two cores" in PAGE and NOTEBOOK_LIMIT_S == 30


# --------------------------------------------------------------------------- the workflow for a fork


def steps():
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["notebooks"]["steps"]


def test_the_workflow_runs_at_every_push_with_no_rights_and_names_no_host():
    text = WORKFLOW.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert "push" in workflow[True]  # YAML reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    assert not re.search(r"https?://|[\w-]+\.(org|com|io)\b", text)
    for step in steps():
        assert ("uses" in step) != ("run" in step)


def test_what_it_installs_from_is_there_and_has_what_it_calls():
    install, run = (step["run"].split() for step in steps() if "run" in step)
    requirements = (ROOT / install[install.index("-r") + 1]).read_text(encoding="utf-8")
    for needed in ("torch", "nbval", "pytest", "pytest-xdist", "matplotlib", "ipywidgets"):
        assert re.search(rf"^{needed}\b", requirements, re.M), needed
    assert run[0] == "pytest" and run[-1] == "book"


@pytest.fixture
def fork(tmp_path):
    """A clone of the repository, with what is changed here."""
    place = tmp_path / "fork"
    done = subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    return place


def run_there(place):
    """The workflow's last step in a clone, on one notebook, which one process runs."""
    program, *arguments, folder = steps()[-1]["run"].split()
    assert (program, folder) == ("pytest", "book")
    ours = ("GDCOURSE_STATIC", "PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    arguments[arguments.index("-n") + 1] = "0"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        [*command, f"{folder}/{CHAPTER}.ipynb"], cwd=place, env=environment, capture_output=True, text=True
    )


def test_it_passes_in_a_fork(fork):
    done = run_there(fork)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.slow
def test_it_fails_in_a_fork_whose_stored_number_is_another(fork):
    path = fork / "book" / f"{CHAPTER}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    output = next(one for one in outputs if one.output_type == "stream" and re.search(r"\d", one.text))
    output.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)
    nbformat.write(notebook, path)
    done = run_there(fork)
    assert done.returncode == 1, done.stdout[-3000:]
    assert f"{CHAPTER}.ipynb" in done.stdout
