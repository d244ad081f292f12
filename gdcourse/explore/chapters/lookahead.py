"""Lookahead: fast weights that are called back, and what it costs to be as calm with plain SGD."""

from __future__ import annotations

import numpy as np

from gdcourse import theory
from gdcourse.experiments import Run, descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Bars,
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
from gdcourse.problems import NoisyQuadratic, Quadratic
from gdcourse.rules import GradientDescent, Lookahead

FLAT, STEEP = 1.0, 20.0
CURVATURES = np.array([FLAT, STEEP])
NOISE = CURVATURES**0.5  # so that the steep direction is the noisier one, as where H is the gradients' spread
VALLEY = NoisyQuadratic(CURVATURES, NOISE.tolist())
START = (-2.0, 0.8)
SHOWN, LONG, WARM = 60, 1500, 1000  # moves drawn; steps run to measure; of these, not counted
SEEDS = 100
KS = np.array([1, 2, 3, 5, 10])
ALPHAS = np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
PRODUCTS = np.array([0.25, 0.5, 1.0, 1.5, 1.9])  # inner learning rate times the steep curvature
SAME = 0.03  # what two measured losses differ by, at most, where in truth they do not
RATES = np.geomspace(0.0004, 0.0988, 60)  # of plain SGD, for its curve
ANGLES = np.linspace(0, 2 * np.pi, 61)
SIZES = np.array([0.5, 1.0, 2.0, 3.0])[:, None]  # half axes of the level lines
LEVELS_X = np.append(SIZES * np.cos(ANGLES), np.full((len(SIZES), 1), np.nan), 1).ravel()
LEVELS_Y = np.append(SIZES * np.sin(ANGLES) / STEEP**0.5, np.full((len(SIZES), 1), np.nan), 1).ravel()
ALONG, ACROSS = (-2.2, 0.4), (-0.7, 1.0)  # the part of the plane that is drawn
HALVING = 30  # steps over which progress is measured: every k divides it


def lookahead() -> Figure:
    """Fast weights on a noisy ravine that are called back after every k steps; and how calm that is in the
    long run for the progress that it makes, beside plain SGD slowed down until it is as fast.

    ½(θ₁² + 20 θ₂²), noise of standard deviation √h in each direction; 60 moves are drawn, of which a call
    back is one of its own; 1,500 steps of 100 seeds are measured; k from 1 to 10, α from 0.2 to 1, η from
    0.25/20 to 1.9/20.
    """

    def compute(k: np.ndarray, alpha: np.ndarray, product: np.ndarray) -> Arrays:
        eta = product / STEEP
        rule = Lookahead(GradientDescent(eta), k, alpha)
        run = descend(rule, VALLEY, START, SHOWN, seed=3, record=("fast", "slow"))
        fast, bands, slow, outside = moves(run, k)

        factor = descend(rule, Quadratic(FLAT), 1.0, HALVING).theta[-1] ** (1 / HALVING)  # per step
        slowed = (1 - factor) / FLAT  # the rate at which plain steps have that factor
        variance = lasting_variance(k, alpha, eta)
        matched = lasting_variance(1, 1.0, slowed)
        plain = lasting_variance(1, 1.0, eta)
        loss, matched_loss, plain_loss = (v @ CURVATURES / 2 for v in (variance, matched, plain))
        curve_half, curve_loss = curve(k, eta)
        change = loss / matched_loss - 1
        share, matched_share = variance / plain, matched / plain
        bars = {
            "along": share[..., 0],
            "across": share[..., 1],
            "matched_along": matched_share[..., 0],
            "matched_across": matched_share[..., 1],
        }
        return {
            **in_views("band", "worth", computed=3),
            "calls": next_call(k)[:, None, None] + 0 * (alpha + product)[..., None],
            **coordinates("fast", fast),
            **coordinates("bands", bands),
            **coordinates("slow", slow),
            "half": halving(factor),
            "plain_half": halving(1 - eta * FLAT),
            "loss": loss,
            "matched_loss": matched_loss,
            "plain_loss": plain_loss,
            "less": np.where(change < -SAME, -change, np.nan),
            "more": np.where(change > SAME, change, np.nan),
            "same": np.where(np.abs(change) <= SAME, matched_loss, np.nan),
            "crossing": crossing(k, alpha + 0 * product),
            "each": np.where((k == 1) & (alpha < 1), 1.0, np.nan) + 0 * product,
            "called": np.where(alpha < 1, 1.0, np.nan) + 0 * (k + product),
            "whole": np.where(alpha < 1, np.nan, 1.0) + 0 * (k + product),
            "outside": outside,
            "shares": share,
            "matched_shares": matched_share,
            **{f"{name}_y": one + 0.05 for name, one in bars.items()},
            **bars,
            "curve_half": curve_half,
            "curve_loss": curve_loss,
            # the curve's label: to the right of its end, or below where it runs below plain SGD's curve
            "end_x": curve_half[..., 0] * np.where(product > 1, 1.1, 0.4),
            "end_y": curve_loss[..., 0] * np.where(product > 1, 1.0, 0.6),
            "plain_x": 1.2 * halving(1 - eta * FLAT),
            "plain_y": 1.3 * plain_loss,
            "matched_x": np.maximum(halving(factor) / 1.2, 21.0),  # not over the axis
            "matched_y": matched_loss / np.where(halving(factor) < 25, 2.3, 1.5),
            "sgd_half": halving(1 - RATES * FLAT)[None, None, None],
            "sgd_loss": predicted_loss(1, 1.0, RATES)[None, None, None],
            "level_x": LEVELS_X[None, None, None],
            "level_y": LEVELS_Y[None, None, None],
        }

    view, on = views("The rubber band", "Is it worth it?")
    own, sgd = style("Lookahead"), style("GradientDescent")
    green, grey = own["color"], sgd["color"]
    return Figure(
        name="figure-lookahead",
        title="Lookahead: run ahead, and be called back",
        controls=[
            view,
            Scrubber(
                name="move",
                label="move",
                values=range(SHOWN + 1),
                start=SHOWN,
                format="d",
                when=on[0],
                stops="calls",
                stop="Call back",
            ),
            Slider(name="k", label="k, steps per cycle", values=KS, start=3, format="d"),
            Slider(name="alpha", label="α, share of the way kept", values=ALPHAS, start=3, format=".3g"),
            Slider(name="product", label="ηL, inner rate times 20", values=PRODUCTS, start=1, format=".3g"),
        ],
        compute=compute,
        tries=[
            "press Call back again and again: k steps ahead, then a part of the way back.",
            "move α. Is the diamond below the ring beside it, which is SGD at the same speed?",
        ],
        rows=[
            [
                Panel(
                    title="noisy gradients in a valley: {move} moves",
                    x=Axis(label="θ₁, along the valley", domain=ALONG),
                    y=Axis(label="θ₂, across it", domain=ACROSS),
                    height=225,
                    when=on[0],
                    marks=[
                        Line(x="level_x", y="level_y", color="faint", width=0.8),
                        Line(
                            x="fast_x",
                            y="fast_y",
                            color=grey,
                            width=1.0,
                            dots=1.8,
                            upto="move",
                            per=2,
                            label="fast weights",
                        ),
                        Line(
                            x="bands_x",
                            y="bands_y",
                            color=green,
                            width=1.4,
                            dash="dotted",
                            upto="move",
                            per=3,
                        ),
                        Line(
                            x="slow_x",
                            y="slow_y",
                            color=green,
                            dots=4.0,
                            marker="diamond",
                            upto="move",
                            label="slow weights",
                        ),
                        Dots(x=[0.0], y=[0.0], shape="cross", color="ink", size=5),
                        Dots(x=[START[0]], y=[START[1]], color="ink", size=4),
                        Text(text="{outside:d} of the fast points outside", x=0.35, y=-0.6, anchor="end"),
                    ],
                ),
                Panel(
                    title="speed and calm: lower left is better",
                    height=200,
                    when=on[1],
                    x=Axis(label="steps to halve θ₁ (log)", domain=(5, 1500), log=True),
                    y=Axis(label="long-run loss (log)", domain=(0.004, 15), log=True),
                    marks=[
                        Line(x="sgd_half", y="sgd_loss", color=grey),
                        Line(x="curve_half", y="curve_loss", color=green),
                        Dots(x="plain_half", y="plain_loss", shape="ring", color=grey, size=6),
                        Dots(x="half", y="matched_loss", shape="ring", color=grey, size=6),
                        Text(text="SGD, every η", x=6, y=0.02, color=grey),
                        Text(text="same η", x="plain_x", y="plain_y", color=grey),
                        Text(text="same speed", x="matched_x", y="matched_y", color=grey, anchor="end"),
                        Text(text="Lookahead", x="end_x", y="end_y", color=green),
                        Dots(x="half", y="loss", shape="diamond", color=green, size=5),
                    ],
                ),
                Panel(
                    title="variance: Lookahead and slowed SGD",
                    height=200,
                    when=on[1],
                    x=Axis(
                        domain=(-0.9, 4.9),
                        ticks=[(0.5, "along the valley"), (3.5, "across it")],
                    ),
                    y=Axis(label="share of SGD's variance", domain=(0, 1.2)),
                    marks=[
                        Rule(y=1.0, color=grey),
                        Text(text="SGD, same η", x=2.0, y=1.07, color=grey, anchor="middle"),
                        Bars(x=[0.0, 3.0], y="shares", color=green),
                        Bars(x=[1.0, 4.0], y="matched_shares", color="faint"),
                        Text(text="{along:.2f}", x=0.0, y="along_y", color=green, anchor="middle"),
                        Text(text="{matched_along:.2f}", x=1.0, y="matched_along_y", anchor="middle"),
                        Text(text="{across:.2f}", x=3.0, y="across_y", color=green, anchor="middle"),
                        Text(text="{matched_across:.2f}", x=4.0, y="matched_across_y", anchor="middle"),
                    ],
                ),
            ],
        ],
        readouts=[
            "k = {k}, α = {alpha}, ηL = {product}: θ₁ halves in {half:.0f} steps, for SGD at the same η in "
            "{plain_half:.0f}.",
            "{in_worth@view:?}Long-run loss {loss:.3g}; of SGD at the same speed {matched_loss:.3g}: "
            "Lookahead "
            "{less:.0%} less.",
            "{in_worth@view:?}Long-run loss {loss:.3g}; of SGD at the same speed {matched_loss:.3g}: "
            "Lookahead "
            "{more:.0%} more.",
            "{in_worth@view:?}Long-run loss {loss:.3g}; of SGD at the same speed {same:.3g}: the same, as "
            "far as "
            "runs tell.",
        ],
        caption=[
            "{in_band@view:?}{called:?}After k = {k} plain steps the fast weights are called back along the "
            "dotted line: the slow weights move the share α = {alpha} of their way, and both go on from "
            "there.",
            "{in_band@view:?}{whole:?}With α = 1 nothing is called back: this is SGD.",
            "{in_worth@view:?}{crossing:?}Calling back costs speed and brings calm. So does a smaller η: "
            "the fair rival is SGD slowed down until it is as fast. By the closed forms Lookahead is the "
            "calmer one as long as ηL is below {crossing:.2f}.",
            "{in_worth@view:?}{each:?}With k = 1, to call back after every step is to multiply η by α: "
            "diamond and ring are one.",
            "{in_worth@view:?}{whole:?}With α = 1 nothing is called back: this is SGD.",
        ],
        alt="One panel at k {k}, α {alpha} and ηL {product}. On a noisy valley grey fast weights run ahead "
        "and are pulled back along dotted lines; green slow weights make calmer strides along the floor, "
        "towards "
        "the cross.",
        encoding={
            **{f"{name}_{axis}": Encoding(bits=8) for name in ("fast", "bands", "slow") for axis in "xy"},
            **dict.fromkeys(("half", "plain_half", "curve_half", "sgd_half"), Encoding(log=True)),
            **dict.fromkeys(
                ("loss", "matched_loss", "plain_loss", "same", "curve_loss", "sgd_loss"), Encoding(log=True)
            ),
        },
        fixed={
            "problem": "½(θ₁² + 20 θ₂²), gradients with noise of standard deviation √h",
            "start": list(START),
            "steps": SHOWN,
            "measured": f"{SEEDS} seeds, steps {WARM + 1} to {LONG}",
        },
    )


def moves(run: Run, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What is drawn after every move, the moves first: two points for each of the fast weights (where they
    come; or a gap, and where they go on from), three for each of the bands, one for each of the slow weights;
    and how many of the fast points lie outside the panel.

    A cycle is k steps and one call back."""
    move = np.arange(1, SHOWN + 1)[:, None, None, None]
    cycle, done = np.divmod(move - 1, k + 1)
    calls = (done == k)[..., None]
    step = (cycle * k + np.minimum(done + 1, k))[..., None]  # so many steps are made
    before = (cycle * k)[..., None]  # so many at the last call
    at = lambda path, steps: np.take_along_axis(path, steps, 0)  # noqa: E731
    slows = np.concatenate([run.theta[:1], run.slow])
    fast, slow = at(run.fast, step - 1), at(slows, np.where(calls, step, before))
    gap = np.where(calls, np.nan, fast)
    start = run.theta[:1]
    fasts = np.concatenate([start, in_turn(gap, np.where(calls, slow, fast))])
    bands = np.concatenate(
        [start + np.nan, in_turn(np.where(calls, fast, np.nan), np.where(calls, slow, np.nan), gap + np.nan)]
    )
    return fasts, bands, np.concatenate([start, slow]), off_the_map(gap)


def next_call(k: np.ndarray) -> np.ndarray:
    """For each k, and each of the moves, the move of the next call back."""
    moves = np.arange(SHOWN + 1)
    every = k.ravel()[:, None] + 1
    return np.minimum((moves // every + 1) * every, SHOWN).astype(float)


def in_turn(*values: np.ndarray) -> np.ndarray:
    """One after the other for each step: shape (steps · values, …)."""
    return np.stack(np.broadcast_arrays(*values), 1).reshape(-1, *np.shape(values[0])[1:])


def coordinates(name: str, points: np.ndarray) -> Arrays:
    """Points of shape (steps, settings …, 2) as two arrays with the steps last."""
    return {f"{name}_{axis}": np.moveaxis(points[..., i], 0, -1) for i, axis in enumerate("xy")}


def halving(factor: np.ndarray) -> np.ndarray:
    """Steps after which half is left, of what shrinks by a factor at each."""
    return np.log(0.5) / np.log(factor)


def lasting_variance(k: np.ndarray | int, alpha: np.ndarray | float, eta: np.ndarray) -> np.ndarray:
    """The variance of the slow weights in both directions long after the start, measured."""
    shape = np.broadcast_shapes(np.shape(k), np.shape(alpha), np.shape(eta))
    ks, alphas, etas = (np.broadcast_to(one, shape).ravel() for one in (k, alpha, eta))
    found = np.empty((len(etas), 2))
    for part in np.array_split(np.arange(len(etas)), -(-len(etas) // 50)):  # all at once would fill memory
        rule = Lookahead(GradientDescent(etas[part, None]), ks[part, None], alphas[part, None])
        seeds = np.arange(SEEDS)
        run = descend(rule, VALLEY, np.zeros(2), LONG, record="slow", path=False, seed=seeds)
        found[part] = (run.slow[WARM:] ** 2).mean((0, 2))
    return found.reshape(*shape, 2)


def predicted_loss(k: np.ndarray | int, alpha: np.ndarray | float, eta: np.ndarray) -> np.ndarray:
    """The mean loss in the long run, in closed form."""
    return sum(
        h / 2 * theory.stationary_variance(eta, h, noise) * theory.lookahead_variance_ratio(alpha, eta, h, k)
        for h, noise in zip(CURVATURES, NOISE, strict=True)
    )


def crossing(k: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The ηL up to which Lookahead's loss in the long run is below that of SGD slowed to the same speed, both
    in closed form; NaN where the two are the same method."""
    low, high = np.full((2, *np.broadcast_shapes(k.shape, alpha.shape)), [[[[0.01]]], [[[1.99]]]])
    for _ in range(40):  # it crosses once: halve the interval
        middle = (low + high) / 2
        eta = middle / STEEP
        factor = (1 - alpha * (1 - (1 - eta * FLAT) ** k)) ** (1 / k)
        gains = predicted_loss(k, alpha, eta) < predicted_loss(1, 1.0, (1 - factor) / FLAT)
        low, high = np.where(gains, middle, low), np.where(gains, high, middle)
    return np.where((k == 1) | (alpha == 1), np.nan, low)


def off_the_map(points: np.ndarray) -> np.ndarray:
    """How many of the points of shape (steps, settings …, 2) lie outside the first panel; NaN for none."""
    x, y = points[..., 0], points[..., 1]
    count = ((x < ALONG[0]) | (x > ALONG[1]) | (y < ACROSS[0]) | (y > ACROSS[1])).sum(0)
    return np.where(count > 0, count, np.nan)


def curve(k: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps to halve θ₁ and the loss in the long run for every α from 0.15 to 1, along a last axis."""
    alphas = np.linspace(0.15, 1, 40)
    rule = Lookahead(GradientDescent(eta[..., None]), k[..., None], alphas)
    factor = descend(rule, Quadratic(FLAT), 1.0, HALVING).theta[-1] ** (1 / HALVING)
    return halving(factor), predicted_loss(k[..., None], alphas, eta[..., None])
