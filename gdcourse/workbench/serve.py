"""What the page asks Python, as JSON, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gdcourse.workbench.race import race_as_dict
from gdcourse.workbench.run import run_as_dict
from gdcourse.workbench.schedule import lower_as_dict

EMPTY = "There is no answer yet: choose one, or write it into the field."


def open_chapter(name: str) -> dict[str, Any]:
    """Load the exercises of a chapter, which a workbench needs none of."""
    from gdcourse import exercises

    return {"exercises": [one.name for one in exercises.chapter(name)]}


def check_as_dict(name: str, answer: Any, tries: int) -> dict[str, Any]:
    """What there is to say to an answer to an exercise, "momentum.heavy_ball", after so many wrong ones."""
    from gdcourse import exercises
    from gdcourse.exercises.verdict import Verdict

    if answer is None or not str(answer).strip():  # a notebook is shown the template here, which a page has
        return Verdict(False, EMPTY, answered=False).as_dict()
    chapter, _, own = name.partition(".")
    return getattr(exercises.chapter(chapter), own).judge(answer, tries).as_dict()


ASKED: dict[str, Callable[..., dict[str, Any]]] = {
    "run": run_as_dict,
    "race": race_as_dict,
    "lower": lower_as_dict,
    "open": open_chapter,
    "check": check_as_dict,
}


def answer(asked: str) -> str:
    """The answer to ``{"what": …, "args": […]}``."""
    ask = json.loads(asked)
    return json.dumps(ASKED[ask["what"]](*ask["args"]))
