"""The same walk, several steps at a time as one compiled kernel, for families whose ends alone are wanted.

`block` calls the rule's own `look` and `step` and the problem's own gradient; torch.compile makes one loop
over the runs of it, in which θ and the state stay in registers for `STEPS` steps.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any
from warnings import warn

import numpy as np
import torch

from gdcourse.experiments.family import Fit, carried
from gdcourse.experiments.walk import edge_of
from gdcourse.problems.problem import Problem
from gdcourse.rules import Rule

STEPS = 10
"""How many steps one kernel takes: with more it is no faster, and takes longer to compile."""


def walk_compiled(
    rule: Rule, problem: Problem, theta: torch.Tensor, samples: Any, steps: int
) -> dict[str, Any] | None:
    """As `walk` with one rule and without a path: ``theta``, ``loss`` and ``diverged_at``. None, after a
    warning, where torch.compile fails."""
    fit = Fit(theta, problem.ndim)
    for_at, for_step = fit.for_at(rule), fit.for_step(rule)
    state = for_step.init(theta, torch.zeros_like(theta))
    edge = edge_of(theta, problem.ndim)
    out = torch.where(abs(theta) <= edge, steps + 1.0, 0.0).to(theta.dtype)  # when each coordinate went out
    kind: Any = type(rule), type(problem)
    compiled = _compiled(*kind)
    with np.errstate(all="ignore"), torch.no_grad():
        for t in range(1, steps + 1, STEPS):
            now = range(t, min(t + STEPS, steps + 1))
            ats = _tables([for_at.at(s) for s in now], theta)
            times = torch.arange(now.start, now.stop, dtype=theta.dtype, device=theta.device)
            own = None if samples is None else samples[t - 1 : now.stop - 1]
            program = compiled if len(now) == STEPS else block
            try:
                theta, state, out = program(theta, state, out, edge, for_step, problem, ats, times, own)
            except Exception as error:  # of whichever of the compiler's many kinds
                if program is block:
                    raise
                _warn(error)
                return None
        thetas = theta[None]
        loss = problem.loss(thetas)
    first = (out.amin(-1) if problem.ndim else out).cpu().numpy()
    return {"theta": thetas, "loss": loss, "diverged_at": np.where(first > steps, -1, first).astype(int)}


def block(
    theta: torch.Tensor,
    state: dict[str, Any],
    out: torch.Tensor,
    edge: torch.Tensor,
    rule: Rule,
    problem: Problem,
    ats: dict[str, torch.Tensor],
    times: torch.Tensor,
    samples: Any,
) -> tuple[torch.Tensor, dict[str, Any], torch.Tensor]:
    """As many steps as there are `times`, of all runs."""
    for i in range(len(times)):
        at = {name: values[i] for name, values in ats.items()}
        grad = problem.grad(rule.look(theta, state), None if samples is None else samples[i])
        theta, new = rule.step(theta, grad, state, at)
        state = carried(state, new)
        out = torch.where(abs(theta) <= edge, out, torch.minimum(out, times[i]))
    return theta, state, out


@cache
def _compiled(rule: Any, problem: Any) -> Any:
    """The kernel for a class of rules and a class of problems."""
    # torch stops compiling a code object after 8 variants: each kind has its own.
    code = block.__code__.replace(co_name=f"block_{rule.__name__}_{problem.__name__}")
    return torch.compile(FunctionType(code, block.__globals__), fullgraph=True, dynamic=False)


def _tables(ats: list[dict[str, Any]], theta: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of each quantity that depends on t alone, its values at several steps."""
    return {name: _table([at[name] for at in ats], theta) for name in ats[0]}


def _table(values: list[Any], theta: torch.Tensor) -> torch.Tensor:
    if isinstance(values[0], torch.Tensor):
        table = torch.stack(values)
    else:  # Python's numbers in their full precision, and truths
        table = torch.as_tensor(np.asarray(values), device=theta.device)
    return table.to(theta.dtype) if table.is_floating_point() else table


def _warn(error: Exception) -> None:
    reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    warn(
        f"compile=True: torch.compile failed ({reason}). These runs are walked uncompiled: the same numbers, "
        "more slowly. On a CPU, torch.compile needs a C++ compiler (g++ or clang++).",
        stacklevel=4,
    )
