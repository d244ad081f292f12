"""Without a schedule, without a rate: one Schedule-Free run beside schedules that know their end; and what
Prodigy finds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.experiments.descend import descend
from gdcourse.experiments.schedules import cosine, linear
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Slider, Text, style, views
from gdcourse.explore.views import in_views
from gdcourse.problems import NoisyQuadratic
from gdcourse.rules import Adam, Prodigy

CURVATURES = 1 / np.arange(1, 201)
BETAS = np.array([0.0, 0.5, 0.7, 0.9])
NOISES = np.array([0.0, 0.1, 0.3, 1.0])
TIMES = np.array([1.0, 0.25, 0.5, 2.0, 4.0])  # the best rate first
ENDS = np.array([50, 100, 200, 400, 800, 1600])
SHOWN = np.unique(np.geomspace(5, ENDS[-1], 61).round().astype(int))  # steps at which a curve has a point
DRAWN = 2e-4, 3.0  # losses outside are not
GRID = 21  # rates, of which the best is taken
D0 = 10.0 ** np.arange(-8, 1)
STEPS = 300  # of Prodigy's runs
EVERY = 5
T = np.arange(0, STEPS + 1, EVERY)
SEEDS = np.arange(3)


def schedule_free() -> Figure:
    """On the noisy bowl of 200 curvatures: the expected loss of one Schedule-Free run at every step, beside
    that of cosines, each at the best peak rate for its own number of steps; and Prodigy's estimate d beside
    Adam's best rate.

    ½ Σ θ_i²/i from θ_i = 1, with noise on the gradient whose standard deviation is 0 … 1 times √(1/i). The
    losses of the first view follow from exact moments; Prodigy and Adam are run, three times.
    """

    def compute(beta: np.ndarray, noise: np.ndarray, times: np.ndarray, end: np.ndarray, d0: np.ndarray) -> Arrays:
        some, sizes = beta.ravel(), noise.ravel()
        which = [int(np.argmin(abs(ENDS - T))) for T in end.ravel()]
        best = tuned_cosines(sizes)
        free, rate = free_runs(some, sizes, times.ravel())
        planned = np.array([[best[n][1][w] for w in which] for n in range(len(sizes))])
        ends = np.array([best[n][0] for n in range(len(sizes))])
        at = np.array([[ends[n, w] for w in which] for n in range(len(sizes))])
        beside = free[..., [int(np.argmin(abs(SHOWN - T))) for T in end.ravel()]]
        estimate, lost, by_adam, adams = untuned(sizes, d0.ravel())
        return {
            **in_views("time", "rate", computed=5),
            "free": free[:, :, :, None, None],
            "eta": rate[:, :, :, None, None],
            "at_end": beside[..., None],
            "over": (beside / at[None, :, None])[..., None],
            "ends": ends[None, :, None, None, None],
            "planned": planned[None, :, None, :, None],
            "planned_end": at[None, :, None, :, None],
            "T": end + 0 * beta,
            "d": estimate[None, :, None, None],
            "d_end": estimate[..., -1][None, :, None, None],
            "lost": lost[None, :, None, None],
            "lost_end": lost[..., -1][None, :, None, None],
            "best": adams[None, :, None, None, None],
            "adam": by_adam[None, :, None, None, None],
            "adam_end": by_adam[..., -1][None, :, None, None, None],
        }

    view, on = views("At any time", "Which rate?")
    own, prodigy, adam = style("ScheduleFreeSGD"), style("Prodigy"), style("Adam")
    steps = Axis(label="step (log)", domain=(5, 1700), log=True)
    losses = Axis(label="expected loss (log)", domain=DRAWN, log=True)
    return Figure(
        name="figure-schedule-free",
        title="One run, and many that know their end",
        controls=[
            view,
            Slider(name="beta", label="β", values=BETAS, start=1, format="g", when=on[0]),
            Slider(name="noise", label="noise σ / √h", values=NOISES, start=3, format="g"),
            Slider(
                name="times",
                label="η",
                values=TIMES[order := np.argsort(TIMES)],
                start=int(np.argmin(abs(TIMES[order] - 1))),
                texts=["best / 4", "best / 2", "best for all T", "2 · best", "4 · best"],
                when=on[0],
            ),
            Slider(name="end", label="a cosine for T", values=ENDS, start=4, format="d", when=on[0]),
            Slider(name="d0", label="d₀", values=D0, start=2, format=".0e", when=on[1]),
        ],
        compute=compute,
        tries=[
            "move β. On which side does the curve leave the dots, and with which noise?",
            "take the noise away.",
            "move T: how does a cosine look before its end?",
        ],
        rows=[
            [
                Panel(
                    title="Schedule-Free —, tuned cosines ◦, one of them - -",
                    x=steps,
                    y=losses,
                    height=280,
                    when=on[0],
                    marks=[
                        Line(x=ENDS.tolist(), y="ends", color="faint", width=1.2),
                        Line(x=SHOWN.tolist(), y="planned", color="grey", dash="dashed", width=1.2),
                        Line(x=SHOWN.tolist(), y="free", color=own["color"], width=2.4),
                        Dots(x=ENDS.tolist(), y="ends", shape="ring", size=5, color="grey"),
                        Dots(x="T", y="planned_end", size=4, color="grey"),
                    ],
                ),
                Panel(
                    title="Prodigy's d",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="d (log)", domain=(5e-9, 4), log=True),
                    height=230,
                    when=on[1],
                    marks=[
                        Rule(y=1.0, color="faint"),
                        Text(text="the way to the minimum", x=STEPS * 0.98, y=1.5, anchor="end"),
                        Rule(y="best", color=adam["color"]),
                        Text(text="Adam's best rate", x=STEPS * 0.98, y=4e-3, anchor="end", color=adam["color"]),
                        Line(x=T.tolist(), y="d", color=prodigy["color"], width=2.2),
                    ],
                ),
                Panel(
                    title="loss: Prodigy —, Adam at that rate - -",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="loss (log)", domain=(2e-3, 5), log=True),
                    height=230,
                    when=on[1],
                    marks=[
                        Line(x=T.tolist(), y="adam", color=adam["color"], dash="dashed"),
                        Line(x=T.tolist(), y="lost", color=prodigy["color"], width=2.2),
                    ],
                ),
            ]
        ],
        readouts=[
            "{in_time@view:?}β = {beta}, η = {eta:.3g}: at step {end} Schedule-Free's loss is {over:.2f} times that of "
            "the cosine tuned for {end} steps.",
            "{in_rate@view:?}d₀ = {d0}: d ends at {d_end:.3g}, the loss at {lost_end:.2g}; Adam's best rate is {best:.2g}, its loss "
            "{adam_end:.2g}.",
        ],
        caption=[
            "{in_time@view:?}Each ring is a run of its own, at the peak rate that is best for its length. The "
            "curve is one run, at one rate for all lengths. A cosine is good at its end only.",
            "{in_rate@view:?}Both rates fall to zero in a line. Adam's best is that of thirteen tried, for this noise. "
            "Prodigy tries none.",
        ],
        alt="Loss over steps, both logarithmic. Six rings, cosines tuned for 50 to 1,600 steps, fall in a "
        "line. The curve of one Schedule-Free run passes a little below all of them. The dashed cosine "
        "planned for {end} steps stays above both until it drops at its end.",
        encoding={
            **dict.fromkeys(("free", "planned"), Encoding(bits=8, log=True, clip=DRAWN)),
            "d": Encoding(bits=8, log=True, clip=(5e-9, 4.0)),
            **dict.fromkeys(("lost", "adam"), Encoding(bits=8, log=True, clip=(2e-3, 5.0))),
        },
        fixed={
            "problem": "½ Σ θ_i²/i, i = 1 … 200, noise σ = 0 … 1 times √(1/i)",
            "start": 1.0,
            "Prodigy's and Adam's runs": len(SEEDS),
        },
    )


def of_loss(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Way to go and noise, in the sum over directions."""
    return np.array([(CURVATURES / 2 * part).sum(-1) for part in (mean**2, variance)])


def both(parts: np.ndarray, size: float) -> np.ndarray:
    """The loss at noise of this size, of parts at noise 1; what has no finite number is infinite."""
    loss = parts[0] + size**2 * parts[1]
    return np.where(np.isfinite(loss), loss, np.inf)


@cache
def cosines(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Peak rates, and the two parts of the loss of each at the steps shown: parts, steps, rates."""
    peaks, schedule = np.geomspace(0.02, 6, 2 * GRID), cosine(steps)
    rates = np.array([schedule(t) for t in range(1, steps + 1)])[:, None, None] * peaks[:, None]
    with np.errstate(all="ignore"):
        moments = theory.sgd_moments(rates, CURVATURES, CURVATURES**0.5)
        found = [of_loss(*pair) for t, pair in enumerate(moments) if t in SHOWN or t == steps]
    return peaks, np.moveaxis(np.array(found), 1, 0)


def tuned_cosines(sizes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each noise the losses at the ends of the best cosines, and their curves over the steps shown."""
    found = []
    for size in sizes:
        ends, curves = [], []
        for steps in ENDS:
            _, parts = cosines(int(steps))
            loss = both(parts, size)
            best = loss[:, loss[-1].argmin()]
            ends.append(best[-1])
            until = (SHOWN <= steps).sum()
            curves.append(np.r_[best[:until], np.full(len(SHOWN) - until, np.nan)])
        found.append((np.array(ends), np.array(curves)))
    return found


@cache
def free_parts(beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates, and the two parts of Schedule-Free's loss at the steps shown, and at ENDS: parts, steps, rates."""
    rates = np.geomspace(0.02, 1.99 / (1 - beta), GRID)
    rates = np.concatenate([rates * times for times in np.sort(TIMES)])
    wanted = np.union1d(SHOWN, ENDS)
    with np.errstate(all="ignore"):
        moments = theory.schedule_free_moments(
            rates[:, None], CURVATURES, CURVATURES**0.5, beta, int(ENDS[-1])
        )
        found = [of_loss(*pair) for t, pair in enumerate(moments) if t in wanted]
    return rates, np.moveaxis(np.array(found), 1, 0)
