"""When a run has arrived, and up to which setting runs arrive: counted in one place.

The first time that a loss is below a bound says little about a method that overshoots: it may leave again.
What counts is the step from which on it *stays* below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TAIL = 0.1
"""The share of a run, at its end, that must lie below a bound for the run to count as arrived."""


def settled(values: Any, below: float) -> Any:
    """The first step from which on a series stays below a bound.

    Parameters
    ----------
    values : shape (steps + 1, ...): one series, or many side by side along the further axes. What is not a
        finite number counts as not below.
    below : the bound.

    Returns
    -------
    The step, a float, or an array of them with the further axes' shape. Infinite where the run is too short
    to know: it is not below throughout its last tenth. That is a rule of thumb: a run that is cut off within
    a longer dip looks settled. `steps_in_words` says "not within" in words.

    Raises
    ------
    ValueError : no values, or a bound that is NaN.
    """
    values = np.asarray(values, float)
    if values.ndim == 0 or not len(values):
        raise ValueError("settled needs a series: values of shape (steps + 1, ...)")
    if np.isnan(below):
        raise ValueError("the bound is NaN")
    above = ~(values < below)  # NaN is not below
    last = len(values) - 1 - above[::-1].argmax(0)
    first = np.where(above.any(0), last + 1.0, 0.0)
    found = np.where(first <= (len(values) - 1) * (1 - TAIL), first, np.inf)
    return found if found.ndim else float(found)


def steps_in_words(step: float, steps: int) -> str:
    """A step that `settled` found, as text: "124", or "not within 300" for a run of 300 steps."""
    return f"{step:.0f}" if np.isfinite(step) else f"not within {steps}"


def largest_converged(settings: Any, values: Any, below: float) -> tuple[float, float]:
    """The edge of the settings that converge: the largest one up to which all do, and the next one.

    Parameters
    ----------
    settings : one-dimensional, ascending.
    values : shape (steps + 1, settings): what must get below a bound and stay there, see `settled`.
    below : the bound.

    Returns
    -------
    The largest setting that converged with all smaller ones, and the smallest that did not.

    Raises
    ------
    ValueError : settings that do not ascend, all settings converge, or not even the smallest does: the edge
        lies outside then, and the settings must be chosen wider.
    """
    settings = np.asarray(settings, float)
    if settings.ndim != 1 or (np.diff(settings) <= 0).any():
        raise ValueError("settings must be one-dimensional and ascend")
    if not settings.size:
        raise ValueError("there are no settings: give two at least, one that converges and one that does not")
    values = np.asarray(values)
    if values.shape[1:] != settings.shape:
        raise ValueError(f"values of shape {values.shape} do not belong to {len(settings)} settings")
    arrived = np.isfinite(settled(values, below))
    if arrived.all() or not arrived[0]:
        span = f"{settings[0]:g} to {settings[-1]:g}"
        if arrived.all():
            raise ValueError(f"all settings converge: the edge lies above {span}; try larger ones, too")
        raise ValueError(
            f"not even the smallest setting converges within {len(values) - 1} steps: the edge lies below "
            f"{span}, or the runs are too short; try smaller settings, or more steps"
        )
    first = int((~arrived).argmax())
    return float(settings[first - 1]), float(settings[first])
