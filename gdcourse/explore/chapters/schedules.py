"""When to lower the rate: what a schedule leaves of the loss, in noise and in way to go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.experiments.schedules import Schedule, cosine, linear, wsd
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Choice, Dots, Line, Panel, Rule, Slider, Text, views
from gdcourse.explore.views import in_views

CURVATURES = 1 / np.arange(1, 201)
STEEP = CURVATURES > 1 / 20
SHAPES = ("constant", "WSD, last 20 %", "cosine", "linear", "average of the last half")
CONSTANT, WSD, AVERAGE = 0, 1, 4
RATES = np.array([0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5])
LENGTHS = np.array([100, 400, 1600])
POINTS = 61  # of a curve
MANY = 100 * (POINTS - 1)  # steps, of the rate that is drawn
SHARES = np.linspace(0, 1, POINTS)  # of the steps
DRAWN = 0.008, 4.0  # losses outside are not
COLORS = ("grey", "purple", "orange", "blue", "green")
DASHES = ("solid", "solid", "dashed", "dotted", "solid")


def schedules() -> Figure:
    """The expected loss of stochastic gradient descent on a noisy bowl under five schedules, split once into
    noise and way to go, once into steep and flat directions; and the loss at the end over the peak rate.

    ½ Σ θ_i²/i from θ_i = 1, i = 1 … 200, with noise on the gradient whose standard deviation
    is 0, 0.3 or 1 times √(1/i). Nothing is sampled: mean and variance of each direction follow from their
    recursion. Peak rates 0.02 … 1.5, below the limit of 2; 100, 400 or 1,600 steps.
    """

    def compute(shape: np.ndarray, rate: np.ndarray, steps: np.ndarray, noise: np.ndarray) -> Arrays:
        def curves(shapes: Sequence[int], rates: np.ndarray) -> np.ndarray:
            """Five parts of the loss by shape, peak rate, length, noise, and share of the steps."""
            found = [[curve(s, int(T), rates, noise.ravel()) for T in steps.ravel()] for s in shapes]
            return np.moveaxis(np.array(found), (2, 3), (0, 2))

        chosen = [int(s) for s in shape.ravel()]
        loss, jitter, way, steep, flat = curves(chosen, rate.ravel())
        ends = curves(range(len(SHAPES)), RATES)[0, ..., -1]
        best = np.broadcast_to(RATES[ends.argmin(1)], (1, *ends.shape[:1], *ends.shape[2:]))
        own = curves([CONSTANT], rate.ravel())[0]
        noisy = noise > 0
        falls = round(0.8 * (POINTS - 1))  # where WSD begins to
        return {
            **in_views("parts", "places", "rates", computed=4),
            "factor": np.array([factors(s) for s in chosen])[:, None, None, None],
            "loss": loss,
            "jitter": np.where(noisy[..., None], jitter, np.nan),
            "way": way,
            "steep": steep,
            "flat": flat,
            "own": own,
            "own_end": np.where(shape == AVERAGE, own[..., -1], np.nan),
            "end": loss[..., -1],
            "end_jitter": np.where(noisy, jitter[..., -1], np.nan),
            "end_way": way[..., -1],
            "end_steep": steep[..., -1],
            "end_flat": flat[..., -1],
            "still": np.where(noisy, np.nan, loss[..., -1]),
            "before": np.where((shape == WSD) & noisy, loss[..., falls], np.nan),
            "peak": rate + 0 * (shape + steps + noise),
            **{f"end_{i}": np.moveaxis(one, 0, -1)[None, None] for i, one in enumerate(ends)},
            **{f"best_{i}": best[:, i][None] for i in range(len(SHAPES))},
        }

    view, on = views("What is left", "Where it is", "All rates")
    time = Axis(label="share of the steps", domain=(0, 1))
    height = Axis(label="expected loss (log)", domain=(0.01, 4), log=True)
    across: dict[str, Any] = {"x": SHARES.tolist()}
    own = Line(**across, y="own", color="faint", width=1.2, when={"shape": (AVERAGE,)})
    return Figure(
        name="figure-schedules",
        title="Lower the rate, and see what leaves",
        controls=[
            view,
            Choice(name="shape", label="schedule", values=range(len(SHAPES)), texts=SHAPES, start=WSD),
            Slider(name="rate", label="peak rate η", values=RATES, start=7, format=".3g"),
            Slider(name="steps", label="steps T", values=LENGTHS, start=2, format="d"),
            Slider(name="noise", label="noise σ / √h", values=(0.0, 0.3, 1.0), start=2, format=".2g"),
        ],
        compute=compute,
        tries=[
            "choose the constant rate. Which part of the loss is larger than before, noise or way to go?",
            "compare the constant rate with WSD: which of the two parts falls at the end?",
            "move T. Where do the five lowest points go? Which wants the smallest rate?",
        ],
        rows=[
            [
                Panel(
                    title="the rate",
                    x=time,
                    y=Axis(label="rate / peak rate", domain=(0, 1.1)),
                    height=190,
                    weight=0.7,
                    when={"view": (0, 1)},
                    marks=[
                        Line(**across, y="factor", color="ink"),
                        Rule(x=0.5, color="faint", when={"shape": (AVERAGE,)}),
                        Text(text="averaged", x=0.75, y=0.9, anchor="middle", when={"shape": (AVERAGE,)}),
                    ],
                ),
                Panel(
                    title="loss —, noise - -, way to go ···",
                    x=time,
                    y=height,
                    height=190,
                    when=on[0],
                    marks=[
                        own,
                        Line(**across, y="way", color="blue", dash="dotted"),
                        Line(**across, y="jitter", color="orange", dash="dashed"),
                        Line(**across, y="loss", color="ink", width=2.2),
                    ],
                ),
                Panel(
                    title="loss —, steep part - -, flat part ···",
                    x=time,
                    y=height,
                    height=190,
                    when=on[1],
                    marks=[
                        own,
                        Line(**across, y="flat", color="blue", dash="dotted"),
                        Line(**across, y="steep", color="orange", dash="dashed"),
                        Line(**across, y="loss", color="ink", width=2.2),
                    ],
                ),
                Panel(
                    title="the loss after {steps} steps",
                    x=Axis(label="peak rate η (log)", domain=(0.019, 1.6), log=True),
                    y=Axis(label="expected loss (log)", domain=(0.006, 4), log=True),
                    height=240,
                    when=on[2],
                    marks=[
                        *(
                            Line(x=RATES.tolist(), y=f"end_{i}", color=color, dash=dash)
                            for i, (color, dash) in enumerate(zip(COLORS, DASHES, strict=True))
                        ),
                        *(
                            Text(text=name, x=0.021, y=0.053 / 1.63**i, color=color)
                            for i, (name, color) in enumerate(zip(SHAPES, COLORS, strict=True))
                        ),
                        Dots(x="peak", y="end", shape="ring", size=6),
                    ],
                ),
            ]
        ],
        readouts=["{shape}, peak rate {rate}, {steps} steps: expected loss {end:.3g} at the end."],
        caption=[
            "{in_parts@view:?}{end_jitter:?}Of the loss at the end, {end_jitter:.3g} is noise, "
            "{end_way:.3g} way to go.",
            "{in_parts@view:?}{still:?}Without noise all of the loss is way to go.",
            "{in_parts@view:?}Where the rate began to fall, the loss was {before:.3g}.",
            "{in_parts@view:?}{own_end:?}Faint: the run itself, which ends at {own_end:.3g}.",
            "{in_places@view:?}Steep are the 19 directions with a curvature above 1/20, flat the other "
            "181. At the end: steep {end_steep:.3g}, flat {end_flat:.3g}.",
            "{in_places@view:?}{own_end:?}Faint: the run itself, which ends at {own_end:.3g}.",
            "{in_rates@view:?}A line for each schedule; the ring is the one chosen. Best of the rates "
            f"drawn, up to {RATES[-1]:g}: constant {{best_0:.2g}}, WSD {{best_1:.2g}}, "
            "cosine {best_2:.2g}, linear {best_3:.2g}, average {best_4:.2g}.",
        ],
        alt="Two panels. Left the rate: level for 80 % of the steps, then in a line to 0. Right the loss "
        "over the steps, on a log axis: it falls, stays on a level that is nearly all noise, and drops "
        "when the rate falls, from {before:.2g} to {end:.2g}. The dashed line, noise, drops with it; "
        "the dotted line, way to go, is far below.",
        encoding=dict.fromkeys(
            ("loss", "jitter", "way", "steep", "flat", "own"), Encoding(bits=8, log=True, clip=DRAWN)
        ),
        fixed={"problem": "½ Σ θ_i²/i, i = 1 … 200, noise 0, 0.3 or 1 times √(1/i)", "start": 1.0},
    )


def shape_of(shape: int, steps: int) -> Schedule:
    """The schedule of this shape, for so many steps; under an average the rate is constant."""
    makes = (lambda T: wsd(T, 0.0), wsd, cosine, linear, lambda T: wsd(T, 0.0))
    return makes[shape](steps)


def factors(shape: int) -> list[float]:
    """What the peak rate is multiplied by, at shares of the steps of a long run."""
    schedule = shape_of(shape, MANY)
    return [schedule(min(round(MANY * share) + 1, MANY)) for share in SHARES]


def curve(shape: int, steps: int, peaks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Five parts of the expected loss at shares of the steps: all of it, noise, way to go, steep, and flat
    directions. Axes: part, peak rate, noise, share. In the second half of an average's run, those of the
    average."""
    schedule = shape_of(shape, steps)
    rates = np.array([schedule(t) for t in range(1, steps + 1)])[:, None, None, None] * peaks[:, None, None]
    noise = sizes[:, None] * CURVATURES**0.5
    moments: Iterable[tuple[np.ndarray, np.ndarray]] = theory.sgd_moments(rates, CURVATURES, noise)
    if shape == AVERAGE:
        half = steps // 2
        later = theory.averaged_moments(rates, CURVATURES, noise, first=half + 1)
        moments = chain(islice(moments, half + 1), later)
    shown = {round(share * steps) for share in SHARES}
    found = []
    for t, (mean, variance) in enumerate(moments):
        if t in shown:
            way, jitter = CURVATURES / 2 * mean**2, CURVATURES / 2 * variance
            both = way + jitter
            parts = (both, jitter, way, both[..., STEEP], both[..., ~STEEP])
            found.append([part.sum(-1) for part in parts])
    return np.moveaxis(np.array(found), 0, -1)
