"""Stochastic descent: one example at a time, and the ball of noise that it ends in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gdcourse import theory
from gdcourse.experiments import descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Slider, Text, Toggle, style
from gdcourse.problems import LeastSquares
from gdcourse.rules import GradientDescent

RATES = np.array([0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.32])
SEEDS = np.arange(1, 5)
START = np.array([-1.6, -0.8])
SHOWN = 250  # steps of the path that is drawn
LONG, WARM, MANY = 1000, 600, 50  # steps and seeds that are averaged; from where on they count as long-run
FADE = 50  # a falling rate is η/(1 + t/50)
TIMES = np.unique(np.round(np.geomspace(1, LONG, 60)).astype(int))
ANGLES = np.linspace(0, 2 * np.pi, 61)


def stochastic() -> Figure:
    """One run of stochastic descent, with the ring in which the formula for the stationary variance expects
    it to stay; and the mean squared distance to the minimum, for a constant and for a falling rate.

    Least squares with 60 examples and two parameters, one example at a time, drawn afresh; η from 0.02 to
    0.32, 4 seeds of 250 steps to look at, 50 seeds of 1,000 steps to measure.
    """
    fit = sixty_examples()
    curvatures, axes = np.linalg.eigh(fit.hessian)
    each_at = lambda theta: np.stack([fit.grad(theta, np.array([i])) for i in range(len(fit.X))])  # noqa: E731
    agree = np.mean(each_at(START) @ (START - fit.minimum) > 0)
    spread = each_at(fit.minimum) @ axes  # σ: one example's gradient at the minimum, in each direction
    noise = (spread**2).mean(0) ** 0.5
    circle = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)
    levels = [fit.minimum + (size * circle / curvatures**0.5) @ axes.T for size in (0.4, 0.8, 1.2, 1.6, 2.0)]
    lines = np.concatenate([np.append(level, [[np.nan, np.nan]], 0) for level in levels])

    def compute(eta: np.ndarray, seed: np.ndarray, falls: np.ndarray) -> Arrays:
        run = descend(falling(eta, falls), fit, START, SHOWN, seed=seed)
        variance = theory.stationary_variance(eta[..., None], curvatures, noise)
        ring = fit.minimum + (2 * variance[..., None, :] ** 0.5 * circle) @ axes.T
        constant, inside = averaged(fit, eta, False, 4 * variance, axes)
        falling_too, _ = averaged(fit, eta, True, 4 * variance, axes)
        level, lasting = variance.sum(-1), constant[..., WARM:].mean(-1)
        return {
            "path_x": np.moveaxis(run.theta[..., 0], 0, -1),
            "path_y": np.moveaxis(run.theta[..., 1], 0, -1),
            "ring_x": ring[..., 0],
            "ring_y": ring[..., 1],
            "ring_top": ring[..., 1].max(-1) + 0.12,
            "constant": constant[..., TIMES],
            "falling": falling_too[..., TIMES],
            "level": level,
            "lasting": np.where(falls, np.nan, lasting),
            "inside": np.where(falls, np.nan, inside),
            "fallen": np.where(falls, falling_too[..., LONG], np.nan),
            "agree": agree[None, None, None],
            "end": falling_too[..., LONG],
            "settled": lasting,
            "lower": np.where(falling_too[..., LONG] < lasting, falling_too[..., LONG], np.nan),
            "higher": np.where(falling_too[..., LONG] < lasting, np.nan, falling_too[..., LONG]),
            "level_y": 0.72 * level,
            "constant_y": 2 * lasting,
            "falling_y": 0.4 * falling_too[..., LONG],
            "times": TIMES[None, None, None],
            "line_x": lines[None, None, None, :, 0],
            "line_y": lines[None, None, None, :, 1],
        }

    color = style("stochastic")["color"]
    x, y = fit.minimum
    return Figure(
        name="figure-stochastic",
        title="One example at a time: arriving, and not coming to rest",
        controls=[
            Slider(name="eta", label="η, the learning rate", values=RATES, start=5, format=".3g"),
            Slider(name="seed", label="seed", values=SEEDS, start=0, format="d"),
            Toggle(name="falls", label="let η fall like 1/t"),
        ],
        compute=compute,
        tries="double η: is the ring twice as wide? Then let η fall.",
        rows=[
            [
                Panel(
                    title=f"{SHOWN} steps of one run",
                    x=Axis(label="θ₁", domain=(-2.2, 2.8)),
                    y=Axis(label="θ₂", domain=(-1.1, 2.6)),
                    equal=True,
                    marks=[
                        Line(x="line_x", y="line_y", color="faint", width=0.8),
                        Line(x="path_x", y="path_y", color=color, width=0.9, dots=1.6, opacity=0.7),
                        Line(x="ring_x", y="ring_y", color="orange", width=2.4),
                        Text(text="formula, 2 sd", x=x, y="ring_top", color="orange", anchor="middle"),
                        Dots(x=[x], y=[y], color="ink", shape="cross", size=6),
                        Dots(x=[START[0]], y=[START[1]], color="ink", size=4),
                    ],
                ),
                Panel(
                    title=f"mean of |θ − θ*|² over {MANY} runs",
                    x=Axis(label="step (log)", domain=(1, LONG), log=True),
                    y=Axis(label="distance² (log)", domain=(2e-4, 20), log=True),
                    height=215,
                    marks=[
                        Rule(y="level", color="orange"),
                        Line(x="times", y="constant", color=color),
                        Line(x="times", y="falling", color=color, dash="dashed"),
                        Text(text="formula", x=1.2, y="level_y", color="orange"),
                        Text(text="constant η", x=LONG, y="constant_y", color=color, anchor="end"),
                        Text(text="falling η", x=LONG, y="falling_y", color=color, anchor="end"),
                    ],
                ),
            ],
        ],
        readouts=[
            "η = {eta}: the mean squared distance stays at {lasting:.3f}, by the formula at {level:.3f}. "
            "{inside:.0%} lie in the ring.",
            f"η = {{eta}}/(1 + t/{FADE}): it is down to {{fallen:.4f}} at step {LONG:,}. The ring is the "
            f"constant rate's.",
        ],
        caption=[
            "At the start {agree:.0%} of the examples ask for a step towards the minimum. At the minimum "
            "they disagree, and θ keeps moving. The formula, for its squared distance, counts the noise at "
            "the minimum only.",
            "{lower:?}With a falling rate it ends closer.",
            "{higher:?}So small an η, falling, has come less far.",
        ],
        alt="Two panels at η {eta}. A path on level lines runs jagged from the lower left towards the "
        "minimum and then dances around it; most of its points lie inside an orange ellipse. On the "
        "right the mean squared distance to the minimum on log axes: at a constant rate it levels off "
        "at {settled:.3f}, about the formula's line, {level:.3f}; with a falling rate it goes on "
        "falling below it, to {end:.4f}.",
        encoding={
            "path_x": Encoding(bits=8, clip=(-2.2, 2.5)),
            "path_y": Encoding(bits=8, clip=(-1.4, 2.7)),
            "constant": Encoding(bits=8, log=True),
            "falling": Encoding(bits=8, log=True),
        },
        fixed={"examples": len(fit.X), "start": START.tolist(), "steps": SHOWN, "measured": f"{MANY} seeds"},
    )


class Afresh(LeastSquares):
    """Least squares whose examples are put back before the next is drawn, as the theory has it."""

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return rng.integers(len(self.X), size=(steps, 1))


def sixty_examples() -> Afresh:
    """The data of the chapter's first figure."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60, 2)) * [1.0, 0.6]
    return Afresh(X, X @ [1.0, 1.0] + 0.8 * rng.standard_normal(60), batch=1)


def falling(eta: np.ndarray, falls: np.ndarray | bool) -> Callable[[int], GradientDescent]:
    """A schedule: η/(1 + t/50) where the rate falls, η where it does not."""
    return lambda t: GradientDescent(eta / (1 + falls * t / FADE))


def averaged(
    fit: Afresh, eta: np.ndarray, falls: bool, within: np.ndarray, axes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean squared distance at every step, along a last axis; and the share of the long-run iterates in
    the ellipse whose squared half axes are `within`."""
    distances, shares = [], []
    for part in np.array_split(np.arange(eta.size), -(-eta.size // 3)):  # all at once would fill memory
        rate, squares = eta.ravel()[part, None], within.reshape(-1, 1, 2)[part]
        rule = falling(rate, True) if falls else GradientDescent(rate)
        run = descend(rule, fit, START, LONG, seed=100 + np.arange(MANY))
        away = (run.theta - fit.minimum) @ axes
        distances.append((away**2).sum(-1).mean(-1).T)
        shares.append(((away[WARM:] ** 2 / squares).sum(-1) < 1).mean((0, 2)))
    return np.concatenate(distances).reshape(*eta.shape, -1), np.concatenate(shares).reshape(eta.shape)
