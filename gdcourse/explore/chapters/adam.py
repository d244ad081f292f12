"""Adam: a mean of gradients, measured by the box of their typical size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Area,
    Arrow,
    Axis,
    Dots,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    Toggle,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import NoisyQuadratic, Problem, Slope
from gdcourse.rules import Adam
from gdcourse.rules.rule import Scalar, Values, where

STEPS, RATE, SEED = 80, 0.25, 0
AROUND = (-4.4, 2.4), (-2.0, 1.4)
SHARES = np.linspace(0, 1, 21)  # how far the division has come
SCALE, AROUND_BOX = 14.0, 1.75  # what is 1 in the panel at first; the panel, to each side
START, CURVATURES, NOISE = [-4.0, 1.0], [1.0, 20.0], [1.0, 4.0]
LONG = np.unique(np.geomspace(1, 3000, 90).round().astype(int))  # steps on the constant slope that are kept


@dataclass(frozen=True, eq=False)
class Correctable(Adam):
    """Adam whose correction can be left out: where ``corrected`` is 0, m and v are divided by 1."""

    corrected: Scalar = 1.0

    def at(self, t: Any) -> Values:
        return {name: where(self.corrected, bias, 1.0) for name, bias in super().at(t).items()}


def adam() -> Figure:
    """One step after the other, taken apart: the mean of the gradients in the box of their root mean squares,
    and how the one is divided by the other, coordinate by coordinate, until the box goes from −1 to 1 and
    the arrow the step; then how long steps are, with and without the correction, while the gradient stays the
    same.

    The bowl is ½(x² + 20y²) from (−4, 1), with noise of standard deviation 1 and 4 on the two gradients, seed
    0; η = 0.25, β₂ = 0.999, β₁ = 0.9 or 0, 80 steps. The constant gradient is 1, for 3,000 steps.
    """
    bowl = NoisyQuadratic(CURVATURES, NOISE)
    level_x, level_y = contour_lines(bowl, *AROUND, levels=7, points=60)

    def compute(corrected: np.ndarray, beta1: np.ndarray) -> Arrays:
        run = walk(bowl, beta1, corrected)
        raw = walk(bowl, beta1, np.zeros((1, 1)))
        steady, steady_raw = (lengths(walk(Slope(1.0), beta1, np.full((1, 1), on))) for on in (1.0, 0.0))
        x, y = (last(run.theta[..., i]) for i in (0, 1))
        step_x, step_y = (last(np.diff(run.theta[..., i], axis=0) / RATE) for i in (0, 1))
        m_x, m_y = (last(run.m_hat[..., i]) for i in (0, 1))
        box_x, box_y = (last(run.v_hat[..., i] ** 0.5) for i in (0, 1))
        corners = np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
        shown_x, shown_y = (divided(one) for one in (box_x, box_y))  # what 1 is in the panel, share by share
        boxes = [(box[..., None, :] / one)[..., None] for box, one in ((box_x, shown_x), (box_y, shown_y))]
        arrow_x, arrow_y = -m_x[..., None, :] / shown_x, -m_y[..., None, :] / shown_y
        return {
            **in_views("division", "steady", computed=2),
            "x": x,
            "y": y,
            "to_x": x[..., 1:],
            "to_y": y[..., 1:],
            "down_x": last(-run.grad[..., 0]) / SCALE,
            "down_y": last(-run.grad[..., 1]) / SCALE,
            "mean_x": -m_x,
            "mean_y": -m_y,
            "arrow_x": arrow_x,
            "arrow_y": arrow_y,
            "box_x": box_x,
            "box_y": box_y,
            "edge_x": boxes[0] * corners[0],
            "edge_y": boxes[1] * corners[1],
            "box_left": -boxes[0][..., 0],
            "box_top": boxes[1][..., 0],
            "step_x": step_x,
            "step_y": step_y,
            **{
                f"{name}_{axis}": np.where((kind + 0 * (beta1 + corrected))[..., None], size, np.nan)
                for name, kind in (
                    ("ahead", (beta1 > 0) & (corrected > 0)),
                    ("raw", (beta1 > 0) & (corrected == 0)),
                    ("alone", beta1 == 0),
                )
                for axis, size in (("x", np.abs(step_x)), ("y", np.abs(step_y)))
            },
            "longest": lengths(run).max(0),
            "raw_longest": lengths(raw).max(0),
            "steady": last(steady[LONG - 1]),
            "steady_raw": last(steady_raw[LONG - 1]),
            "gone": np.where(inside(x, AROUND[0]) & inside(y, AROUND[1]), np.nan, 1.0)[..., 1:],
            "far": np.where((np.abs(arrow_x) <= AROUND_BOX) & (np.abs(arrow_y) <= AROUND_BOX), np.nan, 1.0),
            "number": np.arange(1, STEPS + 1)[None, None],
            "steady_now": last(np.where(corrected, steady[:STEPS], steady_raw[:STEPS])),
            "steady_first": steady_raw[0],
            "steady_most": steady_raw.max(0),
            "steady_most_at": np.where(steady_raw.argmax(0) > 0, steady_raw.argmax(0) + 1.0, np.nan),
            "steady_longest": np.where(steady_raw.argmax(0) > 0, np.nan, steady_raw[0]),
            "steady_1000": steady_raw[999],
            "is_corrected": corrected + 0 * beta1,
            "level_x": level_x[None, None],
            "level_y": level_y[None, None],
        }

    color = style("Adam")["color"]
    now: dict[str, Any] = {"at": ["t"]}
    then: dict[str, Any] = {"at": ["share", "t"]}
    ends: dict[str, Any] = {"x0": 0.0, "y0": 0.0, "x1": "arrow_x", "y1": "arrow_y"}
    arrow = {**ends, **then, "color": color, "width": 2.5}
    first: dict[str, Any] = {"when": {"share": (0,)}}  # before the division
    view, on = views("Arrow divided by box", "A gradient that stays")
    return Figure(
        name="figure-adam",
        title="The anatomy of Adam's step",
        controls=[
            view,
            Scrubber(
                name="share",
                label="divided by the box",
                values=SHARES,
                texts=[f"{share:.0%}" for share in SHARES],
                when=on[0],
            ),
            Slider(name="t", label="step t", values=np.arange(1, STEPS + 1), start=10, format="d"),
            Toggle(name="corrected", label="bias correction", values=(0.0, 1.0), start=1),
            Toggle(name="beta1", label="β₁ = 0", values=(0.9, 0.0), texts=("0.9", "0")),
        ],
        compute=compute,
        tries=[
            "play. Each axis is divided by √v̂, until the box goes from −1 to 1.",
            "switch the correction off, and move t to the first step.",
        ],
        rows=[
            [
                Panel(
                    title="the path, and step {t}",
                    x=Axis(label="θ₁", domain=AROUND[0]),
                    y=Axis(label="θ₂", domain=AROUND[1]),
                    height=200,
                    when=on[0],
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        Line(x="x", y="y", color=color, width=1.2, dots=2, upto="t"),
                        Arrow(
                            x0="x",
                            y0="y",
                            x1="to_x",
                            y1="to_y",
                            color=color,
                            width=2.5,
                            label="the step",
                            **now,
                        ),
                        Text(text="{gone@t:?}it ends outside the picture", x=-4.2, y=-1.8),
                        Dots(x=0.0, y=0.0, shape="cross", size=5),
                    ],
                ),
                Panel(
                    title="the gradients, downhill: {share} divided",
                    x=Axis(label="along θ₁", domain=(-AROUND_BOX, AROUND_BOX), ticks=[(0.0, "0")]),
                    y=Axis(label="along θ₂", domain=(-AROUND_BOX, AROUND_BOX), ticks=[(0.0, "0")]),
                    height=200,
                    weight=0.8,
                    when=on[0],
                    marks=[
                        Rule(x=0.0, color="faint", width=0.7),
                        Rule(y=0.0, color="faint", width=0.7),
                        Area(x="edge_x", y="edge_y", color=color, opacity=0.12, **then),
                        Line(x="edge_x", y="edge_y", color=color, width=1.2, **then),
                        Dots(
                            x="box_left",
                            y="box_top",
                            size=0,
                            color=color,
                            label="{is_corrected|box}",
                            **then,
                            **first,
                        ),
                        Dots(
                            x=-1.0,
                            y=1.0,
                            size=0,
                            color=color,
                            label="±1",
                            when={"share": (len(SHARES) - 1,)},
                        ),
                        Line(x="down_x", y="down_y", color="faint", width=0, dots=2, upto="t", **first),
                        Dots(x="down_x", y="down_y", shape="ring", size=4, **now, **first),
                        Arrow(
                            **arrow,
                            label="{is_corrected|mean}",
                            **first,
                        ),
                        Arrow(
                            **arrow,
                            when={"share": [*range(1, len(SHARES) - 1)]},
                        ),
                        Arrow(
                            **arrow,
                            label="the step, in η",
                            when={"share": (len(SHARES) - 1,)},
                        ),
                        Text(text="{far@share,t:?}it ends outside", x=-1.7, y=-1.6),
                    ],
                ),
                Panel(
                    title="length of the steps while the gradient is 1",
                    x=Axis(label="step", domain=(1, 3000), log=True),
                    y=Axis(label="length, in η", domain=(0.5, 50), log=True),
                    height=200,
                    when=on[1],
                    marks=[
                        Line(
                            x=LONG.tolist(),
                            y="steady_raw",
                            color=color,
                            dash="dashed",
                            label="without correction",
                        ),
                        Line(x=LONG.tolist(), y="steady", color=color, label="with correction"),
                        Dots(x="number", y="steady_now", shape="ring", size=5, **now),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_division@view:?}{is_corrected|mean} = ({mean_x@t:.2f}, {mean_y@t:.2f}), divided by "
            "{is_corrected|box} = ({box_x@t:.2f}, {box_y@t:.2f}): step {t} = ({step_x@t:.2f}, "
            "{step_y@t:.2f}) η.",
            "{in_steady@view:?}Correction {corrected}: step {t} is {steady_now@t:.2f} η long.",
        ],
        caption=[
            "{in_division@view:?}The arrow points against {is_corrected|means}, the box is "
            "{is_corrected|boxes}; dots are the gradients.",
            "{in_division@view:?}Divided, it reaches {ahead_x@t:.2f} of the way to the edge along θ₁, "
            "{ahead_y@t:.2f} along θ₂: near 1 where gradients agree and do not shrink.",
            "{in_division@view:?}Divided, it reaches {raw_x@t:.2f} of the way to the edge along θ₁, "
            "{raw_y@t:.2f} along θ₂: both are too small, the box the more so.",
            "{in_division@view:?}Divided, it reaches {alone_x@t:.2f} of the way to the edge along θ₁, "
            "{alone_y@t:.2f} along θ₂: with β₁ = 0 it is the last gradient alone.",
            "{in_steady@view:?}Without the correction the first step is {steady_first:.2f} η long, the "
            "longest, at step {steady_most_at:d}, {steady_most:.2f} η, and step 1,000 still "
            "{steady_1000:.2f} η.",
            "{in_steady@view:?}Without the correction the first step is {steady_longest:.2f} η long, which "
            "is the longest, and step 1,000 still {steady_1000:.2f} η.",
            "{in_steady@view:?}β₂ = 0.999.",
        ],
        alt="Two panels at step {t}. The path on a narrow bowl with a short arrow, the step. Gradients as "
        "dots, widely scattered upwards and downwards but all on the right, and their mean, an arrow "
        "to the right that nearly reaches the edge of a tall box. Divided by the box it is "
        "{ahead_x@t:.2f} long to the right, {ahead_y@t:.2f} upwards or downwards.",
        encoding={
            **{name: Encoding(bits=8) for name in ("level_x", "level_y")},
            **{name: Encoding(log=True) for name in ("steady", "steady_raw")},
            **{
                name: Encoding(bits=8, clip=(-2.2, 2.2))
                for name in ("edge_x", "edge_y", "arrow_x", "arrow_y", "box_left", "box_top")
            },
        },
        texts={
            "mean": ["−m", "−m̂"],
            "box": ["√v", "√v̂"],
            "means": ["m, not corrected", "m̂, the gradients' mean"],
            "boxes": ["√v, not corrected", "√v̂, their typical size"],
        },
        fixed={
            "problem": "½(x² + 20y²), noise 1 and 4",
            "start": START,
            "steps": STEPS,
            "seed": SEED,
            "lr": RATE,
            "beta2": 0.999,
        },
    )


def divided(box: np.ndarray) -> np.ndarray:
    """What is 1 in the panel while a coordinate is divided by its box, the shares before the steps: at first
    a scale that both coordinates have in common, at the end the box."""
    share = SHARES[:, None]
    return SCALE ** (1 - share) * box[..., None, :] ** share


def walk(problem: Problem, beta1: np.ndarray, corrected: np.ndarray) -> Run:
    """Adam on a problem with each β₁, corrected or not; on a slope for long enough to see v fill up."""
    steps, start = (STEPS, START) if problem.ndim else (int(LONG[-1]), 0.0)
    runs = np.broadcast_shapes(beta1.shape, corrected.shape)
    return descend(
        Correctable(lr=RATE, beta1=beta1, corrected=corrected),
        problem,
        start=np.broadcast_to(start, (*runs, *np.shape(start))),
        steps=steps,
        record=("m_hat", "v_hat"),
        seed=SEED,
    )


def lengths(run: Run) -> np.ndarray:
    """The length of every step in units of η; the longer of the two coordinates', where there are two."""
    moves = np.abs(np.diff(run.theta, axis=0)) / RATE
    return moves.max(-1) if moves.ndim > 3 else moves


def inside(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Whether numbers lie on an axis with these ends."""
    return (values >= ends[0]) & (values <= ends[1])


def last(values: np.ndarray) -> np.ndarray:
    """The axis of steps, which a run has first, behind those of the controls."""
    return np.moveaxis(values, 0, -1)
