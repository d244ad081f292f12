"""A reader's rule against ten methods, from gradient descent to Lookahead, each searched for in one way."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from gdcourse.rules.table import METHODS, lr_of, with_lr
from gdcourse.workbench.run import Kept, Run, explained, made, walk

RATES = {i: 10 ** (i / 2) for i in range(-7, 8)}
"""Times where a search starts, by half powers of ten."""
FIRST = range(-3, 4)
"""These are tried first. While the best is at an end, the next one there is tried, too."""


def race_as_dict(text: str, surface: str, steps: int) -> dict[str, Any]:
    """Run a text's rule with rates around its own, and the ten methods with rates around their usual ones:
    seven, and more while the best is the smallest or the largest.

    Returns
    -------
    ``lines``: for each entrant its "name", the "rate" that ended lowest (None where there is none to search
    for), the "loss" it ended at (None where all diverged), "tried", and its "path"; the lowest first.
    "error", "line", "printed": as of `run`.
    """
    out = Kept()
    found: dict[str, Any] = {"lines": [], "error": "", "line": None, "printed": ""}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            own = best("yours", *own_rates(made(text)), surface, steps)
            found["lines"] = sorted([own, *others(surface, steps)], key=lambda one: order(one["loss"]))
        except Exception as error:
            found["error"], found["line"] = explained(error)
    found["printed"] = out.told()
    return found


def own_rates(rule: Any) -> tuple[Callable[[float], Any], float | None]:
    """How the reader's rule is made with a rate, and the one in its text, None where it has none."""
    try:
        lr = lr_of(rule) if is_dataclass(rule) else None
    except TypeError:
        lr = None
    if lr is None:
        return lambda rate: rule, None
    return lambda rate: with_lr(rule, rate), lr


@cache
def others(surface: str, steps: int) -> tuple[dict[str, Any], ...]:
    return tuple(best(name, method.make, method.usual, surface, steps) for name, method in METHODS.items())


def best(
    name: str, make: Callable[[float], Any], usual: float | None, surface: str, steps: int
) -> dict[str, Any]:
    """The run that ended lowest; where all diverge, smaller rates are tried."""
    runs: dict[int, Run] = {}
    wanted = [*FIRST] if usual is not None else [0]
    while wanted:
        for i in wanted:
            runs[i] = Run()
            walk(make((usual or 1.0) * RATES[i]), surface, steps, None, runs[i])
        at = min(sorted(runs), key=lambda i: order(end(runs[i])))
        beyond = at - 1 if at == min(runs) else at + 1
        wanted = [beyond] if usual is not None and beyond in RATES and beyond not in runs else []
    loss = end(runs[at])
    return {
        "name": name,
        "rate": usual * RATES[at] if usual is not None and loss is not None else None,
        "loss": loss,
        "tried": len(runs),
        "path": runs[at].path,
    }


def end(found: Run) -> float | None:
    return found.losses[-1] if found.diverged_at is None and found.losses else None


def order(loss: float | None) -> float:
    return math.inf if loss is None else loss
