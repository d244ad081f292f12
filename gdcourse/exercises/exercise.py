"""What every exercise has: a prompt, hints, wrong answers that are known, and a check that never raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gdcourse.exercises.answers import DOTS, TROUBLE, Borrowed, Unread, complaint, is_open
from gdcourse.exercises.verdict import Verdict

_TRIES: dict[str, tuple[int, bool]] = {}
"""Of this session, by an exercise's name: how many wrong answers, and whether a right one came."""


@dataclass(frozen=True)
class Wrong:
    """An answer that is known to be wrong, and what there is to say to whoever gives it.

    Parameters
    ----------
    answer : a number, a letter, or lines, as a student would give them.
    says : what it does, in terms of the equation.
    """

    answer: Any
    says: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Exercise:
    """A question with a checker. `Number`, `Choice`, `MissingLine`, `WholeRule` and `Formula` are its kinds.

    Parameters
    ----------
    name : chapter and own name, "momentum.heavy_ball".
    title : what it is about, in a few words.
    prompt : the question.
    hints : from the first to the last, the less telling first.
    wrong : the answers that are known to be wrong.
    why : what is said to a right answer.
    """

    name: str
    title: str
    prompt: str
    hints: tuple[str, ...]
    wrong: tuple[Wrong, ...] = field(repr=False)
    why: str = field(default="", repr=False)

    def check(self, answer: Any = None) -> Verdict:
        """What there is to say to an answer. `progress` counts it. Nothing that the answer does raises."""
        tries, solved = _TRIES.get(self.name, (0, False))
        verdict = self.judge(answer, tries)
        if verdict.answered:
            _TRIES[self.name] = (tries + (not verdict.right), solved or verdict.right)
        return verdict

    def judge(self, answer: Any, tries: int = 0) -> Verdict:
        """The same without a memory: `tries` is how many wrong answers came before, and decides the hint."""
        try:
            if is_open(answer):
                begun = isinstance(answer, str) and "\n" in answer.strip()
                raise Unread(DOTS if begun else self.how_to_answer, answered=False)
            verdict = self.verdict(answer)
        except Unread as error:
            verdict = Verdict(False, error.says, answered=error.answered)
        except Borrowed as error:
            verdict = Verdict(
                False,
                f"{error} does the work here, and is not yours. Write the equation yourself: it is short.",
            )
        except TROUBLE as error:
            verdict = Verdict(False, complaint(error))
        if verdict.right:
            return Verdict(True, self.why)
        if not verdict.answered:
            return verdict
        return Verdict(**{**vars(verdict), "hint": self.hint(tries)})

    def hint(self, number: int | None = None) -> str:
        """The hint after so many wrong answers, counted from 0; by default after those of this session."""
        if number is None:
            number = _TRIES.get(self.name, (0, False))[0]
        return ": ".join(self.numbered_hints[min(max(number, 0), len(self.hints) - 1)])

    @property
    def heading(self) -> str:
        """The title as a line of its own begins; δ stays, since Δ is another letter."""
        first = self.title[0]
        return (first.upper() if first.isascii() else first) + self.title[1:]

    @property
    def numbered_hints(self) -> list[tuple[str, str]]:
        """Of each hint its head, "Hint 1 of 2", and what it says."""
        return [(f"Hint {i} of {len(self.hints)}", text) for i, text in enumerate(self.hints, 1)]

    @property
    def how_to_answer(self) -> str:
        """What is missing while there is no answer."""
        raise NotImplementedError

    @property
    def stub(self) -> str:
        """An answer named ``mine`` as it is given out, in lines of code, with dots for what is missing."""
        return "mine = ..."

    @property
    def cell(self) -> str:
        """The cell of a notebook in which a student answers and checks."""
        return f"{self.stub}\n\ngd.exercises.{self.name}.check(mine)"

    def verdict(self, answer: Any) -> Verdict:
        """Right or wrong, without a hint. May raise `Unread`, `Borrowed`, or what the answer raises."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.prompt}\n\n{self.how_to_answer}"


@dataclass(frozen=True, repr=False)
class Chapter:
    """The exercises of one chapter: each is an attribute, and printing it lists them.

    Parameters
    ----------
    name : the chapter's.
    exercises : in the order in which they are shown.
    """

    name: str
    exercises: tuple[Exercise, ...]

    def __getattr__(self, name: str) -> Exercise:
        for one in self.__dict__.get("exercises", ()):
            if one.name == f"{self.name}.{name}":
                return one
        names = ", ".join(self.__dir__())
        raise AttributeError(
            f"{self.__dict__.get('name', 'the chapter')} has no exercise {name}; it has {names}"
        )

    def __dir__(self) -> list[str]:
        return [one.name.split(".")[1] for one in self.__dict__.get("exercises", ())]

    def __iter__(self) -> Iterator[Exercise]:
        return iter(self.exercises)

    def __repr__(self) -> str:
        width = max(len(name) for name in dir(self))
        rows = [f"  {one.name.split('.')[1]:{width}}  {state(one):7}  {one.title}" for one in self]
        return "\n".join([f"Exercises of {self.name}, each with .check(answer) and .hint():", *rows])


def state(exercise: Exercise) -> str:
    """How far a reader is with an exercise in this session: solved, tried or open."""
    tries, solved = _TRIES.get(exercise.name, (0, False))
    return "solved" if solved else "tried" if tries else "open"


def forget() -> None:
    """Start the session's `progress` anew."""
    _TRIES.clear()
