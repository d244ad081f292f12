"""compile=True: the same numbers by a kernel, which is compiled once; and where it cannot be, a warning."""

import copy
import pickle
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch._inductor import compile_fx
from torch._inductor import config as inductor_config
from torch._inductor.utils import run_and_get_cpp_code
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import lr_scheduler
from torch.utils.flop_counter import FlopCounterMode

import gdcourse as gd
from gdcourse.optim import bucket, kernels, update
from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS as OURS
from tests.optimizers import ahead, give_gradients, many, mostly, parameters, story, values, walk
from tests.optimizers import relative_gap as gap

MAKERS = OURS | {"Lookahead": ahead(OURS["Nesterov"], 3, 0.5, "pullback")}
every = pytest.mark.parametrize("name", MAKERS)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch, short_pieces):
    """The last of the story's parameters stands alone, and what is not compiled is computed in pieces."""
    monkeypatch.setattr(bucket, "SMALL", {"cpu": 200})


def made():
    """How many kernels have been asked for that were not there yet."""
    return kernels._compiled.cache_info().misses


@pytest.fixture
def none_yet(monkeypatch):
    """No kernel is there; afterwards those of before are again."""
    monkeypatch.setattr(kernels, "_compiled", cache(kernels._compiled.__wrapped__))


# ---- one kernel: the same numbers ----


@needs_a_compiler
@pytest.mark.parametrize("name", mostly({name: name for name in MAKERS}))
def test_compiled_once_equals_uncompiled(name, none_yet, recwarn):
    compiled = story(MAKERS[name], compile=True)
    # Nothing that happened compiled one anew. Lookahead has one for a step and one to pull.
    assert made() == (2 if name == "Lookahead" else 1)
    assert not recwarn.list
    assert gap(compiled, story(MAKERS[name])) <= 1e-12
    assert gap(compiled, many()) > 1e-3


@needs_a_compiler
@pytest.mark.parametrize("name", ["Adam", *[pytest.param(n, marks=pytest.mark.slow) for n in MAKERS]])
def test_compiled_equals_uncompiled_in_float32(name):
    make = MAKERS[name]
    assert gap(story(make, torch.float32, compile=True), story(make, torch.float32)) <= 1e-5


@needs_a_compiler
def test_compiled_half_precision_computes_in_float32():
    """Fusing may round the last bit of float32 otherwise, which can turn one rounding to bfloat16."""
    compiled, plain = many(torch.bfloat16), many(torch.bfloat16)
    optimizer = gd.optim.Momentum(compiled, lr=0.03, compile=True)
    walk(compiled, optimizer, 20)
    walk(plain, gd.optim.Momentum(plain, lr=0.03), 20)
    assert not optimizer._failed
    assert gap([p.float() for p in compiled], [p.float() for p in plain]) <= 2**-7
    assert optimizer.state[compiled[0]]["v"].dtype == torch.float32


@needs_a_compiler
def test_a_kernel_that_first_meets_a_matrix_serves_vectors_and_the_tiny_ones_too(none_yet):
    """In another order of its numbers, too, and with other strides of the gradient."""
    turned, plain = (torch.nn.Parameter(torch.ones(4, 6, dtype=torch.float64).T) for _ in range(2))
    for shapes in ([(6, 4)], [(6, 4), (5,), (3, 2), (), (1,)]):
        params = [torch.ones(shape, dtype=torch.float64, requires_grad=True) for shape in shapes] + [turned]
        optimizer = gd.optim.Nesterov(params, lr=0.03, compile=True)
        for resting in (params[1:], []):
            for param in params:
                grad = torch.ones_like(param, memory_format=torch.contiguous_format)
                param.grad = None if any(param is p for p in resting) else grad
            optimizer.step()
        assert not optimizer._failed
    assert made() == 1
    plain.grad = torch.ones_like(plain)
    for _ in range(2):
        gd.optim.Nesterov([plain], lr=0.03).step()
    assert gap([turned], [plain]) <= 1e-15


@needs_a_compiler
def test_nothing_compiles_a_second_time():
    """Not 1000 steps of a schedule, another size, a group that joins, or another optimizer."""
    walk(first := many(), gd.optim.Adam(first, compile=True), 1)
    before = made()
    params = parameters((3,), (17, 2))
    optimizer = gd.optim.Adam(params[:1], betas=(0.8, 0.95), compile=True)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=1001)
    for t in range(1000):
        give_gradients(params, 1 + t % 300)
        optimizer.step()
        schedule.step()
    optimizer.add_param_group({"params": params[1:], "lr": 0.5, "eps": 1e-3})
    walk(params, optimizer, 3)
    assert made() == before and not optimizer._failed
    assert [int(optimizer.state[p]["step"]) for p in params] == [1003, 3]


@needs_a_compiler
def test_weight_decay_maximize_and_another_precision_are_kernels_of_their_own(none_yet):
    """And that is all that is."""
    for extra in ({}, {"maximize": True}, {"weight_decay": 0.1}, {"weight_decay": 0.2, "lr": 0.5}):
        compiled, plain = parameters(), parameters()
        walk(compiled, gd.optim.Momentum(compiled, **{"lr": 0.1, **extra}, compile=True), 3)
        walk(plain, gd.optim.Momentum(plain, **{"lr": 0.1, **extra}), 3)
        assert gap(compiled, plain) <= 1e-12
    assert made() == 3
    walk(params := parameters(dtype=torch.float32), gd.optim.Momentum(params, lr=0.1, compile=True), 1)
    assert made() == 4


# ---- threads ----


@needs_a_compiler
@pytest.mark.parametrize("number", [1, 2])
def test_a_kernel_uses_as_many_cores_as_torch_does(number, none_yet, threads):
    """Also one that first met a parameter of a few elements: inductor shares out long loops only."""
    params = many()
    threads(number)
    with inductor_config.patch(force_disable_caches=True):
        optimizer = gd.optim.Momentum(params, lr=0.1, compile=True)
        code = run_and_get_cpp_code(walk, params, optimizer, 1)[1]
    assert "loadu" in code
    assert ("omp parallel" in code) == (number == 2)


@needs_a_compiler
def test_another_number_of_threads_gets_a_kernel_of_its_own(none_yet, threads, monkeypatch):
    """torch's cache on the disk tells them apart by the settings they were made under: it does not ask for
    the number itself."""
    seen, real, had = [], compile_fx.compile_fx_inner, torch.get_num_threads()

    def spy(*given, **options):
        seen.append(inductor_config.cpp.threads)
        return real(*given, **options)

    monkeypatch.setattr(compile_fx, "compile_fx_inner", spy)
    optimizer = gd.optim.Momentum(params := parameters(), lr=0.1, compile=True)
    for number in (had, had + 1, had):
        threads(number)
        walk(params, optimizer, 1)
    assert seen == [had, had + 1]


@needs_a_compiler
@pytest.mark.parametrize("compiled_before", [True, False])
def test_two_threads_each_get_their_own_numbers(compiled_before, none_yet):
    """A kernel holds no numbers: two that train at once, by one kernel, do not see each other's."""
    if compiled_before:
        walk(params := parameters(), gd.optim.Momentum(params, lr=0.1, compile=True), 1)
    rates, ends, failures = (1e-3, 1.0), {}, []
    together = threading.Barrier(len(rates))

    def train(lr):
        params = parameters((300,), (4, 3))
        optimizer = gd.optim.Momentum(params, lr=lr, compile=True)
        try:
            for t in range(1, 201):
                give_gradients(params, t % 20)
                for p in params:
                    p.grad /= 100
                together.wait(timeout=200)
                optimizer.step()
        finally:
            ends[lr] = values(params)
            failures.append(optimizer._failed)

    workers = [threading.Thread(target=train, args=(lr,)) for lr in rates]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == [False, False]
    for lr in rates:
        params = parameters((300,), (4, 3))
        optimizer = gd.optim.Momentum(params, lr=lr)
        for t in range(1, 201):
            give_gradients(params, t % 20)
            for p in params:
                p.grad /= 100
            optimizer.step()
        assert gap(ends[lr], params) <= 1e-10
    assert gap(ends[1e-3], ends[1.0]) > 0.1


# ---- numbers ----


@needs_a_compiler
def test_numbers_are_computed_in_double_precision():
    """1 − β₂ is 0 in float32: v would stay 0, and no step be taken."""
    compiled, plain = many(torch.float32), many(torch.float32)
    for params, compile in ((compiled, True), (plain, False)):
        optimizer = gd.optim.Adam(params, lr=0.1, betas=(0.9, 1 - 1e-9), eps=0.0, compile=compile)
        walk(params, optimizer, 3)
        assert not optimizer._failed
    assert gap(compiled, plain) <= 1e-6
    assert gap(compiled, many(torch.float32)) > 0.1


@needs_a_compiler
@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_numbers_that_change_between_steps_reach_the_kernel(kind):
    params, plain = many(), many()
    pair = [(params, True), (plain, False)]
    optimizers = [gd.optim.Momentum(p, lr=0.1, compile=compile) for p, compile in pair]
    for lr in (0.1, 0.1, 0.01, 0.1):
        for optimizer, (p, _) in zip(optimizers, pair, strict=True):
            optimizer.param_groups[0]["lr"] = kind(lr)
            walk(p, optimizer, 1)
    assert gap(params, plain) <= 1e-15


@needs_a_compiler
def test_a_gradient_may_lie_where_its_parameter_does():
    """J = θ²/2, whose gradient is θ: a kernel reads an element's numbers before it writes them."""
    thetas = []
    for compile in (True, False):
        theta = torch.linspace(-1, 1, 2**17, requires_grad=True)
        theta.grad = theta.detach()
        optimizer = gd.optim.Momentum([theta], lr=0.1, compile=compile)
        for _ in range(5):
            optimizer.step()
        assert not optimizer._failed
        thetas.append(theta)
    assert gap(thetas[:1], thetas[1:]) <= 1e-6
    assert abs(float(thetas[0][-1].detach())) < 0.5


# ---- where the parameters and the state lie ----


def tensors_of(params, optimizer):
    """The parameters and every tensor of the state, Lookahead's and the one's inside, by where they stand."""
    found = dict(enumerate(params))
    for each in (optimizer, getattr(optimizer, "optimizer", optimizer)):
        for i, p in enumerate(params):
            found |= {(i, name): x for name, x in each.state[p].items() if isinstance(x, torch.Tensor)}
    return found


@pytest.mark.parametrize("name", mostly({name: name for name in MAKERS}))
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_every_tensor_keeps_its_own_storage(name, compile):
    """None moves, neither parameters nor state, and none holds more memory than its numbers take."""
    params = many()
    optimizer = MAKERS[name](params, compile=compile)
    before = [p.data_ptr() for p in params]
    walk(params, optimizer, 1)
    first = {place: x.data_ptr() for place, x in tensors_of(params, optimizer).items()}
    walk(params, optimizer, 6, first=2)
    there = tensors_of(params, optimizer)
    assert [p.data_ptr() for p in params] == before
    assert {place: x.data_ptr() for place, x in there.items()} == first
    assert all(x.untyped_storage().nbytes() == x.numel() * x.itemsize for x in there.values())
    filled = [address for place, address in first.items() if there[place].numel()]
    assert len({*filled}) == len(filled)
    assert len(there) >= len(params) * (2 if name != "SGD" else 1)


@needs_a_compiler
def test_autograd_notices_a_compiled_step():
    params = parameters((3,), (4,), (300,))
    optimizer = gd.optim.Momentum(params, lr=0.03, compile=True)
    walk(params, optimizer, 1)
    for p in params:
        loss = (p**2).sum()
        walk(params, optimizer, 1, first=2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    assert not optimizer._failed


# ---- checkpoints and copies ----


@needs_a_compiler
@pytest.mark.parametrize("compiled, then", [(True, False), (False, True)])
@pytest.mark.parametrize("name", ["Nesterov", "Lookahead"])
def test_checkpoints_go_from_compiled_to_uncompiled_and_back(name, compiled, then):
    params, make = many(), MAKERS[name]
    optimizer = make(params, compile=compiled)
    walk(params, optimizer, 5)
    saved, again = optimizer.state_dict(), [torch.nn.Parameter(p) for p in values(params)]
    walk(params, optimizer, 5, first=6)
    loaded = make(again, compile=then)
    loaded.load_state_dict(saved)  # a snapshot: the steps since have not changed it
    walk(again, loaded, 5, first=6)
    assert gap(again, params) <= 1e-12
    assert getattr(loaded, "optimizer", loaded).compile is then


@needs_a_compiler
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("name", ["Adam", "Lookahead"])
def test_copies_of_a_compiled_optimizer_go_on_alike_and_apart(name, copied):
    params = many()
    optimizer = MAKERS[name](params, compile=True)
    walk(params, optimizer, 4)
    others, other = copied((params, optimizer))
    assert getattr(other, "optimizer", other).compile
    kept = values(others)
    walk(params, optimizer, 4, first=5)
    assert all(torch.equal(a, b) for a, b in zip(others, kept, strict=True))
    walk(others, other, 4, first=5)
    assert gap(others, params) <= 1e-12


# ---- a reader's own rule ----


@dataclass(frozen=True, eq=False)
class Signed(gd.Rule):
    """Its state is its inputs themselves: the gradient, θ, and a state under another name. It has a switch,
    and t decides."""

    lr: float = 0.1
    both: bool = True

    def init(self, theta, zeros):
        return {"last": zeros, "previous": theta, "older": theta}

    def at(self, t):
        return {"early": t < 5, "shrink": 1 / t}

    def step(self, theta, grad, state, at):
        used = grad + state["last"] if self.both else grad
        move = gd.rules.where(at["early"], used, at["shrink"] * used)
        new = {"last": grad, "previous": theta, "older": state["previous"]}
        return theta - self.lr * move + 0.1 * (state["previous"] - state["older"]), new


@dataclass(frozen=True, eq=False)
class Hasty(gd.Rule):
    """Has an `if` that a kernel cannot have, and a number for its state."""

    lr: float = 0.1

    def init(self, theta, zeros):
        return {"sum": 0.0}

    def step(self, theta, grad, state, at):
        new = {"sum": state["sum"] + 1.0}
        return theta - (self.lr if self.lr < 1 else 1) * grad / (1 + state["sum"]), new


@dataclass(frozen=True, eq=False)
class Branching(gd.Rule):
    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - (self.lr if self.lr < 1 else 1) * grad, {}


def maker(rule):
    return lambda params, **kw: gd.optim.from_rule(rule, params, **kw)


@needs_a_compiler
@pytest.mark.parametrize("both", [True, False])
def test_a_readers_rule_is_compiled(both, recwarn):
    make, before = maker(Signed(both=both)), made()
    compiled, plain = story(make, steps=60, compile=True), story(make, steps=60)
    assert made() == before + 1 and not recwarn.list
    assert gap(compiled, plain) <= 1e-12
    assert gap(plain, story(make, steps=60, alone=True)) <= 1e-15


def test_a_number_in_the_state_stays_each_parameters_own():
    make = maker(Hasty())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gap(story(make, steps=60, compile=True), story(make, steps=60, alone=True)) <= 1e-15


# ---- where compiling fails ----

SAID = (
    r"compile=True: torch could not compile the rule \(RuntimeError: No working C\+\+ compiler found\)"
    r".* needs a C\+\+ compiler"
)


@pytest.mark.parametrize("name", ["Adam", "Lookahead"])
def test_without_a_compiler_a_warning_for_each_optimizer_and_the_same_numbers(name, no_compiler):
    plain = story(MAKERS[name], steps=9)
    for _ in range(2):
        with pytest.warns(UserWarning, match=SAID) as seen:
            compiled = story(MAKERS[name], steps=9, compile=True)
        assert len(seen) == 1
        assert gap(compiled, plain) == 0


def test_the_kernels_failure_is_whatever_it_raises(monkeypatch):
    def fails(*_, **__):
        raise kernels.Failed("OSError: the disk is full")

    monkeypatch.setattr(update, "kernel", fails)
    with pytest.warns(UserWarning, match=r"could not compile the rule \(OSError: the disk is full\)") as told:
        compiled = story(MAKERS["Adam"], steps=9, compile=True)
    assert "C++" not in str(told[0].message)
    assert gap(compiled, story(MAKERS["Adam"], steps=9)) == 0


@pytest.mark.slow
@needs_a_compiler
def test_warnings_of_torchs_own_about_its_insides_are_no_errors():
    """Not even where the user has made errors of all warnings, as many do in tests; and those stay so."""
    script = """
import warnings
warnings.simplefilter("error")
import torch, gdcourse as gd
theta = torch.nn.Parameter(torch.ones(3))
optimizer = gd.optim.Lookahead(gd.optim.Momentum([theta], lr=0.5, compile=True), 1)
theta.grad = torch.ones_like(theta)
optimizer.step()
try:
    warnings.warn("mine")
except UserWarning:
    print("ends at", theta.detach().unique().tolist())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.stdout == "ends at [0.75]\n", done.stderr


@needs_a_compiler
def test_a_failure_is_remembered_by_the_one_that_met_it_alone(monkeypatch, none_yet):
    def fails(*_, **__):
        raise RuntimeError("not now")

    params = parameters()
    optimizer = gd.optim.Momentum(params, lr=0.1, compile=True)
    with monkeypatch.context() as patch:
        patch.setattr(compile_fx, "compile_fx_inner", fails)
        with pytest.warns(UserWarning, match="not now"):
            walk(params, optimizer, 1)
    tried = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walk(params, optimizer, 2)
        assert made() == tried
        for another in (gd.optim.Momentum(params, lr=0.1, compile=True), copy.deepcopy(optimizer)):
            walk(another.param_groups[0]["params"], another, 2)
            assert kernels._compiled.cache_info().currsize == 1
    assert made() == tried + 1


def test_a_rule_that_cannot_be_compiled_runs_uncompiled():
    make = maker(Branching())
    with pytest.warns(UserWarning, match=r"compile=True: torch could not compile") as seen:
        compiled = story(make, steps=9, compile=True)
    assert len(seen) == 1
    assert gap(compiled, story(make, steps=9)) == 0


# ---- modes and devices ----


@needs_a_compiler
@pytest.mark.parametrize("mode", [FakeTensorMode, lambda: FlopCounterMode(display=False)])
def test_a_mode_that_looks_at_every_operation_sees_them_and_nothing_is_remembered(mode, none_yet, recwarn):
    """Inside, no kernel is made or used; afterwards one is."""
    params, plain = parameters(), parameters()
    optimizer = gd.optim.Momentum(params, lr=0.1, compile=True)
    with mode() as active:
        fake = isinstance(active, FakeTensorMode)
        inside = parameters() if fake else params
        of_inside = gd.optim.Momentum(inside, lr=0.1, compile=True) if fake else optimizer
        for p in inside:
            p.grad = torch.ones_like(p)
        of_inside.step()
    assert made() == 0 and not of_inside._failed
    walk(params, optimizer, 3)
    assert made() == 1 and not recwarn.list
    other = gd.optim.Momentum(plain, lr=0.1)
    if not fake:
        for p in plain:
            p.grad = torch.ones_like(p)
        other.step()
    walk(plain, other, 3)
    assert gap(params, plain) <= 1e-12


TREATED = {
    f"Lookahead({inner}), {how}": lambda params, make=make, how=how: gd.optim.Lookahead(
        make(params), 3, 0.5, how
    )
    for inner, make in (
        ("Nesterov", MAKERS["Nesterov"]),
        ("torch's Adam", lambda params: torch.optim.Adam(params, foreach=False)),
    )
    for how in ("reset", "pullback")
}


@pytest.mark.parametrize("name", mostly({name: name for name in [*MAKERS, *TREATED]}))
def test_no_step_reads_from_the_device(name):
    """A tensor on "meta" has no numbers: reading one raises. Only the learning rate with which a
    look-ahead point is made is read, to be noted in the state: it lies on the CPU here."""
    with pytest.raises(RuntimeError, match="meta"):
        torch.zeros((), device="meta").item()
    shapes = (3,), (2, 2), (), (4,), (5,), (300,), (300, 300)
    params = [torch.nn.Parameter(torch.zeros(shape, device="meta")) for shape in shapes]
    lr = (
        0.1
        if "torch's" in name
        else torch.tensor(0.1, device="cpu" if "Nesterov" in name or name == "Lookahead" else "meta")
    )
    groups = [{"params": params[:-1]}, {"params": params[-1:], "lr": lr}]
    optimizer = {**MAKERS, **TREATED}[name](groups)
    for t in range(1, 8):
        for i, p in enumerate(params):
            p.grad = None if i == 1 and t < 3 else torch.zeros_like(p)
        optimizer.step()
    assert all(p.device.type == "meta" for p in params)
