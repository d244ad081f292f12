"""The optimizers as citizens of torch: groups, state, schedules, precision, hooks, errors."""

import copy
import pickle
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import gdcourse as gd
from gdcourse.optim.groups import memory_of, torchs_names
from gdcourse.rules import where
from tests.optimizers import (
    MAKERS,
    ORACLES,
    RULE_OF,
    equal,
    give_gradients,
    mostly,
    pair_of,
    parameters,
    rate,
    through_a_file,
    twins_of,
    values,
    walk,
)

EXACT = 1e-12
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
every_with_torchs = pytest.mark.parametrize("name", ORACLES)


def same(a, b, within=0.0):
    return all((x - y).abs().max() <= within for x, y in zip(a, b, strict=True))


# ---- the same names, the same numbers ----


@every_with_torchs
@pytest.mark.parametrize(
    "extra", [{}, {"weight_decay": 0.1}, {"maximize": True}, {"weight_decay": 0.1, "maximize": True}]
)
def test_weight_decay_and_maximize_equal_torchs(name, extra):
    ours, theirs = parameters(), parameters()
    for params, make in zip((ours, theirs), pair_of(name), strict=True):
        walk(params, make(params, **extra), 50)
    assert same(ours, theirs, EXACT)
    assert not same(ours, parameters(), 1e-3)


def test_every_oracle_is_an_optimizers_of_ours():
    assert ORACLES.keys() <= MAKERS.keys()


def test_adadeltas_lr_multiplies_the_step_as_torchs_does():
    ours, theirs = parameters(), parameters()
    walk(ours, gd.optim.Adadelta(ours, lr=0.3), 50)
    walk(theirs, torch.optim.Adadelta(theirs, lr=0.3, rho=0.95), 50)
    assert same(ours, theirs, EXACT)


@pytest.mark.parametrize("name", MAKERS)
def test_defaults_are_the_rules(name):
    rule, group = RULE_OF[name], MAKERS[name](parameters()).param_groups[0]
    own = {
        "Adadelta": {"gamma": "rho"},
        "RMSProp": {"gamma": "alpha"},
        "ScheduleFreeSGD": {"beta": "momentum"},
    }
    keys = {"gamma": "momentum", "warmup": "warmup_steps", **own.get(name, {})}
    for field in fields(rule):
        if field.name != "lr" or not rate(name):
            found = group["betas"][int(field.name[-1]) - 1] if field.name in ("beta1", "beta2") else None
            assert found or group[keys.get(field.name, field.name)] == field.default


@every
def test_float32_follows_float64(make):
    """An update of 30 steps in float32 stays within single-precision rounding of the exact one."""
    single, double = parameters(dtype=torch.float32), parameters()
    walk(single, make(single), 30)
    walk(double, make(double), 30)
    assert all(p.dtype == torch.float32 for p in single)
    assert same([p.double() for p in single], double, 2e-4)


# ---- groups ----


@every
def test_groups_have_their_own_hyperparameters(make):
    together, apart = parameters((3,), (3,)), parameters((3,), (3,))
    both = make([{"params": [together[0]]}, {"params": [together[1]], "lr": 0.5}])
    alone = [make([apart[0]]), make([apart[1]], lr=0.5)]
    for t in range(1, 11):
        give_gradients(together, t)
        give_gradients(apart, t)
        both.step()
        for optimizer in alone:
            optimizer.step()
    assert same(together, apart)
    assert both.param_groups[0]["lr"] != both.param_groups[1]["lr"]


@every
def test_add_param_group_and_late_gradients_count_from_their_own_first_step(make):
    """A parameter that joins, or gets its first gradient, at step 11 moves as one at step 1 does."""
    early, joins, late, fresh_joins, fresh_late = parameters((3,), (3,), (3,), (3,), (3,))
    fresh_joins.data.copy_(joins.data)
    fresh_late.data.copy_(late.data)
    optimizer = make([early, late])
    walk([early], optimizer, 10)
    assert torch.equal(late, fresh_late)
    optimizer.add_param_group({"params": [joins]})
    fresh = make([fresh_joins, fresh_late])
    for t in range(11, 16):
        give_gradients([early, joins, late], t)
        fresh_joins.grad, fresh_late.grad = joins.grad.clone(), late.grad.clone()
        optimizer.step()
        fresh.step()
        assert torch.equal(joins, fresh_joins)
        assert torch.equal(late, fresh_late)
    assert [int(optimizer.state[p]["step"]) for p in (early, joins, late)] == [15, 5, 5]


@every
def test_step_count_is_torchs_kind(make):
    params = parameters()
    optimizer = make(params)
    walk(params, optimizer, 3)
    for p in params:
        step = optimizer.state[p]["step"]
        assert (step.shape, step.dtype, step.device.type, float(step)) == ((), torch.float32, "cpu", 3.0)


@every
def test_a_frozen_parameter_rests(make):
    params = parameters((3,), (3,))
    params[1].requires_grad_(False)
    before = values(params)
    optimizer = make(params)
    for t in range(1, 6):
        give_gradients(params, t, resting={1})
        optimizer.step()
    assert torch.equal(params[1], before[1]) and not torch.equal(params[0], before[0])
    assert params[1] not in optimizer.state


def write_lr(params, optimizer):
    optimizer.param_groups[0]["lr"] = 0.5


def write_lr_as_a_tensor_into_which_a_schedule_writes(params, optimizer):
    optimizer.param_groups[0]["lr"] = torch.tensor(0.01)
    give_gradients(params, 50)
    optimizer.step()
    optimizer.param_groups[0]["lr"].fill_(0.5)


def write_momentum(params, optimizer):
    optimizer.param_groups[0]["momentum"] = 0.1


def climb(params, optimizer):
    optimizer.param_groups[0]["maximize"] = True


def decay(params, optimizer):
    optimizer.param_groups[0]["weight_decay"] = 0.5


def put_other_numbers_there(params, optimizer):
    params[0].data = torch.full_like(params[0].data, 3.0)


def put_another_parameter_there(params, optimizer):
    params[0] = optimizer.param_groups[0]["params"][0] = torch.nn.Parameter(torch.ones_like(params[0]))


def put_another_state_there(params, optimizer):
    optimizer.state[params[0]]["v"] = torch.full_like(params[0], 2.0)


def put_other_numbers_into_the_state(params, optimizer):
    optimizer.state[params[0]]["v"].data = torch.full_like(params[0], 2.0)


def write_into_the_state(params, optimizer):
    optimizer.state[params[0]]["v"].fill_(2.0)


def drop_the_state(params, optimizer):
    optimizer.state.clear()


def take_a_group_out(params, optimizer):
    del optimizer.param_groups[1]


def swap_the_groups(params, optimizer):
    optimizer.param_groups.reverse()


def give_no_gradient(params, optimizer):
    params[0].requires_grad_(False)


CHANGES = (
    write_lr,
    write_lr_as_a_tensor_into_which_a_schedule_writes,
    write_momentum,
    climb,
    decay,
    put_other_numbers_there,
    put_another_parameter_there,
    put_another_state_there,
    put_other_numbers_into_the_state,
    write_into_the_state,
    drop_the_state,
    take_a_group_out,
    swap_the_groups,
    give_no_gradient,
)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("shapes", [[(3, 2), (4,), (), (2,), (1,)], [(3, 2)]], ids=["together", "alone"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nothing_is_remembered_from_step_to_step(change, shapes, compile):
    """A step after any change equals that of a copy, which knows nothing of the steps before; without it, it
    does
    not."""

    def walked(intervene, anew):
        params = parameters(*shapes, (5,))
        groups = [{"params": params[:-1]}, {"params": params[-1:], "lr": 0.02}]
        optimizer = gd.optim.Nesterov(groups, lr=0.03, compile=compile)
        for t in range(6):
            if t == 3:
                intervene(params, optimizer)
            give_gradients(params, t, [i for i, p in enumerate(params) if not p.requires_grad])
            if anew:
                grads = [p.grad for p in params]
                params, optimizer = copy.deepcopy((params, optimizer))
                for p, grad in zip(params, grads, strict=True):
                    p.grad = grad
            optimizer.step()
        return values(params)

    changed = walked(change, anew=False)
    assert same(changed, walked(change, anew=True))
    if change is not swap_the_groups:  # the order of the groups is nobody's
        assert not same(changed, walked(lambda *_: None, anew=False))


def test_states_that_change_hands_are_used_by_those_that_have_them():
    params, twins = parameters((3,), (3,)), parameters((3,), (3,))
    optimizer, fresh = gd.optim.Momentum(params, lr=0.1), gd.optim.Momentum(twins, lr=0.1)
    for those, each in ((params, optimizer), (twins, fresh)):
        walk(those[:1], each, 2)
        walk(those, each, 3)
    for (a, b), each in ((params, optimizer), (twins, fresh)):
        of_a, of_b = each.state.pop(a), each.state.pop(b)
        each.state[b], each.state[a] = of_a, of_b
    walk(params, optimizer, 1)
    walk(twins, fresh, 1)
    assert same(params, twins)


@pytest.mark.parametrize("kind", [gd.optim.SGD, torch.optim.SGD])
def test_what_is_written_into_ones_own_tensor_lr_counts(kind):
    """In every group that was given the tensor, as with torch's."""
    lr = torch.tensor(0.1, dtype=torch.float64)
    a, b = parameters((3,), (3,))
    optimizer = kind([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=lr)
    lr.fill_(0.01)
    before = values([a, b])
    give_gradients([a, b], 1)
    optimizer.step()
    assert torch.allclose(a, before[0] - 0.01 * a.grad, atol=1e-15)
    assert torch.allclose(b, before[1] - 0.5 * b.grad, atol=1e-15)


def test_hyperparameters_as_tensors_and_arrays_are_the_same_numbers():
    plain, wrapped = parameters(), parameters()
    walk(plain, gd.optim.Adam(plain, 0.01, (0.8, 0.99), 1e-7, weight_decay=0.1), 5)
    lr, decay = torch.tensor([0.01], dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64)
    betas = (np.float64(0.8), torch.tensor(0.99, dtype=torch.float64))
    walk(wrapped, gd.optim.Adam(wrapped, lr, betas, np.array(1e-7), weight_decay=decay), 5)
    assert same(plain, wrapped)


def test_named_parameters_keep_their_names():
    model = torch.nn.Linear(2, 1)
    optimizer = gd.optim.Adam(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


# ---- the step itself ----


@every
@pytest.mark.parametrize("extra", [{}, {"weight_decay": 0.1}, {"maximize": True}])
def test_gradients_are_left_untouched(make, extra):
    params = parameters()
    optimizer = make(params, **extra)
    for t in range(1, 4):
        give_gradients(params, t)
        given = [(p.grad, p.grad.clone()) for p in params]
        optimizer.step()
        for p, (grad, copy_of_it) in zip(params, given, strict=True):
            assert p.grad is grad and torch.equal(grad, copy_of_it)


@every
def test_closure(make):
    params = parameters((3,))
    optimizer = make(params)
    graphs = []

    def closure():
        optimizer.zero_grad()
        loss = (params[0] ** 2).sum()
        graphs.append(loss.requires_grad)
        loss.backward()
        return loss

    before = (params[0].detach() ** 2).sum().item()
    with torch.no_grad():
        assert optimizer.step(closure).item() == before
        optimizer.step(closure)  # ADOPT's first moves nothing
    assert graphs == [True, True]
    assert (params[0].detach() ** 2).sum().item() < before
    assert params[0].requires_grad and params[0].is_leaf


@every
def test_hooks(make):
    params, seen = parameters((3,)), []
    optimizer = make(params)
    optimizer.register_step_pre_hook(lambda *_: seen.append(("before", params[0].detach().clone())))
    optimizer.register_step_post_hook(lambda *_: seen.append(("after", params[0].detach().clone())))
    before = values(params)
    walk(params, optimizer, 1)
    assert [name for name, _ in seen] == ["before", "after"]
    assert torch.equal(seen[0][1], before[0]) and torch.equal(seen[1][1], params[0])


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_zero_gradient_from_the_start_moves_nothing(make, dtype):
    params = parameters(dtype=dtype)
    before = values(params)
    optimizer = make(params, weight_decay=0.0)
    for _ in range(10):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert all(torch.equal(p, b) for p, b in zip(params, before, strict=True))


@every
@pytest.mark.parametrize("dtype, unit", [(torch.float16, 2**-10), (torch.bfloat16, 2**-7)])
def test_half_precision_computes_in_float32(make, dtype, unit):
    """Each step rounds once. A gradient of 1e-5, whose square float16 cannot hold, counts."""
    half = [torch.nn.Parameter(torch.ones(3, dtype=dtype))]
    optimizer = make(half)
    for _ in range(3):
        wide = [torch.nn.Parameter(half[0].detach().float())]
        twin = make(wide)
        if half[0] in optimizer.state:
            twin.state[wide[0]] = copy.deepcopy(optimizer.state[half[0]])
        half[0].grad = torch.full((3,), 1e-5, dtype=dtype)
        wide[0].grad = half[0].grad.float()
        optimizer.step()
        twin.step()
        assert torch.equal(half[0], wide[0].to(dtype))
    for name, value in memory_of(optimizer.state[half[0]]).items():
        assert value.dtype == torch.float32, name


# ---- schedules ----


@pytest.mark.parametrize("name", [name for name in ORACLES if name not in ("Momentum", "Nesterov")])
def test_schedules_of_lr_equal_torchs(name):
    """Not Momentum and Nesterov: they keep η in v, where torch multiplies at the end."""
    for schedule in (
        lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=20),
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=0.1, total_steps=41, cycle_momentum=name.startswith("Adam")
        ),
    ):
        ours, theirs = parameters(), parameters()
        for params, make in zip((ours, theirs), pair_of(name), strict=True):
            optimizer = make(params)
            scheduler = schedule(optimizer)
            walk(params, optimizer, 40, each=lambda _, scheduler=scheduler: scheduler.step())
        assert same(ours, theirs, EXACT)


SCHEDULES = {
    "LambdaLR": lambda o, cycle: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "CosineAnnealingLR": lambda o, cycle: lr_scheduler.CosineAnnealingLR(o, T_max=10),
    "OneCycleLR": lambda o, cycle: lr_scheduler.OneCycleLR(o, 0.1, total_steps=21, cycle_momentum=cycle),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_a_schedule_sets_is_what_the_rule_uses(name, schedule):
    """Each step is the rule's own, with the hyperparameters that the group holds at that moment."""
    params = parameters((3,))
    optimizer = MAKERS[name](params)
    keys = optimizer.param_groups[0].keys()
    scheduler = SCHEDULES[schedule](optimizer, bool({"momentum", "betas"} & keys))
    plain = RULE_OF[name]
    state, seen = None, []
    theta = params[0].detach().clone()
    for t in range(1, 21):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group.get("momentum"), group.get("betas")))
        given = {f.name: group[f.name] for f in fields(plain) if f.name in group}
        if "betas" in group:
            given |= {"beta1": group["betas"][0], "beta2": group["betas"][1]}
        for ours, key in torchs_names(plain).items():
            if key in ("momentum", "rho", "alpha", "warmup_steps"):
                given[ours] = group[key]
        rule = plain(**given)
        state = rule.init(theta, torch.zeros_like(theta)) if state is None else state
        give_gradients(params, t)
        stepped, new = rule.step(theta, params[0].grad, state, rule.at(t))
        theta = stepped if hasattr(rule, "lr") else theta + group["lr"] * (stepped - theta)
        state = {key: new[key] for key in state}
        optimizer.step()
        scheduler.step()
        assert (optimizer.theta(params[0]) - theta).abs().max() <= EXACT
        assert (params[0] - rule.look(theta, state)).abs().max() <= EXACT
    assert len({lr for lr, *_ in seen}) > 10
    if schedule == "OneCycleLR":
        assert len(set(seen)) == len(seen)
        for i, key in ((1, "momentum"), (2, "betas")):
            assert key not in keys or len({s[i] for s in seen}) > 10


def test_nesterov_under_an_lr_schedule_equals_descend():
    problem, start = gd.problems.Quadratic([1.0, 0.1]), [1.0, -1.0]
    run = gd.descend(lambda t: gd.Nesterov(0.1 * 0.97 ** (t - 1)), problem, start, 60)
    param = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = gd.optim.Nesterov([param], lr=0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.97)
    for t in range(1, 61):
        param.grad = problem.grad(param.detach())
        optimizer.step()
        scheduler.step()
        assert np.abs(optimizer.theta(param).numpy() - run.theta[t]).max() <= EXACT


# ---- Nesterov's two points ----


def test_at_theta_restores_the_look_ahead_point_even_after_an_error():
    params = parameters()
    optimizer = gd.optim.Nesterov(params, lr=0.03)
    walk(params, optimizer, 5)
    points = values(params)
    with pytest.raises(KeyError), optimizer.at_theta():
        for p, point in zip(params, points, strict=True):
            assert torch.equal(p, point + 0.9 * optimizer.state[p]["v"])
            assert not torch.equal(p, point)
        raise KeyError
    assert all(torch.equal(p, point) for p, point in zip(params, points, strict=True))


@pytest.mark.parametrize(
    "rule", [gd.Nesterov(0.03), gd.ScheduleFree(0.03), gd.SAM(gd.Momentum(0.03)), gd.Adam(0.03)]
)
def test_an_at_theta_inside_another_changes_nothing(rule):
    params = parameters()
    optimizer = gd.optim.from_rule(rule, params)
    walk(params, optimizer, 5)
    points, thetas = values(params), [optimizer.theta(p) for p in params]
    with optimizer.at_theta():
        with pytest.raises(KeyError), optimizer.at_theta():
            assert equal(params, thetas)
            raise KeyError
        assert equal(params, thetas) and equal([optimizer.theta(p) for p in params], thetas)
    assert equal(params, points) and equal([optimizer.theta(p) for p in params], thetas)
    walk(params, optimizer, 1, first=6)
    assert not equal(params, points)


@pytest.mark.parametrize("rule", [gd.Nesterov(0.03), gd.ScheduleFree(0.03), gd.SAM(gd.Momentum(0.03))])
def test_at_theta_refuses_what_would_go_on_from_there(rule):
    """The state belongs to the point that comes back: saved with θ, or loaded or moved there, a run would go
    on elsewhere."""
    params = parameters()
    optimizer = gd.optim.from_rule(rule, params)
    walk(params, optimizer, 3)
    saved, points, calls = optimizer.state_dict(), values(params), []
    refused = {
        "step": lambda: optimizer.step(lambda: calls.append(1)),
        "state_dict": optimizer.state_dict,
        "load_state_dict": lambda: optimizer.load_state_dict(saved),
        "set_theta": lambda: optimizer.set_theta(params[0], params[0]),
        "a copy": lambda: copy.deepcopy(optimizer),
    }
    for what, call in refused.items():
        with optimizer.at_theta(), pytest.raises(RuntimeError, match=f"{what} .*after the block.*weights"):
            call()
    assert equal(params, points) and not calls
    twins = twins_of(params)
    twin = gd.optim.from_rule(rule, twins)
    twin.load_state_dict(optimizer.state_dict())
    walk(params, optimizer, 3, first=4)
    walk(twins, twin, 3, first=4)
    assert equal(params, twins)


def test_where_the_point_is_theta_at_theta_refuses_no_checkpoint():
    params = parameters()
    optimizer = gd.optim.Adam(params)
    walk(params, optimizer, 3)
    with optimizer.at_theta():
        saved = optimizer.state_dict()
        optimizer.load_state_dict(saved)
        with pytest.raises(RuntimeError, match="step inside"):  # at_theta's end would undo it
            optimizer.step()
    assert saved["state"].keys() == optimizer.state_dict()["state"].keys()


def test_set_theta_is_the_inverse_of_theta():
    params = parameters((3,))
    optimizer = gd.optim.Nesterov(params, lr=0.03)
    optimizer.set_theta(params[0], torch.ones(3, dtype=torch.float64))
    assert torch.equal(params[0], torch.ones(3, dtype=torch.float64))
    walk(params, optimizer, 3)
    optimizer.set_theta(params[0], torch.full((3,), 2.0, dtype=torch.float64))
    assert torch.allclose(optimizer.theta(params[0]), torch.full((3,), 2.0, dtype=torch.float64), atol=1e-15)
    assert (params[0] - 2).abs().min() > 1e-4


# ---- saving and loading ----


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_checkpoint_changes_no_bit(make, dtype):
    params = parameters(dtype=dtype)
    optimizer = make(params)
    optimizer.param_groups[0]["lr"] = 0.02
    walk(params, optimizer, 7)
    saved, saved_params = through_a_file(optimizer.state_dict()), values(params)
    walk(params, optimizer, 7, first=8)

    again = [torch.nn.Parameter(p) for p in saved_params]
    loaded = make(again)
    loaded.load_state_dict(saved)
    assert loaded.param_groups[0]["lr"] == 0.02
    walk(again, loaded, 7, first=8)
    assert all(torch.equal(a, b) for a, b in zip(params, again, strict=True))


@every
def test_loaded_state_is_not_shared(make):
    params, twins = parameters(), parameters()
    optimizer, twin = make(params), make(twins)
    walk(params, optimizer, 3)
    twin.load_state_dict(optimizer.state_dict())
    kept = copy.deepcopy(twin.state_dict())
    walk(params, optimizer, 3)
    for p in params:
        for value in optimizer.state[p].values():
            if isinstance(value, torch.Tensor):
                value.fill_(7.0)
    now = twin.state_dict()
    assert all(
        torch.equal(value, now["state"][i][name])
        for i, state in kept["state"].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    )


@every
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike(make, copied):
    params = parameters()
    optimizer = make(params)
    walk(params, optimizer, 4)
    others, other = copied((params, optimizer))
    walk(params, optimizer, 4, first=5)
    walk(others, other, 4, first=5)
    assert all(torch.equal(a, b) for a, b in zip(params, others, strict=True))


def test_load_hooks_see_what_will_be_used():
    params = parameters()
    optimizer = gd.optim.Momentum(params, lr=0.1)
    walk(params, optimizer, 2)
    saved = copy.deepcopy(optimizer.state_dict())

    def doubled(_, state_dict):
        state_dict = copy.deepcopy(state_dict)
        for state in state_dict["state"].values():
            state["v"] *= 2
        return state_dict

    seen = []
    optimizer.register_load_state_dict_pre_hook(doubled)

    def cleared(optimizer):
        seen.append(optimizer.state[params[0]]["v"])
        optimizer.state[params[0]]["v"] = torch.zeros_like(params[0])

    optimizer.register_load_state_dict_post_hook(cleared)
    optimizer.load_state_dict(saved)
    assert torch.equal(seen[0], 2 * saved["state"][0]["v"])
    assert not optimizer.state[params[0]]["v"].any()  # a hook has the last word
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    assert len(optimizer._optimizer_load_state_dict_pre_hooks) == 1


# ---- a reader's own rule ----


@dataclass(frozen=True, eq=False)
class Stubborn(gd.Rule):
    """Steps by the sign of the gradient, only where the last gradient agreed; remembers θ, too."""

    lr: float = 0.1
    beta1: float = 0.5
    beta2: float = 0.25
    patience: float = 3

    def init(self, theta, zeros):
        return {"last": zeros, "previous": theta}

    def at(self, t):
        return {"still": t > self.patience, "shrink": self.beta1**t}

    def step(self, theta, grad, state, at):
        agree = grad * state["last"] > 0
        move = where(agree, grad / (abs(grad) + 1e-300), 0 * grad) + at["shrink"] * self.beta2 * grad
        pulled = theta - self.lr * where(at["still"], move, 0.5 * move) + 0.01 * (state["previous"] - theta)
        return pulled, {"last": grad, "previous": theta}


def test_from_rule_runs_a_readers_rule():
    """Its state is the gradient and θ themselves: both are overwritten in place by every training loop."""
    problem, start = gd.problems.Quadratic([1.0, 0.2]), [1.0, -1.5]
    run = gd.descend(Stubborn(), problem, start, 40)
    param = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = gd.optim.from_rule(Stubborn(), [param])
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.25)
    assert optimizer.param_groups[0]["patience"] == 3
    for t in range(1, 41):
        optimizer.zero_grad(set_to_none=False)
        problem.loss(param).backward()
        optimizer.step()
        assert np.abs(param.detach().numpy() - run.theta[t]).max() <= EXACT


def test_from_rule_takes_every_rule_of_the_table():
    problem, start = gd.problems.Beale(), np.array([1.0, 1.0])
    for name, method in gd.METHODS.items():
        rule = method.make(method.usual / 10)
        run = gd.descend(rule, problem, start, 30)
        param = torch.nn.Parameter(torch.tensor(start))
        optimizer = gd.optim.from_rule(rule, [param])
        for _ in range(30):
            param.grad = problem.grad(param.detach())
            optimizer.step()
        theta = optimizer.theta(param) if isinstance(optimizer, gd.optim.RuleOptimizer) else param.detach()
        assert np.abs(theta.numpy() - run.theta[-1]).max() <= EXACT, name
        assert np.abs(run.theta[-1] - start).max() > 1e-4, name


@dataclass(frozen=True, eq=False)
class TakesStep(gd.Rule):
    lr: float = 0.1

    def init(self, theta, zeros):
        return {"step": zeros}

    def step(self, theta, grad, state, at):
        return theta, {"step": grad}


class NoDataclass(gd.Rule):
    pass


@dataclass(frozen=True, eq=False)
class TakesParams(gd.Rule):
    params: float = 0.1


def test_from_rule_says_what_it_cannot_take():
    params = parameters()
    give_gradients(params, 1)
    with pytest.raises(TypeError, match=r"expected a rule such as .* Adam is a class"):
        gd.optim.from_rule(gd.Adam, params)
    with pytest.raises(TypeError, match="NoDataclass must be a dataclass"):
        gd.optim.from_rule(NoDataclass(), params)
    with pytest.raises(ValueError, match="must not have a field 'params'"):
        gd.optim.from_rule(TakesParams(), params)
    with pytest.raises(ValueError, match="must not name a state 'step'"):
        gd.optim.from_rule(TakesStep(), params).step()
    with pytest.raises(ValueError, match=r"Invalid weight_decay: 0.1 \(AdamW has its own"):
        gd.optim.from_rule(gd.AdamW(), params, weight_decay=0.1)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        gd.optim.from_rule(gd.Adam(lr=np.array([0.1, 0.2])), params)


# ---- errors ----

BAD = {
    "lr": (-1.0, ValueError, r"Invalid learning rate: -1\.0 .*finite number ≥ 0"),
    "lr nan": (float("nan"), ValueError, r"Invalid learning rate: nan .*finite number ≥ 0"),
    "lr text": ("0.1", TypeError, r"Invalid learning rate: '0\.1' .*must be a number"),
    "weight_decay": (-0.1, ValueError, r"Invalid weight_decay value: -0\.1 .*finite number ≥ 0"),
    "eps": (-1e-8, ValueError, r"Invalid epsilon value: -1e-08 .*finite number ≥ 0"),
    "momentum": (1.0, ValueError, r"Invalid momentum value: 1\.0 .*in [\[(]0, 1\)"),
    "rho": (1.5, ValueError, r"Invalid rho value: 1\.5 .*in \[0, 1\)"),
    "alpha": (-0.5, ValueError, r"Invalid alpha value: -0\.5 .*(in \[0, 1\)|finite number ≥ 0)"),
    "betas": ((1.0, 0.9), ValueError, r"Invalid beta parameter at index 0: 1\.0 .*in [\[(]0, 1\)"),
    "betas second": ((0.9, 1.0), ValueError, r"Invalid beta parameter at index 1: 1\.0 .*in \[0, 1\)"),
    "betas alone": (0.9, TypeError, r"Invalid betas: 0\.9 .*pair"),
    "threshold": (float("nan"), ValueError, r"Invalid threshold: nan"),
    "maximize": ("False", TypeError, r"Invalid maximize: 'False' \(must be True or False\)"),
    "lr list": ([0.1], TypeError, r"must be a number, or for a family of runs an array of numbers\)"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("case", BAD)
def test_bad_hyperparameters(name, case):
    value, error, message = BAD[case]
    key = case.split()[0]
    good = MAKERS[name](parameters())
    if key not in good.param_groups[0]:
        with pytest.raises((TypeError, ValueError), match="unexpected keyword|not supported by"):
            MAKERS[name](parameters(), **{key: value})
        return
    with pytest.raises(error, match=message):
        MAKERS[name](parameters(), **{key: value})
    with pytest.raises(error, match=message):
        MAKERS[name]([{"params": parameters(), key: value}])
    with pytest.raises(error, match=message):
        good.add_param_group({"params": parameters(), key: value})
    assert len(good.param_groups) == 1


@every
def test_bad_parameters(make):
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        make([])
    with pytest.raises(TypeError, match="params argument given to the optimizer should be an iterable"):
        make(torch.zeros(3))
    with pytest.raises(TypeError, match="optimizer can only optimize Tensors"):
        make([1.0])
    with pytest.raises(ValueError, match="complex parameter of shape"):
        make([torch.nn.Parameter(torch.zeros(2, dtype=torch.complex64))])
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        make(parameters(), lr=torch.tensor([0.1, 0.2]))


@every
@pytest.mark.parametrize("value", ["yes", None, 1])
def test_whether_to_compile_is_a_bool(make, value):
    with pytest.raises(TypeError, match=rf"Invalid compile: {value!r} \(must be True or False\)"):
        make(parameters(), compile=value)


def test_a_groups_key_under_the_rules_name_is_not_ignored():
    with pytest.raises(
        ValueError, match=r"Invalid key in a parameter group: 'gamma' \(Momentum's is called 'momentum'"
    ):
        gd.optim.Momentum([{"params": parameters(), "gamma": 0.5}], lr=0.1)


# ---- at work ----


@pytest.mark.parametrize("make", mostly(MAKERS))
def test_trains_a_small_network(make):
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 64)[:, None]
    y = x**2
    model = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    rates = {"Adadelta": 10.0, "SGD": 0.1, "ScheduleFreeSGD": 0.3}
    lr = {MAKERS[name]: rate for name, rate in rates.items()}.get(make, 0.01)
    optimizer = make(model.parameters(), lr=lr)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_gradscaler_skips_overflowed_steps():
    model = torch.nn.Linear(2, 1)
    optimizer = gd.optim.Momentum(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = values(model.parameters())
    scaler.scale(model(torch.ones(1, 2)).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    optimizer.zero_grad()
    scaler.scale(model(torch.ones(1, 2)).sum()).backward()
    scaler.step(optimizer)
    assert torch.allclose(model.weight, before[0] - 0.1) and torch.allclose(model.bias, before[1] - 0.1)


class Wrapper:
    """As Lightning's: a class that is also the optimizer's, which looks up in it what it lacks."""

    def __new__(cls, optimizer):
        return object.__new__(type("Wrapped", (cls, type(optimizer)), {}))

    def __init__(self, optimizer):
        self.inner = optimizer

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    ("make", "block"),
    [
        (lambda params: gd.optim.Nesterov(params, lr=0.03), "at_theta"),
        (lambda params: gd.optim.ScheduleFree(params, lr=0.03), "at_theta"),
        (lambda params: gd.optim.Lookahead(gd.optim.Adam(params)), "slow_weights"),
        (lambda params: gd.optim.Lookahead(gd.optim.Nesterov(params, lr=0.03)), "at_theta"),
    ],
)
def test_a_block_that_a_wrapper_enters_is_the_optimizers(make, block):
    """The checkpoint is saved by a trainer, of the optimizer itself."""
    params = parameters()
    optimizer = make(params)
    walk(params, optimizer, 3)
    wrapper, points = Wrapper(optimizer), values(params)
    with getattr(wrapper, block)():
        for call in (optimizer.state_dict, optimizer.step, lambda: copy.deepcopy(optimizer)):
            with pytest.raises(RuntimeError, match="after the block"):
                call()
        with getattr(optimizer, block)():
            pass
    assert equal(params, points) and copy.deepcopy(optimizer).state_dict() and optimizer.state_dict()


@pytest.mark.parametrize("own", [lambda p: p.detach().clone(), lambda p: torch.ones(5), lambda p: 3])
@pytest.mark.parametrize("which", [None, [0], [1, 2]])
@pytest.mark.parametrize(
    "make",
    [
        lambda params: gd.optim.Adam(params),
        lambda params: gd.optim.LAMB(params, lr=0.01),
        lambda params: gd.optim.Prodigy(params),
        lambda params: gd.optim.Adafactor(params, lr=0.01),
        lambda params: gd.optim.from_rule(gd.Cautious(gd.Adam(0.01)), params),
        lambda params: gd.optim.Lookahead(
            gd.optim.Nesterov(params, lr=0.01), k=2, pullback_momentum="pullback"
        ),
    ],
)
def test_what_somebody_keeps_in_a_state_stays_there(make, which, own):
    """As wrappers from elsewhere do, timm's Lookahead for one."""
    shapes = [(2, 3), (3,), (3, 3), (3, 3)]
    params, twins = parameters(*shapes), parameters(*shapes)
    optimizer, twin = make(params), make(twins)
    walk(params, optimizer, 3)
    walk(twins, twin, 3)
    inner = getattr(optimizer, "optimizer", optimizer)
    marked = [params[i] for i in which or range(len(params))]
    for param in marked:
        inner.state[param]["theirs"] = own(param)
    walk(params, optimizer, 4, first=4)
    walk(twins, twin, 4, first=4)
    assert equal(params, twins)
    for param in marked:
        kept, first = inner.state[param]["theirs"], own(param)
        assert kept == 3 if isinstance(first, int) else kept.shape == first.shape


@pytest.mark.parametrize("name", ["Muon", "NorMuon", "Shampoo", "SOAP", "Adafactor"])
def test_a_matrix_that_was_given_another_shape_is_named(name):
    params = parameters((4, 3), (4, 3))
    optimizer = getattr(gd.optim, name)(params, lr=0.01)
    walk(params, optimizer, 2)
    others = values(params)
    params[1].data = params[1].data[:1].clone()
    params[1].grad = torch.ones_like(params[1])
    with pytest.raises(RuntimeError, match=r"shape \(1, 3\) has '\w+' of shape .*another shape"):
        optimizer.step()
    assert equal(params[:1], others[:1])


def test_a_parameter_that_was_expanded_is_named_before_any_has_moved():
    first = torch.nn.Parameter(torch.ones(3))
    wide = torch.nn.Parameter(torch.ones(3, 1).expand(3, 4))
    optimizer = gd.optim.Adam([first, wide])
    first.grad, wide.grad = torch.ones(3), torch.ones(3, 4)
    with pytest.raises(RuntimeError, match=r"shape \(3, 4\) is the same number"):
        optimizer.step()
    assert torch.equal(first, torch.ones(3))


class Theirs(torch.Tensor):
    """A reader's own kind of tensor."""


@pytest.mark.parametrize(
    "name", ["SignSGD", "Lion", "AMSGrad", "ADOPT", "Adafactor", "Muon", "Shampoo", "SOAP"]
)
def test_a_kind_of_tensor_of_the_readers_moves_as_a_plain_one(name):
    plain = parameters((3, 3))
    theirs = [p.detach().clone().as_subclass(Theirs).requires_grad_() for p in plain]
    kind = getattr(gd.optim, name)
    walk(plain, kind(plain, lr=0.01), 3)
    walk(theirs, kind(theirs, lr=0.01), 3)
    assert torch.equal(plain[0], theirs[0].as_subclass(torch.Tensor))
