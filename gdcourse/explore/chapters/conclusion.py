"""Conclusion: one method at a rate of the reader's choice, in a race against all methods at their best; and
the race of the methods that came after the talk."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gdcourse.experiments import Comparison, Tuned, compare
from gdcourse.experiments.compare import SPACING
from gdcourse.experiments.race import stored
from gdcourse.explore.chapters import race
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
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.figures import title
from gdcourse.problems import digits
from gdcourse.rules import METHODS

STEPS, WINDOW = 60, 5
HIGHEST = 4.0  # nats, of the race's panel
CHANCE = float(np.log(10))
FRACTIONS = {-3: "1/32", -2: "1/10", -1: "1/3", 0: "1", 1: "3", 2: "10", 3: "32"}


def conclusion(found: Comparison | None = None) -> Figure:
    """The validation error of all methods over the rates that they tried, and the race of one method, at the
    rate under the cursor, against all of them at their best; with a bet on who makes the fewest errors. The
    third view is the race of the chapter of this name, from what is stored.

    Network 784–32–10 on the digits, 60 steps, mini-batches of 64, five seeds, seven values of the tuned
    hyperparameter, two to a decade. The race shows the mini-batch loss, averaged over five steps.

    Parameters
    ----------
    found : what `compare` found for some methods, if it is at hand. Default: all methods, compared anew.

    Raises
    ------
    ValueError : a comparison of fewer than five steps, over which the race's losses are averaged.
    """
    found = _compared() if found is None else found
    names = list(found.methods)
    steps, _, seeds = found[names[0]].loss.shape
    if steps < WINDOW:
        raise ValueError(f"the figure needs a comparison of at least {WINDOW} steps, got one of {steps}")
    at = np.arange(WINDOW, steps + 1)
    tried = _exponents(found)
    exponents = np.unique(np.concatenate(list(tried.values())))
    multiples = SPACING ** exponents.astype(float)
    error = {name: 100 * (1 - m.validation) for name, m in found.methods.items()}  # (rates, seeds)

    @cache  # no control changes it, and live widgets ask again at every move
    def compute() -> Arrays:
        views = in_views("rate", "race", "later", computed=0)
        arrays = {**_curves(found, error, tried), **_race(found, tried), **_bets(found, error)}
        return {**arrays, **race.told_apart(stored()), **views}

    winner = int(np.argmin([one.mean(-1).min() for one in error.values()]))
    view, on = views("The rate", "The race", "After the talk")
    talks = {"view": (0, 1)}
    own = {name: (SPACING ** one.astype(float)).tolist() for name, one in tried.items()}
    wide = min(0.025, 0.8 * float(multiples[0])), max(40.0, 1.25 * float(multiples[-1]))
    return Figure(
        name="figure-conclusion",
        title="First the rate, then the race",
        controls=[
            view,
            Choice(
                name="method",
                label="method",
                values=names,
                texts=[title(n) for n in names],
                start=names.index("Adam" if "Adam" in names else names[-1]),
                when=talks,
            ),
            Slider(
                name="rate",
                label="its rate, over the usual one",
                values=multiples,
                texts=[
                    f"× {FRACTIONS[e]}" if e in FRACTIONS else f"× {m:.2g}"
                    for e, m in zip(exponents, multiples, strict=True)
                ],
                start=int(np.abs(exponents).argmin()),
                when=talks,
            ),
            Choice(
                name="bet",
                label="your bet on the fewest errors",
                values=["", *names],
                texts=["no bet yet", *(title(n) for n in names)],
                when=on[1],
            ),
            Scrubber(name="step", label="step", values=at, start=len(at) - 1, format="d", when=on[1]),
            race.who(stored(), on[2]),
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    when=on[0],
                    title="errors after the race, by rate",
                    x=Axis(label="rate over the method's usual one", domain=wide, log=True),
                    y=Axis(label="validation error, %", domain=(8, 100), log=True, ticks=PERCENT),
                    pad=("rate", None),
                    height=220,
                    marks=[
                        Area(x=[*wide, *wide[::-1]], y="band", color="ink", opacity=0.12),
                        *(_faint(x=own[name], y=f"{name}_error") for name in names),
                        Text(x=1.2 * wide[0], y=8.8, text="band: all methods, each at its best", color="ink"),
                        *(mark for i, name in enumerate(names) for mark in _on_curve(i, name, own[name])),
                    ],
                ),
                Panel(
                    when=on[1],
                    title=f"the race, means over {WINDOW} steps",
                    x=Axis(label="step", domain=(0, steps)),
                    y=Axis(label="training loss, nats", domain=(0.2, HIGHEST), log=True, ticks=NATS),
                    height=168,
                    marks=[
                        Rule(y=CHANCE, color="ink"),
                        Text(x=steps - 1, y=0.91 * CHANCE, text="guessing, ln 10", anchor="end"),
                        *(_faint(x="race_step", y=f"{name}_best", upto="step") for name in names),
                        *_in_race(names, at, seeds),
                        Text(
                            x=steps - 1,
                            y=0.9 * HIGHEST,
                            text="{over@method,rate:?}partly above, out of the picture",
                            anchor="end",
                        ),
                        *(mark for i, name in enumerate(names) for mark in _bet_on(i, name, winner, names)),
                    ],
                ),
                race.ten_seeds(stored(), on[2]),
            ]
        ],
        tries=[
            "drag the ring along its curve: what does a rate ten times too large cost?",
            "bet on the method with the fewest errors, and read who has them. Then play.",
            "choose Adam, then Muon. How many are told apart from each?",
        ],
        readouts=READOUTS,
        caption=[
            "{in_rate@view:?}{method} at its usual rate {rate}; at its best rate it errs on "
            "{least@method:.1f} %. All {count:d} methods, each at its best rate, lie in the band between "
            f"{{lowest:.1f}} and {{highest:.1f}} %. Shaded are the {seeds} seeds.",
            "{in_race@view:?}{method} at its usual rate {rate}, its mean thick and its seeds thin; grey are "
            "all {count:d} methods at their best rates. A bet reveals a name.",
            "{in_later@view:?}The race after the talk: a small transformer on letters, two rates searched "
            "for each entrant. A dot is a seed, a ring a mean.",
        ],
        alt="{count:d} curves of the validation error over the rate, most of them U-shaped; their lowest "
        "points "
        "lie in a band from {lowest:.1f} to {highest:.1f} %. {method}'s curve is marked at {rate}, at "
        "{error@method,rate:.0f} %.",
        encoding={
            **dict.fromkeys(["loss", *(f"seed_{k}" for k in range(seeds))], FALLING),
            **dict.fromkeys([f"{name}_best" for name in names], FALLING),
            "value": Encoding(log=True),
            "best_value": Encoding(log=True),
        },
        texts={"methods": [title(name) for name in names], "knobs": ["η", "ε"], "verdicts": VERDICTS},
        fixed={
            "network": "784-32-10, on the digits, mini-batches of 64",
            "steps": steps,
            "seeds": seeds,
            "tried": {name: found[name].values.tolist() for name in names},
        },
    )


PERCENT = [(10, "10"), (20, "20"), (50, "50"), (90, "90")]
NATS = [(0.3, "0.3"), (0.5, "0.5"), (1, "1"), (2, "2"), (4, "4")]
READOUTS = [
    "{in_rate@view:?}{method}, {knob@method|knobs} = {value@method,rate:.2g}: {error@method,rate:.1f} % "
    "wrong, "
    "{cost@method,rate:.1f} points more than at its best.",
    "{in_rate@view:?}{method}, {knob@method|knobs} = {best_value@method,rate:.2g}, its best: "
    "{error@method,rate:.1f} % wrong.",
    "{in_race@view:?}Step {step}: training loss {loss@method,rate,step:.2f}; all {count:d} at their best "
    "{front@step:.2f} to {back@step:.2f}.",
    "{in_race@view:?}Your bet, {bet}, errs on {beaten@bet:.1f} %; fewest errors: {winner|methods}, "
    "{lowest:.1f} %. {verdict@bet|verdicts}",
    "{in_race@view:?}Your bet, {bet}, makes the fewest errors, {won@bet:.1f} %. On the test split its seeds "
    "overlap with those of {overlaps:d} of the {others:d} others.",
    f"{{in_later@view:?}}{race.TOLD}",
]
VERDICTS = [
    "On the test split the ranges of the two overlap, which decides nothing: seed by seed they are not "
    "compared here.",
    "On the test split every seed of the one beats every seed of the other.",
]
FALLING = Encoding(bits=8, log=True, clip=(0.2, 10.0))


# ------------------------------------------------------------------------------------- what is drawn


def _faint(**places: Any) -> Line:
    return Line(**places, color="faint", width=1)


def _on_curve(i: int, name: str, multiples: list[float]) -> list[Mark]:
    """A method's own curve with the range of its seeds, and a ring at the rate that is set."""
    own, this = style(name), {"method": [i]}
    there_and_back = [*multiples, *multiples[::-1]]
    return [
        Area(x=there_and_back, y=f"{name}_range", color=own["color"], when=this),
        Line(x=multiples, y=f"{name}_error", **own, dots=2.5, when=this),
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


def _in_race(names: list[str], at: np.ndarray, seeds: int) -> list[Mark]:
    """The method at the rate that is set: each seed thin, their mean thick, in the method's look."""
    common: dict[str, Any] = {"x": at.tolist(), "at": ("method", "rate"), "upto": "step"}
    families: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        families.setdefault(style(name)["color"], []).append(i)
    return [
        *(
            Line(y=f"seed_{k}", color=color, width=0.7, opacity=0.6, when={"method": members}, **common)
            for color, members in families.items()
            for k in range(seeds)
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


Exponents = dict[str, np.ndarray]


def _usual(m: Tuned) -> float:
    """A method's usual value; of one that is not in the table, the middle of what was tried."""
    return METHODS[m.name].usual if m.name in METHODS else float(m.values[len(m.values) // 2])


def _exponents(found: Comparison) -> Exponents:
    """What was tried of each method, in steps of the grid from its usual value."""
    steps = {name: np.log(m.values / _usual(m)) / np.log(SPACING) for name, m in found.methods.items()}
    return {name: one.round().astype(int) for name, one in steps.items()}


def _on_all(each: dict[str, np.ndarray], tried: Exponents) -> np.ndarray:
    """Numbers for the values that each method tried, side by side over all that any did; NaN where it did
    not. Where the best lay at an end of the grid, it was widened there."""
    every = np.unique(np.concatenate(list(tried.values())))
    out = np.full((len(each), len(every), *next(iter(each.values())).shape[1:]), np.nan)
    for row, (name, values) in zip(out, each.items(), strict=True):
        row[np.searchsorted(every, tried[name])] = values
    return out


def _curves(found: Comparison, error: dict[str, np.ndarray], tried: Exponents) -> Arrays:
    """Errors over the rates: means and ranges over the seeds, and what a rate costs."""
    tuned = found.methods.values()
    mean = _on_all({m.name: error[m.name].mean(-1) for m in tuned}, tried)  # (methods, rates)
    values = _on_all({m.name: m.values for m in tuned}, tried)
    at_best = values == np.array([m.values[m.best] for m in tuned])[:, None]
    least = np.nanmin(mean, 1)
    arrays = {
        "error": mean,
        "multiple": values / np.array([_usual(m) for m in tuned])[:, None],
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
    }
    for m in tuned:
        one = error[m.name]
        arrays |= {f"{m.name}_error": one.mean(-1), f"{m.name}_range": np.r_[one.min(-1), one.max(-1)[::-1]]}
    return arrays


def _race(found: Comparison, tried: Exponents) -> Arrays:
    """The mini-batch loss, averaged over a window of steps: of every run, and of each method's best rate."""
    windows = {
        name: sliding_window_view(m.loss, WINDOW, axis=0).mean(-1).swapaxes(0, 1)
        for name, m in found.methods.items()
    }  # (rates, steps, seeds)
    every = np.moveaxis(_on_all(windows, tried), -1, 0)  # (seeds, methods, rates, steps)
    mean = every.mean(0)
    best = {name: windows[name][m.best].mean(-1) for name, m in found.methods.items()}
    field = np.stack(list(best.values()))
    return {
        **{f"seed_{k}": one for k, one in enumerate(every)},
        **{f"{name}_best": loss for name, loss in best.items()},
        "race_step": WINDOW + np.arange(float(field.shape[1])),
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
    apart = np.array([found.above(names[winner], name) is not None for name in names], float)
    none = [np.nan]
    return {
        "beaten": np.r_[none, np.where(wins, np.nan, least)],
        "won": np.r_[none, np.where(wins, least, np.nan)],
        "verdict": np.r_[none, np.where(wins, np.nan, apart)],
        "winner": float(winner),
        "overlaps": float((apart[~wins] == 0).sum()),
        "others": float(len(names) - 1),
    }
