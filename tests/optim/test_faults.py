"""What goes wrong in practice, and what is left afterwards: skipped steps, half precision, checkpoints that
do not fit, bodies and closures that raise."""

import copy
import re

import pytest
import torch

import gdcourse as gd

OURS = {
    "SGD": lambda params, **kw: gd.optim.SGD(params, **{"lr": 0.1, **kw}),
    "Momentum": lambda params, **kw: gd.optim.Momentum(params, **{"lr": 0.03, **kw}),
    "Nesterov": lambda params, **kw: gd.optim.Nesterov(params, **{"lr": 0.03, **kw}),
    "Adagrad": gd.optim.Adagrad,
    "RMSProp": gd.optim.RMSProp,
    "Adadelta": gd.optim.Adadelta,
    "Adam": gd.optim.Adam,
    "AdamW": gd.optim.AdamW,
    "RAdam": gd.optim.RAdam,
}
LOOKAHEADS = {
    f"Lookahead({name})": lambda params, make=OURS[name], **kw: gd.optim.Lookahead(make(params, **kw), k=3)
    for name in OURS
} | {
    f"Lookahead(torch's {make.__name__})": lambda params, make=make, **kw: gd.optim.Lookahead(
        make(params, **{"lr": 0.01, **kw}), k=3
    )
    for make in (
        torch.optim.SGD,
        torch.optim.Adagrad,
        torch.optim.RMSprop,
        torch.optim.Adadelta,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.Adamax,
        torch.optim.NAdam,
        torch.optim.RAdam,
        torch.optim.ASGD,
        torch.optim.Rprop,
        torch.optim.Adafactor,
    )
}
ALL = {**OURS, **LOOKAHEADS}
every_of_ours = pytest.mark.parametrize("name", OURS)
every = pytest.mark.parametrize("name", ALL)


def parameters(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 2), (4,), ()
    return [torch.nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in shapes]


def give_gradients(params, t):
    for i, p in enumerate(params):
        generator = torch.Generator().manual_seed(10 * t + i)
        p.grad = torch.randn(p.shape, generator=generator).to(p.dtype) + 0.1 * p.detach()


def walk(params, optimizer, steps, first=1):
    for t in range(first, first + steps):
        give_gradients(params, t)
        optimizer.step()


def twins_of(params):
    return [torch.nn.Parameter(p.detach().clone()) for p in params]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def everything(params, optimizer):
    """All that a step may change, as plain values that compare bit for bit."""
    return copy.deepcopy(([p.detach() for p in params], optimizer.state_dict()))


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


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
        state = [v for v in optimizer.state[param].values() if isinstance(v, torch.Tensor)]
        assert not any(x.isnan().any() for x in [param, *state])
        assert param[2] == 1
    assert all(v.dtype == torch.float32 for v in state)
    if name not in ("SGD", "Momentum", "Nesterov"):  # whose steps are as large as the gradient
        assert param.isfinite().all()


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
    "a parameter too many": (("state", 7), {"m": 0}, r"a state for 7: its parameters are 0, 1, 2"),
    "a group without betas": (("param_groups", 0, "betas"), None, r"no 'betas' in parameter group 0"),
    "a group without lr": (("param_groups", 0, "lr"), None, r"no 'lr' in parameter group 0"),
    "an impossible lr": (("param_groups", 0, "lr"), -1.0, r"Invalid learning rate: -1\.0"),
    "parameters fewer": (("param_groups", 0, "params"), [0], r"doesn't match the size of optimizer's group"),
    "no groups": (("param_groups",), [], r"different number of parameter groups"),
    "no state": (("state",), None, r"loaded state dict has no 'state'"),
    "no param_groups": (("param_groups",), None, r"loaded state dict has no 'param_groups'"),
}


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


def test_nesterovs_point_is_part_of_its_state():
    params = parameters()
    optimizer = gd.optim.Nesterov(params, lr=0.1)
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    refused(optimizer, params, changed(saved, ("state", 0, "look"), None), "lacks 'look' in the state of")
    refused(
        optimizer, params, changed(saved, ("state", 0, "look"), {"lr": 0.1}), "must hold 'lr', 'momentum'"
    )


LOOKAHEAD_FAULTS = {
    "around another": (("lookahead", "around"), "torch.SGD", r"around torch\.SGD: must be torch\.Adam"),
    "no slow weights": (("lookahead", "slow"), None, r"under 'lookahead' \(wrong: \['slow'\]\)"),
    "one without slow weights": (("lookahead", "slow", 1), None, r"no slow weights for parameter 1"),
    "another shape": (("lookahead", "slow", 1), torch.zeros(3), r"slow weights of shape \(3,\)"),
    "no whole number": (("lookahead", "steps"), 1.5, r"steps=1\.5: must be a whole number"),
    "an impossible k": (("lookahead", "k"), 0, r"Invalid k: 0"),
    "something more": (("lookahead", "fast"), {}, r"wrong: \['fast'\]"),
    "another class": (("lookahead",), None, r"no 'lookahead' entry"),
}


@pytest.mark.parametrize("fault", LOOKAHEAD_FAULTS)
def test_a_lookaheads_checkpoint_with_a_fault_is_refused(fault):
    path, value, message = LOOKAHEAD_FAULTS[fault]
    params = parameters()
    optimizer = gd.optim.Lookahead(torch.optim.Adam(params))
    walk(params, optimizer, 2)
    saved = optimizer.state_dict()
    walk(params, optimizer, 1, first=3)
    refused(optimizer, params, changed(saved, path, value), message)


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

TORCHS = {
    "SGD": (torch.optim.SGD, {}, {"momentum": 0.9}),
    "RMSProp": (torch.optim.RMSprop, {}, {"centered": True}),
    "Adadelta": (torch.optim.Adadelta, {}, None),
    "Adam": (torch.optim.Adam, {}, {"amsgrad": True}),
    "AdamW": (torch.optim.AdamW, {}, {"amsgrad": True}),
    "RAdam": (torch.optim.RAdam, {"threshold": 5}, {"decoupled_weight_decay": True}),
}
with_a_twin = pytest.mark.parametrize("name", TORCHS)


def close(a, b):
    return all(torch.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(a, b, strict=True))


@with_a_twin
def test_state_goes_from_torchs_to_ours(name):
    """With torch's settings, over the step from which RAdam is adapted; and on as torch goes on."""
    theirs = parameters(torch.float64)
    optimizer = TORCHS[name][0](theirs, lr=0.02, weight_decay=0.1)
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
    make, told, _ = TORCHS[name]
    ours = parameters(torch.float64)
    optimizer = OURS[name](ours, lr=0.02, weight_decay=0.1, **told)
    walk(ours, optimizer, 3)
    theirs = twins_of(ours)
    loaded = make(theirs)
    loaded.load_state_dict(optimizer.torch_state_dict())
    walk(theirs, loaded, 6, first=4)
    walk(ours, optimizer, 6, first=4)
    assert close(ours, theirs)
    twin = make(twins_of(ours), lr=0.02)
    walk(list(twin.param_groups[0]["params"]), twin, 1)
    # torch before 2.7 has no such option in Adam and AdamW, and keeps it as it came
    unknown = {"decoupled_weight_decay"} if name in ("Adam", "AdamW") and not TOLD_APART else set()
    assert loaded.param_groups[0].keys() == twin.param_groups[0].keys() | unknown
    assert [s.keys() for s in loaded.state.values()] == [s.keys() for s in twin.state.values()]


@with_a_twin
def test_torchs_variants_are_refused(name):
    make, _, variant = TORCHS[name]
    if variant is None:
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


@pytest.mark.parametrize("name", ["Momentum", "Nesterov", "Adagrad"])
def test_where_states_differ_in_meaning_none_is_taken(name):
    params = parameters()
    optimizer = OURS[name](params)
    theirs = torch.optim.Adagrad if name == "Adagrad" else torch.optim.SGD
    message = f"no optimizer of torch's has a state that means what {name}'s does"
    refused(optimizer, params, theirs(parameters()).state_dict(), message)
    with pytest.raises(ValueError, match=message):
        optimizer.torch_state_dict()


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
