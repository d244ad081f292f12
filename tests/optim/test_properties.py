"""What holds for any shapes, dtypes, scales and groups. The examples are drawn alike in every run."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import gdcourse as gd
from tests.optimizers import BOUNDED, ahead, equal, mostly
from tests.optimizers import MAKERS as OURS

MAKERS = OURS | {
    "Lookahead": ahead(OURS["Adam"], 2),
    "Lookahead, reset": ahead(OURS["Adam"], 2, 0.5, "reset"),
    "Lookahead, pullback": ahead(OURS["Adam"], 2, 0.5, "pullback"),
}
every = pytest.mark.parametrize("name", MAKERS)
most = pytest.mark.parametrize("name", mostly({name: name for name in MAKERS}))
ADAPTIVE = [*BOUNDED, *(name for name in MAKERS if name not in OURS)]
STEPS = 4

examples = settings(derandomize=True, deadline=None, max_examples=20, database=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(
    st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=5
)  # a number, a length of 0 or 1, a matrix
dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
scales = st.integers(-30, 30).map(lambda exponent: 10.0**exponent)


def drawn(shapes, seed, dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [(scale * torch.randn(s, generator=generator, dtype=torch.float64)).to(dtype) for s in shapes]


def parameters(shapes, seed, dtype=torch.float64):
    return [torch.nn.Parameter(x) for x in drawn(shapes, seed, dtype)]


def walk(params, optimizer, gradients):
    """A step for each list of gradients."""
    for grads in gradients:
        for p, grad in zip(params, grads, strict=True):
            p.grad = grad.clone()
        optimizer.step()


def gradients_of(shapes, seed, dtype=torch.float64, scale=1.0):
    return [drawn(shapes, seed + t + 1, dtype, scale) for t in range(STEPS)]


@most
@examples
@given(shapes=shapes, dtype=dtypes, scale=scales, seed=seeds)
def test_any_shape_dtype_and_scale(name, shapes, dtype, scale, seed):
    """Shape, dtype and every gradient stay. Finite gradients make finite steps, even those whose square is
    more than float32 can hold, or less."""
    gradients = gradients_of(shapes, seed, dtype, scale)
    assume(all(g.isfinite().all() for grads in gradients for g in grads))
    params = parameters(shapes, seed, dtype)
    optimizer = MAKERS[name](params)
    for grads in gradients:
        for p, grad in zip(params, grads, strict=True):
            p.grad = grad
        kept = [g.clone() for g in grads]
        optimizer.step()
        assert equal(grads, kept)
    assert [(p.shape, p.dtype) for p in params] == [(torch.Size(s), dtype) for s in shapes]
    if name in ADAPTIVE or scale <= 1:
        assert all(p.isfinite().all() for p in params)


@every
@examples
@given(shapes=shapes, seed=seeds, bad=st.sampled_from([float("inf"), -float("inf"), float("nan")]))
def test_what_is_not_finite_stays_in_its_own_element(name, shapes, seed, bad):
    """All other elements are, to the last bit, what they are without it."""
    count = sum(int(np.prod(s)) for s in shapes)
    assume(count > 0)
    hit = seed % count
    params, plain = parameters(shapes, seed), parameters(shapes, seed)
    gradients, others = gradients_of(shapes, seed), gradients_of(shapes, seed)
    flat = torch.cat([g.reshape(-1) for g in gradients[1]])
    flat[hit] = bad
    sizes = [g.numel() for g in gradients[1]]
    gradients[1] = [x.reshape(s) for x, s in zip(flat.split(sizes), shapes, strict=True)]
    walk(params, MAKERS[name](params), gradients)
    walk(plain, MAKERS[name](plain), others)
    spoilt, clean = (torch.cat([p.detach().reshape(-1) for p in ps]) for ps in (params, plain))
    rest = torch.arange(count) != hit
    assert torch.equal(spoilt[rest], clean[rest])
    assert clean.isfinite().all()
    if name not in ("SignSGD", "Lion"):  # the sign of ∞ may be what it was
        assert not torch.equal(spoilt[hit], clean[hit])


@most
@examples
@given(shapes=shapes, seed=seeds, cuts=st.lists(st.integers(0, 5), max_size=3), dtype=dtypes)
def test_any_split_into_groups_equals_one_group(name, shapes, seed, cuts, dtype):
    together, apart = parameters(shapes, seed, dtype), parameters(shapes, seed, dtype)
    ends = sorted({0, len(shapes), *[min(cut, len(shapes)) for cut in cuts]})
    groups = [{"params": apart[a:b]} for a, b in pairwise(ends)]
    gradients = gradients_of(shapes, seed, dtype)
    walk(together, MAKERS[name](together), gradients)
    walk(apart, MAKERS[name](groups), gradients)
    assert equal(together, apart)


@most
@examples
@given(shapes=shapes, seed=seeds, data=st.data(), dtype=dtypes)
def test_the_order_of_parameters_changes_nothing(name, shapes, seed, data, dtype):
    ordered, shuffled = parameters(shapes, seed, dtype), parameters(shapes, seed, dtype)
    order = data.draw(st.permutations(range(len(shapes))))
    gradients = gradients_of(shapes, seed, dtype)
    walk(ordered, MAKERS[name](ordered), gradients)
    optimizer = MAKERS[name]([shuffled[i] for i in order])
    walk(shuffled, optimizer, gradients)
    assert equal(ordered, shuffled)


# ---- invariances, in float64 ----


def away_from_zero(gradients):
    """The same with |g| ≥ 0.1."""
    return [[g + 0.1 * g.sign() for g in grads] for grads in gradients]


@pytest.mark.parametrize("name", ["Adam", "Lookahead"])
@examples
@given(seed=seeds, exponent=st.integers(-3, 12))
def test_adam_does_not_see_the_scale_of_the_loss(name, seed, exponent):
    """Where |g| ≫ ε: a step differs by at most ε/|g| of its length, here 1e-8 / 1e-4 at most."""
    shapes, scale = [(5,), (2, 3)], 10.0**exponent
    once, scaled = parameters(shapes, seed), parameters(shapes, seed)
    gradients = away_from_zero(gradients_of(shapes, seed))
    walk(once, MAKERS[name](once), gradients)
    walk(scaled, MAKERS[name](scaled), [[scale * g for g in grads] for grads in gradients])
    largest_step = 1e-3 * 4  # no coordinate goes farther than that in a step here
    within = STEPS * largest_step * 1e-8 / (0.1 * min(scale, 1.0)) + 1e-14
    assert all((a - b).abs().max() <= within for a, b in zip(once, scaled, strict=True))


@examples
@given(seed=seeds, exponent=st.integers(-12, 12))
def test_adam_without_eps_does_not_see_it_at_all(seed, exponent):
    """A power of two, which rounds nothing."""
    shapes, scale = [(5,), (2, 3)], 2.0**exponent
    once, scaled = parameters(shapes, seed), parameters(shapes, seed)
    gradients = gradients_of(shapes, seed)
    walk(once, gd.optim.Adam(once, eps=0.0), gradients)
    walk(scaled, gd.optim.Adam(scaled, eps=0.0), [[scale * g for g in grads] for grads in gradients])
    assert equal(once, scaled)


@examples
@given(seed=seeds, exponent=st.integers(-6, 6))
def test_adadelta_steps_in_the_units_of_the_parameter(seed, exponent):
    """θ is measured in a unit 1/c as large, and the loss in one 1/c² as large: θ and g are then c times as
    much, and so is each step, once ε, which stands beside both squares, is c² times as much. With the loss
    left alone g would be g/c, and no single ε could follow."""
    shapes, c = [(5,), (2, 3)], 2.0**exponent
    once = parameters(shapes, seed)
    scaled = [torch.nn.Parameter(c * p.detach()) for p in once]
    gradients = gradients_of(shapes, seed)
    walk(once, gd.optim.Adadelta(once, eps=1e-6), gradients)
    walk(scaled, gd.optim.Adadelta(scaled, eps=1e-6 * c**2), [[c * g for g in grads] for grads in gradients])
    assert equal([c * p.detach() for p in once], scaled)


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov"])
@examples
@given(seed=seeds, size=st.integers(2, 6))
def test_descent_and_momentum_turn_with_the_axes(name, seed, size):
    turn = torch.linalg.qr(drawn([(size, size)], seed)[0]).Q
    start = parameters([(size,)], seed)
    turned = [torch.nn.Parameter(turn @ start[0].detach())]
    gradients = gradients_of([(size,)], seed)
    walk(start, MAKERS[name](start), gradients)
    walk(turned, MAKERS[name](turned), [[turn @ g for g in grads] for grads in gradients])
    assert (turn @ start[0].detach() - turned[0].detach()).abs().max() <= 1e-13


def test_adam_does_not_turn_with_the_axes():
    """So that the test above could fail."""
    turn = torch.linalg.qr(drawn([(3, 3)], 0)[0]).Q
    start = parameters([(3,)], 0)
    turned = [torch.nn.Parameter(turn @ start[0].detach())]
    gradients = gradients_of([(3,)], 0)
    walk(start, gd.optim.Adam(start, lr=0.1), gradients)
    walk(turned, gd.optim.Adam(turned, lr=0.1), [[turn @ g for g in grads] for grads in gradients])
    assert (turn @ start[0].detach() - turned[0].detach()).abs().max() > 1e-2
