"""`compare`: methods side by side on the digits, each given the same chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.entrants import entrants_of
from gdcourse.experiments.paired import seed_by_seed
from gdcourse.experiments.shown import Shown, draw, needed
from gdcourse.experiments.train import History, Schedule, train
from gdcourse.problems.data import Data, Split
from gdcourse.problems.digits import digits
from gdcourse.problems.modules import Modules, as_network, kind_of
from gdcourse.problems.network import Network, accuracy_of
from gdcourse.rules import Method, Rule, hinted

SPACING = 10**0.5  # between neighbouring values of a grid: two to a decade


@dataclass(frozen=True, eq=False, repr=False)
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
    diverged : at which values how many seeds' loss was no longer a finite number, shape ``(K,)``; None where
        nobody looked.
    fresh : test accuracy at the best value of F further seeds, which had no say in it, shape ``(F,)``.
        The same F seeds for all methods of one `compare`; none where it was not asked for any.
    test_second : test accuracy at the second-best value, with the seeds of ``test``, shape ``(S,)``: what
        would have been read, had the choice fallen otherwise. Empty where nobody looked.
    """

    name: str
    tuned: str
    values: np.ndarray
    validation: np.ndarray
    loss: np.ndarray
    best: int
    test: np.ndarray
    diverged: np.ndarray | None = None
    fresh: np.ndarray = field(default_factory=lambda: np.empty(0))
    test_second: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def second(self) -> int:
        """The index into ``values`` of the highest mean validation accuracy beside that of ``best``.

        Raises
        ------
        ValueError : only one value was tried.
        """
        if len(self.values) < 2:
            raise ValueError(f"{self.name} has no second-best value: only one was tried")
        means = np.nan_to_num(self.validation.mean(-1), nan=-np.inf)
        others = np.delete(np.arange(len(means)), self.best)
        return int(others[means[others].argmax()])

    @property
    def nearly_even(self) -> bool:
        """Whether best and second-best are apart by no more than the standard error of their difference,
        seed by seed: with other seeds the choice might well have fallen otherwise. False where there was no
        choice, of one value, or no telling, with one seed."""
        if min(self.validation.shape) < 2:
            return False
        gap, error = seed_by_seed(self.validation[self.best], self.validation[self.second])
        return abs(gap) <= error

    def trainings(self) -> Iterator[tuple[int, int, float, float]]:
        """Each training: the index into ``values``, the seed, validation and test accuracy, NaN for what was
        not read. The fresh seeds come last."""
        read = {self.best: self.test}
        if len(self.test_second):
            read[self.second] = self.test_second
        seeds = self.validation.shape[1]
        for k, row in enumerate(self.validation):
            yield from zip([k] * seeds, range(seeds), row, read.get(k, np.full(seeds, np.nan)), strict=True)
        for seed, accuracy in enumerate(self.fresh, seeds):
            yield self.best, seed, np.nan, accuracy

    def __repr__(self) -> str:
        return (
            f"Tuned: {self.name}, {self.tuned} {self.values[self.best]:.2g} of {len(self.values)} tried, "
            f"validation accuracy {100 * self.validation[self.best].mean():.1f} %, "
            f"test accuracy {100 * self.test.mean():.1f} %"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """What `compare` found, by method in the order given."""

    methods: dict[str, Tuned]

    def __getitem__(self, name: str) -> Tuned:
        """One method after its search. Raises KeyError for one that was not compared."""
        if name not in self.methods:
            raise KeyError(f"{name} was not compared: put it into the list beside {', '.join(self.methods)}")
        return self.methods[name]

    def facts(self) -> dict[str, str]:
        told = {}
        for name, m in self.methods.items():
            seeds = f"{100 * m.test.min():.1f} … {100 * m.test.max():.1f}"
            told[name] = f"{100 * m.test.mean():.1f} % ({seeds}) at {m.tuned} {m.values[m.best]:.1g}"
        return told

    def to_pandas(self) -> Any:
        """A pandas DataFrame, a row for each method, value and seed: ``method``, ``tuned``, ``value``,
        ``seed`` (0, 1, …), ``validation_accuracy``, ``is_best``, and ``test_accuracy``, NaN but for the best
        value and the second-best; and a row for each fresh seed at the best value, whose
        ``validation_accuracy`` is NaN.

        Raises
        ------
        ModuleNotFoundError : pandas is not installed.
        """
        pandas = needed("pandas", "to_pandas needs pandas: pip install pandas")
        rows = [
            {
                "method": name,
                "tuned": m.tuned,
                "value": float(m.values[k]),
                "seed": seed,
                "validation_accuracy": float(validation),
                "is_best": k == m.best,
                "test_accuracy": float(test),
            }
            for name, m in self.methods.items()
            for k, seed, validation, test in m.trainings()
        ]
        return pandas.DataFrame(rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw validation error over what was tuned, see `gdcourse.figures.learning_rate_curves`. Returns the
        axes.

        Parameters
        ----------
        ax : where to draw, matplotlib's. Default: a new figure.
        """
        return draw("learning_rate_curves", self, ax)

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

    def with_second(self, name: str) -> Comparison:
        """The same comparison, had one method's choice fallen on its second-best value. Nobody trained that
        with the fresh seeds: the method has none there.

        Raises
        ------
        KeyError : it was not compared.
        ValueError : nobody looked at its second-best value.
        """
        m = self[name]
        if not len(m.test_second):
            raise ValueError(f"nobody looked at the second-best value of {name}: `compare` does")
        other = replace(m, best=m.second, test=m.test_second, test_second=m.test, fresh=np.empty(0))
        return Comparison(self.methods | {name: other})

    def above(self, a: str, b: str) -> str | None:
        """Of two methods the one whose every seed has a higher test accuracy than every seed of the other.

        None where the ranges of the seeds overlap.
        """
        one, two = self[a].test, self[b].test
        return a if one.min() > two.max() else b if two.min() > one.max() else None

    def verdict(self, a: str, b: str) -> str:
        """A sentence on two methods' test accuracies: which is `above` the other, if one is.

        Another one follows where the first hangs on a choice that was `nearly_even <Tuned.nearly_even>`: it
        says what the method's second-best value would have given.
        """
        now = self.above(a, b)
        said = (
            f"{now} is above {b if now == a else a}: every seed of the one beats every seed of the other."
            if now
            else f"{a} and {b}: no difference beyond the spread of the seeds."
        )
        for name in (a, b):
            m = self[name]
            if not (len(m.test_second) and m.nearly_even):
                continue
            otherwise = self.with_second(name).above(a, b)
            if otherwise != now:
                said += (
                    f" {name}'s choice was nearly even: with the other {m.tuned}, {m.values[m.second]:.1g}, "
                    + (f"{otherwise} would be above." if otherwise else "they would not be told apart.")
                )
        return said

    def one_against_one(self, a: str, b: str) -> str:
        """A sentence on two methods by their fresh seeds: how many percentage points of test error ``b`` has
        less than ``a``, mean over the seeds ± its standard error, and in how many of them it has less.

        Raises
        ------
        ValueError : the two have not the same fresh seeds, two at least.
        """
        first, second = self[a].fresh, self[b].fresh
        if not len(first) == len(second) > 1:
            raise ValueError(
                f"fresh seeds: {len(first)} of {a}, {len(second)} of {b}; compare(…, fresh=20) gives each 20"
            )
        chose = [self[name].validation.shape[-1] for name in (a, b)]  # the fresh ones come after these
        if chose[0] != chose[1]:
            raise ValueError(
                f"the fresh seeds of {a} begin at {chose[0]}, {b}'s at {chose[1]}: give both as many seeds"
            )
        less, error = seed_by_seed(100 * second, 100 * first)
        return (
            f"{b} has {less:.2f} ± {error:.2f} points of test error less than {a}, seed by seed; "
            f"less in {(second > first).sum()} of {len(first)}"
        )


@hinted
def compare(
    methods: Any,
    data: Any = None,
    *,
    network: Any = None,
    steps: int | None = None,
    epochs: int | None = None,
    batch: int | None = 64,
    trials: int = 7,
    seeds: int = 5,
    fresh: int = 0,
    schedule: Schedule | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Comparison:
    """Compare methods on the digits, each tuned by the same number of trials.

    Every method tries ``trials`` log-spaced values, two to a decade, around its usual one, with each of
    the same seeds. While some method's best lies at an end of its grid, that end is widened by two, and
    every other method gets two more trials, too, one at either end. The best is chosen by validation
    accuracy; only then is the test split looked at, at that value; and at the second-best, to say what hangs
    on the choice, see `Comparison.verdict`.

    Parameters
    ----------
    methods : one or several, mixed as you like: names from `gdcourse.rules.ALL`; rules, each searched
        around its own learning rate; classes of rules, your own, too; classes of torch optimizers; functions
        of ``(params, lr)`` that make one; or a mapping from names to these. Where each search starts,
        `gdcourse.experiments.method_of` says.
    data : as for `gdcourse.train`; with three parts, if they are your own. Default: `gdcourse.digits()`.
    network : as for `gdcourse.train`. Default 784–32–10.
    steps, epochs, batch, schedule, dtype, device : as in `gdcourse.train`. Defaults 200 steps, 64, none. A
        schedule is for rules.
    trials : an odd number of values to start with. Default 7.
    seeds : how many; they are 0, 1, …. Default 5.
    fresh : how many further seeds, the next ones, train at the best value once it is chosen. Few seeds hide
        small differences; see `Comparison.one_against_one`. Default 0.

    Raises
    ------
    TypeError : a method of no kind named above.
    ValueError : an unknown method, an even number of trials, fewer than two seeds, a negative number of fresh
        ones, no test split, targets that are no labels, or a best value that still lies at the end of its
        grid after 10 widenings.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> methods = ["Momentum", gd.Adam(0.01, beta2=0.99), torch.optim.NAdam]
    >>> list(gd.compare(methods, steps=50, trials=3, seeds=2).methods)
    ['Momentum', 'Adam(beta2=0.99)', 'torch.optim.NAdam']
    """
    if isinstance(trials, bool) or not isinstance(trials, (int, np.integer)) or trials < 3 or trials % 2 == 0:
        raise ValueError(f"trials must be an odd number ≥ 3, got {trials!r}")
    if isinstance(seeds, bool) or not isinstance(seeds, (int, np.integer)):
        raise ValueError(f"seeds must be how many there are, a whole number, got {seeds!r}")
    if seeds < 2:
        raise ValueError(f"seeds must be at least 2: one run shows no spread; got {seeds!r}")
    if isinstance(fresh, bool) or not isinstance(fresh, (int, np.integer)) or fresh < 0:
        raise ValueError(f"fresh must be how many further seeds there are, a whole number ≥ 0, got {fresh!r}")
    given = Network() if network is None else network
    fitted, data = as_network(given, digits() if data is None else data, None, dtype, device)
    if not len(data.test):
        raise ValueError("data must have a test split: give three parts, for train, validation and test")
    table = entrants_of(methods, lambda: _parameters(fitted, data, dtype))
    steps = 200 if steps is None and epochs is None else steps

    def once(optimizer: Any, seeds: Sequence[int] = range(seeds)) -> History:
        return train(
            given,
            data,
            optimizer,
            steps=steps,
            epochs=epochs,
            batch=batch,
            seed=seeds,
            examine=1,
            schedule=schedule,
            dtype=dtype,
        )

    def run(method: Method, exponents: range) -> _Searched:
        values = method.usual * SPACING ** np.array(exponents)
        if isinstance(method.make(float(values[0])), Rule):
            grid = once(method.make(values[:, None]))
            return _Searched(
                exponents,
                values,
                grid.validation_accuracy[-1],
                grid.loss,
                (grid.diverged_at >= 0).sum(-1),
                [_Trained(grid, i) for i in range(len(values))],
            )
        each = [once(method.make(float(value))) for value in values]
        return _Searched(
            exponents,
            values,
            np.stack([history.validation_accuracy[-1] for history in each]),
            np.stack([history.loss for history in each], 1),
            np.array([(history.diverged_at >= 0).sum() for history in each]),
            [_Trained(history, ...) for history in each],
        )

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

    def report(name: str, method: Method) -> Tuned:
        searched, further = found[name], np.empty(0)
        if fresh:
            best = method.make(float(searched.values[searched.best]))
            further = _Trained(once(best, range(seeds, seeds + fresh)), ...).accuracy(data.test)
        return searched.report(name, method, data.test, further)

    return Comparison({name: report(name, method) for name, method in table.items()})


def _parameters(network: Any, data: Data, dtype: Any) -> list[torch.Tensor]:
    """Parameters of a network as an optimizer gets them."""
    theta = network.init(0, kind_of(data, dtype)).to(data.train.x.device)
    return [part.clone().requires_grad_() for part in network.parts(theta)]


@dataclass(frozen=True, eq=False)
class _Trained:
    """The networks of one value, one for each seed: where they stand in a history."""

    history: History
    at: Any

    def accuracy(self, split: Split) -> np.ndarray:
        network, theta = self.history.network, self.history.theta
        if isinstance(network, Modules):  # one for each training of the family, which is the whole of it
            found = accuracy_of(network.scores(theta, split.x), split.y, axes=split.y.ndim)
            return found[self.at].cpu().numpy()
        return network.accuracy(theta[self.at], split.x, split.y).cpu().numpy()


@dataclass(frozen=True, eq=False)
class _Searched:
    exponents: range
    values: np.ndarray
    validation: np.ndarray
    loss: np.ndarray
    diverged: np.ndarray
    trained: list[_Trained]

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
            np.concatenate([a.diverged, b.diverged]),
            a.trained + b.trained,
        )

    def report(self, name: str, method: Method, test: Split, fresh: np.ndarray) -> Tuned:
        tuned = Tuned(
            name,
            method.tuned,
            self.values,
            self.validation,
            self.loss,
            self.best,
            self.trained[self.best].accuracy(test),
            self.diverged,
            fresh,
        )
        return replace(tuned, test_second=self.trained[tuned.second].accuracy(test))
