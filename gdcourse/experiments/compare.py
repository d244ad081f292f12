"""`compare`: methods side by side on the digits, each given the same chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gdcourse.experiments.train import Schedule, train
from gdcourse.problems.digits import Digits
from gdcourse.problems.network import Network
from gdcourse.rules import METHODS, Method

SPACING = 10**0.5  # between neighbouring values of a grid: two to a decade


@dataclass(frozen=True, eq=False)
class Tuned:
    """One method after its search.

    Attributes
    ----------
    name, tuned : the method, and the hyperparameter that was searched over.
    values : what was tried, ascending, log-spaced, shape ``(K,)``.
    validation : validation accuracy after the last step, shape ``(K, S)``, for S seeds.
    loss : mini-batch loss before each step, shape ``(T, K, S)``.
    best : the index into ``values`` of the highest mean validation accuracy.
    test : test accuracy at the best value, shape ``(S,)``. Nothing was chosen by it.
    """

    name: str
    tuned: str
    values: np.ndarray
    validation: np.ndarray
    loss: np.ndarray
    best: int
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found, by method in the order given."""

    methods: dict[str, Tuned]

    def __getitem__(self, name: str) -> Tuned:
        """One method after its search. Raises KeyError for one that was not compared."""
        if name not in self.methods:
            raise KeyError(f"{name} was not compared: put it into the list beside {', '.join(self.methods)}")
        return self.methods[name]

    def table(self) -> str:
        """A line for each method: what was tried, the best value, validation and test accuracy in
        percent, mean and range over the seeds."""
        rows = [("method", "tried", "best", "validation", "test", "seeds")]
        for m in self.methods.values():
            rows.append(
                (
                    m.name,
                    f"{len(m.values)} {m.tuned} in {m.values[0]:.1g} … {m.values[-1]:.1g}",
                    f"{m.values[m.best]:.1g}",
                    f"{100 * m.validation[m.best].mean():.1f}",
                    f"{100 * m.test.mean():.1f}",
                    f"{100 * m.test.min():.1f} … {100 * m.test.max():.1f}",
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)

    def verdict(self, a: str, b: str) -> str:
        """A sentence on two methods' test accuracies: which is higher, if the seeds' ranges are apart."""
        first, second = self[a].test, self[b].test
        if first.min() > second.max():
            return f"{a} is above {b}: every seed of the one beats every seed of the other."
        if second.min() > first.max():
            return f"{b} is above {a}: every seed of the one beats every seed of the other."
        return f"{a} and {b}: no difference beyond the spread of the seeds."


def compare(
    methods: Sequence[str] | Mapping[str, Method],
    data: Digits,
    *,
    network: Network | None = None,
    steps: int = 200,
    batch: int | None = 64,
    trials: int = 7,
    seeds: int = 5,
    schedule: Schedule | None = None,
) -> Comparison:
    """Compare methods on the digits, each tuned by the same number of trials.

    Every method tries ``trials`` log-spaced values, two to a decade, around its usual one, with each of
    the same seeds. While some method's best lies at an end of its grid, that end is widened by two, and
    every other method gets two more trials, too, one at either end. The best is chosen by validation
    accuracy; only then is the test split looked at, once, at that value.

    Parameters
    ----------
    methods : names from `gdcourse.rules.METHODS`, or a mapping from names to methods.
    data : `gdcourse.digits()`.
    network : default 784–32–10.
    steps, batch, schedule : as in `gdcourse.train`. Defaults 200, 64, none.
    trials : an odd number of values to start with. Default 7.
    seeds : how many; they are 0, 1, …. Default 5.

    Raises
    ------
    ValueError : an unknown method, an even number of trials, fewer than two seeds, or a best value that
        still lies at the end of its grid after 10 widenings.
    """
    network = network or Network()
    table = dict(methods) if isinstance(methods, Mapping) else {name: _known(name) for name in methods}
    if trials < 3 or trials % 2 == 0:
        raise ValueError(f"trials must be an odd number ≥ 3, got {trials!r}")
    if seeds < 2:
        raise ValueError(f"seeds must be at least 2: one run shows no spread; got {seeds!r}")

    def run(method: Method, exponents: range) -> _Searched:
        values = method.usual * SPACING ** np.array(exponents)
        history = train(
            network,
            data,
            method.make(values[:, None]),
            steps=steps,
            batch=batch,
            seed=range(seeds),
            examine=1,
            schedule=schedule,
        )
        return _Searched(exponents, values, history.validation_accuracy[-1], history.loss, history.theta)

    half = trials // 2
    found = {name: run(method, range(-half, half + 1)) for name, method in table.items()}
    for _ in range(10):
        ends = {name: s.end() for name, s in found.items()}
        if not any(ends.values()):
            break
        for name, method in table.items():
            low, high = found[name].exponents[0], found[name].exponents[-1]
            if ends[name] <= 0:
                found[name] = found[name].join(
                    run(method, range(low - 1 - (ends[name] < 0), low)), first=True
                )
            if ends[name] >= 0:
                more = range(high + 1, high + 2 + (ends[name] > 0))
                found[name] = found[name].join(run(method, more), first=False)
    else:
        raise ValueError("after 10 widenings some method's best value still lies at the end of its grid")
    return Comparison({name: found[name].report(name, table[name], network, data) for name in table})


@dataclass(frozen=True, eq=False)
class _Searched:
    exponents: range
    values: np.ndarray
    validation: np.ndarray
    loss: np.ndarray
    theta: torch.Tensor

    @property
    def best(self) -> int:
        return int(self.validation.mean(-1).argmax())

    def end(self) -> int:
        """−1 or +1 if the best lies at the lower or upper end of the grid, else 0."""
        return (self.best == len(self.values) - 1) - (self.best == 0)

    def join(self, more: _Searched, first: bool) -> _Searched:
        a, b = (more, self) if first else (self, more)
        return _Searched(
            range(a.exponents[0], b.exponents[-1] + 1),
            np.concatenate([a.values, b.values]),
            np.concatenate([a.validation, b.validation]),
            np.concatenate([a.loss, b.loss], 1),
            torch.cat([a.theta, b.theta]),
        )

    def report(self, name: str, method: Method, network: Network, data: Digits) -> Tuned:
        test = network.accuracy(self.theta[self.best], data.test.x, data.test.y).cpu().numpy()
        return Tuned(name, method.tuned, self.values, self.validation, self.loss, self.best, test)


def _known(name: str) -> Method:
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known are {', '.join(METHODS)}")
    return METHODS[name]
