"""Adam: a mean of gradients, measured by the box of their typical size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Area, Arrow, Axis, Dots, Line, Panel, Rule, Scrubber, Text, Toggle, style
from gdcourse.problems import NoisyQuadratic, Problem, Slope
from gdcourse.rules import Adam
from gdcourse.rules.rule import Scalar, Values, where

STEPS, RATE, SEED = 80, 0.25, 0
AROUND = (-4.4, 2.4), (-2.0, 1.4)
DOWN, SIDES = (-25, 25), ((-3.6, 5.2), (-3.8, 2.8))  # of the panels of gradients and of the step
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
    and the two divided coordinate by coordinate, which is the step; and how long steps are, with and without
    the correction, while the gradient stays the same.

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
        return {
            "x": x,
            "y": y,
            "to_x": x[..., 1:],
            "to_y": y[..., 1:],
            "down_x": last(-run.grad[..., 0]),
            "down_y": last(-run.grad[..., 1]),
            "mean_x": -m_x,
            "mean_y": -m_y,
            "box_x": box_x,
            "box_y": box_y,
            "corner_x": -box_x,
            "edge_x": box_x[..., None] * corners[0],
            "edge_y": box_y[..., None] * corners[1],
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
            "far": np.where(inside(m_y, DOWN), np.nan, 1.0),
            "longer": np.where(inside(step_x, SIDES[0]) & inside(step_y, SIDES[1]), np.nan, 1.0),
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
    return Figure(
        name="figure-adam",
        title="The anatomy of Adam's step",
        controls=[
            Scrubber(name="t", label="step t", values=np.arange(1, STEPS + 1), start=10, format="d"),
            Toggle(name="corrected", label="bias correction", values=(0.0, 1.0), start=1),
            Toggle(name="beta1", label="β₁ = 0", values=(0.9, 0.0), texts=("0.9", "0")),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="the path, and step {t}",
                    x=Axis(label="θ₁", domain=AROUND[0]),
                    y=Axis(label="θ₂", domain=AROUND[1]),
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        Line(x="x", y="y", color=color, width=1.2, dots=2, upto="t"),
                        Arrow(x0="x", y0="y", x1="to_x", y1="to_y", color=color, width=2.5, **now),
                        Text(text="{gone@t:?}it ends outside the picture", x=-4.2, y=-1.8),
                        Dots(x=0.0, y=0.0, shape="cross", size=5),
                    ],
                ),
                Panel(
                    title="the gradients so far, turned downhill",
                    x=Axis(label="along θ₁, loss / θ", domain=(-6, 8)),
                    y=Axis(label="along θ₂, loss / θ", domain=DOWN),
                    marks=[
                        Rule(x=0.0, color="faint", width=0.7),
                        Rule(y=0.0, color="faint", width=0.7),
                        Area(x="edge_x", y="edge_y", color=color, opacity=0.12, **now),
                        Line(x="edge_x", y="edge_y", color=color, width=1.2, **now),
                        Dots(x="corner_x", y="box_y", size=0, color=color, label="{is_corrected|box}", **now),
                        Line(x="down_x", y="down_y", color="faint", width=0, dots=2, upto="t"),
                        Dots(x="down_x", y="down_y", shape="ring", size=4, **now),
                        Arrow(
                            x0=0.0,
                            y0=0.0,
                            x1="mean_x",
                            y1="mean_y",
                            color=color,
                            width=2.5,
                            label="{is_corrected|mean}",
                            **now,
                        ),
                        Text(text="{far@t:?}it ends outside the picture", x=-5.8, y=-22),
                    ],
                ),
            ],
            [
                Panel(
                    title="arrow divided by box: the step",
                    x=Axis(label="step along θ₁, in η", domain=SIDES[0]),
                    y=Axis(label="step along θ₂, in η", domain=SIDES[1]),
                    marks=[
                        Rule(x=0.0, color="faint", width=0.7),
                        Rule(y=0.0, color="faint", width=0.7),
                        Area(x=[-1, 1, 1, -1], y=[-1, -1, 1, 1], color=color, opacity=0.12),
                        Line(x=[-1, 1, 1, -1, -1], y=[-1, -1, 1, 1, -1], color=color, width=1.2),
                        Arrow(x0=0.0, y0=0.0, x1="step_x", y1="step_y", color=color, width=2.5, **now),
                        Text(text="{longer@t:?}it ends outside the picture", x=-3.4, y=-3.4),
                    ],
                ),
                Panel(
                    title="beside it: steps on a gradient of 1",
                    x=Axis(label="step", domain=(1, 3000), log=True),
                    y=Axis(label="length, in η", domain=(0.5, 50), log=True),
                    marks=[
                        Line(x=LONG.tolist(), y="steady_raw", color=color, dash="dashed"),
                        Line(x=LONG.tolist(), y="steady", color=color),
                        Text(text="without correction", x=60, y=6, color=color),
                        Text(text="with correction", x=120, y=0.75, color=color),
                        Dots(x="number", y="steady_now", shape="ring", size=5, **now),
                    ],
                ),
            ],
        ],
        readouts=[
            "Step {t}, β₁ = {beta1}, correction {corrected}: {is_corrected|mean} = ({mean_x@t:.2f}, "
            "{mean_y@t:.2f}), {is_corrected|box} = ({box_x@t:.2f}, {box_y@t:.2f}), step = ({step_x@t:.2f}, "
            "{step_y@t:.2f}) η.",
            "Longest of the 80 steps, in either coordinate: {longest:.2f} η. On a constant gradient step "
            "{t} is {steady_now@t:.2f} η long.",
        ],
        caption=[
            "In the second panel each dot is a noisy gradient, the ring the last of them, the arrow "
            "{is_corrected|means}, and the box {is_corrected|boxes}. In the third, both axes are divided by "
            "the box, and the arrow is the step.",
            "At step {t} it reaches {ahead_x@t:.2f} of the way to the box's edge along θ₁ and "
            "{ahead_y@t:.2f} along θ₂: near 1 where gradients have agreed, near 0 where they have cancelled.",
            "At step {t} it reaches {raw_x@t:.2f} of the way to the box's edge along θ₁ and {raw_y@t:.2f} "
            "along θ₂: not corrected, both are too small, and the box the more so.",
            "At step {t} it reaches {alone_x@t:.2f} of the way to the box's edge along θ₁ and "
            "{alone_y@t:.2f} along θ₂: with β₁ = 0 it is the last gradient alone.",
            "Without the correction a constant gradient makes the first step {steady_first:.2f} η long, the "
            "longest, at step {steady_most_at:d}, {steady_most:.2f} η, and step 1,000 still "
            "{steady_1000:.2f} η.",
            "Without the correction a constant gradient makes the first step {steady_longest:.2f} η long, "
            "which is the longest, and step 1,000 still {steady_1000:.2f} η.",
            "One run, with one seed of the noise; β₂ = 0.999.",
        ],
        alt="Four panels at step {t}. The path on a narrow bowl with a short arrow, the step. Gradients as "
        "dots, widely scattered upwards and downwards but all on the right, their mean an arrow to the right "
        "that nearly reaches the edge of a tall box. The unit square with the same arrow, stretched by the "
        "division: {ahead_x@t:.2f} long to the right, {ahead_y@t:.2f} upwards. The length of a step for a "
        "constant gradient over 3,000 steps: corrected it is one; not corrected it rises from "
        "{steady_first:.1f} to {steady_most:.1f} and falls back slowly.",
        encoding={
            **{name: Encoding(bits=8) for name in ("level_x", "level_y")},
            **{name: Encoding(clip=(-6, 6)) for name in ("x", "y", "to_x", "to_y")},
            **{name: Encoding(log=True) for name in ("steady", "steady_raw")},
        },
        texts={
            "mean": ["−m", "−m̂"],
            "box": ["√v", "√v̂"],
            "means": ["their mean as it is accumulated, m", "their corrected mean, m̂"],
            "boxes": ["√v, not corrected", "their root mean square, √v̂"],
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
