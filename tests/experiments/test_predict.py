"""The answer to a page's question, as a cell found it."""

import pytest

from gdcourse.experiments import answer


def test_it_names_question_and_answer(capsys):
    answer("momentum-digits", "c")
    assert capsys.readouterr().out == "The answer to momentum-digits is (c).\n"


@pytest.mark.parametrize("letter", ["f", "", "ab", 2])
def test_another_letter_is_refused(letter):
    with pytest.raises(ValueError, match="from 'a' to 'e'"):
        answer("momentum-digits", letter)


def test_a_name_that_no_page_could_hold_is_refused():
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        answer("momentum digits", "a")


def test_a_run_that_does_not_tell_gives_a_reader_no_answer(capsys, monkeypatch):
    monkeypatch.delenv("GDCOURSE_STATIC", raising=False)
    answer("momentum-digits", None)
    assert "nothing tells the answer to momentum-digits" in capsys.readouterr().out
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    with pytest.raises(AssertionError, match="momentum-digits"):
        answer("momentum-digits", None)
