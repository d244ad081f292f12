"""Exercises whose answer is a number or a letter."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from gdcourse.exercises.answers import Unread, number, number_from
from gdcourse.exercises.exercise import Exercise
from gdcourse.exercises.verdict import Verdict, short

POINT = "Write a decimal number with a point, and thousands without a comma."


def with_comma(answer: Any) -> bool:
    """Whether an answer is a number with a comma in it: as text, or as the two numbers that Python reads."""
    if isinstance(answer, tuple):
        return len(answer) == 2 and all(isinstance(part, int) for part in answer)
    return isinstance(answer, str) and re.fullmatch(r"\s*-?\d+(,\d+)+\s*", answer) is not None


@dataclass(frozen=True, kw_only=True, repr=False)
class Number(Exercise):
    """A question whose answer is a number: given as one, or as a text, "2/8" or "25 %".

    Parameters
    ----------
    right : the number.
    within : how far from it an answer may lie, as a share of it. Default 0.005, half a per cent.
    """

    right: float
    within: float = 0.005

    @property
    def how_to_answer(self) -> str:
        return 'Give a number, or an expression for it as text, such as "1/8".'

    def verdict(self, answer: Any) -> Verdict:
        value = number_from(answer) if isinstance(answer, str) else number(answer)
        if value is None:
            raise Unread(
                POINT
                if with_comma(answer)
                else f"{short(answer)} is not a number: give it alone, without its unit.",
                answered=False,
            )
        if not math.isfinite(value):
            raise Unread(f"{value} is not a number to compare with.", answered=False)
        if self.close(value, self.right):
            return Verdict(True, "")
        for wrong in self.wrong:
            if self.close(value, wrong.answer):
                return Verdict(False, wrong.says)
        if value in (float(f"{self.right:.2g}"), float(f"{self.right:.1g}")):
            return Verdict(
                False, f"{value:.6g} is rounded too far to be told from a wrong one: give three digits."
            )
        if with_comma(answer):  # 1,250 may be meant as 1.25
            raise Unread(POINT, answered=False)
        return Verdict(False, f"It is not {value:.6g}.")

    def close(self, value: float, other: float) -> bool:
        """Whether an answer is meant to be this number."""
        return abs(value - other) <= self.within * abs(other) + 1e-12


@dataclass(frozen=True, kw_only=True, repr=False)
class Choice(Exercise):
    """A question with answers to choose from, by their letter.

    Parameters
    ----------
    options : the answers, the first is a.
    right : the right one's letter.
    """

    options: tuple[str, ...]
    right: str

    @property
    def how_to_answer(self) -> str:
        listed = "\n".join(f"  ({letter}) {text}" for letter, text in self.lettered.items())
        return f"Give the letter of one of these:\n{listed}"

    @property
    def lettered(self) -> dict[str, str]:
        """The options by their letters."""
        return dict(zip("abcdefgh", self.options, strict=False))

    def verdict(self, answer: Any) -> Verdict:
        text = answer.strip("'\"` \t\r\n").lower() if isinstance(answer, str) else ""
        given = re.sub(r"^\(?([a-h])[):.] ", "", text)
        by_text = {option.lower(): letter for letter, option in self.lettered.items()}
        letter = by_text.get(given, text.strip("(). "))
        if given != text and text.lstrip("(")[0] != letter:
            letter = ""  # a letter, and the words of another
        if letter not in self.lettered:
            letters = ", ".join(self.lettered)
            raise Unread(f"{short(answer)} is not one of the letters {letters}.", answered=False)
        if letter == self.right:
            return Verdict(True, "")
        return Verdict(False, next(wrong.says for wrong in self.wrong if wrong.answer == letter))
