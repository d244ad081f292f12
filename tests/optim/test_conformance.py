"""The optimizers under torch's own optimizer tests: its database of configurations and of errors, and what
its suite asks of every optimizer. The same for compile=True and for Lookahead around ours and torch's."""

import copy
import pickle
import warnings
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.testing._internal.common_optimizers import (
    ErrorOptimizerInput,
    OptimizerInfo,
    OptimizerInput,
    TensorTracker,
    optim_db,
)
from torch.testing._internal.common_utils import TestCase

import gdcourse as gd
from gdcourse.optim import bucket
from gdcourse.optim.methods import CLASSES
from tests.conftest import needs_a_compiler
from tests.optimizers import (
    ANY_SHAPE,
    ORACLES,
    arguments,
    equal,
    give_gradients,
    rate,
    through_a_file,
    values,
)

DATABASE = {info.name: info for info in optim_db}


# ---- our entries, made of torch's ----
# A configuration of torch's is taken where our arguments can say it. Whatever torch has a default for is
# said, so that the two mean the same.

OWN_INPUTS = [
    OptimizerInput(None, {"lr": torch.tensor(0.002, dtype=torch.float64)}, "tensor lr"),
    OptimizerInput(None, {"maximize": True}, "maximize"),
    OptimizerInput(None, {"weight_decay": 0.3}, "weight_decay"),
]


def inputs(name, device, dtype=None):
    """Torch's configurations that our class `name` can be told, in our words; for a class that torch has not,
    some of our own."""
    ours = arguments(CLASSES[name])
    if name not in ORACLES:
        given, small = [OptimizerInput(None, {}, "default"), *OWN_INPUTS], {"lr": 1e-3} if rate(name) else {}
        return [OptimizerInput(None, {**small, **own.kwargs}, own.desc) for own in given]
    oracle, found = ORACLES[name], []
    theirs = arguments(oracle.kind)
    common = {key: value for key, value in theirs.items() if key in ours and key != "params"}
    for given in [*DATABASE[oracle.kind.__name__].optim_inputs_func(device, dtype), *OWN_INPUTS]:
        if given.kwargs.keys() <= ours.keys():
            found.append(OptimizerInput(None, {**common, **oracle.ours, **given.kwargs}, given.desc))
    return found


def error_inputs(name, device, dtype):
    """Torch's errors whose configuration our class `name` can be told, and those that are ours alone."""
    ours, found = arguments(CLASSES[name]), []
    needed = {"lr": 0.1} if rate(name) else {}
    entry = DATABASE[ORACLES[name].kind.__name__ if name in ORACLES else "SGD"]
    for error in entry.optim_error_inputs_func(device, dtype):
        given = error.optimizer_error_input
        mixed = "either both floats or both Tensors" in given.desc  # ours takes any pair of numbers
        fast = "foreach" in given.kwargs  # which changes nothing here, so nothing is wrong with it
        if given.kwargs.keys() <= ours.keys() and not mixed and not fast:
            kwargs = {**needed, **given.kwargs}
            found.append(
                ErrorOptimizerInput(
                    OptimizerInput(given.params, kwargs, given.desc),
                    error_type=error.error_type,
                    error_regex=error.error_regex,
                )
            )
    complex_param = torch.zeros(2, 3, dtype=torch.complex64)
    found.append(
        ErrorOptimizerInput(
            OptimizerInput([complex_param], needed, "a complex parameter"),
            error_type=ValueError,
            error_regex=r"complex parameter of shape \(2, 3\): only real ones .*view_as_real",
        )
    )
    return found


GENTLE = (
    [lambda optimizer: lr_scheduler.StepLR(optimizer, gamma=0.9, step_size=10)],
    [lambda optimizer: lr_scheduler.LinearLR(optimizer, start_factor=0.4, total_iters=4)],
    [lambda optimizer: lr_scheduler.ConstantLR(optimizer, factor=0.4, total_iters=4)],
)
"""For the momenta, and for what torch has not. A momentum's v holds the rate of the step that added to it:
where a schedule takes the rate to 0 within some steps, as others of torch's do, the ball rolls on."""


def schedules_for(name):
    keeps_its_rate = name not in ORACLES or "momentum" in ORACLES[name].ours
    return GENTLE if keeps_its_rate else DATABASE[ORACLES[name].kind.__name__].scheduler_inputs


OURS = {
    name: OptimizerInfo(
        kind,
        optim_inputs_func=partial(inputs, name),
        optim_error_inputs_func=partial(error_inputs, name),
        scheduler_inputs=schedules_for(name),
        supported_impls=(),
        not_og_supported_flags=(),
        supports_complex=False,
    )
    for name, kind in CLASSES.items()
    if name in ANY_SHAPE and kind.method.kind.scope != "all"  # of these, below
}


def looking_ahead(info):
    """The entry of a Lookahead around another's class, with its configurations."""

    def Lookahead(params, **kwargs):
        return gd.optim.Lookahead(info.optim_cls(params, **kwargs), k=3)

    return OptimizerInfo(
        Lookahead,
        optim_inputs_func=info.optim_inputs_func,
        optim_error_inputs_func=info.optim_error_inputs_func,
        scheduler_inputs=info.scheduler_inputs,
        step_requires_closure=info.step_requires_closure,
    )


LOOKAHEADS = {
    **{f"Lookahead({name})": looking_ahead(OURS[name]) for name in ("SGD", "Nesterov", "Adam")},
    **{
        f"Lookahead(torch's {name})": looking_ahead(info)
        for name, info in DATABASE.items()
        if name not in ("SparseAdam", "Muon")  # each takes only gradients, or parameters, of its own kind
    },
}
RULES_AROUND = {
    "Cautious(Adam)": lambda lr: gd.Cautious(gd.Adam(lr)),
    "Clipped(Nesterov)": lambda lr: gd.Clipped(gd.Nesterov(lr)),
    "SAM(Momentum)": lambda lr: gd.SAM(gd.Momentum(lr)),
    "Prodigy": lambda lr: gd.Prodigy(lr),
}


def by_rule(rule):
    """The entry of what `from_rule` makes."""

    def make(params, lr=0.01, **kwargs):
        own = {"weight_decay": kwargs.pop("weight_decay")} if kwargs.get("weight_decay") else {}
        made = rule(lr)
        if own and isinstance(made, gd.Prodigy):  # it has one
            made, own = replace(made, **own), {}
        return gd.optim.from_rule(made, params, **kwargs, **own)

    def given(device, dtype=None):
        return [OptimizerInput(None, {"lr": 0.002}, "default"), *OWN_INPUTS]

    return OptimizerInfo(make, optim_inputs_func=given, scheduler_inputs=GENTLE)


AROUND = {name: by_rule(rule) for name, rule in RULES_AROUND.items()}
ALL = {**OURS, **LOOKAHEADS, **AROUND}
every_of_ours = pytest.mark.parametrize("name", OURS)
every = pytest.mark.parametrize("name", ALL)

COMPILED_HERE = ("SGD", "Adam", "Lookahead(Nesterov)")


def few(names):
    """Some to be compiled; the others are in the slow run."""
    return [n if n in COMPILED_HERE else pytest.param(n, marks=pytest.mark.slow) for n in names]


@cache
def configurations(name):
    return ALL[name].optim_inputs_func(device="cpu")


def two_configurations(name):
    """Torch's defaults, and climbing, with weight decay where torch's database has it so."""
    return [next(given for given in configurations(name) if given.desc == d) for d in ("default", "maximize")]


def made(name, params, **kwargs):
    """An optimizer as the first of its configurations, torch's defaults, has it."""
    return ALL[name].optim_cls(params, **{**configurations(name)[0].kwargs, **kwargs})


def parameters(dtype=torch.float64):
    """Two matrices, of which one has its numbers apart from each other, a vector, and a single number."""
    generator = torch.Generator().manual_seed(0)
    shapes = (4, 3), (3, 4, 2), (5,), ()
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return [torch.nn.Parameter(x[..., 0] if x.ndim == 3 else x) for x in drawn]


def walk(name, params, optimizer, steps, first=1):
    for t in range(first, first + steps):
        give_gradients(params, t)
        step(name, optimizer)


def step(name, optimizer):
    """One step; to an optimizer that asks for a closure, one whose gradients are there already."""
    if ALL[name].step_requires_closure:
        optimizer.step(lambda: torch.tensor(1.0))
    else:
        optimizer.step()


# ---- torch's database ----


def test_most_of_torchs_configurations_are_taken():
    """Each class has its defaults, a tensor lr, weight decay and maximize, and more where torch has more."""
    for name in OURS:
        keys = set().union(*[given.kwargs.keys() for given in configurations(name)])
        assert {"lr", "weight_decay", "maximize"} <= keys
        assert len(configurations(name)) >= 4
    assert sum(len(configurations(name)) for name in OURS) > 60


@pytest.mark.parametrize("name", [*OURS, "Lookahead(Adam)"])
def test_errors_are_torchs(name):
    info = ALL[name]
    for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
        given = error.optimizer_error_input
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                info.optim_cls(given.params, **given.kwargs)
        else:
            with pytest.raises(error.error_type, match=error.error_regex):
                info.optim_cls(given.params, **given.kwargs)


def compare_with_torchs(name, configurations, **extra):
    """Step by step, each from torch's numbers; and no gradient is touched."""
    theirs, told = ORACLES[name].kind, ORACLES[name].theirs
    theirs_takes = arguments(theirs)
    for given in configurations:
        tracker = TensorTracker({"atol": 1e-12, "rtol": 0})
        kwargs = {key: value for key, value in given.kwargs.items() if key in theirs_takes}
        params = parameters()
        optimizer = theirs(params, **{**kwargs, **told})
        for t in range(1, 11):
            give_gradients(params, t)
            optimizer.step()
            for p in params:
                tracker.add(p)
        params = parameters()
        optimizer = CLASSES[name](params, **{**given.kwargs, **extra})
        for t in range(1, 11):
            give_gradients(params, t)
            grads = [(p, p.grad, p.grad.clone()) for p in params]
            optimizer.step()
            for p in params:
                tracker.pop_check_set(p, TestCase())
            assert all(p.grad is grad and torch.equal(grad, kept) for p, grad, kept in grads), given
        assert tracker.all_popped()


@pytest.mark.parametrize("name", ORACLES)
def test_each_configuration_equals_torchs(name, monkeypatch):
    monkeypatch.setattr(
        bucket, "SMALL", {"cpu": 10}
    )  # the first parameter stands alone, the others are joined
    monkeypatch.setattr(bucket, "MANY", 2)
    compare_with_torchs(name, configurations(name))


@needs_a_compiler
@pytest.mark.parametrize("name", few(ORACLES))
def test_compiled_equals_torchs(name):
    compare_with_torchs(name, two_configurations(name), compile=True)


# ---- the right direction ----


def descend(name, kwargs, contiguous, schedulers, steps=20, dtype=torch.float32):
    """Torch's little regression: the loss, which is climbed under maximize, goes where it should."""
    info = ALL[name]
    torch.manual_seed(0)
    if contiguous:
        weight, bias = torch.randn(10, 5, dtype=dtype), torch.randn(10, dtype=dtype)
    else:
        weight, bias = torch.randn(10, 5, 2, dtype=dtype)[..., 0], torch.randn(10, 2, dtype=dtype)[..., 0]
    weight, bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    x = torch.randn(5, dtype=dtype)
    optimizer = info.optim_cls([weight, bias], **copy.deepcopy(kwargs))
    schedules = [make(optimizer) for make in schedulers]

    def closure():
        optimizer.zero_grad()
        loss = (weight.mv(x) + bias).pow(2).sum()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(steps):
        loss = optimizer.step(closure)
        for schedule in schedules:
            if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
                schedule.step(loss)
            else:
                schedule.step()
    last = closure().item()
    assert last > first if kwargs.get("maximize") else last < first, (name, kwargs)


@every
@pytest.mark.parametrize("contiguous", [True, False], ids=["contiguous", "apart"])
@pytest.mark.parametrize("scheduled", [False, True], ids=["constant", "scheduled"])
def test_goes_in_the_right_direction(name, contiguous, scheduled):
    for given in configurations(name):
        if ALL[name].step_requires_closure and given.kwargs.get("maximize"):
            continue  # torch's LBFGS, which has it since 2.14, climbs this loss to infinity in one step
        for schedulers in ALL[name].scheduler_inputs if scheduled else ([],):
            with warnings.catch_warnings():
                # Adafactor and LBFGS say so of schedules made for others
                warnings.filterwarnings("ignore", category=UserWarning, module="torch.optim.lr_scheduler")
                descend(name, given.kwargs, contiguous, schedulers)


@needs_a_compiler
@pytest.mark.parametrize("name", few([*OURS, "Lookahead(SGD)", "Lookahead(Nesterov)", "Lookahead(Adam)"]))
def test_compiled_goes_in_the_right_direction(name):
    kwargs = {**configurations(name)[0].kwargs, "compile": True}
    for contiguous in (True, False):
        for schedulers in ([], *ALL[name].scheduler_inputs):
            descend(name, kwargs, contiguous, schedulers, steps=5, dtype=torch.float64)


@every_of_ours
def test_groups_with_schedules_go_in_the_right_direction(name):
    weight, bias = torch.nn.Parameter(torch.ones(3, 2)), torch.nn.Parameter(torch.ones(3))
    optimizer = made(name, [{"params": [weight]}, {"params": [bias], "lr": 0.01}])
    schedules = [make(optimizer) for make in ALL[name].scheduler_inputs[0]]
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (weight.sum(1) + bias).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        for schedule in schedules:
            schedule.step(*[loss] * isinstance(schedule, lr_scheduler.ReduceLROnPlateau))
    assert losses[-1] < losses[0]


@every_of_ours
def test_maximize_climbs_as_the_negated_loss_descends(name):
    ours, theirs = parameters(), parameters()
    up, down = made(name, ours, maximize=True), made(name, theirs)
    for t in range(1, 11):
        give_gradients(ours, t)
        for p, q in zip(ours, theirs, strict=True):
            q.grad = -p.grad
        up.step()
        down.step()
    assert equal(ours, theirs) and not equal(ours, parameters())


# ---- parameters that rest, tensors instead of numbers ----


@every
def test_a_step_without_gradients_changes_nothing(name):
    params = parameters()
    optimizer = made(name, params)
    step_with_closure = partial(optimizer.step, lambda: torch.tensor(1.0))
    before = values(params)
    step_with_closure()
    assert equal(params, before)
    assert not any(key != "slow" for state in optimizer.state.values() for key in state)


@every_of_ours
def test_zero_gradients_move_nothing(name):
    params = parameters(torch.float32)
    before = values(params)
    optimizer = made(name, params, weight_decay=0.0)
    for _ in range(3):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert equal(params, before)


@every_of_ours
def test_a_thawed_layer_goes_on_as_if_it_alone_had_waited(name):
    """Frozen from step 4 to 7, a layer has at the end what it would have without the pause; the layer
    beside it never notices."""
    torch.manual_seed(0)
    frozen, other = torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(3))
    twins = [torch.nn.Parameter(p.detach().clone()) for p in (frozen, other)]
    together, apart = made(name, [frozen, other]), [made(name, [p]) for p in twins]
    for t in range(1, 13):
        rests = 4 <= t <= 7
        frozen.requires_grad_(not rests)
        (together.zero_grad(), [o.zero_grad() for o in apart])
        loss = (t * (other - 1) ** 2).sum() + (t * frozen**2).sum()
        loss.backward()
        (t * (twins[1] - 1) ** 2).sum().backward()
        assert (frozen.grad is None) is rests
        if not rests:
            twins[0].grad = frozen.grad.clone()
        together.step()
        for optimizer in apart:
            optimizer.step()
        assert equal([frozen, other], twins)
    assert [int(together.state[p]["step"]) for p in (frozen, other)] == [8, 12]


@every_of_ours
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_tensor_lr_is_the_number(name, shape):
    plain, wrapped = parameters(), parameters()
    lr = torch.full(shape, 0.01, dtype=torch.float64)
    walk(name, plain, made(name, plain, lr=0.01), 5)
    optimizer = made(name, wrapped, lr=lr)
    walk(name, wrapped, optimizer, 5)
    assert equal(plain, wrapped)
    optimizer.param_groups[0]["lr"].mul_(0.5)  # as a schedule does
    before = values(wrapped)
    walk(name, wrapped, optimizer, 1, first=6)
    assert float(lr.reshape(())) == 0.005 and not equal(
        wrapped, before
    )  # it is one's own tensor, as with torch's


@every_of_ours
def test_complex_parameters_are_refused_when_they_join_too(name):
    for optimizer in (made(name, parameters()), gd.optim.Lookahead(made(name, parameters()))):
        with pytest.raises(ValueError, match=r"complex parameter of shape \(2,\).*view_as_real"):
            optimizer.add_param_group({"params": [torch.zeros(2, dtype=torch.complex128)]})
        assert len(optimizer.param_groups) == 1


# ---- saving, copying, hooks ----


@every
def test_saved_with_any_configuration_it_goes_on_alike(name):
    """Through a file of weights only, into an optimizer of other settings; and the file goes on unchanged."""
    # torch's NAdam loads a number that it keeps in float32 as one of the parameter's type
    dtype = torch.float32 if "torch's" in name else torch.float64
    for given in configurations(name):
        params = parameters(dtype)
        optimizer = ALL[name].optim_cls(params, **copy.deepcopy(given.kwargs))
        walk(name, params, optimizer, 4)
        saved, twins = through_a_file(optimizer.state_dict()), parameters(dtype)
        for twin, param in zip(twins, params, strict=True):
            twin.data.copy_(param.data)  # in its layout: the last digit of a sum may hang on it
        twin = made(name, twins)
        kept = copy.deepcopy(saved)
        twin.load_state_dict(saved)
        for t in range(5, 10):
            walk(name, params, optimizer, 1, first=t)
            walk(name, twins, twin, 1, first=t)
            assert equal(params, twins), given
        if not name.startswith("Lookahead(torch"):
            TestCase().assertEqual(saved, kept)


@every_of_ours
def test_a_step_saved_as_a_number_loads(name):
    """As old checkpoints of torch's have it."""
    params = parameters()
    optimizer = made(name, params)
    walk(name, params, optimizer, 3)
    saved = optimizer.state_dict()
    for state in saved["state"].values():
        state["step"] = state["step"].item()
    twins = [torch.nn.Parameter(p) for p in values(params)]
    twin = made(name, twins)
    twin.load_state_dict(saved)
    walk(name, params, optimizer, 2, first=4)
    walk(name, twins, twin, 2, first=4)
    assert equal(params, twins)


@every_of_ours
@pytest.mark.parametrize("saved_named", [True, False])
def test_named_and_unnamed_checkpoints_load_into_each_other(name, saved_named):
    def named(params):
        return [(f"p{i}", p) for i, p in enumerate(params)]

    params, twins = parameters(), parameters()
    optimizer = made(name, named(params) if saved_named else params)
    twin = made(name, twins if saved_named else named(twins))
    walk(name, params, optimizer, 2)
    for p, q in zip(params, twins, strict=True):
        q.data.copy_(p.data)
    twin.load_state_dict(optimizer.state_dict())
    walk(name, params, optimizer, 2, first=3)
    walk(name, twins, twin, 2, first=3)
    assert equal(params, twins)
    assert twin.param_groups[0]["param_names"] == ["p0", "p1", "p2", "p3"]


@every
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_have_every_public_attribute(name, copied):
    params = parameters()
    optimizer = made(name, params)
    walk(name, params, optimizer, 2)

    def public(o):
        return {key for key in vars(o) if not key.startswith("_")} | {"param_groups", "state", "defaults"}

    if ALL[name].step_requires_closure:
        pytest.skip("torch's LBFGS keeps its parameters a second time, which a copy of it lacks")
    twins, twin = copied((params, optimizer))
    assert public(twin) == public(optimizer)
    assert all(hasattr(twin, key) for key in public(optimizer))
    walk(name, params, optimizer, 2, first=3)
    walk(name, twins, twin, 2, first=3)
    assert equal(params, twins)


@every
def test_hooks_of_one_and_of_all_optimizers_run_in_torchs_order(name):
    params, seen = parameters(), []
    optimizer = made(name, params)
    handles = [
        register_optimizer_step_pre_hook(lambda o, *_: seen.append(("all, before", o))),
        optimizer.register_step_pre_hook(lambda o, *_: seen.append(("one, before", o))),
        optimizer.register_step_post_hook(lambda o, *_: seen.append(("one, after", o))),
        register_optimizer_step_post_hook(lambda o, *_: seen.append(("all, after", o))),
    ]
    try:
        walk(name, params, optimizer, 1)
    finally:
        for handle in handles:
            handle.remove()
    words = [word for word, o in seen if o is optimizer]
    assert words == ["all, before", "one, before", "one, after", "all, after"]
    seen.clear()
    walk(name, params, optimizer, 1, first=2)
    assert not seen


def torchs_adagrad_takes_a_group_later():
    params = parameters()
    optimizer = torch.optim.Adagrad(params[:1])
    optimizer.add_param_group({"params": params[1:]})
    give_gradients(params, 1)
    try:
        optimizer.step()
    except KeyError:
        return False
    return True


@every
def test_a_group_added_later_moves_too(name):
    if ALL[name].step_requires_closure:
        pytest.skip("torch's LBFGS takes one group")
    if name == "Lookahead(torch's Adagrad)" and not torchs_adagrad_takes_a_group_later():
        pytest.skip("this torch's Adagrad fails by itself with a group added later: KeyError: 'sum'")
    params = parameters()
    optimizer = made(name, params[:2])
    walk(name, params[:2], optimizer, 4)
    before = values(params)
    optimizer.add_param_group({"params": params[2:], "lr": 0.05})
    walk(name, params, optimizer, 4, first=5)
    assert not any(torch.equal(p, b) for p, b in zip(params, before, strict=True))
    assert optimizer.param_groups[1]["lr"] == 0.05 and optimizer.param_groups[0]["lr"] != 0.05
    assert all(p.isfinite().all() for p in params)
