"""A step by NumPy, by torch, by a kernel, in pieces and on several threads: the same numbers."""

import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.optim import update as module
from gdcourse.optim.bucket import Bucket
from gdcourse.optim.update import Ways, by_torch, update
from gdcourse.rules import Rule
from tests import methods
from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS as OURS
from tests.optimizers import ahead, equal, mostly, parameters, values, walk

RULES = {name: methods.usual(name) for name in methods.PLAIN}
every = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
MAKERS = OURS | {"Lookahead": ahead(OURS["Nesterov"], 3, 0.5, "pullback")}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def ready(rule, length=50, dtype=torch.float64):
    """A point in the middle of a walk, its state and a gradient, and the other arguments of `update`."""
    drawn = torch.Generator().manual_seed(0)
    point, grad = (torch.randn(length, generator=drawn, dtype=torch.float64).to(dtype) for _ in range(2))
    names = rule.init(point, torch.zeros_like(point))
    memory = {name: 0.5 * grad**2 + 0.1 * i for i, name in enumerate(names, start=1)}
    before = rule if type(rule).look is not Rule.look else Rule()
    return Bucket(point, memory, grad), (rule, before, rule.at(7), None, 0.01, False)


def run(rule, dtype, compiles=False):
    """The point and the state after one step, in the way that an optimizer's would go."""
    bucket, values = ready(rule, dtype=dtype)
    bucket.whole = False
    with Ways(compiles) as ways:
        ways.run(update, bucket, values)
        ways.finish()
    assert ways.failure is None
    return [bucket.point, *bucket.memory.values()]


def by_torch_alone(rule, dtype):
    bucket, values = ready(rule, dtype=dtype)
    by_torch(update, bucket, values)
    return [bucket.point, *bucket.memory.values()]


# ---- one step, in each of the ways ----


@pytest.mark.parametrize("rule", mostly(RULES))
@pytest.mark.parametrize(
    "dtype, compiles",
    [
        (torch.float32, False),
        (torch.float64, False),
        pytest.param(torch.float64, True, marks=needs_a_compiler),
    ],
)
def test_numpys_numbers_and_a_kernels_are_torchs(rule, dtype, compiles):
    """But for the last bits: of a number over a tensor, torch takes the number times the reciprocal."""
    found, expected = run(rule, dtype, compiles), by_torch_alone(rule, dtype)
    eps = torch.finfo(dtype).eps
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=4 * eps, atol=4 * eps)
    assert not torch.equal(found[0], ready(rule, dtype=dtype)[0].point)


def test_a_rule_of_this_package_runs_by_numpy_and_is_no_torchs(monkeypatch):
    """Else the test above would compare torch with itself."""
    kinds = []
    real = gd.Adam.step
    monkeypatch.setattr(gd.Adam, "step", lambda *given: kinds.append(type(given[1])) or real(*given))
    run(gd.Adam(0.1), torch.float32)
    by_torch_alone(gd.Adam(0.1), torch.float32)
    assert kinds == [np.ndarray, torch.Tensor]


@every
def test_the_rules_give_new_arrays(rule):
    bucket, (rule, before, at, *_) = ready(rule)
    inputs = [x.numpy() for x in (bucket.point, bucket.grads[0], *bucket.memory.values())]
    memory = dict(zip(bucket.memory, inputs[2:], strict=True))
    result, new = update(inputs[0], memory, inputs[1], rule, before, at, None, None, False)
    assert not any(np.shares_memory(given, made) for given in inputs for made in (result, *new.values()))


@dataclass(frozen=True, eq=False)
class Sign(gd.Rule):
    """Asks for what only a tensor has."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad.sign(), {}


def test_a_readers_rule_gets_tensors():
    theta = torch.zeros(3, requires_grad=True)
    theta.grad = torch.tensor([1.0, -2.0, 0.0])
    gd.optim.from_rule(Sign(), [theta]).step()
    torch.testing.assert_close(theta.detach(), torch.tensor([-0.1, 0.1, 0.0]))


@dataclass(frozen=True, eq=False)
class Handing(gd.Rule):
    """Hands back what it got: the gradient as θ, θ as its state, and one state as the other."""

    def init(self, theta, zeros):
        return {"last": zeros, "older": zeros}

    def step(self, theta, grad, state, at):
        return grad, {"last": theta, "older": state["last"]}


@pytest.mark.parametrize("length", [3, 250])
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_what_a_rule_hands_back_is_read_before_it_is_overwritten(length, compile, short_pieces):
    (theta,) = parameters((length,))
    start = theta.detach().clone()
    optimizer = gd.optim.from_rule(Handing(), [theta], compile=compile)
    grads = [torch.full_like(theta, t) for t in (1.0, 2.0)]
    for grad in grads:
        theta.grad = grad.clone()
        optimizer.step()
    assert not optimizer._failed
    # lr is 1, and so θ + lr (θ' − θ) rounds
    torch.testing.assert_close(theta.detach(), grads[1])
    torch.testing.assert_close(optimizer.state[theta]["last"], grads[0])
    torch.testing.assert_close(optimizer.state[theta]["older"], start)


@dataclass(frozen=True, eq=False)
class WritesGrad(gd.Rule):
    def step(self, theta, grad, state, at):
        grad *= 2
        return theta - grad, {}


class WritesTheta(WritesGrad):
    def step(self, theta, grad, state, at):
        theta -= 0.1 * grad
        return theta, {}


class WritesGradAsATensor(WritesGrad):
    scope = "tensor"

    def step(self, theta, grad, state, at):
        return theta - grad.mul_(2), {}


@dataclass(frozen=True, eq=False)
class WritesItsState(gd.Rule):
    """Which is its own."""

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = state["v"]
        v *= 0.5
        v += grad
        return theta - 0.1 * v, {"v": v}


@pytest.mark.parametrize("kind", [WritesGrad, WritesTheta, WritesGradAsATensor])
@pytest.mark.parametrize("count, length", [(1, 50), (1, 250), (5, 3)], ids=["one", "in pieces", "many"])
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_a_rule_that_writes_into_what_it_is_given_is_refused(kind, count, length, compile, short_pieces):
    """Somebody may yet read the gradient; and θ + lr (θ' − θ) would be θ'."""
    what = "theta" if kind is WritesTheta else "grad"
    said = f"{kind.__name__}.step writes into {what}"
    thetas = parameters(*[(length,)] * count)
    if kind is not WritesGradAsATensor:
        with pytest.raises(ValueError, match=said):
            gd.optim.from_rule(kind(), thetas, compile=compile)
        return
    optimizer = gd.optim.from_rule(kind(), thetas, compile=compile)
    for theta in thetas:
        theta.grad = torch.ones_like(theta)
    before = values(thetas)
    with pytest.raises(ValueError, match=said):
        optimizer.step()
    assert equal(before, thetas)


@pytest.mark.parametrize("count, length", [(1, 50), (1, 250), (5, 3)], ids=["one", "in pieces", "many"])
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_a_rule_may_write_into_its_state(count, length, compile, short_pieces):
    thetas, twins = parameters(*[(length,)] * count), parameters(*[(length,)] * count)
    walk(thetas, gd.optim.from_rule(WritesItsState(), thetas, compile=compile), 4)
    walk(twins, gd.optim.Momentum(twins, lr=0.1, momentum=0.5), 4)
    for theta, twin in zip(thetas, twins, strict=True):
        torch.testing.assert_close(theta, twin)


# ---- what lies where, and who is told ----


@pytest.mark.parametrize("count, length", [(1, 50), (1, 250), (5, 3)], ids=["one", "in pieces", "many"])
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_a_gradient_may_be_the_negative_of_what_lies_there(count, length, compile, short_pieces):
    """torch notes the sign, as for a conjugate's imaginary part; NumPy cannot, and a kernel does not look."""
    thetas = [torch.zeros(length, requires_grad=True) for _ in range(count)]
    for theta in thetas:
        theta.grad = torch._neg_view(torch.full((length,), 2.0))
        assert theta.grad.is_neg()
    gd.optim.SGD(thetas, lr=0.5, compile=compile).step()
    assert equal(values(thetas), [torch.ones(length)] * count)


@every_maker
@pytest.mark.parametrize("shapes", [[(50,)], [(250,)], [(3,)] * 5], ids=["one", "in pieces", "many"])
def test_who_saved_a_parameter_for_backward_is_told_that_it_moved(make, shapes, short_pieces):
    """NumPy writes past autograd, which counts the changes of a tensor."""
    thetas = parameters(*shapes)
    loss = sum((theta**3).sum() for theta in thetas)
    walk(thetas, make(thetas), 3)  # the third of Lookahead's synchronises
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_no_warning_of_numpys_where_a_number_becomes_infinite(short_pieces, threads):
    """torch goes on with ∞ without a word."""
    threads(2)
    for shapes in ([(50,)], [(5000,)], [(3,)] * 5):
        thetas = parameters(*shapes)
        optimizer = gd.optim.Adam(thetas)
        for theta in thetas:
            theta.grad = torch.full_like(theta, 1e300)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer.step()
        assert optimizer.state[thetas[0]]["v"].isinf().all()


# ---- in pieces, and on several threads ----


@every_maker
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pieces_are_the_whole(make, dtype, monkeypatch, request):
    """A vector, a matrix, and one whose numbers lie in another order, with a gradient that lies otherwise."""

    def walked():
        thetas = parameters((1237,), (40, 30), (30, 40), dtype=dtype)
        thetas[2] = torch.nn.Parameter(thetas[2].detach().T)
        walk(thetas, optimizer := make(thetas), 7)
        state = getattr(optimizer, "optimizer", optimizer).state
        return values(thetas) + [state[theta][name] for theta in thetas for name in state[theta]]

    sizes, real = [], module._by_numpy
    monkeypatch.setattr(module, "_by_numpy", lambda *given: sizes.append(given[1][0].size) or real(*given))
    whole = walked()
    assert min(sizes) == 1200
    sizes.clear()
    request.getfixturevalue("short_pieces")
    assert equal(walked(), whole)
    assert max(sizes) == 800 // dtype.itemsize


@dataclass(frozen=True, eq=False)
class Counting(gd.Rule):
    """Notes what it is called on."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        LENGTHS.append(len(theta))
        return theta - self.lr * grad, {}


LENGTHS = []


def test_a_readers_rule_is_called_on_pieces(short_pieces):
    LENGTHS.clear()
    (theta,), (twin,) = parameters((250,)), parameters((250,))
    optimizer = gd.optim.from_rule(Counting(), [theta])
    LENGTHS.clear()  # it was tried
    walk([theta], optimizer, 1)
    assert LENGTHS == [100, 100, 50]
    walk([twin], gd.optim.SGD([twin], lr=0.1), 1)
    assert equal([theta], [twin])


@every_maker
@pytest.mark.parametrize("number", [2, 3])
def test_what_is_shared_out_among_threads_is_the_same_to_the_bit(
    make, number, threads, short_pieces, monkeypatch
):
    """One parameter of 40 pieces, and several of some pieces each, which may take turns."""
    real, together, met = module._by_numpy, threading.Barrier(number), threading.Event()

    def spy(*given):
        """As it is, but at first no thread goes on before all have begun."""
        if not met.is_set():
            together.wait(timeout=20)
            met.set()
        real(*given)

    def walked():
        thetas = parameters((4000,), (30, 40), (700,))
        walk(thetas, optimizer := make(thetas), 7)
        state = getattr(optimizer, "optimizer", optimizer).state
        return values(thetas) + [state[theta][name] for theta in thetas for name in state[theta]]

    threads(1)
    alone = walked()
    monkeypatch.setattr(module, "_by_numpy", spy)
    threads(number)
    assert equal(walked(), alone)
    assert met.is_set()


def test_one_piece_is_no_work_for_another_thread(threads, short_pieces, monkeypatch):
    threads(2)
    monkeypatch.setattr(module, "ThreadPoolExecutor", None)
    walk(thetas := parameters((100,), (50,)), gd.optim.SGD(thetas, lr=0.1), 1)
    thetas = parameters((200,))
    with pytest.raises(TypeError, match="NoneType"):
        walk(thetas, gd.optim.SGD(thetas, lr=0.1), 1)


def test_a_thread_that_outlives_the_main_one_trains_on():
    """Python gives out no work to pools of threads once the main thread has come to its end."""
    script = """
import threading, time, torch, gdcourse as gd
torch.set_num_threads(2)
theta = torch.nn.Parameter(torch.ones(2**20))
optimizer = gd.optim.SGD([theta], lr=0.25)
def train():
    threading.main_thread().join()
    time.sleep(0.2)
    for _ in range(2):
        theta.grad = torch.ones_like(theta)
        optimizer.step()
    print("ends at", theta.detach().unique().tolist())
threading.Thread(target=train).start()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.stdout == "ends at [0.5]\n", done.stderr
