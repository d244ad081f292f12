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
from gdcourse.explore.parts import Axis, Dots, Line, Mark, Panel, Scrubber, Text, Views, style
from gdcourse.figures import title
from gdcourse.problems import Network, digits
from gdcourse.rules import METHODS

NAMES = ("GradientDescent", "Momentum", "Adagrad", "Adam")
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
STEPS, EXAMPLES, GRID = 60, 1500, 33
AT = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 45, 50, 55, 60])
RANDOM, FITTED, LINE, TWIN = range(4)
SLICES = ("Plane at random", "Plane fitted to the paths", "Line to another solution", "Line to a twin")
FRAMES = {"random": ((-1.24, 1.24), (-0.88, 0.88)), "fitted": ((-6.0, 9.5), (-4.5, 6.5))}
LEVELS = {"random": (0.35, 0.4, 0.5, 0.7, 1.0, 1.4), "fitted": (0.35, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0)}
# labels of level lines stand where these rays cross them: from a point, in a direction
RAYS = {"random": ((0.0, 0.0), (1.0, -0.35)), "fitted": ((6.5, 1.2), (0.2, -1.0))}
SHARES = np.round(np.arange(-0.1, 1.21, 0.05), 2)  # of the way from one end of a line to the other
ALIKE = 0.005  # nats


def why_it_matters(paths: Mapping[str, torch.Tensor] | None = None, network: Network | None = None) -> Figure:
    """Four trainings from one start on a random plane, on the plane fitted to their paths, and on two lines
    from one solution to another; beside them each path's true loss and the slice's loss at its shadow.

    The network 784–32–10 is trained on the digits for 60 steps with mini-batches of 64, seed 0, each method
    at its usual learning rate. The loss is taken over 1,500 training examples. Surfaces have 33 × 33 points,
    lines 27; 24 of the 61 points of each path are drawn, all count for the fit and for the shares.

    Parameters
    ----------
    paths : the trainings' parameters after every step, shape (steps + 1, P), by the methods' names, if they
        are at hand, two to six of them. Default: those four, which are trained.
    network : what was trained, with one hidden layer. Default 784–32–10.

    The plane at random goes through Adam's end, and both lines start there; without Adam among the paths, it
    is the last method's.

    Raises
    ------
    ValueError : fewer than two paths or more than six, paths of different lengths, a path that diverged, or
        another number of hidden layers.
    """
    net = network or Network()
    names = NAMES if paths is None else tuple(paths)
    steps = STEPS if paths is None else _steps(paths, net)
    at = np.unique((AT * steps / STEPS).round().astype(int))  # the steps that are drawn
    hero = "Adam" if "Adam" in names else names[-1]
    other = names[0] if names[0] != hero else names[1]
    orders = [", ".join(title(names[i]) for i in order) for order in permutations(range(len(names)))]
    two = ("Adagrad", "Momentum") if {"Adagrad", "Momentum"} <= {*names} else (other, hero)  # told in words
    told = ["momentum" if name == "Momentum" else title(name) for name in two]
    front = sorted(names, key=lambda name: (*BACK_TO_FRONT, *names).index(name))
    many = NUMBERS[len(names)]

    @cache  # no control changes it, and live widgets ask again at every move
    def paths_and_slices() -> tuple[list[torch.Tensor], list[Plane]]:
        every = [_path(net, name) if paths is None else paths[name] for name in names]
        adam, descent = (every[names.index(name)][-1] for name in (hero, other))
        return every, [
            random_plane(net, adam, seed=0),
            principal_plane(torch.cat(every)),
            Plane(adam, (descent - adam)[None]),
            Plane(adam, (_twin(net, adam) - adam)[None]),
        ]

    def frame(label: str) -> tuple[tuple[float, float], tuple[float, float]]:
        """What a map shows: more than usual where paths lead farther."""
        if paths is None or label == "random":
            return FRAMES[label]
        every, slices = paths_and_slices()
        far = slices[FITTED].coordinates(torch.cat(every)).numpy()
        low, high = far.min(0) - 1, far.max(0) + 1
        (left, right), (bottom, top) = FRAMES[label]
        return (min(left, low[0]), max(right, high[0])), (min(bottom, low[1]), max(top, high[1]))

    @cache
    def compute() -> Arrays:
        data = digits()
        every, slices = paths_and_slices()
        start = every[0][0]
        x, y = data.train.x[:EXAMPLES].to(start), data.train.y[:EXAMPLES]
        drawn = torch.stack(every)[:, at]  # (methods, steps, P)
        shadows = [one.coordinates(drawn) for one in slices]
        true = net.loss(drawn, x, y).numpy()
        seen = np.stack(
            [net.loss(one.at(there), x, y).numpy() for one, there in zip(slices, shadows, strict=True)]
        )
        way = torch.as_tensor(SHARES).to(start)[:, None]
        between = [net.loss(one.at(way), x, y).numpy() for one in slices[LINE:]]
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
        for i, name in enumerate(names):
            arrays[f"{name}_true"], arrays[f"{name}_seen"] = np.broadcast_arrays(true[i], seen[:, i])
            arrays[f"{name}_share"] = np.array(
                [100 * Plane(start, one.axes).captured(every[i]) for one in slices]
            )
            for which in (RANDOM, FITTED):
                arrays[f"{name}_x{which}"], arrays[f"{name}_y{which}"] = shadows[which][i].T.numpy()
            lines = [shadows[which][i, :, 0].numpy() for which in (LINE, TWIN)]
            arrays[f"{name}_way"] = np.stack([np.full(len(at), np.nan)] * 2 + lines)
        for label, which in (("random", RANDOM), ("fitted", FITTED)):
            arrays |= _levels(label, frame(label), net, slices[which], x, y)
        return arrays

    return Figure(
        name="figure-why-it-matters",
        title=f"{many.capitalize()} trainings, four slices: which slice lies?",
        controls=[
            Views(name="slice", label="the slice", values=range(len(SLICES)), texts=SLICES, start=RANDOM),
            Scrubber(name="step", label="step", values=at, start=len(at) - 1, format="d"),
        ],
        compute=compute,
        tries=[
            f"find the {many} paths: they are all in one spot. Then go on to the plane fitted to them.",
            "play, and watch on the right where a path leaves the dashed line.",
            "play: a ring is the loss shown, a curve the true one. Is it ever the lower?",
            "compare the two ends: one network, its units in another order.",
        ],
        rows=[
            [
                _map(
                    "random",
                    RANDOM,
                    frame("random"),
                    ["along a random direction, in network lengths", "along another"],
                    # the labels would stand on one spot
                    {name: f"all {many} paths, whole" if name == hero else "" for name in front},
                ),
                _map(
                    "fitted",
                    FITTED,
                    frame("fitted"),
                    ["first fitted axis, length in parameter space", "second"],
                    {name: title(name) for name in front},
                ),
                Panel(
                    title="loss on the line",
                    x=Axis(
                        label=f"share of the way from {title(hero)}'s end", domain=(SHARES[0], SHARES[-1])
                    ),
                    y=NATS,
                    height=235,
                    weight=1.35,
                    when={"slice": (LINE, TWIN)},
                    marks=[
                        *(
                            Line(x=SHARES.tolist(), y="between", at=("slice",), when={"slice": (which,)})
                            for which in (LINE, TWIN)
                        ),
                        *(mark for name in front for mark in _on_line(name)),
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
                        *(mark for name in front for mark in _true_and_shown(name)),
                        *(
                            Text(x=0.28, y=2.4 * 0.84**i, text=title(name), color=style(name)["color"])
                            for i, name in enumerate(names)
                        ),
                    ],
                ),
            ]
        ],
        readouts=[
            "Of each path's squared displacement this slice holds: "
            + ", ".join(f"{title(name)} {{{name}_share@slice:.2g}} %" for name in names)
            + ".",
            "Best to worst after step {step}: in truth {order_true@slice,step|orders}; by the slice "
            "{order_seen@slice,step|orders}.",
            "Best to worst after step {step}, in truth and by the slice: {order_both@slice,step|orders}.",
            "Best to worst after step {step}: in truth {order_true@slice,step|orders}; by the slice all "
            "alike, {alike@slice,step:.3f}.",
            f"After step {{step}} all {many} have one true loss, {{tied@slice,step:.3f}}; the slice shows "
            f"{{tied_seen@slice,step:.3f}}.",
        ],
        caption=[
            (
                "A colour is a training, shown at its shadow, the slice's nearest point. On the dashed "
                "line both losses agree."
            ),
            f"After step {{step}} {told[0]} is at {{{two[0]}_true@slice,step:.3f}} and shown at "
            f"{{{two[0]}_seen@slice,step:.3f}}.",
            "{first@slice:?}At its highest, ends included, the line's curve is at {hill@slice:.2f}.",
            "{twin@slice:?}Both ends are one network; the far one has its units in another order.",
        ],
        alt=f"Left, level lines of the loss over a plane at random, with all {many} paths in one spot in "
        f"its middle. Right, the loss that the plane shows at each path's shadow over the path's true loss, "
        f"with a dashed diagonal: whatever the true loss, the plane shows nearly the same. Three other "
        f"slices can be chosen: a plane fitted to the paths, and the straight lines from {title(hero)}'s end "
        f"to {title(other)}'s and to that of the same network with its units in another order.",
        encoding={
            "between": Encoding(bits=8, log=True),
            **{f"{name}_{part}": Encoding(log=True) for name in names for part in ("true", "seen")},
        },
        texts={"orders": orders},
        fixed={
            "network": f"{'-'.join(map(str, net.sizes))}, on the digits, seed 0, mini-batches of 64",
            "loss over": f"{EXAMPLES} training examples",
            "learning rates": {name: METHODS[name].usual for name in names if name in METHODS},
        },
    )


NATS = Axis(
    label="loss, nats", domain=(0.25, 3.0), log=True, ticks=[(0.3, "0.3"), (0.5, "0.5"), (1, "1"), (2, "2")]
)
BACK_TO_FRONT = ("Momentum", "GradientDescent", "Adagrad", "Adam")


# ------------------------------------------------------------------------------------- what is drawn


def _map(
    label: str,
    which: int,
    shown: tuple[tuple[float, float], ...],
    axes: list[str],
    called: Mapping[str, str],
) -> Panel:
    """Level lines over a plane, and the paths' shadows on it, with what each is called."""
    wide, tall = shown
    return Panel(
        title="loss over the plane, in nats",
        x=Axis(label=axes[0], domain=wide),
        y=Axis(label=axes[1], domain=tall),
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
            *(mark for name, label in called.items() for mark in _shadow(name, which, label)),
        ],
    )


def _shadow(name: str, which: int, label: str) -> list[Mark]:
    own, color = style(name), style(name)["color"]
    x, y = f"{name}_x{which}", f"{name}_y{which}"
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


def _steps(paths: Mapping[str, torch.Tensor], network: Network) -> int:
    """How many steps some paths have; raises for those that the figure cannot show."""
    if len(paths) not in NUMBERS:
        raise ValueError(f"the figure shows from two to six paths, got {len(paths)}")
    if len(network.sizes) != 3:
        raise ValueError(
            f"the figure needs a network with one hidden layer, as 784–32–10; got sizes {network.sizes}"
        )
    lengths = {len(path) for path in paths.values()}
    if len(lengths) > 1 or min(lengths) < 2:
        raise ValueError(f"the figure needs paths of as many steps each; they have {sorted(lengths)} points")
    for name, path in paths.items():
        if not path.isfinite().all():
            raise ValueError(f"the path of {name} diverged: the figure needs a smaller learning rate for it")
    return lengths.pop() - 1


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
    """The position among all orders of the methods of the one from the smallest loss to the largest."""
    return list(permutations(range(len(losses)))).index(tuple(np.argsort(losses, kind="stable").tolist()))


def _levels(
    label: str,
    shown: tuple[tuple[float, float], ...],
    network: Network,
    plane: Plane,
    x: torch.Tensor,
    y: torch.Tensor,
) -> Arrays:
    """Level lines over a plane as one line that breaks between them, and where their labels stand."""
    a, b = (np.linspace(*side, GRID) for side in shown)
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
