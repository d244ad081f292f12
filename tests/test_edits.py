"""A reader changes a number and runs all cells: each chapter ends, or stops with one sentence."""

import subprocess
import sys

import pytest

from gdcourse.experiments import at_least, at_most, expect
from tests import reader

CHAPTERS = reader.chapters()
EVERY = [(chapter, edit) for chapter in CHAPTERS for edit in reader.edits_of(chapter)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_is_edited_in_six_ways_at_least(chapter):
    few = len(reader.code_of(chapter)) < 5  # a page of text with a cell or two
    assert len(reader.edits_of(chapter)) >= (1 if few else 6)


@pytest.mark.parametrize(("chapter", "edit"), EVERY, ids=lambda one: getattr(one, "what", one))
def test_an_edit_changes_the_chapters_code(chapter, edit):
    cells = reader.code_of(chapter)
    assert edit.apply(cells) != cells


def test_no_edit_uses_a_name_before_it_is_there(tmp_path):
    for number, (chapter, edit) in enumerate(EVERY):
        cells = "\n\n".join(edit.apply(reader.code_of(chapter)))
        (tmp_path / f"{chapter}-{number}.py").write_text(f"# {edit.what}\n{cells}\n", encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821", tmp_path]
    found = subprocess.run(ruff, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("chapter", "edit"), EVERY, ids=lambda one: getattr(one, "what", one))
def test_a_changed_chapter_runs_to_its_end_or_stops_with_a_sentence(chapter, edit):
    problem = reader.run(edit)
    assert not problem, problem


def test_what_a_chapter_relies_on_fails_the_build_and_tells_a_reader(monkeypatch, capsys):
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    expect("small is small", at_most("size", 1.0, 2.0))
    assert "small is small" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="small is small"):
        expect("small is small", at_most("size", 3.0, 2.0))
    with pytest.raises(AssertionError):
        expect("small is small", at_most("size", float("nan"), 2.0))
    with pytest.raises(AssertionError):
        expect("large is large", at_least("size", 3.0, 2.0, counter=("another", 4.0)))
    with pytest.raises(TypeError, match="at_most"):
        expect("nothing was measured")
    monkeypatch.delenv("GDCOURSE_STATIC")
    expect("small is small", at_most("size", 3.0, 2.0))
    assert "With your setting" in capsys.readouterr().out
    expect("small is small", at_most("size", float("nan"), 2.0))
    told = capsys.readouterr().out
    assert "not a number, a run diverged" in told and "nan" not in told
