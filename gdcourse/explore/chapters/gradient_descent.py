"""Gradient descent: one learning rate, and where it lands in every direction of a bowl."""

from __future__ import annotations

import numpy as np

from gdcourse import theory
from gdcourse.experiments import descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Area,
    Axis,
    Bars,
    Choice,
    Dots,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import Quadratic
from gdcourse.rules import GradientDescent

SHOWN, LONGEST, SMALL = 30, 1000, 0.01
SHARES = np.arange(8) / 7
KAPPAS = [1.0, 3.0, 10.0, 30.0, 100.0]
# finer where something happens: the limit, and every bowl's best one or a close neighbour, are among them
RATES = np.round(
    np.concatenate([np.arange(10, 160, 10), np.arange(160, 211, 2), np.arange(215, 231, 5)]) / 100, 2
)
ETAS = np.round(np.arange(0, 2.41, 0.1), 2)
GROUND = np.round(np.linspace(-1.6, 1.6, 41), 2)
STEEP, FLAT = "orange", "blue"


def gradient_descent() -> Figure:
    """Where the steps land along the steepest and the flattest direction of a bowl, and what is left in all
    eight directions; then the error's factor per step over all learning rates.

    Bowls ½Σλᵢθᵢ² whose eight curvatures go from L = 1 down to 1/κ by a constant factor, for κ of 1 to 100;
    η from 0.1/L to 2.3/L; from θᵢ = −1, 1000 steps, of which 30 are drawn. The factor is measured from step
    100 to step 200.
    """

    def compute(eta: np.ndarray, kappa: np.ndarray) -> Arrays:
        theta, diverged = _runs(eta.ravel(), kappa.ravel())
        every, _ = _runs(RATES, kappa.ravel())
        size, sizes = np.abs(theta).max(-1), np.abs(every).max(-1)
        factor, factors = _factor(size), _factor(sizes)
        need, needs = _steps_until(size, SMALL), _steps_until(sizes, SMALL)
        # of those that need as few steps the one with the least factor
        best = np.nanargmin(needs + 0.5 * np.nan_to_num(np.minimum(factors, 1.0), nan=0.0), axis=0)
        shown = np.moveaxis(theta[: SHOWN + 1], 0, 2)  # (η, κ, step, direction)
        steep, flat = np.abs(shown[..., 0]), np.abs(shown[..., -1])
        converges = factor < 1 - 1e-9
        out = diverged >= 0
        at_ends = [np.abs(1 - eta), np.abs(1 - eta / kappa)]  # the factors of steepest and flattest
        is_flat, is_steep = at_ends[1] > at_ends[0] + 1e-9, at_ends[0] > at_ends[1] + 1e-9
        return {
            **in_views("land", "every", computed=2),
            "left": np.abs(shown[..., 1:-1]),
            "steep": shown[..., 0],
            "flat": shown[..., -1],
            "steep_left": steep,
            "flat_left": flat,
            "steep_loss": shown[..., 0] ** 2,
            "flat_loss": shown[..., -1] ** 2,
            "steep_told": np.where(steep > 1, np.nan, steep),
            "steep_grown": np.where(steep > 1, steep, np.nan),
            "flat_told": np.where(flat > 1, np.nan, flat),
            # what a sentence names, and is absent without it: which direction is slower, and by what follows
            "flat_slow": np.where((converges & is_flat)[..., None], flat, np.nan),
            "steep_slow": np.where((converges & is_steep)[..., None], steep, np.nan),
            "steep_stuck": np.where((~converges & ~out & (kappa > 1))[..., None], steep, np.nan),
            "steep_lost": np.where(out[..., None], steep, np.nan),
            "round": np.where(kappa > 1, np.nan, 1.0) + 0 * eta,
            "factor": factor,
            "need": need,
            "slow": np.where(converges & np.isnan(need), size[-1], np.nan),
            "stuck": np.where(converges | out, np.nan, factor),
            "grows": np.where(out, factor, np.nan),
            "diverged": np.where(out, diverged, np.nan),
            "best_need": np.take_along_axis(needs, best[None], 0),
            "best_eta": RATES[best][None],
            "eta_L": eta + 0 * kappa,
            "factors": factors.T[None],
            "flat_line": np.stack([theory.gd_rate(ETAS, [1 / k]) for k in kappa.ravel()])[None],
            # below its line's end; where the bowl is round the two lines are one
            "flat_words": np.where(kappa > 1, theory.gd_rate(2.4, 1 / kappa[..., None]) - 0.1, np.nan),
            "best_place": theory.gd_best_lr(1 / kappa, 1.0),
            "best_words": theory.gd_best_lr(1 / kappa, 1.0) - 0.02,
        }

    view, on = views("Where do I land?", "Every η")
    return Figure(
        name="figure-gradient-descent",
        title="One learning rate for every direction: where do I land?",
        controls=[
            view,
            Slider(
                name="eta",
                label="η, in units of 1/L",
                values=RATES,
                start=list(RATES).index(1.8),
                format=".2f",
            ),
            Choice(
                name="kappa",
                label="κ, steepest over flattest curvature",
                values=KAPPAS,
                start=KAPPAS.index(30.0),
                format="g",
            ),
            Scrubber(name="step", label="step", values=range(SHOWN + 1), start=10, format="d", when=on[0]),
        ],
        compute=compute,
        tries=[
            "raise η past 2/L, and play.",
            "drag the ring to the lowest dot. How far is it from the limit, 2/L?",
        ],
        rows=[
            [
                Panel(
                    height=190,
                    when=on[0],
                    title="where the steps land, up to step {step}",
                    x=Axis(label="error θ, from −1 at the start", domain=(-1.6, 1.6)),
                    y=Axis(label="loss, as a share of the start's", domain=(0, 2)),
                    marks=[
                        Line(x=list(GROUND), y=list(GROUND**2), color="faint", width=1.2),
                        Dots(x=-1.0, y=1.0, shape="ring", size=6),
                        Text(text="flattest", x=-0.85, y=0.4, anchor="end", color=FLAT),
                        Text(text="steepest", x=0.85, y=0.4, color=STEEP),
                        Line(
                            x="steep",
                            y="steep_loss",
                            upto="step",
                            color=STEEP,
                            dots=2.6,
                            width=1,
                        ),
                        Line(
                            x="flat",
                            y="flat_loss",
                            upto="step",
                            color=FLAT,
                            dots=2.6,
                            width=1,
                        ),
                    ],
                ),
                Panel(
                    height=190,
                    when=on[0],
                    title="error left after step {step}",
                    x=Axis(
                        label="direction, its curvature from L to L/κ",
                        domain=(-0.6, 7.6),
                        ticks=[(0, "steepest"), (7, "flattest")],
                    ),
                    y=Axis(label="|θ|, 1 at the start", domain=(0, 1.25)),
                    marks=[
                        Bars(x=list(range(1, 7)), y="left", at=["step"], color="faint"),
                        Bars(x=[0], y="steep_left", at=["step"], color=STEEP),
                        Bars(x=[7], y="flat_left", at=["step"], color=FLAT),
                        Rule(y=1.0),
                    ],
                ),
                Panel(
                    when=on[1],
                    title="factor of the largest error per step",
                    x=Axis(label="η, in units of 1/L", domain=(0, 2.4)),
                    y=Axis(label="factor per step", domain=(0, 1.25)),
                    height=200,
                    pad=("eta", None),
                    marks=[
                        Area(x=[2, 2.4, 2.4, 2], y=[0, 0, 1.25, 1.25], color=STEEP, opacity=0.12),
                        Rule(y=1.0, color="faint"),
                        Rule(x="best_place"),
                        Text(text="2/(μ + L)", x="best_words", y=0.12, anchor="end"),
                        Rule(x=2.0),
                        Text(text="2/L", x=2.02, y=0.4),
                        Line(x=list(ETAS), y=list(theory.gd_rate(ETAS, [1.0])), color=STEEP),
                        Text(text="steepest", x=0.05, y=0.12, color=STEEP),
                        Line(x=list(ETAS), y="flat_line", color=FLAT),
                        Text(text="flattest", x=2.38, y="flat_words", anchor="end", color=FLAT),
                        Dots(x=list(RATES), y="factors", size=2.5),
                        Dots(x="eta_L", y="factor", shape="ring", size=7),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_land@view:?}After step {step} the steepest direction has {steep_told@step:.2f} of its "
            "error left, the flattest {flat_told@step:.2f}.",
            "{in_land@view:?}After step {step} the error in the steepest direction is "
            "{steep_grown@step:.3g} times what it was at the start.",
            "{in_every@view:?}Every direction is below a hundredth from step {need:d} on; with η = "
            "{best_eta:.2f}/L, the best here, from {best_need:d} on.",
            f"{{in_every@view:?}}After {LONGEST} steps {{slow:.2g}} is left in the flattest direction; with "
            f"η = {{best_eta:.2f}}/L {{best_need:d}} steps would do.",
            "{in_every@view:?}The steepest direction's error is multiplied by {stuck:.2f} at every step, "
            "for ever.",
            "{in_every@view:?}The steepest direction's error is multiplied by {grows:.2f} at every step: "
            "diverged at step {diverged:d}.",
        ],
        caption=[
            "{in_land@view:?}A bowl in eight directions, all with one η; L is the curvature of the steepest. "
            "Beyond η = 1/L that direction jumps across and back.",
            "{in_land@view:?}{flat_slow@step:?}At η = {eta}/L the flattest direction is the slow one.",
            "{in_land@view:?}{steep_slow@step:?}At η = {eta}/L the steepest direction is the slow one.",
            "{in_land@view:?}{steep_stuck@step:?}At η = {eta}/L the steepest direction gets nowhere.",
            "{in_land@view:?}{steep_lost@step:?}At η = {eta}/L it diverges.",
            "{in_land@view:?}{round:?}With κ = 1 the bowl is round, and all directions are alike.",
            "{in_every@view:?}The lines are |1 − ηL| and |1 − ημ|, μ the flattest curvature; the dots are "
            "measured, and lie on the higher of the two. Beyond 2/L, where tinted, no step size converges.",
        ],
        alt="Two panels for a bowl of eight curvatures, condition number {kappa}, and a learning rate of "
        "{eta}/L, {step} steps. On a parabola, the steepest direction jumps from side to side and is down to "
        "{steep_told@step:.2f} of its error; the flattest creeps down one side and has {flat_told@step:.2f} "
        "left. Bars of what is left in eight directions: short for the steepest, longest for the flattest.",
        encoding={
            "left": Encoding(bits=8, clip=(0, 1.5)),
            "steep_left": Encoding(bits=8, clip=(0, 1.5)),
            "flat_left": Encoding(bits=8, clip=(0, 1.5)),
            "steep": Encoding(bits=8, clip=(-1.7, 1.7)),
            "flat": Encoding(bits=8, clip=(-1.7, 1.7)),
            "steep_loss": Encoding(bits=8, clip=(0, 2.89)),
            "flat_loss": Encoding(bits=8, clip=(0, 2.89)),
            "factors": Encoding(bits=8),
            "flat_line": Encoding(bits=8),
        },
        fixed={"problem": "½Σλᵢθᵢ², λᵢ = κ^(−i/7), i = 0 … 7", "start": -1.0, "steps": LONGEST},
    )


def _runs(etas: np.ndarray, kappas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """θ of every step, shape (1001, η, κ, direction), and when a run diverged, shape (η, κ)."""
    runs = [
        descend(GradientDescent(etas), Quadratic(k**-SHARES), start=-np.ones(len(SHARES)), steps=LONGEST)
        for k in kappas
    ]
    return np.stack([run.theta for run in runs], 2), np.stack([run.diverged_at for run in runs], 1)


def _factor(size: np.ndarray) -> np.ndarray:
    """The mean factor per step from step 100 to step 200; 0 where nothing was left."""
    early, late = size[100], size[200]
    return np.where(late > 0, (late / np.where(early > 0, early, 1)) ** 0.01, 0.0)


def _steps_until(size: np.ndarray, small: float) -> np.ndarray:
    """The first step after which the size is small, NaN for never."""
    return np.where((size < small).any(0), np.argmax(size < small, 0), np.nan).astype(float)
