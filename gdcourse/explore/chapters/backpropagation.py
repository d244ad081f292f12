"""Backpropagation: a weight's slope as a product, and the check by nudging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Bars, Choice, Dots, Heat, Line, Panel, Slider, Text, views
from gdcourse.explore.views import in_views
from gdcourse.problems import Network, digits

NUDGES = 2.0 ** np.arange(-10, 2)
MOVES = np.linspace(-3, 3, 121)
ROUNDING = 1e-10  # the losses are near 3: over the smallest nudge, their last digits are worth less than this
WEIGHTS = [
    "inked pixel → unit on",
    "always blank pixel → same unit",
    "inked pixel → unit off",
    "inked pixel → unit barely on",
    "unit on → label's score",
    "unit on → a wrong score",
    "unit off → label's score",
]
INTO_UNITS, INTO_SCORES = [0, 1, 2, 3], [4, 5, 6]
PLACES = [np.arange(32.0), 1.4 + 3.2 * np.arange(10)]  # of the bars for 32 units, and for ten scores


class Weight(NamedTuple):
    """From which pixel or unit, to which unit of the next layer."""

    layer: int
    below: int
    above: int


def backpropagation() -> Figure:
    """For seven weights of this book's network: what came in, δ and their product; and the loss along the
    weight, with its slope by backpropagation and by two nudges.

    784–32–10 with ReLU as drawn for seed 0, untrained, at the first digit of the training split. The nudges
    double from 2⁻¹⁰ to 2; the loss is drawn for changes of the weight from −3 to 3.
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
    never = (data.train.x == 0).all(0).numpy()
    weight_at = _telling(came, deltas, z, never, int(y))
    here = float(net.loss(theta, x, y))

    def along(one: Weight, moves: np.ndarray) -> np.ndarray:
        """The loss where one weight has moved and all else stays."""
        moved = theta.expand(moves.size, -1).clone()
        net.layers(moved)[one.layer][0][:, one.below, one.above] += torch.as_tensor(moves.ravel())
        return net.loss(moved, x, y).numpy().reshape(moves.shape)

    def chord(one: Weight, nudges: np.ndarray) -> np.ndarray:
        return (along(one, nudges) - along(one, -nudges)) / (2 * nudges)

    def slope(one: Weight) -> float:
        return slopes[one.layer][one.below, one.above]

    def gap(one: Weight, nudges: np.ndarray) -> np.ndarray:
        """How far the chord's slope is from backpropagation's; none where it is rounding."""
        gaps = np.abs(chord(one, nudges) - slope(one))
        return np.where(gaps < ROUNDING, np.nan, gaps)

    def corner(one: Weight) -> float:
        """At which change of the weight the unit that it leads to switches; NaN where it never does."""
        is_hidden = one.layer == 0 and came[0][one.below] > 0
        return -z[one.above] / came[0][one.below] if is_hidden else np.nan

    def compute(weight: np.ndarray, nudge: np.ndarray) -> Arrays:
        picked, nudges = [weight_at[int(number)] for number in weight.ravel()], nudge.ravel()

        def each(value: Callable[[Weight], Any]) -> np.ndarray:
            return np.stack([np.asarray(value(one), dtype=float) for one in picked])

        gaps = each(lambda one: gap(one, nudges))
        chords = each(lambda one: chord(one, nudges))
        halved = each(lambda one: gap(one, nudges / 2))
        corners = each(corner)[:, None]
        ends = np.stack([-nudges, nudges], -1)
        at_ends = each(lambda one: along(one, ends))
        a_slope = each(slope)
        return {
            **in_views("product", "nudge", computed=2),
            "digit": came[0].reshape(1, 1, 28, 28)[:, :, ::-1],
            "units": came[1].reshape(1, 1, 4, 8)[:, :, ::-1],
            "digit_slopes": each(lambda one: _picture(slopes[0], one, 0, (28, 28)))[:, None],
            "unit_slopes": each(lambda one: _picture(slopes[1], one, 1, (4, 8)))[:, None],
            "frame_x": each(lambda one: _frame(one)[0])[:, None],
            "frame_right": each(lambda one: _frame(one)[0] + 42)[:, None],
            "frame_y": each(lambda one: _frame(one)[1])[:, None],
            "under": each(lambda one: [-3.5, 3.5][one.layer])[:, None],
            "delta_units": deltas[0][None, None],
            "delta_scores": deltas[1][None, None],
            "above": each(lambda one: one.above)[:, None],
            "above_place": each(lambda one: PLACES[one.layer][one.above])[:, None],
            "layer": each(lambda one: one.layer)[:, None],
            "a": each(lambda one: came[one.layer][one.below])[:, None],
            "delta": each(lambda one: deltas[one.layer][one.above])[:, None],
            "slope": a_slope[:, None],
            "curve": each(lambda one: along(one, MOVES))[:, None],
            "tangent": (here + a_slope[:, None] * MOVES)[:, None],
            "ends": ends[None],
            "at_ends": at_ends,
            "chord_line": at_ends.mean(-1)[..., None] + chords[..., None] * MOVES,
            "chord": chords,
            "gap": gaps,
            "falls": np.where(np.abs(corners) < nudges, np.nan, gaps / halved),
            "corner_inside": np.where(np.abs(corners) < nudges, corners, np.nan),
            "corner_beyond": np.where(np.abs(corners) >= nudges, corners, np.nan),
            "unseen": each(lambda one: 1.0 if came[one.layer][one.below] == 0 else np.nan)[:, None],
            "none": np.where(np.isnan(gaps), 0.0, np.nan),
            "gaps": each(lambda one: gap(one, NUDGES))[:, None],
            "h": nudge + 0.0,
            "moves": MOVES[None, None],
            "all_nudges": NUDGES[None, None],
        }

    hi = [float(np.abs(part).max()) for part in slopes]
    signed: dict[str, Any] = {"color": "orange", "negative": "purple"}
    view, on = views("The product", "Nudge and check")
    return Figure(
        name="figure-backpropagation",
        title="Nudge and check: one weight, its product, and its slope",
        controls=[
            view,
            Choice(name="weight", label="weight", values=[*range(len(WEIGHTS))], texts=WEIGHTS),
            Slider(name="nudge", label="nudge h", values=NUDGES, start=11, format=".3g", when=on[1]),
        ],
        compute=compute,
        tries=[
            "choose the weight of a blank pixel. Which factor of the product is zero?",
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
                        *_pair("digit", "digit_slopes", 0, 28, {**signed, "hi": hi[0]}, INTO_UNITS),
                        *_pair("units", "unit_slopes", 7, 21, {**signed, "hi": hi[1]}, INTO_SCORES),
                        Text(text="× {delta:.2f}", x=35, y=16, anchor="middle", color="orange"),
                        Text(text="=", x=35, y=11, anchor="middle"),
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
                        Dots(x="above_place", y=-1.0, shape="triangle", color="orange"),
                        Bars(
                            y="delta_units",
                            x=PLACES[0],
                            marked="above",
                            color="grey",
                            when={"weight": INTO_UNITS},
                        ),
                        Bars(
                            y="delta_scores",
                            x=PLACES[1],
                            width=2.4,
                            marked="above",
                            color="grey",
                            when={"weight": INTO_SCORES},
                        ),
                        *(
                            Text(
                                text=str(k),
                                x=PLACES[1][k],
                                y=-0.09 if deltas[1][k] > 0 else 0.09,
                                anchor="middle",
                                when={"weight": INTO_SCORES},
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
                        Line(x="moves", y="tangent", color="orange", width=1.4),
                        Line(x="moves", y="chord_line", color="blue", dash="dashed", width=1.4),
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
            "{in_nudge@view:?}At a change of {corner_inside:.3g} the unit switches, between the nudges: the "
            "loss has a corner.",
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


def _telling(
    came: list[np.ndarray], deltas: list[np.ndarray], z: np.ndarray, never: np.ndarray, label: int
) -> list[Weight]:
    """The weights of the menu, in its order. ``never``: which pixels have no ink in any training picture."""
    inked = int(came[0].argmax())
    rows, columns = np.divmod(np.arange(784), 28)
    blank = int(np.where(never, np.hypot(rows - 13.5, columns - 13.5), np.inf).argmin())  # near the middle
    on = z > np.quantile(z, 0.8)  # so far on that a nudge of a half does not switch it off
    firm = int(np.where(on, np.abs(deltas[0]), 0).argmax())
    barely = int(np.where((z > 0.02) & (z < 0.1), np.abs(deltas[0]), 0).argmax())
    off, strongest = int(z.argmin()), int(z.argmax())
    wrong = int(deltas[1].argmax())
    return [
        Weight(0, inked, firm),
        Weight(0, blank, firm),
        Weight(0, inked, off),
        Weight(0, inked, barely),
        Weight(1, strongest, label),
        Weight(1, strongest, wrong),
        Weight(1, off, label),
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
            Heat(values=values, x0=left, x1=left + 28, y0=y0, y1=y1, when={"weight": shown}, **colors),
            Line(x=x, y=[y0, y0, y1, y1, y0], color="faint", width=1, when={"weight": shown}),
        ]
    return marks
