"""`descend`: walk downhill, once or a hundred thousand times at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.block import walk_compiled
from gdcourse.experiments.family import (
    Cut,
    Fit,
    as_seeds,
    check_family,
    cut_out,
    cuts_of,
    part,
    runs_shape,
    with_arrays,
)
from gdcourse.experiments.progress import progress
from gdcourse.experiments.shown import Shown, describe, divergence, draw, frame, from_to
from gdcourse.experiments.walk import stack, walk
from gdcourse.optim.scope import matrices_only, seen_shape
from gdcourse.problems.given import as_problem
from gdcourse.problems.problem import Function, Problem
from gdcourse.problems.shaped import Shaped
from gdcourse.rules import Rule, hinted, per_batch_of, scope_of, validate
from gdcourse.rules.around import name_of

CACHED = 15 * 2**13
"""Bytes of θ. On a CPU, so many runs at a time take all their steps: what a step makes stays in the cache
then, in memory that the C library hands out without asking the system, and below the size from which torch
shares an operation out among threads, which would wait for each other at every one."""

KEPT = 2**30
"""Bytes of θ over all steps, up to which runs are not parted where their steps are kept: memory decides then,
not the cache."""

LITTLE = 2**20
"""Bytes up to which it is not asked whether they are free: to ask takes as long as dozens of steps."""


@dataclass(frozen=True, eq=False, repr=False)
class Run(Shown):
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
    rule, problem : what ran, and on what.
    """

    theta: Any
    loss: Any
    grad: Any
    diverged_at: Any
    recorded: dict[str, Any] = field(default_factory=dict)
    rule: Any = None
    problem: Any = None

    def __getattr__(self, name: str) -> Any:
        recorded = self.__dict__.get("recorded", {})
        if name in recorded:
            return recorded[name]
        have = ", ".join(sorted(recorded)) or "nothing"
        raise AttributeError(f"this run has no {name!r}; recorded by name: {have}. Ask with record={name!r}")

    @property
    def runs(self) -> tuple[int, ...]:
        """The shape of the family; () for one run."""
        return tuple(self.loss.shape[1:])

    def facts(self) -> dict[str, str]:
        loss = self.to_numpy("loss")
        one_broke = not self.runs and self.diverged_at is not None
        kept = len(loss) > 1 or self.grad is not None
        went = loss if kept or self.runs else loss[-1:]
        return {
            "runs": " × ".join(map(str, self.runs)),
            "steps": f"{len(loss) - 1:,}" if kept else "",
            "of": describe(self.rule) if self.rule is not None else "",
            "on": getattr(self.problem, "name", ""),
            "diverged": divergence(self.diverged_at, "θ left for infinity"),
            "loss": "" if one_broke else from_to(went, self.runs, "{:.4g}"),
        }

    def to_numpy(self, name: str = "theta") -> np.ndarray:
        """One of the arrays by its name as a NumPy array, wherever the run was."""
        values = getattr(self, name)
        return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)

    def to_pandas(self) -> Any:
        """A pandas DataFrame, a row for each step and run: ``step`` (0 … T), ``run`` (or ``run_0``,
        ``run_1``, … for each axis of a family), ``loss``, ``theta`` or ``theta_1``, ``theta_2``, … (of a
        matrix ``theta_1_1``, ``theta_1_2``, …), and what was recorded in that step, NaN at step 0.

        Raises
        ------
        ModuleNotFoundError : pandas is not installed.
        """
        columns = {"loss": self.to_numpy("loss")}
        steps, runs_and_step = columns["loss"].shape[0], columns["loss"].ndim
        for name in ("theta", *self.recorded):
            values = self.to_numpy(name).astype(float)
            if name != "theta":
                first = np.full((1, *values.shape[1:]), np.nan)
                values = np.concatenate([first, values])[-steps:]
            if values.ndim <= runs_and_step:
                columns[name] = np.broadcast_to(_spread(values, runs_and_step), columns["loss"].shape)
            else:
                for at in np.ndindex(values.shape[runs_and_step:]):
                    columns["_".join([name, *(str(i + 1) for i in at)])] = values[(..., *at)]
        return frame(columns, self.runs)

    def plot(self, ax: Any = None) -> Any:
        """Draw the run: its path over the problem's level lines where θ has two coordinates, and else its
        loss over steps. Returns the axes.

        Parameters
        ----------
        ax : where to draw, matplotlib's. Default: a new figure.

        Raises
        ------
        ValueError : a run whose steps were not kept (``path=False``), or more runs than can be told apart.
        """
        return draw("plot_run", self, ax)

    def animate(self, seconds: float = 5.0) -> Any:
        """The path over the level lines, step by step, as an animation that a notebook plays.

        Parameters
        ----------
        seconds : how long it takes. Default 5.

        Returns
        -------
        A `gdcourse.figures.Animation`; its ``save("path.gif")`` writes a file.

        Raises
        ------
        ValueError : as `plot`; or θ has not two coordinates.
        """
        return draw("animate", self, seconds)


@hinted
def descend(
    rule: Rule | Callable[[int], Rule],
    problem: Problem | Callable[[Any], Any],
    start: Any = None,
    steps: int = 100,
    *,
    record: str | Iterable[str] = (),
    path: bool = True,
    seed: Any = 0,
    compile: bool = False,
) -> Run:
    """Run an update rule on a problem.

    Parameters
    ----------
    rule : an update rule; or a function from the step number t = 1, 2, … to one, for a schedule.
        Hyperparameters that are arrays make a family of runs: their shapes, the seeds' and the starts'
        broadcast to ``runs``. One that sees matrices gets a vector as a row; one for matrices alone, such as
        Muon, needs a problem whose θ is one, such as `gdcourse.problems.MatrixQuadratic`.
    problem : one of `gdcourse.problems`, the name of a surface, or a function of one θ: torch differentiates
        it if it takes tensors; one for NumPy arrays is differentiated by differences, see
        `gdcourse.problems.as_problem`, or with a gradient of yours:
        ``gd.problems.ArrayFunction(function, gradient)``.
    start : θ_0, a number, list, array or tensor of shape ``(*runs, d)`` (``(*runs,)`` where a single θ is a
        number). Its kind, dtype and device are those of the run; numbers and lists run in float64. Default:
        the problem's own.
    steps : T, how many steps to take. Default 100.
    record : names of what to keep from every step: state (``"v"``), what the rule computed on the way
        (``"m_hat"``), or what depends on t alone (``"r"``).
    path : whether to keep θ, loss and gradient of every step, or the end alone. Default True.
    seed : seeds the sampling, where the problem has any: a whole number, or an array of them, one for
        each run. A run with a given seed sees the same samples however many run beside it. Default 0.
    compile : whether inductor makes one kernel of several steps of the rule and the problem. The first
        call for rules and problems of a kind, and for families of a shape, then takes some 10 seconds, and
        later ones a fraction of the time, also with other hyperparameters: worth it for tens of thousands of
        runs, again and again. It gives the ends alone (``path=False``), of a rule that stays the same. Where
        that fails, a warning says why, and the runs are walked uncompiled. Default False.

    Large families are walked in parts, one after the other, which changes nothing but speed and memory. On a
    CPU, NumPy is faster than torch for such small steps.

    Raises
    ------
    MemoryError : what is to be kept of all steps does not fit into the memory that is free.
    TypeError, ValueError : a hyperparameter out of range (see `gdcourse.rules.validate`), steps < 0,
        a start that does not fit the problem, shapes that do not broadcast, an unknown name in ``record``.

    Examples
    --------
    >>> import gdcourse as gd
    >>> run = gd.descend(gd.GradientDescent(lr=0.1), gd.problems.Quadratic([1.0, 10.0]), [1.0, 1.0], steps=50)
    >>> print(f"{run.loss[-1]:.3e}")
    1.328e-05
    """
    rule = with_arrays(rule)
    rule_at = rule if callable(rule) and not isinstance(rule, (Rule, type)) else None
    first: Any = rule_at(1) if rule_at else rule
    validate(first)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps must be a whole number ≥ 0, got {steps!r}")
    names = (record,) if isinstance(record, str) else tuple(record)
    if compile and (path or names or rule_at):
        raise ValueError("compile=True gives the ends alone: it needs path=False, no record and no schedule")

    was_numpy = not isinstance(start, torch.Tensor)
    problem = as_problem(problem, None if start is None else _as_array(start))
    theta = _as_array(problem.start if start is None else start)
    if was_numpy and (compile or isinstance(problem, Function)):
        theta = torch.from_numpy(theta)
    if theta.ndim < problem.ndim:
        kind = "a vector" if problem.ndim == 1 else "a matrix"
        got = f"shape {tuple(theta.shape)}" if theta.ndim else f"the number {start!r}"
        raise ValueError(f"start must be {kind} for {problem.name}, got {got}")
    shape = np.shape(problem.start)[-problem.ndim :] if problem.ndim else ()
    if shape and tuple(theta.shape[-problem.ndim :]) != shape:
        wanted = f"have {shape[0]} entries" if problem.ndim == 1 else f"end in the shape {shape}"
        raise ValueError(f"start must {wanted} for {problem.name}, got shape {tuple(theta.shape)}")

    seeds = as_seeds(seed)
    given, (problem, theta) = problem, _seen_by(first, problem, theta, compile)
    tail = tuple(theta.shape[theta.ndim - problem.ndim :])
    runs = runs_shape(first, start=tuple(theta.shape[: theta.ndim - problem.ndim]), seed=seeds.shape)
    at_once = max(CACHED, KEPT // (steps + 1)) if path or names else CACHED
    check_family(first, runs, theta)
    # what one seed draws may be meant for all runs together, and only the problem knows which part is whose
    shared = not seeds.shape and problem.draw(np.random.default_rng(0), 1) is not None
    in_parts = _on_cpu(theta) and not shared and not compile
    cuts = cuts_of(runs, at_once // max(1, prod(tail) * theta.itemsize) if in_parts else prod(runs))
    if len(cuts) > 1 and not _knows_no_runs(problem, theta, seeds, runs, per_batch_of(first)):
        cuts = cuts_of(runs, prod(runs))
    kept = prod(runs) * steps * (prod(tail) * (2 * path + len(names)) + path)
    _check_room(theta, kept + kept // max(1, len(cuts)))  # the steps of a part, and beside them its array

    fit = Fit(theta, problem.ndim)
    by_step = [name for name in names if name in fit.for_at(first).at(1)]
    names = tuple(name for name in names if name not in by_step)
    whole: dict[str, Any] = {}
    for cut in progress(cuts, "descending", len(cuts), after=1) if len(cuts) > 1 else cuts:
        shape = tuple(along.stop - along.start for along in cut) + tail
        own = _start(cut_out(theta, cut, problem.ndim), shape, problem.ndim)
        samples = _draw(problem, cut_out(seeds, cut), steps, theta, per_batch_of(first))
        walked = walk_compiled(first, problem, own, samples, steps) if compile else None
        if walked is None:
            walked = walk(_part_of(rule_at, first, runs, cut), problem, own, samples, steps, names, path)
        whole = _joined(whole, walked, cut, runs) if len(cuts) > 1 else walked
    with np.errstate(all="ignore"):
        for name in by_step:
            rules = ((t, rule_at(t) if rule_at else first) for t in range(1, steps + 1))
            whole[name] = stack([fit.values(fit.for_at(now).at(t))[name] for t, now in rules], theta)

    if isinstance(problem, Shaped):
        shape = runs + tail
        as_theta = [name for name, x in whole.items() if x is not None and tuple(x.shape[1:]) == shape]
        whole |= {name: problem.back(whole[name]) for name in as_theta}
    diverged = whole["diverged_at"]
    back = _to_numpy if was_numpy else (lambda x: x)
    return Run(
        theta=back(whole["theta"]),
        loss=back(whole["loss"]),
        grad=back(whole["grad"]) if path else None,
        diverged_at=diverged if runs else (int(diverged) if diverged >= 0 else None),
        recorded={name: back(whole[name]) for name in (*by_step, *names)},
        rule=rule,
        problem=given,
    )


def _seen_by(rule: Rule, problem: Problem, theta: Any, compile: bool) -> tuple[Problem, Any]:
    """A problem and θ in the shape in which a rule sees them.

    Raises
    ------
    ValueError : a rule for matrices, and a θ that is none; or one that sees matrices, to be compiled.
    """
    own, scope = tuple(theta.shape[theta.ndim - problem.ndim :]), scope_of(rule)
    if matrices_only(rule) and problem.ndim < 2:
        raise ValueError(
            f"{name_of(rule)} moves matrices, and θ of {problem.name} is a "
            f"{('number', 'vector')[problem.ndim]}: gdcourse.problems.MatrixQuadratic has a matrix, and "
            "gdcourse.problems.Function(f, ndim=2) takes one"
        )
    if compile and scope == "tensor":
        raise ValueError(
            f"compile=True is for rules that work by element or on vectors; {name_of(rule)} sees matrices"
        )
    seen = seen_shape(rule, own)
    if seen == own:
        return problem, theta
    return Shaped(problem, own, seen), theta.reshape((*theta.shape[: theta.ndim - problem.ndim], *seen))


def _as_array(start: Any) -> Any:
    if isinstance(start, torch.Tensor):
        return start.detach() if start.is_floating_point() else start.double()
    array = np.asarray(start)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"start must be a number or an array of numbers, got {start!r}")
    return array if array.dtype.kind == "f" else array.astype(float)


def _start(theta: Any, shape: tuple[int, ...], ndim: int) -> Any:
    """θ_0 of runs side by side. Of vectors, a coordinate of all of them in one piece of memory: a
    hyperparameter that differs from run to run then meets each coordinate in one long loop. A matrix stays in
    one piece."""
    if isinstance(theta, torch.Tensor):
        theta = theta.expand(shape)
        columns = theta.movedim(-1, 0) if ndim == 1 else theta
        columns = columns.clone(memory_format=torch.contiguous_format)
        return columns.movedim(0, -1) if ndim == 1 else columns
    theta = np.broadcast_to(theta, shape)
    return np.moveaxis(np.moveaxis(theta, -1, 0).copy(), 0, -1) if ndim == 1 else theta.copy()


def _knows_no_runs(problem: Problem, theta: Any, seeds: np.ndarray, runs: tuple[int, ...], each: int) -> bool:
    """Whether one run alone has a gradient of its own shape. Where not, the problem holds numbers that go
    with the runs, as `Rare` may, and which of them are whose, it alone knows."""
    cut = (slice(1),) * len(runs)
    shape = (1,) * len(runs) + tuple(theta.shape[theta.ndim - problem.ndim :])
    one = _start(cut_out(theta, cut, problem.ndim), shape, problem.ndim)
    samples = _draw(problem, cut_out(seeds, cut), 1, one, each)
    try:
        with np.errstate(all="ignore"), torch.no_grad():
            return problem.grad(one, None if samples is None else samples[0]).shape == one.shape
    except (ValueError, RuntimeError, IndexError):  # what does not broadcast
        return False


def _part_of(rule_at: Any, first: Rule, runs: tuple[int, ...], cut: Cut) -> Callable[[int], Rule]:
    """The rule of step t, for some of the runs."""
    if rule_at is None:
        always = part(first, cut)
        return lambda t: always

    def scheduled(t: int) -> Rule:
        now = rule_at(t)
        validate(now)
        if runs_shape(now, runs=runs) != runs:
            raise ValueError(f"a schedule must keep to one family: {runs} at step 1, more at step {t}")
        return part(now, cut)

    return scheduled


def _joined(whole: dict[str, Any], walked: dict[str, Any], cut: Cut, runs: tuple[int, ...]) -> dict[str, Any]:
    """What these runs gave, put into the arrays of all."""
    for name, values in walked.items():
        times = () if name == "diverged_at" else (slice(None),)
        shape = tuple(values.shape)
        if len(shape) < len(times) + len(runs):  # it depends on no run
            whole[name] = values
            continue
        if name not in whole:
            room = (*shape[: len(times)], *runs, *shape[len(times) + len(runs) :])
            is_tensor = isinstance(values, torch.Tensor)
            whole[name] = values.new_empty(room) if is_tensor else np.empty(room, values.dtype)
        whole[name][times + cut] = values
    return whole


def _check_room(theta: Any, numbers: int) -> None:
    """Raise MemoryError if so many numbers of θ's kind do not fit into the memory that is free."""
    need = numbers * theta.itemsize
    if need <= LITTLE:
        return
    free = _free_bytes(theta)
    if need > free:
        raise MemoryError(
            f"what is to be kept of these runs takes {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: "
            "path=False keeps the ends alone; or take fewer runs, steps, or names to record"
        )


def _free_bytes(theta: Any) -> float:
    if not _on_cpu(theta):
        return torch.cuda.mem_get_info(theta.device)[0] if theta.device.type == "cuda" else inf
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux
        return inf


def _on_cpu(theta: Any) -> bool:
    return not isinstance(theta, torch.Tensor) or theta.device.type == "cpu"


def _draw(problem: Problem, seeds: np.ndarray, steps: int, theta: Any, each: int) -> Any:
    """The samples of all steps, shape ``(steps, *seeds.shape, …)``, one generator for each seed; as many
    steps in a row as ``each`` says have the same."""
    draws = (problem.draw(np.random.default_rng(int(s)), -(-steps // each)) for s in seeds.ravel())
    drawn = [one for one in draws if one is not None]
    if not drawn:
        return None
    samples = np.stack(drawn, 1).reshape(len(drawn[0]), *seeds.shape, *drawn[0].shape[1:])
    samples = samples.repeat(each, axis=0)[:steps] if each > 1 else samples
    is_float = samples.dtype.kind == "f"
    if not isinstance(theta, torch.Tensor):
        return samples.astype(theta.dtype) if is_float else samples
    dtype = theta.dtype if is_float else torch.long
    return torch.as_tensor(samples, dtype=dtype, device=theta.device)


def _spread(values: np.ndarray, ndim: int) -> np.ndarray:
    """Values of each step, which may be the same for all runs, with as many axes as the losses have."""
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def _to_numpy(values: Any) -> Any:
    return values.numpy() if isinstance(values, torch.Tensor) else values
