"""Run the race of the chapter "The race", and store what it found.

    python scripts/race.py                  all of it; the stored run took forty minutes on two cores
    python scripts/race.py --quick          a smoke test of a minute, whose numbers mean nothing
    python scripts/race.py --times          only the times of the steps, put into what is stored
    python scripts/race.py --tied           only Adam with one rate for both, put into what is stored
    python scripts/race.py --second         only the tests of the second-best pairs, put into what is stored
    python scripts/race.py --out FILE       another file than the one in the package

First each entrant's steps are timed, one after the other, in seconds of the processor. Then, in two
processes: all entrants search over the same number of pairs of rates, which grows for all of them as long as
for any the best lies at an edge; the best few are tried again with other seeds; and the best of those trains
with new seeds, and at other lengths. Last, the second best of the few with the same new seeds, and Adam with
one rate for hidden matrices and rest alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESTS_ON = (
    "gdcourse/rules/*.py",
    "gdcourse/problems/transformer.py",
    "gdcourse/problems/text.py",
    "gdcourse/experiments/race.py",
    "gdcourse/experiments/train.py",
    "gdcourse/experiments/family.py",
    "gdcourse/experiments/schedules.py",
    "scripts/race.py",
)
WIDENINGS = 6


@dataclass(frozen=True)
class Plan:
    """How much is trained. Seeds of one stage are used in no other."""

    steps: int = 300
    around: int = 2
    search: tuple[int, ...] = (100,)
    short: int = 4
    again: tuple[int, ...] = (101, 102, 103, 104)
    test: tuple[int, ...] = tuple(range(10))
    lengths: tuple[int, ...] = (75, 150, 225, 300, 450, 600, 900)
    at_lengths: tuple[int, ...] = (20, 21, 22)
    timed: int = 60


QUICK = Plan(4, 1, (100,), 2, (101, 102), (0, 1), (2, 4), (20, 21), 12)


def settings(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all of it runs")
    parser.add_argument("--times", action="store_true", help="only the times, put into what is stored")
    parser.add_argument(
        "--tied", action="store_true", help="only Adam with one rate, put into what is stored"
    )
    parser.add_argument(
        "--second", action="store_true", help="only the second-best pairs, put into what is stored"
    )
    parser.add_argument("--out", type=Path, help="the file to write to; default: the one in the package")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args(arguments)


# --- One training, in a process of its own ------------------------------------------------------------------


def alone() -> None:
    import torch

    torch.set_num_threads(1)
    os.environ["GDCOURSE_STATIC"] = "1"


def losses(name: str, pairs: Any, seeds: tuple[int, ...], steps: int, tests: bool) -> Any:
    """Validation loss, or test loss, of each pair of rates and seed."""
    from gdcourse.experiments import race

    hidden, rest = zip(*pairs, strict=True)
    history = race.trained(name, hidden, rest, seeds=seeds, steps=steps)
    return race.test_loss(history) if tests else history.validation_loss[-1]


def seconds(name: str, pair: tuple[float, float], steps: int) -> float:
    """Of the processor, for one step of one training, in the mean, the first ten left out."""
    from gdcourse import train
    from gdcourse.experiments.race import BATCH, ENTRANTS
    from gdcourse.problems import Transformer, text
    from gdcourse.rules import Partners, Shampoo

    clock: list[float] = []
    entrant = ENTRANTS.get(name)
    hidden = entrant.hidden if entrant else {"Shampoo": Shampoo}[name]
    rest = entrant.rest if entrant else ENTRANTS["Adam"].rest
    rules = Partners(hidden(pair[0]), rest=rest(pair[1]))
    train(
        Transformer(),
        text(),
        rules,
        steps=steps,
        batch=BATCH,
        examine=1,
        callback=lambda _: clock.append(time.process_time()),
    )
    return (clock[-2] - clock[9]) / (len(clock) - 11)  # after the last one it is examined


def side_by_side(
    tasks: dict[str, tuple[Any, ...]],
    what: str,
    pool: Executor,
    times: dict[str, float],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What `losses` gives for each entrant's task, the slowest first."""
    import numpy as np

    order = sorted(tasks, key=lambda name: -times[name])
    futures = {pool.submit(losses, name, *tasks[name]): name for name in order}
    found = {}
    for future in as_completed(futures):
        found[futures[future]] = np.asarray(future.result())
        say(f"{what}: {futures[future]} ({len(found)} of {len(futures)})")
    return found


# --- The race -----------------------------------------------------------------------------------------------


def run(
    plan: Plan, pool: Executor, times: dict[str, float], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """All entrants' results, as they are stored."""
    import numpy as np

    from gdcourse.experiments.race import ENTRANTS, ranked

    def all_of(tasks: dict[str, tuple[Any, ...]], what: str) -> dict[str, Any]:
        return side_by_side(tasks, what, pool, times, say)

    grids = search(plan, lambda tasks: all_of(tasks, "search"), say)
    short = {name: lowest(grid.validation, plan.short) for name, grid in grids.items()}
    rates = {
        name: [(grids[name].hidden[i], grids[name].rest[j]) for i, j in short[name]] for name in ENTRANTS
    }
    again = all_of({name: (rates[name], plan.again, plan.steps, False) for name in ENTRANTS}, "again")
    best = {name: int(ranked(losses)[0]) for name, losses in again.items()}
    chosen = {name: [rates[name][best[name]]] for name in ENTRANTS}
    test = all_of({name: (chosen[name], plan.test, plan.steps, True) for name in ENTRANTS}, "test")
    lengths = {
        steps: all_of(
            {name: (chosen[name], plan.at_lengths, steps, True) for name in ENTRANTS}, f"{steps} steps"
        )
        for steps in plan.lengths
    }
    return {
        name: {
            "hidden": list(grids[name].hidden),
            "rest": list(grids[name].rest),
            "validation": rounded(grids[name].validation),
            "short": short[name],
            "again": rounded(again[name]),
            "best": best[name],
            "test": rounded(test[name][0]),
            "lengths": list(plan.lengths),
            "by_length": rounded(np.stack([lengths[steps][name][0] for steps in plan.lengths])),
        }
        for name in ENTRANTS
    }


def put_second(
    entrants: dict[str, dict[str, Any]],
    plan: Plan,
    pool: Executor,
    times: dict[str, float],
    say: Callable[[str], None],
) -> None:
    """Put the test losses of each entrant's second-best pair beside those of its best."""
    from gdcourse.experiments.race import ranked

    tasks = {}
    for name, one in entrants.items():
        i, j = one["short"][ranked(one["again"])[1]]
        tasks[name] = ([(one["hidden"][i], one["rest"][j])], plan.test, plan.steps, True)
    for name, found in side_by_side(tasks, "second", pool, times, say).items():
        entrants[name]["test_second"] = rounded(found[0])


def timed(plan: Plan, pool: Executor, say: Callable[[str], None]) -> dict[str, float]:
    """Seconds a step of each entrant, one after the other, and of Shampoo, which did not enter."""
    from gdcourse.experiments.race import ENTRANTS, REST

    starts = {name: entrant.usual for name, entrant in ENTRANTS.items()} | {"Shampoo": 0.1}
    times = {}
    for name, usual in starts.items():
        times[name] = pool.submit(seconds, name, (usual, REST), plan.timed).result()
        say(f"{name}: {1e3 * times[name]:.1f} ms a step")
    return times


def tied(plan: Plan, pool: Executor, say: Callable[[str], None]) -> dict[str, Any]:
    """Adam with one rate for all parameters: a search with the same seeds, and the best with the test's."""
    from gdcourse.experiments.race import ranked

    rates = [float(f"{10 ** (i / 2):.6g}") for i in range(-8, 0)]
    pairs = [(rate, rate) for rate in rates]
    found = [
        pool.submit(losses, "Adam", pairs, seeds, plan.steps, False).result()
        for seeds in (plan.search, plan.again)
    ]
    best = int(ranked(found[1])[0])
    test = pool.submit(losses, "Adam", [pairs[best]], plan.test, plan.steps, True).result()
    say(f"Adam with one rate: {rates[best]:.2g} of {rates}")
    return {
        "rates": rates,
        "validation": rounded(found[0][:, 0]),
        "again": rounded(found[1]),
        "best": best,
        "test": rounded(test[0]),
    }


@dataclass
class Grid:
    """The pairs of one entrant: half decades from where it starts, and what was found."""

    usual: tuple[float, float]
    rows: range
    columns: range
    found: dict[tuple[int, int], float]

    @property
    def hidden(self) -> list[float]:
        return [self.rate(0, i) for i in self.rows]

    @property
    def rest(self) -> list[float]:
        return [self.rate(1, j) for j in self.columns]

    def rate(self, which: int, exponent: int) -> float:
        return float(f"{self.usual[which] * 10 ** (exponent / 2):.6g}")

    @property
    def validation(self) -> Any:
        import numpy as np

        return np.array([[self.found[i, j] for j in self.columns] for i in self.rows])

    def missing(self) -> list[tuple[int, int]]:
        return [(i, j) for i in self.rows for j in self.columns if (i, j) not in self.found]

    def edges(self) -> tuple[int, int]:
        """For rows and columns −1 or 1 where the best lies at the lower or upper edge, else 0."""
        at = lowest(self.validation, 1)[0]
        sizes = len(self.rows), len(self.columns)
        return tuple((k == size - 1) - (k == 0) for k, size in zip(at, sizes, strict=True))  # type: ignore


def search(plan: Plan, tried: Callable[..., dict[str, Any]], say: Callable[[str], None]) -> dict[str, Grid]:
    """The grids of all entrants, of one size, once every best pair lies inside its own."""
    from gdcourse.experiments.race import ENTRANTS, REST

    start = range(-plan.around, plan.around + 1)
    grids = {name: Grid((entrant.usual, REST), start, start, {}) for name, entrant in ENTRANTS.items()}
    for _ in range(WIDENINGS + 1):
        missing = {name: grid.missing() for name, grid in grids.items()}
        tasks = {
            name: (
                [(grids[name].rate(0, i), grids[name].rate(1, j)) for i, j in missing[name]],
                plan.search,
                plan.steps,
                False,
            )
            for name in grids
        }
        for name, found in tried(tasks).items():
            means = finite(found).mean(-1)
            grids[name].found |= dict(zip(missing[name], means.tolist(), strict=True))
        edges = {name: grid.edges() for name, grid in grids.items()}
        if not any(side for both in edges.values() for side in both):
            break
        say(f"at an edge: {', '.join(f'{name} {both}' for name, both in edges.items() if any(both))}")
        for axis, ranges in enumerate(("rows", "columns")):
            if any(both[axis] for both in edges.values()):
                for name, grid in grids.items():
                    setattr(grid, ranges, wider(getattr(grid, ranges), edges[name][axis]))
    else:
        say(f"after {WIDENINGS} widenings some best pair still lies at an edge")
    return grids


def wider(exponents: range, side: int) -> range:
    """Two more values: beyond the side where the best lies, or one at either end."""
    below, above = {-1: (2, 0), 0: (1, 1), 1: (0, 2)}[side]
    return range(exponents.start - below, exponents.stop + above)


def finite(values: Any) -> Any:
    import numpy as np

    return np.where(np.isfinite(values), values, np.inf)


def lowest(values: Any, n: int) -> list[tuple[int, int]]:
    """The places of the n lowest values, rows and columns, the lowest first."""
    import numpy as np

    order = finite(values).argsort(axis=None, kind="stable")[:n]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, values.shape), strict=True)]


def rounded(values: Any) -> Any:
    """Lists with four decimals; null for what is not finite."""
    import numpy as np

    if np.ndim(values):
        return [rounded(value) for value in values]
    return round(float(values), 4) if np.isfinite(values) else None


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def told(plan: Plan, minutes: float) -> dict[str, Any]:
    """How and where the race was run."""
    import numpy
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "torch": torch.__version__.partition("+")[0],
        },
        "seeds": {
            "search": plan.search,
            "again": plan.again,
            "test": plan.test,
            "lengths": plan.at_lengths,
        },
        "code": checksum(file for pattern in RESTS_ON for file in sorted(ROOT.glob(pattern))),
        "date": today(),
        "later": {},
        "minutes": round(minutes, 1),
    }


def checksum(files: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()


def main(arguments: list[str] | None = None) -> None:
    from gdcourse.experiments.race import FILE

    chosen = settings(arguments)
    plan, began = (QUICK if chosen.quick else Plan()), time.perf_counter()
    out = chosen.out or (ROOT / "_build" / "race.json" if chosen.quick else FILE)
    all_of_it = not (chosen.times or chosen.tied or chosen.second)
    whole: dict[str, Any] = {} if all_of_it else json.loads(out.read_text(encoding="utf-8"))

    def say(line: str) -> None:
        print(f"{(time.perf_counter() - began) / 60:5.1f} min  {line}", flush=True)

    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.processes, mp_context=spawn, initializer=alone) as pool:
        if all_of_it or chosen.times:
            whole["seconds"] = {name: round(one, 6) for name, one in timed(plan, pool, say).items()}
        if all_of_it:
            whole["entrants"] = run(plan, pool, whole["seconds"], say)
        if all_of_it or chosen.second:
            put_second(whole["entrants"], plan, pool, whole["seconds"], say)
        if all_of_it or chosen.tied:
            whole["tied"] = tied(plan, pool, say)
    if not all_of_it:
        parts = {"times": "times", "tied": "one rate", "second": "second-best pairs"}
        done = [what for part, what in parts.items() if getattr(chosen, part)]
        whole["later"] = whole.get("later", {}) | dict.fromkeys(done, today())
    if all_of_it:
        whole = told(plan, (time.perf_counter() - began) / 60) | whole
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    say(f"written: {out}")


if __name__ == "__main__":
    main()
