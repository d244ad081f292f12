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
