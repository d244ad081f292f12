"""Adagrad: the same bowl from different angles, and each method at its best learning rate for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.experiments import Run, descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Scrubber, Slider, Text, style, views
from gdcourse.explore.views import in_views
from gdcourse.problems import Problem, Quadratic
from gdcourse.rules import Adagrad, GradientDescent, Momentum

KAPPA, GOAL, STEPS, SHOWN = 100.0, 1e-3, 600, 60
START, FLOOR = (1.0, 0.5), (1.0, 0.0)  # along the bowl's axes: off the valley's floor, and on it
GAMMA = float(theory.momentum_best(1.0, KAPPA)[1])
VIEW = ((-0.9, 1.7), (-0.6, 1.3))  # in the panels with paths
ANGLES = np.arange(0.0, 45.1, 2.5)
LEVELS = 13.0 * 4.0 ** -np.arange(5)

METHODS: dict[str, tuple[str, Any, np.ndarray]] = {
    "gd": ("GradientDescent", GradientDescent, np.geomspace(1e-3, 1e-1, 161)),
    "momentum": ("Momentum", lambda lr: Momentum(lr, GAMMA), np.geomspace(1e-3, 1.0, 161)),
    "adagrad": ("Adagrad", Adagrad, np.geomspace(3e-2, 3.0, 161)),
}
TITLES = {"gd": "gradient descent", "momentum": "momentum (wide swings)", "adagrad": "Adagrad"}


def adagrad() -> Figure:
    """Adagrad's path on a turned bowl and the steps to a distance of 0.001 over the angle; then the other two
    paths; then the two learning rates that Adagrad makes, one for each coordinate.

    The bowl's curvatures are 1 and 100; the start, (1, 0.5) along its axes, turns with it, from 0° to 45° in
    steps of 2.5°. At each angle each method has the best of 161 learning rates. 600 steps are run, 60 drawn.
    """

    over = {f"{name}_over": tuned(name, tuple(ANGLES))[1][None] for name in METHODS}
    ratios = rates_at_the_end(ANGLES[[0, -1]])
    ends = {
        "least": over["adagrad_over"][:, 0],
        "most": over["adagrad_over"][:, -1],
        "floor": tuned("adagrad", (45.0,), FLOOR)[1],
        "ratio_least": ratios[:1, 0] / ratios[:1, 1],
        "ratio_most": ratios[1:, 0] / ratios[1:, 1],
    }

    def compute(angle: np.ndarray) -> Arrays:
        bowls = Bowls(angle)
        out: Arrays = {"at": angle, **in_views("turn", "others", "rates", computed=1)}
        for name, (_, rule, _) in METHODS.items():
            lr, needed = tuned(name, tuple(angle.tolist()))
            run = descend(rule(lr[:, None]), bowls, steps=SHOWN)
            out |= {f"{name}_{axis}": run.theta[:, :, 0, i].T for i, axis in enumerate("xy")}
            out[f"{name}_outside"] = steps_outside(run.theta[:, :, 0])
            out |= {f"{name}_lr": lr, f"{name}_needed": needed}
        rate = rates(run)  # of Adagrad, the last
        first, second = np.concatenate([np.full((2, len(angle), 1), np.nan), rate], -1)  # none at step 0
        lines = bowls.level_lines()
        own = {
            "rate_1": first,
            "rate_2": second,
            "ratio": first[:, -1] / second[:, -1],
            "rate_1_last": first[:, -1],
            "rate_2_last": second[:, -1],
            "over_rate_1": first[:, -1] * 1.6,
            "under_rate_2": second[:, -1] / 1.6,
            "contour_x": lines[:, 0],
            "contour_y": lines[:, 1],
        }
        return out | own | over | ends

    styles = {name: style(key) for name, (key, *_) in METHODS.items()}
    grey, color = styles["gd"]["color"], styles["adagrad"]["color"]
    steps = list(range(SHOWN + 1))

    view, on = views("Turn the bowl", "The other two", "Adagrad's two rates")

    def paths(name: str, view: int) -> Panel:
        return Panel(
            when=on[view],
            equal=True,
            title=TITLES[name],
            x=Axis(label="θ₁", domain=VIEW[0], ticks=[(0, "0"), (1, "1")]),
            y=Axis(label="θ₂", domain=VIEW[1], ticks=[(0, "0"), (1, "1")]),
            marks=[
                Line(x="contour_x", y="contour_y", color="faint", width=0.8),
                Line(x=f"{name}_x", y=f"{name}_y", **styles[name], dots=1.8, width=1.1, upto="step"),
                Dots(x=0.0, y=0.0, shape="cross", size=6),
                Text(text=f"{{{name}_outside:d}} steps end outside", x=1.65, y=-0.5, anchor="end"),
            ],
        )

    return Figure(
        name="figure-adagrad",
        title="Turn the bowl: who notices?",
        controls=[
            view,
            Slider(
                name="angle",
                label="angle of the bowl",
                values=ANGLES,
                start=12,
                texts=[f"{a:g}°" for a in ANGLES],
            ),
            Scrubber(name="step", label="steps", values=steps, start=SHOWN, format="d"),
        ],
        compute=compute,
        tries=[
            "turn the bowl from 0° to 45°: where does Adagrad fall behind each of the others?",
            "turn the bowl: the two paths turn with it.",
            "turn the bowl to 0°, where the two rates are farthest apart.",
        ],
        rows=[
            [
                paths("adagrad", 0),
                paths("gd", 1),
                paths("momentum", 1),
                Panel(
                    height=205,
                    when=on[0],
                    title=f"steps to a distance of {GOAL}",
                    x=Axis(label="angle of the bowl, degrees", domain=(0, 46)),
                    y=Axis(label="steps", domain=(4, 800), log=True),
                    pad=("angle", None),
                    marks=[
                        Rule(x="at", dash="solid", width=1.0),
                        *(
                            Line(x=ANGLES.tolist(), y=f"{name}_over", **styles[name], dots=2)
                            for name in METHODS
                        ),
                        *(Dots(x="at", y=f"{name}_needed", shape="ring", size=6) for name in METHODS),
                        Text(x=1.0, y=520, text="gradient descent", color=grey),
                        Text(x=8.0, y=32, text="momentum", color=styles["momentum"]["color"]),
                        Text(x=4.0, y=13, text="Adagrad", color=color),
                    ],
                ),
                Panel(
                    height=205,
                    when=on[2],
                    title="step over gradient, by coordinate",
                    x=Axis(label="step", domain=(0, SHOWN)),
                    y=Axis(label="learning rate in effect", domain=(2e-3, 3), log=True),
                    marks=[
                        Rule(y="gd_lr", color=grey),
                        Text(x=3.0, y=0.045, text="gradient descent, both", color=grey),
                        Line(y="rate_1", **styles["adagrad"], upto="step"),
                        Line(y="rate_2", **styles["adagrad"], upto="step"),
                        Text(x=SHOWN - 1, y="over_rate_1", anchor="end", color=color, text="Adagrad, θ₁"),
                        Text(x=SHOWN - 1, y="under_rate_2", anchor="end", color=color, text="Adagrad, θ₂"),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_turn@view:?}Steps at {angle}: gradient descent {gd_needed:d}, momentum "
            "{momentum_needed:d}, Adagrad {adagrad_needed:d}.",
            "{in_others@view:?}η = {gd_lr:.3g} for gradient descent, {momentum_lr:.3g} for momentum, the "
            "best of all tried.",
            f"{{in_rates@view:?}}After {SHOWN} steps Adagrad's rates for θ₁ and θ₂ are {{ratio:.3g}} to 1.",
        ],
        caption=[
            "{in_turn@view:?}Each method has its best η at each angle. Adagrad needs {least:d} steps at 0° "
            "and {most:d} at 45°, the others one number.",
            "{in_turn@view:?}Shown is a start off the valley's floor; from one on it Adagrad needs {floor:d} "
            "at 45°.",
            "{in_others@view:?}These two see the slope as a whole: turn the bowl, and the path turns with "
            "it.",
            f"{{in_rates@view:?}}The curvatures are 1 and {KAPPA:.0f}. At 0° each coordinate has its own, "
            f"and the rates are {{ratio_least:.2g}} to 1; turned, each sees both, and the rates come "
            f"together: {{ratio_most:.3g}} to 1 at 45°.",
        ],
        alt="Two panels with the bowl turned by {angle}. Adagrad's path jumps across the valley and back "
        "until it is on the floor, and goes along it. Steps over the angle: gradient descent and momentum "
        "are level lines; Adagrad's rises steeply from below both, {least:d}, to above both, {most:d}.",
        encoding={
            **{f"contour_{axis}": Encoding(clip=(-2, 2)) for axis in "xy"},
            **{f"rate_{i}": Encoding(bits=8, log=True, clip=(1e-4, 100)) for i in (1, 2)},
        },
        fixed={
            "problem": f"½θᵀHθ, curvatures 1 and {KAPPA:.0f}",
            "start": list(START),
            "gamma": GAMMA,
            "tried": 161,
            "steps": STEPS,
            "goal": GOAL,
        },
    )


class Bowls(Problem):
    """The bowl of curvatures 1 and 100 at several angles, all at once: θ has shape ``(angles, runs, 2)``. The
    start turns with the bowl."""

    def __init__(self, angles: Sequence[float] | np.ndarray, start: Sequence[float] = START) -> None:
        turned = [Quadratic([1.0, KAPPA], angle=float(angle)) for angle in angles]
        self.axes = np.stack([np.eye(2) if one.axes is None else one.axes for one in turned])
        self.hessians = np.stack([one.hessian for one in turned])[:, None]
        self.start = (self.axes @ np.array(start))[:, None]

    def loss(self, theta: np.ndarray) -> np.ndarray:
        return 0.5 * (self.grad(theta) * theta).sum(-1)

    def grad(self, theta: np.ndarray, sample: Any = None) -> np.ndarray:
        x, y, H = theta[..., 0], theta[..., 1], self.hessians
        # element by element, so that a run is the same whatever runs beside it
        return np.stack([H[..., i, 0] * x + H[..., i, 1] * y for i in (0, 1)], -1)

    def level_lines(self) -> np.ndarray:
        """Each bowl's level lines as one line with gaps, shape ``(angles, 2, points)``."""
        around = np.append(np.linspace(0, 2 * np.pi, 61), np.nan)
        circle = np.stack([np.cos(around), np.sin(around)]) / np.sqrt([[1.0], [KAPPA]])
        return np.concatenate([self.axes @ circle * (2 * level) ** 0.5 for level in LEVELS], -1)


@cache
def tuned(
    name: str, angles: tuple[float, ...], start: tuple[float, float] = START
) -> tuple[np.ndarray, np.ndarray]:
    """At each angle the learning rate with which a method needs the fewest steps, of all that are tried, and
    these steps. The start is given along the bowl's axes."""
    _, rule, tried = METHODS[name]
    needed = steps_needed(descend(rule(tried), Bowls(angles, start), steps=STEPS).theta)
    return tried[np.nanargmin(needed, -1)], np.nanmin(needed, -1)


def steps_outside(theta: np.ndarray) -> np.ndarray:
    """How many points of the paths, shape (steps, angles, 2), lie outside their panel; NaN for none."""
    low, high = np.transpose(VIEW)
    count = ((theta < low) | (theta > high)).any(-1).sum(0)
    return np.where(count > 0, count, np.nan)


def rates(run: Run) -> np.ndarray:
    """Step over gradient of both coordinates, shape (2, angles, steps); NaN where one has arrived."""
    with np.errstate(all="ignore"):
        rate = ((run.theta[:-1] - run.theta[1:]) / run.grad)[:, :, 0].T
    return np.where(rate > 0, rate, np.nan)


def rates_at_the_end(angles: np.ndarray) -> np.ndarray:
    """Adagrad's two rates after the steps that are drawn, shape (angles, 2)."""
    lr = tuned("adagrad", tuple(angles.tolist()))[0]
    return rates(descend(Adagrad(lr[:, None]), Bowls(angles), steps=SHOWN))[:, :, -1].T


def steps_needed(theta: np.ndarray) -> np.ndarray:
    """After how many steps the distance to the minimum stays below the goal; NaN where it does not."""
    with np.errstate(all="ignore"):  # the largest rates diverge
        outside = ~(np.hypot(theta[..., 0], theta[..., 1]) < GOAL)
    last = len(theta) - 1 - outside[::-1].argmax(0)
    return np.where(outside[-1], np.nan, last + 1.0)
