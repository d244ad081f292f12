"""The race: rules for the hidden matrices of a small transformer, each with a partner for the rest of it.

`scripts/race.py` (`make race`) runs it, which takes the better part of an hour, and stores what it found;
`stored` reads that. `trained` is one part of it, for whoever wants to see it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gdcourse.experiments import schedules
from gdcourse.experiments.paired import seed_by_seed
from gdcourse.experiments.train import History, train
from gdcourse.problems.text import text
from gdcourse.problems.transformer import Transformer
from gdcourse.rules import (
    LAMB,
    SOAP,
    Adafactor,
    Adam,
    AdEMAMix,
    Cautious,
    Lion,
    Momentum,
    Muon,
    NorMuon,
    Partners,
    Rule,
    ScheduleFree,
)

STEPS, BATCH = 300, 16
"""Mini-batches of a training, and windows of 32 letters in each."""

REST = 0.1
"""Where the search for the rest's rate starts."""

FILE = Path(__file__).parent / "data" / "race.json"


@dataclass(frozen=True)
class Entrant:
    """Who takes part.

    Attributes
    ----------
    hidden : gives the rule for the hidden matrices with a learning rate.
    usual : where the search for that rate starts.
    rest : gives the rule for the rest. Default Adam.
    scheduled : whether both rates fall to zero in a line, the default; else they stay.
    """

    hidden: Callable[[Any], Rule]
    usual: float
    rest: Callable[[Any], Rule] = Adam
    scheduled: bool = True


ENTRANTS = {
    "Momentum": Entrant(Momentum, 0.3),
    "Adam": Entrant(Adam, 0.01),
    "Lion": Entrant(Lion, 0.003),
    "LAMB": Entrant(LAMB, 0.03),
    "Adafactor": Entrant(Adafactor, 0.03),
    "AdEMAMix": Entrant(AdEMAMix, 0.01),
    "Cautious": Entrant(lambda lr: Cautious(Adam(lr)), 0.01),
    "ScheduleFree": Entrant(ScheduleFree, 0.03, ScheduleFree, scheduled=False),
    "Muon": Entrant(Muon, 0.03),
    "NorMuon": Entrant(NorMuon, 0.03),
    "SOAP": Entrant(SOAP, 0.01),
    "SOAP, k = 1": Entrant(lambda lr: SOAP(lr, k=1), 0.01),
}
"""All of them, each with the library's other defaults, mostly its authors'. The last one renews its bases at
every step."""


def trained(
    entrant: str | Entrant, hidden: Any, rest: Any, *, seeds: Sequence[int], steps: int = STEPS
) -> History:
    """Train the transformer on the *Opticks*, once with each pair of rates and each seed.

    Parameters
    ----------
    entrant : a name of `ENTRANTS`, or an entrant of your own.
    hidden, rest : the rates of the hidden matrices and of the rest, of one shape: numbers, or ``(N,)``.
    seeds : of the starting weights and of the order of the windows.
    steps : T. Default 300.

    Returns
    -------
    The trainings, of shape ``(N, S)``, or ``(S,)`` for one pair. Examined at the start and at the end.

    Raises
    ------
    ValueError : an entrant of another name.
    """
    if isinstance(entrant, str):
        if entrant not in ENTRANTS:
            raise ValueError(f"{entrant} did not enter the race; there are {', '.join(ENTRANTS)}")
        entrant = ENTRANTS[entrant]
    rates = [np.asarray(rate, float)[..., None] for rate in (hidden, rest)]
    return train(
        Transformer(),
        text(),
        Partners(entrant.hidden(rates[0]), rest=entrant.rest(rates[1])),
        steps=steps,
        batch=BATCH,
        seed=list(seeds),
        examine=1,
        schedule=schedules.linear(steps) if entrant.scheduled else None,
    )


def test_loss(history: History) -> np.ndarray:
    """The mean cross-entropy over the test part of the *Opticks*, 28,320 letters, in nats; of each training.

    A training that diverged has a loss of NaN.
    """
    split = text().test
    return history.network.loss(history.theta, split.x, split.y).double().numpy()


@dataclass(frozen=True, eq=False)
class Found:
    """What the race found for one entrant. Losses are in nats a letter; NaN for what diverged.

    Attributes
    ----------
    hidden, rest : the rates that were tried, ascending, two to a decade, shapes ``(H,)`` and ``(R,)``.
    validation : the validation loss of each pair with one seed, shape ``(H, R)``.
    short, again : the pairs that were lowest there, as places in both lists, shape ``(N, 2)``, and their
        validation loss with other seeds, ``(N, S)``.
    best : of those the place of the lowest mean.
    test : test loss of that pair with new seeds, shape ``(S',)``. Nothing was chosen by it.
    test_second : test loss of the pair with the second lowest mean, with the same seeds: what the race would
        have said, had the choice fallen otherwise.
    lengths, by_length : other lengths of the training with that pair, and their test losses, ``(L,)`` and
        ``(L, S'')``.
    """

    hidden: np.ndarray
    rest: np.ndarray
    validation: np.ndarray
    short: np.ndarray
    again: np.ndarray
    best: int
    test: np.ndarray
    test_second: np.ndarray
    lengths: np.ndarray
    by_length: np.ndarray

    @property
    def pair(self) -> tuple[float, float]:
        """The rates that were chosen: of the hidden matrices and of the rest."""
        i, j = self.short[self.best]
        return float(self.hidden[i]), float(self.rest[j])

    @property
    def behind(self) -> tuple[float, float]:
        """By how many nats the second lowest mean was above the lowest in the choice of the pair, and the
        standard error of that, over the seeds of the choice; NaN where one of the two diverged."""
        lowest, second, *_ = ranked(self.again)
        return seed_by_seed(self.again[second], self.again[lowest])


@dataclass(frozen=True, eq=False)
class Race:
    """A race that was run.

    Attributes
    ----------
    entrants : by name, what was found.
    seconds : by name, of one processor core, for one step of one training, gradient included; of Shampoo,
        too, which did not enter.
    tied : Adam with one rate for all parameters: "rates", "validation" with the seed of the search, "again"
        with the other seeds, "best" (the place of the lowest mean of these), "test".
    told : how and where: "processor", "cores", "versions", "seeds", "code" (a checksum of the files that
        the result rests on, as they were then), "date", "minutes"; "later", the dates of parts that were run
        again or added since.
    """

    entrants: dict[str, Found]
    seconds: dict[str, float]
    tied: dict[str, Any]
    told: dict[str, Any]

    def __getitem__(self, name: str) -> Found:
        return self.entrants[name]


def stored(path: Path | str = FILE) -> Race:
    """The race whose results come with the package, or another one.

    Raises
    ------
    FileNotFoundError : there is no such file.
    """
    whole = json.loads(Path(path).read_text(encoding="utf-8"))
    entrants = {name: _found(one) for name, one in whole.pop("entrants").items()}
    tied = {key: value if key == "best" else _floats(value) for key, value in whole.pop("tied").items()}
    return Race(entrants, whole.pop("seconds"), tied, whole)


def _found(one: dict[str, Any]) -> Found:
    of: dict[str, Callable[[Any], Any]] = {"best": int, "short": partial(np.asarray, dtype=int)}
    return Found(**{key: of.get(key, _floats)(value) for key, value in one.items()})


def _floats(value: Any) -> np.ndarray:
    return np.asarray(value, float)  # null is NaN


def ranked(losses: Any) -> np.ndarray:
    """The order in which the choice has the pairs: their places, the lowest mean first.

    Parameters
    ----------
    losses : of each pair with each seed, shape ``(N, S)``. A pair with one that is no finite number is last.
    """
    losses = np.asarray(losses, float)
    return np.where(np.isfinite(losses), losses, np.inf).mean(-1).argsort(kind="stable")


def ahead(a: Any, b: Any) -> bool:
    """The rule of this race: a is ahead of b if its loss is the lower one with every seed.

    Were the two alike, one of them would be so with n seeds in 2 of 2ⁿ cases: with ten in 1 of 512.

    Parameters
    ----------
    a, b : losses with the same seeds, shape ``(S,)``; one that is NaN is behind.

    Raises
    ------
    ValueError : other numbers of seeds, or none.
    """
    a, b = (np.where(np.isnan(x), np.inf, np.asarray(x, float)) for x in (a, b))
    if a.shape != b.shape or not a.size:
        raise ValueError(f"ahead compares seed by seed; got shapes {a.shape} and {b.shape}")
    return bool((a < b).all())


def steps_to(goal: float, lengths: Any, losses: Any) -> float:
    """How long a training must be to end at a loss: each length is a training of its own, planned for it.

    Between two lengths the loss is taken to fall in a line over the logarithm of the length.

    Parameters
    ----------
    goal : the loss, in nats.
    lengths : ascending, shape ``(L,)``.
    losses : at the end of trainings so long, shape ``(L,)``; NaN counts as not there.

    Returns
    -------
    Steps. Infinite where the longest ends above the goal; the shortest where that is there already. Where
    the losses rise again in between, the length from which on all are there.
    """
    lengths, losses = np.asarray(lengths, float), np.asarray(losses, float)
    missed = np.flatnonzero(~(losses <= goal))
    if not len(missed):
        return float(lengths[0])
    last = int(missed[-1])
    if last == len(losses) - 1:
        return float("inf")
    if not np.isfinite(losses[last]):
        return float(lengths[last + 1])
    share = (losses[last] - goal) / (losses[last] - losses[last + 1])
    return float(lengths[last] * (lengths[last + 1] / lengths[last]) ** share)
