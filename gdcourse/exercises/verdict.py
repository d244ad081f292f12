"""What a checker says to an answer."""

from __future__ import annotations

import math
import textwrap
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a checker says to an answer. Shows itself as plain text.

    Parameters
    ----------
    right : whether the answer is right.
    says : what is right about it, or wrong, in terms of the equation.
    step : the first step t at which a wrong rule departs. None where there is no step to speak of.
    theirs : the answer's value at this step.
    ours : the equation's.
    name : whose values they are, in the equation's letters.
    probe : with which settings and gradients they come out, so that a reader can follow on paper.
    hint : the next hint, with its number.
    answered : False if there was nothing to check yet. It then counts as no try.
    """

    right: bool
    says: str
    step: int | None = None
    theirs: float | None = None
    ours: float | None = None
    name: str = "θ"
    probe: str = ""
    hint: str = ""
    answered: bool = True

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, with the whole text under ``text``, in values that JSON has."""
        named = {
            key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }
        return {**named, "text": str(self)}

    def __str__(self) -> str:
        head = "Right." if self.right else "Not yet." if self.answered else "Open."
        lines = [f"{head} {self.says}"]
        if self.step is not None and self.theirs is not None and self.ours is not None:
            theirs, ours = apart(self.theirs, self.ours)
            lines.append(
                f"First difference at t = {self.step}: your {self.name} is {theirs}, it should be {ours}."
            )
        elif self.theirs is not None and self.ours is not None:
            theirs, ours = apart(self.theirs, self.ours)
            lines.append(f"Your {self.name} is {theirs} there; it should be {ours}.")
        if self.probe:
            lines.append(f"Tried with {self.probe}.")
        if self.hint:
            lines.append(self.hint)
        return "\n".join(wrapped(line) for text in lines for line in text.split("\n"))

    __repr__ = __str__


def wrapped(line: str) -> str:
    """A line of prose in lines of 100 characters; one that is indented, as code is, as it stands."""
    return (
        line if line.startswith(" ") or len(line) <= 100 else textwrap.fill(line, 100, subsequent_indent="  ")
    )


def apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers in as few digits, four at least, as tell them apart."""
    for digits in range(4, 17):
        one, other = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if one != other:
            break
    return one.replace("-", "−"), other.replace("-", "−")


def short(value: Any, most: int = 60) -> str:
    """How a value prints, cut where it gets long, whatever its own repr does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[:most] + "…"
