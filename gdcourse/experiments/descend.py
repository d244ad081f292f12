"""`descend`: walk downhill, once or a hundred thousand times at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.family import Fit, as_seeds, carried, runs_shape, zeros_like
from gdcourse.problems.problem import Function, Problem
from gdcourse.rules import Rule, validate

BLOW_UP = 1e6
"""A run has diverged once |θ| exceeds this times max(1, |θ_0|), or is no longer finite."""


@dataclass(frozen=True, eq=False)
class Run:
    """What `descend` gives back. Arrays are of the kind that it was given: NumPy or torch.

    Attributes
    ----------
    theta : θ_0 … θ_T, shape ``(T + 1, *runs, d)``; θ_T alone, shape ``(1, *runs, d)``, with ``path=False``.
    loss : J at each of these, shape ``(T + 1, *runs)``, over all the data where the problem is a sum.
    grad : the gradient that step t used, at index t − 1, shape ``(T, *runs, d)``; None with ``path=False``.
    diverged_at : the first step after which θ was no longer finite, or larger than a million times its
        start (at least a million). For one run a step or None; for many an array of steps, −1 for never.
    recorded : what was asked for by name, each with a leading axis of T steps. ``run.v`` is
        ``run.recorded["v"]``.
    """

    theta: Any
    loss: Any
    grad: Any
    diverged_at: Any
    recorded: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        recorded = self.__dict__.get("recorded", {})
        if name in recorded:
            return recorded[name]
        have = ", ".join(sorted(recorded)) or "nothing"
        raise AttributeError(f"this run has no {name!r}; recorded by name: {have}. Ask with record={name!r}")


def descend(
    rule: Rule | Callable[[int], Rule],
    problem: Problem | Callable[[torch.Tensor], torch.Tensor],
    start: Any = None,
    steps: int = 100,
    *,
    record: str | Iterable[str] = (),
    path: bool = True,
    seed: Any = 0,
) -> Run:
    """Run an update rule on a problem.

    Parameters
    ----------
    rule : an update rule; or a function from the step number t = 1, 2, … to one, for a schedule.
        Hyperparameters that are arrays make a family of runs: their shapes, the seeds' and the starts'
        broadcast to ``runs``.
    problem : one of `gdcourse.problems`, or a function of one θ that torch can differentiate.
    start : θ_0, a number, list, array or tensor of shape ``(*runs, d)`` (``(*runs,)`` where a single θ is a
        number). Its kind, dtype and device are those of the run; numbers and lists run in float64. Default:
        the problem's own.
    steps : T, how many steps to take. Default 100.
    record : names of what to keep from every step: state (``"v"``), what the rule computed on the way
        (``"m_hat"``), or what depends on t alone (``"r"``).
    path : whether to keep θ, loss and gradient of every step, or the end alone. Default True.
    seed : seeds the sampling, where the problem has any: a whole number, or an array of them, one for
        each run. A run with a given seed sees the same samples however many run beside it. Default 0.

    Raises
    ------
    TypeError, ValueError : a hyperparameter out of range (see `gdcourse.rules.validate`), steps < 0,
        a start that does not fit the problem, shapes that do not broadcast, an unknown name in ``record``.

    Examples
    --------
    >>> import gdcourse as gd
    >>> run = gd.descend(gd.GradientDescent(lr=0.1), gd.problems.Quadratic([1.0, 10.0]), [1.0, 1.0], steps=50)
    >>> print(f"{run.loss[-1]:.3e}")
    1.328e-05
    """
    rule_at = rule if callable(rule) and not isinstance(rule, (Rule, type)) else None
    first: Any = rule_at(1) if rule_at else rule
    validate(first)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps must be a whole number ≥ 0, got {steps!r}")
    names = (record,) if isinstance(record, str) else tuple(record)

    was_numpy = not isinstance(start, torch.Tensor)
    if not isinstance(problem, Problem):
        problem = Function(problem, ndim=_as_array(start).ndim)
    theta = _as_array(problem.start if start is None else start)
    if was_numpy and isinstance(problem, Function):
        theta = torch.from_numpy(theta)
    if theta.ndim < problem.ndim:
        raise ValueError(f"start must be a vector for {problem.name}, got the number {start!r}")
    size = np.shape(problem.start)[-1:] if problem.ndim else ()
    if size and theta.shape[-1:] != size:
        raise ValueError(
            f"start must have {size[0]} entries for {problem.name}, got shape {tuple(theta.shape)}"
        )

    seeds = as_seeds(seed)
    runs = runs_shape(first, start=tuple(theta.shape[: theta.ndim - problem.ndim]), seed=seeds.shape)
    theta = _broadcast(theta, runs + tuple(theta.shape[theta.ndim - problem.ndim :]))
    samples = _draw(problem, seeds, steps, theta)

    fit = Fit(theta, problem.ndim)
    state = first.init(theta, zeros_like(theta))
    kept_theta, kept_grad = [theta], []
    kept: dict[str, list[Any]] = {name: [] for name in names}
    edge = _edge(theta, problem.ndim)
    diverged = np.full(runs, -1)

    with np.errstate(all="ignore"), torch.no_grad():
        rule_for_at, rule_for_step = fit.for_at(first), fit.for_step(first)
        for t in range(1, steps + 1):
            if rule_at and t > 1:
                now = rule_at(t)
                validate(now)
                if runs_shape(now, runs=runs) != runs:
                    raise ValueError(
                        f"a schedule must keep to one family: {runs} at step 1, more at step {t}"
                    )
                rule_for_at, rule_for_step = fit.for_at(now), fit.for_step(now)
            at = fit.values(rule_for_at.at(t))
            point = rule_for_step.look(theta, state)
            grad = problem.grad(point, None if samples is None else samples[t - 1])
            theta, new = rule_for_step.step(theta, grad, state, at)
            state = carried(state, new)
            for name in names:
                if name not in new and name not in at:
                    known = ", ".join(sorted({*new, *at})) or "nothing by name"
                    raise ValueError(f"record: {type(first).__name__} has no {name!r}; it has {known}")
                kept[name].append(new[name] if name in new else at[name])
            if path:
                kept_theta.append(theta)
                kept_grad.append(grad)
            else:
                kept_theta = [theta]
                _note_divergence(diverged, theta, edge, t, problem.ndim)
        thetas = _stack(kept_theta, theta[None][:0])
        loss = problem.loss(thetas)
    if path:
        diverged = _first_divergence(thetas, edge, problem.ndim)

    back = _to_numpy if was_numpy else (lambda x: x)
    return Run(
        theta=back(thetas),
        loss=back(loss),
        grad=back(_stack(kept_grad, thetas[:0])) if path else None,
        diverged_at=diverged if runs else (int(diverged) if diverged >= 0 else None),
        recorded={name: back(_stack(values, thetas[:0])) for name, values in kept.items()},
    )


def _as_array(start: Any) -> Any:
    if isinstance(start, torch.Tensor):
        return start.detach() if start.is_floating_point() else start.double()
    array = np.asarray(start)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"start must be a number or an array of numbers, got {start!r}")
    return array if array.dtype.kind == "f" else array.astype(float)


def _broadcast(theta: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(theta, torch.Tensor):
        return theta.expand(shape).clone()
    return np.broadcast_to(theta, shape).copy()


def _draw(problem: Problem, seeds: np.ndarray, steps: int, theta: Any) -> Any:
    """The samples of all steps, shape ``(steps, *seeds.shape, …)``, one generator for each seed."""
    draws = (problem.draw(np.random.default_rng(int(s)), steps) for s in seeds.ravel())
    drawn = [one for one in draws if one is not None]
    if not drawn:
        return None
    samples = np.stack(drawn, 1).reshape(len(drawn[0]), *seeds.shape, *drawn[0].shape[1:])
    is_float = samples.dtype.kind == "f"
    if not isinstance(theta, torch.Tensor):
        return samples.astype(theta.dtype) if is_float else samples
    dtype = theta.dtype if is_float else torch.long
    return torch.as_tensor(samples, dtype=dtype, device=theta.device)


def _stack(values: list[Any], none: Any) -> Any:
    """One array of all steps' values, of the kind of `none`, which it is where there are no steps."""
    if not values:
        return none
    if isinstance(none, torch.Tensor):
        # numbers of Python, which depend on t alone, keep their full precision
        like = [v if isinstance(v, torch.Tensor) else torch.as_tensor(np.asarray(v)) for v in values]
        return torch.stack([v.to(none.device) for v in like])
    return np.stack([np.asarray(v) for v in values])


def _to_numpy(values: Any) -> Any:
    return values.numpy() if isinstance(values, torch.Tensor) else values


def _edge(theta: Any, ndim: int) -> Any:
    """Each run's own bound, with θ's trailing axes left to broadcast."""
    size = abs(theta)
    if ndim:
        size = size.amax(-1, keepdim=True) if isinstance(size, torch.Tensor) else size.max(-1, keepdims=True)
    return BLOW_UP * (size.clamp(min=1.0) if isinstance(size, torch.Tensor) else np.maximum(size, 1.0))


def _is_out(theta: Any, edge: Any, ndim: int) -> np.ndarray:
    inside = abs(theta) <= edge  # False for NaN, too
    out = ~(inside.all(-1) if ndim else inside)
    return out.cpu().numpy() if isinstance(out, torch.Tensor) else np.asarray(out)


def _note_divergence(diverged: np.ndarray, theta: Any, edge: Any, t: int, ndim: int) -> None:
    diverged[_is_out(theta, edge, ndim) & (diverged < 0)] = t


def _first_divergence(thetas: Any, edge: Any, ndim: int) -> np.ndarray:
    out = _is_out(thetas, edge, ndim)
    return np.where(out.any(0), out.argmax(0), -1)
