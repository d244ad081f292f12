"""The plots that chapters share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from gdcourse.experiments import Comparison, Run
from gdcourse.figures.style import FAINT, INK, look, looks, title
from gdcourse.problems import Function, Problem, as_problem
from gdcourse.rules import hinted

HALO = [Stroke(linewidth=4, foreground="white"), Normal()]


def plane_problem(problem: Any, x: Sequence[float], y: Sequence[float]) -> Problem:
    """A problem with two coordinates, from what `gdcourse.problems.as_problem` takes.

    Raises
    ------
    TypeError, ValueError : as `as_problem`; or a problem of another number of coordinates.
    """
    problem = as_problem(problem, [float(np.mean(x)), float(np.mean(y))])
    start = np.shape(problem.start) if problem.start is not None else (2,) * problem.ndim
    if start != (2,):
        raise ValueError(f"{problem.name} must have two coordinates to be drawn over a plane, it has {start}")
    return problem


def heights_of(problem: Problem, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """The loss over a grid, shape ``(len(ys), len(xs))``; NaN where it is not finite."""
    grid = np.stack(np.meshgrid(xs, ys), -1)
    with np.errstate(all="ignore"):
        if isinstance(problem, Function):
            heights = problem.loss(torch.from_numpy(grid)).detach().numpy()
        else:
            heights = np.asarray(problem.loss(grid))
    return np.where(np.isfinite(heights), heights, np.nan)


def minima_of(problem: Problem) -> np.ndarray:
    """The minima that a problem names, shape ``(K, 2)``."""
    minima = getattr(problem, "minima", None)
    if minima is None:
        minima = [] if problem.minimum is None else [problem.minimum + np.zeros(2)]
    return np.reshape(np.asarray(minima, float), (-1, 2))


def view_of(points: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """A part of the plane with some points in it, shape ``(N, 2)``, and room around them."""
    points = np.reshape(np.asarray(points, float), (-1, 2))
    points = points[np.isfinite(points).all(-1)]
    low, high = points.min(0), points.max(0)
    room = np.maximum(0.15 * (high - low), 0.1 * (high - low).max())
    room = np.where(room > 0, room, 1.0)
    (x0, y0), (x1, y1) = low - room, high + room
    return (float(x0), float(x1)), (float(y0), float(y1))


@hinted
def contours(
    problem: Any,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    ax: Axes | None = None,
    levels: int = 14,
) -> Axes:
    """Level lines of a problem over the plane, log-spaced, and its minimum as a cross.

    Parameters
    ----------
    problem : one with two coordinates: a problem, a surface's name (``"Beale"``), or a function of one θ.
    x, y : from where to where, in the parameters' units. Default: around the problem's start and minima; a
        function has none, and needs both.
    ax : where to draw. Default: a new square-ish figure.
    levels : how many lines. Default 14.

    Raises
    ------
    TypeError : no problem, or a function without x and y.
    ValueError : not two coordinates, or nowhere a finite number.
    """
    if x is None or y is None:
        if callable(problem) and not isinstance(problem, type):
            raise TypeError("of a function it must be said where to look: x=(-2, 2), y=(-2, 2)")
        found = as_problem(problem)
        around = view_of([*minima_of(found), *np.reshape(np.asarray(found.start, float), (-1, 2))])
        x, y = around[0] if x is None else x, around[1] if y is None else y
    problem = plane_problem(problem, x, y)
    ax = ax or plt.subplots(figsize=(5.2, 4.0))[1]
    xs, ys = np.linspace(*x, 160), np.linspace(*y, 160)
    heights = heights_of(problem, xs, ys)
    if np.isnan(heights).all():
        raise ValueError(f"{problem.name} is nowhere a finite number for x in {x}, y in {y}")
    above = heights - np.nanmin(heights)
    if np.nanmax(above) > 0:  # a plain has no level lines
        highest = np.nanmax(above)
        spaced = np.geomspace(max(highest * 1e-5, 1e-12), highest, levels)
        ax.contour(xs, ys, above, spaced, colors=FAINT, linewidths=0.6)
    for point in minima_of(problem):
        ax.plot(*point, "+", color=INK, markersize=9, markeredgewidth=1.5, zorder=5)
    ax.set(xlim=x, ylim=y, xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    return ax


@hinted
def path(
    run: Run | np.ndarray,
    method: Any = None,
    ax: Axes | None = None,
    label: str | None = None,
    label_at: int = -1,
    every: int = 1,
) -> None:
    """A path over the plane: its iterates as points, its start as a ring, its label beside it.

    Parameters
    ----------
    run : a run of `gdcourse.descend`, or its θ, shape ``(T + 1, 2)``; an array, a tensor or a list.
    method : whose look to take: a name, a rule or a rule's class. Default: the run's rule.
    ax : where to draw. Default: over the level lines of the run's problem, in a new figure.
    label : what to write. Default: the method's name.
    label_at : beside which iterate; the last, where the path has fewer. Default: the last.
    every : draw every so-many-th point. Default 1.

    Raises
    ------
    ValueError : θ is no single path of two coordinates; or an array without ``ax``.
    """
    theta = run.to_numpy() if isinstance(run, Run) else np.asarray(run, float)
    if theta.ndim != 2 or theta.shape[1] != 2:
        raise ValueError(
            f"a path must be one run of two coordinates, shape (T + 1, 2); got {theta.shape}. Of several "
            "runs give one, as in run.theta[:, 0]"
        )
    if ax is None:
        if not isinstance(run, Run) or run.problem is None:
            raise ValueError("where should the path be drawn? Give ax, as contours returns it")
        ax = contours(run.problem, *view_of([*theta, *minima_of(run.problem)]))
    if method is None:
        method = getattr(run, "rule", None) or ""
    style = look(method)
    ax.plot(*theta.T, **style.line, linewidth=1.2, path_effects=HALO, zorder=3)
    ax.plot(*theta[::every].T, style.marker, color=style.color, markersize=2.6, zorder=4)
    ax.plot(*theta[0], "o", color=style.color, markerfacecolor="white", markersize=7, zorder=5)
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    place = np.clip(theta[min(label_at, len(theta) - 1)], low, high)
    end_label(ax, place[0], place[1], title(method) if label is None else label, style.color)


def end_label(ax: Axes, x: float, y: float, text: str, color: str) -> None:
    """A label beside a point, in its line's colour, in place of a legend."""
    ax.annotate(
        text,
        (x, y),
        xytext=(5, 3),
        textcoords="offset points",
        color=color,
        path_effects=HALO,
        annotation_clip=False,
        zorder=6,
    )


def losses(
    curves: dict[str, Any], ax: Axes | None = None, ylabel: str = "loss", floor: float = 1e-16
) -> Axes:
    """Loss over steps on a log scale, one labelled line for each method.

    Parameters
    ----------
    curves : from a method's name to its losses, shape ``(T + 1,)``; arrays or lists.
    floor : smaller losses are drawn here. Default 1e-16.
    """
    ax = ax or plt.subplots()[1]
    styles = looks(curves)
    for name, values in curves.items():
        values = np.maximum(np.asarray(values, float), floor)
        ax.semilogy(values, **styles[name].line)
        end_label(ax, len(values) - 1, values[-1], title(name), styles[name].color)
    ax.set(xlabel="step", ylabel=ylabel)
    ax.margins(x=0.02)
    return ax


def learning_rate_curves(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Validation error over the tuned hyperparameter, one line for each method, the seeds' range shaded,
    the value that was chosen marked."""
    ax = ax or plt.subplots()[1]
    tuned, styles = {m.tuned for m in comparison.methods.values()}, looks(comparison.methods)
    labels: list[tuple[float, float]] = []
    for name, m in comparison.methods.items():
        error, style = 100 * (1 - m.validation), styles[name]
        ax.fill_between(m.values, error.min(-1), error.max(-1), color=style.color, alpha=0.15, linewidth=0)
        ax.loglog(m.values, error.mean(-1), style.marker, **style.line)
        ax.plot(m.values[m.best], error.mean(-1)[m.best], "o", color=style.color, fillstyle="none", ms=11)
        x, y = m.values[0], error.mean(-1)[0]
        while any(abs(np.log(x / a)) < 0.1 and abs(np.log(y / b)) < 0.2 for a, b in labels):
            y *= 0.7  # below the label that stands there
        labels.append((x, y))
        end_label(ax, x, y, title(name), style.color)
    names = {"lr": "learning rate $\\eta$", "eps": "$\\epsilon$"}
    ax.set(
        xlabel=" or ".join(names.get(t, t) for t in sorted(tuned, reverse=True)), ylabel="validation error, %"
    )
    ax.set_yticks([5, 10, 20, 50, 90], ["5", "10", "20", "50", "90"])
    ax.minorticks_off()
    return ax


def images(pictures: Any, titles: Sequence[str] = (), columns: int = 10, width: float = 7.0) -> None:
    """Digits side by side, dark ink on light paper.

    Parameters
    ----------
    pictures : shape ``(N, 28, 28)``, 0 (paper) to 1 (ink).
    titles : one for each, if wanted.
    """
    pictures = np.asarray(pictures)
    rows = -(-len(pictures) // columns)
    height = width / columns * rows * (1.25 if len(titles) else 1.05)
    _figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        ax.imshow(picture, cmap="Greys", vmin=0, vmax=1)
        if len(titles):
            ax.set_title(titles[i], loc="center", fontsize=9)
