"""All the steps of some runs: the loop inside `descend`."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.family import Fit, carried, zeros_like
from gdcourse.problems.problem import Problem
from gdcourse.rules import Rule

BLOW_UP = 1e6
"""A run has diverged once |θ| exceeds this times max(1, |θ_0|), or is no longer finite."""

LOOK_EVERY = 8
"""Where the path is not kept, so many steps of it are, until they have been searched for divergence."""


def walk(
    rule_at: Callable[[int], Rule],
    problem: Problem,
    theta: Any,
    samples: Any,
    steps: int,
    names: tuple[str, ...],
    path: bool,
) -> dict[str, Any]:
    """Run one rule from θ, of all runs, over all steps.

    Parameters
    ----------
    rule_at : step t's rule; the same object as long as it is the same rule.
    samples : what the problem drew, one entry a step, or None.
    names, path : as `record` and `path` of `descend`.

    Returns
    -------
    ``theta``, ``loss`` and ``diverged_at`` as in `Run`, −1 for never; with a path also ``grad``; and each
    of `names`.
    """
    ndim, fit, rule = problem.ndim, Fit(theta, problem.ndim), rule_at(1)
    for_at, for_step = fit.for_at(rule), fit.for_step(rule)
    state = for_step.init(theta, zeros_like(theta))
    edge = edge_of(theta, ndim)
    diverged = np.full(theta.shape[: theta.ndim - ndim], -1)
    thetas, grads = [theta], []
    kept: dict[str, list[Any]] = {name: [] for name in names}

    with np.errstate(all="ignore"), torch.no_grad():
        for t in range(1, steps + 1):
            if (now := rule_at(t)) is not rule:
                rule, for_at, for_step = now, fit.for_at(now), fit.for_step(now)
            at = fit.values(for_at.at(t))
            point = for_step.look(theta, state)
            grad = problem.grad(point, None if samples is None else samples[t - 1])
            theta, new = for_step.step(theta, grad, state, at)
            state = carried(state, new)
            thetas.append(theta)
            for name in names:
                _check_name(name, new, at, rule)
                kept[name].append(new[name])
            if path:
                grads.append(grad)
            elif t % LOOK_EVERY == 0 or t == steps:
                if not _all_near(thetas, edge):
                    _note_divergence(diverged, thetas, t + 1 - len(thetas), edge, ndim)
                thetas = [theta]
        walked = {name: stack(values, theta) for name, values in {**kept, "theta": thetas}.items()}
        walked["loss"] = problem.loss(walked["theta"])
    if path:
        walked["grad"] = stack(grads, theta)
        if not _all_near([walked["theta"]], edge):
            _note_divergence(diverged, walked["theta"], 0, edge, ndim)
    walked["diverged_at"] = diverged
    return walked


def stack(values: list[Any], like: Any) -> Any:
    """One array of all steps' values, of the kind of `like`; numbers of Python keep their full precision."""
    if not values:
        return like[None][:0]
    if isinstance(like, torch.Tensor):
        tensors = [v if isinstance(v, torch.Tensor) else torch.as_tensor(np.asarray(v)) for v in values]
        return torch.stack([v.to(like.device) for v in tensors])
    return np.stack([np.asarray(v) for v in values])


def _check_name(name: str, new: dict[str, Any], at: dict[str, Any], rule: Rule) -> None:
    if name not in new:
        known = ", ".join(sorted({*new, *at})) or "nothing by name"
        raise ValueError(f"record: {type(rule).__name__} has no {name!r}; it has {known}")


def edge_of(theta: Any, ndim: int) -> Any:
    """Each run's own bound, with θ's trailing axes left to broadcast."""
    size = abs(theta)
    if ndim:
        own = tuple(range(-ndim, 0))
        size = (
            size.amax(own, keepdim=True) if isinstance(size, torch.Tensor) else size.max(own, keepdims=True)
        )
    return BLOW_UP * (size.clamp(min=1.0) if isinstance(size, torch.Tensor) else np.maximum(size, 1.0))


def _all_near(thetas: list[Any], edge: Any) -> bool:
    """Whether nobody is out, by the nearest of all bounds: cheap, and in most blocks enough to know."""
    if not prod(edge.shape):
        return True
    low, high = (stack([getattr(theta, end)() for theta in thetas], edge) for end in ("min", "max"))
    return bool((low >= -edge.min()).all() & (high <= edge.min()).all())  # False for NaN, too


def _note_divergence(diverged: np.ndarray, thetas: Any, first: int, edge: Any, ndim: int) -> None:
    """Write down when a run is out for the first time; `thetas` are those from step `first` on."""
    for t, theta in enumerate(thetas, start=first):
        if (diverged >= 0).all():
            return
        inside = abs(theta) <= edge
        out = ~(inside.reshape(*inside.shape[:-ndim], -1).all(-1) if ndim else inside)
        out = out.cpu().numpy() if isinstance(out, torch.Tensor) else np.asarray(out)
        diverged[out & (diverged < 0)] = t
