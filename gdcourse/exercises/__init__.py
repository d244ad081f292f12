"""Exercises that check: each says what an answer does wrong in terms of the equation, and never the solution.

    gd.exercises.momentum                             # the chapter's exercises
    gd.exercises.momentum.heavy_ball                  # one of them: its question
    gd.exercises.momentum.heavy_ball.check(MyRule)    # what there is to say to an answer
    gd.exercises.momentum.heavy_ball.hint()
    gd.exercises.progress()                           # solved, tried, open

Pure Python, on top of the rules alone, so that a page can run the same checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gdcourse.exercises.behaviour import Formula, MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Exercise, Wrong, forget, state
from gdcourse.exercises.small import Choice, Number
from gdcourse.exercises.verdict import Verdict

__all__ = [
    "CHAPTERS",
    "Chapter",
    "Choice",
    "Exercise",
    "Formula",
    "MissingLine",
    "Number",
    "Probe",
    "Verdict",
    "WholeRule",
    "Wrong",
    "chapter",
    "forget",
    "progress",
]

CHAPTERS = (
    "introduction",
    "network",
    "backpropagation",
    "gradient_descent",
    "batch",
    "stochastic",
    "mini_batch",
    "why_it_matters",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adadelta",
    "adam",
    "radam",
    "lookahead",
    "schedules",
    "weight_decay",
    "sign",
    "repairs",
    "muon",
    "curvature",
    "schedule_free",
    "race",
    "conclusion",
)
"""The chapters with such exercises, in the book's order."""


def chapter(name: str) -> Chapter:
    """The exercises of a chapter, by its name.

    Raises
    ------
    AttributeError : a chapter without exercises.
    """
    if name not in CHAPTERS:
        raise AttributeError(f"there are no exercises for {name}; there are for {', '.join(CHAPTERS)}")
    found: Chapter = import_module(f"{__name__}.chapters.{name}").CHAPTER
    return found


def progress() -> None:
    """Print how far you are in this session: how many exercises of each chapter are solved, tried, open."""
    counts = {name: [state(one) for one in chapter(name)] for name in CHAPTERS}
    counts["all"] = [one for states in counts.values() for one in states]
    width = max(map(len, counts))
    kinds = ("solved", "tried", "open")
    print("  ".join([" " * width, *kinds]))
    for name, states in counts.items():
        print("  ".join([f"{name:{width}}", *(f"{states.count(kind):{len(kind)}}" for kind in kinds)]))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return chapter(name)


def __dir__() -> list[str]:
    return sorted({*__all__, *CHAPTERS})
