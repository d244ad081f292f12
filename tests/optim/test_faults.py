"""What goes wrong in practice, and what is left afterwards: skipped steps, half precision, checkpoints that
do not fit, bodies and closures that raise."""

import copy
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import gdcourse as gd
from gdcourse.optim.groups import memory_of
from gdcourse.optim.methods import CLASSES
from tests.optim.bit_for_bit import everything, same
from tests.optimizers import (
    BOUNDED,
    ORACLES,
    TORCHS,
    UNUSUAL,
    ahead,
    arguments,
    equal,
    give_gradients,
    pair_of,
    torchs_maker,
    twins_of,
    walk,
)
from tests.optimizers import MAKERS as OURS
from tests.optimizers import parameters as drawn

LOOKAHEADS = {f"Lookahead({name})": ahead(make, 3) for name, make in OURS.items()} | {
    f"Lookahead(torch's {name})": ahead(torchs_maker(name), 3) for name in TORCHS if name not in UNUSUAL
}
LOOKAHEADS |= {
    f"{name}, {how}": lambda params, make=LOOKAHEADS[name], how=how, **kw: treating(make(params, **kw), how)
    for name in (
        *("Lookahead(Nesterov)", "Lookahead(Adam)", "Lookahead(torch's SGD)", "Lookahead(torch's Adagrad)"),
        *("Lookahead(torch's Adam)", "Lookahead(torch's NAdam)", "Lookahead(torch's Adafactor)"),
    )
    for how in ("reset", "pullback")
}


def treating(lookahead, how):
    return gd.optim.Lookahead(lookahead.optimizer, lookahead.rule.k, lookahead.rule.alpha, how)


ALL = {**OURS, **LOOKAHEADS}
every_of_ours = pytest.mark.parametrize("name", OURS)
every = pytest.mark.parametrize("name", ALL)


def parameters(dtype=torch.float32):
    return drawn((3, 2), (4,), (), dtype=dtype)


# ---- steps that a GradScaler skips ----


@every
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_skipped_step_leaves_every_bit(name, bad):
    """The first, one in mid-run, and the one that would have been Lookahead's synchronisation. The others
    are those of a run without the bad ones, loss scaling and all: the scale is a power of two."""
    params = parameters()
    plain = twins_of(params)
    optimizer, expected = ALL[name](params), ALL[name](plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    t = 0
    for attempt in range(9):
        t += attempt not in (0, 3, 4)
        give_gradients(params, max(t, 1))
        for p in params:
            p.grad *= scaler.get_scale() if scaler._scale is not None else 8.0
        scaler.scale(torch.ones(()))
        skipped = attempt in (0, 3, 4)
        if skipped:
            params[1].grad[2] = bad
        before = everything(params, optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert same(before, everything(params, optimizer)) is skipped
    walk(plain, expected, 6)
    assert same(everything(params, optimizer), everything(plain, expected))


# ---- half precision ----


@every_of_ours
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_survives_gradients_at_its_ends(name, dtype):
    """The largest number, whose square half precision cannot hold, the smallest, and zero: the zero's
    parameter stays, and none becomes infinite or NaN."""
    info = torch.finfo(dtype)
    largest = min(info.max, 1e18)  # float32 holds the square
    param = torch.nn.Parameter(torch.ones(4, dtype=dtype))
    optimizer = OURS[name]([param], lr=1e-3, weight_decay=0.0)
    for _ in range(5):
        param.grad = torch.tensor([largest, info.tiny, 0.0, -1.0], dtype=dtype)
        optimizer.step()
        state = [*memory_of(optimizer.state[param]).values()]
        assert not any(x.isnan().any() for x in [param, *state])
        assert param[2] == 1
    assert all(v.dtype == torch.float32 for v in state)
    if name in BOUNDED:  # the others' steps are as large as the gradient
        assert param.isfinite().all()


# ---- squares that float32 cannot hold ----

ROOTS = [name for name in ORACLES if "eps" in arguments(CLASSES[name])]


def rooted(name):
    """Ours, and torch's with the same formula and numbers."""
    numbers = {"lr": 1.0 if name == "Adadelta" else 0.1, "eps": 1e-8, "weight_decay": 0.0}
    return [lambda p, make=make, **kw: make(p, **{**numbers, **kw}) for make in pair_of(name)]


with_a_root = pytest.mark.parametrize("name", ROOTS)


def path_of_extremes(param, optimizer):
    """Of the parameter's three elements, the first has a gradient of 1e30 at step 8, the second always one
    about 1e-30."""
    path = []
    for t in range(1, 15):
        grad = torch.randn(3, generator=torch.Generator().manual_seed(t)) * torch.tensor([1.0, 1e-30, 1.0])
        grad[0] = 1e30 if t == 8 else grad[0]
        param.grad = grad
        optimizer.step()
        path.append(param.detach().clone())
    return torch.stack(path)


@with_a_root
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_square_that_float32_cannot_hold_does_what_it_does_in_torchs(name, compile):
    """One that is infinite stops its element for good, one that is 0 leaves the division to ε; nothing is
    NaN, and no other element notices."""
    make, theirs = rooted(name)
    param, twin = (torch.nn.Parameter(torch.tensor([1.0, 0.0, 1.0])) for _ in range(2))
    optimizer = make([param], compile=compile)
    path, expected = path_of_extremes(param, optimizer), path_of_extremes(twin, theirs([twin]))
    torch.testing.assert_close(path, expected, rtol=1e-4, atol=0)
    assert (path[7:, 0] == path[7, 0]).all() and path[6, 0] != path[5, 0]
    assert 0 < path[-1, 1].abs() < 1e-15 and path[-1, 2] != path[-2, 2]
    roots = [x for key, x in optimizer.state[param].items() if key in ("v", "G", "mean_g2")]
    assert [x[0].item() for x in roots] == [float("inf")] and roots[0][1] == 0


@with_a_root
@pytest.mark.parametrize("how", ["none", "reset", "pullback"])
def test_an_infinite_square_survives_lookahead_too(name, how):
    """Pulled back it would be ∞ − ∞, or 0 · ∞; a reset lets its element move again, unless RAdam, which does
    not adapt its first steps, has taken it too far."""
    for alpha in (0.0, 1.0, 0.5):
        param = torch.nn.Parameter(torch.tensor([1.0, 0.0, 1.0]))
        path = path_of_extremes(param, gd.optim.Lookahead(rooted(name)[0]([param]), 2, alpha, how))
        assert path.isfinite().all()
    assert name == "RAdam" or (path[-1, 0] != path[8, 0]) == (how == "reset")


@with_a_root
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_without_eps_a_zero_gradient_is_a_zero_step(name, dtype, compile):
    """Where torch's parameter becomes NaN. A gradient whose square is 0 moves its element by less than
    itself."""
    param = torch.nn.Parameter(torch.tensor([1.0, 0.0, 1.0], dtype=dtype))
    optimizer = OURS[name]([param], eps=0.0, compile=compile, weight_decay=0.0)
    for t in range(1, 8):
        grad = torch.tensor([0.0, 1e-30, float(t > 3)], dtype=dtype)
        param.grad = grad
        optimizer.step()
        assert param[0] == 1 and param.isfinite().all()
        assert dtype == torch.float64 or param[1].abs() <= 1e-30
        assert t > 3 or param[2] == 1
    assert param[2] < 1 or name == "Adadelta"  # whose first step has the length of ε


# ---- checkpoints ----


@every
def test_resumed_at_any_step_it_is_the_unbroken_run(name):
    """Lookahead's cycle of three at each of its places."""
    params = parameters()
    optimizer = ALL[name](params)
    ends, saved = [], []
    for t in range(1, 10):
        saved.append(everything(params, optimizer))
        walk(params, optimizer, 1, first=t)
    ends = everything(params, optimizer)
    for done, (numbers, state_dict) in enumerate(saved):
        again = [torch.nn.Parameter(p.clone()) for p in numbers]
        resumed = ALL[name](again)
        resumed.load_state_dict(state_dict)
        walk(again, resumed, 9 - done, first=done + 1)
        assert same(everything(again, resumed), ends), done


def refused(optimizer, params, state_dict, message):
    """It is refused with the message, and the next steps are those of an optimizer that was never asked."""
    before = everything(params, optimizer)
    given = copy.deepcopy(state_dict)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state_dict)
    assert same(before, everything(params, optimizer)) and same(given, state_dict)


@every_of_ours
def test_another_methods_checkpoint_is_refused(name):
    for other in OURS:
        if other != name:
            params, strangers = parameters(), parameters()
            optimizer, stranger = OURS[name](params), OURS[other](strangers)
            walk(params, optimizer, 2)
            walk(strangers, stranger, 3)
            mine, theirs = type(optimizer.rule).__name__, type(stranger.rule).__name__
            refused(
                optimizer, params, stranger.state_dict(), f"loaded state dict is {theirs}'s: must be {mine}'s"
            )


def changed(state_dict, path, value):
    """A copy in which one entry is another, or missing where the value is None."""
    state_dict = copy.deepcopy(state_dict)
    inner = state_dict
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return state_dict


FAULTS = {
    "a state without v": (("state", 1, "v"), None, r"lacks 'v' in the state of parameter 1: Adam's is 'm'"),
    "a state without step": (("state", 0, "step"), None, r"lacks 'step' in the state of parameter 0"),
    "a state too many": (
        ("state", 1, "exp_avg"),
        torch.zeros(4),
        r"has 'exp_avg' in the state of parameter 1: Adam's is 'm', 'step', 'v'",
    ),
    "another shape": (
        ("state", 1, "m"),
        torch.zeros(3),
        r"has 'm' of shape \(3,\) in the state of parameter 1: must be \(4,\)",
    ),
    "a number for a tensor": (("state", 1, "m"), 0.0, r"has 'm' of shape \(\) in .*: must be \(4,\)"),
    "steps for each element": (("state", 1, "step"), torch.ones(4), r"has 'step' of shape \(4,\)"),
    "steps below 0": (("state", 1, "step"), torch.tensor(-1.0), r"step=-1.0 .* parameter 1: must be a whole"),
    "endless steps": (("state", 0, "step"), float("inf"), r"step=inf .* must be a whole number"),
    "half a step": (("state", 0, "step"), 2.5, r"step=2.5 .* must be a whole number"),
    "steps in words": (("state", 0, "step"), "3", r"step='3' .* must be a whole number"),
    "no number of steps": (("state", 0, "step"), [], r"step=\[\] .* must be a whole number"),
    "whole numbers": (
        ("state", 1, "v"),
        torch.ones(4, dtype=torch.int64),
        r"has 'v' of type torch.int64 in the state of parameter 1: must be a tensor of floats",
    ),
    "a parameter too many": (("state", 7), {"m": 0}, r"a state for 7: its parameters are 0, 1, 2"),
    "a group without betas": (("param_groups", 0, "betas"), None, r"no 'betas' in parameter group 0"),
    "a group without lr": (("param_groups", 0, "lr"), None, r"no 'lr' in parameter group 0"),
    "an impossible lr": (("param_groups", 0, "lr"), float("inf"), r"Invalid learning rate: inf"),
    "parameters fewer": (("param_groups", 0, "params"), [0], r"doesn't match the size of optimizer's group"),
    "no groups": (("param_groups",), [], r"different number of parameter groups"),
    "no state": (("state",), None, r"loaded state dict has no 'state'"),
    "no param_groups": (("param_groups",), None, r"loaded state dict has no 'param_groups'"),
}


@pytest.mark.parametrize("around", [lambda o: o, gd.optim.Lookahead], ids=["plain", "Lookahead"])
@pytest.mark.parametrize(
    "given, words",
    [
        (None, "loaded state dict is None: must be a dict"),
        ("model.pt", "loaded state dict is 'model.pt': must be a dict"),
        ([1], r"loaded state dict is \[1\]: must be a dict"),
        ({"state": [], "param_groups": []}, r"'state' of type list: must be a dict"),
        ({"state": {}, "param_groups": None}, r"'param_groups' of type NoneType: must be a list of dicts"),
        ({"state": {}, "param_groups": [None]}, r"'param_groups' with a NoneType in it"),
        ({"state": {0: None}, "param_groups": []}, r"'state' with a NoneType in it"),
        ({"state": {}, "param_groups": [{"lr": 1.0}]}, r"no 'params' in parameter group 0"),
    ],
)
def test_what_is_no_checkpoint_at_all_is_told_so(around, given, words):
    params = parameters()
    optimizer = around(gd.optim.Adam(params))
    walk(params, optimizer, 2)
    before = everything(params, optimizer)
    with pytest.raises((TypeError, ValueError), match=words):
        optimizer.load_state_dict(given)
    with pytest.raises(TypeError, match=r"must be a dict, as state_dict\(\) gives"):
        optimizer.load_state_dict(optimizer)
    assert same(before, everything(params, optimizer))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("around", [lambda o: o, gd.optim.Lookahead], ids=["plain", "inside Lookahead"])
def test_a_checkpoint_with_a_fault_is_refused(fault, around):
    path, value, message = FAULTS[fault]
    params = parameters()
    optimizer = around(gd.optim.Adam(params))
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    walk(params, optimizer, 1, first=3)
    refused(optimizer, params, changed(saved, path, value), message)
    optimizer.load_state_dict(saved)  # which is still good


@every_of_ours
@pytest.mark.parametrize("number", [float, int, torch.tensor, np.float32])
def test_steps_may_be_any_kind_of_number(name, number):
    params = parameters()
    optimizer = OURS[name](params)
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    optimizer.load_state_dict(changed(saved, ("state", 1, "step"), number(2)))
    walk(params, optimizer, 1, first=3)
    assert int(optimizer.state[params[1]]["step"]) == 3
    path = ("state", 1, "step")
    none = copy.deepcopy(saved)
    none["state"][1]["step"] = None
    refused(optimizer, params, none, r"step=None in the state of parameter 1: must be a whole number ≥ 0")
    refused(optimizer, params, changed(saved, path, number(-2)), r"step=.*-2.* must be a whole number ≥ 0")


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("step", torch.tensor(float("nan")), "step=nan in the state of parameter 1: must be a whole number"),
        ("v", np.ones(4), "'v' of type ndarray in the state of parameter 1: must be a tensor of floats"),
    ],
)
def test_what_is_not_even_equal_to_itself_is_refused(name, value, message):
    params = parameters()
    optimizer = gd.optim.Adam(params)
    walk(params, optimizer, 2)
    before = everything(params, optimizer)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(changed(optimizer.state_dict(), ("state", 1, name), value))
    assert same(before, everything(params, optimizer))


def test_nesterovs_point_is_part_of_its_state():
    params = parameters()
    optimizer = gd.optim.Nesterov(params, lr=0.1)
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    path = ("state", 0, "look_gamma")
    refused(optimizer, params, changed(saved, path, None), "lacks 'look_gamma' in the state of")
    refused(optimizer, params, changed(saved, path, torch.ones(4)), r"'look_gamma' of shape \(4,\)")


GROUP = ("param_groups", 0)
LOOKAHEAD_FAULTS = {
    "around another": (
        (*GROUP, "lookahead_around"),
        "torch.SGD",
        r"around torch\.SGD: must be torch\.Adam",
    ),
    "without its kind": ((*GROUP, "lookahead_around"), None, r"no 'lookahead_around' in a parameter group"),
    "without k": ((*GROUP, "lookahead_k"), None, r"no 'lookahead_k' in a parameter group"),
    "one without slow weights": (("state", 1, "slow"), None, r"no slow weights for parameter 1"),
    "another shape": (("state", 1, "slow"), torch.zeros(3), r"slow weights of shape \(3,\)"),
    "no whole number": ((*GROUP, "lookahead_steps"), 1.5, r"steps=1\.5: must be a whole number"),
    "an impossible k": ((*GROUP, "lookahead_k"), 0, r"Invalid k: 0"),
    "no pullback_momentum": (
        (*GROUP, "lookahead_pullback_momentum"),
        None,
        r"no 'lookahead_pullback_momentum'",
    ),
    "a moment too few": (
        ("state", 1, "former_exp_avg"),
        None,
        r"former moments .* for parameter 1: .*former_exp_avg",
    ),
    "a moment too many": (("state", 1, "former_m"), torch.zeros(4), r"'former_m': \(4,\).* for parameter 1"),
    "a moment's shape": (
        ("state", 0, "former_exp_avg"),
        torch.zeros(3),
        r"former moments .*'former_exp_avg': \(3,\).* for parameter 0: with "
        r"pullback_momentum='pullback' must have .*'former_exp_avg': \(3, 2\)",
    ),
    "moments of nobody": (("state", 7), {"former_m": torch.zeros(4)}, r"moments .* for parameter 7"),
    "moments of none": (
        (*GROUP, "lookahead_pullback_momentum"),
        "none",
        r"pullback_momentum='none' must have \{\}",
    ),
    "no state at all": (("state",), None, r"loaded state dict has no 'state'"),
    "no groups at all": (("param_groups",), None, r"loaded state dict has no 'param_groups'"),
}


@pytest.mark.parametrize("fault", LOOKAHEAD_FAULTS)
def test_a_lookaheads_checkpoint_with_a_fault_is_refused(fault):
    path, value, message = LOOKAHEAD_FAULTS[fault]
    params = parameters()
    optimizer = gd.optim.Lookahead(torch.optim.Adam(params), pullback_momentum="pullback")
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    walk(params, optimizer, 1, first=3)
    refused(optimizer, params, changed(saved, path, value), message)
    optimizer.load_state_dict(saved)  # which is still good


# Of torch's optimizers: parameters of one and of two dimensions, a number, sizes alike and a size of 1


def around_torchs(name, steps=3, **extra):
    """A Lookahead around torch's optimizer that has gone some steps."""
    shapes = [(3, 4), (2, 2), (5, 1)]
    shapes += [(6,), (), (2, 1, 3, 3)] if name != "Muon" else []
    shapes += [(0,)] if name not in ("Muon", "Adafactor") else []  # which divides by the size
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    optimizer = gd.optim.Lookahead(getattr(torch.optim, name)(params, **{**TORCHS[name], **extra}))
    for t in range(1, steps + 1):
        give_gradients(params, t)
        for p in params:
            p.grad = p.grad.to_sparse() if name == "SparseAdam" else p.grad
        optimizer.step(lambda: torch.ones(()))
    return params, optimizer


@pytest.mark.parametrize("name", TORCHS)
def test_a_torch_optimizers_state_with_a_fault_is_found_at_load(name):
    """Each entry missing, each of another shape, and one too many."""
    params, optimizer = around_torchs(name)
    saved = optimizer.state_dict()
    states = saved["state"]
    inner = {index: {k: v for k, v in state.items() if k != "slow"} for index, state in states.items()}
    inner = {index: state for index, state in inner.items() if state}
    assert len(inner) == (1 if name == "LBFGS" else len(params))
    for index, state in inner.items():
        for key, value in state.items():
            if len(state) > 1 and key != "al":  # which LBFGS has from its second step on only
                message = f"lacks '{key}' in the state of parameter {index}: {name}'s is "
                refused(optimizer, params, changed(saved, ("state", index, key), None), message)
            if not isinstance(value, list):
                wrong = torch.zeros(3, 7)
                message = rf"has '{key}' of shape \(3, 7\) in the state of parameter {index}: must be \("
                refused(optimizer, params, changed(saved, ("state", index, key), wrong), message)
        message = f"has 'fast' in the state of parameter {index}: {name}'s is "
        refused(optimizer, params, changed(saved, ("state", index, "fast"), torch.zeros(())), message)
    message = r"a state for 9: its parameters are 0, 1"
    refused(optimizer, params, changed(saved, ("state", 9), {"step": 1}), message)
    optimizer.load_state_dict(saved)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_torch_optimizers_good_state_is_never_refused(name, steps):
    """Whatever a schedule has done since, an lr below 0 by rounding and a momentum of 0 included."""
    switches = ("momentum", "amsgrad", "centered")
    off = {key: type(value)(0) for key, value in TORCHS[name].items() if key in switches}
    for extra in ({}, {"weight_decay": 0.1, "maximize": True}, off, {"foreach": True}):
        if not extra.keys() <= getattr(torch.optim, name)([torch.zeros(2, 2)]).param_groups[0].keys():
            continue
        _, optimizer = around_torchs(name, steps, **extra)
        for group in optimizer.param_groups:
            group["lr"] = -1e-20
            if "momentum" in group and name != "RMSprop":
                group["momentum"] = 0.0
        saved = optimizer.state_dict()
        optimizer.load_state_dict(saved)
        assert same(saved, optimizer.state_dict())


@pytest.mark.parametrize("around", [lambda o: o, gd.optim.Lookahead], ids=["plain", "Lookahead"])
@pytest.mark.parametrize("name", OURS)
def test_a_schedule_that_ends_below_0_by_rounding_goes_on_and_its_checkpoint_loads(name, around):
    """torch's own ``LinearLR`` to 0 leaves -2e-18."""

    def trained(steps):
        params = parameters()
        optimizer = around(OURS[name](params, lr=0.3))
        schedule = lr_scheduler.LinearLR(optimizer, 0.1, 0.0, total_iters=43)
        walk(params, optimizer, steps, each=lambda t: schedule.step())
        return params, optimizer

    _, optimizer = trained(44)
    assert -1e-17 < optimizer.param_groups[0]["lr"] < 0
    params, resumed = trained(0)
    resumed.load_state_dict(optimizer.state_dict())
    assert same(resumed.state_dict(), optimizer.state_dict())
    walk(params, resumed, 1, first=45)
    assert all(torch.isfinite(param).all() for param in params)


def test_states_as_earlier_versions_of_torch_wrote_them_load():
    """Counts as numbers, and a momentum that is none yet."""
    _, optimizer = around_torchs("NAdam")
    saved = optimizer.state_dict()
    for state in saved["state"].values():
        state.update(step=float(state["step"]), mu_product=float(state["mu_product"]))
    optimizer.load_state_dict(saved)
    _, optimizer = around_torchs("SGD", momentum=0.0)
    saved = optimizer.state_dict()
    for state in saved["state"].values():
        state["momentum_buffer"] = None
    optimizer.load_state_dict(saved)


def test_a_lbfgs_that_soon_stood_still_has_less_in_its_state():
    (param,) = params = [torch.nn.Parameter(torch.zeros(3))]
    optimizer = gd.optim.Lookahead(torch.optim.LBFGS(params))
    param.grad = torch.zeros(3)
    optimizer.step(lambda: torch.ones(()))
    saved = optimizer.state_dict()
    assert saved["state"][0].keys() == {"func_evals", "n_iter", "slow"}
    optimizer.load_state_dict(saved)
    optimizer = gd.optim.Lookahead(torch.optim.LBFGS(params, tolerance_change=1e3))
    param.grad = torch.ones(3)
    optimizer.step(lambda: torch.ones(()))
    saved = optimizer.state_dict()
    assert "d" in saved["state"][0] and "al" not in saved["state"][0]
    optimizer.load_state_dict(saved)


def test_of_an_optimizer_from_elsewhere_nothing_is_asked():
    class Noting(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            for p in self.param_groups[0]["params"]:
                self.state[p]["note"] = torch.zeros(7)

    params = parameters()
    optimizer = gd.optim.Lookahead(Noting(params))
    walk(params, optimizer, 2)
    optimizer.load_state_dict(optimizer.state_dict())


def test_what_a_hook_makes_of_the_inner_state_is_what_must_fit():
    params, optimizer = around_torchs("Adam")
    saved = optimizer.state_dict()
    old = copy.deepcopy(saved)
    for state in old["state"].values():
        state["square"] = state.pop("exp_avg_sq")

    def translated(_, state_dict):
        for state in state_dict["state"].values():
            state["exp_avg_sq"] = state.pop("square")

    handle = optimizer.optimizer.register_load_state_dict_pre_hook(translated)
    optimizer.load_state_dict(old)
    assert same(saved, optimizer.state_dict())
    handle.remove()
    refused(optimizer, params, old, "lacks 'exp_avg_sq' and has 'square'")
    assert not optimizer.optimizer._optimizer_load_state_dict_pre_hooks  # loading leaves none behind


def test_a_checkpoint_is_a_snapshot_of_a_tensor_lr_too():
    """A schedule writes into the group's tensor; and what was loaded is each group's own."""
    params = parameters()
    optimizer = gd.optim.Adam([{"params": [p]} for p in params], lr=torch.tensor(0.25))
    walk(params, optimizer, 1)
    saved = optimizer.state_dict()
    optimizer.param_groups[0]["lr"].fill_(0.5)
    assert saved["param_groups"][0]["lr"] == 0.25
    shared = saved["param_groups"][0]["lr"]
    for group in saved["param_groups"]:
        group["lr"] = shared
    optimizer.load_state_dict(saved)
    optimizer.param_groups[0]["lr"].fill_(0.5)
    assert optimizer.param_groups[1]["lr"] == shared == 0.25


# ---- torch's state ----

TWINS = [name for name, oracle in ORACLES.items() if oracle.shares_state]
with_a_twin = pytest.mark.parametrize("name", TWINS)


def close(a, b):
    return all(torch.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(a, b, strict=True))


@with_a_twin
def test_state_goes_from_torchs_to_ours(name):
    """With torch's settings, over the step from which RAdam is adapted; and on as torch goes on."""
    theirs = parameters(torch.float64)
    optimizer = ORACLES[name].kind(theirs, lr=0.02, weight_decay=0.1, **ORACLES[name].theirs)
    walk(theirs, optimizer, 3)
    ours = twins_of(theirs)
    loaded = OURS[name](ours)
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.param_groups[0]["lr"] == 0.02
    walk(theirs, optimizer, 6, first=4)
    walk(ours, loaded, 6, first=4)
    assert close(ours, theirs)
    if name != "SGD":
        assert all(int(loaded.state[p]["step"]) == 9 for p in ours)
    loaded.load_state_dict(loaded.state_dict())  # nothing of torch's is left in it that ours would refuse


TOLD_APART = "decoupled_weight_decay" in torch.optim.Adam(parameters()).defaults


@with_a_twin
def test_state_goes_from_ours_to_torchs(name):
    make, told = ORACLES[name].kind, ORACLES[name].ours
    ours = parameters(torch.float64)
    optimizer = OURS[name](ours, lr=0.02, weight_decay=0.1, **told)
    walk(ours, optimizer, 3)
    theirs = twins_of(ours)
    loaded = make(theirs)
    loaded.load_state_dict(optimizer.torch_state_dict())
    walk(theirs, loaded, 6, first=4)
    walk(ours, optimizer, 6, first=4)
    assert close(ours, theirs)
    twin = make(twins_of(ours), lr=0.02, **ORACLES[name].theirs)
    walk(list(twin.param_groups[0]["params"]), twin, 1)
    # torch before 2.7 has no such option in Adam and AdamW, and keeps it as it came
    unknown = {"decoupled_weight_decay"} if name in ("Adam", "AdamW", "AMSGrad") and not TOLD_APART else set()
    assert loaded.param_groups[0].keys() == twin.param_groups[0].keys() | unknown
    assert [s.keys() for s in loaded.state.values()] == [s.keys() for s in twin.state.values()]


@with_a_twin
def test_torchs_variants_are_refused(name):
    make, variant = ORACLES[name].kind, ORACLES[name].variant
    if not variant:
        pytest.skip("torch's Adadelta has no variant")
    params, strangers = parameters(), parameters()
    optimizer, stranger = OURS[name](params), make(strangers, **variant)
    walk(params, optimizer, 1)
    walk(strangers, stranger, 1)
    (option, value), *_ = variant.items()
    refused(optimizer, params, stranger.state_dict(), re.escape(f"{option}={value!r} in parameter group 0"))


@pytest.mark.skipif(not TOLD_APART, reason="this torch's checkpoints do not say which of the two wrote them")
def test_adam_and_adamw_of_torchs_are_told_apart():
    for ours, theirs in ((gd.optim.Adam, torch.optim.AdamW), (gd.optim.AdamW, torch.optim.Adam)):
        params = parameters()
        refused(ours(params), params, theirs(parameters()).state_dict(), "decoupled_weight_decay=")


@pytest.mark.parametrize("name", [name for name in OURS if name not in TWINS])
def test_where_states_differ_in_meaning_none_is_taken(name):
    params = parameters()
    optimizer = OURS[name](params)
    theirs = ORACLES[name].kind if name in ORACLES else torch.optim.Adam
    message = f"no optimizer of torch's has a state that means what {name}'s does"
    refused(optimizer, params, theirs(parameters()).state_dict(), message)
    with pytest.raises(ValueError, match=message):
        optimizer.torch_state_dict()


@pytest.mark.parametrize("given", [{}, {"differentiable": False}], ids=["nothing", "a word of torch's"])
@pytest.mark.parametrize("name", [*OURS, *(f"Lookahead({name})" for name in OURS)])
def test_a_copys_late_group_does_not_make_a_checkpoint_torchs(name, given):
    """torch puts a word of its own into the defaults of what is copied, and of what a Lookahead is around."""
    params = parameters()
    optimizer, params = copy.deepcopy((ALL[name](params[:2]), params))
    optimizer.add_param_group({"params": params[2:], **given})
    first, late = optimizer.param_groups
    assert late.keys() == first.keys()
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    other = ALL[name](params[:2])
    other.add_param_group({"params": params[2:], **given})
    other.load_state_dict(saved)
    assert other.param_groups == optimizer.param_groups


def test_radam_of_the_paper_is_not_torchs():
    with pytest.raises(ValueError, match=r"threshold=4: torch's RAdam knows only 5"):
        gd.optim.RAdam(parameters()).torch_state_dict()


# ---- bodies and closures that raise ----


@every
def test_a_closure_that_raises_leaves_everything_as_it_was(name):
    def fails():
        raise KeyError("no data")

    for steps in (0, 2):
        params = parameters()
        optimizer = ALL[name](params)
        walk(params, optimizer, steps)
        before = everything(params, optimizer)
        with pytest.raises(KeyError, match="no data"):
            optimizer.step(fails)
        assert same(before, everything(params, optimizer))


@dataclass(frozen=True, eq=False)
class Picky(gd.Rule):
    """Momentum that wants no gradient of 7."""

    lr: float = 0.1

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        if bool((grad == 7).any()):
            raise ArithmeticError("a gradient of 7")
        v = 0.9 * state["v"] + grad
        return theta - self.lr * v, {"v": v}


@pytest.mark.parametrize("sizes", [[5000] * 3, [3] * 4 + [5000] * 2], ids=["each", "joined"])
@pytest.mark.parametrize("bad", [0, -1])
def test_a_rule_that_raises_leaves_each_parameter_before_the_step_or_after_it(sizes, bad):
    """Never moved without its count, or half of its state: the next step is as if those had been apart."""
    params = drawn(*[(n,) for n in sizes])
    twins, plain = twins_of(params), twins_of(params)
    optimizer = gd.optim.from_rule(Picky(), params)
    alone = [gd.optim.from_rule(Picky(), [p]) for p in twins]
    walk(params, optimizer, 2)
    for t in (1, 2):
        give_gradients(twins, t)
        for one in alone:
            one.step()
    before = everything(params, optimizer)
    give_gradients(params, 3)
    give_gradients(twins, 3)
    params[bad].grad[1] = 7
    with pytest.raises(ArithmeticError, match="of 7"):
        optimizer.step()
    counts = [int(optimizer.state[p]["step"]) for p in params]
    assert counts[bad] == 2 and (bad == 0) == (set(counts) == {2})
    for one, count in zip(alone, counts, strict=True):
        if count == 3:
            one.step()
    for p, twin, one in zip(params, twins, alone, strict=True):
        assert same(everything([p], optimizer)[0], everything([twin], one)[0])
        assert same(dict(optimizer.state[p]), dict(one.state[twin]))
    if bad == 0:
        assert same(before, everything(params, optimizer))
    assert not equal(params, plain)


@pytest.mark.parametrize("name", LOOKAHEADS)
def test_slow_weights_give_the_fast_ones_back_even_after_an_error(name):
    params = parameters()
    optimizer = ALL[name](params)
    walk(params, optimizer, 4)
    before = everything(params, optimizer)
    with pytest.raises(KeyError), optimizer.slow_weights():
        assert not equal(params, before[0])
        raise KeyError
    assert same(before, everything(params, optimizer))
