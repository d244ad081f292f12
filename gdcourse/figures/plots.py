"""The plots that chapters share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from gdcourse.experiments import Comparison, Run
from gdcourse.figures.style import FAINT, INK, look, title
from gdcourse.problems import Problem

HALO = [Stroke(linewidth=4, foreground="white"), Normal()]


def contours(
    problem: Problem, x: tuple[float, float], y: tuple[float, float], ax: Axes | None = None, levels: int = 14
) -> Axes:
    """Level lines of a problem over the plane, log-spaced, and its minimum as a cross.

    Parameters
    ----------
    problem : one with two coordinates.
    x, y : from where to where, in the parameters' units.
    ax : where to draw. Default: a new square-ish figure.
    levels : how many lines. Default 14.
    """
    ax = ax or plt.subplots(figsize=(5.2, 4.0))[1]
    xs, ys = np.linspace(*x, 160), np.linspace(*y, 160)
    heights = problem.loss(np.stack(np.meshgrid(xs, ys), -1))
    above = heights - heights.min()
    spaced = np.geomspace(max(above.max() * 1e-5, 1e-12), above.max(), levels)
    ax.contour(xs, ys, above, spaced, colors=FAINT, linewidths=0.6)
    minima = getattr(problem, "minima", None)
    if minima is None and problem.minimum is not None:
        minima = [problem.minimum + np.zeros(2)]
    for point in [] if minima is None else minima:
        ax.plot(*point, "+", color=INK, markersize=9, markeredgewidth=1.5, zorder=5)
    ax.set(xlim=x, ylim=y, xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    return ax


def path(
    run: Run | np.ndarray, method: Any, ax: Axes, label: str | None = None, label_at: int = -1, every: int = 1
) -> None:
    """A path over the plane: its iterates as points, its start as a ring, its label beside it.

    Parameters
    ----------
    run : a run of `gdcourse.descend`, or its θ, shape ``(T + 1, 2)``.
    method : whose look to take: a name, a rule or a rule's class.
    label : what to write. Default: the method's name.
    label_at : beside which iterate; the last, where the path has fewer. Default: the last.
    every : draw every so-many-th point. Default 1.
    """
    theta = np.asarray(run.theta if isinstance(run, Run) else run)
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
    curves : from a method's name to its losses, shape ``(T + 1,)``.
    floor : smaller losses are drawn here. Default 1e-16.
    """
    ax = ax or plt.subplots()[1]
    for name, values in curves.items():
        values = np.maximum(np.asarray(values, float), floor)
        ax.semilogy(values, **look(name).line)
        end_label(ax, len(values) - 1, values[-1], title(name), look(name).color)
    ax.set(xlabel="step", ylabel=ylabel)
    ax.margins(x=0.02)
    return ax


def learning_rate_curves(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Validation error over the tuned hyperparameter, one line for each method, the seeds' range shaded,
    the value that was chosen marked."""
    ax = ax or plt.subplots()[1]
    tuned = {m.tuned for m in comparison.methods.values()}
    labels: list[tuple[float, float]] = []
    for name, m in comparison.methods.items():
        error, style = 100 * (1 - m.validation), look(name)
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
