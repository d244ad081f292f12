"""Every claim of the talk, recorded once, and `decide`, which holds an experiment against it."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEDGER = Path(__file__).parent / "ledger"
VERDICTS = ("holds", "holds if", "does not hold")


@dataclass(frozen=True)
class Claim:
    """Something that the talk says.

    Attributes
    ----------
    id : its name, unique in the book.
    chapter : the chapter in which it is decided.
    slide : the slide's number, 1 … 35.
    says : the claim, in our words.
    verdict : "holds", "holds if" or "does not hold".
    statement : what is true, with the condition where the verdict is "holds if".
    sources : keys of the bibliography.
    """

    id: str
    chapter: str
    slide: int
    says: str
    verdict: str
    statement: str
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.id}: verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")


@cache
def ledger() -> dict[str, Claim]:
    """All claims by id, in the order of the slides. One file a chapter.

    Raises
    ------
    ValueError : an id that occurs twice, or a verdict that is none.
    """
    claims: list[Claim] = []
    for file in sorted(LEDGER.glob("*.toml")):
        for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("claim", []):
            claims.append(Claim(chapter=file.stem, **{**entry, "sources": tuple(entry["sources"])}))
    found = {claim.id: claim for claim in sorted(claims, key=lambda claim: claim.slide)}
    if len(found) < len(claims):
        ids = [claim.id for claim in claims]
        raise ValueError(f"claims recorded twice: {sorted({i for i in ids if ids.count(i) > 1})}")
    return found


def decide(id: str, *, as_worded: bool, under_condition: bool = False) -> None:
    """Hold what an experiment found against the recorded verdict, and print the claim and its verdict.

    Parameters
    ----------
    id : the claim.
    as_worded : whether the experiment bears the claim out as it stands.
    under_condition : whether it bears it out under the condition that the recorded statement names.

    Raises
    ------
    KeyError : there is no such claim.
    AssertionError : the experiment says another thing than the ledger.
    """
    if id not in ledger():
        raise KeyError(f"no claim is called {id!r}; known are {', '.join(ledger())}")
    claim = ledger()[id]
    found = "holds" if as_worded else "holds if" if under_condition else "does not hold"
    if found != claim.verdict:
        raise AssertionError(f"{id}: the ledger says '{claim.verdict}', this experiment says '{found}'")
    for line in (f"The talk: {claim.says}", f"Verdict:  {claim.verdict}. {claim.statement}"):
        print(textwrap.fill(line, width=80, subsequent_indent=" " * 10))
