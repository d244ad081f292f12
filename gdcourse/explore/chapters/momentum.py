"""Momentum: one cursor, four views of what (ηλ, γ) do."""

from __future__ import annotations

import numpy as np

from gdcourse.experiments import descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Bars, Dots, Heat, Line, Panel, Rule, Slider, Text, style
from gdcourse.problems import Quadratic
from gdcourse.rules import Momentum
from gdcourse.theory import momentum_stability_limit

STEPS = 60
AROUND = 2.0  # to both sides, in the panels of position and velocity
FOOT, TOP = 1e-6, 10.0  # of the bars
SHARES = 2.0 ** -np.arange(8)
PRODUCTS, GAMMAS = np.round(np.arange(0.1, 4.21, 0.1), 2), np.round(np.arange(0.0, 0.99, 0.03), 2)


def momentum() -> Figure:
    """The map of all settings, and for the one under the cursor: the ring-down, the portrait of position and
    velocity, and what is left in directions that are flatter by powers of two.

    The products ηλ run from 0.1 to 4.2 and γ from 0 to 0.96, on ½λθ² with λ = 1, from θ = 1, 60 steps.
    """
    every = descend(Momentum(PRODUCTS, GAMMAS[:, None]), Quadratic(1.0), start=1.0, steps=200)
    size = np.abs(every.theta)
    late, early = size[150:].max(0), size[50:100].max(0)
    with np.errstate(all="ignore"):
        rate = np.where(late == 0, 0.0, (late / early) ** 0.01)
    rate[(every.diverged_at >= 0) | (rate >= 1)] = np.nan
    gammas = np.linspace(0, 1, 101)

    def compute(product: np.ndarray, gamma: np.ndarray) -> Arrays:
        rule = Momentum(product, gamma)
        run = descend(rule, Quadratic(1.0), start=1.0, steps=STEPS, record="v")
        flatter = descend(
            Momentum(product[..., None] * SHARES, gamma[..., None]), Quadratic(1.0), start=1.0, steps=STEPS
        )
        left = np.abs(flatter.theta[-10:]).max(0)
        beyond = product - momentum_stability_limit(gamma, 1.0)
        side = np.where(np.abs(beyond) < 1e-9, 0, np.sign(beyond))  # of the edge: inside, on it, outside
        velocity = np.concatenate([0 * run.v[:1], -run.v])  # it starts at rest
        return {
            "theta": np.moveaxis(run.theta, 0, -1),
            "velocity": np.moveaxis(velocity, 0, -1),
            "left": left,
            "flattest": left[..., -1],
            "shrunk": np.where((side < 0) & (left[..., 0] < 1), left[..., 0], np.nan),
            "swings": np.where((side < 0) & (left[..., 0] >= 1), left[..., 0], np.nan),
            "kept": np.where(side == 0, left[..., 0], np.nan),
            "grown": np.where(side > 0, left[..., 0], np.nan),
            "end": np.where((side < 0) & (left[..., 0] < 1), left[..., 0], np.nan),
            "larger": np.where((run.diverged_at < 0) & (side > 0), left[..., 0], np.nan),
            "unseen": none_if_zero((left < FOOT).sum(-1)),
            "above": none_if_zero((left > TOP).sum(-1)),
            "outside": none_if_zero((~(np.abs(run.theta) <= AROUND)).sum(0)),
            "portrait_outside": none_if_zero(
                ((~(np.abs(run.theta) <= AROUND)) | (~(np.abs(velocity) <= AROUND))).sum(0)
            ),
            "steps": np.full((1, 1), STEPS),
            "diverged": np.where(run.diverged_at < 0, np.nan, run.diverged_at),
            "product": product + 0 * gamma,
            "gamma": gamma + 0 * product,
            "flat_products": product[..., None] * SHARES + 0 * gamma[..., None],
            "rate": rate[None, None],
            "stable_x": (2 * (1 + gammas))[None, None],
            "stable_y": gammas[None, None],
            "left_x": ((1 - gammas**0.5) ** 2)[None, None],
            "right_x": ((1 + gammas**0.5) ** 2)[None, None],
        }

    own = style("Momentum")
    color = own["color"]
    return Figure(
        name="figure-momentum",
        title="Every setting of momentum on a bowl, and what it does",
        controls=[
            Slider(
                name="product", label="ηλ, step size times curvature", values=PRODUCTS, start=4, format=".1f"
            ),
            Slider(name="gamma", label="γ, how much is remembered", values=GAMMAS, start=27, format=".2f"),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="factor of the error per step, light is fast",
                    x=Axis(label="ηλ", domain=(0.05, 4.25)),
                    y=Axis(label="γ", domain=(-0.015, 0.975)),
                    pad=("product", "gamma"),
                    marks=[
                        Heat(
                            values="rate",
                            x0=0.05,
                            x1=4.25,
                            y0=-0.015,
                            y1=0.975,
                            lo=0.2,
                            hi=1.0,
                            missing="orange",
                        ),
                        Line(x="stable_x", y="stable_y", color=color),
                        Text(text="beyond 2(1 + γ)", x=2.55, y=0.1, color=color),
                        Line(x="left_x", y="stable_y", color=color, dash="dashed", width=1.2),
                        Line(x="right_x", y="stable_y", color=color, dash="dashed", width=1.2),
                        Dots(x="flat_products", y="gamma", color="ink", size=2.5),
                        Dots(x="product", y="gamma", color="ink", shape="ring", size=7),
                    ],
                ),
                Panel(
                    title="θ at every step",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="θ", domain=(-AROUND, AROUND)),
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(y="theta", **own, dots=2),
                        Text(text="{outside:d} of 61 points outside", x=STEPS - 1, y=-1.8, anchor="end"),
                    ],
                ),
            ],
            [
                Panel(
                    title="position and velocity",
                    x=Axis(label="position θ", domain=(-AROUND, AROUND)),
                    y=Axis(label="velocity −v", domain=(-AROUND, AROUND)),
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Rule(x=0.0, color="faint"),
                        Line(x="theta", y="velocity", **own, dots=2, width=1.2),
                        Text(text="{portrait_outside:d} of 61 points outside", x=1.9, y=-1.8, anchor="end"),
                    ],
                ),
                Panel(
                    title=f"largest |θ| of the last ten of {STEPS} steps",
                    x=Axis(
                        label="curvature, as a share of λ",
                        domain=(-0.6, 7.6),
                        ticks=[(i, "1" if i == 0 else f"1/{2**i}") for i in range(8)],
                    ),
                    y=Axis(label="error left", domain=(FOOT, TOP), log=True),
                    marks=[Rule(y=1.0, color="faint"), Bars(y="left", color=color, base=FOOT)],
                ),
            ],
        ],
        readouts=[
            "ηλ = {product}, γ = {gamma}: at most {end:.2g} left of the error 1 over steps 51 to 60.",
            "ηλ = {product}, γ = {gamma}: the error of 1 is as much as {swings:.2g} over steps 51 to 60. It "
            "has grown first, and shrinks.",
            "ηλ = {product}, γ = {gamma}: the error of 1 stays at {kept:.2g}.",
            "ηλ = {product}, γ = {gamma}: the error of 1 has grown to as much as {larger:.3g} over steps 51 "
            "to 60.",
            "ηλ = {product}, γ = {gamma}: diverged at step {diverged:d}.",
        ],
        caption=[
            "Each point of the map is a pair of settings. The ring is the one that the others show; the "
            "dots to its left are the same settings in flatter directions. Between the dashed curves the "
            "factor is √γ, whatever ηλ. In the tinted part nothing shrinks: on its edge the error stays, "
            "beyond it grows.",
            "Here the flattest direction, λ/128, has {flattest:.2f} of its error left, the steepest "
            "{shrunk:.2g}.",
            "Here the flattest direction, λ/128, has {flattest:.2f} of its error left; the steepest has "
            "grown first, and is at {swings:.2g} times its start on its way down.",
            "Here, on the edge, the flattest direction, λ/128, has {flattest:.2f} of its error left; the "
            "steepest neither shrinks nor grows, and stays at {kept:.2f}.",
            "Here the flattest direction, λ/128, has {flattest:.2f} of its error left, and the steepest "
            "grows: to {grown:.2g} times its start within {steps:d} steps.",
            "Directions with less than 10⁻⁶ left, which have no bar: {unseen:d} of eight.",
            "Directions with more than 10 times the error of the start, whose bars are cut off: {above:d} "
            "of eight.",
        ],
        alt="Four panels for momentum at ηλ {product} and γ {gamma}. A map over ηλ and γ: fastest near (1, "
        "0), a bowl between two dashed curves where only γ counts, and divergence beyond the line 2(1 + γ). "
        "The position rings down around zero. Position against velocity is a spiral into the middle. Bars "
        "for eight curvatures: the steeper ones are down to less than a hundredth, the flattest still has "
        "{flattest:.2f}.",
        encoding={
            "theta": Encoding(bits=8, clip=(-3, 3)),
            "velocity": Encoding(bits=8, clip=(-3, 3)),
            "left": Encoding(bits=8, log=True, clip=(1e-7, 100)),
            "rate": Encoding(bits=8),
        },
        fixed={"problem": "½λθ², λ = 1", "start": 1.0, "steps": STEPS},
    )


def none_if_zero(counts: np.ndarray) -> np.ndarray:
    """Counts, and NaN for none: a text that names it is then absent."""
    return np.where(counts > 0, counts, np.nan)
