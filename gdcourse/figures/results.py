"""Results as pictures: what `plot` of a run, a history and a comparison draws."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from gdcourse.experiments import History, Run
from gdcourse.figures.plots import contours, end_label, minima_of, path, view_of
from gdcourse.figures.style import FAINT, INK, look, title

MOST_PATHS, MOST_LINES = 12, 100


def plot_run(run: Run, ax: Axes | None = None) -> Axes:
    """A run over the level lines of its problem where θ has two coordinates, at most 12 runs; else its loss
    over steps, at most 100 runs.

    Parameters
    ----------
    run : with its path kept.
    ax : where to draw. Default: a new figure.

    Raises
    ------
    ValueError : only the end was kept, or there are more runs.
    """
    theta, loss = run.to_numpy(), run.to_numpy("loss")
    check_kept(run)
    count = int(np.prod(run.runs))
    if is_plane(run) and count <= MOST_PATHS:
        return _paths(run, theta.reshape(len(theta), count, 2), ax)
    if count > MOST_LINES:
        raise ValueError(
            f"{count:,} runs are too many lines: draw some of them, as in plt.semilogy(run.loss[:, :10]), or "
            "their ends, as in plt.imshow(run.loss[-1])"
        )
    ax = ax or plt.subplots()[1]
    style = look(run.rule if run.rule is not None else "")
    for line in loss.reshape(len(loss), count).T:
        ax.plot(line, **style.line, linewidth=1.8 if count == 1 else 0.8)
    if (loss[np.isfinite(loss)] > 0).all():
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss", title=title(run.rule) if run.rule is not None else "")
    return ax


def is_plane(run: Run) -> bool:
    """Whether a run has two coordinates and knows its problem."""
    is_pair = run.to_numpy().ndim == len(run.runs) + 2 and run.to_numpy().shape[-1] == 2
    return is_pair and run.problem is not None


def plane_of(run: Run, ax: Axes | None = None) -> Axes:
    """The level lines of a run's problem, as far as its path goes."""
    theta, minima = run.to_numpy().reshape(-1, 2), minima_of(run.problem)
    nearby = theta[np.isfinite(theta).all(-1)]
    if run.diverged_at is not None and np.max(run.diverged_at) >= 0:  # what left is not followed
        reach = 10 * max(1.0, float(abs(np.concatenate([minima, run.to_numpy()[0].reshape(-1, 2)])).max()))
        nearby = nearby[(abs(nearby) <= reach).all(-1)]
    return contours(run.problem, *view_of([*nearby, *minima]), ax)


def _paths(run: Run, theta: np.ndarray, ax: Axes | None) -> Axes:
    ax = plane_of(run, ax)
    with np.errstate(all="ignore"):
        for i in range(theta.shape[1]):
            one = theta[:, i]
            one = one[np.isfinite(one).all(-1)]
            path(one, run.rule, ax, label="" if theta.shape[1] > 1 and i else None, label_at=-1)
    return ax


def plot_history(history: History, ax: Axes | None = None) -> Axes:
    """Validation loss over steps, a line for each training; of a single one also the mini-batches' losses.

    Parameters
    ----------
    history : of `gdcourse.train`, at most 100 trainings.
    ax : where to draw. Default: a new figure.

    Raises
    ------
    ValueError : there are more trainings.
    """
    runs = history.loss.shape[1:]
    count = int(np.prod(runs))
    if count > MOST_LINES:
        raise ValueError(f"{count:,} trainings are too many lines: draw some, as in history.loss[:, 0]")
    ax = ax or plt.subplots()[1]
    style = look(history.optimizer if history.optimizer is not None else "")
    if not runs:
        ax.plot(np.arange(1, len(history.loss) + 1), history.loss, color=FAINT, linewidth=0.6)
    for line in history.validation_loss.reshape(len(history.steps), count).T:
        ax.plot(history.steps, line, style.marker, **style.line, linewidth=1.8 if count == 1 else 0.8)
    if not runs and np.isfinite(history.validation_loss[-1]):
        end_label(ax, history.steps[-1], history.validation_loss[-1], "validation", style.color or INK)
    ax.set(xlabel="step", ylabel="loss")
    return ax


def check_kept(run: Run) -> None:
    """Raise ValueError if a run kept its end alone."""
    if run.grad is None:
        raise ValueError("only the end of this run was kept (path=False): run it with path=True to draw it")
