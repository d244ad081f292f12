"""How long a chapter takes, and how much code it shows: counted from its text, never guessed.

python scripts/reading.py              of all chapters
python scripts/reading.py adam radam   of these
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "book" / "src"
WORDS_A_MINUTE = 130  # prose with formulas in it
CODE_LINES_A_MINUTE = 15
MINUTES_A_PICTURE = 1.5  # many can be played with
MINUTES_A_QUESTION = 0.5
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ \t]*$", re.M | re.S)
HEAD = re.compile(r"\A(?:---\n.*?^---\n|(?::[\w-]+:[^\n]*\n)+)", re.M | re.S)
EXERCISES = re.compile(
    r"^(`{3,}|:{3,})\{exercise-start\}.*?^(`{3,}|:{3,})\{solution-end\}.*?^(?:`{3,}|:{3,})[ \t]*$",
    re.M | re.S,
)
LEVEL = re.compile(r"^\*(Easy|Medium|Hard), (\d+) minutes\.\*$", re.M)


EXERCISE = re.compile(
    r"^(?:`{3,}|:{3,})\{exercise-start\}[ \t]*([^\n]*)\n:label: ([\w-]+)\n(.*?)\{exercise-end\}", re.M | re.S
)
POINTS = {"Easy": 1, "Medium": 2, "Hard": 3}


@dataclass(frozen=True)
class Exercise:
    """An exercise of a chapter's text: its label, its title, how hard it is, and how long it takes."""

    label: str
    title: str
    level: str
    minutes: int

    @property
    def points(self) -> int:
        """What it counts where somebody counts points: the harder, the more."""
        return POINTS[self.level]


def text_of(page: str) -> str:
    return (SOURCES / f"{page}.md").read_text(encoding="utf-8")


def cells(text: str) -> list[tuple[str, str]]:
    """The head (its options) and the code of each code cell."""
    found = []
    for match in CELL.finditer(text):
        head = HEAD.match(match[1])
        options = head[0] if head else ""
        found.append((options, match[1][len(options) :]))
    return found


def is_folded(options: str) -> bool:
    """Whether a cell's code is out of sight on the page: folded, or in the notebook alone."""
    return bool(re.search(r"fold|hide-|remove-|only: notebook", options))


def shown_code(text: str) -> list[str]:
    """The lines of code that a reader of the page sees before anything is unfolded."""
    text = EXERCISES.sub("", text)
    return [
        line
        for options, code in cells(text)
        if not is_folded(options)
        for line in code.splitlines()
        if line.strip()
    ]


def words(text: str) -> int:
    """The words of the prose, exercises and code left out."""
    prose = CELL.sub("", EXERCISES.sub("", text))
    prose = re.sub(r"\A---\n.*?\n---\n", "", prose, flags=re.S)
    prose = re.sub(r"^\s*[:`]{3,}.*$|^:\w+:.*$|^\([\w-]+\)=$", "", prose, flags=re.M)
    return len(prose.split())


def pictures(text: str) -> int:
    return sum("alt:" in options or "explore." in code for options, code in cells(EXERCISES.sub("", text)))


def minutes(text: str) -> int:
    """Minutes to read a chapter, in steps of five, without its exercises."""
    exact = (
        words(text) / WORDS_A_MINUTE
        + len(shown_code(text)) / CODE_LINES_A_MINUTE
        + pictures(text) * MINUTES_A_PICTURE
        + text.count("{ask}") * MINUTES_A_QUESTION
    )
    return max(5, 5 * round(exact / 5))


def exercises(text: str) -> list[Exercise]:
    """The exercises of a chapter, in order.

    Raises
    ------
    ValueError : one that does not say how hard it is, and how long it takes.
    """
    found = []
    for title, label, inside in EXERCISE.findall(text):
        if not (level := LEVEL.search(inside)):
            raise ValueError(
                f"the exercise {label} does not say how hard it is, and how many minutes it takes"
            )
        found.append(Exercise(label, title.strip(), level[1], int(level[2])))
    return found


def minutes_of_exercises(text: str) -> int:
    """The sum of what the exercises say."""
    return sum(int(match[2]) for match in LEVEL.finditer(text))


def in_words(text: str) -> str:
    """The sentence of the frame."""
    more = minutes_of_exercises(text)
    return f"About {minutes(text)} minutes" + (f", and {more} for the exercises." if more else ".")


if __name__ == "__main__":
    for page in sys.argv[1:] or sorted(path.stem for path in SOURCES.glob("*.md")):
        text = text_of(page)
        print(f"{page:18s} {len(shown_code(text)):4d} lines of code shown. {in_words(text)}")
