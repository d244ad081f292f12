"""Every claim of the talk and of the chapters after it, recorded once, and `decide`, which holds an
experiment against it.

A verdict rests on a statistic and a bound, and on a counter-case: another method, the condition removed, a
rule broken on purpose, for which the same statistic comes out on the other side of the same bound. An
experiment that cannot come out otherwise decides nothing.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gdcourse.experiments.progress import is_static
from gdcourse.experiments.words import plain

LEDGER = Path(__file__).parent / "ledger"
VERDICTS = ("holds", "holds if", "does not hold")
KINDS = {
    "experiment": "decided by an experiment",
    "algebra": "checked by algebra",
    "definition": "a definition",
}
WIDTH = 80
ROUNDING = 1e-6
"""A bound up to this one is for rounding errors."""


@dataclass(frozen=True)
class Claim:
    """Something that the talk says, or that papers after it say. Formulas stand between dollar signs.

    Attributes
    ----------
    id : its name, unique in the book.
    chapter : the chapter in which it is decided.
    slide : the slide's number, 1 … 35; None in a chapter that goes on after the talk.
    says : the claim, in our words.
    verdict : "holds", "holds if" or "does not hold".
    statement : what is true, with the conditions under which the experiment found it.
    sources : keys of the bibliography.
    kind : "experiment"; or "algebra" or "definition" where nothing could have come out otherwise, and the
        cell only checks that we wrote it down right. Default "experiment".
    after : in a chapter after the talk, which of these it is: 1, 2, …; 0 in those of the talk. Its file says
        it once, above the claims.
    """

    id: str
    chapter: str
    says: str
    verdict: str
    statement: str
    sources: tuple[str, ...]
    kind: str = "experiment"
    slide: int | None = None
    after: int = 0

    @property
    def said(self) -> str:
        """By whom, as its line begins."""
        return "The claim" if self.after else "The talk"

    def __post_init__(self) -> None:
        for name, value, allowed in (("verdict", self.verdict, VERDICTS), ("kind", self.kind, KINDS)):
            if value not in allowed:
                raise ValueError(f"{self.id}: {name} must be one of {', '.join(allowed)}, got {value!r}")
        if (self.slide is None) == (self.after == 0):
            raise ValueError(f"{self.id}: give its slide, or above the claims after = 1, 2, …, not both")


@cache
def ledger() -> dict[str, Claim]:
    """All claims by id, in the order of the slides and then of the chapters after the talk. One file each.

    Raises
    ------
    ValueError : an id that occurs twice, a verdict or kind that is none, or neither slide nor place.
    """
    import tomllib  # slow to import, and only wanted here

    claims: list[Claim] = []
    for file in sorted(LEDGER.glob("*.toml")):
        read = tomllib.loads(file.read_text(encoding="utf-8"))
        of_all = {"chapter": file.stem, "after": read.get("after", 0)}
        for entry in read.get("claim", []):
            claims.append(Claim(**of_all, **{**entry, "sources": tuple(entry["sources"])}))
    found = {claim.id: claim for claim in sorted(claims, key=lambda claim: (claim.after, claim.slide))}
    if len(found) < len(claims):
        ids = [claim.id for claim in claims]
        raise ValueError(f"claims recorded twice: {sorted({i for i in ids if ids.count(i) > 1})}")
    return found


@dataclass(frozen=True)
class Measured:
    """A statistic, the bound that it is held against, and the same statistic in a counter-case.

    Made by `at_most` and `at_least`.
    """

    what: str
    value: float
    sign: str
    bound: float
    counter: str = ""
    counter_value: float = math.nan

    def _within(self, value: float) -> bool:
        return value <= self.bound if self.sign == "≤" else value >= self.bound

    @property
    def holds(self) -> bool:
        """Whether the statistic keeps the bound."""
        return self._within(self.value)

    @property
    def counter_differs(self) -> bool:
        """Whether the counter-case comes out on the other side of the bound."""
        return self._within(self.counter_value) != self.holds

    @property
    def question(self) -> tuple[str, str, float]:
        """What is asked, whatever the answer: two measurements with one question are of two cases."""
        return self.what, self.sign, self.bound

    def lines(self, label: str) -> list[str]:
        """What `decide` prints of it."""
        sign = self.sign if self.holds else {"≤": ">", "≥": "<"}[self.sign]
        # that a rounding error is 0 may be so on one machine alone: it is printed as a tiny one
        value = 1e-300 if self.value == 0 and 0 < self.bound <= ROUNDING else self.value
        told = f"{self.what}: {_short(value)} {sign} {_digits(self.bound)}, {_margin(value, self.bound)}"
        if math.isnan(self.value):
            told = f"{self.what}: not a number, a run diverged or ended too early"
        out = [f"{label + ':':10s}{told}"]
        if self.counter:
            out.append(f"Counter:  {self.counter}: {_short(self.counter_value)}")
        return out


def at_most(what: str, value: float, bound: float, *, counter: tuple[str, float] | None = None) -> Measured:
    """A statistic that should not exceed a bound.

    Parameters
    ----------
    what : the statistic, in words, with its unit.
    value : what the experiment gave.
    bound : from theory, a control, or a size that is stated beforehand.
    counter : a case that must come out otherwise, in words, and the same statistic in it.
    """
    return Measured(what, float(value), "≤", float(bound), *_counter(counter))


def at_least(what: str, value: float, bound: float, *, counter: tuple[str, float] | None = None) -> Measured:
    """A statistic that should reach a bound. Parameters as in `at_most`."""
    return Measured(what, float(value), "≥", float(bound), *_counter(counter))


def decide(id: str, *as_worded: Measured, given: Measured | Sequence[Measured] = ()) -> None:
    """Hold what an experiment found against the recorded verdict, and print both.

    In the book's build and in its tests (`GDCOURSE_STATIC=1`) a disagreement is an error. To a reader who
    changed a number it is told in a sentence.

    Parameters
    ----------
    id : the claim.
    as_worded : what must all keep its bound for the claim to hold as it stands.
    given : what must all keep its bound for it to hold under the condition that the recorded statement names.

    Raises
    ------
    KeyError : there is no such claim.
    TypeError : nothing was measured.
    AssertionError : in the build and the tests: the experiment says another thing than the ledger; a
        statistic is NaN; a counter-case agrees with the case; or a claim of kind "experiment" has none.
    """
    if id not in ledger():
        raise KeyError(f"no claim is called {id!r}; known are {', '.join(ledger())}")
    conditions = [given] if isinstance(given, Measured) else list(given)
    measured = [*as_worded, *conditions]
    if not as_worded or not all(isinstance(one, Measured) for one in measured):
        raise TypeError(f"{id}: decide needs what was measured: at_most(…) or at_least(…)")
    claim = ledger()[id]
    if problem := _problem(claim, as_worded, conditions):
        if is_static():
            raise AssertionError(f"{id}: {problem}")
        print(textwrap.fill(f"With your setting: {problem}.", WIDTH))
    kind = "" if claim.kind == "experiment" else f" ({KINDS[claim.kind]})"
    lines = [
        f"{claim.said}: {plain(claim.says)}",
        f"Verdict:  {claim.verdict}{kind}. {plain(claim.statement)}",
        *(line for one in as_worded for line in one.lines("As said" if conditions else "Measured")),
        *(line for one in conditions for line in one.lines("If so")),
    ]
    for line in lines:
        print(textwrap.fill(line, WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False))


def expect(says: str, *measured: Measured) -> None:
    """Say something that a chapter relies on beside its claims, with what was measured for it.

    In the book's build and in its tests a failure is an error. To a reader who changed a number it is told in
    a sentence.

    Parameters
    ----------
    says : what holds, in words.
    measured : what must all keep its bound, made by `at_most` or `at_least`.

    Raises
    ------
    TypeError : nothing was measured.
    AssertionError : in the build and the tests, if a bound is not kept, or a counter-case keeps it.
    """
    if not measured or not all(isinstance(one, Measured) for one in measured):
        raise TypeError("expect needs what was measured: at_most(…) or at_least(…)")
    holds = all(one.holds and (not one.counter or one.counter_differs) for one in measured)
    if not holds and is_static():
        found = "; ".join(line for one in measured for line in one.lines("Found"))
        raise AssertionError(f"this does not hold: {says}. {found}")
    lines = [
        says if holds else f"With your setting this no longer holds: {says}",
        *(line for one in measured for line in one.lines("Measured")),
    ]
    for line in lines:
        print(textwrap.fill(line, WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False))


def _problem(claim: Claim, as_worded: Sequence[Measured], conditions: Sequence[Measured]) -> str:
    """Why the measurements do not bear the recorded verdict, or nothing."""
    measured = [*as_worded, *conditions]
    for one in measured:
        if math.isnan(one.value) or (one.counter and math.isnan(one.counter_value)):
            return f"'{one.what}' is not a number: a run diverged or ended too early, and nothing is decided"
    holds, under = (all(one.holds for one in some) for some in (as_worded, conditions))
    found = "holds" if holds else "holds if" if conditions and under else "does not hold"
    if found != claim.verdict and claim.kind != "experiment" and not is_static():
        return (
            f"'{measured[0].what}' does not keep its bound. The claim is {KINDS[claim.kind]} and stands all "
            "the same: a path that is chaotic makes rounding errors large, and what the cell compares with "
            "may be for the book's setting alone"
        )
    if found != claim.verdict:
        return f"the claim comes out otherwise: '{found}'; the book's setting gave '{claim.verdict}'"
    for one in measured:
        if one.counter and not one.counter_differs:
            return (
                f"the counter-case '{one.counter}' of '{one.what}' agrees with the case: it decides nothing"
            )
    # what decides: that under which the claim holds, or else that on which it fails
    deciding = conditions if found == "holds if" else [o for o in as_worded if o.holds == holds]
    removed = {one.question for one in as_worded if not one.holds} & {one.question for one in conditions}
    if claim.kind == "experiment" and not removed and not any(one.counter for one in deciding):
        return "what decides the claim has no counter-case"
    return ""


def _counter(counter: tuple[str, float] | None) -> tuple[str, float]:
    return (counter[0], float(counter[1])) if counter else ("", math.nan)


def _short(value: float) -> str:
    """Three digits. Below 1e-9 they are rounding errors, which other machines make differently."""
    if 0 < abs(value) < 1e-9:
        return "under 1e−9"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}".replace("-", "−")
    return _digits(value)


def _digits(value: float) -> str:
    return f"{value:.3g}".replace("e-0", "e-").replace("-", "−")


def _margin(value: float, bound: float) -> str:
    """How far a statistic lies from its bound: a factor where both have a sign in common, else a distance."""
    if math.isinf(value) or math.isinf(bound):
        return "margin without limit"
    if value * bound > 0:
        factor = max(value / bound, bound / value)
        return f"margin ×{factor:.2g}" if factor < 100 else "margin over ×100"
    return f"margin {_short(abs(value - bound))}"
