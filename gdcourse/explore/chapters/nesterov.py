"""Nesterov: where two methods read the slope, and what each direction gets of the memory for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.experiments import Run, descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Arrow,
    Axis,
    Dots,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import Quadratic
from gdcourse.problems.surfaces import ravine
from gdcourse.rules import Momentum, Nesterov

SHOWN, STEPS, GOAL, FAR = 60, 600, 1e-3, 2.5
KAPPA, ARROWS = 20.0, 20  # of the valley; the steps there whose arrows are drawn
VALLEY = ravine(KAPPA)
ALONG, ACROSS = (-4.4, 0.6), (-1.3, 1.3)  # the part of the valley that is drawn
PRODUCTS = np.round(np.arange(0.05, 4.01, 0.05), 2)
GAMMAS = np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95])
CURVE, POINTS = np.round(np.arange(0.02, 4.01, 0.02), 2), np.round(np.arange(0.1, 4.0, 0.2), 2)
METHODS = (("momentum", Momentum, theory.momentum_rate), ("nesterov", Nesterov, theory.nesterov_rate))


def nesterov() -> Figure:
    """Each step of momentum and of Nesterov's method in a valley, as an arrow of memory and one of the slope;
    then the memory that each direction gets and the rate that follows, over ηλ; then how both ring down.

    The products ηλ run from 0.05 to 4 and γ from 0 to 0.95. The valley is ½(θ₁² + 20 θ₂²), from (−4, 1), 20
    steps, and λ = 20 in it; the rest is ½λθ² with λ = 1, from θ = 1: 600 steps are run, 60 are drawn.
    """
    level_x, level_y = contour_lines(VALLEY, ALONG, ACROSS, levels=7, points=60)

    def compute(product: np.ndarray, gamma: np.ndarray) -> Arrays:
        arrays = {
            **in_views("slope", "every", "ring", computed=2),
            "level_x": level_x[None, None],
            "level_y": level_y[None, None],
            "across": np.full((1, 1), KAPPA),
            "product": product + 0 * gamma,
            "gamma": gamma + 0 * product,
            "has_memory": np.where(gamma > 0, 1.0, np.nan) + 0 * product,
            "no_memory": np.where(gamma > 0, np.nan, 1.0) + 0 * product,
        }
        for name, rule, rate in METHODS:
            run = on_bowl(rule(product, gamma))
            points = on_bowl(rule(POINTS, gamma[..., None]))
            memory, points_memory = kept_of_v(run, product), kept_of_v(points, POINTS)
            size = np.abs(run.theta)
            inside = size[-1] <= GOAL
            with np.errstate(invalid="ignore"):
                last_outside = STEPS - (~(size <= GOAL))[::-1].argmax(0)
            stable = run.diverged_at < 0
            arrays |= in_valley(name, rule(product / KAPPA, gamma), gamma)
            arrays |= {
                f"{name}_theta": np.moveaxis(until_out(run.theta[: SHOWN + 1]), 0, -1),
                f"{name}_here": measured_rate(run),
                f"{name}_memory_here": memory,
                f"{name}_reached": np.where(inside, last_outside + 1.0, np.nan),
                f"{name}_late": np.where(stable & ~inside, STEPS, np.nan),
                f"{name}_diverged": np.where(stable, np.nan, run.diverged_at),
                f"{name}_points": measured_rate(points),
                f"{name}_memory": points_memory,
                f"{name}_curve": rate(CURVE, gamma[..., None], 1.0),
            }
        return arrays

    def ring_down(name: str, title: str) -> Panel:
        own = style(title)
        return Panel(
            title=title,
            x=Axis(label="step", domain=(0, SHOWN)),
            y=Axis(label="θ", domain=(-1.6, 1.6)),
            height=200,
            when=on[2],
            marks=[
                Rule(y=0.0, color="faint"),
                Line(y=f"{name}_theta", **own, dots=2),
                *(
                    Text(text=text, x=SHOWN - 1, y=1.35, anchor="end", color=own["color"])
                    for text in (  # one of the three is there
                        f"below {GOAL} from step {{{name}_reached:d}} on",
                        f"not below {GOAL} within {{{name}_late:d}} steps",
                        f"diverges: past a million at step {{{name}_diverged:d}}",
                    )
                ),
            ],
        )

    def arrows(name: str, title: str, read: str) -> Panel:
        own = style(title)
        step: dict[str, Any] = {"at": ("step",)}
        tip: dict[str, Any] = {"x1": f"{name}_tip_x", "y1": f"{name}_tip_y"}
        slope: dict[str, Any] = {"x0": f"{name}_tip_x", "y0": f"{name}_tip_y"}
        return Panel(
            title=f"{title}, after step {{step}}",
            x=Axis(label="θ₁, along the valley", domain=ALONG),
            y=Axis(label="θ₂, across", domain=ACROSS),
            height=200,
            when=on[0],
            marks=[
                Line(x="level_x", y="level_y", color="faint", width=0.7),
                Dots(x=0.0, y=0.0, shape="cross", size=5),
                Line(x=f"{name}_x", y=f"{name}_y", **own, upto="step", width=1.2, dots=2),
                Arrow(x0=f"{name}_x", y0=f"{name}_y", **tip, **step, color="ink", label="memory, −γv"),
                Arrow(
                    **slope,
                    x1=f"{name}_next_x",
                    y1=f"{name}_next_y",
                    **step,
                    color="blue",
                    label="slope, −ηg",
                ),
                Dots(x=f"{read}_x", y=f"{read}_y", **step, shape="ring", size=5, color="blue"),
            ],
        )

    view, on = views("The two arrows", "Every direction", "One direction")
    mom, nag = style("Momentum"), style("Nesterov")
    color = mom["color"]
    dotted: dict[str, Any] = {"size": 3.0, "color": color}
    rings: dict[str, Any] = {"size": 6.0, "color": "ink", "shape": "ring"}
    return Figure(
        name="figure-nesterov",
        title="Same η, same γ: where momentum and Nesterov read the slope",
        controls=[
            view,
            Scrubber(name="step", label="step", values=range(ARROWS), start=2, format="d", when=on[0]),
            Slider(
                name="product", label="ηλ, step size times curvature", values=PRODUCTS, start=9, format=".2f"
            ),
            Slider(name="gamma", label="γ, how much is remembered", values=GAMMAS, start=6, format=".2f"),
        ],
        compute=compute,
        tries=[
            "take one step on with ›. The blue ring is where the method reads its slope.",
            "move ηλ to 1, where Nesterov keeps nothing, and then beyond it.",
            "raise γ, and see which of the two is at rest first.",
        ],
        rows=[
            [
                arrows("momentum", "Momentum", "momentum"),
                arrows("nesterov", "Nesterov", "nesterov_tip"),
                Panel(
                    title="memory kept by one step",
                    x=Axis(label="ηλ", domain=(0, 4)),
                    y=Axis(label="share kept", domain=(-3.0, 1.1), ticks=[(-1, "−1"), (0, "0"), (1, "1")]),
                    height=200,
                    when=on[1],
                    pad=("product", None),
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Rule(x="product", color="ink", dash="solid", width=1.0),
                        Line(x=POINTS.tolist(), y="momentum_memory", **mom, label="Momentum"),
                        Line(x=POINTS.tolist(), y="nesterov_memory", **nag, label="Nesterov"),
                        Dots(x="product", y="momentum_memory_here", **rings),
                        Dots(x="product", y="nesterov_memory_here", **rings),
                    ],
                ),
                Panel(
                    title="factor of the error per step",
                    x=Axis(label="ηλ", domain=(0, 4)),
                    y=Axis(label="factor per step", domain=(0, 1.15)),
                    height=200,
                    when=on[1],
                    pad=("product", None),
                    marks=[
                        Rule(y=1.0, color="faint"),
                        Rule(x="product", color="ink", dash="solid", width=1.0),
                        Line(x=CURVE.tolist(), y="momentum_curve", color=color, dash=mom["dash"]),
                        Line(x=CURVE.tolist(), y="nesterov_curve", color=color, dash=nag["dash"]),
                        Dots(x=POINTS.tolist(), y="momentum_points", shape=mom["marker"], **dotted),
                        Dots(x=POINTS.tolist(), y="nesterov_points", shape=nag["marker"], **dotted),
                        Dots(x="product", y="momentum_here", **rings),
                        Dots(x="product", y="nesterov_here", **rings),
                    ],
                ),
                ring_down("momentum", "Momentum"),
                ring_down("nesterov", "Nesterov"),
            ],
        ],
        readouts=[
            f"{{in_slope@view:?}}Loss after {ARROWS} steps: momentum {{momentum_end:.2g}}, Nesterov "
            f"{{nesterov_end:.2g}}.",
            f"{{in_slope@view:?}}Loss after {ARROWS} steps: momentum {{momentum_end:.2g}}; Nesterov "
            f"diverged at step {{nesterov_out:d}}.",
            "{in_slope@view:?}Diverged: momentum at step {momentum_out:d}, Nesterov at step "
            "{nesterov_out:d}.",
            *(
                f"{{in_{name}@view:?}}{text}"
                for name in ("every", "ring")
                for text in (
                    "Factor of the error per step, measured: momentum {momentum_here:.2f}, Nesterov "
                    "{nesterov_here:.2f}.",
                    "Factor of the error per step: momentum {momentum_here:.2f}; Nesterov is past a million "
                    "at step {nesterov_diverged:d}.",
                    "Past a million: momentum at step {momentum_diverged:d}, Nesterov at step "
                    "{nesterov_diverged:d}.",
                )
            ),
        ],
        caption=[
            "{in_slope@view:?}A step is two arrows: the memory's, then the slope's. Momentum reads the "
            "slope where it stands, Nesterov where memory takes it: if that is too far, the slope already "
            "points back.",
            "{in_every@view:?}{has_memory:?}Momentum keeps γ = {gamma} in every direction, Nesterov less "
            "as ηλ grows to 1, nothing there, and the other sign beyond. Lines of the factor are "
            "theory, points are runs.",
            "{in_every@view:?}{no_memory:?}With γ = 0 both are gradient descent.",
            "{in_ring@view:?}γ = {gamma} and ηλ = {product} for both, from θ = 1, in one direction and "
            "without noise.",
        ],
        alt="Two panels at γ {gamma} and ηλ {product}: momentum and Nesterov's method after step {step} in a "
        "long narrow valley. A black arrow of memory leads on from each point, and a blue one of the slope "
        "from its "
        "tip. "
        "Momentum's slope is read at the point, Nesterov's at the tip of the black arrow, and there it "
        "turns back "
        "towards the valley's floor.",
        encoding={
            **{
                f"{name}_{part}_{axis}": Encoding(bits=8)
                for name, *_ in METHODS
                for part in ("tip", "next")
                for axis in "xy"
            },
            **{f"{name}_{axis}": Encoding(bits=8) for name, *_ in METHODS for axis in "xy"},
            **{
                f"{name}_{part}": Encoding(bits=8, clip=clip)
                for name, *_ in METHODS
                for part, clip in (("theta", (-FAR, FAR)), ("curve", (0, 1.3)), ("points", (0, 1.3)))
            },
        },
        fixed={
            "valley": f"½(θ₁² + {KAPPA:.0f} θ₂²), from (−4, 1), {ARROWS} steps",
            "problem": "½λθ², λ = 1",
            "start": 1.0,
            "steps": STEPS,
            "goal": GOAL,
        },
    )


def on_bowl(rule: Any) -> Run:
    return descend(rule, Quadratic(1.0), start=1.0, steps=STEPS, record="v")


def in_valley(name: str, rule: Any, gamma: np.ndarray) -> Arrays:
    """A path down the valley and its steps: to where memory leads, and to where the step ends. Nothing of it
    from the first point on that is far outside the panel."""
    settings = np.shape(rule.lr + gamma)
    start = np.broadcast_to(VALLEY.start, (*settings, 2))
    run = descend(rule, VALLEY, start=start, steps=ARROWS, record="v")
    v = np.concatenate([0 * run.v[:1], run.v])[:-1]  # at first there is no memory
    tip = run.theta[:-1] - gamma[..., None] * v
    far = ~(np.abs(run.theta) <= 2 * np.array([ALONG[1] - ALONG[0], ACROSS[1]])).all(-1, keepdims=True)
    gone = np.cumsum(far, 0) > 0
    path = np.where(gone, np.nan, run.theta)
    tip = np.where(gone[1:], np.nan, tip)
    arrays = {"": path, "_tip": tip, "_next": path[1:]}
    there = run.diverged_at < 0
    return {
        **{
            f"{name}{part}_{axis}": np.moveaxis(values[..., i], 0, -1)
            for part, values in arrays.items()
            for i, axis in enumerate("xy")
        },
        f"{name}_end": np.where(there, run.loss[-1], np.nan),
        f"{name}_out": np.where(there, np.nan, run.diverged_at),
    }


def until_out(theta: np.ndarray) -> np.ndarray:
    """θ up to the first step that is far outside the panel: what diverges would paint it all over."""
    out = ~(np.abs(theta) <= FAR)
    before = np.cumsum(out, 0) - out
    return np.where(before == 0, theta, np.nan)


def kept_of_v(run: Run, product: np.ndarray) -> np.ndarray:
    """How much of v_1 is in v_2, besides what the slope at θ_1 adds (η times it is ηλθ_1)."""
    return (run.v[1] - product * run.theta[1]) / run.v[0]


def measured_rate(run: Run) -> np.ndarray:
    """The factor per step by which |θ| shrinks between steps 20 to 80 and 120 to 180; NaN where it
    diverges."""
    size = np.abs(run.theta)
    late, early = size[120:180].max(0), size[20:80].max(0)
    with np.errstate(all="ignore"):
        rate = np.where(late == 0, 0.0, (late / early) ** 0.01)
    return np.where(run.diverged_at < 0, rate, np.nan)
