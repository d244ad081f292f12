"""compile=True, and many parameters as one vector: the same numbers as one tensor after the other."""

import copy
import operator
import pickle
import warnings
from dataclasses import dataclass

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor_config
from torch._inductor.utils import run_and_get_cpp_code
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.optim import lr_scheduler

import gdcourse as gd
from gdcourse.optim import compilation, flat, kernel
from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS as OURS
from tests.optimizers import ahead, give_gradients, values, walk

MAKERS = OURS | {"Lookahead": ahead(OURS["Nesterov"], 3)}
every = pytest.mark.parametrize("name", MAKERS)
SHAPES = [(20, 3), (7,), (1,), (), (5, 4, 3), (0, 2), (6,), (3, 3), (300,)]
STEPS = 300


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    """The last shape is a large one, and is computed in pieces, as is a vector of many."""
    monkeypatch.setattr(flat, "LARGE", 200)
    monkeypatch.setattr(kernel, "PIECE", 8 * 100)


def parameters(dtype=torch.float64, shapes=SHAPES):
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return [torch.nn.Parameter(p.permute(2, 0, 1) if p.ndim == 3 else p) for p in params]


def story(make, dtype=torch.float64, alone=False, steps=STEPS, **extra):
    """Two groups under a schedule. Parameter 1 starts late, 2 is frozen and thawed, 4 has no gradient now
    and then, 6 never has one. ``alone``: with an optimizer for each."""
    params = parameters(dtype)
    groups = [{"params": [p], "lr": 0.02 if i > 5 else 0.01} for i, p in enumerate(params)]
    if not alone:
        groups = [{**groups[i], "params": params[i:j]} for i, j in ((0, 6), (6, len(params)))]
    optimizers = [make([group], **extra) for group in groups] if alone else [make(groups, **extra)]
    schedules = [lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps) for optimizer in optimizers]
    for t in range(1, steps + 1):
        resting = {6} | ({1} if t < 40 else set()) | ({2} if 100 < t < 150 else set())
        give_gradients(params, t, resting | ({4} if t % 7 == 0 else set()))
        given = [(p, p.grad, copy.copy(p.grad), p.grad.clone()) for p in params if p.grad is not None]
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        assert all(p.grad is grad and torch.equal(grad, kept) for p, grad, _, kept in given)
    return values(params)


def gap(ours, theirs):
    """The largest difference, relative to the tensor's largest number where that is more than 1."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.numel()]
    return max(((a - b).abs().max() / b.abs().max().clamp(min=1)).item() for a, b in pairs)


def graphs():
    """How many graphs torch has compiled in this process."""
    return counters["stats"]["unique_graphs"]


# ---- one vector, one kernel: the same numbers ----


@every
def test_batched_equals_each_alone(name):
    make, steps = MAKERS[name], 100
    assert gap(story(make, steps=steps), story(make, alone=True, steps=steps)) <= 1e-15


@needs_a_compiler
@every
def test_compiled_once_equals_uncompiled(name):
    before, kernels = graphs(), len(compilation.KERNELS)
    compiled = story(MAKERS[name], compile=True)
    assert graphs() - before == len(compilation.KERNELS) - kernels  # nothing that happened compiled one anew
    assert None not in compilation.KERNELS.values()
    assert gap(compiled, story(MAKERS[name])) <= 1e-12
    assert gap(compiled, parameters()) > 1e-3


@needs_a_compiler
@pytest.mark.parametrize("name", ["Adam", *[pytest.param(n, marks=pytest.mark.slow) for n in MAKERS]])
def test_compiled_equals_uncompiled_in_float32(name):
    make = MAKERS[name]
    assert gap(story(make, torch.float32, compile=True), story(make, torch.float32)) <= 1e-5


@needs_a_compiler
def test_compiled_half_precision_computes_in_float32():
    """Fusing may round the last bit of float32 otherwise, which can turn one rounding to bfloat16."""
    compiled, plain = parameters(torch.bfloat16), parameters(torch.bfloat16)
    optimizer = gd.optim.Momentum(compiled, lr=0.03, compile=True)
    walk(compiled, optimizer, 20)
    walk(plain, gd.optim.Momentum(plain, lr=0.03), 20)
    assert gap([p.float() for p in compiled], [p.float() for p in plain]) <= 2**-7
    assert optimizer.state[compiled[0]]["v"].dtype == torch.float32


@needs_a_compiler
def test_a_kernel_that_first_meets_a_matrix_serves_vectors_too():
    """A parameter that stands alone is seen as a vector: torch knows of what it is a view."""
    compilation.KERNELS.clear()
    before = graphs()
    for shapes in ([(6, 4)], [(6, 4), (5,), (3, 2)]):
        params = [torch.ones(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
        optimizer = gd.optim.Nesterov(params, lr=0.03, compile=True)
        for resting in (params[1:], []):
            for param in params:
                param.grad = None if any(param is p for p in resting) else torch.ones_like(param)
            optimizer.step()
    assert graphs() - before == len(compilation.KERNELS) == 1


@needs_a_compiler
def test_nothing_compiles_a_second_time():
    """Not eight rules before it, 1000 steps of a schedule, another size, nor a group that joins."""
    walk(first := parameters(), gd.optim.Adam(first, compile=True), 1)
    before = graphs()
    params = parameters(shapes=[(3,), (17, 2)])
    optimizer = gd.optim.Adam(params[:1], compile=True)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=1001)
    for t in range(1000):
        give_gradients(params, 1 + t % STEPS)
        optimizer.step()
        schedule.step()
    optimizer.add_param_group({"params": params[1:], "lr": 0.5, "eps": 1e-3})
    walk(params, optimizer, 3)
    assert graphs() == before
    assert [int(optimizer.state[p]["step"]) for p in params] == [1003, 3]


@needs_a_compiler
def test_each_kernel_has_a_code_object_of_its_own(monkeypatch):
    """torch stops compiling one code object after 8 variants, and goes on uncompiled."""
    codes, real = [], torch.compile

    def spy(function, **options):
        codes.append(function.__code__)
        return real(function, **options)

    monkeypatch.setattr(torch, "compile", spy)
    monkeypatch.setattr(compilation, "KERNELS", {})
    for make in (gd.optim.Adam, gd.optim.RAdam):
        walk(params := parameters(), make(params, compile=True), 1)
    assert len({id(code) for code in codes}) == len(codes) == 2


@needs_a_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_a_kernel_uses_as_many_cores_as_torch_does(threads, monkeypatch):
    """Also one that first met a parameter of a few elements: torch.compile shares out long loops only."""
    monkeypatch.setattr(compilation, "KERNELS", {})
    had, params = torch.get_num_threads(), parameters()
    torch.set_num_threads(threads)
    try:
        with inductor_config.patch(force_disable_caches=True):
            optimizer = gd.optim.Momentum(params, lr=0.1, compile=True)
            code = run_and_get_cpp_code(walk, params, optimizer, 1)[1]
    finally:
        torch.set_num_threads(had)
    assert "loadu" in code
    assert ("omp parallel" in code) == (threads == 2)


@needs_a_compiler
@pytest.mark.parametrize("threads", [1, 3])
def test_the_cache_on_the_disk_tells_apart_for_how_many_cores_a_kernel_is(threads, monkeypatch):
    """By the settings it was made under: torch's cache does not ask for the number itself."""
    seen, real, had = [], torch._dynamo.lookup_backend, torch.get_num_threads()

    def spy(name):
        if name == "inductor":
            seen.append(inductor_config.cpp.threads)
        return real(name)

    monkeypatch.setattr(torch._dynamo, "lookup_backend", spy)
    monkeypatch.setattr(compilation, "KERNELS", {})
    torch.set_num_threads(threads)
    try:
        walk(params := parameters(), gd.optim.Momentum(params, lr=0.1, compile=True), 1)
    finally:
        torch.set_num_threads(had)
    assert seen == [threads]


@needs_a_compiler
def test_another_number_of_threads_gets_a_kernel_of_its_own(monkeypatch):
    monkeypatch.setattr(compilation, "KERNELS", {})
    walk(params := parameters(), optimizer := gd.optim.Momentum(params, lr=0.1, compile=True), 1)
    had = torch.get_num_threads()
    torch.set_num_threads(had + 1)
    try:
        walk(params, optimizer, 1)
    finally:
        torch.set_num_threads(had)
    walk(params, optimizer, 1)
    assert len(compilation.KERNELS) == 2


# ---- what is computed of numbers alone ----


@needs_a_compiler
def test_numbers_are_computed_in_double_precision():
    """1 − β₂ is 0 in float32: v would stay 0, and no step be taken."""
    compiled, plain = parameters(torch.float32), parameters(torch.float32)
    for params, compile in ((compiled, True), (plain, False)):
        optimizer = gd.optim.Adam(params, lr=0.1, betas=(0.9, 1 - 1e-9), eps=0.0, compile=compile)
        walk(params, optimizer, 3)
    assert gap(compiled, plain) <= 1e-6
    assert gap(compiled, parameters(torch.float32)) > 0.1


@needs_a_compiler
@every
def test_no_element_computes_what_is_one_number(name, monkeypatch):
    """Every operation that is left in a kernel has a vector among its inputs."""
    graphs, real = [], compilation.parted

    def spy(graph, *others):
        found = real(graph, *others)
        graphs.append(graph.graph)
        return found

    monkeypatch.setattr(compilation, "parted", spy)
    monkeypatch.setattr(compilation, "KERNELS", {})
    walk(params := parameters(), optimizer := MAKERS[name](params, compile=True), 8)
    assert graphs, optimizer
    for graph in graphs:
        numbers = {node for node in graph.nodes if node.target in ("unbind", operator.getitem)}
        for node in graph.nodes:
            if node.op == "call_function" and node not in numbers and node.target is not operator.ne:
                assert not numbers.issuperset(node.all_input_nodes), node.format_node()


@needs_a_compiler
def test_numbers_that_change_between_steps_reach_the_kernel():
    """It keeps those of the last step, which are not computed anew while they stay."""
    params, plain = parameters(), parameters()
    pair = [(params, True), (plain, False)]
    optimizers = [gd.optim.Momentum(p, lr=0.1, compile=compile) for p, compile in pair]
    for lr in (0.1, 0.1, 0.01, 0.1):
        for optimizer, (p, _) in zip(optimizers, pair, strict=True):
            optimizer.param_groups[0]["lr"] = lr
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
        thetas.append(theta)
    assert gap(thetas[:1], thetas[1:]) <= 1e-6
    assert abs(float(thetas[0][-1])) < 0.5


# ---- where the parameters lie ----


@needs_a_compiler
def test_compiled_parameters_move_into_one_vector_and_may_be_put_elsewhere():
    params, plain = parameters(shapes=[(3, 2), (5,)]), parameters(shapes=[(3, 2), (5,)])
    optimizer, other = gd.optim.Adam(params, compile=True), gd.optim.Adam(plain)
    for _ in range(2):
        walk(params, optimizer, 3)
        walk(plain, other, 3)
        assert len({p.untyped_storage().data_ptr() for p in params}) == 1
        assert gap(params, plain) <= 1e-12
        params[0].data, plain[0].data = torch.ones_like(params[0]), torch.ones_like(plain[0])


@needs_a_compiler
def test_parameters_move_from_one_optimizers_vector_into_anothers():
    params = parameters(shapes=[(3, 2), (5,)])
    first, second = (gd.optim.Momentum(params, lr=0.03, compile=True) for _ in range(2))
    walk(params, first, 2)
    before = [p.data_ptr() for p in params]
    walk(params, second, 2)
    assert all(p.data_ptr() != address for p, address in zip(params, before, strict=True))
    assert len({p.untyped_storage().data_ptr() for p in params}) == 1


@needs_a_compiler
def test_parameters_that_others_look_at_stay_where_they_are():
    buffer = torch.ones(8, dtype=torch.float64)
    shared = torch.ones(2, dtype=torch.float64).share_memory_()
    tied = torch.ones(2, dtype=torch.float64)
    tensors = [buffer[:3], buffer[3:6], shared, tied, tied]
    params, plain = [torch.nn.Parameter(x) for x in tensors], [torch.nn.Parameter(x.clone()) for x in tensors]
    before = [p.data_ptr() for p in params]
    optimizer, other = gd.optim.Momentum(params, 0.03, compile=True), gd.optim.Momentum(plain, 0.03)
    walk(params[:4], optimizer, 3)
    walk(plain[:4], other, 3)
    assert gap(params[:4], plain[:4]) <= 1e-15
    assert torch.equal(params[3], params[4])
    assert [p.data_ptr() for p in params] == before


def test_uncompiled_parameters_stay_where_they_are():
    params = parameters()
    before = [p.data_ptr() for p in params]
    walk(params, gd.optim.Adam(params), 2)
    assert [p.data_ptr() for p in params] == before


@needs_a_compiler
def test_autograd_notices_a_compiled_step():
    params = parameters(shapes=[(3,), (4,), (300,)])
    optimizer = gd.optim.Momentum(params, lr=0.03, compile=True)
    walk(params, optimizer, 1)
    for p in params:
        loss = (p**2).sum()
        walk(params, optimizer, 1, first=2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


# ---- state ----


@needs_a_compiler
@pytest.mark.parametrize("compiled, then", [(True, False), (False, True)])
def test_checkpoints_go_from_compiled_to_uncompiled_and_back(compiled, then):
    params = parameters()
    optimizer = gd.optim.Nesterov(params, lr=0.03, compile=compiled)
    walk(params, optimizer, 5)
    saved, again = optimizer.state_dict(), [torch.nn.Parameter(p) for p in values(params)]
    walk(params, optimizer, 5, first=6)
    loaded = gd.optim.Nesterov(again, lr=0.03, compile=then)
    loaded.load_state_dict(saved)  # a snapshot: the steps since have not changed it
    walk(again, loaded, 5, first=6)
    assert gap(again, params) <= 1e-12


@needs_a_compiler
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("name", ["Adam", "Lookahead"])
def test_copies_of_a_compiled_optimizer_go_on_alike_and_apart(name, copied):
    params = parameters()
    optimizer = MAKERS[name](params, compile=True)
    walk(params, optimizer, 4)
    others, other = copied((params, optimizer))
    kept = values(others)
    walk(params, optimizer, 4, first=5)
    assert all(torch.equal(a, b) for a, b in zip(others, kept, strict=True))
    walk(others, other, 4, first=5)
    assert gap(others, params) <= 1e-12


def test_a_pickle_holds_each_number_once():
    params = parameters(shapes=[(40,)] * 30)
    optimizer = gd.optim.Momentum(params, lr=0.1)
    walk(params, optimizer, 1)
    state = optimizer.state
    assert sum(v["v"].untyped_storage().nbytes() for v in pickle.loads(pickle.dumps(state)).values()) > 1e5
    assert sum(len(pickle.dumps(v)) for v in optimizer.state_dict()["state"].values()) < 1e5


def test_what_is_written_into_the_state_counts():
    """A count or an average, set by hand in place or as another tensor."""
    params, twins = parameters(shapes=[(3,), (4,)]), parameters(shapes=[(3,), (4,)])
    optimizer, fresh = gd.optim.Adam(params), gd.optim.Adam(twins)
    walk(params, optimizer, 5)
    for p, twin in zip(params, twins, strict=True):
        p.data.copy_(twin.data)
        optimizer.state[p]["step"].zero_()
        optimizer.state[p]["m"].zero_()
        optimizer.state[p]["v"] = torch.zeros_like(p)
    walk(params, optimizer, 3)
    walk(twins, fresh, 3)
    assert gap(params, twins) == 0


def test_a_count_that_is_written_beside_a_state_that_is_dropped_counts_too():
    params = parameters(shapes=[(3,), (4,)])
    optimizer = gd.optim.Adam(params)
    walk(params, optimizer, 5)
    del optimizer.state[params[0]]
    optimizer.state[params[1]]["step"].fill_(90)
    walk(params, optimizer, 1, first=6)
    assert [int(optimizer.state[p]["step"]) for p in params] == [1, 91]
    fresh, old = parameters(shapes=[(3,), (4,)]), parameters(shapes=[(3,), (4,)])
    optimizer = gd.optim.Adam(old)
    walk(old, optimizer, 5)
    optimizer.state[old[1]]["step"].fill_(90)
    fresh[0].data.copy_(old[0])
    walk(fresh[:1], gd.optim.Adam(fresh[:1]), 1, first=6)
    walk(old, optimizer, 1, first=6)
    assert gap([fresh[0], old[1]], params) == 0


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
        return theta - (self.lr if self.lr < 1 else 1) * grad / (1 + state["sum"]), {
            "sum": state["sum"] + 1.0
        }


@dataclass(frozen=True, eq=False)
class Branching(gd.Rule):
    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - (self.lr if self.lr < 1 else 1) * grad, {}


@needs_a_compiler
def test_a_readers_rule_is_compiled():
    def make(params, **kw):
        return gd.optim.from_rule(Signed(), params, **kw)

    compiled, plain = story(make, steps=30, compile=True), story(make, steps=30)
    assert gap(compiled, plain) <= 1e-12
    assert gap(plain, story(make, steps=30, alone=True)) <= 1e-15


def test_a_number_in_the_state_stays_each_parameters_own():
    def make(params, **kw):
        return gd.optim.from_rule(Hasty(), params, **kw)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gap(story(make, steps=60, compile=True), story(make, steps=60, alone=True)) <= 1e-15


# ---- no compiler ----


def test_without_a_compiler_a_warning_once_and_the_same_numbers(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("there is no compiler\nhere")

    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(compilation, "KERNELS", {})
    compilation._warn_once.cache_clear()
    with pytest.warns(
        UserWarning, match=r"compile=True: torch.compile failed \(RuntimeError: there is no compiler\)"
    ) as seen:
        compiled = [story(MAKERS[name], steps=9, compile=True) for name in ("Adam", "Lookahead")]
    assert len(seen) == 1
    for ours, name in zip(compiled, ("Adam", "Lookahead"), strict=True):
        assert gap(ours, story(MAKERS[name], steps=9)) <= 1e-15


def test_where_compiling_is_switched_off_a_warning_and_the_same_numbers(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # what torch does then
    monkeypatch.setattr(compilation, "KERNELS", {})
    compilation._warn_once.cache_clear()
    with pytest.warns(UserWarning, match=r"torch.compile failed \(RuntimeError: it is switched off"):
        compiled = story(MAKERS["Adam"], steps=9, compile=True)
    assert gap(compiled, story(MAKERS["Adam"], steps=9)) <= 1e-15


def test_a_rule_that_cannot_be_compiled_runs_uncompiled(monkeypatch):
    monkeypatch.setattr(compilation, "KERNELS", {})
    compilation._warn_once.cache_clear()

    def make(params, **kw):
        return gd.optim.from_rule(Branching(), params, **kw)

    with pytest.warns(UserWarning, match=r"compile=True: torch.compile failed"):
        compiled = story(make, steps=9, compile=True)
    assert gap(compiled, story(make, steps=9)) <= 1e-15


# ---- on a device ----


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


@pytest.mark.parametrize("name", [*MAKERS, *TREATED])
def test_no_step_reads_from_the_device(name):
    """A fake CUDA tensor has no numbers: reading one raises."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        params = [torch.nn.Parameter(torch.zeros(shape, device="cuda")) for shape in ((3,), (2, 2), (300,))]
        lr = 0.1 if "torch's" in name else torch.tensor(0.1)
        optimizer = {**MAKERS, **TREATED}[name]([{"params": params[:2]}, {"params": params[2:], "lr": lr}])
        with pytest.raises(DataDependentOutputException):
            torch.zeros((), device="cuda").item()
        for t in range(1, 8):
            for i, p in enumerate(params):
                p.grad = None if i == 1 and t < 3 else torch.zeros_like(p)
            optimizer.step()
        assert all(p.device.type == "cuda" for p in params)
