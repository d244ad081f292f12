"""Two torch optimizers on the same problem: how far do their paths part?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from gdcourse.problems.problem import Problem

MakeOptimizer = Callable[[Iterable[torch.Tensor]], torch.optim.Optimizer]


def largest_gap(
    ours: MakeOptimizer,
    theirs: MakeOptimizer,
    problem: Problem,
    start: Any = None,
    steps: int = 100,
    schedule: Callable[[int], float] | None = None,
) -> float:
    """The largest distance between the parameters of two optimizers over a path, in any coordinate; NaN where
    it is no number at some step, as when both diverge to infinity.

    Parameters
    ----------
    ours, theirs : from a list of parameters to an optimizer.
    problem : what both minimise, in float64; the gradient is taken at the parameter that each holds.
    start : where both begin. Default: the problem's own start.
    steps : how many steps both take. Default 100.
    schedule : what step t = 1, 2, … multiplies both learning rates by. Default: they stay.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> gap = largest_gap(
    ...     lambda p: gd.optim.Momentum(p, lr=0.02, momentum=0.9),
    ...     lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    ...     gd.problems.ravine(),
    ... )
    >>> gap < 1e-12
    True
    """
    begin = torch.as_tensor(problem.start if start is None else start, dtype=torch.float64)
    pair = []
    for make in (ours, theirs):
        param = begin.clone().requires_grad_()
        optimizer = make([param])
        pair.append((param, optimizer, [group["lr"] for group in optimizer.param_groups]))
    largest = 0.0
    for t in range(1, steps + 1):
        for param, optimizer, rates in pair:
            if schedule is not None:
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(t)
            param.grad = problem.grad(param.detach())
            optimizer.step()
        gap = (pair[0][0] - pair[1][0]).abs().max().item()
        largest = gap if math.isnan(gap) else max(largest, gap)  # in this order a NaN stays
    return largest
