"""How fast it is, beside others, in one run on this machine: a table, and in _build/bench a picture and more.

    python scripts/bench.py                  everything, about a quarter of an hour
    python scripts/bench.py --quick          a smoke test of seconds, whose numbers mean nothing
    python scripts/bench.py steps runs       some parts alone: steps, compiling, runs, trainings, landscapes
                                             (five minutes together), and book: `make book`, `make test`
    python scripts/bench.py --threads 1      on so many processor cores, without the book

Whoever is compared takes turns, round after round, so that what else the machine does meets all alike. A
number is the least of all rounds; its spread says how far the median lies above. Other work on the machine
disturbs all the same, threads that wait for each other most: the load before is told. Optional packages
that are missing are named: optax (in the requirements of the tests), pytorch_optimizer, torch_optimizer.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import inspect
import json
import os
import platform
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, pairwise
from math import ceil, floor, log10
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("steps", "compiling", "runs", "trainings", "landscapes", "book")


@dataclass
class Goal:
    """`who` takes at most `at_most` times as long as `versus`; or as many milliseconds, where that is ""."""

    who: str
    at_most: float
    versus: str = ""


@dataclass
class Contest:
    """What is compared: by name, functions that do the same work once, or the part of it that `share` says;
    of a list of functions, the fastest counts. `not_run` says why for the others."""

    title: str
    turns: dict[str, Any]
    goals: list[Goal] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    each: int = 1  # how many pieces of work a turn does
    before: int = 2  # turns that are not timed: they compile, make the state, and see RAdam's warm-up through
    share: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Result:
    title: str
    ms: dict[str, float]
    spread: dict[str, float]
    goals: list[dict[str, Any]]
    not_run: dict[str, str]
    notes: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)


def settings(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all of it runs")
    parser.add_argument("--rounds", type=int, default=0, help="how many turns each takes")
    parser.add_argument("--threads", type=int, default=0, help="processor cores to use; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "bench", help="the folder to write to")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    chosen.parts = chosen.parts or [part for part in PARTS if part != "book" or not chosen.threads]
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 9)
    return chosen


def keep_to(threads: int) -> None:
    """Before torch and jax start: both, and the libraries under them, get the same cores."""
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if threads:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)


# --- One step of an optimizer -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """``kind`` is torch's class, ``arguments`` are for it and for ours, ``theirs`` for it alone. A step reads
    and writes so many ``arrays``."""

    kind: str
    arguments: dict[str, Any]
    arrays: int
    has_fused: bool = True
    theirs: dict[str, Any] = field(default_factory=dict)


SLOPE = {"lr": 1e-4, "momentum": 0.9}
METHODS = {
    "Momentum": Method("SGD", SLOPE, 5),
    "Nesterov": Method("SGD", SLOPE, 5, theirs={"nesterov": True}),
    "Adagrad": Method("Adagrad", {"lr": 1e-4}, 5),
    "Adam": Method("Adam", {"lr": 1e-4}, 7),
    "RAdam": Method("RAdam", {"lr": 1e-4}, 7, has_fused=False),
    "Adadelta": Method("Adadelta", {"lr": 1e-4}, 7, has_fused=False),
}
NETWORK = (784, 32, 10)
TINY, LARGE, MANY, SMALL = "3 × 100", "1 × 10M", "200 × 10k", "784-32-10"
COMPILED, PLAIN, BOUND = "ours, compile=True", "ours", "bandwidth bound"
COMPILED_PEER = "torch, compiled step"
PART = "of ours:"
OTHERS = ("pytorch_optimizer", "torch_optimizer")
K = 5  # Lookahead's period
PLACES = 3  # in memory, at which the loops of the bandwidth bound are tried


def arrays_of(title: str) -> float:
    """How many arrays a step reads and writes, by a contest's title."""
    name = title.partition(",")[0]
    return METHODS["Adam"].arrays + 4 / K if name == "Lookahead(Adam)" else METHODS[name].arrays


def steps(quick: bool) -> Iterator[Callable[[], Contest]]:
    network = [shape for a, b in pairwise(NETWORK) for shape in ((a, b), (b,))]
    sizes = {LARGE: [(10_000_000,)], MANY: [(10_000,)] * 200, SMALL: network}
    for size, shapes in ({TINY: [(100,)] * 3} if quick else sizes).items():
        for name in ("Momentum",) if quick else METHODS:
            yield lambda size=size, shapes=shapes, name=name: steps_of(name, size, shapes)
        if size in (LARGE, MANY):
            yield lambda size=size, shapes=shapes: lookahead_of(size, shapes)


class Stepping:
    """Makes the step of an optimizer on parameters and gradients of given shapes."""

    def __init__(self, shapes: list[tuple[int, ...]]) -> None:
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.shapes = shapes
        self.grads = [torch.randn(shape, device=self.device) for shape in shapes]

    def by(self, make: Callable[[list[Any]], Any], around: Callable[[Any], Any] = lambda step: step) -> Any:
        import torch

        params = [torch.zeros(shape, device=self.device, requires_grad=True) for shape in self.shapes]
        for param, grad in zip(params, self.grads, strict=True):
            param.grad = grad
        return around(make(params).step)

    def graphs(self, contest: Contest, makers: dict[str, Callable[[list[Any]], Any]]) -> None:
        """The same steps as CUDA graphs, on a GPU."""
        for who, make in makers.items():
            if self.device == "cuda":
                contest.turns[f"{who}, CUDA graph"] = self.by(make, captured)
            else:
                contest.not_run[f"{who}, CUDA graph"] = "no GPU"

    def bound(self, arrays: float) -> list[Callable[[], Any]]:
        """Loops that move as many numbers as a step that touches so many arrays, and compute next to nothing.

        Half of them change one array (a ← −a: a number is read and written), half of them add another to it
        (a ← a + ½ b: two are read, one is written). How fast such a loop is depends on where its arrays lie
        in memory, so each has arrays of its own. The fastest counts. It is a yardstick and no proof that
        nothing could be faster.
        """
        import torch

        numbers = arrays * sum(grad.numel() for grad in self.grads)
        loops: list[Callable[[], Any]] = []
        for _ in range(PLACES):
            alone = torch.ones(int(numbers / 2), device=self.device)
            a, b = (torch.ones(int(numbers / 3), device=self.device) for _ in range(2))
            loops += [alone.neg_, lambda a=a, b=b: a.add_(b, alpha=0.5)]  # type: ignore[misc]
        return loops


def captured(step: Callable[[], Any]) -> Callable[[], Any]:
    """A step that the first call records as a CUDA graph, and each call replays: the work of the GPU without
    that of Python. What depends on the step number stays as it was when it was recorded."""
    import torch

    graphs: list[Any] = []

    def turn() -> None:
        if not graphs:
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(3):  # so that the state is there, and libraries have their memory
                    step()
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            graphs.append(graph)
        graphs[0].replay()

    return turn


def steps_of(name: str, size: str, shapes: list[tuple[int, ...]]) -> Contest:
    import torch

    import gdcourse as gd

    method, stepping = METHODS[name], Stepping(shapes)
    arguments, theirs = method.arguments, method.arguments | method.theirs
    mine, peer = getattr(gd.optim, name), getattr(torch.optim, method.kind)
    contest = Contest(f"{name}, one step, {size}", {}, each=1 if size == LARGE else 20, before=8)
    contest.turns = {
        PLAIN: stepping.by(lambda p: mine(p, **arguments)),
        COMPILED: stepping.by(lambda p: mine(p, **arguments, compile=True)),
        "torch, loop": stepping.by(lambda p: peer(p, **theirs, foreach=False)),
        "torch, foreach": stepping.by(lambda p: peer(p, **theirs, foreach=True)),
    }
    if method.has_fused:
        contest.turns["torch, fused"] = stepping.by(lambda p: peer(p, **theirs, fused=True))
    else:
        contest.not_run["torch, fused"] = "torch has none"
    if size in (LARGE, SMALL):
        torch._dynamo.reset()  # torch compiles its optimizers' step 8 times at most
        contest.turns[COMPILED_PEER] = stepping.by(lambda p: peer(p, **theirs), torch.compile)
    else:
        contest.not_run[COMPILED_PEER] = "compiling over 200 tensors takes minutes"
    if size == TINY:
        del contest.turns[COMPILED]
        contest.not_run |= dict.fromkeys((COMPILED, COMPILED_PEER), "compiling is no matter of seconds")
    capturable = {"capturable": True} if "capturable" in inspect.signature(peer).parameters else {}
    stepping.graphs(
        contest,
        {PLAIN: lambda p: mine(p, **arguments), "torch": lambda p: peer(p, **theirs, **capturable)},
    )
    for package, kind in others(method.kind, contest):
        try:
            contest.turns[package] = stepping.by(lambda p, kind=kind: kind(p, **theirs))
        except TypeError as error:
            contest.not_run[package] = f"its {method.kind} does not take the arguments: {error}"
    if size in (MANY, SMALL):
        contest.turns |= parts_of(mine, arguments, stepping, compile=size == MANY)
    contest.turns[BOUND] = stepping.bound(arrays_of(contest.title))

    default = "torch, loop" if stepping.device == "cpu" else "torch, foreach"  # what torch does unless told
    if size == LARGE and method.has_fused:  # both are bound by the memory's bandwidth
        contest.goals.append(Goal(COMPILED, 1.05, "torch, fused"))
    elif size == LARGE:
        contest.goals += [
            Goal(COMPILED, 1.2, BOUND),
            Goal(COMPILED, 1.0, COMPILED_PEER),
            Goal(COMPILED, 1 / 5, default),
        ]
    elif size == MANY:
        contest.goals.append(
            Goal(COMPILED, 1.0, "torch, fused")
            if method.has_fused
            else Goal(COMPILED, 1 / 5, "torch, foreach")
        )
    else:
        contest.goals.append(Goal(PLAIN, 1.0, default))
    return contest


def parts_of(
    kind: Any, arguments: dict[str, Any], stepping: Stepping, compile: bool
) -> dict[str, Callable[[], Any]]:
    """Of what our step does, three parts by themselves: torch's hooks around any optimizer's step, the copies
    of the gradients into one vector, and the rule, as a kernel or not, on vectors that lie ready."""
    import torch

    from gdcourse.optim.compilation import run_compiled
    from gdcourse.optim.kernel import moved, run_on_vectors
    from gdcourse.rules import Rule

    class Nothing(torch.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            pass

    grads = [grad.reshape(-1) for grad in stepping.grads]
    vector = torch.cat(grads)
    places = vector.split([len(grad) for grad in grads])
    rule = kind([torch.zeros(1, requires_grad=True)], **arguments).rule
    looked = rule if type(rule).look is not Rule.look else Rule()
    point = torch.zeros_like(vector)
    memory = {name: value.clone() for name, value in rule.init(point, torch.zeros_like(point)).items()}
    values = rule, looked, rule.at(9), None, None, False
    by_itself = run_compiled if compile else run_on_vectors

    def the_rule() -> Any:
        by_itself(moved, (point, memory, vector), values)
        return point

    return {
        f"{PART} torch's hooks": stepping.by(Nothing),
        f"{PART} copying gradients": lambda: torch._foreach_copy_(places, grads),
        f"{PART} the rule": the_rule,
    }


def lookahead_of(size: str, shapes: list[tuple[int, ...]]) -> Contest:
    """k steps of Adam and the synchronisation, per step."""
    import torch

    import gdcourse as gd

    stepping, lr = Stepping(shapes), 1e-4
    contest = Contest(f"Lookahead(Adam), one of {K} steps, {size}", {}, each=K if size == LARGE else 4 * K)
    contest.turns = {
        PLAIN: stepping.by(lambda p: gd.optim.Lookahead(gd.optim.Adam(p, lr=lr), k=K)),
        COMPILED: stepping.by(lambda p: gd.optim.Lookahead(gd.optim.Adam(p, lr=lr, compile=True), k=K)),
        "ours around torch's fused": stepping.by(
            lambda p: gd.optim.Lookahead(torch.optim.Adam(p, lr=lr, fused=True), k=K)
        ),
    }
    for package, kind in others("Lookahead", contest):
        contest.turns[package] = stepping.by(lambda p, kind=kind: kind(torch.optim.Adam(p, lr=lr), k=K))
    contest.turns[BOUND] = stepping.bound(arrays_of(contest.title))
    contest.goals = [Goal(COMPILED, 1 / 5, OTHERS[0])]
    if size == LARGE:
        contest.goals.append(Goal(COMPILED, 1.2, BOUND))
    return contest


def others(kind: str, contest: Contest) -> Iterator[tuple[str, Any]]:
    """The same class in other packages, where they have one of their own; the contest is told why not."""
    for package in OTHERS:
        try:
            theirs = getattr(importlib.import_module(package), kind, None)
        except ImportError:
            contest.not_run[package] = "not installed"
            continue
        if theirs is None or theirs.__module__.startswith("torch."):
            contest.not_run[package] = f"it has no {kind} of its own"
        else:
            yield package, theirs


# --- Compiling ----------------------------------------------------------------------------------------------

FIRST_STEPS = """
import json, sys, time, warnings, torch, gdcourse as gd
warnings.filterwarnings("error", message="compile=True")
seconds = {}
for name in sys.argv[1:]:
    param = torch.zeros(1000, requires_grad=True)
    param.grad = torch.ones(1000)
    optimizer = getattr(gd.optim, name)([param], compile=True, **({} if name == "Adadelta" else {"lr": 0.01}))
    started = time.perf_counter()
    optimizer.step()
    seconds[name] = time.perf_counter() - started
print(json.dumps(seconds))
"""


def compiling(quick: bool) -> Iterator[Callable[[], Result]]:
    if not quick:
        yield first_steps


def first_steps() -> Result:
    """The first step of each optimizer in a fresh process without any kernel of before: once, no rounds."""
    with tempfile.TemporaryDirectory() as folder:
        variables = os.environ | {"TORCHINDUCTOR_CACHE_DIR": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", FIRST_STEPS, *METHODS]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    ms = {f"ours, {name}": 1e3 * took for name, took in json.loads(done.stdout).items()}
    first, *rest = ms
    goals = [Goal(first, 12_000.0), *(Goal(who, 3_000.0) for who in rest)]
    return Result(
        "The first step with compile=True, one rule after the other",
        ms,
        dict.fromkeys(ms, 0.0),
        told(goals, ms),
        {},
    )


# --- Families of runs ---------------------------------------------------------------------------------------


def runs(quick: bool) -> Iterator[Callable[[], Contest]]:
    for dtype in ("float32", "float64"):
        yield lambda dtype=dtype: momentum_runs(dtype, *((4, 10) if quick else (256, 300)))
        yield lambda dtype=dtype: adam_runs(dtype, *((10, 10) if quick else (1000, 300)))
    yield lambda: single_path(20 if quick else 500)


def momentum_runs(dtype: str, settings: int, length: int) -> Contest:
    import numpy as np

    import gdcourse as gd

    lr, gamma = np.geomspace(1e-3, 0.1, settings), np.linspace(0, 0.99, settings)
    h = np.array([1.0, 10.0], dtype)
    contest = family(
        f"{settings**2:,} momentum runs × {length} steps, quadratic, {dtype}",
        gd.Momentum(lr[:, None], gamma[None, :]),
        gd.problems.Quadratic(h),
        np.ones(2, dtype),
        length,
    )
    values = [part.ravel().astype(dtype) for part in np.meshgrid(lr, gamma, indexing="ij")]
    add_one_by_one(contest, h, settings**2, length)
    add_optax(contest, "sgd", lambda p: (0.5 * h * p**2).sum(), np.ones(2, dtype), values, length)
    return contest


def add_one_by_one(contest: Contest, h: Any, count: int, length: int) -> None:
    """One run after the other by torch.optim: a few of them, counted for all."""
    import torch

    few = min(4, count)
    who = "torch.optim, one by one"
    curvatures = torch.from_numpy(h)

    def loops() -> None:
        for _ in range(few):
            theta = torch.ones(2, dtype=curvatures.dtype, requires_grad=True)
            optimizer = torch.optim.SGD([theta], lr=0.01, momentum=0.9)
            for _ in range(length):
                optimizer.zero_grad()
                (0.5 * curvatures * theta**2).sum().backward()
                optimizer.step()

    contest.turns[who], contest.share[who] = loops, few / count
    contest.notes.append(f"{who}: {few} of {count:,} runs were timed, and counted for all")


def adam_runs(dtype: str, settings: int, length: int) -> Contest:
    import numpy as np

    import gdcourse as gd

    lr, problem = np.geomspace(1e-4, 1.0, settings), gd.problems.Beale()
    start = problem.start.astype(dtype)
    title = f"{settings:,} Adam runs × {length} steps, Beale, {dtype}"
    contest = family(title, gd.Adam(lr), problem, start, length)
    add_optax(contest, "adam", lambda p: problem.value(p[0], p[1]), start, [lr.astype(dtype)], length)
    return contest


def family(title: str, rule: Any, problem: Any, start: Any, length: int) -> Contest:
    import torch

    import gdcourse as gd

    turns = {
        "ours, NumPy": lambda: gd.descend(rule, problem, start, length, path=False),
        COMPILED: lambda: gd.descend(rule, problem, start, length, path=False, compile=True),
        "ours, torch": lambda: gd.descend(rule, problem, torch.from_numpy(start), length, path=False),
    }
    contest = Contest(title, turns, [Goal(COMPILED, 2.0, "optax, jit(vmap(scan))")])
    if length < 20:  # --quick
        del turns[COMPILED]
        contest.not_run[COMPILED] = "compiling is no matter of seconds"
    contest.notes = [
        f"{who}: {peak(turns[who]) / 1e6:.1f} MB at most"
        for who, peak in (("ours, NumPy", numpy_peak), (COMPILED, torch_peak))
        if who in turns
    ]
    return contest


def numpy_peak(turn: Callable[[], Any]) -> float:
    """The bytes that Python and NumPy have at once for a turn, at most."""
    tracemalloc.start()
    turn()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def torch_peak(turn: Callable[[], Any]) -> float:
    """The bytes that torch has at once on the CPU for a turn, at most, once all is compiled."""
    from torch.profiler import ProfilerActivity, profile

    turn()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        turn()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(path))
        trace = json.loads(path.read_text(encoding="utf-8"))
    events = [event for event in trace["traceEvents"] if event["name"] == "[memory]"]
    changes = [event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"])]
    return max(accumulate(changes, initial=0))


def add_optax(
    contest: Contest, name: str, function: Any, start: Any, hyperparameters: list[Any], length: int
) -> None:
    """The same runs by optax: the whole loop is one compiled program, and only the ends come back."""
    try:
        import jax
        import optax
    except ImportError:
        contest.not_run["optax, jit(vmap(scan))"] = "not installed"
        return
    jax.config.update("jax_enable_x64", True)
    slope = jax.grad(function)

    def one(*values: Any) -> Any:
        optimizer = getattr(optax, name)(*values)

        def step(carry: Any, _: Any) -> Any:
            theta, state = carry
            updates, state = optimizer.update(slope(theta), state)
            return (optax.apply_updates(theta, updates), state), None

        return jax.lax.scan(step, (start, optimizer.init(start)), None, length=length)[0][0]

    together, start = jax.jit(jax.vmap(one)), jax.numpy.asarray(start)
    given = [jax.numpy.asarray(values) for values in hyperparameters]
    contest.turns["optax, jit(vmap(scan))"] = lambda: together(*given).block_until_ready()


def single_path(length: int) -> Contest:
    import gdcourse as gd

    rules = (gd.Momentum(0.01), gd.Adam(0.01), gd.RAdam(0.01))
    turns = {
        f"ours, NumPy, {type(rule).__name__}": lambda rule=rule: gd.descend(
            rule, gd.problems.Beale(), steps=length
        )
        for rule in rules
    }
    return Contest(f"One path of {length} steps, Beale", turns, [Goal(who, 15.0) for who in turns])


# --- Trainings ----------------------------------------------------------------------------------------------


def trainings(quick: bool) -> Iterator[Callable[[], Contest]]:
    for shared in (True, False):
        yield lambda shared=shared: trainings_of(shared, *((2, 2, 2) if quick else (13, 5, 60)))


def trainings_of(shared: bool, rates: int, seeds: int, length: int) -> Contest:
    import numpy as np
    import torch

    import gdcourse as gd
    from gdcourse.experiments.train import batches

    data, network, count = gd.digits(torch.float32), gd.problems.Network(NETWORK), rates * seeds
    lr = np.geomspace(1e-4, 1e-1, rates)
    inputs = {"steps": length, "examine": 1}

    def together(compile: bool) -> None:
        if shared:
            gd.train(network, data, gd.Adam(lr[:, None]), seed=range(seeds), compile=compile, **inputs)
        else:
            gd.train(network, data, gd.Adam(1e-3), seed=range(count), compile=compile, **inputs)

    def loop() -> None:
        """One training as it is written with PyTorch, examined before and after as ours are."""
        hidden, scores = (torch.nn.Linear(a, b) for a, b in pairwise(NETWORK))
        model = torch.nn.Sequential(hidden, torch.nn.ReLU(), scores)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        examine(model)
        for pick in torch.from_numpy(batches(0, len(data.train), 64, length)):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(data.train.x[pick]), data.train.y[pick]).backward()
            optimizer.step()
        examine(model)

    @torch.no_grad()
    def examine(model: Any) -> tuple[float, float]:
        found, y = model(data.validation.x), data.validation.y
        loss = torch.nn.functional.cross_entropy(found, y)
        return float(loss), float((found.argmax(-1) == y).double().mean())

    def all_loops() -> None:
        for _ in range(count):
            loop()

    which = "those of a seed share batches" if shared else "each has its own batches"
    plain, ours, theirs = f"ours, {count} at once", "ours, compile=True", "torch.optim, one by one"
    goal = Goal(ours, 1 / 4 if shared else 1 / 2.5, theirs)
    turns = {plain: lambda: together(False), ours: lambda: together(True), theirs: all_loops}
    return Contest(
        f"{count} trainings of 784-32-10 × {length} steps, float32, {which}",
        turns,
        [goal],
    )


# --- Landscapes ---------------------------------------------------------------------------------------------


def landscapes(quick: bool) -> Iterator[Callable[[], Contest]]:
    yield lambda: slice_of(3 if quick else 61)


def slice_of(points: int) -> Contest:
    import numpy as np

    import gdcourse as gd
    from gdcourse.experiments import landscape

    x, y, network = gd.digits().train.x, gd.digits().train.y, gd.problems.Network(NETWORK)
    plane, grid = landscape.random_plane(network, network.init()), np.linspace(-1, 1, points)
    ours, theirs = f"ours, {points**2:,} points", "the network's loss, one point"
    turns = {
        ours: lambda: landscape.surface(network, plane, grid, grid, x, y),
        theirs: lambda: network.loss(plane.origin, x, y),
    }
    title = f"{points} × {points} slice of the loss of 784-32-10 over {len(x):,} digits, float64"
    return Contest(title, turns, [Goal(ours, points**2 / 10, theirs)])


# --- The book and its tests ---------------------------------------------------------------------------------


def book(quick: bool) -> Iterator[Callable[[], Result]]:
    if not quick:
        yield book_and_tests


def book_and_tests() -> Result:
    """`make book` and `make test`, once each, where all is set up; and of the tests, the longest notebook."""
    from tqdm import tqdm

    goals = [
        Goal("make book", 300_000.0),
        Goal("make test", 600_000.0),
        Goal("the longest notebook", 30_000.0),
    ]
    result = Result("The book and its tests", {}, {}, [], {})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        variables = os.environ | {"PYTEST_ADDOPTS": f"'--junitxml={report}'"}
        variables.pop("GDCOURSE_STATIC", None)  # which `main` has set
        for command in ("make setup", "make book", "make test"):
            tqdm.write(f"{command} …", file=sys.stderr)
            started = time.perf_counter()
            try:
                done = subprocess.run(
                    command.split(), cwd=ROOT, env=variables, capture_output=True, text=True
                )
            except OSError as error:
                result.not_run[command] = str(error)
                continue
            if done.returncode:
                lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
                result.not_run[command] = f"it failed: {lines[-1]}"
            else:
                result.ms[command] = 1e3 * (time.perf_counter() - started)
        result.ms.pop("make setup", None)
        if "make test" in result.ms:
            name, took = longest_notebook(report.read_text(encoding="utf-8"))
            result.ms["the longest notebook"] = 1e3 * took
            result.notes.append(f"the longest notebook: {name}")
    result.spread = dict.fromkeys(result.ms, 0.0)
    result.goals = told(goals, result.ms)
    return result


def longest_notebook(report: str) -> tuple[str, float]:
    """Of a report of tests as pytest writes it with --junitxml: the notebook whose cells took most seconds
    together, and those."""
    seconds: dict[str, float] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = case.get("classname", "")
        if name.endswith(".ipynb"):
            seconds[name] = seconds.get(name, 0.0) + float(case.get("time", 0.0))
    return max(seconds.items(), key=lambda item: item[1])


# --- Measuring and telling ----------------------------------------------------------------------------------


def measure(contest: Contest, rounds: int) -> Result:
    ways = {who: turn if isinstance(turn, list) else [turn] for who, turn in contest.turns.items()}
    for who, turns in list(ways.items()):
        try:
            for turn in turns * contest.before:
                turn()
        except Exception as error:
            del ways[who]
            contest.not_run[who] = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:80]}"
    times: dict[str, list[list[float]]] = {who: [] for who in ways}
    for _ in range(rounds):
        for who, turns in ways.items():
            share = contest.share.get(who, 1.0)
            times[who].append([milliseconds(turn, contest.each) / share for turn in turns])
    least = {who: min(map(min, seen)) for who, seen in times.items()}
    spread = {who: statistics.median(map(min, seen)) / least[who] - 1 for who, seen in times.items()}
    notes = list(contest.notes)
    for who, seen in times.items():
        if len(ways[who]) > 1:
            each = [min(one) for one in zip(*seen, strict=True)]
            notes.append(f"{who}: of {len(each)} ways, from {short(min(each))} to {short(max(each))} ms")
    goals = told(contest.goals, least)
    missed = {goal["who"]: None for goal in goals if goal["is"] and goal["is"] > goal["at_most"]}
    profiles = [profile(ways[who][0], f"{contest.title}: {who}") for who in missed]
    return Result(contest.title, least, spread, goals, contest.not_run, notes, profiles)


KERNEL = re.compile(r"<built-in method [a-z0-9]{40,}.*")  # inductor names it after what is in it


def profile(turn: Callable[[], Any], title: str) -> str:
    """Where the time goes in one who missed a goal: the functions that take most of it by themselves, and how
    often each is called. Looking costs time of its own, so that small functions seem slower than they are."""
    looked, times = cProfile.Profile(), 10
    looked.enable()
    for _ in range(times):
        turn()
    looked.disable()
    found = pstats.Stats(looked).strip_dirs().stats  # type: ignore[attr-defined]
    own = sorted(((took, calls, where) for where, (_, calls, took, *_) in found.items()), reverse=True)
    lines = []
    for took, calls, (file, _, name) in own[:10]:
        name = KERNEL.sub("the compiled kernel", name if file == "~" else f"{file}: {name}")
        lines.append(f"  {1e3 * took / times:10.3f} ms  {calls / times:8.1f} ×  {name[:70]}")
    rest = sum(took for took, *_ in own[10:])
    return "\n".join([title, *lines, f"  {1e3 * rest / times:10.3f} ms  by {len(own) - 10} others", ""])


def milliseconds(turn: Callable[[], Any], each: int) -> float:
    """Of one piece of work; on a GPU by its own clock."""
    import torch

    if torch.cuda.is_available():
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(each):
            turn()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / each
    started = time.perf_counter()
    for _ in range(each):
        turn()
    return 1e3 * (time.perf_counter() - started) / each


def reached(goal: Goal, ms: dict[str, float]) -> float | None:
    """What the goal bounds; None where one of the two did not run."""
    if goal.who not in ms or (goal.versus and goal.versus not in ms):
        return None
    return ms[goal.who] / (ms[goal.versus] if goal.versus else 1.0)


def told(goals: list[Goal], ms: dict[str, float]) -> list[dict[str, Any]]:
    """Each goal, and beside it what it bounds."""
    return [asdict(goal) | {"is": reached(goal, ms)} for goal in goals]


def machine() -> dict[str, Any]:
    import numpy
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    models = (
        [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count(),
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "torch threads": torch.get_num_threads(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def table(result: Result) -> str:
    lines = [result.title]
    for who, ms in sorted(result.ms.items(), key=lambda item: item[1]):
        lines.append(f"  {who:<26} {ms:12.4g} ms   +{100 * result.spread[who]:.0f} %")
    for goal in result.goals:
        unit = f"× {goal['versus']}" if goal["versus"] else "ms"
        if goal["is"] is None:
            lines.append(f"  goal: {goal['who']} ≤ {short(goal['at_most'])} {unit}: not measured")
            continue
        verdict = "reached" if goal["is"] <= goal["at_most"] else "NOT reached"
        found = f"{short(goal['is'])}, {verdict}"
        lines.append(f"  goal: {goal['who']} ≤ {short(goal['at_most'])} {unit}: {found}")
    lines += [f"  {note}" for note in result.notes]
    lines += [f"  not run: {who} ({why})" for who, why in result.not_run.items()]
    return "\n".join(lines)


def short(number: float) -> str:
    """To three digits, without a power of ten where it is large."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def draw(results: list[Result], path: Path) -> None:
    """Every contest of which anything ran, as points on a logarithmic axis, from the least to the median;
    colour says whose."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    from gdcourse.figures.style import BLUE, FAINT, GREY, ORANGE, use_style

    use_style()
    results = [result for result in results if result.ms]
    columns = min(2, len(results))
    rows = -(-len(results) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.4 * columns, 2.2 * rows), squeeze=False)
    for ax in axes.flat[len(results) :]:
        ax.axis("off")
    for ax, result in zip(axes.flat, results, strict=False):
        names = sorted(result.ms, key=lambda who: -result.ms[who])
        for at, who in enumerate(names):
            color = (
                BLUE if who.startswith("ours") else GREY if who.startswith(("torch,", "torch.")) else ORANGE
            )
            color = FAINT if who == BOUND or who.startswith(PART) else color
            least = result.ms[who]
            median = least * (1 + result.spread[who])
            ax.plot([least, median], [at, at], color=color)
            ax.plot(least, at, "o", color=color)
            ax.annotate(f"  {short(least)}", (median, at), va="center", fontsize=7)
        ax.set_yticks(range(len(names)), names, fontsize=7)
        ax.set_ylim(-0.7, len(names) - 0.3)
        ax.set_xscale("log")
        low, high = min(result.ms.values()), max(result.ms.values())
        ax.set_xlim(10 ** floor(log10(low)), 10 ** ceil(log10(3 * high)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(textwrap.fill(result.title, 64), fontsize=8)
        ax.set_xlabel("ms", fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
    figure.savefig(path, dpi=100)


def main(arguments: list[str]) -> int:
    chosen = settings(arguments)
    keep_to(chosen.threads)
    os.environ["GDCOURSE_STATIC"] = "1"  # one progress bar, ours
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import torch
    from tqdm import tqdm

    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    warnings.simplefilter("ignore")
    about = machine()
    print("\n".join(f"{name}: {value}" for name, value in about.items()) + "\n", flush=True)
    contests = [make for part in chosen.parts for make in globals()[part](chosen.quick)]
    results = []
    for make in tqdm(contests, desc="contests", leave=False, file=sys.stderr):
        made = make()
        results.append(measure(made, chosen.rounds) if isinstance(made, Contest) else made)
        tqdm.write(table(results[-1]) + "\n", file=sys.stdout)
        sys.stdout.flush()
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(results, chosen.out / "bench.png")
    profiles = [text for result in results for text in result.profiles]
    (chosen.out / "profile.txt").write_text("\n".join(profiles), encoding="utf-8")
    written = {"machine": about, "quick": chosen.quick, "rounds": chosen.rounds}
    text = json.dumps(
        written | {"contests": [asdict(replace(result, profiles=[])) for result in results]},
        indent=1,
        ensure_ascii=False,
    )
    (chosen.out / "bench.json").write_text(text + "\n", encoding="utf-8")
    goals = [goal for result in results for goal in result.goals if goal["is"] is not None]
    good = sum(goal["is"] <= goal["at_most"] for goal in goals)
    print(f"{good} of {len(goals)} goals reached" + (", of no meaning with --quick" if chosen.quick else ""))
    print(f"Written: {chosen.out / 'bench.json'}, bench.png, and profile.txt of who missed a goal")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
