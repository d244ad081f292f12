"""Say which answer to a question the measurement bears out."""

from __future__ import annotations

import re

from gdcourse.experiments.progress import is_static


def answer(question: str, letter: str | None) -> None:
    """Print which answer to a question of the page is right, as measured by the cell that calls this.

    The page asks before the experiment; its right answer is taken from here, so it cannot differ from what
    was measured.

    Parameters
    ----------
    question : the question's name on the page.
    letter : the right answer, "a" for the first to "e" for the fifth; None where the run was too short to
        tell, or diverged, as it may with a reader's own setting.

    Raises
    ------
    ValueError : not one of these letters, or a name with anything but letters, digits and hyphens.
    AssertionError : in the book's build and its tests, no answer was found.
    """
    if letter is None:
        if is_static():
            raise AssertionError(f"nothing was found that answers {question}")
        print(f"With your setting nothing tells the answer to {question}: a run is too short, or diverges.")
        return
    if letter not in tuple("abcde"):
        raise ValueError(f"the answer to {question} must be a letter from 'a' to 'e', got {letter!r}")
    if not re.fullmatch(r"[\w-]+", question):
        raise ValueError(f"a question's name has letters, digits and hyphens only, got {question!r}")
    print(f"The answer to {question} is ({letter}).")
