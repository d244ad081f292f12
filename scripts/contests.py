"""What the benchmark compares, and the goals that were set before it was measured; `bench.py` measures it.

A part is a generator of functions that make one contest each, so that a contest's arrays are there no longer
than it is."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import accumulate, pairwise
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


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
class Once:
    """What takes too long for turns: by name, the milliseconds that it took once."""

    title: str
    ms: dict[str, float]
    goals: list[Goal] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


Part = Iterator[Callable[[], Contest | Once]]
COMPILED, PLAIN, BOUND = "ours, compile=True", "ours", "bandwidth bound"
NO_SECONDS = "compiling is no matter of seconds"  # with --quick
NETWORK = (784, 32, 10)


# --- One step of an optimizer: the methods ------------------------------------------------------------------

K = 5  # Lookahead's period
MODES: dict[str, dict[str, bool]] = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
COMPILED_PEER = "torch, compiled step"
OTHERS = ("pytorch_optimizer", "torch_optimizer")


@dataclass(frozen=True)
class Method:
    """An optimizer of ours and torch's of the same formula. A step reads and writes so many ``arrays``.

    ``arguments`` are for both, ``theirs`` for torch's alone. ``around``: whether Lookahead goes around both.
    """

    name: str
    kind: str
    arrays: float
    arguments: dict[str, Any] = field(default_factory=lambda: {"lr": 1e-4})
    theirs: dict[str, Any] = field(default_factory=dict)
    has_fused: bool = True
    around: bool = False

    @property
    def title(self) -> str:
        return f"Lookahead({self.name}), one of {K} steps" if self.around else f"{self.name}, one step"

    @property
    def period(self) -> int:
        """Steps after which it has done all that it does."""
        return K if self.around else 1

    def ours(self, params: list[Any], **how: bool) -> Any:
        import gdcourse as gd

        inner = getattr(gd.optim, self.name)(params, **self.arguments, **how)
        return gd.optim.Lookahead(inner, k=K) if self.around else inner

    def torchs(self, params: list[Any], **how: bool) -> Any:
        import torch

        import gdcourse as gd

        inner = getattr(torch.optim, self.kind)(params, **self.arguments, **self.theirs, **how)
        return gd.optim.Lookahead(inner, k=K) if self.around else inner

    def by_another(self, kind: Any, params: list[Any]) -> Any:
        import torch

        if self.around:
            return kind(getattr(torch.optim, self.kind)(params, **self.arguments), k=K)
        return kind(params, **self.arguments, **self.theirs)

    def who(self, mode: str) -> str:
        """What torch's is called in a table; torch has no Lookahead, so that ours is put around it."""
        return f"ours around torch's {mode}" if self.around else f"torch, {mode}"

    @property
    def best(self) -> str:
        """torch's best mode."""
        return self.who("fused" if self.has_fused else "foreach")

    @property
    def default(self) -> str:
        """What torch does unless told."""
        return self.who("loop" if device() == "cpu" else "foreach")


SLOPE = {"lr": 1e-4, "momentum": 0.9}
METHODS = {
    "SGD": Method("SGD", "SGD", 3),
    "Momentum": Method("Momentum", "SGD", 5, SLOPE),
    "Nesterov": Method("Nesterov", "SGD", 5, SLOPE, {"nesterov": True}),
    "Adagrad": Method("Adagrad", "Adagrad", 5),
    "Adam": Method("Adam", "Adam", 7),
    "AdamW": Method("AdamW", "AdamW", 7, {"lr": 1e-4, "weight_decay": 0.01}),
    "RAdam": Method("RAdam", "RAdam", 7, has_fused=False),
    "Adadelta": Method("Adadelta", "Adadelta", 7, {"lr": 1e-4, "rho": 0.95}, has_fused=False),
    "Lookahead(Adam)": Method("Adam", "Adam", 7 + 4 / K, around=True),
}


def arrays_of(title: str) -> float:
    """How many arrays a step reads and writes, by a contest's title."""
    return METHODS[title.partition(",")[0]].arrays


# --- One step of an optimizer: the parameters ---------------------------------------------------------------

Shapes = tuple[tuple[int, ...], ...]


def layers(sizes: tuple[int, ...]) -> Shapes:
    """Weights and biases of a fully connected network."""
    return tuple(shape for a, b in pairwise(sizes) for shape in ((a, b), (b,)))


def convolution(inputs: int, outputs: int, width: int) -> Shapes:
    """Weights of a convolution, and scale and shift of the batch normalisation after it."""
    return (outputs, inputs, width, width), (outputs,), (outputs,)


def resnet18() -> Shapes:
    """The parameters of a ResNet-18 with 1000 classes."""
    shapes = convolution(3, 64, 7)
    for before, width in pairwise((64, 64, 128, 256, 512)):
        shapes += convolution(before, width, 3) + convolution(width, width, 3)
        if before != width:
            shapes += convolution(before, width, 1)  # beside the block
        shapes += 2 * convolution(width, width, 3)
    return (*shapes, (1000, 512), (1000,))


def transformer(
    depth: int = 12, width: int = 256, within: int = 1024, words: int = 256, places: int = 512
) -> Shapes:
    """The parameters of a transformer: so many of torch's TransformerEncoderLayer, two embeddings, and a last
    normalisation; the scores are made with the words' embedding."""
    attention = (3 * width, width), (3 * width,), (width, width), (width,)
    block = (*attention, (within, width), (within,), (width, within), *[(width,)] * 5)
    return ((words, width), (places, width), *block * depth, (width,), (width,))


LARGE, MANY, SMALL = "1 × 10M", "200 × 10k", "784-32-10"
RESNET, TRANSFORMER = "ResNet-18", "transformer"
SIZES: dict[str, Shapes] = {
    SMALL: layers(NETWORK),
    MANY: ((10_000,),) * 200,
    LARGE: ((10_000_000,),),
    RESNET: resnet18(),
    TRANSFORMER: transformer(),
}
EACH = {SMALL: 50, MANY: 5}  # steps a turn; one of the others

AGAINST_BEST = {
    "torch, fused": {LARGE: 1.05, MANY: 1.5, RESNET: 1.1, TRANSFORMER: 1.1},
    "torch, foreach": {LARGE: 1.0, MANY: 1.5, RESNET: 0.5, TRANSFORMER: 0.5},
    "ours around torch's fused": {LARGE: 1.0, MANY: 1.5, RESNET: 1.1, TRANSFORMER: 1.1},
}
"""Goals of a compiled step, by torch's best mode."""
AGAINST_DEFAULT = {
    **{(name, size): 1.2 for name in METHODS for size in (RESNET, TRANSFORMER)},
    ("Momentum", SMALL): 2.0,
    ("Adam", SMALL): 1.2,
}
"""Goals of a step that is not compiled, against what torch does unless told."""


def goals_of(name: str, size: str) -> list[Goal]:
    method, goals = METHODS[name], []
    if size in AGAINST_BEST[method.best]:
        goals.append(Goal(COMPILED, AGAINST_BEST[method.best][size], method.best))
    if (name, size) in AGAINST_DEFAULT:
        goals.append(Goal(PLAIN, AGAINST_DEFAULT[name, size], method.default))
    return goals


# --- One step of an optimizer: the contests -----------------------------------------------------------------

PLACES = 3  # in memory, at which the loops of the bandwidth bound are tried


def steps(quick: bool) -> Part:
    for size in SIZES:
        for name in ("Momentum", "Lookahead(Adam)") if quick else METHODS:
            yield partial(steps_of, name, size, quick)


def steps_of(name: str, size: str, tiny: bool) -> Contest:
    """``tiny``: whether no tensor has more than two rows and columns, and nothing is compiled."""
    import torch

    method, shapes = METHODS[name], SIZES[size]
    if tiny:
        shapes = tuple(tuple(min(2, n) for n in shape) for shape in shapes)
    contest = Contest(f"{method.title}, {size}{' (tiny)' * tiny}", {}, goals_of(name, size), before=8)
    contest.each = method.period * (1 if tiny else EACH.get(size, 1))
    contest.turns = {PLAIN: step_of(method.ours, shapes)}
    if tiny:
        contest.not_run[COMPILED] = NO_SECONDS
    else:
        contest.turns[COMPILED] = step_of(partial(method.ours, compile=True), shapes)
    for mode, how in MODES.items():
        if mode == "fused" and not method.has_fused:
            contest.not_run[method.who(mode)] = "torch has none"
        else:
            contest.turns[method.who(mode)] = step_of(partial(method.torchs, **how), shapes)
    if size == LARGE and not (method.has_fused or tiny):
        torch._dynamo.reset()  # torch compiles its optimizers' step 8 times at most
        contest.turns[COMPILED_PEER] = torch.compile(step_of(method.torchs, shapes))
    for package, kind in others("Lookahead" if method.around else method.kind, contest):
        try:
            contest.turns[package] = step_of(partial(method.by_another, kind), shapes)
        except TypeError as error:
            contest.not_run[package] = f"its {method.kind} does not take the arguments: {error}"
    if size == LARGE:
        contest.turns[BOUND] = loops_that_move(method.arrays * sum(map(prod, shapes)))
    return contest


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=1)  # contests of one size follow each other
def gradients(shapes: Shapes) -> list[Any]:
    import torch

    return [torch.randn(shape, device=device()) for shape in shapes]


def step_of(make: Callable[[list[Any]], Any], shapes: Shapes) -> Callable[[], Any]:
    """The step of an optimizer, on parameters of its own and gradients that all share."""
    import torch

    params = [torch.zeros(shape, device=device(), requires_grad=True) for shape in shapes]
    for param, grad in zip(params, gradients(shapes), strict=True):
        param.grad = grad
    return make(params).step


def loops_that_move(numbers: float) -> list[Callable[[], Any]]:
    """Loops that read and write so many numbers together, and compute next to nothing.

    Half of them change one array (a ← −a: a number is read and written), half of them add another to it
    (a ← a + ½ b: two are read, one is written). How fast such a loop is depends on where its arrays lie
    in memory, so each has arrays of its own. The fastest counts. It is a yardstick and no proof that
    nothing could be faster.
    """
    import torch

    loops: list[Callable[[], Any]] = []
    for _ in range(PLACES):
        alone = torch.ones(int(numbers / 2), device=device())
        a, b = (torch.ones(int(numbers / 3), device=device()) for _ in range(2))
        loops += [alone.neg_, lambda a=a, b=b: a.add_(b, alpha=0.5)]  # type: ignore[misc]
    return loops


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


def compiling(quick: bool) -> Part:
    if not quick:
        yield first_steps


def first_steps() -> Once:
    """The first step of each optimizer in a fresh process without any kernel of before: once, no rounds."""
    names = [name for name, method in METHODS.items() if not method.around]
    with tempfile.TemporaryDirectory() as folder:
        variables = os.environ | {"TORCHINDUCTOR_CACHE_DIR": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", FIRST_STEPS, *names]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    ms = {f"ours, {name}": 1e3 * took for name, took in json.loads(done.stdout).items()}
    first, *rest = ms
    goals = [Goal(first, 12_000.0), *(Goal(who, 3_000.0) for who in rest)]
    return Once("The first step with compile=True, one rule after the other", ms, goals)


# --- Families of runs ---------------------------------------------------------------------------------------


def runs(quick: bool) -> Part:
    for dtype in ("float32", "float64"):
        yield partial(momentum_runs, dtype, *((4, 10) if quick else (256, 300)))
        yield partial(adam_runs, dtype, *((10, 10) if quick else (1000, 300)))
    yield partial(single_path, 20 if quick else 500)


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
        contest.not_run[COMPILED] = NO_SECONDS
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


def trainings(quick: bool) -> Part:
    for shared in (True, False):
        yield partial(trainings_of, shared, *((2, 2, 2) if quick else (13, 5, 60)))


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


def landscapes(quick: bool) -> Part:
    yield partial(slice_of, 3 if quick else 61)


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


def book(quick: bool) -> Part:
    if not quick:
        yield book_and_tests


def book_and_tests() -> Once:
    """`make book` and `make test`, once each, where all is set up; and of the tests, the longest notebook."""
    from tqdm import tqdm

    goals = [
        Goal("make book", 300_000.0),
        Goal("make test", 600_000.0),
        Goal("the longest notebook", 30_000.0),
    ]
    once = Once("The book and its tests", {}, goals)
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
                once.not_run[command] = str(error)
                continue
            if done.returncode:
                lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
                once.not_run[command] = f"it failed: {lines[-1]}"
            else:
                once.ms[command] = 1e3 * (time.perf_counter() - started)
        once.ms.pop("make setup", None)
        if "make test" in once.ms:
            name, took = longest_notebook(report.read_text(encoding="utf-8"))
            once.ms["the longest notebook"] = 1e3 * took
            once.notes.append(f"the longest notebook: {name}")
    return once


def longest_notebook(report: str) -> tuple[str, float]:
    """Of a report of tests as pytest writes it with --junitxml: the notebook whose cells took most seconds
    together, and those."""
    seconds: dict[str, float] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = case.get("classname", "")
        if name.endswith(".ipynb"):
            seconds[name] = seconds.get(name, 0.0) + float(case.get("time", 0.0))
    return max(seconds.items(), key=lambda item: item[1])


PARTS: dict[str, Callable[[bool], Part]] = {
    "steps": steps,
    "compiling": compiling,
    "runs": runs,
    "trainings": trainings,
    "landscapes": landscapes,
    "book": book,
}
