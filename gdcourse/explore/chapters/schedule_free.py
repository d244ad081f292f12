"""Without a schedule, without a rate: one Schedule-Free run beside schedules that know their end; and what
Prodigy finds."""

from __future__ import annotations

from functools import cache

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
OCTAVES = np.arange(-2, 3)  # from the best rate
ENDS = np.array([50, 100, 200, 400, 800, 1600])
SHOWN = np.union1d(np.geomspace(5, ENDS[-1], 56).round().astype(int), ENDS)  # steps where a curve has a point
AT_ENDS = np.searchsorted(SHOWN, ENDS)
FAR = 100.0  # times the cosine's loss: not told by how much more
RATIOS = [(0.3, "0.3"), (0.5, "0.5"), (1.0, "1"), (2.0, "2"), (3.0, "3")]
TENTHS = [(1e-8, "10⁻⁸"), (1e-4, "10⁻⁴"), (1.0, "1")]
DRAWN = 5e-4, 3.0  # losses outside are not
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

    def compute(
        beta: np.ndarray, noise: np.ndarray, octaves: np.ndarray, end: np.ndarray, d0: np.ndarray
    ) -> Arrays:
        sizes, which = noise.ravel(), np.searchsorted(ENDS, end.ravel())
        tuned = tuned_cosines(sizes)
        ends, curves = (np.array([pair[i] for pair in tuned]) for i in (0, 1))
        at = ends[:, which]
        free, rate = free_runs(beta.ravel(), sizes, octaves.ravel(), ends)
        ratio = free[..., AT_ENDS] / ends[None, :, None]
        over = ratio[..., which]
        estimate, lost, by_adam, adams = untuned(sizes, d0.ravel())
        return {
            **in_views("time", "rate", computed=5),
            "free": free[:, :, :, None, None],
            "eta": rate[:, :, :, None, None],
            "ratio": ratio[:, :, :, None, None],
            "over": np.where(over <= FAR, over, np.nan)[..., None],
            "far": np.where(over <= FAR, np.nan, FAR)[..., None],
            "ends": ends[None, :, None, None, None],
            "planned": curves[:, which][None, :, None, :, None],
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
            Slider(name="noise", label="noise σ / √h", values=NOISES, start=2, format="g"),
            Slider(
                name="octaves",
                label="rate η",
                values=OCTAVES,
                start=2,
                texts=["best / 4", "best / 2", "best", "2 · best", "4 · best"],
                when=on[0],
            ),
            Slider(name="end", label="a cosine for T", values=ENDS, start=4, format="d", when=on[0]),
            Slider(name="d0", label="d₀", values=D0, start=2, format=".0e", when=on[1]),
        ],
        compute=compute,
        tries=[
            "move β: is the ratio below 1 at all six lengths? And with less noise?",
            "move d₀, then the noise. Which of the three lines in the left panel follow?",
        ],
        rows=[
            [
                Panel(
                    title="loss: one run —, cosines ◦",
                    x=steps,
                    y=losses,
                    height=196,
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
                    title="the run's loss / the cosine's",
                    x=Axis(label="step (log)", domain=(45, 1800), log=True),
                    y=Axis(label="ratio (log)", domain=(0.3, 3), log=True, ticks=RATIOS),
                    height=196,
                    weight=0.8,
                    when=on[0],
                    marks=[
                        Rule(y=1.0, color="grey"),
                        Line(x=ENDS.tolist(), y="ratio", color=own["color"], width=2.4),
                        Dots(x="T", y="over", shape="ring", size=5, color=own["color"]),
                    ],
                ),
                Panel(
                    title="Prodigy's d",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="d (log)", domain=(5e-9, 20), log=True, ticks=TENTHS),
                    height=230,
                    when=on[1],
                    marks=[
                        Rule(y=1.0, color="faint"),
                        Text(text="the way to the minimum", x=STEPS * 0.98, y=2.2, anchor="end"),
                        Rule(y="best", color=adam["color"]),
                        Text(
                            text="Adam's best rate", x=STEPS * 0.98, y=4e-3, anchor="end", color=adam["color"]
                        ),
                        Line(x=T.tolist(), y="d", color=prodigy["color"], width=2.2),
                    ],
                ),
                Panel(
                    title="loss: Prodigy —, Adam at that rate - -",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="loss (log)", domain=(2e-3, 20), log=True),
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
            "{in_time@view:?}{over:?}β = {beta}, η = {eta:.3g}: at step {end} the loss of Schedule-Free is "
            "{over:.2f} times that of the cosine tuned for {end} steps.",
            "{in_time@view:?}{far:?}β = {beta}, η = {eta:.3g}: at step {end} the loss of Schedule-Free is "
            "more than {far:.0f} times that of the cosine tuned for {end} steps.",
            "{in_rate@view:?}d₀ = {d0}: d ends at {d_end:.2g}, the loss at {lost_end:.2g}. The best rate for "
            "Adam is {best:.2g}, its loss {adam_end:.2g}.",
        ],
        caption=[
            "{in_time@view:?}Each ring is a run of its own, at the peak rate that is best for its length. "
            "The curve is one run; at its best rate, its worst ratio to the rings is least.",
            "{in_rate@view:?}Both rates fall to zero in a line. Adam's best is that of thirteen tried, for "
            "this noise. Prodigy tries none.",
        ],
        alt="Two panels. Loss over steps, both logarithmic: six rings, cosines tuned for 50 to 1,600 steps, "
        "fall in a line. The curve of one Schedule-Free run passes below all of them; the dashed "
        "cosine planned for {end} steps stays above until it drops at its end. Beside it the ratio of the "
        "run's loss to the cosine's, below 1 at all six lengths, {over:.2f} at {end} steps.",
        encoding={
            **dict.fromkeys(("free", "planned"), Encoding(bits=8, log=True, clip=DRAWN)),
            "ratio": Encoding(bits=8, log=True, clip=(0.1, 10.0)),
            "d": Encoding(bits=8, log=True, clip=(5e-9, 20.0)),
            **dict.fromkeys(("lost", "adam"), Encoding(bits=8, log=True, clip=(2e-3, 20.0))),
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
    with np.errstate(all="ignore"):
        loss = parts[0] + size**2 * parts[1]
    return np.where(np.isfinite(loss), loss, np.inf)


@cache
def cosines(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Peak rates, and the two parts of the loss of each at the steps shown: parts, steps, rates."""
    schedule = cosine(steps)
    peaks = np.union1d(np.geomspace(0.02, 6, 40), np.linspace(3, 4.5, 31))  # and more near the largest
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
            until = np.searchsorted(SHOWN, steps) + 1
            curves.append(np.r_[best[:until], np.full(len(SHOWN) - until, np.nan)])
        found.append((np.array(ends), np.array(curves)))
    return found


@cache
def tried(beta: float) -> np.ndarray:
    """Rates of which the best is taken, and more of them near the largest that converges, where a little more
    or less changes the loss a lot."""
    limit = 2 / (1 - beta)
    return np.union1d(np.geomspace(0.001, 0.99, 48), np.linspace(0.9, 0.995, 20)) * limit


def free_parts(rates: np.ndarray, beta: float, steps: np.ndarray) -> np.ndarray:
    """The two parts of Schedule-Free's loss at some steps, with each rate: axes parts, steps, rates."""
    with np.errstate(all="ignore"):
        moments = theory.schedule_free_moments(
            rates[:, None], CURVATURES, CURVATURES**0.5, beta, int(steps[-1])
        )
        found = [of_loss(*pair) for t, pair in enumerate(moments) if t in steps]
    return np.moveaxis(np.array(found), 1, 0)


@cache
def at_the_ends(beta: float) -> np.ndarray:
    """The parts with each of the rates that are tried, at the ends of the cosines."""
    return free_parts(tried(beta), beta, ENDS)


def free_runs(
    some: np.ndarray, sizes: np.ndarray, octaves: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The loss of Schedule-Free at the steps shown, and its rate, by β, noise and octaves away from the rate
    that is best: at which the worst of its losses over those of the tuned cosines is least."""
    losses, chosen = [], []
    for beta in some.tolist():
        over = [both(at_the_ends(beta), size) / own[:, None] for size, own in zip(sizes, ends, strict=True)]
        best = tried(beta)[[one.max(0).argmin() for one in over]]
        rates = best[:, None] * 2.0**octaves
        parts = free_parts(rates.ravel(), beta, SHOWN).reshape(2, len(SHOWN), *rates.shape)
        losses.append([both(parts[:, :, i], size).T for i, size in enumerate(sizes)])
        chosen.append(rates)
    return np.array(losses), np.array(chosen)


def untuned(sizes: np.ndarray, d0: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """By noise and d_0 Prodigy's d and its loss, and by noise Adam's loss at its best rate, and that rate.
    Steps come last; a median of d, and means of losses, over the seeds."""
    falls, rates = linear(STEPS), 10 ** np.arange(-3, 0.1, 0.25)
    found: list[list[np.ndarray]] = [[], [], [], []]
    for size in sizes:
        bowl = NoisyQuadratic(CURVATURES, size * CURVATURES**0.5)
        run = descend(
            lambda t: Prodigy(falls(t) + 0 * d0[:, None], d0=d0[:, None]),
            bowl,
            steps=STEPS,
            seed=SEEDS,
            record="d",
        )
        d = np.concatenate([d0[None, :, None] + 0 * run.d[:1, ..., 0], run.d[..., 0]])
        adam = descend(lambda t: Adam(falls(t) * rates[:, None]), bowl, steps=STEPS, seed=SEEDS).loss.mean(-1)
        best = adam[-1].argmin()
        for one, values in zip(
            found,
            (np.median(d, -1)[::EVERY].T, run.loss.mean(-1)[::EVERY].T, adam[::EVERY, best], rates[best]),
            strict=True,
        ):
            one.append(values)
    return tuple(np.array(one) for one in found)  # type: ignore[return-value]
