"""Nesterov: the same two settings in two methods, and what each direction gets of the memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.experiments import Run, descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Slider, Text, style
from gdcourse.problems import Quadratic
from gdcourse.rules import Momentum, Nesterov

SHOWN, STEPS, GOAL, FAR = 60, 600, 1e-3, 2.5
PRODUCTS = np.round(np.arange(0.05, 4.01, 0.05), 2)
GAMMAS = np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95])
CURVE, POINTS = np.round(np.arange(0.02, 4.01, 0.02), 2), np.round(np.arange(0.1, 4.0, 0.2), 2)
METHODS = (("momentum", Momentum, theory.momentum_rate, theory.momentum_stability_limit),
           ("nesterov", Nesterov, theory.nesterov_rate, theory.nesterov_stability_limit))  # fmt: skip


def nesterov() -> Figure:
    """The memory that each direction gets and the rate that follows, over ηλ; and for the ηλ under the
    cursor, how momentum and Nesterov's method ring down with the same η and γ.

    The products ηλ run from 0.05 to 4 and γ from 0 to 0.95, on ½λθ² with λ = 1, from θ = 1; 600 steps are
    run, 60 are drawn.
    """

    def compute(product: np.ndarray, gamma: np.ndarray) -> Arrays:
        arrays = {
            "product": product + 0 * gamma,
            "gamma": gamma + 0 * product,
            "has_memory": np.where(gamma > 0, 1.0, np.nan) + 0 * product,
            "no_memory": np.where(gamma > 0, np.nan, 1.0) + 0 * product,
        }
        for name, rule, rate, limit in METHODS:
            run = on_bowl(rule(product, gamma))
            points = on_bowl(rule(POINTS, gamma[..., None]))
            memory, points_memory = kept_of_v(run, product), kept_of_v(points, POINTS)
            size = np.abs(run.theta)
            inside = size[-1] <= GOAL
            with np.errstate(invalid="ignore"):
                last_outside = STEPS - (~(size <= GOAL))[::-1].argmax(0)
            stable = run.diverged_at < 0
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
                f"{name}_limit": limit(gamma, 1.0),
            }
        return arrays

    def ring_down(name: str, title: str) -> Panel:
        own = style(title)
        return Panel(
            title=title,
            x=Axis(label="step", domain=(0, SHOWN)),
            y=Axis(label="θ", domain=(-1.6, 1.6)),
            height=190,
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

    mom, nag = style("Momentum"), style("Nesterov")
    color = mom["color"]
    dotted: dict[str, Any] = {"size": 3.0, "color": color}
    rings: dict[str, Any] = {"size": 6.0, "color": "ink", "shape": "ring"}
    return Figure(
        name="figure-nesterov",
        title="Two memories: same η, same γ, and a direction of your choice",
        controls=[
            Slider(
                name="product", label="ηλ, step size times curvature", values=PRODUCTS, start=9, format=".2f"
            ),
            Slider(name="gamma", label="γ, how much is remembered", values=GAMMAS, start=6, format=".2f"),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="memory kept by one step",
                    x=Axis(label="ηλ", domain=(0, 4)),
                    y=Axis(label="share kept", domain=(-3.0, 1.1), ticks=[(-1, "−1"), (0, "0"), (1, "1")]),
                    height=210,
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
                    height=210,
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
                        Text(
                            x=3.95,
                            y=0.28,
                            anchor="end",
                            color=color,
                            text="Momentum: stable to {momentum_limit:.2f}",
                        ),
                        Text(
                            x=3.95,
                            y=0.12,
                            anchor="end",
                            color=color,
                            text="Nesterov: stable to {nesterov_limit:.2f}",
                        ),
                    ],
                ),
            ],
            [ring_down("momentum", "Momentum"), ring_down("nesterov", "Nesterov")],
        ],
        readouts=[
            "In this direction momentum keeps {momentum_memory_here:.2f} of its memory a step, Nesterov "
            "{nesterov_memory_here:.2f}.",
            "Factor of the error per step, measured: momentum {momentum_here:.2f}, "
            "Nesterov {nesterov_here:.2f}.",
            "Factor of the error per step, measured: momentum {momentum_here:.2f}; Nesterov is past a "
            "million at step {nesterov_diverged:d}.",
            "Both diverge: momentum is past a million at step {momentum_diverged:d}, Nesterov at step "
            "{nesterov_diverged:d}.",
        ],
        caption=[
            "γ = {gamma} and ηλ = {product} for both.",
            f"Momentum is below a thousandth of its start from step {{momentum_reached:d}} on, of {STEPS}.",
            "Momentum is not below a thousandth of its start within {momentum_late:d} steps.",
            "{momentum_diverged:?}Momentum diverges.",
            f"Nesterov is below a thousandth from step {{nesterov_reached:d}} on, of {STEPS}.",
            "Nesterov is not below a thousandth within {nesterov_late:d} steps.",
            "{nesterov_diverged:?}Nesterov diverges.",
            "{has_memory:?}Momentum's factor is flat on its plateau; Nesterov's falls to zero at ηλ = 1, "
            "where it keeps nothing. The price is on the right: Nesterov is stable to {nesterov_limit:.2f} "
            "only, momentum to {momentum_limit:.2f}.",
            "{no_memory:?}With γ = 0 both are gradient descent.",
            "Lines of the factor are theory, points are runs. One direction without noise is shown, not a "
            "landscape.",
        ],
        alt="Four panels at γ {gamma} and ηλ {product}. Over ηλ, momentum keeps {momentum_memory_here:.2f} "
        "of its memory everywhere, Nesterov on a straight line down through zero at ηλ 1. Momentum's factor "
        "per step is flat near {momentum_here:.2f}; Nesterov's dips to zero at 1 and passes 1 soon after. "
        "Below, momentum rings for all of 60 steps; Nesterov is at rest after one swing.",
        encoding={
            **{
                f"{name}_{part}": Encoding(bits=8, clip=clip)
                for name, *_ in METHODS
                for part, clip in (("theta", (-FAR, FAR)), ("curve", (0, 1.3)), ("points", (0, 1.3)))
            },
        },
        fixed={"problem": "½λθ², λ = 1", "start": 1.0, "steps": STEPS, "goal": GOAL},
    )


def on_bowl(rule: Any) -> Run:
    return descend(rule, Quadratic(1.0), start=1.0, steps=STEPS, record="v")


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
