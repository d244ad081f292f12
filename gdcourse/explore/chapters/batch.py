"""Batch gradient descent: what a step size and a start decide, on a bowl and between two minima."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Heat, Line, Panel, Slider, Text, style, views
from gdcourse.explore.sight import within
from gdcourse.explore.views import in_views
from gdcourse.problems import LeastSquares, Problem, Saddle
from gdcourse.rules import GradientDescent
from gdcourse.theory import gd_stability_limit

STEPS, LONG = 40, 400
SHARES = np.round(np.arange(0.05, 1.21, 0.05), 2)
HEIGHTS = np.round(np.arange(-2.0, 2.01, 0.1), 1)
CELLS = np.round(np.arange(-2.0, 2.01, 0.04), 2)  # the map's starts; 0, the ridge, is one of them
UPPER = CELLS[CELLS > 0]
ROUNDING = 1e-14  # a loss near 0.3 has no digits to tell apart what is closer to the lowest one
FROM, SIDE = np.array([-1.6, -0.8]), 1.2
BOWL, SURFACE = ((-2.4, 3.6), (-1.4, 3.4)), ((-0.6, 1.4), (-2.1, 2.1))
SHADES = np.array([0.15, 0.45, 1.0])  # of the lower minimum, the upper one, the saddle


def batch() -> Figure:
    """A convex bowl: the path and the loss over the steps. In the other view, two minima with a saddle
    between: where every start ends for every step size, and the path of one.

    The bowl is the least-squares loss of 60 examples of two features (seed 3), from (−1.6, −0.8); the other
    surface is ½x² + ¼y⁴ − ½y², from x = 1.2 and heights y between −2 and 2. η is 0.05 to 1.2 times
    2/L, L the largest curvature: anywhere on the bowl, and below that at the two minima. 40 steps are drawn;
    where a run ends is asked after 400.
    """
    bowl, surface = least_squares(), Saddle()
    bowl_limit = gd_stability_limit(np.linalg.eigvalsh(bowl.hessian).max())
    limit = gd_stability_limit(2.0)  # at (0, ±1) the surface curves by 2 along y, and by 1 along x
    bowl_x, bowl_y = contour_lines(bowl, *BOWL, levels=7, points=60)
    level_x, level_y = contour_lines(surface, *SURFACE, levels=9, points=60)
    every = walk(surface, SHARES[:, None] * limit, SIDE, CELLS)
    place = ends(every)[0]
    shade = np.where(np.isnan(place), np.nan, SHADES[np.nan_to_num(place).astype(int)])

    def compute(share: np.ndarray, height: np.ndarray) -> Arrays:
        fit, run = walk(bowl, share * bowl_limit, *FROM), walk(surface, share * limit, SIDE, height)
        out = fit.diverged_at >= 0
        fit_x, fit_y = within(8.0, *coordinates(fit))
        x, y = within(3.0, *coordinates(run))
        place, arrived = ends(run)
        left = fit.loss[STEPS] - bowl.loss(bowl.minimum)
        settles = share < 1
        above = ends(walk(surface, share * limit, SIDE, UPPER))[0]  # (η, starts)
        return {
            **in_views("bowl", "minima", computed=2),
            "fit_x": fit_x,
            "fit_y": fit_y,
            "excess": last(fit.loss - bowl.loss(bowl.minimum))[..., : STEPS + 1],
            "fit_left": np.where(settles & (left > ROUNDING), left, np.nan),
            "fit_arrived": np.where(settles & (left <= ROUNDING), ROUNDING, np.nan),
            "fit_stuck": np.where(settles | out, np.nan, left),
            "upper_starts": np.full((1, 1), len(UPPER)),
            "upper_own": (above == 1).sum(-1, keepdims=True),
            "upper_other": (above == 0).sum(-1, keepdims=True),
            "upper_none": np.isnan(above).sum(-1, keepdims=True),
            "ridge": np.where(height == 0, 1.0, np.nan) + 0 * share,
            "beyond": np.where(settles, np.nan, 1.0) + 0 * height,
            "fit_diverged": np.where(out, fit.diverged_at, np.nan),
            "x": x,
            "y": y,
            "place": place,
            "arrived": arrived,
            "restless": np.where(np.isnan(place) & (run.diverged_at < 0), height, np.nan),
            "diverged": np.where(run.diverged_at < 0, np.nan, run.diverged_at),
            "map": shade.T[None, None],
            "share_at": share + 0 * height,
            "height_at": height + 0 * share,
            "bowl_x": bowl_x[None, None],
            "bowl_y": bowl_y[None, None],
            "level_x": level_x[None, None],
            "level_y": level_y[None, None],
        }

    view, on = views("A convex bowl", "Two minima")
    color = style("batch")["color"]
    own: dict[str, Any] = {"color": color, "width": 1.2, "dots": 2}
    level: dict[str, Any] = {"color": "faint", "width": 0.7}
    return Figure(
        name="figure-batch",
        title="What batch gradient descent promises, and what it does not",
        controls=[
            view,
            Slider(name="share", label="η, in units of 2/L", values=SHARES, start=17, format=".2f"),
            Slider(
                name="height", label="height of the start", values=HEIGHTS, start=35, format=".1f", when=on[1]
            ),
        ],
        compute=compute,
        tries=[
            "raise the slider to 1.00, which is η = 2/L, then to 1.05. Does the loss still fall?",
            "set η to 0.90, and the height to 1.5, then to 1.4. In which minimum does each run end?",
        ],
        rows=[
            [
                Panel(
                    title="a convex bowl: the path",
                    x=Axis(label="θ₁", domain=BOWL[0]),
                    y=Axis(label="θ₂", domain=BOWL[1]),
                    height=210,
                    when=on[0],
                    marks=[
                        Line(x="bowl_x", y="bowl_y", **level),
                        Line(x="fit_x", y="fit_y", **own),
                        Dots(x=bowl.minimum[0], y=bowl.minimum[1], shape="cross", size=5),
                    ],
                ),
                Panel(
                    title="a convex bowl: excess loss",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(
                        label="loss − lowest loss",
                        domain=(1e-10, 1e4),
                        log=True,
                        ticks=[(1e-9, "10⁻⁹"), (1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1.0, "1"), (1e3, "10³")],
                    ),
                    height=210,
                    when=on[0],
                    marks=[
                        Line(y="excess", **own),
                        Text(
                            text="diverged at step {fit_diverged:d}",
                            x=1,
                            y=1e-9,
                            color="orange",
                        ),
                    ],
                ),
                Panel(
                    title="two minima: where a start ends",
                    height=210,
                    when=on[1],
                    x=Axis(label="η, in units of 2/L", domain=(0.025, 1.225)),
                    y=Axis(label="height of the start", domain=(-2.02, 2.02)),
                    pad=("share", "height"),
                    marks=[
                        Heat(
                            values="map", x0=0.025, x1=1.225, y0=-2.02, y1=2.02, color=color, missing="orange"
                        ),
                        Text(text="upper minimum", x=0.08, y=0.9),
                        Text(text="lower minimum", x=0.08, y=-0.9),
                        Text(text="saddle", x=0.08, y=0.15),
                        Text(text="neither", x=1.1, y=0.5, anchor="middle"),
                        Dots(x="share_at", y="height_at", shape="ring", size=7),
                    ],
                ),
                Panel(
                    title="two minima: the path",
                    height=210,
                    when=on[1],
                    x=Axis(label="x", domain=SURFACE[0]),
                    y=Axis(label="y", domain=SURFACE[1]),
                    marks=[
                        Line(x="level_x", y="level_y", **level),
                        Line(x="x", y="y", **own),
                        Dots(x=[0.0, 0.0, 0.0], y=[1.0, -1.0, 0.0], shape="cross", size=5),
                        Text(text="upper minimum", x=0.08, y=1.2),
                        Text(text="lower minimum", x=0.08, y=-1.25),
                        Text(text="saddle", x=-0.4, y=0.0),
                        Text(text="diverged at step {diverged:d}", x=-0.5, y=1.9, color="orange"),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_bowl@view:?}η = {share} · 2/L: {fit_left:.1g} above the lowest loss after 40 steps.",
            "{in_bowl@view:?}η = {share} · 2/L: less than {fit_arrived:.0e} above the lowest loss after 40 "
            "steps.",
            "{in_bowl@view:?}η = {share} · 2/L: {fit_stuck:.1g} above the lowest loss after 40 steps.",
            "{in_bowl@view:?}η = {share} · 2/L: diverged at step {fit_diverged:d}.",
            "{in_minima@view:?}From height {height}: {place|places}, reached at step {arrived:d}.",
            "{in_minima@view:?}From height {restless:.1f}: no place to stay at in 400 steps.",
            "{in_minima@view:?}From height {height}: diverged at step {diverged:d}.",
        ],
        caption=[
            "{in_bowl@view:?}On a convex bowl every η below 2/L, L the steepest curvature, comes to the one "
            "minimum.",
            "{in_bowl@view:?}{fit_left:?}So does this one.",
            "{in_bowl@view:?}{fit_arrived:?}This one is there after 40 steps, up to rounding.",
            "{in_bowl@view:?}{fit_stuck:?}At 2/L itself the steepest direction jumps across and back for "
            "ever.",
            "{in_bowl@view:?}{fit_diverged:?}Beyond 2/L it diverges.",
            "{in_minima@view:?}The start decides. Of {upper_starts:d} starts above the ridge "
            "{upper_own:d} end in the upper minimum, {upper_other:d} in the lower one, {upper_none:d} "
            "in neither.",
            "{in_minima@view:?}{ridge:?}From the ridge a run ends in the saddle.",
            "{in_minima@view:?}{beyond:?}Where tinted, only 0 and ±1 settle within 400 steps.",
        ],
        alt="Two panels at {share} times 2/L. On the level lines of a convex bowl the path zigzags into the "
        "minimum, and the loss falls to {fit_left:.0e} above the lowest within 40 steps.",
        encoding={
            "excess": Encoding(bits=8, log=True, clip=(1e-13, 1e7)),
            "x": Encoding(bits=8),
            "y": Encoding(bits=8),
            "map": Encoding(bits=8),
        },
        texts={"places": ["lower minimum", "upper minimum", "saddle"]},
        fixed={
            "bowl": "least squares, 60 examples, seed 3",
            "surface": "½x² + ¼y⁴ − ½y²",
            "starts": [FROM.tolist(), [SIDE, "height"]],
            "steps": [STEPS, LONG],
        },
    )


def least_squares() -> LeastSquares:
    """The chapter's bowl: 60 examples, the second feature smaller than the first."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60, 2)) * [1.0, 0.6]
    return LeastSquares(X, X @ [1.0, 1.0] + 0.8 * rng.standard_normal(60))


def walk(problem: Problem, lr: np.ndarray, x: Any, y: Any) -> Run:
    """Gradient descent with each η from each start (x, y)."""
    start = np.stack([x + 0 * (lr + y), y + 0 * (lr + y)], -1)
    return descend(GradientDescent(lr), problem, start=start, steps=LONG)


def ends(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Where a run stays (numbers as in SHADES), and from which step on within 0.001; NaN for nowhere."""
    y = run.theta[..., 1]
    near = np.stack([np.abs(y - at) + np.abs(run.theta[..., 0]) < 0.001 for at in (-1.0, 1.0, 0.0)])
    stays = near[:, -10:].all(1)
    place = np.where(stays.any(0), stays.argmax(0), np.nan)
    outside = ~np.take_along_axis(near, np.nan_to_num(place).astype(int)[None, None], 0)[0]
    arrived = len(y) - outside[::-1].argmax(0)  # the step after the last one outside
    return place, np.where(np.isnan(place), np.nan, arrived)


def coordinates(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Of the steps that are drawn, which come last."""
    return last(run.theta[: STEPS + 1, ..., 0]), last(run.theta[: STEPS + 1, ..., 1])


def last(values: np.ndarray) -> np.ndarray:
    """The axis of steps, which a run has first, behind those of the controls."""
    return np.moveaxis(values, 0, -1)
