"""RMSProp: what forgetting gives, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.experiments import Run, descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Area, Axis, Dots, Line, Panel, Rule, Slider, Text, Views, style
from gdcourse.problems import Slope
from gdcourse.rules import Adagrad, RMSProp

STEPS, FROM, TO = 450, 150, 300
RATES, GONE = (0.2, 120.0), (-20.0, 510.0)  # the ends of two axes, for the first series and
ASTRAY_RATES, ASTRAY = (0.5, 20.0), (-6.0, 110.0)  # for the second one: only the shortest memories go beyond
SMALL, CANCEL, EVERY = range(3)  # the views: each series, and all γ
GAMMAS = np.array([0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99])
T = np.arange(1, STEPS + 1)
STREAMS = {
    "large, then ten times smaller, then large": np.where((T > FROM) & (T <= TO), 0.1, 1.0),
    "nine of +0.1 for each one of −0.9": np.where(T % 10 == 5, -0.9, 0.1),
}


class Given(Slope):
    """Gradients that are given, one for each step, wherever θ is."""

    def __init__(self, gradients: np.ndarray) -> None:
        super().__init__(1.0)
        self.gradients = gradients

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return self.gradients[:steps]

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return sample + 0 * theta


def rmsprop() -> Figure:
    """The learning rate in effect and the distance gone over 450 steps, for two series of gradients; and over
    γ, the distance gone on small gradients and the distance gone astray.

    The gradients are 1, from step 151 to 300 0.1, then 1 again; or 0.1 nine times for each −0.9. RMSProp has
    η = 1 and γ from 0 to 0.99. Adagrad's η is such that it goes as far over the first 150 gradients of 1 as
    RMSProp with γ = 0.
    """
    large_small = next(iter(STREAMS.values()))
    first = descend(RMSProp(1.0, 0.0), Given(large_small), start=0.0, steps=FROM).theta[-1]
    lr = float(first / descend(Adagrad(1.0), Given(large_small), start=0.0, steps=FROM).theta[-1])

    def middle(rule: Any, gradients: np.ndarray) -> np.ndarray:
        """How far θ goes over steps 151 to 300."""
        theta = walk(rule, gradients).theta
        return theta[FROM] - theta[TO]

    forward, astray = (middle(RMSProp(1.0, GAMMAS), gradients) for gradients in STREAMS.values())
    forward_sum, astray_sum = (middle(Adagrad(lr), gradients) for gradients in STREAMS.values())

    def compute(gamma: np.ndarray, stream: np.ndarray) -> Arrays:
        streams = list(STREAMS.values())
        gradients = [streams[min(i, CANCEL)] for i in stream.ravel()]  # what all γ share shows no series
        forgets = [walk(RMSProp(1.0, gamma[:, 0]), series) for series in gradients]
        never = [walk(Adagrad(lr), series) for series in gradients]
        gone = np.stack([-run.theta.T for run in forgets], 1)
        gone_sum = np.stack([-run.theta for run in never])[None]
        went = gone[..., TO] - gone[..., FROM]
        went_sum = gone_sum[..., TO] - gone_sum[..., FROM]
        return {
            "gone": gone,
            "gone_sum": gone_sum,
            "rate": np.stack([in_effect(run) for run in forgets], 1),
            "rate_sum": np.stack([in_effect(run) for run in never])[None],
            "forward_here": np.where(stream == SMALL, went, np.nan),
            "forward_sum_here": np.where(stream == SMALL, went_sum, np.nan),
            "astray_here": np.where(stream == CANCEL, went, np.nan),
            "astray_sum_here": np.where(stream == CANCEL, went_sum, np.nan),
            "off": np.where((stream == CANCEL) & (gone[..., -1] > ASTRAY[1]), gone[..., -1], np.nan),
            **{
                f"{name}_at": np.where(stream == EVERY, middle(RMSProp(1.0, gamma), series), np.nan)
                for name, series in zip(("forward", "astray"), streams, strict=True)
            },
            **{
                f"{name}_{which}": np.array([[pick(ways)]])
                for name, ways in (("forward", forward), ("astray", astray))
                for which, pick in (("most", np.max), ("least", np.min))
            },
            "forward": forward[None, None],
            "astray": astray[None, None],
            "forward_sum": np.array([[forward_sum]]),
            "astray_sum": np.array([[astray_sum]]),
            "lr": np.array([[lr]]),
            "place": np.interp(gamma, GAMMAS, np.arange(len(GAMMAS))) + 0 * stream,
            "end": gone[..., -1],
            "end_sum": gone_sum[..., -1],
        }

    own, sums = style("RMSProp"), style("Adagrad")
    color = own["color"]
    last = len(GAMMAS)
    on = [{"stream": (view,)} for view in range(3)]
    shade: dict[str, Any] = {"x": [FROM, TO, TO, FROM], "color": "faint"}
    step_axis = Axis(label="step", domain=(0, STEPS))

    def two_panels(view: int, rates: tuple[float, float], gone: tuple[float, float]) -> list[Panel]:
        """The rate and the distance gone, for one of the series."""
        small = view == SMALL
        return [
            Panel(
                title="step over gradient",
                x=step_axis,
                y=Axis(label="learning rate in effect", domain=rates, log=True),
                height=200,
                when=on[view],
                marks=[
                    *([Area(y=np.repeat(rates, 2).tolist(), **shade)] if small else []),
                    *([Text(x=225, y=70, text="small gradients", anchor="middle")] if small else []),
                    Line(y="rate_sum", **sums, label="Adagrad"),
                    Line(y="rate", **own, label="RMSProp"),
                ],
            ),
            Panel(
                title="distance gone, −θ" if small else "distance gone astray, −θ",
                x=step_axis,
                y=Axis(label="−θ, in RMSProp's η", domain=gone),
                height=200,
                when=on[view],
                marks=[
                    *([Area(y=np.repeat(gone, 2).tolist(), **shade)] if small else []),
                    Rule(y=0.0, color="faint"),
                    Line(y="gone_sum", **sums, label="Adagrad"),
                    Line(y="gone", **own, label="RMSProp"),
                    Text(x=440, y=20, text="RMSProp: {off:.0f} at the end", color=color, anchor="end"),
                ],
            ),
        ]

    return Figure(
        name="figure-rmsprop",
        title="What forgetting gives, and what it costs",
        controls=[
            Views(
                name="stream",
                label="the gradients",
                values=range(3),
                texts=["Small for a while", "Gradients that cancel", "Every γ"],
            ),
            Slider(name="gamma", label="γ, RMSProp's memory", values=GAMMAS, start=4, format=".2f"),
        ],
        compute=compute,
        tries=[
            "raise γ to 0.99: does RMSProp's rate still come to 10 while the gradients are small?",
            "lower γ to 0, the shortest memory, and watch RMSProp stray.",
            "move the rings: what is best on one curve is worst on the other.",
        ],
        rows=[
            [
                *two_panels(SMALL, RATES, GONE),
                *two_panels(CANCEL, ASTRAY_RATES, ASTRAY),
                Panel(
                    title=f"distance gone, steps {FROM + 1}–{TO}",
                    x=Axis(
                        label="γ; Adagrad never forgets",
                        domain=(-0.4, last + 0.6),
                        ticks=[*((i, f"{g:g}") for i, g in enumerate(GAMMAS)), (last, "Adagrad")],
                    ),
                    y=Axis(label="−θ, in RMSProp's η", domain=(0.1, 600), log=True),
                    height=200,
                    when=on[EVERY],
                    marks=[
                        Line(y="forward", **own, dots=3),
                        Line(y="astray", **{**own, "marker": "circle"}, dots=3),
                        Dots(x=last, y="forward_sum", color=color, shape="triangle"),
                        Dots(x=last, y="astray_sum", color=color),
                        Dots(x="place", y="forward_at", shape="ring", size=6),
                        Dots(x="place", y="astray_at", shape="ring", size=6),
                        Text(x=3.2, y=310, text="forward, on small gradients", color=color, anchor="middle"),
                        Text(x=-0.2, y=1.3, text="astray, where they cancel", color=color),
                    ],
                ),
            ],
        ],
        readouts=[
            f"Over steps {FROM + 1} to {TO} RMSProp with γ = {{gamma}} goes {{forward_here:.3g}} η forward, "
            f"Adagrad {{forward_sum_here:.2g}}.",
            f"Over steps {FROM + 1} to {TO} RMSProp with γ = {{gamma}} goes {{astray_here:.3g}} η astray, "
            f"Adagrad {{astray_sum_here:.2g}}.",
            f"Over steps {FROM + 1} to {TO}, with γ = {{gamma}}: {{forward_at:.3g}} η forward, "
            f"{{astray_at:.3g}} η astray.",
        ],
        caption=[
            "{forward_here:?}Gradients of 1, then of 0.1 in the shaded steps, then of 1. RMSProp forgets "
            "the large ones, the sooner the smaller γ; Adagrad adds them up. Up to the shade its η takes it "
            "as far as RMSProp with γ = 0.",
            "{astray_here:?}Nine gradients of 0.1 for each one of −0.9: they sum to zero, and θ should "
            "stay. The shorter the memory, the more alike are the steps that a large gradient and a small "
            "one make.",
            "{forward_at:?}The same memory decides how far RMSProp gets on small gradients, and how far it "
            "strays where they cancel. With a longer one the first gets worse, the second better. There is "
            "no noise.",
        ],
        alt="Two panels for RMSProp with γ {gamma} and for Adagrad, with gradients that are ten times "
        "smaller from step 151 to 300. RMSProp's rate rises tenfold within some seventy steps and "
        "falls back at once; Adagrad's only falls. RMSProp keeps its pace, Adagrad nearly stands "
        "still: {forward_here:.3g} η against {forward_sum_here:.2g}.",
        encoding={
            "rate": Encoding(bits=8, log=True, clip=(0.1, 120)),
            "rate_sum": Encoding(bits=8, log=True, clip=(0.1, 120)),
        },
        fixed={"eta": 1.0, "adagrad_eta": lr, "steps": STEPS},
    )


def walk(rule: Any, gradients: np.ndarray) -> Run:
    return descend(rule, Given(gradients), start=0.0, steps=STEPS)


def in_effect(run: Run) -> np.ndarray:
    """Step over gradient at each step, runs first; none at step 0."""
    rate = ((run.theta[:-1] - run.theta[1:]) / run.grad).T
    return np.concatenate([np.full((*rate.shape[:-1], 1), np.nan), rate], -1)
