"""The cover: eight methods on one surface, from a start that the reader chooses."""

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

EIGHT = ("GradientDescent", "Momentum", "Nesterov", "Adagrad", "Adadelta", "Adam", "RAdam", "Lookahead")
X, Y, STEPS, FIRST = (-1.6, 4.2), (-2.0, 1.4), 80, (-1.0, -1.5)
STARTS_X, STARTS_Y = np.round(np.arange(-1.5, 4.1, 0.5), 2), np.round(np.arange(-1.9, 1.4, 0.4), 2)


def cover() -> Figure:
    """Eight small maps of Beale's function, each with one method's path of 80 steps from the same start.

    Each method has the one of 81 learning rates from 1e-4 to 10 (Adadelta: of its ε) that ends lowest from
    (−1, −1.5). The starts stand half a unit apart along θ₁ and 0.4 along θ₂.
    """
    surface = Beale()
    tried = np.geomspace(1e-4, 10, 81)

    def best(name: str) -> float:
        final = descend(METHODS[name].make(tried), surface, list(FIRST), STEPS, path=False).loss[-1]
        return float(tried[np.nan_to_num(final, nan=np.inf).argmin()])

    rules = {name: METHODS[name].make(best(name)) for name in EIGHT}
    lines_x, lines_y = contour_lines(surface, X, Y, levels=9)

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
            out = run.diverged_at >= 0
            arrays |= {
                f"x_{name}": np.moveaxis(run.theta[..., 0], 0, -1)[..., ::2],
                f"y_{name}": np.moveaxis(run.theta[..., 1], 0, -1)[..., ::2],
                f"loss_{name}": np.where(out[..., None], np.nan, np.moveaxis(run.loss, 0, -1)[..., ::2]),
                f"out_{name}": np.where(out, run.diverged_at, np.nan),
            }
        return arrays

    def panel(name: str) -> Panel:
        own = style(name)
        return Panel(
            title=title(name),
            x=Axis(domain=X, ticks=[]),
            y=Axis(domain=Y, ticks=[]),
            height=150,
            pad=("start_x", "start_y"),
            marks=[
                Line(x="lines_x", y="lines_y", color="faint", width=0.7, opacity=0.7),
                Dots(x=3.0, y=0.5, shape="cross", size=5),
                Line(x=f"x_{name}", y=f"y_{name}", upto="step", **own, dots=1.8, width=1.3),
                Dots(x="x", y="y", shape="ring", size=5, color=own["color"]),
                Text(text=f"loss {{loss_{name}@step:.2g}}", x=-1.45, y=1.15, color=own["color"]),
                Text(text=f"diverged at step {{out_{name}:d}}", x=-1.45, y=1.15, color=own["color"]),
            ],
        )

    return Figure(
        name="figure-cover",
        title="One surface, one start, eight ways down",
        controls=[
            Slider(name="start_x", label="start θ₁", values=STARTS_X, start=1, format=".1f"),
            Slider(name="start_y", label="start θ₂", values=STARTS_Y, start=1, format=".1f"),
            Scrubber(
                name="step",
                label="step",
                values=list(range(0, STEPS + 1, 2)),
                start=STEPS // 2,
                format="d",
            ),
        ],
        compute=compute,
        rows=[[panel(name) for name in EIGHT[:4]], [panel(name) for name in EIGHT[4:]]],
        alt="Eight small maps of the same surface, each with the path of one method from a start at the "
        "lower left to the cross at the minimum, where most arrive.",
        caption="Press on a map to start from there, or move the sliders. Every path was computed by the "
        "library's rules when this page was built. Each method has the learning rate (Adadelta: the ε) that "
        "was best of 81 from (−1, −1.5): from elsewhere it may do worse, or diverge.",
        encoding={
            **{f"{axis}_{name}": Encoding(bits=8, clip=(-3, 6)) for axis in "xy" for name in EIGHT},
            **{f"loss_{name}": Encoding(bits=8, log=True, clip=(1e-9, 1e6)) for name in EIGHT},
            "lines_x": Encoding(bits=8),
            "lines_y": Encoding(bits=8),
        },
        fixed={
            "problem": "Beale",
            "steps": STEPS,
            "rules": {name: repr(rule) for name, rule in rules.items()},
        },
    )
