"""Backpropagation: a weight's slope as a product, and the check by nudging."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Bars, Choice, Dots, Heat, Line, Panel, Slider, Text, views
from gdcourse.explore.views import in_views
from gdcourse.problems import Network, digits

NUDGES = 2.0 ** np.arange(-10, 2)
MOVES = np.linspace(-3, 3, 81)
ROUNDING = 1e-10  # the losses are near 3: over the smallest nudge, their last digits are worth less than this
ACROSS = 6  # of the digit's 28 × 28 pixels 6 × 6 can be chosen: as far apart as fingers can tell them
PIXELS, UNITS = ACROSS**2, 32
FROM_PIXELS, FROM_UNITS = [*range(PIXELS)], [*range(PIXELS, PIXELS + UNITS)]
KINDS = ["on", "off", "barely on"]
PLACES = [np.arange(32.0), 1.4 + 3.2 * np.arange(10)]  # of the bars for 32 units, and for ten scores


class Weight(NamedTuple):
    """From which pixel or unit, to which unit of the next layer."""

    layer: int
    below: int
    above: int


def backpropagation() -> Figure:
    """For weights of this book's network: what came in, δ and their product; and the loss along the weight,
    with its slope by backpropagation and by two nudges.

    784–32–10 with ReLU as drawn for seed 0, untrained, at the first digit of the training split. A weight
    leads from one of 36 pixels to one of three hidden units, or from one of the 32 units to one of the ten
    scores. The nudges double from 2⁻¹⁰ to 2; the loss is drawn for changes of the weight from −3 to 3.
    """
    net, data = Network(), digits()
    x, y = data.train.x[:1], data.train.y[:1]
    theta = net.init(0)
    outputs = net.forward(theta, x)
    grads = net.layers(net.backward(theta, outputs, y))
    came = [outputs[0][0].numpy(), outputs[1][0].numpy()]
    slopes = [weights.numpy() for weights, _ in grads]
    deltas = [biases.numpy() for _, biases in grads]  # a bias stands next to a 1: its slope is δ
    weights, biases = net.layers(theta)[0]
    z = (x @ weights + biases)[0].numpy()
    pixels, units, label = _pixels(came[0]), _units(deltas[0], z), int(y)
    here = float(net.loss(theta, x, y))

    def weight_at(below: int, unit: int, score: int) -> Weight:
        return Weight(0, pixels[below], units[unit]) if below < PIXELS else Weight(1, below - PIXELS, score)

    @cache
    def seen_by(pixel: int) -> tuple[Network, torch.Tensor, torch.Tensor]:
        """The network as one pixel sees it: what the others bring is in the biases."""
        small, ink = Network(sizes=(1, *net.sizes[1:])), x[:, [pixel]]
        own = weights[[pixel]]
        rest = x @ weights + biases - ink @ own
        above = [part.ravel() for part in net.parts(theta)[2:]]
        return small, torch.cat([own.ravel(), rest.ravel(), *above]), ink

    def along(one: Weight, moves: np.ndarray) -> np.ndarray:
        """The loss where one weight has moved and all else stays."""
        small, around, ink = seen_by(one.below if one.layer == 0 else pixels[0])
        moved = around.expand(moves.size, -1).clone()
        below = 0 if one.layer == 0 else one.below
        small.layers(moved)[one.layer][0][:, below, one.above] += torch.as_tensor(moves.ravel())
        return small.loss(moved, ink, y).numpy().reshape(moves.shape)

    def slope(one: Weight) -> float:
        return slopes[one.layer][one.below, one.above]

    def nudged(one: Weight, nudges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The losses at both ends; the slope of the chord between; and how far that is from
        backpropagation's: none where it is rounding."""
        ends = along(one, np.stack([-nudges, nudges], -1))
        chords = (ends[:, 1] - ends[:, 0]) / (2 * nudges)
        gaps = np.abs(chords - slope(one))
        return ends, chords, np.where(gaps < ROUNDING, np.nan, gaps)

    def corner(one: Weight) -> float:
        """At which change of the weight the unit that it leads to switches; NaN where it never does."""
        is_hidden = one.layer == 0 and came[0][one.below] > 0
        return -z[one.above] / came[0][one.below] if is_hidden else np.nan

    def compute(below: np.ndarray, unit: np.ndarray, score: np.ndarray, nudge: np.ndarray) -> Arrays:
        nudges = nudge.ravel()
        sizes = (below.size, unit.size, score.size)
        picked = [
            weight_at(int(b), int(u), int(s))
            for b in below.ravel()
            for u in unit.ravel()
            for s in score.ravel()
        ]

        def each(value: Callable[[Weight], Any]) -> np.ndarray:
            """A value for each weight, which is there many times: a pixel's has no score."""
            of = {one: np.asarray(value(one), dtype=float) for one in dict.fromkeys(picked)}
            return np.stack([of[one] for one in picked]).reshape(*sizes, *of[picked[0]].shape)

        def once(value: Callable[[Weight], Any]) -> np.ndarray:
            return each(value)[:, :, :, None]  # the same for every nudge

        at_ends = each(lambda one: nudged(one, nudges)[0])
        chords = each(lambda one: nudged(one, nudges)[1])
        gaps = each(lambda one: nudged(one, nudges)[2])
        halved = each(lambda one: nudged(one, nudges / 2)[2])
        corners, a_slope = once(corner), once(slope)
        far = MOVES[[0, -1]]
        everywhere = (None, None, None, None)
        spots, cells = _spots(pixels)
        return {
            **in_views("product", "nudge", computed=4),
            "digit": came[0].reshape(28, 28)[::-1][everywhere],
            "units": came[1].reshape(4, 8)[::-1][everywhere],
            "digit_slopes": once(lambda one: _picture(slopes[0], one, 0, (28, 28)))[:, :, :1],
            "unit_slopes": once(lambda one: _picture(slopes[1], one, 1, (4, 8)))[:, :1],
            "frame_x": once(lambda one: _frame(one)[0])[:, :1, :1],
            "frame_right": once(lambda one: _frame(one)[0] + 42)[:, :1, :1],
            "frame_y": once(lambda one: _frame(one)[1])[:, :1, :1],
            "pixel_x": spots[0][everywhere],
            "pixel_right": spots[0][everywhere] + 42,
            "pixel_y": spots[1][everywhere],
            "cell_x": cells[0][everywhere],
            "cell_right": cells[0][everywhere] + 42,
            "cell_y": cells[1][everywhere],
            "to_units": _only(PIXELS + int(z.argmax()), 35.0)[everywhere],
            "to_pixels": _only(pixels.index(int(came[0].argmax())), 35.0)[everywhere],
            "under": once(lambda one: [-3.5, 3.5][one.layer])[:, :1, :1],
            "delta_units": deltas[0][everywhere],
            "delta_scores": deltas[1][everywhere],
            "above": once(lambda one: one.above),
            "above_place": once(lambda one: PLACES[one.layer][one.above]),
            "layer": once(lambda one: one.layer)[:, :1, :1],
            "a": once(lambda one: came[one.layer][one.below])[:, :1, :1],
            "delta": once(lambda one: deltas[one.layer][one.above]),
            "slope": a_slope,
            "curve": once(lambda one: along(one, MOVES)),
            "tangent": here + a_slope[..., None] * far,
            "ends": np.stack([-nudges, nudges], -1)[None, None, None],
            "at_ends": at_ends,
            "chord_line": at_ends.mean(-1)[..., None] + chords[..., None] * far,
            "chord": chords,
            "gap": gaps,
            "falls": np.where(np.abs(corners) < nudges, np.nan, gaps / halved),
            "corner_inside": np.where(np.abs(corners) < nudges, corners, np.nan),
            "corner_beyond": np.where(np.abs(corners) >= nudges, corners, np.nan),
            "unseen": once(lambda one: 1.0 if came[one.layer][one.below] == 0 else np.nan)[:, :1, :1],
            "none": np.where(np.isnan(gaps), 0.0, np.nan),
            "gaps": once(lambda one: nudged(one, NUDGES)[2]),
            "h": nudge + 0.0,
            "moves": MOVES[everywhere],
            "far": far[everywhere],
            "all_nudges": NUDGES[everywhere],
        }

    hi = [float(np.abs(part).max()) for part in slopes]
    signed: dict[str, Any] = {"color": "orange", "negative": "purple"}
    view, on = views("The product", "Nudge and check")
    return Figure(
        name="figure-backpropagation",
        title="Nudge and check: one weight, its product, and its slope",
        controls=[
            view,
            Choice(
                name="below",
                label="weight from",
                values=FROM_PIXELS + FROM_UNITS,
                texts=[
                    *("pixel in row {}, column {}".format(*divmod(pixel, 28)) for pixel in pixels),
                    *(f"hidden unit {k}" for k in range(UNITS)),
                ],
                start=pixels.index(int(came[0].argmax())),
            ),
            Choice(
                name="unit",
                label="to",
                values=range(len(KINDS)),
                texts=[f"hidden unit {k}, {kind}" for k, kind in zip(units, KINDS, strict=True)],
                when={"below": FROM_PIXELS},
            ),
            Choice(
                name="score",
                label="to",
                values=range(10),
                texts=[f"score of {k}" + ", the label" * (k == label) for k in range(10)],
                start=label,
                when={"below": FROM_UNITS},
            ),
            Slider(name="nudge", label="nudge h", values=NUDGES, start=11, format=".3g", when=on[1]),
        ],
        compute=compute,
        tries=[
            (
                "press other pixels (the dots) and units (the triangles). Where the slope is zero, which "
                "factor is?"
            ),
            "bring the two nudges closer: does the dashed slope come to the other?",
        ],
        rows=[
            [
                Panel(
                    when=on[0],
                    weight=1.5,
                    title="what came in, times δ, is the slope",
                    x=Axis(domain=(-0.5, 70.5), ticks=[]),
                    y=Axis(domain=(-6, 28.5), ticks=[]),
                    equal=True,
                    marks=[
                        *_pair("digit", "digit_slopes", 0, 28, {**signed, "hi": hi[0]}, FROM_PIXELS),
                        *_pair("units", "unit_slopes", 7, 21, {**signed, "hi": hi[1]}, FROM_UNITS),
                        Text(text="× {delta:.2f}", x=35, y=16, anchor="middle", color="orange"),
                        Text(text="=", x=35, y=11, anchor="middle"),
                        *(mark for kind in ("pixel", "cell") for mark in _to_press(kind)),
                        Line(x="frame_x", y="frame_y", color="blue"),
                        Line(x="frame_right", y="frame_y", color="blue"),
                        Text(text="{a:.2f}", x=14, y="under", anchor="middle", color="blue"),
                        Text(text="{slope:.3f}", x=56, y="under", anchor="middle", color="blue"),
                    ],
                ),
                Panel(
                    when=on[0],
                    title="δ of the {layer|units}",
                    x=Axis(label="units of the layer above", domain=(-0.9, 31.9), ticks=[]),
                    y=Axis(label="δ", domain=(-1.05, 0.75)),
                    height=150,
                    marks=[
                        Line(x=[-0.9, 31.9], y=[0, 0], color="faint", width=1),
                        Dots(
                            x=PLACES[0][units].tolist(),
                            y=-1.0,
                            shape="triangle",
                            color="faint",
                            picks="unit",
                            when={"below": FROM_PIXELS},
                        ),
                        Dots(x="above_place", y=-1.0, shape="triangle", color="orange"),
                        Bars(
                            y="delta_units",
                            x=PLACES[0],
                            marked="above",
                            color="grey",
                            when={"below": FROM_PIXELS},
                        ),
                        Bars(
                            y="delta_scores",
                            x=PLACES[1],
                            width=2.4,
                            marked="above",
                            color="grey",
                            picks="score",
                            when={"below": FROM_UNITS},
                        ),
                        *(
                            Text(
                                text=str(k),
                                x=PLACES[1][k],
                                y=-0.09 if deltas[1][k] > 0 else 0.09,
                                anchor="middle",
                                when={"below": FROM_UNITS},
                            )
                            for k in range(10)
                        ),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title="the loss, while this weight alone moves",
                    x=Axis(label="change of the weight", domain=(-3, 3)),
                    y=Axis(label="loss, nats", domain=(0.6, 6.2)),
                    pad=("nudge", None),
                    marks=[
                        Line(x="moves", y="curve", label="loss"),
                        Line(x="far", y="tangent", color="orange", width=1.4),
                        Line(x="far", y="chord_line", color="blue", dash="dashed", width=1.4),
                        Dots(x="ends", y="at_ends", color="blue", size=5),
                        Text(text="slope by backpropagation", x=0, y=5.9, anchor="middle", color="orange"),
                        Text(text="through the two nudges", x=0, y=5.4, anchor="middle", color="blue"),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title="how far apart the two slopes are",
                    x=Axis(label="nudge h, in the weight's unit", domain=(0.0008, 2.5), log=True),
                    y=Axis(
                        label="error of the slope",
                        domain=(3e-10, 1),
                        log=True,
                        ticks=[(1e-9, "10⁻⁹"), (1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1, "1")],
                    ),
                    marks=[
                        Line(x="all_nudges", y="gaps", dots=2, width=1.2),
                        Dots(x="h", y="gap", shape="ring", color="blue", size=7),
                        Text(
                            text="error {none:d} at this nudge", x=0.05, y=3e-9, anchor="middle", color="blue"
                        ),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_product@view:?}What came in {a:.2f} × δ {delta:.3f} = slope {slope:.4f}.",
            "{in_nudge@view:?}Backpropagation {slope:.4f}; two nudges of {nudge}: {chord:.4f}, off by "
            "{gap:.2g}.",
            "{in_nudge@view:?}Backpropagation {slope:.4f}; two nudges of {nudge}: {chord:.4f}, off by "
            "{none:d}, but for rounding.",
        ],
        caption=[
            "{in_product@view:?}This book's network, untrained, and one digit. What came in, times δ, the "
            "loss's slope in a unit's sum, gives the slopes of all weights to that unit; the framed one is "
            "yours.",
            "{in_product@view:?}{unseen:?}It does not reach the loss: what came in is zero.",
            "{in_nudge@view:?}Two nudges ask the loss itself.",
            "{in_nudge@view:?}At a change of {corner_inside:.3g} the unit switches, between the nudges: "
            "the loss has a corner.",
            "{in_nudge@view:?}At a change of {corner_beyond:.3g} the unit switches, and the loss has a "
            "corner; the nudges stand closer.",
            "{in_nudge@view:?}With half the nudge the error is divided by {falls:.3g}.",
            "{in_nudge@view:?}{unseen:?}This weight does not reach the loss: what came in is zero.",
        ],
        alt="Two panels for a weight from a pixel with ink to a hidden unit that is on. A four, times δ, "
        "gives the same four in colour: the slopes. The framed weight has {a:.2f} times {delta:.3f}, "
        "{slope:.4f}. Bars show δ of 32 hidden units; for many it is zero.",
        encoding={
            "digit": Encoding(bits=8),
            "digit_slopes": Encoding(bits=8),
            "unit_slopes": Encoding(bits=8),
            "gap": Encoding(log=True),
            "gaps": Encoding(log=True),
        },
        fixed={
            "network": "784-32-10, ReLU, untrained",
            "seed": 0,
            "digit": "the first of the training split",
            "rounding": ROUNDING,
        },
        texts={"units": ["32 hidden units", "ten scores"]},
    )


def _pixels(ink: np.ndarray) -> list[int]:
    """In each of 6 × 6 parts of the digit the pixel with the most ink; where none has any, its middle one."""
    found, cuts = [], np.linspace(0, 28, ACROSS + 1).round().astype(int)
    for top, bottom in pairwise(cuts):
        for left, right in pairwise(cuts):
            part = ink.reshape(28, 28)[top:bottom, left:right]
            place = np.unravel_index(part.argmax(), part.shape) if part.any() else np.array(part.shape) // 2
            found.append(int(28 * (top + place[0]) + left + place[1]))
    return found


def _units(delta: np.ndarray, z: np.ndarray) -> list[int]:
    """Three units: one so far on that a nudge of a half does not switch it off, one that is off, and one that
    is barely on. The second stands apart from the others: fingers must tell them apart."""
    on = z > np.quantile(z, 0.8)
    firm = int(np.where(on, np.abs(delta), 0).argmax())
    barely = int(np.where((z > 0.02) & (z < 0.1), np.abs(delta), 0).argmax())
    apart = np.abs(np.arange(UNITS) - np.array([[firm], [barely]])).min(0) > 3
    return [firm, int(np.where(apart, z, np.inf).argmin()), barely]


def _spots(pixels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where what a weight may come from lies in the left picture, x and y in the menu's order: the pixels,
    and none for units; the units, and none for pixels."""
    rows, columns = np.divmod(pixels, 28)
    of_pixels = np.stack([columns + 0.5, 27.5 - rows])
    rows, columns = np.divmod(np.arange(UNITS), 8)
    of_units = np.stack([3.5 * (columns + 0.5), 21 - 3.5 * (rows + 0.5)])
    none = np.full_like
    return (
        np.concatenate([of_pixels, none(of_units, np.nan)], 1),
        np.concatenate([none(of_pixels, np.nan), of_units], 1),
    )


def _only(position: int, x: float) -> np.ndarray:
    """A place for one entry of the menu, and none for the others."""
    return np.where(np.arange(PIXELS + UNITS) == position, x, np.nan)


def _to_press(kind: str) -> list[Dots | Text]:
    """What chooses where a weight comes from, in both pictures; and the way to the other layer."""
    dots: dict[str, Any] = {"y": f"{kind}_y", "color": "blue", "picks": "below"}
    shown, other, word = {
        "pixel": (FROM_PIXELS, "to_units", "next layer"),
        "cell": (FROM_UNITS, "to_pixels", "first layer"),
    }[kind]
    return [
        Dots(x=f"{kind}_x", size=1.5, when={"below": shown}, **dots),
        Dots(x=f"{kind}_right", opacity=0.0, when={"below": shown}, **dots),
        Dots(x=other, y=-1.5, shape="triangle", color="blue", picks="below", when={"below": shown}),
        Text(x=35, y=-4.5, text=word, color="blue", anchor="middle", when={"below": shown}),
    ]


def _picture(slopes: np.ndarray, one: Weight, layer: int, shape: tuple[int, int]) -> np.ndarray:
    """The slopes of all weights to the same unit, as a picture of what came in; row 0 at the bottom."""
    if one.layer != layer:
        return np.zeros(shape)
    return slopes[:, one.above].reshape(shape)[::-1]


def _frame(one: Weight) -> np.ndarray:
    """A frame round a weight's place in the left picture: x and y of five corners. The picture has 28 by 28
    pixels, or 4 by 8 units."""
    row, column = divmod(one.below, [28, 8][one.layer])
    size, top, half = [(1.0, 28.0, 1.5), (3.5, 21.0, 1.75)][one.layer]  # round a pixel with some room
    x = size * (column + 0.5) + half * np.array([-1, 1, 1, -1, -1])
    return np.stack([x, top - size * (row + 0.5) + half * np.array([1, 1, -1, -1, 1])])


def _pair(came: str, product: str, y0: int, y1: int, signed: dict[str, Any], shown: list[int]) -> list[Any]:
    """What came in on the left, the slopes on the right, each with a frame."""
    marks: list[Any] = []
    for values, left, colors in ((came, 0, {}), (product, 42, signed)):
        x = [left, left + 28, left + 28, left, left]
        marks += [
            Heat(values=values, x0=left, x1=left + 28, y0=y0, y1=y1, when={"below": shown}, **colors),
            Line(x=x, y=[y0, y0, y1, y1, y0], color="faint", width=1, when={"below": shown}),
        ]
    return marks
