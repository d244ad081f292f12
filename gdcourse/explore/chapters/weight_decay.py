"""Weight decay: what is left of a weight, with the decay in Adam's gradient and beside its step; and where
the two come to rest on a bowl."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.experiments import AdamL2, descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Scrubber, Slider, style, views
from gdcourse.explore.views import in_views
from gdcourse.problems import Noise, Quadratic
from gdcourse.rules import AdamW

RATE, STEPS, EVERY, PAIRS = 0.01, 2000, 50, 100
T = np.arange(0, STEPS + 1, EVERY)
SCALES = np.round([m * 10.0**e for e in range(-2, 3) for m in (1, 2, 5)] + [1000.0], 2)  # five decades
DECAYS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
CURVE = 10.0 ** np.arange(-2, 5.01, 0.125)  # s/λ, for the curves over all s
GOALS = np.arange(1.0, 13.0)
LONG, SHOWN = 8000, 100  # steps on the bowl, and every which of them is drawn
REACH = (0.0, 13.0)  # of θ on the bowl


def weight_decay() -> Figure:
    """What is left of a weight of 1 whose gradients are noise around zero, over the steps and over the
    noise's size, with the decay in Adam's gradient (the mean of 200 weights) and beside its step (the exact
    mean, (1 − ηλ)^t); and where the two end on a bowl without noise.

    η = 0.01; noise of standard deviation 0.01 to 1,000, 100 draws and the same with the other sign; 2,000
    steps. The bowl is ½(θ − θ*)², from 0, for 8,000 steps.
    """
    over_all_scales = left_in_the_gradient(CURVE).T

    def compute(decay: np.ndarray, scale: np.ndarray, goal: np.ndarray) -> Arrays:
        # Adam does not notice a factor that all of its gradients have in common: s/λ decides
        ratios, which = np.unique(np.round(scale / decay, 6)[..., 0], return_inverse=True)
        inside = left_in_the_gradient(ratios)[which.reshape(decay.size, scale.size)][:, :, None]
        beside = (1 - RATE * decay[..., None]) ** T
        paths = {name: on_the_bowl(kind, decay, goal) for name, kind in KINDS.items()}
        ends = {name: on_the_bowl(kind, decay, GOALS)[..., -1] for name, kind in KINDS.items()}
        held = goal > 1 / decay
        return {
            **in_views("left", "bowl", computed=3),
            "inside": inside,
            "beside": beside,
            "curve_x": CURVE * decay[..., None, None] + 0 * T[:, None],
            "curve": over_all_scales[None, None, None],
            "level": beside[..., None] + 0 * CURVE,
            "s": scale[..., None] + 0 * T,
            **{f"{name}_path": path for name, path in paths.items()},
            **{f"{name}_end": path[..., -1] for name, path in paths.items()},
            **{f"{name}_ends": end[:, :, None] for name, end in ends.items()},
            "goal_at": goal + 0 * decay,
            "goal_of_l2": goal / (1 + decay),
            "bound": np.where(1 / decay <= REACH[1], 1 / decay, np.nan),
            "held": np.where(held, 1 / decay, np.nan),
            "free": np.where(held, np.nan, 1 / decay + 0 * goal),
        }

    l2, adamw = style("Adam"), style("AdamW")
    view, on = views("Noise alone", "A bowl, no noise")
    left_axis = Axis(label="what is left of 1", domain=(-0.1, 1.1))
    ring: dict[str, Any] = {"at": ["t"], "color": l2["color"], "shape": "ring", "size": 5}
    return Figure(
        name="figure-weight-decay",
        title="Decay in the gradient, and decay beside the step",
        controls=[
            view,
            Scrubber(name="t", label="step", values=T, start=len(T) - 1, format="d", when=on[0]),
            Slider(
                name="scale",
                label="s, size of the gradients",
                values=SCALES,
                start=int(np.argmin(abs(SCALES - 10))),
                format="g",
                when=on[0],
            ),
            Slider(name="goal", label="θ*, the minimum", values=GOALS, start=5, format="g", when=on[1]),
            Slider(name="decay", label="λ, weight decay", values=DECAYS, start=3, format="g"),
        ],
        compute=compute,
        tries=[
            "drag s, the size of the gradients, from end to end: which curve does not care?",
            "raise λ. Decay beside the step lets θ arrive, until 1/λ comes before θ*.",
        ],
        rows=[
            [
                Panel(
                    title="a weight, in the mean",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=left_axis,
                    height=200,
                    when=on[0],
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(x=T.tolist(), y="inside", **l2, upto="t", label="in the gradient"),
                        Line(x=T.tolist(), y="beside", **adamw, upto="t", label="beside"),
                    ],
                ),
                Panel(
                    title="left at step {t}, for all s",
                    x=Axis(label="s, size of the gradients", domain=(0.007, 1500), log=True),
                    y=left_axis,
                    height=200,
                    when=on[0],
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(x="curve_x", y="curve", at=["t"], **l2, label="in the gradient"),
                        Line(x="curve_x", y="level", at=["t"], **adamw, label="beside"),
                        Dots(x="s", y="inside", **ring),
                        Dots(x="s", y="beside", **ring),
                    ],
                ),
                Panel(
                    title="on the way to θ* = {goal}",
                    x=Axis(label="step", domain=(0, LONG)),
                    y=Axis(label="θ", domain=REACH),
                    height=200,
                    when=on[1],
                    marks=[
                        Rule(y="goal_at", color="ink", label="θ*"),
                        Rule(y="bound", color="faint", label="1/λ"),
                        Line(x=BOWL_T.tolist(), y="l2_path", **l2, label="in the gradient"),
                        Line(x=BOWL_T.tolist(), y="adamw_path", **adamw, label="beside"),
                    ],
                ),
                Panel(
                    title=f"θ after {LONG:,} steps, for all θ*",
                    x=Axis(label="θ*", domain=REACH),
                    y=Axis(label="θ", domain=REACH),
                    height=200,
                    when=on[1],
                    marks=[
                        Rule(y="bound", color="faint", label="1/λ"),
                        Line(x=GOALS.tolist(), y="l2_ends", **l2, label="in the gradient"),
                        Line(x=GOALS.tolist(), y="adamw_ends", **adamw, label="beside"),
                        Dots(x="goal_at", y="l2_end", shape="ring", size=5, color=l2["color"]),
                        Dots(x="goal_at", y="adamw_end", shape="ring", size=5, color=l2["color"]),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_left@view:?}s = {scale}, λ = {decay}, step {t}: decay in the gradient leaves "
            "{inside@t:.2f} of 1, beside the step {beside@t:.2f}.",
            f"{{in_bowl@view:?}}θ* = {{goal}}, λ = {{decay}}: after {LONG:,} steps θ is {{l2_end:.2f}} with "
            "decay in the gradient, {adamw_end:.2f} beside the step.",
        ],
        caption=[
            (
                "{in_left@view:?}Gradients are noise of size s; θ starts at 1. Beside Adam's step, decay "
                "shrinks all weights alike. In the gradient √v̂ divides it, too: large s leaves little "
                "decay; at s far below λ, θ first falls by about η a step."
            ),
            "{in_bowl@view:?}{free:?}The loss is ½(θ − θ*)². In the gradient decay moves the minimum, to "
            "{goal_of_l2:.2f}. Beside the step it does not: θ makes for θ*, slowly at the end, as long as "
            "θ* is not beyond 1/λ.",
            "{in_bowl@view:?}{held:?}The loss is ½(θ − θ*)². In the gradient decay moves the minimum, to "
            "{goal_of_l2:.2f}. Beside the step it sets a bound: a steady pull to θ* is a step of η, and at "
            "1/λ = {held:.3g} decay takes as much.",
        ],
        alt="Two panels at gradients of size {scale} and λ {decay}. Over 2,000 steps a weight of 1 falls "
        "to {beside@t:.2f} with decay beside the step, and only to {inside@t:.2f} with decay in the "
        "gradient. Over the size of the gradients, at the last step: beside the step a level line; in "
        "the gradient a curve that climbs from zero, for small gradients, to nearly one, for large.",
        encoding={
            **dict.fromkeys(("inside", "beside", "curve", "level"), Encoding(bits=8, clip=(-0.1, 1.0))),
            "curve_x": Encoding(log=True),
            **{f"{name}_{what}": Encoding(bits=8) for name in KINDS for what in ("path", "ends", "end")},
        },
        fixed={
            "eta": RATE,
            "noise": f"normal, mean 0, standard deviation s; {PAIRS} draws, with both signs",
            "start": "1; on the bowl 0",
            "bowl": "½(θ − θ*)²",
            "steps": STEPS,
            "steps on the bowl": LONG,
        },
    )


KINDS: dict[str, type[AdamL2] | type[AdamW]] = {"l2": AdamL2, "adamw": AdamW}
BOWL_T = np.arange(0, LONG + 1, SHOWN)


def left_in_the_gradient(ratios: np.ndarray) -> np.ndarray:
    """The mean of weights that start at 1 and get nothing but noise, with the decay in the gradient, at the
    steps T: shape (ratios, steps). The noise is so many times λ large. Each draw comes with both signs, so
    that the noise itself moves the mean little."""
    signed = ratios[:, None, None] * np.array([[1.0], [-1.0]])
    rule, start = AdamL2(RATE, weight_decay=1.0), np.ones((len(ratios), 2, PAIRS))
    theta = descend(rule, Noise(signed), start, STEPS, seed=np.arange(PAIRS)).theta
    return np.moveaxis(theta[::EVERY].mean((-2, -1)), 0, -1)


def on_the_bowl(kind: type[AdamL2] | type[AdamW], decay: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """θ on the way from 0 to each goal, for each λ, every so many steps, which come last."""
    start = np.zeros(np.broadcast_shapes(np.shape(decay), np.shape(goal)))
    theta = descend(kind(RATE, weight_decay=decay), Quadratic(1.0, minimum=goal), start, LONG).theta
    return np.moveaxis(theta[::SHOWN], 0, -1)
