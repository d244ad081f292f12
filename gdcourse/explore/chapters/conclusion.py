"""Conclusion: one method at a rate of the reader's choice, in a race against all methods at their best."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gdcourse.experiments import Comparison, compare, gradient_operations, step_operations
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Area,
    Axis,
    Choice,
    Dots,
    Line,
    Mark,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    style,
)
from gdcourse.figures import title
from gdcourse.problems import Network, digits
from gdcourse.rules import METHODS

STEPS, WINDOW, SEEDS = 60, 5, 5
AT = np.arange(WINDOW, STEPS + 1)
HIGHEST = 4.0  # nats, of the race's panel
CHANCE = float(np.log(10))
FRACTIONS = {-3: "1/32", -2: "1/10", -1: "1/3", 0: "1", 1: "3", 2: "10", 3: "32"}


def conclusion(found: Comparison | None = None) -> Figure:
    """The validation error of all methods over the rates that they tried, and the race of one method, at the
    rate under the cursor, against all of them at their best; with a bet on who makes the fewest errors.

    Network 784–32–10 on the digits, 60 steps, mini-batches of 64, five seeds, seven values of the tuned
    hyperparameter, two to a decade. The race shows the mini-batch loss, averaged over five steps.

    Parameters
    ----------
    found : what `compare` found for several methods in 60 steps, if it is at hand, all tried at the same
        multiples of their usual rates. Default: all methods, compared anew.

    Raises
    ------
    ValueError : another number of steps or of seeds, or different multiples.
    """
    found = _compared() if found is None else found
    names = list(found.methods)
    multiples = _multiples(found)
    exponents = np.round(2 * np.log10(multiples)).astype(int)
    error = {name: 100 * (1 - m.validation) for name, m in found.methods.items()}  # (rates, seeds)

    @cache  # no control changes it, and live widgets ask again at every move
    def compute() -> Arrays:
        return {**_curves(found, error), **_race(found), **_bets(found, error)}

    winner = int(np.argmin([one.mean(-1).min() for one in error.values()]))
    return Figure(
        name="figure-conclusion",
        title="First the rate, then the race",
        controls=[
            Choice(
                name="method",
                label="method",
                values=names,
                texts=[title(n) for n in names],
                start=names.index("Adam"),
            ),
            Slider(
                name="rate",
                label="its rate, over the usual one",
                values=multiples,
                texts=[
                    f"× {FRACTIONS[e]}" if e in FRACTIONS else f"× {m:.2g}"
                    for e, m in zip(exponents, multiples, strict=True)
                ],
                start=int(np.flatnonzero(exponents == 2)[0]),
            ),
            Choice(
                name="bet",
                label="your bet on the fewest errors",
                values=["", *names],
                texts=["no bet yet", *(title(n) for n in names)],
            ),
            Scrubber(name="step", label="step", values=AT, start=len(AT) - 1, format="d"),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="errors after the race, by rate",
                    x=Axis(label="rate over the method's usual one", domain=(0.025, 40), log=True),
                    y=Axis(label="validation error, %", domain=(8, 100), log=True, ticks=PERCENT),
                    pad=("rate", None),
                    height=280,
                    marks=[
                        Area(x=[0.025, 40, 40, 0.025], y="band", color="ink", opacity=0.12),
                        *(_faint(x=multiples.tolist(), y=f"{name}_error") for name in names),
                        Text(x=0.03, y=8.8, text="band: all methods, each at its best", color="ink"),
                        *(mark for i, name in enumerate(names) for mark in _on_curve(i, name, multiples)),
                    ],
                ),
                Panel(
                    title="the race, step by step",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=Axis(label="training loss, nats", domain=(0.2, HIGHEST), log=True, ticks=NATS),
                    height=280,
                    marks=[
                        Rule(y=CHANCE, color="ink"),
                        Text(x=STEPS - 1, y=0.91 * CHANCE, text="guessing, ln 10", anchor="end"),
                        *(_faint(x="race_step", y=f"{name}_best", upto="step") for name in names),
                        *_in_race(names),
                        *(mark for i, name in enumerate(names) for mark in _bet_on(i, name, winner, names)),
                    ],
                ),
            ]
        ],
        readouts=READOUTS,
        caption=[
            "{method}, its usual rate {rate}, errs on {error@method,rate:.1f} % of the validation digits, "
            "at its best rate on {least@method:.1f} %. All {count:d} methods, each at its best rate, lie "
            "between {lowest:.1f} and {highest:.1f} %: the band, and in the race the grey lines, whose "
            "names a bet reveals.",
            f"Shaded, and thin in the race, are the {SEEDS} seeds; thick is their mean. The race shows "
            f"means over {WINDOW} steps.",
            "{over@method,rate:?}Where this loss is above 4 nats it is out of the picture.",
            "For Adadelta the rate is its ε. Counted in operations instead of steps, no curve would be "
            "stretched by more than {extra:.1f} %. That is a count: by the clock an update weighs more.",
        ],
        alt="Left, {count:d} U-shaped curves of the validation error over the rate; their lowest points lie "
        "in a narrow band, from {lowest:.1f} to {highest:.1f} %, and ten times off most are far above it. "
        "{method}'s curve is marked at {rate}, at {error@method,rate:.0f} %. Right, the training losses of "
        "all {count:d} at their best rates fall close together, to between {front@step:.2f} and "
        "{back@step:.2f}; {method}'s at {rate} stays far above all of them, at {loss@method,rate,step:.2f}.",
        encoding=ENCODING,
        texts={"methods": [title(name) for name in names], "knobs": ["η", "ε"], "verdicts": VERDICTS},
        fixed={
            "network": "784-32-10, on the digits, mini-batches of 64",
            "steps": STEPS,
            "seeds": found[names[0]].validation.shape[1],
            "tried": {name: found[name].values.tolist() for name in names},
        },
    )


PERCENT = [(10, "10"), (20, "20"), (50, "50"), (90, "90")]
NATS = [(0.3, "0.3"), (0.5, "0.5"), (1, "1"), (2, "2"), (4, "4")]
READOUTS = [
    "{method}, {knob@method|knobs} = {value@method,rate:.2g}: {error@method,rate:.1f} % wrong, its seeds "
    "{least_seed@method,rate:.0f} to {most_seed@method,rate:.0f} %. This rate costs "
    "{cost@method,rate:.1f} points; between the best and the worst of the {count:d} methods, each at its "
    "best rate, lie {between:.1f}.",
    "{method}, {knob@method|knobs} = {best_value@method,rate:.2g}, its best: {error@method,rate:.1f} % "
    "wrong, its seeds {least_seed@method,rate:.0f} to {most_seed@method,rate:.0f} %. Between the best and "
    "the worst of the {count:d} methods, each at its best rate, lie {between:.1f} points.",
    "Step {step}: training loss {loss@method,rate,step:.2f}; all {count:d} at their best rates "
    "{front@step:.2f} to {back@step:.2f}.",
    "Which of the {asked@bet:d} methods makes the fewest errors after the race, at its best rate? Bet.",
    "Your bet, {bet}, errs on {beaten@bet:.1f} %; fewest errors: {winner|methods}, {lowest:.1f} %. "
    "{verdict@bet|verdicts}",
    "Your bet, {bet}, makes the fewest errors, {won@bet:.1f} %. But on the test split its seeds overlap with "
    "those of {overlaps:d} of the other {others:d} methods: {seeds:d} seeds cannot tell them apart.",
]
VERDICTS = [
    "On the test split the seeds of the two overlap: too few to tell them apart.",
    "On the test split, too, every seed of the one beats every seed of the other.",
]
FALLING = Encoding(bits=8, log=True, clip=(0.2, 10.0))
ENCODING = {
    **dict.fromkeys(["loss", *(f"seed_{k}" for k in range(SEEDS)), *(f"{n}_best" for n in METHODS)], FALLING),
    "value": Encoding(log=True),
    "best_value": Encoding(log=True),
}


# ------------------------------------------------------------------------------------- what is drawn


def _faint(**places: Any) -> Line:
    return Line(**places, color="faint", width=1)


def _on_curve(i: int, name: str, multiples: np.ndarray) -> list[Mark]:
    """A method's own curve with the range of its seeds, and a ring at the rate that is set."""
    own, this = style(name), {"method": [i]}
    there_and_back = [*multiples, *multiples[::-1]]
    return [
        Area(x=there_and_back, y=f"{name}_range", color=own["color"], when=this),
        Line(x=multiples.tolist(), y=f"{name}_error", **own, dots=2.5, when=this),
        Dots(
            x="multiple",
            y="error",
            at=("method", "rate"),
            color=own["color"],
            shape="ring",
            size=7,
            label="{method}, {rate}",
            when=this,
        ),
    ]


def _in_race(names: list[str]) -> list[Mark]:
    """The method at the rate that is set: each seed thin, their mean thick, in the method's look."""
    common: dict[str, Any] = {"x": AT.tolist(), "at": ("method", "rate"), "upto": "step"}
    families: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        families.setdefault(style(name)["color"], []).append(i)
    return [
        *(
            Line(y=f"seed_{k}", color=color, width=0.7, opacity=0.6, when={"method": members}, **common)
            for color, members in families.items()
            for k in range(SEEDS)
        ),
        *(
            Line(y="loss", **style(name), width=2.6, label="{method}, {rate}", when={"method": [i]}, **common)
            for i, name in enumerate(names)
        ),
    ]


def _bet_on(i: int, name: str, winner: int, names: list[str]) -> list[Mark]:
    """Once there is a bet: the line of the method that it is on, and the winner's."""
    other = [k + 1 for k in range(len(names)) if k != i]
    common: dict[str, Any] = {"x": "race_step", "y": f"{name}_best", "upto": "step", **style(name)}
    bet = Line(**common, label="your bet", when={"bet": [i + 1]})
    won = Line(**common, label=f"fewest errors: {title(name)}", when={"bet": other})
    return [bet, won] if i == winner else [bet]


# ----------------------------------------------------------------------------------- what is computed


@cache
def _compared() -> Comparison:
    return compare(list(METHODS), digits(), steps=STEPS)


def _multiples(found: Comparison) -> np.ndarray:
    """What was tried, over the usual value: the same for all methods."""
    each = [m.values / METHODS[name].usual for name, m in found.methods.items()]
    if any(one.shape != each[0].shape or not np.allclose(one, each[0]) for one in each):
        best = ", ".join(f"{name} {m.values[m.best]:.1g}" for name, m in found.methods.items())
        raise ValueError(
            "the figure needs methods that were all tried at the same multiples of their usual rates: no "
            f"best value may lie more than two steps of the grid from `usual` in the table. Best were {best}"
        )
    if any(len(m.loss) != STEPS for m in found.methods.values()):
        raise ValueError(f"the figure needs a comparison of {STEPS} steps")
    return each[0]


def _curves(found: Comparison, error: dict[str, np.ndarray]) -> Arrays:
    """Errors over the rates: means and ranges over the seeds, and what a rate costs."""
    tuned = found.methods.values()
    mean = np.stack([error[m.name].mean(-1) for m in tuned])  # (methods, rates)
    values = np.stack([m.values for m in tuned])
    at_best = np.arange(values.shape[1]) == np.array([m.best for m in tuned])[:, None]
    least = mean.min(1)
    gradient = 64 * gradient_operations(Network())
    updates = [step_operations(METHODS[m.name].make(METHODS[m.name].usual)) for m in tuned]
    arrays = {
        "error": mean,
        "least_seed": np.stack([error[m.name].min(-1) for m in tuned]),
        "most_seed": np.stack([error[m.name].max(-1) for m in tuned]),
        "multiple": values / np.array([METHODS[m.name].usual for m in tuned])[:, None],
        "value": values,
        "best_value": np.where(at_best, values, np.nan),
        "cost": np.where(at_best, np.nan, mean - least[:, None]),
        "knob": np.array([float(m.tuned == "eps") for m in tuned]),
        "least": least,
        "lowest": least.min(),
        "highest": least.max(),
        "between": np.ptp(least),
        "count": float(len(least)),
        "band": np.repeat([least.min(), least.max()], 2),
        "extra": 100 * max(updates) / gradient,
    }
    for m in tuned:
        one = error[m.name]
        arrays |= {f"{m.name}_error": one.mean(-1), f"{m.name}_range": np.r_[one.min(-1), one.max(-1)[::-1]]}
    return arrays


def _race(found: Comparison) -> Arrays:
    """The mini-batch loss, averaged over a window of steps: of every run, and of each method's best rate."""
    windows = [sliding_window_view(m.loss, WINDOW, axis=0).mean(-1) for m in found.methods.values()]
    every = np.stack(windows).transpose(3, 0, 2, 1)  # (seeds, methods, rates, steps)
    mean = every.mean(0)
    best = {name: mean[i, m.best] for i, (name, m) in enumerate(found.methods.items())}
    field = np.stack(list(best.values()))
    return {
        **{f"seed_{k}": one for k, one in enumerate(every)},
        **{f"{name}_best": loss for name, loss in best.items()},
        "race_step": AT.astype(float),
        "loss": mean,
        "over": np.where((every > HIGHEST).any((0, -1)), 1.0, np.nan),
        "front": field.min(0),
        "back": field.max(0),
    }


def _bets(found: Comparison, error: dict[str, np.ndarray]) -> Arrays:
    """For no bet and for one on each method: what there is to say."""
    names = list(found.methods)
    least = np.array([error[name].mean(-1).min() for name in names])
    winner = int(least.argmin())
    wins = np.arange(len(names)) == winner
    apart = np.array(["no difference" not in found.verdict(names[winner], name) for name in names], float)
    none = [np.nan]
    return {
        "asked": np.array([len(names), *none * len(names)]),
        "beaten": np.r_[none, np.where(wins, np.nan, least)],
        "won": np.r_[none, np.where(wins, least, np.nan)],
        "verdict": np.r_[none, np.where(wins, np.nan, apart)],
        "winner": float(winner),
        "overlaps": float((apart[~wins] == 0).sum()),
        "others": float(len(names) - 1),
        "seeds": float(error[names[0]].shape[1]),
    }
