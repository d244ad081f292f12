"""Momentum: its path down the chapter's valley, and behind it every setting of (ηλ, γ)."""

from __future__ import annotations

import numpy as np

from gdcourse.experiments import descend
from gdcourse.explore.contours import contour_lines
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Bars,
    Dots,
    Heat,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    style,
    views,
)
from gdcourse.explore.sight import within
from gdcourse.explore.views import in_views
from gdcourse.problems import Quadratic
from gdcourse.problems.surfaces import ravine
from gdcourse.rules import GradientDescent, Momentum
from gdcourse.theory import momentum_stability_limit

STEPS, ALL = 60, 200
AROUND = 2.0  # to both sides, in the panels of position and velocity
OUT, FAR = 3.0, 5.0  # where their lines end
FOOT, TOP = 1e-6, 10.0  # of the bars
SHARES = 2.0 ** -np.arange(8)
PRODUCTS, GAMMAS = np.round(np.arange(0.1, 4.21, 0.1), 2), np.round(np.arange(0.0, 0.97, 0.06), 2)
MAP_GAMMAS = np.round(np.arange(0.0, 0.99, 0.03), 2)
KAPPA = 20.0
VALLEY = ravine(KAPPA)
ALONG, ACROSS = (-4.5, 4.5), (-1.9, 1.9)  # the part of the valley that is drawn
LOSSES = (1e-10, 1e3)
VALLEY_VIEW, MAP_VIEW, ONE_VIEW = range(3)


def momentum() -> Figure:
    """The chapter's valley with the paths of gradient descent and of momentum, step by step; then the map of
    all settings with what is left in flatter directions; then one direction, and its position and velocity.

    The products ηλ run from 0.1 to 4.2 and γ from 0 to 0.96. The valley is ½(θ₁² + 20 θ₂²), from (−4, 1), and
    λ = 20 in it; the rest is ½λθ² with λ = 1, from θ = 1. 60 steps.
    """
    every = descend(Momentum(PRODUCTS, MAP_GAMMAS[:, None]), Quadratic(1.0), start=1.0, steps=ALL)
    size = np.abs(every.theta)
    late, early = size[150:].max(0), size[50:100].max(0)
    with np.errstate(all="ignore"):
        rate = np.where(late == 0, 0.0, (late / early) ** 0.01)
    rate[(every.diverged_at >= 0) | (rate >= 1)] = np.nan
    gammas = np.linspace(0, 1, 101)
    level_x, level_y = contour_lines(VALLEY, ALONG, ACROSS, levels=7, points=60)

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
        portrait = np.moveaxis(run.theta, 0, -1), np.moveaxis(velocity, 0, -1)
        both = {
            **in_valley("gd", GradientDescent(product / KAPPA)),
            **in_valley("momentum", Momentum(product / KAPPA, gamma)),
        }
        return {
            **both,
            **in_views("valley", "map", "one", computed=2),
            "eta": product / KAPPA + 0 * gamma,
            "across": np.full((1, 1), KAPPA),
            "theta": portrait[0],
            **dict(zip(("portrait_x", "portrait_y"), within(FAR, *portrait), strict=True)),
            "left": left,
            "flattest": left[..., -1],
            "shrunk": np.where((side < 0) & (left[..., 0] < 1), left[..., 0], np.nan),
            "swings": np.where((side < 0) & (left[..., 0] >= 1), left[..., 0], np.nan),
            "kept": np.where(side == 0, left[..., 0], np.nan),
            "grown": np.where(side > 0, left[..., 0], np.nan),
            "larger": np.where((run.diverged_at < 0) & (side > 0), left[..., 0], np.nan),
            "unseen": none_if_zero((left < FOOT).sum(-1)),
            "above": none_if_zero((left > TOP).sum(-1)),
            "outside": none_if_zero((~(np.abs(run.theta) <= AROUND)).sum(0)),
            "portrait_outside": none_if_zero(
                ((~(np.abs(run.theta) <= AROUND)) | (~(np.abs(velocity) <= AROUND))).sum(0)
            ),
            "diverged": np.where(run.diverged_at < 0, np.nan, run.diverged_at),
            "product": product + 0 * gamma,
            "gamma": gamma + 0 * product,
            "flat_products": product[..., None] * SHARES + 0 * gamma[..., None],
            "rate": rate[None, None],
            "stable_x": (2 * (1 + gammas))[None, None],
            "stable_y": gammas[None, None],
            "left_x": ((1 - gammas**0.5) ** 2)[None, None],
            "right_x": ((1 + gammas**0.5) ** 2)[None, None],
            "level_x": level_x[None, None],
            "level_y": level_y[None, None],
        }

    own, gd = style("Momentum"), style("GradientDescent")
    color = own["color"]
    view, on = views("In the valley", "All settings", "One direction")
    return Figure(
        name="figure-momentum",
        title="Momentum in a valley, and every setting of it",
        controls=[
            view,
            Scrubber(name="step", label="step", values=range(STEPS + 1), start=STEPS, format="d", when=on[0]),
            Slider(
                name="product", label="ηλ, step size times curvature", values=PRODUCTS, start=16, format=".1f"
            ),
            Slider(name="gamma", label="γ, how much is remembered", values=GAMMAS, start=10, format=".2f"),
        ],
        compute=compute,
        tries=[
            (
                "with ηλ at 1.7, set γ to 0, where the two paths are one. Then raise it: from which γ on "
                "does momentum end higher?"
            ),
            "drag the ring straight across, from one dashed curve to the other: the shade stays.",
            "raise γ and see how often the ball swings through the middle.",
        ],
        rows=[
            [
                Panel(
                    title="the valley, up to step {step}",
                    x=Axis(label="θ₁, along", domain=ALONG),
                    y=Axis(label="θ₂, across", domain=ACROSS),
                    weight=1.5,
                    height=200,
                    when=on[VALLEY_VIEW],
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.7),
                        Dots(x=0.0, y=0.0, shape="cross", size=6),
                        Line(x="gd_x", y="gd_y", **gd, upto="step", dots=2, label="gradient descent"),
                        Line(x="momentum_x", y="momentum_y", **own, upto="step", dots=2, label="momentum"),
                        Dots(x=VALLEY.start[0], y=VALLEY.start[1], size=4),
                    ],
                ),
                Panel(
                    title="the loss",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(
                        label="loss",
                        domain=LOSSES,
                        log=True,
                        ticks=[(1e-9, "10⁻⁹"), (1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1.0, "1"), (1e3, "10³")],
                    ),
                    height=200,
                    when=on[VALLEY_VIEW],
                    marks=[
                        Line(y="gd_loss", **gd, upto="step", label="gradient descent"),
                        Line(y="momentum_loss", **own, upto="step", label="momentum"),
                    ],
                ),
                Panel(
                    title="factor of the error per step; faint is fast",
                    x=Axis(label="ηλ", domain=(0.05, 4.25)),
                    y=Axis(label="γ", domain=(-0.015, 0.975)),
                    pad=("product", "gamma"),
                    height=200,
                    when=on[MAP_VIEW],
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
                        Line(x="left_x", y="stable_y", color=color, dash="dashed", width=1.2),
                        Line(x="right_x", y="stable_y", color=color, dash="dashed", width=1.2),
                        Dots(x="flat_products", y="gamma", color="ink", size=2.5),
                        Dots(x="product", y="gamma", color="ink", shape="ring", size=7),
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
                    height=200,
                    when=on[MAP_VIEW],
                    marks=[Rule(y=1.0, color="faint"), Bars(y="left", color=color, base=FOOT)],
                ),
                Panel(
                    title="θ at every step",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="θ", domain=(-AROUND, AROUND)),
                    height=200,
                    when=on[ONE_VIEW],
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(y="theta", **own, dots=2),
                        Text(text="{outside:d} of 61 points outside", x=STEPS - 1, y=-1.8, anchor="end"),
                    ],
                ),
                Panel(
                    title="position and velocity",
                    x=Axis(label="position θ", domain=(-AROUND, AROUND)),
                    y=Axis(label="velocity −v", domain=(-AROUND, AROUND)),
                    height=200,
                    when=on[ONE_VIEW],
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Rule(x=0.0, color="faint"),
                        Line(x="portrait_x", y="portrait_y", **own, dots=2, width=1.2),
                        Text(text="{portrait_outside:d} of 61 points outside", x=1.9, y=-1.8, anchor="end"),
                    ],
                ),
            ],
        ],
        readouts=[
            f"{{in_valley@view:?}}η = {{eta:.3g}}. Loss after {STEPS} steps: gradient descent "
            f"{{gd_end:.2g}}, "
            "momentum {momentum_end:.2g}.",
            "{in_valley@view:?}η = {eta:.3g}. Gradient descent diverged at step {gd_out:d}; momentum's "
            "loss ends at {momentum_end:.2g}.",
            "{in_valley@view:?}η = {eta:.3g}. Diverged: gradient descent at step {gd_out:d}, momentum at "
            "step {momentum_out:d}.",
            *(
                f"{{in_{name}@view:?}}{text}"
                for name in ("map", "one")
                for text in (
                    "ηλ = {product}, γ = {gamma}: at most {shrunk:.2g} left of the error 1 over steps 51 "
                    "to 60.",
                    "ηλ = {product}, γ = {gamma}: has grown first, is at {swings:.2g} of 1 in steps 51 to "
                    "60, and shrinks.",
                    "ηλ = {product}, γ = {gamma}: the error of 1 stays at {kept:.2g}.",
                    "ηλ = {product}, γ = {gamma}: the error of 1 has grown to {larger:.3g} by steps 51 to "
                    "60.",
                    "ηλ = {product}, γ = {gamma}: diverged at step {diverged:d}.",
                )
            ),
        ],
        caption=[
            "{in_valley@view:?}Both start at the dot with the same η. Momentum sums the slopes that it has "
            "met: where they alternate they cancel, where they agree they add up. Across this valley the "
            "curvature is λ = {across:d}, along it 1.",
            "{in_map@view:?}Each point of the map is a pair of settings; the small dots are yours in "
            "flatter directions. Between the dashed curves the factor is √γ. In the tinted part nothing "
            "shrinks.",
            "{in_map@view:?}Here {flattest:.2f} is left in the flattest, λ/128.",
            "{in_one@view:?}A bowl of one direction, from 1 and at rest. Between the dashed curves of the "
            "map, the longer the memory, the longer it swings.",
        ],
        alt="Two panels for momentum at ηλ {product} and γ {gamma}. In a long narrow valley gradient "
        "descent jumps from wall to wall, then creeps along the floor towards the cross; momentum swings "
        "through the valley towards it. The losses over the steps: {gd_end:.2g} for gradient descent at "
        "the end, {momentum_end:.2g} for momentum.",
        encoding={
            "theta": Encoding(bits=8, clip=(-OUT, OUT)),
            **dict.fromkeys(("portrait_x", "portrait_y"), Encoding(bits=8)),
            **{f"{name}_{axis}": Encoding(bits=8) for name in ("gd", "momentum") for axis in "xy"},
            **{f"{name}_loss": Encoding(bits=8, log=True, clip=(1e-12, 1e5)) for name in ("gd", "momentum")},
            "left": Encoding(bits=8, log=True, clip=(1e-7, 100)),
            "rate": Encoding(bits=8),
        },
        fixed={
            "valley": f"½(θ₁² + {KAPPA:.0f} θ₂²), from (−4, 1)",
            "problem": "½λθ², λ = 1",
            "start": 1.0,
            "steps": STEPS,
        },
    )


def in_valley(name: str, rule: Momentum | GradientDescent) -> Arrays:
    """A path down the valley until it is far outside the panel, its losses, and how it ends."""
    settings = np.shape(rule.lr + getattr(rule, "gamma", 0.0))
    run = descend(rule, VALLEY, start=np.broadcast_to(VALLEY.start, (*settings, 2)), steps=STEPS)
    x, y = (np.moveaxis(run.theta[..., i], 0, -1) for i in (0, 1))
    out = ~((np.abs(x) <= 2 * ALONG[1]) & (np.abs(y) <= 2 * ACROSS[1]))
    gone = np.cumsum(out, -1) - out > 0  # what diverges would paint the panel all over
    ends = run.diverged_at < 0
    return {
        f"{name}_x": np.where(gone, np.nan, np.clip(x, -9, 9)),
        f"{name}_y": np.where(gone, np.nan, np.clip(y, -4, 4)),
        f"{name}_loss": np.moveaxis(run.loss, 0, -1),
        f"{name}_end": np.where(ends, run.loss[-1], np.nan),
        f"{name}_out": np.where(ends, np.nan, run.diverged_at),
    }


def none_if_zero(counts: np.ndarray) -> np.ndarray:
    """Counts, and NaN for none: a text that names it is then absent."""
    return np.where(counts > 0, counts, np.nan)
