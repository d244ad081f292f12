"""Whatever a reader gives to minimise, as a problem: one of ours, its name, or a function of their own."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import torch

from gdcourse.problems.classics import surface
from gdcourse.problems.problem import ArrayFunction, Function, Problem, number_of


def as_problem(problem: Any, start: Any = None) -> Problem:
    """A problem as it is; a surface's name as that surface; a function of one θ as a problem: differentiated
    by torch if it takes tensors, else by differences of the numbers that it gives for NumPy arrays.

    Parameters
    ----------
    problem : a `Problem`, a name that `surface` knows, or a function of one θ that returns a number.
    start : a θ to try a function at, a number or of shape ``(d,)``; of many starts, shape ``(*runs, d)``, the
        first is taken. Default: none, for a problem that is no function.

    Raises
    ------
    TypeError : what is none of these, a function without a start, or one that returns no number.
    ValueError : an unknown name.
    """
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, str):
        return surface(problem)
    if not callable(problem) or isinstance(problem, type):
        raise TypeError(
            "problem must be one of gdcourse.problems, made with its arguments (as in Beale()), the name of "
            f"a surface (as in 'Beale'), or a function of θ; got {problem!r}"
        )
    if start is None:
        raise TypeError("a function has no start of its own: give one, as in start=[1.0, -2.0]")
    theta = start.detach() if isinstance(start, torch.Tensor) else torch.as_tensor(np.asarray(start, float))
    while theta.ndim > 1:
        theta = theta[0]
    ndim = theta.ndim
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensors that functions for numbers turn into numbers
            slope = torch.func.grad(problem)(theta)
        if slope.shape == theta.shape:
            return Function(problem, ndim=ndim)
    except Exception as error:  # whatever a function that is not for tensors raises; NumPy's turn
        reason = error
    else:
        reason = TypeError(f"its gradient has shape {tuple(slope.shape)}")
    try:
        number_of(problem(theta.cpu().numpy() if ndim else float(theta)), "the function")
    except Exception as error:
        raise TypeError(
            f"a function to minimise must return one number, for a tensor or for a NumPy array of shape "
            f"{tuple(theta.shape)}; for a tensor: {reason}; for an array: {error}{_hint(problem, ndim)}"
        ) from None
    return ArrayFunction(problem, ndim=ndim)


def _hint(function: Any, ndim: int) -> str:
    """What helps where a function takes its coordinates one by one."""
    try:
        takes = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # one of C's, that does not tell
        return ""
    needed = [
        p for p in takes if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if ndim and len(needed) > 1:
        return f". It takes {len(needed)} numbers; θ is one array: give lambda theta: function(*theta)"
    return ""
