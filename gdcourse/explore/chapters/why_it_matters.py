"""Why it matters: the same trainings on four slices of one loss, and what each slice leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import permutations

import contourpy
import numpy as np
import torch

from gdcourse.experiments import train
from gdcourse.experiments.landscape import Plane, principal_plane, random_plane, surface
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Choice, Dots, Line, Mark, Panel, Scrubber, Text, style
from gdcourse.figures import title
from gdcourse.problems import Network, digits
from gdcourse.rules import METHODS

NAMES = ("GradientDescent", "Momentum", "Adagrad", "Adam")
STEPS, EXAMPLES, GRID = 60, 1500, 33
AT = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 45, 50, 55, 60])
RANDOM, FITTED, LINE, TWIN = range(4)
SLICES = (
    "plane at random",
    "plane fitted to the paths",
    "line between two solutions",
    "line between two twins",
)
FRAMES = {"random": ((-1.24, 1.24), (-0.88, 0.88)), "fitted": ((-6.0, 9.5), (-4.5, 6.5))}
LEVELS = {"random": (0.35, 0.4, 0.5, 0.7, 1.0, 1.4), "fitted": (0.35, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0)}
# labels of level lines stand where these rays cross them: from a point, in a direction
RAYS = {"random": ((0.0, 0.0), (1.0, -0.35)), "fitted": ((6.5, 1.2), (0.2, -1.0))}
SHARES = np.round(np.arange(-0.1, 1.21, 0.05), 2)  # of the way from one end of a line to the other
ALIKE = 0.005  # nats
ORDERS = [", ".join(title(NAMES[i]) for i in order) for order in permutations(range(len(NAMES)))]


def why_it_matters(paths: Mapping[str, torch.Tensor] | None = None) -> Figure:
    """Four trainings from one start on a random plane, on the plane fitted to their paths, and on two lines
    from one solution to another; beside them each path's true loss and the slice's loss at its shadow.

    The network 784–32–10 is trained on the digits for 60 steps with mini-batches of 64, seed 0, each method
    at its usual learning rate. The loss is taken over 1,500 training examples. Surfaces have 33 × 33 points,
    lines 33; 24 of the 61 points of each path are drawn, all count for the fit and for the shares.

    Parameters
    ----------
    paths : the trainings' parameters after every step, shape (61, P), by the methods' names, if they are at
        hand. Default: they are trained.
    """

    @cache  # no control changes it, and live widgets ask again at every move
    def compute() -> Arrays:
        network, data = Network(), digits()
        x, y = data.train.x[:EXAMPLES], data.train.y[:EXAMPLES]
        every = [_path(network, name) if paths is None else paths[name] for name in NAMES]
        adam, descent, start = every[-1][-1], every[0][-1], every[0][0]
        slices = [
            random_plane(network, adam, seed=0),
            principal_plane(torch.cat(every)),
            Plane(adam, (descent - adam)[None]),
            Plane(adam, (_twin(network, adam) - adam)[None]),
        ]
        drawn = torch.stack(every)[:, AT]  # (methods, steps, P)
        shadows = [one.coordinates(drawn) for one in slices]
        true = network.loss(drawn, x, y).numpy()
        seen = np.stack(
            [network.loss(one.at(at), x, y).numpy() for one, at in zip(slices, shadows, strict=True)]
        )
        way = torch.as_tensor(SHARES)[:, None]
        between = [network.loss(one.at(way), x, y).numpy() for one in slices[LINE:]]
        inside = (SHARES >= 0) & (SHARES <= 1)
        order_true = np.array([_order(values) for values in true.T])
        order_seen = np.array([[_order(values) for values in one.T] for one in seen])
        alike = np.ptp(seen, axis=1) < ALIKE  # closer than a picture could show: no order to speak of
        same = order_seen == order_true
        tied = np.ptp(true, axis=0) < ALIKE  # as at the start, which is one point
        arrays = {
            "way": SHARES,
            # a plane has no such numbers: those rows are empty
            "between": np.stack([np.full(len(SHARES), np.nan)] * 2 + between),
            "plane": np.array([1.0, 1.0, np.nan, np.nan]),
            "first": np.array([np.nan, np.nan, 1.0, np.nan]),
            "twin": np.array([np.nan, np.nan, np.nan, 1.0]),
            "hill": np.array([np.nan, np.nan, *(loss[inside].max() for loss in between)]),
            "order_true": np.where((same & ~alike) | tied, np.nan, order_true),
            "order_seen": np.where(same | alike | tied, np.nan, order_seen),
            "order_both": np.where(same & ~(alike | tied), order_seen, np.nan),
            "alike": np.where(alike & ~tied, seen.mean(1), np.nan),
            "tied": np.where(tied, true.mean(0), np.nan) + np.zeros((len(SLICES), 1)),
            "tied_seen": np.where(tied, seen.mean(1), np.nan),
        }
        for i, name in enumerate(NAMES):
            arrays[f"{name}_true"], arrays[f"{name}_seen"] = np.broadcast_arrays(true[i], seen[:, i])
            arrays[f"{name}_share"] = np.array(
                [100 * Plane(start, one.axes).captured(every[i]) for one in slices]
            )
            for which in (RANDOM, FITTED):
                arrays[f"{name}_x{which}"], arrays[f"{name}_y{which}"] = shadows[which][i].T.numpy()
            lines = [shadows[which][i, :, 0].numpy() for which in (LINE, TWIN)]
            arrays[f"{name}_way"] = np.stack([np.full(len(AT), np.nan)] * 2 + lines)
        for label, which in (("random", RANDOM), ("fitted", FITTED)):
            arrays |= _levels(label, network, slices[which], x, y)
        return arrays

    return Figure(
        name="figure-why-it-matters",
        title="Four trainings, four slices: which slice lies?",
        controls=[
            Choice(name="slice", label="slice", values=range(len(SLICES)), texts=SLICES, start=FITTED),
            Scrubber(name="step", label="step", values=AT, start=len(AT) - 1, format="d"),
        ],
        compute=compute,
        rows=[
            [
                _map("random", RANDOM, "along a random direction, in network lengths", "along another"),
                _map("fitted", FITTED, "first fitted axis, length in parameter space", "second"),
                Panel(
                    title="loss on the line (black)",
                    x=Axis(label="share of the way from Adam's end", domain=(SHARES[0], SHARES[-1])),
                    y=NATS,
                    height=284,
                    weight=1.35,
                    when={"slice": (LINE, TWIN)},
                    marks=[
                        *(
                            Line(x=SHARES.tolist(), y="between", at=("slice",), when={"slice": (which,)})
                            for which in (LINE, TWIN)
                        ),
                        *(mark for name in BACK_TO_FRONT for mark in _on_line(name)),
                    ],
                ),
                Panel(
                    title="true and shown, up to step {step}",
                    x=replace(NATS, label="true loss, nats"),
                    y=replace(NATS, label="shown loss, nats"),
                    equal=True,
                    marks=[
                        Line(x=NATS.domain, y=NATS.domain, color="faint", dash="dashed", width=1.2),
                        Text(x=2.85, y=0.29, text="shown too low", color="faint", anchor="end"),
                        Text(x=0.28, y=1.05, text="shown too high", color="faint"),
                        *(mark for name in BACK_TO_FRONT for mark in _true_and_shown(name)),
                        *(
                            Text(x=0.28, y=2.4 * 0.84**i, text=title(name), color=style(name)["color"])
                            for i, name in enumerate(NAMES)
                        ),
                    ],
                ),
            ]
        ],
        readouts=[
            "Of each path's squared displacement from the start, this slice holds: "
            + ", ".join(f"{title(name)} {{{name}_share@slice:.2g}} %" for name in NAMES)
            + ".",
            "Best to worst after step {step}, by true loss: {order_true@slice,step|orders}; by the slice: "
            "{order_seen@slice,step|orders}.",
            "Best to worst after step {step}, by true loss and by the slice alike: "
            "{order_both@slice,step|orders}.",
            "Best to worst after step {step}, by true loss: {order_true@slice,step|orders}; by the slice all "
            "are alike, {alike@slice,step:.3f}.",
            "After step {step} all four have one true loss, {tied@slice,step:.3f}; the slice shows "
            "{tied_seen@slice,step:.3f}.",
        ],
        caption=[
            "Each colour is a training. Its shadow is the slice's nearest point, and the loss shown is the "
            "one there.",
            "{plane@slice:?}On the map a ring is the shadow after step {step}.",
            "In the left panel a coloured curve is a path's true loss, drawn over the place of its shadow "
            "on the line; the ring, on the black curve, is the loss shown after step {step}. The black "
            "curve's highest point between the two ends is {hill@slice:.2f}.",
            "In the right panel a slice that told the truth would put every path on the dashed line. After "
            "step {step} Adagrad is at {Adagrad_true@slice,step:.3f} and is shown at "
            "{Adagrad_seen@slice,step:.3f}, momentum at {Momentum_true@slice,step:.3f} and "
            "{Momentum_seen@slice,step:.3f}.",
            "{first@slice:?}The line leads from Adam's end to gradient descent's.",
            "{twin@slice:?}The line leads from Adam's end to its twin, the same network with its hidden "
            "units in another order.",
            "One network, one seed.",
        ],
        alt="Left, level lines of the loss over the plane fitted to four paths from one start: gradient "
        "descent stays near, momentum goes up, Adagrad and Adam go right, Adam farthest, into a wide basin. "
        "Right, the loss that the plane shows at each path's shadow over the path's true loss, with a "
        "dashed diagonal. The paths run beside it, at first below. At the end Adagrad is shown at "
        "{Adagrad_seen@slice,step:.2f}, above momentum's {Momentum_seen@slice,step:.2f}, though its true "
        "loss is the lower one.",
        encoding=ENCODING,
        texts={"orders": ORDERS},
        fixed={
            "network": "784-32-10, on the digits, seed 0, mini-batches of 64",
            "loss over": f"{EXAMPLES} training examples",
            "learning rates": {name: METHODS[name].usual for name in NAMES},
        },
    )


NATS = Axis(
    label="loss, nats", domain=(0.25, 3.0), log=True, ticks=[(0.3, "0.3"), (0.5, "0.5"), (1, "1"), (2, "2")]
)
BACK_TO_FRONT = ("Momentum", "GradientDescent", "Adagrad", "Adam")
ENCODING = {
    "between": Encoding(bits=8, log=True),
    **{f"{name}_{part}": Encoding(log=True) for name in NAMES for part in ("true", "seen")},
}


# ------------------------------------------------------------------------------------- what is drawn


def _map(label: str, which: int, along: str, up: str) -> Panel:
    """Level lines over a plane, and the four paths' shadows on it."""
    wide, tall = FRAMES[label]
    return Panel(
        title="loss over the plane, in nats",
        x=Axis(label=along, domain=wide),
        y=Axis(label=up, domain=tall),
        equal=True,
        weight=1.35,
        when={"slice": (which,)},
        marks=[
            Line(x=f"{label}_level_x", y=f"{label}_level_y", color="faint", width=1),
            *(
                Text(
                    x=f"{label}_label_x{i}",
                    y=f"{label}_label_y{i}",
                    text=f"{level:g}",
                    color="faint",
                    anchor="middle",
                )
                for i, level in enumerate(LEVELS[label])
            ),
            *(mark for name in BACK_TO_FRONT for mark in _shadow(name, which)),
        ],
    )


def _shadow(name: str, which: int) -> list[Mark]:
    own, color = style(name), style(name)["color"]
    x, y = f"{name}_x{which}", f"{name}_y{which}"
    # on the random plane the four labels would stand on one spot
    label = title(name) if which == FITTED else "all four paths, whole" if name == "Adam" else ""
    return [
        Line(x=x, y=y, **own, upto="step", dots=2, width=1.4),
        Dots(x=x, y=y, at=("step",), color=color, shape="ring", size=5, label=label),
    ]


def _on_line(name: str) -> list[Mark]:
    """A path over a line: where its shadow falls, its true loss, and a ring on the line."""
    color, way = style(name)["color"], f"{name}_way"
    return [
        Line(x=way, y=f"{name}_true", at=("slice",), color=color, upto="step", width=1.4),
        Dots(x=way, y=f"{name}_seen", at=("slice", "step"), color=color, shape="ring", size=5),
    ]


def _true_and_shown(name: str) -> list[Mark]:
    """A path's shown loss over its true one; on the diagonal the slice tells the truth."""
    color, x, y = style(name)["color"], f"{name}_true", f"{name}_seen"
    return [
        Line(x=x, y=y, at=("slice",), color=color, upto="step", dots=1.6, width=1.2),
        Dots(x=x, y=y, at=("slice", "step"), color=color, shape="ring", size=5),
    ]


# ----------------------------------------------------------------------------------- what is computed


def _path(network: Network, name: str) -> torch.Tensor:
    """The parameters after every step of a training, shape (61, P)."""
    rule = METHODS[name].make(METHODS[name].usual)
    kept = train(network, digits(), rule, steps=STEPS, seed=0, examine=STEPS, keep=True).kept
    assert kept is not None
    return kept


def _twin(network: Network, theta: torch.Tensor) -> torch.Tensor:
    """The same network with its hidden units in another order: it computes the same function."""
    twin, order = theta.clone(), np.random.default_rng(0).permutation(network.sizes[1])
    (into, bias), (out, _) = network.layers(twin)  # views
    into[:], bias[:], out[:] = into[:, order], bias[order], out[order]
    return twin


def _order(losses: np.ndarray) -> int:
    """The position in ORDERS of the methods from the smallest loss to the largest."""
    return list(permutations(range(len(NAMES)))).index(tuple(np.argsort(losses, kind="stable").tolist()))


def _levels(label: str, network: Network, plane: Plane, x: torch.Tensor, y: torch.Tensor) -> Arrays:
    """Level lines over a plane as one line that breaks between them, and where their labels stand."""
    a, b = (np.linspace(*side, GRID) for side in FRAMES[label])
    cut = contourpy.contour_generator(a, b, surface(network, plane, a, b, x, y))
    centre, direction = (np.array(part) for part in RAYS[label])
    gap = np.full((1, 2), np.nan)
    pieces: list[np.ndarray] = []
    places: Arrays = {}
    for i, level in enumerate(LEVELS[label]):
        lines = [np.asarray(line, float) for line in cut.lines(level)]
        points = np.concatenate([gap, *lines])
        away = points - centre
        beside = np.abs(away @ [-direction[1], direction[0]])
        beside[~(away @ direction > 0)] = np.inf
        at = int(beside.argmin())
        # a level line that the ray misses has no label
        places[f"{label}_label_x{i}"], places[f"{label}_label_y{i}"] = (
            points[at] if beside[at] < 0.5 else gap[0]
        )
        pieces += [part for line in lines for part in (line, gap)]
    joined = np.concatenate(pieces)
    return {f"{label}_level_x": joined[:, 0], f"{label}_level_y": joined[:, 1], **places}
