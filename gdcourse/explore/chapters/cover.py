"""The cover: nine methods on one surface, from a start that the reader chooses."""

from __future__ import annotations

import numpy as np

from gdcourse.experiments import descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Scrubber, Slider, Text, style
from gdcourse.figures.style import title
from gdcourse.problems import Beale
from gdcourse.rules import METHODS

NINE = (
    "GradientDescent",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "RMSProp",
    "Adadelta",
    "Adam",
    "RAdam",
    "Lookahead",
)
X, Y, STEPS, FIRST = (-1.6, 4.2), (-2.0, 1.4), 80, (0.0, 0.0)
STARTS_X, STARTS_Y = np.arange(-0.5, 3.1, 0.25), np.arange(-0.5, 0.51, 0.25)
TOLD = 2  # the loss is told after every second step; each step is drawn
ROUND = 0.3  # how far beyond the map a path is still drawn: the page draws no further than the map


def cover() -> Figure:
    """Nine small maps of Beale's function, each with one method's path of 80 steps from the same start.

    Each method has the one of 81 learning rates from 1e-4 to 10 (Adadelta: of its ε) that ends lowest after
    80 steps from (0, 0). The starts stand a quarter of a unit apart.
    """
    surface = Beale()
    tried = np.geomspace(1e-4, 10, 81)

    def best(name: str) -> float:
        final = descend(METHODS[name].make(tried), surface, list(FIRST), STEPS, path=False).loss[-1]
        return float(tried[np.nan_to_num(final, nan=np.inf).argmin()])

    found = {name: best(name) for name in NINE}
    rules = {name: METHODS[name].make(found[name]) for name in NINE}
    lines_x, lines_y = contour_lines(surface, X, Y, levels=7)

    def compute(start_x: np.ndarray, start_y: np.ndarray) -> Arrays:
        starts = np.stack(np.broadcast_arrays(start_x, start_y), -1).astype(float)
        arrays = {
            "x": start_x + 0 * start_y,
            "y": start_y + 0 * start_x,
            "lines_x": lines_x[None, None],
            "lines_y": lines_y[None, None],
        }
        for name, rule in rules.items():
            run = descend(rule, surface, starts, STEPS)
            path, loss = np.moveaxis(run.theta, 0, -1), np.moveaxis(run.loss, 0, -1)
            out = (run.diverged_at >= 0)[..., None] & (np.arange(STEPS + 1) >= run.diverged_at[..., None])
            away = ~(inside(path, 0.0) | out)
            x, y = np.moveaxis(to_the_edge(path), -2, 0)
            arrays |= {
                f"x_{name}": x,
                f"y_{name}": y,
                f"loss_{name}": np.where(out, np.nan, loss)[..., ::TOLD],
                f"out_{name}": np.where(out, run.diverged_at[..., None], np.nan)[..., ::TOLD],
                f"away_{name}": np.where(away, 1.0, np.nan)[..., ::TOLD],
            }
        arrays["worst"] = np.max([arrays[f"loss_{name}"] for name in NINE], 0)
        return arrays

    def panel(name: str) -> Panel:
        own = style(name)
        corner = {"x": -1.45, "color": own["color"]}
        return Panel(
            title=title(name),
            x=Axis(domain=X, ticks=[]),
            y=Axis(domain=Y, ticks=[]),
            height=140,
            pad=("start_x", "start_y"),
            marks=[
                Line(x="lines_x", y="lines_y", color="faint", width=0.7, opacity=0.7),
                Line(x=f"x_{name}", y=f"y_{name}", upto="step", per=TOLD, **own, dots=1.8, width=1.3),
                Dots(x=3.0, y=0.5, shape="cross", size=5),
                Dots(x="x", y="y", shape="ring", size=5, color=own["color"]),
                Text(text=f"loss {{loss_{name}@step:.2g}}", y=1.15, **corner),
                Text(text=f"diverged at step {{out_{name}@step:d}}", y=1.15, **corner),
                Text(text=f"{{away_{name}@step:?}}outside the map", y=0.8, **corner),
            ],
        )

    legend = Panel(
        height=140,
        marks=[
            Dots(x=0.08, y=0.88, shape="ring", size=5),
            Text(x=0.16, y=0.88, text="the start"),
            Dots(x=0.08, y=0.7, size=2.5),
            Text(x=0.16, y=0.7, text="each step"),
            Dots(x=0.08, y=0.52, shape="cross", size=5),
            Text(x=0.16, y=0.52, text="the minimum"),
        ],
    )
    return Figure(
        name="figure-cover",
        title="One surface, one start, nine ways down",
        controls=[
            Slider(name="start_x", label="start θ₁", values=STARTS_X, start=2, format=".2f"),
            Slider(name="start_y", label="start θ₂", values=STARTS_Y, start=2, format=".2f"),
            Scrubber(
                name="step",
                label="step",
                values=list(range(0, STEPS + 1, TOLD)),
                start=STEPS // TOLD,
                format="d",
                on_sight=True,
            ),
        ],
        compute=compute,
        tries="drag one of the rings to start from elsewhere, then play.",
        rows=[[panel(name) for name in NINE[:5]], [*(panel(name) for name in NINE[5:]), legend]],
        alt="Nine small maps of the same surface, each with the path of one method from one "
        "start, and the loss that it has reached after {step} steps. All paths end close to the cross that "
        "marks the minimum, at losses of {worst@step:.2g} at most.",
        caption="Each method has the learning rate (Adadelta: the ε) that was best of 81 for 80 steps from "
        "(0, 0); "
        "from elsewhere it may do worse, or diverge. Every path was computed by the library's rules when "
        "this "
        "page was built.",
        encoding={
            **{f"x_{name}": Encoding(bits=8) for name in NINE},
            **{f"y_{name}": Encoding(bits=8) for name in NINE},
            "lines_x": Encoding(bits=8),
            "lines_y": Encoding(bits=8),
        },
        fixed={
            "problem": "Beale",
            "steps": STEPS,
            "rules": {name: repr(rule) for name, rule in rules.items()},
        },
    )


def inside(path: np.ndarray, beyond: float) -> np.ndarray:
    """Which points of paths, shape (…, 2, steps), lie on the map, or so far beyond its edge."""
    x, y = path[..., 0, :], path[..., 1, :]
    with np.errstate(invalid="ignore"):
        return (x >= X[0] - beyond) & (x <= X[1] + beyond) & (y >= Y[0] - beyond) & (y <= Y[1] + beyond)


def to_the_edge(path: np.ndarray) -> np.ndarray:
    """Paths whose steps off the map end a little beyond its edge, in the direction in which they went; what
    lies farther out is not there. The page keeps eight bits of a coordinate: they are for the map."""
    with np.errstate(all="ignore"):
        before, there = path[..., :-1], path[..., 1:]
        shares = [np.ones_like(there[..., 0, :])]
        for i, (low, high) in enumerate((X, Y)):
            start, move = before[..., i, :], there[..., i, :] - before[..., i, :]
            edge = np.where(move > 0, high + ROUND, low - ROUND)
            shares.append(np.where(move == 0, 1.0, (edge - start) / move))
        share = np.clip(np.nanmin(shares, 0), 0.0, 1.0)
        end = before + share[..., None, :] * (there - before)
    kept = inside(before, ROUND)[..., None, :]
    ends = np.where(kept, end, np.where(inside(there, ROUND)[..., None, :], there, np.nan))
    return np.concatenate([path[..., :1], ends], -1)
