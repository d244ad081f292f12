"""The classes of the rules that see matrices: against torch's and optax's, and under the contract that the
others have in test_conformance: stacks, checkpoints, parameters that rest or come late, half precision,
schedules, copies, Lookahead around them, kernels."""

import copy
import pickle

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.optim import bucket
from gdcourse.optim.methods import CLASSES
from gdcourse.rules import EXACT, POLAR_EXPRESS
from tests.conftest import needs_a_compiler
from tests.optimizers import (
    equal,
    gap,
    give_gradients,
    parameters,
    through_a_file,
    values,
    walk,
)

SHAPES = [(4, 3), (3, 5), (4, 3), (2, 2), (4, 3), (3, 2, 2)]
"""Three that move as one stack, and others."""
MAKERS = {
    "Muon": lambda params, **kw: gd.optim.Muon(params, **{"lr": 0.1, "weight_decay": 0.1, **kw}),
    "NorMuon": lambda params, **kw: gd.optim.NorMuon(params, **{"lr": 0.1, **kw}),
    "Shampoo": lambda params, **kw: gd.optim.Shampoo(params, **{"lr": 0.1, **kw}),
    "SOAP": lambda params, **kw: gd.optim.SOAP(params, **{"lr": 0.1, "k": 3, **kw}),
    "Adafactor": lambda params, **kw: gd.optim.Adafactor(params, **{"lr": 0.1, **kw}),
    "LAMB": lambda params, **kw: gd.optim.LAMB(params, **{"lr": 0.1, **kw}),
}
EVERY = MAKERS | {
    f"Lookahead({name})": lambda params, make=make, **kw: gd.optim.Lookahead(make(params, **kw), 3)
    for name, make in MAKERS.items()
}
each = pytest.mark.parametrize("name", MAKERS)
every = pytest.mark.parametrize("name", EVERY)
EXACT_TO = 1e-12


def matrices(dtype=torch.float64):
    """One has its numbers in another order, and one apart from each other."""
    params = parameters(*SHAPES, dtype=dtype)
    params[0] = torch.nn.Parameter(params[0].detach().t().contiguous().t())
    params[1] = torch.nn.Parameter(torch.stack([params[1].detach()] * 2, -1)[..., 0])
    return params


def by_hand(rule, start, grads):
    """A rule's path without an optimizer."""
    shape = (start.shape[0], -1) if rule.scope == "tensor" else (-1,)
    theta = start.reshape(shape)
    state = rule.init(theta, 0 * theta)
    for t, grad in enumerate(grads, start=1):
        theta, new = rule.step(theta, grad.reshape(shape), state, rule.at(t))
        state = {name: new[name] for name in state}
    return theta.reshape(start.shape)


# ---- stacks ----


@each
@pytest.mark.parametrize("most", [0, 2**12, 2**30], ids=["each alone", "as it is", "all in stacks"])
def test_each_matrix_goes_as_by_hand(name, most, monkeypatch):
    """Whether it moves alone or in a stack; with gradients that are only read."""
    monkeypatch.setattr(bucket, "STACKED", most)
    params, grads = matrices(), []
    starts, optimizer = values(params), MAKERS[name](params)
    for t in range(1, 9):
        give_gradients(params, t)
        grads.append([p.grad.clone() for p in params])
        optimizer.step()
        assert equal([p.grad for p in params], grads[-1])
    rule = gd.optim.groups.from_group(optimizer.rule, optimizer.param_groups[0])
    for i, (p, start) in enumerate(zip(params, starts, strict=True)):
        assert gap([p], [by_hand(rule, start, [g[i] for g in grads])]) <= EXACT_TO
        assert gap([p], [start]) > 0.01


def test_a_stack_is_not_larger_than_fits_the_cache(monkeypatch):
    monkeypatch.setattr(bucket, "STACK", 40)
    params = parameters(*[(4, 3)] * 7, (9, 9), (9, 9))
    parts = [bucket.Part(p, {}, p) for p in params]
    lists = bucket.stacks(parts, lambda state: 0)
    assert [len(some) for some in lists] == [3, 3, 1, 1, 1]
    monkeypatch.setattr(bucket, "STACKED", 50)
    tied = bucket.Part(torch.nn.Parameter(params[0].detach()), {}, params[0])
    assert [len(some) for some in bucket.stacks([*parts, tied], lambda state: 0)] == [1, 3, 3, 1, 1, 1]


@each
def test_those_that_rest_or_come_late_have_a_time_of_their_own(name):
    """And so leave the stack of the others of their shape."""
    together, apart = matrices(), matrices()
    resting = {t: {0: t < 4, 2: t % 3 == 0, 4: t > 5} for t in range(1, 10)}
    optimizer, alone = MAKERS[name](together), [MAKERS[name]([p]) for p in apart]
    for t in range(1, 10):
        for params in (together, apart):
            give_gradients(params, t, [i for i, rests in resting[t].items() if rests])
        for one in (optimizer, *alone):
            one.step()
    assert gap(together, apart) <= EXACT_TO
    counts = [int(optimizer.state[p]["step"]) for p in together]
    assert counts == [6, 9, 6, 9, 5, 9]


# ---- other people's ----


def in_double(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())  # in which torch's Muon iterates


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
@pytest.mark.parametrize("shape", [(5, 5), (9, 4), (3, 8)])
def test_muon_is_torchs_but_for_its_half_precision(shape, monkeypatch):
    """With decay; with the polynomial that takes values to 1; with Liu et al.'s scale as another η and λ."""
    in_double(monkeypatch)
    longer = 0.2 * max(shape) ** 0.5 / max(1, shape[0] / shape[1]) ** 0.5
    cases = [
        ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
        (
            {"coefficients": EXACT, "momentum": 0.8},
            {"ns_coefficients": EXACT[0], "ns_steps": 12, "momentum": 0.8, "weight_decay": 0.0},
        ),
        (
            {"lr": 0.02 * longer, "weight_decay": 0.1 / longer},
            {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.1},
        ),
    ]
    for ours, theirs in cases:
        params, twins = parameters(shape, shape), parameters(shape, shape)
        walk(params, gd.optim.Muon(params, **{"lr": 0.02, **ours}), 60)
        walk(twins, torch.optim.Muon(twins, **{"lr": 0.02, **theirs}), 60)
        assert gap(params, twins) <= EXACT_TO
        assert gap(params, parameters(shape, shape)) > 0.05


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adafactor_is_torchs_for_vectors_and_matrices(decay):
    shapes = [(5, 5), (9, 4), (3, 8), (7,), (1, 6), (6, 1), ()]
    params, twins = parameters(*shapes), parameters(*shapes)
    epsilons = 1e-8, 1e-2
    ours = gd.optim.Adafactor(params, 0.05, eps1=epsilons[0], eps2=epsilons[1], weight_decay=decay)
    walk(params, ours, 60)
    walk(twins, torch.optim.Adafactor(twins, 0.05, eps=epsilons, weight_decay=decay), 60)
    assert gap(params, twins) <= EXACT_TO


def test_adafactors_defaults_are_torchs_in_double_precision():
    params, twins = parameters((4, 3), (5,)), parameters((4, 3), (5,))
    walk(params, gd.optim.Adafactor(params), 30)
    walk(twins, torch.optim.Adafactor(twins), 30)
    assert gap(params, twins) <= EXACT_TO


@pytest.fixture
def optax():
    found = pytest.importorskip("optax", reason="optax is not installed (pip install optax)")
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield found
    jax.config.update("jax_enable_x64", before)


def by_optax(optax, transformation, starts, grads):
    import jax.numpy as jnp

    params = [jnp.asarray(x.numpy()) for x in starts]
    state = transformation.init(params)
    for step in grads:
        updates, state = transformation.update([jnp.asarray(g.numpy()) for g in step], state, params)
        params = optax.apply_updates(params, updates)
    return [torch.as_tensor(np.array(x)) for x in params]


def given(shapes, steps=30):
    params, grads = parameters(*shapes), []
    for t in range(1, steps + 1):
        give_gradients(params, t)
        grads.append([p.grad.clone() for p in params])
    return values(params), grads


def moved(make, starts, grads):
    params = [torch.nn.Parameter(x.clone()) for x in starts]
    optimizer = make(params)
    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = g.clone()
        optimizer.step()
    return values(params)


@pytest.mark.slow
def test_optaxs_muon_is_another_method_but_for_its_products(optax):
    """It corrects averages for their bias that ours does not. Without averages both are NS of the gradient,
    with whatever polynomials."""
    starts, grads = given([(6, 6), (6, 6)], steps=5)
    for coefficients in (EXACT, POLAR_EXPRESS):
        for mu, least, most in ((0.0, 0.0, 1e-9), (0.95, 1e-4, 1.0)):
            how = {"lr": 0.05, "momentum": mu, "coefficients": coefficients}
            ours = moved(lambda params, how=how: gd.optim.Muon(params, **how), starts, grads)
            transformation = optax.contrib.muon(
                0.05, ns_coeffs=coefficients, ns_steps=len(coefficients), beta=mu, eps=1e-30
            )
            apart = gap(ours, by_optax(optax, transformation, starts, grads))
            assert least <= apart <= most


# ---- the contract ----


def test_arguments_have_torchs_names_and_the_defaults_are_the_rules():
    assert gd.optim.Muon(parameters((2, 2)), 0.1, 0.2, 0.8).param_groups[0]["momentum"] == 0.8
    group = gd.optim.SOAP(parameters((2, 2)), 0.1, (0.8, 0.7)).param_groups[0]
    assert group["betas"] == (0.8, 0.7) and (group["k"], group["weight_decay"]) == (10, 0.01)
    group = gd.optim.NorMuon(parameters((2, 2))).param_groups[0]
    assert (group["lr"], group["momentum"], group["beta2"]) == (0.02, 0.95, 0.95)
    assert group["coefficients"] == gd.rules.QUINTIC
    for name in MAKERS:
        assert list(CLASSES[name]([torch.nn.Parameter(torch.ones(2, 2))], lr=0.1).param_groups[0])[1] == "lr"


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_goes_in_the_right_direction_under_a_schedule(name, dtype):
    torch.manual_seed(0)
    weight, x = torch.nn.Parameter(torch.randn(10, 5, dtype=dtype)), torch.randn(5, 7, dtype=dtype)
    for climbs in (False, True):
        optimizer = EVERY[name]([weight], lr=0.05, maximize=climbs)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = (weight @ x).pow(2).sum()
            loss.backward()
            return loss

        first = closure().item()
        for _ in range(20):
            optimizer.step(closure)
            schedule.step()
        assert (closure().item() > first) is climbs
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@every
def test_saved_it_goes_on_alike(name):
    params = matrices()
    optimizer = EVERY[name](params, lr=0.07)
    walk(params, optimizer, 4)
    saved, twins = through_a_file(optimizer.state_dict()), matrices()
    for twin, param in zip(twins, params, strict=True):
        twin.data.copy_(param.data)
    other = EVERY[name](twins)
    other.load_state_dict(saved)
    for t in range(5, 10):
        walk(params, optimizer, 1, first=t)
        walk(twins, other, 1, first=t)
        assert equal(params, twins)
    assert all(isinstance(x, torch.Tensor) for state in saved["state"].values() for x in state.values())


@each
def test_a_checkpoint_of_other_shapes_or_of_another_method_is_refused(name):
    params = parameters((4, 3))
    optimizer = MAKERS[name](params)
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    other = MAKERS[name](parameters((3, 4)))
    with pytest.raises(ValueError, match=r"loaded state dict has '\w+' of shape .* must be"):
        other.load_state_dict(saved)
    with pytest.raises(ValueError, match=f"loaded state dict is {optimizer.rule.__class__.__name__}'s"):
        gd.optim.Adam(parameters((4, 3))).load_state_dict(saved)


@every
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike(name, copied):
    params = matrices()
    optimizer = EVERY[name](params)
    walk(params, optimizer, 2)
    twins, twin = copied((params, optimizer))
    walk(params, optimizer, 3, first=3)
    walk(twins, twin, 3, first=3)
    assert equal(params, twins)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_of_half_precision_the_state_is_in_single(name, dtype):
    params, single = parameters((4, 3), (3, 5), dtype=dtype), parameters((4, 3), (3, 5), dtype=torch.float32)
    for p, q in zip(params, single, strict=True):
        q.data.copy_(p.data)
    optimizer, other = EVERY[name](params), EVERY[name](single)
    for t in range(1, 4):
        give_gradients(params, t)
        for p, q in zip(params, single, strict=True):
            q.grad = p.grad.float()
        optimizer.step()
        other.step()
    kinds = {x.dtype for p in params for x in optimizer.state[p].values()}
    assert kinds <= {torch.float32, torch.float64} and all(p.dtype == dtype for p in params)
    assert gap([p.float() for p in params], single) < 0.05


@every
@pytest.mark.parametrize("first, then", [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_a_parameter_may_change_its_dtype_between_steps(name, first, then):
    """As in module.double(), which leaves the state as it is; one that is loaded has the new dtype."""
    params = parameters((4, 4), (4, 4), (3, 5), dtype=first)
    optimizer = EVERY[name](params)
    walk(params, optimizer, 2)
    for p in params:
        p.data, p.grad = p.data.to(then), None
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    loaded = EVERY[name](twins)
    loaded.load_state_dict(optimizer.state_dict())
    walk(params, optimizer, 2, first=3)  # with a synchronisation, where there is one
    walk(twins, loaded, 2, first=3)
    assert {p.dtype for p in params} == {then}
    assert gap(params, twins) < 1e-4


LAYERED = EVERY | {
    f"Lookahead({name}), pullback": lambda params, make=MAKERS[name], **kw: gd.optim.Lookahead(
        make(params, **kw), 3, pullback_momentum="pullback"
    )
    for name in ("Muon", "Shampoo")
}


@pytest.mark.parametrize(
    "name, dtype, compile",
    [
        *[(name, dtype, False) for name in LAYERED for dtype in (torch.float32, torch.bfloat16)],
        *[
            pytest.param(name, torch.float32, True, marks=needs_a_compiler)
            for name in ("Shampoo", "SOAP", "Lookahead(Muon), pullback")
        ],
    ],
)
def test_inside_autocast_a_step_is_the_same(name, dtype, compile):
    """The products are in single precision, whatever is said for a model's; the closure, which runs the
    model, is left to it."""
    shapes = [(6, 5), (7, 3)]  # of which no other test has made a kernel
    params, twins = parameters(*shapes, dtype=dtype), parameters(*shapes, dtype=dtype)
    optimizer, other = (LAYERED[name](some, compile=compile) for some in (params, twins))

    def closure():
        give_gradients(params, t)
        return params[0].float() @ params[0].float().T

    for t in range(1, 6):
        with torch.autocast("cpu", torch.bfloat16):
            assert optimizer.step(closure).dtype == torch.bfloat16
            assert (params[0] @ params[0].T).dtype == torch.bfloat16
        give_gradients(twins, t)
        other.step()
        for p, q in zip(params, twins, strict=True):
            state, same = optimizer.state[p], other.state[q]
            assert all(torch.equal(state[key], same[key]) for key in same)
    assert equal(params, twins)


@every
def test_a_step_without_gradients_changes_nothing_and_a_zero_one_moves_nothing(name):
    params = matrices(torch.float32)
    optimizer, before = EVERY[name](params, weight_decay=0.0), values(params)
    optimizer.step()
    assert not any(key != "slow" for state in optimizer.state.values() for key in state)
    for _ in range(4):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert equal(params, before)


@each
def test_a_tensor_rate_and_another_group(name):
    params = matrices()
    optimizer = MAKERS[name](params[:2], lr=torch.tensor(0.1, dtype=torch.float64))
    walk(params[:2], optimizer, 3)
    before = values(params)
    optimizer.add_param_group({"params": params[2:], "lr": 0.0})
    walk(params, optimizer, 3, first=4)
    assert not any(torch.equal(a, b) for a, b in zip(params[:2], before[:2], strict=True))
    assert equal(params[2:], before[2:])


@each
def test_what_is_not_finite_stays_in_its_own_matrix(name):
    params, twins = parameters(*[(4, 3)] * 5), parameters(*[(4, 3)] * 5)
    optimizer, other = MAKERS[name](params), MAKERS[name](twins)
    for t in range(1, 5):
        give_gradients(params, t)
        give_gradients(twins, t)
        if t == 2:
            params[3].grad[1, 1] = float("inf")
        optimizer.step()
        other.step()
    assert gap([*params[:3], params[4]], [*twins[:3], twins[4]]) <= EXACT_TO
    assert not params[3].isfinite().all()


def test_lookahead_pulls_no_basis():
    optimizer = gd.optim.SOAP(parameters((3, 3)))
    with pytest.raises(ValueError, match="'pullback' .between two of SOAP's bases lies none"):
        gd.optim.Lookahead(optimizer, pullback_momentum="pullback")
    params = parameters((3, 3))
    walk(params, gd.optim.Lookahead(gd.optim.Muon(params), 2, pullback_momentum="pullback"), 5)
    assert params[0].isfinite().all()


@needs_a_compiler
def test_a_kernel_for_each_shape_gives_the_same(recwarn):
    """Of a vector, too; SOAP, whose basis is renewed at some steps only, runs uncompiled."""
    shapes = [(4, 3), (4, 3), (5,)]
    for make in (gd.optim.Adafactor, lambda params, **kw: gd.optim.SOAP(params[:2], k=2, **kw)):
        params, twins = parameters(*shapes), parameters(*shapes)
        walk(params, make(params, compile=True), 4)
        walk(twins, make(twins), 4)
        assert gap(params, twins) <= EXACT_TO
    assert not [one for one in recwarn if "could not compile" in str(one.message)]
