"""A path that walks, as an animation for a notebook or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gdcourse.experiments import Run, is_static
from gdcourse.figures.results import check_kept, is_plane, plane_of
from gdcourse.figures.style import look, title

FRAMES = 60
"""At most so many pictures; of a longer run, some steps are left out."""


@dataclass(frozen=True, eq=False, repr=False)
class Animation:
    """A run, step by step. In a live notebook it plays; `save` writes it to a file.

    Attributes
    ----------
    run : of two coordinates, its path kept.
    seconds : how long it takes.
    """

    run: Run
    seconds: float

    @property
    def shown(self) -> np.ndarray:
        """The steps that are shown, at most 60 of them."""
        steps = len(self.run.to_numpy()) - 1
        return np.unique(np.linspace(0, steps, min(FRAMES, steps + 1)).round().astype(int))

    def save(self, file: str | Path) -> None:
        """Write it to a file, a ``.gif`` (or what matplotlib's writers on this machine can make)."""
        frames = self._frames()
        frames.save(str(file), writer="pillow" if Path(file).suffix == ".gif" else None)

    def __repr__(self) -> str:
        return f"Animation: {len(self.shown)} of {len(self.run.to_numpy())} points of the path, {self.run!r}"

    def _repr_html_(self) -> str | None:
        """In a live notebook. A committed one stores text alone."""
        return None if is_static() else self._frames().to_jshtml(default_mode="once")

    def _frames(self) -> Any:
        from matplotlib.animation import FuncAnimation

        theta, style = self.run.to_numpy(), look(self.run.rule)
        theta = theta.reshape(len(theta), -1, 2)
        figure = Figure(figsize=(5.2, 4.0), dpi=72)
        ax = plane_of(self.run, figure.subplots())
        trails = [ax.plot([], [], **style.line, linewidth=1.2, zorder=3)[0] for _ in theta[0]]
        heads = ax.plot([], [], "o", color=style.color, markersize=6, zorder=4)[0]

        def draw(step: int) -> list[Any]:
            for i, trail in enumerate(trails):
                trail.set_data(*theta[: step + 1, i].T)
            heads.set_data(*theta[step].T)
            ax.set_title(f"{title(self.run.rule)}, step {step}")
            return [*trails, heads]

        pause = 1000 * self.seconds / len(self.shown)
        return FuncAnimation(figure, draw, frames=self.shown.tolist(), interval=pause, blit=False)


def animate(run: Run, seconds: float = 5.0) -> Animation:
    """A run's path over the level lines of its problem, step by step.

    Parameters
    ----------
    run : of `gdcourse.descend`, of two coordinates, its path kept.
    seconds : how long it takes. Default 5.

    Raises
    ------
    ValueError : another run, or no time above 0.
    """
    if not is_plane(run):
        raise ValueError("only a run of two coordinates walks over a plane; run.plot() draws another's loss")
    check_kept(run)
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds!r}")
    return Animation(run, seconds)
