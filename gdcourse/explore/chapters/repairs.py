"""Repairs of Adam: a slope seen through rare large gradients, on which Adam walks uphill with some β₂; and
what each repair does there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gdcourse.experiments import descend
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Choice, Dots, Line, Panel, Rule, Slider, Text, style
from gdcourse.problems import Rare
from gdcourse.rules import ADOPT, AdaBelief, Adam, AdEMAMix, AMSGrad, Cautious, Clipped, NAdam

EVERY = np.array([10, 30, 100])
SLOPES = np.array([0.2, 1.0, 3.0])
BETA2S = 1 - np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 3e-4, 1e-4])
SHOWN, STRIDE = 300, 6  # steps of the path, and every which of them is drawn
WARM, LONG, RUNS = 500, 1500, 48  # steps not counted, steps in all, runs of which the mean is taken
SEEN = 0.03  # the least mean step uphill, in η, that the caption counts: below it chance decides
T = np.arange(0, SHOWN + 1, STRIDE)
FAR = (-110.0, 210.0)  # of θ on the path, in η
FAST = (-0.75, 1.05)  # of the mean step, in η
TICKS = [(0.9, "0.1"), (0.1, "0.9"), (0.01, "0.99"), (1e-3, "0.999"), (1e-4, "0.9999")]


class Unbounded(ADOPT):
    """ADOPT as first published, without a bound on n."""

    def at(self, t: Any) -> dict[str, Any]:
        return {**super().at(t), "bound": 1e300}


REPAIRS: dict[str, Callable[..., Any]] = {
    "AMSGrad": AMSGrad,
    "ADOPT": ADOPT,
    "ADOPT, no bound": Unbounded,
    "AdaBelief": AdaBelief,
    "NAdam": NAdam,
    "AdEMAMix": AdEMAMix,
    "Cautious": lambda lr, beta2: Cautious(Adam(lr, beta2=beta2)),
    "clipping at 1": lambda lr, beta2: Clipped(Adam(lr, beta2=beta2)),
}


def repairs() -> Figure:
    """Adam and one of its repairs on a slope whose gradient is large on one step in 10 to 100 and −1 on the
    others: a run, and the mean step over β₂.

    β₁ = 0.9 and the other defaults. The run: 300 steps. The mean step: of steps 501 to 1,500 of 48 runs.
    """

    def compute(every: np.ndarray, slope: np.ndarray, repair: np.ndarray) -> Arrays:
        problem = (every[..., 0, None], slope[..., 0, None])  # β₂ comes last
        chosen = [list(REPAIRS.values())[i] for i in repair.ravel()]
        adam, adam_path = walked(Adam, *problem)
        repaired, repaired_path = zip(*(walked(kind, *problem) for kind in chosen), strict=True)
        uphill = np.where(adam > SEEN, BETA2S, np.nan)
        walks_up = np.isfinite(uphill).any(-1)
        least = np.where(np.isnan(uphill), 2, uphill).min(-1)
        most = np.where(np.isnan(uphill), 0, uphill).max(-1)
        return {
            "adam": adam[:, :, None],
            "repaired": np.stack(repaired, 2),
            "adam_path": adam_path[:, :, None],
            "repaired_path": np.stack(repaired_path, 2),
            "large": every * (1 + slope) - 1,
            "forgets": (1 - BETA2S)[None, None, None],
            "from": np.where(walks_up, least, np.nan)[..., None],
            "to": np.where(walks_up, most, np.nan)[..., None],
            "never": np.where(walks_up, np.nan, 1.0)[..., None],
        }

    before = style("Adam")
    after: dict[str, Any] = {"color": style("AMSGrad")["color"], "dash": "dashed"}
    ring: dict[str, Any] = {"at": ["beta2"], "shape": "ring", "size": 5}
    return Figure(
        name="figure-repairs",
        title="A slope, seen through rare large gradients",
        controls=[
            Choice(name="repair", label="beside Adam", values=range(len(REPAIRS)), texts=list(REPAIRS)),
            Slider(name="every", label="large on one step in", values=EVERY, start=2, format="d"),
            Slider(name="slope", label="slope, the mean gradient", values=SLOPES, start=1, format="g"),
            Slider(
                name="beta2",
                label="β₂",
                values=BETA2S,
                start=5,
                texts=[f"{beta2:.6g}" for beta2 in BETA2S],
            ),
        ],
        compute=compute,
        tries="move β₂ until Adam turns round. Which repairs never walk uphill?",
        rows=[
            [
                Panel(
                    title="one run, β₂ = {beta2}",
                    x=Axis(label="step", domain=(0, SHOWN)),
                    y=Axis(label="θ, in η", domain=FAR),
                    height=210,
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(x=T.tolist(), y="adam_path", at=["beta2"], color=before["color"]),
                        Line(x=T.tolist(), y="repaired_path", at=["beta2"], **after),
                        Text(text="Adam", x=8, y=180, color=before["color"]),
                        Text(text="{repair}", x=8, y=-95, color=after["color"]),
                    ],
                ),
                Panel(
                    title="the mean step, for all β₂",
                    x=Axis(label="β₂", domain=(1.0, 3e-5), log=True, ticks=TICKS),
                    y=Axis(label="mean step, in η", domain=FAST),
                    height=210,
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Line(x=(1 - BETA2S).tolist(), y="adam", color=before["color"]),
                        Line(x=(1 - BETA2S).tolist(), y="repaired", **after),
                        Dots(x="forgets", y="adam", **ring, color=before["color"]),
                        Dots(x="forgets", y="repaired", **ring, color=after["color"]),
                        Text(text="uphill", x=5e-5, y=0.6, anchor="end"),
                        Text(text="downhill", x=5e-5, y=-0.66, anchor="end"),
                    ],
                ),
            ],
        ],
        readouts=[
            "With β₂ = {beta2} the mean step of Adam is {adam@beta2:.2g} η, that of {repair} "
            "{repaired@beta2:.2g} η.",
        ],
        caption=[
            "On one step in {every} the gradient is {large:.0f}, else −1. The mean is {slope}, so the way "
            "down is to smaller θ.",
            "{from:?}Adam walks up, by more than 0.03 η a step, with β₂ from {from:.4g} to {to:.4g} of "
            "those on the slider.",
            "{never:?}Adam walks down with each β₂ on the slider.",
        ],
        alt="Two panels. Left, a run of 300 steps with β₂ of {beta2}: Adam's θ climbs, which is the wrong "
        "way, and that of {repair} hardly moves. Right, the mean step over β₂: Adam's lies above zero, "
        "uphill, for β₂ from {from:.4g} to {to:.4g} and below zero beyond; that of {repair} never lies "
        "above zero.",
        encoding={
            **dict.fromkeys(("adam", "repaired"), Encoding(bits=8, clip=(-0.8, 1.1))),
            **dict.fromkeys(("adam_path", "repaired_path"), Encoding(bits=8, clip=(-120.0, 220.0))),
            "forgets": Encoding(log=True),
        },
        fixed={
            "gradients": "(every · (1 + slope) − 1) with chance 1/every, else −1",
            "beta1": 0.9,
            "path": f"{SHOWN} steps of the first run",
            "mean step": f"of steps {WARM + 1} to {LONG} of {RUNS} runs",
        },
    )


def walked(kind: Callable[..., Any], every: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each β₂ along the last axis θ's mean change at a step, in η, once the averages are warm; and along
    another axis behind it θ at the steps T of the first run, from 0."""
    problem = Rare(every[..., None], (every * (1 + slope) - 1)[..., None])
    start = np.zeros((*np.broadcast_shapes(every.shape, slope.shape, BETA2S.shape), RUNS))
    theta = descend(kind(lr=1.0, beta2=BETA2S[:, None]), problem, start, LONG, seed=np.arange(RUNS)).theta
    return (theta[-1] - theta[WARM]).mean(-1) / (LONG - WARM), np.moveaxis(theta[T, ..., 0], 0, -1)
