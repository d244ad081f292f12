"""Level lines as one broken line, for a `Line` mark."""

from __future__ import annotations

import contourpy
import numpy as np

from gdcourse.problems import Problem


def contour_lines(
    problem: Problem, x: tuple[float, float], y: tuple[float, float], levels: int = 9, points: int = 90
) -> tuple[np.ndarray, np.ndarray]:
    """The level lines of a problem with two coordinates, log-spaced above its lowest value in view.

    Parameters
    ----------
    x, y : from where to where.
    levels : how many. Default 9.
    points : how fine the lines are: on how many points along each axis they rest. Default 90.

    Returns their coordinates, each of shape ``(N,)``; NaN stands between one line and the next.
    """
    xs, ys = np.linspace(*x, points), np.linspace(*y, points)
    heights = problem.loss(np.stack(np.meshgrid(xs, ys), -1))
    above = heights - heights.min()
    lines = contourpy.contour_generator(xs, ys, above)
    spaced = np.geomspace(max(above.max() * 1e-5, 1e-12), above.max(), levels + 1)[:-1]
    gap = np.full((1, 2), np.nan)
    drawn = (np.asarray(line) for level in spaced for line in lines.lines(level))
    joined = np.concatenate([part for line in drawn for part in (line[::2], line[-1:], gap)])[:-1]
    return joined[:, 0], joined[:, 1]
