"""Run a schedule that a reader wrote, from its text, on a noisy bowl: its factors and the expected losses.

Nothing is sampled: along each direction the mean of θ and its variance obey two recursions, those of
`gdcourse.theory.sgd_moments`. Nothing here raises for what a reader wrote: a `Course` says it in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from gdcourse.workbench.run import FAR, names_made, told_in

CURVATURES = tuple(1 / i for i in range(1, 201))
"""h of the bowl's directions. The gradient's noise has the variance h along each, and θ_0 is 1."""


@dataclass
class Course:
    """What came of it.

    Attributes
    ----------
    factors : s(1), s(2), …, as far as the loss is finite.
    losses : the expected loss of θ_0, θ_1, …
    way, noise : the two parts of the last one, ½h(E θ)² and ½h Var θ, each summed over the directions.
    diverged_at : the step after which the loss was no finite number or very large, else None.
    error, line, printed : as of `gdcourse.workbench.run.Run`.
    rule : the peak rate, as text.
    """

    factors: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    way: float = 0.0
    noise: float = 0.0
    diverged_at: int | None = None
    error: str = ""
    line: int | None = None
    printed: str = ""
    rule: str = ""


def lower(text: str, steps: int) -> Course:
    """Run gradient descent under the schedule that a text defines.

    Parameters
    ----------
    text : Python. It makes ``schedule``, a function that gives each step t = 1, 2, … a factor, and ``eta``,
        the rate that is multiplied by it.
    steps : how many.
    """
    found = Course()
    with told_in(found):
        eta, schedule = made(text)
        found.rule = f"eta = {eta:g}"
        walk(eta, schedule, steps, found)
    return found


def lower_as_dict(*args: Any) -> dict[str, Any]:
    """`lower`, in numbers, lists and texts, for the page."""
    return asdict(lower(*args))


def made(text: str) -> tuple[float, Callable[[int], Any]]:
    """The peak rate and the schedule that a text makes.

    Raises
    ------
    ValueError : one is not there, or not what it must be. And whatever the text itself raises.
    """
    names = names_made(text)
    if "schedule" not in names:
        raise ValueError("there is no schedule: write schedule = wsd(400), or def schedule(t)")
    if not callable(names["schedule"]):
        raise ValueError(f"schedule is {names['schedule']!r}: it must be a function of the step t")
    if "eta" not in names:
        raise ValueError("there is no eta: write eta = 0.5, the rate that the schedule multiplies")
    return number(names["eta"], "eta"), names["schedule"]


def number(x: Any, what: str) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
        told = "nothing (is there a return?)" if x is None else repr(x)
        raise ValueError(f"{what} is {told}: it must be a finite number")
    return float(x)


def walk(eta: float, schedule: Callable[[int], Any], steps: int, found: Course) -> None:
    """Take the steps, and write them down."""
    mean, variance = [1.0] * len(CURVATURES), [0.0] * len(CURVATURES)
    found.way, found.noise = parts(mean, variance)
    found.losses.append(found.way + found.noise)
    for t in range(1, steps + 1):
        factor = number(schedule(t), f"schedule({t})")
        rate = eta * factor
        for i, h in enumerate(CURVATURES):
            shrink = 1 - rate * h
            mean[i] *= shrink
            variance[i] = shrink * shrink * variance[i] + rate * rate * h
        way, noise = parts(mean, variance)
        if not way + noise <= FAR:
            found.diverged_at = t
            return
        found.way, found.noise = way, noise
        found.factors.append(factor)
        found.losses.append(way + noise)


def parts(mean: list[float], variance: list[float]) -> tuple[float, float]:
    way = sum(h * m * m for h, m in zip(CURVATURES, mean, strict=True)) / 2
    return way, sum(h * v for h, v in zip(CURVATURES, variance, strict=True)) / 2
