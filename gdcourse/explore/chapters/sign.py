"""Only the sign: which letters each method keeps waiting; and what the sign makes of noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Choice,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    legend,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import Bigrams
from gdcourse.rules import Adam, GradientDescent, Lion, SignSGD

T = np.array([1, 2, 3, 4, 6, 8, 10, 14, 20, 28, 40, 56, 80, 110, 150, 210, 300])
STEPS = int(T[-1])
FACTORS = np.array([0.3, 1.0, 3.0])
MAKE: dict[str, Any] = {
    "descent": GradientDescent,
    "signum": lambda lr: SignSGD(lr, 0.9),
    "lion": Lion,
    "adam": lambda lr: Adam(lr, 0.9, 0.99, 1e-12),
}
LOOKS = {"descent": "GradientDescent", "signum": "SignSGD", "lion": "Lion", "adam": "Adam"}
SAID = {"descent": "gradient descent", "signum": "Signum", "lion": "Lion", "adam": "Adam"}
# log₁₀ of the best rate, to a sixteenth of a decade, for each of the four tables
BEST = {
    "descent": (1.875, 2.625, 2.3125, 2.6875),
    "signum": (-1.625, -1.625, -1.75, -1.75),
    "lion": (-1.875, -1.875, -1.5625, -2.0),
    "adam": (0.0, -0.25, -0.3125, -0.3125),
}
TABLES = ["as in the Opticks", "alike as first letters", "alike as second letters", "alike as both"]
CLIMBING = ("descent", "lion", "signum")  # those of which it is told how much worse the rarest letters are
OVERALL, BY_GROUP = (1e-6, 4.0), (1e-7, 60.0)  # of the two panels, in nats

BATCHES, GAMMAS = np.array([1, 4, 16, 64, 256]), np.array([0.0, 0.9, 0.99])
SHARES = np.array([0.3, 0.1, 0.03, 0.01])
SNR = 10.0 ** np.arange(-2, 1.01, 0.125)  # of one example
GIVEN = np.linspace(0.025, 3, 120)  # what the model gives the letter, in units of its share
DRAWS, ADAMS, WARM = 1000, 100, 400


def sign() -> Figure:
    """The excess loss of a table of the bigrams of the *Opticks*, over the steps and for common and rare
    letters, under gradient descent, Signum, Lion and Adam, each at a multiple of its best rate, with the
    letters as frequent as they are or alike; and the mean step along a noisy gradient: with Gaussian noise,
    under the sign (in closed form) and Adam (by 100 draws), and for a letter that mini-batches seldom hold
    (by 1,000 draws).

    300 steps with the exact gradient. The best rate is known to a sixteenth of a decade.
    """
    problems = tables()
    groups = problems[0].groups()
    learnt = {
        name: np.stack(
            [
                parts(make(10.0 ** BEST[name][i] * FACTORS[:, None, None]), one, groups)
                for i, one in enumerate(problems)
            ]
        )
        for name, make in MAKE.items()
    }  # (table, factor, step, group)
    how_often = np.array([[one.shares[group].sum() for group in groups] for one in problems])
    adam = adams_step(np.multiply.outer(BATCHES**0.5, SNR))
    seen = seen_in_batches()
    up, resting = steps_up(seen), np.median(seen, -1) / SHARES  # (batch, γ, share, …)

    def compute(
        table: np.ndarray, factor: np.ndarray, batch: np.ndarray, gamma: np.ndarray, share: np.ndarray
    ) -> Arrays:
        i, j = table.ravel(), place(factor, FACTORS)
        by = {name: part[np.ix_(i, j)][:, :, None, None, None] for name, part in learnt.items()}
        whole = {name: part.sum(-1) for name, part in by.items()}
        each = {name: part / how_often[i][:, *[None] * 5] for name, part in by.items()}  # for each time
        b = place(batch, BATCHES)
        k = np.ix_(b, place(gamma, GAMMAS), place(share, SHARES))
        rest = resting[k][None, None]
        return {
            **in_views("letters", "noise", computed=5),
            **whole,
            **{f"{name}_by": part for name, part in each.items()},
            **{f"{name}_climb": each[name][..., -1] / each[name][..., 0] for name in CLIMBING},
            "rarest": by["descent"][..., -1] / whole["descent"],
            "by_sign": theory.sign_mean_step((batch**0.5)[..., None] * SNR, gamma[..., None]),
            "by_adam": adam[b][None, None, :, None, None],
            "up": up[k][None, None],
            "forgets": np.where(rest > 0, np.nan, 1.0),
            "keeps": np.where(rest > 0, rest, np.nan),
        }

    sizes, percent = [len(group) for group in groups], how_often[0]
    of_group = [f"{size}: {share:.0%}" for size, share in zip(sizes, percent, strict=True)]
    view, on = views("Which letters wait", "The sign of noise")
    drawn = {name: style(LOOKS[name]) for name in MAKE}
    said = {SAID[name]: drawn[name] for name in MAKE}
    return Figure(
        name="figure-sign",
        title="Only the sign",
        controls=[
            view,
            Scrubber(name="t", label="step", values=T, start=len(T) - 1, format="d", when=on[0]),
            Choice(name="table", label="letters", values=range(len(TABLES)), texts=TABLES, when=on[0]),
            Slider(name="factor", label="η over the best", values=FACTORS, start=1, format="g", when=on[0]),
            Slider(name="batch", label="batch size", values=BATCHES, start=1, format="d", when=on[1]),
            Slider(
                name="gamma", label="γ, the sign's average", values=GAMMAS, start=0, format="g", when=on[1]
            ),
            Slider(name="share", label="the letter's share", values=SHARES, start=1, format="g", when=on[1]),
        ],
        compute=compute,
        tries=[
            "raise η: can gradient descent catch up on rare letters? Then make the letters alike.",
            "enlarge the batch, or raise γ. Where does the step change its sign?",
        ],
        rows=[
            [
                Panel(
                    title="excess loss",
                    x=Axis(label="step (log)", domain=(1, 330), log=True),
                    y=Axis(label="nats (log)", domain=OVERALL, log=True),
                    height=200,
                    when=on[0],
                    marks=[
                        *legend(said, (1.1, 2.2), 2.6, (6e-4, 1.4e-4, 3.3e-5, 8e-6), 0.8),
                        *(Line(x=T.tolist(), y=name, upto="t", **drawn[name]) for name in MAKE),
                    ],
                ),
                Panel(
                    title="for each time that a letter comes, step {t}",
                    x=Axis(
                        label="letters, commonest first; share of the text",
                        domain=(-0.4, 3.4),
                        ticks=list(enumerate(of_group)),
                    ),
                    y=Axis(label="nats (log)", domain=BY_GROUP, log=True),
                    height=200,
                    when=on[0],
                    marks=[
                        Line(x=[0, 1, 2, 3], y=f"{name}_by", at=["t"], dots=3.5, **drawn[name])
                        for name in MAKE
                    ],
                ),
                Panel(
                    title="Gaussian noise",
                    x=Axis(label="slope over noise, one example (log)", domain=(0.01, 10), log=True),
                    y=Axis(label="mean step, in η", domain=(0, 1.1)),
                    height=200,
                    when=on[1],
                    marks=[
                        Line(x=SNR.tolist(), y="by_sign", **drawn["signum"]),
                        Line(x=SNR.tolist(), y="by_adam", **drawn["adam"]),
                        Text(text="the sign", x=0.012, y=1.0, color=drawn["signum"]["color"]),
                        Text(text="Adam", x=0.012, y=0.87, color=drawn["adam"]["color"]),
                    ],
                ),
                Panel(
                    title="a letter of share {share}",
                    x=Axis(label="what the model gives it, over its share", domain=(0, 3)),
                    y=Axis(label="mean step of its logit, in η", domain=(-1.1, 1.1)),
                    height=200,
                    when=on[1],
                    marks=[
                        Rule(y=0.0, color="faint"),
                        Rule(x=1.0, color="grey", label="its share"),
                        Line(x=GIVEN.tolist(), y="up", **drawn["signum"]),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_letters@view:?}Step {t}, letters {table}, {factor} × the best η. Excess: gradient descent "
            "{descent@t:.2g}, Signum {signum@t:.2g}, Lion {lion@t:.2g}, Adam {adam@t:.2g} nats.",
            "{in_noise@view:?}{keeps:?}Batches of {batch}, γ = {gamma}: the sign comes to rest where the "
            "model gives the letter {keeps:.2f} of its share.",
            "{in_noise@view:?}{forgets:?}Batches of {batch}, γ = {gamma}: most of what the sign sees is "
            "without the letter, and it steps down until the letter is forgotten.",
        ],
        caption=[
            f"{{in_letters@view:?}}Which letter follows which, learnt with the exact gradient. The "
            f"{sizes[-1]} rarest letters are {percent[-1]:.0%} of the book, and here "
            "{rarest@t:.0%} of gradient descent's excess, its loss above the least possible. At the right "
            "the excess is divided by how often the letters come.",
            "{in_noise@view:?}Left: where noise hides the slope, signs cancel, and the mean step is short. "
            "Right: lopsided noise. The gradient comes to rest at the letter's share, the mean of what "
            "batches hold; the sign at the median of what it sees.",
        ],
        alt="Two panels, letters {table}. Left, excess loss over 300 steps, both in logarithms: gradient "
        "descent is at {descent@t:.2g} nats, Lion at {lion@t:.2g}, Signum and Adam far below. Right, "
        "for each time that a letter comes: from the commonest letters to the rarest gradient descent's "
        "climbs {descent_climb@t:.0f}-fold, Lion's {lion_climb@t:.0f}-fold, Signum's, far below, "
        "{signum_climb@t:.0f}-fold.",
        encoding={
            **dict.fromkeys(MAKE, Encoding(bits=8, log=True, clip=OVERALL)),
            **{f"{name}_by": Encoding(bits=8, log=True, clip=BY_GROUP) for name in MAKE},
            **dict.fromkeys(("by_sign", "by_adam", "up"), Encoding(bits=8)),
        },
        fixed={
            "problem": "Bigrams of the Opticks, 91 letters, from logits of 0",
            "hyperparameters": "Signum γ 0.9; Lion β 0.9, 0.99; Adam β 0.9, 0.99, ε 1e-12",
            "best η": {SAID[name]: [float(f"{10**x:.3g}") for x in best] for name, best in BEST.items()},
            "steps": STEPS,
            "noise": f"{DRAWS} draws for the letter, {ADAMS} for Adam, after {WARM} steps",
        },
    )


def tables() -> list[Bigrams]:
    """The bigrams of the Opticks; and with the letters equally frequent as first of a pair, as second, and as
    both."""
    text = Bigrams()
    n = len(text.pairs)
    even, first, second = np.full(n, 1 / n), text.pairs.sum(1), text.shares
    return [text, text.with_shares(even, second), text.with_shares(first, even), text.balanced()]


def parts(rule: Any, problem: Bigrams, groups: list[np.ndarray]) -> np.ndarray:
    """What each group of second letters adds to the excess, for each rate at each of the steps T: shape
    (rates, steps, groups)."""
    theta, found = np.zeros((len(FACTORS), *problem.start.shape)), []
    state = rule.init(theta, 0 * theta)
    for t in range(1, STEPS + 1):
        theta, state = rule.step(theta, problem.grad(theta), state, rule.at(t))
        if t in T:
            each = problem.parts(theta).sum(-2)
            found.append(np.stack([each[:, group].sum(-1) for group in groups], -1))
    return np.stack(found, 1)


def adams_step(snr: np.ndarray) -> np.ndarray:
    """Adam's mean step down a slope that is so many times its noise, in η, late in a run. Each draw comes
    with both signs, so that the noise itself moves the mean little."""
    noise = np.random.default_rng(0).standard_normal((2 * WARM, ADAMS // 2)) * np.array([[[1.0]], [[-1.0]]])
    rule, slope = Adam(1.0, 0.9, 0.99, 1e-12), snr[..., None, None]
    theta = np.zeros((*snr.shape, 2, ADAMS // 2))
    state, passed = rule.init(theta, 0 * theta), [theta]
    for t in range(1, 2 * WARM + 1):
        theta, state = rule.step(theta, slope + noise[:, t - 1], state, rule.at(t))
        if t % WARM == 0:
            passed.append(theta)
    return (passed[1] - passed[2]).mean((-2, -1)) / WARM


def seen_in_batches() -> np.ndarray:
    """The average of decay γ of the share that a letter has in mini-batches, late in a run and without what
    is left of the zero that it starts from: many draws for each batch size, γ and share, shape (batches, γs,
    shares, draws)."""
    rng, chance = np.random.default_rng(0), SHARES[:, None] + np.zeros(DRAWS)
    rule, n = SignSGD(1.0, GAMMAS[:, None, None]), BATCHES[:, None, None, None]
    state: dict[str, Any] = {"m": np.zeros((len(BATCHES), len(GAMMAS), *chance.shape))}
    for _ in range(WARM):
        state = rule.step(0.0, rng.binomial(n, chance) / n, state, {})[1]
    return state["m"] / (1 - rule.gamma**WARM)


def steps_up(seen: np.ndarray) -> np.ndarray:
    """The mean of sign(seen − given), the step of a letter's logit in η, for all that a model may give it."""
    up = np.empty((*seen.shape[:-1], len(GIVEN)))
    for at in np.ndindex(seen.shape[:-1]):
        given, draws = SHARES[at[-1]] * GIVEN, np.sort(seen[at])
        below, not_above = (draws.searchsorted(given, side) for side in ("left", "right"))
        up[at] = 1 - (below + not_above) / len(draws)
    return up


def place(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Where in the grid each of the values stands."""
    return abs(grid[:, None] - np.ravel(values)).argmin(0)
