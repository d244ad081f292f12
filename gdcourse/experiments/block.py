"""The same walk, several steps at a time as one compiled kernel, for families whose ends alone are wanted.

`block` calls the rule's own `look` and `step` and the problem's own gradient; inductor makes one loop
over the runs of it, in which θ and the state stay in registers for `STEPS` steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from gdcourse.experiments.family import Fit, carried, first_state
from gdcourse.experiments.walk import edge_of
from gdcourse.optim.kernels import Failed, kernel
from gdcourse.optim.scope import is_elementwise
from gdcourse.optim.update import warn_uncompiled
from gdcourse.problems.problem import Problem
from gdcourse.rules import Rule

STEPS = 10
"""How many steps one kernel takes. Twice as many are hardly faster, and take twice as long to compile."""


class Moving(NamedTuple):
    """What a step changes, of all runs: θ, its state, and the step at which each coordinate went out. For a
    problem that gives its partial derivatives one by one (`slopes`), each has an entry for each coordinate:
    put side by side, they would be taken apart and put together at every step. Else it has one entry."""

    thetas: tuple[torch.Tensor, ...]
    states: tuple[dict[str, Any], ...]
    outs: tuple[torch.Tensor, ...]


class Now(NamedTuple):
    """What differs from step to step: the rule's `at`, the step numbers, and what the problem drew."""

    ats: dict[str, torch.Tensor]
    times: torch.Tensor
    samples: Any


def walk_compiled(
    rule: Rule, problem: Problem, theta: torch.Tensor, samples: Any, steps: int
) -> dict[str, Any] | None:
    """As `walk` with one rule and without a path: ``theta``, ``loss`` and ``diverged_at``. None, after a
    warning, where it cannot be compiled."""
    apart = hasattr(problem, "slopes") and is_elementwise(rule)
    thetas = tuple([x.contiguous() for x in theta.unbind(-1)]) if apart else (theta,)
    fit = Fit(thetas[0], 0 if apart else problem.ndim)
    for_at, for_step = fit.for_at(rule), fit.for_step(rule)
    edge = edge_of(theta, problem.ndim)
    edge = edge.squeeze(-1) if apart else edge
    moving = Moving(
        thetas,
        tuple([first_state(for_step, x) for x in thetas]),
        tuple([torch.where(abs(x) <= edge, steps + 1.0, 0.0).to(x.dtype) for x in thetas]),
    )
    run = None
    with np.errstate(all="ignore"), torch.no_grad():
        numbers = torch.arange(1, steps + 1, dtype=theta.dtype, device=theta.device)
        drawn = repeat(()) if samples is None else samples.split(STEPS)
        for now in map(Now, tables(for_at, steps, theta), numbers.split(STEPS), drawn):
            if len(now.times) < STEPS:
                moving = block(moving, now, edge, for_step, problem)
                break
            if run is None:
                try:
                    run = kernel(one_block, (moving, now, edge), (for_step, problem), any_length=False)
                except Failed as error:
                    warn_uncompiled(str(error))
                    return None
            moving = run(*tree_leaves((moving, now, edge)))
        theta, out = (torch.stack(x, -1) if apart else x[0] for x in (moving.thetas, moving.outs))
        loss = problem.loss(theta[None])
    first = (out.flatten(-problem.ndim).amin(-1) if problem.ndim else out).cpu().numpy()
    return {"theta": theta[None], "loss": loss, "diverged_at": np.where(first > steps, -1, first).astype(int)}


def block(moving: Moving, now: Now, edge: torch.Tensor, rule: Rule, problem: Any) -> Moving:
    """As many steps as there are `times`, of all runs."""
    for i in range(len(now.times)):
        at = {name: values[i] for name, values in now.ats.items()}
        points = [rule.look(x, state) for x, state in zip(moving.thetas, moving.states, strict=True)]
        if len(points) > 1:
            grads = problem.slopes(*points)
        else:
            grads = (problem.grad(points[0], now.samples[i] if len(now.samples) else None),)
        thetas, states, outs = [], [], []
        for x, grad, state, out in zip(moving.thetas, grads, moving.states, moving.outs, strict=True):
            theta, new = rule.step(x, grad, state, at)
            thetas.append(theta)
            states.append(carried(state, new))
            outs.append(torch.where(abs(theta) <= edge, out, torch.minimum(out, now.times[i])))
        moving = Moving(tuple(thetas), tuple(states), tuple(outs))
    return moving


def one_block(_: torch.Tensor, *inputs: Any) -> Moving:
    """`block` as `kernel` calls it."""
    return block(*inputs)


def tables(rule: Rule, steps: int, theta: torch.Tensor) -> Iterator[dict[str, torch.Tensor]]:
    """Of each quantity that depends on t alone, its values at the next `STEPS` steps, in θ's dtype. They are
    made for all steps at once, or, if they differ from run to run, when they are asked for: for all steps
    they could fill the memory."""
    by_run = any(isinstance(value, torch.Tensor) for value in rule.at(1).values())
    span = STEPS if by_run else max(steps, 1)
    for t in range(0, steps, span):
        ats = [rule.at(s + 1) for s in range(t, min(t + span, steps))]
        parts = {name: _table([at[name] for at in ats], theta).split(STEPS) for name in ats[0]}
        for i in range(-(-len(ats) // STEPS)):
            yield {name: pieces[i] for name, pieces in parts.items()}


def _table(values: list[Any], theta: torch.Tensor) -> torch.Tensor:
    if isinstance(values[0], torch.Tensor):
        table = torch.stack(values)
    else:  # Python's numbers in their full precision, and truths
        table = torch.as_tensor(np.asarray(values), device=theta.device)
    return table.to(theta.dtype) if table.is_floating_point() else table
