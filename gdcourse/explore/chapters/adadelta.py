"""Adadelta: who minds the unit of θ; then the unit of the loss, and ε."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Dots,
    Heat,
    Line,
    Panel,
    Rule,
    Slider,
    Text,
    Toggle,
    style,
    views,
)
from gdcourse.explore.sight import within
from gdcourse.explore.views import in_views
from gdcourse.problems import Problem, ravine
from gdcourse.rules import Adadelta, GradientDescent, RMSProp
from gdcourse.rules.rule import Scalar
from gdcourse.theory import adadelta_first_step

STEPS, LATE = 500, 50
WALKED = 300  # steps in other units of θ
PERS, UNIT_NAMES = (
    np.array([1.0, 2, 5, 10, 20, 50, 100]),
    ("1 m", "50 cm", "20 cm", "10 cm", "5 cm", "2 cm", "1 cm"),
)
KAPPA, RATE, RMS_RATE = 20.0, 0.05, 0.02
UNITS, EPSILONS = 10.0 ** np.arange(-3, 3.1, 0.5), 10.0 ** np.arange(-8, -1.9, 0.5)
HALF = 10.0**0.25  # from the middle of one of the map's cells to its edge, as a factor
OUT, AROUND = 4.6, ((-4.4, 1.2), (-1.5, 1.5))
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


@dataclass(frozen=True, eq=False)
class TwoEps(Adadelta):
    """Adadelta with an ε of its own for each root: `eps` is the gradient's, `eps_delta` the step's."""

    eps_delta: Scalar = 1e-6

    def step(self, theta: Any, grad: Any, state: Any, at: Any) -> Any:
        mean_g2 = self.gamma * state["mean_g2"] + (1 - self.gamma) * grad**2
        root = (state["mean_delta2"] + self.eps_delta) ** 0.5
        delta = -root / (mean_g2 + self.eps) ** 0.5 * grad
        mean_delta2 = self.gamma * state["mean_delta2"] + (1 - self.gamma) * delta**2
        return theta + delta, {"mean_g2": mean_g2, "mean_delta2": mean_delta2}


class Measured(Problem):
    """Another problem, its θ in a unit ``per`` times smaller, a number for each run: the numbers are "
    "larger."""

    ndim = 1

    def __init__(self, problem: Problem, per: np.ndarray) -> None:
        self.problem, self.per = problem, per[..., None]
        self.start = problem.start * self.per

    def loss(self, theta: Any) -> Any:
        return self.problem.loss(theta / self.per)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self.problem.grad(theta / self.per) / self.per


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
    """The valley measured in other units of length, from metres to centimetres, and who slows down; then the
    map of all pairs of loss unit and ε, and for one pair the path, the loss and the length of the steps.

    The problem is ½(x² + 20y²) from (−4, 1), for 300 steps in each unit of θ. Its loss is multiplied by 10⁻³
    to 10³ in half decades; ε runs from 10⁻⁸ to 10⁻² likewise; γ = 0.95. Gradient descent has η = 0.05 = 1/L
    for the factor 1. 500 steps; the losses are divided by their factor, and those of the map are
    means of the last 50 steps.
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

    def compute(per: np.ndarray, own: np.ndarray, unit: np.ndarray, eps: np.ndarray) -> Arrays:
        pairs = {name: array[None, None] for name, array in of_loss(unit[0, 0], eps[0, 0]).items()}
        names = in_views("unit", "loss", "steps", computed=4)
        return {**pairs, **in_other_units(per[:, :, 0, 0], own[:, :, 0, 0]), **names}

    def of_loss(unit: np.ndarray, eps: np.ndarray) -> Arrays:
        run, plain = walk(Adadelta(eps=eps), unit), walk(GradientDescent(RATE), unit)
        same = walk(Adadelta(eps=eps), np.ones((1, 1)))
        gd_x, gd_y = within(OUT, last(plain.theta[..., 0]), last(plain.theta[..., 1]))
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
            "gd_x": gd_x,
            "gd_y": gd_y,
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

    view, on = views("The unit of θ", "The unit of the loss, and ε", "Step by step")
    own_look = style("Adadelta")
    blue, grey = own_look["color"], style("GradientDescent")["color"]
    three = (
        ("gd", "GradientDescent", "gradient descent"),
        ("rms", "RMSProp", "RMSProp"),
        ("ada", "Adadelta", "Adadelta"),
    )
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
        title="From metres to centimetres: who minds the unit?",
        controls=[
            view,
            Slider(
                name="per",
                label="θ is measured in units of",
                values=PERS,
                texts=UNIT_NAMES,
                start=2,
                when=on[0],
            ),
            Toggle(name="own", label="each ε in its own unit", values=(0.0, 1.0), when=on[0]),
            Slider(
                name="unit",
                label="the loss, multiplied by",
                values=UNITS,
                start=8,
                format=".4g",
                when={"view": (1, 2)},
            ),
            Slider(name="eps", label="ε", values=EPSILONS, start=4, format=".0e", when={"view": (1, 2)}),
        ],
        compute=compute,
        tries=[
            "slide from 1 m to 1 cm: all three slow down. Then tick the box: who walks as in metres again?",
            "drag the ring along a row of the map, then up a column.",
            "raise ε, and see where Adadelta's steps begin and end.",
        ],
        rows=[
            [
                Panel(
                    title=f"the path of {WALKED} steps, in metres",
                    x=Axis(label="along the valley, m", domain=AROUND[0]),
                    y=Axis(label="across, m", domain=AROUND[1]),
                    height=200,
                    when=on[0],
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        *(
                            Line(x=f"{a}_path_x", y=f"{a}_path_y", **style(m), label=words)
                            for a, m, words in three
                        ),
                        Dots(x=valley.start[0], y=valley.start[1], size=3),
                        Dots(x=0.0, y=0.0, shape="cross", size=5),
                    ],
                ),
                Panel(
                    title="distance to the minimum, in metres",
                    x=Axis(label="step", domain=(0, WALKED)),
                    y=Axis(label="distance, m", domain=(0, 4.4)),
                    height=200,
                    when=on[0],
                    marks=[Line(y=f"{a}_away", **style(m), label=words) for a, m, words in three],
                ),
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
                    height=210,
                    when=on[1],
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
                    height=210,
                    when=on[1],
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        Line(x="gd_x", y="gd_y", color=grey, width=1.4, dots=1.8),
                        Line(x="same_x", y="same_y", color=blue, width=8, opacity=0.25),
                        Line(x="x", y="y", **own_look, label="Adadelta"),
                        Dots(x=valley.start[0], y=valley.start[1], size=3),
                        Dots(x=0.0, y=0.0, shape="cross", size=5),
                        Text(text="gradient descent", x=-3.3, y=-1.3, color=grey),
                    ],
                ),
                Panel(
                    title="loss, divided by its factor",
                    height=210,
                    when=on[2],
                    x=Axis(label="step", domain=(1, STEPS), log=True),
                    y=Axis(
                        label="loss / factor",
                        domain=(1e-6, 1e3),
                        log=True,
                        ticks=[(1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1.0, "1"), (1e3, "10³")],
                    ),
                    marks=[
                        Line(y="gd_loss", color=grey, **steps),
                        Line(y="loss", **own_look, **steps, label="Adadelta"),
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
                    height=210,
                    when=on[2],
                    x=Axis(label="step", domain=(1, STEPS), log=True),
                    y=Axis(label="length, unit of θ", domain=(1e-5, 10), log=True),
                    marks=[
                        Rule(y="hidden", label="√(ε/(1 − γ))"),
                        Line(y="gd_length", color=grey, **steps, label="gradient descent"),
                        Line(y="length", **own_look, **steps, label="Adadelta"),
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
            f"{{in_unit@view:?}}After {WALKED} steps the minimum is {{gd_left:.2g}} m away for gradient "
            f"descent, {{rms_left:.2g}} m for RMSProp, {{ada_left:.2g}} m for Adadelta.",
            "{in_loss@view:?}ε = {eps}, loss × {unit}. Loss / factor at the end: {end:.2g}; gradient "
            "descent {gd_end:.2g}.",
            "{in_loss@view:?}{gd_diverged:?}ε = {eps}, loss × {unit}. Loss / factor at the end: {end:.2g}; "
            "gradient descent diverged.",
            "{in_loss@view:?}Adadelta's path leaves the one for × 1, the pale band, by at most {moved:.1g}.",
            "{in_steps@view:?}First step: {first:.2g} of Adadelta, where √(ε/(1 − γ)) = {hidden:.2g}; "
            "{gd_first:.2g} of gradient descent.",
        ],
        caption=[
            "{in_unit@view:?}One valley, measured in other units, drawn in metres; η and ε keep their "
            "numbers. Gradient descent's steps shrink with the square of the unit, RMSProp's with the unit.",
            "{in_unit@view:?}{shared:?}Adadelta takes its unit from its own steps; but ε starts them, and "
            "keeps its number.",
            "{in_unit@view:?}{apart:?}Adadelta, each ε converted, walks as in metres.",
            "{in_loss@view:?}Each point of the map is a factor and an ε; the row below is gradient "
            "descent, which diverges where tinted. Right of the dotted line gradients outweigh ε at first; "
            "there, at this ε, the map's losses differ {row:.2g} times at most.",
            "{in_steps@view:?}Losses are divided by their factor.",
            "{in_steps@view:?}Adadelta comes down to {thrown_low:.0e} at step {thrown_at:d}, and is thrown "
            "out again: {end:.2g} at the end.",
            "{in_steps@view:?}Gradient descent, η = 0.05, diverges at step {gd_diverged:d}: its lines end "
            "there.",
            "{in_steps@view:?}Gradient descent, η = 0.05, ends at {gd_end:.2g}.",
        ],
        alt="Two panels with θ measured in units of {per}. On the level lines of a valley, drawn in "
        "metres, gradient descent, RMSProp and Adadelta all stop far from the minimum. Their distances "
        "to it over the steps fall slowly, to {gd_left:.2g}, {rms_left:.2g} and {ada_left:.2g} metres.",
        encoding={
            **{f"{a}_path_{axis}": Encoding(bits=8, clip=(-4.6, 1.6)) for a, *_ in three for axis in "xy"},
            **{f"{a}_away": Encoding(bits=8) for a, *_ in three},
            **{name: Encoding(bits=8, clip=(-4.6, 1.4)) for name in ("x", "same_x")},
            **{name: Encoding(bits=8, clip=(-1.6, 1.6)) for name in ("y", "same_y")},
            **{name: Encoding(bits=8) for name in ("gd_x", "gd_y")},
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
            "RMSProp's lr": RMS_RATE,
        },
    )


def in_other_units(per: np.ndarray, own: np.ndarray) -> Arrays:
    """The paths of three methods that keep the numbers of their settings while θ is measured in another unit,
    in metres; where ``own`` is 1, each of Adadelta's ε is converted to its unit."""
    per = per + 0 * own
    valley, squared = Measured(ravine(KAPPA), per), np.where(own > 0, per**2, 1.0)
    usual = Adadelta()
    rules = {
        "gd": GradientDescent(RATE),
        "rms": RMSProp(lr=RMS_RATE),
        "ada": TwoEps(usual.gamma, usual.eps / squared, usual.eps * squared),
    }
    arrays = {
        "shared": np.where(own > 0, np.nan, 1.0) + 0 * per,
        "apart": np.where(own > 0, 1.0, np.nan) + 0 * per,
    }
    for name, rule in rules.items():
        theta = descend(rule, valley, start=valley.start, steps=WALKED).theta / per[..., None]
        away = np.hypot(theta[..., 0], theta[..., 1])
        arrays |= {
            f"{name}_path_x": last(theta[..., 0]),
            f"{name}_path_y": last(theta[..., 1]),
            f"{name}_away": last(away),
            f"{name}_left": away[-1],
        }
    return {name: array[:, :, None, None] for name, array in arrays.items()}


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
