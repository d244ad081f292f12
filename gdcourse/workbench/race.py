"""A reader's rule against ten methods, from gradient descent to Lookahead, with the same seven rates each."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from gdcourse.rules.table import METHODS, lr_of, with_lr
from gdcourse.workbench.run import Kept, Run, explained, made, walk

RATES = tuple(10 ** (i / 2) for i in range(-3, 4))
"""Times where a search starts."""


def race_as_dict(text: str, surface: str, steps: int) -> dict[str, Any]:
    """Run a text's rule with seven rates around its own, and the ten methods with seven each.

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


def own_rates(rule: Any) -> tuple[Callable[[float], Any], tuple[float, ...], bool]:
    """How the reader's rule is made with a rate, its rates, and whether it has one."""
    try:
        lr = lr_of(rule) if is_dataclass(rule) else None
    except TypeError:
        lr = None
    if lr is None:
        return lambda rate: rule, (1.0,), False
    return lambda rate: with_lr(rule, rate), tuple(lr * times for times in RATES), True


@cache
def others(surface: str, steps: int) -> tuple[dict[str, Any], ...]:
    return tuple(
        best(name, method.make, tuple(method.usual * times for times in RATES), True, surface, steps)
        for name, method in METHODS.items()
    )


def best(
    name: str,
    make: Callable[[float], Any],
    rates: tuple[float, ...],
    has_rate: bool,
    surface: str,
    steps: int,
) -> dict[str, Any]:
    """The run that ended lowest."""
    runs = [(rate, Run()) for rate in rates]
    for rate, found in runs:
        walk(make(rate), surface, steps, None, found)
    rate, found = min(runs, key=lambda one: order(end(one[1])))
    loss = end(found)
    return {
        "name": name,
        "rate": rate if has_rate and loss is not None else None,
        "loss": loss,
        "tried": len(rates),
        "path": found.path,
    }


def end(found: Run) -> float | None:
    return found.losses[-1] if found.diverged_at is None and found.losses else None


def order(loss: float | None) -> float:
    return math.inf if loss is None else loss
