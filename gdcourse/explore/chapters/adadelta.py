"""Adadelta: the loss's unit does not matter, ε does."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Heat, Line, Panel, Rule, Slider, Text, style
from gdcourse.problems import Problem, ravine
from gdcourse.rules import Adadelta, GradientDescent
from gdcourse.theory import adadelta_first_step

STEPS, LATE = 500, 50
KAPPA, RATE = 20.0, 0.05
UNITS, EPSILONS = 10.0 ** np.arange(-3, 3.1, 0.5), 10.0 ** np.arange(-8, -1.9, 0.5)
HALF = 10.0**0.25  # from the middle of one of the map's cells to its edge, as a factor
VIEW, AROUND = (4.6, 1.6), ((-4.4, 1.2), (-1.5, 1.5))
SHOWN = np.unique(np.geomspace(1, STEPS, 60).round().astype(int))
POSITIVE = (
    "first",
    "gd_first",
    "moved",
    "end",
    "gd_end",
    "hidden",
    "unit_at",
    "eps_at",
    "swamped",
    "swamped_eps",
)


class InUnit(Problem):
    """Another problem's loss times ``unit``, a number for each run."""

    ndim = 1

    def __init__(self, problem: Problem, unit: np.ndarray) -> None:
        self.problem, self.unit, self.start = problem, unit, problem.start

    def loss(self, theta: Any) -> Any:
        return self.unit * self.problem.loss(theta)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self.unit[..., None] * self.problem.grad(theta)


def adadelta() -> Figure:
    """The map of all pairs of loss unit and ε, with gradient descent's row below it; and for one pair the
    path, the loss over the steps, and the length of the steps along the valley.

    The problem is ½(x² + 20y²) from (−4, 1), its loss multiplied by 10⁻³ to 10³ in half decades; ε runs from
    10⁻⁸ to 10⁻² likewise; γ = 0.95. Gradient descent has η = 0.05 = 1/L for the factor 1. 500 steps; the
    losses are divided by their factor, and those of the map averaged over the last 50 steps.
    """
    valley = ravine(KAPPA)
    every, every_gd = (
        at_the_end(walk(rule, UNITS), UNITS)
        for rule in (Adadelta(eps=EPSILONS[:, None]), GradientDescent(RATE))
    )
    level_x, level_y = contour_lines(valley, *AROUND, levels=7, points=60)
    hidden = adadelta_first_step(eps=EPSILONS)

    def spread_right_of_line(eps: np.ndarray) -> np.ndarray:
        """The largest over the smallest loss at the end of all units to the right of the dotted line."""
        end = 10 ** at_the_end(walk(Adadelta(eps=eps.reshape(-1, 1)), UNITS), UNITS)
        line = adadelta_first_step(eps=eps.reshape(-1, 1)) / np.abs(valley.grad(valley.start)[0])
        right = np.where(line < UNITS, end, np.nan)
        return (np.nanmax(right, -1) / np.nanmin(right, -1)).reshape(eps.shape)

    def spread_over_eps(unit: np.ndarray) -> np.ndarray:
        """The largest over the smallest loss at the end of all ε."""
        units = unit.reshape(-1, 1)
        end = 10 ** at_the_end(walk(Adadelta(eps=EPSILONS), units), units)
        return (end.max(-1) / end.min(-1)).reshape(unit.shape)

    def compute(unit: np.ndarray, eps: np.ndarray) -> Arrays:
        run, plain = walk(Adadelta(eps=eps), unit), walk(GradientDescent(RATE), unit)
        same = walk(Adadelta(eps=eps), np.ones((1, 1)))
        left = (np.abs(plain.theta) > VIEW).any(
            -1
        )  # gradient descent's path is drawn until it is out of view
        drawn = np.where(np.cumsum(left, 0)[..., None] > 1, np.nan, plain.theta)
        kept = plain.diverged_at < 0
        # one that has diverged may go on as if nothing were amiss in the direction that is looked at
        going = kept[..., None] | (plain.diverged_at[..., None] >= SHOWN)
        lowest = run.loss.min(0) / unit
        thrown = run.loss[-1] / unit > 10 * lowest
        moves, gd_moves = (np.abs(np.diff(one.theta[..., 0], axis=0)) for one in (run, plain))
        return {
            "x": last(run.theta[..., 0]),
            "y": last(run.theta[..., 1]),
            "same_x": last(same.theta[..., 0]),
            "same_y": last(same.theta[..., 1]),
            "gd_x": last(drawn[..., 0]),
            "gd_y": last(drawn[..., 1]),
            "loss": last((run.loss / unit)[SHOWN]),
            "gd_loss": np.where(going, last((plain.loss / unit)[SHOWN]), np.nan),
            "length": last(moves[SHOWN - 1]),
            "gd_length": np.where(going, last(gd_moves[SHOWN - 1]), np.nan),
            "row": spread_right_of_line(eps) + 0 * unit,
            "column": spread_over_eps(unit) + 0 * eps,
            "thrown_low": np.where(thrown, lowest, np.nan),
            "thrown_at": np.where(thrown, run.loss.argmin(0), np.nan),
            "first": moves[0],
            "gd_first": gd_moves[0],
            "moved": np.where(unit == 1, np.nan, np.abs(run.theta - same.theta).max((0, -1))),
            "end": run.loss[-1] / unit,
            "gd_end": np.where(kept, plain.loss[-1] / unit, np.nan),
            "gd_diverged": np.where(kept, np.nan, plain.diverged_at),
            "hidden": adadelta_first_step(eps=eps),
            "unit_at": unit + 0 * eps,
            "eps_at": eps + 0 * unit,
            "map": every[None, None],
            "gd_map": every_gd[None, None, None],
            "swamped": (hidden / np.abs(valley.grad(valley.start)[0]))[None, None],
            "swamped_eps": EPSILONS[None, None],
            "level_x": level_x[None, None],
            "level_y": level_y[None, None],
        }

    blue, grey = style("Adadelta")["color"], style("GradientDescent")["color"]
    low, high = EPSILONS[0] / HALF, EPSILONS[-1] * HALF
    heat: dict[str, Any] = {
        "x0": UNITS[0] / HALF,
        "x1": UNITS[-1] * HALF,
        "lo": -3.0,
        "hi": 1.3,
        "missing": "orange",
    }
    steps: dict[str, Any] = {"x": [int(step) for step in SHOWN], "width": 1.6}
    return Figure(
        name="figure-adadelta",
        title="What the loss's unit does to Adadelta, and what ε does",
        controls=[
            Slider(name="unit", label="the loss, multiplied by", values=UNITS, start=8, format=".4g"),
            Slider(name="eps", label="ε", values=EPSILONS, start=4, format=".0e"),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="loss at the end, faint is low",
                    x=Axis(label="the loss, multiplied by", domain=(heat["x0"], heat["x1"]), log=True),
                    y=Axis(
                        label="ε",
                        domain=(low / 10, high),
                        log=True,
                        ticks=[
                            (low / 10**0.6, "GD"),
                            (1e-8, "10⁻⁸"),
                            (1e-6, "10⁻⁶"),
                            (1e-4, "10⁻⁴"),
                            (1e-2, "10⁻²"),
                        ],
                    ),
                    pad=("unit", "eps"),
                    height=250,
                    marks=[
                        Heat(values="map", y0=low, y1=high, color=blue, **heat),
                        Heat(values="gd_map", y0=low / 10, y1=low / 10**0.2, color=grey, **heat),
                        Line(x="swamped", y="swamped_eps", dash="dotted", width=1.6),
                        Dots(x="unit_at", y="eps_at", shape="ring", size=7),
                    ],
                ),
                Panel(
                    title="the path",
                    x=Axis(label="along the valley, unit of θ", domain=AROUND[0]),
                    y=Axis(label="across, unit of θ", domain=AROUND[1]),
                    height=250,
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        Line(x="gd_x", y="gd_y", color=grey, width=1.4, dots=1.8),
                        Line(x="same_x", y="same_y", color=blue, width=8, opacity=0.25),
                        Line(x="x", y="y", color=blue, label="Adadelta"),
                        Dots(x=valley.start[0], y=valley.start[1], size=3),
                        Dots(x=0.0, y=0.0, shape="cross", size=5),
                        Text(text="gradient descent", x=-3.3, y=-1.3, color=grey),
                    ],
                ),
            ],
            [
                Panel(
                    title="loss, divided by its factor",
                    x=Axis(label="step", domain=(1, STEPS), log=True),
                    y=Axis(
                        label="loss / factor",
                        domain=(1e-6, 1e3),
                        log=True,
                        ticks=[(1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1.0, "1"), (1e3, "10³")],
                    ),
                    marks=[
                        Line(y="gd_loss", color=grey, **steps),
                        Line(y="loss", color=blue, **steps, label="Adadelta"),
                        Text(
                            text="gradient descent diverged at step {gd_diverged:d}",
                            x=1.2,
                            y=4e-6,
                            color=grey,
                        ),
                    ],
                ),
                Panel(
                    title="length of a step along the valley",
                    x=Axis(label="step", domain=(1, STEPS), log=True),
                    y=Axis(label="length, unit of θ", domain=(1e-5, 10), log=True),
                    marks=[
                        Rule(y="hidden", label="√(ε/(1 − γ))"),
                        Line(y="gd_length", color=grey, **steps, label="gradient descent"),
                        Line(y="length", color=blue, **steps),
                        Text(
                            text="gradient descent diverged at step {gd_diverged:d}",
                            x=1.2,
                            y=2e-5,
                            color=grey,
                        ),
                    ],
                ),
            ],
        ],
        readouts=[
            "Adadelta, ε = {eps}, loss × {unit}: first step {first:.2g}, √(ε/(1 − γ)) = {hidden:.2g}; "
            "loss / factor {end:.2g} after 500 steps.",
            "Its path leaves the one for × 1 (pale band) by at most {moved:.1g}.",
            "Gradient descent, η = 0.05: first step {gd_first:.2g}; loss / factor {gd_end:.2g} at the end.",
            "Gradient descent, η = 0.05: first step {gd_first:.2g}; diverged at step {gd_diverged:d}.",
        ],
        caption=[
            "Each point of the map is a factor of the loss and an ε; the row below is gradient descent with "
            "η = 0.05, which diverges for the tinted factors. To the right of the dotted line the gradient "
            "along the valley is at first larger than √(ε/(1 − γ)).",
            "Right of it, at ε = {eps}, the losses at the end differ by a factor of {row:.2g} at most; at "
            "× {unit}, over all ε, by one of {column:.2g}. Below 0.001 the map has no colour.",
            "With the loss × {unit} Adadelta leaves the path that it has for × 1 by at most {moved:.1g}.",
            "Adadelta comes down to {thrown_low:.0e} at step {thrown_at:d}, and is thrown out again: "
            "{end:.2g} at the end.",
            "Gradient descent diverges at step {gd_diverged:d}: its lines end there.",
            "Gradient descent ends at {gd_end:.2g}.",
        ],
        alt="Four panels for Adadelta beside gradient descent, with the loss multiplied by {unit} and ε "
        "{eps}. A map of the loss at the end over the loss's factor and ε: in its lower half rows have one "
        "colour right of a dotted line; with large ε it changes along the rows, too. Gradient descent's row "
        "goes from dark to light and then diverges. The path: Adadelta's lies on the one for factor 1, "
        "gradient descent's leaves the picture at once. The loss over the steps, where gradient descent's "
        "line ends at step {gd_diverged:d}. The length of the steps: Adadelta's begins at the root of ε/(1 "
        "− γ), {hidden:.2g}.",
        encoding={
            **{name: Encoding(bits=8, clip=(-4.6, 1.4)) for name in ("x", "same_x", "gd_x")},
            **{name: Encoding(bits=8, clip=(-1.6, 1.6)) for name in ("y", "same_y", "gd_y")},
            **{name: Encoding(bits=8, log=True, clip=(1e-7, 1e4)) for name in ("loss", "gd_loss")},
            **{name: Encoding(bits=8, log=True, clip=(1e-6, 1e2)) for name in ("length", "gd_length")},
            **{name: Encoding(log=True, clip=(1e-45, 1e9)) for name in POSITIVE},
            **{name: Encoding(bits=8, clip=(-3, 1.3)) for name in ("map", "gd_map")},
            **{name: Encoding(bits=8) for name in ("level_x", "level_y")},
        },
        fixed={
            "problem": "½(x² + 20y²), multiplied",
            "start": [-4.0, 1.0],
            "steps": STEPS,
            "gamma": 0.95,
            "gradient descent's lr": RATE,
        },
    )


def walk(rule: Adadelta | GradientDescent, unit: np.ndarray) -> Run:
    """The rule on the valley, its loss multiplied by each of the units."""
    valley = ravine(KAPPA)
    runs = np.broadcast_shapes(np.shape(unit), np.shape(getattr(rule, "eps", 0.0)))
    return descend(rule, InUnit(valley, unit), start=np.broadcast_to(valley.start, (*runs, 2)), steps=STEPS)


def at_the_end(run: Run, unit: np.ndarray) -> np.ndarray:
    """The logarithm of the last steps' mean loss, divided by the unit; NaN where it diverged."""
    with np.errstate(all="ignore"):
        late = np.log10(run.loss[-LATE:].mean(0) / unit)
    return np.where(run.diverged_at < 0, late, np.nan)


def last(values: np.ndarray) -> np.ndarray:
    """The axis of steps, which a run has first, behind those of the controls."""
    return np.moveaxis(values, 0, -1)
