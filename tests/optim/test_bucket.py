"""Parameters that move together, in one vector for a step, move as each would alone."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import gdcourse as gd
from gdcourse.optim import bucket
from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS as OURS
from tests.optimizers import (
    RULE_OF,
    ahead,
    equal,
    gap,
    give_gradients,
    is_rare,
    mostly,
    parameters,
    relative_gap,
    story,
    twins_of,
    values,
    walk,
)

MAKERS = OURS | {
    "Lookahead": ahead(OURS["Nesterov"], 3),
    "Lookahead, pullback": ahead(OURS["Adam"], 3, 0.5, "pullback"),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
TINY = [(3, 2), (4,), (), (1,), (2, 3, 2), (0, 2), (7,)]

compiled_now_and_then = pytest.mark.parametrize(
    "make, compile",
    [
        *(pytest.param(make, False, id=name) for name, make in MAKERS.items()),
        *(
            pytest.param(
                make,
                True,
                id=f"{name}-compiled",
                marks=[needs_a_compiler, *([pytest.mark.slow] if is_rare(name) else [])],
            )
            for name, make in MAKERS.items()
        ),
    ],
)
compiled_too = pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])


@pytest.fixture
def pieces(monkeypatch, short_pieces):
    """And from 200 numbers on a parameter stands alone."""
    monkeypatch.setattr(bucket, "SMALL", {"cpu": 200})


def all_of(params, optimizer):
    """The parameters and their state, in a row."""
    state = getattr(optimizer, "optimizer", optimizer).state
    return values(params) + [state[p][name] for p in params if p in state for name in state[p]]


def each_alone(make, params, steps=12, **extra):
    """Each parameter with an optimizer of its own, one after the other in every step."""
    optimizers = [make([p], **extra) for p in params]
    for t in range(1, steps + 1):
        give_gradients(params, t)
        for optimizer in optimizers:
            optimizer.step()
    found = [all_of([p], optimizer) for p, optimizer in zip(params, optimizers, strict=True)]
    return [one[0] for one in found] + [x for one in found for x in one[1:]]


def together(make, params, steps=12, **extra):
    walk(params, optimizer := make(params, **extra), steps)
    return all_of(params, optimizer)


# ---- which move together ----


def lists(params, all_together=False, key=lambda number: 0):
    """By number which move together, and which alone; ``key`` gets the number."""
    parts = [bucket.Part(param, i, None) for i, param in enumerate(params)]
    some, alone = bucket.joined(parts, key, all_together)
    return [[part.state for part in one] for one in some], [part.state for part in alone]


def test_tiny_ones_of_one_kind_move_together_and_no_others():
    params = parameters(*[(3,)] * 4, (bucket.SMALL["cpu"],), *[(2, 2)] * 4)
    assert lists(params) == ([[0, 1, 2, 3, 5, 6, 7, 8]], [4])
    params[5:9] = [p.detach().float() for p in params[5:9]]
    assert lists(params) == ([[0, 1, 2, 3], [5, 6, 7, 8]], [4])
    assert lists(params[1:8]) == ([], [*range(7)])  # three of each are too few
    assert lists(params, key=lambda number: number == 0) == ([[5, 6, 7, 8]], [0, 1, 2, 3, 4])
    assert lists(params[:2] + params[4:6], all_together=True) == ([[0, 1, 2], [3]], [])


def test_what_shares_its_memory_moves_alone():
    params = parameters(*[(3,)] * 6)
    params[4] = torch.nn.Parameter(params[1].detach())
    assert lists(params) == ([[0, 2, 3, 5]], [1, 4])
    assert lists(params, all_together=True) == ([[0, 2, 3, 5]], [1, 4])


def test_what_is_more_than_a_tensor_moves_alone():
    class Own(torch.Tensor):
        pass

    params = [*parameters(*[(3,)] * 4), torch.zeros(3, dtype=torch.float64).as_subclass(Own)]
    params.append(torch._neg_view(torch.zeros(3, dtype=torch.float64)))
    assert lists(params) == ([[0, 1, 2, 3]], [4, 5])


@pytest.mark.parametrize("name", OURS)
def test_the_rule_is_called_once_for_all_of_them(name, monkeypatch):
    """Else what follows would say nothing. Those that start late are called for by themselves."""
    lengths, kind = [], RULE_OF[name]
    real = kind.step
    monkeypatch.setattr(
        kind, "step", lambda self, theta, *given: lengths.append(theta.size) or real(self, theta, *given)
    )
    params = parameters(*TINY)
    optimizer = OURS[name](params)
    give_gradients(params, 1, resting=[0])
    optimizer.step()
    give_gradients(params, 2)
    optimizer.step()
    sizes = [p.numel() for p in params]
    assert sorted(lengths) == sorted([sum(sizes[1:]), sum(sizes[1:]), sizes[0]])


# ---- the same bits ----


@every
def test_tiny_ones_joined_are_each_alone_to_the_bit(make):
    assert equal(together(make, parameters(*TINY)), each_alone(make, parameters(*TINY)))


@pytest.mark.parametrize("make", mostly(MAKERS))
def test_over_a_long_story_too(make, pieces):
    """With late starters, pauses, two groups and a schedule."""
    assert equal(story(make, steps=160), story(make, steps=160, alone=True))


@every
def test_weight_decay_and_maximize_reach_those_that_are_joined(make):
    extra = {"weight_decay": 0.1, "maximize": True}
    found = together(make, parameters(*TINY), **extra)
    assert equal(found, each_alone(make, parameters(*TINY), **extra))
    assert gap(found[: len(TINY)], together(make, parameters(*TINY))[: len(TINY)]) > 1e-3


@every
def test_other_dtypes_in_one_group(make):
    def mixed():
        kinds = torch.float64, torch.float32, torch.bfloat16, torch.float16
        return [p for dtype in kinds for p in parameters(*TINY, dtype=dtype)]

    params = mixed()
    assert equal(together(make, params), each_alone(make, mixed()))
    assert [p.dtype for p in params[:: len(TINY)]] == [p.dtype for p in mixed()[:: len(TINY)]]


@pytest.mark.parametrize("shapes", [[(0,)] * 5, [(0, 3), (2, 0), (0,), (4, 0, 2)], [()] * 5, [(0,)], [()]])
@compiled_now_and_then
def test_without_any_element_and_without_any_axis(make, compile, shapes):
    params, twins = parameters(*shapes), parameters(*shapes)
    found = together(make, params, 4, compile=compile)
    expected = each_alone(make, twins, 4)
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(found, expected, strict=True))
    assert [p.shape for p in params] == [torch.Size(shape) for shape in shapes]
    assert all(int(x) == 4 for x in [v for v in found if v.dtype == torch.float32])  # the counts


# ---- shared memory ----


@every
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("length", [3, 900])
def test_tied_parameters_move_one_after_the_other(make, groups, length, pieces, threads, monkeypatch):
    """Two parameters over the same numbers, each with its own gradient, as with torch's foreach=False."""

    def tied():
        params = parameters(*[(length,)] * 10)
        params[7] = torch.nn.Parameter(params[2].detach())
        return params

    def grouped(params):
        cut = [params] if groups == 1 else [params[:5], params[5:]]
        return make([{"params": some} for some in cut])

    threads(2)
    walk(params := tied(), optimizer := grouped(params), 6)
    monkeypatch.setattr(bucket, "MANY", 1000)
    walk(twins := tied(), alone := grouped(twins), 6)
    assert equal(all_of(params, optimizer), all_of(twins, alone))
    assert torch.equal(params[2], params[7])
    walk(once := parameters(*[(length,)] * 10), make(once), 6)
    if length > 3:  # so many signs do not agree by chance
        assert gap(params[2:3], once[2:3]) > 1e-4


@every
def test_a_group_tied_to_one_that_still_waits_moves_after_it(make, pieces, monkeypatch):
    """Tiny ones that together are so many that they are computed in pieces, after all groups are read."""

    def walked():
        first = parameters(*[(150,)] * 4)
        second = [torch.nn.Parameter(p.detach()) for p in first]
        walk(first + second, make([{"params": first}, {"params": second}]), 6)
        return first

    found = walked()
    monkeypatch.setattr(bucket, "MANY", 1000)
    assert equal(found, walked())


@compiled_too
def test_views_of_one_buffer_and_shared_memory_stay_where_they_are(compile):
    buffer = torch.ones(20, dtype=torch.float64)
    shared = torch.ones(2, dtype=torch.float64).share_memory_()
    views = [buffer[:3], buffer[3:6], buffer[6:8], buffer[8:], shared]
    params, plain = [torch.nn.Parameter(x) for x in views], [torch.nn.Parameter(x.clone()) for x in views]
    before = [p.data_ptr() for p in params]
    walk(params, gd.optim.Momentum(params, 0.03, compile=compile), 3)
    for p in plain:
        p.data = p.detach().clone()
    expected = each_alone(lambda ps: gd.optim.Momentum(ps, 0.03), plain, 3)
    assert relative_gap(values(params), expected[:5]) <= 1e-15
    assert [p.data_ptr() for p in params] == before
    assert torch.equal(torch.cat(values(params[:4])), buffer) and shared.is_shared()


# ---- how the numbers lie ----

LAID = {
    "transposed": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "with gaps": lambda x: torch.stack([x, x * 0], -1)[..., 0],
    "with gaps between rows": lambda x: torch.cat([x, x * 0 + 9], -1)[..., : x.shape[-1]],
    "turned, with gaps": lambda x: (
        torch.stack([x, x * 0], -1)[..., 0].transpose(0, 1).contiguous().transpose(0, 1)
    ),
}


@pytest.mark.parametrize(
    "name, compile",
    [
        *(pytest.param(n, False, marks=[pytest.mark.slow] if is_rare(n) else []) for n in MAKERS),
        *(pytest.param(n, True, marks=needs_a_compiler) for n in ("Nesterov", "Lookahead, pullback")),
    ],
)
@pytest.mark.parametrize("of_what", ["parameters", "gradients", "both"])
@pytest.mark.parametrize("laid", LAID)
@pytest.mark.parametrize("many", [True, False], ids=["tiny", "long"])
def test_numbers_that_lie_otherwise_are_the_same(name, compile, of_what, laid, many, pieces):
    """Parameters, gradients, or both; several tiny ones, or one that is computed in pieces."""
    make, lay = MAKERS[name], LAID[laid]
    shapes = [(2, 3, 2, 2)] * 5 if many else [(4, 5, 6, 7)]
    plain = parameters(*shapes)
    params = [torch.nn.Parameter(lay(p.detach()) if of_what != "gradients" else p) for p in twins_of(plain)]
    strides = [p.stride() for p in params]
    optimizer, other = make(params, compile=compile), make(plain)
    for t in range(1, 7):
        give_gradients(plain, t)
        for p, q in zip(params, plain, strict=True):
            p.grad = lay(q.grad) if of_what != "parameters" else q.grad.clone()
        kept = [p.grad.clone() for p in params]
        optimizer.step()
        other.step()
        assert equal([p.grad for p in params], kept)
    found, expected = all_of(params, optimizer), all_of(plain, other)
    if compile:
        assert relative_gap(found, expected) <= 1e-12
    else:
        assert equal(found, expected)
    assert [p.stride() for p in params] == strides
    assert not getattr(optimizer, "optimizer", optimizer)._failed


@compiled_now_and_then
@pytest.mark.parametrize("shapes", [[(4,)], [(4,)] * 5, [(300,)]], ids=["one", "tiny", "long"])
def test_a_parameter_may_be_the_negative_of_what_lies_there(make, compile, shapes, pieces):
    params = parameters(*shapes)
    negatives = [torch.nn.Parameter(torch._neg_view(-p.detach())) for p in params]
    assert all(p.is_neg() for p in negatives)
    walk(params, optimizer := make(params), 7)
    walk(negatives, other := make(negatives, compile=compile), 7)
    assert relative_gap(all_of(negatives, other), all_of(params, optimizer)) <= 1e-12


@compiled_now_and_then
@pytest.mark.parametrize("shapes", [[(4,)], [(4,)] * 5, [(300,)]], ids=["one", "tiny", "long"])
def test_one_number_for_all_elements_is_no_parameter(make, compile, shapes, pieces):
    """Where the elements go apart, the last written would count. torch refuses, and so does this."""
    params = [torch.nn.Parameter(torch.ones(1).expand(shape)) for shape in shapes]
    for p in params:
        p.grad = torch.randn(p.shape)
    with pytest.raises(RuntimeError, match="more than one element"):
        make(params, compile=compile).step()
    assert all(bool((p == 1).all()) for p in params)


@compiled_now_and_then
@pytest.mark.parametrize("shapes", [[(2, 3)] * 5, [(30, 40)]], ids=["tiny", "long"])
def test_one_number_for_all_elements_is_a_gradient(make, compile, shapes, pieces):
    """What a sum's backward gives: strides of 0."""
    params, twins = parameters(*shapes), parameters(*shapes)
    optimizer, other = make(params, compile=compile), make(twins)
    for _ in range(4):
        for p, q in zip(params, twins, strict=True):
            p.grad = torch.full((), 0.5, dtype=p.dtype).expand(p.shape)
            q.grad = torch.full_like(q, 0.5)
        optimizer.step()
        other.step()
    assert relative_gap(values(params), values(twins)) <= (1e-12 if compile else 0)


@every
def test_what_lies_in_the_gaps_is_left_alone(make, pieces):
    for shape, count in (((2, 3), 5), ((30, 40), 1)):
        buffers = [torch.full((*shape, 2), 7.0, dtype=torch.float64) for _ in range(count)]
        params = [torch.nn.Parameter(buffer[..., 0]) for buffer in buffers]
        walk(params, make(params), 3)
        assert all((buffer[..., 1] == 7).all() and (buffer[..., 0] != 7).any() for buffer in buffers)


# ---- nothing is kept (what is changed between steps: see test_optimizers) ----


@compiled_too
def test_a_count_that_is_written_beside_a_state_that_is_dropped_counts_too(compile):
    params = parameters(*[(3,)] * 5)
    optimizer = gd.optim.Adam(params, compile=compile)
    walk(params, optimizer, 5)
    del optimizer.state[params[0]]
    optimizer.state[params[1]]["step"].fill_(90)
    walk(params, optimizer, 1, first=6)
    assert [int(optimizer.state[p]["step"]) for p in params] == [1, 91, 6, 6, 6]
    fresh, old = parameters(*[(3,)] * 5), parameters(*[(3,)] * 5)
    optimizer = gd.optim.Adam(old, compile=compile)
    walk(old, optimizer, 5)
    optimizer.state[old[1]]["step"].fill_(90)
    fresh[0].data.copy_(old[0])
    walk(fresh[:1], gd.optim.Adam(fresh[:1], compile=compile), 1, first=6)
    walk(old, optimizer, 1, first=6)
    assert gap([fresh[0], *old[1:]], params) == 0


class OfTheirOwn(torch.nn.Parameter):
    """A class that has only a name of its own."""


@pytest.mark.parametrize(
    "rule", [gd.Clipped(gd.GradientDescent(1.0)), gd.SAM(gd.Momentum(0.1), 0.05), gd.Prodigy()]
)
def test_a_class_of_parameters_with_only_a_name_of_its_own_is_summed_over_whole(rule):
    start, grad = torch.randn(16, 8), 10 * torch.randn(16, 8)
    ends = []
    for kind in (torch.nn.Parameter, OfTheirOwn):
        param = kind(start.clone())
        param.grad = grad.clone()
        gd.optim.from_rule(rule, [param]).step()
        ends.append(param.detach())
    assert not ends[0].equal(start) and ends[0].equal(ends[1])


def test_what_is_no_plain_tensor_is_not_summed_over_row_by_row():
    param = torch.nn.Parameter(torch._neg_view(torch.randn(16, 8)))
    param.grad = torch.randn(16, 8)
    before = param.detach().clone()
    optimizer = gd.optim.from_rule(gd.Clipped(gd.GradientDescent(1.0)), [param])
    with pytest.raises(ValueError, match=r"one of shape \(16, 8\) is no plain tensor"):
        optimizer.step()
    assert param.equal(before)


def test_what_does_not_fit_into_one_vector_is_named():
    def stepped(change):
        a, b = (torch.nn.Parameter(torch.randn(n, 3)) for n in (4, 5))
        params = change(a, b) or [a, b]
        optimizer = gd.optim.from_rule(gd.Clipped(gd.GradientDescent(1.0)), params)
        for last in (False, True):
            for param in params:
                param.grad = torch.randn_like(param) if last or param is not b else None
            optimizer.step()

    with pytest.raises(ValueError, match=r"one of shape \(5, 3\) has had another number of gradients"):
        stepped(lambda a, b: None)
    with pytest.raises(
        ValueError, match=r"one of shape \(2,\) has dtype torch.float64, and others torch.float32"
    ):
        stepped(lambda a, b: [a, torch.nn.Parameter(torch.randn(2).double())])
    with pytest.raises(ValueError, match=r"one of shape \(4, 3\) shares its memory with another"):
        stepped(lambda a, b: [a, torch.nn.Parameter(a.detach()[0])])


TWO_UNITS_MOVE = [(6, 4), (6,), (6, 4), (6,)], [(4, 4), (4,), (8, 4), (8,)]


RESHAPED = [
    TWO_UNITS_MOVE,
    ([(6, 4)] + 4 * [(3,)], [(4, 6)] + 4 * [(3,)]),
    ([(5, 4)], [(1, 4)]),
    ([(1,)], [(4,)]),
    ([(3, 2), (1,)], [(3, 2), (4,)]),
]


@pytest.mark.parametrize("shapes", RESHAPED)
@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adam", "ScheduleFree", "LAMB", "Prodigy"])
def test_a_parameter_that_was_given_another_shape_is_named_and_nothing_moves(name, shapes):
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes[0]]
    settings = {} if name == "Prodigy" else {"lr": 0.1}
    optimizer = getattr(gd.optim, name)(params, **settings)
    give_gradients(params, 0)
    optimizer.step()
    for param, shape in zip(params, shapes[1], strict=True):
        param.grad = None
        param.data = torch.randn(shape)
    give_gradients(params, 1)
    before = [x.clone() for x in all_of(params, optimizer)]
    if name == "SGD":  # which keeps nothing
        optimizer.step()
        return
    with pytest.raises(RuntimeError, match="was given another shape after it had moved"):
        optimizer.step()
    assert all(a.equal(b) for a, b in zip(all_of(params, optimizer), before, strict=True))


@dataclass(frozen=True, eq=False)
class Counts(gd.rules.Rule):
    """Has one number for all elements of a parameter."""

    lr: float = 0.1

    def init(self, theta, zeros):
        return {"n": zeros.sum()}

    def step(self, theta, grad, state, at):
        n = state["n"] + 1
        return theta - self.lr * grad / n**0.5, {"n": n}


@dataclass(frozen=True, eq=False)
class LastTwo(gd.rules.Rule):
    """Keeps two gradients, one above the other."""

    scope: ClassVar = "all"
    lr: float = 0.1

    def init(self, theta, zeros):
        return {"last": torch.stack([zeros, zeros])}

    def step(self, theta, grad, state, at):
        last = torch.stack([state["last"][1], grad])
        return theta - self.lr * last.mean(0), {"last": last}


@pytest.mark.parametrize("rule", [Counts(), LastTwo()])
def test_a_readers_state_may_have_a_shape_of_its_own(rule):
    params = [torch.nn.Parameter(torch.zeros(6))]
    optimizer = gd.optim.from_rule(rule, params)
    for _ in range(3):
        params[0].grad = torch.ones(6)
        optimizer.step()
    steps = [1, 2**-0.5, 3**-0.5] if isinstance(rule, Counts) else [0.5, 1, 1]
    assert torch.allclose(params[0].detach(), torch.full((6,), -0.1 * sum(steps)))


def test_a_gradient_of_another_shape_is_not_taken_for_anothers():
    params = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 2), (3,), (3,), (3,))]
    for param in params:
        param.grad = torch.ones_like(param)
    params[0].data, params[1].data = torch.zeros(3), torch.zeros(4)
    with pytest.raises(RuntimeError, match=r"shape \(3,\) has a gradient of shape \(2, 2\)"):
        gd.optim.SGD(params, lr=1.0).step()
    assert not any(param.any() for param in params)
