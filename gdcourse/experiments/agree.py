"""Two torch optimizers on the same problem: how far do their paths part?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from gdcourse.experiments.walk import edge_of
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
    """The largest distance between the parameters of two optimizers over a path, in any coordinate.

    Where a path diverges (as `descend` understands it: |θ| above a million times max(1, |θ_0|), or no longer
    finite), both must at the same step, and what counts is the gap before it: later on, rounding alone parts
    them. So the gap is infinite if one diverges and the other does not, or not yet, and NaN if both do at the
    first step, where nothing can be compared.

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
    edge, largest = edge_of(begin, problem.ndim), 0.0
    for t in range(1, steps + 1):
        for param, optimizer, rates in pair:
            if schedule is not None:
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(t)
            param.grad = problem.grad(param.detach())
            optimizer.step()
        out = [not bool((param.detach().abs() <= edge).all()) for param, _, _ in pair]  # so is NaN
        if any(out):
            return (largest if t > 1 else math.nan) if all(out) else math.inf
        largest = max(largest, (pair[0][0] - pair[1][0]).abs().max().item())
    return largest
