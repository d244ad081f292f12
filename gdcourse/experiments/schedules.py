"""Schedules: what the learning rate of step t = 1, 2, …, T is multiplied by.

`gdcourse.train` takes one as it is; `gdcourse.descend` in the rule of each step, ``lambda t:
gd.GradientDescent(0.1 * schedule(t))``; torch's ``LambdaLR``, which counts from 0, as ``lambda k: schedule(k
+ 1)``.

Each is written by the steps that are left, this one included: at the first step T, at the last 1, so that
none is taken with a rate of 0. After step T the rate is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Any

Schedule = Callable[[int], float]


def linear(steps: int) -> Schedule:
    """(T − t + 1)/T: from 1 in a line to 0.

    Parameters
    ----------
    steps : T.

    In torch: ``LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=T)``. Source: Defazio,
    Cutkosky, Mehta and Mishchenko (2023).

    Raises
    ------
    ValueError : steps is not a whole number ≥ 1.

    Examples
    --------
    >>> from gdcourse.experiments import schedules
    >>> [schedules.linear(4)(t) for t in (1, 2, 3, 4, 5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    left = steps_left(steps)
    return lambda t: left(t) / steps


def cosine(steps: int) -> Schedule:
    """½(1 − cos(π(T − t + 1)/T)): from 1 to 0 along half a cosine, slowly at both ends.

    Parameters
    ----------
    steps : T.

    In torch: ``CosineAnnealingLR(optimizer, T_max=T)``, up to step T; after it torch's rate rises again.
    Source: Loshchilov and Hutter (2017), equation 5, without restarts.

    Raises
    ------
    ValueError : steps is not a whole number ≥ 1.

    Examples
    --------
    >>> from gdcourse.experiments import schedules
    >>> [round(schedules.cosine(4)(t), 3) for t in (1, 2, 3, 4, 5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    left = steps_left(steps)
    return lambda t: (1 - cos(pi * left(t) / steps)) / 2


def wsd(steps: int, decay: float = 0.2) -> Schedule:
    """min(1, (T − t + 1)/n): constant, then over the last n steps in a line to 0. With a warm-up before it,
    warmup-stable-decay.

    Parameters
    ----------
    steps : T.
    decay : the share of the steps over which the rate falls, 0 … 1; n = decay · T, rounded. 0 is a constant
        rate, 1 is `linear`. Default 0.2.

    In torch: ``SequentialLR`` of a ``ConstantLR(factor=1.0)`` and a ``LinearLR(start_factor=1.0,
    end_factor=0.0, total_iters=n)``, with the milestone T − n.
    Source: Hu and others (2024), whose decay is exponential; the line is one of the shapes that Hägele
    and others (2024) compare.

    Raises
    ------
    ValueError : steps is not a whole number ≥ 1, or decay not from 0 to 1.

    Examples
    --------
    >>> from gdcourse.experiments import schedules
    >>> [schedules.wsd(8, decay=0.5)(t) for t in (1, 4, 5, 6, 7, 8, 9)]
    [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must be a share of the steps, from 0 to 1, got {decay!r}")
    left, last = steps_left(steps), round(decay * steps)
    return lambda t: min(1.0, left(t) / last) if last else min(1.0, left(t))


def warmup(steps: int, then: Schedule) -> Schedule:
    """t/w over the first w steps, and then another schedule from its first step on.

    Parameters
    ----------
    steps : w. 0 for none.
    then : the schedule that follows, which is asked for step t − w: for T steps in all, ``linear(T - w)``.

    In torch: ``SequentialLR`` of ``LinearLR(start_factor=1/w, end_factor=1.0, total_iters=w - 1)`` and what
    follows, with the milestone w. Source: Goyal and others (2017).

    Raises
    ------
    ValueError : steps is not a whole number ≥ 0.
    TypeError : then is not a function.

    Examples
    --------
    >>> from gdcourse.experiments import schedules
    >>> both = schedules.warmup(2, schedules.linear(4))
    >>> [both(t) for t in (1, 2, 3, 4, 5, 6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    _whole(steps, 0)
    if not callable(then):
        raise TypeError(f"then must be a schedule, a function of the step, such as linear(100); got {then!r}")
    return lambda t: t / steps if t <= steps else then(t - steps)


def steps_left(steps: int) -> Callable[[int], int]:
    """T − t + 1: how many steps are left at step t, this one included; 0 after step T.

    Parameters
    ----------
    steps : T.

    Raises
    ------
    ValueError : steps is not a whole number ≥ 1.

    Examples
    --------
    >>> from gdcourse.experiments import schedules
    >>> [schedules.steps_left(2)(t) for t in (1, 2, 3)]
    [2, 1, 0]
    """
    _whole(steps, 1)
    return lambda t: max(0, steps - t + 1)


def _whole(steps: Any, least: int) -> None:
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < least:
        raise ValueError(f"steps must be a whole number ≥ {least}, got {steps!r}")
